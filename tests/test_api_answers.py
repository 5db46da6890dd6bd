"""What every answer of the API keeps to: instants in UTC, verbs that are addresses, filters that are there."""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import pytest
from django.urls import resolve, reverse

from accounts.actions import make_client
from accounts.rules import SCOPES_OF_KIND
from cases.models import Notice
from ledger.time import standing_at
from tests.access_world import Everything, everything
from tests.accounts.test_clients import bearer
from tests.api_world import APART, BESIDES, program, states
from tests.test_access import addresses

# A Wednesday thirty days after a Monday, as in the scene of the others: the clocks are an hour ahead of UTC all along.
SUMMER = datetime(2027, 7, 21, 9, 30, tzinfo=UTC)
_INSTANT = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d.*")


@pytest.fixture
def e(db: None, settings: Any) -> Iterator[Everything]:
    settings.SECOND_FACTOR_REQUIRED = False
    made = everything(SUMMER)
    with standing_at(SUMMER):
        yield made


# Answered byte for byte as it was written, so that its fingerprint fits.
AS_WRITTEN = {"api_analysis_report", "api_analysis_authorisations"}


def reads(e: Everything) -> list[str]:
    """Every address that answers a GET, of objects in every state."""
    objects, found = states(e), []
    for pattern in addresses():
        name = str(pattern.name)
        if name.startswith("api_") and name not in APART | AS_WRITTEN:
            one = pattern.pattern.regex.groups > 0
            several = objects[name.split("_")[1]].values() if one else [[]]
            found += [reverse(name, args=[*args, *BESIDES.get(name, [])]) for args in several]
    return found


def texts(told: Any, at: str = "") -> Iterator[tuple[str, str]]:
    """Every text of an answer, with where it stands."""
    if isinstance(told, dict):
        for name, inner in told.items():
            yield from texts(inner, f"{at}/{name}")
    elif isinstance(told, list):
        for inner in told:
            yield from texts(inner, at)
    elif isinstance(told, str):
        yield at, told


def test_instants_are_utc_in_summer_too(e: Everything) -> None:
    w = e.w
    programs = [program(e, who) for who in (w.complainant, w.respondent, w.caseworker, w.officer)]
    seen, wrong = set(), []
    for url in reads(e):
        for client in programs:
            answer = client.get(url)
            if answer.status_code != 200 or answer.headers["Content-Type"] != "application/json":
                answer.getvalue()
                continue
            for at, text in texts(answer.json()):
                if _INSTANT.fullmatch(text):
                    seen.add(at)
                    if not text.endswith("Z"):
                        wrong.append(f"{url} {at}: {text}")
    assert wrong == []
    assert {"/opened_at", "/results/at", "/version/received_at", "/answers/received_at", "/decision/at"} <= seen


def actions(told: Any) -> Iterator[list[str]]:
    """Every `allowed_actions` of an answer, also of what stands within."""
    if isinstance(told, dict):
        if "allowed_actions" in told:
            yield told["allowed_actions"]
        for inner in told.values():
            yield from actions(inner)
    elif isinstance(told, list):
        for inner in told:
            yield from actions(inner)


def test_what_can_be_done_next_is_an_address_that_the_token_may_use(e: Everything) -> None:
    """And a token that may only read is told of nothing that it can do."""
    w, told_of, wrong, urls = e.w, set(), [], reads(e)
    for who in (w.complainant, w.respondent, w.caseworker, w.officer):
        kind = who.organisation.kind
        whole = program(e, who)
        reading = bearer(*make_client(who.organisation_id, by=w.supervisor, name="R", scopes=only_reading(kind)))
        for url in urls:
            shown = whole.get(url)
            if shown.status_code != 200 or shown.headers["Content-Type"] != "application/json":
                shown.getvalue()
                continue
            told = shown.json()
            for verb in told.get("allowed_actions", []) if isinstance(told, dict) else []:
                told_of.add(verb)
                view: Any = resolve(f"{url}{verb}/").func
                if view.view_class.scopes["POST"] not in SCOPES_OF_KIND[kind]:
                    wrong.append(f"{kind}: {url}{verb}/")
            assert not any(actions(reading.get(url).json())), url
    assert wrong == []
    assert {"grant", "refuse", "remove", "answer", "amend", "acknowledge", "comment"} <= told_of


def only_reading(kind: str) -> list[str]:
    return [scope for scope in SCOPES_OF_KIND[kind] if scope.endswith(":read")]


def test_parameter_that_means_nothing_is_refused(e: Everything) -> None:
    """A misspelt filter would answer everything; a misspelt dry run would file."""
    client, tried = program(e, e.w.caseworker), 0
    for url in reads(e):
        answer = client.get(url, {"stete": "draft"})
        if answer.status_code in {200, 400}:
            assert answer.status_code == 400, url
            assert [error["pointer"] for error in answer.json()["errors"]] == ["#/stete"]
            tried += 1
        answer.getvalue()
    assert tried > 20
    files = program(e, e.w.complainant)
    refused = files.post("/api/v1/disclosures/?dryrun=true", {"content": {}}, "application/json")
    assert [error["pointer"] for error in refused.json()["errors"]] == ["#/dryrun"]
    assert refused.status_code == 400
    for url in ("/api/v1/disclosures/?dry_run=true&dry_run=false", "/api/v1/disclosures/?dry_run=false&dry_run=true"):
        assert files.post(url, {"content": {}}, "application/json").status_code == 400
    for blank in ("", "%20", "%E3%80%80"):
        assert files.get(f"/api/v1/disclosures/?filer_reference={blank}").status_code == 400


def test_filters_have_names_of_their_own(e: Everything) -> None:
    client, notice = program(e, e.w.caseworker), Notice.objects.get(reference=e.args["api_notice"][0])
    found = client.get("/api/v1/notices/", {"case": notice.case.reference}).json()["results"]
    assert {one["case"] for one in found} == {notice.case.reference}
    assert client.get("/api/v1/notices/", {"case": "C-2026-999999"}).json()["results"] == []
    assert client.get("/api/v1/notices/", {"case__reference": "x"}).status_code == 400
    assert client.get("/api/v1/usage/batches/", {"feed": "main"}).status_code == 200


@pytest.mark.parametrize("said", ["yes", 1, 0, "true", None])
def test_yes_and_no_are_no_words_and_no_numbers(e: Everything, said: Any) -> None:
    asked = {"text": "Why?", "mandatory": said}
    body = {"title": "t", "subject": "s", "purpose": "p", "respondents": [e.w.stranger.organisation_id]}
    answer = program(e, e.w.caseworker).post(
        "/api/v1/cases/", {**body, "respondent_questions": [asked]}, "application/json"
    )
    assert answer.status_code == 400
    assert [error["pointer"] for error in answer.json()["errors"]] == ["#/respondent_questions/0/mandatory"]
