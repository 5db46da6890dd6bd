"""Days and hours that change under the clock: proclaimed holidays and outages, always in the party's favour."""

from __future__ import annotations

from datetime import date, datetime

from django.db.models import Q
from django.urls import reverse

from accounts.models import User
from accounts.permissions import check
from cases.actions.deadlines import free_case, hold_calendar, period_for, rewrite, run_longer
from cases.clock import end_of, next_reminder, next_working_day, not_working
from cases.models import Adjustment, Case, HolidayOverride, Notice, Outage
from cases.models.notice import NoticeQuerySet
from cases.rules import CALENDAR_RULES, NOTICE_RULES
from ledger.actions import action, record
from ledger.time import INSTANT, local_date, now
from notifications.actions import tell
from web.problems import Invalid


@action
def override_day(*, by: User, day: date, nation: str, working: bool, name: str) -> HolidayOverride:
    """Make a day a holiday (or a working day) in one nation or in all, and look at every period that still runs.

    A running period is computed again and moves only if it ends later: a party never loses time it was promised.
    """
    check(by, CALENDAR_RULES["override_day"])
    hold_calendar(alone=True)
    row = HolidayOverride.objects.create(day=day, nation=nation, working=working, name=name, by=by, at=now())
    record(by, "calendar.overridden", row, day=day.isoformat(), nation=nation, working=working)
    if working:
        return row
    affected = Notice.objects.open().filter(case__state="open", due_at__gt=now(), served_on__lte=day)
    if nation:
        affected = affected.filter(nation__in=[nation, "overseas"])
    # A new round ends, and the time for a decision runs out, on a day of which no notice knows.
    ending = Case.objects.filter(state="open", refers_at__gte=end_of(day)).filter(
        Q(refers_at=end_of(day)) | Q(round_ends_at=end_of(day), round__gt=1)
    )
    case_ids = set(affected.values_list("case_id", flat=True)) | set(ending.values_list("pk", flat=True))
    # One lock order for everybody: cases by their id.
    locked = Case.objects.select_for_update(of=["self"]).select_related("scheme")
    for case in locked.filter(pk__in=case_ids, state="open").order_by("pk"):
        for notice in affected.filter(case=case).select_related("party"):
            _recompute(notice, case, row)
        if case.round > 1:
            case.round_ends_at = _rolled(case.round_ends_at, day, case.scheme.overseas_nation)
            case.save(update_fields=["round_ends_at"])
        rewrite(case)
    return row


def _rolled(ends: datetime, day: date, nation: str) -> datetime:
    """The end of a period, moved to the end of a working day if `day` was its last and is no longer a working day."""
    overrides = HolidayOverride.objects.as_overrides()
    if local_date(ends - INSTANT) != day or not_working(day, nation, overrides) is None:
        return ends
    return end_of(next_working_day(day, nation, overrides=overrides))


def _recompute(notice: Notice, case: Case, row: HolidayOverride) -> None:
    """The period as the calendar now has it; one that was extended ends on a working day as before."""
    notice.case = case
    if notice.due_at is None:
        return
    started = notice.services.order_by("-pk").values_list("sent_at", flat=True).first() or notice.sent_at
    computed = period_for(started, notice.nation, case.scheme).expires_at
    until = max(computed, _rolled(notice.due_at, row.day, _calendar_of(notice)))
    if until <= notice.due_at:
        return
    Adjustment.objects.create(
        notice=notice, kind="calendar", until=until, reason=f"Added to the calendar: {row.name}", by=row.by, at=now()
    )
    _moved(notice, until)


@action
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


@action
def make_up_for_outage(notice_id: int) -> Notice | None:
    """Extend a notice in whose last 24 hours the platform was down, to the end of the next working day.

    A miss stamped, or an answer taken as late, before the outage was on record is put right while the case is open.
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
        notice.case = case
        moved = [_extend_for(outage, notice) for outage in _outages_owed(notice)]
        if any(moved):
            _put_right(notice)
            extended.append(notice)
    if extended:
        rewrite(case)
    return extended


def _put_right(notice: Notice) -> None:
    """What the longer period means for a notice that was held to the shorter one."""
    if notice.state == "answered_late":
        first = notice.responses.order_by("number").values_list("received_at", flat=True).first()
        if first is None or notice.due_at is None or first >= notice.due_at:
            return
        verb = "excuse"
        record(None, "notice.excused", notice, audience=[notice.party.organisation_id], at=first)
    else:
        verb = "make_up_for_outage"
    rule = NOTICE_RULES[verb]
    check(None, rule, notice)
    notice.state = rule.after
    notice.remind_at = next_reminder(notice.due_at, now()) if notice.state == "issued" and notice.due_at else None
    notice.save(update_fields=["state", "remind_at"])


def _outages_owed(notice: Notice) -> list[Outage]:
    return list(Outage.objects.touching(notice.due_at).exclude(adjustments__notice=notice).order_by("started_at"))


def _extend_for(outage: Outage, notice: Notice) -> bool:
    """To the end of the working day after the last day, or after the day on which the outage ended if that is later."""
    if notice.due_at is None:
        return False
    over = max(local_date(notice.due_at - INSTANT), local_date(outage.ended_at - INSTANT))
    until = end_of(next_working_day(over, _calendar_of(notice), overrides=HolidayOverride.objects.as_overrides()))
    Adjustment.objects.create(notice=notice, kind="outage", until=until, reason=outage.reason, outage=outage, at=now())
    return _moved(notice, until)


def _calendar_of(notice: Notice) -> str:
    return notice.case.scheme.overseas_nation if notice.nation == "overseas" else notice.nation


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
