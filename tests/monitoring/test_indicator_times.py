"""The indicators of time against small tables, reckoned by hand: gaps, hours, the clock, new models, one's own past."""

from __future__ import annotations

from datetime import UTC, datetime
from math import log, log2, sqrt
from typing import Any

import ibis
import pandas as pd
import pytest

from monitoring import indicators as known
from monitoring.indicators.timing import NEW_AT_MOST, new_models, summers
from monitoring.shift import SHUFFLES, histograms, shifts
from tests.monitoring.logs import START, lines, report_of
from tests.monitoring.tables import DAY, HOUR, MINUTE, MONDAY, SECOND, at, clock, evenness, kept, quota, values


# --- I5 ---------------------------------------------------------------------------------------------------------------
def test_regularity_is_the_spread_of_gaps_without_pauses() -> None:
    # Gaps of 10, 20, 30, 20 seconds and a night: mean 20, deviations 10, 0, 10, 0, so a variance of 200 / 4.
    times = [0, 10, 30, 60, 80, 80 + 8 * 3600]
    found = values(known.regularity(kept(at(*(t * SECOND for t in times))))).loc[1]
    assert (found.gaps, found.pauses) == (4, 1)
    cv = sqrt(200 / 4) / 20
    assert found.cv == pytest.approx(cv)
    assert found.burstiness == pytest.approx((cv - 1) / (cv + 1))


def test_a_gap_of_ten_median_gaps_is_no_pause_and_a_longer_one_is() -> None:
    steps = [1, 1, 1, 10]
    times = [sum(steps[:n]) * SECOND for n in range(5)]
    assert values(known.regularity(kept(at(*times)))).pauses[1] == 0
    assert values(known.regularity(kept(at(*times[:-1], times[-1] + 1)))).pauses[1] == 1


def test_gaps_are_between_rows_of_one_unit() -> None:
    rows = at(0, 10, 20, unit=1) + at(5, 105, 205, unit=2)
    assert values(known.regularity(kept(rows))).cv.tolist() == [0, 0]


def hours_of(counts: list[int], unit: int = 1) -> list[dict[str, Any]]:
    """So many rows in each hour, one after the other from midnight."""
    return [row for hour, count in enumerate(counts) for row in at(*(hour * HOUR + n for n in range(count)), unit=unit)]


def test_evenness_is_the_variance_of_whole_hours_beyond_chance() -> None:
    # The first hour and the last are cut short. Between them 10, 30, 10, 30: mean 20, variance 100.
    found = values(evenness(kept(hours_of([3, 10, 30, 10, 30, 2])))).loc[1]
    assert (found.hours, found.hourly, found.spread) == (4, 20, 100)
    assert found.uneven == pytest.approx(sqrt(100 - 20) / 20)


def test_hours_beside_a_pause_are_not_whole_and_less_than_chance_is_nought() -> None:
    # 0 breaks the stretch: hours 1 and 2 of the first, and one hour of the second, have both neighbours.
    found = values(evenness(kept(hours_of([9, 12, 14, 9, 0, 9, 13, 9])))).loc[1]
    assert (found.hours, found.hourly) == (3, (12 + 14 + 13) / 3)
    assert found.uneven == 0  # a variance of 2 / 3, far below the mean


def days_of(counts: list[int], unit: int = 1) -> list[dict[str, Any]]:
    return [row for day, count in enumerate(counts) for row in at(*(day * DAY + n for n in range(count)), unit=unit)]


def test_a_daily_budget_is_the_variance_of_working_days_beyond_chance() -> None:
    # The first and the last are left out, and the weekend of 5 and 0: below a quarter of the median, which is 60.
    found = values(quota(kept(days_of([9, 60, 80, 40, 5, 0, 60, 9])))).loc[1]
    assert (found.worked, found.daily) == (4, 60)
    assert found.daily_spread == (0 + 20**2 + 20**2 + 0) / 4
    assert found.daily_uneven == pytest.approx(sqrt(200 - 60) / 60)


def test_what_differs_less_than_chance_is_within_a_budget() -> None:
    assert values(quota(kept(days_of([1, 50, 51, 49, 50, 50, 1])))).daily_uneven[1] == 0


# --- I6 ---------------------------------------------------------------------------------------------------------------
def test_around_the_clock_is_the_entropy_of_hours_and_the_share_of_active_windows() -> None:
    # Two rows at midnight, one at noon and one at 18:00: shares 1/2, 1/4, 1/4.
    rows = at(0, MINUTE, 12 * HOUR, 18 * HOUR)
    found = values(clock(kept(rows))).loc[1]
    entropy = (1 / 2 * log(2) + 1 / 4 * log(4) + 1 / 4 * log(4)) / log(24)
    assert found.hc == pytest.approx(entropy)
    assert found.hc_london == pytest.approx(entropy)
    assert found.active == pytest.approx(3 / (18 * 6 + 1))
    assert found.days == pytest.approx((18 * 6 + 1) / 144)


def test_all_hours_alike_are_the_greatest_entropy() -> None:
    rows = at(*(n * HOUR for n in range(48)))
    assert values(clock(kept(rows))).hc[1] == pytest.approx(1)


def us(*when: int) -> int:
    return round(datetime(*when, tzinfo=UTC).timestamp()) * SECOND  # type: ignore[arg-type]


def test_london_keeps_summer_time_from_the_last_sunday_of_march_to_that_of_october() -> None:
    assert summers(2026) == [(us(2026, 3, 29, 1), us(2026, 10, 25, 1))]
    assert summers(2025) == [(us(2025, 3, 30, 1), us(2025, 10, 26, 1))]


def test_an_hour_that_the_clocks_move_is_another_hour_in_london() -> None:
    # 09:00 UTC is 9 o'clock in winter and 10 in summer: one hour of the day in UTC, two in London.
    rows = [{"us": us(2026, 3, 27, 9)}, {"us": us(2026, 3, 30, 9)}]
    found = values(clock(kept(rows))).loc[1]
    assert found.hc == pytest.approx(0)
    assert found.hc_london == pytest.approx(log(2) / log(24))
    # At nine o'clock in London all year round it is the other way about.
    rows = [{"us": us(2026, 3, 27, 9)}, {"us": us(2026, 3, 30, 8)}]
    found = values(clock(kept(rows))).loc[1]
    assert (found.hc, found.hc_london) == (pytest.approx(log(2) / log(24)), pytest.approx(0))


@pytest.mark.parametrize(
    ("when", "other", "alike"),
    [
        ((2026, 3, 29, 0, 59), (2026, 3, 28, 0, 59), True),  # 00:59 GMT, the last minute of winter
        ((2026, 3, 29, 1, 0), (2026, 3, 28, 2, 0), True),  # 02:00 BST and 02:00 GMT
        ((2026, 10, 25, 0, 59), (2026, 10, 24, 0, 59), True),  # both summer
        ((2026, 10, 25, 1, 0), (2026, 10, 24, 0, 0), True),  # 01:00 GMT again, and 01:00 BST
        ((2026, 10, 25, 1, 0), (2026, 10, 24, 1, 0), False),
    ],
)
def test_the_minute_at_which_clocks_change(when: tuple[int, ...], other: tuple[int, ...], alike: bool) -> None:
    rows = [{"us": us(*when)}, {"us": us(*other)}]
    found = values(clock(kept(rows)))
    assert found.hc_london[1] == pytest.approx(0 if alike else log(2) / log(24))


# --- I12 --------------------------------------------------------------------------------------------------------------
def released(model: int, when: int) -> Any:
    return ibis.memtable(pd.DataFrame({"model": [model], "released": [MONDAY + when]}))


def test_pivot_is_the_share_of_a_day_that_went_to_the_new_model() -> None:
    # 12 calls to model 2 and 18 to model 1 within its first 24 hours; what is before or after does not count.
    rows = at(*range(12), model=2) + at(*range(18), model=1) + at(DAY, DAY + 1, model=2) + at(-1, -2, model=1)
    assert values(known.pivot(kept(rows), released(2, 0)))["pivot"][1] == pytest.approx(12 / 30)


def test_pivot_takes_the_newest_model_that_moved_most_and_needs_twenty_calls() -> None:
    both = released(2, 0).union(released(3, 2 * DAY))
    rows = at(*range(5), model=2) + at(*range(15), model=1)  # 5 of 20
    rows += at(*(2 * DAY + n for n in range(16)), model=3) + at(*(2 * DAY + n for n in range(4)), model=1)  # 16 of 20
    rows += at(*(2 * DAY + n for n in range(19)), model=3, unit=2)
    found = values(known.pivot(kept(rows), both))
    assert found["pivot"].to_dict() == {1: pytest.approx(16 / 20)}


def test_a_model_is_new_from_its_first_row_on() -> None:
    found = new_models(kept(at(5, 3, model=1) + at(9, 7, model=2, unit=2)), since=0).execute()
    assert found.set_index("model").released.to_dict() == {1: MONDAY + 3, 2: MONDAY + 7}


def test_of_many_new_models_those_that_are_used_most_are_compared() -> None:
    """Whoever invents a name for every call would have every call compared with every name."""
    rows = at(0, model=0) + [row for n in range(1, 301) for row in at(*range(10 * n, 10 * n + 1 + (n > 210)), model=n)]
    found = new_models(kept(rows), since=MONDAY + 1).execute()
    assert set(found.model) == {*range(211, 301), *range(1, 11)}, "those with two calls, and of the others the first"
    assert len(found) == NEW_AT_MOST


# --- I13 --------------------------------------------------------------------------------------------------------------
def test_histograms_put_rows_in_bins_by_day_and_kind() -> None:
    # Lengths by powers of two of tokens and one: 0 -> 0, 1 -> 1, 6 -> 2 (log2 7), 7 -> 3 (log2 8).
    rows = kept(
        [
            {**row, "tout": t, "model": 33, "template": 70}
            for row, t in zip(at(0, 1, HOUR, DAY), (0, 1, 6, 7), strict=True)
        ]
    )
    by_kind = histograms(rows, known.windows(rows), {"template"})
    found = pd.concat(counted.execute().assign(kind=kind) for kind, counted in by_kind.items())
    day = MONDAY // DAY
    told = sorted(map(tuple, found[["kind", "day", "bin", "c"]].values.tolist()))
    assert told == [
        ("hour", day, 0, 2),
        ("hour", day, 1, 1),
        ("hour", day + 1, 0, 1),
        ("length", day, 0, 1),
        ("length", day, 1, 1),
        ("length", day, 2, 1),
        ("length", day + 1, 3, 1),
        ("model", day, 33 % 32, 3),
        ("model", day + 1, 33 % 32, 1),
        ("template", day, 70 % 32, 3),
        ("template", day + 1, 70 % 32, 1),
    ]


def daily(days: dict[int, dict[int, int]], kind: str = "model", unit: int = 1) -> dict[str, pd.DataFrame]:
    """Rows of a unit by day and bin of one kind, all in one hour of the day."""
    rows = [(unit, day, b, c) for day, bins in days.items() for b, c in bins.items()]
    hours = [(unit, day, 9, sum(bins.values())) for day, bins in days.items()]
    return {k: pd.DataFrame(r, columns=["unit", "day", "bin", "c"]) for k, r in ((kind, rows), ("hour", hours))}


def test_shift_is_the_divergence_of_the_last_week_from_what_was_before() -> None:
    # Before: model 1 alone. The last 7 of 14 days: a quarter of the calls to model 2.
    # p = (3/4, 1/4), q = (1, 0), m = (7/8, 1/8).
    found = shifts(daily({d: {1: 100} for d in range(7)} | {d: {1: 75, 2: 25} for d in range(7, 14)})).loc[1]
    divergence = (3 / 4 * log2((3 / 4) / (7 / 8)) + 1 / 4 * log2((1 / 4) / (1 / 8)) + 1 * log2(1 / (7 / 8))) / 2
    assert found["shift"] == pytest.approx(divergence)
    assert found.moved == "model"
    # Of the ways to deal 14 days into 7 and 7 only 2 in 3,432 are as far apart: fewer than ten of 999.
    assert found.shift_p <= 10 / (SHUFFLES + 1)


def test_nothing_in_common_is_one_and_the_same_is_nought() -> None:
    apart = shifts(daily({d: {1: 100} for d in range(7)} | {d: {2: 100} for d in range(7, 14)})).loc[1]
    assert apart["shift"] == pytest.approx(1)
    alike = shifts(daily({d: {1: 100} for d in range(14)})).loc[1]
    assert (alike["shift"], alike.shift_p) == (0, pytest.approx(112 / 112))


def test_what_a_log_did_not_say_before_has_not_moved() -> None:
    """A week without templates, and one with."""
    same = daily({d: {1: 100} for d in range(14)})
    fresh = daily({d: {1: 50, 2: 50} for d in range(7, 14)}, "template")["template"]
    found = shifts({**same, "template": fresh}).loc[1]
    assert (found["shift"], found.shift_p) == (0, 1)


@pytest.mark.parametrize(
    "days",
    [
        {d: {1: 100} for d in range(10)},  # three days before the last seven
        {d: {1: 71} for d in range(14)},  # 497 rows in the last seven days
        {d: {1: 71 if d < 7 else 100} for d in range(14)},  # 497 before them
    ],
)
def test_too_little_of_a_past_is_left_out(days: dict[int, dict[int, int]]) -> None:
    assert shifts(daily(days)).empty


def test_an_idle_day_is_no_day_of_the_past() -> None:
    # Four active days before the window of seven calendar days, two in it.
    days = {d: {1: 300} for d in (0, 5, 9, 20, 28, 34)}
    assert shifts(daily(days)).index.tolist() == [1]
    del days[0]
    assert shifts(daily(days)).empty


def test_negative_numbers_go_to_the_bin_of_their_remainder() -> None:
    # -31 and 1 are the same modulo 32, whichever sign the engine gives to a remainder.
    found = shifts(daily({d: {1: 100} for d in range(7)} | {d: {-31: 100} for d in range(7, 14)})).loc[1]
    assert found["shift"] == 0


def test_rows_without_a_template_or_an_endpoint_are_in_no_bin_of_those() -> None:
    calls = [
        {
            "ts": START.timestamp() + 400 * n,
            "account": "a",
            "model": "m",
            "input_tokens": 9,
            "output_tokens": 9,
            "status": 200,
            **({"template": f"{n * 104_729:016x}"} if n % 7 else {}),
            **({"endpoint": "/v1"} if n % 5 else {}),
        }
        for n in range(3000)
    ]
    assert report_of(lines(calls))["rows"] == 3000
