"""A section's form: what is stored, shown and sent back unchanged is the same content; and what it refuses."""

from __future__ import annotations

from typing import Any

import pytest
from django.http import QueryDict
from django.template.loader import render_to_string
from hypothesis import given
from hypothesis import strategies as st

from disclosures.catalogue import SCHEMAS
from disclosures.forms import ReceiptForm, SectionForm, WholeField, initial_of, section_form
from disclosures.schema import ESTIMATED, MOST, NOT_KNOWN, Field, asked, problems
from tests.disclosures.content import BySection, estimated, exact, flat, full_allegation, full_disclosure, not_known
from tests.disclosures.people import filled_in
from tests.disclosures.test_schema import TODAY, unhurried
from web.forms import add_errors
from web.problems import Invalid

EVIDENCE = {"E-2026-000001": "Gateway log", "E-2026-000002": "Invoices"}
CONTENTS: dict[str, BySection] = {
    "disclosure": full_disclosure(daily_quantities=["E-2026-000002"]),
    "disclosure, other answers": full_disclosure(
        requests=not_known("2026-12-01"),
        ongoing=True,
        authorised=True,
        why_no_authorisation=None,
        ended_at=None,
        authorisation_reference="AU-7",
        started_at=not_known("2026-11-01", "Logs are with the vendor"),
    ),
    "allegation": full_allegation(list(EVIDENCE)),
}
SECTIONS = [
    pytest.param(name.partition(",")[0], content, key, id=f"{name} {key}")
    for name, content in CONTENTS.items()
    for key in content
]


def a_form(kind: str, content: BySection, key: str) -> type[SectionForm]:
    elsewhere = flat({k: v for k, v in content.items() if k != key})
    return section_form(SCHEMAS[kind].section(key), elsewhere, evidence=EVIDENCE, add_evidence="/evidence/new/")


def page(form: SectionForm) -> str:
    return f"<form>{render_to_string('govuk/uni_form.html', {'form': form})}</form>"


def sent(data: dict[str, list[str]], **over: Any) -> QueryDict:
    query = QueryDict(mutable=True)
    for name, values in {**data, **over}.items():
        query.setlist(name, values if isinstance(values, list) else [values])
    return query


def shown(kind: str, content: BySection, key: str) -> dict[str, list[str]]:
    make = a_form(kind, content, key)
    initial = initial_of(SCHEMAS[kind].section(key), content[key])
    return filled_in(page(make(initial={**initial, "revision": 3})), "revision")


@pytest.mark.parametrize(("kind", "content", "key"), SECTIONS)
def test_section_comes_back_unchanged_from_its_own_page(kind: str, content: BySection, key: str) -> None:
    form = a_form(kind, content, key)(sent(shown(kind, content, key)))
    assert form.is_valid(), form.errors
    assert form.content() == content[key]
    assert form.cleaned_data["revision"] == 3


@pytest.mark.parametrize("kind", SCHEMAS)
def test_every_field_of_the_catalogue_has_an_answer_in_the_round_trip(kind: str) -> None:
    answered = {name for label, c in CONTENTS.items() if label.startswith(kind) for s in c.values() for name in s}
    fields = {f.name for s in SCHEMAS[kind].sections for f in s.fields}
    unanswered = fields - answered
    assert {n for n in unanswered if not n.endswith("_reason")} == set()


@pytest.mark.parametrize(("kind", "content", "key"), SECTIONS)
def test_section_can_be_sent_empty_and_every_message_finds_its_control(kind: str, content: BySection, key: str) -> None:
    make = a_form(kind, content, key)
    form = make(sent({"revision": ["0"]}))
    assert form.is_valid(), form.errors
    assert form.content() == {}
    elsewhere = flat({k: v for k, v in content.items() if k != key})
    section = SCHEMAS[kind].section(key)
    found = problems(section, asked(SCHEMAS[kind], elsewhere), today=TODAY)
    assert {form.place(name) for name in found} <= set(form.fields)
    add_errors(form, Invalid({form.place(name): [message] for name, message in found.items()}))
    assert page(form).count("govuk-error-message") == len(found)


def test_required_is_unmarked_optional_and_conditional_are_said() -> None:
    html = page(a_form("disclosure", full_disclosure(), "use")())
    assert "Steps taken since (optional)" in html
    assert "Needed if a model was trained" in html
    assert "Safeguards in place</label>" in html.replace("\n", "")


def test_question_under_several_answers_is_read_under_the_chosen_one() -> None:
    content = full_disclosure()
    data = shown("disclosure", content, "target")
    assert data["terms_clause_if_permitted"] == data["terms_clause_if_negotiated"] == ["7.3 (b)"]
    data |= {"terms_position": ["prohibited"], "terms_clause_if_prohibited": ["9"], "terms_clause_if_permitted": ["1"]}
    form = a_form("disclosure", content, "target")(sent(data))
    assert form.is_valid()
    assert form.content()["terms_clause"] == "9"
    assert form.place("terms_clause") == "terms_clause_if_prohibited"


def test_claim_on_what_is_not_asked_is_not_on_the_page() -> None:
    content = full_disclosure(use_of_outputs=["stored"])
    form = a_form("disclosure", content, "confidentiality")()
    assert not [name for name in form.fields if "recipients" in name]


def test_error_that_nobody_sees_holds_up_nobody() -> None:
    """What stands in a box under an answer that is not chosen is not read, so it cannot be wrong either."""
    content = full_disclosure(whose_activity="own", third_party_name=None)
    data = shown("disclosure", content, "who") | {"third_party_name": ["x" * 500]}
    form = a_form("disclosure", content, "who")(sent(data))
    assert form.is_valid()
    data = shown("disclosure", content, "volume")
    data |= {"requests_known_by_day": ["31"], "requests_known_by_month": ["2"], "requests_known_by_year": ["2027"]}
    form = a_form("disclosure", content, "volume")(sent(data))
    assert form.is_valid()
    form = a_form("disclosure", content, "volume")(sent(data, requests_precision=NOT_KNOWN))
    assert "that month has no such day" in str(form.errors["requests_known_by"])


def test_fact_keeps_the_parts_of_what_is_chosen() -> None:
    data = {"revision": ["0"], "requests": ["1,200"], "requests_how": ["by hand"], "requests_why": ["waiting"]}
    for precision, kept in (
        ("exact", exact(1200)),
        (ESTIMATED, estimated(1200, "by hand")),
        (NOT_KNOWN, {"precision": NOT_KNOWN, "why": "waiting"}),
        ("", {"value": 1200, "how": "by hand", "why": "waiting"}),
    ):
        form = a_form("disclosure", full_disclosure(), "volume")(sent(data, requests_precision=precision))
        assert form.is_valid()
        assert form.content()["requests"] == kept


@pytest.mark.parametrize(
    ("key", "typed", "name", "says"),
    [
        (
            "dates",
            {"started_at_day": "31", "started_at_month": "2", "started_at_year": "2026"},
            "started_at",
            "no such day",
        ),
        ("volume", {"requests": "many"}, "requests", "must be a whole number"),
        ("volume", {"requests": "-5"}, "requests", "must be 0 or more"),
        ("volume", {"requests": "1.5"}, "requests", "must be a whole number"),
        ("volume", {"requests": str(MOST + 1)}, "requests", "must be 1,000,000,000,000,000,000 or less"),
        ("volume", {"requests": "9" * 5000}, "requests", "or less"),
        ("volume", {"requests": "١٢٣"}, "requests", "must be a whole number"),
        ("who", {"accountable_officer": "x" * 301}, "accountable_officer", "300 characters or fewer; it has 301"),
        ("who", {"accountable_officer": "a\0b"}, "accountable_officer", "holds a character that cannot be kept"),
        ("who", {"contact_email": "nobody"}, "contact_email", "must look like"),
        ("who", {"contact_email": "a\0b@c.example"}, "contact_email", "must look like"),
        ("who", {"role": "king"}, "role", "choose from the answers shown"),
        ("who", {"role": "a\0b"}, "role", "choose from the answers shown"),
        ("activity", {"activity_type": ["distillation", "\0"]}, "activity_type", "choose from the answers shown"),
        ("use", {"haip_url": "http://["}, "haip_url", "must be a web address"),
        ("use", {"haip_url": "https://a\0.example"}, "haip_url", ""),
        ("volume", {"daily_quantities": ["E-2026-000009"]}, "daily_quantities", "choose from the answers shown"),
        ("who", {"revision": "-1"}, "revision", "Open the section again"),
        ("who", {"revision": "9" * 30}, "revision", "Open the section again"),
    ],
)
def test_what_cannot_be_read_is_said_beside_the_field(key: str, typed: dict[str, Any], name: str, says: str) -> None:
    data: dict[str, Any] = {"revision": ["0"], "requests_precision": ["exact"], "started_at_precision": ["exact"]}
    form = a_form("disclosure", full_disclosure(), key)(sent(data, **typed))
    assert list(form.errors) == [name]
    assert says in str(form.errors[name])


@unhurried
@given(st.text(max_size=30) | st.integers(-5, 10**20).map(lambda n: f"{n:,}"))
def test_whole_number_never_breaks_on_any_text(text: str) -> None:
    from django.core.exceptions import ValidationError

    field = WholeField(label="Records", required=False)
    try:
        found = field.clean(text)
    except ValidationError:
        return
    assert found is None or 0 <= found <= MOST


@unhurried
@given(st.integers(0, MOST))
def test_whole_number_is_read_with_commas_or_spaces(number: int) -> None:
    field = WholeField(label="Records")
    for text in (str(number), f"{number:,}", f"{number:,}".replace(",", " "), f"{number:,}".replace(",", "\u202f")):
        assert field.clean(text) == number


def _any_field() -> st.SearchStrategy[tuple[str, Field]]:
    every = [
        (s.key, f)
        for s in SCHEMAS["disclosure"].sections
        for f in s.fields
        if f.kind in {"text", "long"} and not f.fact
    ]
    return st.sampled_from([(k, f) for k, f in every if f.required is True])


@unhurried
@given(_any_field(), st.text(st.characters(codec="utf-8", exclude_characters="\0"), max_size=40))
def test_text_survives_storing_and_showing(found: tuple[str, Field], text: str) -> None:
    key, field = found
    make = a_form("disclosure", full_disclosure(), key)
    first = make(sent({"revision": ["0"], field.name: [text]}))
    assert first.is_valid(), first.errors
    kept = first.content()
    section = SCHEMAS["disclosure"].section(key)
    again = make(sent(filled_in(page(make(initial={**initial_of(section, kept), "revision": 0})), "revision")))
    assert again.is_valid()
    assert again.content() == kept


@pytest.mark.parametrize(
    ("typed", "read"),
    [(" d-2026-000001 ", "D-2026-000001"), ("D-2026- 000001", "D-2026-000001")],
)
def test_receipt_is_read_as_people_copy_it(typed: str, read: str) -> None:
    form = ReceiptForm({"reference": typed, "fingerprint": " ".join(["AB12"] * 16)})
    assert form.is_valid(), form.errors
    assert form.cleaned_data == {"reference": read, "fingerprint": "ab12" * 16}


@pytest.mark.parametrize("fingerprint", ["", "xyz", "ab" * 31, "ab" * 33, "g" * 64, "\0" * 64])
def test_receipt_without_a_fingerprint_is_refused(fingerprint: str) -> None:
    form = ReceiptForm({"reference": "D-2026-000001", "fingerprint": fingerprint})
    assert list(form.errors) == ["fingerprint"]
