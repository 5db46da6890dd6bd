"""The list of what one was told, bounces put on record, and the demonstration's mailbox."""

import re
from typing import Any

import pytest
from django.db import transaction
from django.test import Client
from pytest_django import Settings

from accounts import actions as accounts
from accounts.models import Organisation, User
from notifications.actions import tell
from notifications.models import Message
from notifications.tasks import run_all
from tests import cast

pytestmark = pytest.mark.django_db


@pytest.fixture
def company() -> Organisation:
    return cast.organisation("Kestrel Data Ltd", contacts=2)


@pytest.fixture
def officer(company: Organisation) -> User:
    return cast.person(company, "company_officer")


@transaction.atomic
def told(officer: User, number: int = 1, template: str = "case_resolved", **context: Any) -> Message:
    reference = f"C-2026-{number:06}"
    return tell(template, officer.organisation, people=[officer], url="/account/", reference=reference, **context)[0]


def test_list_shows_ones_own_newest_first_and_says_what_is_unread(company: Organisation, officer: User) -> None:
    rival = cast.person(cast.organisation("Merlin Ltd"), "company_officer")
    told(rival, 9)
    told(officer, 1)
    told(officer, 2)
    page = cast.signed_in(officer).get("/notifications/").content.decode()
    assert page.index("C-2026-000002 is resolved") < page.index("C-2026-000001 is resolved")
    assert "C-2026-000009" not in page
    assert page.count("Unread") == 2
    assert 'href="/account/"' in page


def test_reading_all_marks_what_was_listed_and_nothing_newer(officer: User) -> None:
    browser = cast.signed_in(officer)
    old = told(officer, 1)
    shown = re.search(r'name="upto" value="(\d+)"', browser.get("/notifications/").content.decode())
    assert shown
    new = told(officer, 2)
    assert browser.post("/notifications/", {"upto": shown[1]}).headers["Location"] == "/notifications/"
    old.refresh_from_db()
    new.refresh_from_db()
    assert old.read_at is not None
    assert new.read_at is None


def test_nobody_marks_what_others_were_told(officer: User) -> None:
    message = told(officer)
    rival = cast.person(cast.organisation("Merlin Ltd"), "company_officer")
    cast.signed_in(rival).post("/notifications/", {"upto": "999999"})
    message.refresh_from_db()
    assert message.read_at is None


@pytest.mark.parametrize("upto", ["", "x", "-1", "9" * 30, "1\0"])
def test_nonsense_is_a_bad_request(officer: User, upto: str) -> None:
    assert cast.signed_in(officer).post("/notifications/", {"upto": upto}).status_code == 400


def test_empty_list_says_what_it_is_for(officer: User) -> None:
    assert "You have not been told anything yet" in cast.signed_in(officer).get("/notifications/").content.decode()


def test_long_list_has_pages_and_asks_the_database_as_often_as_a_short_one(
    officer: User, django_assert_max_num_queries: Any
) -> None:
    for number in range(1, 61):
        told(officer, number)
    browser = cast.signed_in(officer)
    with django_assert_max_num_queries(16):
        page = browser.get("/notifications/").content.decode()
    assert "C-2026-000011 " in page
    assert "C-2026-000010 " not in page
    assert "C-2026-000010 " in browser.get("/notifications/?page=2").content.decode()
    assert browser.get("/notifications/?page=x").status_code == 200


def test_staff_record_a_bounce_and_go_back_to_our_page_only(officer: User) -> None:
    caseworker = cast.person(cast.organisation("Ministry", "ministry"), "caseworker")
    browser = cast.signed_in(caseworker)
    for number, (asked, goes) in enumerate([("/cases/", "/cases/"), ("//evil.example/", "/"), ("", "/")], start=1):
        answer = browser.post(f"/messages/{told(officer, number).pk}/bounced/", {"next": asked})
        assert answer.headers["Location"] == goes
    first = Message.objects.earliest("pk")
    assert browser.post(f"/messages/{first.pk}/bounced/").status_code == 409
    assert browser.get(f"/messages/{first.pk}/bounced/").status_code == 405
    assert browser.post(f"/messages/{'9' * 30}/bounced/").status_code == 404
    assert cast.signed_in(officer).post(f"/messages/{first.pk}/bounced/").status_code == 403


# --- Demo mode ------------------------------------------------------------------------------------------------------
def test_mailbox_is_there_in_demo_mode_only(client: Client, officer: User) -> None:
    message = told(officer)
    for url in ("/demo/mail/", f"/demo/mail/{message.pk}/", "/demo/invitations/1/"):
        assert client.get(url).status_code == 404


def test_demo_shows_letters_and_invitations_with_their_links(
    client: Client, settings: Settings, company: Organisation, officer: User
) -> None:
    settings.DEMO = True
    message = told(officer)
    admin = cast.person(company, "company_admin")
    invitation = accounts.invite(company.pk, by=admin, email="x@y.example", name="New Person", role="company_officer")
    page = client.get("/demo/mail/").content.decode()
    assert "C-2026-000001 is resolved" in page
    assert "Invitation of New Person" in page
    before = client.get(f"/demo/mail/{message.pk}/").content.decode()
    run_all()
    after = client.get(f"/demo/mail/{message.pk}/").content.decode()
    for letter in (before, after):
        assert 'href="http://localhost:8000/account/"' in letter
    letter = client.get(f"/demo/invitations/{invitation.pk}/").content.decode()
    link = re.search(r'href="http://localhost:8000(/invitations/[^"]+)"', letter)
    assert link
    assert client.get(link[1]).status_code == 200


def test_demo_keeps_the_link_for_a_forgotten_password(client: Client, settings: Settings, officer: User) -> None:
    settings.DEMO = True
    client.post("/account/password/reset/", {"email": officer.email})
    run_all()
    message = Message.objects.get(template="password_reset")
    assert "/account/password/reset/key/" in client.get(f"/demo/mail/{message.pk}/").content.decode()
