"""What beat calls every minute, and `manage.py run_sweeps` without a broker: feeds with new rows are looked at."""

from __future__ import annotations

from celery import shared_task

from ledger import sweep
from monitoring.actions.alerts import evaluate
from monitoring.models import Feed

SWEEPS = (sweep.Sweep("feeds", Feed.objects.due_for_evaluation, evaluate),)


def run_all() -> dict[str, sweep.Tally]:
    """Evaluate every feed that is due; answers what was done."""
    return sweep.run_all("monitoring", SWEEPS)


@shared_task(name="monitoring.tasks.watch")
def watch() -> None:
    run_all()
