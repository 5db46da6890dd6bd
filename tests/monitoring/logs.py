"""Usage logs for tests: ordinary accounts, and a sweep among them; and their analyses."""

from __future__ import annotations

import csv
import hashlib
import io
import json
import tempfile
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np

from accounts.models import User
from evidence.models import EvidenceItem
from monitoring.actions.analysis import begin, finish, request_analysis
from monitoring.intake import take_in
from monitoring.matching import Permit
from monitoring.matching import written as as_json
from monitoring.models import Analysis
from monitoring.reading import METHOD, Options, read, written

START = datetime(2026, 3, 2, tzinfo=UTC)
Row = dict[str, Any]


def ordinary(accounts: int, *, days: int = 5, seed: int = 1, each: int = 60) -> list[Row]:
    """Accounts that call irregularly in working hours, each with prompts, a network and a payment of its own."""
    draw = np.random.default_rng(seed)
    rows = []
    for account in range(accounts):
        busy = int(each * draw.lognormal(0, 0.8)) + 5
        for _ in range(busy):
            hour = float(np.clip(draw.normal(13, 4), 0, 23.9))
            at = START + timedelta(days=int(draw.integers(days)), hours=hour, seconds=float(draw.uniform(0, 90)))
            prompt = int(draw.integers(1, busy))
            rows.append(_row(f"acc-{account:04}", at, draw, prompt=f"{account}-{prompt}", net=f"n{account}"))
    return rows


def swept(account: str, calls: int, *, seed: int = 2, seconds: float = 60.0) -> list[Row]:
    """One account that goes through a template, minute by minute, and wants long answers."""
    draw = np.random.default_rng(seed)
    rows = []
    for call in range(calls):
        at = START + timedelta(seconds=seconds * call + float(draw.uniform(0, 5)))
        row = _row(account, at, draw, prompt=f"{account}-{call}", net="sweep")
        rows.append({**row, "output_tokens": 1500, "input_tokens": 200, "template": "00000000000000ff"})
    return rows


def _row(account: str, at: datetime, draw: Any, *, prompt: str, net: str) -> Row:
    return {
        "ts": at.isoformat(timespec="milliseconds"),
        "account": account,
        "model": "owl-2",
        "input_tokens": int(draw.integers(200, 4000)),
        "output_tokens": int(draw.integers(20, 600)),
        "status": 200,
        "net": net,
        "payment": f"pay-{account}",
        "prompt_hash": hashlib.sha256(prompt.encode()).hexdigest()[:32],
        "template": f"{int(draw.integers(1 << 62)):016x}",
        "refused": False,
    }


def lines(rows: list[Row]) -> bytes:
    """As JSON Lines."""
    return b"".join(json.dumps(row).encode() + b"\n" for row in rows)


def as_csv(rows: list[Row]) -> bytes:
    """As a table with commas, with the columns of the first row."""
    out = io.StringIO()
    table = csv.DictWriter(out, list(rows[0]), lineterminator="\n")
    table.writeheader()
    table.writerows(rows)
    return out.getvalue().encode()


def report_of(content: bytes, options: Options | None = None) -> dict[str, Any]:
    """The report of a file with this content."""
    with tempfile.TemporaryDirectory() as name:
        path = Path(name) / "log"
        path.write_bytes(content)
        return read(take_in(path, Path(name) / "kept"), options or Options())


def _sha256(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


def analysed(item: EvidenceItem, *, by: User) -> Analysis:
    """An analysis of an item that is done. What was read is a log of a few accounts, not the item's file."""
    analysis = begin(request_analysis(item.pk, by=by).pk)
    assert analysis is not None
    said = as_json([Permit("P-2026-000001 (version 1)", frozenset({"acc-sweep"}), 0, 1)])
    told = Options(permits=[Permit.read(one) for one in json.loads(said)], permits_sha256=_sha256(said))
    text = written(report_of(lines(ordinary(4) + swept("acc-sweep", 300)), told)).decode()
    kept = {"written": text, "sha256": _sha256(text), "method_version": METHOD, "authorisations": said}
    done = finish(analysis.pk, attempt=1, **kept)
    assert done is not None
    return done


BASES = (0x1234567890ABCDEF, 0xF0E1D2C3B4A59687, 0x0A1B2C3D4E5F6071, 0xFFFFFFFF00000001)


def jumbled(seed: int, *, accounts: int = 8, heads: int = 5, calls: int = 1500, days: int = 14) -> list[Row]:
    """A log with something for every indicator: accounts of many habits, a set with one template and one network, a model
    that is new on the fifth day, and rows that lack what they may lack. London changes its clocks within it.

    Every template is one of BASES with at most two bits of its own turned, so that its cluster is known beforehand.
    """
    draw = np.random.default_rng(seed)
    begin = datetime(2026, 3, 20, tzinfo=UTC)
    rows: list[Row] = []
    for number in range(accounts + heads):
        head = number >= accounts
        count = calls // 4 if head else int(calls * draw.uniform(0.6, 1.6))
        mood = draw.uniform(0, 24)
        for call in range(count):
            day = float(draw.uniform(0, days))
            hour = (mood + draw.normal(0, 3 + number)) % 24
            at = begin + timedelta(milliseconds=int((int(day) + hour / 24) * 86_400_000))
            base = 0 if head or draw.uniform() < number / accounts else int(draw.integers(1, len(BASES)))
            template = BASES[base] ^ (1 << int(draw.integers(0, 32))) ^ (1 << int(draw.integers(32, 64)))
            fresh = f"{number}-{call}" if head or number % 2 else f"{number}-{int(draw.integers(call + 1))}"
            row: Row = {
                "ts": at.isoformat(timespec="milliseconds"),
                "account": f"{'head' if head else 'acc'}-{number:02}",
                "model": "owl-3" if day > 4 and draw.uniform() < 0.3 + number / 40 else "owl-2",
                "input_tokens": int(draw.lognormal(6, 1)),
                "output_tokens": int(draw.lognormal(5 if day < days / 2 else 5.5, 1)),
                "status": int(draw.choice([200, 200, 200, 200, 400, 429])),
                "net": "pool" if head else f"n{number}",
                "payment": f"pay-{number // 3 if head else -number}",
                "key": f"key-{number}",
                "user_agent": "client/1" if number % 3 else "client/2",
                "prompt_hash": hashlib.sha256(fresh.encode()).hexdigest()[:32],
                "template": f"{template:016x}",
                "endpoint": str(draw.choice(["/chat", "/embed"])),
                "refused": bool(draw.uniform() < 0.2),
                "finish_reason": str(draw.choice(["stop", "length"])),
                "prefix_hash": f"prefix-{number}-{int(draw.integers(1 + call // 2 + 1))}",
                "session": f"s-{number}-{int(draw.integers(count // 2 + 1))}",
            }
            if draw.uniform() < 0.5:
                row["params"] = {
                    "logprobs": bool(draw.uniform() < 0.5),
                    "logit_bias": {"7": 1} if draw.uniform() < 0.5 else {},
                    "max_tokens": int(draw.integers(0, 4)),
                    "temperature": float(draw.choice([0, 0.7])),
                    "n": int(draw.integers(1, 3)),
                }
            for name in ("template", "prompt_hash", "session", "prefix_hash", "refused", "finish_reason", "endpoint"):
                if draw.uniform() < 0.05:
                    del row[name]
            rows.append(row)
    return rows
