"""What an attacker found in the API, and finds no more: ways round walls, tags, references and scopes."""

from __future__ import annotations

import hashlib
import json
import threading
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from django.test import Client as Browser

from accounts.actions import make_client
from accounts.models import KeptAnswer, User
from accounts.rules import SCOPES_OF_KIND
from cases import tasks
from cases.actions import answers
from cases.actions import case as cases
from cases.actions.referrals import steps
from cases.models import Referral, Response
from disclosures import actions as act
from disclosures.actions import filing as one
from disclosures.examples import EXAMPLES
from disclosures.models import Filing, FilingVersion, StandingDeclaration
from ledger.models import Event
from ledger.time import local_date, now
from notifications.models import Endpoint
from tests import cast
from tests.accounts.test_clients import bearer
from tests.cases.world import World, answer, notice_to, open_case, world
from tests.disclosures.test_api import item
from web.problems import Invalid

pytestmark = pytest.mark.django_db(transaction=True)
URL = "/api/v1/disclosures/"


@pytest.fixture
def w(settings: Any) -> World:
    settings.SECOND_FACTOR_REQUIRED = False
    return world()


@pytest.fixture
def admin(settings: Any) -> User:
    settings.SECOND_FACTOR_REQUIRED = False
    return cast.person(cast.organisation("Kestrel Ltd", contacts=2), "company_admin")


@pytest.fixture
def standing(admin: User) -> StandingDeclaration:
    day = local_date(now()) + timedelta(days=90)
    return act.declare_standing(by=admin, name="Kit Rowe", capacity="Director", expires_on=day)


def program(who: User, *scopes: str, by: User | None = None) -> Browser:
    chosen = scopes or SCOPES_OF_KIND[who.organisation.kind]
    made: Browser = bearer(*make_client(who.organisation_id, by=by or who, name="P", scopes=chosen))
    return made


def post(client: Browser, url: str, body: Any, **headers: str) -> Any:
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return client.post(url, json.dumps(body), "application/json", headers=named)


# --- Conflicts of interest ------------------------------------------------------------------
def test_no_program_of_the_ministry_leads_round_a_wall(w: World) -> None:
    case = open_case(w, at=now() - timedelta(days=1))
    before = program(w.supervisor)
    assert before.get(f"/api/v1/cases/{case.reference}/").status_code == 200
    cases.declare_conflict(case.pk, by=w.supervisor, reason="My sister works there")
    item_ = case.exhibits.get().item
    for client in (before, program(w.supervisor), program(w.caseworker, by=w.supervisor)):
        for path in (
            f"cases/{case.reference}/",
            f"allegations/{case.source.reference}/",  # type: ignore[union-attr]
            f"evidence/{item_.reference}/",
            f"evidence/{item_.reference}/file/full/",
            f"notices/{notice_to(case, w.respondent).reference}/",
        ):
            assert client.get(f"/api/v1/{path}").status_code == 404, path
    assert cast.signed_in(w.caseworker).get(f"/api/v1/cases/{case.reference}/").status_code == 200


def test_walled_off_official_learns_nothing_by_events(w: World) -> None:
    case = open_case(w, at=now() - timedelta(days=1))
    cases.declare_conflict(case.pk, by=w.colleague, reason="My sister works there")
    cases.add_note(case.pk, by=w.caseworker, text="secret")
    answer(case, w.respondent, attach=True)

    def seen(user: User) -> set[str]:
        told = cast.signed_in(user).get("/api/v1/events/?page_size=200").json()["results"]
        return {
            e["type"] for e in told if e["type"].startswith(("case.", "notice.", "note.", "allegation.", "evidence."))
        }

    assert {"note.added", "notice.answered", "case.opened"} <= seen(w.caseworker)
    assert seen(w.colleague) == set()
    hook = Endpoint(organisation=w.caseworker.organisation)
    assert not Event.objects.visible_to(hook.reader).filter(verb="note.added").exists()
    assert Event.objects.visible_to(w.auditor).filter(verb="note.added").exists()


def test_program_is_nobodys_officer(w: World) -> None:
    case = open_case(w)
    program(w.supervisor)
    machine = User.objects.get(is_service=True)
    with pytest.raises(Invalid):
        cases.assign(case.pk, by=w.supervisor, officer_id=machine.pk, deputy_id=None)


# --- What one may no longer see, or only write ------------------------------------------------------------------
def test_retry_shows_nothing_that_has_been_withdrawn(w: World) -> None:
    open_case(w, at=now() - timedelta(days=30))
    tasks.run_all()
    referral = Referral.objects.get()
    authority = program(w.officer, by=w.supervisor)
    url = f"/api/v1/referrals/{referral.reference}/acknowledge/"
    assert post(authority, url, {}, if_match="*", idempotency_key="one").status_code == 200
    assert post(authority, url, {}, if_match="*", idempotency_key="one").status_code == 200
    steps.withdraw(referral.pk, by=w.supervisor, reason="Settled")
    gone = post(authority, url, {}, if_match="*", idempotency_key="one")
    assert gone.status_code == 404
    assert b"Heron" not in gone.content


def test_client_that_may_only_write_gets_a_receipt(admin: User, w: World, standing: StandingDeclaration) -> None:
    post(program(admin), URL, {**item("M-1"), "standing_declaration": standing.reference})
    told = post(program(admin, "disclosures:write"), URL, {"content": {"filer_reference": "M-1"}}).json()
    assert told["outcome"] == "replayed"
    assert "version" not in told
    notice = notice_to(open_case(w, at=now() - timedelta(days=1)), w.respondent)
    replies = [{"question": q.number, "how": "answer", "text": "No."} for q in notice.questions.all()]
    url = f"/api/v1/notices/{notice.reference}/answer/"
    told = post(program(w.respondent, "cases:write"), url, {"replies": replies}, if_match="*").json()
    assert (told["state"], "answers" in told, "text" in told) == ("answered", False, False)


def test_tag_lets_nobody_try_guesses_at_what_they_may_not_read(admin: User) -> None:
    url = f"{URL}{post(program(admin), URL, item('M-1')).json()['reference']}/"
    read = program(admin, "disclosures:read").get(url)
    shown = {name: value for name, value in read.json().items() if name != "allowed_actions"}
    guess = hashlib.sha256(json.dumps(shown, sort_keys=True).encode()).hexdigest()
    assert read.headers["ETag"].strip('"') not in guess
    blind = program(admin, "disclosures:write")
    told = post(blind, f"{url}save/", item("M-1"), if_match=read.headers["ETag"])
    assert (told.status_code, "draft" in told.json()) == (200, False)


# --- What colleagues are working on ------------------------------------------------------------------
def test_tag_of_a_draft_knows_of_a_colleagues_save(admin: User, standing: StandingDeclaration) -> None:
    client = program(admin)
    url = f"{URL}{post(client, URL, item('M-1')).json()['reference']}/"
    tag = client.get(url).headers["ETag"]
    row = Filing.objects.get().sections.get(content__has_key="narrative")
    content = {**row.content, "narrative": "Not meant to be declared yet"}
    act.save_section(
        Filing.objects.get().pk, by=admin, section=row.key, content=content, revision=row.revision, finished=False
    )
    assert post(client, f"{url}save/", item("M-1"), if_match=tag).status_code == 412
    declaration = {"standing_declaration": standing.reference}
    assert post(client, f"{url}submit/", declaration, if_match=tag).status_code == 412
    assert not FilingVersion.objects.exists()
    assert post(client, f"{url}submit/", declaration, if_match=client.get(url).headers["ETag"]).status_code == 200


def test_answer_by_a_program_leaves_colleagues_drafts_alone(w: World) -> None:
    notice = notice_to(open_case(w, at=now() - timedelta(days=1)), w.respondent)
    first, second = notice.questions.order_by("number")
    answers.save_answer(second.pk, by=w.respondent, how="answer", text="PRIVILEGED, ask counsel first", revision=0)
    client, url = program(w.respondent), f"/api/v1/notices/{notice.reference}/answer/"
    part = {"replies": [{"question": first.number, "how": "answer", "text": "No."}]}
    assert post(client, url, part, if_match="*").status_code == 400, "a reply to every question, and of one's own"
    assert not Response.objects.exists()
    whole = {"replies": [{"question": q.number, "how": "answer", "text": "No."} for q in (first, second)]}
    assert post(client, url, whole, if_match="*").status_code == 200
    assert "PRIVILEGED" not in str(Response.objects.get().content)
    second.refresh_from_db()
    assert second.draft.text == "PRIVILEGED, ask counsel first"


# --- References ------------------------------------------------------------------
def test_reference_of_a_disclosure_is_not_an_allegations(admin: User) -> None:
    reference = post(program(admin), URL, item("M-1")).json()["reference"]
    alleged = {"content": {**EXAMPLES["allegation"], "filer_reference": "M-1"}}
    refused = post(program(admin, "allegations:write"), "/api/v1/allegations/", alleged)
    assert [e["pointer"] for e in refused.json()["errors"]] == ["#/content/filer_reference"]
    assert reference not in refused.content.decode()


def test_replay_says_whether_the_first_said_the_same(admin: User) -> None:
    client = program(admin)
    sent = [item("M-1"), item("M-1"), item("M-1", narrative="Something else.")]
    told = post(client, f"{URL}bulk/", sent).json()["results"]
    assert [(r["outcome"], r["same_content"]) for r in told] == [
        ("created", True),
        ("replayed", True),
        ("replayed", False),
    ]
    assert post(client, URL, item("M-1")).json()["same_content"] is True
    assert post(client, URL, item("M-1", narrative="Something else.")).json()["same_content"] is False


def test_reference_of_what_was_declared_is_not_freed(admin: User, standing: StandingDeclaration, w: World) -> None:
    client = program(admin)
    sent = {**item("M-1"), "standing_declaration": standing.reference}
    url = f"{URL}{post(client, URL, sent).json()['reference']}/"
    key = act.filing.SCHEMAS["disclosure"].sections[0].key
    act.return_(Filing.objects.get(filer_reference="M-1").pk, by=w.caseworker, reasons={key: "Who?"})
    for other in (item("M-2"), {"content": {}}):
        refused = post(client, f"{url}save/", other, if_match="*")
        assert [e["pointer"] for e in refused.json()["errors"]] == ["#/content/filer_reference"]
    assert post(client, URL, sent).json()["outcome"] == "replayed"


def test_reference_taken_in_the_browser_meanwhile_refuses_nothing_else(
    admin: User, concurrently: Callable[..., list[Any]], monkeypatch: pytest.MonkeyPatch
) -> None:
    client = program(admin)
    token = client.defaults["HTTP_AUTHORIZATION"]
    draft = act.start("disclosure", by=admin)
    saved, record = threading.Event(), one.record

    def slowly(by: Any, verb: str, *args: Any, **details: Any) -> Any:
        if verb.endswith("section_saved"):
            saved.set()
            threading.Event().wait(0.5)
        return record(by, verb, *args, **details)

    monkeypatch.setattr(one, "record", slowly)

    def browser() -> None:
        act.save_section(
            draft.pk, by=admin, section="who", content={"filer_reference": "M-1"}, revision=0, finished=False
        )

    def batch() -> Any:
        saved.wait(10)
        sent = [item("M-1"), item("M-2")]
        return post(Browser(headers={"authorization": token}), f"{URL}bulk/", sent).json()["results"]

    _, told = concurrently(browser, batch)
    assert [r["outcome"] for r in told] == ["replayed", "created"]


# --- Keys and waiting ------------------------------------------------------------------
def test_dry_run_uses_up_no_key(admin: User) -> None:
    client = program(admin)
    assert post(client, f"{URL}?dry_run=true", item("M-1"), idempotency_key="one").status_code == 200
    assert not KeptAnswer.objects.exists()
    assert post(client, URL, item("M-1"), idempotency_key="one").status_code == 201


def test_nobody_waits_for_a_lock_for_ever(
    admin: User, concurrently: Callable[..., list[Any]], monkeypatch: pytest.MonkeyPatch
) -> None:
    from django.db import transaction

    from accounts.api import endpoints
    from accounts.models import Organisation

    monkeypatch.setattr(endpoints, "PATIENCE", "100ms")
    token = program(admin).defaults["HTTP_AUTHORIZATION"]
    held, done = threading.Event(), threading.Event()

    def holder() -> None:
        with transaction.atomic():
            Organisation.objects.select_for_update().get(pk=admin.organisation_id)
            held.set()
            done.wait(10)

    def waiter() -> Any:
        held.wait(10)
        told = post(Browser(headers={"authorization": token}), URL, item("M-1"))
        done.set()
        return told.status_code, told.json()["detail"]

    _, (status, detail) = concurrently(holder, waiter)
    assert status == 409
    assert "Try again" in detail
