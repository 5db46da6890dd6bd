"""What the authority does with a referral, how the ministry takes it back, and what follows for the case."""

from __future__ import annotations

from datetime import date
from typing import Any

from django.urls import reverse

from accounts.models import User
from accounts.permissions import Rule, check
from cases.actions.deadlines import hold_calendar, lapse_notices, locked_case, period_for, rewrite
from cases.models import Case, Referral, ReferralStep
from cases.rules import CASE_AFTER_REFERRAL, REFERRAL_RULES
from disclosures.models import FilingGrant
from evidence.actions import end_grants
from ledger.actions import action, record
from ledger.time import local_date, now
from monitoring.actions.analysis import hide_analyses
from notifications.actions import tell
from web.problems import Invalid


@action
def acknowledge(referral_id: int, *, by: User) -> Referral:
    """The authority has received the referral and will look at it."""
    return _step(referral_id, "acknowledge", by=by)


@action
def accept(referral_id: int, *, by: User, reference: str) -> Referral:
    """The authority takes the matter on, under a reference of its own; the case is closed here."""
    if not reference.strip():
        raise Invalid({"reference": ["Enter the authority’s own reference"]})
    return _step(referral_id, "accept", by=by, reference=reference.strip())


@action
def return_(referral_id: int, *, by: User, needed: str, needed_by: date) -> Referral:
    """The authority needs more: the case opens again in a new round with a new period from the clock."""
    if needed_by <= local_date(now()):
        raise Invalid({"needed_by": ["The day by which it is needed must be in the future"]})
    return _step(referral_id, "return_", by=by, text=needed, needed_by=needed_by)


@action
def decline(referral_id: int, *, by: User, head: str, reason: str) -> Referral:
    """The authority does not take the matter on, under one of its heads: the case is the ministry's again."""
    return _step(referral_id, "decline", by=by, head=head, text=reason)


@action
def withdraw(referral_id: int, *, by: User, reason: str) -> Referral:
    """The ministry takes a referral back: the authority no longer sees it, the case opens in a new round."""
    referral = _step(referral_id, "withdraw", by=by, text=reason)
    end_grants(referral.authority, f"referral:{referral.pk}")
    hide_analyses(referral.authority, f"referral:{referral.pk}")
    FilingGrant.objects.current().filter(reason=f"referral:{referral.pk}").update(until=now())
    return referral


def _step(
    referral_id: int,
    verb: str,
    *,
    by: User,
    head: str = "",
    text: str = "",
    needed_by: date | None = None,
    reference: str = "",
) -> Referral:
    found = Referral.objects.get(pk=referral_id)
    hold_calendar()
    case = locked_case(found.case_id)
    referral = Referral.objects.select_related("authority").get(pk=referral_id)
    rule: Rule = REFERRAL_RULES[verb]
    check(by, rule, referral)
    referral.case, referral.state = case, rule.after
    referral.authority_reference = reference
    referral.save(update_fields=["state", "authority_reference"])
    ReferralStep.objects.create(
        referral=referral, state=referral.state, head=head, text=text, needed_by=needed_by, by=by, at=now()
    )
    record(by, f"referral.{referral.state}", referral, audience=[referral.authority_id], head=head)
    _follow(case, referral, by)
    _tell_of_step(case, referral)
    return referral


def _follow(case: Case, referral: Referral, by: User) -> None:
    """What the referral's new state means for the case."""
    state = CASE_AFTER_REFERRAL.get(referral.state)
    parties = list(case.parties.values_list("organisation_id", flat=True))
    if state == "closed":
        case.state, case.ended_at, case.refers_at = state, now(), None
        case.save(update_fields=["state", "ended_at", "refers_at"])
        lapse_notices(case)
        record(by, "case.closed", case, audience=parties)
    elif state == "open":
        case.state, case.round = state, case.round + 1
        case.round_ends_at = period_for(now(), case.scheme.overseas_nation, case.scheme).expires_at
        case.save(update_fields=["state", "round", "round_ends_at"])
        rewrite(case)
        record(by, "case.reopened", case, audience=parties, round=case.round, because=referral.state)


def _tell_of_step(case: Case, referral: Referral) -> None:
    context: dict[str, Any] = {
        "reference": referral.reference,
        "case": case.reference,
        "state": referral.get_state_display().lower(),
        "reopened": case.state == "open",
    }
    tell(
        "referral_step",
        referral,
        people=[*case.team(), *case.supervisors()],
        url=reverse("referral", args=[referral.reference]),
        **context,
    )
    if referral.state == "withdrawn":
        tell("referral_withdrawn", referral, organisations=[referral.authority_id], **context)
    tell(
        "referral_step_party",
        referral,
        organisations=list(case.parties.values_list("organisation_id", flat=True)),
        url=reverse("case", args=[case.reference]),
        **context,
    )
