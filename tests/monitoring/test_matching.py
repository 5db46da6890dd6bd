"""Rows against authorisations: each call by the version that counted then, and what cannot be compared is said."""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import hypothesis
import ibis
import pytest
from django.core.management import CommandError, call_command
from hypothesis import strategies as st

from monitoring.intake import take_in
from monitoring.matching import ALWAYS, NEVER, REASONS, UNSAID, Permit, covered, read_permits, written
from monitoring.reading import Options, Reading, _permitted
from tests.monitoring.logs import Row, lines, ordinary, report_of, swept

LONDON = ZoneInfo("Europe/London")
BEGIN = datetime(2026, 6, 10, tzinfo=UTC)


def us(at: datetime) -> int:
    return round(at.timestamp() * 1_000_000)


def row(at: datetime, account: str = "a", **more: Any) -> Row:
    said = {"ts": at.isoformat(), "account": account, "model": "owl", "input_tokens": 10, "output_tokens": 20}
    return {**said, "status": 200, "prompt_hash": f"{at.isoformat()} {account}", **more}


def permit(**over: Any) -> Permit:
    given: dict[str, Any] = {"accounts": frozenset({"a"}), "starts": us(BEGIN), "ends": us(BEGIN + timedelta(days=90))}
    return Permit("P-1", **{**given, **over})


def table_of(rows: Sequence[Row], *permits: Permit) -> list[dict[str, Any]]:
    """The tables of a report on these rows."""
    tables: list[dict[str, Any]] = report_of(lines(list(rows)), Options(permits=permits))["authorisations"]
    return tables


# --- Which account is explained, and by what ------------------------------------------------------------------------------
SWEEP = swept("acc-sweep", 1500)
CALLS = [datetime.fromisoformat(one["ts"]) for one in SWEEP]
ROWS = ordinary(120, days=9) + SWEEP
WHOLE = Permit("P-1", frozenset({"acc-sweep"}), us(CALLS[0]), us(CALLS[-1]) + 1)


def told(*permits: Permit) -> tuple[bool, bool]:
    """Whether the sweep's finding is explained, and whether only afterwards."""
    report = report_of(lines(ROWS), Options(permits=permits))
    [found] = [one for one in report["findings"] if one["accounts"] == ["acc-sweep"]]
    return found["explained"], found["explained_afterwards"]


def test_a_version_that_permits_its_few_calls_explains_none_of_the_others() -> None:
    first, second = us(CALLS[100]), us(CALLS[-1]) + 1
    assert told(WHOLE) == (True, False)
    narrow = replace(WHOLE, models=frozenset({"another"}), since=first, until=second)
    assert told(replace(WHOLE, until=first, entry="P"), replace(narrow, entry="P")) == (False, False)


def test_two_that_permit_half_each_explain_the_whole() -> None:
    half = us(CALLS[750])
    assert told(replace(WHOLE, ends=half), replace(WHOLE, reference="P-2", starts=half)) == (True, False)
    assert told(replace(WHOLE, ends=half)) == (False, False)
    # What both permit counts once.
    assert told(replace(WHOLE, ends=half), replace(WHOLE, reference="P-2", ends=half)) == (False, False)


def test_lines_of_two_batches_that_have_one_number_are_two_rows() -> None:
    """A window of a feed is of many batches, each with lines of its own: 1, 2, 3."""
    rows = {"account": [7, 7, 7], "line": [1, 1, 2], "us": [10, 20, 30], "tokens": [5, 5, 5]}
    one = ibis.memtable({**rows, "on_record": [1, 0, 1], "uncapped": [0, 0, 0]})
    other = ibis.memtable({**rows, "on_record": [0, 0, 1], "uncapped": [1, 0, 0]})
    assert covered([one, other]).execute().to_dict("records") == [{"account": 7, "n": 3, "on_record": 2, "uncapped": 1}]


def test_what_was_agreed_afterwards_explains_and_is_marked() -> None:
    assert told(replace(WHOLE, on_record=us(CALLS[10]))) == (True, False)
    assert told(replace(WHOLE, on_record=us(CALLS[200]))) == (True, True)
    assert told(replace(WHOLE, on_record=NEVER)) == (True, True)
    # On record in time by another entry.
    assert told(replace(WHOLE, on_record=NEVER), replace(WHOLE, reference="P-2")) == (True, False)


def test_of_two_papers_the_one_takes_no_doubt_from_the_other() -> None:
    """One is on record and has a cap of which much may be used up; one was agreed afterwards and has none."""
    capped = replace(WHOLE, requests=10_000, entry="P-1")
    late = replace(WHOLE, on_record=NEVER, reference="P-2", entry="P-2")
    for permits, doubt in (((capped,), True), ((late,), False), ((capped, late), True)):
        [found] = [
            one
            for one in report_of(lines(ROWS), Options(permits=permits))["findings"]
            if one["accounts"] == ["acc-sweep"]
        ]
        assert (found["explained"], found["explained_by_caps"]) == (True, doubt)
    assert told(capped, late) == (True, False)


def panel(rows: Sequence[Row], *permits: Permit) -> str:
    explanations = report_of(lines(list(rows)), Options(permits=permits))["explanations"]
    return str(next(one["says"] for one in explanations if one["title"] == "Authorised red-teaming"))


def test_the_panel_counts_whom_authorisations_are_about_and_not_only_whom_they_permit() -> None:
    rows = [row(BEGIN + timedelta(hours=n), name) for n in range(10) for name in "abc"]
    assert "No authorisation was compared with this log." in panel(rows)
    assert panel(rows, permit(accounts=frozenset({"other"}))).startswith("No call of this log is of an account or key")
    told = panel(rows, permit(models=frozenset({"another"})))
    assert "about 1 account of this log; 0 of them are within almost entirely." in told
    told = panel(rows, permit(models=frozenset({"x"})), permit(accounts=frozenset("b"), entry="P-2", on_record=NEVER))
    assert (
        "about 2 accounts of this log; 1 of them are within almost entirely, 1 of these only by what was agreed" in told
    )


# --- The table ------------------------------------------------------------------------------------------------------------
def test_calls_before_it_was_on_record_are_counted_apart() -> None:
    rows = [row(BEGIN + timedelta(hours=n)) for n in range(10)]
    [table] = table_of(rows, permit(on_record=us(BEGIN + timedelta(hours=4))))
    assert (table["within"], table["afterwards"], table["retroactive"]) == (10, 4, True)
    # Registered on the first day, before the first call.
    [table] = table_of(rows, permit(starts=us(BEGIN - timedelta(days=1)), on_record=us(BEGIN)))
    assert (table["within"], table["afterwards"], table["retroactive"]) == (10, 0, False)


def test_a_key_that_is_named_is_as_good_as_an_account() -> None:
    rows = [row(BEGIN + timedelta(hours=n), "a" if n % 2 else "b", key=f"key-{n % 3}") for n in range(12)]
    [table] = table_of(rows, permit(accounts=frozenset({"key-0", "key-1"})))
    assert (table["rows"], table["within"]) == (8, 8)


def test_an_account_that_an_amendment_leaves_out_is_outside_from_then_on() -> None:
    rows = [row(BEGIN + timedelta(hours=n), name) for n in range(10) for name in ("a", "b")]
    amended = us(BEGIN + timedelta(hours=6))
    both, one = frozenset({"a", "b"}), frozenset({"a"})
    first, second = table_of(
        rows, permit(accounts=both, until=amended, entry="P"), permit(accounts=one, since=amended, entry="P")
    )
    assert (first["rows"], first["outside"]) == (12, {})
    assert (second["rows"], second["outside"]) == (8, {"account": 4})


def test_a_day_of_a_cap_is_londons() -> None:
    """23:10 UTC on 10 June is ten past midnight on the 11th: five calls on each of two days."""
    early = [row(datetime(2026, 6, 10, 12, n, tzinfo=UTC)) for n in range(5)]
    late = [row(datetime(2026, 6, 10, 23, 10 + n, tzinfo=UTC)) for n in range(5)]
    [table] = table_of(early + late, permit(requests_a_day=5))
    assert table["outside"] == {}
    [table] = table_of(early + late, permit(requests_a_day=4))
    assert table["outside"] == {"cap": 2}
    winter = [row(datetime(2026, 12, 10, 23, 10 + n, tzinfo=UTC)) for n in range(6)]
    [table] = table_of(winter, permit(starts=0, ends=NEVER // 2, requests_a_day=5))
    assert table["outside"] == {"cap": 1}


def test_an_amendment_begins_no_cap_anew() -> None:
    rows = [row(BEGIN + timedelta(hours=n)) for n in range(10)]
    amended = us(BEGIN + timedelta(hours=5))
    for cap in ({"requests": 7}, {"requests_a_day": 7}, {"tokens": 210}):
        versions = permit(until=amended, entry="P", **cap), permit(since=amended, entry="P", **cap)
        first, second = table_of(rows, *versions)
        assert (first["outside"], second["outside"]) == ({}, {"cap": 3})
    # What a day's cap puts outside uses up nothing of the whole: five of ten on the first day, five on the second.
    both = [*rows, *(row(BEGIN + timedelta(days=1, hours=n)) for n in range(5))]
    [table] = table_of(both, permit(requests=10, requests_a_day=5))
    assert (table["within"], table["outside"]) == (10, {"cap": 5})
    # Two entries have caps of their own.
    first, second = table_of(rows, permit(requests=5), replace(permit(requests=5), reference="P-2"))
    assert first["outside"] == second["outside"] == {"cap": 5}


def test_terms_that_the_log_says_nothing_of_are_named_and_not_held_against_it() -> None:
    terms = {name: frozenset({"x"}) for name in ("nets", "endpoints", "agents")}
    bare = [row(BEGIN + timedelta(hours=n)) for n in range(10)]
    [table] = table_of(bare, permit(probing=False, not_compared=("the environment",), **terms))
    assert (table["within"], table["outside"]) == (10, {})
    assert table["unsaid"] == dict.fromkeys(UNSAID, 10)
    assert table["not_compared"] == ["the environment"]
    said = {"net": "x", "endpoint": "x", "user_agent": "x", "params": {"n": 1}}
    half = [{**one, **said} if n % 2 else one for n, one in enumerate(bare)]
    [table] = table_of(half, permit(probing=False, **terms))
    assert table["unsaid"] == dict.fromkeys(UNSAID, 5)
    [table] = table_of(bare, permit())
    assert table["unsaid"] == {}


# --- Against the same in plain Python -------------------------------------------------------------------------------------
def by_hand(
    rows: Sequence[Row], permits: Sequence[Permit]
) -> tuple[list[dict[str, Any]], dict[str, tuple[int, int, int]]]:
    """Row by row: the tables, and by account how many of its rows are permitted, and how many were on record."""
    entries: dict[str, list[Permit]] = {}
    for one in permits:
        entries.setdefault(one.entry or one.reference, []).append(one)
    tables, permitted = {}, {}
    for versions in entries.values():
        everybody = frozenset().union(*(one.accounts for one in versions))
        calls, tokens, days = 0, 0, Counter()
        for one in versions:
            tables[one.reference] = {"rows": 0, "within": 0, "afterwards": 0, "outside": Counter(), "unsaid": Counter()}
        for place, call in sorted(enumerate(rows), key=lambda item: (item[1]["ts"], item[0])):
            at = datetime.fromisoformat(call["ts"])
            counting = [one for one in versions if one.since <= us(at) < one.until]
            if not counting or not everybody & {call["account"], call.get("key")}:
                continue
            [version] = counting
            table = tables[version.reference]
            table["rows"] += 1
            reason, unsaid = reason_by_hand(call, at, version)
            day = at.astimezone(LONDON).date()
            if reason is None:
                days[day] += 1
                if version.requests_a_day is not None and days[day] > version.requests_a_day:
                    reason = "cap"
            if reason is None:
                calls, tokens = calls + 1, tokens + call["input_tokens"] + call["output_tokens"]
                used = (calls, version.requests), (tokens, version.tokens)
                if any(cap is not None and spent > cap for spent, cap in used):
                    reason = "cap"
            if reason is not None:
                table["outside"][reason] += 1
                continue
            table["within"] += 1
            table["unsaid"].update(unsaid)
            late = us(at) < version.on_record
            table["afterwards"] += late
            known = permitted.get(place, (False, False))
            free = version.requests is None and version.tokens is None and not late
            permitted[place] = known[0] or not late, known[1] or free
    shares: dict[str, tuple[int, int, int]] = {}
    for place, (on_record, uncapped) in permitted.items():
        n, before, free = shares.get(rows[place]["account"], (0, 0, 0))
        shares[rows[place]["account"]] = n + 1, before + on_record, free + uncapped
    return list(tables.values()), shares


def reason_by_hand(call: Row, at: datetime, version: Permit) -> tuple[str | None, list[str]]:
    found, unsaid = set(), []
    if not version.accounts & {call["account"], call.get("key")}:
        found.add("account")
    if not version.starts <= us(at) < version.ends:
        found.add("time")
    for reason, column, names in (
        ("network", "net", version.nets),
        ("client software", "user_agent", version.agents),
        ("model", "model", version.models),
        ("endpoint", "endpoint", version.endpoints),
    ):
        if names and call.get(column) is None:
            unsaid.append(reason)
        elif names and call[column] not in names:
            found.add(reason)
    if version.hours:
        local = at.astimezone(LONDON)
        minute, (begin, end) = local.hour * 60 + local.minute, version.hours
        if not (begin <= minute < end if begin < end else minute >= begin or minute < end):
            found.add("hours")
    if not version.probing:
        if call.get("params") is None:
            unsaid.append("technique")
        elif call["params"].get("logprobs") and call["params"].get("logit_bias"):
            found.add("technique")
    return next((reason for reason in REASONS if reason in found), None), unsaid


HOURS = st.integers(-30, 24 * 5)
# The night in which London's summer time ends.
NIGHT = datetime(2026, 10, 24, 20, tzinfo=UTC)
MAYBE = st.none() | st.sampled_from(["x", "y"])


@st.composite
def logs(draw: st.DrawFn) -> list[Row]:
    rows = []
    for _ in range(draw(st.integers(1, 25))):
        at = NIGHT + timedelta(minutes=draw(st.integers(0, 60 * 48)))
        probing = {"logprobs": True, "logit_bias": {"5": 1}}
        given = {
            "key": draw(st.none() | st.sampled_from(["k", "a"])),
            "net": draw(MAYBE),
            "endpoint": draw(MAYBE),
            "user_agent": draw(MAYBE),
            "params": draw(st.sampled_from([None, {"n": 1}, probing])),
        }
        rows.append(row(at, draw(st.sampled_from("abc")), model=draw(st.sampled_from("xy")), **given))
    # Two alike are one call: no row may be left out by the intake here.
    return [{**one, "prompt_hash": str(n)} for n, one in enumerate(rows)]


@st.composite
def entries(draw: st.DrawFn) -> list[Permit]:
    names = st.frozensets(st.sampled_from(["x", "y", "z"]), max_size=2)
    permits = []
    for entry in range(draw(st.integers(1, 2))):
        cuts = sorted(us(NIGHT + timedelta(hours=h)) for h in draw(st.sets(st.integers(0, 48), max_size=2)))
        for version, (since, until) in enumerate(zip([ALWAYS, *cuts], [*cuts, NEVER], strict=True)):
            starts = NIGHT + timedelta(hours=draw(st.integers(-5, 30)))
            permits.append(
                Permit(
                    f"{entry}.{version}",
                    draw(st.frozensets(st.sampled_from(["a", "b", "k"]), min_size=1)),
                    us(starts),
                    us(starts + timedelta(hours=draw(st.integers(1, 60)))),
                    nets=draw(names),
                    models=draw(names),
                    endpoints=draw(names),
                    agents=draw(names),
                    hours=draw(st.none() | st.tuples(st.integers(0, 1439), st.integers(0, 1439))),
                    requests=draw(st.none() | st.integers(0, 9)),
                    requests_a_day=draw(st.none() | st.integers(0, 5)),
                    tokens=draw(st.none() | st.integers(0, 300)),
                    probing=draw(st.booleans()),
                    on_record=us(NIGHT + timedelta(hours=draw(HOURS))),
                    since=since,
                    until=until,
                    entry=f"entry {entry}",
                )
            )
    return permits


@hypothesis.settings(
    max_examples=40, deadline=None, suppress_health_check=[hypothesis.HealthCheck.function_scoped_fixture]
)
@hypothesis.given(rows=logs(), permits=entries())
def test_each_row_is_matched_as_by_hand(
    tmp_path_factory: pytest.TempPathFactory, rows: list[Row], permits: list[Permit]
) -> None:
    folder = tmp_path_factory.mktemp("matching")
    (folder / "log").write_bytes(lines(rows))
    kept = take_in(folder / "log", folder / "kept")
    assert kept.rows == len(rows)
    reading = Reading(kept, Options(permits=read_permits(written(permits).encode())))
    try:
        names = reading.names["account"]
        counts = reading.all_rows.group_by("account").agg(n=reading.all_rows.count()).execute().set_index("account").n
        found, matches = _permitted(reading, reading.all_rows, counts)
        shares = {account: share for account, share in (found or {}).items() if share.by_any}
        rows_of = {names[account]: int(n) for account, n in counts.items()}
    finally:
        reading.close()
    tables, expected = by_hand(rows, permits)
    counted = [
        {"rows": m.rows, "within": m.within, "afterwards": m.afterwards, "outside": m.outside, "unsaid": m.unsaid}
        for m in matches
    ]
    assert counted == tables
    assert {
        names[account]: tuple(round(one * rows_of[names[account]]) for one in share)
        for account, share in shares.items()
    } == expected


# --- The file of authorisations -------------------------------------------------------------------------------------------
@pytest.mark.parametrize(
    ("said", "why"),
    [
        ({}, "not a JSON list"),
        ("no JSON", "Expecting value"),
        ([5], "is an object"),
        ([{"starts": "2026-06-01T00:00:00Z", "ends": "2026-07-01T00:00:00Z"}], "has no accounts"),
        ([{"accounts": "abc", "starts": "2026-06-01T00:00:00Z", "ends": "2026-07-01T00:00:00Z"}], "accounts is a list"),
        ([{"accounts": ["a"], "starts": "2026-06-01", "ends": "2026-07-01T00:00:00Z"}], "starts does not say its zone"),
        ([{"accounts": ["a"], "starts": "soon", "ends": "2026-07-01T00:00:00Z"}], "starts is no instant: 'soon'"),
        ([{"accounts": ["a"], "starts": "2026-06-01T00:00:00Z", "ends": None}], "ends is no instant: None"),
        ({"hours": ["09:00"]}, "hours are two times"),
        ({"hours": ["nine", "ten"]}, "hours are two times"),
        ({"caps": 5}, "caps is an object"),
        ([WHOLE.said(), WHOLE.said()], "two versions of P-1 count at once"),
        ({"caps": {"requests": "5"}}, "the cap requests is a whole number"),
    ],
)
def test_a_file_of_authorisations_that_is_none_says_why(tmp_path: Path, said: Any, why: str) -> None:
    whole = {"accounts": ["a"], "starts": "2026-06-01T00:00:00Z", "ends": "2026-07-01T00:00:00Z"}
    if isinstance(said, dict) and said:
        said = [{**whole, **said}]
    (tmp_path / "log").write_bytes(lines(ordinary(3)))
    (tmp_path / "said").write_text(said if isinstance(said, str) else json.dumps(said))
    with pytest.raises(CommandError, match=f"The authorisations cannot be read: .*{re.escape(why)}"):
        call_command(
            "analyse_log",
            str(tmp_path / "log"),
            "--json",
            str(tmp_path / "out"),
            "--authorisations",
            str(tmp_path / "said"),
        )
    assert not (tmp_path / "out").exists()


def test_authorisations_without_a_name_are_not_taken_for_versions_of_one() -> None:
    plain = {"accounts": ["a"], "starts": "2026-06-01T00:00:00Z", "ends": "2026-07-01T00:00:00Z"}
    assert [one.reference for one in read_permits(json.dumps([plain, plain]).encode())] == [
        "authorisation 1",
        "authorisation 2",
    ]


def test_what_is_said_of_a_permit_is_read_as_that_permit() -> None:
    for one in (
        permit(),
        WHOLE,
        permit(on_record=us(BEGIN), since=us(BEGIN), entry="P", not_compared=("a", "b"), hours=(5, 9)),
    ):
        assert read_permits(written([one]).encode()) == (one,)
        assert read_permits(written([replace(one, on_record=NEVER)]).encode()) == (replace(one, on_record=NEVER),)
