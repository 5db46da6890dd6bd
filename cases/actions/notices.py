"""Notices: issuing, waiving, missing, reminding, and service that is in doubt."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from django.urls import reverse

from accounts.models import User, people_of
from accounts.permissions import check
from cases.actions.calendar import make_up
from cases.actions.deadlines import (
    free_case,
    lapse_requests,
    locked_case,
    period_for,
    rewrite,
    settle_doubts,
    trace_json,
)
from cases.clock import next_reminder, reminder_offset
from cases.models import (
    Case,
    Notice,
    NoticeReminder,
    Party,
    Question,
    ServiceDoubt,
)
from cases.notice_text import evidence_notice, preservation_notice
from cases.rules import NOTICE_RULES
from ledger.actions import action, record
from ledger.digests import digest
from ledger.references import next_reference
from ledger.time import now
from notifications.actions import tell
from web.problems import Invalid


@dataclass(frozen=True)
class Ask:
    """One question of a notice."""

    text: str
    period: str = ""
    form: str = ""
    mandatory: bool = True


def issue_to(party: Party, *, kind: str, subject: str, purpose: str, questions: tuple[Ask, ...], by: User) -> Notice:
    """Issue one notice to one party; a shared step, the caller holds the case's lock and rewrites its dates.

    It is served by being committed here, if the addressee has a member able to sign in; otherwise service is in doubt.
    Raises Invalid for a notice to produce evidence that asks nothing.
    """
    case, addressee, sent_at = party.case, party.organisation, now()
    if kind == "evidence" and not questions:
        raise Invalid({f"{party.role}_questions": ["Ask at least one question"]})
    period = period_for(sent_at, addressee.nation, case.scheme)
    parts: dict[str, Any] = {
        "scheme": case.scheme,
        "authority": by.organisation.name,
        "officer": by.name,
        "addressee": addressee.name,
        "subject": subject,
    }
    if kind == "evidence":
        content = evidence_notice(**parts, purpose=purpose, role=f"the {party.role}")
    else:
        content = preservation_notice(**parts)
    runs = kind == "evidence"
    notice = Notice.objects.create(
        reference=next_reference("N"),
        case=case,
        party=party,
        round=case.round,
        kind=kind,
        issued_by=by,
        sent_at=sent_at,
        nation=addressee.nation,
        content=content,
        sha256=digest([content, [[q.text, q.period, q.form, q.mandatory] for q in questions]]),
        served_on=period.served_on,
        last_day=period.last_day if runs else None,
        expires_at=period.expires_at if runs else None,
        due_at=period.expires_at if runs else None,
        remind_at=next_reminder(period.expires_at, sent_at) if runs else None,
        time_rule=period.rule,
        calendar=period.calendar,
        trace=trace_json(period),
    )
    Question.objects.bulk_create(
        Question(notice=notice, number=n, text=q.text, period=q.period, form=q.form, mandatory=q.mandatory)
        for n, q in enumerate(questions, start=1)
    )
    record(
        by,
        "notice.issued",
        notice,
        audience=[addressee],
        kind=kind,
        sha256=notice.sha256,
        served_on=notice.served_on.isoformat(),
        expires_at=notice.expires_at.isoformat() if notice.expires_at else None,
    )
    tell_of_notice(notice)
    if not people_of(addressee).exists():
        raise_doubt(notice, "no_member")
    return notice


def tell_of_notice(notice: Notice, *, again: str = "") -> None:
    """The message that comes with a notice: in the platform, with a copy by e-mail that never moves the clock."""
    tell(
        "notice_issued",
        notice,
        organisations=[notice.party.organisation_id],
        url=reverse("notice", args=[notice.reference]),
        reference=notice.reference,
        case=notice.case.reference,
        kind=notice.get_kind_display(),
        due_at=notice.due_at.isoformat() if notice.due_at else "",
        again=again,
    )


def raise_doubt(notice: Notice, reason: str, *, message_id: int | None = None) -> ServiceDoubt:
    """Mark service as in doubt: nothing is missed and nothing referred until it is settled."""
    doubt = ServiceDoubt.objects.create(notice=notice, reason=reason, message_id=message_id, raised_at=now())
    record(None, "notice.service_in_doubt", notice, reason=reason)
    tell(
        "service_in_doubt",
        notice,
        people=[*notice.case.team(), *notice.case.supervisors()],
        url=reverse("notice", args=[notice.reference]),
        reference=notice.reference,
        case=notice.case.reference,
        reason=doubt.get_reason_display(),
    )
    return doubt


@action
def waive(notice_id: int, *, by: User, reason: str) -> Notice:
    """The supervisor no longer requires an answer; the case's dates follow."""
    notice = locked_notice(notice_id)
    rule = NOTICE_RULES["waive"]
    check(by, rule, notice)
    if not reason.strip():
        raise Invalid({"reason": ["Say why"]})
    notice.state, notice.remind_at = rule.after, None
    notice.save(update_fields=["state", "remind_at"])
    if notice.case.state == "open":
        rewrite(notice.case)
    record(by, "notice.waived", notice, audience=[notice.party.organisation_id])
    lapse_requests(notice=notice)
    settle_doubts("not_needed", by=by, notice=notice)
    tell(
        "notice_waived",
        notice,
        organisations=[notice.party.organisation_id],
        url=reverse("notice", args=[notice.reference]),
        reference=notice.reference,
        reason=reason,
    )
    return notice


# --- What the sweeps do: look again under the lock, do nothing when taken or no longer due. -----------------------------


@action
def stamp_missed(notice_id: int) -> Notice | None:
    """Stamp a notice that was not answered in time; the event carries the instant at which it ran out."""
    case = free_case(Notice.objects.values_list("case_id", flat=True).get(pk=notice_id))
    if case is None:
        return None
    notice = Notice.objects.due_for_miss().filter(pk=notice_id).first()
    if notice is None:
        return None
    if extended := make_up(case, Notice.objects.filter(pk=notice_id)):
        return extended[0]
    notice.case = case
    return miss(notice)


def miss(notice: Notice) -> Notice:
    """Stamp one notice as missed; a shared step, the caller holds the case's lock and has looked that it is due."""
    check(None, NOTICE_RULES["stamp_missed"], notice)
    notice.state, notice.remind_at = "missed", None
    notice.save(update_fields=["state", "remind_at"])
    record(None, "notice.missed", notice, audience=[notice.party.organisation_id], at=notice.due_at)
    lapse_requests(notice=notice)
    url = reverse("notice", args=[notice.reference])
    context = {"reference": notice.reference, "case": notice.case.reference}
    tell("notice_missed", notice, organisations=[notice.party.organisation_id], url=url, **context)
    tell("notice_missed_staff", notice, people=notice.case.team(), url=url, **context)
    return notice


@action
def remind(notice_id: int) -> Notice | None:
    """Remind a party before its last day: once per notice, due instant and offset, never after the deadline."""
    case = free_case(Notice.objects.values_list("case_id", flat=True).get(pk=notice_id))
    if case is None:
        return None
    notice = Notice.objects.due_for_reminder().filter(pk=notice_id).first()
    if notice is None or notice.due_at is None:
        return None
    instant = now()
    days = reminder_offset(notice.due_at, instant)
    notice.remind_at = next_reminder(notice.due_at, instant)
    notice.save(update_fields=["remind_at"])
    if days is None:
        return notice
    NoticeReminder.objects.create(notice=notice, due_at=notice.due_at, days=days, at=instant)
    record(None, "notice.reminded", notice, audience=[notice.party.organisation_id], days=days)
    tell(
        "notice_reminder",
        notice,
        organisations=[notice.party.organisation_id],
        url=reverse("notice", args=[notice.reference]),
        once=f"notice:{notice.pk}:{notice.due_at.isoformat()}:{days}",
        reference=notice.reference,
        case=case.reference,
        due_at=notice.due_at.isoformat(),
    )
    return notice


def locked_notice(notice_id: int) -> Notice:
    """The notice with its case locked."""
    case: Case = locked_case(Notice.objects.values_list("case_id", flat=True).get(pk=notice_id))
    notice = Notice.objects.select_related("party__organisation").get(pk=notice_id)
    notice.case = case
    return notice
