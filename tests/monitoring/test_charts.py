"""What is drawn of a report: silence has its width, no clock makes a million bars, and no two bars have the same label."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django.template.loader import render_to_string

from monitoring.charts import BARS_AT_MOST, Chart, charts_of
from tests.monitoring.logs import lines, ordinary, report_of, swept


def at(when: datetime) -> str:
    return when.strftime("%Y-%m-%dT%H:%M:%SZ")


def by_hour(*whens: datetime) -> Chart:
    return charts_of({"volume_by": "hour", "volume_by_hour": [[at(when), 5] for when in whens]})[0]


def by_day(*whens: datetime) -> Chart:
    return charts_of({"volume_by": "day", "volume_by_hour": [[at(when), 5] for when in whens]})[0]


def test_nights_are_drawn() -> None:
    # Two days of office hours.
    monday = datetime(2026, 3, 2, 9, tzinfo=UTC)
    office = [monday + timedelta(days=day, hours=hour) for day in range(2) for hour in range(8)]
    chart = by_hour(*office)
    assert len(chart.bars) == 32
    assert [bar.value for bar in chart.bars] == ["5"] * 8 + ["0"] * 16 + ["5"] * 8
    assert {bar.height for bar in chart.bars[8:24]} == {0.0}
    assert len({round(b.x - a.x, 1) for a, b in zip(chart.bars, chart.bars[1:], strict=False)}) <= 2  # of rounding
    assert [bar.value for bar in chart.told] == ["5"] * 16, "the table has the hours that have calls"


def test_days_without_calls_are_drawn_of_a_set_as_well() -> None:
    days = [datetime(2026, 3, 2, tzinfo=UTC), datetime(2026, 3, 6, tzinfo=UTC)]
    assert [bar.value for bar in by_day(*days).bars] == ["5", "0", "0", "0", "5"]
    [one] = charts_of({"sets_over_time": [{"set": 0, "accounts": 8, "days": [[at(day), 5] for day in days]}]})
    assert [bar.value for bar in one.bars] == ["5", "0", "0", "0", "5"]
    assert one.title == "Calls of the set of 8 accounts (finding 1) by day, in UTC"


@pytest.mark.parametrize(
    ("last", "title"),
    [
        (datetime(2000, 1, 1, tzinfo=UTC) + timedelta(days=BARS_AT_MOST - 1), "Calls by day, in UTC"),
        (datetime(2000, 1, 1, tzinfo=UTC) + timedelta(days=BARS_AT_MOST), "Calls by week, in UTC"),
        (datetime(2099, 12, 31, tzinfo=UTC), "Calls by 4 weeks, in UTC"),
    ],
)
def test_a_clock_that_is_years_wrong_makes_no_more_bars_than_can_be_seen(last: datetime, title: str) -> None:
    chart = by_day(datetime(2000, 1, 1, tzinfo=UTC), last - timedelta(days=1), last)
    assert chart.title == title
    assert len(chart.bars) <= BARS_AT_MOST
    assert sum(int(bar.value) for bar in chart.bars) == 15, "and no call is lost"
    labels = [bar.label for bar in chart.bars]
    assert len(set(labels)) == len(labels)


def test_zones_are_said_and_two_hours_of_the_night_in_which_summer_time_ends_differ() -> None:
    chart = by_hour(*(datetime(2026, 10, 25, hour, tzinfo=UTC) for hour in range(3)))
    assert [bar.label for bar in chart.bars] == [
        "25 Oct 2026, 01:00 BST",
        "25 Oct 2026, 01:00 GMT",
        "25 Oct 2026, 02:00 GMT",
    ]
    assert chart.title == "Calls by hour, in London time"
    # A day is one of UTC, whatever London's clocks say.
    assert by_day(datetime(2026, 7, 1, tzinfo=UTC)).title == "Calls by day, in UTC"


def test_a_report_is_drawn_whole_and_says_no_more_than_before() -> None:
    report: dict[str, Any] = report_of(lines(ordinary(30) + swept("acc-sweep", 300)))
    said = report["charts"]
    assert all(n for _, n in said["volume_by_hour"]), "the report names hours that have calls, as it did"
    chart = charts_of(said)[0]
    first, last = (datetime.fromisoformat(said["volume_by_hour"][end][0]) for end in (0, -1))
    assert len(chart.bars) == (last - first) // timedelta(hours=1) + 1
    assert len(chart.told) == len(said["volume_by_hour"])
    page = render_to_string("monitoring/_chart.html", {"chart": chart, "table_rows": 400})
    assert page.count("<rect ") == len(chart.bars)
    assert "What is not in the table had none." in page


def test_nothing_is_drawn_of_nothing() -> None:
    assert charts_of({}) == []
    assert charts_of({"volume_by_hour": [], "sets_over_time": [{"set": 0, "accounts": 2, "days": []}]}) == []
