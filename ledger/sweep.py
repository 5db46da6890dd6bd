"""How a sweep goes over its rows: read ids without locks, one action a row, count and put off what raises.

A sweep selects what is past due and has no event yet, so it heals itself after an outage and two at once are harmless:
the action locks its row with `skip_locked`, looks again, and does nothing if the row is taken or no longer due.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
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


@dataclass(frozen=True)
class Sweep:
    """What is due (a queryset made anew for every batch), and the action that is called with each id of it.

    `first` is a cheaper question: where it finds no row, nothing can be due, and `due` is not asked.
    """

    name: str
    due: Callable[[], models.QuerySet[Any]]
    act: Callable[[int], Any]
    first: Callable[[], models.QuerySet[Any]] | None = None


def run_all(name: str, sweeps: Sequence[Sweep]) -> dict[str, Tally]:
    """Run sweeps in order, then put on record under `name` that the run was completed; answers what each did."""
    started = now()
    put_off = list(PutOff.objects.filter(sweep__in=[s.name for s in sweeps]))
    waiting: dict[str, set[int]] = {}
    for row in put_off:
        if row.next_attempt_at > started:
            waiting.setdefault(row.sweep, set()).add(row.object_id)
    tallies = {s.name: run(s, waiting=waiting.get(s.name, frozenset())) for s in sweeps}
    _completed(name, tallies, started, due_again=len(put_off) > sum(map(len, waiting.values())))
    return tallies


def run(sweep: Sweep, *, waiting: Collection[int] = (), budget_seconds: float = BUDGET_SECONDS) -> Tally:
    """Call the sweep's action once for every row that is due, until none is left or the time budget is spent.

    `waiting` are ids that were put off. The action has a transaction of its own and answers None when it left the row
    alone. An exception is counted on the row in another transaction and holds up nobody; a lost connection ends the run.
    """
    tally = Tally()
    if sweep.first is not None and not sweep.first().exists():
        return tally
    until = time.monotonic() + budget_seconds
    left_alone = set(waiting)
    while True:
        due = sweep.due()
        ids = list((due.exclude(pk__in=left_alone) if left_alone else due).values_list("pk", flat=True)[:BATCH])
        for pk in ids:
            if time.monotonic() > until:
                return tally
            try:
                if sweep.act(pk) is not None:
                    tally.acted += 1
                else:
                    left_alone.add(pk)
            except Exception as error:
                if isinstance(error, OperationalError | InterfaceError) and not connection.is_usable():
                    connection.close()
                    raise
                left_alone.add(pk)
                tally.failed += 1
                _put_off(sweep.name, pk, error)
        if len(ids) < BATCH:
            return tally


@transaction.atomic(durable=True)
def _put_off(name: str, pk: int, error: Exception) -> None:
    log.error("sweep_row_failed", sweep=name, object_id=pk, exc_info=error)
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


def _completed(name: str, tallies: dict[str, Tally], started: datetime, *, due_again: bool) -> None:
    if due_again:
        # What was due for another try in this run and did not fail again has mended itself.
        PutOff.objects.filter(sweep__in=tallies, next_attempt_at__lte=started).delete()
    done = SweepRun(
        name=name,
        completed_at=now(),
        acted=sum(tally.acted for tally in tallies.values()),
        failed=sum(tally.failed for tally in tallies.values()),
    )
    SweepRun.objects.bulk_create(
        [done], update_conflicts=True, unique_fields=["name"], update_fields=["completed_at", "acted", "failed"]
    )
