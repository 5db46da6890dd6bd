"""Evidence for machines: handed in as on the page, read by projection, fetched with a record of it."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import Client as Browser
from drf_spectacular.generators import SchemaGenerator

from accounts.actions import make_client
from accounts.models import User
from evidence.actions import grant, hand_in
from evidence.models import NON_CONFIDENTIAL, EvidenceItem
from ledger.models import Event
from ledger.time import now
from tests import cast
from tests.accounts.test_clients import bearer

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("storage")]
URL = "/api/v1/evidence/"
CONTENT = b"minute,requests\n1,412\n"


@pytest.fixture
def admin(settings: Any) -> User:
    settings.SECOND_FACTOR_REQUIRED = False
    return cast.person(cast.organisation("Kestrel Ltd"), "company_admin")


def program(admin: User) -> Browser:
    scopes = ["evidence:read", "evidence:write"]
    return bearer(*make_client(admin.organisation_id, by=admin, name="Program", scopes=scopes))


def known(**over: Any) -> dict[str, Any]:
    fields = {**cast.CUSTODY, "title": "Gateway log", "collected_on": "2026-03-02", "personal_data": "false"}
    fields |= {"collector_declares": "true", "no_public_version_because": "Nothing is left without the figures."}
    fields |= {"file": SimpleUploadedFile("usage.csv", CONTENT), **over}
    return {name: value for name, value in fields.items() if value is not None}


def test_evidence_is_handed_in_and_fetched(admin: User) -> None:
    client = program(admin)
    made = client.post(URL, known())
    assert made.status_code == 201, made.content
    told = made.json()
    assert told["sha256"] == hashlib.sha256(CONTENT).hexdigest()
    assert made.headers["Location"] == f"{URL}{told['reference']}/"
    assert "confidentiality_reason" not in told
    assert told["allowed_actions"] == ["remove"]
    one = client.get(f"{URL}{told['reference']}/")
    assert made.headers["ETag"] == one.headers["ETag"]
    assert one.json() == told
    got = client.get(f"{URL}{told['reference']}/file/full/")
    assert b"".join(got.streaming_content) == CONTENT  # type: ignore[attr-defined]
    assert got.headers["Content-Disposition"].startswith("attachment")
    assert Event.objects.filter(verb="evidence.read").count() == 1
    assert client.get(f"{URL}{told['reference']}/file/non-confidential/").status_code == 404


def test_example_is_accepted_as_it_stands(admin: User) -> None:
    schema = SchemaGenerator().get_schema(request=None, public=True)
    body = schema["paths"][URL]["post"]["requestBody"]["content"]["multipart/form-data"]
    for example in body["examples"].values():
        fields = dict(example["value"])
        fields["file"] = SimpleUploadedFile("requests.csv", fields["file"].encode())
        assert program(admin).post(URL, fields).status_code == 201
    assert EvidenceItem.objects.get().title == "Requests by day"


@pytest.mark.parametrize(
    ("over", "pointer"),
    [
        ({"file": None}, "#/file"),
        ({"file": "text"}, "#/file"),
        ({"file": SimpleUploadedFile("a.pdf", b"<html>")}, "#/file"),
        ({"title": None}, "#/title"),
        ({"title": "x" * 201}, "#/title"),
        ({"kind": "gossip"}, "#/kind"),
        ({"collected_on": "02/03/2026"}, "#/collected_on"),
        ({"collected_on": "2999-01-01"}, "#/collected_on"),
        ({"personal_data": "maybe"}, "#/personal_data"),
        ({"collector_declares": "false"}, "#/collector_declares"),
        ({"derived_from": "E-2026-999999"}, "#/derived_from"),
        ({"no_public_version_because": None}, "#/public_file"),
        ({"submitted_at": "2026-01-01"}, "#/submitted_at"),
        ({"organisation": "1"}, "#/organisation"),
    ],
)
def test_what_is_wrong_is_told_by_pointer(admin: User, over: dict[str, Any], pointer: str) -> None:
    refused = program(admin).post(URL, known(**over))
    assert refused.status_code == 400, refused.content
    assert [e["pointer"] for e in refused.json()["errors"]] == [pointer]
    assert not EvidenceItem.objects.exists()


def test_recipient_of_the_non_confidential_version_learns_nothing_else(admin: User) -> None:
    rival = cast.person(cast.organisation("Merlin Ltd"), "company_admin")
    item = cast.evidence_item(admin, title="Secret title")
    client = program(rival)
    assert client.get(f"{URL}{item.reference}/").status_code == 404
    from django.db import transaction

    with transaction.atomic():
        hand_in([item], by=admin, at=now())
        grant([item], rival.organisation, NON_CONFIDENTIAL, by=None, reason="case:1")
    told = client.get(f"{URL}{item.reference}/").json()
    assert set(told) == {"reference", "media_type", "size", "sha256"}
    assert told["sha256"] == item.public_sha256
    assert client.get(URL).json()["results"] == []
    assert client.get(f"{URL}{item.reference}/file/full/").status_code == 404
    got = client.get(f"{URL}{item.reference}/file/non-confidential/")
    assert hashlib.sha256(b"".join(got.streaming_content)).hexdigest() == item.public_sha256  # type: ignore[attr-defined]


def test_what_was_not_handed_in_is_taken_back(admin: User, storage: Path) -> None:
    item = cast.evidence_item(admin)
    client, url = program(admin), f"{URL}{item.reference}/remove/"
    assert client.post(url, {}, "application/json").status_code == 428
    done = client.post(url, {}, "application/json", headers={"if-match": "*"})
    assert (done.status_code, done.json()["state"]) == (200, "removed")
    assert not EvidenceItem.objects.exists()


def test_upload_that_is_no_form_is_refused(admin: User) -> None:
    client = program(admin)
    assert client.post(URL, {"title": "x"}, "application/json").status_code == 415
    assert client.post(URL, b"nonsense", "multipart/form-data; boundary=x").status_code == 400
