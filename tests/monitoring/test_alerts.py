"""Alerts: what opens one and what folds into one, what people do with it, and who sees what."""

from __future__ import annotations

import json
import re
import threading
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from django.core import mail
from django.core.management import call_command
from django.test import Client as Browser
from django.urls import reverse

from accounts.models import Organisation, User
from cases.actions import case as cases
from cases.actions import notices
from cases.models import Case
from config.usage_story import hashed, usage_rows
from disclosures.actions import authorisations
from disclosures.examples import AUTHORISATION
from ledger.models import Event, PutOff
from ledger.time import now, standing_at
from monitoring import tasks
from monitoring.actions import alerts as act
from monitoring.actions import feeds
from monitoring.models import Alert, AlertVersion, Batch, Feed
from monitoring.models.feed import AlertQuerySet
from notifications.models import Message
from tests import cast
from tests.monitoring.clickhouse_server import serving
from tests.monitoring.feeds import AT, caseworker, lines, program, provider, received, sent, then, watched
from web.problems import Conflict, Invalid

__all__ = ["caseworker", "provider", "then"]

pytestmark = pytest.mark.django_db(transaction=True)


# --- Evaluating ---------------------------------------------------------------------------------------------------------
@pytest.mark.usefixtures("then")
def test_alert_is_opened_for_people_to_read(provider: User, caseworker: User, tmp_path: Path) -> None:
    tally = watched(provider, tmp_path, AT)
    assert (tally["feeds"].acted, tally["feeds"].failed) == (1, 0)
    alert = Alert.objects.get()
    seen = alert.versions.get()
    assert (alert.unit, alert.state, alert.times) == ("set", "open", 1)
    assert set(seen.accounts) == {hashed("account", f"together {n}") for n in range(8)}
    assert seen.rows > 1000
    letter = Message.objects.get(template="alert_to_read")
    assert letter.address == caseworker.email
    assert not any(account in str(letter.context) for account in seen.accounts)
    event = Event.objects.get(verb="alert.opened")
    assert event.audience == []
    assert tasks.watch_all()["feeds"].acted == 0, "nothing new, nothing to do"


@pytest.mark.usefixtures("then", "caseworker")
def test_same_finding_is_folded_and_people_are_written_to_once_a_quiet_period(provider: User, tmp_path: Path) -> None:
    watched(provider, tmp_path, AT)
    for hours in (2, 4):
        with standing_at(AT + timedelta(hours=hours)):
            watched(provider, tmp_path, AT + timedelta(hours=hours), hours=2)
    alert = Alert.objects.get()
    assert (alert.times, alert.opened_at, alert.last_seen_at) == (3, AT, AT + timedelta(hours=4))
    assert Message.objects.filter(template="alert_to_read").count() == 1
    assert alert.versions.count() == 1
    with standing_at(AT + timedelta(hours=25)):
        watched(provider, tmp_path, AT + timedelta(hours=25), hours=2)
    alert.refresh_from_db()
    assert (alert.times, alert.versions.count()) == (4, 2)
    assert Message.objects.filter(template="alert_to_read").count() == 2


@pytest.mark.usefixtures("then")
def test_dismissed_alert_stays_ended_until_there_is_something_new(
    provider: User, caseworker: User, tmp_path: Path
) -> None:
    watched(provider, tmp_path, AT)
    page = reverse("alert_dismiss", args=[Alert.objects.get().reference])
    assert (
        "if these accounts go on calling for more than 24 hours"
        in cast.signed_in(caseworker).get(page).content.decode()
    )
    act.dismiss(Alert.objects.get().pk, by=caseworker, reason="A load test")
    with standing_at(AT + timedelta(hours=2)):
        watched(provider, tmp_path, AT + timedelta(hours=2), hours=2)
        assert Alert.objects.get().state == "dismissed"
    later = AT + timedelta(days=2)
    with standing_at(later):
        watched(provider, tmp_path, later)
    assert sorted(Alert.objects.values_list("state", flat=True)) == ["dismissed", "open"]


@pytest.mark.usefixtures("caseworker")
def test_what_is_dated_ahead_waits_for_its_time(provider: User, caseworker: User, tmp_path: Path) -> None:
    """One row of a fast clock would lie in every evaluation, and what it belongs to could not be ended."""
    ahead = usage_rows(AT + timedelta(days=365), 1)
    with standing_at(AT):
        received(provider, tmp_path, usage_rows(AT - timedelta(hours=4), 4) + ahead, "one")
        tasks.watch_all()
        seen = AlertVersion.objects.get()
        assert (seen.until < AT, seen.looked_until) == (True, AT + timedelta(hours=1))
        act.dismiss(seen.alert_id, by=caseworker, reason="A load test")
    with standing_at(AT + timedelta(hours=2)):
        received(provider, tmp_path, lines(3), "two")
        tasks.watch_all()
    assert (Feed.objects.get().evaluated, Alert.objects.get().state) == (2, "dismissed")


@pytest.mark.usefixtures("then", "caseworker")
def test_ordinary_rows_open_no_alert(provider: User, tmp_path: Path) -> None:
    received(provider, tmp_path, usage_rows(AT - timedelta(hours=6), 6, together=False))
    assert tasks.watch_all()["feeds"].acted == 1
    assert not Alert.objects.exists()
    assert Feed.objects.get().evaluated == 1


# --- Folding --------------------------------------------------------------------------------------------------------------
def seen(accounts: str, rung: str = "pattern", until: datetime = AT) -> dict[str, Any]:
    """A finding about a set, as a report has it; each letter is an account."""
    rows = {"first": (until - timedelta(hours=1)).isoformat(), "last": until.isoformat(), "count": 9}
    what = {"unit": "set", "rung": rung, "sentence": f"{accounts} act together", "indicators": []}
    return {**what, "accounts": list(accounts), "rows": rows, "explained": False}


def concluded(feed: Feed, *findings: dict[str, Any]) -> None:
    """As after an evaluation that saw these."""
    batches = Batch.objects.filter(feed=feed)
    window = act.Window(feed.pk, batches.count(), batches.latest("pk").pk, now() - timedelta(days=7), now())
    act._conclude(window, act.Looked({"findings": list(findings)}), None, failed=False)


@pytest.fixture
def feed(provider: User, tmp_path: Path) -> Feed:
    with standing_at(AT):
        return received(provider, tmp_path, lines(3)).feed


def about() -> list[tuple[str, str, int]]:
    """Of each alert: the accounts that were seen last, its state, how often."""
    found = Alert.objects.order_by("pk")
    return [("".join(alert.versions.latest("number").accounts), alert.state, alert.times) for alert in found]


@pytest.mark.usefixtures("then", "caseworker")
def test_a_set_that_comes_apart_in_halves_is_two_alerts(feed: Feed) -> None:
    concluded(feed, seen("abcdef"))
    concluded(feed, seen("abc"), seen("def"))
    assert about() == [("abc", "open", 2), ("def", "open", 1)]
    concluded(feed, seen("def"), seen("abc"))
    assert about() == [("abc", "open", 3), ("def", "open", 2)]


@pytest.mark.usefixtures("then", "caseworker")
def test_a_finding_goes_to_the_alert_with_which_it_has_most_in_common(feed: Feed) -> None:
    concluded(feed, seen("abcd"), seen("efgh"))
    concluded(feed, seen("abcdefgh"), seen("efghi"))
    assert about() == [("abcdefgh", "open", 2), ("efghi", "open", 2)]


@pytest.mark.usefixtures("then")
def test_what_was_ended_is_ended_for_both_halves(feed: Feed, caseworker: User) -> None:
    concluded(feed, seen("abcdef"))
    act.dismiss(Alert.objects.get().pk, by=caseworker, reason="A load test")
    concluded(feed, seen("abc"), seen("def"))
    assert about() == [("abcdef", "dismissed", 3)]


@pytest.mark.usefixtures("caseworker")
def test_what_rises_and_falls_is_told_once_a_quiet_period(feed: Feed) -> None:
    for step, rung in enumerate(["pattern", "corroborated pattern", "pattern", "corroborated pattern"]):
        with standing_at(AT + timedelta(minutes=15 * step)):
            concluded(feed, seen("abc" + "d" * (step % 2), rung))
    letters = Message.objects.filter(template="alert_to_read")
    assert letters.count() == 2, "when it was opened, and when it said more"
    with standing_at(AT + timedelta(hours=25)):
        concluded(feed, seen("abc"))
    assert letters.count() == 3


@pytest.mark.usefixtures("then")
def test_nobody_decides_on_what_is_unread(feed: Feed, caseworker: User) -> None:
    concluded(feed, seen("abc"))
    alert = Alert.objects.get()
    browser = cast.signed_in(caseworker)
    page = browser.get(reverse("alert", args=[alert.reference])).content.decode()
    dismiss = reverse("alert_dismiss", args=[alert.reference]) + "?version=1"
    assert f'href="{dismiss}"' in page
    assert 'name="version" value="1"' in browser.get(dismiss).content.decode()
    concluded(feed, seen("abcd", "corroborated pattern"))
    late = browser.post(dismiss, {"reason": "A load test", "version": "1"})
    assert (late.status_code, "More was seen of" in late.content.decode()) == (409, True)
    assert (Alert.objects.get().state, alert.steps.count()) == ("open", 0)
    assert browser.post(dismiss, {"reason": "A load test", "version": "2"}).status_code == 302
    assert Alert.objects.get().state == "dismissed"


@pytest.mark.parametrize("locked", [True, False])
@pytest.mark.usefixtures("then")
def test_an_alert_that_is_ended_meanwhile_is_not_written_on(
    feed: Feed, caseworker: User, concurrently: Callable[..., list[Any]], monkeypatch: pytest.MonkeyPatch, locked: bool
) -> None:
    """The negative control does not lock the alerts: a version is added to what a person has ended, and letters go out."""
    concluded(feed, seen("abc"))
    alert, reading, paired = Alert.objects.get(), threading.Event(), act._paired
    if not locked:
        monkeypatch.setattr(AlertQuerySet, "select_for_update", lambda self, **how: self)

    def slow(*args: Any) -> Any:
        reading.set()
        time.sleep(1)
        return paired(*args)

    def sweep() -> None:
        with standing_at(AT):
            concluded(feed, seen("abcd", "corroborated pattern"))

    def end() -> Any:
        reading.wait(20)
        with standing_at(AT):
            try:
                return act.dismiss(alert.pk, by=caseworker, reason="A load test", version=1).state
            except Conflict:
                return "unread"

    monkeypatch.setattr(act, "_paired", slow)
    _, ended = concurrently(sweep, end)
    assert ended == ("unread" if locked else "dismissed")
    assert alert.versions.count() == 2
    assert Alert.objects.get().state == ("open" if locked else "dismissed")


@pytest.mark.usefixtures("caseworker")
def test_who_is_watched_writes_itself_no_alibi(provider: User, tmp_path: Path) -> None:
    """What another permits the provider says nothing of the provider's own customers."""
    other = cast.person(cast.organisation("Harrier plc"), "company_admin")
    accounts = sorted(hashed("account", f"together {n}") for n in range(8))
    content = {k: v for k, v in AUTHORISATION.items() if not k.startswith(("max_", "hours_"))}
    content |= {"starts_on": "2026-11-01", "ends_on": "2026-11-30", "accounts": accounts, "models": ["heron-2"]}
    content |= {"endpoints": [], "networks": [], "user_agents": []}
    with standing_at(AT - timedelta(days=3)):
        entry = authorisations.propose(by=other, grantee=provider.organisation.name, content=content)
        authorisations.confirm(entry.pk, by=provider, name="Kit", capacity="Head")
    with standing_at(AT):
        watched(provider, tmp_path, AT)
    assert Alert.objects.count() == 1


@pytest.mark.usefixtures("then", "caseworker")
def test_windows_that_cannot_be_read_take_no_alert_with_them(
    provider: User, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(window: Any) -> Any:
        raise ValueError("a fault made by the test")

    monkeypatch.setattr(act, "_windows_at", broken)
    tally = watched(provider, tmp_path, AT)["feeds"]
    assert (tally.acted, tally.failed) == (0, 1)
    assert (Alert.objects.count(), Feed.objects.get().attempts) == (1, 1)


def permitted(provider: User, confirmed: datetime, **caps: int) -> None:
    """An authorisation of all that the accounts which act together do, in November."""
    found = Organisation.objects.filter(name="Harrier plc").first() or cast.organisation("Harrier plc")
    tester = cast.person(found, "company_admin")
    accounts = sorted(hashed("account", f"together {n}") for n in range(8))
    content = {k: v for k, v in AUTHORISATION.items() if not k.startswith(("max_", "hours_"))}
    content |= {"starts_on": "2026-11-01", "ends_on": "2026-11-30", "accounts": accounts}
    content |= {"models": ["heron-2"], "endpoints": [], "networks": [], "user_agents": [], **caps}
    with standing_at(confirmed):
        entry = authorisations.propose(by=provider, grantee="Harrier plc", content=content)
        authorisations.confirm(entry.pk, by=tester, name="Kit", capacity="Head")


@pytest.mark.parametrize(("confirmed", "alerts"), [(AT - timedelta(days=3), 0), (AT - timedelta(minutes=5), 1)])
def test_work_that_was_permitted_in_time_opens_no_alert_and_what_was_permitted_afterwards_does(
    provider: User, caseworker: User, tmp_path: Path, confirmed: datetime, alerts: int
) -> None:
    permitted(provider, confirmed)
    with standing_at(AT):
        watched(provider, tmp_path, AT)
        assert Alert.objects.count() == alerts
    browser = cast.signed_in(caseworker)
    for alert in Alert.objects.all():
        page = browser.get(reverse("alert", args=[alert.reference])).content.decode()
        assert "It was not on record and confirmed when the calls were made." in page
        assert browser.get(f"/api/v1/alerts/{alert.reference}/").json()["seen"]["permission"] == "afterwards"


@pytest.mark.usefixtures("caseworker")
@pytest.mark.parametrize(
    ("before", "other", "alerts"), [("", False, 0), ("before", False, 1), ("elsewhere", False, 1), ("before", True, 0)]
)
def test_a_cap_that_may_have_been_used_up_before_explains_nothing(
    provider: User, tmp_path: Path, before: str, other: bool, alerts: int
) -> None:
    """An evaluation reads some days: how much of a cap for the whole was used up before them it cannot know."""
    permitted(provider, AT - timedelta(days=20), max_requests=100_000)
    if other:  # which has no such cap, and permits the same
        permitted(provider, AT - timedelta(days=20))
    if before == "elsewhere":
        with standing_at(AT):
            rows = sent(tmp_path, lines(3), "elsewhere.jsonl")
            feeds.receive_batch(rows, by=provider, feed="another", batch_id="one", received_at=AT)
    elif before:
        with standing_at(AT - timedelta(days=9)):
            received(provider, tmp_path, usage_rows(AT - timedelta(days=9, hours=4), 4, together=False), "old")
    with standing_at(AT):
        watched(provider, tmp_path, AT)
        assert [version.permission for version in AlertVersion.objects.all()] == ["cap"] * alerts


@pytest.mark.usefixtures("then", "caseworker")
def test_row_in_two_batches_counts_once(provider: User, tmp_path: Path) -> None:
    body = usage_rows(AT - timedelta(hours=4), 4)
    received(provider, tmp_path, body, "one")
    received(provider, tmp_path, body, "two")
    tasks.watch_all()
    once = AlertVersion.objects.get().rows
    assert once == sum(json.loads(line)["user_agent"] == "harvest-client/0.3" for line in body.splitlines())


@pytest.mark.usefixtures("then", "caseworker")
def test_two_sweeps_at_once_evaluate_once(
    provider: User, tmp_path: Path, concurrently: Callable[..., list[Any]]
) -> None:
    received(provider, tmp_path, usage_rows(AT - timedelta(hours=4), 4))

    def sweep() -> Any:
        with standing_at(AT):
            return tasks.watch_all()

    tallies = concurrently(*[sweep] * 4)
    assert sum(t["feeds"].acted for t in tallies) == 1
    assert Alert.objects.get().times == 1
    assert not PutOff.objects.exists()


@pytest.mark.usefixtures("then", "caseworker")
def test_batch_that_comes_while_its_feed_is_evaluated_is_evaluated_next(
    provider: User, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    received(provider, tmp_path, lines(3), "one")
    looked_at = act._looked_at

    def meanwhile(window: Any) -> Any:
        monkeypatch.setattr(act, "_looked_at", looked_at)
        received(provider, tmp_path, lines(4, account="b"), "two")
        looked = looked_at(window)
        assert looked.report["rows"] == 3, "what a version says of how many batches were looked at is true"
        return looked

    monkeypatch.setattr(act, "_looked_at", meanwhile)
    tasks.watch_all()
    feed = Feed.objects.get()
    assert (feed.batches, feed.evaluated) == (2, 1)
    with standing_at(AT + timedelta(minutes=15)):
        assert tasks.watch_all()["feeds"].acted == 1
    feed.refresh_from_db()
    assert feed.evaluated == 2


@pytest.mark.usefixtures("then", "caseworker")
def test_feed_that_fails_is_put_off_shown_and_in_nobodys_way(
    provider: User, tmp_path: Path, storage: Path, client: Browser
) -> None:
    bad = received(provider, tmp_path, lines(3), "one")
    (storage / bad.file).write_bytes(b"PAR1 broken PAR1")
    other = cast.person(cast.organisation("Rival Ltd"), "company_admin")
    good = received(other, tmp_path, lines(3))
    tally = tasks.watch_all()["feeds"]
    assert (tally.acted, tally.failed) == (1, 1)
    assert PutOff.objects.get().object_id == bad.feed_id
    assert Feed.objects.get(pk=good.feed_id).evaluated == 1
    assert tasks.watch_all()["feeds"].failed == 0, "not tried again at once"
    with standing_at(AT + timedelta(minutes=2)):
        assert tasks.watch_all()["feeds"].failed == 1
        assert client.get("/health/").json()["feeds_failing"] == 1


@pytest.mark.usefixtures("caseworker")
def test_feeds_are_evaluated_where_the_setting_says_and_put_off_while_nobody_answers(
    provider: User, tmp_path: Path, settings: Any
) -> None:
    with standing_at(AT):
        batch = received(provider, tmp_path, usage_rows(AT - timedelta(hours=4), 4), "one")
        with serving() as (address, asked):
            settings.ANALYTICS_URL = address
            assert tasks.watch_all()["feeds"].acted == 1
        assert len(asked) > 20
        assert AlertVersion.objects.count() == 1
        received(provider, tmp_path, lines(3), "two")
    with standing_at(AT + timedelta(hours=1)):
        assert tasks.watch_all()["feeds"].failed == 1
        assert PutOff.objects.get().object_id == batch.feed_id


@pytest.mark.usefixtures("then")
def test_feed_that_ends_the_worker_waits_longer_each_time(provider: User, tmp_path: Path) -> None:
    feed = received(provider, tmp_path, lines(3)).feed_id
    waits, at = [], AT
    for _ in range(4):
        with standing_at(at):
            assert act._begin(feed) is not None  # and the process is gone
            assert act.evaluate(feed) is None
            due = Feed.objects.get().next_evaluation_at
        waits.append(due - at)
        at = due
    assert waits == [timedelta(minutes=m) for m in (10, 20, 40, 80)]


# --- What was looked at ---------------------------------------------------------------------------------------------------
@pytest.mark.usefixtures("then")
def test_alert_says_when_there_were_too_many_rows_to_look_at_all(
    provider: User, caseworker: User, tmp_path: Path, settings: Any
) -> None:
    left = received(provider, tmp_path, usage_rows(AT - timedelta(hours=9), 2, together=False), "one")
    last = received(provider, tmp_path, usage_rows(AT - timedelta(hours=4), 4), "two")
    settings.FEED_WINDOW_ROWS = left.rows + last.rows - 1
    tasks.watch_all()
    alert = Alert.objects.get()
    seen = alert.versions.get()
    assert (seen.cut_off, seen.batches, seen.batches_left_out) == (AT - timedelta(days=7), 2, 1)
    browser = cast.signed_in(caseworker)
    text = browser.get(reverse("alert", args=[alert.reference])).content.decode()
    assert "there were too many rows, and those of 1 batch, received first, were left out" in text
    told = browser.get(f"/api/v1/alerts/{alert.reference}/").json()["seen"]
    assert (told["cut_off"], told["batches"], told["batches_left_out"]) == ("2026-11-13T12:00:00Z", 2, 1)


@pytest.mark.usefixtures("then")
def test_who_has_the_rows_and_the_cut_off_sees_the_same_finding(
    provider: User, caseworker: User, tmp_path: Path
) -> None:
    """With the command that anybody can run, as the record for the public says."""
    bodies = [usage_rows(AT - timedelta(days=8), 2), usage_rows(AT - timedelta(days=7, hours=1), 2)]
    bodies.append(usage_rows(AT - timedelta(hours=4), 4))
    for number, body in enumerate(bodies):
        received(provider, tmp_path, body, f"batch-{number}")
    tasks.watch_all()
    seen = AlertVersion.objects.get()
    assert (seen.cut_off, seen.batches_left_out) == (AT - timedelta(days=7), 0)
    browser = cast.signed_in(caseworker)
    text = browser.get(reverse("alert", args=[seen.alert.reference])).content.decode()
    until = "to 1pm on Friday 20 November 2026"
    assert f"Rows from midday on Friday 13 November 2026 {until}, of the 3 batches that had come." in text
    assert "left out" not in text
    rows = [row for body in bodies for row in body.splitlines(keepends=True)]
    begins = seen.cut_off.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S")
    log, out = tmp_path / "log.jsonl", tmp_path / "report.json"
    log.write_bytes(b"".join(row for row in rows if json.loads(row)["ts"] >= begins))
    call_command("analyse_log", log, json=out)
    findings = json.loads(out.read_text())["findings"]
    [same] = [one for one in findings if one["accounts"] == seen.accounts]
    assert (same["rung"], same["sentence"], same["rows"]["count"]) == (seen.rung, seen.sentence, seen.rows)
    assert same["indicators"] == seen.indicators


def a_case(provider: User, caseworker: User) -> Case:
    """One that a person opened, between the provider and another."""
    sides = ((provider.organisation, "complainant"), (cast.organisation("Osprey plc"), "respondent"))
    for side, _ in sides[1:]:
        cast.person(side, "company_admin")
    seats = [cases.Seat(side.pk, role, (notices.Ask("Why?"),)) for side, role in sides]
    made: Case = cases.open_case(by=caseworker, title="T", subject="S", purpose="P", seats=seats)
    return made


# --- What people do -----------------------------------------------------------------------------------------------------
@pytest.mark.usefixtures("then")
def test_person_decides_with_reasons_and_no_case_is_opened(provider: User, caseworker: User, tmp_path: Path) -> None:
    watched(provider, tmp_path, AT)
    alert = Alert.objects.get()
    with pytest.raises(Conflict):
        act.take(alert.pk, by=caseworker, reason="x", case_reference="C-2026-000001")
    act.review(alert.pk, by=caseworker, reason="Eight accounts, one scheduler")
    assert not Case.objects.exists()
    case = a_case(provider, caseworker)
    page = reverse("alert_take", args=[alert.reference])
    browser = cast.signed_in(caseworker)
    wrong = browser.post(page, {"case_reference": "C-2026-999999", "reason": "The provider complained"})
    assert (wrong.status_code, "There is no such case that you may see" in wrong.content.decode()) == (400, True)
    assert "The provider complained" in wrong.content.decode()
    cases.declare_conflict(case.pk, by=cast.person(caseworker.organisation, "supervisor"), reason="Shares.")
    walled = cast.person(caseworker.organisation, "caseworker")
    cases.declare_conflict(case.pk, by=walled, reason="Shares.")
    with pytest.raises(Invalid, match="no such case"):
        act.take(alert.pk, by=walled, reason="x", case_reference=case.reference)
    act.take(alert.pk, by=caseworker, reason="The provider complained", case_reference=case.reference)
    alert.refresh_from_db()
    assert alert.state == "taken"
    assert [s.step for s in alert.steps.order_by("pk")] == ["review", "take"]
    assert Case.objects.get() == case
    with pytest.raises(Conflict):
        act.dismiss(alert.pk, by=caseworker, reason="x")


@pytest.mark.usefixtures("then")
def test_program_of_the_ministry_reads_alerts_and_decides_nothing(
    provider: User, caseworker: User, tmp_path: Path
) -> None:
    from django.core.exceptions import PermissionDenied

    watched(provider, tmp_path, AT)
    alert = Alert.objects.get()
    supervisor = cast.person(caseworker.organisation, "supervisor")
    client = program(caseworker, by=supervisor)
    machine = User.objects.get(is_service=True, organisation=caseworker.organisation)
    for decide in (act.review, act.dismiss):
        with pytest.raises(PermissionDenied):
            decide(alert.pk, by=machine, reason="x")
    act.review(alert.pk, by=caseworker, reason="Eight accounts, one scheduler")
    with pytest.raises(PermissionDenied):
        act.dismiss(alert.pk, by=machine, reason="x")
    with pytest.raises(PermissionDenied):
        act.take(alert.pk, by=machine, reason="x", case_reference="C-2026-000001")
    url = f"/api/v1/alerts/{alert.reference}/"
    read = client.get(url)
    assert (read.json()["state"], len(read.json()["seen"]["accounts"])) == ("under_review", 8)
    reason = json.dumps({"reason": "Seen before"})
    for verb in ("review", "dismiss", "take"):
        tried = client.post(f"{url}{verb}/", reason, "application/json", headers={"if-match": "*"})
        assert tried.status_code == 404
    assert [a["reference"] for a in client.get("/api/v1/alerts/?state=under_review").json()["results"]] == [
        alert.reference
    ]
    assert [step.by for step in alert.steps.all()] == [caseworker]


@pytest.mark.usefixtures("then")
def test_evidence_and_innocent_explanations_stand_before_the_buttons(
    provider: User, caseworker: User, tmp_path: Path
) -> None:
    watched(provider, tmp_path, AT)
    alert = Alert.objects.get()
    text = cast.signed_in(caseworker).get(reverse("alert", args=[alert.reference])).content.decode()
    read = ("What was seen", "How rare it is", "Look for these first", "Accounts", "What was done")
    places = [text.index(f">{word}<") for word in (*read, "Start a review", "Dismiss")]
    assert places == sorted(places)


def test_what_people_did_is_counted_for_the_running_quarter_in_london(provider: User, caseworker: User) -> None:
    feed = Feed.objects.create(organisation=provider.organisation, name="main", expected_minutes=60)
    # The first instant of July in London is still June in UTC.
    begins = datetime(2026, 6, 30, 23, 0, tzinfo=UTC)

    def opened(number: int) -> Alert:
        at = now()
        told = {"opened_at": at, "last_seen_at": at, "told_at": at}
        return Alert.objects.create(reference=f"M-2026-{number:06}", feed=feed, unit="set", rung="pattern", **told)

    with standing_at(begins - timedelta(microseconds=1)):
        before, waits = opened(1), opened(2)
        act.review(waits.pk, by=caseworker, reason="Of the quarter before")
        act.dismiss(before.pk, by=caseworker, reason="Of the quarter before")
    with standing_at(begins):
        known = a_case(provider, caseworker).reference
        act.take(waits.pk, by=caseworker, reason="The same", case_reference=known)
        ended = opened(3)
        act.review(ended.pk, by=caseworker, reason="Look")
        act.dismiss(ended.pk, by=caseworker, reason="A load test")
        opened(4)
    with standing_at(begins + timedelta(days=91)):
        text = re.sub(r"<[^>]+>", "", cast.signed_in(caseworker).get("/monitoring/").content.decode())
    assert "Now: open 1 · under review 0" in text
    assert (
        "In this quarter, since Wednesday 1 July 2026: "
        "alerts opened 2 · reviews begun 1 · dismissed 1 · taken into a case 1" in text
    )


# --- Who sees what ------------------------------------------------------------------------------------------------------
@pytest.mark.usefixtures("then")
def test_accounts_counts_and_alerts_are_seen_by_the_ministry_alone(
    provider: User, caseworker: User, tmp_path: Path
) -> None:
    watched(provider, tmp_path, AT)
    alert, batch = Alert.objects.get(), Batch.objects.get()
    account = hashed("account", "together 0")
    rival = cast.person(cast.organisation("Rival Ltd"), "company_admin")
    auditor = cast.person(caseworker.organisation, "auditor")
    officer = cast.person(cast.organisation("Authority", kind="authority"), "authority_officer")
    partner = cast.person(cast.organisation("Institute", kind="partner"), "partner")
    pages = [
        *(reverse(name, args=[alert.reference]) for name in ("alert", "alert_review", "api_alert")),
        *(reverse(name) for name in ("home", "monitoring", "own_feeds", "api_alerts", "api_usage_batches", "events")),
        reverse("feed", args=[batch.feed_id]),
        reverse("api_events"),
    ]
    words = {
        "account": account,
        "alert": alert.reference,
        "batch": batch.batch_id,
        "rows": f"{batch.rows:,}",
        "figure": f'"rows":{batch.rows}',
    }

    def seen(who: User) -> set[str]:
        client = cast.signed_in(who)
        text = "".join(client.get(page).content.decode() for page in pages)
        return {name for name, word in words.items() if word in text}

    assert seen(caseworker) == set(words)
    assert seen(provider) == {"batch", "rows", "figure"}
    assert seen(auditor) <= {"figure", "alert", "batch"}, "the auditor reads events: ids, counts and hashes"
    for nobody in (rival, officer, partner):
        assert seen(nobody) == set()
    assert mail.outbox == []
