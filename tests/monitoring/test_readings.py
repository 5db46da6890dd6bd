"""Readings of usage logs: the same rows give the same report, however they come; and what is a row is decided once."""

from __future__ import annotations

import gzip
import hashlib
import io
import json
import random
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
import pytest
from django.core.management import CommandError, call_command

from monitoring.findings import Sign, Unit
from monitoring.intake import Limits, Unreadable, take_in
from monitoring.intake.opening import zstd
from monitoring.matching import Permit
from monitoring.reading import Options, read, written
from monitoring.reference import simes
from monitoring.report import rarity
from tests.monitoring.logs import START, as_csv, jumbled, lines, ordinary, report_of, swept

ROWS = ordinary(40) + swept("acc-sweep", 1500)
US = 1_000_000


def findings(report: dict[str, Any]) -> Any:
    """What was found, without what tells one file from another."""
    told = []
    for one in report["findings"]:
        rows = {name: value for name, value in one["rows"].items() if "lines" not in name}
        told.append({**one, "rows": rows, "indicators": [sign["sentence"] for sign in one["indicators"]]})
    return told


def as_parquet(rows: list[dict[str, Any]]) -> bytes:
    out = io.BytesIO()
    pq.write_table(pa.Table.from_pylist(rows), out)
    return out.getvalue()


def test_the_same_file_gives_the_same_bytes() -> None:
    assert written(report_of(lines(ROWS))) == written(report_of(lines(ROWS)))


def test_rows_that_are_measured_part_by_part_give_the_same_bytes(monkeypatch: pytest.MonkeyPatch) -> None:
    rows = ROWS + jumbled(5)
    content = lines(rows)
    together = written(report_of(content))
    monkeypatch.setattr("monitoring.reading.PART", len(rows) // 5)
    monkeypatch.setattr("monitoring.reading.AT_ONCE", len(rows) // 9)
    assert written(report_of(content)) == together


def test_the_order_of_rows_changes_nothing() -> None:
    mixed = random.Random(7).sample(ROWS, len(ROWS))
    assert findings(report_of(lines(mixed))) == findings(report_of(lines(ROWS)))


def test_the_names_of_accounts_change_nothing_but_the_names() -> None:
    renamed = [{**row, "account": f"zz-{row['account'][::-1]}"} for row in ROWS]
    told = json.dumps(sorted(map(str, findings(report_of(lines(renamed))))))
    for account in {row["account"] for row in ROWS}:
        told = told.replace(f"zz-{account[::-1]}", account)
    assert sorted(json.loads(told)) == sorted(map(str, findings(report_of(lines(ROWS)))))


# Sixteen bytes that are no content: four that say so, four with the length, and as many more (RFC 8878, 3.1.2).
SKIPPED = b"\x50\x2a\x4d\x18" + (8).to_bytes(4, "little") + b"whatever"


@pytest.mark.parametrize(
    "content",
    [
        gzip.compress(lines(ROWS[:700])) + gzip.compress(lines(ROWS[700:])),
        zstd.compress(lines(ROWS)),
        SKIPPED + zstd.compress(lines(ROWS)),
        as_csv(ROWS),
        as_csv(ROWS).replace(b"\n", b"\r\n"),
        b"\xef\xbb\xbf" + as_csv(ROWS),
        as_csv(ROWS).replace(b",", b";"),
        as_parquet(ROWS),
    ],
    ids=[
        "gzip in two members",
        "zstd",
        "zstd after a frame that is skipped",
        "csv",
        "crlf",
        "bom",
        "semicolons",
        "parquet",
    ],
)
def test_every_format_gives_the_same_findings(content: bytes) -> None:
    report = report_of(content)
    assert (report["rows"], report["rejected"]) == (len(ROWS), 0)
    assert findings(report) == findings(report_of(lines(ROWS)))


BAD = {
    b'{"ts": "2026-03-02T00:00:00Z"}': "has no account",
    b"not json": "is not a JSON object",
    b"[1, 2]": "is not a JSON object",
    b'{"account":"a\x00b"}': "has NUL bytes",
    b'{"account":"\xff"}': "is not UTF-8",
    json.dumps({**ROWS[0], "input_tokens": -1}).encode(): "has a input_tokens that is no count",
    json.dumps({**ROWS[0], "output_tokens": 10**30}).encode(): "has a output_tokens that is no count",
    json.dumps({**ROWS[0], "input_tokens": float("nan")}).encode(): "has a input_tokens that is no count",
    json.dumps({**ROWS[0], "status": 7}).encode(): "has a status that is no HTTP status",
    json.dumps({**ROWS[0], "ts": "yesterday"}).encode(): "has a ts that is no time",
    json.dumps({**ROWS[0], "ts": "9999-12-31T23:59:59Z"}).encode(): "has a ts before 2000 or after 2099",
    json.dumps({**ROWS[0], "ts": "1970-01-01T00:00:01Z"}).encode(): "has a ts before 2000 or after 2099",
    json.dumps({**ROWS[0], "account": "x" * 201}).encode(): "has a account of more than 200 characters",
    json.dumps({**ROWS[0], "refused": "perhaps"}).encode(): "has a refused that is neither true nor false",
    b'{"a":' * 5000: "is nested more than 100 deep",
    b"[" * 40_000: "is nested more than 100 deep",
    b'{"params":' * 100_000: "is nested more than 100 deep",
    lines(ROWS[:1]).strip(): "says the same as an earlier line",
}


def test_every_row_is_read_or_rejected_by_its_line_and_reason() -> None:
    good = lines(ROWS[:1200]).splitlines()
    where = {50 * n + 40: bad for n, bad in enumerate(BAD)}
    mixed: list[bytes] = []
    for line in good:
        while len(mixed) + 1 in where:
            mixed.append(where[len(mixed) + 1])
        mixed.append(line)
    report = report_of(b"\n".join(mixed))
    assert report["rows"] + report["rejected"] == len(mixed)
    told = {one["line"]: one["reason"] for one in report["rejected_lines"]}
    assert told == {line: BAD[bad] for line, bad in where.items()}


@pytest.mark.parametrize("again", [0, 1])
@pytest.mark.parametrize(
    "other", [{"session": "other"}, {"template": "other"}, {"model": "other"}, {"status": 500}, {"refused": True}]
)
def test_a_call_that_differs_in_one_thing_alone_is_another_call(other: dict[str, Any], again: int) -> None:
    row = {**ROWS[0], "session": "one", "template": "one", "model": "one", "status": 200, "refused": False}
    report = report_of(lines([row, row | other] + [row] * again))
    assert (report["rows"], report["rejected"]) == (2, again)
    assert [one["line"] for one in report["rejected_lines"]] == [3] * again


def test_times_of_every_kind_are_the_same_instant() -> None:
    at = [
        "2026-03-02T12:00:00Z",
        "2026-03-02T13:00:00+01:00",
        "2026-03-02 12:00:00",
        1772452800,
        "1772452800000",
        1772452800.0,
    ]
    rows = [{**ROWS[0], "ts": value, "prompt_hash": str(n)} for n, value in enumerate(at)]
    report = report_of(lines(rows))
    assert (report["rows"], report["from"], report["to"]) == (6, "2026-03-02T12:00:00Z", "2026-03-02T12:00:00Z")
    assert "1 rows do not say their time zone; they are taken as UTC." in report["notes"]


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (b"", "empty"),
        (b"\xff\xfet\x00s\x00", "UTF-16"),
        (b'[{"ts": 1}]', "one JSON array"),
        (b"minute,requests\n1,2\n", "not a header"),
        (b"ts,ts,account\n", "twice"),
        (",".join(f"c{n}" for n in range(100_000)).encode() + b"\n1\n", "columns"),
        (b"PAR1 and then nothing", "Parquet file is damaged"),
        (b"\x00\x01\x02\n", "NUL"),
        (b"ts,account,model\r1,a,owl\r", "no header"),
        (b"ts,account," + b"x" * 1_100_000 + b"\n1,a,x\n", "not a header"),
    ],
)
def test_what_is_no_log_is_refused_in_words(tmp_path: Path, content: bytes, says: str) -> None:
    path = tmp_path / "log"
    path.write_bytes(content)
    with pytest.raises(Unreadable, match=says):
        take_in(path, tmp_path / "kept")
    with pytest.raises(CommandError, match=says):
        call_command("analyse_log", str(path), "--json", str(tmp_path / "out"))


@pytest.mark.parametrize("pack", [gzip.compress, zstd.compress])
@pytest.mark.parametrize("share", [0.5, 0.99, 1])
def test_a_truncated_stream_keeps_what_came_before(pack: Callable[[bytes], bytes], share: float) -> None:
    content = lines(ROWS) * 3
    packed = pack(content)
    report = report_of(packed[: int(len(packed) * share)])
    assert 0 < report["rows"] + report["rejected"] <= 3 * len(ROWS)
    assert any("ends in the middle" in note for note in report["notes"]) == (share < 1)


def test_a_bomb_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "log"
    path.write_bytes(gzip.compress(lines(ROWS[:1]) + b" " * (8 << 20)))
    with pytest.raises(Unreadable, match="times its size"):
        take_in(path, tmp_path / "kept", limits=Limits(free=1 << 20))


def test_a_header_without_a_required_column_rejects_every_row() -> None:
    report = report_of(b"ts,account,model,input_tokens,status\n" + b"2026-03-02T00:00:00Z,a,m,1,200\n" * 5)
    assert (report["rows"], report["rejected"]) == (0, 5)
    assert report["rejected_by_reason"] == {"the file has no column output_tokens": 5}


def test_what_is_missing_is_not_computable_and_not_zero() -> None:
    bare = [{k: row[k] for k in ("ts", "account", "model", "input_tokens", "output_tokens", "status")} for row in ROWS]
    report = report_of(lines(bare))
    because = {one["name"]: one["because"] for one in report["not_computable"]}
    assert because["sweep"] == "the log has no template and no prompt_hash"
    assert because["riding"] == "the rate limit is not known"
    assert not {"sweep", "novel", "riding"} & {s["name"] for f in report["findings"] for s in f["indicators"]}
    assert {"I3", "I14b", "I14c", "I14e", "I10, I11"} <= {one["id"] for one in report["not_computable"]}


def test_too_few_to_compare_with_is_said_and_not_passed_over() -> None:
    """A sweep in a log in which hardly anybody has templates enough is neither rare nor ordinary: nobody can say."""
    report = report_of(lines(ordinary(60, each=20) + swept("sweeper", 1500)))
    because = {one["name"]: one["because"] for one in report["not_computable"]}
    assert because["sweep"].startswith("fewer than 100 ordinary accounts have 200 calls with a template")
    assert because["pivot"].startswith("no account has a model that first appears")
    assert not {"sweep"} & {s["name"] for f in report["findings"] for s in f["indicators"]}


def test_a_finding_says_number_rank_reference_false_alarms_caveat_and_rows(tmp_path: Path) -> None:
    (tmp_path / "log").write_bytes(lines(ROWS))
    report = read(take_in(tmp_path / "log", tmp_path / "kept"), Options(lines=tmp_path))
    found = [one for one in report["findings"] if one["rung"] != "noted"]
    assert found
    for one in found:
        for sign in one["indicators"]:
            assert sign["sentence"] in one["sentence"]
            assert sign["rarity"] in one["sentence"]
            if sign["counts"]:
                assert sign["caveat"] in one["sentence"]
                assert "false alarms at this value" in sign["rarity"] or sign["family"] == "coordination"
            if sign["reference"]:
                assert f"{sign['reference_clients']:,} clients of the reference {sign['reference']}" in sign["rarity"]
        # The very rows: their line numbers have the fingerprint that the finding names, and are those of its accounts.
        listed = (tmp_path / f"{one['rows']['lines_sha256']}.txt").read_bytes()
        assert hashlib.sha256(listed).hexdigest() == one["rows"]["lines_sha256"]
        numbers = [int(number) for number in listed.split()]
        assert {ROWS[number - 1]["account"] for number in numbers} == set(one["accounts"])
        assert len(numbers) == one["rows"]["count"]


ALL = "; higher than all 95 clients of the reference R"
LARGER = "the larger of what those accounts say and a curve fitted to the highest of these clients"


@pytest.mark.parametrize(
    ("rate", "percentile", "peers", "clients", "says"),
    [
        (0.001, 100.0, 250, 95, ("all of 250", ALL, "fewer than 1 in 250, as far as so many can show")),
        # Of sixty accounts some have more, and they are too few to say so; 95 clients have not.
        (0.008, 90.0, 60, 95, ("90.0 % of 60", ALL, "fewer than 1 in 95, as far as so many can show")),
        (0.008, 99.8, 900, 95, ("99.8 % of 900", ALL, f"about 1 in 125, {LARGER}")),
        (0.02, 99.8, 900, 95, ("99.8 % of 900", "; 95 clients of the reference R", "about 1 in 50")),
        (0.009, 100.0, 99, None, ("all of 99", "", "fewer than 1 in 99, as far as so many can show")),
        (0.008, 99.28, 250, None, ("99.2 % of 250", "", "about 1 in 125")),
    ],
)
def test_rarity_is_said_no_further_than_it_is_borne_out(
    rate: float, percentile: float, peers: int, clients: int | None, says: tuple[str, str, str]
) -> None:
    said = {"false_alarm_rate": rate, "peers": peers, "percentile": percentile, "family": "time"}
    above, known, often = says
    told = f"higher than {above} accounts compared with{known}; false alarms at this value: {often}"
    assert rarity({**said, "reference_clients": clients, "reference": "R" if clients else None}) == told
    unknown = rarity({**said, "false_alarm_rate": None, "reference_clients": None, "reference": None})
    assert unknown.endswith("; how often innocent accounts reach it is not known")


def test_volume_alone_is_no_finding() -> None:
    alone = Unit(1, [sign("volume")])
    assert alone.rung is None
    assert Unit(1, [sign("volume"), sign("time")]).rung == "pattern"


def test_a_set_is_not_compared_with_its_own_members() -> None:
    """An excerpt: the customers of one reseller, who ask each for himself, and nearly nobody else."""
    rows = ordinary(115, each=210)
    customers = {f"acc-{n:04}" for n in range(110)}
    shared = {"net": "reseller", "payment": "reseller", "template": "00000000000000ff"}
    report = report_of(lines([{**row, **shared} if row["account"] in customers else row for row in rows]))
    [one] = [one for one in report["findings"] if one["unit"] == "set"]
    assert len(one["accounts"]) == 110
    because = " ".join(f"{line['id']}: {line['because']};" for line in report["not_computable"])
    assert "I4: fewer than 100 ordinary accounts have 200 calls with a template" in because
    assert "I1: no account has enough ordinary accounts in the log (20)" in because


def test_one_account_alone_and_one_row_alone_are_read() -> None:
    assert report_of(lines(ROWS[:1]))["accounts"] == 1
    alone = report_of(lines(swept("only", 800)))
    assert alone["accounts"] == 1
    assert "corroborated pattern" not in {one["rung"] for one in alone["findings"]}


def test_no_sentence_claims_more_than_a_log_can_show() -> None:
    told = json.dumps(report_of(lines(ROWS))).lower()
    for word in ("proof", "proves", "guilt", "attack", "probability that"):
        assert word not in told


# --- The ladder -----------------------------------------------------------------------------------------------------------
def sign(family: str, *, counts: bool = True) -> Sign:
    return Sign("m", family, "I0", 9.0, 0.001, 1e-6, 200, 0.99, 95, "says", "caveat", counts)


@pytest.mark.parametrize(
    ("families", "adjusted", "rung"),
    [
        ((), 0.0, None),
        (("time",), 1.0, "noted"),
        (("time", "volume"), 1.0, "pattern"),
        (("time", "volume", "content"), 0.05, "corroborated pattern"),
        (("time", "volume", "content"), 0.051, "pattern"),
        (("time", "volume", "coordination"), 0.01, "corroborated pattern"),
        (("time", "time", "time"), 0.0, "noted"),
    ],
)
def test_the_ladder(families: tuple[str, ...], adjusted: float, rung: str | None) -> None:
    unit = Unit(1, [sign(family) for family in families])
    unit.adjusted = adjusted
    assert unit.rung == rung


def test_what_is_rare_for_no_known_reason_does_not_climb() -> None:
    unit = Unit(1, [sign("time"), sign("volume"), sign("content", counts=False)])
    unit.adjusted = 0.0
    assert unit.rung == "pattern"


# --- Authorisations -------------------------------------------------------------------------------------------------------
def permit(**over: Any) -> Permit:
    begin = round(START.timestamp()) * US
    given = {"accounts": frozenset({"acc-sweep"}), "starts": begin, "ends": begin + 86_400 * US, **over}
    return Permit("P-1", **given)


@pytest.mark.parametrize(
    ("over", "outside"),
    [
        ({}, {"time": 60}),
        ({"nets": frozenset({"another"})}, {"time": 60, "network": 1440}),
        ({"nets": frozenset({"sweep"})}, {"time": 60}),
        ({"models": frozenset({"owl-3"})}, {"time": 60, "model": 1440}),
        ({"requests": 1000}, {"time": 60, "cap": 440}),
        ({"tokens": 1700 * 100}, {"time": 60, "cap": 1340}),
        ({"hours": (22 * 60, 2 * 60)}, {"time": 60, "hours": 1200}),
        ({"hours": (9 * 60, 9 * 60)}, {"time": 60}),
    ],
)
def test_rows_outside_the_terms_are_counted_by_reason(over: dict[str, Any], outside: dict[str, int]) -> None:
    report = report_of(lines(ROWS), Options(permits=[permit(**over)]))
    [table] = report["authorisations"]
    assert table["rows"] == 1500
    assert table["outside"] == outside
    assert table["within"] == 1500 - sum(outside.values())


def test_the_command_writes_the_report(tmp_path: Path) -> None:
    path, out = tmp_path / "log.jsonl", tmp_path / "report.json"
    path.write_bytes(lines(ROWS))
    call_command("analyse_log", str(path), "--json", str(out))
    told = json.loads(out.read_bytes())
    assert {"rows", "rejected", "accounts", "method_version", "findings"} <= set(told)
    assert out.read_bytes() == written(told)
    kept = take_in(path, tmp_path / "kept")
    assert written(read(kept)) == out.read_bytes()


def test_rows_outside_are_named_by_their_lines_and_dropped_names_still_permit(tmp_path: Path) -> None:
    """What is permitted is matched by what its name hashes to: a log with too many names keeps no list of them."""
    path = tmp_path / "log"
    path.write_bytes(lines(ROWS))
    kept = take_in(path, tmp_path / "kept")
    names = pq.read_table(kept.names_path)
    pq.write_table(names.filter(pc.not_equal(names["kind"], "net")), kept.names_path)
    permit = {"id": "P", "accounts": ["acc-sweep"], "starts": "2026-03-02T00:00:00Z", "ends": "2026-03-02T01:00:00Z"}
    [table] = read(kept, Options(permits=[Permit.read({**permit, "nets": ["sweep"]})]))["authorisations"]
    assert set(table["outside"]) == {"time"}
    own = [number for number, row in enumerate(ROWS, 1) if row["account"] == "acc-sweep"]
    late = [number for number in own if ROWS[number - 1]["ts"] >= "2026-03-02T01:00:00"]
    assert table["outside_lines"] == {"time": late[:100]}


def test_several_rare_measures_of_one_family_count_together() -> None:
    # Of eight measures one at 0.01: 8 * 0.01. Two at 0.01: 8 * 0.01 / 2. A rarer one may still be the least.
    assert simes([0.01], 8) == pytest.approx(0.08)
    assert simes([0.01, 0.01], 8) == pytest.approx(0.04)
    assert simes([0.001, 0.01], 8) == pytest.approx(0.008)
    assert simes([], 8) == simes([0.9], 8) == 1


def test_a_row_of_a_clock_years_wrong_makes_no_model_new() -> None:
    rows = ordinary(40, days=6)
    stray = {**rows[0], "ts": "2001-01-01T00:00:00Z", "account": "stray", "model": "other"}
    report = report_of(lines([stray, *rows]))
    assert "pivot" in {one["name"] for one in report["not_computable"]}
