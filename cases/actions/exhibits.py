"""Exhibits: numbering what comes in, showing it to the other side, hearing what they say of it."""

from __future__ import annotations

from django.db.models import Max
from django.urls import reverse

from accounts.models import User
from accounts.permissions import check
from cases.actions.deadlines import locked_case
from cases.models import (
    Case,
    Exhibit,
    ExhibitComment,
    ExtensionRequest,
    Notice,
    Party,
    Response,
    ServiceDoubt,
)
from cases.rules import CASE_RULES, EXHIBIT_RULES
from evidence.actions import grant, hand_in, wall_off
from evidence.models import NON_CONFIDENTIAL, EvidenceItem, Grant
from ledger.actions import Entry, action, record, record_many
from ledger.time import now
from monitoring.actions.analysis import analyse_for
from monitoring.models import Analysis
from notifications.actions import tell
from web.problems import Conflict, Invalid


def add_exhibits(
    case: Case, party: Party, items: list[EvidenceItem], *, response: Response | None, by: User | None
) -> list[Exhibit]:
    """Number items as exhibits 001, 002, ... in order; an item that is an exhibit already keeps its number.

    A shared step: the caller holds the case's lock. Officials with a declared conflict are walled off from new items.
    """
    there = set(case.exhibits.filter(item__in=items).values_list("item_id", flat=True))
    fresh = [item for item in items if item.pk not in there]
    if not fresh:
        return []
    last = case.exhibits.aggregate(last=Max("number"))["last"] or 0
    at = response.received_at if response else now()
    exhibits = Exhibit.objects.bulk_create(
        Exhibit(case=case, number=last + n, item=item, party=party, response=response, round=case.round, at=at)
        for n, item in enumerate(fresh, start=1)
    )
    hand_in(fresh, by=by, at=at)
    wall_off(fresh, [c.user for c in case.conflicts.select_related("user")])
    audience = [party.organisation_id]
    record_many(
        [Entry("exhibit.added", e, {"number": e.number, "sha256": e.item.sha256}, audience, by=by) for e in exhibits]
    )
    return exhibits


@action
def disclose(exhibit_id: int, *, by: User, party_id: int) -> Grant:
    """Show an exhibit's non-confidential version to a named party, who may then comment.

    Never before every evidence period of the exhibit's round has ended: neither side answers with the other's evidence
    before it. Raises Conflict until then, Invalid when there is no version that may be shown.
    """
    found = Exhibit.objects.get(pk=exhibit_id)
    case = locked_case(found.case_id)
    check(by, CASE_RULES["disclose"], case)
    exhibit = Exhibit.objects.select_related("item", "party").get(pk=exhibit_id)
    party = case.parties.select_related("organisation").filter(pk=party_id).first()
    if party is None or party.pk == exhibit.party_id:
        raise Invalid({"party": ["Choose the party to whom it is disclosed"]})
    _periods_are_over(case, exhibit.round)
    if not exhibit.item.can_be_disclosed:
        raise Invalid({"party": ["This exhibit has no version that may be shown to another party"]})
    if exhibit.shown().filter(organisation=party.organisation).exists():
        raise Conflict("This exhibit has been disclosed to this party already.")
    grant([exhibit.item], party.organisation, NON_CONFIDENTIAL, by=by, reason=exhibit.sight_reason)
    record(
        by,
        "exhibit.disclosed",
        exhibit,
        audience=[party.organisation_id, exhibit.party.organisation_id],
        party=party.pk,
        number=exhibit.number,
    )
    tell(
        "exhibit_disclosed",
        exhibit,
        organisations=[party.organisation_id],
        url=reverse("case", args=[case.reference]),
        reference=case.reference,
        number=exhibit.label,
    )
    return exhibit.shown().filter(organisation=party.organisation).latest("pk")


@action
def show_analysis(exhibit_id: int, *, by: User, party_id: int) -> Analysis:
    """Show a party what an analysis says of a usage log that was disclosed to it, so that it can answer, and recompute it.

    It is made anew, of the version that the party has (`monitoring.actions.analysis.analyse_for`). Raises Invalid when the
    exhibit has not been disclosed to the party, PermissionDenied for what is no usage log, Conflict for what has been
    shown already or is being analysed.
    """
    found = Exhibit.objects.get(pk=exhibit_id)
    case = locked_case(found.case_id)
    check(by, CASE_RULES["show_analysis"], case)
    exhibit = Exhibit.objects.select_related("item", "party").get(pk=exhibit_id)
    party = case.parties.select_related("organisation").filter(pk=party_id).first()
    if party is None or not exhibit.shown().filter(organisation=party.organisation).exists():
        raise Invalid({"party": ["Disclose the exhibit to this party first"]})
    analysis = analyse_for(exhibit.item, party.organisation, by=by, reason=exhibit.sight_reason)
    audience = [party.organisation_id, exhibit.party.organisation_id]
    record(by, "exhibit.analysis_shown", exhibit, audience=audience, party=party.pk, number=exhibit.number)
    tell(
        "exhibit_analysis",
        exhibit,
        organisations=[party.organisation_id],
        url=reverse("analysis", args=[analysis.pk]),
        reference=case.reference,
        number=exhibit.label,
    )
    return analysis


def _periods_are_over(case: Case, round_: int) -> None:
    """Raises Conflict while a party of the round may still answer in time, or may yet be given more time."""
    notices = Notice.objects.filter(case=case, round=round_, kind="evidence").exclude(state="waived")
    # A round that has just begun asks nobody yet, and has its period all the same.
    begun = case.state == "open" and round_ == case.round and case.round_ends_at > now()
    if begun or notices.filter(due_at__gt=now()).exists():
        raise Conflict(
            "An evidence period of this round is still running. Exhibits can be disclosed once all have ended."
        )
    held = ServiceDoubt.objects.holding().filter(notice__in=notices).exists()
    if held or ExtensionRequest.objects.holding().filter(notice__in=notices).exists():
        raise Conflict(
            "A notice of this round may be given more time: its service is in doubt, or a request for more time waits "
            "for a decision. Settle that first."
        )


@action
def comment(exhibit_id: int, *, by: User, text: str) -> ExhibitComment:
    """What the recipient of a disclosed exhibit says of it; the ministry reads it, its owner does not."""
    found = Exhibit.objects.get(pk=exhibit_id)
    case = locked_case(found.case_id)
    exhibit = Exhibit.objects.select_related("party").get(pk=exhibit_id)
    check(by, EXHIBIT_RULES["comment"], exhibit)
    remark = ExhibitComment.objects.create(
        exhibit=exhibit, organisation_id=by.organisation_id, by=by, text=text, at=now()
    )
    record(by, "exhibit.commented", remark, audience=[by.organisation_id], number=exhibit.number)
    tell(
        "exhibit_commented",
        exhibit,
        people=case.team(),
        url=reverse("case", args=[case.reference]),
        reference=case.reference,
        number=exhibit.label,
    )
    return remark
