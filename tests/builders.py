"""Many open cases, quickly: rows as the actions leave them, written in bulk, with the dates that the clock gives."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.db import transaction

from accounts.models import Organisation, User
from cases.actions.deadlines import period_for, refers_at, trace_json
from cases.clock import EvidencePeriod, next_reminder
from cases.models import AnswerDraft, Case, Notice, Party, Question
from cases.notice_text import evidence_notice, preservation_notice
from disclosures.models import Scheme
from ledger.actions import Entry, record_many
from ledger.digests import digest
from ledger.references import next_references
from ledger.time import standing_at
from notifications.models import Message
from tests.cast import organisation, person

SUBJECT = "Bulk querying of language models between May and June 2026."
PURPOSE = "To find whether outputs were collected to train a competing model."
QUESTION = "Which of your accounts queried these models, and what was done with the outputs?"


@dataclass(frozen=True)
class Cast:
    """Everybody a case needs, each able to sign in; two contacts for each company."""

    officer: User
    deputy: User
    supervisor: User
    second_supervisor: User
    authority_officer: User
    complainant: User
    respondent: User
    rival: User


def cast() -> Cast:
    """The ministry, the authority and three verified companies with their people."""
    ministry = organisation("Ministry", "ministry")
    authority = organisation("Authority", "authority")
    companies = [organisation(name, contacts=2) for name in ("Northwind Ltd", "Harrier plc", "Tarn Ltd")]
    return Cast(
        officer=person(ministry, "caseworker"),
        deputy=person(ministry, "caseworker"),
        supervisor=person(ministry, "supervisor"),
        second_supervisor=person(ministry, "supervisor"),
        authority_officer=person(authority, "authority_officer"),
        complainant=person(companies[0], "company_officer"),
        respondent=person(companies[1], "company_officer"),
        rival=person(companies[2], "company_admin"),
    )


@transaction.atomic
def open_cases(
    people: Cast, count: int, *, sent_at: datetime, drafted: bool = False, letters: bool = False
) -> list[int]:
    """Add `count` open cases with two parties, a preservation and an evidence notice each, served at `sent_at`.

    `drafted` leaves an answer to every question ready to be handed in; `letters` adds the messages that bring the
    notices, already sent. Answers the ids of the cases, in order.
    """
    with standing_at(sent_at):
        made = _cases(people, count, sent_at)
        parties = _parties(people, made)
        notices = _notices(people, parties, sent_at)
        questions = Question.objects.bulk_create(
            Question(notice=n, number=1, text=QUESTION) for n in notices if n.kind == "evidence"
        )
        if drafted:
            AnswerDraft.objects.bulk_create(_draft(q, people, sent_at) for q in questions)
        _events(people, made, notices)
        if letters:
            _letters(notices, sent_at)
    return [case.pk for case in made]


def _cases(people: Cast, count: int, sent_at: datetime) -> list[Case]:
    scheme = Scheme.objects.current()
    nations = {u.organisation.nation for u in (people.complainant, people.respondent)}
    ends = max(period_for(sent_at, nation, scheme).expires_at for nation in nations)
    due = refers_at(ends, scheme)
    return Case.objects.bulk_create(
        Case(
            reference=reference,
            title=f"Bulk querying, {reference}",
            basis="own_motion",
            scheme=scheme,
            opened_by=people.officer,
            opened_at=sent_at,
            officer=people.officer,
            deputy=people.deputy,
            round_ends_at=ends,
            refers_at=due,
            remind_at=next_reminder(due, sent_at),
        )
        for reference in next_references("C", count)
    )


def _parties(people: Cast, made: list[Case]) -> list[Party]:
    seats = (("complainant", people.complainant), ("respondent", people.respondent))
    return Party.objects.bulk_create(
        Party(case=case, organisation=user.organisation, role=role) for case in made for role, user in seats
    )


def _notices(people: Cast, parties: list[Party], sent_at: datetime) -> list[Notice]:
    references = iter(next_references("N", 2 * len(parties)))
    periods: dict[str, EvidencePeriod] = {}
    rows: list[Notice] = []
    for party in parties:
        addressee, scheme = party.organisation, party.case.scheme
        period = periods.setdefault(addressee.nation, period_for(sent_at, addressee.nation, scheme))
        rows += [
            _notice(people, party, kind, period, sent_at, next(references)) for kind in ("preservation", "evidence")
        ]
    return Notice.objects.bulk_create(rows)


def _notice(people: Cast, party: Party, kind: str, period: EvidencePeriod, sent_at: datetime, reference: str) -> Notice:
    runs = kind == "evidence"
    parts: dict[str, Any] = {
        "scheme": party.case.scheme,
        "authority": people.officer.organisation.name,
        "officer": people.officer.name,
        "addressee": party.organisation.name,
        "subject": SUBJECT,
    }
    content = (
        evidence_notice(**parts, purpose=PURPOSE, role=f"the {party.role}") if runs else preservation_notice(**parts)
    )
    return Notice(
        reference=reference,
        case=party.case,
        party=party,
        round=1,
        kind=kind,
        issued_by=people.officer,
        sent_at=sent_at,
        nation=party.organisation.nation,
        content=content,
        sha256=digest([content, [[QUESTION, "", "", True]] if runs else []]),
        served_on=period.served_on,
        last_day=period.last_day if runs else None,
        expires_at=period.expires_at if runs else None,
        due_at=period.expires_at if runs else None,
        remind_at=next_reminder(period.expires_at, sent_at) if runs else None,
        time_rule=period.rule,
        calendar=period.calendar,
        trace=trace_json(period),
    )


def _draft(question: Question, people: Cast, at: datetime) -> AnswerDraft:
    by = people.complainant if question.notice.party.role == "complainant" else people.respondent
    return AnswerDraft(
        question=question,
        how="answer",
        text="Three accounts; nothing was kept.",
        revision=1,
        updated_by=by,
        updated_at=at,
    )


def _events(people: Cast, made: list[Case], notices: list[Notice]) -> None:
    both = [people.complainant.organisation_id, people.respondent.organisation_id]
    opened = [Entry("case.opened", case, {"basis": case.basis}, both, by=people.officer) for case in made]
    issued = [
        Entry(
            "notice.issued",
            notice,
            {
                "kind": notice.kind,
                "sha256": notice.sha256,
                "served_on": notice.served_on.isoformat(),
                "expires_at": notice.expires_at.isoformat() if notice.expires_at else None,
            },
            [notice.party.organisation_id],
            by=people.officer,
        )
        for notice in notices
    ]
    record_many(opened + issued)


def _letters(notices: list[Notice], at: datetime) -> None:
    mailboxes: dict[int, list[tuple[User | None, str]]] = {}
    rows = []
    for notice in notices:
        org: Organisation = notice.party.organisation
        if org.pk not in mailboxes:
            contacts = org.contacts.filter(removed_at=None)
            mailboxes[org.pk] = [*((u, u.email) for u in org.people.all()), *((None, c.email) for c in contacts)]
        for user, address in mailboxes[org.pk]:
            message = Message(
                user=user,
                organisation_id=org.pk,
                address=address,
                template="notice_issued",
                context={"reference": notice.reference, "case": notice.case.reference, "kind": notice.kind},
                url=f"/notices/{notice.reference}/",
                about_type="cases.notice",
                about_id=notice.pk,
                created_at=at,
                state="sent",
                attempts=1,
                sent_at=at,
            )
            message.dedupe_key = message.message_id
            rows.append(message)
    Message.objects.bulk_create(rows)
