"""The sandbox: a place marked as one, with a clock that goes forward; and the first program, run as it is printed."""

from __future__ import annotations

import gzip
import json
import os
import re
import shutil
import subprocess
import sys
import threading
import urllib.error
import urllib.request
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest
from django.conf import settings
from django.urls import NoReverseMatch, reverse

from config import embedded
from disclosures.examples import EXAMPLES
from ledger import time
from ledger.sandbox import Ahead
from ledger.time import now, run_ahead
from tests.config.test_supervisor import port, supervisor, until_it_answers

__all__ = ["port"]


def test_outside_the_sandbox_there_is_no_clock() -> None:
    assert settings.SANDBOX is False
    with pytest.raises(NoReverseMatch):
        reverse("api_sandbox_clock")
    assert time._ahead is None


def test_clock_goes_forward_for_every_process_and_never_back(tmp_path: Path) -> None:
    one, other = Ahead(tmp_path / "clock"), Ahead(tmp_path / "clock")
    assert one() == timedelta(0)
    one.forward(timedelta(days=14))
    assert other() == timedelta(days=14)
    other.forward(timedelta(hours=1))
    assert one() == timedelta(days=14, hours=1)
    with pytest.raises(ValueError, match="never moved back"):
        one.forward(timedelta(seconds=-1))


def test_everybody_asks_the_one_clock(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(time, "_ahead", None)
    before = now()
    ahead = Ahead(tmp_path / "clock")
    run_ahead(ahead)
    ahead.forward(timedelta(days=14))
    assert timedelta(days=14) <= now() - before < timedelta(days=14, minutes=1)


@pytest.mark.slow
def test_first_program_runs_as_it_is_printed(home: Path, clean_environment: dict[str, str], port: int) -> None:
    environment = {**clean_environment, "CANDOUR_SANDBOX": "1"}
    output = home.parent / "output"
    with supervisor(environment, port, output) as process:
        until_it_answers(process, output)
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/", timeout=30) as page:
            assert page.headers["Candour-Sandbox"] == "true"
            assert "This is the sandbox." in page.read().decode()
        with pytest.raises(urllib.error.HTTPError) as refused:
            urllib.request.urlopen(f"http://127.0.0.1:{port}/api/v1/sandbox/clock/", timeout=30)
        with refused.value as answer:
            assert (answer.code, answer.headers["Candour-Sandbox"]) == (401, "true")
        program = shutil.copy(embedded.BASE_DIR / "docs" / "first_filing.py", home.parent / "first.py")
        ran = subprocess.run(
            [sys.executable, program, str(home / "demo.json")], capture_output=True, text=True, timeout=120, check=False
        )
        assert ran.returncode == 0, ran.stderr + output.read_text()[-3000:]
        lines = ran.stdout.splitlines()
        assert lines[0].startswith("filed D-")
        assert "submitted" in lines[0]
        assert lines[2].endswith("answered")
        assert "is referred, referred at" in lines[-1]
        story = json.loads((home / "demo.json").read_text())
        assert {c["organisation"] for c in story["clients"]} >= {"Harrier Analytics plc", "Open Markets Authority"}
        base = f"http://127.0.0.1:{port}"
        company = next(c for c in story["clients"] if c["organisation"] == "Harrier Analytics plc")
        _two_hundred_at_once(base, company)
        _printed_commands(base, company, home.parent)


def _two_hundred_at_once(base: str, company: dict[str, Any]) -> None:
    """Two hundred identical requests under one key, all in flight at once: one record, and every answer the same."""
    auth = (company["client_id"], company["client_secret"])
    token = httpx.post(f"{base}/api/v1/token/", data={"grant_type": "client_credentials"}, auth=auth).json()
    headers = {"Authorization": f"Bearer {token['access_token']}", "Idempotency-Key": "two-hundred"}
    body = {"content": {**EXAMPLES["disclosure"], "filer_reference": "TWO-HUNDRED"}}
    ready = threading.Barrier(200)

    def send(_: int) -> tuple[int, bytes]:
        ready.wait(60)
        for _again in range(20):  # 409: the first one is still being worked on; try again
            answer = httpx.post(f"{base}/api/v1/disclosures/", json=body, headers=headers, timeout=120)
            if answer.status_code != 409:
                break
        return answer.status_code, answer.content

    with ThreadPoolExecutor(200) as pool:
        answers = set(pool.map(send, range(200)))
    assert len(answers) == 1
    assert {status for status, _ in answers} == {201}
    found = httpx.get(f"{base}/api/v1/disclosures/", headers=headers).json()["results"]
    assert sum(one["filer_reference"] == "TWO-HUNDRED" for one in found) == 1


def _printed_commands(base: str, company: dict[str, Any], folder: Path) -> None:
    """Every curl line of docs/api.md, as it is printed but for the names in capitals and the port."""
    curl = shutil.which("curl")
    text = (embedded.BASE_DIR / "docs" / "api.md").read_text()
    commands = [block.strip() for block in re.findall(r"```\n(curl .*?)```", text, re.DOTALL)]
    assert len(commands) >= 3
    assert curl or not os.environ.get("CI"), "the printed commands need curl: make test as root installs it"
    if curl is None:
        pytest.skip("curl is not on this machine: all but the printed commands was tried")
    row = {"account": "a1", "model": "owl-2", "input_tokens": 9, "output_tokens": 9, "status": 200}
    lines = "".join(json.dumps({**row, "ts": f"2026-11-23T10:00:{n:02}Z"}) + "\n" for n in range(60))
    (folder / "rows.jsonl.gz").write_bytes(gzip.compress(lines.encode()))
    token = ""
    for command in commands:
        filled = command.replace("CLIENT_ID:CLIENT_SECRET", f"{company['client_id']}:{company['client_secret']}")
        filled = filled.replace("http://localhost:8001", base).replace("TOKEN", token)
        ran = subprocess.run(
            ["bash", "-c", f"{filled} -sS --fail-with-body"], capture_output=True, cwd=folder, timeout=60, check=False
        )
        assert ran.returncode == 0, (command, ran.stdout, ran.stderr)
        token = json.loads(ran.stdout).get("access_token", token)
