"""How a sweep goes over its rows: read ids without locks, one action a row, count and put off what raises.

A sweep selects what is past due and has no event yet, so it heals itself after an outage and two at once are harmless:
the action locks its row with `skip_locked`, looks again, and does nothing if the row is taken or no longer due.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import structlog
from django.db import InterfaceError, OperationalError, connection, models, transaction
from django.db.models import F

from ledger.models import PutOff, SweepRun
from ledger.time import now

log = structlog.get_logger(__name__)

BATCH = 500
BUDGET_SECONDS = 45.0
LONGEST_WAIT = timedelta(hours=1)


@dataclass
class Tally:
    """What one run of a sweep did."""

    acted: int = 0
    failed: int = 0


def run(
    name: str,
    due: Callable[[], models.QuerySet[Any]],
    act: Callable[[int], Any],
    *,
    budget_seconds: float = BUDGET_SECONDS,
) -> Tally:
    """Call `act(id)` once for every row of `due()`, until none is left or the time budget is spent.

    `act` is an action with a transaction of its own; it answers None when it left the row alone. An exception is
    counted on the row in another transaction and holds up nobody; a lost connection ends the run.
    """
    tally = Tally()
    until = time.monotonic() + budget_seconds
    seen: set[int] = set()
    while True:
        rows = due().exclude(pk__in=PutOff.objects.waiting(name).values("object_id"))
        ids = [pk for pk in rows.values_list("pk", flat=True)[: BATCH + len(seen)] if pk not in seen][:BATCH]
        for pk in ids:
            if time.monotonic() > until:
                ids = []
                break
            try:
                if act(pk) is not None:
                    tally.acted += 1
                else:
                    seen.add(pk)
            except Exception as error:
                if isinstance(error, OperationalError | InterfaceError) and not connection.is_usable():
                    connection.close()
                    raise
                seen.add(pk)
                tally.failed += 1
                _put_off(name, pk, error)
        if len(ids) < BATCH:
            break
    _completed(name, tally)
    return tally


@transaction.atomic(durable=True)
def _put_off(name: str, pk: int, error: Exception) -> None:
    log.exception("sweep_row_failed", sweep=name, object_id=pk, error=type(error).__name__)
    row, created = PutOff.objects.get_or_create(
        sweep=name,
        object_id=pk,
        defaults={"next_attempt_at": now() + timedelta(minutes=1), "error": type(error).__name__},
    )
    if not created:
        wait = min(timedelta(minutes=2 ** min(row.attempts, 10)), LONGEST_WAIT)
        PutOff.objects.filter(pk=row.pk).update(
            attempts=F("attempts") + 1, next_attempt_at=now() + wait, error=type(error).__name__
        )


@transaction.atomic(durable=True)
def _completed(name: str, tally: Tally) -> None:
    # What has been overdue for another try and did not fail again has mended itself.
    PutOff.objects.filter(sweep=name, next_attempt_at__lte=now() - LONGEST_WAIT).delete()
    SweepRun.objects.update_or_create(
        name=name, defaults={"completed_at": now(), "acted": tally.acted, "failed": tally.failed}
    )
