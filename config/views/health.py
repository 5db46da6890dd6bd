"""`/health/`: is the site doing its job, for a monitor to read."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

from django.db import Error, connection
from django.http import HttpRequest, JsonResponse
from django.views.decorators.http import require_safe

from cases.actions.referrals.making import overdue_by_more_than
from ledger.models import PutOff, SweepRun
from ledger.time import now
from monitoring.models import Feed
from notifications.models import Delivery, Endpoint, Message

# Beat calls the sweeps every minute: three missed ticks are a fault.
SWEEP_LATE = timedelta(minutes=3)
# An evaluation takes its time; a worker that looks at one feed for so long has been stopped (config.celery).
WATCH_LATE = timedelta(minutes=15)
MAIL_LATE = timedelta(minutes=30)


@dataclass(frozen=True)
class Health:
    """Whether all is well, what was measured, and what is wrong (in words)."""

    well: bool
    facts: dict[str, Any] = field(default_factory=dict)
    wrong: list[str] = field(default_factory=list)


def measure() -> Health:
    """Look at the database, the age of the last completed sweep, rows put off, overdue cases and the outbox."""
    try:
        return _measure()
    except Error as error:
        return Health(False, {"database": type(error).__name__}, ["The database does not answer."])


def _measure() -> Health:
    with connection.cursor() as cursor:
        cursor.execute("SELECT 1")
    instant = now()
    swept = SweepRun.objects.filter(name="cases").values_list("completed_at", flat=True).first()
    oldest = (
        Message.objects.filter(state="queued").order_by("next_attempt_at").values_list("created_at", flat=True).first()
    )
    sent = SweepRun.objects.filter(name="webhooks").values_list("completed_at", flat=True).first()
    waits = Delivery.objects.filter(state="waiting", endpoint__state="live").order_by("begun_at")
    begun = waits.values_list("begun_at", flat=True).first()
    overdue = overdue_by_more_than()[:100].count()
    facts = {
        "database": "ok",
        "last_sweep_seconds": int((instant - swept).total_seconds()) if swept else None,
        "put_off": PutOff.objects.all()[:1000].count(),
        "overdue_cases": overdue,
        "oldest_unsent_seconds": int((instant - oldest).total_seconds()) if oldest else 0,
        # Whose receiver it is that does not answer is the partner's affair, and no fault of the site.
        "oldest_webhook_seconds": int((instant - begun).total_seconds()) if begun else 0,
        "feeds_failing": Feed.objects.failing()[:1000].count(),
        "webhooks_given_up": Delivery.objects.filter(state="dead")[:1000].count(),
    }
    wrong = []
    if swept is None or instant - swept > SWEEP_LATE:
        wrong.append("No sweep was completed in the last three minutes.")
    if overdue:
        wrong.append("Open cases are past the instant of referral by more than ten minutes.")
    if oldest and instant - oldest > MAIL_LATE:
        wrong.append("Mail waits for more than thirty minutes.")
    if (sent is None or instant - sent > SWEEP_LATE) and Endpoint.objects.filter(state="live").exists():
        wrong.append("No webhook was looked at in the last three minutes.")
    watched = SweepRun.objects.filter(name="feeds").values_list("completed_at", flat=True).first()
    if (watched is None or instant - watched > WATCH_LATE) and Feed.objects.filter(state="active").exists():
        wrong.append("No feed was looked at in the last fifteen minutes.")
    return Health(not wrong, facts, wrong)


@require_safe
def health(request: HttpRequest) -> JsonResponse:
    """200 when all is well, 503 when not, with what was measured."""
    found = measure()
    body = {"status": "ok" if found.well else "failing", **found.facts, "wrong": found.wrong}
    return JsonResponse(body, status=200 if found.well else 503)
