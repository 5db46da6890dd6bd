"""`make demo` from start to end: what it writes, what it prints, and that no process stays."""

import json
import os
import signal
import socket
import subprocess
import sys
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from time import monotonic, sleep

import psutil
import pytest

from config import embedded

ROLES = {"company_officer", "company_admin", "caseworker", "supervisor", "authority_officer", "auditor"}


@pytest.fixture
def port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        number: int = probe.getsockname()[1]
        return number


@contextmanager
def supervisor(environment: dict[str, str], port: int, output: Path) -> Iterator[subprocess.Popen[bytes]]:
    with output.open("wb") as file:
        process = subprocess.Popen(
            [sys.executable, "-m", "config.supervisor"],
            env={**environment, "PORT": str(port)},
            cwd=embedded.BASE_DIR,
            stdout=file,
            stderr=file,
            start_new_session=True,
        )
        try:
            yield process
        finally:
            if process.poll() is None:
                process.terminate()
            process.wait(60)


def until_it_answers(process: subprocess.Popen[bytes], output: Path, seconds: float = 240) -> list[psutil.Process]:
    """Wait for the welcome; returns every process that the supervisor has under it."""
    until = monotonic() + seconds
    while "Ctrl-C stops everything." not in output.read_text():
        assert process.poll() is None, output.read_text()
        assert monotonic() < until, output.read_text()
        sleep(0.1)
    return psutil.Process(process.pid).children(recursive=True)


def still_alive(processes: list[psutil.Process], seconds: float) -> list[str]:
    _, alive = psutil.wait_procs(processes, timeout=seconds)
    return [f"{process.pid} {' '.join(process.cmdline())}" for process in alive]


@pytest.mark.slow
def test_demo_runs_and_leaves_nothing_behind(home: Path, clean_environment: dict[str, str], port: int) -> None:
    output = home.parent / "output"
    with supervisor(clean_environment, port, output) as process:
        children = until_it_answers(process, output)
        story = json.loads((home / "demo.json").read_text())
        assert story["url"] == f"http://localhost:{port}"
        assert {person["role"] for person in story["people"]} >= ROLES
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/", timeout=30) as answer:
            assert answer.status == 200
        assert {"postgres", "python"} <= {child.name().rstrip("0123456789.") for child in children}
        second = subprocess.run(
            [sys.executable, "-m", "config.supervisor"],
            env={**clean_environment, "PORT": str(port + 1)},
            cwd=embedded.BASE_DIR,
            capture_output=True,
            text=True,
            timeout=60,
        )
        assert (second.returncode, "already runs" in second.stderr) == (1, True)
        process.send_signal(signal.SIGTERM)
        assert process.wait(60) == 0
    assert still_alive(children, 0) == []
    assert "Everything has stopped." in output.read_text()

    # The second start goes on with the same data.
    people = story["people"]
    with supervisor(clean_environment, port + 2, output) as process:
        children = until_it_answers(process, output)
        story = json.loads((home / "demo.json").read_text())
        assert story["url"] == f"http://localhost:{port + 2}"
        assert story["people"] == people
        worker = next(child for child in children if "worker" in child.cmdline())
        worker.kill()
        until = monotonic() + 30
        while "worker starts again" not in output.read_text():
            assert monotonic() < until, output.read_text()
            sleep(0.1)
        children = psutil.Process(process.pid).children(recursive=True)
        process.kill()
        process.wait()
        if sys.platform.startswith("linux"):
            assert still_alive(children, 40) == []


def test_busy_port_is_told_before_anything_starts(home: Path, clean_environment: dict[str, str]) -> None:
    with socket.create_server(("127.0.0.1", 0)) as busy:
        number = busy.getsockname()[1]
        done = subprocess.run(
            [sys.executable, "-m", "config.supervisor"],
            env={**clean_environment, "PORT": str(number)},
            cwd=embedded.BASE_DIR,
            capture_output=True,
            text=True,
            timeout=60,
        )
    assert done.returncode == 1
    assert f"Port {number} of 127.0.0.1 is in use" in done.stderr
    assert not (home / "postgres").exists()


@pytest.mark.parametrize(
    ("changes", "says"),
    [({"PORT": "http"}, "number from 1 to 65535"), ({"CANDOUR_MODE": "production"}, "demonstration only")],
)
def test_absurd_order_is_refused(clean_environment: dict[str, str], changes: dict[str, str], says: str) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "config.supervisor"],
        env={**clean_environment, **changes},
        cwd=embedded.BASE_DIR,
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert (done.returncode, says in done.stderr) == (1, True)


def test_failed_step_stops_the_server_and_shows_why(home: Path, clean_environment: dict[str, str], port: int) -> None:
    broken = {**clean_environment, "PORT": str(port), "CELERY_BROKER_URL": "carrier-pigeon://loft"}
    done = subprocess.run(
        [sys.executable, "-m", "config.supervisor"],
        env=broken,
        cwd=embedded.BASE_DIR,
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert done.returncode == 1
    assert "carrier-pigeon" in done.stderr
    assert "manage.py migrate failed" in done.stderr
    assert embedded.Server(home).process is None


def test_last_line_of_the_recipe_is_one_plain_command() -> None:
    """Only then does make hand SIGTERM on."""
    clean = {name: value for name, value in os.environ.items() if not name.startswith("MAKE")}
    done = subprocess.run(
        ["make", "-n", "demo"], env=clean, cwd=embedded.BASE_DIR, capture_output=True, text=True, check=True
    )
    assert done.stdout.splitlines()[-1] == ".venv/bin/python -m config.supervisor"
