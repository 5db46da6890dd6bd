"""The contract of the API: the schema is whole, its examples work as they stand, and everybody gets what is theirs."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest
from django.apps import apps
from django.db import transaction
from django.test import Client as Browser
from django.urls import reverse
from drf_spectacular.drainage import GENERATOR_STATS
from drf_spectacular.generators import SchemaGenerator
from drf_spectacular.validation import validate_schema

from accounts.rules import SCOPES, SCOPES_OF_KIND
from disclosures.catalogue import ALLEGATION, AUTHORISATION, DISCLOSURE
from evidence.api import EvidenceInput
from ledger.time import standing_at
from tests.access_world import TODAY, Everything, everything
from tests.api_matrix import MATRIX
from tests.api_world import (
    APART,
    BESIDES,
    SENDERS,
    Objects,
    all_states,
    as_here,
    everybody,
    examples,
    operations,
    program,
    states,
)
from tests.cast import a_file
from tests.test_access import addresses

OPEN = {"/api/v1/token/", "/api/v1/decisions/", "/api/v1/decisions/{id}/", "/api/v1/receipts/{reference}/"}


@pytest.fixture(scope="module")
def schema() -> dict[str, Any]:
    GENERATOR_STATS.reset()
    made: dict[str, Any] = SchemaGenerator().get_schema(request=None, public=True)
    assert not GENERATOR_STATS._warn_cache, GENERATOR_STATS._warn_cache
    assert not GENERATOR_STATS._error_cache
    return made


def test_schema_is_valid_and_public(schema: dict[str, Any], client: Any, db: None) -> None:
    validate_schema(schema)
    assert schema["openapi"].startswith("3.1")
    told = client.get(reverse("api_schema"), {"format": "json"})
    assert told.status_code == 200
    assert set(told.json()["paths"]) == set(schema["paths"])


def test_schema_has_every_address_of_the_api(schema: dict[str, Any]) -> None:
    apart = {"api_schema", "api_docs", "api_token"}
    names = [str(p.name) for p in addresses() if str(p.name).startswith("api_") and p.name not in apart]
    assert len(schema["paths"]) == len(names)
    assert all(path.startswith("/api/v1/") for path in schema["paths"])


def test_every_operation_says_how_it_refuses_and_promises_no_other(schema: dict[str, Any]) -> None:
    for method, path, operation in operations(schema):
        assert operation["summary"], path
        refused = {status for status in operation["responses"] if status[0] in "45"}
        headers = {p["name"] for p in operation.get("parameters", []) if p["in"] == "header"}
        assert ("403" in refused) == (path not in OPEN), f"{method} {path}"
        assert ("428" in refused) == ("412" in refused) == ("If-Match" in headers), f"{method} {path}"
        assert ("422" in refused) == ("Idempotency-Key" in headers or ("batches" in path and method == "post")), path
        assert not refused & {"405", "500"}
        if "{" in path:
            assert "404" in refused, f"{method} {path}"
        if method == "post":
            body = next(iter(operation["requestBody"]["content"].values()))
            assert body.get("examples"), f"{method} {path} has no example"


# --- The examples, sent as they stand ------------------------------------------------------------------------------------
@pytest.fixture
def e(db: None, settings: Any) -> Iterator[Everything]:
    settings.SECOND_FACTOR_REQUIRED = False
    made = everything()
    with standing_at(TODAY):
        yield made


def senders(e: Everything) -> dict[str, Browser]:
    """A program for everybody who sends an example."""
    return {name: program(e, getattr(e.w, name)) for name in (*SENDERS.values(), "respondent")}


def test_every_example_is_accepted_as_it_stands(e: Everything, schema: dict[str, Any]) -> None:
    programs, refused, sent = senders(e), {}, 0
    for example in examples(schema, states(e)):
        before = transaction.savepoint()
        body = as_here(e, example.value)
        answer = programs[example.sender].post(example.url, body, example.kind, headers={"if-match": "*"})
        transaction.savepoint_rollback(before)
        sent += 1
        if answer.status_code not in {200, 201, 202}:
            refused[example.url] = (answer.status_code, answer.content)
    assert not refused
    assert sent > 40


# --- Mass assignment -----------------------------------------------------------------------------------------------------
def names_of_columns() -> list[str]:
    """Every name of a field or column of every model here."""
    rooms = ("accounts", "cases", "disclosures", "evidence", "ledger", "monitoring", "notifications")
    fields = [f for m in apps.get_models() if m._meta.app_label in rooms for f in m._meta.get_fields()]
    return sorted({"id", "pk"} | {f.name for f in fields} | {str(getattr(f, "attname", f.name)) for f in fields})


# What may be said in an object of a body, besides what the examples say there.
MAY_BE_SAID = {
    "": {"standing_declaration", "content", "filing"},
    "content": {*DISCLOSURE.fields, *ALLEGATION.fields, *AUTHORISATION.fields},
    "replies": {"where_held", "why_not_held", "evidence"},
    "questions": {"text", "period", "form", "granularity", "mandatory"},
    "respondent_questions": {"text", "period", "form", "granularity", "mandatory"},
    "complainant_questions": {"text", "period", "form", "granularity", "mandatory"},
}
APIECE = 40  # names at once: no more than fifty errors are told


def test_every_column_by_name_is_refused_where_it_is_not_asked(e: Everything, schema: dict[str, Any]) -> None:
    """Beside a body that is accepted without them: at its top, and in every object within."""
    tried, programs, taken = 0, senders(e), []
    for example in examples(schema, states(e)):
        if example.name == "api_usage_batches":
            continue  # a row of a log may have columns that nobody here reads (docs/usage-log.md)
        for body, at, names in _with_columns(json.loads(as_here(e, example.value))):
            before = transaction.savepoint()
            answer = programs[example.sender].post(
                example.url, json.dumps(body), example.kind, headers={"if-match": "*"}
            )
            transaction.savepoint_rollback(before)
            refused = set(_pointers(answer.json()))
            missed = {name for name in names if not refused & {f"#{at}/{name}", f"#{at}"}}
            if at.startswith("/content/"):  # of a fact the first name that is not asked is told
                missed = set() if any(pointer.startswith(f"#{at}") for pointer in refused) else missed
            if answer.status_code not in {200, 400} or missed:
                taken.append(f"{example.url} takes {sorted(missed)} at #{at}: {answer.status_code}")
            tried += 1
    assert not taken, "\n".join(taken)
    assert tried > 500


def test_every_column_by_name_is_refused_beside_a_file(e: Everything) -> None:
    api, names = program(e, e.w.complainant), names_of_columns()
    asked = {*EvidenceInput().fields}
    for some in (names[n : n + APIECE] for n in range(0, len(names), APIECE)):
        answer = api.post(reverse("api_evidence"), {**dict.fromkeys(some, "1"), "file": a_file()})
        assert answer.status_code == 400
        assert {f"#/{name}" for name in set(some) - asked} <= set(_pointers(answer.json()))


def _pointers(told: Any) -> Iterator[str]:
    errors = told["results"][0].get("errors", []) if "results" in told else told.get("errors", [])
    for error in errors:
        yield error["pointer"]


def _with_columns(body: Any) -> Iterator[tuple[Any, str, set[str]]]:
    """The body with the names of columns in one of its objects, the pointer to that, and the names to be refused."""
    one = body[0] if isinstance(body, list) else body
    names = names_of_columns()
    for path in _objects(one):
        known = MAY_BE_SAID.get(next((str(step) for step in reversed(path) if isinstance(step, str)), ""), set())
        for some in (names[n : n + APIECE] for n in range(0, len(names), APIECE)):
            whole = json.loads(json.dumps(one))
            inner = whole
            for step in path:
                inner = inner[step]
            strange = set(some) - set(inner) - known
            inner.update(dict.fromkeys(strange, 1))
            yield [whole] if isinstance(body, list) else whole, "".join(f"/{step}" for step in path), strange


def _objects(value: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """The path to every object within a value."""
    if isinstance(value, dict):
        yield path
        inside = {name: inner for name, inner in value.items() if isinstance(inner, dict | list)}
        # The facts that a filing says are read in one way: the first stands for all.
        for name in list(inside)[: 1 if path[-1:] == ("content",) else None]:
            yield from _objects(inside[name], (*path, name))
    elif isinstance(value, list) and value:
        yield from _objects(value[0], (*path, 0))


# --- Who gets what, by a client of each kind with all the scopes it can have ---------------------------------------------
def test_every_scope_belongs_to_somebody() -> None:
    assert set(SCOPES) == {scope for scopes in SCOPES_OF_KIND.values() for scope in scopes}


def noun_of(name: str) -> str:
    """The noun that an address is about."""
    word = name.split("_")[1]
    return word if word == "analysis" else word.removesuffix("s")


NOUNS = sorted({noun_of(key.split()[1]) for key in MATRIX})


@pytest.mark.parametrize("noun", NOUNS)
def test_every_kind_of_client_gets_what_the_matrix_says(e: Everything, schema: dict[str, Any], noun: str) -> None:
    """Each verb is sent its example, which is accepted in some state: what refuses it is who asks, and when.

    And `allowed_actions` names a verb if and only if it is not refused for who asks (403, 404) or when (409).
    """
    objects, programs = all_states(e), everybody(e)
    example = {one.name: one for one in examples(schema, objects)}
    wrong, lies = {}, []
    told = _told(objects, noun, programs)
    for (method, name, state), url in _addresses(objects, noun).items():
        sent = example.get(name) if method == "POST" else None
        body, kind = (as_here(e, sent.value), sent.kind) if sent else ("", "application/json")
        got = [_status(client, method, url, body, kind) for client in programs]
        key = f"{method} {name} {state}".strip()
        if MATRIX.get(key) != " ".join(got):
            wrong[key] = " ".join(got)
        verb = url.rstrip("/").rsplit("/", 1)[1]
        for place, said in enumerate(told.get(state, []) if sent and state and (name, state) not in FINER else []):
            if said is not None and got[place] != "400" and (verb in said) != (got[place] in {"200", "201", "202"}):
                lies.append(f"{verb} of {noun} {state}: answered {got[place]}, told {said}")
    assert not wrong, "\n".join(f'    "{key}": "{got}",' for key, got in wrong.items())
    assert not lies, "\n".join(lies)


# Told, for the state allows it, and refused for what the example says: it was said already, or of another version.
FINER = {
    ("api_exhibit_disclose", "disclosed"),  # to this party; there may be others
    ("api_authorisation_confirm", "amending"),  # the example confirms the version before it
    ("api_notice_request_extension", "asked"),  # one request at a time
    ("api_case_issue_notices", "open"),  # everybody has been asked in this round
}


def _told(objects: Objects, noun: str, programs: list[Browser]) -> dict[str, list[list[str] | None]]:
    """By state what each program is told it can do; None where it sees nothing, or nothing can be done."""
    found = {}
    for (method, name, state), url in _addresses(objects, noun).items():
        if method == "GET" and state and name == f"api_{noun}":
            shown = [client.get(url) for client in programs]
            found[state] = [
                answer.json().get("allowed_actions") if answer.status_code == 200 else None for answer in shown
            ]
    return found


@pytest.mark.parametrize("noun", NOUNS)
def test_no_other_method_is_known(e: Everything, noun: str) -> None:
    owner, seen = program(e, e.w.complainant), set()
    for (_, name, _), url in _addresses(states(e), noun).items():
        if name in seen:
            continue
        seen.add(name)
        for method in {"GET", "POST", "PUT", "PATCH", "DELETE", "TRACE"} - _methods(name):
            assert _status(owner, method, url, "{}", "application/json") == "405", f"{method} {url}"
        assert _status(Browser(), "PUT", url, "{}", "application/json") == ("405" if name in NOBODYS else "401")


NOBODYS = {"api_decisions", "api_decision", "api_receipt"}


def test_matrix_knows_every_address_of_the_api() -> None:
    named = {key.split()[1] for key in MATRIX}
    assert named == {str(p.name) for p in addresses() if str(p.name).startswith("api_")} - APART


def _methods(name: str) -> set[str]:
    [view] = [p.callback.view_class for p in addresses() if p.name == name]  # type: ignore[attr-defined]
    return {method.upper() for method in view.http_method_names if hasattr(view, method)} & {"GET", "POST"}


def _addresses(objects: Objects, noun: str) -> dict[tuple[str, str, str], str]:
    """Every address about a noun by method, name and state of the object, for the methods that it knows."""
    found = {}
    for pattern in addresses():
        name = str(pattern.name)
        if not name.startswith("api_") or name in APART or noun_of(name) != noun:
            continue
        one = pattern.pattern.regex.groups > 0
        for state, args in objects[noun].items() if one else [("", [])]:
            for method in sorted(_methods(name)):
                found[(method, name, state)] = reverse(name, args=[*args, *BESIDES.get(name, [])])
    return found


def _status(client: Browser, method: str, url: str, body: str, kind: str) -> str:
    before = transaction.savepoint()
    answer = client.generic(method, url, body, kind, headers={"if-match": "*"})
    answer.getvalue()
    transaction.savepoint_rollback(before)
    return str(answer.status_code)
