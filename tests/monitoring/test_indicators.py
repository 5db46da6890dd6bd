"""The indicators of volume, content and innocence against small tables, reckoned by hand."""

from __future__ import annotations

from math import log2
from typing import Any

import pytest

from monitoring import indicators as known
from monitoring.indicators.volume import models
from tests.monitoring.tables import DAY, HOUR, MINUTE, MONDAY, SECOND, at, concentration, kept, sweep, values, volume


# --- I1, I7: volume ---------------------------------------------------------------------------------------------------
def test_volume_counts_rows_tokens_and_the_fullest_window_of_each_length() -> None:
    # Ten-minute windows from midnight: 3 rows (0, 9:59, 5:00), 1 (10:00), 1 (59:59), then the next hour 2, the next day 1.
    when = [0, 10 * MINUTE - 1, 5 * MINUTE, 10 * MINUTE, HOUR - 1, HOUR, HOUR + 1, DAY]
    rows = kept([{**row, "tin": 2, "tout": 5} for row in at(*when)] + at(3 * HOUR, unit=2, tin=7, tout=0))
    found = values(volume(rows))
    one = found.loc[1]
    assert one.n == 8
    assert (one.tin, one.tout) == (8 * 2, 8 * 5)
    assert (one["first"], one["last"]) == (MONDAY, MONDAY + DAY)
    assert one.windows == 5  # 0:00, 0:10, 0:50, 1:00, and 0:00 of the next day
    assert one.peak_10m == 3
    assert one.peak_1h == 3 + 1 + 1
    assert one.peak_24h == 8 - 1
    # Windows of a week begin on Thursdays, as 1970 did: both days are in one.
    assert one.peak_7d == 8
    assert list(found.loc[2][["n", "tin", "tout", "peak_10m", "peak_7d"]]) == [1, 7, 0, 1, 1]


def test_a_week_is_cut_where_the_weeks_since_1970_are() -> None:
    wednesday, thursday = 2 * DAY, 3 * DAY
    found = values(volume(kept(at(wednesday, wednesday + 1, thursday))))
    assert found.peak_7d[1] == 2


def test_ceiling_is_the_share_of_active_minutes_near_the_limit() -> None:
    # A limit of 10: minutes with 9 or more ride it. 9 rows, 8 rows, 10 rows; of the 27, three were answered 429.
    busy = at(*range(9)) + at(*(MINUTE + n for n in range(8))) + at(*(7 * MINUTE + n for n in range(10)))
    for row in busy[-3:]:
        row["status"] = 429
    found = values(known.ceiling(kept(busy), 10)).loc[1]
    assert found.minutes == 3
    assert found.riding == pytest.approx(2 / 3)
    assert found.limited == pytest.approx(3 / 27)


def test_models_are_told_apart_by_unit() -> None:
    rows = kept(at(0, 1, model=7, tin=3) + at(2, model=8, tout=9) + at(3, unit=2, model=7))
    by_model = models(rows).execute().sort_values(["unit", "model"]).values.tolist()
    assert by_model == [[1, 7, 2, 6, 2], [1, 8, 1, 1, 9], [2, 7, 1, 1, 1]]


# --- I2: harvest ------------------------------------------------------------------------------------------------------
def test_harvest_divides_the_tokens_of_answered_calls() -> None:
    rows = at(0, tin=100, tout=300, finish=5) + at(1, tin=50, tout=20, finish=6) + at(2, tin=9, tout=9)
    rows += at(3, tin=1000, tout=0, status=429, finish=5)  # not answered
    found = values(known.harvest(kept(rows), [5])).loc[1]
    assert found.answered == 3
    assert found.oi == pytest.approx((300 + 20 + 9 + 1) / (100 + 50 + 9 + 1))
    assert found.cut == pytest.approx(1 / 2)  # of two answers that say how they ended


def test_harvest_without_a_finish_reason_length_says_nothing_of_it() -> None:
    assert values(known.harvest(kept(at(0, finish=6)), None)).cut.isna().all()


# --- I3, I4: templates ------------------------------------------------------------------------------------------------
def test_concentration_is_the_sum_of_squared_shares() -> None:
    # Of 10 templated rows 5, 3 and 2; two more rows have no template.
    rows = at(*range(5), template=30) + at(*range(3), template=20) + at(*range(2), template=10) + at(0, 1)
    found = values(concentration(kept(rows + at(0, 1, unit=2, template=9)))).loc[1]
    assert found.templated == 10
    assert found.hhi == pytest.approx(0.5**2 + 0.3**2 + 0.2**2)
    assert found.top == pytest.approx(5 / 10)
    assert found.top_cluster == 30


def test_concentration_of_clusters_is_not_that_of_templates() -> None:
    rows = at(0, 1, template=1, cluster=1) + at(2, 3, template=2, cluster=1)
    assert values(concentration(kept(rows))).hhi[1] == pytest.approx(1.0)


def prompts(cluster: int, count: int, different: int, start: int = 0, step: int = SECOND) -> list[dict[str, Any]]:
    """So many rows of a cluster, the first `different` of them each with a prompt of its own, the rest with the last."""
    return [
        {"us": MONDAY + start + n * step, "template": cluster, "prompt": cluster * 10_000 + min(n, different - 1)}
        for n in range(count)
    ]


def test_sweep_counts_the_clusters_with_ever_new_fillings() -> None:
    # Two clusters are swept (200 of 200 and 285 of 300, exactly 95 %), one repeats too much, one is too small.
    rows = prompts(1, 200, 200) + prompts(2, 300, 285) + prompts(3, 300, 284) + prompts(4, 199, 199)
    found = values(sweep(kept(rows))).loc[1]
    assert found.prompted == 200 + 300 + 300 + 199
    assert found.swept == 200 + 300
    assert found.swept_templates == 2
    assert found.swept_share == pytest.approx(500 / 999)
    assert found.fresh == pytest.approx((200 + 285) / 500)


def test_heaps_compares_the_second_half_of_the_time_with_the_first() -> None:
    # From second 0 to 400: the middle is 200. 201 prompts first appear up to it, 400 in all.
    found = values(sweep(kept(prompts(1, 401, 400)))).loc[1]
    assert found.heaps == pytest.approx(log2(400 / 201))
    # All new prompts in the first half: none comes in the second.
    early = [*prompts(1, 300, 300, step=SECOND), {"us": MONDAY + 4000 * SECOND, "template": 1, "prompt": 10_299}]
    assert values(sweep(kept(early))).heaps[1] == pytest.approx(log2(300 / 300))


def test_without_a_sweep_its_share_is_nought_and_its_freshness_unknown() -> None:
    found = values(sweep(kept(prompts(1, 100, 100)))).loc[1]
    assert found.swept_share == 0
    assert found[["swept", "fresh", "heaps"]].isna().all()


# --- I8, I9 -----------------------------------------------------------------------------------------------------------
def test_stateless_counts_lonely_sessions_and_unseen_beginnings() -> None:
    rows = at(0, 1, session=1, prefix=7) + at(2, session=2, prefix=7) + at(3, session=3, prefix=8) + at(4)
    rows += at(0, unit=2, prefix=9)  # no sessions at all
    found = values(known.stateless(kept(rows)))
    assert found.lonely[1] == pytest.approx(2 / 3)
    assert found.sessions[1] == 3
    assert found.unseen[1] == pytest.approx(2 / 4)  # beginnings 7 and 8 in four rows
    assert found.prefixes[1] == 4
    assert found.loc[2].lonely != found.loc[2].lonely  # null, not nought
    assert found.unseen[2] == 1


def test_probing_counts_only_what_was_asked_together() -> None:
    def asked(logprobs: bool, bias: bool, most: float | None, heat: float | None, several: bool) -> dict[str, Any]:
        return {
            "logprobs": logprobs,
            "logit_bias": bias,
            "max_tokens": most,
            "temperature": heat,
            "several": several,
        }

    rows = [
        asked(True, True, 1, 0, True),  # all three
        asked(True, False, 2, 0, False),
        asked(False, True, 0, 0.5, True),  # a single token
        asked(False, False, None, None, True),
        {},  # no parameters at all: not counted
    ]
    found = values(known.probing(kept(rows))).loc[1]
    assert (found.with_params, found.probes, found.single, found.repeats) == (4, 1, 2, 1)
    silent = values(known.probing(kept([asked(True, True, None, None, True)] * 3))).loc[1]
    assert (silent.with_params, silent.probes, silent.single, silent.repeats) == (3, 3, 0, 0)


# --- I14: what speaks for innocence -----------------------------------------------------------------------------------
def test_refusals_are_a_share_of_the_rows_that_say_so() -> None:
    rows = at(0, 1, 2, refused=True) + at(3, refused=False) + at(4, 5)
    found = values(known.refusals(kept(rows))).loc[1]
    assert (found.judged, found.refused) == (4, pytest.approx(3 / 4))


def test_repeats_are_what_distinct_prompts_leave() -> None:
    found = values(known.repeats(kept(at(0, 1, 2, prompt=1) + at(3, prompt=2) + at(4)))).loc[1]
    assert (found.prompts, found.repeated) == (4, pytest.approx(1 - 2 / 4))


NEAR, FAR = (1 << 10) - 1, (1 << 11) - 1  # 10 and 11 bits from nought


@pytest.mark.parametrize(
    ("rows", "share"),
    [
        (at(0, template=0, refused=True) + at(MINUTE, template=NEAR, refused=False), 1 / 2),
        (at(0, template=0, refused=True) + at(MINUTE, template=FAR, refused=False), 0),
        (at(0, template=0, refused=True) + at(10 * MINUTE, template=0, refused=False), 1 / 2),
        (at(0, template=0, refused=True) + at(10 * MINUTE + 1, template=0, refused=False), 0),
        (at(0, template=0, refused=False) + at(1, template=0, refused=False), 0),
        # The sign bit is a bit like another.
        (at(0, template=-1, refused=True) + at(1, template=-2, refused=False), 1 / 2),
        (at(0, template=-1, refused=True) + at(1, template=1, refused=False), 0),
        # Every one of a chain of refusals but the first.
        (at(0, MINUTE, 2 * MINUTE, template=5, refused=True) + at(3 * MINUTE), 2 / 3),
        # Another account's refusal is nobody's chain.
        (at(0, template=0, refused=True, account=8) + at(1, template=0, refused=False, account=9), 0),
    ],
)
def test_mutation_is_the_share_of_prompts_near_the_last_refused_one(rows: list[dict[str, Any]], share: float) -> None:
    assert values(known.mutation(kept(rows))).mutation[1] == pytest.approx(share)
