"""The sandbox: a place marked as one, with a clock that goes forward; and the first program, run as it is printed."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
import urllib.error
import urllib.request
from datetime import timedelta
from pathlib import Path

import pytest
from django.conf import settings
from django.urls import NoReverseMatch, reverse

from config import embedded
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
