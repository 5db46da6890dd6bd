"""How likely a set is by chance: against counting all cases, and in logs whose accounts have nothing to do with another."""

from __future__ import annotations

from itertools import combinations
from math import comb, exp

import numpy as np
import pandas as pd
import pytest

from monitoring.chance import log_at_least, of_chance
from monitoring.coordination import Found, sets
from monitoring.reference import LEAST

Uses = dict[str, dict[int, list[int]]]  # by kind and thing the accounts that use it


def shared(uses: Uses) -> pd.DataFrame:
    """As `sets` takes what is shared."""
    rows = [(a, kind, thing, 10) for kind, things in uses.items() for thing, own in things.items() for a in own]
    return pd.DataFrame(rows, columns=["account", "kind", "thing", "n"])


def chances(uses: Uses, accounts: int, **having: list[int]) -> list[float]:
    """Of the sets among so many accounts, all of which have something of each kind if nothing else is said."""
    frame = shared(uses)
    everybody = {kind: np.array(having.get(kind, range(accounts))) for kind in uses}
    return of_chance(sets(frame), frame, everybody)


def test_an_overlap_is_as_likely_as_the_share_of_draws_that_have_it() -> None:
    draws = [len({0, 1, 2, 3} & set(drawn)) for drawn in combinations(range(9), 5)]
    for common in range(3, 5):  # of 4 and 5 among 9, 2.2 are expected
        share = sum(found >= common for found in draws) / len(draws)
        assert exp(log_at_least(common, 4, 5, 9)) == pytest.approx(share)
    assert log_at_least(2, 4, 5, 9) == 0
    # What cannot but lie on one another says nothing.
    assert log_at_least(5, 5, 5, 5) == 0


def test_three_accounts_with_one_network_and_one_template_among_a_hundred() -> None:
    """One of the C(100, 3) threes; of two networks and three templates one each was chosen: 2 and 3 ways, each doubled
    for the choice of how many; one pair of kinds was looked at.
    """
    uses = {"net": {1: [0, 1, 2], 2: [50, 60]}, "template": {5: [0, 1, 2], 6: [70, 80], 7: [71, 81]}}
    assert chances(uses, 100) == [pytest.approx((2 * 2) * (3 * 2) / comb(100, 3))]


def test_all_users_of_a_thing_count_also_those_outside_the_set() -> None:
    # Thirty accounts use the template, three of them the one network as well: C(30, 3) / C(100, 3), twice doubled.
    uses = {"net": {1: [0, 1, 2]}, "template": {5: [0, 1, 2]}}
    frame = shared({**uses, "template": {5: list(range(30))}})
    one = Found((0, 1, 2), {"net": {1: 3}, "template": {5: 3}})
    everybody = {kind: np.arange(100) for kind in uses}
    [p] = of_chance([one], frame, everybody)
    assert p == pytest.approx(4 * comb(30, 3) / comb(100, 3))


def test_things_of_one_kind_that_go_together_are_no_further_sign() -> None:
    """Five addresses of one office are as good as one; each is one more choice among those that the log offers."""
    template = {5: [0, 1, 2]}
    one = chances({"net": {1: [0, 1, 2]}, "template": template}, 100)
    five = chances({"net": {n: [0, 1, 2] for n in range(5)}, "template": template}, 100)
    # All five together are one choice of their number, as likely as one alone; that there were five costs 5 * 6 / 2.
    assert one == [pytest.approx(4 / comb(100, 3))]
    assert five == [pytest.approx(4 * 15 / comb(100, 3))]


def test_where_only_the_set_says_what_it_asks_nothing_follows_from_its_asking_the_same() -> None:
    uses = {"net": {1: [0, 1, 2, 3]}, "template": {5: [0, 1, 2, 3]}}
    assert chances(uses, 100)[0] < 1e-5
    assert chances(uses, 100, template=[0, 1, 2, 3]) == [1]


def test_a_hydra_of_two_thousand_is_as_unlikely_as_can_be_said() -> None:
    draw, heads = np.random.default_rng(3), list(range(2000))
    pool = {n: sorted(draw.choice(heads, 15, replace=False).tolist()) for n in range(400)}
    assert chances({"net": pool, "template": {5: heads}}, 5000) == [LEAST]


def test_that_a_whole_office_uses_a_common_product_is_no_wonder() -> None:
    """Two in five accounts use the product: that all ten of one office do is no wonder among two hundred offices."""
    offices = {n: list(range(2000))[n::200] for n in range(200)}
    told = chances({"net": offices, "template": {5: list(range(2000))}}, 5000)
    assert min(told) > 0.05


@pytest.mark.parametrize("pools", [1, 3], ids=["networks of their own", "networks in pools"])
def test_accounts_that_have_nothing_to_do_with_another_are_a_set_once_in_a_hundred_logs(pools: int) -> None:
    """150 logs of 80 accounts with networks and templates that are shared by chance alone; many have such a set.

    At most 1.5 would be expected below 0.01; eight are beyond chance (binomial, 99.9 %).
    """
    draw, found, rare = np.random.default_rng(9), 0, 0
    for _ in range(150):
        uses: Uses = {"net": {}, "template": {}}
        for first in range(0, 40 * pools, pools):
            own = draw.choice(80, int(draw.integers(3, 6)), replace=False).tolist()
            uses["net"] |= {first + n: own for n in range(pools)}
        for thing in range(40):
            uses["template"][thing] = draw.choice(80, int(draw.integers(3, 6)), replace=False).tolist()
        told = chances(uses, 80)
        found += bool(told)
        rare += any(p <= 0.01 for p in told)
    assert found >= 40
    assert rare <= 8
