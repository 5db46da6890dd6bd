"""Usage rows for the demonstration: invented accounts, most of them ordinary, and eight that move as one."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from datetime import datetime, timedelta
from pathlib import Path
from random import Random
from tempfile import TemporaryDirectory
from typing import Any

from django.conf import settings

from accounts.models import User
from ledger.time import now
from monitoring.actions.feeds import Received, Sent, receive_batch

ORDINARY = 120
TOGETHER = 8


def usage_rows(start: datetime, hours: int, *, seed: int = 7, together: bool = True) -> bytes:
    """JSON Lines of `hours` hours from `start` on. With `together`, eight accounts share one scheduler and its prompts."""
    chance = Random(f"{seed} {start.isoformat()} {hours}")  # noqa: S311 - the same rows whenever the story is told
    rows = [row for n in range(ORDINARY) for row in _ordinary(start, hours, n, chance)]
    if together:
        rows += _together(start, hours, chance)
    rows.sort(key=lambda row: row["ts"])
    return "".join(json.dumps(row) + "\n" for row in rows).encode()


def hashed(kind: str, what: object) -> str:
    """A stand-in for a keyed hash."""
    return hashlib.sha256(f"{kind} {what}".encode()).hexdigest()[:32]


def _row(at: datetime, account: str, chance: Random, **more: Any) -> dict[str, Any]:
    return {
        "ts": at.strftime("%Y-%m-%dT%H:%M:%S.%fZ"),
        "account": account,
        "model": "heron-2",
        "status": 200,
        "endpoint": "/v1/chat",
        "prompt_hash": f"{chance.getrandbits(128):032x}",
        "finish_reason": "stop",
        "refused": False,
        **more,
    }


def _ordinary(start: datetime, hours: int, number: int, chance: Random) -> Iterator[dict[str, Any]]:
    """Somebody's product: bursts with pauses, prompts of its own."""
    account = hashed("account", number)
    templates = [f"{chance.getrandbits(64):016x}" for _ in range(12)]
    at, end = start + timedelta(minutes=chance.uniform(0, 90)), start + timedelta(hours=hours)
    while at < end:
        for _ in range(chance.randint(1, 6)):
            yield _row(
                at,
                account,
                chance,
                key=account,
                net=hashed("net", (number, chance.randrange(2))),
                payment=hashed("payment", number),
                user_agent=f"app-{number % 9}/1.{number % 4}",
                template=chance.choice(templates),
                input_tokens=int(chance.lognormvariate(5.5, 0.8)),
                output_tokens=int(chance.lognormvariate(5, 0.9)),
                params={"max_tokens": 1024, "temperature": 0.7},
            )
            at += timedelta(seconds=chance.lognormvariate(2.5, 1.0))
        at += timedelta(minutes=chance.lognormvariate(3.2, 1.0))


def _together(start: datetime, hours: int, chance: Random) -> Iterator[dict[str, Any]]:
    """One scheduler that deals its questions to eight accounts in turn, day and night."""
    templates = [f"{0x15919CA571F37D0E ^ (1 << n):016x}" for n in range(3)]
    at, end, turn = start, start + timedelta(hours=hours), 0
    while at < end:
        number = turn % TOGETHER
        yield _row(
            at,
            hashed("account", f"together {number}"),
            chance,
            key=hashed("key", f"together {number}"),
            net=hashed("net", f"together {number % 2}"),
            payment=hashed("payment", f"together {number % 3}"),
            user_agent="harvest-client/0.3",
            template=chance.choice(templates),
            input_tokens=180 + chance.randrange(6),
            output_tokens=900 + chance.randrange(100),
            params={"max_tokens": 1000, "temperature": 1.0, "logprobs": True},
        )
        turn += 1
        at += timedelta(seconds=9 + chance.random())


def send(by: User, body: bytes, name: str) -> Received:
    """One batch to the feed `main`, by the action that the API calls."""
    with TemporaryDirectory(dir=settings.FILE_UPLOAD_TEMP_DIR) as folder:
        path = Path(folder) / "rows.jsonl"
        path.write_bytes(body)
        sent = Sent(path, hashlib.sha256(body).hexdigest(), len(body))
        return receive_batch(sent, by=by, feed="main", batch_id=name, received_at=now())
