"""A whole reading on ClickHouse, over HTTP: the same report as on DuckDB."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from django.core.management import CommandError, call_command

from monitoring.clickhouse import ClickHouse, Refused, problem_of
from monitoring.intake import take_in
from monitoring.matching import Permit
from monitoring.reading import Options, read
from tests.monitoring.clickhouse_server import serving
from tests.monitoring.logs import START, jumbled, lines, ordinary, swept


def alike(one: Any, other: Any, where: str = "") -> None:
    """Equal, numbers to six digits: reports have no more."""
    if isinstance(one, dict):
        assert one.keys() == other.keys(), where
        for key, value in one.items():
            alike(value, other[key], f"{where}.{key}")
    elif isinstance(one, list):
        assert len(one) == len(other), where
        for at, value in enumerate(one):
            alike(value, other[at], f"{where}[{at}]")
    elif isinstance(one, float):
        assert math.isclose(one, other, rel_tol=2e-6, abs_tol=1e-9), where
    else:
        assert one == other, where


def test_a_report_of_clickhouse_is_that_of_duckdb(tmp_path: Path) -> None:
    rows = [*ordinary(120, days=9), *swept("acc-sweep", 2000), *jumbled(5, accounts=2, heads=6, calls=400, days=9)]
    (tmp_path / "log").write_bytes(lines(rows))
    kept = take_in(tmp_path / "log", tmp_path / "kept")
    begin = round(START.timestamp()) * 1_000_000
    permit = Permit(
        "P-1",
        accounts=frozenset({"acc-sweep"}),
        starts=begin,
        ends=begin + 86_400_000_000,
        hours=(60, 20 * 60),
        requests=900,
        models=frozenset({"owl-2"}),
    )
    here = read(kept, Options(rate_limit=2, permits=[permit]))
    with serving() as (address, asked):
        there = read(kept, Options(rate_limit=2, permits=[permit], analytics=address))
    assert {one["unit"] for one in here["findings"]} == {"account", "set"}
    assert here["authorisations"][0]["outside"]
    assert (here.pop("engine"), there.pop("engine")) == ("DuckDB", "ClickHouse")
    alike(here, there)
    assert sum(sql.startswith("SELECT") for sql in asked) > 20, "it was ClickHouse that reckoned"
    # Nothing is left behind.
    made = {sql.split()[3] for sql in asked if sql.startswith("CREATE TEMPORARY TABLE")}
    assert made == {sql.split()[-1] for sql in asked if sql.startswith("DROP TEMPORARY TABLE")}
    assert {"kept_rows", "clustered_rows", "set_rows"} <= made


def test_what_the_server_refuses_is_said_in_its_words() -> None:
    with serving() as (address, _):
        db = ClickHouse().connect(address)
        with pytest.raises(Refused, match="nowhere"):
            db._ask("SELECT * FROM nowhere")
        db.disconnect()


def test_where_no_server_answers_the_reading_fails_at_once() -> None:
    with pytest.raises(Refused, match="does not answer"):
        ClickHouse().connect("clickhouse://127.0.0.1:1/")


def test_the_setting_says_where_the_command_reckons(tmp_path: Path, settings: Any) -> None:
    path, out = tmp_path / "log", tmp_path / "report.json"
    path.write_bytes(lines(ordinary(3)))
    with serving() as (address, asked):
        settings.ANALYTICS_URL = address
        call_command("analyse_log", str(path), "--json", str(out))
    assert len(asked) > 20
    there, here = json.loads(out.read_bytes()), read(take_in(path, tmp_path / "kept"))
    assert (there.pop("engine"), here.pop("engine")) == ("ClickHouse", "DuckDB")
    alike(there, here)
    out.unlink()
    with pytest.raises(CommandError, match="cannot be used at the moment"):
        call_command("analyse_log", str(path), "--json", str(out))
    assert not out.exists()


def test_whole_numbers_beside_nulls_stay_what_they_are() -> None:
    large = (1 << 62) + 1  # has no exact fraction
    given = pd.DataFrame({"unit": pd.array([1, 2], dtype="int64"), "thing": pd.array([large, None], dtype="Int64")})
    with serving() as (address, _):
        db = ClickHouse().connect(address)
        table = db.create_table("given", given)
        assert table.order_by("unit").execute().thing[0] == large
        assert table.order_by("unit").to_pyarrow()["thing"].to_pylist() == [large, None]
        assert table.unit.max().execute() == 2
        db.disconnect()


@pytest.mark.parametrize(
    ("address", "problem"),
    [
        ("clickhouse://u:p@db.example:8123/usage", ""),
        ("clickhouse://db.example/?secure=true", ""),
        ("http://db.example/", "must be"),
        ("clickhouse:///usage", "must be"),
        ("clickhouse://db.example:99999/", "no address"),
        ("clickhouse://db.example/a/b", "after the database"),
        ("clickhouse://db.example/a?secure=perhaps", "secure"),
        ("clickhouse://db.example/a?compress=1", "after the database"),
        ("duckdb", "must be"),
    ],
)
def test_addresses(address: str, problem: str) -> None:
    told = problem_of(address)
    assert (problem in told) if problem else told == ""
