"""Signing in and out: what is asked, what is on record, and what a stranger cannot learn."""

import re

import pytest
from django.core import mail
from django.test import Client
from pytest_django import Settings

from accounts.models import Organisation, User
from ledger.models import Event
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


@pytest.fixture
def admin(company: Organisation) -> User:
    return cast.person(company, "company_admin")


def sign_in(client: Client, user: User, password: str = cast.PASSWORD) -> str:
    answer = client.post("/sign-in/", {"login": user.email, "password": password})
    return answer.headers.get("Location", "")


def confirm_password(client: Client) -> None:
    """allauth asks once more before it changes how an account is protected."""
    url = client.get("/account/second-factor/totp/activate/").headers["Location"]
    assert url.startswith("/account/reauthenticate/")
    assert client.get(url).status_code == 200
    assert client.post(url, {"password": cast.PASSWORD}).status_code == 302


def verbs() -> list[str]:
    return list(Event.objects.filter(verb__startswith="user.").order_by("pk").values_list("verb", flat=True))


def test_password_alone_signs_an_officer_in(client: Client, officer: User) -> None:
    assert sign_in(client, officer) == "/"
    assert client.get("/account/").status_code == 200
    assert verbs() == ["user.signed_in"]
    event = Event.objects.get(verb="user.signed_in")
    assert (event.actor, event.object_id, event.root_id) == (officer, officer.pk, officer.organisation_id)


def test_wrong_password_is_on_record_and_lets_nobody_in(client: Client, officer: User) -> None:
    assert sign_in(client, officer, "wrong") == ""
    assert client.get("/account/").status_code == 302
    event = Event.objects.get(verb="user.sign_in_failed")
    assert (event.actor, event.object_id) == (None, officer.pk)
    assert "wrong" not in str(event.details)


def test_unknown_address_gets_the_same_answer_as_a_wrong_password(client: Client, officer: User) -> None:
    pages = []
    for email in (officer.email, "nobody@else.example"):
        page = client.post("/sign-in/", {"login": email, "password": "wrong"})
        pages.append((page.status_code, _without(page.content.decode(), email)))
    assert pages[0] == pages[1]
    assert verbs() == ["user.sign_in_failed"]


def test_sign_out_is_a_post_and_on_record(client: Client, officer: User) -> None:
    sign_in(client, officer)
    assert client.get("/sign-out/").status_code == 200
    assert client.get("/account/").status_code == 200
    assert client.post("/sign-out/").headers["Location"] == "/"
    assert client.get("/account/").status_code == 302
    assert verbs() == ["user.signed_in", "user.signed_out"]


def test_guessing_is_stopped_and_the_right_password_waits_too(client: Client, officer: User) -> None:
    for _ in range(5):
        sign_in(client, officer, "wrong")
    assert sign_in(client, officer) == ""
    assert "user.signed_in" not in verbs()


def test_sign_in_goes_on_to_our_pages_only(client: Client, officer: User) -> None:
    form = {"login": officer.email, "password": cast.PASSWORD}
    assert client.post("/sign-in/?next=/evidence/", form).headers["Location"] == "/evidence/"
    client.post("/sign-out/")
    away = client.post("/sign-in/?next=https://evil.example/", form)
    assert away.headers["Location"] == "/"


# --- Second factor --------------------------------------------------------------------------------------------------
def test_admin_with_an_app_is_asked_for_the_code(client: Client, admin: User) -> None:
    asked = sign_in(client, admin)
    assert asked == "/account/second-factor/authenticate/"
    assert client.get("/account/").headers["Location"].startswith("/sign-in/")
    assert verbs() == []
    assert client.get(asked).status_code == 200
    assert client.post(asked, {"code": "000000"}).status_code == 200
    assert client.post(asked, {"code": cast.code()}).headers["Location"] == "/"
    assert client.get("/account/").status_code == 200
    assert verbs() == ["user.signed_in"]


@pytest.mark.parametrize(
    ("kind", "role"),
    [
        ("company", "company_admin"),
        ("ministry", "caseworker"),
        ("ministry", "supervisor"),
        ("ministry", "auditor"),
        ("ministry", "operator"),
        ("authority", "authority_officer"),
    ],
)
def test_without_a_second_factor_one_can_only_set_it_up_or_leave(settings: Settings, kind: str, role: str) -> None:
    settings.SECOND_FACTOR_REQUIRED = True
    user = cast.person(cast.organisation("Somebody", kind), role, second_factor=False)
    client = Client()
    assert sign_in(client, user) == "/"
    for url in ("/", "/account/", "/organisation/", "/notifications/", "/evidence/", "/organisations/", "/cases/"):
        assert client.get(url).headers.get("Location") == "/account/second-factor/", url
    assert client.get("/account/second-factor/").status_code == 200
    confirm_password(client)
    assert client.get("/account/second-factor/totp/activate/").status_code == 200
    assert client.get("/account/second-factor/webauthn/add/").status_code == 200
    assert client.post("/sign-out/").headers["Location"] == "/"
    assert client.get("/account/").headers["Location"].startswith("/sign-in/")


def test_setting_up_the_app_opens_the_house(settings: Settings, company: Organisation) -> None:
    settings.SECOND_FACTOR_REQUIRED = True
    admin = cast.person(company, "company_admin", second_factor=False)
    client = Client()
    sign_in(client, admin)
    confirm_password(client)
    answer = client.post("/account/second-factor/totp/activate/", {"code": "wrong"})
    assert answer.status_code == 200
    page = client.get("/account/second-factor/totp/activate/").content.decode()
    assert "data:image/svg" in page
    right = cast.code(client.session["mfa.totp.secret"])
    assert client.post("/account/second-factor/totp/activate/", {"code": right}).status_code == 302
    assert client.get("/organisation/").status_code == 200


def test_officer_needs_none_and_demo_mode_asks_nobody(settings: Settings, company: Organisation) -> None:
    settings.SECOND_FACTOR_REQUIRED = True
    assert cast.signed_in(cast.person(company, "company_officer")).get("/account/").status_code == 200
    settings.SECOND_FACTOR_REQUIRED = False
    admin = cast.person(company, "company_admin", second_factor=False)
    assert cast.signed_in(admin).get("/account/").status_code == 200


# --- Forgotten passwords --------------------------------------------------------------------------------------------
def test_reset_answers_alike_for_known_and_unknown_addresses(client: Client, officer: User) -> None:
    pages = []
    for email in (officer.email, "nobody@else.example"):
        page = client.post("/account/password/reset/", {"email": email}, follow=True)
        pages.append((page.status_code, page.redirect_chain, page.content))
    assert pages[0] == pages[1]
    assert Message.objects.count() == 1


def test_reset_link_works_once_and_is_not_kept(client: Client, officer: User) -> None:
    client.post("/account/password/reset/", {"email": officer.email})
    run_all()
    (letter,) = mail.outbox
    assert letter.to == [officer.email]
    found = re.search(r"http://\S+(/account/password/reset/key/\S+)", letter.body)
    assert found
    message = Message.objects.get()
    assert (message.body, message.context) == ("", {})
    assert found[1].split("-")[-1].strip("/") not in message.subject
    form_url = client.get(found[1]).headers["Location"]
    new = "another-long-passphrase-7"
    answer = client.post(form_url, {"password1": new, "password2": new})
    assert answer.headers["Location"] == "/account/password/reset/key/done/"
    assert sign_in(client, officer, new) == "/"
    assert "no longer works" in Client().get(found[1]).content.decode()


# --- What is not open -----------------------------------------------------------------------------------------------
def test_nobody_signs_themselves_up(client: Client) -> None:
    page = client.post("/account/sign-up/", {"email": "new@else.example", "password1": cast.PASSWORD})
    assert "Accounts are not opened here" in page.content.decode()
    assert not User.objects.exists()


@pytest.mark.parametrize(
    "url", ["/account/email/", "/account/confirm-email/", "/account/login/code/", "/accounts/login/"]
)
def test_what_is_not_used_is_not_there(client: Client, officer: User, url: str) -> None:
    client.force_login(officer)
    assert client.get(url).status_code == 404


def test_password_is_changed_with_the_old_one(client: Client, officer: User) -> None:
    sign_in(client, officer)
    new = "another-long-passphrase-7"
    form = {"oldpassword": "wrong", "password1": new, "password2": new}
    assert client.post("/account/password/change/", form).status_code == 200
    assert client.post("/account/password/change/", {**form, "oldpassword": cast.PASSWORD}).status_code == 302
    assert client.get("/account/").status_code == 200
    client.post("/sign-out/")
    assert sign_in(client, officer, new) == "/"


def _without(page: str, email: str) -> str:
    return re.sub(r'name="csrfmiddlewaretoken" value="\w+"', "", page).replace(email, "")
