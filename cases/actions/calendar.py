"""Days and hours that change under the clock: proclaimed holidays and outages, always in the party's favour."""

from __future__ import annotations

from datetime import date, datetime, timedelta

from django.db import transaction
from django.urls import reverse

from accounts.models import User
from accounts.permissions import check
from cases.actions.deadlines import free_case, period_for, rewrite, run_longer
from cases.clock import end_of, next_working_day
from cases.models import Adjustment, Case, HolidayOverride, Notice, Outage
from cases.models.notice import NoticeQuerySet
from cases.rules import CALENDAR_RULES, NOTICE_RULES
from ledger.actions import record
from ledger.time import local_date, now
from notifications.actions import tell
from web.problems import Invalid


@transaction.atomic(durable=True)
def override_day(*, by: User, day: date, nation: str, working: bool, name: str) -> HolidayOverride:
    """Make a day a holiday (or a working day) in one nation or in all, and look at every period that still runs.

    A running period is computed again and moves only if it ends later: a party never loses time it was promised.
    """
    check(by, CALENDAR_RULES["override_day"])
    row = HolidayOverride.objects.create(day=day, nation=nation, working=working, name=name, by=by, at=now())
    record(by, "calendar.overridden", row, day=day.isoformat(), nation=nation, working=working)
    if working:
        return row
    affected = Notice.objects.open().filter(case__state="open", due_at__gt=now(), served_on__lte=day)
    if nation:
        affected = affected.filter(nation__in=[nation, "overseas"])
    case_ids = list(affected.order_by("case_id").values_list("case_id", flat=True).distinct())
    # One lock order for everybody: cases by their id.
    for case in Case.objects.select_for_update().filter(pk__in=case_ids).order_by("pk"):
        moved = [_recompute(n, case, row) for n in affected.filter(case=case).select_related("party")]
        if any(moved):
            rewrite(case)
    return row


def _recompute(notice: Notice, case: Case, row: HolidayOverride) -> bool:
    notice.case = case
    started = notice.services.order_by("-pk").values_list("sent_at", flat=True).first() or notice.sent_at
    until = period_for(started, notice.nation, case.scheme).expires_at
    if notice.due_at is None or until <= notice.due_at:
        return False
    Adjustment.objects.create(
        notice=notice, kind="calendar", until=until, reason=f"Added to the calendar: {row.name}", by=row.by, at=now()
    )
    return _moved(notice, until)


@transaction.atomic(durable=True)
def record_outage(*, by: User, started_at: datetime, ended_at: datetime, reason: str) -> Outage:
    """Put on record that the platform was not available. The sweep extends what it touched, before it stamps misses."""
    check(by, CALENDAR_RULES["record_outage"])
    if ended_at > now():
        raise Invalid({"ended_at": ["An outage is recorded when it is known: it must not be in the future"]})
    if ended_at <= started_at:
        raise Invalid({"ended_at": ["The end must be after the start"]})
    outage = Outage.objects.create(started_at=started_at, ended_at=ended_at, reason=reason, by=by, at=now())
    record(by, "outage.recorded", outage, started=started_at.isoformat())
    return outage


@transaction.atomic(durable=True)
def make_up_for_outage(notice_id: int) -> Notice | None:
    """Extend a notice in whose last 24 hours the platform was down, to the end of the next working day.

    A miss stamped before the outage was on record is taken back while the case is open.
    """
    case = free_case(Notice.objects.values_list("case_id", flat=True).get(pk=notice_id))
    if case is None or case.state != "open":
        return None
    return next(iter(make_up(case, Notice.objects.filter(pk=notice_id))), None)


def make_up(case: Case, notices: NoticeQuerySet) -> list[Notice]:
    """Extend those of `notices` that an outage touched; answers them. A shared step, the case is locked and open."""
    extended: list[Notice] = []
    if not Outage.objects.filter(ended_at__gte=case.opened_at).exists():
        # Nearly always: the question below is a costly one.
        return extended
    for notice in notices.owed_an_outage().filter(case=case).select_related("party"):
        check(None, NOTICE_RULES["make_up_for_outage"], notice)
        notice.case = case
        moved = [_extend_for(outage, notice) for outage in _outages_owed(notice)]
        if any(moved):
            notice.state = "issued"
            notice.save(update_fields=["state"])
            extended.append(notice)
    if extended:
        rewrite(case)
    return extended


def _outages_owed(notice: Notice) -> list[Outage]:
    return list(Outage.objects.touching(notice.due_at).exclude(adjustments__notice=notice).order_by("started_at"))


def _extend_for(outage: Outage, notice: Notice) -> bool:
    """To the end of the working day after the last day, or after the day on which the outage ended if that is later."""
    if notice.due_at is None:
        return False
    instant = timedelta(microseconds=1)
    over = max(local_date(notice.due_at - instant), local_date(outage.ended_at - instant))
    nation = notice.case.scheme.overseas_nation if notice.nation == "overseas" else notice.nation
    until = end_of(next_working_day(over, nation, overrides=HolidayOverride.objects.as_overrides()))
    Adjustment.objects.create(notice=notice, kind="outage", until=until, reason=outage.reason, outage=outage, at=now())
    return _moved(notice, until)


def _moved(notice: Notice, until: datetime) -> bool:
    if not run_longer(notice, until):
        return False
    record(None, "notice.extended", notice, audience=[notice.party.organisation_id], until=until.isoformat())
    tell(
        "extension_decided",
        notice,
        organisations=[notice.party.organisation_id],
        url=reverse("notice", args=[notice.reference]),
        reference=notice.reference,
        state="granted",
        reasons="",
        until=until.isoformat(),
    )
    return True
