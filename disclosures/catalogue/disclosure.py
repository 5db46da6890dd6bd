"""What a disclosure of extraction activity asks (field list 2a of the scheme)."""

from __future__ import annotations

from disclosures.catalogue.choices import ACTIVITY, BANDS, PURPOSE, TIMEZONES
from disclosures.catalogue.claims import claims, confidential
from disclosures.schema import Field, Schema, Section, when

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
            claims(confidential(_VOLUME, _USE)),
            "Everything is kept confidential until somebody decides otherwise. Claim each item with its own reason.",
        ),
    ),
)
