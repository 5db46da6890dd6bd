"""Who sees which version of an item, how it leaves the house, and what can no longer be taken back."""

from datetime import timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from django.db import DatabaseError, connection, transaction
from django.test import Client

from evidence import actions
from evidence.models import FULL, NON_CONFIDENTIAL, EvidenceItem, Grant
from ledger.models import Event
from ledger.time import now
from tests import cast
from web.problems import Conflict, Invalid

CANARIES = {
    "title": "canary-title",
    "relevance": "canary-relevance",
    "source_system": "canary-system",
    "collected_by": "canary-collector",
    "collection_method": "canary-method",
    "original_retained_where": "canary-where",
    "time_source": "canary-clock",
    "sampling": "canary-sampling",
    "pseudonymisation": "canary-pseudonyms",
    "confidentiality_reason": "canary-reason",
}


@pytest.fixture
def item(world: SimpleNamespace) -> EvidenceItem:
    return cast.evidence_item(world.officer, file=cast.a_file("canary-name.csv"), **CANARIES)


@transaction.atomic
def hand_in(item: EvidenceItem, by: Any) -> None:
    actions.hand_in([item], by=by, at=now())


@transaction.atomic
def show(item: EvidenceItem, organisation: Any, projection: str) -> None:
    actions.grant([item], organisation, projection, by=None, reason="test")


def page(user: Any, item: EvidenceItem) -> Any:
    return cast.signed_in(user).get(f"/evidence/{item.reference}/")


def download(user: Any, item: EvidenceItem, version: str = "full") -> Any:
    return cast.signed_in(user).get(f"/evidence/{item.reference}/download/{version}/")


def body(response: Any) -> bytes:
    return b"".join(response.streaming_content)


def test_before_it_is_handed_in_it_is_the_owners_alone(world: SimpleNamespace, item: EvidenceItem) -> None:
    for who in ("officer", "colleague"):
        assert page(getattr(world, who), item).status_code == 200
    for who in ("rival_officer", "caseworker", "supervisor", "auditor", "authority_officer"):
        assert page(getattr(world, who), item).status_code == 404
        for version in ("full", "non-confidential"):
            assert download(getattr(world, who), item, version).status_code == 404
    assert Client().get(f"/evidence/{item.reference}/").status_code == 302


def test_handed_in_it_is_the_ministrys_too(world: SimpleNamespace, item: EvidenceItem) -> None:
    hand_in(item, world.officer)
    assert "canary-relevance" in page(world.caseworker, item).content.decode()
    answer = download(world.caseworker, item)
    assert body(answer) == b"minute,requests\n1,412\n"
    for who in ("rival_officer", "auditor", "authority_officer"):
        assert page(getattr(world, who), item).status_code == 404


def test_a_wall_hides_it_from_one_official(world: SimpleNamespace, item: EvidenceItem) -> None:
    hand_in(item, world.officer)
    with transaction.atomic():
        actions.wall_off([item], [world.caseworker])
    assert page(world.caseworker, item).status_code == 404
    assert download(world.caseworker, item).status_code == 404
    assert page(world.supervisor, item).status_code == 200


def test_recipient_of_the_non_confidential_version_learns_nothing_else(
    world: SimpleNamespace, item: EvidenceItem
) -> None:
    hand_in(item, world.officer)
    show(item, world.rival, NON_CONFIDENTIAL)
    answer = page(world.rival_officer, item)
    shown = answer.content.decode()
    assert answer.status_code == 200
    assert "canary" not in shown
    assert "Kestrel" not in shown
    assert world.officer.name not in shown
    assert item.sha256 not in shown
    assert item.public_sha256 in shown
    assert download(world.rival_officer, item).status_code == 404
    given = download(world.rival_officer, item, "non-confidential")
    assert body(given) == b"minute,requests\n1,hundreds\n"
    assert f'filename="{item.reference}-non-confidential.csv"' in given.headers["Content-Disposition"]
    assert "canary" not in str(given.headers)


def test_recipient_without_any_such_version_gets_nothing(world: SimpleNamespace) -> None:
    item = cast.evidence_item(world.officer, public=False)
    hand_in(item, world.officer)
    show(item, world.rival, NON_CONFIDENTIAL)
    assert page(world.rival_officer, item).status_code == 404
    for version in ("full", "non-confidential"):
        assert download(world.rival_officer, item, version).status_code == 404


def test_without_a_claim_the_file_itself_may_be_shown(world: SimpleNamespace) -> None:
    item = cast.evidence_item(world.officer, limb="none", confidentiality_reason="", public=False)
    show(item, world.rival, NON_CONFIDENTIAL)
    assert item.sha256 in page(world.rival_officer, item).content.decode()
    assert download(world.rival_officer, item).status_code == 404
    assert body(download(world.rival_officer, item, "non-confidential")) == b"minute,requests\n1,412\n"


def test_authority_sees_what_was_sent_while_it_was(world: SimpleNamespace, item: EvidenceItem) -> None:
    hand_in(item, world.officer)
    show(item, world.authority, FULL)
    assert "canary-title" in page(world.authority_officer, item).content.decode()
    assert body(download(world.authority_officer, item)) == b"minute,requests\n1,412\n"
    Grant.objects.update(until=now() - timedelta(seconds=1))
    assert page(world.authority_officer, item).status_code == 404
    assert download(world.authority_officer, item).status_code == 404


def test_owner_learns_that_it_was_shown_but_not_to_whom(world: SimpleNamespace, item: EvidenceItem) -> None:
    hand_in(item, world.officer)
    show(item, world.rival, NON_CONFIDENTIAL)
    show(item, world.authority, FULL)
    body(download(world.rival_officer, item, "non-confidential"))
    shown = page(world.officer, item).content.decode()
    assert "Another party" in shown
    assert "by another party" in shown
    assert "Open Markets Authority" in shown
    assert "Merlin" not in shown
    assert world.rival_officer.name not in shown
    assert "Merlin Ltd" in page(world.caseworker, item).content.decode()


# --- Downloads ------------------------------------------------------------------------------------------------------
def test_download_is_an_attachment_that_nothing_runs(world: SimpleNamespace, item: EvidenceItem) -> None:
    answer = download(world.officer, item)
    assert answer.headers["Content-Disposition"] == f'attachment; filename="{item.reference}-canary-name.csv"'
    assert answer.headers["Content-Type"] == "text/csv"
    assert answer.headers["X-Content-Type-Options"] == "nosniff"
    assert answer.headers["Content-Security-Policy"] == "default-src 'none'; sandbox"
    assert answer.headers["Cache-Control"] == "no-store"
    assert answer.headers["Content-Length"] == str(item.size)
    assert body(answer) == b"minute,requests\n1,412\n"


def test_download_is_on_record_before_the_first_byte(world: SimpleNamespace, item: EvidenceItem) -> None:
    hand_in(item, world.officer)
    answer = download(world.caseworker, item)
    event = Event.objects.get(verb="evidence.read")
    assert (event.actor, event.object_id, event.details) == (world.caseworker, item.pk, {"version": "full"})
    # Which official looked at it when is the ministry's to know.
    assert event.audience == []
    body(answer)


def test_download_is_a_get_and_nothing_else(world: SimpleNamespace, item: EvidenceItem) -> None:
    browser = cast.signed_in(world.officer)
    url = f"/evidence/{item.reference}/download/full/"
    assert [browser.post(url).status_code, browser.head(url).status_code] == [405, 405]
    assert not Event.objects.filter(verb="evidence.read").exists()


@pytest.mark.parametrize("version", ["FULL", "non_confidential", "public", "..%2f..%2fetc", "%00"])
def test_version_that_is_none_is_not_found(world: SimpleNamespace, item: EvidenceItem, version: str) -> None:
    assert download(world.officer, item, version).status_code == 404


@pytest.mark.parametrize(
    "reference", ["E-2026-0", "e-2026-000001", "E-2026-999999", "E-٢٠٢٦-000001", "x%00", "E-2026-000001x"]
)
def test_reference_that_is_none_is_not_found(world: SimpleNamespace, item: EvidenceItem, reference: str) -> None:
    assert cast.signed_in(world.officer).get(f"/evidence/{reference}/").status_code == 404


def test_file_that_is_gone_is_said_and_is_no_crash(world: SimpleNamespace, item: EvidenceItem, storage: Path) -> None:
    (storage / item.file.name).unlink()
    answer = download(world.officer, item)
    assert answer.status_code == 409
    assert "cannot be read at the moment" in answer.content.decode()


# --- Taking back ----------------------------------------------------------------------------------------------------
def test_owner_takes_back_what_was_not_handed_in(
    world: SimpleNamespace, item: EvidenceItem, storage: Path, django_capture_on_commit_callbacks: Any
) -> None:
    assert b"Remove E-" in page(world.officer, item).content
    with django_capture_on_commit_callbacks(execute=True):
        answer = cast.signed_in(world.colleague).post(f"/evidence/{item.reference}/remove/")
    assert answer.headers["Location"] == "/evidence/"
    assert not EvidenceItem.objects.exists()
    assert [p for p in storage.rglob("*") if p.is_file()] == []
    assert Event.objects.get(verb="evidence.removed").details["sha256"] == item.sha256


def test_what_was_handed_in_stays(world: SimpleNamespace, item: EvidenceItem, storage: Path) -> None:
    hand_in(item, world.officer)
    assert b"Remove E-" not in page(world.officer, item).content
    assert cast.signed_in(world.officer).post(f"/evidence/{item.reference}/remove/").status_code == 409
    with pytest.raises(Conflict):
        actions.remove(item.pk, by=world.officer)
    assert (storage / item.file.name).exists()


@pytest.mark.parametrize(("who", "code"), [("rival_officer", 404), ("caseworker", 404), ("authority_officer", 404)])
def test_nobody_else_takes_it_back(world: SimpleNamespace, item: EvidenceItem, who: str, code: int) -> None:
    answer = cast.signed_in(getattr(world, who)).post(f"/evidence/{item.reference}/remove/")
    assert answer.status_code == code
    assert EvidenceItem.objects.exists()


def test_removing_is_a_post(world: SimpleNamespace, item: EvidenceItem) -> None:
    assert cast.signed_in(world.officer).get(f"/evidence/{item.reference}/remove/").status_code == 405


# --- The database repeats the rules, to the application's own role --------------------------------------------------
@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE evidence_evidenceitem SET sha256 = repeat('0', 64)",
        "UPDATE evidence_evidenceitem SET file = 'items/another'",
        "UPDATE evidence_evidenceitem SET received_at = now() - interval '1 day'",
        "DELETE FROM evidence_evidenceitem",
        "TRUNCATE evidence_evidenceitem CASCADE",
        "ALTER TABLE evidence_evidenceitem DISABLE TRIGGER ALL",
    ],
)
def test_trigger_refuses_what_would_change_an_item(world: SimpleNamespace, item: EvidenceItem, statement: str) -> None:
    hand_in(item, world.officer)
    with connection.cursor() as cursor:
        cursor.execute("SELECT current_user")
        assert cursor.fetchone() == ("app",)
        with pytest.raises(DatabaseError), transaction.atomic():
            cursor.execute(statement)
    assert EvidenceItem.objects.get().sha256 == item.sha256


def test_claim_without_reason_is_refused_by_the_action(world: SimpleNamespace, storage: Path) -> None:
    with pytest.raises(Invalid):
        cast.evidence_item(world.officer, confidentiality_reason="")
    with pytest.raises(Invalid):
        cast.evidence_item(world.officer, public_file=None)
    assert [p for p in storage.rglob("*") if p.is_file()] == []


def test_list_shows_ones_own_only(world: SimpleNamespace, item: EvidenceItem) -> None:
    show(item, world.rival, NON_CONFIDENTIAL)
    assert item.reference in cast.signed_in(world.colleague).get("/evidence/").content.decode()
    theirs = cast.signed_in(world.rival_officer).get("/evidence/").content.decode()
    assert item.reference not in theirs
    assert "You have added no evidence yet" in theirs
    assert cast.signed_in(world.caseworker).get("/evidence/").status_code == 403
