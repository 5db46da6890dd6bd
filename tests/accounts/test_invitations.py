"""Accounts begin by a link: made for one mailbox, good once, for seven days, and never for more than it says."""

from datetime import timedelta

import pytest
from django.core import signing
from django.core.exceptions import PermissionDenied
from django.test import Client

from accounts import actions
from accounts.models import Contact, Invitation, Organisation, User
from accounts.rules import ROLES_OF_KIND
from ledger.models import Event
from ledger.time import now, standing_at
from notifications.actions import invitation_token
from tests import cast
from web.problems import Conflict, Invalid

pytestmark = pytest.mark.django_db

GOOD = {"name": "New Person", "password": cast.PASSWORD, "password_again": cast.PASSWORD}
ASKED = {
    "name": "Kestrel Data Ltd",
    "company_number": "01234567",
    "nation": "england",
    "address": "1 High Street",
    "person": "Kit Rowe",
    "email": "Kit@kestrel.example",
    "second_name": "Legal desk",
    "second_email": "legal@kestrel.example",
}


@pytest.fixture
def company() -> Organisation:
    return cast.organisation("Kestrel Data Ltd", contacts=2)


@pytest.fixture
def admin(company: Organisation) -> User:
    return cast.person(company, "company_admin")


@pytest.fixture
def supervisor() -> User:
    return cast.person(cast.organisation("Ministry", "ministry"), "supervisor")


def invited(company: Organisation, by: User, role: str = "company_officer") -> Invitation:
    return actions.invite(company.pk, by=by, email="New@kestrel.example", name="New Person", role=role)


def link(invitation: Invitation) -> str:
    return f"/invitations/{invitation_token(invitation)}/"


def test_invited_person_makes_the_account_and_signs_in(client: Client, company: Organisation, admin: User) -> None:
    url = link(invited(company, admin))
    page = client.get(url)
    assert page.status_code == 200
    assert b"Kestrel Data Ltd" in page.content
    assert b"company officer" in page.content
    answer = client.post(url, GOOD, follow=True)
    assert answer.redirect_chain == [("/sign-in/", 302)]
    assert "Your account is made" in answer.content.decode()
    user = User.objects.get(email="new@kestrel.example")
    assert (user.role, user.organisation_id, user.name) == ("company_officer", company.pk, "New Person")
    signed_in = client.post("/sign-in/", {"login": "NEW@kestrel.example", "password": cast.PASSWORD})
    assert signed_in.headers["Location"] == "/"
    assert Event.objects.filter(verb="invitation.accepted", actor=user).count() == 1


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({"password_again": "something-else-9"}, "The two passwords must be the same"),
        ({"password": "short", "password_again": "short"}, "at least 12 characters"),
        ({"password": "", "password_again": ""}, "Choose a password"),
        ({"name": ""}, "Enter your name"),
    ],
)
def test_bad_answer_is_refused_and_the_link_goes_on_working(
    client: Client, company: Organisation, admin: User, changed: dict[str, str], said: str
) -> None:
    url = link(invited(company, admin))
    answer = client.post(url, {**GOOD, **changed})
    assert answer.status_code == 400
    assert said in answer.content.decode()
    assert client.post(url, GOOD).status_code == 302


def test_link_works_once(client: Client, company: Organisation, admin: User) -> None:
    url = link(invited(company, admin))
    client.post(url, GOOD)
    for again in (client.get(url), client.post(url, GOOD)):
        assert again.status_code == 409
        assert "has been used" in again.content.decode()
    assert User.objects.filter(email="new@kestrel.example").count() == 1


def test_link_expires(client: Client, company: Organisation, admin: User) -> None:
    invitation = invited(company, admin)
    with standing_at(invitation.expires_at - timedelta(seconds=1)):
        assert client.get(link(invitation)).status_code == 200
    with standing_at(invitation.expires_at):
        answer = client.post(link(invitation), GOOD)
    assert answer.status_code == 409
    assert "too old" in answer.content.decode()
    assert not User.objects.filter(email="new@kestrel.example").exists()


def test_withdrawn_link_opens_nothing(client: Client, company: Organisation, admin: User) -> None:
    invitation = invited(company, admin)
    answer = cast.signed_in(admin).post(f"/invitations/{invitation.pk}/revoke/")
    assert answer.headers["Location"] == "/organisation/"
    assert client.post(link(invitation), GOOD).status_code == 409
    assert cast.signed_in(admin).post(f"/invitations/{invitation.pk}/revoke/").status_code == 409


def test_forged_link_is_not_found(client: Client, company: Organisation, admin: User) -> None:
    invitation = invited(company, admin)
    token = invitation_token(invitation)
    forged = [
        token[:-1] + ("a" if token[-1] != "a" else "b"),
        signing.dumps(invitation.pk, salt="another"),
        signing.dumps(invitation.pk + 1, salt="candour.invitation"),
        "x",
        "%00",
        "é:é:é",
        str(invitation.pk) + "x",
    ]
    assert [client.get(f"/invitations/{bad}/").status_code for bad in forged] == [404] * len(forged)


def test_somebody_signed_in_is_asked_to_sign_out_first(company: Organisation, admin: User) -> None:
    answer = cast.signed_in(admin).post(link(invited(company, admin)), GOOD)
    assert answer.status_code == 409
    assert not User.objects.filter(email="new@kestrel.example").exists()


def test_address_with_an_account_gets_no_second_one(client: Client, company: Organisation, admin: User) -> None:
    cast.person(company, "company_officer", "new@kestrel.example")
    answer = client.post(link(invited(company, admin)), GOOD)
    assert answer.status_code == 409
    assert "already an account" in answer.content.decode()


# --- Nobody becomes more than the organisation has ------------------------------------------------------------------
@pytest.mark.parametrize("role", sorted({r for kind in ROLES_OF_KIND for r in ROLES_OF_KIND[kind]}))
def test_company_admin_invites_company_roles_only(company: Organisation, admin: User, role: str) -> None:
    form = {"name": "New Person", "email": "new@kestrel.example", "role": role}
    answer = cast.signed_in(admin).post("/organisation/invite/", form)
    made = Invitation.objects.filter(email="new@kestrel.example")
    if role in ROLES_OF_KIND["company"]:
        assert answer.status_code == 302
        assert made.get().role == role
    else:
        assert answer.status_code == 400
        assert not made.exists()
        with pytest.raises(Invalid):
            invited(company, admin, role)


def test_even_the_supervisor_makes_no_supervisor_in_a_company(company: Organisation, supervisor: User) -> None:
    with pytest.raises(Invalid):
        invited(company, supervisor, "supervisor")
    form = {"name": "New Person", "email": "new@kestrel.example", "role": "supervisor"}
    assert cast.signed_in(supervisor).post(f"/organisations/{company.pk}/invite/", form).status_code == 400


def test_another_companys_admin_meets_nothing(company: Organisation, admin: User) -> None:
    rival = cast.signed_in(cast.person(cast.organisation("Merlin Ltd", contacts=2), "company_admin"))
    colleague = cast.person(company, "company_officer")
    invitation = invited(company, admin)
    contact = company.contacts.first()
    assert contact is not None
    for url in (
        f"/organisations/{company.pk}/",
        f"/organisations/{company.pk}/invite/",
        f"/organisations/{company.pk}/refuse/",
        f"/people/{colleague.pk}/close/",
        f"/people/{admin.pk}/replace/",
    ):
        assert rival.get(url).status_code == 404, url
    for url in (
        f"/organisations/{company.pk}/invite/",
        f"/organisations/{company.pk}/verify/",
        f"/people/{colleague.pk}/close/",
        f"/invitations/{invitation.pk}/revoke/",
        f"/organisation/contacts/{contact.pk}/remove/",
    ):
        assert rival.post(url).status_code == 404, url


def test_officer_invites_nobody(company: Organisation) -> None:
    officer = cast.person(company, "company_officer")
    with pytest.raises(PermissionDenied):
        invited(company, officer)
    assert cast.signed_in(officer).get("/organisation/invite/").status_code == 403


# --- A company asks for an account ----------------------------------------------------------------------------------
def test_company_asks_for_an_account_and_drafts_before_it_is_verified(client: Client) -> None:
    answer = client.post("/register/", ASKED, follow=True)
    assert answer.redirect_chain == [("/register/done/", 302)]
    made = Organisation.objects.get(name="Kestrel Data Ltd")
    assert made.state == "pending"
    assert set(made.contacts.values_list("email", flat=True)) == {"Kit@kestrel.example", "legal@kestrel.example"}
    invitation = made.invitations.get()
    assert (invitation.email, invitation.role) == ("kit@kestrel.example", "company_admin")
    assert client.post(link(invitation), GOOD).status_code == 302
    user = User.objects.get(email="kit@kestrel.example")
    page = cast.signed_in(user).get("/organisation/", follow=True)
    assert page.status_code == 200


@pytest.mark.parametrize(
    "second", ["kit@kestrel.example", " KIT@KESTREL.EXAMPLE", "kit+legal@kestrel.example", "Kit+x@Kestrel.example"]
)
def test_two_contacts_need_different_mailboxes(client: Client, second: str) -> None:
    answer = client.post("/register/", {**ASKED, "second_email": second})
    assert answer.status_code == 400
    assert "must have a different e-mail address" in answer.content.decode()
    assert 'value="Kestrel Data Ltd"' in answer.content.decode()
    assert not Organisation.objects.exists()


def test_asking_answers_alike_for_known_and_unknown_addresses(client: Client) -> None:
    cast.person(cast.organisation("Merlin Ltd"), "company_officer", "known@kestrel.example")
    answers = []
    for email in ("known@kestrel.example", "unknown@kestrel.example"):
        answer = client.post("/register/", {**ASKED, "email": email}, follow=True)
        answers.append((answer.status_code, answer.redirect_chain, answer.content))
    assert answers[0] == answers[1]


def test_a_name_carries_no_link_into_a_strangers_letter(client: Client) -> None:
    for field in ("name", "person", "second_name"):
        answer = client.post("/register/", {**ASKED, field: "Win at https://evil.example"})
        assert answer.status_code == 400
    assert not Invitation.objects.exists()


def test_asking_again_and_again_is_stopped(client: Client) -> None:
    codes = {client.post("/register/", {}).status_code for _ in range(20)}
    assert codes == {400}
    assert client.post("/register/", ASKED).status_code == 429
    assert client.get("/register/").status_code == 200


# --- The ministry verifies ------------------------------------------------------------------------------------------
def test_supervisor_verifies_and_caseworker_does_not(supervisor: User) -> None:
    pending = cast.organisation("Kestrel Data Ltd", state="pending", contacts=2)
    caseworker = cast.person(supervisor.organisation, "caseworker")
    assert b"Kestrel Data Ltd" in cast.signed_in(caseworker).get("/organisations/").content
    assert cast.signed_in(caseworker).post(f"/organisations/{pending.pk}/verify/").status_code == 403
    assert cast.signed_in(supervisor).post(f"/organisations/{pending.pk}/verify/").status_code == 302
    pending.refresh_from_db()
    assert pending.state == "verified"
    assert cast.signed_in(supervisor).post(f"/organisations/{pending.pk}/verify/").status_code == 409


def test_verification_needs_two_contacts_that_are_reached(supervisor: User) -> None:
    pending = cast.organisation("Kestrel Data Ltd", state="pending", contacts=2)
    Contact.objects.filter(organisation=pending, name="Contact 1").update(bounced_at=now())
    with pytest.raises(Conflict, match="Two live contacts"):
        actions.verify(pending.pk, by=supervisor)


def test_refusal_needs_a_reason_and_is_read_by_the_company(supervisor: User) -> None:
    pending = cast.organisation("Kestrel Data Ltd", state="pending", contacts=2)
    browser = cast.signed_in(supervisor)
    assert browser.post(f"/organisations/{pending.pk}/refuse/", {"reason": " "}).status_code == 400
    assert browser.post(f"/organisations/{pending.pk}/refuse/", {"reason": "Unknown number"}).status_code == 302
    admin = cast.person(pending, "company_admin")
    assert b"Unknown number" in cast.signed_in(admin).get("/organisation/").content


def test_supervisor_registers_the_authority(supervisor: User) -> None:
    form = {
        "name": "Open Markets Authority",
        "kind": "authority",
        "nation": "england",
        "address": "",
        "person": "Cal Reid",
        "email": "cal@authority.example",
    }
    browser = cast.signed_in(supervisor)
    assert browser.post("/organisations/new/", form).status_code == 400
    assert browser.post("/organisations/new/", {**form, "kind": "ministry", "address": "x"}).status_code == 400
    answer = browser.post("/organisations/new/", {**form, "address": "1 Strand"})
    made = Organisation.objects.get(kind="authority")
    assert answer.headers["Location"] == f"/organisations/{made.pk}/"
    assert made.invitations.get().role == "authority_officer"
