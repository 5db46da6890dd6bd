"""The API under fire: schemathesis, with a client of each kind, against what the schema promises.

In CI 200 cases and more for each kind; `make soak` sends 10,000. Nothing may break, nothing may be answered that the
schema does not document, and the sum is worth something only if most operations were also done (a 2xx).
"""

from __future__ import annotations

import json
import os
from collections import Counter
from collections.abc import Callable, Iterator
from typing import Any
from urllib.parse import unquote, urlsplit

import hypothesis
import pytest
import schemathesis
from django.core.signals import request_finished, request_started
from django.db import close_old_connections, transaction
from django.urls import Resolver404, resolve
from hypothesis import strategies as st
from rest_framework.views import APIView
from schemathesis import GenerationMode
from schemathesis.checks import not_a_server_error
from schemathesis.core.failures import FailureGroup
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    negative_data_rejection,
    response_schema_conformance,
    status_code_conformance,
)

from accounts.models import User
from accounts.rules import SCOPES_OF_KIND
from config.wsgi import application
from disclosures.actions import authorisations as act
from disclosures.examples import AUTHORISATION
from ledger.time import standing_at
from tests.access_world import TODAY, Everything, everything
from tests.api_world import ACCEPTED_IN, as_here, program, scope_of, states
from tests.cast import organisation, person

SOAK = bool(os.environ.get("SOAK"))
CASES = 10_000 if SOAK else 200
# What anybody may read.
OPEN_NOUNS = {"decisions", "receipts"}
KINDS = ("company", "ministry", "authority", "partner", "none")
CHECKS = [
    not_a_server_error,
    status_code_conformance,
    content_type_conformance,
    response_schema_conformance,
    negative_data_rejection,
]
# Where many are sent, each is answered for itself: what is wrong with one is in its own answer.
ANSWERED_EACH = ("/api/v1/disclosures/bulk/", "/api/v1/allegations/bulk/", "/api/v1/usage/batches/")


def checks_of(operation: Any) -> list[Any]:
    return [check for check in CHECKS if operation.path not in ANSWERED_EACH or check is not negative_data_rejection]


@schemathesis.serializer("application/x-ndjson")
def one_row_a_line(context: Any, value: Any) -> bytes:
    """A value as JSON Lines: of a list each item on a line."""
    return "".join(json.dumps(row) + "\n" for row in (value if isinstance(value, list) else [value])).encode()


def site(environ: dict[str, Any], start_response: Any) -> list[bytes]:
    """The site as a server runs it: what was answered is read to its end and closed."""
    response = application(environ, start_response)
    try:
        return [b"".join(response)]
    finally:
        response.close()


@pytest.fixture
def e(db: None, settings: Any, monkeypatch: pytest.MonkeyPatch) -> Iterator[Everything]:
    settings.SECOND_FACTOR_REQUIRED = False
    # What is tried here is not the counter of requests. (The views have read the settings by now.)
    monkeypatch.setattr(APIView, "throttle_classes", [])
    made = everything()
    with standing_at(TODAY):
        yield made
    for signal in (request_started, request_finished):
        signal.connect(close_old_connections)


def token(e: Everything, kind: str) -> dict[str, str]:
    """The headers of a client of this kind."""
    if kind == "none":
        return {}
    people = {"company": e.w.complainant, "ministry": e.w.caseworker, "authority": e.w.officer}
    who = people.get(kind) or person(organisation("Institute", kind="partner"), "partner")
    return {"Authorization": program(e, who).defaults["HTTP_AUTHORIZATION"]}


def hold_the_connection() -> None:
    """As Django's test client does (which lets go again): the one connection stays, and what is tried is rolled back."""
    for signal in (request_started, request_finished):
        signal.disconnect(close_old_connections)


def may(operation: Any, kind: str) -> bool:
    """Whether a client of this kind can do it at all."""
    if kind == "none":
        return operation.path.split("/")[3] in OPEN_NOUNS
    noun, last = operation.path.split("/")[3], operation.path.rstrip("/").rsplit("/", 1)[1]
    if noun == "authorisations" and operation.method == "post":
        # Here the company gives, and the partner is given.
        return kind in {"confirm": {"partner"}, "refuse": {"partner"}, "revoke": {"company", "partner"}}.get(
            last, {"company"}
        )
    return noun in OPEN_NOUNS or scope_of(operation.path, operation.method) in SCOPES_OF_KIND[kind]


def real(operation: Any, objects: dict[str, dict[str, list[Any]]]) -> dict[str, Any]:
    """Path parameters that name something which is there, in the state in which the verb can be done."""
    noun, verb = operation.path.split("/")[3].removesuffix("s"), operation.path.rstrip("/").rsplit("/", 1)[1]
    if not operation.path_parameters:
        return {}
    wanted = ACCEPTED_IN.get(f"{noun} {verb}") or next(iter(objects[noun]))
    if noun in {"disclosure", "allegation"} and operation.method == "get":
        wanted = {"disclosure": "submitted", "allegation": "received"}[noun]
    if "/file/" in operation.path or (noun == "evidence" and operation.method == "get"):
        wanted = "exhibit"
    named = [parameter.name for parameter in operation.path_parameters]
    return {name: 1 if name == "number" else objects[noun][wanted][0] for name in named}


def permitted(e: Everything) -> dict[str, list[Any]]:
    """What the partner is permitted: one that waits for its answer, and one that it has confirmed."""
    institute = User.objects.get(role="partner", is_service=False)
    name = institute.organisation.name
    waits, agreed = (act.propose(by=e.w.complainant, grantee=name, content=AUTHORISATION) for _ in range(2))
    act.confirm(agreed.pk, by=institute, name="Kit Rowe", capacity="Director")
    return {"proposed": [waits.reference], "confirmed": [agreed.reference]}


@pytest.mark.parametrize("kind", KINDS)
def test_nothing_breaks_and_nothing_undocumented_is_answered(
    e: Everything, kind: str, record_property: Callable[[str, object], None]
) -> None:
    hold_the_connection()
    schema = schemathesis.openapi.from_wsgi("/api/v1/schema/?format=json", site)
    operations = [found.ok() for found in schema.get_all_operations()]
    objects, headers = states(e), token(e, kind)
    if kind == "partner":
        objects["authorisation"] = permitted(e)
    hold_the_connection()
    statuses: Counter[int] = Counter()
    done: set[str] = set()
    broken: dict[str, str] = {}
    each = max(3, CASES // len(operations) + 1)

    def send(operation: Any, case: Any) -> None:
        case.headers = {**(case.headers or {}), "Accept-Encoding": "identity", **headers}
        if kind == "none":
            case.headers.pop("Authorization", None)
        before = transaction.savepoint()
        try:
            response = case.call()
            case.validate_response(response, checks=checks_of(operation))
        except FailureGroup as failures:
            # Told all together at the end, once for each kind of failure of each operation.
            for failure in failures.exceptions:
                broken.setdefault(f"{operation.label}: {failure.title}", f"{failure}\n{case.as_curl_command()}")
        finally:
            transaction.savepoint_rollback(before)
        statuses[response.status_code] += 1
        if kind == "none" and operation.path.split("/")[3] not in OPEN_NOUNS:
            url = str(response.request.url)
            assert response.status_code == to_nobody(url), f"{url} was answered {response.status_code} to nobody"
        if 200 <= response.status_code < 300:
            done.add(operation.label)

    for operation in operations:
        example = _example(e, operation)
        aimed = {"path_parameters": real(operation, objects), "headers": {"If-Match": "*"}}
        if example is not None:
            example.path_parameters, example.headers = aimed["path_parameters"], dict(aimed["headers"])
            send(operation, example)
        under_fire(operation, each, aimed, send)
    assert not broken, "\n\n".join(f"{name}\n{said[:1500]}" for name, said in broken.items())
    possible = {operation.label for operation in operations if may(operation, kind)}
    assert sum(statuses.values()) >= CASES
    assert len(done & possible) >= 0.8 * len(possible), sorted(possible - done)
    figure = f"schemathesis as {kind}: {sum(statuses.values())} cases, {dict(sorted(statuses.items()))}, "
    record_property("figure", f"{figure}{len(done & possible)} of {len(possible)} operations done")


def to_nobody(url: str) -> int:
    """What somebody without a token is answered: what is no address, or cannot be read, is told before who may."""
    parts = urlsplit(url)
    try:
        resolve(unquote(parts.path))
    except Resolver404:
        return 404
    return 400 if "%00" in parts.query else 401


def under_fire(operation: Any, cases: int, aimed: dict[str, Any], send: Callable[..., None]) -> None:
    """Send `cases` cases, most aimed at what is there; one in three does not fit the schema, and is to be refused."""
    fit, unfit = GenerationMode.POSITIVE, GenerationMode.NEGATIVE
    has_body = bool(operation.body)
    strategies = [operation.as_strategy(fit), operation.as_strategy(fit, **aimed)]
    if has_body:
        strategies.append(operation.as_strategy(unfit, **aimed))

    @hypothesis.settings(
        max_examples=cases,
        deadline=None,
        derandomize=not SOAK,
        database=None,
        suppress_health_check=list(hypothesis.HealthCheck),
        phases=[hypothesis.Phase.generate],
    )
    @hypothesis.given(case=st.one_of(strategies))
    def fire(case: Any) -> None:
        send(operation, case)

    fire()


def _example(e: Everything, operation: Any) -> Any:
    """The named example of the schema as a case; for a GET simply the address."""
    if operation.method == "get":
        return operation.Case()
    raw = operation.definition.raw.get("requestBody", {}).get("content", {})
    for media_type, content in raw.items():
        for example in content.get("examples", {}).values():
            return operation.Case(body=json.loads(as_here(e, example["value"])), media_type=media_type)
    return None


WRONG = ("", "Bearer ", "Bearer wrong", "Basic d3Jvbmc6d3Jvbmc=", "Token wrong")


def test_a_wrong_token_opens_nothing(e: Everything) -> None:
    """What a good token is answered with 2xx, a wrong one, or one that is good for nothing, is answered with 401."""
    hold_the_connection()
    schema = schemathesis.openapi.from_wsgi("/api/v1/schema/?format=json", site)
    objects, good, opened = states(e), token(e, "company"), 0
    hold_the_connection()
    for operation in [found.ok() for found in schema.get_all_operations()]:
        if operation.path.split("/")[3] in OPEN_NOUNS:
            continue
        for credentials in (good["Authorization"], *WRONG):
            case = _example(e, operation) or operation.Case()
            case.path_parameters = real(operation, objects)
            case.headers = {"If-Match": "*", "Accept-Encoding": "identity", "Authorization": credentials}
            before = transaction.savepoint()
            response = case.call()
            transaction.savepoint_rollback(before)
            if credentials == good["Authorization"]:
                opened += response.status_code < 300
            else:
                assert response.status_code == 401, f"{operation.label} with {credentials!r}: {response.status_code}"
                assert "WWW-Authenticate" in response.headers or "www-authenticate" in response.headers
    assert opened > 20


@pytest.mark.parametrize("kind", KINDS[:-1])
def test_one_thing_after_another_breaks_nothing(
    e: Everything, kind: str, record_property: Callable[[str, object], None]
) -> None:
    """Stateful: what one operation answers is what the next is asked about, by the links that can be inferred."""
    headers = {**token(e, kind), "Accept-Encoding": "identity", "If-Match": "*"}
    hold_the_connection()
    schema = schemathesis.openapi.from_wsgi("/api/v1/schema/?format=json", site).include(
        func=lambda context: may(context.operation, kind)
    )
    machine: Any = schema.as_state_machine()
    seen: Counter[int] = Counter()

    class Program(machine):  # type: ignore[misc]
        def setup(self) -> None:
            """Every run begins with the same database, or it could not be run again."""
            super().setup()
            self.before = transaction.savepoint()

        def teardown(self) -> None:
            transaction.savepoint_rollback(self.before)
            super().teardown()

        def before_call(self, case: Any) -> None:
            case.headers = {**(case.headers or {}), **headers}

        def validate_response(self, response: Any, case: Any, **kwargs: Any) -> None:
            seen[response.status_code] += 1
            case.validate_response(response, checks=checks_of(case.operation))

    Program.run(
        settings=hypothesis.settings(
            # Steps of 20: 200 and more, 10,000 and more.
            max_examples=CASES // 18 if SOAK else 11,
            stateful_step_count=20,
            deadline=None,
            derandomize=not SOAK,
            database=None,
            suppress_health_check=list(hypothesis.HealthCheck),
            phases=[hypothesis.Phase.generate],
        )
    )
    record_property(
        "figure", f"schemathesis as {kind}, one after another: {sum(seen.values())} steps, {dict(sorted(seen.items()))}"
    )
    assert seen[200] + seen[201] > 0.1 * sum(seen.values())
