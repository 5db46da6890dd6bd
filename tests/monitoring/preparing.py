"""A provider's log in tests, as it is before the reference script and after it."""

import csv
import gzip
import io
import json
from pathlib import Path
from typing import Any

import pytest

from monitoring import prepare, schema

KEY = bytes(range(32))
ROW: dict[str, Any] = {
    "timestamp": "2026-01-05T10:00:00.5+01:00",
    "account_id": "acct-canary-1",
    "model": "m-large",
    "gen_ai.usage.input_tokens": 120,
    "completion_tokens": "48",
    "status": 200,
    "api_key": "sk-canary-2",
    "ip": "203.0.113.77",
    "path": "/v1/chat?token=canary-3",
    "prompt": "Translate 'canary four' into French, canary five times 12",
    "user_agent": "python-requests/2.32.3",
    "payment_method": "card canary-6",
    "refused": "false",
    "finish_reasons": ["stop"],
    "params": {"max_tokens": 64, "logit_bias": {"50256": -100}, "user": "canary-7"},
    "session_id": "conversation-canary-8",
    "comment": "canary-9",
}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "key").write_bytes(KEY)
    (tmp_path / "key").chmod(0o600)
    return tmp_path


def run(folder: Path, rows: list[Any], *options: str, name: str = "log.jsonl", out: str = "out.jsonl.gz") -> int:
    """Write the rows as the provider's log (texts as they are) and prepare it."""
    lines = [row if isinstance(row, str) else json.dumps(row) for row in rows]
    (folder / name).write_text("\n".join(lines) + "\n", errors="surrogateescape")
    return prepare.main([str(folder / name), str(folder / out), "--key-file", str(folder / "key"), "--force", *options])


def result(folder: Path, out: str = "out.jsonl.gz") -> tuple[dict[str, Any], list[dict[str, Any]]]:
    """Header and rows."""
    path = folder / out
    text = (gzip.decompress(path.read_bytes()) if path.suffix == ".gz" else path.read_bytes()).decode()
    head, rest = text.split("\n", 1)
    header = json.loads(head.removeprefix("# "))[schema.HEADER_KEY]
    if ".csv" in path.suffixes:
        return header, list(csv.DictReader(io.StringIO(rest)))
    return header, [json.loads(line) for line in rest.splitlines()]


def as_csv(rows: list[dict[str, Any]]) -> list[str]:
    text = io.StringIO()
    writer = csv.DictWriter(text, list(rows[0]), lineterminator="\n")
    writer.writeheader()
    writer.writerows({k: json.dumps(v) if isinstance(v, dict | list) else v for k, v in row.items()} for row in rows)
    return text.getvalue().splitlines()
