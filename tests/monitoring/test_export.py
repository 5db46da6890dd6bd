"""What is taken away of a report says what the page says: also what speaks for the respondent, and what the words mean."""

from __future__ import annotations

import copy
import csv
import io
import re
from functools import cache
from typing import Any

import pypdf
import pytest
from django.template.loader import render_to_string

from monitoring.export import ACCOUNTS_IN_PRINT, MEANINGS, NOTED_IN_PRINT, as_csv, document, methods, remarks
from monitoring.findings import FALSE_ALARMS, ORDINARY
from monitoring.measures import OFTEN_REFUSED, SHORT_ANSWERS
from tests.monitoring.logs import lines, ordinary, report_of, swept
from web.pdf import render

Report = dict[str, Any]


@cache
def _read() -> Report:
    return report_of(lines(ordinary(120) + swept("acc-sweep", 3000)))


@pytest.fixture
def report() -> Report:
    """With one finding that is worth its place, of one account."""
    found = copy.deepcopy(_read())
    assert found["findings"][0]["accounts"] == ["acc-sweep"]
    return found


def printed(report: Report) -> str:
    reader = pypdf.PdfReader(io.BytesIO(render("document.typ", document("E-2026-000001", report, "0" * 64))))
    # Long words may break anywhere when they are printed.
    return " ".join("\n".join(page.extract_text() for page in reader.pages).replace("\u200b", "").split())


def rows_of(report: Report) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(as_csv(report).decode("utf-8-sig"))))


def test_what_an_authorisation_explains_is_said_in_table_and_print(report: Report) -> None:
    strongest = report["findings"][0]
    assert {row["within an authorisation"] for row in rows_of(report)} == {"no"}
    assert "(within an authorisation)" not in printed(report)
    strongest["explained"] = True
    said = {row["account"]: row["within an authorisation"] for row in rows_of(report) if row["finding"] == "1"}
    assert said == {"acc-sweep": "yes"}
    word = {"pattern": "Pattern", "corroborated pattern": "Corroborated pattern"}[strongest["rung"]]
    assert f"1. {word} (within an authorisation)" in printed(report)


def test_what_was_agreed_only_afterwards_is_said_in_table_and_print(report: Report) -> None:
    report["findings"][0] |= {"explained": True, "explained_afterwards": True}
    assert "afterwards" in {row["within an authorisation"] for row in rows_of(report)}
    assert "(within an authorisation that came afterwards)" in printed(report)


TABLE = {
    "reference": "P-2026-000001 (version 1)", "retroactive": True, "accounts": 3, "rows": 20, "within": 12,
    "afterwards": 5, "share": 0.6, "outside": {"cap": 8}, "outside_lines": {}, "unsaid": {"network": 12},
    "not_compared": ["the environment", "how many requests ran at once"],
}  # fmt: skip


def test_print_says_of_an_authorisation_what_came_late_and_what_was_not_compared(report: Report) -> None:
    report["authorisations"] = [TABLE, {**TABLE, "rows": 0, "within": 0, "afterwards": 0, "unsaid": {}, "outside": {}}]
    text = printed(report)
    for said in (
        "20 calls, 12 within; outside, by reason: cap: 8.",
        "5 of the calls within came before it was on record.",
        "12 of the calls within do not say their network, which it limits.",
        "No log shows the environment or how many requests ran at once.",
        "None of the 3 accounts or keys that it names is in the log while it counted.",
    ):
        assert said in text


def test_an_authorisation_of_an_earlier_report_has_what_was_known_then() -> None:
    earlier = {name: TABLE[name] for name in ("reference", "retroactive", "rows", "within", "share", "outside")}
    assert remarks(earlier) == ["Some of it was put on record afterwards."]


def test_print_names_what_a_finding_rests_on(report: Report) -> None:
    text, strongest = printed(report), report["findings"][0]
    rows = strongest["rows"]
    assert "Accounts acc-sweep" in text
    assert f"{rows['count']:,}, from {rows['first']} to {rows['last']}" in text
    assert rows["lines_sha256"] in text.replace(" ", "")
    assert f"{strongest['false_discoveries']:.1%} would be chance" in text


def test_print_names_the_first_of_many_accounts_and_how_many_more_there_are(report: Report) -> None:
    report["findings"][0]["accounts"] = [f"acc-{number:05}" for number in range(4000)]
    text = printed(report)
    last = f"acc-{ACCOUNTS_IN_PRINT - 1:05}"
    assert f"{last}, and {4000 - ACCOUNTS_IN_PRINT:,} more, whom the CSV names" in text
    assert f"acc-{ACCOUNTS_IN_PRINT:05}" not in text
    assert sum(row["finding"] == "1" for row in rows_of(report)) == 4000


def test_print_has_the_noted_and_how_many_more_there_are(report: Report) -> None:
    one = {**report["findings"][0], "rung": "noted", "explained": True, "sentence": "Account acc-noted calls by night."}
    report["findings"].append(one)
    text = printed(report)
    assert "Noted (within an authorisation) Account acc-noted calls by night." in text
    noted = sum(one["rung"] == "noted" for one in report["findings"])
    report["findings"] += [one] * (NOTED_IN_PRINT + 7 - noted)
    assert "These are the first; 7 more are in the CSV." in printed(report)


def test_what_the_words_mean_is_printed(report: Report) -> None:
    text = printed(report)
    assert {"Noted", "Pattern", "Corroborated pattern", "Family", "Rare"} <= set(MEANINGS)
    for means in MEANINGS.values():
        assert means in text
    assert "At most 1 % of ordinary clients" in text
    assert "at most 5 % are expected to be so by chance" in text


def test_the_annex_is_printed(report: Report) -> None:
    text = printed(report)
    for one in methods():
        assert one["title"] in text


@pytest.mark.parametrize(
    ("title", "never", "says"),
    [
        ("I1 Volume against peers", "3.5", "rare where at most 1 % have as much"),
        ("I12 Move to a new model", "95th", "rare from 0.4 on where at most 1 % of the accounts compared with"),
        ("I14 Refusals", "400/403", "no status is taken for a refusal"),
        ("I4 Systematic sweep", "Proposed", "Counts from 1,000 rows and half of the traffic on"),
    ],
)
def test_the_annex_says_what_the_method_does(title: str, never: str, says: str) -> None:
    said = {one["title"]: one["says"] for one in methods()}[title]
    assert never not in said
    assert says in said
    assert (FALSE_ALARMS, ORDINARY["pivot"], ORDINARY["sweep"]) == (0.01, 0.4, 3.0)


@pytest.mark.parametrize("title", ["I2 Output for input", "I4 Systematic sweep"])
def test_the_annex_says_what_is_no_harvest_and_when_that_cannot_be_told(title: str) -> None:
    said = {one["title"]: one["says"] for one in methods()}[title]
    assert f"under {SHORT_ANSWERS} output tokens for an input token" in said
    assert f"{100 * OFTEN_REFUSED:g} %" in said
    assert re.search(r"(no column|without) `refused`", said)


def test_what_is_folded_away_on_the_page_says_too_that_it_is_explained() -> None:
    one = {
        "tag": "Pattern",
        "within": "within an authorisation",
        "summary": "Account a calls by night.",
        "sentence": "It does.",
    }
    page = {"report": {"rows": 1}, "inside": [one], "noted": [one]}
    page |= {"analysis": {"pk": 1}, "item": {"reference": "E-2026-000001"}, "meanings": MEANINGS}
    text = " ".join(render_to_string("monitoring/analysis.html", page).split())
    assert "Pattern (within an authorisation): Account a calls by night." in text
    assert "Within an authorisation: It does." in text
    assert MEANINGS["Rare"] in text.replace("&#x27;", "'")
