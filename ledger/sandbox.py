"""How far the sandbox's clock runs ahead: one file, which every process of the sandbox looks at."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from fcntl import LOCK_EX, flock
from pathlib import Path

FURTHEST = timedelta(days=20 * 366)


class Ahead:
    """The file at `path`, read again when it has changed. A sandbox is one machine; there is nothing to share further."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._seen: tuple[int, int] | None = None
        self._by = timedelta(0)

    def __call__(self) -> timedelta:
        """By how much the clock runs ahead now."""
        try:
            stat = self.path.stat()
        except FileNotFoundError:
            return timedelta(0)
        # A new file is put in the place of the old one: the number of the file tells two within one tick apart.
        if self._seen != (stat.st_mtime_ns, stat.st_ino):
            self._by = timedelta(seconds=float(self.path.read_text()))
            self._seen = (stat.st_mtime_ns, stat.st_ino)
        return self._by

    @contextmanager
    def moving(self, by: timedelta) -> Iterator[timedelta]:
        """Move the clock forward once what stands inside has been done, and not if it raises.

        Gives how far it is ahead then. Nobody else moves it meanwhile. Raises ValueError for a step back, or too far.
        """
        if by < timedelta(0):
            raise ValueError("A clock that deadlines hang on is never moved back.")
        with self.path.with_suffix(".lock").open("w") as lock:
            flock(lock, LOCK_EX)
            ahead = self() + by
            if ahead > FURTHEST:
                raise ValueError("The clock of a sandbox does not go that far: start it anew.")
            yield ahead
            fresh = self.path.with_suffix(".new")
            fresh.write_text(repr(ahead.total_seconds()))
            fresh.replace(self.path)

    def forward(self, by: timedelta) -> timedelta:
        """Move the clock forward; answers how far it is ahead now. Raises ValueError as `moving`."""
        with self.moving(by) as ahead:
            return ahead
