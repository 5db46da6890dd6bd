"""The access matrix: every address and method for everybody. An address that nobody classified fails the suite."""

from __future__ import annotations

from collections.abc import Iterator
from http.cookies import SimpleCookie
from typing import Any

import pytest
from django.db import transaction
from django.test import Client
from django.urls import URLPattern, URLResolver, get_resolver, reverse

from ledger.time import standing_at
from tests.access_matrix import MATRIX
from tests.access_world import TODAY, Everything, args_of, everything

METHODS = ("GET", "POST")


def addresses(patterns: Any = None) -> Iterator[URLPattern]:
    """Every address of the site."""
    for pattern in patterns if patterns is not None else get_resolver().url_patterns:
        if isinstance(pattern, URLResolver):
            yield from addresses(pattern.url_patterns)
        else:
            yield pattern


def test_every_address_is_classified() -> None:
    names = [str(pattern.name) for pattern in addresses()]
    assert len(names) == len(set(names)), "two addresses share a name"
    assert set(MATRIX) == set(names)


@pytest.fixture
def e(db: None, settings: Any) -> Iterator[Everything]:
    settings.SECOND_FACTOR_REQUIRED = False
    made = everything()
    with standing_at(TODAY):
        yield made


def _form_of(name: str) -> str:
    return (
        "application/json" if name.startswith("api_") and name != "api_token" else "application/x-www-form-urlencoded"
    )


@pytest.fixture
def cookies(e: Everything) -> list[Any]:
    """Everybody's cookies, in the order of `actors`. Signed in once: in one long transaction every sign-in leaves old rows
    of the same people, which each later request reads past.
    """
    found = []
    for user in e.actors().values():
        client = Client()
        if user is not None:
            client.force_login(user)
        found.append(client.cookies)
    return found


def answers(e: Everything, cookies: list[Any], name: str, method: str) -> str:
    """What everybody gets, as one line: `anonymous owner rival stranger caseworker supervisor authority auditor`."""
    url = reverse(name, args=args_of(e, name))
    found = []
    for own in cookies:
        client = Client(raise_request_exception=True, headers={"host": "localhost"})
        client.cookies = SimpleCookie(own)  # a request may sign out; it is undone in the database, and here
        before = transaction.savepoint()
        try:
            answer = client.generic(method, url, content_type=_form_of(name))
        finally:
            transaction.savepoint_rollback(before)
        answer.getvalue()  # a download is read to its end, which closes the file
        found.append(str(answer.status_code))
    return " ".join(found)


def test_everybody_gets_what_the_matrix_says(e: Everything, cookies: list[Any]) -> None:
    actual = {name: {method: answers(e, cookies, name, method) for method in METHODS} for name in MATRIX}
    wrong = {
        f"{method} {name}": (f"expected {MATRIX[name][method]}", f"got      {got[method]}")
        for name, got in actual.items()
        for method in METHODS
        if got[method] != MATRIX[name][method]
    }
    assert wrong == {}


def test_other_methods_are_refused(e: Everything) -> None:
    """Nothing here answers PUT, PATCH, DELETE or TRACE with anything but a refusal, and nothing breaks."""
    client = Client(headers={"host": "localhost"})
    client.force_login(e.w.supervisor)
    for name in MATRIX:
        for method in ("PUT", "PATCH", "DELETE", "TRACE"):
            before = transaction.savepoint()
            answer = client.generic(method, reverse(name, args=args_of(e, name)))
            transaction.savepoint_rollback(before)
            assert answer.status_code < 500, (method, name)
