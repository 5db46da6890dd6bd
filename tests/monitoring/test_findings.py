"""With whom an account is compared, and what is said where the log says nothing."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest

from monitoring.findings import signs_of
from monitoring.measures import MEASURES, NOT_KNOWN_REFUSED
from monitoring.reference import shipped
from tests.monitoring.logs import lines, ordinary, report_of, swept

OWL, MOLE, HEN = 1, 2, 3
VALUES = {"n": 90_000, "peak_10m": 90, "peak_1h": 500, "peak_24h": 9_000, "peak_7d": 60_000}


def compared(models: list[int], volume: list[float]) -> dict[int, tuple[int, float]]:
    """By account whose volume counts as a sign: among how many, and how often others reach it."""
    scores = pd.DataFrame({measure.name: np.nan for measure in MEASURES}, index=range(len(models)))
    scores = scores.assign(model=models, volume=volume)
    values = pd.DataFrame(VALUES, index=scores.index)
    found = signs_of(values, scores, scores, shipped())
    return {unit: (signs[0].peers, signs[0].false_alarms or 0) for unit, signs in found.items() if signs[0].counts}


def test_volume_is_rare_among_the_accounts_of_its_model() -> None:
    # On another model ten accounts are farther above the others; of a model with few accounts all are asked. Of 120
    # others none is above: the account itself is one of 121.
    owls, moles, hens = np.linspace(-2, 1.5, 120), np.linspace(-2, 1.5, 110), np.linspace(-2, 1.5, 5)
    models = [OWL] * 121 + [MOLE] * 120 + [HEN] * 6
    found = compared(models, [*owls, 3.0, *moles, *[4.0] * 10, *hens, 3.0])
    assert found == {120: (120, 1 / 121)}


def test_one_of_a_hundred_is_not_more_than_one_per_cent() -> None:
    assert compared([OWL] * 100, [*np.linspace(-2, 1.5, 99), 3.0]) == {99: (99, 0.01)}


def novelty(scores: list[float], others: int, *, of_sets: bool = False) -> dict[int, tuple[float | None, float]]:
    """By unit whose novelty counts, for which there is no reference: how often others reach it, and how likely it is."""
    names = {measure.name: np.nan for measure in MEASURES}
    peers = pd.DataFrame(names, index=range(others)).assign(model=OWL, novel=np.linspace(0, 2.9, others))
    units = pd.DataFrame(names, index=range(len(scores))).assign(model=OWL, novel=scores)
    if not of_sets:
        peers.loc[units.index, "novel"] = scores
    values = pd.DataFrame(VALUES | {"prompts": 9, "repeated": 0, "lonely": 1}, index=units.index)
    found = signs_of(values, units, peers, shipped(), of_sets=of_sets)
    return {unit: (sign.false_alarms, sign.p) for unit, [sign] in found.items() if sign.counts}


@pytest.mark.parametrize("others", [100, 150, 199])
def test_without_a_reference_the_only_account_of_a_hundred_is_rare(others: int) -> None:
    assert novelty([3.5], others) == {0: (1 / others, 1 / others)}
    # Two of them are no 1 in 100, and of 99 accounts nobody is.
    assert novelty([3.5, 3.6], others) == {1: (1 / others, 1 / others)}
    assert novelty([3.5], 99) == {}


def test_a_set_is_none_of_the_accounts_whatever_its_number() -> None:
    assert novelty([3.5], 100, of_sets=True) == {0: (1 / 101, 1 / 101)}


def test_volume_that_the_reference_has_is_not_rare_however_few_peers_reach_it() -> None:
    common = float(np.quantile(shipped().scores["volume"], 0.95))
    assert compared([OWL] * 121, [*np.linspace(-2, 1.0, 120), common]) == {}


def test_how_likely_a_value_is_does_not_fall_below_how_many_have_it() -> None:
    """By the reference's tail it is one in a thousand million; nine of a thousand accounts here have as much."""
    volume = [*np.linspace(-2, 1.5, 991), *[6.0] * 9]
    scores = pd.DataFrame({measure.name: np.nan for measure in MEASURES}, index=range(1000)).assign(
        model=OWL, volume=volume
    )
    [sign] = signs_of(pd.DataFrame(VALUES, index=scores.index), scores, scores, shipped())[999]
    assert shipped().tail("volume", np.array([6.0]))[0] == pytest.approx(1e-9, abs=1e-6)
    assert sign.p == pytest.approx(8 / 999)  # of the others


def two_models(of_mole: int) -> dict[str, str]:
    """What is said of the sweeper's volume and output, among 60 accounts on another model and so many on its own."""
    rows = ordinary(60 + of_mole, each=420)
    moles = {f"acc-{n:04}" for n in range(60, 60 + of_mole)} | {"acc-sweep"}
    told = [
        {**row, "model": "mole-1"} if row["account"] in moles else row for row in [*rows, *swept("acc-sweep", 5000)]
    ]
    found = [one for one in report_of(lines(told))["findings"] if one["accounts"] == ["acc-sweep"]]
    return {sign["name"]: sign["sentence"] for one in found for sign in one["indicators"]}


def test_against_whom_volume_is_read_is_said_and_how_much_a_model_writes_is_its_own() -> None:
    few, many = two_models(18), two_models(28)
    assert few["taken"].endswith("above the median of all accounts, for fewer than 20 are on the same model")
    assert "harvest" not in few
    for name in ("taken", "harvest"):
        assert many[name].endswith("above the median of accounts on the same model")


# --- What the log does not say --------------------------------------------------------------------------------------------
LOG = ordinary(130, each=420) + swept("acc-sweep", 1500)


def told(*without: str, **more: Any) -> dict[str, dict[str, Any]]:
    """By name, what is said of the sweep's account in a log without these columns."""
    rows = [{k: v for k, v in {**row, **more}.items() if k not in without} for row in LOG]
    report = report_of(lines(rows))
    [found] = [one for one in report["findings"] if one["accounts"] == ["acc-sweep"]]
    return {sign["name"]: sign for sign in found["indicators"]}


def test_where_the_log_does_not_say_what_was_refused_the_finding_says_that_red_teaming_looks_alike() -> None:
    known, unknown = told(session=None), told("refused")
    for name in ("sweep", "harvest"):
        assert NOT_KNOWN_REFUSED not in known[name]["caveat"]
        assert unknown[name]["caveat"].endswith(NOT_KNOWN_REFUSED)
    for name in set(unknown) - {"sweep", "harvest", "novel", "cut"}:
        assert NOT_KNOWN_REFUSED not in unknown[name]["caveat"]


@pytest.mark.parametrize(
    ("column", "words"),
    [
        ("session", "repeat a prompt, outside conversations"),
        ("prefix_hash", "repeat a prompt, without a common beginning"),
    ],
)
def test_only_what_the_log_shows_is_said_of_conversations_and_beginnings(column: str, words: str) -> None:
    rows = [{**row, column: f"{row['account']} {n}"} for n, row in enumerate(LOG)]
    report = report_of(lines(rows))
    [found] = [one for one in report["findings"] if one["accounts"] == ["acc-sweep"]]
    [novel] = [sign for sign in found["indicators"] if sign["name"] == "novel"]
    assert novel["sentence"].endswith(words)


@pytest.mark.parametrize("word", ["length", "max_tokens", "MAX_TOKENS", "max_output_tokens"])
def test_an_answer_that_was_cut_off_is_that_in_every_providers_words(word: str) -> None:
    rows = [
        {**row, "finish_reason": word if row["account"] == "acc-sweep" and n % 2 else "stop"}
        for n, row in enumerate(LOG)
    ]
    report = report_of(lines(rows))
    [found] = [one for one in report["findings"] if one["accounts"] == ["acc-sweep"]]
    [cut] = [sign for sign in found["indicators"] if sign["name"] == "cut"]
    assert cut["sentence"].startswith("had 50% of the answers end")
