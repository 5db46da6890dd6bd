"""What beat calls: analyses that wait are worked off, one after the other; feeds are looked at."""

from __future__ import annotations

from celery import shared_task

from ledger import sweep
from monitoring.actions.alerts import evaluate
from monitoring.actions.comparing_feeds import compare
from monitoring.models import Analysis, Feed
from monitoring.work import LONGEST, work

# One run does not begin another file after a minute; what waits is found by the next run.
SWEEPS = (sweep.Sweep("analyses", Analysis.objects.waiting, work),)
# Alerts first: what is compared with declarations is of days gone by, and can wait.
FEEDS = (
    sweep.Sweep("feeds", Feed.objects.due_for_evaluation, evaluate),
    sweep.Sweep("feed_comparisons", Feed.objects.due_for_comparison, compare),
)


def run_all() -> dict[str, sweep.Tally]:
    """Do the analyses that wait; answers what was done."""
    return sweep.run_all("monitoring", SWEEPS)


def watch_all() -> dict[str, sweep.Tally]:
    """Evaluate every feed that is due, and compare with what others declared; answers what was done."""
    return sweep.run_all("feeds", FEEDS)


@shared_task(name="monitoring.tasks.analyse", soft_time_limit=LONGEST + 120, time_limit=LONGEST + 180)
def analyse() -> None:
    run_all()


@shared_task(name="monitoring.tasks.watch")
def watch() -> None:
    watch_all()
