"""What a feed has of a declared period: reckoned by hand, each call once, however the rows were sent and are read."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from itertools import count as numbers
from pathlib import Path
from random import Random
from typing import Any

import pytest

from monitoring import aggregated
from monitoring.declared import Declared, compared
from monitoring.intake import take_in
from monitoring.volumes import DAY, Piece, Source, count, slices
from tests.monitoring.test_aggregated import ROW as WINDOW

BEGINS, ENDS = datetime(2026, 3, 2, tzinfo=UTC), datetime(2026, 3, 4, tzinfo=UTC)
HOUR = timedelta(hours=1)
CALL = {"model": "m", "input_tokens": 10, "output_tokens": 4, "status": 200}
SAID = {
    "target_organisation": "Kestrel Ltd",
    "started_at": {"precision": "exact", "value": "2026-03-02"},
    "ended_at": {"precision": "exact", "value": "2026-03-03"},
    "timezone": "UTC",
    "requests": {"precision": "exact", "value": 10},
    "account_hashes": "a\nb",
}
Row = dict[str, Any]


def declared(**over: Any) -> Declared:
    found = Declared.read("D-2026-000001", {**SAID, **over}, date(2026, 4, 1))
    assert found is not None
    return found


def call(at: datetime, account: str = "a", **more: Any) -> Row:
    stamp = at.isoformat(timespec="microseconds")
    return {**CALL, "ts": stamp, "account": account, "prompt_hash": f"{account} {stamp}", **more}


def window(at: datetime, account: str = "a", *, hours: int = 1, calls: int = 1) -> Row:
    span = {"window_start": at.isoformat(), "window_seconds": 3600 * hours}
    return {
        **WINDOW,
        **span,
        "account": account,
        "calls": calls,
        "input_tokens": 10 * calls,
        "output_tokens": 4 * calls,
    }


def hourly(begins: datetime = BEGINS, hours: int = 48, account: str = "z") -> list[Row]:
    """A call in the middle of every hour: no silence anywhere."""
    return [call(begins + HOUR * (n + 0.5), account) for n in range(hours)]


def _us(at: datetime) -> int:
    return round(at.timestamp() * 1_000_000)


def source(folder: Path, *batches: list[Row], most: int = 1_000_000) -> Source:
    """The batches as they are kept when they come, in this order."""
    pieces = []
    for place, rows in enumerate(batches):
        here = folder / f"{len(list(folder.iterdir()))}-{place}"
        here.mkdir()
        body = "".join(json.dumps(row) + "\n" for row in rows).encode()
        if "window_start" in rows[0]:
            kept: Any = aggregated.take_in(body, here, longest_line=8192, listed=10)
            first, last = kept.first * 1_000_000, kept.last * 1_000_000
        else:
            (here / "log").write_bytes(body)
            kept = take_in(here / "log", here)
            stamps = [_us(datetime.fromisoformat(row["ts"])) for row in rows]
            first, last = min(stamps), max(stamps)
        assert not kept.rejected, kept.reasons
        pieces.append(Piece(str(kept.rows_path), place, kept.rows, first, last))

    def those(begins: int, ends: int) -> Iterator[Piece]:
        return iter(sorted((p for p in pieces if p.last >= begins and p.first < ends), key=lambda p: p.first))

    return Source("windows" if "window_start" in batches[0][0] else "calls", those, lambda file, _: Path(file), most)


def counted(folder: Path, *sources: Source, provider: str = "Kestrel Ltd", **over: Any) -> dict[str, Any]:
    found = count(sources, declared(**over), provider, folder)
    assert found is not None
    return found


# --- Single calls -------------------------------------------------------------------------------------------------------
def test_calls_are_counted_by_hand_to_the_microsecond(tmp_path: Path) -> None:
    tick = timedelta(microseconds=1)
    inside = [call(BEGINS), call(BEGINS + HOUR, "b", input_tokens=7), call(ENDS - tick, output_tokens=100)]
    outside = [call(BEGINS - tick), call(ENDS), call(BEGINS + HOUR, "c")]
    found = counted(tmp_path, source(tmp_path, inside[:2] + outside[:1], inside[2:] + outside[1:]))
    assert (found["basis"], found["kind"], found["mixed"]) == ("accounts", "calls", False)
    assert (found["requests"], found["accounts_used"]) == (3, 2)
    assert (found["input_tokens"], found["output_tokens"]) == (10 + 7 + 10, 4 + 4 + 100)
    assert found["across"] == {"requests": 0, "input_tokens": 0, "output_tokens": 0}
    assert found["silent"], "from one o'clock of the first day to the last moment there is nothing"


def test_a_call_in_two_batches_counts_once_where_its_prompt_tells_it_apart(tmp_path: Path) -> None:
    rows = [call(BEGINS + HOUR), call(BEGINS + HOUR, prompt_hash="another"), call(BEGINS + 2 * HOUR, "b")]
    found = counted(tmp_path, source(tmp_path, rows, [*rows, call(BEGINS + 3 * HOUR)], rows[:1]))
    assert (found["requests"], found["input_tokens"], found["without_prompt_hash"]) == (4, 40, 0)
    untold = [{name: value for name, value in row.items() if name != "prompt_hash"} for row in rows[::2]]
    mixed = counted(tmp_path, source(tmp_path, rows[:2], rows[:2], untold, untold))
    assert (mixed["requests"], mixed["without_prompt_hash"]) == (2 + 4, 4), "of those without, nobody can tell"


def test_without_the_accounts_everybody_is_counted_of_the_provider_that_is_named(tmp_path: Path) -> None:
    feed = source(tmp_path, hourly(), hourly()[:5])
    assert counted(tmp_path, feed)["basis"] == "period"
    assert counted(tmp_path, feed)["requests"] == 48
    assert counted(tmp_path, feed, account_hashes="")["requests"] == 48
    stranger = counted(tmp_path, feed, provider="Merlin Ltd")
    assert compared(declared(), stranger, "Merlin Ltd") is None
    assert (
        count([feed], declared(started_at={"value": "2026-01-02"}, ended_at={"value": "2026-01-03"}), "x", tmp_path)
        is None
    )


# --- Windows ------------------------------------------------------------------------------------------------------------
def test_windows_are_counted_by_hand_and_those_across_an_edge_stand_beside_the_count(tmp_path: Path) -> None:
    rows = [
        window(BEGINS - HOUR, calls=1000),  # ends as the period begins: not of it
        window(BEGINS - HOUR, "b", hours=2, calls=50),  # across the beginning
        window(BEGINS, calls=3),
        window(BEGINS + HOUR, "b", calls=4),
        window(BEGINS + HOUR, "c", calls=500),  # somebody else
        window(ENDS - HOUR, calls=5),
        window(ENDS - HOUR, "b", hours=24, calls=70),  # across the end
        window(ENDS, calls=1000),  # begins as the period ends: not of it
    ]
    found = counted(tmp_path, source(tmp_path, rows[:4], rows[4:]))
    assert (found["basis"], found["kind"], found["requests"], found["accounts_used"]) == ("accounts", "windows", 12, 2)
    assert (found["input_tokens"], found["output_tokens"]) == (120, 48)
    assert found["across"] == {"requests": 120, "input_tokens": 1200, "output_tokens": 480}
    assert found["without_prompt_hash"] == 0


def test_a_window_that_was_sent_again_counts_as_it_was_sent_last(tmp_path: Path) -> None:
    first, later = window(BEGINS, calls=3), window(BEGINS, calls=8)
    # The later batch has rows from before, so that it is read first.
    found = counted(tmp_path, source(tmp_path, [first], [window(BEGINS - HOUR), later]))
    assert found["requests"] == 8
    assert counted(tmp_path, source(tmp_path, [window(BEGINS - HOUR), later], [first]))["requests"] == 3


def test_a_window_without_calls_is_no_silence(tmp_path: Path) -> None:
    silent = [window(BEGINS, calls=9), window(ENDS - HOUR, calls=9)]
    assert counted(tmp_path, source(tmp_path, silent))["silent"]
    nothing = [window(BEGINS + 24 * HOUR, calls=0)]
    assert not counted(tmp_path, source(tmp_path, silent, nothing))["silent"]
    assert counted(tmp_path, source(tmp_path, silent, nothing))["accounts_used"] == 1


def test_calls_and_windows_of_the_same_feed_are_never_added(tmp_path: Path) -> None:
    calls = source(tmp_path, hourly(account="a"))
    trial = source(tmp_path, [call(BEGINS + HOUR)])
    windows = source(tmp_path, [window(BEGINS + HOUR * n, calls=2) for n in range(48)])
    both = counted(tmp_path, calls, windows)
    assert (both["kind"], both["mixed"], both["requests"]) == ("calls", True, 48)
    most = counted(tmp_path, trial, windows)
    assert (most["kind"], most["requests"]) == ("windows", 96), "what covers the period, not an hour of trial"
    other = source(tmp_path, hourly(account="y"))
    named = counted(tmp_path, other, windows)
    assert (named["kind"], named["basis"]) == ("windows", "accounts"), "what has the accounts"


# --- Whole, and silent --------------------------------------------------------------------------------------------------
def test_a_period_is_covered_when_nothing_is_missing_for_more_than_a_day(tmp_path: Path) -> None:
    long = {"ended_at": {"precision": "exact", "value": "2026-03-08"}}  # 7 days

    def covered(*hours: range) -> bool:
        rows = [call(BEGINS + HOUR * (n + 0.5), "z") for part in hours for n in part]
        return declared(**long).covered(counted(tmp_path, source(tmp_path, rows), **long))

    assert covered(range(168))
    assert covered(range(24, 144)), "a day at either end may have had no call"
    assert not covered(range(25, 168))
    assert not covered(range(143))
    assert covered(range(60), range(84, 168)), "a day without calls"
    assert not covered(range(60), range(85, 168)), "more than a day"


@pytest.mark.parametrize(
    ("declared_calls", "across", "elsewhere", "gap"),
    [
        (24, 0, False, True),
        (24, 0, True, False),
        (24, 2, False, False),
        (28, 2, False, True),
        (6, 90, True, True),
        (7, 0, True, False),
    ],
)
def test_a_gap_is_one_wherever_the_calls_at_the_edges_belong(
    declared_calls: int, across: int, elsewhere: bool, gap: bool
) -> None:
    said = declared(requests={"precision": "exact", "value": declared_calls})
    told = {"reference": "D", "basis": "accounts", "first": said.begins, "last": said.ends, "silent": False}
    told |= {"kind": "windows", "mixed": False, "elsewhere": elsewhere, "requests": 12, "across": {"requests": across}}
    found = compared(said, told, "Kestrel Ltd")
    assert found is not None
    [figure] = found["figures"]
    assert found["gap"] == gap
    assert figure.get("across", 0) == across
    assert (found["kind"], found["elsewhere"]) == ("windows", elsewhere)


# --- Slices -------------------------------------------------------------------------------------------------------------
def test_slices_have_every_row_once_and_no_more_files_than_they_need() -> None:
    days = [Piece(f"{n}", n, 10, n * DAY, (n + 1) * DAY + 5) for n in range(6)]  # each reaches into the next day
    parts = list(slices(days, 0, 7 * DAY, most=25))
    assert [(since // DAY, until // DAY) for since, until, _ in parts] == [(0, 2), (2, 3), (3, 4), (4, 5), (5, 7)]
    for since, until, held in parts:
        assert {p.file for p in held} == {p.file for p in days if p.last >= since and p.first < until}
    assert [len(held) for _, _, held in slices(days, 0, 7 * DAY, most=1000)] == [6]
    assert [len(held) for _, _, held in slices(days, 0, 7 * DAY, most=1000, files=2)] == [2, 2, 2, 2, 2]
    months = [Piece(f"{n}", n, 10, n, 30 * DAY) for n in range(100)]
    assert len(list(slices(months, 0, 30 * DAY, most=10))) == 1, "files that all begin within a day are not cut up"
    assert list(slices([], 0, DAY, most=1)) == [(0, DAY, [])]


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("kind", ["calls", "windows"])
def test_the_same_is_counted_however_much_is_read_at_a_time(tmp_path: Path, kind: str, seed: int) -> None:
    draw, fresh = Random(seed), numbers()
    span = {"ended_at": {"precision": "exact", "value": "2026-03-11"}, "account_hashes": "a\nb\nc"}
    rows: list[Row] = []
    for _ in range(400):
        at, account = BEGINS + HOUR * draw.randrange(-30, 260), draw.choice("abcd")
        made = (
            call(at, account, prompt_hash=str(next(fresh)))
            if kind == "calls"
            else window(at, account, hours=draw.choice((1, 24)))
        )
        rows.append(made)
    # A batch has a window of an account once.
    apart = list(
        {(r.get("window_start", r.get("prompt_hash")), r.get("window_seconds"), r["account"]): r for r in rows}.values()
    )
    batches = [apart[n::8] for n in range(8)] + [draw.sample(apart, 50) for _ in range(4)]
    whole = [counted(tmp_path, source(tmp_path, *batches, most=most), **span) for most in (10, 150, 100_000)]
    assert whole[0] == whole[1] == whole[2]
    begins, ends = BEGINS, BEGINS + 240 * HOUR
    own = [r for r in apart if r["account"] != "d"]
    if kind == "calls":
        expected = sum(begins <= datetime.fromisoformat(r["ts"]) < ends for r in own)
    else:
        spans = [
            (s := datetime.fromisoformat(r["window_start"]), s + timedelta(seconds=r["window_seconds"])) for r in own
        ]
        expected = sum(begins <= s and e <= ends for s, e in spans)
        assert whole[0]["across"]["requests"] == sum(s < begins < e or s < ends < e for s, e in spans)
    assert whole[0]["requests"] == expected > 0
