"""What an authorisation says: who permits whom to do what to which models, how their traffic is known, and the limits.

The fields are those that a row of a usage log can be held against, and those by which a person judges the permission.
"""

from __future__ import annotations

from disclosures.schema import Field, Schema, Section, when

TECHNIQUES = (
    ("jailbreak_prompts", "Jailbreak prompts"),
    ("prompt_injection", "Prompt injection"),
    ("prompt_mutation", "Mutation of prompts"),
    ("bulk_querying", "Bulk querying"),
    ("logprobs_probing", "Probing by log probabilities"),
    ("parameter_probing", "Probing for parameters"),
    ("load_testing", "Load testing"),
    ("output_scraping", "Scraping of outputs"),
    ("training_on_outputs", "Training on outputs"),
)
AIMS = (
    ("red_team", "Red-teaming or safety testing"),
    ("benchmark", "Benchmark"),
    ("research", "Research"),
    ("interoperability", "Interoperability"),
    ("other", "Something else"),
)
ENVIRONMENTS = (
    ("production", "Production"),
    ("test", "Test or staging"),
    ("any", "Any of them"),
)
OUTPUTS = (
    ("report_only", "For the report only"),
    ("kept", "May be kept for some days"),
    ("training", "May be trained on"),
)

AUTHORISATION = Schema(
    "authorisation",
    "authorisation-1",
    (
        Section(
            "grantor",
            "Who permits it",
            (
                Field("signatory_name", "Name of the person who signs for you", max_length=200),
                Field("signatory_capacity", "Their position", max_length=200),
                Field(
                    "signatory_authority",
                    "Their authority to sign",
                    "long",
                    "What it rests on. If others provide a part of the service, such as a cloud or a reseller, their "
                    "consent as well",
                    max_length=2000,
                ),
            ),
        ),
        Section(
            "grantee",
            "Who may do it, and why",
            (
                Field("lead_name", "Name of the person who leads the work", max_length=200),
                Field("purpose", "Purpose", "choice", choices=AIMS),
                Field(
                    "purpose_other",
                    "What the purpose is",
                    required=when("purpose", "other", words="Needed for something else"),
                ),
            ),
        ),
        Section(
            "targets",
            "What it may be done to",
            (
                Field("models", "Models, with versions", "lines", "One a line, named as in your logs", max_length=200),
                Field(
                    "endpoints",
                    "Endpoints",
                    "lines",
                    "One a line. Leave this empty for any endpoint of these models",
                    required=False,
                    max_length=200,
                ),
                Field("environment", "Environment", "choice", choices=ENVIRONMENTS),
            ),
        ),
        Section(
            "techniques",
            "What may be done",
            (
                Field("techniques_permitted", "Permitted techniques", "many", choices=TECHNIQUES),
                Field("techniques_excluded", "Excluded techniques", "many", required=False, choices=TECHNIQUES),
            ),
        ),
        Section(
            "traffic",
            "How the traffic is known",
            (
                Field(
                    "accounts",
                    "Accounts",
                    "codes",
                    "Hashed identifiers of accounts or keys, one a line, up to 10,000",
                    max_length=200,
                ),
                Field(
                    "networks",
                    "Source networks",
                    "codes",
                    "Hashed prefixes, one a line, up to 10,000. Leave this empty for any network",
                    required=False,
                    max_length=200,
                ),
                Field(
                    "user_agents",
                    "User agents or signature identities",
                    "lines",
                    "One a line. Leave this empty for any",
                    required=False,
                    max_length=200,
                ),
            ),
        ),
        Section(
            "window",
            "When",
            (
                Field(
                    "starts_on",
                    "First day",
                    "day",
                    "United Kingdom time, from midnight. A day that has begun is marked as registered afterwards",
                ),
                Field("ends_on", "Last day", "day", "This day is included"),
                Field(
                    "hours_from",
                    "From this hour of each day",
                    "time",
                    "For example, 22:00 or 10pm, United Kingdom time. Leave both empty for the whole day",
                    required=False,
                ),
                Field(
                    "hours_until",
                    "Until this hour of each day",
                    "time",
                    "An earlier hour than the first one is that of the next morning",
                    required=False,
                ),
            ),
        ),
        Section(
            "caps",
            "How much",
            (
                Field("max_requests", "Most requests in all", "whole", required=False),
                Field("max_requests_a_day", "Most requests a day", "whole", required=False),
                Field("max_tokens", "Most tokens in all", "whole", required=False),
                Field("max_concurrency", "Most requests at once", "whole", required=False),
            ),
        ),
        Section(
            "outputs",
            "What becomes of the outputs",
            (
                Field("outputs", "Use of the outputs", "choice", choices=OUTPUTS),
                Field(
                    "kept_days",
                    "Days for which they may be kept",
                    "whole",
                    required=when("outputs", "kept", words="Needed if they may be kept"),
                ),
                Field("data_rules", "Rules for the data", "long", max_length=4000),
                Field("stop_conditions", "When the work must stop", "long", max_length=4000),
                Field(
                    "contact", "Contact at any hour", hint="Name, and a number that somebody answers", max_length=300
                ),
                Field(
                    "document_sha256",
                    "Fingerprint of the signed document",
                    hint="SHA-256: 64 digits and letters from a to f",
                    required=False,
                    max_length=64,
                ),
            ),
        ),
    ),
)
