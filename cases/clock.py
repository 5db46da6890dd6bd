"""When fourteen days are over. Pure: an instant and a nation go in, dates and an explanation come out.

Rule CANDOUR-TIME-1, printed on every notice:

1. Deemed service by electronic means: sent on a working day before 16:30 Europe/London, served that day; otherwise on
   the next working day (after CPR 6.26, in the recipient's nation).
2. The last day is `days` calendar days after the day of service, which is not counted (after CPR 2.8(2)-(3)).
3. A last day that is not a working day in the recipient's nation becomes the next working day (the scheme's own rule,
   after the tribunals' pattern).
4. In time until the end of that local day. Dates are counted, never 14 x 24 hours: a period over a clock change is 335
   or 337 hours long.

A working day: not Saturday or Sunday, not a bank holiday in that nation (Banking and Financial Dealings Act 1971), not
Good Friday or Christmas Day. Staff may override single days.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from functools import lru_cache
from importlib.metadata import version
from zoneinfo import ZoneInfo

import holidays

RULE = "CANDOUR-TIME-1"
LONDON = ZoneInfo("Europe/London")
CUT_OFF = time(16, 30)
EVIDENCE_DAYS = 14
REMINDER_DAYS = (7, 3, 1)
CALENDAR_VERSION = f"holidays-{version('holidays')}"
SUBDIVISIONS = {"england": "ENG", "wales": "WLS", "scotland": "SCT", "northern-ireland": "NIR"}


@dataclass(frozen=True)
class Override:
    """A day that staff have made a holiday (`working=False`) or a working day, in one nation or in all (None)."""

    day: date
    working: bool
    nation: str | None = None
    name: str = ""


@dataclass(frozen=True)
class Step:
    """One line of the explanation: a day, what it is in the count, and why."""

    day: date
    counted: str  # sent, service, skipped, day-1 .. day-n, rolled, last
    why: str


@dataclass(frozen=True)
class EvidencePeriod:
    """A period as computed: `served_on` and `last_day` are local dates, `expires_at` is an aware instant in UTC."""

    served_on: date
    last_day: date
    expires_at: datetime
    nation: str
    rule: str
    calendar: str
    trace: tuple[Step, ...]


class UnknownNation(ValueError):
    """The nation is not one whose calendar the rule knows."""


def evidence_period(
    sent_at: datetime, nation: str, *, overrides: Iterable[Override] = (), days: int = EVIDENCE_DAYS
) -> EvidencePeriod:
    """The period for a notice sent at `sent_at` (aware) to an addressee in `nation`, under CANDOUR-TIME-1.

    `nation` is one of england, wales, scotland, northern-ireland; `days` is the scheme's number of calendar days.
    Raises ValueError for a naive instant or fewer than one day, UnknownNation for another nation.
    """
    if sent_at.tzinfo is None:
        raise ValueError("A period is computed from an aware instant.")
    if days < 1:
        raise ValueError("A period has at least one day.")
    known = tuple(overrides)
    local = sent_at.astimezone(LONDON)
    steps = [Step(local.date(), "sent", f"sent at {local:%H:%M} United Kingdom time")]
    served_on = local.date()
    if local.time() >= CUT_OFF and not_working(served_on, nation, known) is None:
        steps.append(Step(served_on, "skipped", "sent at or after 4:30pm"))
        served_on += timedelta(days=1)
    served_on = _next_working(served_on, nation, known, steps, "skipped")
    steps.append(Step(served_on, "service", "deemed day of service, not counted"))
    for n in range(1, days + 1):
        day = served_on + timedelta(days=n)
        steps.append(Step(day, f"day-{n}", not_working(day, nation, known) or "counted"))
    last_day = _next_working(served_on + timedelta(days=days), nation, known, steps, "rolled")
    steps.append(Step(last_day, "last", "last day: in time until midnight at its end"))
    return EvidencePeriod(
        served_on=served_on,
        last_day=last_day,
        expires_at=end_of(last_day),
        nation=nation,
        rule=RULE,
        calendar=f"{CALENDAR_VERSION}, {len(known)} changed" if known else CALENDAR_VERSION,
        trace=tuple(steps),
    )


def end_of(day: date) -> datetime:
    """The instant, in UTC, at which the local day `day` is over."""
    return datetime.combine(day + timedelta(days=1), time(0), LONDON).astimezone(UTC)


def next_working_day(day: date, nation: str, *, overrides: Iterable[Override] = ()) -> date:
    """The first working day of `nation` after `day`."""
    return _next_working(day + timedelta(days=1), nation, tuple(overrides), [], "skipped")


def add_working_days(day: date, count: int, nation: str, *, overrides: Iterable[Override] = ()) -> date:
    """The working day of `nation` that is `count` working days after `day`."""
    known = tuple(overrides)
    for _ in range(count):
        day = next_working_day(day, nation, overrides=known)
    return day


def next_reminder(due_at: datetime, after: datetime) -> datetime | None:
    """The instant of the next reminder before `due_at` that lies after `after`; None when there is none left."""
    later = [due_at - timedelta(days=d) for d in REMINDER_DAYS if due_at - timedelta(days=d) > after]
    return min(later, default=None)


def reminder_offset(due_at: datetime, at: datetime) -> int | None:
    """Which reminder is due `at` an instant: the nearest offset in days that has been reached; None after `due_at`."""
    if at >= due_at:
        return None
    return min((d for d in REMINDER_DAYS if at >= due_at - timedelta(days=d)), default=None)


def not_working(day: date, nation: str, overrides: Iterable[Override] = ()) -> str | None:
    """Why `day` is not a working day in `nation`; None when it is one. An override goes before the calendar."""
    if nation not in SUBDIVISIONS:
        raise UnknownNation(f"No calendar is known for {nation!r}.")
    for override in overrides:
        if override.day == day and override.nation in {None, nation}:
            return None if override.working else override.name or "added holiday"
    if day.weekday() == 5:
        return "Saturday"
    if day.weekday() == 6:
        return "Sunday"
    return _holidays(nation, day.year).get(day)


def unlike_the_week(year: int, nation: str, overrides: Iterable[Override] = ()) -> list[tuple[date, bool, str]]:
    """The days of a year that are no working days though it is no weekend, or are though it is: `(day, working, name)`."""
    known, found = tuple(overrides), []
    names = {o.day: o.name for o in reversed(known) if o.working and o.nation in {None, nation}}
    for ordinal in range(date(year, 1, 1).toordinal(), date(year, 12, 31).toordinal() + 1):
        day = date.fromordinal(ordinal)
        why, weekend = not_working(day, nation, known), day.weekday() >= 5
        if (why is None) == weekend:
            found.append((day, why is None, why if why is not None else names.get(day, "")))
    return found


@lru_cache(maxsize=256)
def _holidays(nation: str, year: int) -> dict[date, str]:
    return dict(holidays.country_holidays("GB", subdiv=SUBDIVISIONS[nation], years=year))


def _next_working(day: date, nation: str, overrides: tuple[Override, ...], steps: list[Step], counted: str) -> date:
    while (why := not_working(day, nation, overrides)) is not None:
        steps.append(Step(day, counted, why))
        day += timedelta(days=1)
    return day
