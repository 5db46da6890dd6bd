"""What a disclosure and an allegation ask, section by section (shared field lists 2a and 2b of the scheme)."""

from __future__ import annotations

from disclosures.schema import Field, Schema, Section, when

ACTIVITY = (
    ("bulk_querying", "Bulk querying of an API"),
    ("output_collection", "Collecting outputs to train on"),
    ("distillation", "Distillation"),
    ("web_scraping", "Web scraping"),
    ("dataset_reuse", "Re-use of a dataset"),
    ("parameter_probing", "Probing for parameters"),
    ("other", "Something else"),
)
PURPOSE = (
    ("training", "Training a model"),
    ("evaluation", "Evaluation or benchmark"),
    ("red_team", "Red-teaming or safety work"),
    ("interoperability", "Interoperability"),
    ("research", "Research"),
    ("compliance_test", "Compliance test"),
    ("production", "Customer production"),
    ("other", "Something else"),
)
BANDS = (
    ("under_10k", "Fewer than 10,000 requests"),
    ("10k_100k", "10,000 to 100,000"),
    ("100k_1m", "100,000 to 1 million"),
    ("1m_10m", "1 million to 10 million"),
    ("10m_100m", "10 million to 100 million"),
    ("over_100m", "More than 100 million"),
)
TIMEZONES = (
    ("Europe/London", "United Kingdom time"),
    ("UTC", "UTC"),
    ("other", "Another time zone (say which in the description)"),
)
LIMBS = (
    ("none", "Not confidential"),
    ("commercial", "Commercial information that might significantly harm our legitimate interests"),
    ("private", "An individual’s private affairs"),
    ("public_interest", "Disclosure would be contrary to the public interest"),
)


def _claims(fields: list[Field]) -> tuple[Field, ...]:
    """One claim a field: each with a limb and a reason of its own, never a blanket."""
    made: list[Field] = []
    for field in fields:
        claim = f"claim_{field.name}"
        made.append(
            Field(claim, f"Is this confidential: {field.label}", "choice", choices=LIMBS, required=field.required)
        )
        made.append(
            Field(
                f"{claim}_reason",
                f"Reason: {field.label}",
                "long",
                required=when(
                    claim,
                    "commercial",
                    "private",
                    "public_interest",
                    words="Needed if you claim confidentiality for it",
                ),
                max_length=2000,
            )
        )
    made.append(
        Field(
            "non_confidential_summary",
            "Non-confidential version",
            "long",
            hint="What others may be shown: the same facts, with confidential figures left out or given as a range",
            max_length=8000,
        )
    )
    return tuple(made)


_WHO = (
    Field(
        "filer_reference",
        "Your own reference",
        hint="Letters, digits, hyphens. It can be used once by your organisation",
        max_length=100,
    ),
    Field("accountable_officer", "Accountable officer", hint="The person who answers for this filing in your company"),
    Field("contact_name", "Contact for questions"),
    Field("contact_email", "Contact’s e-mail address", "email"),
    Field(
        "role",
        "Your role in the activity",
        "choice",
        choices=(
            ("extractor", "We extracted"),
            ("target", "We were the target"),
            ("processor", "We processed or resold for somebody else"),
            ("joint", "We did it jointly with others"),
        ),
    ),
    Field(
        "whose_activity",
        "Whose activity is it?",
        "choice",
        choices=(("own", "Our own"), ("third_party", "Somebody else’s, which we know of")),
    ),
    Field(
        "third_party_name",
        "Who carried it out",
        required=when("whose_activity", "third_party", words="Needed if it is somebody else’s activity"),
    ),
)
_ACTIVITY = (
    Field("activity_type", "What was done", "many", choices=ACTIVITY, hint="Choose all that apply"),
    Field(
        "activity_other",
        "Describe the other activity",
        "long",
        required=when("activity_type", "other", words="Needed if you chose “Something else”"),
        max_length=2000,
    ),
    Field("purpose", "Purpose", "many", choices=PURPOSE, hint="Choose all that apply"),
    Field("narrative", "Describe the activity and its purpose", "long", max_length=8000),
    Field("automated", "Was it automated?", "yesno"),
    Field(
        "rate_controls",
        "Rate controls that were used",
        "long",
        required=when("automated", True, words="Needed if it was automated"),
        max_length=2000,
    ),
    Field(
        "crawler_user_agent",
        "User agent of the crawler",
        required=when("activity_type", "web_scraping", words="Needed for web scraping"),
    ),
    Field(
        "opt_out_handling",
        "How robots.txt and opt-outs were handled",
        "long",
        required=when("activity_type", "web_scraping", words="Needed for web scraping"),
        max_length=2000,
    ),
)
_TARGET = (
    Field("target_organisation", "Organisation that was the target"),
    Field(
        "target_assets",
        "Models, datasets or domains",
        "long",
        hint="With their versions, one a line",
        max_length=4000,
    ),
    Field(
        "access_route",
        "How access was obtained",
        "choice",
        choices=(
            ("direct", "Direct contract"),
            ("marketplace", "Cloud marketplace"),
            ("reseller", "Reseller or proxy"),
            ("public_web", "Public web"),
            ("other", "Another way"),
        ),
    ),
    Field(
        "terms_position",
        "What the target’s terms say of it",
        "choice",
        choices=(
            ("permitted", "Permitted"),
            ("silent", "Silent"),
            ("prohibited", "Prohibited"),
            ("negotiated", "Negotiated separately"),
        ),
    ),
    Field(
        "terms_clause",
        "Clause of the terms",
        required=when(
            "terms_position",
            "permitted",
            "prohibited",
            "negotiated",
            words="Needed unless the terms are silent",
        ),
    ),
    Field("authorised", "Was there an authorisation?", "yesno"),
    Field(
        "authorisation_reference",
        "Reference of the authorisation",
        required=when("authorised", True, words="Needed if there was one"),
    ),
    Field(
        "why_no_authorisation",
        "Why there was none",
        "long",
        required=when("authorised", False, words="Needed if there was none"),
        max_length=2000,
    ),
)
_WHEN = (
    Field("started_at", "First day of the activity", "day", fact=True, past=True),
    Field("ongoing", "Is it still going on?", "yesno"),
    Field(
        "ended_at",
        "Last day of the activity",
        "day",
        fact=True,
        past=True,
        required=when("ongoing", False, words="Needed if it has ended"),
    ),
    Field("timezone", "Time zone of these dates", "choice", choices=TIMEZONES),
    Field("found_late", "Did you find out only afterwards?", "yesno"),
    Field(
        "discovered_at",
        "Day on which you found out",
        "day",
        past=True,
        required=when("found_late", True, words="Needed if you found out afterwards"),
    ),
    Field(
        "late_reason",
        "Why it was found late",
        "long",
        required=when("found_late", True, words="Needed if you found out afterwards"),
        max_length=2000,
    ),
)
_VOLUME = (
    Field("volume_band", "Size of the activity", "choice", choices=BANDS),
    Field("requests", "Number of requests", "whole", fact=True, confidential=True),
    Field("input_tokens", "Input tokens", "whole", fact=True, confidential=True),
    Field("output_tokens", "Output tokens", "whole", fact=True, confidential=True),
    Field("records", "Records", "whole", fact=True, confidential=True),
    Field("bytes", "Bytes", "whole", fact=True, confidential=True),
    Field("accounts_used", "Number of accounts used", "whole", fact=True, confidential=True),
    Field(
        "account_hashes",
        "Account identifiers, hashed",
        "long",
        hint="One a line: a keyed hash, never the identifier itself. If you hold none, say so",
        confidential=True,
        max_length=20000,
    ),
    Field(
        "network_hashes",
        "Source networks, hashed",
        "long",
        hint="One prefix a line, as a keyed hash. If you hold none, say so",
        confidential=True,
        max_length=20000,
    ),
    Field(
        "template_hashes",
        "Prompt-template hashes",
        "long",
        required=False,
        confidential=True,
        max_length=20000,
    ),
    Field(
        "daily_quantities",
        "Quantities per day",
        "evidence",
        required=False,
        hint="A CSV file among your evidence",
        confidential=True,
    ),
)
_USE = (
    Field(
        "use_of_outputs",
        "What was done with the outputs",
        "many",
        choices=(
            ("stored", "Stored"),
            ("trained", "Trained on"),
            ("deleted", "Deleted"),
            ("shared", "Shared with others"),
        ),
        hint="Choose all that apply",
    ),
    Field(
        "trained_model",
        "Model that was trained: name and version",
        required=when("use_of_outputs", "trained", words="Needed if a model was trained"),
    ),
    Field(
        "model_released",
        "Has that model been released?",
        "yesno",
        required=when("use_of_outputs", "trained", words="Needed if a model was trained"),
    ),
    Field(
        "deletion",
        "When and how the outputs were deleted",
        "long",
        required=when("use_of_outputs", "deleted", words="Needed if they were deleted"),
        max_length=2000,
    ),
    Field(
        "recipients",
        "Who received the outputs",
        "long",
        required=when("use_of_outputs", "shared", words="Needed if they were shared"),
        confidential=True,
        max_length=4000,
    ),
    Field("personal_data", "Was there personal data?", "yesno"),
    Field(
        "personal_data_categories",
        "Categories of personal data, and the legal basis",
        "long",
        required=when("personal_data", True, words="Needed if there was personal data"),
        max_length=2000,
    ),
    Field("safeguards", "Safeguards in place", "long", max_length=4000),
    Field("remediation", "Steps taken since", "long", required=False, max_length=4000),
    Field("effect", "Evaluation of the effect", "long", required=False, max_length=4000),
    Field("training_summary_url", "Public training summary", "url", required=False),
    Field("haip_url", "Hiroshima process report", "url", required=False),
)


def _confidential(*groups: tuple[Field, ...]) -> list[Field]:
    return [f for group in groups for f in group if f.confidential]


DISCLOSURE = Schema(
    "disclosure",
    "disclosure-1",
    (
        Section("who", "Who is filing", _WHO),
        Section("activity", "The activity", _ACTIVITY),
        Section("target", "The target and the terms", _TARGET),
        Section("dates", "When it happened", _WHEN),
        Section("volume", "How much", _VOLUME, "Give the exact figure, an estimate, or say when you will know."),
        Section("use", "What became of it", _USE),
        Section(
            "confidentiality",
            "What is confidential",
            _claims(_confidential(_VOLUME, _USE)),
            "Everything is kept confidential until somebody decides otherwise. Claim each item with its own reason.",
        ),
    ),
)

_COMPLAINANT = (
    Field(
        "filer_reference",
        "Your own reference",
        hint="Letters, digits, hyphens. It can be used once by your organisation",
        max_length=100,
    ),
    Field(
        "standing",
        "In what capacity do you allege this?",
        "choice",
        choices=(
            ("target", "We were the target"),
            ("rights_holder", "We hold the rights"),
            ("competitor", "We compete with the respondent"),
            ("public_body", "We are a public body"),
        ),
    ),
    Field("contact_name", "Contact for questions"),
    Field("contact_email", "Contact’s e-mail address", "email"),
)
_RESPONDENT = (
    Field(
        "respondent_known",
        "Do you know who did it?",
        "choice",
        choices=(("named", "Yes, a named organisation"), ("unknown", "No, an unknown operator")),
    ),
    Field(
        "respondent_name",
        "Name of the organisation",
        required=when("respondent_known", "named", words="Needed if you know who did it"),
        confidential=True,
    ),
    Field("respondent_number", "Its company number, if you know it", required=False),
    Field(
        "attribution",
        "What makes you think so",
        "long",
        hint="The basis of the attribution. For an unknown operator: what you know of it",
        confidential=True,
        max_length=4000,
    ),
    Field(
        "confidence",
        "How sure are you?",
        "choice",
        choices=(("confirmed", "Confirmed"), ("probable", "Probable"), ("possible", "Possible")),
    ),
    Field("confidence_reasons", "Why", "long", max_length=2000),
)
_ALLEGED = (
    Field("activity_type", "What is alleged", "many", choices=ACTIVITY, hint="Choose all that apply"),
    Field(
        "activity_other",
        "Describe the other activity",
        "long",
        required=when("activity_type", "other", words="Needed if you chose “Something else”"),
        max_length=2000,
    ),
    Field("target_assets", "Models, datasets or domains concerned", "long", max_length=4000),
    Field("narrative", "Describe what happened", "long", confidential=True, max_length=8000),
    Field("started_at", "First day", "day", fact=True, past=True),
    Field("ongoing", "Is it still going on?", "yesno"),
    Field(
        "ended_at",
        "Last day",
        "day",
        fact=True,
        past=True,
        required=when("ongoing", False, words="Needed if it has ended"),
    ),
    Field("requests", "Number of requests", "whole", fact=True, confidential=True),
    Field("how_counted", "How the volume was counted", "long", max_length=2000),
)
_RIGHTS = (
    Field(
        "rights",
        "Terms or rights that you rely on",
        "many",
        choices=(
            ("contract", "Contract or terms of use"),
            ("database_right", "Database right"),
            ("copyright", "Copyright"),
            ("confidence", "Confidence"),
            ("computer_misuse", "Computer misuse"),
        ),
        hint="Choose all that apply",
    ),
    Field("rights_detail", "The clauses or rights, in short", "long", max_length=4000),
    Field("impact", "Impact and harm", "long", confidential=True, max_length=4000),
    Field("steps_taken", "Steps you have taken", "long", hint="Contact, suspension, court", max_length=4000),
    Field("remedy", "Remedy that you seek", "long", max_length=2000),
    Field(
        "other_proceedings",
        "Other proceedings or authorities",
        "long",
        hint="If there are none, say so",
        max_length=2000,
    ),
    Field("urgent", "Do you ask for interim steps?", "yesno"),
    Field(
        "urgent_reason",
        "Why it cannot wait",
        "long",
        required=when("urgent", True, words="Needed if you ask for interim steps"),
        max_length=2000,
    ),
)
_PROOF = (
    Field(
        "evidence",
        "Evidence",
        "evidence",
        hint="At least one item from your organisation’s evidence",
    ),
    Field(
        "indicators",
        "Indicators that you ran",
        "long",
        required=False,
        hint="Method and version, hash of the data, result",
        max_length=4000,
    ),
    Field(
        "alternatives",
        "Other explanations that you considered",
        "long",
        hint="Red-teaming, a benchmark, shared networks, a reseller, an agent product. If none, say “none” and why",
        max_length=4000,
    ),
)
_CONSENT = (
    Field(
        "consent_named",
        "May the respondent be told your name?",
        "yesno",
        hint="Without it the respondent is told of the allegation, not by whom it was made",
    ),
    Field(
        "consent_referral",
        "May this go to the competition authority if it stays unresolved?",
        "yesno",
        hint="Without your consent your name and evidence are left out; the case itself can still be referred",
    ),
)

ALLEGATION = Schema(
    "allegation",
    "allegation-1",
    (
        Section("complainant", "About you", _COMPLAINANT),
        Section("respondent", "Who did it", _RESPONDENT),
        Section("alleged", "What is alleged", _ALLEGED),
        Section("rights", "Rights, harm and remedy", _RIGHTS),
        Section("proof", "Evidence and other explanations", _PROOF),
        Section("consent", "Your consents", _CONSENT),
        Section(
            "confidentiality",
            "What is confidential",
            _claims(_confidential(_RESPONDENT, _ALLEGED, _RIGHTS)),
            "Everything is kept confidential until somebody decides otherwise. Claim each item with its own reason.",
        ),
    ),
)

SCHEMAS = {"disclosure": DISCLOSURE, "allegation": ALLEGATION}
DECLARATION = (
    "I declare that I have the authority to make this filing, that I have made reasonable enquiries, and that to the "
    "best of my knowledge and belief what it says is true and complete. I understand that I must correct it without "
    "delay if I learn that it is not."
)
DECLARATION_VERSION = "declaration-1"
