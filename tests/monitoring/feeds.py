"""A provider's feed in tests: who sends and who reads, rows, and what came of them."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from django.test import Client as Browser

from accounts.actions import make_client
from accounts.models import User
from accounts.rules import SCOPES_OF_KIND
from config.usage_story import usage_rows
from ledger.time import now, standing_at
from monitoring import tasks
from monitoring.actions import feeds
from monitoring.actions.feeds import Sent
from monitoring.models import Batch
from tests import cast
from tests.accounts.test_clients import bearer

URL = "/api/v1/usage/batches/"
NDJSON = "application/x-ndjson"
AT = datetime(2026, 11, 20, 12, 0, tzinfo=UTC)
ROW = {
    "ts": "2026-11-20T10:00:00.5Z",
    "account": "a1",
    "model": "m",
    "input_tokens": 10,
    "output_tokens": 5,
    "status": 200,
    "prompt_hash": "p",
}


@pytest.fixture
def provider(settings: Any, storage: Path) -> User:
    settings.SECOND_FACTOR_REQUIRED = False
    return cast.person(cast.organisation("Kestrel Ltd"), "company_admin")


@pytest.fixture
def caseworker(provider: User) -> User:
    return cast.person(cast.organisation("Ministry of Tests", kind="ministry"), "caseworker")


@pytest.fixture
def then() -> Iterator[datetime]:
    with standing_at(AT):
        yield AT


def lines(count: int, **more: Any) -> bytes:
    """So many different rows."""
    rows = [{**ROW, "prompt_hash": f"p{n}", **more} for n in range(count)]
    return "".join(json.dumps(row) + "\n" for row in rows).encode()


def program(who: User, by: User | None = None) -> Browser:
    scopes = SCOPES_OF_KIND[who.organisation.kind]
    made: Browser = bearer(*make_client(who.organisation_id, by=by or who, name="P", scopes=scopes))
    return made


def post(client: Browser, body: bytes, query: str = "", **headers: str) -> Any:
    return client.post(f"{URL}{query}", body, NDJSON, headers=headers or None)


def sent(folder: Path, body: bytes, name: str = "rows.jsonl") -> Sent:
    path = folder / name
    path.write_bytes(body)
    return Sent(path, hashlib.sha256(body).hexdigest(), len(body))


def files(storage: Path) -> list[Path]:
    return sorted(path for path in storage.rglob("*.parquet"))


def received(provider: User, folder: Path, body: bytes, batch_id: str = "") -> Batch:
    return feeds.receive_batch(sent(folder, body), by=provider, feed="main", batch_id=batch_id, received_at=now()).batch


def watched(provider: User, folder: Path, at: datetime, *, hours: int = 4) -> dict[str, Any]:
    """What came in the hours before `at`, looked at."""
    received(provider, folder, usage_rows(at - timedelta(hours=hours), hours))
    return tasks.watch_all()
