"""From a feed's last days to alerts, and what people do with them."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from django.conf import settings
from django.db.models import Max, Q, QuerySet
from django.urls import reverse

from accounts.models import Organisation, User
from accounts.permissions import check
from disclosures.models import Authorisation
from ledger.actions import action, record
from ledger.models import Event
from ledger.references import next_reference
from ledger.time import now
from monitoring import aggregated
from monitoring.actions.looking import leased_until, local, microseconds
from monitoring.matching import Permit, permits_of
from monitoring.models import Alert, AlertStep, AlertVersion, Batch, Feed, WindowReading
from monitoring.reading import METHOD, Options, fingerprint, read
from monitoring.rules import ALERT_RULES, FEED_RULES
from monitoring.windows import Part, merge
from notifications.actions import tell
from web.problems import Conflict, Invalid

RUNGS = {"pattern": 1, "corroborated pattern": 2}
SAME = 0.5  # of the accounts of both findings, at least so many in common: it is the same one
CALLS_IN_A_WINDOW = 10  # rows of calls that take as much memory, about, as one of windows
# By so much may a provider's clock be fast. What is dated further ahead waits until its time has come: it would lie in the
# last days of every evaluation until then, and nobody could end what is seen in it.
AHEAD = timedelta(hours=1)


@dataclass(frozen=True)
class Window:
    """What one evaluation looks at: how many batches of the feed it knows of, the last of them, rows from when to when."""

    feed_id: int
    batches: int
    last_batch: int
    since: datetime
    until: datetime

    def of(self, kind: str) -> QuerySet[Batch]:
        """The batches that have rows from then on, the latest received first. What comes meanwhile is for the next one."""
        known = Batch.objects.filter(feed=self.feed_id, kind=kind, pk__lte=self.last_batch)
        return known.since(self.since)

    def is_all_there_is(self) -> bool:
        """Whether the feed has no calls from before, and the provider no other feed with rows."""
        some = Batch.objects.filter(rows__gt=0)
        before = some.filter(feed=self.feed_id, kind="calls", pk__lte=self.last_batch, first_at__lt=self.since)
        elsewhere = some.filter(feed__organisation__feeds=self.feed_id).exclude(feed=self.feed_id)
        return not before.exists() and not elsewhere.exists()


@dataclass(frozen=True)
class Looked:
    """The report about a window; of how many batches there were too many rows to look at them as well; and whether these
    are all calls that the provider sent: else nobody sees how much of a cap for the whole was used up besides.
    """

    report: dict[str, Any]
    left_out: int = 0
    whole: bool = True


# --- Evaluating: lease, look without a transaction, conclude ------------------------------------------------------------
def evaluate(feed_id: int) -> Feed | None:
    """Look at the feed's last days and fold what is seen into its alerts. None when there is nothing to do.

    The attempt is counted before the work begins, so that rows which end the process are put off like a failure.
    """
    window = _begin(feed_id)
    if window is None:
        return None
    windows, error = None, None
    try:
        looked = _looked_at(window)
        try:
            windows = _windows_at(window)
        except Exception as wrong:  # handed on once what the calls say is kept
            error = wrong
    except BaseException:
        _let_go(feed_id)
        raise
    feed = _conclude(window, looked, windows, failed=error is not None)
    if error is not None:
        raise error
    return feed


@action
def _begin(feed_id: int) -> Window | None:
    feed = Feed.objects.due_for_evaluation().select_for_update(skip_locked=True).filter(pk=feed_id).first()
    if feed is None:
        return None
    check(None, FEED_RULES["evaluate"], feed)
    feed.next_evaluation_at = leased_until(feed.attempts)
    feed.attempts += 1
    feed.save(update_fields=["next_evaluation_at", "attempts"])
    # A batch is made under the feed's lock, which is held here: their order is that of their numbers.
    last = feed.received.aggregate(last=Max("pk", default=0))["last"]
    instant = now()
    return Window(feed.pk, feed.batches, last, instant - timedelta(days=settings.FEED_WINDOW_DAYS), instant + AHEAD)


@action
def _let_go(feed_id: int) -> None:
    """The sweep puts the row off from here on; the count of attempts stays."""
    Feed.objects.filter(pk=feed_id).update(next_evaluation_at=now())


def _looked_at(window: Window) -> Looked:
    """The report about the window's rows; of too many, those of the latest batches."""
    chosen: list[Batch] = []
    rows, found = 0, window.of("calls")
    for batch in found.iterator():
        if chosen and rows + batch.rows > settings.FEED_WINDOW_ROWS:
            break
        chosen.append(batch)
        rows += batch.rows
    with tempfile.TemporaryDirectory(prefix="window-", dir=settings.FILE_UPLOAD_TEMP_DIR) as folder:
        place = Path(folder)
        parts = [_part(batch, place) for batch in chosen]
        if not parts:
            return Looked({"findings": []})
        span = {"since_us": microseconds(window.since), "until_us": microseconds(window.until)}
        kept = merge(parts, place / "merged", **span)
        left_out, permits = found.count() - len(chosen), _permits(chosen[0].organisation)
        report = read(kept, Options(permits=permits, analytics=settings.ANALYTICS_URL))
        return Looked(report, left_out, whole=not left_out and window.is_all_there_is())


def _windows_at(window: Window) -> dict[str, Any] | None:
    """What the feed's aggregated windows say; None where it has none. Of too many rows, those of the latest batches."""
    chosen: list[str] = []
    rows, found = 0, window.of("windows")
    for batch in found.iterator():
        if chosen and rows + batch.rows > settings.FEED_WINDOW_ROWS // CALLS_IN_A_WINDOW:
            break
        chosen.append(batch.file)
        rows += batch.rows
    if not chosen:
        return None
    with tempfile.TemporaryDirectory(prefix="window-", dir=settings.FILE_UPLOAD_TEMP_DIR) as folder:
        paths = [local(name, Path(folder)) for name in reversed(chosen)]
        report = aggregated.read(paths, since=int(window.since.timestamp()), until=int(window.until.timestamp()))
    return report | {"batches_left_out": found.count() - len(chosen)}


def _permits(provider: Organisation) -> list[Permit]:
    """What the register says that the provider permits: work under it is no finding.

    Not what others permit the provider: who is watched here could write itself an alibi.
    """
    found: list[Permit] = []
    for entry in Authorisation.objects.filter(grantor=provider).with_history().order_by("pk"):
        found += permits_of(entry.reference, entry.history, entry.registered_at)
    return found


def _part(batch: Batch, folder: Path) -> Part:
    return Part(
        rows_path=local(batch.file, folder),
        names_path=local(batch.names_file, folder),
        sha256=batch.sha256,
        columns=tuple(batch.columns),
        simhashed=batch.simhashed,
        unzoned=batch.unzoned,
        reasons=batch.reasons,
    )


@action
def _conclude(window: Window, looked: Looked, windows: dict[str, Any] | None, *, failed: bool) -> Feed:
    """Put on record what was seen. Two that looked at once fold into the same alerts: the feed's lock is held.

    What `failed` is counted on, and tried again with the next batch.
    """
    feed = Feed.objects.select_for_update().get(pk=window.feed_id)
    report = looked.report
    findings = _worth_reading(report, looked.whole)
    alerts = feed.alerts.select_for_update().filter(_may_be_same(now())).order_by("pk")
    known = [_Known.of(alert) for alert in alerts]
    told = _Told(fingerprint(report), report.get("explanations", []), looked.left_out, looked.whole)
    for finding, same in _paired(findings, known):
        if same is None:
            _opened(feed, window, finding, told)
        else:
            _seen_again(same, window, finding, told)
    if windows is not None:
        sha256 = aggregated.fingerprint(windows)
        WindowReading.objects.create(feed=feed, at=now(), report=windows, sha256=sha256)
    feed.evaluated = max(feed.evaluated, window.batches)
    feed.evaluated_at = now()
    feed.attempts = feed.attempts if failed else 0
    feed.next_evaluation_at = now() + timedelta(minutes=settings.FEED_EVALUATION_MINUTES)
    feed.save(update_fields=["evaluated", "evaluated_at", "attempts", "next_evaluation_at"])
    return feed


def _worth_reading(report: dict[str, Any], whole: bool) -> list[dict[str, Any]]:
    """What is at least a pattern and no authorisation explains; what one explains only perhaps is for a person to judge. Of
    the accounts of a set, the set alone.
    """
    found = [f for f in report["findings"] if f["rung"] in RUNGS and (not f["explained"] or _permission(f, whole))]
    in_sets = {account for f in found if f["unit"] == "set" for account in f["accounts"]}
    return [f for f in found if f["unit"] == "set" or not in_sets.issuperset(f["accounts"])]


@dataclass(frozen=True)
class _Told:
    """Of the report that findings come from: its hash, what it says for or against innocent explanations, how many batches
    it left out, and whether it is about all calls.
    """

    sha256: str
    explanations: list[dict[str, str]]
    left_out: int
    whole: bool


def _permission(finding: dict[str, Any], whole: bool) -> str:
    """Why a person should read what an authorisation explains; empty where none does, or nothing is in doubt."""
    if not finding["explained"]:
        return ""
    if finding["explained_afterwards"]:
        return AlertVersion.Permission.AFTERWARDS
    return AlertVersion.Permission.CAP if finding["explained_by_caps"] and not whole else ""


# --- Folding ------------------------------------------------------------------------------------------------------------
@dataclass(frozen=True)
class _Known:
    alert: Alert
    last: AlertVersion
    accounts: frozenset[str]

    @classmethod
    def of(cls, alert: Alert) -> _Known:
        last = alert.versions.latest("number")
        return cls(alert, last, frozenset(last.accounts))


def _quiet() -> timedelta:
    return timedelta(hours=settings.ALERT_QUIET_HOURS)


def _may_be_same(instant: datetime) -> Q:
    """Alerts into which something seen now may be folded: those that wait, and those whose rows are still looked at."""
    still_read = instant - timedelta(days=settings.FEED_WINDOW_DAYS) - _quiet()
    return Q(closed_at__isnull=True) | Q(closed_at__gte=still_read)


def _paired(
    findings: Sequence[dict[str, Any]], known: Sequence[_Known]
) -> Iterator[tuple[dict[str, Any], _Known | None]]:
    """Each finding, in order, with the alert that is most about the same accounts, if there is one.

    Of one that waits there is one finding at most: the halves of a set that came apart are two. What was ended is so for
    all that it was about.
    """
    pairs = [
        (-share, alert.alert.closed_at is not None, place, index)
        for place, finding in enumerate(findings)
        for index, alert in enumerate(known)
        if (share := _in_common(finding, alert))
    ]
    found: dict[int, _Known] = {}
    taken: set[int] = set()
    for _, ended, place, index in sorted(pairs):
        if place not in found and index not in taken:
            found[place] = known[index]
            if not ended:
                taken.add(index)
    for place, finding in enumerate(findings):
        yield finding, found.get(place)


def _in_common(finding: dict[str, Any], one: _Known) -> float:
    """The share of the accounts of both that is in common; 0 where the alert is about something else, or was ended well
    before the last of the rows.
    """
    accounts, last = set(finding["accounts"]), datetime.fromisoformat(finding["rows"]["last"])
    share = len(accounts & one.accounts) / len(accounts | one.accounts)
    over = one.alert.closed_at is not None and last > one.alert.closed_at + _quiet()
    return 0.0 if one.alert.unit != finding["unit"] or share < SAME or over else share


def _opened(feed: Feed, window: Window, finding: dict[str, Any], told: _Told) -> Alert:
    check(None, ALERT_RULES["open"])
    instant = now()
    alert = Alert.objects.create(
        reference=next_reference("M"),
        feed=feed,
        unit=finding["unit"],
        state=ALERT_RULES["open"].after,
        rung=finding["rung"],
        opened_at=instant,
        last_seen_at=instant,
        told_at=instant,
    )
    _version(alert, 1, window, finding, told)
    record(None, "alert.opened", alert, feed=feed.pk, rung=finding["rung"].replace(" ", "_"), report_sha256=told.sha256)
    _tell(alert)
    return alert


def _seen_again(known: _Known, window: Window, finding: dict[str, Any], told: _Told) -> None:
    """Count it. People are written to again, and a version is added, when it says more or the quiet period is over."""
    alert, instant = known.alert, now()
    alert.times += 1
    alert.last_seen_at = instant
    # More than people were told last, not than was seen last: what rises and falls is not told each time.
    since_told = alert.versions.filter(at__gte=alert.told_at).values_list("rung", flat=True)
    more = RUNGS[finding["rung"]] > max(RUNGS[rung] for rung in since_told)
    loud = alert.closed_at is None and instant - alert.told_at >= _quiet()
    if alert.closed_at is None and (more or loud or set(finding["accounts"]) != known.accounts):
        _version(alert, known.last.number + 1, window, finding, told)
        alert.rung = finding["rung"]
    if alert.closed_at is None and (more or loud):
        alert.told_at = instant
        _tell(alert)
        record(None, "alert.seen_again", alert, feed=alert.feed_id, times=alert.times, report_sha256=told.sha256)
    alert.save(update_fields=["times", "last_seen_at", "rung", "told_at"])


def _version(alert: Alert, number: int, window: Window, finding: dict[str, Any], told: _Told) -> None:
    AlertVersion.objects.create(
        alert=alert,
        number=number,
        at=now(),
        rung=finding["rung"],
        sentence=finding["sentence"],
        since=datetime.fromisoformat(finding["rows"]["first"]),
        until=datetime.fromisoformat(finding["rows"]["last"]),
        rows=finding["rows"]["count"],
        accounts=finding["accounts"],
        indicators=finding["indicators"],
        explanations=told.explanations,
        method=METHOD,
        report_sha256=told.sha256,
        batches=window.batches,
        cut_off=window.since,
        looked_until=window.until,
        batches_left_out=told.left_out,
        permission=_permission(finding, told.whole),
    )


def _tell(alert: Alert) -> None:
    people = User.objects.able_to_sign_in().filter(role="caseworker", organisation__kind="ministry")
    tell(
        "alert_to_read",
        alert,
        people=people,
        url=reverse("alert", args=[alert.reference]),
        reference=alert.reference,
        rung=alert.rung,
        times=alert.times,
    )


# --- What people do -----------------------------------------------------------------------------------------------------
@action
def review(alert_id: int, *, by: User, reason: str, version: int | None = None) -> Alert:
    """Begin to look into it: the person and the reason are on record. It opens no case. `version` is the one that was read,
    here and below: raises Conflict where there is a later one, as nobody decides on what is unread.
    """
    return _step(alert_id, "review", by=by, reason=reason, version=version)


@action
def dismiss(alert_id: int, *, by: User, reason: str, version: int | None = None) -> Alert:
    """End it with a reason: it shows nothing that needs the ministry."""
    return _step(alert_id, "dismiss", by=by, reason=reason, version=version)


@action
def take(alert_id: int, *, by: User, reason: str, case_reference: str, version: int | None = None) -> Alert:
    """Note in which case it is looked into further. The case was opened by a person, by its own rules. Raises Invalid
    beside `case_reference` for one that `by` may not know of, which the ledger tells.
    """
    return _step(alert_id, "take", by=by, reason=reason, version=version, case_reference=case_reference)


def _step(alert_id: int, verb: str, *, by: User, reason: str, version: int | None, case_reference: str = "") -> Alert:
    alert = Alert.objects.select_for_update().get(pk=alert_id)
    check(by, ALERT_RULES[verb], alert)
    if version is not None and alert.versions.filter(number__gt=version).exists():
        raise Conflict(f"More was seen of {alert.reference} since you read it. Read that first.")
    if not reason.strip():
        raise Invalid(reason="Say why, for whoever reads it later")
    opened = Event.objects.visible_to(by).filter(verb="case.opened", reference=case_reference)
    if verb == "take" and not opened.exists():
        raise Invalid(case_reference="There is no such case that you may see. Enter the reference as its page has it")
    alert.state = ALERT_RULES[verb].after
    if alert.state != Alert.State.UNDER_REVIEW:
        alert.closed_at = now()
    alert.save(update_fields=["state", "closed_at"])
    AlertStep.objects.create(alert=alert, step=verb, by=by, reason=reason.strip(), case_reference=case_reference)
    record(by, f"alert.{alert.state}", alert, feed=alert.feed_id, case=case_reference)
    return alert


__all__ = ["dismiss", "evaluate", "review", "take"]
