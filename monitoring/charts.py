"""Bars for a page: where each is drawn, and the same numbers as a table. Pure; units are those of the drawing."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

WIDTH, HEIGHT = 720.0, 160.0
LONDON = ZoneInfo("Europe/London")
HOUR, DAY, WEEK = timedelta(hours=1), timedelta(days=1), timedelta(weeks=1)
MONDAY = datetime(2000, 1, 3, tzinfo=UTC)  # weeks are counted from it
# Of one chart. A report has hours of 62 days at most; of a clock that is years wrong not every day is drawn.
BARS_AT_MOST = 24 * 62


@dataclass(frozen=True)
class Bar:
    """One bar, its words and its number."""

    x: float
    y: float
    width: float
    height: float
    label: str
    value: str


@dataclass(frozen=True)
class Chart:
    """A row of bars from the same ground."""

    title: str
    unit: str
    first: str  # heading of the table's first column
    bars: tuple[Bar, ...]
    highest: str
    told: tuple[Bar, ...]  # the rows of the table: all of them, or of a long series those with something
    width: float = WIDTH
    height: float = HEIGHT

    @property
    def ends(self) -> tuple[str, str]:
        """The labels of the first bar and the last one."""
        return self.bars[0].label, self.bars[-1].label


def bars(
    title: str,
    unit: str,
    first: str,
    values: list[tuple[str, float]],
    *,
    percent: bool = False,
    gaps: bool = False,
) -> Chart | None:
    """A chart of labelled values; None without any. With `gaps`, those that are 0 are drawn and not told in the table."""
    if not values:
        return None
    most = max(value for _, value in values) or 1.0
    step = WIDTH / len(values)
    drawn = []
    for place, (label, value) in enumerate(values):
        height = round(HEIGHT * value / most, 2)
        said = f"{value:.1%}" if percent else f"{value:,.0f}"
        drawn.append(Bar(round(place * step, 2), round(HEIGHT - height, 2), round(step * 0.9, 2), height, label, said))
    told = [bar for bar, (_, value) in zip(drawn, values, strict=True) if value or not gaps]
    return Chart(title, unit, first, tuple(drawn), f"{most:.1%}" if percent else f"{most:,.0f}", tuple(told))


def charts_of(series: dict[str, Any]) -> list[Chart]:
    """The charts of a report (`monitoring.context.charts`); what a report does not have is left out."""
    step = HOUR if series.get("volume_by", "hour") == "hour" else DAY
    hours = [(f"{hour:02}:00", float(n)) for hour, n in enumerate(series.get("hours_of_day", []))]
    found = [
        _over_time("Calls", series.get("volume_by_hour", []), step),
        bars("Hours of the day, in UTC", "calls", "Hour", hours),
    ]
    for one in series.get("sets_over_time", []):
        title = f"Calls of the set of {one['accounts']:,} accounts (finding {one['set'] + 1})"
        found.append(_over_time(title, one["days"], DAY))
    top = [(one["account"], one["top_share"]) for one in series.get("template_concentration", [])]
    if series.get("template_median") is not None and top:
        top.append(("Median of all accounts", series["template_median"]))
    found.append(bars("Share of the commonest prompt template", "of the account’s calls", "Account", top, percent=True))
    return [chart for chart in found if chart is not None]


def _over_time(title: str, counted: list[tuple[str, int]], step: timedelta) -> Chart | None:
    """Counts over time, in which silence has its width: what a report does not name had no calls.

    `counted` are the hours or days (UTC) that have calls, in their order. What is too long to be drawn so is drawn by the
    week, or by so many weeks that there are no more than BARS_AT_MOST bars.
    """
    known = [(datetime.fromisoformat(at), n) for at, n in counted]
    if not known:
        return None
    step = _wide_enough(known[-1][0] - known[0][0], step)
    calls: dict[int, int] = {}
    for at, n in known:
        place = (at - MONDAY) // step
        calls[place] = calls.get(place, 0) + n
    values = [
        (_said(MONDAY + place * step, step), float(calls.get(place, 0))) for place in range(min(calls), max(calls) + 1)
    ]
    by = {HOUR: "by hour, in London time", DAY: "by day, in UTC", WEEK: "by week, in UTC"}
    weeks = step // WEEK
    how = by.get(step, f"by {weeks} weeks, in UTC")
    return bars(f"{title} {how}", "calls", {HOUR: "Hour", DAY: "Day"}.get(step, "From"), values, gaps=True)


def _wide_enough(span: timedelta, step: timedelta) -> timedelta:
    """The step, or the shortest of whole weeks, that goes into a span at most BARS_AT_MOST times."""
    if span // step < BARS_AT_MOST:
        return step
    return WEEK * (span // WEEK // (BARS_AT_MOST - 1) + 1)


def _said(at: datetime, step: timedelta) -> str:
    """An hour with the name of its zone: when summer time ends, two hours of one night have the same figures."""
    local = at.astimezone(LONDON) if step == HOUR else at
    day = f"{local.day} {local:%b %Y}"
    return f"{day}, {local:%H:%M %Z}" if step == HOUR else day
