"""The sweeps: what beat calls every minute, and `manage.py run_sweeps` without a broker."""

from __future__ import annotations

from celery import shared_task

from cases.actions.calendar import make_up_for_outage
from cases.actions.extensions import escalate_request
from cases.actions.notices import remind, stamp_missed
from cases.actions.referrals.making import refer, remind_team
from cases.actions.service import bounced, doubt_bounced
from cases.models import Case, ExtensionRequest, Notice, Outage
from ledger import sweep

# First what moves or holds a deadline, then what follows from one.
SWEEPS = (
    sweep.Sweep("doubts", bounced, doubt_bounced),
    sweep.Sweep("outages", Notice.objects.touched_by_recent_outages, make_up_for_outage, Outage.objects.recent),
    sweep.Sweep("requests", ExtensionRequest.objects.due_for_escalation, escalate_request),
    sweep.Sweep("misses", Notice.objects.due_for_miss, stamp_missed, Notice.objects.past),
    sweep.Sweep("referrals", Case.objects.due_for_referral, refer, Case.objects.past),
    sweep.Sweep("party_reminders", Notice.objects.due_for_reminder, remind),
    sweep.Sweep("team_reminders", Case.objects.due_for_reminder, remind_team),
)


def run_all() -> dict[str, sweep.Tally]:
    """Do everything that is due; answers what each sweep did. Twice, or in five places at once, does nothing twice."""
    return sweep.run_all("cases", SWEEPS)


@shared_task(name="cases.tasks.sweep")
def sweep_cases() -> None:
    run_all()
