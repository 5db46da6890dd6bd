"""Uploads as a browser sends them: what arrives is kept whole, and what goes wrong leaves nothing behind."""

import hashlib
import io
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.core.management import CommandError, call_command
from django.http import HttpResponse
from django.test import Client
from django.test.client import BOUNDARY, MULTIPART_CONTENT, encode_multipart
from pytest_django import Settings

from evidence.models import EvidenceItem
from ledger.models import Event
from ledger.time import now
from tests import cast

CONTENT = b"minute,requests\n1,412\n"
FORM: dict[str, Any] = {
    "title": "Gateway log",
    "kind": "access_log",
    "relevance": "Row 2 shows the peak.",
    "period_from_day": "1",
    "period_from_month": "2",
    "period_from_year": "2026",
    "period_to_day": "28",
    "period_to_month": "February",
    "period_to_year": "2026",
    "source_system": "API gateway",
    "collected_by": "A. Archivist",
    "collected_on_day": "2",
    "collected_on_month": "3",
    "collected_on_year": "2026",
    "collection_method": "Exported by query",
    "original_retained_where": "Log store",
    "time_source": "UTC by NTP",
    "sampling": "None",
    "pseudonymisation": "None",
    "personal_data": "no",
    "derived_from": "",
    "limb": "none",
    "confidentiality_reason": "",
    "no_public_version_because": "",
    "collector_declares": "on",
}


def send(user: Any, url: str = "/evidence/new/", **over: Any) -> HttpResponse:
    data = {**FORM, "file": cast.a_file(content=CONTENT), **over}
    return cast.signed_in(user).post(url, {name: value for name, value in data.items() if value is not None})


def left_behind(storage: Path) -> list[str]:
    """Rows, stored files and temporary files after a refusal."""
    temporary = storage.parent / "tmp"
    files = [path.name for folder in (storage, temporary) for path in folder.rglob("*") if path.is_file()]
    return files + list(EvidenceItem.objects.values_list("reference", flat=True))


def test_upload_is_kept_whole_and_on_record(world: SimpleNamespace, storage: Path) -> None:
    before = now()
    answer = send(world.officer)
    item = EvidenceItem.objects.get()
    assert answer.headers["Location"] == f"/evidence/{item.reference}/"
    assert item.sha256 == hashlib.sha256(CONTENT).hexdigest()
    assert (item.size, item.media_type, item.original_name) == (len(CONTENT), "text/csv", "usage.csv")
    assert before <= item.received_at <= now()
    assert (item.organisation, item.submitted_by, item.personal_data) == (world.company, world.officer, False)
    assert [str(item.period_from), str(item.period_to)] == ["2026-02-01", "2026-02-28"]
    assert item.submitted_at is None
    (stored,) = [path for path in storage.rglob("*") if path.is_file()]
    assert stored.read_bytes() == CONTENT
    assert stored.stat().st_mode & 0o777 == 0o600
    assert "usage" not in stored.name
    event = Event.objects.get(verb="evidence.received")
    assert (event.actor, event.private, event.at) == (world.officer, True, item.received_at)
    assert event.details["sha256"] == item.sha256


def test_both_versions_are_kept_apart(world: SimpleNamespace, storage: Path) -> None:
    public = SimpleUploadedFile("../../etc/öffentlich.txt", b"Nothing here")
    send(world.officer, limb="commercial", confidentiality_reason="Volumes", public_file=public)
    item = EvidenceItem.objects.get()
    assert (item.public_name, item.public_media_type, item.public_size) == ("_ffentlich.txt", "text/plain", 12)
    assert item.public_sha256 == hashlib.sha256(b"Nothing here").hexdigest()
    assert sorted(p.parent.name for p in storage.rglob("*") if p.is_file()) == ["items", "public"]


@pytest.mark.parametrize(
    ("name", "content", "said"),
    [
        ("page.pdf", b"<!DOCTYPE html><script>alert(1)</script>", "content is not that of a .pdf file"),
        ("run.csv", b"MZ\x90\x00\x03\x00", "content is not that of a .csv file"),
        ("vector.svg", b"<svg/>", "must be one of these types"),
        ("empty.csv", b"", "The file is empty"),
        ("large.csv", b"1,2\n" * 400, "The file must be smaller than 1 KB"),
    ],
)
@pytest.mark.parametrize("field", ["file", "public_file"])
def test_file_that_cannot_be_taken_leaves_nothing_and_the_form_is_kept(
    world: SimpleNamespace, storage: Path, settings: Settings, field: str, name: str, content: bytes, said: str
) -> None:
    settings.EVIDENCE_MAX_BYTES = 1024
    claim = {"limb": "commercial", "confidentiality_reason": "Volumes"}
    answer = send(world.officer, **claim, **{field: SimpleUploadedFile(name, content)})
    assert answer.status_code == 400
    page = answer.content.decode()
    assert said in page
    assert f'href="#id_{field}"' in page
    assert 'value="Gateway log"' in page
    assert "Choose the files again" in page
    assert left_behind(storage) == []


def test_upload_past_the_limit_is_not_written_to_disk(
    world: SimpleNamespace, storage: Path, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings.EVIDENCE_MAX_BYTES = 256 * 1024
    written = 0
    from evidence.intake import TemporaryFileUploadHandler

    original = TemporaryFileUploadHandler.receive_data_chunk

    def counted(handler: Any, data: bytes, start: int) -> Any:
        nonlocal written
        written += len(data)
        return original(handler, data, start)

    monkeypatch.setattr(TemporaryFileUploadHandler, "receive_data_chunk", counted)
    answer = send(world.officer, file=SimpleUploadedFile("large.csv", b"1,2\n" * 512 * 1024))
    assert answer.status_code == 400
    assert "must be smaller than 256 KB" in answer.content.decode()
    assert written <= 256 * 1024
    assert left_behind(storage) == []


def test_body_far_beyond_any_form_is_refused_unread(world: SimpleNamespace, storage: Path, settings: Settings) -> None:
    settings.EVIDENCE_MAX_BYTES = 1024
    answer = send(world.officer, file=SimpleUploadedFile("large.csv", b"1,2\n" * 8192))
    assert answer.status_code == 400
    assert left_behind(storage) == []


@pytest.mark.parametrize("keep", [0.2, 0.5, 0.9, 0.999])
@pytest.mark.parametrize("last", ["file", "title"])
def test_upload_that_breaks_off_leaves_nothing(world: SimpleNamespace, storage: Path, keep: float, last: str) -> None:
    """The server sees the end of the stream before the length that was announced."""
    data = {**FORM, "file": cast.a_file(content=CONTENT * 20_000)}
    data[last] = data.pop(last)
    body = encode_multipart(BOUNDARY, data)
    browser = cast.signed_in(world.officer)
    answer = browser.request(
        REQUEST_METHOD="POST",
        PATH_INFO="/evidence/new/",
        CONTENT_TYPE=MULTIPART_CONTENT,
        CONTENT_LENGTH=len(body),
        **{"wsgi.input": io.BytesIO(body[: int(len(body) * keep)])},
    )
    assert answer.status_code == 400
    assert left_behind(storage) == []


def test_whole_body_in_small_pieces_is_taken(world: SimpleNamespace) -> None:
    class Dripping(io.BytesIO):
        def read(self, size: int | None = -1) -> bytes:
            return super().read(min(size or 777, 777) if size != -1 else 777)

    body = encode_multipart(BOUNDARY, {**FORM, "file": cast.a_file(content=CONTENT * 500)})
    answer = cast.signed_in(world.officer).request(
        REQUEST_METHOD="POST",
        PATH_INFO="/evidence/new/",
        CONTENT_TYPE=MULTIPART_CONTENT,
        CONTENT_LENGTH=len(body),
        **{"wsgi.input": Dripping(body)},
    )
    assert answer.status_code == 302
    assert EvidenceItem.objects.get().sha256 == hashlib.sha256(CONTENT * 500).hexdigest()


@pytest.mark.parametrize(
    ("over", "said"),
    [
        ({"file": None}, "Choose a file: File"),
        ({"title": ""}, "Enter title"),
        ({"limb": "commercial"}, "Say which passages are confidential"),
        ({"limb": "private", "confidentiality_reason": "x"}, "Choose a non-confidential version, or say below why"),
        ({"period_to_year": "2025"}, "The last day must not be before the first"),
        ({"collected_on_year": "2199"}, "must be today or earlier"),
        ({"collector_declares": None}, "Tick the box"),
        ({"personal_data": None}, "Does it contain personal data? This needs an answer"),
        ({"kind": "nonsense"}, "Select a valid choice"),
        ({"title": "x" * 201}, "must have 200 characters or fewer"),
        ({"title": "a\0b"}, "Null characters"),
        ({"derived_from": "999999999999999999999"}, "Select a valid choice"),
    ],
)
def test_answer_that_is_missing_or_wrong_is_said_beside_it(
    world: SimpleNamespace, storage: Path, over: dict[str, Any], said: str
) -> None:
    answer = send(world.officer, **over)
    assert answer.status_code == 400
    assert said in answer.content.decode()
    assert left_behind(storage) == []


def test_record_that_fails_takes_its_file_along(
    world: SimpleNamespace, storage: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("evidence.actions.next_reference", lambda prefix: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        send(world.officer)
    assert left_behind(storage) == []


def test_item_made_from_an_own_one_only(world: SimpleNamespace) -> None:
    theirs = cast.evidence_item(world.rival_officer)
    own = cast.evidence_item(world.colleague)
    assert send(world.officer, derived_from=str(theirs.pk)).status_code == 400
    assert send(world.officer, derived_from=str(own.pk)).status_code == 302
    answer = cast.signed_in(world.officer).post(f"/evidence/{own.reference}/remove/")
    assert answer.status_code == 409


def test_one_comes_back_to_the_draft_that_needs_the_file(world: SimpleNamespace) -> None:
    assert send(world.officer, "/evidence/new/?next=/notifications/").headers["Location"] == "/notifications/"
    for bad in ("https://evil.example/", "//evil.example/", "javascript:alert(1)", "\\\\evil.example"):
        answer = send(world.officer, f"/evidence/new/?next={bad}")
        assert answer.headers["Location"].startswith("/evidence/E-"), bad


@pytest.mark.parametrize("who", ["caseworker", "supervisor", "auditor", "authority_officer"])
def test_only_companies_add(world: SimpleNamespace, storage: Path, who: str) -> None:
    assert send(getattr(world, who)).status_code == 403
    assert Client().get("/evidence/new/").status_code == 302
    assert left_behind(storage) == []


# --- The storage and the records agree ------------------------------------------------------------------------------
def test_check_evidence_finds_what_is_lost_and_what_belongs_to_nobody(
    world: SimpleNamespace, storage: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    item = cast.evidence_item(world.officer)
    call_command("check_evidence")
    assert "2 files on record, 0 missing, 0 without a record" in capsys.readouterr().out
    (storage / "items" / "stranger").write_bytes(b"x")
    (storage / item.public_file.name).unlink()
    with pytest.raises(CommandError) as found:
        call_command("check_evidence")
    assert found.value.returncode == 1
    said = capsys.readouterr().out
    assert f"{item.reference}: the file {item.public_file.name} is missing" in said
    assert "items/stranger: no item has this file" in said
