"""What every action is made of: a transaction of its own (`action`), and the event that it leaves (`record`)."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import wraps
from typing import Any, ParamSpec, TypeVar

import structlog
from django.conf import settings
from django.db import connection, models, transaction

from ledger.models import Event, Wall
from ledger.rows import insert_many
from ledger.sandbox import Ahead
from ledger.time import now

P = ParamSpec("P")
R = TypeVar("R")


@dataclass
class _Surroundings:
    before: Callable[[], None]
    after: Callable[[Any], None]
    used: bool = False


_surroundings: ContextVar[_Surroundings | None] = ContextVar("surroundings", default=None)


def action(do: Callable[P, R]) -> Callable[P, R]:
    """One verb, one function, one transaction: `do` is committed whole or not at all, and never inside another action.

    What stands in `within` is done in the same transaction.
    """

    @wraps(do)
    def run(*args: P.args, **kwargs: P.kwargs) -> R:
        around = _surroundings.get()
        with transaction.atomic(durable=True):
            if around is None or around.used:
                return do(*args, **kwargs)
            around.used = True
            around.before()
            result = do(*args, **kwargs)
            around.after(result)
            return result

    return run


@contextmanager
def within(before: Callable[[], None], after: Callable[[Any], None]) -> Iterator[None]:
    """Surround the next action: `before` runs first in its transaction, `after` last, with what it answers.

    For the API, whose answer to a retry must be kept if and only if the action's own change is. What either raises
    undoes the action.
    """
    token = _surroundings.set(_Surroundings(before, after))
    try:
        yield
    finally:
        _surroundings.reset(token)


PLACED_AT_ONCE = 5000
_PLACING = 0xCA4D  # the lock that makes one placer wait for nobody and pass no other
_CODE = re.compile(r"[\w.:+/@-]{0,128}", re.ASCII)


def record(
    by: Any,
    verb: str,
    obj: models.Model,
    *,
    audience: Iterable[Any] = (),
    at: datetime | None = None,
    private: bool = False,
    **details: Any,
) -> Event:
    """Append one event about `obj`, in the caller's transaction: if this fails, the change fails.

    `audience` names the organisations (or their ids) that may know of it; the ministry may, unless `private`.
    `at` is the legal instant where it differs from the moment of recording (a deadline found past due).
    `details` take ids, states, hashes and codes. Raises ValueError for anything that could be free text.
    """
    ids = [o if isinstance(o, int) else o.pk for o in audience]
    return record_many([Entry(verb, obj, details, ids, at, by, private)])[0]


@dataclass(frozen=True)
class Entry:
    """One event to be: see `record`. `audience` holds ids of organisations."""

    verb: str
    obj: models.Model
    details: dict[str, Any]
    audience: Sequence[int] = ()
    at: datetime | None = None
    by: Any = None
    private: bool = False


def record_many(entries: Sequence[Entry]) -> list[Event]:
    """`record` for several things that one action did, in their order, in one statement."""
    if not connection.in_atomic_block:
        raise RuntimeError("An event belongs to the transaction of the change that it records.")
    instant = now()
    request_id = str(structlog.contextvars.get_contextvars().get("request_id", ""))[:64]
    return insert_many(_event(entry, instant, request_id) for entry in entries)


def wall(roots: Iterable[models.Model], users: Iterable[Any]) -> None:
    """Let officials with a conflict learn nothing more of `roots` by events; a shared step of what walls them off."""
    people = list(users)
    Wall.objects.bulk_create(
        [Wall(root_type=root._meta.label_lower, root_id=root.pk, user=user) for root in roots for user in people],
        ignore_conflicts=True,
    )


@action
def place_events() -> int:
    """Give the committed events that have no place the next places of the feed; answers how many.

    One at a time: a second one at the same moment leaves it to the first. What is not committed yet cannot be seen
    here, keeps its row in Unplaced and gets a later place, so nobody who has read on misses it.
    """
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_try_advisory_xact_lock(%s)", [_PLACING])
        if not cursor.fetchone()[0]:
            return 0
        # A statement of its own: it sees what was committed up to the moment at which the lock was had.
        cursor.execute(_PLACE, [PLACED_AT_ONCE])
        return cursor.rowcount


def move_clock(by: timedelta) -> timedelta:
    """Move the sandbox's clock forward; answers by how much. Raises ValueError where it cannot go.

    The clock is a file, and no commit undoes it: it is moved after the commit of what surrounds the move, and where that
    fails, not at all.
    """
    with Ahead(settings.SANDBOX_CLOCK).moving(by):
        return _moved(by)


@action
def _moved(by: timedelta) -> timedelta:
    """The transaction of a move: of its own it changes nothing."""
    return by


_PLACE = """
WITH taken AS (
    DELETE FROM ledger_unplaced
    WHERE event_id IN (SELECT event_id FROM ledger_unplaced ORDER BY event_id LIMIT %s)
    RETURNING event_id
)
INSERT INTO ledger_place (event_id) SELECT event_id FROM taken ORDER BY event_id
"""


def _event(entry: Entry, instant: datetime, request_id: str) -> Event:
    for name, value in entry.details.items():
        _refuse_free_text(name, value)
    obj, root = entry.obj, getattr(entry.obj, "ledger_root", entry.obj)
    return Event(
        at=entry.at or instant,
        detected_at=instant,
        actor_id=entry.by.pk if entry.by else None,
        actor_role=entry.by.role if entry.by else "",
        verb=entry.verb,
        object_type=obj._meta.label_lower,
        object_id=obj.pk,
        reference=getattr(obj, "reference", ""),
        root_type=root._meta.label_lower,
        root_id=root.pk,
        audience=sorted(set(entry.audience)),
        private=entry.private,
        details=entry.details,
        request_id=request_id,
    )


def _refuse_free_text(name: str, value: Any) -> None:
    if isinstance(value, list | tuple):
        for item in value:
            _refuse_free_text(name, item)
    elif isinstance(value, str):
        if not _CODE.fullmatch(value):
            raise ValueError(f"Event detail {name!r} holds text; an event holds ids, states, hashes and codes.")
    elif value is not None and not isinstance(value, bool | int):
        raise ValueError(f"Event detail {name!r} is a {type(value).__name__}.")
