"""Usage rows a second through the endpoint under gunicorn with two workers, beside a COPY of the same rows."""

from __future__ import annotations

import io
import json
import os
import time
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from random import Random
from typing import Any

import httpx
import psycopg

from bench.api import _Program, server
from bench.measure import say

ROWS = 100_000
COLUMNS = ("ts", "account", "model", "input_tokens", "output_tokens", "status", "key", "net", "endpoint", "prompt_hash")
COLUMNS += ("template", "user_agent", "payment", "refused", "finish_reason", "params", "session")
TYPES = {
    "ts": "timestamptz",
    "input_tokens": "integer",
    "output_tokens": "integer",
    "status": "smallint",
    "refused": "boolean",
    "params": "jsonb",
}


def run(batches: int) -> None:
    """Turn by turn, so that a slower moment of the machine is everybody's."""
    say(f"--- {batches} batches of {ROWS:,} rows each")
    bodies = [_rows(number) for number in range(batches)]
    lines = [_copied(rows) for rows in bodies]
    sent = ["".join(json.dumps(row) + "\n" for row in rows).encode() for rows in bodies]
    size = sum(map(len, sent)) / batches / ROWS
    with server() as url, psycopg.connect(os.environ["DATABASE_OWNER_URL"], autocommit=True) as owner:
        kinds = ", ".join(f"{name} {TYPES.get(name, 'text')}" for name in COLUMNS)
        owner.execute(f"CREATE TABLE bench_usage ({kinds})".encode())
        api = _Program().sign_in(url)
        _send(api, sent[0], "warm")
        ours, theirs = 0.0, 0.0
        half = max(2, batches // 4)
        for start in range(0, batches, half):
            some = range(start, min(start + half, batches))
            ours += _timed_posts(api, [(sent[n], f"bench-{n}") for n in some])
            theirs += _timed_copies(owner, [lines[n] for n in some])
    mine, copy = batches * ROWS / ours, batches * ROWS / theirs
    say(f"usage rows ({size:.0f} bytes each), two senders: {mine:,.0f}/s; COPY of the same rows: {copy:,.0f}/s")
    say(f"usage rows beside COPY: {mine / copy:.2f} (target: at least 50,000/s on two processors)")


def _timed_posts(api: httpx.Client, batches: list[tuple[bytes, str]]) -> float:
    started = time.perf_counter()
    with ThreadPoolExecutor(2) as pool:
        list(pool.map(lambda one: _send(api, *one), batches))
    return time.perf_counter() - started


def _send(api: httpx.Client, body: bytes, name: str) -> None:
    answer = api.post(
        "/api/v1/usage/batches/",
        params={"batch_id": name},
        content=body,
        # While the other one has its turn, gunicorn closes idle connections: each batch has its own.
        headers={"Content-Type": "application/x-ndjson", "Connection": "close"},
    )
    if answer.status_code != 202 or answer.json()["rows"] != ROWS:
        raise SystemExit(f"{answer.status_code}: {answer.text[:300]}")


def _timed_copies(owner: psycopg.Connection[Any], texts: list[str]) -> float:
    """COPY as PostgreSQL takes it, committed batch by batch, by one connection."""
    started = time.perf_counter()
    for text in texts:
        with owner.cursor().copy(b"COPY bench_usage FROM STDIN") as copy:
            copy.write(text)
    return time.perf_counter() - started


def _copied(rows: list[dict[str, Any]]) -> str:
    out = io.StringIO()
    for row in rows:
        values = [row[name] if name != "params" else json.dumps(row[name]) for name in COLUMNS]
        out.write("\t".join(str(value) for value in values) + "\n")
    return out.getvalue()


def _rows(number: int) -> list[dict[str, Any]]:
    chance = Random(number)
    accounts = [f"{chance.getrandbits(128):032x}" for _ in range(2000)]
    templates = [f"{chance.getrandbits(64):016x}" for _ in range(5000)]
    start = datetime(2026, 11, 20, tzinfo=UTC) + timedelta(minutes=number)
    rows = []
    for n in range(ROWS):
        who = chance.randrange(2000)
        rows.append(
            {
                "ts": (start + timedelta(microseconds=600 * n)).strftime("%Y-%m-%dT%H:%M:%S.%fZ"),
                "account": accounts[who],
                "model": f"m-{who % 3}",
                "input_tokens": chance.randrange(4000),
                "output_tokens": chance.randrange(1000),
                "status": 200 if chance.random() < 0.99 else 429,
                "key": accounts[(who * 7) % 2000],
                "net": accounts[(who * 11) % 2000],
                "endpoint": "chat",
                "prompt_hash": f"{chance.getrandbits(128):032x}",
                "template": chance.choice(templates),
                "user_agent": f"python-requests/2.{who % 30}",
                "payment": accounts[(who * 13) % 2000],
                "refused": False,
                "finish_reason": "stop",
                "params": {"max_tokens": 512, "temperature": 0.7},
                "session": accounts[chance.randrange(2000)],
            }
        )
    return rows
