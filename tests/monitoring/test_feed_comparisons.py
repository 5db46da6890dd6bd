"""Feeds beside what others declared: when a feed is compared, what is kept of it, once, and again after a failure."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from django.db.models import QuerySet
from django.urls import reverse

from accounts.models import User
from cases.models import Case
from config import acts
from disclosures import actions as filings
from disclosures.models import Filing
from ledger.models import Event, PutOff
from ledger.time import now, standing_at
from monitoring import tasks
from monitoring.actions import comparing_feeds as act
from monitoring.actions import feeds
from monitoring.models import Comparison, Feed, Unrelated
from tests import cast
from tests.monitoring.feeds import caseworker, provider, received, sent

__all__ = ["caseworker", "provider"]

pytestmark = pytest.mark.django_db(transaction=True)

FIRST = datetime(2026, 11, 16, tzinfo=UTC)
DAY, HOUR = timedelta(days=1), timedelta(hours=1)
FILED = FIRST + 4 * DAY + 9 * HOUR  # the disclosure is of two days that are over
PASSED = FIRST + 5 * DAY
ACCOUNT = "5f2c1a9e0b7d4c33"
FIGURE = 7_431_902
SAID = {
    "target_organisation": "Kestrel Ltd",
    "started_at": {"precision": "exact", "value": "2026-11-16"},
    "ongoing": False,
    "ended_at": {"precision": "exact", "value": "2026-11-17"},
    "timezone": "UTC",
    "requests": {"precision": "exact", "value": FIGURE},
    "input_tokens": {"precision": "exact", "value": 500},
    "output_tokens": {"precision": "exact", "value": 192},
    "accounts_used": {"precision": "exact", "value": 1},
    "account_hashes": ACCOUNT,
}


@pytest.fixture
def filer(provider: User) -> User:
    return cast.person(cast.organisation("Merlin Ltd"), "company_officer")


def disclose(filer: User, number: int = 1, at: datetime = FILED, **over: Any) -> Filing:
    with standing_at(at):
        return acts.file_it("disclosure", filer, {**acts.disclosure_content(number), **SAID, **over})


def hourly(begins: datetime = FIRST, hours: int = 96, account: str = ACCOUNT) -> bytes:
    """A call in every hour, of 10 and 4 tokens."""
    rows = [
        {
            "ts": (begins + HOUR * (n + 0.5)).isoformat(),
            "account": account,
            "model": "m",
            "input_tokens": 10,
            "output_tokens": 4,
            "status": 200,
            "prompt_hash": f"{begins} {n}",
        }
        for n in range(hours)
    ]
    return "".join(json.dumps(row) + "\n" for row in rows).encode()


def compared(at: datetime = PASSED) -> Any:
    with standing_at(at):
        return tasks.watch_all()["feed_comparisons"]


@pytest.fixture
def gap(provider: User, filer: User, caseworker: User, tmp_path: Path) -> Comparison:
    """The filer declared millions of calls; the feed has 48 of them, one an hour, in three batches that overlap."""
    disclose(filer)
    with standing_at(FILED):
        received(provider, tmp_path, hourly(), "whole")
        received(provider, tmp_path, hourly(hours=40), "again")
        received(provider, tmp_path, hourly(FIRST + 2 * DAY, account="z"), "more")
    assert (compared().acted, compared().failed) == (1, 0)
    return Comparison.objects.get()


# --- When, and what is kept ---------------------------------------------------------------------------------------------
def test_a_gap_between_a_feed_and_a_declaration_waits_for_a_person(
    provider: User, filer: User, gap: Comparison
) -> None:
    feed = Feed.objects.get()
    assert (gap.feed, gap.analysis, gap.state, gap.version.filing.organisation) == (
        feed,
        None,
        "open",
        filer.organisation,
    )
    figures = {one["name"]: (one["declared"], one["counted"], one["gap"]) for one in gap.result["figures"]}
    assert figures == {
        "requests": (FIGURE, 48, True),
        "input_tokens": (500, 480, False),
        "output_tokens": (192, 192, False),
        "accounts_used": (1, 1, False),
    }, "rows sent twice count once"
    assert (gap.result["basis"], gap.result["covered"], gap.result["kind"]) == ("accounts", True, "calls")
    event = Event.objects.get(verb="feed.compared")
    assert (event.audience, event.details) == ([], {"comparison": gap.pk, "gap": True})
    assert (event.root_type, event.root_id) == ("monitoring.feed", feed.pk)
    assert feed.comparison_attempts == 0
    assert not Case.objects.exists()
    assert not Unrelated.objects.exists()
    assert compared(PASSED + 2 * DAY).acted == 1, "looked at again a day later"
    assert Comparison.objects.count() == 1, "and not compared again"


def test_windows_of_a_feed_are_counted_too(provider: User, filer: User, tmp_path: Path) -> None:
    disclose(filer, requests={"precision": "estimated", "value": 10, "how": "Invoices"})
    rows = [
        {
            "window_start": (FIRST + HOUR * n).isoformat(),
            "window_seconds": 3600,
            "account": ACCOUNT,
            "model": "m",
            "calls": 3,
            "input_tokens": 30,
            "output_tokens": 12,
        }
        for n in range(72)
    ]
    body = "".join(json.dumps(row) + "\n" for row in rows).encode()
    with standing_at(FILED):
        received(provider, tmp_path, body, "1")
        received(provider, tmp_path, b"".join(body.splitlines(True)[:30]), "2")
    compared()
    row = Comparison.objects.get()
    assert (row.state, row.result["kind"]) == ("open", "windows")
    figures = {one["name"]: (one["counted"], one["gap"]) for one in row.result["figures"]}
    assert figures == {
        "requests": (48 * 3, True),
        "input_tokens": (48 * 30, True),
        "output_tokens": (48 * 12, True),
        "accounts_used": (1, False),
    }


def test_a_period_is_compared_once_the_feed_and_a_day_have_passed_it(
    provider: User, filer: User, tmp_path: Path
) -> None:
    disclose(filer, at=FIRST + 2 * DAY)
    with standing_at(FIRST + 2 * DAY):
        received(provider, tmp_path, hourly(hours=47), "1")
    assert compared(FIRST + 3 * DAY + HOUR).acted == 1
    assert not Comparison.objects.exists(), "the feed's rows end an hour before the period does"
    with standing_at(FIRST + 2 * DAY + 2 * HOUR):
        received(provider, tmp_path, hourly(FIRST + 47 * HOUR, hours=3), "2")
    Feed.objects.update(next_comparison_at=FIRST)
    compared(FIRST + 3 * DAY - HOUR)
    assert not Comparison.objects.exists(), "what comes late may still come"
    Feed.objects.update(next_comparison_at=FIRST)
    compared(FIRST + 3 * DAY)
    assert Comparison.objects.get().result["figures"][0]["counted"] == 48


def test_what_goes_on_is_compared_to_the_end_of_the_day_on_which_it_was_declared(
    provider: User, filer: User, tmp_path: Path
) -> None:
    disclose(filer, ongoing=True, ended_at=None)
    with standing_at(FIRST + 5 * DAY + HOUR):
        received(provider, tmp_path, hourly(hours=24 * 5 + 1), "1")
    compared(FIRST + 6 * DAY)
    row = Comparison.objects.get()
    assert (row.result["ongoing"], row.result["to"]) == (True, "2026-11-21T00:00:00Z")
    assert row.result["figures"][0]["counted"] == 24 * 5


def test_a_row_that_is_dated_ahead_makes_no_feed_have_passed_a_period(
    provider: User, filer: User, tmp_path: Path
) -> None:
    disclose(filer)
    with standing_at(FIRST + DAY):
        received(provider, tmp_path, hourly(hours=24) + hourly(FIRST + 365 * DAY, hours=1), "1")
    compared(PASSED)
    assert not Comparison.objects.exists(), "the rest may come yet"
    with standing_at(PASSED):
        received(provider, tmp_path, hourly(FIRST + DAY, hours=95), "2")
    compared(PASSED + DAY)
    assert Comparison.objects.get().result["figures"][0]["counted"] == 48


def test_what_is_corrected_is_compared_anew(provider: User, filer: User, gap: Comparison, caseworker: User) -> None:
    with standing_at(PASSED):
        filing = gap.version.filing
        filings.return_(filing.pk, by=caseworker, reasons={"volume": "How was it counted?"})
        content = {**gap.version.content, "requests": {"precision": "exact", "value": 50}}
        filings.save_content(filing.pk, by=filer, content=content)
        filings.submit(filing.pk, by=filer, name="M", capacity="Counsel", received_at=now())
    assert compared(PASSED + DAY).acted == 1
    first, second = Comparison.objects.order_by("pk")
    assert (first.version.number, first.state) == (1, "open"), "what was seen stays"
    assert (second.version.number, second.state) == (2, "noted")
    assert second.result["figures"][0]["declared"] == 50


def test_what_is_about_neither_the_provider_nor_its_accounts_is_counted_once_and_shown_to_nobody(
    provider: User, filer: User, caseworker: User, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    later = {"ended_at": {"precision": "exact", "value": "2026-11-21"}}
    disclose(filer, 1, target_organisation="Somebody else Ltd", account_hashes="another account")
    disclose(filer, 2, target_organisation="Somebody else Ltd", at=FILED + 2 * DAY, **later)
    disclose(cast.person(provider.organisation, "company_officer"), 3)
    with standing_at(FILED):
        received(provider, tmp_path, hourly(), "1")
    count, asked = act.count, []

    def counting(*args: Any) -> Any:
        asked.append(args[1].reference)
        return count(*args)

    monkeypatch.setattr(act, "count", counting)
    for days in range(3):
        assert compared(PASSED + days * DAY).acted == 1
    [filing, _] = Filing.objects.filter(organisation=filer.organisation).order_by("pk")
    assert asked == [filing.reference], "the feed ends within the second, the third is the provider's own"
    assert Unrelated.objects.get().version.filing == filing
    assert not Comparison.objects.exists()
    page = cast.signed_in(caseworker).get(reverse("feed", args=[Feed.objects.get().pk])).content.decode()
    assert filing.reference not in page
    assert "declared" not in page.lower()


def test_too_few_mean_nothing_where_the_provider_sends_another_feed(
    provider: User, filer: User, tmp_path: Path
) -> None:
    disclose(filer)
    with standing_at(FILED):
        received(provider, tmp_path, hourly(), "1")
        other = sent(tmp_path, hourly(account="z"), "other")
        feeds.receive_batch(other, by=provider, feed="other", batch_id="2", received_at=now())
    assert compared().acted == 2
    both = Comparison.objects.order_by("feed__name")
    assert [(row.feed.name, row.state, row.result["elsewhere"]) for row in both if row.feed] == [
        ("main", "noted", True),
        ("other", "noted", True),
    ]
    assert [row.result["basis"] for row in both] == ["accounts", "period"]


def test_a_feed_that_is_paused_is_not_compared(provider: User, filer: User, caseworker: User, tmp_path: Path) -> None:
    disclose(filer)
    with standing_at(FILED):
        feed = received(provider, tmp_path, hourly(), "1").feed_id
        feeds.pause(feed, by=caseworker)
    assert compared().acted == 0
    feeds.resume(feed, by=caseworker)
    assert compared().acted == 1
    assert Comparison.objects.exists()


# --- Once, and again after a failure ------------------------------------------------------------------------------------
def test_two_sweeps_at_once_compare_once(
    provider: User, filer: User, tmp_path: Path, concurrently: Callable[..., list[Any]]
) -> None:
    disclose(filer)
    with standing_at(FILED):
        received(provider, tmp_path, hourly(), "1")
    with standing_at(PASSED):  # the clock is the process's
        tallies = concurrently(*[tasks.watch_all] * 4)
    assert sum(tally["feed_comparisons"].acted for tally in tallies) == 1
    assert Comparison.objects.count() == 1
    assert not PutOff.objects.exists()


def _race(
    provider: User, filer: User, tmp_path: Path, concurrently: Callable[..., list[Any]], patch: pytest.MonkeyPatch
) -> list[Any]:
    """Two that have both begun before either has counted: the lease of the first was over."""
    disclose(filer)
    with standing_at(FILED):
        feed = received(provider, tmp_path, hourly(), "1").feed_id
    begun, counted = threading.Event(), threading.Barrier(2)
    count = act.count

    def slowly(*args: Any) -> Any:
        begun.set()
        counted.wait(20)
        return count(*args)

    patch.setattr(act, "count", slowly)

    def second() -> Any:
        assert begun.wait(20)
        Feed.objects.update(next_comparison_at=PASSED)
        return act.compare(feed)

    with standing_at(PASSED):
        return concurrently(lambda: act.compare(feed), second)


def test_two_that_count_at_once_keep_one_comparison(
    provider: User,
    filer: User,
    tmp_path: Path,
    concurrently: Callable[..., list[Any]],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    done = _race(provider, filer, tmp_path, concurrently, monkeypatch)
    assert [type(one) for one in done] == [Feed, Feed]
    assert Comparison.objects.count() == 1
    assert Event.objects.filter(verb="feed.compared").count() == 1


def test_two_that_count_at_once_keep_two_without_lock_and_constraint(
    provider: User,
    filer: User,
    tmp_path: Path,
    concurrently: Callable[..., list[Any]],
    monkeypatch: pytest.MonkeyPatch,
    without_constraint: Callable[[str, str], None],
) -> None:
    """The negative control: it is the feed's lock that makes it once, and the constraint is the last word."""
    both, keep = threading.Barrier(2), act.keep_comparison

    def together(row: Comparison) -> None:
        both.wait(20)
        keep(row)

    without_constraint("monitoring_comparison", "comparison_once_of_feed")
    monkeypatch.setattr(QuerySet, "select_for_update", lambda self, **_kind: self._chain())
    monkeypatch.setattr(act, "keep_comparison", together)
    _race(provider, filer, tmp_path, concurrently, monkeypatch)
    assert Comparison.objects.count() == 2


def test_one_that_cannot_be_counted_holds_up_no_other_and_mends_itself(
    provider: User, filer: User, tmp_path: Path, storage: Path
) -> None:
    earlier = {"started_at": {"precision": "exact", "value": "2026-10-01"}}
    earlier |= {"ended_at": {"precision": "exact", "value": "2026-10-02"}}
    disclose(filer, 1, **earlier)
    disclose(filer, 2)
    with standing_at(FILED):
        broken = received(provider, tmp_path, hourly(datetime(2026, 10, 1, tzinfo=UTC)), "1")
        received(provider, tmp_path, hourly(), "2")
    whole = (storage / broken.file).read_bytes()
    (storage / broken.file).write_bytes(b"PAR1 broken PAR1")
    assert (compared().acted, compared().failed) == (0, 0), "put off: not tried again at once"
    assert PutOff.objects.get(sweep="feed_comparisons").object_id == broken.feed_id
    assert Comparison.objects.get().version.content["filer_reference"] == "EXT-2026-002"
    with standing_at(PASSED + timedelta(minutes=2)):
        assert tasks.watch_all()["feed_comparisons"].failed == 1
        assert Feed.objects.failing().exists()
    (storage / broken.file).write_bytes(whole)
    assert compared(PASSED + HOUR).acted == 1
    assert Comparison.objects.count() == 2
    assert not PutOff.objects.filter(sweep="feed_comparisons").exists()
    assert Feed.objects.get().comparison_attempts == 0


def test_a_row_that_cannot_be_kept_is_tried_again(
    provider: User, filer: User, tmp_path: Path, broken: Callable[..., Any]
) -> None:
    disclose(filer)
    with standing_at(FILED):
        received(provider, tmp_path, hourly(), "1")
    mend = broken("monitoring_comparison", "TRUE")
    compared()
    assert not Comparison.objects.exists()
    mend()
    assert compared(PASSED + timedelta(minutes=2)).acted == 1
    assert Comparison.objects.count() == 1


def test_a_run_that_has_no_time_left_goes_on_in_the_next(
    provider: User, filer: User, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for number in range(3):
        disclose(filer, number)
    with standing_at(FILED):
        received(provider, tmp_path, hourly(), "1")
    monkeypatch.setattr(act, "BUDGET_SECONDS", -1.0)
    compared()
    assert not Comparison.objects.exists()
    monkeypatch.setattr(act, "BUDGET_SECONDS", 60.0)
    assert compared(PASSED + timedelta(minutes=1)).acted == 1
    assert Comparison.objects.count() == 3


def test_a_comparison_that_ends_the_worker_waits_longer_each_time(provider: User, tmp_path: Path) -> None:
    with standing_at(FILED):
        feed = received(provider, tmp_path, hourly(), "1").feed_id
    waits, at = [], PASSED
    for _ in range(3):
        with standing_at(at):
            assert act._begin(feed) is not None  # and the process is gone
            assert act.compare(feed) is None
            due = Feed.objects.get().next_comparison_at
        waits.append(due - at)
        at = due
    assert waits == [timedelta(minutes=m) for m in (10, 20, 40)]
