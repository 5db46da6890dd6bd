"""Feeds: batches that are on record before they are answered, alerts that fold, and who sees what."""

from __future__ import annotations

import gzip
import json
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import psycopg
import pyarrow as pa
import pytest
from django.core import mail
from django.db import connection
from django.test import Client as Browser
from django.urls import reverse

from accounts.actions import make_client
from accounts.models import User
from accounts.rules import SCOPES_OF_KIND
from config.usage_story import hashed, usage_rows
from ledger.models import Event, PutOff
from ledger.time import now, standing_at
from monitoring import tasks
from monitoring.actions import alerts as act
from monitoring.actions import feeds
from monitoring.actions.feeds import Sent
from monitoring.models import Alert, AlertVersion, Batch, Feed
from notifications.models import Message
from tests import cast
from tests.accounts.test_clients import bearer
from tests.monitoring.clickhouse_server import serving
from web.problems import Conflict

pytestmark = pytest.mark.django_db(transaction=True)
URL = "/api/v1/usage/batches/"
NDJSON = "application/x-ndjson"
AT = datetime(2026, 11, 20, 12, 0, tzinfo=UTC)
ROW = {
    "ts": "2026-11-20T10:00:00.5Z",
    "account": "a1",
    "model": "m",
    "input_tokens": 10,
    "output_tokens": 5,
    "status": 200,
    "prompt_hash": "p",
}


def lines(count: int, **more: Any) -> bytes:
    """So many different rows."""
    rows = [{**ROW, "prompt_hash": f"p{n}", **more} for n in range(count)]
    return "".join(json.dumps(row) + "\n" for row in rows).encode()


@pytest.fixture
def provider(settings: Any, storage: Path) -> User:
    settings.SECOND_FACTOR_REQUIRED = False
    return cast.person(cast.organisation("Kestrel Ltd"), "company_admin")


@pytest.fixture
def caseworker(provider: User) -> User:
    return cast.person(cast.organisation("Ministry of Tests", kind="ministry"), "caseworker")


@pytest.fixture
def then() -> Iterator[datetime]:
    with standing_at(AT):
        yield AT


def program(who: User, by: User | None = None) -> Browser:
    scopes = SCOPES_OF_KIND[who.organisation.kind]
    made: Browser = bearer(*make_client(who.organisation_id, by=by or who, name="P", scopes=scopes))
    return made


def post(client: Browser, body: bytes, query: str = "", **headers: str) -> Any:
    return client.post(f"{URL}{query}", body, NDJSON, headers=headers or None)


def sent(folder: Path, body: bytes, name: str = "rows.jsonl") -> Sent:
    import hashlib

    path = folder / name
    path.write_bytes(body)
    return Sent(path, hashlib.sha256(body).hexdigest(), len(body))


def files(storage: Path) -> list[Path]:
    return sorted(path for path in storage.rglob("*.parquet"))


def received(provider: User, folder: Path, body: bytes, batch_id: str = "") -> Batch:
    return feeds.receive_batch(sent(folder, body), by=provider, feed="main", batch_id=batch_id, received_at=now()).batch


# --- Receiving ----------------------------------------------------------------------------------------------------------
def test_batch_is_kept_as_files_and_a_row_and_its_rejected_rows_are_named(provider: User, storage: Path) -> None:
    body = lines(300) + b'{"account": "a"}\nnot json\n' + lines(1, prompt_hash="last")
    told = post(program(provider), body, "?batch_id=b-1")
    assert told.status_code == 202, told.content
    answer = told.json()
    assert (answer["rows"], answer["rejected"], answer["batch_id"], answer["feed"]) == (301, 2, "b-1", "main")
    assert [line["line"] for line in answer["rejected_lines"]] == [301, 302]
    assert sum(answer["rejected_by_reason"].values()) == 2
    batch = Batch.objects.get()
    rows, names = storage / batch.file, storage / batch.names_file
    assert rows.exists()
    assert names.exists()
    day = f"{batch.received_at.astimezone(UTC):%Y/%m/%d/%H}"
    assert batch.file.startswith(f"usage/{provider.organisation_id}/{day}/")
    feed = Feed.objects.get()
    assert (feed.batches, feed.last_batch_at) == (1, batch.received_at)
    event = Event.objects.get(verb="usage.received")
    assert event.details["sha256"] == answer["sha256"]
    assert event.audience == [provider.organisation_id]


def test_same_batch_again_gets_the_same_answer_and_other_rows_are_refused(provider: User, storage: Path) -> None:
    client = program(provider)
    first = post(client, lines(5), "?batch_id=b-1")
    again = post(client, lines(5), "?batch_id=b-1")
    assert (again.status_code, again.content) == (202, first.content)
    assert again.headers["Idempotency-Replayed"] == "true"
    other = post(client, lines(6), "?batch_id=b-1")
    assert other.status_code == 422
    packed = client.post(f"{URL}?batch_id=b-1", gzip.compress(lines(5)), NDJSON, headers={"content-encoding": "gzip"})
    assert packed.content == first.content, "the same rows, however they were packed"
    assert Batch.objects.count() == 1
    assert len(files(storage)) == 2
    unnamed = [post(client, lines(7)).json()["batch_id"] for _ in range(2)]
    assert unnamed == [Batch.objects.latest("pk").sha256] * 2


def test_two_providers_may_use_the_same_batch_id(provider: User) -> None:
    other = cast.person(cast.organisation("Rival Ltd"), "company_admin")
    assert [post(program(who), lines(2), "?batch_id=1").status_code for who in (provider, other)] == [202, 202]
    assert Batch.objects.count() == 2


@pytest.mark.parametrize(
    ("body", "query", "headers", "status"),
    [
        (b"", "", {}, 400),
        (b"a,b\n1,2\n", "", {}, 400),
        (b"PAR1xxxx", "", {}, 400),
        (b'[{"ts": 1}]', "", {}, 400),
        (lines(1), "?batch_id=../../etc", {}, 400),
        (lines(1), "?feed=Main%20Feed", {}, 400),
        (gzip.compress(lines(9))[:-9], "", {"content-encoding": "gzip"}, 400),
        (b"not gzip", "", {"content-encoding": "gzip"}, 400),
        (lines(1), "", {"content-encoding": "br"}, 415),
        (gzip.compress(b"{" + b" " * (1 << 20)), "", {"content-encoding": "gzip"}, 413),
        (lines(101), "", {}, 413),
    ],
)
def test_what_is_no_batch_is_refused_and_leaves_nothing(
    provider: User, storage: Path, settings: Any, body: bytes, query: str, headers: dict[str, str], status: int
) -> None:
    settings.FEED_BATCH_BYTES, settings.FEED_BATCH_ROWS = 512 * 1024, 100
    told = program(provider).post(f"{URL}{query}", body, NDJSON, headers=headers)
    assert told.status_code == status, told.content
    assert not Batch.objects.exists()
    assert files(storage) == []
    assert list(Path(settings.FILE_UPLOAD_TEMP_DIR).iterdir()) == []


@pytest.mark.parametrize("depth", [100, 5000, 200_000])
def test_line_that_would_end_the_process_is_rejected_by_its_number(provider: User, depth: int) -> None:
    deep = b'{"ts": "2026-11-20T10:00:00Z", "x": ' + b'{"y":' * depth + b"1" + b"}" * depth + b"}\n"
    told = post(program(provider), lines(300) + deep + lines(1, prompt_hash="last"))
    assert told.status_code == 202
    assert (told.json()["rows"], told.json()["rejected"]) == (301, 1)
    assert told.json()["rejected_lines"][0]["line"] == 301


def test_unverified_company_and_the_ministry_send_nothing(provider: User, caseworker: User) -> None:
    waiting = cast.person(cast.organisation("New Ltd", state="pending"), "company_admin")
    assert post(program(waiting), lines(1)).status_code == 403
    supervisor = cast.person(caseworker.organisation, "supervisor")
    assert post(program(caseworker, by=supervisor), lines(1)).status_code == 403


# --- Once, and durable --------------------------------------------------------------------------------------------------
def test_two_hundred_identical_posts_make_one_batch(
    provider: User, storage: Path, concurrently: Callable[..., list[Any]]
) -> None:
    token = program(provider).defaults["HTTP_AUTHORIZATION"]

    def many() -> list[int]:
        client = Browser(headers={"authorization": token})
        return [post(client, lines(3), "?batch_id=one").status_code for _ in range(100)]

    assert concurrently(many, many) == [[202] * 100] * 2
    assert Batch.objects.count() == 1
    assert Feed.objects.get().batches == 1
    assert Event.objects.filter(verb="usage.received").count() == 1
    assert len(files(storage)) == 2, "whoever was slower left no files behind"


def test_batch_of_rows_each_with_a_key_of_its_own_takes_memory_by_its_size(provider: User, storage: Path) -> None:
    body = "".join(json.dumps({**ROW, "prompt_hash": f"p{n}", f"k{n}": n}) + "\n" for n in range(4000)).encode()
    was = pa.default_memory_pool()
    counted = pa.proxy_memory_pool(was)
    pa.set_memory_pool(counted)
    try:
        told = post(program(provider), body)
    finally:
        pa.set_memory_pool(was)
    assert (told.status_code, told.json()["rows"], told.json()["rejected"]) == (202, 4000, 0)
    # As columns they would be 4,000 x 4,000 cells, in the process that serves pages.
    assert counted.max_memory() < 30 * len(body) < 4 * 4000 * 4000


def _race(
    provider: User, tmp_path: Path, concurrently: Callable[..., list[Any]], monkeypatch: pytest.MonkeyPatch
) -> list[Any]:
    """Two that both looked before either wrote."""
    import threading

    barrier, store = threading.Barrier(2), feeds._store

    def slowly(*args: Any) -> None:
        store(*args)
        barrier.wait(20)

    monkeypatch.setattr(feeds, "_store", slowly)
    both = [sent(tmp_path, lines(3), name) for name in ("one", "two")]
    send = [lambda s=s: feeds.receive_batch(s, by=provider, feed="main", batch_id="b", received_at=now()) for s in both]
    return concurrently(*send)


def test_two_that_look_at_once_make_one_batch(
    provider: User,
    storage: Path,
    tmp_path: Path,
    concurrently: Callable[..., list[Any]],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    got = _race(provider, tmp_path, concurrently, monkeypatch)
    assert sorted(one.replayed for one in got) == [False, True]
    assert len({one.batch.pk for one in got}) == 1
    assert len(files(storage)) == 2


def test_two_that_look_at_once_make_two_without_the_constraint(
    provider: User,
    tmp_path: Path,
    concurrently: Callable[..., list[Any]],
    monkeypatch: pytest.MonkeyPatch,
    without_constraint: Callable[[str, str], None],
) -> None:
    """The negative control: it is the constraint that makes it once."""
    without_constraint("monitoring_batch", "batch_once")
    got = _race(provider, tmp_path, concurrently, monkeypatch)
    assert [one.replayed for one in got] == [False, False]
    assert Batch.objects.count() == 2


def test_files_are_there_before_the_row_and_orphans_do_no_harm(
    provider: User, storage: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    keep, seen = feeds._keep, []

    def watching(batch: Batch, *args: Any, **more: Any) -> Batch:
        seen.append((Batch.objects.count(), [(storage / name).exists() for name in (batch.file, batch.names_file)]))
        return keep(batch, *args, **more)

    def killed(*args: Any, **more: Any) -> Any:
        raise SystemExit

    monkeypatch.setattr(feeds, "_keep", killed)
    monkeypatch.setattr(feeds, "_forget", lambda names: None)  # a process that is killed tidies up nothing
    with pytest.raises(SystemExit):
        received(provider, tmp_path, lines(4), "b")
    assert (Batch.objects.count(), len(files(storage))) == (0, 2)
    monkeypatch.setattr(feeds, "_keep", watching)
    batch = received(provider, tmp_path, lines(4), "b")
    assert seen == [(0, [True, True])]
    assert (batch.rows, Batch.objects.count(), len(files(storage))) == (4, 1, 4)
    with standing_at(AT):
        act.evaluate(batch.feed_id)
        assert Feed.objects.get().evaluated in (0, 1)


def test_row_that_cannot_be_made_leaves_no_file(provider: User, storage: Path, broken: Any, tmp_path: Path) -> None:
    mend = broken("ledger_event", "NEW.verb = 'usage.received'")
    with pytest.raises(Exception, match="a fault made by the test"):
        received(provider, tmp_path, lines(4), "b")
    assert files(storage) == []
    assert not Batch.objects.exists()
    mend()
    assert received(provider, tmp_path, lines(4), "b").rows == 4


def test_kept_batch_is_neither_changed_nor_deleted(
    provider: User, tmp_path: Path, owner: psycopg.Connection[Any]
) -> None:
    batch = received(provider, tmp_path, lines(1), "b")
    for role in (owner, connection.cursor()):
        for statement in ("UPDATE monitoring_batch SET rows = 0", "DELETE FROM monitoring_batch"):
            with pytest.raises(Exception, match="kept records"):
                role.execute(statement)
    assert Batch.objects.get().rows == batch.rows == 1


# --- Evaluating ---------------------------------------------------------------------------------------------------------
def watched(provider: User, folder: Path, at: datetime, *, hours: int = 4) -> dict[str, Any]:
    """What came in the hours before `at`, looked at."""
    received(provider, folder, usage_rows(at - timedelta(hours=hours), hours))
    return tasks.watch_all()


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
    act.dismiss(Alert.objects.get().pk, by=caseworker, reason="A load test")
    with standing_at(AT + timedelta(hours=2)):
        watched(provider, tmp_path, AT + timedelta(hours=2), hours=2)
        assert Alert.objects.get().state == "dismissed"
    later = AT + timedelta(days=2)
    with standing_at(later):
        watched(provider, tmp_path, later)
    assert sorted(Alert.objects.values_list("state", flat=True)) == ["dismissed", "open"]


@pytest.mark.usefixtures("then", "caseworker")
def test_ordinary_rows_open_no_alert(provider: User, tmp_path: Path) -> None:
    received(provider, tmp_path, usage_rows(AT - timedelta(hours=6), 6, together=False))
    assert tasks.watch_all()["feeds"].acted == 1
    assert not Alert.objects.exists()
    assert Feed.objects.get().evaluated == 1


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
        return looked_at(window)

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


# --- What people do -----------------------------------------------------------------------------------------------------
@pytest.mark.usefixtures("then")
def test_person_decides_with_reasons_and_no_case_is_opened(provider: User, caseworker: User, tmp_path: Path) -> None:
    from cases.models import Case

    watched(provider, tmp_path, AT)
    alert = Alert.objects.get()
    with pytest.raises(Conflict):
        act.take(alert.pk, by=caseworker, reason="x", case_reference="C-2026-000001")
    act.review(alert.pk, by=caseworker, reason="Eight accounts, one scheduler")
    act.take(alert.pk, by=caseworker, reason="The provider complained", case_reference="C-2026-000001")
    alert.refresh_from_db()
    assert alert.state == "taken"
    assert [s.step for s in alert.steps.order_by("pk")] == ["review", "take"]
    assert not Case.objects.exists()
    with pytest.raises(Conflict):
        act.dismiss(alert.pk, by=caseworker, reason="x")


@pytest.mark.usefixtures("then")
def test_program_of_the_ministry_dismisses_and_decides_nothing_else(
    provider: User, caseworker: User, tmp_path: Path
) -> None:
    from django.core.exceptions import PermissionDenied

    watched(provider, tmp_path, AT)
    alert = Alert.objects.get()
    supervisor = cast.person(caseworker.organisation, "supervisor")
    client = program(caseworker, by=supervisor)
    machine = User.objects.get(is_service=True, organisation=caseworker.organisation)
    with pytest.raises(PermissionDenied):
        act.review(alert.pk, by=machine, reason="x")
    url = f"/api/v1/alerts/{alert.reference}/"
    read = client.get(url)
    assert read.json()["allowed_actions"] == ["dismiss"]
    assert len(read.json()["seen"]["accounts"]) == 8
    reason = json.dumps({"reason": "Seen before"})
    stale = client.post(f"{url}dismiss/", reason, "application/json", headers={"if-match": '"x"'})
    assert stale.status_code == 412
    tag = {"if-match": read.headers["ETag"]}
    assert client.post(f"{url}dismiss/", reason, "application/json", headers=tag).json()["state"] == "dismissed"
    assert [a["reference"] for a in client.get("/api/v1/alerts/?state=dismissed").json()["results"]] == [
        alert.reference
    ]


def test_program_of_the_ministry_pauses_a_feed_and_watches_it_again(
    provider: User, caseworker: User, tmp_path: Path
) -> None:
    feed = Feed.objects.create(organisation=provider.organisation, name="main", expected_minutes=60)
    supervisor = cast.person(caseworker.organisation, "supervisor")
    staff, own = program(caseworker, by=supervisor), program(provider)
    [listed] = staff.get("/api/v1/usage/feeds/").json()["results"]
    url = f"/api/v1/usage/feeds/{listed['id']}/"
    assert (listed["provider"], listed["allowed_actions"]) == (str(provider.organisation), ["pause"])
    assert own.get(url).json()["allowed_actions"] == []
    assert own.post(f"{url}pause/", "{}", "application/json", headers={"if-match": "*"}).status_code == 403
    tag = {"if-match": staff.get(url).headers["ETag"]}
    paused = staff.post(f"{url}pause/", "{}", "application/json", headers=tag)
    assert (paused.json()["state"], paused.json()["allowed_actions"]) == ("paused", ["resume"])
    assert staff.post(f"{url}pause/", "{}", "application/json", headers=tag).status_code == 412
    assert staff.post(f"{url}pause/", "{}", "application/json", headers={"if-match": "*"}).status_code == 409
    assert staff.post(f"{url}resume/", "{}", "application/json", headers={"if-match": "*"}).status_code == 200
    feed.refresh_from_db()
    assert feed.state == "active"


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


@pytest.mark.usefixtures("then")
def test_lateness_is_said_in_words_and_a_paused_feed_is_not_late(
    provider: User, caseworker: User, tmp_path: Path
) -> None:
    feed = received(provider, tmp_path, lines(3)).feed
    browser = cast.signed_in(caseworker)
    with standing_at(AT + timedelta(minutes=20)):
        assert "On time: the last batch came 20 minutes ago" in browser.get("/monitoring/").content.decode()
    with standing_at(AT + timedelta(hours=3, minutes=5)):
        assert "Late by 2 hours: the last batch came 3 hours ago" in browser.get("/monitoring/").content.decode()
        browser.post(reverse("feed_pause", args=[feed.pk]))
        assert "Paused: nothing is expected." in browser.get("/monitoring/").content.decode()
        received(provider, tmp_path, lines(4), "while-paused")
        assert tasks.watch_all()["feeds"].acted == 0
        browser.post(reverse("feed_resume", args=[feed.pk]))
        assert tasks.watch_all()["feeds"].acted == 1
