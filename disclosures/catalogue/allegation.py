"""What an allegation asks (field list 2b of the scheme)."""

from __future__ import annotations

from disclosures.catalogue.choices import ACTIVITY
from disclosures.catalogue.claims import claims, confidential
from disclosures.schema import Field, Schema, Section, when

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
            claims(confidential(_RESPONDENT, _ALLEGED, _RIGHTS)),
            "Everything is kept confidential until somebody decides otherwise. Claim each item with its own reason.",
        ),
    ),
)
