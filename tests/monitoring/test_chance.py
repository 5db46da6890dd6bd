"""How likely a set is by chance: against counting all cases, and in logs whose accounts have nothing to do with another."""

from __future__ import annotations

from itertools import combinations
from math import comb, exp

import numpy as np
import pandas as pd
import pytest

from monitoring.chance import Accounts, log_at_least, of_chance, strata
from monitoring.coordination import Chance, Found, sets
from monitoring.reference import LEAST

Uses = dict[str, dict[int, list[int]]]  # by kind and thing the accounts that use it


def shared(uses: Uses) -> pd.DataFrame:
    """As `sets` takes what is shared."""
    rows = [(a, kind, thing, 10) for kind, things in uses.items() for thing, own in things.items() for a in own]
    return pd.DataFrame(rows, columns=["account", "kind", "thing", "n"])


def told(found: list[Found], uses: Uses, calls: int | list[int], **having: list[int]) -> list[Chance]:
    """Of sets among so many accounts with 100 calls each, or with such calls; all of them have something of each kind, if
    nothing else is said.
    """
    each = pd.Series([100] * calls if isinstance(calls, int) else calls)
    everybody = {kind: np.array(having.get(kind, each.index)) for kind in uses}
    return of_chance(found, shared(uses), Accounts(each, everybody))


def chances(uses: Uses, calls: int | list[int], **having: list[int]) -> list[float]:
    """Of the sets that are found."""
    return [one.any for one in told(sets(shared(uses)), uses, calls, **having)]


def least(common: int, one: list[int], other: list[int], of: list[int]) -> float:
    return exp(log_at_least(common, *(np.array(numbers) for numbers in (one, other, of))))


def test_an_overlap_is_as_likely_as_the_share_of_draws_that_have_it() -> None:
    draws = [len({0, 1, 2, 3} & set(drawn)) for drawn in combinations(range(9), 5)]
    for common in range(3, 5):  # of 4 and 5 among 9, 2.2 are expected
        share = sum(found >= common for found in draws) / len(draws)
        assert least(common, [4], [5], [9]) == pytest.approx(share)
    assert least(2, [4], [5], [9]) == 1
    # What cannot but lie on one another says nothing.
    assert least(5, [5], [5], [5]) == 1


def test_the_overlaps_of_strata_add_up() -> None:
    # Of 2 and 3 among 5, and of 2 and 2 among 4: probabilities 1, 6, 3 of 10, and 1, 4, 1 of 6.
    assert least(3, [2, 2], [3, 2], [5, 4]) == pytest.approx((6 * 1 + 3 * 4 + 3 * 1) / 60)
    assert least(4, [2, 2], [3, 2], [5, 4]) == pytest.approx(3 / 60)
    # What nobody of a stratum has changes nothing.
    assert least(4, [2, 0, 2], [3, 7, 2], [5, 9, 4]) == pytest.approx(3 / 60)
    # Far out in the tail as well: every pair of overlaps, counted.
    each = [
        [comb(one, x) * comb(of - one, other - x) / comb(of, other) for x in range(min(one, other) + 1)]
        for one, other, of in ((30, 50, 200), (40, 60, 100))
    ]
    far = sum(p * q for x, p in enumerate(each[0]) for y, q in enumerate(each[1]) if x + y >= 60)
    assert far < 1e-17
    assert least(60, [30, 40], [50, 60], [200, 100]) == pytest.approx(far)


def test_three_accounts_with_one_network_and_one_template_among_a_hundred() -> None:
    """One of the C(100, 3) threes; of two networks and three templates one each was chosen: 2 and 3 ways, each doubled
    for the choice of how many; one pair of kinds was looked at.
    """
    uses = {"net": {1: [0, 1, 2], 2: [50, 60]}, "template": {5: [0, 1, 2], 6: [70, 80], 7: [71, 81]}}
    assert chances(uses, 100) == [pytest.approx((2 * 2) * (3 * 2) / comb(100, 3))]


def test_all_users_of_a_thing_count_also_those_outside_the_set() -> None:
    # Thirty accounts use the template, three of them the one network as well: C(30, 3) / C(100, 3), twice doubled.
    uses = {"net": {1: [0, 1, 2]}, "template": {5: list(range(30))}}
    one = Found((0, 1, 2), {"net": {1: 3}, "template": {5: 3}})
    assert told([one], uses, 100)[0].any == pytest.approx(4 * comb(30, 3) / comb(100, 3))


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
    [one] = told(sets(shared(uses)), uses, 100)
    assert (one.any, one.accounts) == (one.asked, 100)


def test_that_two_of_an_office_ask_the_same_is_told_apart_from_what_ties_the_office() -> None:
    uses = {"net": {1: list(range(10))}, "payment": {2: list(range(10))}, "template": {5: [0, 1]}}
    [one] = told([Found(tuple(range(10)), {"net": {1: 10}, "payment": {2: 10}, "template": {5: 2}})], uses, 1000)
    assert one.any == LEAST
    # C(10, 2) of C(1000, 2), twice doubled, and three pairs of kinds were looked at.
    assert one.asked == pytest.approx(4 * 3 * comb(10, 2) / comb(1000, 2))


def test_who_calls_much_uses_more_of_everything() -> None:
    """Forty of a thousand make a hundred times as many calls: they, and nobody else, use the networks and the template."""
    heavy = list(range(40))
    uses = {"net": {1: heavy[:24], 2: heavy[16:]}, "template": {5: [n for n in heavy if n % 4]}}
    [found] = sets(shared(uses))
    assert told([found], uses, 1000)[0].any == LEAST
    assert told([found], uses, [10_000] * 40 + [100] * 960)[0].any > 0.01


@pytest.mark.parametrize(("size", "told_apart"), [(8, True), (29, True), (30, False), (60, False)])
def test_who_has_no_equals_is_compared_with_those_who_come_next(size: int, told_apart: bool) -> None:
    """Of a few accounts that call more than all others nobody could be told if they were compared with one another; of
    thirty it is no wonder that they have things in common.
    """
    heads = list(range(size))
    uses = {"net": {1: heads}, "template": {5: heads}}
    [one] = told(sets(shared(uses)), uses, [10_000] * size + [200] * 40 + [100] * (960 - size))
    assert one.any == (pytest.approx(0, abs=1e-7) if told_apart else 1)


def test_a_pool_among_many_networks_of_others_is_told_by_those_that_most_of_it_use() -> None:
    draw, heads = np.random.default_rng(4), list(range(200))
    others = {1000 + n: sorted(draw.choice(5000, 4, replace=False).tolist()) for n in range(2000)}
    pool = {n: sorted(draw.choice(heads, 10 + n % 20, replace=False).tolist()) for n in range(400)}
    uses = {"net": pool | others, "template": {5: heads}}
    ties = {"net": {n: len(own) for n, own in pool.items()}, "template": {5: 200}}
    assert told([Found(tuple(heads), ties)], uses, 5000)[0].any == LEAST


def test_each_probability_goes_with_its_own_accounts() -> None:
    """All have networks and payments; what is asked is told of three hundred."""
    uses = {"net": {1: list(range(10))}, "payment": {2: list(range(10))}, "template": {5: list(range(8))}}
    one = Found(tuple(range(10)), {kind: {thing: len(own) for thing, own in uses[kind].items()} for kind in uses})
    [chance] = told([one], uses, 1000, template=list(range(300)))
    assert (chance.accounts, chance.asked_accounts) == (1000, 300)


@pytest.mark.parametrize(
    ("each", "numbers"),
    [
        ([100], [0]),
        ([40, 20, 40], [1, 1, 0]),
        # Ten that call most are with the forty that come next; ten that call least are no stratum of their own.
        ([10, 30, 0, 40, 10], [1, 1, 1, 0, 0]),
        ([1, 0, 1], [0, 0, 0]),
    ],
)
def test_levels_are_taken_together_until_there_is_somebody_to_compare_with(each: list[int], numbers: list[int]) -> None:
    assert strata(np.array(each)).tolist() == numbers


def test_accounts_of_any_size_that_draw_from_the_same_things_are_no_sets() -> None:
    """1,000 accounts, each with networks and templates of its own choice, as many as it has calls (log-normal, 100 times
    as many at the 95th percentile as at the 5th). With all of them taken together all three logs had a set
    at once in a thousand million.
    """
    for seed in range(3):
        draw = np.random.default_rng(seed)
        calls = np.maximum(5, 100 * draw.lognormal(0, 1.5, 1000)).astype(int)
        weight = 1 / np.arange(1, 501)
        weight /= weight.sum()
        uses: Uses = {"net": {}, "template": {}}
        for kind, share, often in (("net", 0.02, 1), ("template", 0.05, 5)):
            for account, n in enumerate(calls):
                each = draw.multinomial(draw.binomial(n, share), weight)
                for thing in np.argsort(-each, kind="stable")[:12]:
                    if each[thing] >= often:
                        uses[kind].setdefault(int(thing), []).append(account)
            uses[kind] = {thing: own for thing, own in uses[kind].items() if len(own) > 1}
        likely = chances(uses, calls.tolist(), template=np.flatnonzero(calls >= 5).tolist())
        assert likely, "some are tied"
        assert min(likely) > 0.01


def test_a_hydra_of_two_thousand_is_as_unlikely_as_can_be_said() -> None:
    draw, heads = np.random.default_rng(3), list(range(2000))
    pool = {n: sorted(draw.choice(heads, 15, replace=False).tolist()) for n in range(400)}
    assert chances({"net": pool, "template": {5: heads}}, 5000) == [LEAST]


def test_that_a_whole_office_uses_a_common_product_is_no_wonder() -> None:
    """Two in five accounts use the product: that all ten of one office do is no wonder among two hundred offices."""
    offices = {n: list(range(2000))[n::200] for n in range(200)}
    assert min(chances({"net": offices, "template": {5: list(range(2000))}}, 5000)) > 0.05


@pytest.mark.parametrize("pools", [1, 3], ids=["networks of their own", "networks in pools"])
def test_accounts_that_have_nothing_to_do_with_another_are_a_set_once_in_a_hundred_logs(pools: int) -> None:
    """100 logs of 80 accounts with networks and templates that are shared by chance alone; many have such a set.

    At most one would be expected below 0.01; six are beyond chance (binomial, 99.9 %).
    """
    draw, found, rare = np.random.default_rng(9), 0, 0
    for _ in range(100):
        uses: Uses = {"net": {}, "template": {}}
        for first in range(0, 40 * pools, pools):
            own = draw.choice(80, int(draw.integers(3, 6)), replace=False).tolist()
            uses["net"] |= {first + n: own for n in range(pools)}
        for thing in range(40):
            uses["template"][thing] = draw.choice(80, int(draw.integers(3, 6)), replace=False).tolist()
        likely = chances(uses, 80)
        found += bool(likely)
        rare += any(p <= 0.01 for p in likely)
    assert found >= 25
    assert rare <= 5
