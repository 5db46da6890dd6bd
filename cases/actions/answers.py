"""Answers to a notice: drafts, what is handed in from them or by a program, and who has read it."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any

from django.urls import reverse

from accounts.models import User
from accounts.permissions import check
from cases.actions.deadlines import lapse_requests, settle_doubts
from cases.actions.exhibits import add_exhibits
from cases.actions.notices import locked_notice
from cases.actions.referrals.additions import add_late
from cases.models import AnswerDraft, Notice, Question, Response, ResponseReading
from cases.rules import NOTICE_RULES
from evidence.models import EvidenceItem
from ledger.actions import action, record
from ledger.digests import digest
from ledger.time import now
from notifications.actions import tell
from web.problems import Conflict, Invalid

NOT_FIT = "Answer every question, or say where it is held and why you do not hold it"
OWN_EVIDENCE = "Choose items from your organisation’s own evidence"


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
