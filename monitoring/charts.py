"""Bars for a page: where each is drawn, and the same numbers as a table. Pure; units are those of the drawing."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

WIDTH, HEIGHT = 720.0, 160.0
LONDON = ZoneInfo("Europe/London")


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
    width: float = WIDTH
    height: float = HEIGHT

    @property
    def ends(self) -> tuple[str, str]:
        """The labels of the first bar and the last one."""
        return self.bars[0].label, self.bars[-1].label


def bars(title: str, unit: str, first: str, values: list[tuple[str, float]], *, percent: bool = False) -> Chart | None:
    """A chart of labelled values; None without any."""
    if not values:
        return None
    most = max(value for _, value in values) or 1.0
    step = WIDTH / len(values)
    drawn = []
    for place, (label, value) in enumerate(values):
        height = round(HEIGHT * value / most, 2)
        said = f"{value:.1%}" if percent else f"{value:,.0f}"
        drawn.append(Bar(round(place * step, 2), round(HEIGHT - height, 2), round(step * 0.9, 2), height, label, said))
    return Chart(title, unit, first, tuple(drawn), f"{most:.1%}" if percent else f"{most:,.0f}")


def charts_of(series: dict[str, Any]) -> list[Chart]:
    """The charts of a report (`monitoring.context.charts`); what a report does not have is left out."""
    by = series.get("volume_by", "hour")
    said = [(_said(at, by), n) for at, n in series.get("volume_by_hour", [])]
    hours = [(f"{hour:02}:00", float(n)) for hour, n in enumerate(series.get("hours_of_day", []))]
    found = [
        bars(f"Calls by {by}", "calls", "Day" if by == "day" else "Hour", said),
        bars("Hours of the day, in UTC", "calls", "Hour", hours),
    ]
    for one in series.get("sets_over_time", []):
        days = [(_said(at, "day"), n) for at, n in one["days"]]
        found.append(
            bars(f"Calls of the set of {one['accounts']:,} accounts (finding {one['set'] + 1})", "calls", "Day", days)
        )
    top = [(one["account"], one["top_share"]) for one in series.get("template_concentration", [])]
    if series.get("template_median") is not None and top:
        top.append(("Median of all accounts", series["template_median"]))
    found.append(bars("Share of the commonest prompt template", "of the account’s calls", "Account", top, percent=True))
    return [chart for chart in found if chart is not None]


def _said(at: str, by: str) -> str:
    local = datetime.fromisoformat(at).astimezone(LONDON)
    day = f"{local.day} {local:%b %Y}"
    return day if by == "day" else f"{day}, {local:%H:%M}"
