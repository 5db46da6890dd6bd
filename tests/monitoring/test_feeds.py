"""Feeds: batches that are on record before they are answered, and how a feed stands."""

from __future__ import annotations

import gzip
import json
import threading
from collections.abc import Callable
from datetime import UTC, timedelta
from pathlib import Path
from typing import Any

import psycopg
import pyarrow as pa
import pytest
from django.db import OperationalError, connection
from django.test import Client as Browser
from django.urls import reverse

from accounts.models import User
from ledger.models import Event
from ledger.time import now, standing_at
from monitoring import tasks
from monitoring.actions import alerts as act
from monitoring.actions import feeds
from monitoring.models import Batch, Feed
from tests import cast
from tests.monitoring.feeds import (
    AT,
    NDJSON,
    ROW,
    URL,
    caseworker,
    files,
    lines,
    post,
    program,
    provider,
    received,
    sent,
    then,
)
from tests.monitoring.preparing import ROW as PREPARED
from tests.monitoring.preparing import folder, result, run

__all__ = ["caseworker", "folder", "provider", "then"]

pytestmark = pytest.mark.django_db(transaction=True)


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
    assert (feed.rows, feed.rejected) == (batch.rows, batch.rejected)
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


def test_feeds_are_kept_apart_whatever_their_batches_are_called(provider: User) -> None:
    client = program(provider)
    for query in ("batch_id=1", ""):
        for feed in ("eu", "us"):
            told = post(client, lines(3), f"?feed={feed}&{query}")
            assert (told.status_code, told.json()["feed"]) == (202, feed)
            assert "Idempotency-Replayed" not in told.headers
            assert post(client, lines(3), f"?feed={feed}&{query}").headers["Idempotency-Replayed"] == "true"
    assert post(client, lines(4), "?feed=uk&batch_id=1").status_code == 202, "other rows, in a feed that has no such id"
    assert post(client, lines(4), "?feed=us&batch_id=1").status_code == 422
    assert dict(Feed.objects.values_list("name", "batches")) == {"eu": 2, "us": 2, "uk": 1}


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
        (gzip.compress(lines(9)) + b"more", "", {"content-encoding": "gzip"}, 400),
        (gzip.compress(lines(9)) + gzip.compress(b"") * 10_000, "", {"content-encoding": "gzip"}, 400),
        # One member that is all empty blocks: it unpacks to nothing.
        (gzip.compress(b"")[:10] + b"\0\0\0\xff\xff" * 300_000, "", {"content-encoding": "gzip"}, 413),
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


@pytest.mark.parametrize("before", [1, 256, 300, 512])
@pytest.mark.parametrize("end", [b"", b"\n"])
def test_line_without_any_key_ends_no_process_wherever_it_stands(
    provider: User, storage: Path, before: int, end: bytes
) -> None:
    """Of 257 lines, one of which is in doubt, the last is alone in its part."""
    told = post(program(provider), lines(before) + b"null" + end)
    assert (told.status_code, told.json()["rows"], told.json()["rejected"]) == (202, before, 1), told.content
    assert told.json()["rejected_by_reason"] == {"is not a JSON object": 1}


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
    provider: User,
    tmp_path: Path,
    concurrently: Callable[..., list[Any]],
    monkeypatch: pytest.MonkeyPatch,
    *names: str,
) -> list[Any]:
    """Two that both looked before either wrote, to the feeds of these names."""
    barrier, store = threading.Barrier(2), feeds._store

    def slowly(*args: Any) -> None:
        store(*args)
        barrier.wait(20)

    monkeypatch.setattr(feeds, "_store", slowly)

    def send(place: str, feed: str) -> Callable[[], Any]:
        rows = sent(tmp_path, lines(3), place)
        return lambda: feeds.receive_batch(rows, by=provider, feed=feed, batch_id="b", received_at=now())

    return concurrently(*(send(str(place), feed) for place, feed in enumerate(names or ("main", "main"))))


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


def test_two_that_look_at_once_in_two_feeds_make_one_each(
    provider: User, tmp_path: Path, concurrently: Callable[..., list[Any]], monkeypatch: pytest.MonkeyPatch
) -> None:
    got = _race(provider, tmp_path, concurrently, monkeypatch, "eu", "us")
    assert [one.replayed for one in got] == [False, False]
    assert {one.batch.feed.name for one in got} == {"eu", "us"}


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


@pytest.mark.parametrize("wrong", [OperationalError("the connection is closed"), SystemExit(), RuntimeError("later")])
def test_what_fails_once_the_row_is_made_takes_no_file_with_it(
    provider: User, storage: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, wrong: BaseException
) -> None:
    """The database makes the row for good, and its answer is lost."""
    keep = feeds._keep

    def unanswered(*args: Any, **more: Any) -> Any:
        keep(*args, **more)
        raise wrong

    with monkeypatch.context() as patch:
        patch.setattr(feeds, "_keep", unanswered)
        with pytest.raises(type(wrong)):
            received(provider, tmp_path, lines(4), "b")
    batch = received(provider, tmp_path, lines(4), "b")
    assert sorted(files(storage)) == sorted(storage / name for name in (batch.file, batch.names_file))
    assert Batch.objects.get() == batch


def test_kept_batch_is_neither_changed_nor_deleted(
    provider: User, tmp_path: Path, owner: psycopg.Connection[Any]
) -> None:
    batch = received(provider, tmp_path, lines(1), "b")
    for role in (owner, connection.cursor()):
        for statement in ("UPDATE monitoring_batch SET rows = 0", "DELETE FROM monitoring_batch"):
            with pytest.raises(Exception, match="kept records"):
                role.execute(statement)
    assert Batch.objects.get().rows == batch.rows == 1


# --- How a feed stands -------------------------------------------------------------------------------------------------
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


@pytest.mark.usefixtures("then")
def test_lateness_is_said_in_words_and_a_paused_feed_is_not_late(
    provider: User, caseworker: User, tmp_path: Path
) -> None:
    feed = received(provider, tmp_path, lines(3)).feed
    browser = cast.signed_in(caseworker)
    with standing_at(AT + timedelta(minutes=20)):
        assert "On time: the last rows came 20 minutes ago" in browser.get("/monitoring/").content.decode()
    with standing_at(AT + timedelta(hours=3, minutes=5)):
        assert "Late by 2 hours: the last rows came 3 hours ago" in browser.get("/monitoring/").content.decode()
        browser.post(reverse("feed_pause", args=[feed.pk]))
        assert "Paused: nothing is expected." in browser.get("/monitoring/").content.decode()
        received(provider, tmp_path, lines(4), "while-paused")
        assert tasks.watch_all()["feeds"].acted == 0
        browser.post(reverse("feed_resume", args=[feed.pk]))
        assert tasks.watch_all()["feeds"].acted == 1


@pytest.mark.usefixtures("then")
def test_batch_without_a_row_that_is_kept_does_not_make_a_feed_punctual(
    provider: User, caseworker: User, tmp_path: Path
) -> None:
    browser = cast.signed_in(caseworker)
    received(provider, tmp_path, b'{"account": "a"}\n', "nothing")
    assert "No row that could be kept has come yet; a batch" in browser.get("/monitoring/").content.decode()
    received(provider, tmp_path, lines(3))
    with standing_at(AT + timedelta(hours=3)):
        received(provider, tmp_path, b'{"account": "b"}\n', "nothing again")
        text = browser.get("/monitoring/").content.decode()
        assert "Late by 2 hours: the last rows came 3 hours ago" in text
        assert "Of what came since then no row could be kept." in text
    feed = Feed.objects.get()
    assert (feed.last_batch_at, feed.last_rows_at) == (AT + timedelta(hours=3), AT)


def test_two_that_send_to_one_feed_at_once_leave_it_as_the_later_does(
    provider: User, tmp_path: Path, concurrently: Callable[..., list[Any]], monkeypatch: pytest.MonkeyPatch
) -> None:
    barrier, store = threading.Barrier(2), feeds._store

    def together(*args: Any) -> None:
        store(*args)
        barrier.wait(20)

    def send(name: str, body: bytes, minutes: int) -> Callable[[], Any]:
        rows, at = sent(tmp_path, body, name), AT + timedelta(minutes=minutes)
        return lambda: feeds.receive_batch(rows, by=provider, feed="main", batch_id=name, received_at=at)

    received(provider, tmp_path, lines(1), "first")
    Feed.objects.update(last_batch_at=None, last_rows_at=None, newest_row_at=None)
    monkeypatch.setattr(feeds, "_store", together)
    concurrently(send("later", b'{"account": "a"}\n', 2), send("kept", lines(3), 1))
    feed = Feed.objects.get()
    assert (feed.batches, feed.last_batch_at) == (3, AT + timedelta(minutes=2))
    assert (feed.last_rows_at, feed.newest_row_at) == (AT + timedelta(minutes=1), AT - timedelta(hours=2, seconds=-0.5))


@pytest.mark.usefixtures("then")
def test_rows_that_are_too_old_to_be_looked_at_are_said_to_be(provider: User, caseworker: User, tmp_path: Path) -> None:
    browser = cast.signed_in(caseworker)
    received(provider, tmp_path, lines(3, ts="2026-10-20T10:00:00Z"), "old")
    told = program(provider).get("/api/v1/usage/feeds/").json()["results"][0]
    assert (told["last_rows_at"], told["newest_row_at"]) == ("2026-11-20T12:00:00Z", "2026-10-20T10:00:00Z")
    text = browser.get("/monitoring/").content.decode()
    assert "Only old rows: the last rows came less than a minute ago" in text
    assert "The newest row is of 11am on Tuesday 20 October 2026; only the last 7 days are looked at." in text
    ahead = lines(3, ts="2026-12-20T10:00:00Z")
    received(provider, tmp_path, ahead, "dated ahead")
    assert "Only old rows: the last rows came" in browser.get("/monitoring/").content.decode()
    received(
        provider, tmp_path, ahead + lines(1, ts="2026-11-20T11:00:00Z", prompt_hash="q"), "one of today beside them"
    )
    assert Feed.objects.get().newest_row_at == AT - timedelta(hours=1)
    assert "On time: the last rows came" in browser.get("/monitoring/").content.decode()


@pytest.mark.usefixtures("then")
def test_lateness_counts_from_the_end_of_a_pause(provider: User, caseworker: User, tmp_path: Path) -> None:
    feed = received(provider, tmp_path, lines(3)).feed
    feeds.pause(feed.pk, by=caseworker)
    resumed = AT + timedelta(days=5)
    with standing_at(resumed):
        feeds.resume(feed.pk, by=caseworker)
    feed.refresh_from_db()
    assert feed.late_since(resumed + timedelta(minutes=60)) is None
    assert feed.late_since(resumed + timedelta(minutes=61)) == resumed + timedelta(minutes=60)
    with standing_at(resumed + timedelta(hours=3)):
        text = cast.signed_in(caseworker).get("/monitoring/").content.decode()
        assert "Late by 2 hours: the last rows came 5 days ago, a batch is expected every hour" in text
        assert "and the feed was resumed 3 hours ago." in text


def test_more_feeds_than_a_page_has_are_on_the_next(provider: User, caseworker: User) -> None:
    Feed.objects.bulk_create(
        [Feed(organisation=provider.organisation, name=f"feed-{n:03}", expected_minutes=60) for n in range(51)]
    )
    browser = cast.signed_in(caseworker)
    first, second = (browser.get(f"/monitoring/?page={n}").content.decode() for n in (1, 2))
    assert "Pages of feeds" in first
    assert ("feed-050" in first, "feed-050" in second) == (False, True)


# --- How the rows were made ---------------------------------------------------------------------------------------------
def test_what_a_preparing_program_said_goes_with_the_batch(
    provider: User, caseworker: User, folder: Path, storage: Path
) -> None:
    assert run(folder, [PREPARED], "--sampling", "every tenth account") == 0
    header, _ = result(folder)
    packed = (folder / "out.jsonl.gz").read_bytes()
    told = program(provider).post(f"{URL}?batch_id=b", packed, NDJSON, headers={"content-encoding": "gzip"})
    assert (told.status_code, told.json()["rows"], told.json()["rejected"]) == (202, 1, 0), told.content
    assert told.json()["prepared"] == header
    assert (Batch.objects.get().prepared, header["sampling"]) == (header, "every tenth account")
    rival = cast.person(cast.organisation("Rival Ltd"), "company_admin")
    url, page = URL, reverse("feed", args=[Feed.objects.get().pk])
    for who, sees in ((provider, True), (caseworker, True), (rival, False)):
        browser = cast.signed_in(who)
        for place in (url, page):
            text = browser.get(place).content.decode()
            assert [header[name] in text for name in ("key_id", "input_sha256", "sampling")] == [sees] * 3


@pytest.mark.parametrize(
    "said",
    ['{"sampling": "a\\u0000b"}', '{"x": ' + "[" * 101 + "]" * 101 + "}", '{"x": ' + "[" * 900 + "]" * 900 + "}"],
)
def test_header_that_cannot_be_kept_is_left_out_and_that_is_said(provider: User, storage: Path, said: str) -> None:
    client = program(provider)
    told = post(client, b'{"candour_usage_log": %s}\n' % said.encode() + lines(3))
    assert (told.status_code, told.json()["rows"], told.json()["rejected"]) == (202, 3, 0), told.content
    assert told.json()["prepared"] == {}
    assert any("header" in note for note in told.json()["notes"])
    assert client.get(URL).status_code == 200
