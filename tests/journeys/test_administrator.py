"""A company's administrator: contacts, a colleague's invitation, an account that is closed, one's own account."""

from __future__ import annotations

from datetime import date
from typing import Any

import pytest

from accounts.models import Client, Invitation
from notifications.actions import invitation_token
from tests.accounts.test_clients import bearer, token
from tests.cases.world import World
from tests.cast import PASSWORD, person

NEW = "harbour-lantern-copper-9"


@pytest.fixture(autouse=True)
def _one_step(settings: Any) -> None:
    settings.SECOND_FACTOR_REQUIRED = False


def test_an_administrator_looks_after_contacts_and_colleagues(w: World, enter: Any) -> None:
    person(w.respondent.organisation, "company_officer", "leaver@kestrel.example")
    admin = enter(w.respondent)
    admin.go("home")
    admin.follow("Your organisation", within="nav")
    admin.reads("Two contacts in different mailboxes")
    for name in ("legal", "post"):
        admin.press("Add a contact")
        admin.fill({"name": name, "email": f"{name}@kestrel.example"})
        admin.press("Add the contact")
    admin.reads("legal@kestrel.example", "post@kestrel.example")
    admin.press("Add a contact")
    admin.fill({"name": "third", "email": "third@kestrel.example"})
    admin.press("Add the contact")
    admin.press("Remove the contact third@kestrel.example")
    admin.reads_no("third@kestrel.example")

    admin.press("Invite a colleague")
    admin.fill({"name": "Ola", "email": "ola@kestrel.example", "role": "company_officer"})
    admin.press("Send the invitation")
    admin.reads("ola@kestrel.example")
    link = invitation_token(Invitation.objects.get(email="ola@kestrel.example"))
    colleague = enter(width=320)
    colleague.go("invitation", link)
    colleague.reads("You are invited to Kestrel plc as company officer")
    colleague.fill({"password": NEW, "password_again": NEW})
    colleague.press("Make the account")
    colleague.sign_in("ola@kestrel.example", NEW)
    assert colleague.heading == "What waits for you"

    # The link works once.
    other = enter()
    other.go("invitation", link)
    assert other.status == 409
    other.reads("This link has been used")

    admin.go("organisation")
    admin.press("Invite a colleague")
    admin.fill({"name": "Uma", "email": "uma@kestrel.example", "role": "company_officer"})
    admin.press("Send the invitation")
    admin.press("Withdraw the invitation to uma@kestrel.example")
    admin.follow("Close the account of company_officer 2")
    admin.press("Close the account")
    admin.reads("Account closed")
    leaver = enter()
    leaver.go("account_login")
    leaver.sign_in("leaver@kestrel.example", PASSWORD)
    leaver.go("home")
    assert leaver.heading.startswith("Disclose and answer"), "a closed account lets nobody in"


def test_a_person_looks_after_the_own_account(w: World, enter: Any) -> None:
    officer = person(w.respondent.organisation, "company_officer", "ida@kestrel.example")
    visitor = enter()
    visitor.go("account_login")
    visitor.sign_in(officer.email, PASSWORD)
    visitor.follow("Your account", within="nav")
    visitor.fill({"until": date(2026, 10, 9)})
    visitor.press("Save")
    visitor.reads("You are away until Friday 9 October 2026")
    visitor.follow("Change your password")
    visitor.fill({"oldpassword": PASSWORD, "password1": NEW, "password2": NEW})
    visitor.press("Save the password")
    visitor.press("Sign out")
    visitor.go("account_login")
    visitor.sign_in(officer.email, NEW)
    assert visitor.heading == "What waits for you"


@pytest.mark.parametrize(("width", "javascript"), [(320, True), (1280, False)])
def test_an_administrator_looks_after_a_programs_credentials(
    w: World, enter: Any, width: int, javascript: bool
) -> None:
    admin = enter(w.respondent, width=width, javascript=javascript)
    admin.go("organisation")
    admin.reads("No program has credentials yet")
    admin.follow("Make API credentials")
    admin.press("Make the credentials")
    assert admin.errors(), "a program with neither a name nor anything it may do"
    admin.fill({"name": "Filing system", "scopes": ["disclosures:read", "disclosures:write"]})
    admin.press("Make the credentials")
    client = Client.objects.get()
    admin.reads("Copy the secret now", client.application.client_id, "disclosures:read, disclosures:write")
    secret = admin.page.locator("code").nth(1).inner_text()
    assert bearer(client, secret).get("/api/v1/disclosures/").status_code == 200
    admin.follow("I have copied it")
    admin.reads("Filing system", "Last used")
    admin.reads_no(secret)
    admin.press("New secret", exact=False)
    another = admin.page.locator("code").nth(1).inner_text()
    assert token(client, secret).status_code == 401
    assert token(client, another).status_code == 200
    admin.follow("I have copied it")
    admin.press("Revoke", exact=False)
    admin.reads("Revoked")
    assert token(client, another).status_code == 401
