"""Aggregated windows: taken in strictly, read for what they can tell, and said to be silent on the rest."""

from __future__ import annotations

import json
import math
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from django.db import Error, connection, transaction

from accounts.models import User
from ledger.time import now, standing_at
from monitoring import tasks
from monitoring.aggregated import is_windows, read, take_in
from monitoring.measures import MEASURES
from monitoring.models import Alert, Batch, WindowReading
from tests.cast import signed_in
from tests.monitoring.feeds import AT, caseworker, post, program, provider

__all__ = ["caseworker", "provider"]

START = datetime(2026, 11, 16, tzinfo=UTC)
FAR = 1 << 40
ROW = {
    "window_start": "2026-11-16T00:00:00Z",
    "window_seconds": 600,
    "account": "a",
    "model": "m",
    "calls": 6,
    "input_tokens": 60,
    "output_tokens": 30,
}


def lines(rows: list[dict[str, Any]]) -> bytes:
    return "".join(json.dumps(row) + "\n" for row in rows).encode()


def steady(account: str, windows: int, calls: int = 6, seconds: int = 600) -> list[dict[str, Any]]:
    """One account with as many calls in every window, one after the other."""
    starts = [(START + timedelta(seconds=seconds * n)).isoformat() for n in range(windows)]
    return [{**ROW, "account": account, "window_start": s, "window_seconds": seconds, "calls": calls} for s in starts]


def kept(body: bytes, folder: Path) -> Any:
    folder.mkdir(exist_ok=True)
    return take_in(body, folder, longest_line=8192, listed=1000)


@pytest.mark.parametrize(
    ("wrong", "reason"),
    [
        ({"calls": "6"}, "calls is no whole number"),
        ({"calls": -1}, "calls is no whole number"),
        ({"calls": True}, "calls is no whole number"),
        ({"window_seconds": 0}, "window_seconds is not between 1 and 86,400"),
        ({"window_seconds": 90_000}, "window_seconds is not between 1 and 86,400"),
        ({"window_start": "2026-11-16T00:00:00"}, "window_start is no instant with a zone"),
        ({"window_start": 1}, "window_start is no instant with a zone"),
        ({"account": ""}, "account is no text of 1 to 200 characters"),
        ({"account": "x" * 201}, "account is no text of 1 to 200 characters"),
        ({"model": None}, "has no model"),
        ({"refused": 7}, "refused is more than calls"),
        ({"more": "y" * 9000}, "has more than 8,192 bytes"),
    ],
)
def test_a_row_that_is_no_window_is_counted_and_named(tmp_path: Path, wrong: dict[str, Any], reason: str) -> None:
    found = kept(lines([ROW, {**ROW, "account": "b", **wrong}]) + b"no json\n", tmp_path)
    assert found.rows == 1
    assert found.listed == [(2, reason), (3, "is not a JSON object")]
    assert found.rejected == 2


def test_a_window_twice_in_a_batch_counts_once(tmp_path: Path) -> None:
    found = kept(lines([ROW, {**ROW, "calls": 9}, {**ROW, "model": "n"}]), tmp_path)
    assert (found.rows, found.rejected) == (2, 1)


def test_what_is_sent_is_told_by_its_first_row() -> None:
    assert is_windows(b"nonsense\n" + lines([ROW]))
    assert not is_windows(b'{"ts": 1}\n' + lines([ROW]))
    assert not is_windows(b"")


def test_volume_and_clock_are_reckoned_and_the_rest_is_not_computable(tmp_path: Path) -> None:
    rows = [row for n in range(24) for row in steady(f"c{n:02}", 3, calls=2 + n % 3)]
    rows += steady("never", 3 * 144)
    office = [row for row in steady("office", 3 * 144, calls=1) if 9 <= int(row["window_start"][11:13]) < 17]
    report = read([kept(lines(rows + office), tmp_path).rows_path], since=0, until=FAR)
    by = {one["account"]: one for one in report["volume"]}
    never, worker = by["never"], by["office"]
    assert (never["calls"], never["busiest_day"]) == (3 * 144 * 6, 864)
    assert (never["hours_entropy"], never["active_share"]) == (1.0, 1.0)
    assert never["score"] > 3.5
    assert worker["hours_entropy"] is None, "from the first call to the last it is under three days"
    assert by["c00"]["hours_entropy"] is None
    assert report["volume"][0]["account"] == "never"
    lacking = {one["name"] for one in report["not_computable"]}
    assert lacking == {m.name for m in MEASURES} - {"volume", "taken", "clock"} | {"coordinated sets"}
    assert all(one["because"] == "the feed has windows, not single calls" for one in report["not_computable"])


def test_hours_are_as_computed_by_hand(tmp_path: Path) -> None:
    """Two hours alike each day, for four days: ln 2 / ln 24."""
    rows = [
        {**ROW, "window_start": (START + timedelta(days=d, hours=h)).isoformat(), "window_seconds": 3600, "calls": 5}
        for d in range(4)
        for h in (3, 4)
    ]
    [one] = read([kept(lines(rows), tmp_path).rows_path], since=0, until=FAR)["volume"]
    assert one["hours_entropy"] == pytest.approx(math.log(2) / math.log(24), rel=1e-5)
    assert one["active_share"] is None, "windows of an hour do not tell ten minutes apart"
    assert one["score"] is None, "too few peers"


def test_the_same_report_however_rows_are_split_and_ordered(tmp_path: Path) -> None:
    rows = steady("a", 50) + steady("b", 70, calls=3)
    whole = read([kept(lines(rows), tmp_path / "1").rows_path], since=0, until=FAR)
    halves = [kept(lines(rows[1::2][::-1]), tmp_path / "2").rows_path, kept(lines(rows[::2]), tmp_path / "3").rows_path]
    assert read(halves, since=0, until=FAR) == whole
    assert whole["calls"] == 50 * 6 + 70 * 3


def test_a_window_sent_again_counts_as_it_was_sent_last(tmp_path: Path) -> None:
    first = kept(lines([ROW]), tmp_path / "1").rows_path
    later = kept(lines([{**ROW, "calls": 9}]), tmp_path / "2").rows_path
    assert read([first, later], since=0, until=FAR)["calls"] == 9
    assert read([later, first], since=0, until=FAR)["calls"] == 6
    assert read([first], since=int(START.timestamp()) + 600, until=FAR)["calls"] == 0


@pytest.mark.django_db(transaction=True)
def test_a_feed_of_windows_is_read_and_opens_no_alert(provider: User, caseworker: User, storage: Path) -> None:
    with standing_at(AT):
        body = lines(steady("never", 4 * 144) + steady("b", 5)) + b"{}\n"
        told = post(program(provider), body, "?batch_id=w-1").json()
        assert (told["kind"], told["rows"], told["rejected"]) == ("windows", 4 * 144 + 5, 1)
        assert post(program(provider), body, "?batch_id=w-1").json() == told
        batch = Batch.objects.get()
        assert (batch.first_at, batch.names_file) == (START, "")
        assert (storage / batch.file).exists()
        tasks.watch_all()
        reading = WindowReading.objects.get()
        assert reading.report["volume"][0]["account"] == "never"
        assert not Alert.objects.exists()
        page = signed_in(caseworker).get(f"/usage/{batch.feed_id}/").content.decode()
        assert "What the windows say" in page
        assert "because the feed has windows" in page
        owner = signed_in(provider).get(f"/usage/{batch.feed_id}/").content.decode()
        assert "What the windows say" not in owner
        assert not WindowReading.objects.visible_to(provider).exists()
        with pytest.raises(Error), transaction.atomic(), connection.cursor() as cursor:
            cursor.execute("UPDATE monitoring_windowreading SET sha256 = ''")
        assert now() == AT
