"""From a feed's last days to alerts, and what people do with them."""

from __future__ import annotations

import tempfile
from collections.abc import Iterable
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
from ledger.references import next_reference
from ledger.time import now
from monitoring import aggregated
from monitoring.actions.looking import leased_until, local
from monitoring.matching import Permit, permits_of
from monitoring.models import Alert, AlertStep, AlertVersion, Batch, Feed, WindowReading
from monitoring.reading import METHOD, Options, fingerprint, read
from monitoring.rules import ALERT_RULES, FEED_RULES
from monitoring.windows import Part, merge
from notifications.actions import tell
from web.problems import Invalid

RUNGS = {"pattern": 1, "corroborated pattern": 2}
SAME = 0.5  # of the accounts of both findings, at least so many in common: it is the same one


@dataclass(frozen=True)
class Window:
    """What one evaluation looks at: how many batches of the feed it knows of, the last of them, and from when on."""

    feed_id: int
    batches: int
    last_batch: int
    since: datetime

    def of(self, kind: str) -> QuerySet[Batch]:
        """The batches that have rows from then on, the latest received first. What comes meanwhile is for the next one."""
        known = Batch.objects.filter(feed=self.feed_id, kind=kind, pk__lte=self.last_batch)
        return known.since(self.since)

    def has_rows_of_before(self) -> bool:
        """Whether the feed has calls from before."""
        known = Batch.objects.filter(feed=self.feed_id, kind="calls", pk__lte=self.last_batch)
        return known.filter(rows__gt=0, first_at__lt=self.since).exists()


@dataclass(frozen=True)
class Looked:
    """The report about a window; of how many batches there were too many rows to look at them as well; and whether these
    are all calls that the feed has: else nobody sees how much of a cap for the whole was used up before.
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
    try:
        looked = _looked_at(window)
        windows = _windows_at(window)
    except BaseException:
        _let_go(feed_id)
        raise
    return _conclude(window, looked, windows)


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
    return Window(feed.pk, feed.batches, last, now() - timedelta(days=settings.FEED_WINDOW_DAYS))


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
        kept = merge(parts, place / "merged", since_us=int(window.since.timestamp() * 1_000_000))
        left_out, permits = found.count() - len(chosen), _permits(chosen[0].organisation)
        report = read(kept, Options(permits=permits, analytics=settings.ANALYTICS_URL))
        return Looked(report, left_out, whole=not left_out and not window.has_rows_of_before())


def _windows_at(window: Window) -> dict[str, Any] | None:
    """What the feed's aggregated windows say; None where it has none. Of too many rows, those of the latest batches."""
    chosen: list[str] = []
    rows = 0
    for batch in window.of("windows").iterator():
        if chosen and rows + batch.rows > settings.FEED_WINDOW_ROWS:
            break
        chosen.append(batch.file)
        rows += batch.rows
    if not chosen:
        return None
    with tempfile.TemporaryDirectory(prefix="window-", dir=settings.FILE_UPLOAD_TEMP_DIR) as folder:
        paths = [local(name, Path(folder)) for name in reversed(chosen)]
        return aggregated.read(paths, since=int(window.since.timestamp()))


def _permits(provider: Organisation) -> list[Permit]:
    """What the register says that the provider permits: work under it is no finding."""
    found: list[Permit] = []
    for entry in Authorisation.objects.of(provider).with_history().order_by("pk"):
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
def _conclude(window: Window, looked: Looked, windows: dict[str, Any] | None) -> Feed:
    """Put on record what was seen. Two that looked at once fold into the same alerts: the feed's lock is held."""
    feed = Feed.objects.select_for_update().get(pk=window.feed_id)
    report = looked.report
    findings = _worth_reading(report, looked.whole)
    known = [_Known.of(alert) for alert in feed.alerts.filter(_may_be_same(now())).order_by("pk")]
    told = _Told(fingerprint(report), report.get("explanations", []), looked.left_out, looked.whole)
    for finding in findings:
        same = _same(finding, known)
        if same is None:
            _opened(feed, window, finding, told)
        else:
            _seen_again(same, window, finding, told)
    if windows is not None:
        sha256 = aggregated.fingerprint(windows)
        WindowReading.objects.create(feed=feed, at=now(), report=windows, sha256=sha256)
    feed.evaluated = max(feed.evaluated, window.batches)
    feed.evaluated_at, feed.attempts = now(), 0
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


def _same(finding: dict[str, Any], known: Iterable[_Known]) -> _Known | None:
    """The alert that is about the same accounts. What was ended stays ended, until there are rows from well after it."""
    accounts, last = set(finding["accounts"]), datetime.fromisoformat(finding["rows"]["last"])
    for one in known:
        shared = len(accounts & one.accounts)
        if one.alert.unit != finding["unit"] or shared < SAME * len(accounts | one.accounts):
            continue
        if one.alert.closed_at is None or last <= one.alert.closed_at + _quiet():
            return one
    return None


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
    more = RUNGS[finding["rung"]] > RUNGS[alert.rung]
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
def review(alert_id: int, *, by: User, reason: str) -> Alert:
    """Begin to look into it: the person and the reason are on record. It opens no case."""
    return _step(alert_id, "review", by=by, reason=reason)


@action
def dismiss(alert_id: int, *, by: User, reason: str) -> Alert:
    """End it with a reason: it shows nothing that needs the ministry."""
    return _step(alert_id, "dismiss", by=by, reason=reason)


@action
def take(alert_id: int, *, by: User, reason: str, case_reference: str) -> Alert:
    """Note in which case it is looked into further. The case was opened by a person, by its own rules."""
    return _step(alert_id, "take", by=by, reason=reason, case_reference=case_reference)


def _step(alert_id: int, verb: str, *, by: User, reason: str, case_reference: str = "") -> Alert:
    alert = Alert.objects.select_for_update().get(pk=alert_id)
    check(by, ALERT_RULES[verb], alert)
    if not reason.strip():
        raise Invalid(reason="Say why, for whoever reads it later")
    alert.state = ALERT_RULES[verb].after
    if alert.state != Alert.State.UNDER_REVIEW:
        alert.closed_at = now()
    alert.save(update_fields=["state", "closed_at"])
    AlertStep.objects.create(alert=alert, step=verb, by=by, reason=reason.strip(), case_reference=case_reference)
    record(by, f"alert.{alert.state}", alert, feed=alert.feed_id, case=case_reference)
    return alert


__all__ = ["dismiss", "evaluate", "review", "take"]
