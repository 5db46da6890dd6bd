"""The reference script for providers: nothing that was said or names anybody leaves, and every row is accounted for."""

import gzip
import hashlib
import hmac
import json
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import jsonschema
import pytest

from monitoring import prepare, schema
from tests.monitoring.preparing import KEY, ROW, as_csv, folder, result, run

__all__ = ["folder"]


# --- What leaves --------------------------------------------------------------------------------------------------------
@pytest.mark.parametrize("out", ["out.jsonl.gz", "out.jsonl", "out.csv.gz", "out.csv"])
@pytest.mark.parametrize("name", ["log.jsonl", "log.csv"])
def test_no_prompt_address_key_or_name_leaves(
    folder: Path, name: str, out: str, capfd: pytest.CaptureFixture[str]
) -> None:
    rows = as_csv([ROW | {"finish_reasons": "stop"}]) if name.endswith("csv") else [ROW, ROW | {"status": "canary-10"}]
    assert run(folder, rows, name=name, out=out) == 0
    data = (folder / out).read_bytes()
    said = "".join(capfd.readouterr()) + (gzip.decompress(data) if out.endswith("gz") else data).decode()
    for secret in ("canary", "203.0.113", "Translate", "french", "50256", "comment", KEY.hex(), "sk-"):
        assert secret.lower() not in said.lower()
    _, (row, *_) = result(folder, out)
    assert row["endpoint"] == "/v1/chat"
    assert row["ts"] == "2026-01-05T09:00:00.500000Z"
    assert json.loads(row["params"]) if "csv" in out else row["params"] == {"max_tokens": 64, "logit_bias": True}


def test_the_header_says_how_it_was_made(folder: Path) -> None:
    assert run(folder, [ROW, "no JSON", ROW | {"ip": "nowhere"}], "--sampling", "every tenth account") == 0
    header, rows = result(folder)
    assert header["version"] == schema.VERSION == prepare.LOG_VERSION
    assert prepare.HEADER_KEY == schema.HEADER_KEY
    assert header["input_sha256"] == hashlib.sha256((folder / "log.jsonl").read_bytes()).hexdigest()
    assert (header["rows_read"], header["rows_written"], len(rows)) == (3, 2, 2)
    assert header["rows_skipped"] == {"not JSON": 1}
    assert header["left_out"] == {"net: not an address": 1}
    assert header["sampling"] == "every tenth account"
    assert header["time_zone"] == "every time names its zone"
    assert header["key_id"] == hmac.digest(KEY, b"key-id\0", "sha256").hex()[:16]


def test_every_row_is_one_of_the_schema(folder: Path) -> None:
    least = {k: ROW[k] for k in ("timestamp", "account_id", "model", "completion_tokens", "status")} | {
        "prompt_tokens": 3
    }
    assert (
        run(folder, [ROW, least, ROW | {"prompt": [{"role": "user", "content": [{"type": "text", "text": "hi"}]}]}])
        == 0
    )
    _, rows = result(folder)
    for row in rows:
        jsonschema.validate(row, schema.json_schema())
    assert set(rows[0]) == {column.name for column in schema.COLUMNS}
    assert set(rows[1]) == set(schema.REQUIRED)
    assert prepare.REQUIRED == schema.REQUIRED
    assert set(prepare.OUTPUT) == set(schema.BY_NAME)


def test_every_name_of_the_schema_is_understood_where_the_value_is_taken_over_as_it_is() -> None:
    for column in schema.COLUMNS:
        if column.name in prepare.INPUT and column.name not in {"key", "payment"}:
            assert set(column.aliases) <= {column.name, *prepare.INPUT[column.name]}, column.name


# --- Hostile and broken input -----------------------------------------------------------------------------------------
def test_hostile_lines_are_counted_and_skipped(folder: Path) -> None:
    hostile = {
        "not JSON": ["{", "[" * 100_000, '{"a":' * 5_000],
        "not UTF-8": ['{"model": "\udcff"}'],
        "not an object": ["[1]", "null", '"text"'],
        "ts: missing": ["{}"],
        "ts: not a time": [ROW | {"timestamp": "yesterday"}, ROW | {"timestamp": "9" * 400}, ROW | {"timestamp": [1]}],
        "ts: no time zone (say which with --zone)": [ROW | {"timestamp": "2026-01-05T10:00:00"}],
        "ts: before 2000 or after 2100": [ROW | {"timestamp": 17}],
        "account: not an identifier": [ROW | {"account_id": {"id": 1}}, ROW | {"account_id": True}],
        "model: not a short text of one line": [ROW | {"model": wrong} for wrong in ("m\u202e\n", "m" * 201, 5)],
        "status: not a whole number from 100 to 599": [ROW | {"status": wrong} for wrong in (1000, "OK", True)],
        "output_tokens: not a whole number from 0 to 100000000": [
            ROW | {"completion_tokens": -1},
            ROW | {"completion_tokens": 1.5},
            json.dumps(ROW).replace('"48"', "NaN"),
            json.dumps(ROW).replace('"48"', "9" * 4000),
        ],
    }  # fmt: skip
    assert (
        run(folder, [ROW, *(line for lines in hostile.values() for line in lines), "", "\ufeff" + json.dumps(ROW)]) == 0
    )
    header, rows = result(folder)
    assert header["rows_skipped"] == {reason: len(lines) for reason, lines in hostile.items()}
    assert header["rows_written"] == len(rows) == 2


def test_what_is_optional_and_strange_is_left_out_and_the_row_stays(folder: Path) -> None:
    strange = {
        "ip": {"a": 1},
        "refused": "perhaps",
        "finish_reasons": [],
        "params": "{",
        "user_agent": "a\nb",
        "prompt": {"no": "text"},
        "path": 7,
        "session_id": [1],
    }
    assert (
        run(
            folder,
            [ROW | strange, ROW | {"user_agent": "\ud800", "prompt": "\ud800", "params": {"temperature": 1e400}}],
        )
        == 0
    )
    header, rows = result(folder)
    assert header["rows_skipped"] == {}
    assert sum(header["left_out"].values()) == len(strange) + 1
    assert set(rows[0]) == {*schema.REQUIRED, "key", "payment"}
    assert rows[1]["params"] == {}


def test_hostile_csv(folder: Path) -> None:
    good = as_csv([ROW, ROW])
    lines = [
        *good,
        "too,few",
        good[1].replace("m-large", "m\udcff"),
        good[1] + ",more",
        'an "open quote,' + '"unclosed',
    ]
    assert run(folder, lines, name="log.csv", out="out.csv") == 0
    header, rows = result(folder, "out.csv")
    assert header["rows_skipped"] == {"not UTF-8": 1, "not as many cells as columns": 2, "not CSV": 1}
    assert len(rows) == 2


def test_every_line_that_an_open_quotation_mark_takes_with_it_is_counted(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    plain = {k: v for k, v in ROW.items() if k not in ("finish_reasons", "params")} | {"prompt": "no marks in it"}
    head, row = as_csv([plain])
    for last in (row, row + '"', row.replace("m-large", '"m"-large')):  # never closed, or by a mark of a later row
        lines = [head, row, row + ',"unfinished', *[row] * 1000, last, row]
        assert run(folder, lines, name="log.csv") == 0
        header, rows = result(folder)
        assert header["rows_read"] == len(lines) - 1
        assert header["rows_read"] == header["rows_written"] + sum(header["rows_skipped"].values())
        assert len(rows) < 10
        assert "the first in line 3: not " in capsys.readouterr().err


def test_a_blank_line_in_a_cell_is_part_of_it(folder: Path) -> None:
    said = [ROW | {"prompt": "para one\n\npara two", "finish_reasons": "stop"}, ROW | {"finish_reasons": "stop"}]
    told = []
    for name, rows in (("log.csv", ["", *as_csv(said[:1]), "", as_csv(said)[-1], ""]), ("log.jsonl", said)):
        assert run(folder, rows, name=name) == 0
        header, found = result(folder)
        told.append(([row["prompt_hash"] for row in found], header["rows_read"], header["rows_skipped"]))
    assert told[0] == told[1]
    assert told[0][1:] == (2, {})


@pytest.mark.parametrize(
    ("path", "kept"),
    [
        ("/v1/users/canary@mail.example/threads/thread_8f3/messages", "/v1/users/{}/threads/{}/messages"),
        ("https://user:canary@api.example/v1/chat/completions?key=canary#x", "/v1/chat/completions"),
        ("/v1beta/models/m-large:generate", "/v1beta/models/m-large:generate"),
        ("/v2.1/" + "c" * 31 + "/a%40b", "/v2.1/{}/{}"),
        ("chat", "chat"),
    ],
)
def test_an_endpoint_names_no_host_and_nobody(folder: Path, path: str, kept: str) -> None:
    assert run(folder, [ROW | {"path": path}]) == 0
    assert result(folder)[1][0]["endpoint"] == kept


def test_what_is_no_number_of_tokens_is_no_parameter(folder: Path) -> None:
    assert run(folder, [ROW | {"params": {"max_tokens": 4_111_111_111_111_111, "n": 2, "temperature": 0.5}}]) == 0
    assert result(folder)[1][0]["params"] == {"n": 2, "temperature": 0.5}


@pytest.mark.parametrize("first", [json.dumps(ROW), "2026-01-05T10:00:00Z,canary@mail.example,m,1,2,200,canary prompt"])
@pytest.mark.parametrize("twice", ["", ",a canary,a canary"])
def test_a_row_in_place_of_a_header_is_not_told_to_the_terminal(
    folder: Path, first: str, twice: str, capfd: pytest.CaptureFixture[str]
) -> None:
    assert run(folder, [first + twice, first], name="log.csv") == 1
    said = "".join(capfd.readouterr())
    assert "are known: none" in said
    assert "canary" not in said


def test_a_line_without_an_end_is_not_held_in_memory(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(prepare, "LONGEST_LINE", 2_000)
    assert run(folder, [ROW, ROW | {"prompt": "x" * 9_000}, ROW]) == 0
    assert result(folder)[0]["rows_skipped"] == {"a line of more than 16 MB": 1}
    assert run(folder, [*as_csv([ROW, ROW | {"prompt": "x" * 9_000}, ROW])], name="log.csv") == 0
    assert result(folder)[0]["rows_skipped"] == {"a line of more than 16 MB": 1}


@pytest.mark.parametrize(
    ("said", "utc"),
    [
        (1767607200, "2026-01-05T10:00:00.000000Z"),
        (1767607200000, "2026-01-05T10:00:00.000000Z"),
        ("1767607200.25", "2026-01-05T10:00:00.250000Z"),
        (1767607200000000, "2026-01-05T10:00:00.000000Z"),
        ("1767607200000000000", "2026-01-05T10:00:00.000000Z"),
        ("2026-07-05T10:00:00", "2026-07-05T09:00:00.000000Z"),
        ("2026-01-05 10:00:00", "2026-01-05T10:00:00.000000Z"),
    ],
)
def test_times(folder: Path, said: object, utc: str) -> None:
    assert run(folder, [ROW | {"timestamp": said}], "--zone", "Europe/London") == 0
    header, (row,) = result(folder)
    assert row["ts"] == utc
    assert header["time_zone"].endswith("Europe/London")


# --- The command ------------------------------------------------------------------------------------------------------
def test_columns_of_other_names_and_nested_ones(folder: Path) -> None:
    row = {k: v for k, v in ROW.items() if k not in {"prompt", "account_id"}} | {
        "body": {"messages": "hello"},
        "who": 5,
    }
    assert run(folder, [row], "--column", "prompt=body.messages", "--column", "account=who") == 0
    _, (found,) = result(folder)
    assert found["account"] == prepare.Preparer(KEY, {}, None).hashed("account", "5")
    assert found["template"] == prepare.simhash("hello")


@pytest.mark.parametrize(
    ("rows", "name", "options", "words"),
    [
        (["{}"], "log.jsonl", (), "none could be read"),
        (["a,b", "1,2"], "log.csv", (), "There is no column for ts"),
        (["ts,ts", "1,2"], "log.csv", (), "'ts' is there twice"),
        ([ROW], "log.jsonl", ("--zone", "Mars/Olympus"), "no time zone"),
        ([{schema.HEADER_KEY: {}}], "log.jsonl", (), "usage log already"),
        (["# " + json.dumps({schema.HEADER_KEY: {}})], "log.csv", (), "usage log already"),
    ],
)
def test_what_cannot_be_done_is_said_in_words(
    folder: Path, rows: list[Any], name: str, options: tuple[str, ...], words: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(folder, rows, *options, name=name) == 1
    assert words in capsys.readouterr().err
    assert not (folder / "out.jsonl.gz").exists()
    assert {path.name for path in folder.iterdir()} == {"key", name}


def test_files_that_are_not_as_they_should_be(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    key, log, out = str(folder / "key"), str(folder / "log.jsonl"), str(folder / "out.jsonl")
    said = [log, out, "--key-file", key]
    assert prepare.main(said) == 1
    assert "no such file" in capsys.readouterr().err
    (folder / "log.jsonl").write_bytes(gzip.compress(json.dumps(ROW).encode())[:-9])
    assert prepare.main(said) == 1
    assert "not a whole gzip file" in capsys.readouterr().err
    (folder / "log.jsonl").write_bytes(gzip.compress(json.dumps(ROW).encode()))
    assert prepare.main(said) == 0
    assert prepare.main(said) == 1
    assert "--force" in capsys.readouterr().err
    (folder / "key").chmod(0o644)
    assert prepare.main([*said, "--force"]) == 1
    assert "chmod 600" in capsys.readouterr().err
    (folder / "key").write_bytes(b"short")
    (folder / "key").chmod(0o600)
    assert prepare.main([*said, "--force"]) == 1
    assert "not a key" in capsys.readouterr().err
    with pytest.raises(SystemExit) as stopped:
        prepare.main([log, out, "--key-file", key, "--column", "colour=x"])
    assert stopped.value.code == 2


def test_it_runs_alone(folder: Path) -> None:
    """Copied elsewhere, without this project, by a Python without site packages."""
    alone = Path(shutil.copy(prepare.__file__, folder / "prepare.py"))
    (folder / "log.csv").write_text("\n".join(as_csv([ROW])) + "\n")

    def call(*words: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run([sys.executable, "-I", "-S", alone, *words], cwd=folder, capture_output=True, text=True)

    assert call("--new-key", "new").returncode == 0
    assert (folder / "new").stat().st_mode & 0o777 == 0o600
    assert len((folder / "new").read_bytes()) == 32
    assert call("--new-key", "new").returncode == 1
    done = call("log.csv", "out.jsonl.gz", "--key-file", "new")
    assert done.returncode == 0, done.stderr
    assert len(result(folder)[1]) == 1
    assert call().returncode == 2
