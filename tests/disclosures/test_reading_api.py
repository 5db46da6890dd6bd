"""What a program reads of filings: why one came back, its draft, each version; what is confidential by a scope alone."""

from __future__ import annotations

from datetime import UTC, timedelta
from typing import Any

import pytest
from django.test import Client as Browser
from rest_framework.serializers import DateTimeField

from accounts.actions import make_client
from accounts.models import User
from cases.actions import case as cases
from cases.actions.referrals.making import refer
from config import acts
from disclosures import actions as act
from disclosures.catalogue import SCHEMAS
from disclosures.examples import EXAMPLES
from disclosures.models import Filing
from ledger.time import local_date, now
from tests import cast
from tests.accounts.test_clients import bearer
from tests.cases.world import World, open_case, world
from tests.test_canary import Canaries, with_canaries

pytestmark = pytest.mark.django_db(transaction=True)
PLAIN = {"disclosure": ("disclosures:read", "disclosures:write"), "allegation": ("allegations:read",)}


@pytest.fixture
def w(settings: Any) -> World:
    settings.SECOND_FACTOR_REQUIRED = False
    return world()


def program(who: User, *scopes: str) -> Browser:
    admin = who if who.role in {"company_admin", "supervisor"} else None
    by = admin or cast.person(cast.organisation("Ministry", kind="ministry"), "supervisor")
    made: Browser = bearer(*make_client(who.organisation_id, by=by, name="P", scopes=scopes))
    return made


def confidential(kind: str) -> set[str]:
    return {f.name for f in SCHEMAS[kind].fields.values() if f.confidential}


def filed(w: World, kind: str, canary: Canaries) -> Filing:
    """A filing that was handed in, with a canary wherever a confidential text goes."""
    content = with_canaries(kind, EXAMPLES[kind], canary)
    content["filer_reference"] = "READ-1"
    if kind == "allegation":
        content["evidence"] = [acts.give_evidence(w.complainant, "Gateway log").reference]
    standing = act.declare_standing(
        by=w.complainant, name="Kit Rowe", capacity="Director", expires_on=local_date(now()) + timedelta(days=90)
    )
    [outcome] = act.file(kind, [act.Item(content, standing.reference)], by=w.complainant, received_at=now())
    assert outcome.filing is not None, outcome.errors
    return Filing.objects.get(pk=outcome.filing.pk)


def secret(canary: Canaries, kind: str) -> Canaries:
    """The canaries of the fields in which confidence may be claimed."""
    kept = Canaries()
    kept.words = {name: word for name, word in canary.words.items() if name.split(".")[1] in confidential(kind)}
    assert kept.words
    return kept


@pytest.mark.parametrize("kind", ["disclosure", "allegation"])
def test_nothing_confidential_leaves_without_its_scope(w: World, kind: str) -> None:
    canary = Canaries()
    filing = filed(w, kind, canary)
    hidden, root = secret(canary, kind), f"/api/v1/{kind}s/{filing.reference}/"
    paths = [root, f"{root}versions/1/", f"/api/v1/{kind}s/"]
    for who in (w.complainant, w.supervisor):
        narrow, wide = program(who, f"{kind}s:read"), program(who, f"{kind}s:read", f"{kind}s:confidential")
        assert [hidden.seen_in(narrow.get(path).content.decode()) for path in paths] == [set()] * 3
        for path in paths[:2]:
            assert hidden.seen_in(wide.get(path).content.decode()) == set(hidden.words)
        # The scope alone opens nothing.
        assert program(who, f"{kind}s:confidential").get(root).status_code == 403
    rival = program(w.respondent, f"{kind}s:read", f"{kind}s:confidential")
    assert [rival.get(path).status_code for path in paths] == [404, 404, 200]


def test_draft_is_read_by_its_filer_and_by_nobody_else(w: World) -> None:
    canary = Canaries()
    filing = act.start("disclosure", by=w.complainant)
    content = with_canaries("disclosure", EXAMPLES["disclosure"], canary)
    act.save_content(filing.pk, by=w.complainant, content={**content, "filer_reference": "READ-2"})
    path = f"/api/v1/disclosures/{filing.reference}/"
    told = program(w.complainant, "disclosures:read").get(path).json()
    hidden = confidential("disclosure") & set(content)
    assert hidden
    assert set(told["draft"]["content"]) == set(content) - hidden
    wide = program(w.complainant, "disclosures:read", "disclosures:confidential").get(path).json()
    assert wide["draft"]["content"] == {**content, "filer_reference": "READ-2"}
    assert (told["versions"], told["version"], told["reviews"]) == ([], None, [])
    for who in (w.supervisor, w.respondent):
        assert program(who, "disclosures:read", "disclosures:confidential").get(path).status_code == 404


def test_returned_filing_says_why_and_each_version_stays_readable(w: World) -> None:
    filing = filed(w, "disclosure", Canaries())
    key = SCHEMAS["disclosure"].sections[1].key
    act.return_(filing.pk, by=w.caseworker, reasons={key: "Say which models."})
    path = f"/api/v1/disclosures/{filing.reference}/"
    for who in (w.complainant, w.supervisor):
        told = program(who, "disclosures:read").get(path).json()
        [review] = told["reviews"]
        assert (review["version"], review["outcome"], review["reasons"]) == (1, "returned", {key: "Say which models."})
        assert w.caseworker.name not in str(told)
    first = program(w.complainant, "disclosures:read").get(path).json()
    assert first["draft"]["revision"] == 0
    act.submit_standing(
        filing.pk, by=w.complainant, standing_declaration=first["version"]["standing_declaration"], received_at=now()
    )
    told = program(w.complainant, "disclosures:read").get(path).json()
    assert (told["versions"], told["version"]["number"], told["draft"]) == ([1, 2], 2, None)
    client = program(w.complainant, "disclosures:read")
    assert client.get(f"{path}versions/1/").json() == first["version"]
    assert client.get(f"{path}versions/3/").status_code == 404
    tag = client.get(f"{path}versions/1/").headers["ETag"]
    assert client.get(f"{path}versions/1/", headers={"if-none-match": tag}).status_code == 304


def test_authority_reads_the_version_it_was_given_and_no_reviews(w: World) -> None:
    case = open_case(w, at=now())
    assert case.source is not None
    refer(case.pk, by=w.supervisor, reason="It cannot wait")
    client = program(w.officer, "allegations:read")
    path = f"/api/v1/allegations/{case.source.reference}/"
    told = client.get(path).json()
    assert (told["versions"], told["reviews"]) == ([1], [])
    assert not confidential("allegation") & set(told["version"]["content"])
    assert client.get(f"{path}versions/1/").json() == told["version"]
    cases.declare_conflict(case.pk, by=w.supervisor, reason="My sister works there")
    assert program(w.supervisor, "allegations:read").get(f"{path}versions/1/").status_code == 404


def test_answer_made_for_a_token_that_reads_more_is_not_replayed_to_one_that_reads_less(w: World) -> None:
    canary = Canaries()
    filing = filed(w, "disclosure", canary)
    made = make_client(
        w.supervisor.organisation_id,
        by=w.supervisor,
        name="P",
        scopes=["disclosures:read", "disclosures:confidential", "disclosures:review"],
    )
    wide, narrow = bearer(*made), bearer(*made, scope="disclosures:read disclosures:review")
    url, headers = f"/api/v1/disclosures/{filing.reference}/accept/", {"if-match": "*", "idempotency-key": "k"}
    first = wide.post(url, {}, "application/json", headers=headers)
    assert secret(canary, "disclosure").seen_in(first.content.decode())
    assert wide.post(url, {}, "application/json", headers=headers).content == first.content
    assert narrow.post(url, {}, "application/json", headers=headers).status_code == 422


# --- What is created is found ------------------------------------------------------------------------------------------
def test_created_filing_has_the_tag_that_a_read_has(w: World) -> None:
    client = program(w.complainant, *PLAIN["disclosure"])
    made = client.post("/api/v1/disclosures/", {"content": EXAMPLES["disclosure"]}, "application/json")
    assert made.status_code == 201
    assert client.get(made.headers["Location"]).headers["ETag"] == made.headers["ETag"]
    tried = client.post("/api/v1/disclosures/?dry_run=true", {"content": {}}, "application/json")
    assert not {"ETag", "Location"} & set(tried.headers)


def test_amendment_is_a_filing_of_its_own(w: World) -> None:
    filing = filed(w, "disclosure", Canaries())
    act.accept(filing.pk, by=w.caseworker)
    client = program(w.complainant, *PLAIN["disclosure"])
    url = f"/api/v1/disclosures/{filing.reference}/amend/"
    made = client.post(url, {}, "application/json", headers={"if-match": "*"})
    assert made.status_code == 201
    amendment = Filing.objects.get(amends=filing)
    assert made.headers["Location"] == f"/api/v1/disclosures/{amendment.reference}/"
    assert made.json()["amends"] == filing.reference
    assert client.get(made.headers["Location"]).headers["ETag"] == made.headers["ETag"]


# --- Receipts and standing declarations --------------------------------------------------------------------------------
def test_receipt_is_checked_by_anybody_who_holds_it(w: World) -> None:
    filing = filed(w, "disclosure", Canaries())
    version = filing.latest
    url, nobody = f"/api/v1/receipts/{filing.reference}/", Browser()
    told = nobody.get(url, {"sha256": version.sha256.upper()}).json()
    assert told["matches"] is True
    assert told["received_at"] == DateTimeField().to_representation(version.received_at.astimezone(UTC))
    other = nobody.get(url, {"sha256": "0" * 64}).json()
    assert (other["matches"], other["received_at"]) == (False, None)
    unknown = nobody.get("/api/v1/receipts/D-2026-999999/", {"sha256": version.sha256}).json()
    assert (unknown["matches"], unknown["received_at"]) == (False, None)
    for query in ({}, {"sha256": "abc"}, {"sha256": version.sha256, "x": "1"}):
        assert nobody.get(url, query).status_code == 400


def test_program_sees_until_when_it_can_cite_a_declaration(w: World) -> None:
    day = local_date(now()) + timedelta(days=90)
    standing = act.declare_standing(by=w.complainant, name="Kit Rowe", capacity="Director", expires_on=day)
    client = program(w.complainant, "declarations:read")
    [told] = client.get("/api/v1/standing-declarations/").json()["results"]
    assert (told["reference"], told["state"], told["expires_on"]) == (standing.reference, "live", day.isoformat())
    act.revoke_standing(standing.pk, by=w.complainant)
    url = "/api/v1/standing-declarations/"
    [told] = client.get(url, {"reference": standing.reference}).json()["results"]
    assert (told["state"], told["revoked_at"] is None) == ("revoked", False)
    assert client.post(url, {}, "application/json").status_code == 405
    assert program(w.respondent, "declarations:read").get(url).json()["results"] == []
    assert program(w.complainant, "disclosures:read").get(url).status_code == 403
