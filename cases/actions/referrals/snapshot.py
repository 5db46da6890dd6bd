"""What the authority is sent with a referral, as it stood at that instant, and the chronology that goes with it."""

from __future__ import annotations

from typing import Any

from cases.models import Case, Exhibit, Notice, Party, Referral, Response
from ledger.models import Event
from monitoring.models import Analysis


def snapshot(
    case: Case, parties: list[Party], notices: list[Notice], exhibits: list[Exhibit], reasons: list[str], reason: str
) -> dict[str, Any]:
    """The brief, the parties and the lists of what goes along, as they stand: what the authority is sent."""
    brief = case.brief_versions.order_by("head", "-number").distinct("head").values_list("head", "text")
    silent = case.round == 1 and not any(n.state.startswith("answered") for n in notices)
    answered = Response.objects.filter(notice__case=case, notice__party__may_be_referred=True).order_by("pk")
    return {
        "title": case.title,
        "basis": case.basis,
        "opened_at": case.opened_at.isoformat(),
        "scheme": {"name": case.scheme.name, "legal_basis": case.scheme.legal_basis},
        "reasons": reasons,
        "reason": reason,
        "brief": dict(brief),
        "parties": [
            {
                "role": party.role,
                "name": party.organisation.name if party.may_be_referred else "",
                "nation": party.organisation.nation if party.may_be_referred else "",
            }
            for party in parties
        ],
        "notices": [
            {
                "reference": n.reference,
                "role": n.party.role,
                "state": n.state,
                "served_on": n.served_on.isoformat(),
                "due_at": n.due_at.isoformat() if n.due_at else None,
                "shut_out": _shut_out(n),
            }
            for n in notices
        ],
        "exhibits": [
            {
                "number": e.label,
                "reference": e.item.reference,
                "title": e.item.title,
                "role": e.party.role,
                "sha256": e.item.sha256,
                "confidential": e.item.limb != "none",
            }
            for e in exhibits
        ],
        "responses": [] if silent else list(answered.values_list("pk", flat=True)),
        "filing": case.source.reference if case.source and filing_goes(case, parties) else "",
    }


def _shut_out(notice: Notice) -> list[dict[str, str | None]]:
    """When the addressee could not answer, for the ministry had suspended it: whoever reads of a silence is told."""
    if notice.due_at is None:
        return []
    found = notice.party.organisation.shut_out(notice.sent_at, notice.due_at)
    return [{"since": since.isoformat(), "until": until.isoformat() if until else None} for since, until in found]


def as_sent(analysis: Analysis) -> dict[str, Any]:
    """An analysis as the list of those that go along names it; its report must be joined."""
    return {"id": analysis.pk, "reference": analysis.item.reference, "sha256": analysis.report.sha256}


def filing_goes(case: Case, parties: list[Party]) -> bool:
    """Whether the filing on which the case rests goes along: not if its filer is a party that may not be referred."""
    source = case.source
    filer = next((p for p in parties if source and p.organisation_id == source.organisation_id), None)
    return filer is None or filer.may_be_referred


def chronology(referral: Referral) -> Any:
    """The events of the case as they stood when it was referred, but for what is internal to the ministry."""
    return Event.objects.about(referral.case).filter(pk__lte=referral.events_upto, verb__in=CHRONOLOGY)


CHRONOLOGY = (
    "case.opened",
    "notice.issued",
    "notice.service_in_doubt",
    "notice.served_again",
    "notice.reminded",
    "extension.requested",
    "extension.granted",
    "extension.refused",
    "extension.lapsed",
    "notice.extended",
    "notice.answered",
    "notice.answered_late",
    "notice.missed",
    "notice.miss_corrected",
    "notice.waived",
    "exhibit.added",
    "exhibit.disclosed",
    "exhibit.analysis_shown",
    "case.referred",
    "case.reopened",
    "referral.acknowledged",
    "referral.returned",
    "referral.declined",
)
