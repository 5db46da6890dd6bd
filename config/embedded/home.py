"""The folder that holds everything: its paths, its passwords, its locks and its logs."""

import contextlib
import fcntl
import hashlib
import json
import os
import re
import secrets
import tempfile
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import quote

BASE_DIR = Path(__file__).resolve().parent.parent.parent
DATABASE = "candour"
ROLES = ("owner", "app", "broker")
SOCKET = ".s.PGSQL.5432"
SOCKET_MAX_BYTES = 103  # sun_path holds 104 bytes on macOS and BSD, 108 on Linux, the closing zero included


class EmbeddedError(Exception):
    """The embedded server cannot be used; the text says why and what to do."""


def home_folder() -> Path:
    """CANDOUR_HOME, or `var/` beside the code."""
    return Path(os.environ.get("CANDOUR_HOME") or BASE_DIR / "var").expanduser().resolve()


def socket_folder(home: Path) -> Path:
    """The data folder itself, or a short private folder where that path is too long or too odd for a Unix socket.

    Too odd: the pgmq client puts it into a connection string without quotes.
    """
    data = home / "postgres"
    if re.fullmatch(r"[\w./-]+", str(data), re.ASCII) and len(os.fsencode(data / SOCKET)) <= SOCKET_MAX_BYTES:
        return data
    name = f"candour-{os.getuid()}-{hashlib.sha256(os.fsencode(data)).hexdigest()[:12]}"
    for parent in (os.environ.get("XDG_RUNTIME_DIR") if os.getuid() else None, tempfile.gettempdir(), "/tmp"):
        if parent and os.path.isdir(parent) and len(os.fsencode(Path(parent, name, SOCKET))) <= SOCKET_MAX_BYTES:
            return Path(parent, name)
    raise EmbeddedError(f"The path {data} is too long for a Unix socket: set CANDOUR_HOME to a shorter one.")


def prepare_home(home: Path) -> None:
    """Make the folder and close it to others; as root, they may pass through (the server must) but see nothing."""
    home.mkdir(parents=True, exist_ok=True)
    home.chmod(0o711 if as_root() else 0o700)
    for name in ("logs", "tmp"):
        (home / name).mkdir(exist_ok=True)
        (home / name).chmod(0o700)


def load_secrets(home: Path) -> dict[str, str]:
    """The passwords and Django's key, made once. They are not made anew beside data that knows the old ones."""
    path = home / "secrets.json"
    with locked(home / ".lock-secrets"):
        if path.exists():
            path.chmod(0o600)
            kept: dict[str, str] = json.loads(path.read_text())
            return kept
        if (home / "postgres").exists():
            raise EmbeddedError(
                f"{path} is missing, but {home / 'postgres'} holds data that only its passwords open. "
                "Bring the file back, or move the data away."
            )
        made = {name: secrets.token_urlsafe(24) for name in ("postgres", *ROLES)}
        made["secret_key"] = secrets.token_urlsafe(48)
        draft = path.with_suffix(".new")
        draft.unlink(missing_ok=True)
        with os.fdopen(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
            json.dump(made, file)
            file.flush()
            os.fsync(file.fileno())
        draft.rename(path)
        return made


def environment(home: Path) -> dict[str, str]:
    """The settings of the embedded default, for processes that are to use this server."""
    prepare_home(home)
    secret = load_secrets(home)
    host = quote(str(socket_folder(home)), safe="")
    return {
        "CANDOUR_HOME": str(home),
        "CANDOUR_SECRET_KEY": secret["secret_key"],
        "DATABASE_URL": f"postgresql://app:{secret['app']}@/{DATABASE}?host={host}",
        "DATABASE_OWNER_URL": f"postgresql://owner:{secret['owner']}@/{DATABASE}?host={host}",
        "CELERY_BROKER_URL": f"pgmq://broker:{secret['broker']}@{host}:5432/broker",
    }


def open_lock(path: Path) -> int:
    return os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)


@contextlib.contextmanager
def locked(path: Path) -> Iterator[None]:
    """Alone with this file, among all processes; a killed process lets go."""
    descriptor = open_lock(path)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)


def open_log(home: Path, name: str) -> int:
    """A log file only its owner reads; the previous one is kept when it has grown past 20 MiB."""
    path = home / "logs" / f"{name}.log"
    if path.exists() and path.stat().st_size > 20 * 1024 * 1024:
        path.replace(path.with_suffix(".log.1"))
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o600)
    os.fchmod(descriptor, 0o600)
    return descriptor


def as_root() -> bool:
    return os.geteuid() == 0
