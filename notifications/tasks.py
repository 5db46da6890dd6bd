"""Delivery by sweep: what beat calls, and `manage.py run_sweeps` without a broker."""

from __future__ import annotations

from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from time import monotonic
from typing import Any

from celery import shared_task
from django.core.cache import cache

from accounts.models import Invitation
from ledger import sweep
from ledger.actions import place_events
from ledger.time import now
from notifications.actions import deliver, send_invitation, webhooks
from notifications.actions.webhooks import Parcel
from notifications.models import Endpoint, Message
from notifications.outbound import Answer, Way, post


def _invitations() -> Any:
    return Invitation.objects.open().filter(sent_at=None, next_attempt_at__lte=now()).order_by("next_attempt_at")


SWEEPS = (
    sweep.Sweep("letters", Message.objects.due, deliver),
    sweep.Sweep("invitations", _invitations, send_invitation),
)
FROM_THE_FEED = (sweep.Sweep("webhooks", Endpoint.objects.behind, webhooks.collect),)
# How many are sent at once, and how many of these may go where the last sending failed: those that answer have the rest.
THREADS, TROUBLED = 16, 6
SEND_SECONDS = 20.0
TURN = "webhooks.sending"


def run_all() -> dict[str, sweep.Tally]:
    """Send every letter and invitation that is due."""
    return sweep.run_all("notifications", SWEEPS)


@shared_task(name="notifications.tasks.deliver")
def deliver_due() -> None:
    run_all()


# --- Webhooks ------------------------------------------------------------------------------------------------------------
def run_webhooks(*, seconds: float = SEND_SECONDS) -> dict[str, sweep.Tally]:
    """Give events their places, write deliveries for them, send what is due; for so many seconds at most.

    One at a time is enough, so that workers are free for deadlines. Two at once would do no harm: a lease keeps them
    apart.
    """
    if not cache.add(TURN, 1, timeout=int(seconds) + 15):
        return {}
    try:
        return _send_all(monotonic() + seconds)
    finally:
        cache.delete(TURN)


def _send_all(until: float) -> dict[str, sweep.Tally]:
    """The database is this thread's, the network that of the others: a receiver that hangs holds up one of them."""
    tallies, sent, way = {}, sweep.Tally(), webhooks.way_out()
    flying: dict[Future[Answer], Parcel] = {}
    look_at = 0.0
    with ThreadPoolExecutor(THREADS, thread_name_prefix="webhook") as pool:
        while True:
            if monotonic() >= look_at:  # what is new, once a second
                place_events()
                tallies = sweep.run_all("webhooks", FROM_THE_FEED)
                look_at = monotonic() + 1
            if monotonic() < until:
                _take_off(pool, flying, way)
            if not flying:
                return {**tallies, "deliveries": sent}
            for landed in wait(flying, timeout=1, return_when=FIRST_COMPLETED).done:
                webhooks.note(flying.pop(landed), landed.result())
                sent.acted += 1


def _take_off(pool: ThreadPoolExecutor, flying: dict[Future[Answer], Parcel], way: Way) -> None:
    """Fill the free threads: one delivery for each endpoint, those that answered last before those that did not."""
    away = {parcel.endpoint_id for parcel in flying.values()}
    ready, free = Endpoint.objects.with_due().exclude(pk__in=away), THREADS - len(flying)
    well = Endpoint.objects.well().values("pk")
    chosen = list(ready.filter(pk__in=well).values_list("due", flat=True)[:free])
    room = min(TROUBLED - Endpoint.objects.filter(pk__in=away).exclude(pk__in=well).count(), free - len(chosen))
    if room > 0:
        chosen += ready.exclude(pk__in=well).values_list("due", flat=True)[:room]
    for delivery_id in chosen:
        parcel = webhooks.lease(delivery_id)
        if parcel is not None:
            flying[pool.submit(post, parcel.url, parcel.body, parcel.headers, way)] = parcel


@shared_task(name="notifications.tasks.send_webhooks")
def send_webhooks() -> None:
    run_webhooks()
