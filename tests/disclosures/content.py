"""Complete, valid content of both kinds, by section: every field of the catalogues has an answer somewhere here."""

from __future__ import annotations

from itertools import count
from typing import Any

from disclosures.catalogue import SCHEMAS

BySection = dict[str, dict[str, Any]]
_numbers = count(1)


def exact(value: Any) -> dict[str, Any]:
    return {"precision": "exact", "value": value}


def estimated(value: Any, how: str = "From a sample of 1,000") -> dict[str, Any]:
    return {"precision": "estimated", "value": value, "how": how}


def not_known(by: str, why: str = "The vendor has not answered") -> dict[str, Any]:
    return {"precision": "not_known", "why": why, "known_by": by}


_CLAIMED = (
    "requests",
    "input_tokens",
    "output_tokens",
    "records",
    "bytes",
    "accounts_used",
    "account_hashes",
    "network_hashes",
)
_DISCLOSURE: dict[str, Any] = {
    "accountable_officer": "Henry Colt, general counsel",
    "contact_name": "Isobel Grant",
    "contact_email": "isobel@harrier.example",
    "role": "extractor",
    "whose_activity": "third_party",
    "third_party_name": "Kite Research",
    "activity_type": ["bulk_querying", "web_scraping", "other"],
    "activity_other": "Replaying of sessions",
    "purpose": ["training", "evaluation"],
    "narrative": "We compared two models.\nThen we trained on part of the answers.",
    "automated": True,
    "rate_controls": "Twenty a second",
    "crawler_user_agent": "HarrierBot/2",
    "opt_out_handling": "robots.txt was honoured",
    "target_organisation": "Northwind Models Ltd",
    "target_assets": "heron-2\nheron-2-mini",
    "access_route": "reseller",
    "terms_position": "negotiated",
    "terms_clause": "7.3 (b)",
    "authorised": False,
    "why_no_authorisation": "Nobody asked for one",
    "started_at": exact("2026-05-04"),
    "ongoing": False,
    "ended_at": estimated("2026-06-19", "Last log line seen"),
    "timezone": "UTC",
    "found_late": True,
    "discovered_at": "2026-07-30",
    "late_reason": "Found by an internal review",
    "volume_band": "1m_10m",
    "requests": estimated(2_400_000, "From invoices"),
    "input_tokens": exact(900_000_000),
    "output_tokens": exact(10**18),
    "records": exact(0),
    "bytes": exact(6_200_000_000),
    "accounts_used": exact(3),
    "account_hashes": "hk1:5e0c\nhk1:91aa",
    "network_hashes": "hk1:77b2",
    "template_hashes": "hk1:0001",
    "use_of_outputs": ["stored", "trained", "deleted", "shared"],
    "trained_model": "Kestrel 1.4",
    "model_released": False,
    "deletion": "On 1 August, by erasing the disks",
    "recipients": "Kite Research",
    "personal_data": True,
    "personal_data_categories": "Names in prompts; legitimate interests",
    "safeguards": "The data set is sealed",
    "remediation": "Training has stopped",
    "effect": "Two points on a benchmark",
    "training_summary_url": "https://harrier.example/summary",
    "haip_url": "https://harrier.example/haip",
    **{f"claim_{name}": "none" for name in [*_CLAIMED, "template_hashes", "daily_quantities"]},
    "claim_requests": "commercial",
    "claim_requests_reason": "Shows a rival the size of our programme",
    "claim_recipients": "private",
    "claim_recipients_reason": "Names a person",
    "non_confidential_summary": "Between one and ten million requests.",
}
_ALLEGATION: dict[str, Any] = {
    "standing": "target",
    "contact_name": "Olivia Marsh",
    "contact_email": "olivia@northwind.example",
    "respondent_known": "named",
    "respondent_name": "Harrier Analytics plc",
    "respondent_number": "01234567",
    "attribution": "One card paid for all accounts",
    "confidence": "probable",
    "confidence_reasons": "Payment and template agree",
    "activity_type": ["distillation", "other"],
    "activity_other": "Replaying of sessions",
    "target_assets": "heron-2",
    "narrative": "Twenty-six accounts asked day and night.",
    "started_at": exact("2026-05-04"),
    "ongoing": False,
    "ended_at": exact("2026-06-19"),
    "requests": exact(2_380_114),
    "how_counted": "Rows of the gateway log",
    "rights": ["contract", "confidence"],
    "rights_detail": "Clause 7.3 (b)",
    "impact": "A rival model at half the price",
    "steps_taken": "Accounts suspended",
    "remedy": "An end to the use of the outputs",
    "other_proceedings": "None",
    "urgent": True,
    "urgent_reason": "The model is to be released next month",
    "indicators": "I-03, version 2: 0.98",
    "alternatives": "None: a benchmark would repeat its prompts",
    "consent_named": False,
    "consent_referral": True,
    **{f"claim_{name}": "none" for name in ("respondent_name", "attribution", "narrative", "impact")},
    "claim_requests": "public_interest",
    "claim_requests_reason": "Shows how much is watched",
    "non_confidential_summary": "A group of accounts queried heron-2 in bulk.",
}


def full_disclosure(**over: Any) -> BySection:
    """A whole disclosure. `over` replaces answers; None leaves one out."""
    return _by_section("disclosure", {"filer_reference": f"EXT-{next(_numbers)}", **_DISCLOSURE}, over)


def full_allegation(evidence_refs: list[str], **over: Any) -> BySection:
    """A whole allegation that rests on `evidence_refs`. `over` replaces answers; None leaves one out."""
    given = {"filer_reference": f"ALL-{next(_numbers)}", "evidence": list(evidence_refs), **_ALLEGATION}
    return _by_section("allegation", given, over)


def _by_section(kind: str, content: dict[str, Any], over: dict[str, Any]) -> BySection:
    whole = {name: answer for name, answer in {**content, **over}.items() if answer is not None}
    sections = SCHEMAS[kind].sections
    unknown = set(whole) - {f.name for s in sections for f in s.fields}
    if unknown:
        raise KeyError(f"No such field: {sorted(unknown)}")
    return {s.key: {f.name: whole[f.name] for f in s.fields if f.name in whole} for s in sections}


def flat(content: BySection) -> dict[str, Any]:
    """The content of all sections together."""
    return {name: answer for section in content.values() for name, answer in section.items()}
