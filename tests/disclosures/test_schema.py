"""The descriptions: what is asked, what is missing, what changed; on content of any shape."""

from __future__ import annotations

from datetime import date, timedelta
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from disclosures.catalogue import ALLEGATION, DISCLOSURE, SCHEMAS
from disclosures.schema import Field, Schema, When, asked, changes, follow_ups, in_words, is_blank, problems
from tests.disclosures.content import estimated, exact, flat, full_allegation, full_disclosure, not_known

TODAY = date(2026, 10, 5)
SCHEMA = pytest.mark.parametrize("schema", SCHEMAS.values(), ids=SCHEMAS)
# How fast the machine is today is no property of the code.
unhurried = settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])
PARTS = ("precision", "how", "why", "known_by")

json = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=6), inner, max_size=3),
    max_leaves=6,
)
near_facts = st.fixed_dictionaries({}, optional=dict.fromkeys(("precision", "value", *PARTS), json))
facts = st.fixed_dictionaries(
    {"precision": st.sampled_from(["exact", "estimated", "not_known"])},
    optional={"value": json, "how": json, "why": json, "known_by": json | st.just("2026-12-01")},
)


def _fields(schema: Schema) -> list[Field]:
    return [field for section in schema.sections for field in section.fields]


def _contents(schema: Schema) -> st.SearchStrategy[dict[str, Any]]:
    answers = json | near_facts | facts | st.sampled_from(["none", "other", "trained", "named", True, False])
    return st.fixed_dictionaries({}, optional={f.name: answers for f in _fields(schema)})


def _whole(schema: Schema) -> dict[str, Any]:
    return flat(full_disclosure() if schema is DISCLOSURE else full_allegation(["E-2026-000001"]))


@SCHEMA
@unhurried
@given(data=st.data())
def test_problems_never_raises_whatever_the_content(schema: Schema, data: st.DataObject) -> None:
    content = data.draw(_contents(schema))
    for section in schema.sections:
        for name, message in problems(section, content, today=TODAY).items():
            assert message
            assert name.startswith(tuple(f.name for f in section.fields))
    for name, _ in follow_ups(schema, content):
        assert schema.field(name).fact
    for field in _fields(schema):
        assert isinstance(in_words(field, content.get(field.name)), str)


@SCHEMA
@unhurried
@given(data=st.data())
def test_asked_is_stable_and_only_takes_away(schema: Schema, data: st.DataObject) -> None:
    content = data.draw(_contents(schema))
    kept = asked(schema, content)
    assert asked(schema, kept) == kept
    assert all(kept[name] is content[name] for name in kept)
    assert all(schema.field(name).is_asked(kept) for name in kept)


@SCHEMA
def test_whole_content_has_no_problem_and_leaves_nothing_unasked(schema: Schema) -> None:
    content = _whole(schema)
    assert {s.key: problems(s, content, today=TODAY) for s in schema.sections} == {s.key: {} for s in schema.sections}
    assert asked(schema, content) == content


@SCHEMA
def test_names_are_used_once_and_no_field_is_named_as_a_part_of_another(schema: Schema) -> None:
    names = [f.name for f in _fields(schema)]
    parts = {f"{f.name}_{part}" for f in _fields(schema) if f.fact for part in PARTS}
    assert len(names) == len(set(names))
    assert not parts & set(names)


@SCHEMA
def test_conditions_name_a_field_and_answers_that_exist(schema: Schema) -> None:
    for field in _fields(schema):
        if isinstance(field.required, When):
            other = schema.field(field.required.field)
            known = {True, False} if other.kind == "yesno" else {value for value, _ in other.choices}
            assert field.required.values <= known, field.name
            assert field.required.words
            # A form can open a question under one of several answers only where one is chosen.
            assert len(field.required.values) == 1 or other.kind == "choice"
            assert len(field.required.values) == 1 or not field.fact


@SCHEMA
def test_every_required_answer_is_missed_when_it_is_left_out(schema: Schema) -> None:
    whole = _whole(schema)
    for section in schema.sections:
        for field in section.fields:
            content = {name: answer for name, answer in whole.items() if name != field.name}
            found = problems(section, content, today=TODAY)
            assert (field.name in found) == (bool(field.required) and field.is_asked(content)), field.name


@pytest.mark.parametrize(
    ("changed", "no_longer_asked"),
    [
        ({"whose_activity": "own"}, {"third_party_name"}),
        ({"activity_type": ["bulk_querying"]}, {"activity_other", "crawler_user_agent", "opt_out_handling"}),
        ({"ongoing": True}, {"ended_at"}),
        ({"authorised": True}, {"why_no_authorisation"}),
        ({"terms_position": "silent"}, {"terms_clause"}),
        # The recipients go, with them the claim on them, and with it its reason: three questions, two sections.
        (
            {"use_of_outputs": ["stored", "trained", "deleted"]},
            {"recipients", "claim_recipients", "claim_recipients_reason"},
        ),
    ],
)
def test_answer_is_asked_for_only_where_its_condition_holds(changed: dict[str, Any], no_longer_asked: set[str]) -> None:
    content = flat(full_disclosure()) | changed
    assert set(content) - set(asked(DISCLOSURE, content)) == no_longer_asked


@pytest.mark.parametrize(
    ("fact", "name", "says"),
    [
        (exact(None), "requests", "Enter an answer"),
        ({"value": 5}, "requests_precision", "exact, estimated or not yet known"),
        ("5", "requests_precision", "exact, estimated or not yet known"),
        (estimated(5, ""), "requests_how", "how you estimated"),
        (not_known("2026-12-01", why=""), "requests_why", "why this is not yet known"),
        (not_known(""), "requests_known_by", "by when you will know"),
        (not_known("2026-10-05"), "requests_known_by", "in the future"),
        (not_known("2026-02-31"), "requests_known_by", "by when you will know"),
        (None, "requests", "Enter an answer"),
    ],
)
def test_fact_says_which_of_its_parts_is_wrong(fact: Any, name: str, says: str) -> None:
    content = flat(full_disclosure()) | {"requests": fact}
    found = problems(DISCLOSURE.section("volume"), content, today=TODAY)
    assert list(found) == [name]
    assert says in found[name]


@pytest.mark.parametrize("fact", [exact(0), estimated(5), not_known("2026-10-06")])
def test_fact_is_whole_in_each_of_its_three_forms(fact: dict[str, Any]) -> None:
    content = flat(full_disclosure()) | {"requests": fact}
    assert problems(DISCLOSURE.section("volume"), content, today=TODAY) == {}


def test_days_are_in_order_and_not_ahead() -> None:
    dates = DISCLOSURE.section("dates")
    content = flat(full_disclosure())
    assert (
        "on or after the start" in problems(dates, content | {"ended_at": exact("2026-05-03")}, today=TODAY)["ended_at"]
    )
    ahead = (TODAY + timedelta(days=1)).isoformat()
    for name, answer in (("started_at", exact(ahead)), ("ended_at", exact(ahead)), ("discovered_at", ahead)):
        assert "today or in the past" in problems(dates, content | {name: answer}, today=TODAY)[name]
    today = TODAY.isoformat()
    assert problems(dates, content | {"ended_at": exact(today), "discovered_at": today}, today=TODAY) == {}


def test_follow_ups_are_the_facts_not_yet_known_that_are_asked() -> None:
    content = flat(full_disclosure(requests=not_known("2026-12-01"), ended_at=not_known("2026-11-01")))
    assert follow_ups(DISCLOSURE, content) == [("ended_at", date(2026, 11, 1)), ("requests", date(2026, 12, 1))]
    assert follow_ups(DISCLOSURE, content | {"ongoing": True}) == [("requests", date(2026, 12, 1))]


@unhurried
@given(st.dictionaries(st.text(max_size=3), json, max_size=4), st.dictionaries(st.text(max_size=3), json, max_size=4))
def test_changes_are_the_names_that_differ(before: dict[str, Any], after: dict[str, Any]) -> None:
    found = changes(before, after)
    assert changes(after, before) == found
    assert changes(before, before) == []
    assert found == sorted(name for name in {*before, *after} if before.get(name) != after.get(name))


@pytest.mark.parametrize(
    ("name", "answer", "words"),
    [
        ("requests", estimated(1_200_000, "from invoices"), "1,200,000 (estimated: from invoices)"),
        (
            "requests",
            not_known("2026-10-16", "the vendor has it"),
            "Not yet known: the vendor has it (by Friday 16 October 2026)",
        ),
        ("started_at", exact("2026-05-04"), "Monday 4 May 2026"),
        ("automated", False, "No"),
        ("activity_type", ["distillation", "other"], "Distillation; Something else"),
        ("role", "target", "We were the target"),
        ("role", None, ""),
    ],
)
def test_answers_read_as_people_write_them(name: str, answer: Any, words: str) -> None:
    assert in_words(DISCLOSURE.field(name), answer) == words


def test_evidence_reads_with_its_title_as_far_as_it_is_known() -> None:
    titles = {"E-2026-000001": "Gateway log"}
    words = in_words(ALLEGATION.field("evidence"), ["E-2026-000001", "E-2026-000002"], evidence=titles)
    assert words == "E-2026-000001 Gateway log; E-2026-000002"


@unhurried
@given(json)
def test_blank_is_no_answer_and_nothing_else(answer: Any) -> None:
    assert is_blank(answer) == (answer is None or answer in ("", []))
