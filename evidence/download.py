"""The way out of every byte: as an attachment and nothing else."""

from __future__ import annotations

from pathlib import PurePath

import structlog
from django.db.models.fields.files import FieldFile
from django.http import FileResponse

from evidence.models import FULL, NON_CONFIDENTIAL, EvidenceItem
from web.problems import Conflict

log = structlog.get_logger(__name__)
VERSIONS = {"full": FULL, "non-confidential": NON_CONFIDENTIAL}
# A file is somebody else's content: the browser saves it, and runs and shows nothing of it.
DOWNLOAD_POLICY = "default-src 'none'; sandbox"


def attachment(item: EvidenceItem, file: FieldFile, version: str) -> FileResponse:
    """A stored file on its way out: saved by the browser, never shown or run. Raises Conflict when it cannot be read."""
    try:
        content = file.open("rb")
    except OSError as error:
        log.exception("evidence_file_missing", reference=item.reference, name=file.name)
        raise Conflict(f"The file of {item.reference} cannot be read at the moment. It has been reported.") from error
    response = FileResponse(content, as_attachment=True, filename=_name_of(item, version))
    whole = file.name == item.file.name
    response.headers["Content-Type"] = (item.media_type if whole else item.public_media_type) or ANY
    response.headers["X-Content-Type-Options"] = "nosniff"
    response.headers["Content-Security-Policy"] = DOWNLOAD_POLICY
    response.headers["Cache-Control"] = "no-store"
    return response


ANY = "application/octet-stream"


def _name_of(item: EvidenceItem, version: str) -> str:
    """What the file is called where it arrives: its reference first, and of the owner's name nothing in public."""
    if version == FULL:
        return f"{item.reference}-{item.original_name}"
    name = item.public_name if item.public_file else item.original_name
    return f"{item.reference}-non-confidential{PurePath(name).suffix.lower()}"
