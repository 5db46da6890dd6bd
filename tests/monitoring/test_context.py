"""The innocent explanations: what a log does not say of an account is not said to be none."""

from __future__ import annotations

from typing import Any

import pandas as pd
import pytest

from monitoring.context import explanations
from monitoring.coordination import Found
from tests.monitoring.logs import lines, ordinary, report_of, swept

PRESENT = {"refused", "prompt_hash", "template"}
VALUES = {"n": [400, 100], "tin": [9, 9], "tout": [9, 9], "first": [0, 0], "last": [9, 9]}


def said(report: dict[str, Any]) -> dict[str, str]:
    return {one["title"]: one["says"] for one in report["explanations"]}


def of(**columns: Any) -> dict[str, str]:
    """What is said of two named accounts with such values."""
    values = pd.DataFrame({**VALUES, **columns}, index=[7, 8])
    return said({"explanations": explanations(values, ["a", "b"], [], PRESENT, {}, {7: "a", 8: "b"})})


def test_a_log_that_says_it_of_others_alone_does_not_say_none() -> None:
    silent = [{k: v for k, v in row.items() if k not in {"refused", "prompt_hash"}} for row in swept("acc-sweep", 3000)]
    report = report_of(lines(ordinary(120) + silent))
    named = {account for one in report["findings"] if one["rung"] != "noted" for account in one["accounts"]}
    assert named == {"acc-sweep"}
    found = said(report)
    assert (
        "The log does not say which calls of the accounts named above were refused." in found["Authorised red-teaming"]
    )
    assert found["A benchmark, or retries"].startswith("The log has no prompt hashes for the accounts named above")
    assert not any("0.0%" in text for text in found.values())


@pytest.mark.parametrize("unknown", [{}, {"refused": [None, None], "repeated": [None, None], "mutation": [None, None]}])
def test_no_value_is_no_share(unknown: dict[str, Any]) -> None:
    found = of(**{name: pd.Series(values, index=[7, 8], dtype="float64") for name, values in unknown.items()})
    assert "does not say" in found["Authorised red-teaming"]
    assert "cannot be seen" in found["A benchmark, or retries"]
    assert not any("%" in text for text in found.values())


def test_what_the_log_does_say_is_said_and_0_is_0() -> None:
    found = of(refused=[0.0, None], repeated=[0.5, 0.0], mutation=[None, None])
    assert "0.0% were refused" in found["Authorised red-teaming"]
    assert "ten minutes" not in found["Authorised red-teaming"]
    assert found["A benchmark, or retries"].startswith("40.0% of the calls")
    assert "25.0% came within ten minutes" in of(refused=[1.0, 1.0], mutation=[0.25, None])["Authorised red-teaming"]


@pytest.mark.parametrize(
    ("ties", "more", "says"),
    [
        (
            {"payment": {1: 3}, "key": {2: 3}},
            {"template"},
            "1 set was found with a means of payment or a key in common, 1 of",
        ),
        (
            {"key": {1: 3}, "template": {2: 3}},
            {"template"},
            "1 set was found with a means of payment or a key in common, 0",
        ),
        ({"key": {1: 3}, "payment": {2: 3}}, set(), "1 set was found with a means of payment or a key in common. Org"),
        (
            {"net": {1: 3}, "template": {2: 3}},
            {"template"},
            "0 sets were found with a means of payment or a key in common.",
        ),
    ],
)
def test_what_a_reseller_shares_is_said_of_what_the_log_has(
    ties: dict[str, dict[int, int]], more: set[str], says: str
) -> None:
    values, present = pd.DataFrame(VALUES, index=[7, 8]), {"payment", "key", *more}
    told = explanations(values, [], [Found((7, 8, 9), ties)], present, {}, {7: "a", 8: "b"})
    [said_of] = [one["says"] for one in told if one["title"].startswith("A reseller")]
    assert said_of.startswith(says)
    assert "network" not in said_of
