"""Names and contents of files: what is taken, what is refused, and why."""

import gzip
import io
import zipfile
from pathlib import PurePath

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from hypothesis import given
from hypothesis import strategies as st

from evidence.intake import ALLOWED, Refused, inspect, safe_name


def office(folder: str, *more: str) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for name in ("[Content_Types].xml", f"{folder}document.xml", *more):
            archive.writestr(name, "x")
    return buffer.getvalue()


GOOD = {
    "a.pdf": b"%PDF-1.7 x",
    "a.PNG": b"\x89PNG\r\n\x1a\nx",
    "a.jpg": b"\xff\xd8\xff\xe0x",
    "a.jpeg": b"\xff\xd8\xff\xe0x",
    "a.txt": "Grüße".encode(),
    "old.txt": "Grüße aus".encode("latin-1"),
    "a.log": b"GET /",
    "a.csv": b"a,b\n1,2\n",
    "a.json": b"{}",
    "a.jsonl": b"{}\n{}\n",
    "a.ndjson": b"{}\n",
    "a.gz": gzip.compress(b"x"),
    "a.zst": b"\x28\xb5\x2f\xfd x",
    "skipped.zst": b"\x5f\x2a\x4d\x18 x",
    "a.parquet": b"PAR1xPAR1",
    "a.docx": office("word/"),
    "a.xlsx": office("xl/"),
    "a.pptx": office("ppt/"),
    "a.eml": b"From: a@b.example\r\n\r\nHello",
}
BAD = {
    "page.pdf": b"<!DOCTYPE html><script>alert(1)</script>",
    "page.txt": b"  \n<HTML>",
    "vector.txt": b"<svg xmlns='http://www.w3.org/2000/svg'>",
    "feed.csv": b"<?xml version='1.0'?>",
    "run.csv": b"MZ\x90\x00\x03\x00\x00\x00",
    "elf.log": b"\x7fELF\x02\x01\x01\x00",
    "shell.txt": b"#!/bin/sh\n",
    "picture.png": b"\xff\xd8\xff\xe0x",
    "zip.docx": office("xl/"),
    "macro.docx": office("word/", "word/vbaProject.bin"),
    "broken.xlsx": b"PK\x03\x04broken",
    "gzip.zst": gzip.compress(b"x"),
    "zstd.gz": b"\x28\xb5\x2f\xfd x",
    "version.docx": office("word/").replace(b"PK\x01\x02\x14\x03\x14", b"PK\x01\x02\x14\x03\xff"),
    "cut.docx": office("word/")[:-10],
    "program.exe": b"MZ",
    "vector.svg": b"<svg/>",
    "page.html": b"hello",
    "nothing": b"hello",
    "pdf": b"%PDF-1.7 x",
}


@pytest.mark.parametrize("name", GOOD)
def test_content_that_agrees_with_its_name_is_taken(name: str) -> None:
    taken = inspect(SimpleUploadedFile(name, GOOD[name]))
    assert taken.media_type == ALLOWED[PurePath(name).suffix.lower()]
    assert taken.size == len(GOOD[name])


def test_every_type_on_the_list_is_tried() -> None:
    assert {PurePath(name).suffix.lower() for name in GOOD} == set(ALLOWED)


@pytest.mark.parametrize("name", BAD)
def test_content_that_is_something_else_is_refused_in_words(name: str) -> None:
    with pytest.raises(Refused, match=r"must be one of these types|content is not that of"):
        inspect(SimpleUploadedFile(name, BAD[name]))


def test_empty_file_is_refused() -> None:
    with pytest.raises(Refused, match="empty"):
        inspect(SimpleUploadedFile("a.txt", b""))


# --- Names: whatever is sent ----------------------------------------------------------------------------------------
@given(st.text(max_size=300))
def test_safe_name_leads_nowhere(name: str) -> None:
    safe = safe_name(name)
    assert 0 < len(safe) <= 171
    assert safe.isascii()
    assert safe.isprintable()
    assert not set(safe) & set("/\\:*?\"<>|;%&$`'\n\r\0")
    assert not safe.startswith(".")
    assert PurePath(safe).name == safe
    assert safe == safe.strip()


@given(st.text(st.characters(exclude_characters="/\\"), max_size=100), st.sampled_from(sorted(ALLOWED)))
def test_safe_name_keeps_the_ending(stem: str, suffix: str) -> None:
    assert safe_name(f"x{stem}{suffix}").endswith(suffix)


@given(st.text(max_size=300))
def test_safe_name_is_stable(name: str) -> None:
    assert safe_name(safe_name(name)) == safe_name(name)


@given(st.sampled_from(["../", "..\\", "/etc/", "C:\\", "a/b/"]), st.from_regex(r"[a-z]{1,20}", fullmatch=True))
def test_safe_name_drops_folders(folder: str, name: str) -> None:
    assert safe_name(f"{folder}{name}.csv") == f"{name}.csv"
