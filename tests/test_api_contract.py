"""The contract of the API: the schema is whole, its examples work as they stand, and everybody gets what is theirs."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest
from django.apps import apps
from django.db import transaction
from django.test import Client as Browser
from django.urls import resolve, reverse
from drf_spectacular.drainage import GENERATOR_STATS
from drf_spectacular.generators import SchemaGenerator
from drf_spectacular.validation import validate_schema

from accounts.actions import make_client
from accounts.models import User
from accounts.rules import SCOPES, SCOPES_OF_KIND
from cases.actions import referrals
from cases.actions.referrals import refer
from cases.models import Case, Exhibit
from config import story
from disclosures.catalogue import ALLEGATION, AUTHORISATION, DISCLOSURE
from disclosures.models import StandingDeclaration
from ledger.time import now, standing_at
from monitoring.models import Feed
from tests.access_world import TODAY, Everything, doubted, everything, resolved
from tests.accounts.test_clients import bearer
from tests.api_matrix import MATRIX
from tests.cases.world import World, notice_to, open_case
from tests.cast import organisation, person
from tests.test_access import addresses

OPEN = {"/api/v1/token/", "/api/v1/decisions/"}


@pytest.fixture(scope="module")
def schema() -> dict[str, Any]:
    GENERATOR_STATS.reset()
    made: dict[str, Any] = SchemaGenerator().get_schema(request=None, public=True)
    assert not GENERATOR_STATS._warn_cache, GENERATOR_STATS._warn_cache
    assert not GENERATOR_STATS._error_cache
    return made


def operations(schema: dict[str, Any]) -> Iterator[tuple[str, str, dict[str, Any]]]:
    for path, methods in schema["paths"].items():
        for method, operation in methods.items():
            yield method, path, operation


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


def test_every_operation_says_how_it_refuses(schema: dict[str, Any]) -> None:
    for method, path, operation in operations(schema):
        assert operation["summary"], path
        if path not in OPEN:
            assert {"401", "403"} <= set(operation["responses"]) or method == "get", f"{method} {path}"
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


def program(e: Everything, who: User) -> Browser:
    kind = who.organisation.kind
    made = make_client(who.organisation_id, by=e.w.supervisor, name="P", scopes=SCOPES_OF_KIND[kind])
    return bearer(*made)


def states(e: Everything) -> dict[str, dict[str, list[Any]]]:
    """The arguments of addresses by the noun and the state of the object: what the matrix and the examples act on."""
    w = e.w
    evidence = story.give_evidence(w.complainant, "Another log")
    whole = story.draft("disclosure", w.complainant, {**story.disclosure_content(910), "filer_reference": "P-1"})
    alleged = {**story.allegation_content(911, evidence, respondent="Kestrel plc"), "filer_reference": "P-2"}
    allegation = story.draft("allegation", w.complainant, alleged)
    evidence = story.give_evidence(w.complainant, "A third log")
    alleged = {**story.allegation_content(912, evidence, respondent="Kestrel plc"), "filer_reference": "P-3"}
    received = story.file_it("allegation", w.complainant, alleged)
    asked_nothing = notice_to(open_case(w, at=now()), w.complainant)
    return {
        "disclosure": {
            "draft": [whole.reference],
            "submitted": e.args["api_disclosure"],
            "accepted": e.args["api_disclosure_amend"],
        },
        "allegation": {
            "draft": [allegation.reference],
            "received": [received.reference],
            "admitted": e.args["api_allegation"],
        },
        "evidence": {"kept": e.args["api_evidence_item"], "exhibit": e.args["api_evidence_file"]},
        "case": {
            "open": e.args["api_case"],
            "reopened": [_reopened(w).reference],
            "resolved": [resolved(w).reference],
        },
        "exhibit": {"kept": [_kept(e)], "disclosed": e.args["api_exhibit"]},
        "notice": {
            "issued": [asked_nothing.reference],
            "asked": e.args["api_notice"],
            "doubted": [doubted(w).reference],
            "answered": e.args["response"][:1],
        },
        "extension": {"pending": e.args["api_extension"]},
        "referral": {"queued": e.args["api_referral"]},
        "alert": {"open": e.args["api_alert"]},
        "usage": {"active": e.args["api_usage_feed"], "paused": [_paused(w).pk]},
        "decision": {"published": e.args["api_decision"]},
        "receipt": {"filed": e.args["api_receipt"]},
        "authorisation": {"proposed": e.args["api_authorisation"], "confirmed": e.args["api_authorisation_amend"]},
    }


def _reopened(w: World) -> Case:
    """A case in its second round, in which nobody has been asked yet."""
    case = open_case(w, at=now() - timedelta(days=30))
    referral = refer(case.pk, by=w.supervisor, reason="It cannot wait")
    assert referral is not None
    referrals.withdraw(referral.pk, by=w.supervisor, reason="It can")
    return case


def _paused(w: World) -> Feed:
    return Feed.objects.create(organisation=w.complainant.organisation, name="b", expected_minutes=60, state="paused")


def _kept(e: Everything) -> int:
    """An exhibit of the case of the disclosed one that only its owner has seen."""
    shown = Exhibit.objects.get(pk=e.args["api_exhibit"][0])
    return Exhibit.objects.filter(case=shown.case, party=shown.party).exclude(pk=shown.pk).latest("pk").pk


# In which state the example of a verb is accepted; where none is named, the first.
ACCEPTED_IN = {
    **{f"disclosure {verb}": "submitted" for verb in ("withdraw", "accept", "return")},
    "disclosure amend": "accepted",
    **{f"allegation {verb}": "received" for verb in ("withdraw", "acknowledge", "admit", "want-more", "reject")},
    **{f"authorisation {verb}": "confirmed" for verb in ("amend", "revoke")},
    "case issue-notices": "reopened",
    "case publish": "resolved",
    "exhibit comment": "disclosed",
    **{f"notice {verb}": "doubted" for verb in ("serve-again", "record-service")},
    "notice mark-read": "answered",
    "usage resume": "paused",
}
# Whose program sends the example of a scope.
SENDERS = {"company": "complainant", "ministry": "caseworker", "authority": "officer"}


def scope_of(path: str, method: str) -> str:
    """The scope that an operation of the schema asks for."""
    prefix = {"evidence": "E", "authorisations": "P", "alerts": "M"}.get(path.split("/")[3], "D")
    numbered = path.replace("{reference}", f"{prefix}-2026-000001").replace("{id}", "1").replace("{number}", "1")
    view: Any = resolve(numbered).func
    return str(view.view_class.scopes[method.upper()])


def _sender(noun: str, path: str) -> str:
    # Of what is disclosed only the other side says something, and to what is permitted the one that is permitted it.
    if path.endswith("/comment/") or (noun == "authorisation" and path.endswith(("/confirm/", "/refuse/"))):
        return "respondent"
    return next(who for kind, who in SENDERS.items() if scope_of(path, "post") in SCOPES_OF_KIND[kind])


def as_here(e: Everything, example: Any) -> str:
    """An example with what a real database decides: numbers of a declaration and of organisations, and a name."""
    w, text = e.w, json.dumps(example)
    for said, here in (
        ("S-2026-000001", StandingDeclaration.objects.get().reference),
        ('"grantee": "Harrier Analytics plc"', '"grantee": "Kestrel plc"'),
        ('"respondents": [1]', f'"respondents": [{w.stranger.organisation_id}]'),
        ('"organisation": 1', f'"organisation": {w.complainant.organisation_id}'),
        ('"party": 1', f'"party": {w.respondent.organisation_id}'),
    ):
        text = text.replace(said, here)
    return text


def examples(e: Everything, schema: dict[str, Any]) -> Iterator[tuple[Browser, str, str, Any]]:
    """Every named example: who may send it, where to, in which form, and what."""
    programs = {name: program(e, getattr(e.w, name)) for name in (*SENDERS.values(), "respondent")}
    objects = states(e)
    for method, path, operation in operations(schema):
        if method != "post" or "multipart/form-data" in operation["requestBody"]["content"]:
            continue
        noun, verb = path.split("/")[3].removesuffix("s"), path.rstrip("/").rsplit("/", 1)[1]
        wanted = ACCEPTED_IN.get(f"{noun} {verb}", next(iter(objects[noun])))
        url = path.replace("{reference}", str(objects[noun][wanted][0])).replace("{id}", str(objects[noun][wanted][0]))
        kind, content = next(iter(operation["requestBody"]["content"].items()))
        for example in content["examples"].values():
            yield programs[_sender(noun, path)], url, kind, example["value"]


def test_every_example_is_accepted_as_it_stands(e: Everything, schema: dict[str, Any]) -> None:
    refused, sent = {}, 0
    for client, url, kind, example in examples(e, schema):
        before = transaction.savepoint()
        answer = client.post(url, as_here(e, example), kind, headers={"if-match": "*"})
        transaction.savepoint_rollback(before)
        sent += 1
        if answer.status_code not in {200, 201, 202}:
            refused[url] = (answer.status_code, answer.content)
    assert not refused
    assert sent > 40


# --- Mass assignment -----------------------------------------------------------------------------------------------------
def names_of_columns() -> set[str]:
    """Every name of a field or column of every model here."""
    rooms = ("accounts", "cases", "disclosures", "evidence", "ledger", "notifications")
    models = [m for m in apps.get_models() if m._meta.app_label in rooms]
    fields = [f for m in models for f in m._meta.get_fields()]
    return {"id", "pk"} | {f.name for f in fields} | {str(getattr(f, "attname", f.name)) for f in fields}


def test_every_column_by_name_is_refused_where_it_is_not_asked(e: Everything, schema: dict[str, Any]) -> None:
    """At once, beside a body that is accepted without them; and within what a filing says, and each reply."""
    tried = 0
    for client, url, kind, example in examples(e, schema):
        if url == reverse("api_usage_batches"):
            continue  # a row of a log may have columns that nobody here reads (docs/usage-log.md)
        for body, at in _with_columns(example):
            answer = client.post(url, json.dumps(body), kind, headers={"if-match": "*"})
            told = answer.json()
            errors = told["results"][0]["errors"] if "results" in told else told.get("errors", [])
            refused = {error["pointer"] for error in errors}
            missed = {name for name in set(at[1]) - at[2] if f"{at[0]}/{name}" not in refused}
            assert not missed, f"{url} takes {sorted(missed)} at {at[0]}"
            tried += 1
    assert tried > 200


def _with_columns(body: Any) -> Iterator[tuple[Any, tuple[str, list[str], set[str]]]]:
    """The body with every name of a column in it, and where: at the top, in what a filing says, in a reply."""
    if isinstance(body, list):
        for inner, at in _with_columns(body[0]):
            yield [inner], at
        return
    names = sorted(names_of_columns())
    # No more at once than are answered: fifty.
    for some in (names[n : n + 40] for n in range(0, len(names), 40)):
        strange = dict.fromkeys(some, 1)
        yield {**strange, **body}, ("#", some, {*body, "standing_declaration", "content", "filing"})
        if "content" in body:
            asked = {*DISCLOSURE.fields, *ALLEGATION.fields, *AUTHORISATION.fields}
            few = {"content": {**strange, **dict.fromkeys(asked & set(body["content"]) - set(some), None)}}
            yield {**body, **few}, ("#/content", some, asked)
        if "replies" in body:
            reply = body["replies"][0]
            known = {*reply, "where_held", "why_not_held", "evidence"}
            yield {"replies": [{**strange, **reply}]}, ("#/replies/0", some, known)


# --- Who gets what, by a client of each kind with all the scopes it can have ---------------------------------------------
def test_every_scope_belongs_to_somebody() -> None:
    assert set(SCOPES) == {scope for scopes in SCOPES_OF_KIND.values() for scope in scopes}


def test_every_kind_of_client_gets_what_the_matrix_says(e: Everything) -> None:
    partner = person(organisation("Institute", kind="partner"), "partner")
    w = e.w
    people = (w.complainant, w.respondent, w.stranger, w.caseworker, w.officer, partner)
    programs = [*(program(e, who) for who in people), Browser()]
    wrong = {}
    for (method, name, state), url in _addresses(states(e)).items():
        got = " ".join(_status(client, method, url) for client in programs)
        if MATRIX.get(f"{method} {name} {state}".strip()) != got:
            wrong[f"{method} {name} {state}".strip()] = got
    assert not wrong, "\n".join(f'    "{key}": "{got}",' for key, got in wrong.items())


def test_matrix_knows_every_address_of_the_api() -> None:
    named = {key.split()[1] for key in MATRIX}
    assert named == {str(p.name) for p in addresses() if str(p.name).startswith("api_")} - APART


APART = {"api_token", "api_docs", "api_schema"}
# What an address names besides the object.
BESIDES: dict[str, list[Any]] = {"api_disclosure_version": [1], "api_allegation_version": [1]}


def _addresses(objects: dict[str, dict[str, list[Any]]]) -> dict[tuple[str, str, str], str]:
    found = {}
    for pattern in addresses():
        name = str(pattern.name)
        if not name.startswith("api_") or name in APART:
            continue
        noun = name.split("_")[1]
        one = pattern.pattern.regex.groups > 0
        for state, args in objects[noun].items() if one else [("", [])]:
            for method in ("GET", "POST"):
                found[(method, name, state)] = reverse(name, args=[*args, *BESIDES.get(name, [])])
    return found


def _status(client: Browser, method: str, url: str) -> str:
    """What is answered to a body that every verb refuses: nothing is changed on the way to knowing who may."""
    before = transaction.savepoint()
    answer = client.generic(method, url, b'{"nothing": "here"}', "application/json", headers={"if-match": "*"})
    answer.getvalue()
    transaction.savepoint_rollback(before)
    return str(answer.status_code)
