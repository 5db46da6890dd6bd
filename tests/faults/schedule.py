"""Making a race exact: pauses at the first statement that writes, when everybody has looked and nobody has written."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from threading import Barrier, BrokenBarrierError, Event
from typing import Any

from django.db import connection

WRITES = ("INSERT", "UPDATE", "DELETE")


@contextmanager
def _before(statement: tuple[str, ...], pause: Callable[[], None]) -> Iterator[None]:
    done = False

    def wrapper(execute: Any, sql: str, params: Any, many: bool, context: Any) -> Any:
        nonlocal done
        if not done and sql.startswith(statement):
            done = True
            pause()
        return execute(sql, params, many, context)

    with connection.execute_wrapper(wrapper):
        yield


def pausing(do: Callable[[], Any], pause: Callable[[], None], *, before: str = "") -> Callable[[], Any]:
    """`do`, held up once before the first statement that writes (or that begins with `before`)."""

    def run() -> Any:
        with _before((before,) if before else WRITES, pause):
            return do()

    return run


# With locks on, one of two waits for what cannot come: long enough for it to come if the lock were not there. With
# locks off both come, however slow the machine is.
PATIENCE = {True: 0.5, False: 20.0}


def meeting(locks: bool) -> Callable[[], None]:
    """A pause until both have come to it; with locks on only one can, and goes on alone after a moment."""
    barrier, seconds = Barrier(2), PATIENCE[locks]

    def pause() -> None:
        try:
            barrier.wait(seconds)
        except BrokenBarrierError:
            return

    return pause


class Order:
    """A schedule for two: `first` looks, `second` does its whole work meanwhile if it can, then `first` writes."""

    def __init__(self, locks: bool) -> None:
        self.looked, self.finished, self.seconds = Event(), Event(), PATIENCE[locks]

    def first(self, do: Callable[[], Any], *, before: str = "") -> Callable[[], Any]:
        def pause() -> None:
            self.looked.set()
            self.finished.wait(self.seconds)

        return pausing(do, pause, before=before)

    def second(self, do: Callable[[], Any]) -> Callable[[], Any]:
        def run() -> Any:
            assert self.looked.wait(20), "The first never came to its write."
            try:
                return do()
            finally:
                self.finished.set()

        return run
