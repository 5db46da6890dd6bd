"""One believable filing of each kind, by invented firms: the API's examples, and what the demonstration is told with.

The allegation names no evidence, without which it can be kept but not declared: whose reference could it name?
"""

from __future__ import annotations

from typing import Any

from disclosures.catalogue import DISCLOSURE

_DISCLOSURE: dict[str, Any] = {
    "filer_reference": "EXAMPLE-EXT",
    "accountable_officer": "Henry Colt, general counsel",
    "contact_name": "Isobel Grant",
    "contact_email": "isobel@harrier-analytics.example",
    "role": "extractor",
    "whose_activity": "own",
    "activity_type": ["bulk_querying", "output_collection"],
    "purpose": ["evaluation", "training"],
    "narrative": "We compared our summarising model with the Heron models and kept part of the answers for training.",
    "automated": True,
    "rate_controls": "Twenty requests a second, paused at night.",
    "target_organisation": "Northwind Models Ltd",
    "target_assets": "heron-2 (June 2026)\nheron-2-mini (June 2026)",
    "access_route": "direct",
    "terms_position": "prohibited",
    "terms_clause": "7.3 (b)",
    "authorised": False,
    "why_no_authorisation": "The team believed that the evaluation clause covered it.",
    "started_at": {"precision": "exact", "value": "2026-05-04"},
    "ongoing": False,
    "ended_at": {"precision": "exact", "value": "2026-06-19"},
    "timezone": "Europe/London",
    "found_late": True,
    "discovered_at": "2026-07-30",
    "late_reason": "Found by an internal review of training data.",
    "volume_band": "1m_10m",
    "requests": {"precision": "estimated", "value": 2_400_000, "how": "From invoices, within five per cent"},
    "input_tokens": {"precision": "estimated", "value": 900_000_000, "how": "Mean of a sample of 10,000 requests"},
    "output_tokens": {"precision": "exact", "value": 1_430_000_000},
    "records": {"precision": "exact", "value": 2_100_000},
    "bytes": {"precision": "exact", "value": 6_200_000_000},
    "accounts_used": {"precision": "exact", "value": 3},
    "account_hashes": "hk1:5e0c\nhk1:91aa\nhk1:d07f",
    "network_hashes": "hk1:77b2",
    "use_of_outputs": ["stored", "trained"],
    "trained_model": "Kestrel 1.4",
    "model_released": False,
    "personal_data": False,
    "safeguards": "The data set is sealed and training on it has stopped.",
    **{
        f"claim_{name}": "commercial" if name == "requests" else "none"
        for name in ([f.name for s in DISCLOSURE.sections for f in s.fields if f.confidential and f.required is True])
    },
    "claim_requests_reason": "Shows a rival the size of our evaluation programme.",
    "non_confidential_summary": "Between one and ten million requests to the heron-2 models in May and June 2026.",
}
_ALLEGATION: dict[str, Any] = {
    "filer_reference": "EXAMPLE-ALL",
    "standing": "target",
    "contact_name": "Olivia Marsh",
    "contact_email": "olivia@northwind-models.example",
    "respondent_known": "named",
    "respondent_name": "Harrier Analytics plc",
    "attribution": "The accounts were paid for by one card, and the templates match a public benchmark of theirs.",
    "confidence": "probable",
    "confidence_reasons": "Payment and template agree; the networks are a reseller’s.",
    "activity_type": ["bulk_querying", "distillation"],
    "target_assets": "heron-2, heron-2-mini",
    "narrative": "Twenty-six accounts asked for long worked answers, each prompt once, day and night.",
    "started_at": {"precision": "exact", "value": "2026-05-04"},
    "ongoing": False,
    "ended_at": {"precision": "exact", "value": "2026-06-19"},
    "requests": {"precision": "exact", "value": 2_380_114},
    "how_counted": "Rows of the gateway log for the accounts concerned.",
    "rights": ["contract", "confidence"],
    "rights_detail": "Clause 7.3 (b) of the terms: no use of outputs to train a competing model.",
    "impact": "The respondent’s model reached the market four months after ours, at half the price.",
    "steps_taken": "Accounts suspended, letter sent, no answer.",
    "remedy": "An end to the use of the outputs, and an account of what was trained on them.",
    "other_proceedings": "None.",
    "urgent": False,
    "alternatives": "A benchmark would repeat its prompts; these were asked once. A reseller’s customers would differ.",
    "consent_named": True,
    "consent_referral": True,
    **{f"claim_{n}": "none" for n in ("respondent_name", "attribution", "narrative", "impact")},
    "claim_requests": "commercial",
    "claim_requests_reason": "Shows a rival how much one group of customers buys.",
    "non_confidential_summary": "A group of accounts queried the heron-2 models in bulk in May and June 2026.",
}
EXAMPLES = {"disclosure": _DISCLOSURE, "allegation": _ALLEGATION}
