"""The authority's own case system: referrals by the API, by the same actions as the pages."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from django.test import Client as Browser
from django.urls import reverse

from accounts.actions import make_client
from cases import tasks
from cases.actions.referrals import steps
from cases.models import Referral
from disclosures.models import Filing
from ledger.models import Event
from ledger.time import standing_at
from tests.accounts.test_clients import bearer
from tests.cases.world import MONDAY, World, answer, open_case, world

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def w(settings: Any) -> World:
    settings.SECOND_FACTOR_REQUIRED = False
    return world()


@pytest.fixture
def referral(w: World) -> Referral:
    case = open_case(w)
    answer(case, w.complainant, attach=True)
    with standing_at(MONDAY + timedelta(days=15)):
        tasks.run_all()
    return case.referrals.get()


def program(w: World, who: Any, *scopes: str) -> Browser:
    made = make_client(who.organisation_id, by=w.supervisor, name="Case system", scopes=scopes)
    return bearer(*made)


def post(client: Browser, verb: str, referral: Referral, body: dict[str, Any] | list[Any]) -> Any:
    url = reverse(f"api_referral_{verb}", args=[referral.reference])
    return client.post(url, body, "application/json", headers={"if-match": "*"})


def test_referral_is_read_acknowledged_and_accepted(w: World, referral: Referral) -> None:
    system = program(w, w.officer, "referrals:read", "referrals:write")
    listed = system.get(reverse("api_referrals")).json()
    assert [r["reference"] for r in listed["results"]] == [referral.reference]
    assert listed["results"][0]["allowed_actions"] == ["acknowledge", "accept", "return", "decline"]
    assert "count" not in listed
    one = system.get(reverse("api_referral", args=[referral.reference])).json()
    assert one["sent"]["reasons"] == ["deadline_missed", "no_decision"] or one["sent"]["reasons"]
    assert "responses" not in one["sent"]
    assert post(system, "acknowledge", referral, {}).json()["state"] == "acknowledged"
    again = post(system, "acknowledge", referral, {})
    assert again.status_code == 409
    assert again.headers["Content-Type"] == "application/problem+json"
    accepted = post(system, "accept", referral, {"reference": "OMA/26/117"}).json()
    assert (accepted["state"], accepted["authority_reference"]) == ("accepted", "OMA/26/117")
    event = Event.objects.get(verb="referral.accepted")
    assert event.actor is not None
    assert event.actor.is_service


@pytest.mark.parametrize(
    ("verb", "body", "pointer"),
    [
        ("accept", {}, "#/reference"),
        ("accept", {"reference": 7}, "#/reference"),
        ("accept", {"reference": "  "}, "#/reference"),
        ("accept", {"reference": "x" * 101}, "#/reference"),
        ("accept", {"reference": "a\x00b"}, "#/reference"),
        ("accept", {"reference": "a", "state": "accepted"}, "#/state"),
        ("accept", [], "#"),
        ("return", {"needed": "x", "needed_by": "31/12/2026"}, "#/needed_by"),
        ("return", {"needed": "x", "needed_by": 20261231}, "#/needed_by"),
        ("return", {"needed": "x", "needed_by": "2020-01-01"}, "#/needed_by"),
        ("decline", {"head": "boredom", "reason": "x"}, "#/head"),
        ("acknowledge", {"hurry": True}, "#/hurry"),
    ],
)
def test_bad_input_is_told_by_pointer_and_changes_nothing(
    w: World, referral: Referral, verb: str, body: Any, pointer: str
) -> None:
    refused = post(program(w, w.officer, "referrals:write"), verb, referral, body)
    assert refused.status_code == 400, refused.content
    assert [e["pointer"] for e in refused.json()["errors"]] == [pointer]
    referral.refresh_from_db()
    assert referral.state == "queued"


def test_body_that_is_no_json_is_refused(w: World, referral: Referral) -> None:
    system, url = program(w, w.officer, "referrals:write"), reverse("api_referral_accept", args=[referral.reference])
    for body, kind, status in (
        (b"{", "application/json", 400),
        (b"\xff", "application/json", 400),
        (b"reference=x", "application/x-www-form-urlencoded", 415),
    ):
        assert system.post(url, body, kind, headers={"if-match": "*"}).status_code == status


def test_return_and_decline(w: World, referral: Referral) -> None:
    system = program(w, w.officer, "referrals:write")
    day = (MONDAY + timedelta(days=400)).date().isoformat()
    assert post(system, "return", referral, {"needed": "Logs.", "needed_by": day}).json()["state"] == "returned"
    assert post(system, "decline", referral, {"head": "impact", "reason": "Slight."}).status_code == 409


def test_writing_needs_the_scope_and_the_ministry_cannot_act_for_the_authority(w: World, referral: Referral) -> None:
    assert post(program(w, w.officer, "referrals:read"), "acknowledge", referral, {}).status_code == 403
    reader = program(w, w.caseworker, "referrals:read")
    assert reader.get(reverse("api_referral", args=[referral.reference])).status_code == 200
    assert post(reader, "acknowledge", referral, {}).status_code == 403


def test_withdrawn_referral_is_gone(w: World, referral: Referral) -> None:
    system = program(w, w.officer, "referrals:read", "referrals:write")
    steps.withdraw(referral.pk, by=w.supervisor, reason="They talk")
    assert system.get(reverse("api_referrals")).json()["results"] == []
    assert system.get(reverse("api_referral", args=[referral.reference])).status_code == 404
    assert post(system, "acknowledge", referral, {}).status_code == 404


# --- Filings -----------------------------------------------------------------------------------------------------------
def test_company_reads_its_own_filings_and_nobody_elses(w: World, referral: Referral) -> None:
    allegation = Filing.objects.get(kind="allegation")
    own = program(w, w.complainant, "allegations:read")
    one = own.get(reverse("api_allegation", args=[allegation.reference])).json()
    assert one["version"]["sha256"] == allegation.latest.sha256
    rival = program(w, w.respondent, "allegations:read", "disclosures:read")
    assert rival.get(reverse("api_allegations")).json()["results"] == []
    assert rival.get(reverse("api_allegation", args=[allegation.reference])).status_code == 404
    assert own.get(reverse("api_disclosures")).status_code == 403
    staff = program(w, w.caseworker, "allegations:read")
    assert [f["reference"] for f in staff.get(reverse("api_allegations")).json()["results"]] == [allegation.reference]


def test_confidential_answers_are_left_out(w: World, referral: Referral) -> None:
    allegation = Filing.objects.get(kind="allegation")
    for who in (w.complainant, w.caseworker):
        content = program(w, who, "allegations:read").get(reverse("api_allegation", args=[allegation.reference])).json()
        assert "narrative" not in content["version"]["content"]
        assert allegation.latest.content["narrative"] not in str(content)


def test_lists_go_on_by_cursor(w: World, referral: Referral) -> None:
    open_case(w)
    staff = program(w, w.caseworker, "allegations:read")
    seen: list[str] = []
    url = reverse("api_allegations") + "?page_size=1"
    while url:
        page = staff.get(url).json()
        seen += [f["reference"] for f in page["results"]]
        url = page["next"]
    assert sorted(seen) == sorted(Filing.objects.filter(kind="allegation").values_list("reference", flat=True))
    assert len(seen) == 2
    assert staff.get(reverse("api_allegations") + "?cursor=nonsense").status_code == 404
    assert staff.get(reverse("api_allegations") + "?state=nonsense").status_code == 400
