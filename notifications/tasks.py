"""Delivery by sweep: what beat calls, and `manage.py run_sweeps` without a broker."""

from __future__ import annotations

from celery import shared_task

from accounts.models import Invitation
from ledger import sweep
from ledger.time import now
from notifications.actions import deliver, send_invitation
from notifications.models import Message


def run_all() -> dict[str, sweep.Tally]:
    """Send every letter and invitation that is due."""
    return {
        "deliver": sweep.run("notifications.deliver", Message.objects.due, deliver),
        "invite": sweep.run(
            "notifications.invite",
            lambda: (
                Invitation.objects.open()
                .filter(sent_at__isnull=True, next_attempt_at__lte=now())
                .order_by("next_attempt_at")
            ),
            send_invitation,
        ),
    }


@shared_task(name="notifications.tasks.deliver")
def deliver_due() -> None:
    run_all()
