"""What every look at a feed takes: a lease, so that nobody else begins meanwhile, its files where they can be read, and
instants as its rows have them.
"""

from __future__ import annotations

import shutil
from datetime import UTC, datetime, timedelta
from pathlib import Path

from django.core.files.storage import storages

from ledger.time import now

# Longer than a task may take (config.celery.HARD_SECONDS): nobody else begins meanwhile.
LEASE = timedelta(minutes=10)
LONGEST_WAIT = timedelta(hours=6)
EPOCH, MICROSECOND = datetime(1970, 1, 1, tzinfo=UTC), timedelta(microseconds=1)


def microseconds(instant: datetime) -> int:
    """Since 1970 in UTC."""
    return (instant - EPOCH) // MICROSECOND


def leased_until(attempts: int) -> datetime:
    """Until when a look that begins now has the feed; longer after each of `attempts` that did not come to an end."""
    return now() + min(LEASE * 2 ** min(attempts, 10), LONGEST_WAIT)


def local(name: str, folder: Path) -> Path:
    """The file where DuckDB can read it: in place, or a copy of what a remote storage has."""
    try:
        return Path(storages["default"].path(name))
    except NotImplementedError:
        path = folder / name.replace("/", "-")
        with storages["default"].open(name) as source, path.open("wb") as target:
            shutil.copyfileobj(source, target)
        return path
