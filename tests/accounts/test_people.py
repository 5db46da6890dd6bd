"""Who may close whose account, and that no organisation is left without anybody to look after it."""

import threading
from collections.abc import Callable
from typing import Any

import pytest
from django.core.exceptions import PermissionDenied

from accounts import actions
from accounts.models import Organisation, User
from accounts.permissions import allowed
from accounts.rules import ORGANISATION_RULES, PERSON_RULES
from ledger.models import Event
from tests import cast
from web.problems import Conflict


@pytest.fixture
def company(db: None) -> Organisation:
    return cast.organisation("Kestrel Data Ltd", contacts=2)


@pytest.fixture
def supervisor(db: None) -> User:
    return cast.person(cast.organisation("Ministry", "ministry"), "supervisor")


def test_the_last_admin_is_not_closed(company: Organisation, supervisor: User) -> None:
    admin = cast.person(company, "company_admin")
    answer = cast.signed_in(supervisor).post(f"/people/{admin.pk}/close/")
    assert answer.status_code == 409
    assert "last administrator" in answer.content.decode()
    second = cast.person(company, "company_admin")
    assert cast.signed_in(supervisor).post(f"/people/{admin.pk}/close/").status_code == 302
    with pytest.raises(Conflict):
        actions.deactivate(second.pk, by=supervisor)


def test_the_last_supervisor_is_not_closed(supervisor: User) -> None:
    colleague = cast.person(supervisor.organisation, "supervisor")
    actions.deactivate(colleague.pk, by=supervisor)
    with pytest.raises(PermissionDenied):
        actions.deactivate(supervisor.pk, by=supervisor)


@pytest.mark.django_db(transaction=True)
def test_two_admins_who_close_each_other_leave_one(concurrently: Callable[..., list[Any]]) -> None:
    company = cast.organisation("Kestrel Data Ltd", contacts=2)
    one, other = cast.person(company, "company_admin"), cast.person(company, "company_admin")
    gate = threading.Barrier(2)

    def close(target: User, by: User) -> User:
        gate.wait(10)
        return actions.deactivate(target.pk, by=by)

    results = concurrently(lambda: close(one, other), lambda: close(other, one))
    assert sum(isinstance(r, User) for r in results) == 1, results
    assert sum(isinstance(r, Conflict | PermissionDenied) for r in results) == 1, results
    assert User.objects.filter(organisation=company, is_active=True).count() == 1


def test_nobody_closes_their_own_account(company: Organisation) -> None:
    admin = cast.person(company, "company_admin")
    cast.person(company, "company_admin")
    assert cast.signed_in(admin).get(f"/people/{admin.pk}/close/").status_code == 403
    assert cast.signed_in(admin).post(f"/people/{admin.pk}/close/").status_code == 403


def test_a_closed_account_is_out_with_the_next_click(company: Organisation) -> None:
    admin, officer = cast.person(company, "company_admin"), cast.person(company, "company_officer")
    browser = cast.signed_in(officer)
    assert browser.get("/account/").status_code == 200
    assert cast.signed_in(admin).post(f"/people/{officer.pk}/close/").status_code == 302
    assert browser.get("/account/").headers["Location"].startswith("/sign-in/")
    answer = browser.post("/sign-in/", {"login": officer.email, "password": cast.PASSWORD})
    assert answer.headers["Location"] == "/account/inactive/"
    assert browser.get("/account/").status_code == 302
    event = Event.objects.get(verb="user.deactivated")
    assert (event.actor, event.object_id) == (admin, officer.pk)


def test_whom_a_closed_admin_invited_does_not_come_in_after(company: Organisation) -> None:
    admin, other = cast.person(company, "company_admin"), cast.person(company, "company_admin")
    theirs = actions.invite(company.pk, by=admin, email="mole@elsewhere.example", name="M", role="company_admin")
    others = actions.invite(company.pk, by=other, email="new@elsewhere.example", name="N", role="company_officer")
    actions.deactivate(admin.pk, by=other)
    with pytest.raises(Conflict, match=r"revoked|withdrawn"):
        actions.accept(theirs.pk, name="M", password=cast.PASSWORD)
    assert actions.accept(others.pk, name="N", password=cast.PASSWORD).is_active


def test_supervisor_replaces_a_lost_admin_who_is_closed_only_when_the_new_one_is_there(
    company: Organisation, supervisor: User
) -> None:
    lost = cast.person(company, "company_admin")
    answer = cast.signed_in(supervisor).post(
        f"/people/{lost.pk}/replace/", {"name": "Ana Frost", "email": "ana@kestrel.example"}
    )
    assert answer.headers["Location"] == f"/organisations/{company.pk}/"
    lost.refresh_from_db()
    assert lost.is_active
    invitation = company.invitations.get()
    assert (invitation.role, invitation.replaces) == ("company_admin", lost)
    new = actions.accept(invitation.pk, name="Ana Frost", password=cast.PASSWORD)
    lost.refresh_from_db()
    assert (new.role, lost.is_active) == ("company_admin", False)


def test_only_an_administrator_is_replaced_and_only_by_the_supervisor(company: Organisation, supervisor: User) -> None:
    admin, officer = cast.person(company, "company_admin"), cast.person(company, "company_officer")
    assert cast.signed_in(supervisor).get(f"/people/{officer.pk}/replace/").status_code == 403
    assert cast.signed_in(admin).get(f"/people/{officer.pk}/replace/").status_code == 403
    with pytest.raises(PermissionDenied):
        actions.replace_admin(officer.pk, by=supervisor, email="a@b.example", name="A")


def test_buttons_are_those_that_work(company: Organisation, supervisor: User) -> None:
    admin, officer = cast.person(company, "company_admin"), cast.person(company, "company_officer")
    assert allowed(admin, ORGANISATION_RULES, company) == ["invite", "add_contact", "remove_contact"]
    assert allowed(officer, ORGANISATION_RULES, company) == []
    assert allowed(supervisor, PERSON_RULES, admin) == ["deactivate", "replace_admin", "set_away"]
    assert allowed(admin, PERSON_RULES, officer) == ["deactivate", "set_away"]
    page = cast.signed_in(officer).get("/organisation/").content.decode()
    assert "Invite" not in page
    assert "Remove" not in page


# --- Contacts -------------------------------------------------------------------------------------------------------
def test_two_contacts_stay(company: Organisation) -> None:
    admin = cast.person(company, "company_admin")
    browser = cast.signed_in(admin)
    first = company.contacts.earliest("pk")
    answer = browser.post(f"/organisation/contacts/{first.pk}/remove/")
    assert answer.status_code == 409
    assert browser.post("/organisation/contacts/new/", {"name": "Desk", "email": "desk@x.example"}).status_code == 302
    assert browser.post(f"/organisation/contacts/{first.pk}/remove/").status_code == 302
    assert browser.post(f"/organisation/contacts/{first.pk}/remove/").status_code == 409


def test_a_contact_in_the_same_mailbox_is_refused(company: Organisation) -> None:
    browser = cast.signed_in(cast.person(company, "company_admin"))
    there = company.contacts.earliest("pk").email
    for email in (there, there.upper(), there.replace("@", "+desk@")):
        answer = browser.post("/organisation/contacts/new/", {"name": "Desk", "email": email})
        assert answer.status_code == 400
        assert "a contact already" in answer.content.decode()


def test_a_contact_that_bounces_is_shown_in_words(company: Organisation) -> None:
    company.contacts.filter(name="Contact 0").update(bounced_at="2026-10-01T10:00:00Z")
    page = cast.signed_in(cast.person(company, "company_admin")).get("/organisation/").content.decode()
    assert "Letters come back" in page
    assert "Two contacts in different mailboxes" in page


# --- Away -----------------------------------------------------------------------------------------------------------
def test_one_says_when_one_is_away(supervisor: User) -> None:
    browser = cast.signed_in(supervisor)
    answer = browser.post("/account/away/", {"until_day": "1", "until_month": "1", "until_year": "2020"})
    assert answer.status_code == 400
    assert "must be today or later" in answer.content.decode()
    browser.post("/account/away/", {"until_day": "31", "until_month": "12", "until_year": "2199"})
    supervisor.refresh_from_db()
    assert str(supervisor.away_until) == "2199-12-31"
    assert "31 December 2199" in browser.get("/account/").content.decode()
    browser.post("/account/away/", {"until_day": "", "until_month": "", "until_year": ""})
    supervisor.refresh_from_db()
    assert supervisor.away_until is None


def test_absurd_numbers_in_addresses_are_not_found(supervisor: User) -> None:
    browser = cast.signed_in(supervisor)
    huge = "9" * 40
    for url in (f"/organisations/{huge}/", f"/people/{huge}/close/", f"/people/{huge}/replace/"):
        assert browser.get(url).status_code == 404
    for url in (f"/invitations/{huge}/revoke/", f"/organisation/contacts/{huge}/remove/"):
        assert browser.post(url).status_code == 404


def test_organisations_are_searched_and_the_oldest_waits_on_top(supervisor: User) -> None:
    for name in ("Kestrel Data Ltd", "Merlin Ltd"):
        cast.organisation(name, state="pending")
    page = cast.signed_in(supervisor).get("/organisations/", {"q": "MERL"}).content.decode()
    waiting, _, found = page.partition("All organisations</h2>")
    assert waiting.index("Kestrel Data Ltd") < waiting.index("Merlin Ltd")
    assert "Merlin Ltd" in found
    assert "Kestrel" not in found
    assert cast.signed_in(supervisor).get("/organisations/", {"q": "\0"}).status_code == 400
