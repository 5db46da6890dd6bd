"""Analyses for programs: asked for once, watched, and fetched byte for byte."""

from __future__ import annotations

import hashlib
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from django.db import transaction
from django.test import Client as Browser

from accounts.actions import make_client
from accounts.models import User
from evidence.actions import grant
from evidence.models import NON_CONFIDENTIAL
from ledger.models import Event
from monitoring.actions.analysis import begin, hear
from monitoring.models import Analysis
from monitoring.work import work
from tests.accounts.test_clients import bearer
from tests.cast import evidence_item, signed_in
from tests.evidence.conftest import world
from tests.monitoring.test_analysis import LOG, item_of

__all__ = ["world"]
pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("storage")]


def program(world: SimpleNamespace, who: User, *scopes: str) -> Browser:
    made: Browser = bearer(*make_client(who.organisation_id, by=world.supervisor, name="P", scopes=list(scopes)))
    return made


@pytest.fixture
def api(world: SimpleNamespace, settings: Any) -> Browser:
    settings.SECOND_FACTOR_REQUIRED = False
    return program(world, world.officer, "evidence:read", "evidence:write")


def ask(api: Browser, reference: str, body: Any = None, **headers: str) -> Any:
    url = f"/api/v1/evidence/{reference}/analyses/"
    return api.post(url, {} if body is None else body, "application/json", headers=headers or None)


def test_a_program_asks_watches_and_fetches_the_report(world: SimpleNamespace, api: Browser) -> None:
    item = item_of(world, LOG)
    asked = ask(api, item.reference, {"rate_limit": 60})
    assert asked.status_code == 201, asked.content
    told = asked.json()
    assert (told["state"], told["rate_limit"], told["rows"], told["sha256"]) == ("queued", 60, None, None)
    url = asked.headers["Location"]
    assert api.get(f"{url}report/").status_code == 404
    row = begin(told["id"])
    assert row is not None
    assert hear(row.pk, read=item.size // 2, rows=1234, attempt=1)
    told = api.get(url).json()
    assert (told["state"], told["rows"], told["bytes_read"]) == ("running", 1234, item.size // 2)
    assert told["percent"] == 90 * (item.size // 2) // item.size
    assert told["seconds_left"] is not None
    Analysis.objects.update(state="queued")  # as if its worker had never been
    done = work(told["id"])
    assert done is not None
    told = api.get(url).json()
    assert (told["state"], told["percent"], told["failure"]) == ("done", 100, "")
    assert told["rows"] == done.report.content["rows"] == LOG.count(b"\n")
    report = api.get(f"{url}report/")
    assert hashlib.sha256(report.content).hexdigest() == told["sha256"]
    assert report.content.decode() == done.report.written
    listed = api.get(f"/api/v1/evidence/{item.reference}/analyses/").json()["results"]
    assert [one["id"] for one in listed] == [told["id"]]


def test_asking_again_is_the_same_analysis(world: SimpleNamespace, api: Browser) -> None:
    item = item_of(world, LOG)
    first = ask(api, item.reference, **{"idempotency-key": "a"})
    again = ask(api, item.reference, **{"idempotency-key": "a"})
    assert again.content == first.content
    assert again.headers["Idempotency-Replayed"] == "true"
    other = ask(api, item.reference)
    assert (other.status_code, other.json()["id"]) == (200, first.json()["id"])
    assert Analysis.objects.count() == 1


def test_a_file_that_was_analysed_stays_with_its_report(world: SimpleNamespace, api: Browser, storage: Path) -> None:
    """Also before it is handed in: what was found in a log is nothing without the log."""
    item = evidence_item(world.officer, kind="access_log")
    assert ask(api, item.reference).status_code == 201
    refused = api.post(f"/api/v1/evidence/{item.reference}/remove/", {}, "application/json", headers={"if-match": "*"})
    assert (refused.status_code, "analysis" in refused.json()["detail"]) == (409, True)
    assert signed_in(world.officer).post(f"/evidence/{item.reference}/remove/").status_code == 409
    assert (storage / item.file.name).exists()
    assert Analysis.objects.get().item == item
    assert not Event.objects.filter(verb="evidence.removed").exists()


def test_a_client_that_only_writes_is_told_no_more_than_the_state(world: SimpleNamespace, api: Browser) -> None:
    item = item_of(world, LOG)
    told = ask(program(world, world.officer, "evidence:write"), item.reference).json()
    assert set(told) == {"id", "state"}


@pytest.mark.parametrize("body", [{"rate_limit": "60"}, {"rate_limit": 0}, {"rate_limit": True}, {"limit": 6}])
def test_what_is_no_rate_limit_is_refused(world: SimpleNamespace, api: Browser, body: Any) -> None:
    assert ask(api, item_of(world, LOG).reference, body).status_code == 400
    assert not Analysis.objects.exists()


def test_only_logs_are_analysed(world: SimpleNamespace, api: Browser) -> None:
    letter = item_of(world, b"Dear Sirs", "letter.txt", kind="correspondence")
    assert ask(api, letter.reference).status_code == 403


def test_who_was_shown_the_public_version_sees_no_analysis(world: SimpleNamespace, api: Browser) -> None:
    item = item_of(world, LOG)
    url = ask(api, item.reference).headers["Location"]
    with transaction.atomic():
        grant([item], world.rival, projection=NON_CONFIDENTIAL, reason="test", by=world.caseworker)
    rival = program(world, world.rival_officer, "evidence:read", "evidence:write")
    assert rival.get(f"/api/v1/evidence/{item.reference}/").status_code == 200
    for address in (url, f"{url}report/", f"/api/v1/evidence/{item.reference}/analyses/"):
        assert rival.get(address).status_code == 404
    assert ask(rival, item.reference).status_code == 403
