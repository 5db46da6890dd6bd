"""Receiving batches: kept as files first, then as a row. A batch is there whole, or it is not there."""

from __future__ import annotations

import contextlib
import hashlib
import os
import tempfile
import threading
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from uuid import uuid4

import pyarrow.compute as pc
import pyarrow.parquet as pq
from django.conf import settings
from django.core.files import File
from django.core.files.storage import storages
from django.db import IntegrityError, InterfaceError, OperationalError

from accounts.models import User
from accounts.permissions import check
from ledger.actions import action, record
from ledger.time import now
from monitoring.aggregated import is_windows
from monitoring.aggregated import take_in as take_in_windows
from monitoring.intake import Kept, Limits, Unreadable, take_in
from monitoring.models import Batch, Feed
from monitoring.rules import FEED_RULES
from monitoring.windows import LONGEST_LINE, too_long
from web.problems import Invalid

LISTED = 1000
# A batch takes two threads and some hundred megabytes while it is read: others of this process wait their turn.
_TURNS = threading.BoundedSemaphore(2)


class OtherContent(Exception):
    """The batch id was used for other rows."""


@dataclass(frozen=True)
class Sent:
    """Rows as they arrived: a file of JSON Lines, unpacked, with its hash."""

    path: Path
    sha256: str
    size: int


@dataclass(frozen=True)
class Received:
    """The batch on record, and whether it was there before."""

    batch: Batch
    replayed: bool


def receive_batch(sent: Sent, *, by: User, feed: str, batch_id: str, received_at: datetime) -> Received:
    """Keep the rows of `sent`: answers once file and row are durable. An empty `batch_id` is the hash of the rows.

    An id is of its feed: the same in another feed is another batch.

    The files are written first, under a name of their own: if the row cannot be made they are removed again, and if
    the process ends in between, or the database no longer says what became of the row, they are files that nothing names.
    Raises OtherContent for an id that has other rows, Invalid for what is no usage log at all.
    """
    check(by, FEED_RULES["receive"])
    batch_id = batch_id or sent.sha256
    if (known := _known(by, feed, batch_id, sent)) is not None:
        return known
    stored: list[str] = []
    with _TURNS, tempfile.TemporaryDirectory(prefix="batch-", dir=settings.FILE_UPLOAD_TEMP_DIR) as folder:
        batch, paths = _read(sent, Path(folder), received_at)
        try:
            batch.organisation_id, batch.batch_id, batch.received_by = by.organisation_id, batch_id, by
            _store(batch, paths, stored)
            return Received(_keep(batch, feed, newest=_newest(batch, paths[0]), by=by), False)
        except IntegrityError:
            _forget(stored)
            # Somebody else sent the same id at the same moment, and was faster.
            if (known := _known(by, feed, batch_id, sent)) is not None:
                return known
            raise
        except (OperationalError, InterfaceError):
            raise  # the row may be there, or be there in a moment: its files are not to be missing then
        except BaseException:
            _forget(stored)
            raise


def _known(by: User, feed: str, batch_id: str, sent: Sent) -> Received | None:
    own = Batch.objects.filter(feed__organisation_id=by.organisation_id, feed__name=feed)
    batch = own.filter(batch_id=batch_id).first()
    if batch is None:
        return None
    if batch.sha256 != sent.sha256:
        raise OtherContent
    return Received(batch, True)


def _read(sent: Sent, folder: Path, received_at: datetime) -> tuple[Batch, list[Path]]:
    """The batch but for who sent it, and the files that it has: rows, and of single calls what their numbers are called."""
    with sent.path.open("rb") as file:
        windows = is_windows(file.read(1 << 16))
    if windows:
        return _of_windows(sent, folder, received_at)
    kept = _taken_in(sent, folder)
    return _described(sent, kept, received_at), [kept.rows_path, kept.names_path]


def _of_windows(sent: Sent, folder: Path, received_at: datetime) -> tuple[Batch, list[Path]]:
    kept = take_in_windows(sent.path.read_bytes(), folder, longest_line=LONGEST_LINE, listed=LISTED)
    batch = Batch(
        kind="windows",
        sha256=sent.sha256,
        size=sent.size,
        received_at=received_at,
        rows=kept.rows,
        rejected=kept.rejected,
        reasons=dict(sorted(kept.reasons.items())),
        listed=[[line, reason] for line, reason in kept.listed],
        columns=list(kept.columns),
        first_at=None if kept.first is None else datetime.fromtimestamp(kept.first, UTC),
        last_at=None if kept.last is None else datetime.fromtimestamp(kept.last, UTC),
        file_sha256=_sha256(kept.rows_path),
    )
    return batch, [kept.rows_path]


def _taken_in(sent: Sent, folder: Path) -> Kept:
    """The rows by the intake, after lines that could do it harm were put aside."""
    data = sent.path.read_bytes()
    long = too_long(data)
    if long:
        lines = data.split(b"\n")
        for number in long:
            lines[number - 1] = b""
        sent.path.write_bytes(b"\n".join(lines))
    del data
    try:
        kept = take_in(sent.path, folder, limits=Limits(unpacked=settings.FEED_BATCH_BYTES))
    except Unreadable as wrong:
        raise Invalid({"": [str(wrong)]}) from wrong
    reason = f"has more than {LONGEST_LINE:,} bytes"
    if long:
        kept.reasons[reason] += len(long)
        kept.listed = sorted([*kept.listed, *((number, reason) for number in long)])
        kept.rejected = sum(kept.reasons.values())
    return kept


def _described(sent: Sent, kept: Kept, received_at: datetime) -> Batch:
    ends = pc.min_max(pq.read_table(kept.rows_path, columns=["us"])["us"]).as_py()
    return Batch(
        sha256=sent.sha256,
        size=sent.size,
        received_at=received_at,
        rows=kept.rows,
        rejected=kept.rejected,
        reasons=dict(sorted(kept.reasons.items())),
        listed=[[line, reason] for line, reason in kept.listed[:LISTED]],
        notes=kept.notes,
        prepared=kept.header,
        columns=list(kept.columns),
        simhashed=kept.simhashed,
        unzoned=kept.unzoned,
        first_at=_instant(ends["min"]),
        last_at=_instant(ends["max"]),
        file_sha256=_sha256(kept.rows_path),
        names_sha256=_sha256(kept.names_path),
    )


def _newest(batch: Batch, path: Path) -> datetime | None:
    """When the newest row was, or window ended, that is not dated ahead of when it came; None where all are."""
    if batch.kind == "windows":
        rows = pq.read_table(path, columns=["start", "seconds"])
        ends = pc.multiply(pc.add(rows["start"], rows["seconds"]), 1_000_000)
    else:
        ends = pq.read_table(path, columns=["us"])["us"]
    came = int(batch.received_at.timestamp() * 1_000_000)
    return _instant(pc.max(ends.filter(pc.less_equal(ends, came))).as_py())


def _instant(us: int | None) -> datetime | None:
    return None if us is None else datetime.fromtimestamp(us / 1_000_000, UTC)


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _store(batch: Batch, paths: list[Path], stored: list[str]) -> None:
    """The files in the storage, on the disk itself where the storage is one."""
    folder = f"usage/{batch.organisation_id}/{batch.received_at.astimezone(UTC):%Y/%m/%d/%H}"
    # A name of its own, not the provider's: two that race never write to one file.
    name = uuid4().hex
    for suffix, path in zip(("", ".names"), paths, strict=False):
        with path.open("rb") as file:
            stored.append(storages["default"].save(f"{folder}/{name}{suffix}.parquet", File(file)))
        _flush(stored[-1])
    batch.file, batch.names_file = [*stored, ""][:2]


def _flush(name: str) -> None:
    """Let what was written survive a loss of power. A storage that is no folder has its own promise."""
    try:
        path = Path(storages["default"].path(name))
    except NotImplementedError:
        return
    for place in (path, path.parent):
        number = os.open(place, os.O_RDONLY)
        try:
            os.fsync(number)
        finally:
            os.close(number)


def _forget(names: list[str]) -> None:
    """Remove files, unless a row names them: what fails may come after the row was made for good."""
    if names and Batch.objects.filter(file=names[0]).exists():
        return
    for name in names:
        with contextlib.suppress(OSError):
            storages["default"].delete(name)


@action
def _keep(batch: Batch, name: str, *, newest: datetime | None, by: User) -> Batch:
    """The row, and that the feed has it, with its `newest` row. Raises IntegrityError when the feed has the id already."""
    # Only where there is none: a number that is drawn for nothing would tell others how often somebody sends.
    if not Feed.objects.filter(organisation_id=by.organisation_id, name=name).exists():
        Feed.objects.bulk_create(
            [Feed(organisation_id=by.organisation_id, name=name, expected_minutes=settings.FEED_EXPECTED_MINUTES)],
            ignore_conflicts=True,
        )
    feed = Feed.objects.select_for_update().get(organisation_id=by.organisation_id, name=name)
    check(by, FEED_RULES["receive"], feed)
    batch.feed = feed
    batch.save(force_insert=True)
    feed.batches += 1
    feed.rows += batch.rows
    feed.rejected += batch.rejected
    feed.last_batch_at = _later(feed.last_batch_at, batch.received_at)
    if batch.last_at is not None:
        feed.last_rows_at = _later(feed.last_rows_at, batch.received_at)
        if newest is not None:
            feed.newest_row_at = _later(feed.newest_row_at, newest)
    feed.save(update_fields=["batches", "rows", "rejected", "last_batch_at", "last_rows_at", "newest_row_at"])
    record(
        by,
        "usage.received",
        batch,
        audience=[by.organisation_id],
        at=batch.received_at,
        rows=batch.rows,
        rejected=batch.rejected,
        sha256=batch.sha256,
        file_sha256=batch.file_sha256,
        names_sha256=batch.names_sha256,
    )
    return batch


def _later(known: datetime | None, instant: datetime) -> datetime:
    return instant if known is None else max(known, instant)


@action
def pause(feed_id: int, *, by: User) -> Feed:
    """Expect nothing of a feed and evaluate nothing of it. What is sent is kept all the same."""
    return _turn(feed_id, "pause", by=by)


@action
def resume(feed_id: int, *, by: User) -> Feed:
    """Watch a feed again; what came meanwhile is evaluated."""
    return _turn(feed_id, "resume", by=by)


def _turn(feed_id: int, verb: str, *, by: User) -> Feed:
    feed = Feed.objects.select_for_update().get(pk=feed_id)
    check(by, FEED_RULES[verb], feed)
    feed.state = FEED_RULES[verb].after
    feed.next_evaluation_at = now()
    if verb == "resume":
        feed.resumed_at = now()
    feed.save(update_fields=["state", "next_evaluation_at", "resumed_at"])
    record(by, f"feed.{feed.state}", feed, audience=[feed.organisation_id])
    return feed


__all__ = ["OtherContent", "Received", "Sent", "pause", "receive_batch", "resume"]
