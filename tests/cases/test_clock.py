"""The clock: the vectors of the field, an independent calendar, and what must hold for every date."""

from __future__ import annotations

from datetime import UTC, date, datetime, time, timedelta

import pytest
from govuk_bank_holidays.bank_holidays import BankHolidays
from hypothesis import given
from hypothesis import strategies as st

from cases.clock import (
    CUT_OFF,
    LONDON,
    SUBDIVISIONS,
    Override,
    UnknownNation,
    add_working_days,
    end_of,
    evidence_period,
    next_reminder,
    not_working,
    reminder_offset,
)

NATIONS = sorted(SUBDIVISIONS)
ENGLAND_ETC = ("england", "wales", "northern-ireland")
ALL = (*ENGLAND_ETC, "scotland")

VECTORS = [
    ("2026-10-02T10:00+01:00", ALL, "2026-10-02", "2026-10-16", "2026-10-16T23:00+00:00"),
    ("2026-04-02T16:29:59+01:00", ALL, "2026-04-02", "2026-04-16", "2026-04-16T23:00+00:00"),
    ("2026-04-02T16:30:00+01:00", ENGLAND_ETC, "2026-04-07", "2026-04-21", "2026-04-21T23:00+00:00"),
    ("2026-12-18T09:00+00:00", ENGLAND_ETC, "2026-12-18", "2027-01-04", "2027-01-05T00:00+00:00"),
    ("2026-06-29T12:00+01:00", ("england", "wales", "scotland"), "2026-06-29", "2026-07-13", "2026-07-13T23:00+00:00"),
    ("2026-11-16T12:00+00:00", ENGLAND_ETC, "2026-11-16", "2026-11-30", "2026-12-01T00:00+00:00"),
    ("2026-03-20T12:00+00:00", ENGLAND_ETC, "2026-03-20", "2026-04-07", "2026-04-07T23:00+00:00"),
    ("2026-10-12T12:00+01:00", ALL, "2026-10-12", "2026-10-26", "2026-10-27T00:00+00:00"),
    ("2026-07-31T23:30+00:00", ENGLAND_ETC, "2026-08-03", "2026-08-17", "2026-08-17T23:00+00:00"),
    # Where the nations part: 12 July, St Andrew's Day, Easter Monday, 2 January.
    ("2026-06-29T12:00+01:00", ("northern-ireland",), "2026-06-29", "2026-07-14", "2026-07-14T23:00+00:00"),
    ("2026-11-16T12:00+00:00", ("scotland",), "2026-11-16", "2026-12-01", "2026-12-02T00:00+00:00"),
    ("2026-04-02T16:30:00+01:00", ("scotland",), "2026-04-06", "2026-04-20", "2026-04-20T23:00+00:00"),
]


@pytest.mark.parametrize(("sent", "nations", "served", "last", "expires"), VECTORS)
def test_period_matches_the_vectors(sent: str, nations: tuple[str, ...], served: str, last: str, expires: str) -> None:
    for nation in nations:
        period = evidence_period(datetime.fromisoformat(sent), nation)
        assert period.served_on == date.fromisoformat(served)
        assert period.last_day == date.fromisoformat(last)
        assert period.expires_at == datetime.fromisoformat(expires)


DIVISIONS = {
    "england": "england-and-wales",
    "wales": "england-and-wales",
    "scotland": "scotland",
    "northern-ireland": "northern-ireland",
}


@pytest.mark.parametrize("nation", NATIONS)
def test_calendar_agrees_with_the_published_list(nation: str) -> None:
    """The published list is the oracle; the one known difference is the Scottish day of 15 June 2026."""
    oracle = BankHolidays(use_cached_holidays=True)
    published = {h["date"] for h in oracle.get_holidays(division=DIVISIONS[nation])}
    differ = set()
    day = date(2024, 1, 1)
    while day <= date(2028, 12, 26):
        ours = not_working(day, nation) is not None
        theirs = day.weekday() >= 5 or day in published
        if ours != theirs:
            differ.add(day)
        day += timedelta(days=1)
    assert differ == ({date(2026, 6, 15)} if nation == "scotland" else set())


naive = {"min_value": datetime(2023, 1, 1), "max_value": datetime(2035, 12, 1)}  # noqa: DTZ001 - hypothesis asks for it
instants = st.datetimes(**naive, timezones=st.just(UTC))
nations = st.sampled_from(NATIONS)


@given(instants, nations)
def test_period_holds_for_every_date(sent_at: datetime, nation: str) -> None:
    period = evidence_period(sent_at, nation)
    local = sent_at.astimezone(LONDON)
    # Never served before it was sent, never on a day off, and on the day itself only before the cut-off.
    assert period.served_on >= local.date()
    assert not_working(period.served_on, nation) is None
    if period.served_on == local.date():
        assert local.time() < CUT_OFF
    # Never fewer than fourteen full local days, never ending on a day off.
    assert (period.last_day - period.served_on).days >= 14
    assert not_working(period.last_day, nation) is None
    between = [period.served_on + timedelta(days=n) for n in range(14, (period.last_day - period.served_on).days)]
    assert all(not_working(day, nation) for day in between), "rolled further than it had to"
    # In time until the local midnight at the end of the last day, whatever the clocks do.
    ends = period.expires_at.astimezone(LONDON)
    assert (ends.date(), ends.time()) == (period.last_day + timedelta(days=1), time(0))
    assert period.expires_at - datetime.combine(period.served_on, time(23, 59, 59), LONDON) >= timedelta(
        days=14, hours=-1
    )


@given(instants, nations)
def test_trace_explains_the_period(sent_at: datetime, nation: str) -> None:
    period = evidence_period(sent_at, nation)
    counted = {step.counted: step.day for step in period.trace}
    assert counted["service"] == period.served_on
    assert counted["last"] == period.last_day
    assert [s.day for s in period.trace if s.counted.startswith("day-")] == [
        period.served_on + timedelta(days=n) for n in range(1, 15)
    ]


@given(instants, instants, nations)
def test_later_notice_never_ends_earlier(one: datetime, other: datetime, nation: str) -> None:
    early, late = sorted((one, other))
    assert evidence_period(early, nation).expires_at <= evidence_period(late, nation).expires_at


@given(instants, nations, st.integers(min_value=0, max_value=30))
def test_added_holiday_never_shortens(sent_at: datetime, nation: str, after: int) -> None:
    day = sent_at.astimezone(LONDON).date() + timedelta(days=after)
    plain = evidence_period(sent_at, nation)
    moved = evidence_period(sent_at, nation, overrides=[Override(day, working=False, nation=nation)])
    assert moved.expires_at >= plain.expires_at
    assert moved.last_day != day
    elsewhere = next(n for n in NATIONS if n != nation)
    untouched = evidence_period(sent_at, nation, overrides=[Override(day, working=False, nation=elsewhere)])
    assert (untouched.served_on, untouched.expires_at, untouched.trace) == (
        plain.served_on,
        plain.expires_at,
        plain.trace,
    )


@pytest.mark.parametrize(
    ("sent", "hours"),
    [("2026-03-16T12:00+00:00", 335), ("2026-10-12T12:00+01:00", 337), ("2026-06-01T12:00+01:00", 336)],
)
def test_days_are_counted_not_hours(sent: str, hours: int) -> None:
    period = evidence_period(datetime.fromisoformat(sent), "england")
    length = period.expires_at - end_of(period.served_on)
    assert length == timedelta(hours=hours)


def test_working_day_override_beats_the_calendar() -> None:
    christmas = date(2026, 12, 25)
    assert not_working(christmas, "wales") == "Christmas Day"
    assert not_working(christmas, "wales", [Override(christmas, working=True)]) is None


def test_bad_input_is_refused() -> None:
    with pytest.raises(ValueError, match="aware"):
        evidence_period(datetime(2026, 1, 1, 12), "england")  # noqa: DTZ001 - that is the point
    with pytest.raises(UnknownNation):
        evidence_period(datetime(2026, 1, 1, 12, tzinfo=UTC), "atlantis")
    with pytest.raises(ValueError, match="one day"):
        evidence_period(datetime(2026, 1, 1, 12, tzinfo=UTC), "england", days=0)


def test_working_days_are_added() -> None:
    # Thursday before Easter 2026, two working days on: Good Friday, the weekend and Easter Monday do not count.
    assert add_working_days(date(2026, 4, 2), 2, "england") == date(2026, 4, 8)


@given(instants, st.integers(min_value=0, max_value=20 * 24 * 60))
def test_reminders_come_in_order_and_never_late(due_at: datetime, minutes_before: int) -> None:
    at = due_at - timedelta(minutes=minutes_before)
    following = next_reminder(due_at, at)
    assert following is None or at < following < due_at
    offset = reminder_offset(due_at, at)
    if at >= due_at:
        assert offset is None
    elif offset is not None:
        assert due_at - timedelta(days=offset) <= at
        assert all(due_at - timedelta(days=d) > at for d in (7, 3, 1) if d < offset)
    else:
        assert at < due_at - timedelta(days=7)
