"""Celery for real: worker processes, the brokers of an installation, and kill -9."""

import os
import re
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from time import monotonic, sleep
from typing import Any

import psycopg
import pytest
from django.conf import settings

from config import embedded
from config.celery import HARD_SECONDS, app, transport_options
from ledger.sweep import BUDGET_SECONDS

RECEIVED = re.compile(r"Task cases\.tasks\.sweep\[([0-9a-f-]+)\] received")


@contextmanager
def celery(environment: dict[str, str], log: Path, *arguments: str) -> Iterator[subprocess.Popen[bytes]]:
    command = [sys.executable, "-m", "celery", "-A", "config", *arguments, "--loglevel", "INFO"]
    with log.open("wb") as output:
        process = subprocess.Popen(
            command,
            env=environment,
            cwd=embedded.BASE_DIR,
            stdout=output,
            stderr=output,
            start_new_session=True,
            preexec_fn=embedded.die_with_parent(signal.SIGKILL),
        )
        try:
            yield process
        finally:
            kill_group(process)


def kill_group(process: subprocess.Popen[bytes]) -> None:
    with suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()


def wait_for(found: Any, log: Path, seconds: float = 40) -> Any:
    until = monotonic() + seconds
    while monotonic() < until:
        if result := found():
            return result
        sleep(0.1)
    pytest.fail(f"Nothing after {seconds} s. The log:\n{log.read_text()}")


def sweeps_completed() -> bool:
    from ledger.models import SweepRun

    return {"cases", "notifications"} <= set(SweepRun.objects.values_list("name", flat=True))


def test_worker_on_pgmq_sweeps_at_start(process_environment: dict[str, str], broker_url: str, tmp_path: Path) -> None:
    log = tmp_path / "worker.log"
    with celery({**process_environment, "CELERY_BROKER_URL": broker_url}, log, "worker", "--concurrency", "1"):
        wait_for(sweeps_completed, log)


@pytest.mark.skipif(not shutil.which("redis-server"), reason="redis-server is not installed (Debian: redis-server)")
def test_worker_on_redis_sweeps_at_start(process_environment: dict[str, str], tmp_path: Path) -> None:
    socket, log = tmp_path / "redis.sock", tmp_path / "worker.log"
    redis = subprocess.Popen(
        ["redis-server", "--port", "0", "--unixsocket", str(socket), "--save", "", "--dir", str(tmp_path)],
        stdout=subprocess.DEVNULL,
    )
    try:
        broker = f"redis+socket://{socket}?virtual_host=0"
        with celery({**process_environment, "CELERY_BROKER_URL": broker}, log, "worker", "--concurrency", "1"):
            wait_for(sweeps_completed, log)
    finally:
        redis.terminate()
        redis.wait()


def test_task_of_a_killed_worker_is_delivered_again(
    process_environment: dict[str, str], broker_url: str, tmp_path: Path
) -> None:
    environment = {**process_environment, "CELERY_BROKER_URL": broker_url, "CANDOUR_TASK_VISIBILITY": "5"}
    first, second = tmp_path / "first.log", tmp_path / "second.log"
    with psycopg.connect(environment["DATABASE_OWNER_URL"]) as owner:
        # The sweep comes to a stand in the middle of its work.
        owner.execute("LOCK TABLE ledger_sweeprun IN ACCESS EXCLUSIVE MODE")
        with celery(environment, first, "worker", "--concurrency", "1") as worker:
            taken = wait_for(lambda: set(RECEIVED.findall(first.read_text())), first)
            kill_group(worker)
    assert not sweeps_completed()
    with celery(environment, second, "worker", "--concurrency", "1"):
        wait_for(lambda: taken & set(RECEIVED.findall(second.read_text())), second)
        wait_for(sweeps_completed, second)


def test_worker_whose_queue_is_dropped_under_a_task_stops(
    process_environment: dict[str, str], broker_url: str, tmp_path: Path
) -> None:
    """It cannot acknowledge, waits for ever for what it cannot let go, and looks well: so it stops, to be restarted."""
    environment = {**process_environment, "CELERY_BROKER_URL": broker_url, "CANDOUR_WORKER_SILENCE": "4"}
    log = tmp_path / "worker.log"
    with celery(environment, log, "worker", "--concurrency", "1") as worker:
        with psycopg.connect(environment["DATABASE_OWNER_URL"]) as owner:
            owner.execute("LOCK TABLE ledger_sweeprun IN ACCESS EXCLUSIVE MODE")
            wait_for(lambda: RECEIVED.findall(log.read_text()), log)
            sleep(6)  # a busy worker is not taken for a deaf one
            assert worker.poll() is None
            with psycopg.connect(transport_options(broker_url, 60)["conn_string"], autocommit=True) as broker:
                broker.execute("SELECT pgmq.drop_queue('candour')")
        wait_for(lambda: worker.poll() is not None, log)


@pytest.mark.slow
def test_beat_sends_what_is_due(process_environment: dict[str, str], broker_url: str, tmp_path: Path) -> None:
    """Deliveries come every 15 s; a beat that was away sends at once, and an unreadable memory is no obstacle."""
    log = tmp_path / "beat.log"
    (Path(process_environment["CANDOUR_HOME"]) / "beat-schedule").write_bytes(b"not a schedule")
    with celery({**process_environment, "CELERY_BROKER_URL": broker_url}, log, "beat", "--pidfile", ""):
        wait_for(lambda: "Sending due task deliver" in log.read_text(), log)


def test_schedule_names_tasks_that_exist() -> None:
    app.loader.import_default_modules()
    assert {entry["task"] for entry in app.conf.beat_schedule.values()} <= set(app.tasks)


def test_limits_leave_room_for_each_other() -> None:
    from cases.tasks import SWEEPS

    assert len(SWEEPS) * BUDGET_SECONDS < app.conf.task_soft_time_limit < app.conf.task_time_limit == HARD_SECONDS
    assert settings.CELERY_BROKER_TRANSPORT_OPTIONS["visibility_timeout"] > HARD_SECONDS
    for entry in app.conf.beat_schedule.values():
        assert entry["options"]["expires"] < entry["schedule"].total_seconds()
