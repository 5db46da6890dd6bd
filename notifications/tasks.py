"""Delivery by sweep: what beat calls, and `manage.py run_sweeps` without a broker."""

from __future__ import annotations

from typing import Any

from celery import shared_task

from accounts.models import Invitation
from ledger import sweep
from ledger.time import now
from notifications.actions import deliver, send_invitation
from notifications.models import Message


def _invitations() -> Any:
    return Invitation.objects.open().filter(sent_at=None, next_attempt_at__lte=now()).order_by("next_attempt_at")


SWEEPS = (
    sweep.Sweep("letters", Message.objects.due, deliver),
    sweep.Sweep("invitations", _invitations, send_invitation),
)


def run_all() -> dict[str, sweep.Tally]:
    """Send every letter and invitation that is due."""
    return sweep.run_all("notifications", SWEEPS)


@shared_task(name="notifications.tasks.deliver")
def deliver_due() -> None:
    run_all()
