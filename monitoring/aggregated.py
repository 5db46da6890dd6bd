"""Aggregated windows: what a provider sends who cannot send single calls. Pure: no Django, no clock.

A row says how many calls an account made to a model in one window of time. Volume (I1) and round the clock (I6) can be
reckoned from that; everything else needs single calls and is not computable. Neither is a finding by itself: volume never
is, and without gaps it is not known whether who never sleeps is a timer or a service.
"""

from __future__ import annotations

import hashlib
import json
import math
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import lru_cache
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from monitoring.measures import MEASURES, among_peers

REQUIRED = ("window_start", "window_seconds", "account", "model", "calls", "input_tokens", "output_tokens")
OPTIONAL = ("refused",)
LONGEST = 86_400  # seconds of one window: a longer one says nothing of hours
MOST = 1 << 53
TEXT = 200  # characters
DAYS = 3  # for I6
TEN_MINUTES = 600
METHOD = "candour-windows-1"
BECAUSE = "the feed has windows, not single calls"
LONDON = ZoneInfo("Europe/London")
SCHEMA = pa.schema(
    [
        ("line", pa.int64()),
        ("start", pa.int64()),  # seconds since 1970, UTC
        ("seconds", pa.int64()),
        ("account", pa.string()),
        ("model", pa.string()),
        ("calls", pa.int64()),
        ("tin", pa.int64()),
        ("tout", pa.int64()),
        ("refused", pa.int64()),
    ]
)


@dataclass
class Windows:
    """What became of a batch of windows."""

    rows_path: Path
    rows: int = 0
    reasons: Counter[str] = field(default_factory=Counter)
    listed: list[tuple[int, str]] = field(default_factory=list)
    columns: tuple[str, ...] = ()
    first: int | None = None
    last: int | None = None

    @property
    def rejected(self) -> int:
        return sum(self.reasons.values())


class _Wrong(Exception):
    """What a line lacks."""


def is_windows(data: bytes) -> bool:
    """Whether the first line that is an object is of a window: it names `window_start`."""
    for line in data.split(b"\n", 100)[:100]:
        try:
            said = json.loads(line)
        except (ValueError, RecursionError):
            continue
        if isinstance(said, dict):
            return "window_start" in said
    return False


def take_in(data: bytes, folder: Path, *, longest_line: int, listed: int) -> Windows:
    """Keep the rows of a batch as Parquet. Every line that is none is counted by reason, the first named by number."""
    kept = Windows(folder / "windows.parquet")
    columns: dict[str, list[Any]] = {name: [] for name in SCHEMA.names}
    seen: set[tuple[Any, ...]] = set()
    for number, line in enumerate(data.split(b"\n"), start=1):
        if not line.strip():
            continue
        try:
            row = _row(line, longest_line)
            if row[:4] in seen:
                raise _Wrong("is of a window, account and model that an earlier line has")
            seen.add(row[:4])
        except _Wrong as wrong:
            kept.reasons[str(wrong)] += 1
            if len(kept.listed) < listed:
                kept.listed.append((number, str(wrong)))
            continue
        for name, value in zip(SCHEMA.names, (number, *row), strict=True):
            columns[name].append(value)
    kept.rows = len(columns["line"])
    if kept.rows:
        kept.first = min(columns["start"])
        kept.last = max(s + n for s, n in zip(columns["start"], columns["seconds"], strict=True)) - 1
    kept.columns = ("refused",) if any(value is not None for value in columns["refused"]) else ()
    pq.write_table(pa.table(columns, schema=SCHEMA), kept.rows_path, compression="lz4")
    return kept


def _row(line: bytes, longest: int) -> tuple[Any, ...]:
    """start, seconds, account, model, calls, tokens, refused. Raises _Wrong."""
    if len(line) > longest:
        raise _Wrong(f"has more than {longest:,} bytes")
    try:
        said = json.loads(line)
    except (ValueError, RecursionError) as wrong:
        raise _Wrong("is not a JSON object") from wrong
    if not isinstance(said, dict):
        raise _Wrong("is not a JSON object")
    for name in REQUIRED:
        if said.get(name) is None:
            raise _Wrong(f"has no {name}")
    start = _start(said["window_start"])
    seconds = _whole(said, "window_seconds")
    if not 0 < seconds <= LONGEST:
        raise _Wrong(f"window_seconds is not between 1 and {LONGEST:,}")
    names = [_text(said, name) for name in ("account", "model")]
    numbers = [_whole(said, name) for name in ("calls", "input_tokens", "output_tokens")]
    refused = None if said.get("refused") is None else _whole(said, "refused")
    if refused is not None and refused > numbers[0]:
        raise _Wrong("refused is more than calls")
    return (start, seconds, *names, *numbers, refused)


def _start(value: Any) -> int:
    try:
        at = datetime.fromisoformat(value) if isinstance(value, str) else None
    except ValueError:
        at = None
    if at is None or at.tzinfo is None or not 2000 <= at.year <= 2100:
        raise _Wrong("window_start is no instant with a zone")
    return math.floor(at.timestamp())


def _whole(said: dict[str, Any], name: str) -> int:
    value = said[name]
    if isinstance(value, bool) or not isinstance(value, int) or not 0 <= value <= MOST:
        raise _Wrong(f"{name} is no whole number")
    return value


def _text(said: dict[str, Any], name: str) -> str:
    value = said[name]
    if not isinstance(value, str) or not 0 < len(value) <= TEXT or not value.isprintable():
        raise _Wrong(f"{name} is no text of 1 to {TEXT} characters")
    return value


# --- Reading ------------------------------------------------------------------------------------------------------------
def read(paths: Sequence[Path], *, since: int, until: int) -> dict[str, Any]:
    """What the windows say that end after `since` and begin before `until` (seconds since 1970, UTC), as plain JSON values:
    the same for the same rows.

    A window that was sent again counts as it was sent last: `paths` are in the order of receipt.
    """
    tables = [pq.read_table(path).to_pandas().assign(batch=place) for place, path in enumerate(paths)]
    rows = pd.concat(tables, ignore_index=True) if tables else SCHEMA.empty_table().to_pandas().assign(batch=0)
    rows = rows[(rows.start + rows.seconds > since) & (rows.start < until)]
    rows = rows.sort_values(["account", "model", "start", "seconds", "batch", "line"])
    rows = rows.drop_duplicates(["account", "model", "start", "seconds"], keep="last")
    accounts = [_account(str(name), own) for name, own in rows.groupby("account", sort=True)]
    _against_peers(accounts)
    order = sorted(accounts, key=lambda one: (-one["calls"], one["account"]))
    return {
        "method_version": METHOD,
        "rows": len(rows),
        "calls": int(rows.calls.sum()),
        "accounts": len(order),
        "volume": [{k: v for k, v in one.items() if k != "model"} for one in order[:100]],
        "not_computable": [
            {"id": one.indicator, "name": one.name, "because": BECAUSE}
            for one in MEASURES
            if one.name not in {"volume", "taken", "clock"}
        ]
        + [{"id": "I10, I11", "name": "coordinated sets", "because": BECAUSE}],
    }


def _account(name: str, rows: pd.DataFrame) -> dict[str, Any]:
    """I1 and the parts of I6 of one account. A window's calls are taken as spread evenly over its time."""
    models = rows.groupby("model").calls.sum()
    hours: dict[str, Counter[int]] = {"utc": Counter(), "london": Counter()}
    busy: set[int] = set()
    days: Counter[str] = Counter()
    for start, seconds, calls in zip(rows.start.tolist(), rows.seconds.tolist(), rows.calls.tolist(), strict=True):
        if not calls:
            continue
        for at, part in _pieces(start, seconds):
            ten = at // TEN_MINUTES
            utc, london, day = _when(ten)
            n = calls * part / seconds
            hours["utc"][utc] += n
            hours["london"][london] += n
            days[day] += n
            busy.add(ten)
    span = max(busy) - min(busy) + 1 if busy else 0
    fine = bool((rows.seconds <= TEN_MINUTES).all())
    long_enough = span >= DAYS * 144
    told: dict[str, Any] = {
        "account": name,
        "model": str(models.sort_values(ascending=False, kind="stable").index[0]),
        "calls": int(rows.calls.sum()),
        "input_tokens": int(rows.tin.sum()),
        "output_tokens": int(rows.tout.sum()),
        "busiest_day": round(max(days.values(), default=0)),
        "score": None,
        "hours_entropy": _entropy(hours["utc"]) if long_enough else None,
        "hours_entropy_london": _entropy(hours["london"]) if long_enough else None,
        # Of windows longer than ten minutes it is not known in which of them the calls were.
        "active_share": _round(len(busy) / span) if long_enough and fine else None,
    }
    return told


@lru_cache(maxsize=1 << 13)
def _when(ten: int) -> tuple[int, int, str]:
    """Of ten minutes since 1970, the hour in UTC and in London, and the day in UTC: windows share them by the thousand."""
    instant = datetime.fromtimestamp(ten * TEN_MINUTES, UTC)
    return instant.hour, instant.astimezone(LONDON).hour, f"{instant:%Y-%m-%d}"


def _pieces(start: int, seconds: int) -> Iterator[tuple[int, int]]:
    """A window cut at every ten minutes: where each piece begins, and its seconds."""
    end = start + seconds
    while start < end:
        stop = min(end, (start // TEN_MINUTES + 1) * TEN_MINUTES)
        yield start, stop - start
        start = stop


def _entropy(hours: Counter[int]) -> float:
    """-sum p ln p / ln 24: 1 is every hour of the day alike (as in `indicators.around_the_clock`)."""
    total = sum(hours.values())
    return _round(-sum(n / total * math.log(n / total) for n in hours.values() if n) / math.log(24)) if total else 0.0


def _against_peers(accounts: list[dict[str, Any]]) -> None:
    """I1: the robust z of log10(1 + calls) among the accounts of the same model, at least 20 (`measures.among_peers`)."""
    frame = pd.DataFrame({"n": [one["calls"] for one in accounts], "model": [one["model"] for one in accounts]})
    score = np.log10(1 + frame.n.astype(float))
    for one, value in zip(accounts, among_peers(score, frame.model, score, frame.model).tolist(), strict=True):
        one["score"] = None if math.isnan(value) else _round(value)


def _round(value: float) -> float:
    return float(f"{value:.6g}")


def fingerprint(report: dict[str, Any]) -> str:
    """SHA-256 of the report as JSON."""
    return hashlib.sha256(json.dumps(report, ensure_ascii=False, sort_keys=True).encode()).hexdigest()


__all__ = ["METHOD", "Windows", "fingerprint", "is_windows", "read", "take_in"]
