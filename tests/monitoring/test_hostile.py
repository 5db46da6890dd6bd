"""Files that mean harm, or that a broken machine wrote: each ends in a clear report, in bounded memory."""

from __future__ import annotations

import gzip
import json
import re
import tracemalloc
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given as drawn
from hypothesis import strategies as st

from monitoring.intake import Limits, Unreadable, keeping, objects, take_in, whole
from monitoring.intake.blocks import SCHEMA, Blocks
from monitoring.intake.lines import Rejected, row_of
from monitoring.intake.opening import Layout, block_of, parquet, zstd
from monitoring.report import written
from monitoring.schema import HEADER_KEY
from monitoring.shift import shifts
from monitoring.windows import Part, merge
from tests.monitoring.logs import START, Row, as_csv, lines, ordinary, report_of, swept

KINDS = [("line", pa.int64()), ("net", pa.string())]
ROW = {k: v for k, v in ordinary(1)[0].items() if k not in ("net", "payment", "template")}


def many(count: int, **more: Any) -> list[Row]:
    """So many different rows of one account."""
    return [{**ROW, "prompt_hash": str(n), **more} for n in range(count)]


@pytest.fixture
def arrow() -> Iterator[pa.MemoryPool]:
    """What Arrow takes of memory from here on: its largest amount at a time is `max_memory()`."""
    was = pa.default_memory_pool()
    counted = pa.proxy_memory_pool(was)
    pa.set_memory_pool(counted)
    yield counted
    pa.set_memory_pool(was)


# --- Keys that nobody expects -----------------------------------------------------------------------------------------
@pytest.mark.parametrize(
    "given",
    [
        [{**row, f"k{n}": n} for n, row in enumerate(many(4000))],
        [{**row, "params": {f"k{n}": n}} for n, row in enumerate(many(4000))],
        [{**row, "params": {"logit_bias": {str(n): 1}}} for n, row in enumerate(many(4000))],
    ],
    ids=["in rows", "in parameters", "in a logit bias"],
)
def test_rows_each_with_a_key_of_its_own_take_memory_by_their_size(
    tmp_path: Path, arrow: pa.MemoryPool, given: list[Row]
) -> None:
    content = lines(given)
    (tmp_path / "log").write_bytes(content)
    kept = take_in(tmp_path / "log", tmp_path / "kept")
    assert (kept.rows, kept.rejected) == (4000, 0)
    # A column for each key would be 4,000 x 4,000 cells of several bytes.
    assert arrow.max_memory() < 30 * len(content), f"{arrow.max_memory():,} bytes for {len(content):,}"
    assert 30 * len(content) < 4 * 4000 * 4000


def spelled(name: str, number: int) -> str:
    """The name in one of its many spellings."""
    return "".join(letter.upper() if number >> at & 1 else letter for at, letter in enumerate(name))


def test_a_column_under_a_hundred_spellings_is_read_line_by_line() -> None:
    given = [{**row, spelled("client.address", n % 500): "net"} for n, row in enumerate(many(2000))]
    blocks = Blocks(Layout("jsonl", "", (), 0, {}))
    tables = list(blocks.read(block_of(1, lines(given))))
    assert sum(table.num_rows for table in tables) == 2000
    assert sum(table["net"].null_count for table in tables) == 0
    # What comes after is not tried as a whole again, whose pattern would be as long as there are spellings.
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("monitoring.intake.objects._read_json", None)
        assert sum(table.num_rows for table in blocks.read(block_of(2001, lines(many(300))))) == 300


@pytest.mark.parametrize("name", ["net", "NET", "Client.Address", "net_hash", "n\\u0065t", "\\u006eet"])
@pytest.mark.parametrize("other", [{}, {"größe": 1, "region": {"net": 5}}, {"größe": 1, "region": "net"}])
def test_a_column_that_comes_late_is_read_however_it_is_written(name: str, other: dict[str, Any]) -> None:
    content = lines(many(1000, **other)) + lines(
        [{**row, "%": "pool"} for row in many(1000, **other, session="s")]
    ).replace(b'"%"', f'"{name}" '.encode())
    tables = list(Blocks(Layout("jsonl", "", (), 0, {})).read(block_of(1, content)))
    whole = pa.concat_tables([table.select(["line", "net"]).cast(pa.schema(KINDS)) for table in tables])
    assert whole["net"].to_pylist() == [None] * 1000 + ["pool"] * 1000


OTHER = st.dictionaries(
    st.sampled_from(["region", "a/b", "params/seed", "account/", "input_tokens/", "/status", "größe", "x", ""]),
    st.none()
    | st.booleans()
    | st.integers(-5, 5)
    | st.floats(0, 9)
    | st.sampled_from(["", "é", "1", [], ["a"], {"net": "n"}]),
    max_size=4,
)


@drawn(st.lists(st.tuples(OTHER, OTHER), min_size=1, max_size=5), st.integers(0, 250))
def test_what_stands_for_no_column_changes_nothing_and_rejects_nothing(
    others: list[tuple[dict[str, Any], dict[str, Any]]], begins: int
) -> None:
    plain = many(260, params={"n": 2})
    given = [
        {**other, **row, "params": {**inner, **row["params"]}} if n >= begins else row
        for n, row in enumerate(plain)
        for other, inner in [others[n % len(others)]]
    ]
    blocks = Blocks(Layout("jsonl", "", (), 0, {}))
    alone = [table for piece in (lines(plain), lines(given)) for table in blocks.read(block_of(1, piece))]
    kinds = pa.schema([SCHEMA.field(name) for name in ("line", "account", "prompt_hash", "params")])
    whole = pa.concat_tables([table.select(kinds.names).cast(kinds) for table in alone])
    assert whole.slice(260).combine_chunks().to_pylist() == whole.slice(0, 260).combine_chunks().to_pylist()
    fresh = Blocks(Layout("jsonl", "", (), 0, {}))
    first = [row for table in fresh.read(block_of(1, lines(given))) for row in table["params"].to_pylist()]
    assert first == whole["params"].slice(0, 260).to_pylist()
    assert not blocks.rejected + fresh.rejected


@pytest.mark.parametrize("wrong", [None, "12.5", "many", "", "1234567890123"])
@pytest.mark.parametrize("at", [0, 250])
def test_numbers_and_flags_that_are_written_as_texts_are_read(wrong: str | None, at: int) -> None:
    words = ("true", "False", "1", "0", "YES", "no")
    given = [
        {**row, "input_tokens": "12", "status": "200", "refused": words[n % 6], "input_tokens/": "x"}
        for n, row in enumerate(many(300))
    ]
    if wrong is not None:
        given[at]["input_tokens"] = wrong
    blocks = Blocks(Layout("jsonl", "", (), 0, {}))
    whole = pa.concat_tables(
        [table.select(["line", "input_tokens", "refused"]) for table in blocks.read(block_of(1, lines(given)))]
    )
    found = {row["line"]: row for row in whole.to_pylist()}
    assert [line for line, _ in blocks.rejected] == ([] if wrong is None else [at + 1])
    assert len(found) == 300 - len(blocks.rejected)
    assert {row["input_tokens"] for row in found.values()} == {12}
    assert all(row["refused"] == ((line - 1) % 6 in (0, 2, 4)) for line, row in found.items())


@pytest.mark.parametrize("length", [1_100_000, 1_500_000, 3_000_000])
@pytest.mark.parametrize("at", [0, 1000, 5999])
def test_a_line_is_too_long_by_its_length_alone(tmp_path: Path, length: int, at: int) -> None:
    rows = [json.dumps(row).encode() for row in many(6000)]
    rows[at] = b'{"x":"' + b"y" * length + b'",' + rows[at][1:]
    content = b'{"candour_usage_log":{"rows_written":6000}}\n' + b"\n".join(rows) + b"\n"
    for name, packed in (
        ("plain", content),
        ("gzip", gzip.compress(content, 1)),
        ("zstd", zstd.compress(content)),
    ):
        (tmp_path / name).write_bytes(packed)
        kept = take_in(tmp_path / name, tmp_path / f"{name}.kept")
        assert (kept.rows, kept.listed) == (5999, [(at + 2, "has more than 1,048,576 bytes")])


@pytest.mark.parametrize("length", [1_048_000, 1_048_500, 1_050_000, 1_056_000])
def test_where_a_line_is_too_long_does_not_depend_on_how_the_file_is_packed(tmp_path: Path, length: int) -> None:
    """The second line: what is read at first, to see what the file is, is less than a piece."""
    first, other = (json.dumps(row).encode() for row in many(2))
    long = other[:-1] + b',"x":"' + b"y" * (length - len(other) - 7) + b'"}'
    content = first + b"\n" + long + b"\n"
    rows = set()
    for name, packed in (("plain", content), ("gzip", gzip.compress(content, 1)), ("zstd", zstd.compress(content))):
        (tmp_path / name).write_bytes(packed)
        rows.add(take_in(tmp_path / name, tmp_path / f"{name}.kept").rows)
    assert rows == {2 if length <= 1 << 20 else 1}


def test_a_line_of_which_the_end_is_lost_is_no_row(tmp_path: Path) -> None:
    """What is left of it can be read, and says something else."""
    table = "ts,account,model,input_tokens,status,output_tokens\n"
    table += "".join(f"2026-03-01T10:00:{n % 60:02}.{n:03}Z,a,m,1,200,12345\n" for n in range(600))
    packed = gzip.compress(table[:-4].encode())  # the last line has no end, and a number with less digits
    for content, rows in ((packed[:-8], 599), (packed, 600)):
        (tmp_path / "log").write_bytes(content)
        kept = take_in(tmp_path / "log", tmp_path / "kept")
        assert (kept.rows, kept.rows + kept.rejected) == (rows, 600)
    (tmp_path / "log").write_bytes(packed[:-8])
    kept = take_in(tmp_path / "log", tmp_path / "kept")
    assert kept.listed == [(601, "is cut off: what is left of it may say something else")]


@pytest.mark.parametrize("number", ["Inf", "-NaN", "NaN", "-Infinity"])
def test_what_is_no_number_in_json_is_so_in_every_block(number: str) -> None:
    given = lines(many(400)).splitlines()
    given[3] = given[3][:-1] + b', "region": ' + number.encode() + b"}"
    told = set()
    for few in (given[:8], given):  # read line by line, and at once
        blocks = Blocks(Layout("jsonl", "", (), 0, {}))
        rows = sum(table.num_rows for table in blocks.read(block_of(1, b"\n".join(few) + b"\n")))
        told.add((len(few) - rows, tuple(blocks.rejected)))
    one_by_one = Blocks(Layout("jsonl", "", (), 0, {}))
    kept = one_by_one._line_by_line(block_of(1, b"\n".join(given) + b"\n"))
    assert told == {(400 - kept.num_rows, tuple(one_by_one.rejected))}


def test_a_number_that_nobody_expects_and_nobody_gives_any_more_is_no_doubt(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Blocks, "_line_by_line", lambda *given: pytest.fail("read one by one"))
    blocks = Blocks(Layout("jsonl", "", (), 0, {}))
    for latency in (1.5, None):
        given = lines([{**row, "latency": latency} for row in many(300)])
        assert sum(table.num_rows for table in blocks.read(block_of(1, given))) == 300


def test_a_file_whose_hash_cannot_be_told_has_no_report(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*args: Any) -> Any:
        raise MemoryError

    (tmp_path / "log").write_bytes(lines(many(3)))
    monkeypatch.setattr(keeping.hashlib, "file_digest", broken)
    with pytest.raises(MemoryError):
        take_in(tmp_path / "log", tmp_path / "kept")


# --- Parquet ------------------------------------------------------------------------------------------------------------
def no_text(*values: bytes) -> pa.Array:
    """A column that is said to be of texts."""
    kept = pa.array(values, pa.binary()).buffers()
    return pa.StringArray.from_buffers(len(values), kept[1], kept[2])


def columns(**more: Any) -> pa.Table:
    said = pa.Table.from_pylist(many(4)).to_pydict()
    return pa.table({**said, **more})


@pytest.mark.parametrize("name", ["account", "user_agent", "template"])
def test_a_row_of_parquet_that_is_no_text_is_counted(tmp_path: Path, name: str) -> None:
    pq.write_table(columns(**{name: no_text(b"a", b"Z\xfcrich", b"c", b"\xff")}), tmp_path / "log")
    kept = take_in(tmp_path / "log", tmp_path / "kept")
    assert (kept.rows, kept.listed) == (2, [(2, "is not UTF-8"), (4, "is not UTF-8")])


def test_of_two_names_of_a_column_the_first_with_a_value_counts(tmp_path: Path) -> None:
    table = columns().drop_columns(["model"])
    asked, answered = pa.array(["owl", None, "owl", None]), pa.array(["owl-2", "owl-2", None, None])
    table = table.append_column("gen_ai.request.model", asked).append_column("gen_ai.response.model", answered)
    pq.write_table(table, tmp_path / "log")
    (tmp_path / "lines").write_bytes(lines(table.to_pylist()))
    found = []
    for name in ("log", "lines"):
        kept = take_in(tmp_path / name, tmp_path / f"{name}.kept")
        names = pq.read_table(kept.names_path).to_pylist()
        found.append((kept.rows, kept.listed, {one["name"] for one in names if one["kind"] == "model"}))
    assert found == [(3, [(4, "has no model")], {"owl", "owl-2"})] * 2


def test_of_two_columns_of_times_the_first_with_a_value_counts(tmp_path: Path) -> None:
    ms = pa.timestamp("ms", "UTC")
    begun, ended = pa.array([None, 2**62, 1_780_000_000_000, None], ms), pa.array([1_780_000_000_000] * 3 + [None], ms)
    table = columns().drop_columns(["ts"]).append_column("start_time", begun).append_column("timestamp", ended)
    pq.write_table(table, tmp_path / "log")
    kept = take_in(tmp_path / "log", tmp_path / "kept")
    assert (kept.rows, kept.listed) == (2, [(2, "has a ts that is no time"), (4, "has no ts")])


@pytest.mark.parametrize(
    ("more", "rows"),
    [
        ({"input_tokens": pa.array(np.array([1, 2, 3, 4], dtype=np.float16))}, 0),  # as any that is no whole number
        ({"ts": pa.array([2**62, 1_780_000_000_000, -(2**62), 1_780_000_000_001], pa.timestamp("ms"))}, 2),
        ({"ts": pa.array([None, 1_780_000_000_000, 2**62, 1_780_000_000_001], pa.timestamp("ms", "UTC"))}, 2),
        ({"ts": pa.array([b"2026"] * 4, pa.binary(4))}, 0),
        ({"ts": pa.array([-(2**63), 1_780_000_000_000_000, 2**63 - 1, -(2**63) + 2], pa.timestamp("us", "UTC"))}, 1),
        ({"ts": pa.array([-(2**63), 1_780_000_000_000_000, 2**63 - 1, -(2**63) + 2], pa.timestamp("us"))}, 1),
        ({"ts": pa.array([-(2**63), 1_780_000_000 * 10**9, 2**63 - 1, -(2**63) + 2], pa.timestamp("ns"))}, 1),
        ({"session": pa.array([2**62, 5, 6, 7]).cast(pa.time64("us"))}, None),  # of which DuckDB dies
        ({"params": pa.array([{"n": 1}] * 4, pa.struct([("n", pa.int64()), ("t", pa.time64("us"))]))}, None),
        ({"input_tokens": pa.array([1] * 4, pa.decimal256(60))}, None),
        ({"Account": pa.array(["a"] * 4)}, None),
    ],
)
def test_a_column_of_a_strange_type_is_read_or_named(tmp_path: Path, more: dict[str, Any], rows: int | None) -> None:
    pq.write_table(columns(**more), tmp_path / "log")
    if rows is None:
        with pytest.raises(Unreadable, match=r"of a type that is not read|names a column twice"):
            take_in(tmp_path / "log", tmp_path / "kept")
    else:
        kept = take_in(tmp_path / "log", tmp_path / "kept")
        assert (kept.rows, kept.rejected) == (rows, 4 - rows)


# --- Calls that say the same ----------------------------------------------------------------------------------------------
@pytest.mark.parametrize("telling", [{"prompt_hash": "x"}, {"ts": "2026-03-02T10:00:00.5Z"}])
def test_a_row_that_tells_more_makes_no_others_repetitions(tmp_path: Path, telling: Row) -> None:
    """Retries within a second that were refused before there was a prompt; and one call that has one, twice."""
    plain = {**{k: v for k, v in ROW.items() if k != "prompt_hash"}, "ts": "2026-03-02T10:00:00Z", "status": 429}
    (tmp_path / "log").write_bytes(lines([plain] * 30 + [{**plain, **telling}] * 2))
    kept = take_in(tmp_path / "log", tmp_path / "kept")
    assert (kept.rows, kept.listed) == (31, [(32, "says the same as an earlier line")])
    assert any("29 rows say the same as another row. They are counted" in note for note in kept.notes)


def test_of_two_batches_only_what_is_told_apart_counts_once(tmp_path: Path) -> None:
    plain = {**{k: v for k, v in ROW.items() if k != "prompt_hash"}, "ts": "2026-03-02T10:00:00Z"}
    parts = []
    for name in ("one", "two"):
        (tmp_path / name).write_bytes(lines([plain] * 3 + [{**plain, "prompt_hash": "x"}]))
        kept = take_in(tmp_path / name, tmp_path / f"{name}.kept")
        parts.append(Part(kept.rows_path, kept.names_path, kept.sha256, kept.columns))
    assert merge(parts, tmp_path / "merged", since_us=0, until_us=1 << 62).rows == 7


def test_a_file_with_many_bad_lines_is_kept_in_few_groups_of_rows(tmp_path: Path) -> None:
    given = b"".join(lines([row]) if n % 300 != 299 else b"not a row\n" for n, row in enumerate(many(9000)))
    (tmp_path / "log").write_bytes(given)
    kept = take_in(tmp_path / "log", tmp_path / "kept")
    assert (kept.rows, kept.rejected) == (8970, 30)
    assert parquet(kept.rows_path).num_row_groups == 1


def test_a_long_first_row_is_no_header(tmp_path: Path) -> None:
    content = lines([{**row, "x": "y" * 20_000} for row in many(3)])
    (tmp_path / "log").write_bytes(content)
    assert take_in(tmp_path / "log", tmp_path / "kept").rows == 3


def test_more_keys_without_a_value_than_an_honest_file_has_make_no_columns(monkeypatch: pytest.MonkeyPatch) -> None:
    widths = []
    read_json = objects._read_json
    monkeypatch.setattr(objects, "_read_json", lambda d, s, o: widths.append(len(s)) or read_json(d, s, o))
    given = [{**row, **{f"k{n}-{i}": None for i in range(50)}} for n, row in enumerate(many(300))]
    assert sum(t.num_rows for t in Blocks(Layout("jsonl", "", (), 0, {})).read(block_of(1, lines(given)))) == 300
    assert max(widths) < 100


def test_a_number_that_is_none_is_no_parameter() -> None:
    content = lines(many(300, params={"temperature": 1})).replace(b'"temperature": 1', b'"temperature": NaN', 1)
    tables = Blocks(Layout("jsonl", "", (), 0, {})).read(block_of(1, content))
    told = [row for table in tables for row in table["params"].to_pylist()]
    assert [row["temperature"] for row in told] == [None] + [1.0] * 299


@pytest.mark.parametrize("kind", ["csv", "jsonl"])
def test_bytes_that_are_no_text_reject_their_line_wherever_they_are(kind: str) -> None:
    given = many(300, region="north", account="Zoë")
    content = lines(given) if kind == "jsonl" else as_csv([{**row, "params": None} for row in given])
    content = content.replace(b"north", b"n\xffrth", 1)
    report = report_of(content)
    assert (report["rows"], report["rejected_by_reason"]) == (299, {"is not UTF-8": 1})
    assert report["rejected_lines"][0]["line"] == (1 if kind == "jsonl" else 2)


def test_other_keys_that_are_alike_in_every_line_are_not_looked_for_in_the_text(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("monitoring.intake.objects._late", None)
    blocks = Blocks(Layout("jsonl", "", (), 0, {}))
    given = [{**row, "region": "x", "ms": n / 2, "params": {"seed": n}} for n, row in enumerate(many(600))]
    assert [table.num_rows for table in blocks.read(block_of(1, lines(given)))] == [600]


@pytest.mark.parametrize("line", [b'{"a":' * 1300, b"[" * 5000, b'{"params":' + b"[" * 4000])
def test_what_is_nested_deeply_among_the_first_lines_is_rejected(line: bytes) -> None:
    report = report_of(lines(many(5)) + line + b"\n" + lines(many(10)[5:]))
    assert (report["rows"], report["rejected_by_reason"]) == (10, {"is nested more than 100 deep": 1})
    assert report["rejected_lines"][0]["line"] == 6


@pytest.mark.parametrize("at", [0, 250, 5999])
@pytest.mark.parametrize(("more", "rejected"), [(98, 0), (99, 0), (100, 1), (600, 1), (3000, 1)])
@pytest.mark.parametrize("kind", ["list", "object", "params"])
def test_how_deep_a_line_may_go_does_not_depend_on_how_it_is_read(at: int, more: int, rejected: int, kind: str) -> None:
    """Nor on the version of Python, each of which goes to another depth. The object itself is one of 100."""
    rows = lines(many(6000)).splitlines()
    within = {
        "list": b'"x":%s%s' % (b"[" * more, b"]" * more),
        "object": b'"x":%s1%s' % (b'{"y":' * more, b"}" * more),
        "params": b'"params":%s{}%s' % (b'{"z":' * (more - 1), b"}" * (more - 1)),
    }[kind]
    rows[at] = rows[at].replace(b"{", b"{" + within + b",", 1)
    blocks = Blocks(Layout("jsonl", "", (), 0, {}))
    assert sum(table.num_rows for table in blocks.read(block_of(1, b"\n".join(rows)))) == 6000 - rejected
    assert blocks.rejected == [(at + 1, "is nested more than 100 deep")] * rejected


@pytest.mark.parametrize("text", ['"\\"' * 300_000, "[]" * 400_000, '"' + "[" * 900_000, '{"a":"' + "[" * 900_000])
def test_brackets_and_marks_are_told_apart_in_one_reading(text: str) -> None:
    """A line of a million of them is no reason to look at it a million times."""
    with pytest.raises(Rejected, match="is not a JSON object"):
        row_of(text.encode(), Layout("jsonl", "", (), 0, {}))


@pytest.mark.parametrize(
    ("column", "value", "what"),
    [
        ("net", "203.0.113.9", "addresses"),
        ("net", "203.0.113.0/24", "addresses"),
        ("net", "2001:db8::1", "addresses"),
        ("account", "kit@example.org", "e-mail addresses"),
        ("payment", "kit@example.org", "e-mail addresses"),
    ],
)
def test_identifiers_that_nobody_hashed_are_named(column: str, value: str, what: str) -> None:
    given = many(20, net="n", payment="p")
    given[7][column] = value
    [note] = [one for one in report_of(lines(given))["notes"] if one.startswith("Not hashed")]
    assert note.startswith(f"Not hashed: 1 of 2 values of {column} are {what}.")
    assert value not in note


def test_hashes_and_names_are_not_taken_for_addresses() -> None:
    hashes = ("8d21a07ee8bb3619e975843242cfce32", "10.1", "a:b", "1.2.3.4.5", "user@", "9f:2")
    given = [{**row, "net": name, "account": name} for row, name in zip(many(6), hashes, strict=True)]
    assert not [one for one in report_of(lines(given))["notes"] if one.startswith("Not hashed")]


# --- Parquet ------------------------------------------------------------------------------------------------------------
def often(count: int, path: Path) -> None:
    """A small file in which an account of 200,000 characters has so many rows."""
    once = pa.DictionaryArray.from_arrays(pa.array([0] * count, pa.int32()), ["x" * 200_000])
    pq.write_table(pa.table({**{k: [v] * count for k, v in ROW.items()}, "account": once}), path, store_schema=False)
    assert path.stat().st_size < 100_000


def test_a_long_text_that_a_column_has_often_is_not_as_often_in_memory(tmp_path: Path, arrow: pa.MemoryPool) -> None:
    often(1200, tmp_path / "log")
    kept = take_in(tmp_path / "log", tmp_path / "kept")
    assert (kept.rows, kept.reasons) == (0, {"has a account of more than 200 characters": 1200})
    assert kept.listed[-1][0] == 1200
    # 240 MB as texts, in pieces of 64.
    assert arrow.max_memory() < 160_000_000


def test_of_a_large_parquet_file_a_piece_is_in_memory_at_a_time(tmp_path: Path) -> None:
    numbers = np.random.default_rng(1).integers(1 << 60, size=4_000_000)
    pq.write_table(pa.table({"n": numbers}), tmp_path / "log", row_group_size=50_000, use_dictionary=False)
    pool = pa.default_memory_pool()
    before = pool.bytes_allocated()
    taken = [pool.bytes_allocated() - before for _ in parquet(tmp_path / "log").iter_batches(50_000)]
    assert len(taken) == 80
    # 32 MB in all, 0.4 MB in a piece.
    assert max(taken) < 8_000_000


def test_a_long_text_that_a_column_has_too_often_is_refused(tmp_path: Path) -> None:
    often(100_000, tmp_path / "log")
    with pytest.raises(Unreadable, match="times its size"):
        take_in(tmp_path / "log", tmp_path / "kept")


def test_a_parquet_file_that_unpacks_beyond_all_measure_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "log"
    texts = [f"{n}" + "x" * 100_000 for n in range(200)]
    pq.write_table(pa.Table.from_pylist([{**ROW, "account": text} for text in texts]), path, compression="zstd")
    with pytest.raises(Unreadable, match="times its size"):
        take_in(path, tmp_path / "kept", limits=Limits(free=1 << 20))


# --- Clocks -----------------------------------------------------------------------------------------------------------
def test_rows_of_a_clock_that_was_wrong_are_named() -> None:
    rows = ordinary(30) + swept("acc-sweep", 600)
    rows[4] = {**rows[4], "ts": "2001-05-06T00:00:00Z"}
    rows[9] = {**rows[9], "ts": "2098-12-31T23:59:59Z"}
    report = report_of(lines(rows))
    assert report["rows"] == len(rows)
    [note] = [note for note in report["notes"] if "far from the others" in note]
    assert re.match(
        r"2 rows .* between 2026-03-02 and 2026-03-0\d: line 5 \(2001-05-06\), line 10 \(2098-12-31\)\. ", note
    )
    assert (report["from"], report["to"]) == ("2001-05-06T00:00:00Z", "2098-12-31T23:59:59Z")


def test_of_many_such_rows_the_first_are_named_and_all_counted() -> None:
    given = [{**row, "ts": "2011-01-01T00:00:00Z"} if n % 20 == 0 else row for n, row in enumerate(many(300))]
    [note] = [note for note in report_of(lines(given))["notes"] if "far from" in note]
    assert note.startswith("15 rows ")
    assert "line 81 (2011-01-01) and 10 more." in note


def test_a_long_log_and_a_quiet_one_have_no_such_note() -> None:
    weekly = [{**row, "ts": START.timestamp() + 7 * 86_400 * n} for n, row in enumerate(many(150))]
    for rows in (weekly, many(1), ordinary(20)):
        assert not any("far from" in note for note in report_of(lines(rows))["notes"])


def test_a_day_decades_away_makes_no_table_of_decades() -> None:
    days = [*range(20_000, 20_014), 47_000]
    hours = pd.DataFrame([(u, d, 0, 100) for u in range(20) for d in days], columns=["unit", "day", "bin", "c"])
    tracemalloc.start()
    try:
        assert shifts({"hour": hours}).empty  # one day is no week to compare
        _, most = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    # 20 units, 32 bins of 8 bytes: 15 days are 77 kB, 27,000 days 138 MB.
    assert most < 10_000_000


# --- Cells ------------------------------------------------------------------------------------------------------------
def test_formula_cells_are_texts_like_others() -> None:
    cells = ["=cmd|' /C calc'!A0", "+1+1", "-2", "@SUM(A1)", '"=HYPERLINK(""http://x.example"")"']
    header = b"ts,account,model,input_tokens,output_tokens,status\n"
    rows = "".join(f"2026-03-02T00:00:0{n}.5Z,{cell},m,1,1,200\n" for n, cell in enumerate(cells)).encode()
    report = report_of(header + rows)
    assert (report["rows"], report["rejected"], report["accounts"]) == (5, 0, 5)
    # Where a number should be, a formula is none.
    report = report_of(header + b"2026-03-02T00:00:00Z,a,m,=1+1,1,200\n" + rows)
    assert report["rejected_by_reason"] == {"has a input_tokens that is no count": 1}


def test_nul_bytes_in_a_table_reject_their_line_alone() -> None:
    header = b"ts,account,model,input_tokens,output_tokens,status\n"
    rows = [f"2026-03-02T00:00:{n:02}.5Z,a,m,{n},1,200\n".encode() for n in range(50)]
    rows[7] = rows[7].replace(b",a,", b",a\0,")
    report = report_of(header + b"".join(rows))
    assert (report["rows"], report["rejected_lines"]) == (49, [{"line": 9, "reason": "has NUL bytes"}])


def test_everything_from_one_account_is_a_report_that_says_what_cannot_be_told() -> None:
    report = report_of(lines(swept("only", 1200)))
    assert (report["rows"], report["accounts"]) == (1200, 1)
    because = {one["name"]: one["because"] for one in report["not_computable"]}
    assert "enough ordinary accounts in the log" in because["volume"]
    assert json.dumps(report)


@pytest.mark.parametrize("kind", [pa.string(), pa.large_string(), pa.string_view(), "dictionary"])
def test_texts_under_any_name_are_read_many_rows_at_once(tmp_path: Path, kind: Any) -> None:
    """pandas and polars write large strings, others views or dictionaries: all are texts, read by their dictionary."""
    plain = pa.Table.from_pylist(ordinary(4, each=200))
    place, column = plain.schema.get_field_index("prompt_hash"), plain["prompt_hash"]
    texts = column.dictionary_encode() if kind == "dictionary" else column.cast(kind)
    path = tmp_path / "log.parquet"
    pq.write_table(plain.set_column(place, "prompt_hash", texts), path)
    file = pq.ParquetFile(path)
    names = [name for name in file.schema_arrow.names if whole._is_text(file.schema_arrow.field(name).type)]
    assert "prompt_hash" in names
    assert whole._rows_at_once(file, file.schema_arrow.names, names) == whole.AT_ONCE
    report = report_of(path.read_bytes())
    assert (report["rows"], report["rejected"]) == (plain.num_rows, 0)


@pytest.mark.parametrize("kind", [pa.binary(), pa.list_(pa.string())])
def test_what_is_no_plain_text_is_read_few_rows_at_a_time_where_it_is_long(tmp_path: Path, kind: pa.DataType) -> None:
    """Only texts are read by their dictionary: of others, as many rows at once as memory bears at the worst."""
    count, long = 4_000, "x" * 100_000
    column = "finish_reason" if pa.types.is_list(kind) else "session"
    value = [long] if pa.types.is_list(kind) else long.encode() if pa.types.is_binary(kind) else long
    few = pa.array([value], kind).take(pa.array([0] * 200))
    rows = pa.table({
        "ts": ["2026-03-02T00:00:00Z"] * 200, "account": ["a"] * 200, "model": ["m"] * 200, "input_tokens": [1] * 200,
        "output_tokens": [1] * 200, "status": [200] * 200, column: few,
    })  # fmt: skip
    path = tmp_path / "log.parquet"
    with pq.ParquetWriter(path, rows.schema, compression="zstd") as writer:
        for _ in range(count // 200):
            writer.write_table(rows)
    file = pq.ParquetFile(path)
    at_once = whole._rows_at_once(file, ["ts", "account", column], ["ts", "account"])
    assert at_once * len(long) <= whole.AT_MOST
    assert whole._rows_at_once(file, ["ts", "account"], ["ts", "account"]) == whole.AT_ONCE


@pytest.mark.parametrize("text", ["\\ud800", "a\\u0000b"])
def test_what_no_text_has_is_rejected_by_its_line(text: str) -> None:
    good = json.dumps(ordinary(1)[0])
    bad = good.replace('"account": "acc-0000"', f'"account": "{text}"')
    assert bad != good
    report = report_of("\n".join([good, bad, good.replace("acc-0000", "acc-2")]).encode())
    assert (report["rows"], report["rejected"]) == (2, 1)
    assert [one["line"] for one in report["rejected_lines"]] == [2]


DEEP = '{"a": ' * 101 + "1" + "}" * 101


@pytest.mark.parametrize(
    "said",
    ['{"a": NaN}', '{"a": 1e999}', '{"a": "\\ud800"}', '{"a": "\\u0000"}', '{"a": "' + "x" * 20_000 + '"}', DEEP],
)
def test_a_header_that_cannot_be_told_again_is_passed_over(said: str) -> None:
    log = f'{{"{HEADER_KEY}": {said}}}\n'.encode() + lines(ordinary(1))
    report = report_of(log)
    assert report["prepared"] == {}
    assert written(report)
    assert report["rejected"] == 0


def test_a_log_of_many_years_with_a_row_a_day_is_read() -> None:
    row = ordinary(1)[0]
    days = [(START + timedelta(days=n)).isoformat() for n in range(1_100)]
    report = report_of(lines([{**row, "ts": day, "prompt_hash": f"{n:032x}"} for n, day in enumerate(days)]))
    assert report["rows"] == 1_100
