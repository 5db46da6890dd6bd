"""A small cast with a stranger, and a case in the state a test needs; everything through the real actions."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime

from accounts.models import Organisation, User
from cases.actions import answers, notices
from cases.actions import case as cases
from cases.models import Case, Notice
from config import acts, story
from ledger.time import now, standing_at
from tests.cast import organisation, person

MONDAY = datetime(2026, 10, 5, 10, 0, tzinfo=UTC)


@dataclass
class World:
    """The people of one case. `stranger` belongs to a company that has nothing to do with it."""

    caseworker: User
    colleague: User
    supervisor: User
    officer: User
    auditor: User
    complainant: User
    respondent: User
    stranger: User


def world() -> World:
    ministry = organisation("Ministry of Tests", kind="ministry")
    authority = organisation("Authority of Tests", kind="authority")
    return World(
        caseworker=person(ministry, "caseworker"),
        colleague=person(ministry, "caseworker"),
        supervisor=person(ministry, "supervisor"),
        officer=person(authority, "authority_officer"),
        auditor=person(ministry, "auditor"),
        complainant=person(organisation("Heron Ltd"), "company_admin"),
        respondent=person(organisation("Kestrel plc"), "company_admin"),
        stranger=person(organisation("Magpie Ltd"), "company_admin"),
    )


def open_case(w: World, *, at: datetime = MONDAY, named: bool = True, referral: bool = True) -> Case:
    """A case from an admitted allegation with one exhibit, opened `at`."""
    with standing_at(at):
        item = acts.give_evidence(w.complainant, "Gateway log")
        content = acts.allegation_content(next(_numbers), item, respondent="Kestrel plc", named=named)
        content["consent_referral"] = referral
        filing = acts.file_it("allegation", w.complainant, content)
        story.filings.acknowledge(filing.pk, by=w.caseworker)
        story.filings.admit(filing.pk, by=w.caseworker)
        ask = notices.Ask
        return cases.open_case(
            by=w.caseworker,
            title="Heron outputs",
            subject="Bulk querying",
            purpose="To find out",
            source_id=filing.pk,
            seats=[
                cases.Seat(w.complainant.organisation_id, "complainant", (ask("How do you know?"),)),
                cases.Seat(w.respondent.organisation_id, "respondent", (ask("Was it you?"), ask("Why?"))),
            ],
        )


def _count() -> object:
    number = 0
    while True:
        number += 1
        yield number


_numbers = _count()  # type: ignore[var-annotated]


def notice_to(case: Case, who: User | Organisation) -> Notice:
    """The notice to produce evidence of this round."""
    pk = who.organisation_id if isinstance(who, User) else who.pk
    return case.notices.get(party__organisation_id=pk, kind="evidence", round=case.round)


def answer(case: Case, by: User, *, received_at: datetime | None = None, attach: bool = False) -> None:
    """Answer everything and hand it in."""
    notice = notice_to(case, by)
    item = acts.give_evidence(by, "Their log") if attach else None
    for question in notice.questions.all():
        draft = getattr(question, "draft", None)
        answers.save_answer(
            question.pk,
            by=by,
            how="answer",
            text="Yes and no.",
            evidence=[item.reference] if item else [],
            revision=draft.revision if draft else 0,
        )
    answers.answer(notice.pk, by=by, received_at=received_at or now())
