"""Filing for machines: one and many, tried first, retried, declared by a person."""

from __future__ import annotations

import json
from datetime import timedelta
from typing import Any

import pytest
from django.test import Client as Browser
from django.urls import reverse

from accounts import actions as accounts
from accounts.models import User
from disclosures import actions as act
from disclosures.catalogue import SCHEMAS
from disclosures.examples import EXAMPLES
from disclosures.models import Filing, FilingSection, FilingVersion, StandingDeclaration
from ledger.models import Event
from ledger.time import local_date, now, standing_at
from notifications.models import Message
from tests import cast
from tests.accounts.test_clients import bearer

pytestmark = pytest.mark.django_db(transaction=True)
URL = "/api/v1/disclosures/"
SCOPES = ["disclosures:read", "disclosures:write", "allegations:read", "allegations:write"]


@pytest.fixture
def admin(settings: Any) -> User:
    settings.SECOND_FACTOR_REQUIRED = False
    return cast.person(cast.organisation("Kestrel Ltd", contacts=2), "company_admin")


@pytest.fixture
def program(admin: User) -> Browser:
    return filer(admin)


def filer(admin: User, *scopes: str) -> Browser:
    made = accounts.make_client(admin.organisation_id, by=admin, name="Filer", scopes=scopes or SCOPES)
    return bearer(*made)


@pytest.fixture
def standing(admin: User) -> StandingDeclaration:
    day = local_date(now()) + timedelta(days=90)
    return act.declare_standing(by=admin, name="Kit Rowe", capacity="Director", expires_on=day)


def item(reference: str = "M-1", **over: Any) -> dict[str, Any]:
    return {"content": {**EXAMPLES["disclosure"], "filer_reference": reference, **over}}


def post(client: Browser, url: str, body: Any, *, kind: str = "application/json", **headers: str) -> Any:
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return client.post(url, body, kind, headers=named)


def counts() -> tuple[int, ...]:
    return tuple(m.objects.count() for m in (Filing, FilingSection, FilingVersion, Event, Message))


# --- One ---------------------------------------------------------------------------------------------------------------
def test_without_a_standing_declaration_it_is_a_draft(program: Browser) -> None:
    made = post(program, URL, item())
    assert made.status_code == 201
    told = made.json()
    assert (told["state"], told["outcome"], told["missing"]) == ("draft", "created", [])
    assert (told["received_at"], told["accepted_at"], told["version"]) == (None, None, None)
    filing = Filing.objects.get()
    assert made.headers["Location"] == f"{URL}{filing.reference}/"
    assert all(filing.sections.values_list("complete", flat=True))
    assert filing.content() == item()["content"]


def test_under_a_standing_declaration_it_is_handed_in_for_a_named_person(
    program: Browser, admin: User, standing: StandingDeclaration
) -> None:
    told = post(program, URL, {**item(), "standing_declaration": standing.reference}).json()
    assert (told["state"], told["version"]["standing_declaration"]) == ("submitted", standing.reference)
    version = FilingVersion.objects.get()
    assert (version.declared_by, version.declared_name, version.declared_capacity) == (admin, "Kit Rowe", "Director")
    event = Event.objects.get(verb="disclosure.submitted")
    assert event.actor is not None
    assert (event.actor.is_service, event.details["standing"]) == (True, standing.reference)
    assert Message.objects.filter(template="filing_receipt").exists()
    ministry = cast.person(cast.organisation("Ministry", "ministry"), "caseworker", second_factor=False)
    with standing_at(now() + timedelta(days=1)):
        act.accept(version.filing_id, by=ministry)
    later = program.get(f"{URL}{told['reference']}/").json()
    assert later["state"] == "accepted"
    assert later["received_at"] == told["received_at"]
    assert later["accepted_at"] > later["received_at"]


@pytest.mark.parametrize("end", ["revoked", "expired", "closed", "another", "unverified"])
def test_declaration_that_does_not_stand_is_refused(
    program: Browser, admin: User, standing: StandingDeclaration, end: str
) -> None:
    at = now()
    if end == "revoked":
        act.revoke_standing(standing.pk, by=admin)
    if end == "expired":
        at = standing.expires_at
    if end == "closed":
        User.objects.filter(pk=admin.pk).update(is_active=False)
    if end == "another":
        admin = cast.person(cast.organisation("Merlin Ltd"), "company_admin")
        program = filer(admin)
    if end == "unverified":
        admin.organisation.state = "pending"
        admin.organisation.decided_at = None
        admin.organisation.save()
    with standing_at(at):
        refused = post(program, URL, {**item(), "standing_declaration": standing.reference})
    if end == "expired":
        assert refused.status_code in {400, 401}, "the token is past its hour by then"
        return
    assert refused.status_code == 400
    assert [e["pointer"] for e in refused.json()["errors"]] == ["#/standing_declaration"]
    assert not Filing.objects.exists()


def test_expired_declaration_is_refused_by_the_action(admin: User, standing: StandingDeclaration) -> None:
    sent = [act.Item(item()["content"], standing.reference)]
    with standing_at(standing.expires_at):
        assert act.file("disclosure", sent, by=admin, received_at=now())[0].state == "refused"
    with standing_at(standing.expires_at - timedelta(seconds=1)):
        assert act.file("disclosure", sent, by=admin, received_at=now())[0].state == "created"


def test_declaration_is_made_by_a_person_in_the_browser(program: Browser, admin: User) -> None:
    machine = User.objects.get(is_service=True)
    with pytest.raises(Exception, match="by a person"):
        act.declare_standing(by=machine, name="x", capacity="y", expires_on=local_date(now()) + timedelta(days=9))
    browser = cast.signed_in(admin)
    day = local_date(now()) + timedelta(days=30)
    form = {"name": "Kit Rowe", "capacity": "Director", "agree": "on"}
    form |= {"expires_on_day": day.day, "expires_on_month": day.month, "expires_on_year": day.year}  # type: ignore[dict-item]
    assert browser.post(reverse("standing_new"), form).status_code == 302
    made = StandingDeclaration.objects.get()
    assert made.reference in browser.get(reverse("standing")).content.decode()
    browser.post(reverse("standing_revoke", args=[made.pk]))
    assert StandingDeclaration.objects.get().state == "revoked"
    rival = cast.signed_in(cast.person(cast.organisation("Merlin Ltd"), "company_admin"))
    assert rival.post(reverse("standing_revoke", args=[made.pk])).status_code == 404
    assert made.reference not in rival.get(reverse("standing")).content.decode()


def test_second_filing_under_a_reference_answers_with_the_first(program: Browser) -> None:
    first = post(program, URL, item("M-1"))
    again = post(program, URL, item("M-1", narrative="Something else altogether."))
    assert (first.status_code, again.status_code) == (201, 200)
    assert again.json()["outcome"] == "replayed"
    assert again.json()["reference"] == first.json()["reference"]
    assert Filing.objects.get().content()["narrative"] == EXAMPLES["disclosure"]["narrative"]


def test_dry_run_says_the_very_same_and_changes_nothing(program: Browser, standing: StandingDeclaration) -> None:
    bad = {
        **item(role="emperor", requests={"precision": "estimated", "value": 5}),
        "standing_declaration": "S-2026-999999",
    }
    good = {**item(), "standing_declaration": standing.reference}
    before = counts()
    tried, refused = post(program, f"{URL}?dry_run=true", bad), post(program, URL, bad)
    assert (tried.status_code, refused.status_code) == (400, 400)
    assert tried.json()["errors"] == refused.json()["errors"]
    pointers = {e["pointer"] for e in tried.json()["errors"]}
    assert pointers == {"#/content/role", "#/content/requests/how", "#/standing_declaration"}
    assert tried.json()["ruleset"] == refused.json()["ruleset"] == SCHEMAS["disclosure"].version
    tried = post(program, f"{URL}?dry_run=true", good)
    assert (tried.status_code, tried.json()["outcome"]) == (200, "created")
    assert "reference" not in tried.json()
    assert counts() == before
    assert post(program, URL, good).status_code == 201
    assert post(program, f"{URL}?dry_run=perhaps", good).status_code == 400


@pytest.mark.parametrize(
    ("answer", "pointer"),
    [
        ({"automated": "yes"}, "automated"),
        ({"automated": 1}, "automated"),
        ({"narrative": 7}, "narrative"),
        ({"narrative": "a\0b"}, "narrative"),
        ({"narrative": "\ud800"}, "narrative"),
        ({"narrative": "x" * 8001}, "narrative"),
        ({"contact_email": "nobody"}, "contact_email"),
        ({"activity_type": "web_scraping"}, "activity_type"),
        ({"activity_type": ["juggling"]}, "activity_type"),
        ({"discovered_at": "30/07/2026"}, "discovered_at"),
        ({"discovered_at": "2026-02-30"}, "discovered_at"),
        ({"requests": 5}, "requests"),
        ({"requests": {"precision": "exact", "value": "5"}}, "requests/value"),
        ({"requests": {"precision": "exact", "value": True}}, "requests/value"),
        ({"requests": {"precision": "exact", "value": -1}}, "requests/value"),
        ({"requests": {"precision": "exact", "value": 10**19}}, "requests/value"),
        ({"requests": {"precision": "perhaps", "value": 5}}, "requests/precision"),
        ({"requests": {"precision": "exact", "value": 5, "state": "x"}}, "requests/state"),
        # What does not go with the precision is not kept, and is not taken whatever it is.
        ({"requests": {"precision": "exact", "value": 5, "known_by": "soon"}}, "requests/known_by"),
        ({"requests": {"precision": "not_known", "value": 2.5}}, "requests/value"),
        ({"requests": {"how": "x" * 1001}}, "requests/how"),
        ({"rate_controls": "x" + " " * 2000}, "rate_controls"),
        ({"colour": "red"}, "colour"),
        ({"filer_reference": "a b"}, "filer_reference"),
        ({"daily_quantities": ["E-2026-999999"]}, "daily_quantities"),
        ({"daily_quantities": "E-2026-999999"}, "daily_quantities"),
    ],
)
def test_bad_answer_is_told_by_pointer(program: Browser, answer: dict[str, Any], pointer: str) -> None:
    sent = item()
    sent["content"] |= answer
    refused = post(program, URL, json.dumps(sent))
    assert refused.status_code == 400
    assert [e["pointer"] for e in refused.json()["errors"]] == [f"#/content/{pointer}"]
    assert not Filing.objects.exists()


@pytest.mark.parametrize(
    "body",
    [b"[]", b"7", b"{}", b'{"content": []}', b'{"content": null}', b'{"content": {}, "state": "accepted"}', b"{"],
)
def test_body_that_is_no_filing_is_refused(program: Browser, body: bytes) -> None:
    assert post(program, URL, body).status_code == 400
    assert not Filing.objects.exists()


def test_every_model_field_by_name_changes_nothing_it_should_not(program: Browser, admin: User) -> None:
    """Mass assignment: refused where it is sent, in the content and around it."""
    other = cast.organisation("Merlin Ltd")
    for name in (f.name for f in Filing._meta.get_fields()):
        for sent in ({**item(), name: other.pk}, {"content": {**item()["content"], name: other.pk}}):
            if name in {"content", "filer_reference"}:
                continue
            assert post(program, URL, sent).status_code == 400, name
    assert not Filing.objects.exists()


def test_fact_of_which_nobody_has_said_how_sure_it_is_is_kept_and_asked_for(
    program: Browser, standing: StandingDeclaration
) -> None:
    """As on the page, whose half-written drafts a program reads and sends back. It cannot be handed in so."""
    half = {"value": 5, "why": "Two logs are missing"}
    sent = {"content": {**item()["content"], "requests": {"precision": None, **half}}}
    refused = post(program, URL, {**sent, "standing_declaration": standing.reference})
    assert refused.status_code == 400
    assert [e["pointer"] for e in refused.json()["errors"]] == ["#/content/requests/precision"]
    made = post(program, URL, sent)
    assert made.status_code == 201
    assert [e["pointer"] for e in made.json()["missing"]] == ["#/content/requests/precision"]
    assert Filing.objects.get().content()["requests"] == half


def test_evidence_of_another_company_cannot_be_named(program: Browser, admin: User, storage: Any) -> None:
    rival = cast.person(cast.organisation("Merlin Ltd"), "company_admin")
    theirs = cast.evidence_item(rival)
    own = cast.evidence_item(admin)
    assert post(program, URL, item(daily_quantities=[theirs.reference])).status_code == 400
    assert post(program, URL, item(daily_quantities=[own.reference])).status_code == 201


# --- Many ---------------------------------------------------------------------------------------------------------------
def test_bulk_answers_for_each_in_order(program: Browser, standing: StandingDeclaration) -> None:
    post(program, URL, item("M-1"))
    declared = {"standing_declaration": standing.reference}
    sent: list[Any] = [
        item("M-1"),
        {**item("M-2"), **declared},
        item("M-3", role="emperor"),
        {**item("M-2"), **declared},
        {"content": {"filer_reference": "M-4"}, **declared},
        {"content": {"filer_reference": "M-5"}},
        7,
    ]
    tried = post(program, f"{URL}bulk/?dry_run=true", sent).json()["results"]
    answer = post(program, f"{URL}bulk/", sent)
    assert answer.status_code == 200
    results = answer.json()["results"]
    assert [r["index"] for r in results] == list(range(7))
    expected = ["replayed", "created", "refused", "replayed", "refused", "created", "refused"]
    assert [r["outcome"] for r in results] == expected
    assert [r["outcome"] for r in tried] == expected
    assert [r["errors"] for r in tried] == [r["errors"] for r in results]
    assert results[1]["reference"] == results[3]["reference"]
    assert results[1]["state"] == "submitted"
    assert results[2]["errors"][0]["pointer"] == "#/content/role"
    assert results[5]["missing"]
    assert Filing.objects.count() == 3
    again = post(program, f"{URL}bulk/", sent).json()["results"]
    assert [r["outcome"] for r in again] == [
        "replayed",
        "replayed",
        "refused",
        "replayed",
        "refused",
        "replayed",
        "refused",
    ]


def test_bulk_takes_lines(program: Browser) -> None:
    lines = [json.dumps(item("M-1")), "{nonsense", "", json.dumps(item("M-2"))]
    answer = post(program, f"{URL}bulk/", "\n".join(lines).encode(), kind="application/x-ndjson")
    assert [r["outcome"] for r in answer.json()["results"]] == ["created", "refused", "created"]


def test_bulk_takes_a_thousand_and_no_more(program: Browser, standing: StandingDeclaration) -> None:
    thousand = [{**item(f"M-{n}"), "standing_declaration": standing.reference} for n in range(1000)]
    assert post(program, f"{URL}bulk/", [*thousand, item("M-x")]).status_code == 400
    answer = post(program, f"{URL}bulk/", thousand)
    assert {r["outcome"] for r in answer.json()["results"]} == {"created"}
    assert FilingVersion.objects.count() == Event.objects.filter(verb="disclosure.submitted").count() == 1000
    letters = Message.objects.filter(template="filings_received")
    assert letters.count() == letters.values("address").distinct().count() > 0, "one letter each, not a thousand"
    assert not Message.objects.filter(template="filing_receipt").exists()


def test_bulk_statements_do_not_grow_with_the_number(
    program: Browser, standing: StandingDeclaration, django_assert_max_num_queries: Any
) -> None:
    for count, start in ((1, 0), (50, 100)):
        sent = [{**item(f"M-{start + n}"), "standing_declaration": standing.reference} for n in range(count)]
        with django_assert_max_num_queries(45):
            post(program, f"{URL}bulk/", sent)
        with django_assert_max_num_queries(45):
            again = post(program, f"{URL}bulk/", sent).json()["results"]
        assert {(r["outcome"], r["same_content"]) for r in again} == {("replayed", True)}


# --- Work on one ---------------------------------------------------------------------------------------------------------
def test_draft_is_completed_and_submitted(program: Browser, standing: StandingDeclaration) -> None:
    made = post(program, URL, {"content": {"filer_reference": "M-1"}}).json()
    assert made["missing"]
    one = f"{URL}{made['reference']}/"
    declared = {"standing_declaration": standing.reference}
    assert post(program, f"{one}submit/", declared, if_match="*").status_code == 400
    assert post(program, f"{one}save/", item("M-1"), if_match="*").status_code == 200
    handed = post(program, f"{one}submit/", declared, if_match="*")
    assert (handed.status_code, handed.json()["state"]) == (200, "submitted")
    assert post(program, f"{one}submit/", declared, if_match="*").status_code == 409
    assert post(program, f"{one}withdraw/", {"reason": "In error"}, if_match="*").json()["state"] == "withdrawn"


def test_ministry_reviews_by_the_api(program: Browser, standing: StandingDeclaration) -> None:
    boss = cast.person(cast.organisation("Ministry", "ministry"), "supervisor", second_factor=False)
    staff = filer(boss, "disclosures:read", "disclosures:review")
    made = post(program, URL, {**item(), "standing_declaration": standing.reference}).json()
    one = f"{URL}{made['reference']}/"
    assert staff.get(one).json()["allowed_actions"] == ["accept", "return"]
    assert post(staff, f"{one}return/", {"reasons": {"nonsense": "x"}}, if_match="*").status_code == 400
    key = SCHEMAS["disclosure"].sections[0].key
    back = post(staff, f"{one}return/", {"reasons": {key: "Who are you?"}}, if_match="*")
    assert back.json()["state"] == "returned"
    assert post(program, f"{one}accept/", {}, if_match="*").status_code == 403
    assert post(program, f"{one}submit/", {"standing_declaration": standing.reference}, if_match="*").status_code == 200
    assert post(staff, f"{one}accept/", {}, if_match="*").json()["state"] == "accepted"
    amended = post(program, f"{one}amend/", {}, if_match="*").json()
    assert (amended["state"], amended["amends"]) == ("draft", made["reference"])


def test_rival_meets_nothing(program: Browser, standing: StandingDeclaration) -> None:
    made = post(program, URL, {**item(), "standing_declaration": standing.reference}).json()
    rival = filer(cast.person(cast.organisation("Merlin Ltd"), "company_admin"))
    one = f"{URL}{made['reference']}/"
    assert rival.get(one).status_code == 404
    for verb, body in (("withdraw", {"reason": "x"}), ("amend", {}), ("save", item("M-9")), ("discard", {})):
        assert post(rival, f"{one}{verb}/", body, if_match="*").status_code == 404


def test_allegation_is_filed_with_evidence(
    program: Browser, admin: User, storage: Any, standing: StandingDeclaration
) -> None:
    own = cast.evidence_item(admin)
    content = {**EXAMPLES["allegation"], "evidence": [own.reference]}
    sent = {"content": content, "standing_declaration": standing.reference}
    told = post(program, "/api/v1/allegations/", sent).json()
    assert told["state"] == "received"
    own.refresh_from_db()
    assert own.submitted_at is not None
    without = {**sent, "content": {**EXAMPLES["allegation"], "filer_reference": "A-2"}}
    refused = post(program, "/api/v1/allegations/", without)
    assert [e["pointer"] for e in refused.json()["errors"]] == ["#/content/evidence"]
