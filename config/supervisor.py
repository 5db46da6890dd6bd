"""`make demo`: PostgreSQL, the web server, the Celery worker and beat under one process that starts and stops them all.

Reads PORT (8000; only 127.0.0.1 is bound) and CANDOUR_HOME (`var/`). With DATABASE_URL set it uses that server and
starts none. SIGTERM, SIGINT and SIGHUP stop everything; a second signal does so at once. After kill -9 of this process
the kernel stops the children (Linux), and the next start copes with whatever was left.
"""

import fcntl
import json
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from threading import Event
from time import monotonic
from types import FrameType
from zoneinfo import ZoneInfo

from config import embedded

MANAGE = [sys.executable, str(embedded.BASE_DIR / "manage.py")]
STOP_SECONDS = 15  # a worker finishes its task; what is cut off is delivered again
STEADY_SECONDS = 60  # who has run so long is restarted without delay
LONGEST_PAUSE = 30


class Stopped(Exception):
    """A signal came while things were being set up."""


@dataclass
class Child:
    """A process that is to run all the time."""

    name: str
    command: list[str]
    environment: dict[str, str]
    process: subprocess.Popen[bytes] | None = None
    started: float = 0.0
    again_at: float = 0.0
    pause: float = 0.0

    def start(self, home: Path) -> None:
        log = embedded.open_log(home, self.name)
        try:
            self.process = subprocess.Popen(
                self.command,
                cwd=embedded.BASE_DIR,
                env=self.environment,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,  # Ctrl-C reaches the supervisor alone; a group can be killed whole
                preexec_fn=embedded.die_with_parent(signal.SIGTERM),
            )
        finally:
            os.close(log)
        self.started = monotonic()

    def died(self) -> bool:
        return self.process is not None and self.process.poll() is not None

    def signal(self, number: signal.Signals, *, group: bool = False) -> None:
        if self.process is not None:
            with suppress(ProcessLookupError, PermissionError):
                if group:
                    os.killpg(self.process.pid, number)
                elif self.process.poll() is None:
                    self.process.send_signal(number)


class Supervisor:
    def __init__(self, home: Path, port: int) -> None:
        self.home = home
        self.port = port
        self.url = f"http://localhost:{port}"
        self.server: embedded.Server | None = None
        self.children: list[Child] = []
        self.signals = 0
        self.wake = Event()

    def run(self) -> int:
        for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
            signal.signal(number, self._on_signal)
        os.umask(0o077)
        embedded.prepare_home(self.home)
        lock = embedded.open_lock(self.home / ".lock-supervisor")
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return _refuse(f"Candour already runs on {self.home}. Stop it, or set CANDOUR_HOME to another folder.")
        if not _port_is_free(self.port):
            return _refuse(f"Port {self.port} of 127.0.0.1 is in use. Choose another: make demo PORT={self.port + 1}")
        try:
            environment = self._set_up()
            self._start_children(environment)
            self._watch()
            return 0
        except Stopped:
            return 0
        except embedded.EmbeddedError as error:
            return _refuse(str(error))
        finally:
            self._stop()
            os.close(lock)

    def _on_signal(self, _number: int, _frame: FrameType | None) -> None:
        self.signals += 1
        self.wake.set()

    # --- Set-up ------------------------------------------------------------------------------------------------------
    def _set_up(self) -> dict[str, str]:
        environment = dict(os.environ)
        if not environment.get("DATABASE_URL"):
            _say("PostgreSQL starts.")
            self.server = embedded.Server(self.home, dies_with_parent=True).start()
        for name, value in embedded.environment(self.home).items():
            environment.setdefault(name, value)
        environment.update(CANDOUR_MODE="demo", CANDOUR_URL=self.url, CANDOUR_HOME=str(self.home))
        environment.update(PYTHONUNBUFFERED="1", DJANGO_SETTINGS_MODULE="config.settings")
        for step in (["migrate"], ["createcachetable"], ["collectstatic", "--noinput"], ["tell_story"]):
            self._step(step, environment)
        return environment

    def _step(self, arguments: Sequence[str], environment: Mapping[str, str]) -> None:
        """Run one command of manage.py to its end; its output goes to the log, and to the screen if it fails."""
        if self.signals:
            raise Stopped
        _say(f"{arguments[0]} runs.")
        child = Child("setup", [*MANAGE, *arguments, "--verbosity", "1"], dict(environment))
        log = self.home / "logs" / "setup.log"
        before = log.stat().st_size if log.exists() else 0
        child.start(self.home)
        assert child.process is not None
        while child.process.poll() is None:
            if self.signals:
                child.signal(signal.SIGKILL, group=True)
                child.process.wait()
                raise Stopped
            self.wake.wait(0.05)
        if child.process.returncode:
            with log.open("rb") as file:
                file.seek(before if log.stat().st_size >= before else 0)
                sys.stderr.write(file.read().decode(errors="replace"))
            raise embedded.EmbeddedError(f"manage.py {arguments[0]} failed (exit {child.process.returncode}).")

    def _start_children(self, environment: Mapping[str, str]) -> None:
        # Who serves and sweeps has no business with the role that owns the tables.
        site = {name: value for name, value in environment.items() if name != "DATABASE_OWNER_URL"}
        site["CANDOUR_DB_ROLE"] = "app"
        # Each process of the worker runs one task at a time on one connection: a pool would only hold more.
        tasks = {**site, "CANDOUR_DB_POOL": "0"}
        python, celery = [sys.executable, "-m"], [sys.executable, "-m", "celery", "-A", "config"]
        self.children = [
            Child(
                "web",
                [
                    *python, "gunicorn", "config.wsgi:application", "--worker-class", "gthread", "--workers", "2",
                    "--threads", "4", "--bind", f"127.0.0.1:{self.port}", "--no-control-socket",
                    "--worker-tmp-dir", str(self.home / "tmp"), "--graceful-timeout", "10",
                ],
                site,
            ),
            Child(
                "worker",
                [
                    *celery, "worker", "--concurrency", "2", "--loglevel", "INFO",
                    "--without-gossip", "--without-mingle", "--without-heartbeat",
                ],
                tasks,
            ),
            Child("beat", [*celery, "beat", "--loglevel", "INFO", "--pidfile", ""], tasks),
        ]  # fmt: skip
        for child in self.children:
            child.start(self.home)
            _say(f"{child.name} starts.")
        until = monotonic() + 60
        while not _answers(self.port):
            if self.signals:
                raise Stopped
            if self.children[0].died() or monotonic() > until:
                raise embedded.EmbeddedError(f"The web server did not start: see {self.home / 'logs' / 'web.log'}.")
            self.wake.wait(0.1)
        _welcome(self.home, self.url)

    # --- While it runs -----------------------------------------------------------------------------------------------
    def _watch(self) -> None:
        while not self.signals:
            self.wake.wait(0.5)
            if self.signals:
                return
            if self.server is not None and self.server.process is None:
                _say("PostgreSQL stopped by itself: it starts again.")
                self.server.stop()
                self.server.start()
            for child in self.children:
                self._revive(child)

    def _revive(self, child: Child) -> None:
        if child.died():
            assert child.process is not None
            ran, code = monotonic() - child.started, child.process.returncode
            child.signal(signal.SIGKILL, group=True)  # what the dead one left behind
            child.process = None
            child.pause = 1.0 if ran > STEADY_SECONDS else min(max(1.0, child.pause * 2), LONGEST_PAUSE)
            child.again_at = monotonic() + child.pause
            _say(f"{child.name} stopped by itself (exit {code}): see logs/{child.name}.log.")
            _say(f"{child.name} starts again in {child.pause:.0f} s.")
        elif child.process is None and monotonic() >= child.again_at:
            child.start(self.home)

    def _stop(self) -> None:
        running = [child for child in self.children if child.process is not None]
        if running or self.server is not None:
            _say("Everything stops.")
        for child in running:
            child.signal(signal.SIGTERM)
        signals, until = self.signals, monotonic() + STOP_SECONDS
        while any(not child.died() for child in running) and monotonic() < until and self.signals == signals:
            self.wake.clear()
            self.wake.wait(0.05)
        for child in running:
            child.signal(signal.SIGKILL, group=True)
            assert child.process is not None
            child.process.wait()
        if self.server is not None:
            self.server.stop(force=True)
            _say("Everything has stopped.")


def _port_is_free(port: int) -> bool:
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
    return True


def _answers(port: int) -> bool:
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
        probe.settimeout(1)
        return probe.connect_ex(("127.0.0.1", port)) == 0


def _welcome(home: Path, url: str) -> None:
    lines = ["", f"Candour runs at {url}", ""]
    path = home / "demo.json"
    if path.exists():
        story = json.loads(path.read_text())
        rows = [("Sign in as", "password", "role", "organisation")]
        for person in story.get("people", []):
            rows += [(person["email"], person["password"], person["role"], person.get("organisation") or "")]
        widths = [max(len(row[column]) for row in rows) for column in range(4)]
        lines += ["  ".join(map(str.ljust, row, widths)).rstrip() for row in rows]
        if watch := story.get("watch"):
            at = datetime.fromisoformat(watch["refers_at"])
            when = f"{at.astimezone(ZoneInfo('Europe/London')):%H:%M:%S on %-d %B %Y}"
            lines += ["", f"Watch case {watch['case']}: its time ends at {when}, and the authority's queue has it."]
    lines += ["", "Ctrl-C stops everything."]
    print("\n".join(lines), flush=True)


def _say(text: str) -> None:
    with suppress(OSError):  # the terminal may be gone
        print(text, flush=True)


def _refuse(text: str) -> int:
    print(text, file=sys.stderr, flush=True)
    return 1


def main() -> int:
    port = os.environ.get("PORT") or "8000"
    if not port.isdecimal() or not 1 <= int(port) <= 65535:
        return _refuse(f"PORT is {port!r}: it must be a number from 1 to 65535.")
    if os.environ.get("CANDOUR_MODE", "demo") != "demo":
        return _refuse("This starts the demonstration only. docs/operations.md says how a real installation is run.")
    return Supervisor(embedded.home_folder(), int(port)).run()


if __name__ == "__main__":
    sys.exit(main())
