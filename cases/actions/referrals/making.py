"""Making a referral: the case goes to the competition authority, with a reminder before it goes by itself."""

from __future__ import annotations

from collections import Counter
from datetime import timedelta
from typing import Any

from django.db.models import Q
from django.urls import reverse

from accounts.models import Organisation, User
from accounts.permissions import check
from cases.actions.calendar import make_up
from cases.actions.deadlines import free_case, lapse_requests, locked_case
from cases.actions.referrals.snapshot import as_sent, filing_goes, snapshot
from cases.brief import why_unresolved
from cases.clock import next_reminder, reminder_offset
from cases.models import Case, CaseReminder, Exhibit, ExtensionRequest, Notice, Party, Referral, ServiceDoubt
from cases.rules import CASE_RULES, NOTICE_RULES
from disclosures.models import FilingGrant
from evidence.actions import grant
from evidence.models import FULL
from ledger.actions import Entry, action, record, record_many
from ledger.references import next_reference
from ledger.time import now
from monitoring.actions.analysis import show_analyses
from monitoring.models import Analysis
from notifications.actions import Letter, tell, tell_all
from web.problems import Invalid


@action
def refer(case_id: int, *, by: User | None = None, reason: str = "") -> Referral | None:
    """Refer a case: by the sweep when its time is up, or earlier by a supervisor with a reason.

    Once per case and round. The sweep's call answers None when the case is taken, held or no longer due.
    """
    if by is None:
        case = free_case(case_id)
        if case is None or not Case.objects.due_for_referral().filter(pk=case_id).exists():
            return None
        if make_up(case, Notice.objects.filter(Q(round=case.round) | Q(state="issued"))):
            return None
    else:
        case = locked_case(case_id)
        if not reason.strip():
            raise Invalid({"reason": ["Say why it cannot wait"]})
    rule = CASE_RULES["refer"]
    check(by, rule, case)
    instant = now()
    referred_at = case.refers_at if by is None and case.refers_at else instant
    parties = list(case.parties.select_related("organisation").order_by("pk"))
    notices, missed = _with_misses(case, parties)
    reasons = why_unresolved(Counter(n.state for n in notices), by_hand=by is not None)
    exhibits = list(case.exhibits.select_related("item", "party"))
    sent = [e for e in exhibits if e.party.may_be_referred and not e.item.privileged]
    analyses = list(Analysis.objects.finished().filter(item__in=[e.item_id for e in sent]))
    authority = Organisation.objects.authority()
    lapse_requests(notice__case=case)
    # The event comes before the row: the chronology that is sent ends with the referral itself.
    events = record_many(
        [
            *(Entry("notice.missed", n, {}, audience=[n.party.organisation_id], at=n.due_at) for n in missed),
            Entry(
                "case.referred",
                case,
                {"round": case.round, "reasons": reasons},
                audience=[*(p.organisation_id for p in parties), authority.pk],
                at=referred_at,
                by=by,
            ),
        ]
    )
    referral = Referral.objects.create(
        reference=next_reference("R"),
        case=case,
        round=case.round,
        authority=authority,
        referred_at=referred_at,
        queued_at=instant,
        referred_by=by,
        sent={
            **snapshot(case, parties, notices, sent, reasons, reason),
            "analyses": [as_sent(one) for one in analyses],
            "withheld": len(exhibits) - len(sent),
        },
        events_upto=events[-1].pk,
    )
    case.state, case.remind_at = rule.after, None
    case.save(update_fields=["state", "remind_at"])
    _give_sight(case, referral, parties, sent)
    show_analyses(analyses, authority, by=by, reason=f"referral:{referral.pk}")
    _tell_of_referral(case, referral, parties)
    return referral


def _with_misses(case: Case, parties: list[Party]) -> tuple[list[Notice], list[Notice]]:
    """The round's notices, and those of them that are missed now: a referral never precedes the miss it rests on.

    Earlier ones that still run are among them. A supervisor's referral does not wait for a doubt or for a timely
    request to be settled, but makes no miss of what they hold.
    """
    asked = Notice.objects.filter(Q(round=case.round) | Q(state="issued"), case=case, kind="evidence")
    notices = list(asked.defer("content", "trace").order_by("pk"))
    past = [n.pk for n in notices if n.state == "issued" and n.is_past]
    held: set[int] = set()
    if past:
        held |= set(ServiceDoubt.objects.holding().filter(notice__in=past).values_list("notice_id", flat=True))
        held |= set(ExtensionRequest.objects.holding().filter(notice__in=past).values_list("notice_id", flat=True))
    seats = {party.pk: party for party in parties}
    for notice in notices:
        notice.case, notice.party = case, seats[notice.party_id]
    missed = [n for n in notices if n.pk in past and n.pk not in held]
    for notice in missed:
        check(None, NOTICE_RULES["stamp_missed"], notice)
        notice.state, notice.remind_at = "missed", None
    if missed:
        Notice.objects.filter(pk__in=[n.pk for n in missed]).update(state="missed", remind_at=None)
    return notices, missed


def _give_sight(case: Case, referral: Referral, parties: list[Party], exhibits: list[Exhibit]) -> None:
    reason = f"referral:{referral.pk}"
    if exhibits:
        grant([e.item for e in exhibits], referral.authority, FULL, by=referral.referred_by, reason=reason)
    if case.source_id is not None and case.relied_on_id is not None and filing_goes(case, parties):
        FilingGrant.objects.create(
            filing_id=case.source_id,
            version_id=case.relied_on_id,
            organisation=referral.authority,
            since=now(),
            reason=reason,
        )


def _tell_of_referral(case: Case, referral: Referral, parties: list[Party]) -> None:
    context = {"reference": referral.reference, "case": case.reference}
    url = reverse("case", args=[case.reference])
    tell_all(
        referral,
        [
            Letter(
                "referral_queued",
                organisations=[referral.authority_id],
                url=reverse("referral", args=[referral.reference]),
                context=context,
            ),
            Letter("case_referred", organisations=[p.organisation_id for p in parties], url=url, context=context),
            Letter("case_referred_staff", people=[*case.team(), *case.supervisors()], url=url, context=context),
        ],
    )


@action
def remind_team(case_id: int) -> Case | None:
    """Remind officer, deputy and supervisors before a case goes to the authority: once per due instant and offset."""
    case = free_case(case_id)
    if case is None or not Case.objects.due_for_reminder().filter(pk=case_id).exists() or case.refers_at is None:
        return None
    check(None, CASE_RULES["remind"], case)
    instant = now()
    days = reminder_offset(case.refers_at, instant)
    case.remind_at = next_reminder(case.refers_at, instant)
    case.save(update_fields=["remind_at"])
    if days is None:
        return case
    CaseReminder.objects.create(case=case, due_at=case.refers_at, days=days, at=instant)
    record(None, "case.reminded", case, days=days)
    tell(
        "case_reminder",
        case,
        people=[*case.team(), *case.supervisors()],
        url=reverse("case", args=[case.reference]),
        once=f"case:{case.pk}:{case.refers_at.isoformat()}:{days}",
        reference=case.reference,
        refers_at=case.refers_at.isoformat(),
    )
    return case


GRACE = timedelta(minutes=10)


def overdue_by_more_than(grace: timedelta = GRACE) -> Any:
    """Open cases that nothing holds and that should have been referred more than `grace` ago."""
    return Case.objects.due_for_referral().filter(refers_at__lt=now() - grace)
