"""What the published schema says of a content, and what the server takes: the same, value by value and question by
question. A draft may be unfinished on purpose; what counts as soon as it is sent may not.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any
from urllib.parse import urlsplit

import pytest
from django.test import Client as Browser
from drf_spectacular.generators import SchemaGenerator
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from jsonschema import Draft202012Validator, FormatChecker

from accounts.models import User
from disclosures import actions as act
from disclosures.catalogue import AUTHORISATION, SCHEMAS
from disclosures.examples import AUTHORISATION as TERMS
from disclosures.examples import EXAMPLES
from disclosures.models import Authorisation, Filing
from disclosures.schema import BLANK, MOST, MOST_LINES, Field, Schema, When, is_blank
from disclosures.shape import AT_MOST_REFERENCES, REASON_LENGTH, json_schema, read
from tests import cast
from tests.disclosures.test_api import filer, post

formats = FormatChecker(["date", "email"])


@formats.checks("uri")
def _has_a_scheme(text: object) -> bool:
    return not isinstance(text, str) or bool(urlsplit(text).scheme)


def accepts(schema: dict[str, Any]) -> Draft202012Validator:
    return Draft202012Validator(schema, format_checker=formats)


DRAFTS = pytest.mark.parametrize("schema", [*SCHEMAS.values(), AUTHORISATION], ids=[*SCHEMAS, "authorisation"])
READERS = {kind: accepts(json_schema(schema)) for kind, schema in {**SCHEMAS, "authorisation": AUTHORISATION}.items()}
# Of every kind of JSON, some near to what somebody could ask.
VALUES: list[Any] = [
    *BLANK,
    {},
    0,
    -1,
    2.5,
    MOST,
    MOST + 1,
    True,
    False,
    " ",
    "words",
    "kit@kestrel.example",
    "https://kestrel.example/report",
    "2026-11-24",
    "2026-02-30",
    "1900-01-01",
    "2199-12-31",
    "1899-12-31",
    "2200-01-01",
    "0026-05-04",
    "16:30",
    "4:30pm",
    "E-2026-000123",
    [""],
    [None],
    [" "],
    [7],
    [[]],
    ["words"],
    [" words "],
    ["two words"],
    ["E-2026-000123"],
    ["E-2026-1"],
    ["E-2026-000123"] * (AT_MOST_REFERENCES + 1),
]


def values_for(field: Field) -> Iterator[Any]:
    """Whatever may be sent as the value of an answer, right or wrong."""
    yield from VALUES
    yield from ("x" * field.max_length, "x" * (field.max_length + 1), " " * (field.max_length + 1))
    yield from (["x" * field.max_length], ["x" * (field.max_length + 1)], ["x" + " " * field.max_length])
    if field.kind in {"lines", "codes"}:
        yield from (["word"] * MOST_LINES, ["word"] * (MOST_LINES + 1))
    for choice, _ in field.choices[:2]:
        yield from (choice, [choice], [choice, choice], [choice, None])


def answers_to(field: Field) -> Iterator[Any]:
    """The same, and facts that are written in part, in full, and wrongly."""
    yield from values_for(field)
    facts: list[Any] = [None, "", [], "exact", "estimated", "not_known", "perhaps", 7]
    yield from ({"precision": precision} for precision in facts)
    if not field.fact:
        return
    yield from ({"precision": precision, "value": value} for precision in facts for value in values_for(field))
    yield from ({"value": value} for value in values_for(field))
    for part in ("how", "why", "known_by", "colour"):
        for said in (*VALUES, "x" * REASON_LENGTH, "x" * (REASON_LENGTH + 1), " " * (REASON_LENGTH + 1)):
            yield from ({"precision": precision, part: said} for precision in ("exact", "not_known", None))
            yield {part: said}


@DRAFTS
def test_a_value_is_taken_if_and_only_if_the_schema_has_it(schema: Schema) -> None:
    """Of each sort of question one, all values: neither may be the stricter one."""
    apart, sorts = [], {(f.kind, f.fact, f.max_length, f.choices): f for f in schema.fields.values()}
    for field in sorts.values():
        published, said = accepts(json_schema(schema)["properties"][field.name]), set()
        for answer in answers_to(field):
            if (key := json.dumps(answer)) in said:
                continue
            said.add(key)
            _, wrong = read(schema, {field.name: answer})
            if published.is_valid(answer) != (not wrong):
                apart.append(f"{field.name} {key[:100]}: {wrong or 'taken, and not in the schema'}")
    assert not apart, "\n".join(apart[:40])


anything = st.recursive(
    st.sampled_from(BLANK)
    | st.booleans()
    | st.integers()
    | st.sampled_from([0.5, "2026-11-24", "exact", "words", " "]),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.sampled_from(["precision", "value", "how", "why", "known_by", "x"]), inner, max_size=3)
    ),
    max_leaves=6,
)


@DRAFTS
@settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(data=st.data())
def test_a_whole_content_is_taken_if_and_only_if_the_schema_has_it(schema: Schema, data: st.DataObject) -> None:
    names = st.sampled_from([*schema.fields, "colour"])
    content = data.draw(st.dictionaries(names, anything, max_size=6))
    kept, wrong = read(schema, content)
    assert READERS[schema.kind].is_valid(content) == (not wrong), wrong
    # What was kept can be sent again: a program reads a draft, changes an answer and saves it.
    assert read(schema, kept) == (kept, {})
    assert READERS[schema.kind].is_valid(kept)


# --- As it is published, and over HTTP -----------------------------------------------------------------------------------
@pytest.fixture(scope="module")
def published() -> dict[str, Any]:
    made: dict[str, Any] = SchemaGenerator().get_schema(request=None, public=True)
    return made


def body_of(published: dict[str, Any], path: str) -> Draft202012Validator:
    """What may be sent to an address."""
    return accepts(published["paths"][path]["post"]["requestBody"]["content"]["application/json"]["schema"])


def draft_of(published: dict[str, Any]) -> Draft202012Validator:
    """What is answered of a draft."""
    return accepts({**published["components"]["schemas"]["Draft"], "components": published["components"]})


@pytest.fixture
def admin(db: None) -> User:
    return cast.person(cast.organisation("Kestrel Ltd", contacts=2), "company_admin")


@pytest.fixture
def program(admin: User) -> Browser:
    nouns = ("disclosures", "allegations")
    return filer(admin, *(f"{noun}:{scope}" for noun in nouns for scope in ("read", "write", "confidential")))


@pytest.mark.parametrize("kind", SCHEMAS)
def test_a_draft_may_say_of_any_question_that_it_is_not_answered_yet(
    program: Browser, published: dict[str, Any], kind: str
) -> None:
    """When it is begun and when it is saved, however that is said."""
    collection, example = f"/api/v1/{kind}s/", EXAMPLES[kind]
    begin, save = (body_of(published, f"{collection}{more}") for more in ("", "{reference}/save/"))
    bulk = body_of(published, f"{collection}bulk/")
    for blank in BLANK:
        body = {"content": {**example, **dict.fromkeys(SCHEMAS[kind].fields, blank)}}
        begin.validate(body)
        bulk.validate([body])
        save.validate(body)
        made = post(program, collection, body)
        assert (made.status_code, made.json()["state"], made.json()["draft"]["content"]) == (201, "draft", {})
        assert post(program, f"{collection}bulk/", [body]).json()["results"][0]["outcome"] == "created"
        one = f"{collection}{made.json()['reference']}/"
        assert post(program, f"{one}save/", {"content": {"narrative": "So far."}}, if_match="*").status_code == 200
        saved = post(program, f"{one}save/", body, if_match="*")
        assert (saved.status_code, saved.json()["draft"]["content"]) == (200, {})


HALVES: list[dict[str, Any]] = [
    {"value": 5},
    {"how": "From invoices"},
    {"precision": "exact"},
    {"precision": "estimated", "value": 5},
    {"precision": "not_known", "why": "The vendor has not answered"},
    {"why": "The vendor has not answered", "value": 5},
]


@pytest.mark.parametrize("half", HALVES)
def test_a_fact_that_is_half_written_is_kept_as_it_is_and_asked_for(
    program: Browser, published: dict[str, Any], half: dict[str, Any]
) -> None:
    body = {
        "content": {"requests": half, "started_at": dict.fromkeys(("precision", "value", "how", "why", "known_by"))}
    }
    body_of(published, "/api/v1/disclosures/").validate(body)
    made = post(program, "/api/v1/disclosures/", json.dumps(body))
    assert (made.status_code, made.json()["draft"]["content"]) == (201, {"requests": half})
    draft_of(published).validate(made.json()["draft"])
    needed = {error["pointer"] for error in made.json()["missing"]}
    assert "#/content/started_at" in needed
    assert any(pointer.startswith("#/content/requests") for pointer in needed)


@pytest.mark.parametrize("half", HALVES)
def test_what_a_colleague_has_half_written_on_the_page_can_be_saved_by_a_program(
    program: Browser, published: dict[str, Any], admin: User, half: dict[str, Any]
) -> None:
    """A program that amends one answer sends back the others as it read them."""
    filing = act.start("disclosure", by=admin)
    act.save_section(filing.pk, by=admin, section="volume", content={"requests": half}, revision=0, finished=False)
    url = f"/api/v1/disclosures/{filing.reference}/"
    read_back = program.get(url).json()["draft"]
    draft_of(published).validate(read_back)
    amended = {**read_back["content"], "narrative": "So far."}
    body_of(published, "/api/v1/disclosures/{reference}/save/").validate({"content": amended})
    saved = post(program, f"{url}save/", {"content": amended}, if_match="*")
    assert saved.status_code == 200, saved.json()
    assert saved.json()["draft"]["content"] == amended == {"requests": half, "narrative": "So far."}


@pytest.mark.parametrize("kind", SCHEMAS)
def test_a_draft_is_answered_as_the_schema_has_it(program: Browser, published: dict[str, Any], kind: str) -> None:
    told = post(program, f"/api/v1/{kind}s/", {"content": EXAMPLES[kind]}).json()
    draft_of(published).validate(told["draft"])
    assert told["draft"]["content"] == EXAMPLES[kind]
    strange = {**told["draft"], "content": {**told["draft"]["content"], "colour": "red"}}
    assert not draft_of(published).is_valid(strange)


@pytest.mark.parametrize(
    ("answer", "pointer"),
    [
        ({"narrative": " " * 1_000_000}, "narrative"),
        ({"narrative": "x" + " " * 8000}, "narrative"),
        ({"requests": {"precision": "exact", "value": 5, "how": 7}}, "requests/how"),
        ({"requests": {"precision": "not_known", "value": "many"}}, "requests/value"),
        ({"requests": {"precision": "estimated", "known_by": "soon"}}, "requests/known_by"),
        ({"requests": {"precision": "estimated", "known_by": "0026-05-04"}}, "requests/known_by"),
        ({"started_at": {"precision": "exact", "value": "0026-05-04"}}, "started_at/value"),
        ({"requests": {"value": "5"}}, "requests/value"),
        ({"requests": {"precision": 0, "value": 5}}, "requests/precision"),
        ({"requests": {"precision": {}}}, "requests/precision"),
    ],
)
def test_what_no_draft_could_mean_is_refused_beside_it(
    program: Browser, published: dict[str, Any], answer: dict[str, Any], pointer: str
) -> None:
    body = {"content": answer}
    assert not body_of(published, "/api/v1/disclosures/").is_valid(body)
    refused = post(program, "/api/v1/disclosures/", body)
    assert refused.status_code == 400
    assert [error["pointer"] for error in refused.json()["errors"]] == [f"#/content/{pointer}"]
    assert not Filing.objects.exists()


@pytest.mark.parametrize("named", ["", "S-2026-000123", None, 7, "S-1", "D-2026-000123", "S-2026-000123 "])
def test_declaration_is_named_as_the_schema_has_it(program: Browser, published: dict[str, Any], named: Any) -> None:
    body = {"content": {}, "standing_declaration": named}
    answer = post(program, "/api/v1/disclosures/", body)
    told = [error["detail"] for error in answer.json().get("errors", []) if "standing" in error["pointer"]]
    assert body_of(published, "/api/v1/disclosures/").is_valid(body) == ("This must be a reference" not in f"{told}")


# --- What is no draft ----------------------------------------------------------------------------------------------------
def test_terms_of_an_authorisation_are_required_by_schema_and_server(admin: User, published: dict[str, Any]) -> None:
    """It counts as soon as it is confirmed, and is never a draft: only what need not be answered may be blank."""
    cast.organisation("Harrier Analytics plc", contacts=2)
    program = filer(admin, "authorisations:read", "authorisations:write")
    url = "/api/v1/authorisations/"
    # Of the hours both are said or neither.
    terms = {name: answer for name, answer in TERMS.items() if name not in {"hours_from", "hours_until"}}
    for field in AUTHORISATION.fields.values():
        without = {name: answer for name, answer in terms.items() if name != field.name}
        nothing = [*BLANK, " ", "\n"] if field.kind in {"text", "long"} else BLANK
        for content in (without, *({**terms, field.name: blank} for blank in nothing)):
            body = {"grantee": "Harrier Analytics plc", "content": content}
            answer, taken = post(program, url, body), body_of(published, url).is_valid(body)
            if isinstance(field.required, When):
                # Whether it is asked hangs on another answer, which the schema leaves to the server.
                assert taken
            else:
                assert taken == (answer.status_code == 201), (
                    f"{field.name} {content.get(field.name)!r}: {answer.content!r}"
                )
    assert Authorisation.objects.exists()


def test_blank_is_said_once() -> None:
    """What the schema publishes as no answer is what the server takes for none."""
    assert all(is_blank(one) for one in BLANK)
    assert not any(is_blank(one) for one in (0, False, " ", {}, [None], "none"))
