"""Homes and processes of their own: nothing here touches the run's server."""

import os
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from config import embedded


@pytest.fixture
def base() -> Iterator[Path]:
    """A folder of its own. Not tmp_path: every new run of pytest closes the folders above that one again."""
    with tempfile.TemporaryDirectory(prefix="candour-home-") as folder:
        yield Path(folder).resolve()


@pytest.fixture
def home(base: Path) -> Iterator[Path]:
    """A CANDOUR_HOME; whatever server a test leaves on it is stopped."""
    folder = base / "home"
    yield folder
    if (folder / "postgres").exists() and (folder / "secrets.json").exists():
        server = embedded.Server(folder)
        if server.process is not None:
            server.start()
            server.stop(force=True)


@pytest.fixture
def clean_environment(home: Path) -> dict[str, str]:
    """What a person's shell holds on a fresh machine, and CANDOUR_HOME."""
    kept = {name: os.environ[name] for name in ("PATH", "HOME", "LANG", "TMPDIR") if name in os.environ}
    return {**kept, "CANDOUR_HOME": str(home), "PYTHONUNBUFFERED": "1"}
