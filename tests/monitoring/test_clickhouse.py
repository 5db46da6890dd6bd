"""The expressions of the indicators on ClickHouse (chdb: its engine in this process), beside DuckDB.

Whole numbers are equal; ratios, entropies and deviations agree to nine digits, as floating-point sums do in another order.
ClickHouse must be told that what a join does not find is null (join_use_nulls): it would say 0.
"""

from __future__ import annotations

import io
from collections.abc import Callable, Iterator
from functools import partial
from types import SimpleNamespace
from typing import Any

import ibis
import pandas as pd
import pyarrow.parquet as pq
import pytest
from chdb.session import Session

from monitoring import indicators as known
from monitoring.indicators.coordination import hourly, shared_things, used_often, uses
from monitoring.indicators.timing import new_models
from monitoring.indicators.volume import models
from monitoring.intake import take_in
from monitoring.reading import Options, Reading
from monitoring.shift import histograms
from tests.monitoring.logs import jumbled, lines
from tests.monitoring.tables import clock, concentration, evenness, quota, sweep, volume

RATIO = 1e-9
KINDS = ("model", "hour", "length", "endpoint", "template")
LATE = 1_774_300_000_000_000  # between the first row and the first of the new model


def pivoted(rows: Any) -> Any:
    return known.pivot(rows, new_models(rows, since=LATE))


def histogram(rows: Any, kind: str) -> Any:
    return histograms(rows, known.windows(rows), set(KINDS))[kind]


# Each with the columns that tell its rows apart.
EXPRESSIONS: dict[str, tuple[Callable[[Any], Any], list[str]]] = {
    "volume": (volume, ["unit"]),
    "models": (models, ["unit", "model"]),
    "ceiling": (lambda rows: known.ceiling(rows, 2), ["unit"]),
    "harvest": (lambda rows: known.harvest(rows, [1, 2]), ["unit"]),
    "harvest without lengths": (lambda rows: known.harvest(rows, None), ["unit"]),
    "concentration": (concentration, ["unit"]),
    "sweep": (sweep, ["unit"]),
    "stateless": (known.stateless, ["unit"]),
    "probing": (known.probing, ["unit"]),
    "regularity": (known.regularity, ["unit"]),
    "evenness": (evenness, ["unit"]),
    "around the clock": (clock, ["unit"]),
    "new models": (lambda rows: new_models(rows, since=0), ["model"]),
    "pivot": (pivoted, ["unit"]),
    "refusals": (known.refusals, ["unit"]),
    "repeats": (known.repeats, ["unit"]),
    "quota": (quota, ["unit"]),
    "windows": (known.windows, ["unit", "w"]),
    **{f"histogram of {kind}": (partial(histogram, kind=kind), ["unit", "day", "bin"]) for kind in KINDS},
    "hourly": (hourly, ["account", "hour"]),
    "shared networks": (lambda rows: shared_things(uses(rows, "net"), "net", "net"), ["account", "thing"]),
    "shared templates": (
        lambda rows: shared_things(used_often(known.templates(rows)), "template", "cluster"),
        ["account", "thing"],
    ),
}


@pytest.fixture(scope="module")
def engines(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SimpleNamespace]:
    """The same kept rows as a table of DuckDB, and as one of ClickHouse with the expressions' own schema."""
    folder = tmp_path_factory.mktemp("log")
    (folder / "log").write_bytes(lines(jumbled(12)))
    reading = Reading(take_in(folder / "log", folder / "kept"), Options())
    rows = reading.clustered()
    clickhouse = Session(str(folder / "clickhouse"))
    clickhouse.query("CREATE DATABASE d")
    clickhouse.query(
        f"CREATE TABLE d.kept ENGINE = Memory AS SELECT * FROM file('{reading.kept.folder / 'clustered.parquet'}', Parquet)"
    )
    yield SimpleNamespace(
        duckdb=rows, clickhouse=clickhouse, named=ibis.table(rows.schema(), name="kept", database="d")
    )
    clickhouse.close()
    reading.close()


def both(engines: SimpleNamespace, reckoned: Callable[[Any], Any], by: list[str]) -> tuple[pd.DataFrame, pd.DataFrame]:
    """What DuckDB says and what ClickHouse says, in one order."""
    ours = reckoned(engines.duckdb.mutate(unit=engines.duckdb.account)).execute()
    sql = ibis.to_sql(reckoned(engines.named.mutate(unit=engines.named.account)), dialect="clickhouse")
    told = engines.clickhouse.query(f"{sql} SETTINGS join_use_nulls = 1", "Parquet").bytes()
    theirs = pq.read_table(io.BytesIO(told)).to_pandas()
    return tuple(
        frame.astype({c: float for c in frame if c not in (*by, "kind")}).sort_values(by).reset_index(drop=True)
        for frame in (ours, theirs)
    )  # type: ignore[return-value]


@pytest.mark.parametrize("name", EXPRESSIONS)
def test_clickhouse_and_duckdb_say_the_same(engines: SimpleNamespace, name: str) -> None:
    ours, theirs = both(engines, *EXPRESSIONS[name])
    assert len(ours)
    pd.testing.assert_frame_equal(ours, theirs[ours.columns], rtol=RATIO, atol=1e-12, check_dtype=False)


def test_mutation_counts_bits_with_the_function_of_each_engine(engines: SimpleNamespace) -> None:
    ours = known.mutation(engines.duckdb.mutate(unit=engines.duckdb.account)).execute().sort_values("unit")
    named = engines.named.mutate(unit=engines.named.account)
    sql = ibis.to_sql(known.mutation(named, "clickhouse"), dialect="clickhouse")
    told = engines.clickhouse.query(f"{sql} SETTINGS join_use_nulls = 1", "Parquet").bytes()
    theirs = pq.read_table(io.BytesIO(told)).to_pandas().sort_values("unit")
    assert ours.mutation.max() > 0
    assert ours.mutation.tolist() == pytest.approx(theirs.mutation.tolist(), rel=RATIO)
