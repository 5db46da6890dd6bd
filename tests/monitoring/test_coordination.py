"""I10 and I11: what makes a set of accounts, and what looks like one and is none."""

from __future__ import annotations

from itertools import permutations
from math import log
from typing import Any

import numpy as np
import pandas as pd
import pytest

from monitoring import coordination
from monitoring.coordination import busy_hours, even_split, one_scheduler, rhythms, shares_of, together
from monitoring.indicators.content import templates
from monitoring.indicators.coordination import PER_KIND, hourly, shared_things, templates_of_each, used_often, uses
from monitoring.sets import _coordination, _dealt, _in_no_order
from tests.monitoring.logs import Row, lines, ordinary, report_of, swept
from tests.monitoring.tables import HOUR, MONDAY, SECOND, at, kept

KINDS = ("net", "payment", "key", "agent", "template")


def found(rows: list[dict[str, Any]]) -> list[coordination.Found]:
    """The sets among kept rows, as the analysis looks for them, by any number of rows."""
    log_rows = kept(rows)
    shared = [shared_things(uses(log_rows, kind), kind, kind).execute() for kind in KINDS]
    return coordination.sets(pd.concat([frame for frame in shared if len(frame)], ignore_index=True))


def use(account: int, **things: int) -> dict[str, Any]:
    return {"unit": account, "us": MONDAY + account * SECOND, **things}


# --- What accounts share ----------------------------------------------------------------------------------------------
def test_shared_things_are_those_of_two_accounts() -> None:
    rows = kept(at(0, 1, 2, unit=1, net=7) + at(0, 1, unit=2, net=7) + at(0, unit=2, net=8) + at(0, 1, unit=3, net=9))
    told = shared_things(uses(rows, "net"), "net", "net").execute().sort_values("account")
    assert told[["account", "kind", "thing", "n"]].values.tolist() == [[1, "net", 7, 3], [2, "net", 7, 2]]


@pytest.mark.parametrize(("calls", "shared"), [(4, []), (5, [[1, 7, 6], [2, 7, 5]])])
def test_templates_are_shared_by_those_who_use_them_five_times(calls: int, shared: list[list[int]]) -> None:
    # The second account's calls are one too few for the template to count as its own, and so nobody shares it.
    rows = kept([use(1, cluster=7)] * 6 + [use(2, cluster=7)] * calls + [use(2, cluster=8)] * 9)
    told = shared_things(used_often(templates(rows)), "template", "cluster").execute().sort_values("account")
    assert told[["account", "thing", "n"]].values.tolist() == shared


def test_of_each_account_the_things_it_uses_most_are_kept() -> None:
    # Thing k is used k + 1 times by two accounts: the twelve most used of fifteen are 3 to 14.
    rows = [use(account, net=thing) for account in (1, 2) for thing in range(15) for _ in range(thing + 1)]
    told = shared_things(uses(kept(rows), "net"), "net", "net").execute()
    assert sorted(told[told.account == 1].thing) == list(range(15 - PER_KIND, 15))


def test_templates_are_chosen_of_each_account_alike() -> None:
    # 40 accounts of 50 calls beside one of 8,000, every call with a template of its own.
    draw = np.random.default_rng(8)
    calls = [(account, 50) for account in range(40)] + [(99, 8_000)]
    rows = [use(account, template=int(draw.integers(-(2**62), 2**62))) for account, n in calls for _ in range(n)]
    whose = {row["template"]: row["unit"] for row in rows}
    told = templates_of_each(kept(rows), 410).execute().template.tolist()
    taken = pd.Series([whose[one] for one in told]).value_counts()
    # Ten each are meant: every fifth of fifty, every 801st of 8,000. By chance 1 to 22 of 9.9 (binomial, 99.9 %).
    assert len(taken) == 41
    assert taken.between(1, 22).all()
    assert 280 <= len(told) <= 410
    # The order of rows changes nothing; and with more accounts than templates some have one each.
    assert templates_of_each(kept(rows[::-1]), 410).execute().template.tolist() == told
    assert 1 <= len(templates_of_each(kept(rows), 10).execute()) <= 10


def test_hourly_counts_rows_of_each_account_in_each_hour() -> None:
    told = hourly(kept(at(0, 1, HOUR, unit=1) + at(HOUR - 1, unit=2))).execute().sort_values(["account", "hour"])
    hour = MONDAY // HOUR
    assert told.values.tolist() == [[1, hour, 2], [1, hour + 1, 1], [2, hour, 1]]


# --- I10: sets --------------------------------------------------------------------------------------------------------
def test_accounts_with_one_network_and_one_means_of_payment_are_a_set() -> None:
    rows = [use(a, net=5, payment=6) for a in (1, 2, 3, 4)] + [use(a, net=a, payment=a) for a in range(10, 20)]
    [one] = found(rows)
    assert one.accounts == (1, 2, 3, 4)
    assert one.kinds == ("net", "payment")
    assert one.ties == {"net": {5: 4}, "payment": {6: 4}}


def test_accounts_with_one_template_and_one_network_are_a_set() -> None:
    rows = [use(a, net=5, template=7) for a in (1, 2, 3)] + [use(a, net=a, template=a) for a in range(10, 20)]
    [one] = found(rows)
    assert (one.accounts, one.kinds) == ((1, 2, 3), ("net", "template"))


def test_pairs_that_draw_from_one_pool_are_one_set() -> None:
    # Three means of payment for three accounts each; all of them draw from two networks.
    rows = [use(a, net=net, payment=a // 3) for a in range(9) for net in (50, 51)]
    [one] = found(rows)
    assert one.accounts == tuple(range(9))


def test_two_accounts_are_no_set() -> None:
    assert found([use(a, net=5, payment=6) for a in (1, 2)]) == []


@pytest.mark.parametrize("kind", KINDS)
def test_one_thing_in_common_ties_nobody(kind: str) -> None:
    assert found([use(a, **{kind: 5}, **{k: 100 + a for k in KINDS if k != kind}) for a in range(20)]) == []


def test_one_product_with_its_client_software_and_template_ties_nobody() -> None:
    assert found([use(a, agent=5, template=6, net=100 + a, payment=100 + a) for a in range(20)]) == []


def test_a_network_that_mostly_unrelated_accounts_use_ties_nobody() -> None:
    # 30 students behind one address; three of them (a tenth) share a card as well.
    campus = [use(a, net=5, payment=100 + a if a > 2 else 6) for a in range(30)]
    assert found(campus) == []


# --- Whole logs: what looks like a set --------------------------------------------------------------------------------
OTHERS = ordinary(120)


def many(accounts: int, seed: int, **things: Any) -> list[Row]:
    """Ordinary accounts of another name, with these things in common."""
    return [
        {**row, "account": f"x-{row['account']}", "payment": f"x-{row['payment']}", "net": f"x-{row['net']}", **things}
        for row in ordinary(accounts, seed=seed)
    ]


def told_of_sets(rows: list[Row]) -> list[dict[str, Any]]:
    return [one for one in report_of(lines(OTHERS + rows))["findings"] if one["unit"] == "set"]


def test_a_hydra_with_one_template_and_a_pool_of_networks_is_found_with_all_its_accounts() -> None:
    heads = [
        {**row, "account": f"head-{n:02}", "net": f"pool-{call % 3}", "payment": f"card-{n}"}
        for n in range(20)
        for call, row in enumerate(swept(f"head-{n}", 60, seed=n, seconds=4000))
    ]
    [one] = told_of_sets(heads)
    assert one["accounts"] == [f"head-{n:02}" for n in range(20)]
    assert {"template", "net"} <= set(one["ties"])
    assert "coordination" in one["families"]


@pytest.mark.parametrize(
    ("name", "rows"),
    [
        ("a university behind one address", many(60, 5, net="campus")),
        ("a reseller who pays for all from one network", many(40, 6, net="gateway", payment="reseller")),
        ("a reseller who pays for all", many(40, 7, payment="reseller")),
        ("a product with one template and one client", many(50, 8, template="0f" * 8, user_agent="product/1.0")),
    ],
)
def test_what_looks_like_a_set_and_is_none_is_no_pattern(name: str, rows: list[Row]) -> None:
    rungs = {one["rung"] for one in told_of_sets(rows)}
    assert rungs <= {"noted"}, name


# --- Rhythm -----------------------------------------------------------------------------------------------------------
def hours(counts: dict[int, list[int]]) -> pd.DataFrame:
    rows = [(account, hour, c) for account, own in counts.items() for hour, c in enumerate(own) if c]
    return pd.DataFrame(rows, columns=["account", "hour", "c"])


def test_accounts_that_rise_and_fall_together_share_a_rhythm() -> None:
    # Two pairs with opposite beats: the mean of all is flat, so what is left of each is its own beat.
    up, down = [10, 40] * 24, [40, 10] * 24
    told = rhythms(hours({1: up, 2: up, 3: down, 4: down}))
    assert told[["account", "kind", "thing"]].values.tolist() == [
        [1, "rhythm", 1],
        [2, "rhythm", 1],
        [3, "rhythm", 3],
        [4, "rhythm", 3],
    ]
    assert told.n.tolist() == [25 * 48] * 4


def test_the_rise_and_fall_of_the_whole_day_ties_nobody() -> None:
    draw = np.random.default_rng(3)
    day = 200 * (1.2 + np.sin(np.arange(72) / 24 * 2 * np.pi))
    told = rhythms(hours({a: draw.poisson(day).tolist() for a in range(12)}))
    assert told.empty


@pytest.mark.parametrize(
    "counts",
    [
        {a: [10, 40] * 23 + [40] for a in (1, 2, 3, 4)},  # 47 hours
        {a: [10, 40] * 24 for a in (1, 2, 3)},  # three accounts
        {a: [9] * 48 for a in (1, 2, 3, 4)},  # nine an hour
    ],
)
def test_too_little_has_no_rhythm(counts: dict[int, list[int]]) -> None:
    assert rhythms(hours(counts)).empty


# --- I11: load balancing ----------------------------------------------------------------------------------------------
def test_even_split_is_the_entropy_of_the_shares() -> None:
    split, p = even_split(np.array([50.0, 25.0, 25.0]), np.array([]))
    assert split == pytest.approx((1 / 2 * log(2) + 1 / 2 * log(4)) / log(3))
    assert p is None  # nobody to compare with
    assert even_split(np.full(8, 30.0), np.array([]))[0] == pytest.approx(1)


def test_an_even_split_is_rare_where_others_differ_and_common_where_they_are_alike() -> None:
    differ = np.exp(np.random.default_rng(1).normal(0, 1.5, 60)) * 100
    # All of 999 draws are less even than equal parts: (0 + 1) / (999 + 1).
    assert even_split(np.full(10, 30.0), differ) == (pytest.approx(1), pytest.approx(1 / 1000))
    alike = even_split(np.full(10, 30.0), np.full(60, 7.0))[1]
    assert alike is not None
    assert alike > 0.9


def test_a_scheduler_that_deals_calls_out_in_turn_leaves_a_metronome() -> None:
    # Ten seconds between any two calls, in turn to 20 accounts: a gap variation of nought, never reached by shifting.
    us = np.arange(2000) * 10 * SECOND
    cv, p = one_scheduler(us, np.arange(2000) % 20)
    assert (cv, p) == (0, 1 / 1000)


def test_the_merged_stream_is_reckoned_without_pauses() -> None:
    # Gaps 1, 2, 3, 2 and a night: mean 2, deviations 1, 0, 1, 0.
    us = np.array([0, 1, 3, 6, 8, 8 + 8 * 3600]) * SECOND
    assert one_scheduler(us, np.array([1, 2, 1, 2, 1, 2]))[0] == pytest.approx(np.sqrt(2 / 4) / 2)


def test_independent_accounts_are_no_scheduler() -> None:
    draw = np.random.default_rng(4)
    us = np.sort(draw.integers(0, 100_000 * SECOND, 3000))
    cv, p = one_scheduler(us, draw.integers(0, 20, 3000))
    assert cv == pytest.approx(1, abs=0.1)
    assert p > 0.05


def test_times_in_whole_seconds_are_no_scheduler() -> None:
    # 5 calls a second of 20 accounts by chance: cut to seconds, most gaps are nought, and so they are when shifted.
    draw = np.random.default_rng(6)
    us = np.sort(draw.integers(0, 1000, 5000)) * SECOND
    assert one_scheduler(us, draw.integers(0, 20, 5000))[1] is None


def test_calls_by_the_hour_in_one_second_are_no_scheduler() -> None:
    # Of five accounts, each by a timer of its own: most gaps are nought, which have no ratio.
    us = np.repeat(np.arange(200) * 3600, 5) * SECOND
    assert one_scheduler(us, np.tile(np.arange(5), 200)) == (0.0, None)


def test_the_names_of_accounts_change_no_scheduler(monkeypatch: pytest.MonkeyPatch) -> None:
    draw = np.random.default_rng(7)
    us, account = np.sort(draw.integers(0, 10_000 * SECOND, 500)), draw.integers(0, 5, 500)
    assert one_scheduler(us, account) == one_scheduler(us, 9 - account)
    # All call for the first time in one second; and of the last second not all are among the first so many.
    us = np.sort(np.append(np.zeros(5), draw.integers(0, 5000, 1495))).astype(np.int64) * 7 * SECOND
    account = np.append(np.arange(5), draw.integers(0, 5, 1495))
    monkeypatch.setattr(coordination, "MERGED_AT_MOST", int(np.searchsorted(us, us[1400]) + 1))
    told = {one_scheduler(us, names[account]) for names in (np.arange(5), np.array([3, 1, 4, 0, 2]), 9 - np.arange(5))}
    assert len(told) == 1


@pytest.mark.parametrize("payments", list(permutations((11, 12, 13))))
def test_parts_that_have_two_things_in_common_are_one_set_however_things_are_named(payments: tuple[int, ...]) -> None:
    """Three threes on one network, of which two share another one as well."""
    rows = []
    for part, payment in enumerate(payments):
        for account in range(3 * part, 3 * part + 3):
            rows += [(account, "net", 1), (account, "payment", payment)]
            rows += [(account, "net", 2)] if part != 1 else []
    shared = pd.DataFrame(rows, columns=["account", "kind", "thing"]).assign(n=10)
    assert [one.accounts for one in coordination.sets(shared)] == [(0, 1, 2, 6, 7, 8), (3, 4, 5)]


def of_three(*kinds: str, asked: float = 1.0) -> coordination.Found:
    """A set of three accounts that are tied by one thing of each kind, beyond chance."""
    chance = coordination.Chance(1e-6, 1000, asked, 900)
    return coordination.Found((1, 2, 3), {kind: {5: 3} for kind in kinds}, dict.fromkeys(kinds, 3), chance)


@pytest.mark.parametrize(("cv", "p", "counts"), [(0.5, 0.001, True), (1.0, 0.001, False), (0.0, None, False)])
def test_without_a_common_template_only_a_metronome_makes_a_set(cv: float, p: float | None, counts: bool) -> None:
    """Five people of one office merge to gaps as of chance, and are far from it when each is shifted into the night."""
    split = {"even": 0.5, "p_even": 0.5, "cv": cv, "p_cv": p, "rows": 900.0}
    sign = _coordination(of_three("net", "payment"), split)
    assert sign.counts is counts
    assert ("when shifted" in sign.says) is (p is not None)


def test_that_a_few_of_a_set_ask_the_same_is_said_and_is_not_what_makes_it_one(monkeypatch: pytest.MonkeyPatch) -> None:
    """Ten accounts of one office, two of which use one template, among 400: that is beyond chance, and ties the two."""
    office = [{**row, "net": "office", "payment": "card"} for row in many(10, 9)]
    alike = [{**row, "template": "0f" * 8} if row["account"] in {"x-acc-0003", "x-acc-0007"} else row for row in office]
    told: list[tuple[coordination.Found, Any]] = []
    monkeypatch.setattr(
        "monitoring.sets._coordination", lambda one, split: told.append((one, split)) or _coordination(one, split)
    )
    report_of(lines(ordinary(400, each=30) + alike))
    [(one, split)] = told
    assert one.chance.asked < 0.01
    sign = _coordination(one, {**split, "even": 0.5, "cv": 1.0})
    assert "the same prompt templates (2 of the 10 accounts)" in sign.says
    assert not sign.counts
    assert split["rows"] == len(office), "all rows are read, not those of the two alone"


def test_what_chance_ties_is_no_set_and_its_accounts_are_compared_with(monkeypatch: pytest.MonkeyPatch) -> None:
    """Customers of one product, four to an office, of 30 offices: 24 of them use it throughout, and one account sweeps."""
    sets = coordination.sets
    rows = [
        {**row, "account": f"x-{row['account']}", "net": f"office-{int(row['account'][4:]) // 4}"}
        | ({"template": "0f" * 8} if int(row["account"][4:]) < 96 else {})
        for row in ordinary(120, seed=11)
    ]
    tied: list[coordination.Found] = []
    monkeypatch.setattr(coordination, "sets", lambda shared: tied.extend(found := sets(shared)) or found)
    report = report_of(lines(rows + swept("acc-sweep", 1500)))
    assert sum(len(one.accounts) for one in tied) == 96
    assert [one for one in report["findings"] if one["unit"] == "set"] == []
    [said] = [one["says"] for one in report["explanations"] if one["title"].startswith("One network")]
    assert said.endswith("0 sets were found with networks in common.")
    # The sweep is compared with all of them, though 96 were tied.
    [one] = [one for one in report["findings"] if one["accounts"] == ["acc-sweep"]]
    [taken] = [sign for sign in one["indicators"] if sign["name"] == "taken"]
    assert taken["peers"] == 120


def test_a_metronome_is_told_as_time_only_where_a_template_made_the_set() -> None:
    dealt = {"even": 1.0, "p_even": 0.001, "cv": 0.3, "p_cv": 0.001, "rows": 900.0}
    tied = of_three("net", "template", asked=1e-6)
    [sign] = _dealt(tied, dealt)
    assert (sign.family, sign.indicator, sign.p, sign.counts) == ("time", "I11", 0.001, True)
    # Without a template it is what makes the set one already; a rhythm is time already; chance is no metronome.
    assert _dealt(of_three("net", "payment"), dealt) == []
    assert _dealt(of_three("rhythm", "template", asked=1e-6), dealt) == []
    assert _dealt(tied, {**dealt, "p_cv": 0.02}) == []
    assert _dealt(tied, {**dealt, "cv": 0.95}) == []


def test_the_order_of_rows_changes_no_scheduler() -> None:
    draw = np.random.default_rng(5)
    us, account = draw.integers(0, 10_000 * SECOND, 500), draw.integers(0, 5, 500)
    mixed = draw.permutation(500)
    assert one_scheduler(us, account) == one_scheduler(us[mixed], account[mixed])


# --- I11, the same hours ----------------------------------------------------------------------------------------------
def shares(*hours: list[float]) -> Any:
    return np.array(hours)


def test_two_who_call_in_the_same_hours_are_together_as_often_as_there_are_hours() -> None:
    # Four hours. Both in the first alone: 4 * (1 * 1) = 4. Spread evenly: 4 * (4 * 1/4 * 1/4) = 1. Apart: 0.
    assert together(shares([1, 0, 0, 0], [1, 0, 0, 0]), shares()) == (4, None)
    assert together(shares([0.25] * 4, [0.25] * 4), shares()) == (1, None)
    assert together(shares([1, 0, 0, 0], [0, 1, 0, 0]), shares()) == (0, None)
    # Of three, two are together and one is apart: of three pairs one has 4.
    assert together(shares([1, 0, 0, 0], [1, 0, 0, 0], [0, 0, 1, 0]), shares())[0] == pytest.approx(4 / 3)


def test_the_same_hours_are_rare_among_others_who_keep_their_own() -> None:
    draw = np.random.default_rng(3)
    others = draw.dirichlet(np.full(24, 0.5), 200)
    office = np.zeros((12, 24))
    office[:, 9:17] = 1 / 8
    assert together(office, others) == (pytest.approx(3), pytest.approx(1 / 1000))
    assert together(others[:12], others)[1] > 0.01


def test_hours_become_shares_of_each_account_in_the_order_asked_for() -> None:
    frame = pd.DataFrame({"account": [7, 7, 9], "hour": [100, 102, 101], "c": [1, 3, 5]})
    busy = busy_hours(frame)
    assert busy.tolist() == [100, 101, 102]
    assert shares_of(frame, [9, 7], busy).tolist() == [[0, 1, 0], [0.25, 0, 0.75]]
    # Who did not call in any of these hours is nobody's company.
    assert shares_of(frame, [9, 7], busy[:1]).tolist() == [[1]]


def test_two_wrong_clocks_make_no_table_of_a_century() -> None:
    hours = [0, 870_000, *range(400_000, 402_500)]
    frame = pd.DataFrame({"account": 1, "hour": hours, "c": [1, 1, *[9] * 2_500]})
    busy = busy_hours(frame)
    assert len(busy) == 2_000
    assert busy.min() >= 400_000


def test_the_order_of_the_compared_does_not_hang_on_their_names() -> None:
    draw = np.random.default_rng(5)
    values = pd.DataFrame({"first": draw.integers(1 << 50, (1 << 50) + 10**12, 300), "n": draw.integers(20, 99, 300)})
    renamed = values.set_axis(draw.permutation(300) + 1_000)
    names = dict(zip(values.index, renamed.index, strict=True))
    assert [names[account] for account in _in_no_order(values)] == _in_no_order(renamed.sort_index())
