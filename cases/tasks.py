"""The sweeps: what beat calls every minute, and `manage.py run_sweeps` without a broker."""

from __future__ import annotations

from celery import shared_task

from cases.actions.calendar import make_up_for_outage
from cases.actions.extensions import escalate_request
from cases.actions.notices import remind, stamp_missed
from cases.actions.referrals import refer, remind_team
from cases.actions.service import bounced, doubt_bounced
from cases.models import Case, ExtensionRequest, Notice
from ledger import sweep


def run_all() -> dict[str, sweep.Tally]:
    """Do everything that is due: first what moves or holds a deadline, then what follows from one.

    Answers what each sweep did. Running it twice, or in five places at once, does nothing twice.
    """
    return {
        "doubts": sweep.run("cases.doubts", bounced, doubt_bounced),
        "outages": sweep.run(
            "cases.outages",
            lambda: Notice.objects.owed_an_outage().filter(case__state="open").order_by("due_at"),
            make_up_for_outage,
        ),
        "requests": sweep.run("cases.requests", ExtensionRequest.objects.due_for_escalation, escalate_request),
        "misses": sweep.run("cases.misses", Notice.objects.due_for_miss, stamp_missed),
        "referrals": sweep.run("cases.referrals", Case.objects.due_for_referral, refer),
        "party_reminders": sweep.run("cases.party_reminders", Notice.objects.due_for_reminder, remind),
        "team_reminders": sweep.run("cases.team_reminders", Case.objects.due_for_reminder, remind_team),
    }


@shared_task(name="cases.tasks.sweep")
def sweep_cases() -> None:
    run_all()
