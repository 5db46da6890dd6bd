"""Sweeps that meet each other, stand still, lose their broker or find a row that always raises."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import psycopg
import pytest
from django.test import Client

from accounts.models import Organisation
from cases import tasks
from cases.models import Case, CaseReminder, Notice, NoticeReminder, Referral
from config.celery import app, transport_options
from ledger import sweep
from ledger.models import Event, PutOff
from ledger.time import now, standing_at
from notifications.models import Message
from tests import builders
from tests.faults.processes import beat, wait_for, worker
from tests.faults.schedule import meeting, pausing
from tests.faults.verdict import lost_and_doubled, violations

LONG_AGO = timedelta(days=25)


@pytest.mark.slow
def test_five_sweeps_at_once_do_each_case_once(
    people: builders.Cast, concurrently: Callable[..., list[Any]], figure: Callable[[str], None]
) -> None:
    ids = builders.open_cases(people, 210, sent_at=now() - LONG_AGO)
    tallies = concurrently(*[tasks.run_all] * 5)
    assert not [t for t in tallies if isinstance(t, BaseException)]
    assert violations(ids) == []
    assert PutOff.objects.count() == 0
    shares = [t["referrals"].acted for t in tallies]
    assert sum(shares) == 210
    assert Event.objects.filter(verb="notice.missed").count() == 420
    figure(
        f"five sweeps at once over 210 due cases, referred by each: {shares}, lost and doubled: {lost_and_doubled(ids)}"
    )


def test_two_sweeps_that_look_at_once_refer_once(
    people: builders.Cast, concurrently: Callable[..., list[Any]], locks: bool
) -> None:
    """Without locks the constraint still holds: the second attempt fails, and is put off for nothing."""
    (pk,) = builders.open_cases(people, 1, sent_at=now() - LONG_AGO)
    Notice.objects.filter(case=pk, kind="evidence").update(state="waived")
    meet = meeting(locks)
    tallies = concurrently(pausing(tasks.run_all, meet), pausing(tasks.run_all, meet))
    assert sum(t["referrals"].acted for t in tallies) == 1
    assert Event.objects.filter(verb="case.referred", object_id=pk).count() == 1
    assert sum(t["referrals"].failed for t in tallies) == (0 if locks else 1)
    assert PutOff.objects.filter(error="IntegrityError").exists() != locks


def test_two_sweeps_refer_twice_without_lock_and_constraint(
    people: builders.Cast,
    concurrently: Callable[..., list[Any]],
    locks: bool,
    without_constraint: Callable[[str, str], None],
) -> None:
    """The last line of defence away as well: now the duplicate is there, and the verdict names it."""
    without_constraint("cases_referral", "referral_once_a_round")
    (pk,) = builders.open_cases(people, 1, sent_at=now() - LONG_AGO)
    Notice.objects.filter(case=pk, kind="evidence").update(state="waived")
    meet = meeting(locks)
    concurrently(pausing(tasks.run_all, meet), pausing(tasks.run_all, meet))
    assert lost_and_doubled([pk]) == ((0, 0) if locks else (0, 1))
    assert (violations([pk]) == []) == locks


def test_two_sweeps_that_look_at_once_stamp_a_miss_once(
    people: builders.Cast, concurrently: Callable[..., list[Any]], locks: bool
) -> None:
    (pk,) = builders.open_cases(people, 1, sent_at=now() - LONG_AGO)
    notice = Notice.objects.filter(case=pk, kind="evidence").earliest("pk")
    meet = meeting(locks)
    concurrently(*[pausing(lambda: tasks.stamp_missed(notice.pk), meet)] * 2)
    assert Event.objects.filter(verb="notice.missed", object_id=notice.pk).count() == (1 if locks else 2)


# --- Reminders ----------------------------------------------------------------------------------------------------------
def test_reminders_of_five_sweeps_are_sent_once_per_notice_due_date_and_offset(
    people: builders.Cast, concurrently: Callable[..., list[Any]]
) -> None:
    ids = builders.open_cases(people, 12, sent_at=now() - timedelta(days=2))
    due = Case.objects.get(pk=ids[0]).refers_at
    assert due is not None
    for days in (7, 3, 1):
        with standing_at(due - timedelta(days=days) + timedelta(minutes=1)):
            assert not [t for t in concurrently(*[tasks.run_all] * 5) if isinstance(t, BaseException)]
    notices = list(Notice.objects.filter(case__in=ids, kind="evidence"))
    wanted = Counter({(n.pk, due, days): 1 for n in notices for days in (7, 3, 1)})
    assert Counter(NoticeReminder.objects.values_list("notice_id", "due_at", "days")) == wanted
    assert Counter(CaseReminder.objects.values_list("case_id", "days")) == Counter(
        {(pk, days): 1 for pk in ids for days in (7, 3, 1)}
    )
    assert Event.objects.filter(verb="notice.reminded").count() == 3 * len(notices)
    letters = Counter(
        Message.objects.filter(template="notice_reminder").values_list("about_id", "address", "dedupe_key")
    )
    assert len(letters) == 3 * 3 * len(notices)  # three times, to one member and two contacts
    assert PutOff.objects.count() == 0


def test_two_sweeps_that_look_at_once_remind_once(
    people: builders.Cast, concurrently: Callable[..., list[Any]], locks: bool
) -> None:
    (pk,) = builders.open_cases(people, 1, sent_at=now() - timedelta(days=2))
    notice = Notice.objects.filter(case=pk, kind="evidence").earliest("pk")
    assert notice.due_at is not None
    meet = meeting(locks)
    with standing_at(notice.due_at - timedelta(days=3)):
        results = concurrently(*[pausing(lambda: tasks.remind(notice.pk), meet)] * 2)
    assert NoticeReminder.objects.filter(notice=notice).count() == 1
    assert [type(r).__name__ for r in results].count("IntegrityError") == (0 if locks else 1)


def test_two_sweeps_remind_twice_without_lock_and_constraint(
    people: builders.Cast,
    concurrently: Callable[..., list[Any]],
    locks: bool,
    without_constraint: Callable[[str, str], None],
) -> None:
    without_constraint("cases_noticereminder", "notice_reminder_once")
    (pk,) = builders.open_cases(people, 1, sent_at=now() - timedelta(days=2))
    notice = Notice.objects.filter(case=pk, kind="evidence").earliest("pk")
    assert notice.due_at is not None
    meet = meeting(locks)
    with standing_at(notice.due_at - timedelta(days=3)):
        concurrently(*[pausing(lambda: tasks.remind(notice.pk), meet)] * 2)
    assert NoticeReminder.objects.filter(notice=notice).count() == (1 if locks else 2)
    assert Message.objects.filter(template="notice_reminder").count() == 3  # the letters have a key of their own


# --- Standstill ---------------------------------------------------------------------------------------------------------
def _march(day: int, hour: int = 0) -> datetime:
    return datetime(2026, 3, day, hour, tzinfo=UTC)


def test_after_three_days_of_standstill_everything_is_made_good_with_its_legal_instant(people: builders.Cast) -> None:
    over = builders.open_cases(people, 20, sent_at=_march(2, 10))
    tomorrow = builders.open_cases(people, 3, sent_at=_march(4, 10))
    later = builders.open_cases(people, 3, sent_at=_march(6, 10))
    dues = [Case.objects.get(pk=group[0]).refers_at for group in (over, tomorrow, later)]
    assert dues == [_march(17), _march(19), _march(21)]
    with standing_at(_march(15, 12)):
        tasks.run_all()
    sent_before = {
        NoticeReminder.objects.filter(notice__case__in=g).values_list("days").distinct().get()
        for g in (over, tomorrow, later)
    }
    assert sent_before == {(3,), (7,)}
    asleep_until = _march(18, 12)
    with standing_at(asleep_until):
        tasks.run_all()
        assert violations(over) == []
        for event in Event.objects.filter(verb__in=["notice.missed", "case.referred"]):
            assert event.at == _march(17)
            assert event.detected_at == asleep_until
        referral = Referral.objects.filter(case__in=over).latest("pk")
        assert (referral.referred_at, referral.queued_at) == (_march(17), asleep_until)
        assert Referral.objects.exclude(case__in=over).count() == 0
        # Of the offsets that went by, only the nearest is sent; after the deadline none is.
        assert _offsets(over, since=asleep_until) == set()
        assert _offsets(tomorrow, since=asleep_until) == {1}
        assert _offsets(later, since=asleep_until) == {3}
        before = Event.objects.count()
        assert not any(t.acted for t in tasks.run_all().values())
        assert Event.objects.count() == before


def _offsets(ids: list[int], *, since: datetime) -> set[int]:
    rows = NoticeReminder.objects.filter(notice__case__in=ids, at__gte=since).values_list("days", flat=True)
    team = CaseReminder.objects.filter(case__in=ids, at__gte=since).values_list("days", flat=True)
    assert set(rows) == set(team)
    return set(rows)


# --- A row that always raises -------------------------------------------------------------------------------------------
def test_row_that_always_raises_is_put_off_shown_and_in_nobodys_way(
    people: builders.Cast, broken: Callable[[str, str], Callable[[], None]], client: Client
) -> None:
    ids = builders.open_cases(people, 12, sent_at=now() - LONG_AGO)
    bad = ids[0]  # the longest overdue: the first that every sweep comes to
    mend = broken("cases_referral", f"NEW.case_id = {bad}")
    start = now()
    with standing_at(start):
        tally = tasks.run_all()["referrals"]
        assert (tally.acted, tally.failed) == (11, 1)
        assert violations(ids[1:]) == []
        row = PutOff.objects.get()
        assert (row.sweep, row.object_id, row.attempts) == ("referrals", bad, 1)
        answer = client.get("/health/")
        assert answer.status_code == 503
        assert answer.json()["put_off"] == 1
        assert answer.json()["overdue_cases"] == 1
        assert tasks.run_all()["referrals"].failed == 0  # not tried again at once
    waits, at = [], start
    for attempt in range(2, 10):
        wait = PutOff.objects.get().next_attempt_at - at
        waits.append(wait)
        with standing_at(at + wait - timedelta(seconds=1)):
            assert tasks.run_all()["referrals"].failed == 0
        at += wait
        with standing_at(at):
            assert tasks.run_all()["referrals"].failed == 1
        assert PutOff.objects.get().attempts == attempt
    assert waits == sorted(waits)
    assert waits[0] == timedelta(minutes=1)
    assert waits[-1] == sweep.LONGEST_WAIT
    assert Event.objects.filter(verb="case.referred", object_id=bad).count() == 0
    mend()
    at += sweep.LONGEST_WAIT
    with standing_at(at):
        assert tasks.run_all()["referrals"].acted == 1
        assert violations(ids) == []
        assert PutOff.objects.count() == 0
        assert client.get("/health/").json()["overdue_cases"] == 0


def test_every_case_waits_for_a_missing_authority_and_goes_once_there_is_one(people: builders.Cast) -> None:
    """A real fault of the data: nobody can be referred to, and the misses are stamped all the same."""
    ids = builders.open_cases(people, 5, sent_at=now() - LONG_AGO)
    authority = Organisation.objects.filter(kind="authority")
    authority.update(state="pending", decided_at=None)
    start = now()
    with standing_at(start):
        tallies = tasks.run_all()
    assert (tallies["misses"].acted, tallies["referrals"].acted, tallies["referrals"].failed) == (10, 0, 5)
    assert set(PutOff.objects.values_list("error", "attempts")) == {("DoesNotExist", 1)}
    assert Referral.objects.count() == 0
    authority.update(state="verified", decided_at=start)
    with standing_at(start + timedelta(minutes=1)):
        assert tasks.run_all()["referrals"].acted == 5
    assert violations(ids) == []


def test_sweeps_that_meet_the_same_bad_row_count_it_and_go_on(
    people: builders.Cast, broken: Callable[[str, str], Callable[[], None]], concurrently: Callable[..., list[Any]]
) -> None:
    ids = builders.open_cases(people, 9, sent_at=now() - LONG_AGO)
    broken("cases_referral", f"NEW.case_id = {ids[0]}")
    assert not [t for t in concurrently(*[tasks.run_all] * 5) if isinstance(t, BaseException)]
    assert violations(ids[1:]) == []
    assert PutOff.objects.get().object_id == ids[0]
    assert Case.objects.get(pk=ids[0]).state == "open"


# --- Beats and the broker -----------------------------------------------------------------------------------------------
@pytest.mark.slow
def test_two_beats_and_a_wiped_broker_cost_nothing(
    people: builders.Cast,
    process_environment: dict[str, str],
    broker_url: str,
    tmp_path: Path,
    figure: Callable[[str], None],
) -> None:
    environment = {
        **process_environment,
        "CELERY_BROKER_URL": broker_url,
        "CANDOUR_TASK_VISIBILITY": "5",
        "CANDOUR_WORKER_SILENCE": "8",  # beats are heard every two seconds: eight without one is a deaf worker
    }
    log, first, second = (tmp_path / name for name in ("worker.log", "first.log", "second.log"))
    conninfo = transport_options(broker_url, 5)["conn_string"]
    ids: list[int] = []

    def more() -> None:
        ids.extend(builders.open_cases(people, 12, sent_at=now() - LONG_AGO))

    def wait() -> None:
        wait_for(lambda: not Case.objects.due_for_referral().exists(), log)

    with beat(environment, first), beat(environment, second):
        with worker(environment, log, name="beaten") as process:
            more()
            wait()
            _at_broker(conninfo, b"SELECT pgmq.purge_queue('candour')")
            more()
            wait()
            _at_broker(conninfo, b"SELECT pgmq.drop_queue('candour')")
            more()
            # A worker whose queue is gone stops: whoever runs it (the supervisor, systemd) starts it again.
            wait_for(lambda: process.poll() is not None, log)
        with worker(environment, log, name="started-again"):
            wait()
            more()  # and the beats, which have gone on all the while, are heard again
            wait()
        sent = [path.read_text().count("Sending due task sweep") for path in (first, second)]
    assert min(sent) >= 2
    assert violations(ids) == []
    assert PutOff.objects.count() == 0
    figure(f"two beats sent {sent} ticks, the broker was emptied, then dropped: {len(ids)} cases, each referred once")


def _at_broker(conninfo: str, statement: bytes) -> None:
    with psycopg.connect(conninfo, autocommit=True) as broker:
        broker.execute(statement)


def test_schedule_that_two_beats_send_is_safe_to_run_twice() -> None:
    """Whatever beat sends takes no argument and reads its work from the database."""
    app.loader.import_default_modules()
    for entry in app.conf.beat_schedule.values():
        assert "args" not in entry
        assert "kwargs" not in entry
