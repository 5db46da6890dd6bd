"""Everything that leaves a sandbox says so; and its clock is moved once, however often one has to ask."""

from __future__ import annotations

import io
import json
from datetime import timedelta
from pathlib import Path
from typing import Any

import pypdf
import pytest
from django.db import OperationalError
from django.db.backends.base.base import BaseDatabaseWrapper
from django.test import Client as Browser
from django.test import RequestFactory

from accounts.actions import make_client
from accounts.models import KeptAnswer
from config.views import sandbox
from ledger import time
from ledger.sandbox import Ahead
from ledger.time import now, run_ahead
from notifications.actions.webhooks import add_endpoint, lease
from notifications.letters import FROM_THE_SANDBOX, render
from notifications.models import Delivery
from tests import cast
from tests.accounts.test_clients import bearer
from web import pdf, problems

pytestmark = pytest.mark.django_db(transaction=True)
CLOCK = "/api/v1/sandbox/clock/"


@pytest.fixture
def ahead(settings: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Ahead:
    settings.SANDBOX, settings.SANDBOX_CLOCK = True, tmp_path / "clock"
    settings.ROOT_URLCONF, settings.SECOND_FACTOR_REQUIRED = "tests.config.sandbox_urls", False
    monkeypatch.setattr(time, "_ahead", None)
    clock = Ahead(settings.SANDBOX_CLOCK)
    run_ahead(clock)
    return clock


@pytest.fixture
def program(ahead: Ahead) -> Browser:
    admin = cast.person(cast.organisation("Kestrel Ltd"), "company_admin")
    made: Browser = bearer(*make_client(admin.organisation_id, by=admin, name="P", scopes=["organisations:read"]))
    return made


def move(client: Browser, days: Any, key: str = "") -> Any:
    headers = {"idempotency-key": key} if key else {}
    return client.post(CLOCK, json.dumps({"days": days}), "application/json", headers=headers)


# --- The clock ------------------------------------------------------------------------------------------------------------
def test_retry_under_a_key_moves_the_clock_once(program: Browser, ahead: Ahead) -> None:
    first = move(program, 14, "k-1")
    assert first.status_code == 200, first.content
    assert first.json()["done"], "what fell due is told"
    again = move(program, 14, "k-1")
    assert again.content == first.content
    assert again.headers["Idempotency-Replayed"] == "true"
    assert ahead() == timedelta(days=14)
    assert move(program, 15, "k-1").status_code == 422
    assert move(program, 14).status_code == 200
    assert ahead() == timedelta(days=28)


def test_retry_of_a_move_that_broke_off_moves_nothing(
    program: Browser, ahead: Ahead, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The clock was moved and the key kept; then the process ended among the sweeps."""

    def broken() -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(sandbox.tasks, "run_all", broken)
        with pytest.raises(KeyboardInterrupt):
            move(program, 14, "k-2")
    again = move(program, 14, "k-2")
    assert (again.status_code, again.json()["done"]) == (200, {})
    assert ahead() == timedelta(days=14)


def test_move_whose_commit_fails_moves_nothing(program: Browser, ahead: Ahead, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(self: Any) -> None:
        raise OperationalError("the server is gone")

    with monkeypatch.context() as patch:
        patch.setattr(BaseDatabaseWrapper, "commit", broken)
        with pytest.raises(OperationalError):
            move(program, 14, "k-4")
    assert ahead() == timedelta(0)
    assert not KeptAnswer.objects.exists()
    before = now()
    assert move(program, 14, "k-4").status_code == 200
    assert ahead() == timedelta(days=14), "the retry moves it, and once"
    assert timedelta(days=14) <= now() - before < timedelta(days=14, minutes=1)


def test_refused_move_uses_up_no_key(program: Browser, ahead: Ahead) -> None:
    for days in (0, 401, "1", -1):
        assert move(program, days, "k-3").status_code == 400
    assert ahead() == timedelta(0)
    assert not KeptAnswer.objects.exists()
    assert move(program, 1, "k-3").status_code == 200
    assert Browser().post(CLOCK, "{}", "application/json").status_code == 401


# --- The marks ------------------------------------------------------------------------------------------------------------
def test_every_answer_is_marked(program: Browser) -> None:
    for url in ("/", "/nowhere/", "/api/v1/nowhere/", CLOCK):
        answer = Browser().get(url)
        assert answer.headers["Candour-Sandbox"] == "true"
        if not url.startswith("/api/"):
            assert "This is the sandbox." in answer.content.decode()


def test_page_of_an_error_is_marked_and_reads_no_database(ahead: Ahead, settings: Any) -> None:
    request = RequestFactory().get("/")
    assert "This is the sandbox." in problems.server_error(request).content.decode()
    settings.SANDBOX = False
    assert "This is the sandbox." not in problems.server_error(request).content.decode()


def test_webhook_is_marked(ahead: Ahead, settings: Any) -> None:
    admin = cast.person(cast.organisation("Kestrel Ltd"), "company_admin")
    add_endpoint(admin.organisation_id, by=admin, url="https://hooks.kestrel.example/")
    delivery = Delivery.objects.get()
    parcel = lease(delivery.pk)
    assert parcel is not None
    assert parcel.headers["Candour-Sandbox"] == "true"
    Delivery.objects.update(leased_until=None, next_attempt_at=now())
    settings.SANDBOX = False
    parcel = lease(delivery.pk)
    assert parcel is not None
    assert "Candour-Sandbox" not in parcel.headers


def test_letter_and_document_are_marked(ahead: Ahead, settings: Any) -> None:
    def made() -> tuple[str, str, str]:
        subject, body = render("filing_receipt", {"reference": "D-2026-000001", "kind": "disclosure"}, "/x/")
        file = pdf.render("document.typ", {"title": "Receipt", "reference": "D-2026-000001", "footer": "Version 1"})
        return subject, body, pypdf.PdfReader(io.BytesIO(file)).pages[0].extract_text()

    subject, body, text = made()
    assert subject.startswith("[Sandbox] ")
    assert body.startswith(FROM_THE_SANDBOX)
    assert "Made in the sandbox." in text
    assert "Sandbox. Version 1" in text
    settings.SANDBOX = False
    assert not any("andbox" in told for told in made())
