"""API credentials: made, rotated and revoked in the browser; tokens; and what a machine can do with them."""

from __future__ import annotations

import base64
import json
from datetime import timedelta
from typing import Any
from urllib.parse import urlencode

import pytest
from django.core.cache import cache
from django.test import Client as Browser
from django.urls import reverse
from oauth2_provider.models import AccessToken, Application

from accounts import actions
from accounts.models import Client, User
from ledger.models import Event
from ledger.time import now, standing_at
from tests import cast
from web.problems import Invalid

pytestmark = pytest.mark.django_db(transaction=True)  # actions are durable


@pytest.fixture
def admin(settings: Any) -> User:
    settings.SECOND_FACTOR_REQUIRED = False
    return cast.person(cast.organisation("Kestrel Ltd"), "company_admin")


def token(client: Client, secret: str, **more: str) -> Any:
    """The answer of the token endpoint."""
    body = {"grant_type": "client_credentials", "client_id": client.application.client_id, "client_secret": secret}
    return ask(Browser(), {**body, **more})


def ask(browser: Browser, body: dict[str, str]) -> Any:
    return browser.post(reverse("api_token"), urlencode(body), "application/x-www-form-urlencoded")


def bearer(client: Client, secret: str, **more: str) -> Any:
    """A program with a token."""
    return Browser(headers={"authorization": f"Bearer {token(client, secret, **more).json()['access_token']}"})


def make(admin: User, *scopes: str) -> tuple[Client, str]:
    return actions.make_client(
        admin.organisation_id, by=admin, name="Filing system", scopes=scopes or ["organisations:read"]
    )


def test_client_is_made_in_the_browser_and_its_secret_shown_once(admin: User) -> None:
    browser = cast.signed_in(admin)
    form = {"name": "Filing system", "scopes": ["disclosures:read"]}
    page = browser.post(reverse("client_new", args=[admin.organisation_id]), form)
    secret, client = page.context["secret"], Client.objects.get()
    assert secret in page.content.decode()
    assert page.headers["Cache-Control"] == "no-store"
    shown = browser.get(reverse("organisation")).content.decode()
    assert "Filing system" in shown
    assert client.application.client_id in shown
    assert secret not in shown
    assert client.user.email not in shown, "a machine is not among the people"
    assert secret not in json.dumps(list(Application.objects.values()), default=str), "only a hash is kept"
    assert Event.objects.filter(verb="client.made").get().details == {"scopes": ["disclosures:read"]}


def test_scope_that_the_organisation_cannot_have_is_refused(admin: User) -> None:
    with pytest.raises(Invalid):
        make(admin, "referrals:write")
    answer = cast.signed_in(admin).post(
        reverse("client_new", args=[admin.organisation_id]), {"name": "x", "scopes": ["referrals:write"]}
    )
    assert answer.status_code == 400
    assert not Client.objects.exists()


def test_token_is_had_for_an_hour_kept_as_a_hash_and_put_on_record(admin: User) -> None:
    client, secret = make(admin)
    told = token(client, secret).json()
    assert told["expires_in"] == 3600
    assert told["scope"] == "organisations:read"
    kept = AccessToken.objects.get()
    assert told["access_token"] not in json.dumps([kept.token, kept.token_checksum])
    assert Event.objects.filter(verb="client.signed_in").count() == 1
    basic = base64.b64encode(f"{client.application.client_id}:{secret}".encode()).decode()
    answer = ask(Browser(headers={"authorization": f"Basic {basic}"}), {"grant_type": "client_credentials"})
    assert answer.status_code == 200


@pytest.mark.parametrize(
    ("change", "status"),
    [
        ({"client_secret": "wrong"}, 401),
        ({"client_id": "nobody"}, 401),
        ({"grant_type": "password", "username": "a", "password": "b"}, 400),
        ({"grant_type": ""}, 400),
        ({"scope": "referrals:write"}, 400),
        ({"scope": "disclosures:read"}, 400),
    ],
)
def test_token_is_refused(admin: User, change: dict[str, str], status: int) -> None:
    client, secret = make(admin)
    body = {"grant_type": "client_credentials", "client_id": client.application.client_id, "client_secret": secret}
    answer = ask(Browser(), {**body, **change})
    assert answer.status_code == status, answer.content
    assert not AccessToken.objects.exists()


def test_without_a_token_the_api_says_how_to_get_in(admin: User) -> None:
    for headers in ({}, {"authorization": "Bearer nonsense"}, {"authorization": "Basic eDp5"}):
        answer = Browser(headers=headers).get(reverse("api_organisation"))
        assert answer.status_code == 401
        assert answer.headers["WWW-Authenticate"].startswith("Bearer ")
        assert answer.headers["Content-Type"] == "application/problem+json"


def test_body_is_not_read_before_it_is_known_who_sends_it(admin: User) -> None:
    for body, kind in ((b"{", "application/json"), (b"x", "multipart/form-data; boundary=x"), (b"x", "text/plain")):
        for url in (reverse("api_disclosures"), reverse("api_evidence")):
            assert Browser().post(url, body, kind).status_code == 401
            refused = Browser(headers={"authorization": "Bearer no"}).post(url, body, kind)
            assert refused.status_code == 401


def test_token_endpoint_takes_little_from_nobody(admin: User, settings: Any) -> None:
    settings.TOKENS_A_MINUTE = 5
    client, secret = make(admin)
    url = reverse("api_token")
    assert Browser().post(url, {"grant_type": "client_credentials"}).status_code == 415, "no upload of anybody is read"
    assert ask(Browser(), {"grant_type": "x" * 20_000}).status_code == 413
    for name in ("\0", "a\0b"):
        refused = ask(Browser(), {"grant_type": "client_credentials", "client_id": name, "client_secret": "x"})
        assert refused.status_code == 401
    basic = base64.b64encode(b"a%00b:c").decode()
    headers = {"authorization": f"Basic {basic}"}
    assert ask(Browser(headers=headers), {"grant_type": "client_credentials"}).status_code == 401
    found = [token(client, secret).status_code for _ in range(7)]
    assert found == [200, 200, 200, 200, 200, 429, 429]
    forged = Browser(headers={"x-forwarded-for": "203.0.113.9"})
    body = {"grant_type": "client_credentials", "client_id": client.application.client_id, "client_secret": secret}
    assert ask(forged, body).status_code == 429, "what a caller says of itself is nothing"
    assert token(*make(admin)).status_code == 200, "one client does not use up another's"


def test_guessing_at_the_token_endpoint_ends_soon(admin: User, settings: Any) -> None:
    settings.TOKENS_A_MINUTE = 4
    cache.clear()  # of what other tests were refused
    (client, secret), other = make(admin), make(admin)
    body = {"grant_type": "client_credentials", "client_secret": "wrong"}
    with standing_at(now()):  # one minute, however long this takes
        assert [token(client, f"wrong{n}").status_code for n in range(6)] == [401] * 4 + [429] * 2
        # By another name each time: the address has guessed often enough.
        found = [ask(Browser(), {**body, "client_id": f"guess-{n}"}).status_code for n in range(18)]
        assert found == [401] * 16 + [429] * 2
        assert token(*other).status_code == 429
        elsewhere = Browser(REMOTE_ADDR="203.0.113.9")
        right = {**body, "client_id": client.application.client_id, "client_secret": secret}
        assert ask(elsewhere, right).status_code == 200, "nobody else is kept out by it"
    with standing_at(now() + timedelta(minutes=1)):
        assert token(*other).status_code == 200, "a minute later it is over"


def test_token_in_the_address_is_not_taken(admin: User) -> None:
    client, secret = make(admin)
    key = token(client, secret).json()["access_token"]
    assert Browser().get(reverse("api_organisation"), {"access_token": key}).status_code == 401


def test_client_reads_its_own_organisation_and_its_use_is_shown(admin: User) -> None:
    client, secret = make(admin)
    told = bearer(client, secret).get(reverse("api_organisation")).json()
    assert (told["name"], told["kind"], told["state"]) == ("Kestrel Ltd", "company", "verified")
    client.refresh_from_db()
    assert client.last_used_at is not None


def test_scope_is_needed_and_a_narrower_token_stays_narrow(admin: User) -> None:
    client, secret = make(admin, "organisations:read", "disclosures:read")
    narrow = bearer(client, secret, scope="organisations:read")
    assert narrow.get(reverse("api_organisation")).status_code == 200
    refused = narrow.get(reverse("api_disclosures"))
    assert refused.status_code == 403
    assert "disclosures:read" in refused.json()["detail"]


def test_revoked_client_is_refused_at_its_next_request(admin: User) -> None:
    client, secret = make(admin)
    program = bearer(client, secret)
    assert program.get(reverse("api_organisation")).status_code == 200
    cast.signed_in(admin).post(reverse("client_revoke", args=[client.pk]))
    assert program.get(reverse("api_organisation")).status_code == 401
    assert token(client, secret).status_code == 401
    assert cast.signed_in(admin).post(reverse("client_rotate", args=[client.pk])).status_code == 409


def test_new_secret_ends_the_old_one_and_its_tokens(admin: User) -> None:
    client, secret = make(admin)
    program = bearer(client, secret)
    page = cast.signed_in(admin).post(reverse("client_rotate", args=[client.pk]))
    assert program.get(reverse("api_organisation")).status_code == 401
    assert token(client, secret).status_code == 401
    assert bearer(client, page.context["secret"]).get(reverse("api_organisation")).status_code == 200


def test_another_companys_client_is_not_there(admin: User) -> None:
    client, _ = make(admin)
    rival = cast.person(cast.organisation("Merlin Ltd"), "company_admin")
    for name in ("client_rotate", "client_revoke"):
        assert cast.signed_in(rival).post(reverse(name, args=[client.pk])).status_code == 404
    assert cast.signed_in(rival).get(reverse("client_new", args=[admin.organisation_id])).status_code == 404


def test_machine_cannot_come_in_by_the_pages_and_no_letter_goes_to_it(admin: User) -> None:
    client, secret = make(admin)
    assert client.user not in User.objects.able_to_sign_in()
    page = Browser().post(reverse("account_login"), {"login": client.user.email, "password": secret})
    assert page.status_code == 200, "the form again, with an error"
    assert bearer(client, secret).get(reverse("organisation")).status_code == 302, "pages take no token"


def test_browser_reads_the_api_and_changes_nothing_by_it(admin: User) -> None:
    browser = cast.signed_in(admin)
    assert browser.get(reverse("api_organisation")).status_code == 200
    assert browser.get(reverse("api_referrals")).status_code == 403, "what no client of a company may have"
    assert (
        browser.post(reverse("api_referral_acknowledge", args=["R-2026-000001"]), {}, "application/json").status_code
        == 403
    )


def test_unknown_address_and_method_are_told_as_problems(admin: User) -> None:
    client, secret = make(admin)
    program = bearer(client, secret)
    for answer, status in (
        (program.get("/api/v1/nothing/"), 404),
        (program.delete(reverse("api_organisation")), 405),
        (program.get(reverse("api_organisation"), headers={"accept": "text/csv"}), 406),
    ):
        assert answer.headers["Content-Type"] == "application/problem+json"
        assert answer.json()["status"] == answer.status_code == status
        assert answer.json()["request_id"]
