"""Taking a file in: a limit that is kept while it streams, a hash made on the way, a type read from its content.

No Django models here: bytes in, facts out.
"""

from __future__ import annotations

import hashlib
import re
import struct
import zipfile
from dataclasses import dataclass
from pathlib import PurePath
from typing import IO, Any

import puremagic
from django.conf import settings
from django.core.exceptions import RequestDataTooBig
from django.core.files.uploadhandler import TemporaryFileUploadHandler
from django.http.multipartparser import MultiPartParserError

# What may be handed in: media type by extension. The content must agree with the name.
ALLOWED = {
    ".pdf": "application/pdf",
    ".png": "image/png",
    ".jpg": "image/jpeg",
    ".jpeg": "image/jpeg",
    ".txt": "text/plain",
    ".log": "text/plain",
    ".csv": "text/csv",
    ".json": "application/json",
    ".jsonl": "application/x-ndjson",
    ".ndjson": "application/x-ndjson",
    ".gz": "application/gzip",
    ".zst": "application/zstd",
    ".parquet": "application/vnd.apache.parquet",
    ".docx": "application/vnd.openxmlformats-officedocument.wordprocessingml.document",
    ".xlsx": "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet",
    ".pptx": "application/vnd.openxmlformats-officedocument.presentationml.presentation",
    ".eml": "message/rfc822",
}
# A body this many times the limit is refused before it is read; up to there the page says what was wrong.
LONGEST_BODY = 10
_TEXT = {".txt", ".log", ".csv", ".json", ".jsonl", ".ndjson", ".eml"}
_OFFICE = {".docx": "word/", ".xlsx": "xl/", ".pptx": "ppt/"}
_MAGIC = {
    ".pdf": (b"%PDF-",),
    ".png": (b"\x89PNG\r\n\x1a\n",),
    ".jpg": (b"\xff\xd8\xff",),
    ".jpeg": (b"\xff\xd8\xff",),
    ".gz": (b"\x1f\x8b",),
    # A frame, or one to be skipped, which some programs write first (RFC 8878).
    ".zst": (b"\x28\xb5\x2f\xfd", *(bytes([kind]) + b"\x2a\x4d\x18" for kind in range(0x50, 0x60))),
    ".parquet": (b"PAR1",),
    **dict.fromkeys(_OFFICE, (b"PK\x03\x04",)),
}
# A text file that a browser or a shell would run is not taken as text.
_ACTIVE = re.compile(rb"^\s*(<!doctype\s+html|<html|<svg|<\?xml|<script|#!)", re.IGNORECASE)
_UNSAFE = re.compile(r"[^\w. -]|^\.+", re.ASCII)


class Refused(Exception):
    """The file cannot be taken; the message says why and what to do."""


@dataclass(frozen=True)
class Taken:
    """What the platform witnessed of a file."""

    name: str
    media_type: str
    size: int
    sha256: str


class HashingUploadHandler(TemporaryFileUploadHandler):
    """Streams an upload to disk, hashing as it goes.

    What goes past the size limit is read and dropped, not kept: the rest of the form arrives, so that the page can say
    what was wrong and keep what was typed. A body that ends early is refused whole.
    """

    def handle_raw_input(self, input_data: Any, *args: Any, **kwargs: Any) -> None:
        """Count what arrives, so that an upload that was broken off is not taken for a shorter one."""
        content_length = int(args[1])
        if content_length > LONGEST_BODY * settings.EVIDENCE_MAX_BYTES:
            raise RequestDataTooBig("The body is far larger than any form here takes.")
        self._missing = content_length
        self._input = input_data
        read = input_data.read

        def counted(*size: int) -> bytes:
            data: bytes = read(*size)
            self._missing -= len(data)
            return data

        input_data.read = counted

    def new_file(self, *args: Any, **kwargs: Any) -> None:
        """A new file begins."""
        field_name, file_name, *rest = args
        # The temporary file takes the ending of the name: one of three hundred letters is more than a disk takes.
        super().new_file(field_name, safe_name(str(file_name)), *rest, **kwargs)
        self._sha256 = hashlib.sha256()
        self._seen = 0

    def receive_data_chunk(self, raw_data: bytes, start: int) -> None:
        """Hash and keep a piece, as long as the file is within the limit."""
        self._seen += len(raw_data)
        if self._seen > settings.EVIDENCE_MAX_BYTES:
            return
        self._sha256.update(raw_data)
        super().receive_data_chunk(raw_data, start)

    def file_complete(self, file_size: int) -> Any:
        """The file with its hash; one that was too large is handed on empty, with its true size."""
        file: Any = super().file_complete(file_size)
        if file_size > settings.EVIDENCE_MAX_BYTES:
            file.truncate(0)
        else:
            file.sha256 = self._sha256.hexdigest()
        return file

    def upload_complete(self) -> None:
        """All was read: now it is known whether all had come."""
        while self._input.read(self.chunk_size):
            pass
        if self._missing > 0:
            raise MultiPartParserError("The upload was broken off.")


def limit_in_words() -> str:
    """The size limit as people say it."""
    limit = settings.EVIDENCE_MAX_BYTES
    return f"{limit // 1024**2} MB" if limit >= 1024**2 else f"{limit // 1024} KB"


def inspect(upload: Any) -> Taken:
    """Name, type, size and hash of an uploaded file. Raises Refused: empty, too large, or not what it says it is."""
    name = safe_name(upload.name)
    if upload.size == 0:
        raise Refused("The file is empty. Choose a file that has something in it")
    if upload.size > settings.EVIDENCE_MAX_BYTES:
        raise Refused(f"The file must be smaller than {limit_in_words()}")
    suffix = PurePath(name).suffix.lower()
    if suffix not in ALLOWED:
        raise Refused(f"The file must be one of these types: {', '.join(sorted(ALLOWED))}")
    upload.seek(0)
    head = upload.read(8192)
    upload.seek(0)
    if not _content_agrees(suffix, head, upload):
        raise Refused(f"The file’s content is not that of a {suffix} file. Choose the file as it was made")
    digest = getattr(upload, "sha256", None) or _digest(upload)
    return Taken(name=name, media_type=ALLOWED[suffix], size=upload.size, sha256=digest)


def safe_name(name: str) -> str:
    """A file name without folders or characters that the authority's systems refuse; its ending is kept."""
    path = PurePath(name.replace("\\", "/"))
    stem = _UNSAFE.sub("_", path.stem)[:150].strip() or "file"
    suffix = _UNSAFE.sub("_", path.suffix[1:])[:20]
    return f"{stem}.{suffix}" if suffix else stem


def _content_agrees(suffix: str, head: bytes, upload: IO[bytes]) -> bool:
    if suffix in _TEXT:
        return not _looks_binary(head) and not _ACTIVE.match(head)
    if not head.startswith(_MAGIC[suffix]):
        return False
    if suffix in _OFFICE:
        try:
            # Only the directory is read: nothing is unpacked here.
            names = zipfile.ZipFile(upload).namelist()
        except (zipfile.BadZipFile, ValueError, NotImplementedError, OSError, struct.error):
            # Whatever it is that a broken directory makes of the reader, it is not a document.
            return False
        finally:
            upload.seek(0)
        return any(n.startswith(_OFFICE[suffix]) for n in names) and not any("vbaProject" in n for n in names)
    return True


def _looks_binary(head: bytes) -> bool:
    if b"\0" in head:
        return True
    try:
        head.decode("utf-8")
    except UnicodeDecodeError as error:
        # A character cut at the end of the sample is no fault.
        if error.start < len(head) - 4:
            return _has_signature(head)
    return False


def _has_signature(head: bytes) -> bool:
    """Not UTF-8: an old single-byte encoding is fine, a known binary format is not."""
    try:
        return bool(puremagic.from_string(head))
    except puremagic.PureError:
        return False


def _digest(upload: Any) -> str:
    digest = hashlib.sha256()
    for chunk in upload.chunks():
        digest.update(chunk)
    upload.seek(0)
    return digest.hexdigest()
