"""The ledger: a change that cannot be recorded does not happen, and what is recorded stays as it is."""

from __future__ import annotations

import os
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import psycopg
import pytest
from django.apps import apps
from django.db import Error, connection, models, transaction

from accounts import actions as accounts
from accounts.models import Organisation
from cases import tasks
from cases.actions import answers, calendar, exhibits, extensions, notices, service
from cases.actions import case as cases
from cases.actions.referrals import making, steps
from cases.models import Case, Decision, Exhibit, Notice, Question, Referral, Response
from config import acts, story
from disclosures import actions as filings
from disclosures.actions import authorisations
from disclosures.examples import AUTHORISATION
from disclosures.models import FilingVersion
from ledger.actions import place_events
from ledger.models import Event
from ledger.time import local_date, now, standing_at
from monitoring.actions import alerts as alert_actions
from monitoring.models import Alert, Analysis, AnalysisGrant, Comparison, Feed, Unrelated, WindowReading
from notifications.actions import record_bounce
from notifications.models import Message
from tests import builders

# --- No record, no change -------------------------------------------------------------------------------------------------
Fails = Callable[[str, str], Callable[[], None]]


def everything(owner: psycopg.Connection[Any], storage: Path) -> dict[str, object]:
    """A digest of every table, and the files of the evidence."""
    tables = owner.execute("SELECT relname FROM pg_class WHERE relnamespace = 'public'::regnamespace AND relkind = 'r'")
    found: dict[str, object] = {}
    for (table,) in tables.fetchall():
        row = owner.execute(f"SELECT md5(string_agg(t::text, '|' ORDER BY t::text)) FROM {table} t".encode()).fetchone()
        found[table] = row[0] if row else None
    return {**found, "files": sorted(str(path) for path in storage.rglob("*") if path.is_file())}


def _world(people: builders.Cast) -> dict[str, Callable[[], Any]]:
    """One action of nearly every kind, each ready to be done."""
    due, late = builders.open_cases(people, 2, sent_at=now() - timedelta(days=25), drafted=True)
    running, asked, decided = builders.open_cases(people, 3, sent_at=now() - timedelta(days=2), drafted=True)
    tasks.stamp_missed(_notice(late).pk)
    late_referral = making.refer(late)
    assert late_referral is not None
    cases.resolve(decided, by=people.supervisor, outcome="settled", reasons="Agreed.")
    day = local_date(now()) + timedelta(days=40)
    request = extensions.request_extension(
        _notice(asked).pk, by=people.respondent, until_day=day, reasons="More time.", received_at=now()
    )
    invitation = accounts.invite(
        people.rival.organisation_id, by=people.rival, email="x@tarn.example", name="X", role="company_officer"
    )
    filing = acts.draft("disclosure", people.respondent, acts.disclosure_content(1))
    submitted = acts.file_it("disclosure", people.rival, acts.disclosure_content(2))
    by, to = people.complainant, people.respondent
    asked_for, agreed = (
        authorisations.propose(by=by, grantee=to.organisation.name, content=AUTHORISATION).pk for _ in range(2)
    )
    authorisations.confirm(agreed, by=to, name="N", capacity="C")
    other = {**AUTHORISATION, "max_requests": 250_000}
    (question,) = Question.objects.filter(notice=_notice(running))
    letter = Message.objects.filter(template="referral_queued").earliest("pk")
    reminder_at = (_notice(running).due_at or now()) - timedelta(days=3)
    officer, seats = people.officer, [cases.Seat(people.respondent.organisation_id, "respondent", (notices.Ask("Q"),))]
    return {
        "refer": lambda: making.refer(due),
        "stamp_missed": lambda: tasks.stamp_missed(_notice(due).pk),
        "remind": lambda: _at(reminder_at, lambda: tasks.remind(_notice(running).pk)),
        "remind_team": lambda: _at(reminder_at, lambda: tasks.remind_team(running)),
        "answer": lambda: answers.answer(_notice(running).pk, by=people.respondent, received_at=now()),
        "answer_late": lambda: answers.answer(_notice(late).pk, by=people.respondent, received_at=now()),
        "save_answer": lambda: answers.save_answer(
            question.pk, by=people.respondent, how="answer", text="Other", revision=1
        ),
        "waive": lambda: notices.waive(_notice(running).pk, by=people.supervisor, reason="Not needed."),
        "request": lambda: extensions.request_extension(
            _notice(running).pk, by=people.respondent, until_day=day, reasons="More.", received_at=now()
        ),
        "grant": lambda: extensions.grant_extension(request.pk, by=officer, until_day=day, reasons="Shown."),
        "refuse": lambda: extensions.refuse_extension(request.pk, by=officer, reasons="Not shown."),
        "extend": lambda: extensions.extend(_notice(running).pk, by=officer, until_day=day, reasons="Illness."),
        "open": lambda: cases.open_case(by=officer, title="T", subject="S", purpose="P", seats=seats),
        "assign": lambda: cases.assign(running, by=officer, officer_id=people.deputy.pk, deputy_id=None),
        "conflict": lambda: cases.declare_conflict(running, by=people.deputy, reason="A shareholding."),
        "note": lambda: cases.add_note(running, by=officer, text="A note."),
        "brief": lambda: cases.write_brief(running, by=officer, head="summary", text="Text.", number=0),
        "propose": lambda: cases.propose(running, by=officer, outcome="settled", reasons="Agreed."),
        "resolve": lambda: cases.resolve(running, by=people.supervisor, outcome="settled", reasons="Agreed."),
        "publish": lambda: cases.publish(decided, by=people.supervisor, title="T", summary="S"),
        "acknowledge": lambda: steps.acknowledge(late_referral.pk, by=people.authority_officer),
        "accept": lambda: steps.accept(late_referral.pk, by=people.authority_officer, reference="O/1"),
        "return": lambda: steps.return_(
            late_referral.pk, by=people.authority_officer, needed="Volumes.", needed_by=day
        ),
        "withdraw": lambda: steps.withdraw(late_referral.pk, by=people.supervisor, reason="They talk."),
        "outage": lambda: calendar.record_outage(
            by=people.supervisor, started_at=now() - timedelta(hours=2), ended_at=now() - timedelta(hours=1), reason="R"
        ),
        "override": lambda: calendar.override_day(
            by=people.supervisor, day=day, nation="", working=False, name="A proclaimed holiday"
        ),
        "invite": lambda: accounts.invite(
            people.rival.organisation_id, by=people.rival, email="y@tarn.example", name="Y", role="company_officer"
        ),
        "join": lambda: accounts.accept(invitation.pk, name="X", password="a-long-enough-phrase-9"),
        "start": lambda: filings.start("disclosure", by=people.respondent),
        "submit": lambda: filings.submit(filing.pk, by=people.respondent, name="N", capacity="C", received_at=now()),
        "accept_filing": lambda: filings.accept(submitted.pk, by=officer),
        "propose_authorisation": lambda: authorisations.propose(
            by=by, grantee=to.organisation.name, content=AUTHORISATION
        ),
        "confirm": lambda: authorisations.confirm(asked_for, by=to, name="N", capacity="C"),
        "refuse_authorisation": lambda: authorisations.refuse(asked_for, by=to, reason="R."),
        "withdraw_authorisation": lambda: authorisations.withdraw(asked_for, by=by, reason="R."),
        "amend": lambda: authorisations.amend(agreed, by=by, content=other, change="More."),
        "revoke": lambda: authorisations.revoke(agreed, by=to, reason="R."),
        "evidence": lambda: acts.give_evidence(people.respondent, "A log", rows=2),
        "bounce": lambda: record_bounce(letter.pk, by=None),
    }


def _notice(case_id: int) -> Notice:
    return Notice.objects.get(case=case_id, kind="evidence", party__role="respondent")


def _at(instant: datetime, do: Callable[[], Any]) -> Any:
    with standing_at(instant):
        return do()


def test_change_whose_event_fails_does_not_happen(
    people: builders.Cast, broken: Fails, owner: psycopg.Connection[Any], storage: Path, figure: Callable[[str], None]
) -> None:
    world = _world(people)
    mend = broken("ledger_event", "true")
    before = everything(owner, storage)
    for name, action in world.items():
        with pytest.raises(Error, match="a fault made by the test"):
            action()
        assert everything(owner, storage) == before, name
    mend()
    # The control: with the ledger mended the same actions do change something, as long as their moment lasts.
    happened = 0
    for action in world.values():
        events = Event.objects.count()
        try:
            action()
        except Exception:  # an earlier one has taken its moment away
            continue
        happened += Event.objects.count() > events
    assert happened > len(world) / 2
    figure(f"{len(world)} actions whose event could not be recorded: nothing changed, no letter, no file")


@pytest.mark.parametrize(
    "verb", ["notice.issued", "case.reopened", "exhibit.added", "referral.added_to", "notice.missed"]
)
def test_change_whose_second_event_fails_does_not_happen(
    people: builders.Cast, broken: Fails, owner: psycopg.Connection[Any], storage: Path, verb: str
) -> None:
    """An action that records several things: the first event, and what it wrote by then, go as well."""
    world = _world(people)
    item = acts.give_evidence(people.respondent, "A log", rows=2)
    late = _notice(Referral.objects.get().case_id)
    answers.save_answer(
        late.questions.get().pk, by=people.respondent, how="answer", evidence=[item.reference], revision=1
    )
    name = {
        "notice.issued": "open",
        "case.reopened": "return",
        "exhibit.added": "answer_late",
        "referral.added_to": "answer_late",
        "notice.missed": "refer",
    }[verb]
    broken("ledger_event", f"NEW.verb = '{verb}'")
    before = everything(owner, storage)
    with pytest.raises(Error, match="a fault made by the test"):
        world[name]()
    assert everything(owner, storage) == before


# --- What is recorded stays -----------------------------------------------------------------------------------------------
# Table: columns that may still change. Everything else of these tables is refused by the database.
KEPT: dict[str, set[str]] = {
    "accounts_organisationdecision": set(),
    "monitoring_analysisgrant": {"until"},
    "monitoring_analysisreport": set(),
    "monitoring_comparedauthorisation": set(),
    "monitoring_comparison": {"state", "closed_at", "closed_by_id", "reason"},
    "monitoring_unrelated": set(),
    "monitoring_windowreading": set(),
    "cases_adjustment": set(),
    "cases_briefversion": set(),
    "cases_case": {"state", "round", "round_ends_at", "refers_at", "remind_at", "officer_id", "deputy_id", "ended_at"},
    "cases_casereminder": set(),
    "cases_conflictdeclaration": set(),
    "cases_decision": set(),
    "cases_decisionproposal": set(),
    "cases_exhibit": set(),
    "cases_exhibitcomment": set(),
    "cases_extensionrequest": {"state", "escalated_at", "decided_at", "decided_by_id", "decision_reasons"},
    "cases_holidayoverride": set(),
    "cases_lateaddition": set(),
    "cases_note": set(),
    "cases_notice": {"state", "due_at", "remind_at"},
    "cases_noticereminder": set(),
    "cases_outage": set(),
    "cases_party": set(),
    "cases_publication": set(),
    "cases_question": set(),
    "cases_referral": {"state", "authority_reference"},
    "cases_referralstep": set(),
    "cases_response": set(),
    "cases_responsereading": set(),
    "cases_service": set(),
    "cases_servicedoubt": {"settled_at", "settled_by_id", "settlement"},
    "disclosures_authorisation": {"state", "confirmed_at", "revoked_at"},
    "disclosures_authorisationanswer": set(),
    "disclosures_authorisationbarrier": set(),
    "disclosures_authorisationversion": set(),
    "disclosures_filingbarrier": set(),
    "disclosures_filinggrant": {"until"},
    "disclosures_filingreview": set(),
    "disclosures_filingversion": set(),
    "disclosures_scheme": set(),
    "disclosures_standingdeclaration": {"revoked_at", "revoked_by_id"},
    "evidence_barrier": set(),
    "evidence_evidenceitem": {"submitted_at"},
    "evidence_grant": {"until"},
    "monitoring_alert": {"state", "rung", "last_seen_at", "times", "told_at", "closed_at"},
    "monitoring_alertstep": set(),
    "monitoring_alertversion": set(),
    "monitoring_batch": set(),
    "ledger_event": set(),
    "ledger_wall": set(),
    "ledger_place": set(),
}
# What lives: working copies, people, outboxes, and the record of the sweeps.
LIVING = {
    "monitoring_analysis",
    "accounts_client",
    "accounts_contact",
    "accounts_invitation",
    "accounts_keptanswer",
    "accounts_organisation",
    "accounts_user",
    "cases_answerdraft",
    "cases_answerdraft_evidence",
    "disclosures_filing",
    "disclosures_filingevidence",
    "disclosures_filingsection",
    "disclosures_followup",
    "ledger_putoff",
    "ledger_sweeprun",
    "ledger_unplaced",
    "monitoring_feed",
    "notifications_delivery",
    "notifications_endpoint",
    "notifications_message",
}
ROOMS = ("accounts", "cases", "disclosures", "evidence", "ledger", "monitoring", "notifications")


def test_every_table_is_kept_or_known_to_live(owner: psycopg.Connection[Any]) -> None:
    rows = owner.execute(
        """SELECT c.relname, array_agg(t.tgname::text) FROM pg_trigger t JOIN pg_class c ON c.oid = t.tgrelid
           WHERE t.tgname LIKE '%\\_keep\\_%' AND t.tgenabled = 'O' GROUP BY c.relname"""
    ).fetchall()
    for table, triggers in rows:
        assert sorted(triggers) == [f"{table}_keep_{what}" for what in ("all", "rows", "table")]
    assert {table for table, _ in rows} == set(KEPT)
    tables = {
        m._meta.db_table
        for m in apps.get_models(include_auto_created=True)
        if m._meta.app_label in ROOMS and not m._meta.proxy
    }
    assert tables == set(KEPT) | LIVING


@pytest.mark.django_db(transaction=True)
def test_kept_rows_are_neither_changed_nor_deleted_by_anybody(owner: psycopg.Connection[Any], storage: Path) -> None:
    """As `app`, by which everything runs, and as `owner`, by which nothing but migrations do: a row of every table."""
    _fill_every_table()
    with psycopg.connect(os.environ["DATABASE_URL"], autocommit=True) as app:
        assert app.execute("SELECT current_user, current_setting('is_superuser')").fetchone() == ("app", "off")
        before = everything(owner, storage)
        for table, may_change in KEPT.items():
            row = app.execute(f"SELECT min(id) FROM {table} {_SUBMITTED.get(table, '')}".encode()).fetchone()
            assert row is not None
            assert row[0] is not None, f"The story leaves {table} empty: this test would prove nothing."
            for role in (app, owner):
                _refuses_all(role, table, row[0], may_change)
        assert everything(owner, storage) == before


_SUBMITTED = {"evidence_evidenceitem": "WHERE submitted_at IS NOT NULL"}


@pytest.mark.usefixtures("people")
def test_row_could_be_changed_if_the_trigger_were_away(owner: psycopg.Connection[Any]) -> None:
    """The negative control: it is the trigger that refuses, and nothing else would."""
    with transaction.atomic():
        event = _any_event()
    with owner.transaction(force_rollback=True):
        owner.execute("ALTER TABLE ledger_event DISABLE TRIGGER USER")
        assert owner.execute("UPDATE ledger_event SET verb = 'other' WHERE id = %s", [event.pk]).rowcount == 1
        assert owner.execute("DELETE FROM ledger_event WHERE id = %s", [event.pk]).rowcount == 1
    assert Event.objects.get(pk=event.pk).verb == event.verb


def _any_event() -> Event:
    from accounts.models import Organisation
    from ledger.actions import record

    return record(None, "organisation.requested", Organisation.objects.earliest("pk"))


def _refuses_all(role: psycopg.Connection[Any], table: str, pk: int, may_change: set[str]) -> None:
    refused = psycopg.errors.RestrictViolation
    for column, value in _other_values(role, table).items():
        if column not in may_change:
            with pytest.raises(refused):
                role.execute(f"UPDATE {table} SET {column} = {value} WHERE id = %s".encode(), [pk])
    with pytest.raises(refused):
        role.execute(f"DELETE FROM {table} WHERE id = %s".encode(), [pk])
    with pytest.raises((refused, psycopg.errors.InsufficientPrivilege)):
        role.execute(f"TRUNCATE {table} CASCADE".encode())


def _other_values(role: psycopg.Connection[Any], table: str) -> dict[str, str]:
    """For each column, an expression whose value differs from the row's."""
    rows = role.execute(
        """SELECT attname::text, atttypid::regtype::text FROM pg_attribute
           WHERE attrelid = %s::regclass AND attnum > 0 AND NOT attisdropped""",
        [table],
    )
    kinds = {
        "bigint": "coalesce({0}, 0) + 1",
        "integer": "coalesce({0}, 0) + 1",
        "smallint": "coalesce({0}, 0) + 1",
        "character varying": "CASE {0} WHEN 'x' THEN 'y' ELSE 'x' END",
        "text": "CASE {0} WHEN 'x' THEN 'y' ELSE 'x' END",
        "timestamp with time zone": "coalesce({0}, now()) + interval '1 day'",
        "date": "coalesce({0}, current_date) + 1",
        "boolean": "NOT coalesce({0}, false)",
        "jsonb": "jsonb_build_array({0})",
        "uuid": "gen_random_uuid()",
        "bigint[]": "array_append({0}, 0)",
    }
    return {name: kinds[kind].format(name) for name, kind in rows}


def _fill_every_table() -> None:
    """The demonstration's story, and after it whatever it leaves out."""
    start = datetime(2026, 11, 23, 18, 45, tzinfo=UTC)
    with standing_at(start):
        story.tell(start)
        people = {user.name: user for user in _users()}
        boss, officer, deputy = (people[n] for n in ("Margaret Ashworth", "Priya Raman", "Tomasz Zielinski"))
        calendar.override_day(by=boss, day=local_date(start), nation="", working=True, name="No holiday")
        calendar.record_outage(by=boss, started_at=start - timedelta(hours=2), ended_at=start, reason="Power.")
        exhibit = Exhibit.objects.filter(item__in=_granted()).earliest("pk")
        recipient = next(u for u in people.values() if u.organisation_id in _granted_to(exhibit))
        exhibits.comment(exhibit.pk, by=recipient, text="Not ours.")
        answers.read_response(Response.objects.earliest("pk").pk, by=officer)
        open_case = Case.objects.filter(state="open").exclude(officer=deputy, deputy=None).latest("pk")
        notice = Notice.objects.filter(case=open_case).latest("pk")
        letter = Message.objects.filter(template="notice_issued", about_id=notice.pk).earliest("pk")
        record_bounce(letter.pk, by=None)
        service.doubt_bounced(letter.pk)
        service.serve_again(notice.pk, by=officer)
        cases.declare_conflict(Case.objects.filter(state="referred").earliest("pk").pk, by=officer, reason="Shares.")
        _given_time(people, open_case)
        read = Analysis.objects.filter(state="done").earliest("pk")
        AnalysisGrant.objects.create(analysis=read, organisation=Organisation.objects.authority(), reason="referral:1")
        version = FilingVersion.objects.filter(filing__kind="disclosure").earliest("pk")
        Comparison.objects.create(analysis=read, version=version, result={}, state="open")
        Unrelated.objects.create(feed=Feed.objects.earliest("pk"), version=version)
        WindowReading.objects.create(feed=Feed.objects.earliest("pk"), at=start, report={}, sha256="0" * 64)
        alert_actions.review(Alert.objects.earliest("pk").pk, by=officer, reason="Eight accounts move as one.")
        assert Decision.objects.exists()
        assert story.clients()
        place_events()


def _users() -> models.QuerySet[Any]:
    from accounts.models import User

    return User.objects.select_related("organisation")


def _granted() -> Any:
    from evidence.models import Grant

    return Grant.objects.filter(organisation__kind="company").values("item")


def _granted_to(exhibit: Exhibit) -> set[int]:
    from evidence.models import Grant

    return set(
        Grant.objects.filter(item=exhibit.item, organisation__kind="company").values_list("organisation", flat=True)
    )


def _given_time(people: dict[str, Any], case: Case) -> None:
    """A supervisor gives more time on the open case, so that there is an adjustment of its own."""
    notice = Notice.objects.filter(case=case, kind="evidence", state="issued").first()
    if notice is not None and notice.due_at is not None:
        extensions.extend(
            notice.pk,
            by=people["Margaret Ashworth"],
            until_day=local_date(notice.due_at) + timedelta(days=9),
            reasons="R.",
        )


@pytest.mark.django_db(transaction=True)
def test_event_outside_a_transaction_is_refused() -> None:
    from ledger.actions import record
    from tests.cast import organisation

    org = organisation("Alone Ltd")
    with pytest.raises(RuntimeError):
        record(None, "organisation.requested", org)
    assert not connection.in_atomic_block
    with transaction.atomic():
        record(None, "organisation.requested", org)
    assert Event.objects.count() == 1
