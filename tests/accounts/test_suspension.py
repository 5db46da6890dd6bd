"""An organisation that is shut out: from the next request on neither its people nor its programs come in."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

import pytest
from django.core.exceptions import PermissionDenied
from django.db import IntegrityError, transaction
from django.urls import reverse

from accounts import actions
from accounts.models import Organisation, OrganisationDecision
from cases import tasks
from ledger.actions import place_events, record
from ledger.models import Event
from ledger.time import now, standing_at
from notifications import tasks as delivery
from notifications.actions import tell
from notifications.actions.webhooks import add_endpoint
from notifications.letters import SHUT_OUT
from notifications.models import Delivery, Endpoint
from tests import cast
from tests.accounts.test_clients import bearer, token
from tests.cases.world import MONDAY, World, notice_to, open_case, world
from web.problems import Conflict

pytestmark = pytest.mark.django_db(transaction=True)
WHY = "Its credentials were sold."


@pytest.fixture
def w(settings: Any) -> World:
    settings.SECOND_FACTOR_REQUIRED = False
    return world()


def suspend(w: World) -> Organisation:
    return actions.suspend(w.respondent.organisation_id, by=w.supervisor, reason=WHY)


def restore(w: World) -> Organisation:
    return actions.restore(w.respondent.organisation_id, by=w.supervisor, reason="They were changed.")


def test_people_are_shut_out_at_the_next_click_and_told_why(w: World) -> None:
    browser, other = cast.signed_in(w.respondent), cast.signed_in(w.complainant)
    assert browser.get("/").status_code == 200
    suspend(w)
    for url in ("/", "/organisation/", "/cases/", "/api/v1/organisation/", "/decisions/", "/nowhere/"):
        answer = browser.get(url)
        assert answer.status_code in {403, 404}, url
    assert WHY in browser.get("/").content.decode()
    assert browser.get("/api/v1/organisation/").json()["detail"].endswith(WHY)
    assert browser.post(reverse("contact_new"), {"name": "x", "email": "x@y.example"}).status_code == 403
    assert other.get("/").status_code == 200
    assert browser.post(reverse("account_logout")).status_code == 302
    signed_in = cast.signed_in(w.respondent)
    assert signed_in.get("/").status_code == 403, "signing in again changes nothing"
    restore(w)
    assert signed_in.get("/").status_code == 200


def test_programs_are_shut_out_at_the_next_request_and_get_no_token(w: World) -> None:
    made = actions.make_client(w.respondent.organisation_id, by=w.respondent, name="P", scopes=["organisations:read"])
    program = bearer(*made)
    assert program.get("/api/v1/organisation/").status_code == 200
    suspend(w)
    refused = program.get("/api/v1/organisation/")
    assert refused.status_code == 401
    assert "WWW-Authenticate" in refused.headers
    assert token(*made).status_code == 401
    assert token(*made).json() == {"error": "invalid_client"}
    assert Event.objects.filter(verb="client.signed_in").count() == 1
    restore(w)
    assert program.get("/api/v1/organisation/").status_code == 200
    assert token(*made).status_code == 200


def test_program_of_a_refused_organisation_does_not_read(w: World) -> None:
    company = cast.organisation("New Ltd", state="pending", contacts=2)
    admin = cast.person(company, "company_admin")
    made = actions.make_client(company.pk, by=admin, name="P", scopes=["organisations:read"])
    program = bearer(*made)
    assert program.get("/api/v1/organisation/").status_code == 200
    actions.refuse(company.pk, by=w.supervisor, reason="Unknown to the register")
    assert program.get("/api/v1/organisation/").status_code == 401
    assert token(*made).status_code == 401
    page = cast.signed_in(admin).get("/organisation/")
    assert "Unknown to the register" in page.content.decode(), "its people still read why"


def test_supervisor_suspends_and_restores_with_reasons_that_stay(w: World) -> None:
    browser, pk = cast.signed_in(w.supervisor), w.respondent.organisation_id
    detail = reverse("organisation_detail", args=[pk])
    assert reverse("organisation_suspend", args=[pk]) in browser.get(detail).content.decode()
    assert browser.post(reverse("organisation_suspend", args=[pk]), {"reason": ""}).status_code == 400
    assert browser.post(reverse("organisation_suspend", args=[pk]), {"reason": WHY}).status_code == 302
    page = browser.get(detail).content.decode()
    assert WHY in page
    assert reverse("organisation_restore", args=[pk]) in page
    assert browser.post(reverse("organisation_suspend", args=[pk]), {"reason": WHY}).status_code == 409
    assert browser.post(reverse("organisation_restore", args=[pk]), {"reason": "Settled"}).status_code == 302
    page = browser.get(detail).content.decode()
    assert WHY in page, "what was decided before stays to be read"
    assert "Settled" in page
    assert [d.state for d in OrganisationDecision.objects.order_by("pk")] == ["suspended", "verified"]
    verbs = Event.objects.filter(verb__startswith="organisation.").order_by("pk").values_list("verb", flat=True)
    assert list(verbs) == ["organisation.suspended", "organisation.restored"]
    with pytest.raises(IntegrityError), transaction.atomic():
        OrganisationDecision.objects.update(reason="Nothing happened")


def test_only_a_supervisor_suspends_and_no_public_body_is_suspended(w: World) -> None:
    for who in (w.caseworker, w.complainant, w.officer):
        with pytest.raises((PermissionDenied, Organisation.DoesNotExist)):
            actions.suspend(w.complainant.organisation_id, by=who, reason=WHY)
    for body in (w.officer.organisation, w.supervisor.organisation):
        with pytest.raises(PermissionDenied, match="company or a partner"):
            actions.suspend(body.pk, by=w.supervisor, reason=WHY)
    pending = cast.organisation("New Ltd", state="pending")
    with pytest.raises(Conflict):
        actions.suspend(pending.pk, by=w.supervisor, reason=WHY)
    with pytest.raises(Conflict):
        actions.restore(w.complainant.organisation_id, by=w.supervisor, reason="x")
    assert not OrganisationDecision.objects.exists()


def test_notice_to_a_suspended_organisation_is_in_doubt(w: World) -> None:
    suspend(w)
    case = open_case(w, at=now())
    assert notice_to(case, w.respondent).doubts.open().exists()
    assert not notice_to(case, w.complainant).doubts.open().exists()


def test_letters_still_go_and_say_that_nothing_opens(w: World, mailoutbox: list[Any]) -> None:
    suspend(w)
    case = open_case(w, at=now())
    delivery.run_all()
    served = {one.to[0]: one.body for one in mailoutbox if notice_to(case, w.respondent).reference in one.body}
    assert w.respondent.email in served, "a notice is not lost"
    assert served[w.respondent.email].startswith(SHUT_OUT)
    others = [one.body for one in mailoutbox if w.complainant.email in one.to]
    assert others
    assert not any("suspended" in body for body in others), "that is nobody else's business"
    restore(w)
    mailoutbox.clear()
    with transaction.atomic():
        tell("notice_reminder", case, people=[w.respondent], reference="N", case="C", due_at=now().isoformat())
    delivery.run_all()
    assert "suspended" not in mailoutbox[0].body


def test_webhooks_wait_while_it_is_shut_out(w: World) -> None:
    endpoint = add_endpoint(w.respondent.organisation_id, by=w.respondent, url="https://hooks.kestrel.example/")
    Endpoint.objects.filter(pk=endpoint.pk).update(state="live", verified_at=now())
    suspend(w)
    with transaction.atomic():
        record(None, "organisation.verified", w.respondent.organisation, audience=[w.respondent.organisation])
    place_events()
    assert not Endpoint.objects.behind().exists()
    assert not Endpoint.objects.with_due().exists()
    assert not Delivery.objects.due().exists()
    restore(w)
    assert Endpoint.objects.behind().exists()


def test_authority_is_told_that_who_was_silent_could_not_answer(w: World) -> None:
    case = open_case(w, at=MONDAY)
    with standing_at(MONDAY + timedelta(days=2)):
        suspend(w)
    with standing_at(MONDAY + timedelta(days=5)):
        restore(w)
    with standing_at(MONDAY + timedelta(days=20)):
        tasks.run_all()
    referral = case.referrals.get()
    told = {one["role"]: one["shut_out"] for one in referral.sent["notices"] if one["due_at"]}
    assert told["complainant"] == []
    [shut_out] = told["respondent"]
    assert datetime.fromisoformat(shut_out["since"]) == MONDAY + timedelta(days=2)
    assert datetime.fromisoformat(shut_out["until"]) == MONDAY + timedelta(days=5)
    page = cast.signed_in(w.officer).get(reverse("referral", args=[referral.reference])).content.decode()
    assert "it could not sign in from 11am on Wednesday 7 October 2026 to 11am on Saturday 10 October 2026" in page
