"""The ministry's own case system: what is done to a case on its pages, done by the API under the same rules."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from django.core.exceptions import PermissionDenied
from django.test import Client as Browser

from accounts.actions import make_client
from accounts.models import User
from accounts.rules import SCOPES_OF_KIND
from cases import tasks
from cases.actions import case as cases
from cases.actions.referrals import making, steps
from cases.models import Case, Decision, Exhibit, Note, Notice
from config import acts, story
from ledger.models import Event
from ledger.time import now
from tests.accounts.test_clients import bearer
from tests.cases.world import World, answer, notice_to, open_case, world
from tests.monitoring.logs import analysed

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("storage")]
MANAGE = tuple(scope for scope in SCOPES_OF_KIND["ministry"] if scope != "cases:decide")


@pytest.fixture
def w(settings: Any) -> World:
    settings.SECOND_FACTOR_REQUIRED = False
    return world()


def program(w: World, who: User, *scopes: str) -> Browser:
    chosen = scopes or SCOPES_OF_KIND[who.organisation.kind]
    return bearer(*make_client(who.organisation_id, by=w.supervisor, name="Program", scopes=chosen))


def post(client: Browser, url: str, body: Any, *, match: str | None = "*", **headers: str) -> Any:
    sent = {name.replace("_", "-"): value for name, value in headers.items()}
    return client.post(
        f"/api/v1/{url}", body, "application/json", headers={**sent, **({"if-match": match} if match else {})}
    )


def opening(w: World, **over: Any) -> dict[str, Any]:
    return {
        "title": "Bulk querying",
        "subject": "Bulk querying",
        "purpose": "To find out",
        "respondents": [w.respondent.organisation_id],
        "respondent_questions": [{"text": "Was it you?", "period": "May 2026"}, {"text": "Why?", "mandatory": False}],
        **over,
    }


# --- Opening ----------------------------------------------------------------------------------------------------------
def test_case_is_opened_with_its_notices_once(w: World) -> None:
    system = program(w, w.caseworker)
    made = post(system, "cases/", opening(w), match=None, idempotency_key="one")
    assert made.status_code == 201, made.content
    reference = made.json()["reference"]
    assert made.headers["Location"] == f"/api/v1/cases/{reference}/"
    assert post(system, "cases/", opening(w), match=None, idempotency_key="one").json() == made.json()
    case = Case.objects.get()
    notice = case.notices.get(kind="evidence")
    asked = [(q.text, q.period, q.mandatory) for q in notice.questions.all()]
    assert asked == [("Was it you?", "May 2026", True), ("Why?", "", False)]
    assert case.notices.filter(kind="preservation").exists()
    assert case.opened_by.is_service
    one = system.get(f"/api/v1/cases/{reference}/")
    assert one.headers["ETag"] == made.headers["ETag"]
    assert one.json()["internal"]["title"] == "Bulk querying"


def test_case_is_opened_from_an_allegation_and_its_filer_complains(w: World) -> None:
    system = program(w, w.caseworker)
    item = acts.give_evidence(w.complainant, "Gateway log")
    filing = acts.file_it("allegation", w.complainant, acts.allegation_content(7, item, respondent="Kestrel plc"))
    both = {"complainant": w.complainant.organisation_id, "complainant_questions": [{"text": "How do you know?"}]}
    early = post(system, "cases/", opening(w, filing=filing.reference, **both), match=None)
    assert early.status_code == 409
    story.filings.acknowledge(filing.pk, by=w.caseworker)
    story.filings.admit(filing.pk, by=w.caseworker)
    other = {**both, "complainant": w.stranger.organisation_id}
    refused = post(system, "cases/", opening(w, filing=filing.reference, **other), match=None)
    assert [e["pointer"] for e in refused.json()["errors"]] == ["#/complainant"]
    made = post(system, "cases/", opening(w, filing=filing.reference, **both), match=None).json()
    assert made["internal"]["filing"] == filing.reference
    assert [p["role"] for p in made["parties"]] == ["complainant", "respondent"]
    assert len(made["exhibits"]) == 1


@pytest.mark.parametrize(
    ("over", "pointer"),
    [
        ({"respondents": []}, "#/respondents"),
        ({"respondents": [10**12]}, "#/respondents"),
        ({"respondents": ["1"]}, "#/respondents/0"),
        ({"respondent_questions": [{"text": 7}]}, "#/respondent_questions/0/text"),
        ({"respondent_questions": [{"text": "a", "number": 1}]}, "#/respondent_questions/0/number"),
        ({"filing": "A-2026-999999"}, "#/filing"),
        ({"complainant_questions": [{"text": "Who?"}]}, "#/complainant"),
        ({"officer": 1}, "#/officer"),
    ],
)
def test_case_is_not_opened_from_bad_input(w: World, over: dict[str, Any], pointer: str) -> None:
    refused = post(program(w, w.caseworker), "cases/", opening(w, **over), match=None)
    assert refused.status_code == 400, refused.content
    assert pointer in [e["pointer"] for e in refused.json()["errors"]]
    assert not Case.objects.exists()


def test_replay_of_an_opened_case_stops_at_a_wall(w: World) -> None:
    system = program(w, w.caseworker)
    post(system, "cases/", opening(w), match=None, idempotency_key="one")
    cases.declare_conflict(Case.objects.get().pk, by=w.colleague, reason="My sister works there")
    assert post(system, "cases/", opening(w), match=None, idempotency_key="one").status_code == 404


# --- Team, notes, brief, proposal: the ministry's own -----------------------------------------------------------------
def test_internal_work_is_done_and_seen_by_the_ministry_alone(w: World) -> None:
    case = open_case(w, at=now() - timedelta(days=1))
    system, url = program(w, w.caseworker), f"cases/{case.reference}"
    team = {"officer": w.colleague.email.upper(), "deputy": None}
    assert post(system, f"{url}/assign/", team).json()["internal"]["team"]["officer"] == w.colleague.email
    assert post(system, f"{url}/add-note/", {"text": "A secret note"}).status_code == 200
    brief = {"head": "markets", "text": "A secret market", "number": 0}
    assert post(system, f"{url}/write-brief/", brief).status_code == 200
    assert post(system, f"{url}/write-brief/", brief).status_code == 409, "a colleague's text is not written over"
    proposed = post(system, f"{url}/propose/", {"outcome": "settled", "reasons": "A secret proposal"}).json()
    assert [p["outcome"] for p in proposed["internal"]["proposals"]] == ["settled"]
    assert [b["number"] for b in proposed["internal"]["brief"]] == [1]
    reader = program(w, w.caseworker, "cases:read")
    for other in (reader, program(w, w.complainant), program(w, w.respondent)):
        told = other.get(f"/api/v1/{url}/").json()
        assert told["internal"] is None
        assert "secret" not in str(told)
    assert "A secret note" in str(system.get(f"/api/v1/{url}/").json()["internal"]["notes"])


def test_team_is_of_people_who_may_work_on_it(w: World) -> None:
    case = open_case(w, at=now() - timedelta(days=1))
    cases.declare_conflict(case.pk, by=w.colleague, reason="My sister works there")
    case = open_case(w, at=now() - timedelta(days=1))
    system, url = program(w, w.caseworker), f"cases/{case.reference}/assign/"
    for team, pointer in (
        ({"officer": "nobody@here.example", "deputy": None}, "#/officer"),
        ({"officer": None, "deputy": w.complainant.email}, "#/deputy"),
        ({"officer": w.caseworker.email, "deputy": w.caseworker.email}, "#/deputy"),
        ({"officer": w.auditor.email, "deputy": None}, "#/officer"),
        ({"officer": w.caseworker.email}, "#/deputy"),
    ):
        refused = post(system, url, team)
        assert (refused.status_code, [e["pointer"] for e in refused.json()["errors"]]) == (400, [pointer]), team


def test_what_changed_meanwhile_is_not_worked_on(w: World) -> None:
    case = open_case(w, at=now() - timedelta(days=1))
    system, url = program(w, w.caseworker), f"cases/{case.reference}"
    read = system.get(f"/api/v1/{url}/").headers["ETag"]
    assert post(system, f"{url}/add-note/", {"text": "One"}, match=None).status_code == 428
    assert post(system, f"{url}/add-note/", {"text": "One"}, match=read).status_code == 200
    assert post(system, f"{url}/add-note/", {"text": "Two"}, match=read).status_code == 412
    assert Note.objects.count() == 1
    assert Event.objects.filter(verb="note.added").count() == 1


# --- Notices ----------------------------------------------------------------------------------------------------------
def test_second_round_asks_whom_it_names(w: World) -> None:
    case = open_case(w, at=now() - timedelta(days=1))
    referral = making.refer(case.pk, by=w.supervisor, reason="It cannot wait")
    assert referral is not None
    steps.withdraw(referral.pk, by=w.supervisor, reason="It can")
    system, url = program(w, w.caseworker), f"cases/{case.reference}/issue-notices/"
    words = {"subject": "More", "purpose": "To know more"}
    asked = {"organisation": w.respondent.organisation_id, "questions": [{"text": "And then?"}]}
    stranger = {**asked, "organisation": w.stranger.organisation_id}
    refused = post(system, url, {**words, "asked": [asked, stranger]})
    assert [e["pointer"] for e in refused.json()["errors"]] == ["#/asked/1/organisation"]
    assert post(system, url, {**words, "asked": [asked]}).status_code == 200
    assert [n.party.organisation_id for n in Notice.objects.filter(case=case, round=2)] == [
        w.respondent.organisation_id
    ]
    assert post(system, url, {**words, "asked": [asked]}).status_code == 409


def test_notice_is_waived_by_who_decides(w: World) -> None:
    case = open_case(w, at=now() - timedelta(days=1))
    notice = notice_to(case, w.respondent)
    url = f"notices/{notice.reference}/waive/"
    assert post(program(w, w.caseworker, *MANAGE), url, {"reason": "Enough"}).status_code == 403
    done = post(program(w, w.caseworker), url, {"reason": "Enough"})
    assert (done.status_code, done.json()["state"]) == (200, "waived")


def test_service_in_doubt_is_settled(w: World) -> None:
    User.objects.filter(pk=w.stranger.pk).update(is_active=False)
    system = program(w, w.caseworker)
    respondents = [w.stranger.organisation_id]
    silent = [post(system, "cases/", opening(w, respondents=respondents), match=None).json() for _ in range(2)]
    one, other = (Notice.objects.get(case__reference=c["reference"], kind="evidence") for c in silent)
    told = system.get(f"/api/v1/notices/{one.reference}/").json()
    assert {"serve-again", "record-service"} <= set(told["allowed_actions"])
    assert post(system, f"notices/{one.reference}/serve-again/", {}).status_code == 409, "still nobody there"
    proof = {"method": "courier", "proof": "Receipt 4711"}
    url = f"notices/{one.reference}/record-service/"
    for served_at, pointer in (
        ("2026-11-04", "#/served_at"),
        ("2026-11-04T10:00:00", "#/served_at"),
        ((now() + timedelta(days=1)).isoformat(), "#/served_at"),
        ("2020-01-01T10:00:00+00:00", "#/served_at"),
    ):
        refused = post(system, url, {**proof, "served_at": served_at})
        assert (refused.status_code, [e["pointer"] for e in refused.json()["errors"]]) == (400, [pointer]), served_at
    served = post(system, url, {**proof, "served_at": now().isoformat()})
    assert served.status_code == 200, served.content
    assert "serve-again" not in served.json()["allowed_actions"]
    User.objects.filter(pk=w.stranger.pk).update(is_active=True)
    assert post(system, f"notices/{other.reference}/serve-again/", {}).status_code == 200


# --- Exhibits ---------------------------------------------------------------------------------------------------------
def test_exhibit_is_disclosed_and_commented_on(w: World) -> None:
    case = open_case(w, at=now() - timedelta(days=30))
    answer(case, w.complainant, received_at=now() - timedelta(days=20))
    system, rival, owner = (program(w, who) for who in (w.caseworker, w.respondent, w.complainant))
    url = f"exhibits/{Exhibit.objects.get().pk}"
    assert rival.get(f"/api/v1/{url}/").status_code == 404
    tasks.run_all()
    to = {"party": w.respondent.organisation_id}
    strange = post(system, f"{url}/disclose/", {"party": w.stranger.organisation_id})
    assert [e["pointer"] for e in strange.json()["errors"]] == ["#/party"]
    assert post(system, f"{url}/disclose/", to).json()["disclosed_to"] == [w.respondent.organisation_id]
    assert post(system, f"{url}/disclose/", to).status_code == 409
    seen = rival.get(f"/api/v1/{url}/").json()
    assert (seen["allowed_actions"], seen["disclosed_to"]) == (["comment"], [])
    assert post(owner, f"{url}/comment/", {"text": "Mine"}).status_code == 403
    said = post(rival, f"{url}/comment/", {"text": "Of another service"})
    assert [c["text"] for c in said.json()["comments"]] == ["Of another service"]
    assert owner.get(f"/api/v1/{url}/").json()["comments"] == [], "its owner does not read it"
    assert len(system.get(f"/api/v1/{url}/").json()["comments"]) == 1


def test_party_is_told_by_the_exhibit_which_analysis_it_may_read(w: World) -> None:
    case = open_case(w, at=now() - timedelta(days=30))
    answer(case, w.complainant, received_at=now() - timedelta(days=20))
    system, rival, owner = (program(w, who) for who in (w.caseworker, w.respondent, w.complainant))
    url = f"exhibits/{Exhibit.objects.get().pk}"
    tasks.run_all()
    to = {"party": w.respondent.organisation_id}
    early = post(system, f"{url}/show-analysis/", to)
    assert [e["pointer"] for e in early.json()["errors"]] == ["#/party"]
    assert post(system, f"{url}/disclose/", to).status_code == 200
    whole = analysed(Exhibit.objects.get().item, by=w.complainant)
    assert post(rival, f"{url}/show-analysis/", to).status_code == 403
    [theirs] = [one for one in post(system, f"{url}/show-analysis/", to).json()["analyses"] if one != whole.pk]
    assert rival.get(f"/api/v1/{url}/").json()["analyses"] == [theirs]
    assert owner.get(f"/api/v1/{url}/").json()["analyses"] == [whole.pk, theirs]
    assert rival.get(f"/api/v1/analyses/{theirs}/").json()["projection"] == "non_confidential"
    assert rival.get(f"/api/v1/analyses/{whole.pk}/").status_code == 404
    assert owner.get(f"/api/v1/analyses/{whole.pk}/").json()["projection"] == "full"
    assert post(system, f"{url}/show-analysis/", to).status_code == 409, "one is under way"


def test_exhibit_is_not_disclosed_while_a_period_runs(w: World) -> None:
    open_case(w, at=now() - timedelta(days=1))
    url = f"exhibits/{Exhibit.objects.get().pk}/disclose/"
    assert post(program(w, w.caseworker), url, {"party": w.respondent.organisation_id}).status_code == 409


# --- What a supervisor decides ----------------------------------------------------------------------------------------
def test_referral_by_hand_and_its_withdrawal_need_the_scope_to_decide(w: World) -> None:
    case = open_case(w, at=now() - timedelta(days=1))
    works, decides = program(w, w.caseworker, *MANAGE), program(w, w.caseworker)
    reason = {"reason": "The model is about to be released"}
    assert "refer" not in works.get(f"/api/v1/cases/{case.reference}/").json()["allowed_actions"]
    assert post(works, f"cases/{case.reference}/refer/", reason).status_code == 403
    referred = post(decides, f"cases/{case.reference}/refer/", reason)
    assert (referred.status_code, referred.json()["state"]) == (200, "referred")
    url = f"referrals/{case.referrals.get().reference}/withdraw/"
    assert post(works, url, reason).status_code == 403
    assert post(program(w, w.officer), url, reason).status_code == 403
    assert post(decides, url, reason).json()["state"] == "withdrawn"
    case.refresh_from_db()
    assert (case.state, case.round) == ("open", 2)


def test_decision_is_a_persons_and_its_publication_a_programs(w: World) -> None:
    case = open_case(w, at=now() - timedelta(days=1))
    decides = program(w, w.caseworker)
    told = decides.get(f"/api/v1/cases/{case.reference}/").json()
    assert "resolve" not in told["allowed_actions"]
    machine = User.objects.get(is_service=True)
    assert machine.role == "supervisor"
    with pytest.raises(PermissionDenied):
        cases.resolve(case.pk, by=machine, outcome="settled", reasons="Settled")
    assert not Decision.objects.exists()
    cases.resolve(case.pk, by=w.supervisor, outcome="settled", reasons="Settled")
    public = {"title": "Decided", "summary": "In short"}
    works = program(w, w.caseworker, *MANAGE)
    assert post(works, f"cases/{case.reference}/publish/", public).status_code == 403
    assert post(decides, f"cases/{case.reference}/publish/", public).status_code == 200
    [listed] = Browser().get("/api/v1/decisions/").json()["results"]
    assert listed["title"] == "Decided"
    one = Browser().get(f"/api/v1/decisions/{listed['id']}/")
    assert (one.status_code, one.json()) == (200, listed)
    assert Browser().get(f"/api/v1/decisions/{listed['id'] + 1}/").status_code == 404
