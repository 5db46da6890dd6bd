"""Authorisations for programs: registered, read by both sides, answered, amended and ended; nothing by accident."""

from __future__ import annotations

import json
from datetime import timedelta
from typing import Any

import pytest
from django.test import Client as Browser

from accounts.actions import make_client
from accounts.models import User
from accounts.rules import SCOPES_OF_KIND
from cases.actions import case as cases
from cases.actions import notices
from disclosures.models import Authorisation, AuthorisationVersion
from ledger.models import Event
from ledger.time import now
from tests.accounts.test_clients import bearer
from tests.disclosures.permissions import HARRIER, Sides, agree, amended, confirmed, content, proposed, sides

pytestmark = pytest.mark.django_db(transaction=True)
URL = "/api/v1/authorisations/"
NAMED = {"name": "Kit Rowe", "capacity": "Director"}


@pytest.fixture
def s(settings: Any) -> Sides:
    settings.SECOND_FACTOR_REQUIRED = False
    return sides()


def program(s: Sides, who: User, *scopes: str) -> Browser:
    chosen = scopes or SCOPES_OF_KIND[who.organisation.kind]
    made: Browser = bearer(*make_client(who.organisation_id, by=s.supervisor, name="P", scopes=chosen))
    return made


def post(client: Browser, url: str, body: Any, **headers: str) -> Any:
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return client.post(url, json.dumps(body), "application/json", headers=named)


def pointers(refused: Any) -> list[str]:
    assert refused.status_code == 400, refused.content
    return [error["pointer"] for error in refused.json()["errors"]]


def test_two_programs_agree_and_one_of_them_ends_it(s: Sides) -> None:
    ours, theirs = program(s, s.grantor), program(s, s.grantee)
    made = post(ours, URL, {"grantee": HARRIER, "content": content()})
    assert made.status_code == 201
    told = made.json()
    url = f"{URL}{told['reference']}/"
    assert (made.headers["Location"], told["state"], told["counts"], told["waits"]) == (url, "proposed", None, 1)
    assert told["versions"][0]["content"] == content()
    assert told["allowed_actions"] == ["withdraw"]

    seen = theirs.get(url)
    assert seen.json()["allowed_actions"] == ["confirm", "refuse"]
    tag = seen.headers["ETag"]
    answer = post(theirs, f"{url}confirm/", {**NAMED, "version": 1}, if_match=tag)
    assert answer.status_code == 200, answer.content
    assert (answer.json()["state"], answer.json()["counts"]) == ("confirmed", 1)
    said = answer.json()["versions"][0]["answers"]
    assert [(a["outcome"], a["organisation"], a["name"]) for a in said] == [("confirmed", HARRIER, "Kit Rowe")]
    actor = Event.objects.get(verb="authorisation.confirmed").actor
    assert actor is not None
    assert actor.is_service
    assert post(theirs, f"{url}revoke/", {"reason": "x"}, if_match=tag).status_code == 412
    assert post(theirs, f"{url}revoke/", {"reason": "x"}).status_code == 428

    more = {"content": content(max_requests=250_000), "change": "A second round."}
    assert post(ours, f"{url}amend/", more, if_match="*").json()["waits"] == 2
    assert post(theirs, f"{url}refuse/", {"reason": "No."}, if_match="*").json()["state"] == "confirmed"
    later = (now() + timedelta(days=9)).isoformat()
    ended = post(ours, f"{url}revoke/", {"reason": "Over.", "effective_at": later}, if_match="*").json()
    assert (ended["state"], ended["counts"], ended["allowed_actions"]) == ("revoked", 1, ["revoke"])
    ended = post(ours, f"{url}revoke/", {"reason": "At once."}, if_match="*").json()
    assert (ended["counts"], ended["allowed_actions"]) == (None, [])
    assert post(ours, f"{url}revoke/", {"reason": "Again."}, if_match="*").status_code == 409
    assert theirs.get(url, headers={"if-none-match": theirs.get(url).headers["ETag"]}).status_code == 304


def test_retry_registers_once(s: Sides) -> None:
    ours = program(s, s.grantor)
    body = {"grantee": HARRIER, "content": content()}
    first, again = (post(ours, URL, body, idempotency_key="one") for _ in range(2))
    assert first.json() == again.json()
    assert Authorisation.objects.count() == 1
    assert post(ours, URL, {**body, "grantee": "Other"}, idempotency_key="one").status_code == 422


@pytest.mark.parametrize(
    ("over", "pointer"),
    [
        ({"purpose": "fun"}, "purpose"),
        ({"models": "heron-2"}, "models"),
        ({"models": ["heron-2", 7]}, "models/1"),
        ({"models": [""]}, "models/0"),
        ({"accounts": ["a b"]}, "accounts/0"),
        ({"accounts": ["a", "x" * 201]}, "accounts/1"),
        ({"accounts": ["a\0"]}, "accounts/0"),
        ({"accounts": ["\ud800"]}, "accounts/0"),
        ({"accounts": ["a"] * 10_001}, "accounts"),
        ({"techniques_permitted": ["juggling"]}, "techniques_permitted"),
        ({"starts_on": "1 June"}, "starts_on"),
        ({"hours_from": "8pm"}, "hours_from"),
        ({"hours_from": "24:00"}, "hours_from"),
        ({"max_tokens": -1}, "max_tokens"),
        ({"max_tokens": "5"}, "max_tokens"),
        ({"colour": "red"}, "colour"),
        ({"grantor": "Kestrel"}, "grantor"),
        # What the action says, beside the same field.
        ({"accounts": None}, "accounts"),
        ({"ends_on": "2026-01-01"}, "ends_on"),
        ({"starts_on": "0001-01-01"}, "starts_on"),
        ({"ends_on": "9999-12-31"}, "ends_on"),
        ({"techniques_excluded": ["prompt_mutation"]}, "techniques_excluded"),
    ],
)
def test_bad_answer_is_told_by_pointer(s: Sides, over: dict[str, Any], pointer: str) -> None:
    refused = post(program(s, s.grantor), URL, {"grantee": HARRIER, "content": content(**over)})
    assert pointers(refused) == [f"#/content/{pointer}"]
    assert not Authorisation.objects.exists()


@pytest.mark.parametrize(
    "body", ["[]", "7", "{}", '{"grantee": "x"}', '{"grantee": 7, "content": {}}', '{"content": []}']
)
def test_body_of_another_shape_is_refused(s: Sides, body: str) -> None:
    refused = program(s, s.grantor).post(URL, body, "application/json")
    assert refused.status_code == 400
    assert not Authorisation.objects.exists()


@pytest.mark.parametrize("instant", ["2030-01-31T00:00:00", "2030-01-31", "soon", 1895961600, "2999-01-01T00:00:00Z"])
def test_instant_of_a_revocation_says_how_far_from_utc_it_is(s: Sides, instant: Any) -> None:
    found = confirmed(s)
    ended = {"reason": "Over.", "effective_at": instant}
    refused = post(program(s, s.grantor), f"{URL}{found.reference}/revoke/", ended, if_match="*")
    assert pointers(refused) == ["#/effective_at"]
    found.refresh_from_db()
    assert found.revoked_at is None


def test_wrong_grantee_is_told_beside_it(s: Sides) -> None:
    ours = program(s, s.grantor)
    assert pointers(post(ours, URL, {"grantee": "Nobody Ltd", "content": content()})) == ["#/grantee"]


def test_list_shows_the_own_ones_and_filters_by_state(s: Sides) -> None:
    waits, agreed = proposed(s), confirmed(s)
    for who in (s.grantor, s.grantee, s.caseworker):
        client = program(s, who)
        listed = client.get(URL).json()["results"]
        assert [one["reference"] for one in listed] == [agreed.reference, waits.reference]
        assert "versions" not in listed[0]
        found = client.get(URL, {"state": "proposed"}).json()["results"]
        assert [one["reference"] for one in found] == [waits.reference]
    for who in (s.rival, s.institute):
        client = program(s, who)
        assert client.get(URL).json()["results"] == []
        assert client.get(f"{URL}{agreed.reference}/").status_code == 404
        assert post(client, f"{URL}{agreed.reference}/revoke/", {"reason": "x"}, if_match="*").status_code == 404
    assert program(s, s.authority, "events:read").get(URL).status_code == 403


def test_who_may_only_write_is_told_no_more_than_that_it_is_done(s: Sides) -> None:
    ours = program(s, s.grantor, "authorisations:write")
    told = post(ours, URL, {"grantee": HARRIER, "content": content()}).json()
    assert set(told) == {"reference", "state", "allowed_actions"}


def test_who_may_only_read_changes_nothing(s: Sides) -> None:
    found = proposed(s)
    theirs = program(s, s.grantee, "authorisations:read")
    body = {**NAMED, "version": 1}
    assert post(theirs, f"{URL}{found.reference}/confirm/", body, if_match="*").status_code == 403
    staff = program(s, s.caseworker)
    assert staff.get(f"{URL}{found.reference}/").json()["allowed_actions"] == []
    assert post(staff, f"{URL}{found.reference}/revoke/", {"reason": "x"}, if_match="*").status_code == 403


def test_program_agrees_to_the_version_that_it_read(s: Sides) -> None:
    found = confirmed(s)
    amended(found, s.grantor, max_requests=300_000)
    url = f"{URL}{found.reference}/confirm/"
    theirs = program(s, s.grantee)
    assert post(theirs, url, {**NAMED, "version": 1}, if_match="*").status_code == 409
    assert post(theirs, url, NAMED, if_match="*").status_code == 400
    assert post(theirs, url, {**NAMED, "version": 2}, if_match="*").status_code == 200


def test_no_program_of_the_ministry_leads_round_a_wall(s: Sides) -> None:
    found = confirmed(s)
    staff = program(s, s.caseworker)
    assert staff.get(f"{URL}{found.reference}/").status_code == 200
    seats = [
        cases.Seat(side.organisation_id, role, (notices.Ask("Why?"),))
        for side, role in ((s.grantor, "complainant"), (s.grantee, "respondent"))
    ]
    case = cases.open_case(by=s.supervisor, title="T", subject="S", purpose="P", seats=seats)
    cases.declare_conflict(case.pk, by=s.supervisor, reason="Shares.")
    assert staff.get(f"{URL}{found.reference}/").status_code == 404
    assert staff.get(URL).json()["results"] == []
    told = staff.get("/api/v1/events/?page_size=200").json()["results"]
    assert not [e for e in told if e["type"].startswith("authorisation.")]


def test_ten_thousand_accounts_go_in_and_come_out(s: Sides) -> None:
    many = [f"hk1:{n:064x}" for n in range(10_000)]
    made = post(program(s, s.grantor), URL, {"grantee": HARRIER, "content": content(accounts=many)})
    assert made.status_code == 201
    assert AuthorisationVersion.objects.get().content["accounts"] == many
    found = Authorisation.objects.get()
    agree(found, s.grantee)
    counting = found.governing(now())
    assert counting is not None
    assert len(counting.terms.accounts) == 10_000
