"""The outbox: a row in the commit of the change, sent at least once, tried again, and its fate on record."""

import threading
from collections.abc import Callable
from datetime import timedelta
from smtplib import SMTPRecipientsRefused, SMTPServerDisconnected
from typing import Any

import pytest
from django.core import mail
from django.core.exceptions import PermissionDenied
from django.core.mail.backends.base import BaseEmailBackend
from django.db import transaction
from pytest_django import Settings

from accounts import actions as accounts
from accounts.models import Contact, Organisation, User
from ledger.models import Event
from ledger.time import now, standing_at
from notifications.actions import GIVE_UP_AFTER, deliver, record_bounce, send_invitation, tell
from notifications.models import Message
from notifications.tasks import run_all
from tests import cast
from web.problems import Conflict


class Troubled(BaseEmailBackend):
    """A mail server that raises what it is told to, and counts."""

    trouble: Callable[[str], Exception] | None = None
    asked = 0
    inside: threading.Event | None = None
    go_on: threading.Event | None = None

    def send_messages(self, email_messages: Any) -> int:
        type(self).asked += 1
        if self.inside is not None and self.go_on is not None:
            self.inside.set()
            assert self.go_on.wait(20)
        if self.trouble is not None:
            raise type(self).trouble(email_messages[0].to[0])  # type: ignore[misc]
        return len(email_messages)


@pytest.fixture
def server(settings: Settings) -> type[Troubled]:
    settings.EMAIL_BACKEND = f"{__name__}.Troubled"
    Troubled.trouble, Troubled.asked, Troubled.inside, Troubled.go_on = None, 0, None, None
    return Troubled


def refused(code: int) -> Callable[[str], Exception]:
    return lambda address: SMTPRecipientsRefused({address: (code, b"no")})


@pytest.fixture
def company(db: None) -> Organisation:
    return cast.organisation("Kestrel Data Ltd", contacts=2)


@pytest.fixture
def officer(company: Organisation) -> User:
    return cast.person(company, "company_officer")


@transaction.atomic
def told(officer: User, **over: Any) -> Message:
    (message,) = tell(
        "case_resolved", officer.organisation, people=[officer], url="/", **{"reference": "C-2026-000001", **over}
    )
    return message


def test_letter_is_sent_once_and_kept_as_it_was_sent(officer: User) -> None:
    message = told(officer)
    run_all()
    run_all()
    (letter,) = mail.outbox
    assert letter.to == [officer.email]
    assert letter.subject == "C-2026-000001 is resolved"
    assert letter.extra_headers["Message-ID"] == message.message_id
    message.refresh_from_db()
    assert (message.state, message.subject, message.body) == ("sent", letter.subject, letter.body)
    assert message.sent_at is not None


def test_letter_of_a_change_that_fails_is_never_written(officer: User) -> None:
    @transaction.atomic
    def change() -> None:
        told(officer)
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        change()
    run_all()
    assert (mail.outbox, Message.objects.count()) == ([], 0)


@pytest.mark.django_db(transaction=True)
def test_letter_outside_a_transaction_is_an_error() -> None:
    officer = cast.person(cast.organisation("Kestrel Data Ltd"), "company_officer")
    with pytest.raises(RuntimeError):
        tell("case_resolved", officer.organisation, people=[officer], reference="C-2026-000001")


def test_members_and_contacts_are_told_each_mailbox_once(company: Organisation, officer: User) -> None:
    Contact.objects.create(organisation=company, name="The officer again", email=officer.email.upper())
    closed = cast.person(company, "company_officer")
    closed.is_active = False
    closed.save()
    removed = company.contacts.earliest("pk")
    removed.removed_at = now()
    removed.save()
    with transaction.atomic():
        messages = tell("case_resolved", company, organisations=[company], reference="C-2026-000001")
    addresses = sorted(m.address for m in messages)
    assert addresses == sorted([officer.email, company.contacts.get(name="Contact 1").email])
    assert [m.user for m in messages if m.address == officer.email] == [officer]


def test_same_thing_is_told_once(officer: User) -> None:
    for _ in range(3):
        with transaction.atomic():
            tell("case_reminder", officer.organisation, people=[officer], once="case:1:7", reference="C-2026-000001")
    assert Message.objects.count() == 1


# --- When the mail server does not do its part ----------------------------------------------------------------------
def test_letter_waits_longer_each_time_and_is_given_up_in_the_end(officer: User, server: type[Troubled]) -> None:
    server.trouble = lambda address: SMTPServerDisconnected("gone")
    message = told(officer)
    instant, waits = now(), []
    for _ in range(GIVE_UP_AFTER):
        with standing_at(instant):
            assert deliver(message.pk) is not None
            assert deliver(message.pk) is None
        message.refresh_from_db()
        waits.append(message.next_attempt_at - instant)
        instant = message.next_attempt_at
    assert waits == sorted(waits)
    assert waits[0] == timedelta(minutes=2)
    assert waits[-1] <= timedelta(hours=5)
    assert (message.state, message.attempts, message.last_error) == ("failed", GIVE_UP_AFTER, "SMTPServerDisconnected")
    with standing_at(instant + timedelta(days=1)):
        assert deliver(message.pk) is None
    assert server.asked == GIVE_UP_AFTER


def test_letter_goes_out_once_the_server_is_back_with_the_same_id(officer: User, settings: Settings) -> None:
    message = told(officer)
    before = settings.EMAIL_BACKEND
    settings.EMAIL_BACKEND = f"{__name__}.Troubled"
    Troubled.trouble = lambda address: ConnectionRefusedError()
    deliver(message.pk)
    settings.EMAIL_BACKEND = before
    with standing_at(now() + timedelta(hours=1)):
        run_all()
    (letter,) = mail.outbox
    assert letter.extra_headers["Message-ID"] == message.message_id
    message.refresh_from_db()
    assert (message.state, message.last_error) == ("sent", "")


def test_mailbox_that_does_not_exist_is_a_bounce(company: Organisation, server: type[Troubled]) -> None:
    server.trouble = refused(550)
    with transaction.atomic():
        messages = tell("case_resolved", company, organisations=[company], reference="C-2026-000001")
    deliver(messages[0].pk)
    message = Message.objects.get(pk=messages[0].pk)
    assert (message.state, message.last_error) == ("bounced", "550")
    assert company.contacts.get(email=message.address).bounced_at is not None
    assert company.contacts.exclude(email=message.address).get().bounced_at is None
    event = Event.objects.get(verb="message.bounced")
    assert (event.actor, event.object_id) == (None, message.pk)


def test_mailbox_that_is_full_is_tried_again(officer: User, server: type[Troubled]) -> None:
    server.trouble = refused(452)
    message = told(officer)
    deliver(message.pk)
    message.refresh_from_db()
    assert (message.state, message.last_error) == ("queued", "452")
    assert not Event.objects.filter(verb="message.bounced").exists()


def test_staff_record_a_letter_that_came_back_once(company: Organisation, officer: User) -> None:
    message = told(officer)
    run_all()
    caseworker = cast.person(cast.organisation("Ministry", "ministry"), "caseworker")
    with pytest.raises(PermissionDenied):
        record_bounce(message.pk, by=officer)
    record_bounce(message.pk, by=caseworker)
    with pytest.raises(Conflict):
        record_bounce(message.pk, by=caseworker)
    message.refresh_from_db()
    assert message.state == "bounced"
    assert Event.objects.get(verb="message.bounced").actor == caseworker


def test_one_letter_that_raises_holds_up_nobody(officer: User) -> None:
    broken = told(officer)
    Message.objects.filter(pk=broken.pk).update(template="no_such_letter")
    told(officer, reference="C-2026-000002")
    tallies = run_all()
    assert [letter.subject for letter in mail.outbox] == ["C-2026-000002 is resolved"]
    assert sum(tally.failed for tally in tallies.values()) == 1


# --- Two workers at once --------------------------------------------------------------------------------------------
@pytest.mark.django_db(transaction=True)
def test_two_workers_send_one_letter(concurrently: Callable[..., list[Any]], server: type[Troubled]) -> None:
    message = told(cast.person(cast.organisation("Kestrel Data Ltd"), "company_officer"))
    gate = threading.Barrier(4)

    def work() -> Message | None:
        gate.wait(10)
        return deliver(message.pk)

    results = concurrently(work, work, work, work)
    assert sorted(type(r).__name__ for r in results) == ["Message", "NoneType", "NoneType", "NoneType"]
    assert server.asked == 1


@pytest.mark.django_db(transaction=True)
def test_letter_that_is_being_sent_is_left_alone_until_its_lease_is_over(
    concurrently: Callable[..., list[Any]], server: type[Troubled]
) -> None:
    """A worker that hangs or dies while it sends holds the letter for five minutes, not for ever."""
    message = told(cast.person(cast.organisation("Kestrel Data Ltd"), "company_officer"))
    server.inside, server.go_on = threading.Event(), threading.Event()

    def second() -> list[Any]:
        assert server.inside is not None
        assert server.go_on is not None
        assert server.inside.wait(10)
        try:
            due = list(Message.objects.due())
            return [deliver(message.pk), due]
        finally:
            server.go_on.set()

    first, other = concurrently(lambda: deliver(message.pk), second)
    assert isinstance(first, Message)
    assert other == [None, []]
    assert server.asked == 1


@pytest.mark.django_db(transaction=True)
def test_letter_of_a_worker_that_died_is_sent_after_the_lease() -> None:
    from notifications.actions import _lease

    message = told(cast.person(cast.organisation("Kestrel Data Ltd"), "company_officer"))
    assert _lease(message.pk) is not None
    run_all()
    assert mail.outbox == []
    with standing_at(now() + timedelta(minutes=5, seconds=1)):
        run_all()
    assert len(mail.outbox) == 1


# --- Invitations are their own outbox -------------------------------------------------------------------------------
def test_invitation_is_sent_with_a_link_that_is_stored_nowhere(company: Organisation) -> None:
    admin = cast.person(company, "company_admin")
    invitation = accounts.invite(
        company.pk, by=admin, email="new@kestrel.example", name="New Person", role="company_officer"
    )
    run_all()
    run_all()
    (letter,) = mail.outbox
    assert letter.to == ["new@kestrel.example"]
    assert "http://localhost:8000/invitations/" in letter.body
    invitation.refresh_from_db()
    assert invitation.sent_at is not None
    assert not Message.objects.exists()


def test_address_with_an_account_gets_a_letter_without_a_link(company: Organisation, officer: User) -> None:
    admin = cast.person(company, "company_admin")
    accounts.invite(company.pk, by=admin, email=officer.email, name="Again", role="company_officer")
    run_all()
    (letter,) = mail.outbox
    assert letter.subject == "You have a Candour account already"
    assert "/invitations/" not in letter.body


@pytest.mark.parametrize(("trouble", "again"), [(refused(550), False), (refused(451), True), (OSError, True)])
def test_invitation_that_cannot_be_sent(
    company: Organisation, server: type[Troubled], trouble: Callable[..., Exception], again: bool
) -> None:
    server.trouble = trouble
    admin = cast.person(company, "company_admin")
    invitation = accounts.invite(company.pk, by=admin, email="x@y.example", name="New Person", role="company_officer")
    assert send_invitation(invitation.pk) is not None
    assert send_invitation(invitation.pk) is None
    invitation.refresh_from_db()
    assert (invitation.next_attempt_at is not None) is again
    assert "Could not be sent" in cast.signed_in(admin).get("/organisation/").content.decode()


@pytest.mark.parametrize("what", ["revoked", "expired"])
def test_invitation_that_is_over_is_not_sent(company: Organisation, what: str) -> None:
    admin = cast.person(company, "company_admin")
    invitation = accounts.invite(company.pk, by=admin, email="x@y.example", name="New Person", role="company_officer")
    if what == "revoked":
        accounts.revoke(invitation.pk, by=admin)
    with standing_at(invitation.expires_at if what == "expired" else now()):
        run_all()
    assert mail.outbox == []
