"""Notices: issuing, answering, missing, asking for more time, and service that is in doubt."""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict, dataclass
from datetime import datetime
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
from cases.actions.exhibits import add_exhibits
from cases.actions.referrals.additions import add_late
from cases.clock import next_reminder, reminder_offset
from cases.models import (
    AnswerDraft,
    Case,
    Notice,
    NoticeReminder,
    Party,
    Question,
    Response,
    ResponseReading,
    ServiceDoubt,
)
from cases.notice_text import evidence_notice, preservation_notice
from cases.rules import NOTICE_RULES
from evidence.models import EvidenceItem
from ledger.actions import action, record
from ledger.references import next_reference
from ledger.time import now
from notifications.actions import tell
from web.problems import Conflict, Invalid


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
def save_answer(
    question_id: int,
    *,
    by: User,
    how: str,
    text: str = "",
    where_held: str = "",
    why_not_held: str = "",
    evidence: list[str] | None = None,
    revision: int,
) -> AnswerDraft:
    """Keep the draft of an answer to one question. Raises AnswerChanged when a colleague saved it meanwhile."""
    question = Question.objects.get(pk=question_id)
    notice = locked_notice(question.notice_id)
    check(by, NOTICE_RULES["save_answer"], notice)
    draft = AnswerDraft.objects.filter(question=question).first() or AnswerDraft(question=question)
    if draft.revision != revision:
        raise AnswerChanged(draft)
    _save_draft(draft, by, how, text, where_held, why_not_held, evidence or [])
    record(
        by,
        "answer.saved",
        notice,
        audience=[notice.party.organisation_id],
        private=True,
        question=question.number,
        revision=draft.revision,
    )
    return draft


def _save_draft(
    draft: AnswerDraft, by: User, how: str, text: str, where_held: str, why_not_held: str, evidence: list[str]
) -> None:
    items = EvidenceItem.objects.filter(organisation_id=by.organisation_id, reference__in=evidence)
    if items.count() != len(set(evidence)):
        raise Invalid({"evidence": [OWN_EVIDENCE]})
    draft.how, draft.text, draft.where_held, draft.why_not_held = how, text, where_held, why_not_held
    draft.revision, draft.updated_by, draft.updated_at = draft.revision + 1, by, now()
    draft.save()
    draft.evidence.set(items)


class AnswerChanged(Conflict):
    """A colleague saved the answer in the meantime; `draft` is the answer as it now stands."""

    def __init__(self, draft: AnswerDraft) -> None:
        super().__init__("A colleague has saved this answer since you opened it.")
        self.draft = draft


def unanswered(notice: Notice) -> list[Question]:
    """The mandatory questions whose draft is not fit to be handed in."""
    questions = notice.questions.select_related("draft").filter(mandatory=True)
    return [q for q in questions if not _is_fit(getattr(q, "draft", None))]


def _is_fit(draft: AnswerDraft | None) -> bool:
    if draft is None:
        return False
    if draft.how == AnswerDraft.NOT_HELD:
        return bool(draft.where_held.strip() and draft.why_not_held.strip())
    return draft.how == AnswerDraft.ANSWER and bool(draft.text.strip() or draft.evidence.exists())


@dataclass(frozen=True)
class Reply:
    """An answer to one question as a program sends it."""

    question: int
    how: str
    text: str = ""
    where_held: str = ""
    why_not_held: str = ""
    evidence: tuple[str, ...] = ()

    @property
    def is_fit(self) -> bool:
        """Whether it says something: an answer, or where it is held and why not here."""
        if self.how == AnswerDraft.NOT_HELD:
            return bool(self.where_held.strip() and self.why_not_held.strip())
        return self.how == AnswerDraft.ANSWER and bool(self.text.strip() or self.evidence)


NOT_FIT = "Answer every question, or say where it is held and why you do not hold it"
OWN_EVIDENCE = "Choose items from your organisation’s own evidence"


@action
def answer_all(notice_id: int, *, by: User, replies: list[Reply], received_at: datetime) -> Response:
    """Hand in these replies and nothing else: for programs. Judged as `answer` is.

    What colleagues are drafting stays theirs: it is neither handed in nor written over. Raises Invalid beside a reply to
    what is not asked, one that says nothing, or with evidence that is not the addressee's own.
    """
    notice = locked_notice(notice_id)
    check(by, NOTICE_RULES["save_answer"], notice)
    questions = {q.number: q for q in notice.questions.all()}
    content, items = [], []
    for place, reply in enumerate(replies):
        if reply.question not in questions or [r.question for r in replies].count(reply.question) > 1:
            raise Invalid({f"replies/{place}/question": ["Answer each question of the notice once"]})
        attached = list(EvidenceItem.objects.filter(organisation_id=by.organisation_id, reference__in=reply.evidence))
        if len(attached) != len(set(reply.evidence)):
            raise Invalid({f"replies/{place}/evidence": [OWN_EVIDENCE]})
        if not reply.is_fit:
            raise Invalid({f"replies/{place}": [NOT_FIT]})
        items += [item for item in attached if item not in items]
        content.append(asdict(reply) | {"evidence": [item.reference for item in attached]})
    if any(q.mandatory and q.number not in {r.question for r in replies} for q in questions.values()):
        raise Invalid({"": [NOT_FIT]})
    return _hand_in(notice, sorted(content, key=lambda reply: int(reply["question"])), items, by, received_at)


@action
def answer(notice_id: int, *, by: User, received_at: datetime) -> Response:
    """Hand in the answers as they are saved, with their evidence as exhibits.

    Judged by `received_at`, taken when the last byte arrived and before any lock: in time if before the due instant,
    even if a miss was stamped in between, which is then corrected. Late answers are always taken and marked late; while
    service is in doubt no period is held against the addressee, and no answer is late.
    """
    notice = locked_notice(notice_id)
    check(by, NOTICE_RULES["save_answer"], notice)
    if notice.kind == "evidence" and unanswered(notice):
        raise Invalid({"": [NOT_FIT]})
    return _hand_in(notice, *_handed_in(notice), by, received_at)


def _hand_in(
    notice: Notice, content: list[dict[str, Any]], items: list[EvidenceItem], by: User, received_at: datetime
) -> Response:
    case = notice.case
    doubted = notice.doubts.open().exists()
    late = notice.due_at is not None and received_at >= notice.due_at and not doubted
    already = notice.state in {"answered", "answered_late"}
    rule = NOTICE_RULES["answer_late" if late and not already else "answer"]
    check(by, rule, notice)
    if case.state in {"resolved", "closed"}:
        raise Conflict(f"The case is {case.get_state_display().lower()}: nothing more can be handed in.")
    if notice.kind != "evidence":
        raise Conflict("A preservation notice asks for no answer.")
    response = Response.objects.create(
        notice=notice,
        number=notice.responses.count() + 1,
        content=content,
        sha256=digest(content),
        received_at=received_at,
        late=late,
        submitted_by=by,
    )
    missed = notice.state == "missed"
    if not already:
        notice.state, notice.remind_at = rule.after, None
        notice.save(update_fields=["state", "remind_at"])
    audience = [notice.party.organisation_id]
    record(
        by,
        "notice.answered_late" if late else "notice.answered",
        notice,
        audience=audience,
        at=received_at,
        response=response.number,
        sha256=response.sha256,
    )
    lapse_requests(notice=notice)
    # Whoever answers has read what came with it: the preservation notice of the same party too.
    settle_doubts("answered", notice__party=notice.party)
    if missed and not late:
        record(None, "notice.miss_corrected", notice, audience=audience, at=received_at)
    exhibits = add_exhibits(case, notice.party, items, response=response, by=by)
    if case.state == "referred":
        add_late(case, response, exhibits, by=by)
    _tell_of_answer(notice, response)
    return response


def _handed_in(notice: Notice) -> tuple[list[dict[str, Any]], list[EvidenceItem]]:
    content, items = [], []
    for question in notice.questions.select_related("draft"):
        draft = getattr(question, "draft", None)
        if draft is None or not draft.how:
            continue
        attached = list(draft.evidence.order_by("pk"))
        items += [item for item in attached if item not in items]
        content.append(
            {
                "question": question.number,
                "how": draft.how,
                "text": draft.text,
                "where_held": draft.where_held,
                "why_not_held": draft.why_not_held,
                "evidence": [item.reference for item in attached],
            }
        )
    return content, items


def _tell_of_answer(notice: Notice, response: Response) -> None:
    context: dict[str, Any] = {
        "reference": notice.reference,
        "case": notice.case.reference,
        "received_at": response.received_at.isoformat(),
        "late": response.late,
        "sha256": response.sha256,
    }
    url = reverse("notice", args=[notice.reference])
    tell("answer_received", notice, organisations=[notice.party.organisation_id], url=url, **context)
    tell("answer_to_read", notice, people=notice.case.team(), url=url, **context)


@action
def read_response(response_id: int, *, by: User) -> ResponseReading:
    """Note that an official has opened a party's answer."""
    response = Response.objects.select_related("notice").get(pk=response_id)
    notice = locked_notice(response.notice_id)
    check(by, NOTICE_RULES["read_response"], notice)
    reading, created = ResponseReading.objects.get_or_create(response=response, user=by, defaults={"at": now()})
    if created:
        record(by, "response.read", response, number=response.number)
    return reading


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


def digest(content: Any) -> str:
    """SHA-256 of JSON with sorted keys and no spaces."""
    text = json.dumps(content, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    return hashlib.sha256(text.encode()).hexdigest()
