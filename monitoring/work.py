"""Working off an analysis: the file is read in a process of its own, so that whatever it holds, the worker lives."""

from __future__ import annotations

import hashlib
import json
import os
import re
import subprocess
import sys
import tempfile
import time
from contextlib import suppress
from pathlib import Path
from signal import SIGKILL
from typing import Any

import structlog
from django.conf import settings
from django.core.files.storage import Storage

from disclosures.models import Authorisation
from ledger.time import now
from monitoring.actions.analysis import begin, fail, finish, hear
from monitoring.actions.comparing import declared_by_others
from monitoring.matching import Permit, permits_of
from monitoring.matching import written as as_json
from monitoring.models import Analysis
from monitoring.report import METHOD

log = structlog.get_logger(__name__)
PIECE = 1 << 20
AUTHORISATIONS = "authorisations.json"
QUESTIONS, ANSWERS = "questions.json", "answers.json"
ERRORS = 4000  # characters of what it says as it ends
HEARD_EVERY = 2.0  # seconds
LONGEST = 1500.0  # seconds for one file
TOO_LONG = "The file could not be read within 25 minutes. Hand in a shorter period, or run the analysis yourself."
# What the process may set aside, of which threads and allocators use half: 3.3 GB with 1.6 GB in use at 5,000,000 rows
# on 2 cores, more with each core, hardly more with more rows. A log stays below; a file that asks for ever more ends here.
MEMORY = 8192  # MB
TOO_LARGE = (
    "The file took more memory than an analysis may have. Hand in a shorter period, or run the analysis yourself."
)
# Each library says it in words of its own.
_OUT_OF_MEMORY = re.compile(
    "MemoryError|OutOfMemoryException|out of memory|std::bad_alloc|cannot allocate|allocation still failed"
    "|start new thread|launch worker thread",
    re.IGNORECASE,
)
DIED = "The analysis ended without a report. It has been reported to the operator of this site."


def work(analysis_id: int) -> Analysis | None:
    """Do one analysis from beginning to end; None when it was left alone."""
    analysis = begin(analysis_id)
    if analysis is None:
        return None
    attempt = analysis.attempts
    with tempfile.TemporaryDirectory(prefix="analysis-", dir=settings.FILE_UPLOAD_TEMP_DIR) as name:
        folder = Path(name)
        try:
            log_file = _fetched(analysis, folder)
            # What others declared is for the ministry, and it has asked of the whole file.
            said, asked = _permits(analysis), {} if analysis.made_for_id else declared_by_others(analysis)
        except OSError:
            log.exception("analysis_file_missing", analysis=analysis.pk)
            return fail(analysis.pk, attempt=attempt, reason="The file cannot be read at the moment.")
        permits = as_json(said) if said else ""
        if permits:
            (folder / AUTHORISATIONS).write_text(permits)
        (folder / QUESTIONS).write_text(json.dumps([said.question() for _, said in asked.values()]))
        reason = _read(analysis, folder, log_file)
        if reason:
            return fail(analysis.pk, attempt=attempt, reason=reason)
        written = (folder / "report.json").read_text()
        counts = json.loads((folder / ANSWERS).read_text())
    digest = hashlib.sha256(written.encode()).hexdigest()
    return finish(
        analysis.pk,
        attempt=attempt,
        written=written,
        sha256=digest,
        method_version=METHOD,
        authorisations=permits,
        asked=asked,
        counts=counts,
    )


def _fetched(analysis: Analysis, folder: Path) -> Path:
    """The file as it lies in the storage, in the folder; its owner's name for it is not used."""
    storage: Storage = analysis.file.storage
    path = folder / "log"
    with storage.open(str(analysis.file.name)) as source, path.open("wb") as out:
        while piece := source.read(PIECE):
            out.write(piece)
    return path


def _permits(analysis: Analysis) -> list[Permit]:
    """What the register says of the file's owner, given or received; if it is for another's eyes, between the two."""
    entries = Authorisation.objects.of(analysis.item.organisation)
    if analysis.made_for is not None:
        entries = entries.of(analysis.made_for)
    found = []
    for entry in entries.with_history().order_by("pk"):
        found += permits_of(entry.reference, entry.history, entry.registered_at)
    return found


def _read(analysis: Analysis, folder: Path, log_file: Path) -> str:
    """Run the reader on the file; the reason in plain words why there is no report, empty if there is one."""
    command = [sys.executable, "-m", "django", "analyse_log", str(log_file), "--json", str(folder / "report.json")]
    command += ["--memory", str(MEMORY), "--folder", str(folder), "--progress", str(folder / "progress")]
    command += ["--questions", str(folder / QUESTIONS), "--answers", str(folder / ANSWERS)]
    if (folder / AUTHORISATIONS).exists():
        command += ["--authorisations", str(folder / AUTHORISATIONS)]
    if analysis.rate_limit:
        command += ["--rate-limit", str(analysis.rate_limit)]
    environment = {**os.environ, "DJANGO_SETTINGS_MODULE": "config.settings"}
    until = time.monotonic() + LONGEST
    errors = folder / "errors"
    with errors.open("wb") as out:
        child = subprocess.Popen(command, cwd=settings.BASE_DIR, env=environment, stdout=out, stderr=out)
        # Where the machine itself has no more memory, this is the process that ends, and not the worker or the database.
        with suppress(OSError):
            Path(f"/proc/{child.pid}/oom_score_adj").write_text("1000")
        try:
            while child.poll() is None:
                if time.monotonic() > until:
                    return TOO_LONG
                read, rows = _progress(folder)
                if not hear(analysis.pk, read=read, rows=rows, attempt=analysis.attempts):
                    return "Another worker has taken this analysis on."
                with_patience(child)
        finally:
            if child.poll() is None:
                child.kill()
            child.wait()
    if child.returncode == 0 and (folder / "report.json").is_file():
        return ""
    said = errors.read_text(errors="replace").strip()
    last = said.rsplit("\n", 1)[-1]
    if last.startswith("CommandError: "):
        return last.removeprefix("CommandError: ")
    log.error("analysis_died", analysis=analysis.pk, code=child.returncode, at=str(now()))
    # Only the kernel kills it, for want of memory: what is ended here for other reasons has been answered above.
    return TOO_LARGE if child.returncode == -SIGKILL or _OUT_OF_MEMORY.search(said[-ERRORS:]) else DIED


def with_patience(child: subprocess.Popen[Any]) -> None:
    """Wait a little for a process, or for it to end."""
    try:
        child.wait(HEARD_EVERY)
    except subprocess.TimeoutExpired:
        return


def _progress(folder: Path) -> tuple[int, int]:
    """How many bytes of the file were read, and how many rows were found in them."""
    try:
        read, rows = (folder / "progress").read_text().split()
        return int(read), int(rows)
    except (OSError, ValueError):
        return 0, 0
