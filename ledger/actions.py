"""The one way an event comes to be: `record`, called by every action inside its own transaction."""

from __future__ import annotations

import re
from collections.abc import Iterable
from datetime import datetime
from typing import Any

import structlog
from django.db import connection, models

from ledger.models import Event
from ledger.time import now

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
    return record_many([(verb, obj, details)], by=by, audience=audience, at=at, private=private)[0]


def record_many(
    entries: list[tuple[str, models.Model, dict[str, Any]]],
    *,
    by: Any,
    audience: Iterable[Any] = (),
    at: datetime | None = None,
    private: bool = False,
) -> list[Event]:
    """`record` for several things that one action did, in one statement."""
    if not connection.in_atomic_block:
        raise RuntimeError("An event belongs to the transaction of the change that it records.")
    instant = now()
    organisations = sorted({o if isinstance(o, int) else o.pk for o in audience})
    request_id = str(structlog.contextvars.get_contextvars().get("request_id", ""))[:64]
    events = []
    for verb, obj, details in entries:
        for name, value in details.items():
            _refuse_free_text(name, value)
        root = getattr(obj, "ledger_root", obj)
        events.append(
            Event(
                at=at or instant,
                detected_at=instant,
                actor=by,
                actor_role=by.role if by else "",
                verb=verb,
                object_type=obj._meta.label_lower,
                object_id=obj.pk,
                reference=getattr(obj, "reference", ""),
                root_type=root._meta.label_lower,
                root_id=root.pk,
                audience=organisations,
                private=private,
                details=details,
                request_id=request_id,
            )
        )
    return Event.objects.bulk_create(events)


def _refuse_free_text(name: str, value: Any) -> None:
    if isinstance(value, list | tuple):
        for item in value:
            _refuse_free_text(name, item)
    elif isinstance(value, str):
        if not _CODE.fullmatch(value):
            raise ValueError(f"Event detail {name!r} holds text; an event holds ids, states, hashes and codes.")
    elif value is not None and not isinstance(value, bool | int):
        raise ValueError(f"Event detail {name!r} is a {type(value).__name__}.")
