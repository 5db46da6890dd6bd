"""What every program relies on: limits that are told, gzip, errors in one form with a page behind each, credentials."""

from __future__ import annotations

import gzip
import json
from typing import Any
from urllib.parse import urlsplit

import pytest
from django.core.cache import cache
from django.test import Client as Browser
from django.urls import reverse

from accounts.actions import make_client
from accounts.api.clients import PerClient
from accounts.api.organisations import Organisations
from accounts.models import Client, User
from config import acts, story
from tests import cast
from tests.accounts.test_clients import bearer
from web.problems import KINDS

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def admin(settings: Any) -> User:
    settings.SECOND_FACTOR_REQUIRED = False
    cache.clear()
    return cast.person(cast.organisation("Kestrel Ltd"), "company_admin")


@pytest.fixture
def program(admin: User) -> Browser:
    return bearer(*make_client(admin.organisation_id, by=admin, name="P", scopes=["disclosures:read"]))


def test_limit_is_told_and_kept_for_each_client(admin: User, program: Browser, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(PerClient, "rate", "3/min", raising=False)
    url = reverse("api_disclosures")
    left = []
    for _ in range(3):
        answer = program.get(url)
        assert answer.status_code == 200
        left.append(answer.headers["RateLimit"])
    assert len(set(left)) == 3
    refused = program.get(url)
    assert refused.status_code == 429
    assert refused.headers["Content-Type"] == "application/problem+json"
    assert 1 <= int(refused.headers["Retry-After"]) <= 61
    assert refused.json()["type"].endswith("/problems/too-many-requests/")
    # Another client of the same company has its own.
    other = bearer(*make_client(admin.organisation_id, by=admin, name="Q", scopes=["disclosures:read"]))
    assert other.get(url).status_code == 200


def test_who_is_refused_at_the_door_is_counted_too(
    admin: User, program: Browser, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(PerClient, "rate", "3/min", raising=False)
    guess = Browser(headers={"authorization": "Bearer guess"})
    for who, url, status in (
        (guess, "api_disclosures", 401),
        (Browser(REMOTE_ADDR="203.0.113.8"), "api_disclosures", 401),
    ):
        found = [who.get(reverse(url)) for _ in range(5)]
        assert [answer.status_code for answer in found] == [status] * 3 + [429] * 2
        assert "RateLimit" in found[0].headers
        assert "Retry-After" in found[-1].headers
    assert [program.get(reverse("api_cases")).status_code for _ in range(4)] == [403] * 3 + [429], "it lacks the scope"


def test_answers_are_compressed_for_who_asks(admin: User, program: Browser) -> None:
    for number in range(12):
        content = {**acts.disclosure_content(700 + number), "filer_reference": f"G-{number}"}
        acts.draft("disclosure", admin, content)
    plain = program.get(reverse("api_disclosures"))
    packed = program.get(reverse("api_disclosures"), headers={"accept-encoding": "gzip"})
    assert "Content-Encoding" not in plain.headers
    assert packed.headers["Content-Encoding"] == "gzip"
    assert gzip.decompress(packed.content) == plain.content
    assert len(packed.content) < len(plain.content) / 2


def test_every_kind_of_problem_has_its_page(admin: User) -> None:
    for kind in {*KINDS.values(), "other"}:
        page = Browser(headers={"host": "localhost"}).get(reverse("problem", args=[kind]))
        assert page.status_code == 200, kind
        assert "What to do" in page.content.decode()


@pytest.mark.parametrize(
    ("method", "url", "body", "kind", "status"),
    [
        ("GET", "/api/v1/nothing/", "", "application/json", 404),
        ("GET", "/api/v1/disclosures/?cursor=x", "", "application/json", 404),
        ("PUT", "/api/v1/disclosures/", "", "application/json", 405),
        ("POST", "/api/v1/disclosures/", "<x/>", "application/xml", 415),
        ("POST", "/api/v1/disclosures/", "{", "application/json", 400),
    ],
)
def test_refusal_is_problem_details_whose_type_is_a_page(
    admin: User, method: str, url: str, body: str, kind: str, status: int
) -> None:
    api = bearer(
        *make_client(admin.organisation_id, by=admin, name="P", scopes=["disclosures:read", "disclosures:write"])
    )
    answer = api.generic(method, url, body, kind)
    assert answer.status_code == status
    assert answer.headers["Content-Type"] == "application/problem+json"
    told = answer.json()
    assert {"type", "title", "status", "detail", "request_id"} <= set(told)
    assert told["status"] == status
    assert len(told["request_id"]) == 36
    assert api.get(urlsplit(told["type"]).path).status_code == 200


def test_what_breaks_here_is_a_problem_too_and_tells_nothing(admin: User, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*args: Any, **kwargs: Any) -> None:
        raise RuntimeError("the secret of the house")

    monkeypatch.setattr(Organisations, "get_queryset", broken)
    made = make_client(admin.organisation_id, by=admin, name="P", scopes=["organisations:read"])
    api = bearer(*made)
    api.raise_request_exception = False
    answer = api.get(reverse("api_organisations"))
    assert answer.status_code == 500
    assert answer.headers["Content-Type"] == "application/problem+json"
    assert answer.json()["type"].endswith("/problems/server-error/")
    assert answer.json()["request_id"]
    assert "secret" not in answer.content.decode()


def test_last_use_is_shown_on_the_page(admin: User) -> None:
    made = make_client(admin.organisation_id, by=admin, name="Filing system", scopes=["organisations:read"])
    browser = cast.signed_in(admin)
    assert "Not used yet" in browser.get(reverse("organisation")).content.decode()
    bearer(*made).get(reverse("api_organisation"))
    assert "Last used" in browser.get(reverse("organisation")).content.decode()


def test_demonstration_names_its_programs(settings: Any) -> None:
    """Each with its credentials, which work, its scopes and its organisation."""
    settings.SECOND_FACTOR_REQUIRED = False
    for name, kind in (
        (story.NORTHWIND, "company"), (story.HARRIER, "company"), (story.MINISTRY, "ministry"),
        (story.AUTHORITY, "authority"), (story.PARTNER, "partner"),
    ):  # fmt: skip
        made = cast.organisation(name, kind=kind)
        if kind == "company":
            cast.person(made, "company_admin")
    cast.person(story.Organisation.objects.get(name=story.MINISTRY), "supervisor", "margaret@ministry.example")
    told = json.loads(json.dumps(story.clients()))
    assert len(told) == 5
    for entry in told:
        assert {"client_id", "client_secret", "scopes", "organisation"} <= set(entry)
        client = Client.objects.get(application__client_id=entry["client_id"])
        assert client.user.organisation.name == entry["organisation"]
        assert bearer(client, entry["client_secret"]).get(reverse("api_organisation")).status_code == 200
