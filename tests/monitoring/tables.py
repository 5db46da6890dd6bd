"""Small tables of kept rows for the indicators: what a test does not name is null, or as ordinary as can be."""

from __future__ import annotations

from typing import Any

import ibis
import pandas as pd
import pyarrow as pa

from monitoring import indicators as known
from monitoring.intake.keeping import NUMBERED

SECOND = 1_000_000
MINUTE, HOUR, DAY = 60 * SECOND, 3600 * SECOND, 86_400 * SECOND
MONDAY = 1_767_571_200 * SECOND  # 2026-01-05T00:00:00Z
FLAGS = dict.fromkeys(("refused", "logprobs", "logit_bias", "several"), pa.bool_())
NUMBERS = dict.fromkeys((*NUMBERED, "unit", "cluster", "line", "us", "tin", "tout", "status"), pa.int64())
SCHEMA = pa.schema(list((NUMBERS | FLAGS | dict.fromkeys(("max_tokens", "temperature"), pa.float64())).items()))
USUAL = {"unit": 1, "model": 1, "tin": 1, "tout": 1, "status": 200, "us": MONDAY}


def kept(rows: list[dict[str, Any]]) -> Any:
    """Rows as the intake keeps them; `account` is the unit, and the cluster the template, where nothing else is said."""
    full = []
    for line, given in enumerate(rows):
        row = {**USUAL, "line": line, **given}
        full.append({"account": row["unit"], "cluster": row.get("template"), **row})
    return ibis.memtable(pa.Table.from_pylist(full, schema=SCHEMA))


# What is counted once for several indicators is counted for each alone here.
def volume(rows: Any) -> Any:
    """I1."""
    return known.volume(rows, known.windows(rows))


def evenness(rows: Any) -> Any:
    """I5, by the hour."""
    return known.evenness(known.windows(rows))


def quota(rows: Any) -> Any:
    """I5, by the day."""
    return known.quota(known.windows(rows))


def clock(rows: Any) -> Any:
    """I6, in 2026."""
    return known.around_the_clock(known.windows(rows), range(2026, 2027))


def concentration(rows: Any) -> Any:
    """I3."""
    return known.concentration(known.templates(rows))


def sweep(rows: Any) -> Any:
    """I4."""
    return known.sweep(rows, known.templates(rows))


def values(expression: Any) -> pd.DataFrame:
    """What an indicator says, by unit."""
    return expression.execute().set_index("unit").sort_index()


def at(*offsets: int, **more: Any) -> list[dict[str, Any]]:
    """A row at each of these microseconds after Monday midnight."""
    return [{"us": MONDAY + offset, **more} for offset in offsets]
