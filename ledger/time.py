"""The only clock anybody reads.

One function, so that a deadline can be tested, a story can be told in the past and a sandbox can be moved forward
without a second path through the code.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

LOCAL_ZONE = ZoneInfo("Europe/London")
# The end of a day is stored as the start of the next: this much before it, it is still that day.
INSTANT = timedelta(microseconds=1)

_standing_at: datetime | None = None
_ahead: Callable[[], timedelta] | None = None


def now() -> datetime:
    """The present instant, aware, in UTC. Server clocks are kept by NTP (docs/operations.md)."""
    if _standing_at is not None:
        return _standing_at
    instant = datetime.now(UTC)  # noqa: TID251 - the one place that may ask
    return instant + _ahead() if _ahead is not None else instant


def run_ahead(by: Callable[[], timedelta]) -> None:
    """Let the clock of this process run ahead of the world's by what `by` says: for the sandbox, and nothing else."""
    global _ahead
    _ahead = by


def local_date(instant: datetime) -> date:
    """The calendar date at `instant` in the United Kingdom (Interpretation Act 1978 s.9, Summer Time Act 1972 s.3)."""
    return instant.astimezone(LOCAL_ZONE).date()


@contextmanager
def standing_at(instant: datetime) -> Iterator[None]:
    """Hold the clock of this process at an aware `instant`; for stories and tests, never for a running site."""
    global _standing_at
    if instant.tzinfo is None:
        raise ValueError("The clock needs an aware instant.")
    before = _standing_at
    _standing_at = instant
    try:
        yield
    finally:
        _standing_at = before
