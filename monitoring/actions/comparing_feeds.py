"""Feeds beside what others declared: once a day each feed is counted for the periods that it has passed since."""

from __future__ import annotations

import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from django.conf import settings
from django.db.models import Min

from accounts.permissions import check
from disclosures.models import FilingVersion
from ledger.actions import action
from ledger.time import now
from monitoring.actions.comparing import keep_comparison, latest_of_others, read_version
from monitoring.actions.looking import EPOCH, MICROSECOND, leased_until, local, microseconds
from monitoring.declared import Declared, compared
from monitoring.models import Batch, Comparison, Feed, Unrelated
from monitoring.rules import FEED_RULES
from monitoring.volumes import Piece, Source, count

EVERY = timedelta(days=1)
LATE = timedelta(days=1)  # batches come late, and one moment is compared only once
BUDGET_SECONDS = 60.0  # after so long a run begins with no other disclosure
AT_ONCE = 200  # versions, with all that was declared


@dataclass
class _Looked:
    """What one run did: by version what came of it (None: unrelated), whether more waits, and what failed first."""

    results: list[tuple[FilingVersion, dict[str, Any] | None]] = field(default_factory=list)
    more: bool = False
    error: Exception | None = None


def compare(feed_id: int) -> Feed | None:
    """Count what others declared for periods that the feed has passed, and keep it. None when there is nothing to do.

    As for an evaluation, the attempt is counted before the work begins, which holds no transaction. One disclosure that
    cannot be counted holds up none of the others; it is tried again with the sweep's patience.
    """
    feed = _begin(feed_id)
    if feed is None:
        return None
    try:
        looked = _looked_at(feed)
        feed = _conclude(feed_id, looked)
    except BaseException:
        _let_go(feed_id)
        raise
    if looked.error is not None:
        raise looked.error
    return feed


@action
def _begin(feed_id: int) -> Feed | None:
    feed = Feed.objects.due_for_comparison().select_for_update(skip_locked=True).filter(pk=feed_id).first()
    if feed is None:
        return None
    check(None, FEED_RULES["compare"], feed)
    feed.next_comparison_at = leased_until(feed.comparison_attempts)
    feed.comparison_attempts += 1
    feed.save(update_fields=["next_comparison_at", "comparison_attempts"])
    return feed


@action
def _let_go(feed_id: int) -> None:
    """The sweep puts the row off from here on; the count of attempts stays."""
    Feed.objects.filter(pk=feed_id).update(next_comparison_at=now())


@action
def _conclude(feed_id: int, looked: _Looked) -> Feed:
    """Put on record what was counted. Two that counted at once keep it once: the feed's lock is held."""
    feed = Feed.objects.select_for_update().get(pk=feed_id)
    known = {pk for rows in _decided(feed) for pk in rows}
    for version, result in looked.results:
        if version.pk in known:
            continue
        if result is None:
            Unrelated.objects.create(feed=feed, version=version)
        else:
            keep_comparison(Comparison(feed=feed, version=version, result=result))
    failed = looked.error is not None
    feed.comparison_attempts = feed.comparison_attempts if failed else 0
    # What was left for want of time is taken up by the next run, what failed when the sweep tries again.
    feed.next_comparison_at = now() if looked.more or failed else now() + EVERY
    feed.save(update_fields=["next_comparison_at", "comparison_attempts"])
    return feed


# --- Which, and what the feed has of them -------------------------------------------------------------------------------
def _looked_at(feed: Feed) -> _Looked:
    looked, until = _Looked(), time.monotonic() + BUDGET_SECONDS
    sources = [Source(kind, _pieces(feed, kind), local, settings.FEED_WINDOW_ROWS) for kind in ("calls", "windows")]
    provider = feed.organisation.name
    for version, said in _passed(feed):
        if time.monotonic() > until:
            looked.more = True
            break
        try:
            with tempfile.TemporaryDirectory(prefix="volume-", dir=settings.FILE_UPLOAD_TEMP_DIR) as folder:
                counted = count(sources, said, provider, Path(folder))
            result = None
            if counted is not None:
                result = compared(said, {**counted, "elsewhere": _elsewhere(feed, said)}, provider)
            looked.results.append((version, result))
        except Exception as error:  # handed on once the others are kept
            looked.error = looked.error or error
    return looked


def _passed(feed: Feed) -> Iterator[tuple[FilingVersion, Declared]]:
    """The declared versions that may be about this feed, not yet counted, whose period the feed has rows of and has passed.

    Of what goes on, the period ends with the day on which it was declared.
    """
    begun = Batch.objects.filter(feed=feed, rows__gt=0).aggregate(first=Min("first_at"))["first"]
    # A row that was dated ahead when it came does not make the feed have passed what it has not.
    if begun is None or feed.newest_row_at is None:
        return
    first, last, late = microseconds(begun), microseconds(feed.newest_row_at), microseconds(now() - LATE)
    for version in _undecided(feed):
        said = read_version(version)
        if said is None or not (said.accounts or said.names(feed.organisation.name)):
            continue
        if first < said.ends <= min(last, late) and _between(Batch.objects.filter(feed=feed), said).exists():
            yield version, said


def _undecided(feed: Feed) -> Iterator[FilingVersion]:
    """Of others' latest declared versions those of which nothing is on record, some at a time: there may be many."""
    versions = FilingVersion.objects.filter(pk__in=latest_of_others(feed.organisation_id).values("pk"))
    for known in _decided(feed):
        versions = versions.exclude(pk__in=known)
    # After a run that failed, from the other end: what takes a whole run and fails does not stand before the rest for ever.
    order = "pk" if feed.comparison_attempts % 2 else "-pk"
    ids = list(versions.order_by(order).values_list("pk", flat=True))
    for place in range(0, len(ids), AT_ONCE):
        some = FilingVersion.objects.filter(pk__in=ids[place : place + AT_ONCE])
        yield from some.select_related("filing").order_by(order)


def _decided(feed: Feed) -> list[Any]:
    """The ids of versions of which it is on record what the feed has."""
    return [
        kept.filter(feed=feed).values_list("version", flat=True) for kept in (Comparison.objects, Unrelated.objects)
    ]


def _elsewhere(feed: Feed, said: Declared) -> bool:
    """Whether the provider sends rows of that period in another feed as well."""
    others = Feed.objects.filter(organisation_id=feed.organisation_id).exclude(pk=feed.pk)
    return _between(Batch.objects.filter(feed__in=others), said).exists()


def _pieces(feed: Feed, kind: str) -> Callable[[int, int], Iterator[Piece]]:
    def pieces(begins: int, ends: int) -> Iterator[Piece]:
        found = Batch.objects.filter(feed=feed, kind=kind).between(_instant(begins), _instant(ends))
        columns: Any = found.values_list("file", "pk", "rows", "first_at", "last_at")
        for file, place, rows, first, last in columns.iterator():
            yield Piece(file, place, rows, microseconds(first), microseconds(last))

    return pieces


def _between(batches: Any, said: Declared) -> Any:
    return batches.between(_instant(said.begins), _instant(said.ends))


def _instant(us: int) -> datetime:
    return EPOCH + us * MICROSECOND


__all__ = ["compare"]
