"""Real workers and beats in process groups of their own, what their backends are doing, and kill -9."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from time import monotonic, sleep
from typing import Any

import psycopg
import pytest
from celery import Celery

from config import embedded
from config.celery import transport_options

# Beat as it is, but for the interval: a minute is long for a test.
QUICK_BEAT = """
import sys
from datetime import timedelta
from config.celery import app
app.conf.beat_schedule = {"sweep": {**app.conf.beat_schedule["sweep"], "schedule": timedelta(seconds=0.5)}}
app.start(sys.argv[1:])
"""


@contextmanager
def worker(environment: dict[str, str], log: Path, *, name: str, concurrency: int = 2) -> Iterator[Any]:
    """A Celery worker as in an installation; its backends call themselves `name`."""
    arguments = ["-m", "celery", "-A", "config", "worker", "--concurrency", str(concurrency), "--loglevel", "INFO"]
    with _started({**environment, "PGAPPNAME": name}, log, *arguments) as process:
        yield process


@contextmanager
def beat(environment: dict[str, str], log: Path) -> Iterator[Any]:
    """A beat that sends the sweep every half second."""
    arguments = ["beat", "--loglevel", "INFO", "--pidfile", "", "--schedule", str(log.with_suffix(".schedule"))]
    with _started(environment, log, "-c", QUICK_BEAT, *arguments) as process:
        yield process


@contextmanager
def _started(environment: dict[str, str], log: Path, *arguments: str) -> Iterator[subprocess.Popen[bytes]]:
    with log.open("ab") as output:
        process = subprocess.Popen(
            [sys.executable, *arguments],
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
    """SIGKILL to the group that we started, and nobody else."""
    with suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()


def sender(url: str, visibility_seconds: int = 5) -> Celery:
    """Sends tasks to a broker as beat does."""
    app = Celery("sender", broker=url, set_as_current=False)
    app.conf.update(
        broker_transport_options=transport_options(url, visibility_seconds),
        task_default_queue="candour",
        task_ignore_result=True,
    )
    return app


def wait_for(found: Callable[[], Any], log: Path | None = None, seconds: float = 40) -> Any:
    """What `found` answers once it answers something; fails the test after `seconds`, with the log."""
    until = monotonic() + seconds
    while monotonic() < until:
        if result := found():
            return result
        sleep(0.05)
    return pytest.fail(f"Nothing after {seconds} s.\n{log.read_text()[-4000:] if log else ''}")


class Watcher:
    """Looks, as superuser, at what the backends of a worker are in the middle of."""

    def __init__(self) -> None:
        dsn = embedded.Server(Path(os.environ["CANDOUR_TEST_SERVER"])).superuser_dsn(_database())
        self.connection: psycopg.Connection[Any] = psycopg.connect(dsn, autocommit=True)

    def escalating(self, name: str, *, referring: bool = False) -> list[int]:
        """Transactions of `name` that are open, have written and hold a case (`referring`: have written a referral)."""
        held = ("cases_referral", "RowExclusiveLock") if referring else ("cases_case", "RowShareLock")
        rows = self.connection.execute(_ESCALATING, [name, *held], prepare=True).fetchall()
        return [row[0] for row in rows]

    def aborted(self, xids: list[int]) -> int:
        """How many of these transactions came to nothing: those the kill cut off."""
        query = "SELECT count(*) FROM unnest(%s::text[]) x WHERE pg_xact_status(x::xid8) = 'aborted'"
        row = self.connection.execute(query, [[str(x) for x in xids]]).fetchone()
        return int(row[0]) if row else 0

    def backends(self, name: str) -> int:
        """How many backends of `name` there are; those of a killed process are gone a moment later."""
        row = self.connection.execute(
            "SELECT count(*) FROM pg_stat_activity WHERE application_name = %s", [name]
        ).fetchone()
        return int(row[0]) if row else 0

    def close(self) -> None:
        self.connection.close()


_ESCALATING = """
SELECT a.backend_xid::text::bigint FROM pg_stat_activity a
WHERE a.application_name = %s AND a.backend_xid IS NOT NULL AND a.datname = current_database()
  AND EXISTS (SELECT FROM pg_locks l WHERE l.pid = a.pid AND l.relation = to_regclass(%s)
                                       AND l.mode = %s)
"""


def _database() -> str:
    return os.environ["DATABASE_OWNER_URL"].rpartition("/")[2].partition("?")[0]
