"""What follows from the rows a date depends on: shared steps, run inside the caller's transaction, case locked."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

from django.db import connection
from django.db.models import Q

from accounts.models import User
from accounts.permissions import check
from cases.clock import EvidencePeriod, end_of, evidence_period, next_reminder, not_working
from cases.models import Case, ExtensionRequest, HolidayOverride, Notice, ServiceDoubt
from cases.rules import NOTICE_RULES
from disclosures.models import Scheme
from ledger.actions import Entry, record_many
from ledger.time import local_date, now


def locked_case(case_id: int) -> Case:
    """The case, locked: the one lock under which everything in a case is done. Raises Case.DoesNotExist.

    Only what never changes is joined: a lock that has waited takes the new row of the case, and joins the old others.
    """
    return Case.objects.select_for_update(of=["self"]).select_related("scheme").get(pk=case_id)


def free_case(case_id: int) -> Case | None:
    """The case, locked, for a sweep: None when somebody else holds it, who will be looked at again next time."""
    cases = Case.objects.select_for_update(of=["self"], skip_locked=True)
    return cases.select_related("scheme").filter(pk=case_id).first()


CALENDAR_LOCK = 0x43414C  # "CAL": the space of advisory locks is the database's


def hold_calendar(*, alone: bool = False) -> None:
    """Keep the calendar as it is until the transaction ends; `alone`, to change it when nobody is computing by it.

    Taken before any case is locked. Without it a period that is being computed while a holiday is put in would be seen
    by neither side: it is not yet there to be moved, and the holiday not yet there to be counted.
    """
    lock = "pg_advisory_xact_lock" if alone else "pg_advisory_xact_lock_shared"
    with connection.cursor() as cursor:
        cursor.execute(f"SELECT {lock}(%s)", [CALENDAR_LOCK])


def period_for(sent_at: datetime, nation: str, scheme: Scheme) -> EvidencePeriod:
    """The evidence period under the scheme's terms; an addressee overseas is given the scheme's nation's calendar."""
    return evidence_period(
        sent_at,
        scheme.overseas_nation if nation == "overseas" else nation,
        overrides=HolidayOverride.objects.as_overrides(),
        days=scheme.evidence_days,
    )


def trace_json(period: EvidencePeriod) -> list[dict[str, Any]]:
    """The explanation of a period as it is stored with the notice."""
    return [{"day": step.day.isoformat(), "counted": step.counted, "why": step.why} for step in period.trace]


def refers_at(last_expiry: datetime, scheme: Scheme) -> datetime:
    """The instant at which an undecided case is referred: the last expiry, plus the scheme's decision days.

    Decision days are calendar days after the last expiry's local day, rolled to a working day of the scheme's nation.
    """
    if scheme.decision_days == 0:
        return last_expiry
    overrides = HolidayOverride.objects.as_overrides()
    day = local_date(last_expiry - timedelta(microseconds=1)) + timedelta(days=scheme.decision_days)
    while not_working(day, scheme.overseas_nation, overrides) is not None:
        day += timedelta(days=1)
    return end_of(day).astimezone(UTC)


def rewrite(case: Case) -> None:
    """Write the derived copies of the case again from its rows; the caller holds the case's lock.

    What was asked in an earlier round and still runs counts: its period was promised.
    """
    dues = list(
        Notice.objects.filter(Q(round=case.round) | Q(state="issued"), case=case, kind="evidence")
        .exclude(state="waived")
        .values_list("due_at")
    )
    last = max([case.round_ends_at, *(due for (due,) in dues if due is not None)])
    case.refers_at = refers_at(last, case.scheme)
    case.remind_at = next_reminder(case.refers_at, now())
    case.save(update_fields=["refers_at", "remind_at"])


def run_longer(notice: Notice, until: datetime) -> bool:
    """Move the notice's due instant to `until` if that is later; answers whether it moved."""
    if notice.due_at is None or until <= notice.due_at:
        return False
    notice.due_at = until
    notice.remind_at = next_reminder(until, now()) if notice.state == "issued" else None
    notice.save(update_fields=["due_at", "remind_at", "state"])
    return True


def lapse_requests(**of: Any) -> None:
    """End the undecided requests for more time `of` a notice or a case: there is nothing left that could run longer.

    Without this an answered notice would hold its case for ever, by a request that nobody can decide any more.
    """
    requests = list(ExtensionRequest.objects.open().filter(**of).select_related("notice__party", "notice__case"))
    if not requests:
        return
    ExtensionRequest.objects.filter(pk__in=[r.pk for r in requests]).update(state="lapsed", decided_at=now())
    record_many(
        [
            Entry("extension.lapsed", r, {"notice": r.notice.reference}, audience=[r.notice.party.organisation_id])
            for r in requests
        ]
    )


def settle_doubts(settlement: str, *, by: User | None = None, **of: Any) -> int:
    """End the doubts about the service `of` notices; answers how many there were.

    Without this an answered or waived notice would hold its case, or stand on a first page, for ever.
    """
    doubts = list(ServiceDoubt.objects.open().filter(**of).select_related("notice__party", "notice__case"))
    ServiceDoubt.objects.filter(pk__in=[d.pk for d in doubts]).update(
        settled_at=now(), settled_by=by, settlement=settlement
    )
    record_many([Entry("notice.doubt_settled", d.notice, {"settlement": settlement}, by=by) for d in doubts])
    return len(doubts)


def lapse_notices(case: Case) -> None:
    """The case has ended, and nothing can be handed in: what was asked and not answered is no longer required."""
    waiting = list(case.notices.open().select_related("party"))
    for notice in waiting:
        notice.case = case
        check(None, NOTICE_RULES["lapse"], notice)
    case.notices.filter(pk__in=[n.pk for n in waiting]).update(state="waived", remind_at=None)
    record_many([Entry("notice.lapsed", n, {}, audience=[n.party.organisation_id]) for n in waiting])
    lapse_requests(notice__case=case)
    settle_doubts("not_needed", notice__case=case)
