"""I13: a unit against its own past. Which way of using a model moved, and whether days differ so by chance. Pure."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from monitoring.indicators.timing import DAY, PER_DAY, PER_HOUR

WINDOW = 7  # days that are compared with those before them
BEFORE_AT_LEAST = 4  # days
ROWS_AT_LEAST = 500  # in the window; published detectors need as many to see a mixture
BINS = 32
SHUFFLES = 999
AT_ONCE = 111
ENOUGH = 10
UNITS_AT_MOST = 200  # the largest ones
SEED = 20_261_113
WORDS = {
    "model": "the models it calls",
    "endpoint": "the endpoints it calls",
    "template": "the templates of its prompts",
    "length": "the length of its answers",
    "hour": "its hours of the day",
}


def busiest(n: pd.Series) -> list[int]:
    """The units whose days are compared, by their rows: the UNITS_AT_MOST largest of those that have enough."""
    enough = n[n >= 2 * ROWS_AT_LEAST].sort_index().sort_values(ascending=False, kind="stable")
    return sorted(enough.index[:UNITS_AT_MOST].tolist())


def histograms(rows: Any, ten: Any, present: set[str]) -> dict[str, Any]:
    """By kind (unit, day, bin, c): how each unit used the service, day by day. Templates and models go by number modulo 32.

    `ten` are the rows' windows of ten minutes. Needs: us, tout, model; endpoint and template where the log has them.
    """
    bins = {
        "model": rows.model % 32,
        "length": (rows.tout + 1).log2().floor().cast("int64"),
    }
    if "endpoint" in present:
        bins["endpoint"] = rows.endpoint % 32
    if "template" in present:
        bins["template"] = rows.cluster % 32
    hour = (ten.w // PER_HOUR % 24).name("bin")
    return {"hour": ten.group_by(["unit", (ten.w // PER_DAY).name("day"), hour]).agg(c=ten.c.sum())} | {
        kind: rows.group_by(["unit", (rows.us // DAY).name("day"), bins[kind].cast("int64").name("bin")]).agg(
            c=rows.count()
        )
        for kind in bins
    }


def shifts(daily: dict[str, pd.DataFrame]) -> pd.DataFrame:
    """I13. For each unit the largest Jensen-Shannon divergence (base 2, 0 to 1) between its last seven days and those
    before, over the kinds of histogram; which kind it was; and p by dealing its days out anew (999 times, fewer once ten
    were as large). Indexed by unit: shift, moved, p. Units with too little are left out.

    Limits: a product that is released or rebuilt shifts as well. A change against a unit's own past is the one family
    that carried over to real data in a practitioner's report (domain survey, Parallax 2026).
    """
    out = {}
    chosen = np.unique(daily["hour"].unit.to_numpy(dtype=np.int64))
    # Days on which somebody called: a clock that was wrong once must not make a table of a hundred years.
    days = np.unique(daily["hour"].day.to_numpy(dtype=np.int64))
    tables: dict[str, npt.NDArray[np.float64]] = {}
    # A row without an endpoint or a template is in no bin of those.
    for kind in sorted(daily):
        part = daily[kind][daily[kind].bin.notna()]
        table = np.zeros((len(chosen), len(days), BINS))
        place = (
            np.searchsorted(chosen, part.unit.to_numpy()),
            np.searchsorted(days, part.day.to_numpy(dtype=np.int64)),
            part.bin.to_numpy(dtype=np.int64) % BINS,
        )
        np.add.at(table, place, part.c.to_numpy(dtype=float))
        tables[kind] = table
    for place_of, unit in enumerate(chosen.tolist()):
        found = _shift({kind: table[place_of] for kind, table in tables.items()}, days)
        if found is not None:
            out[unit] = found
    return pd.DataFrame.from_dict(out, orient="index", columns=["shift", "moved", "shift_p"])


def _shift(tables: dict[str, npt.NDArray[np.float64]], days: npt.NDArray[np.int64]) -> tuple[float, str, float] | None:
    active = np.flatnonzero(tables["hour"].sum(axis=1))
    tables = {kind: table[active] for kind, table in tables.items()}
    recent = days[active] > days[active[-1]] - WINDOW
    if len(active) - recent.sum() < BEFORE_AT_LEAST or recent.sum() < 2:
        return None
    if tables["hour"][recent].sum() < ROWS_AT_LEAST or tables["hour"][~recent].sum() < ROWS_AT_LEAST:
        return None
    # Of a kind of which only one half says anything, nothing has moved.
    tables = {kind: table for kind, table in tables.items() if table[recent].sum() and table[~recent].sum()}
    observed = {kind: _divergence(table, recent[None, :])[0] for kind, table in tables.items()}
    most = max(sorted(observed), key=lambda kind: observed[kind])
    draw = np.random.default_rng(SEED)
    done = larger = 0
    while done < SHUFFLES and larger < ENOUGH:  # so common that more would change nothing (Besag and Clifford 1991)
        dealt = np.array([draw.permutation(recent) for _ in range(AT_ONCE)])
        most_dealt = np.max([_divergence(table, dealt) for table in tables.values()], axis=0)
        larger += int(np.sum(most_dealt >= observed[most] - 1e-12))
        done += AT_ONCE
    return observed[most], most, (larger + 1) / (done + 1)


def _divergence(table: npt.NDArray[np.float64], recent: npt.NDArray[np.bool_]) -> npt.NDArray[np.float64]:
    """Jensen-Shannon divergence of the two halves for each way of dealing the days (rows of `recent`)."""
    now = recent @ table
    before = ~recent @ table
    p = now / np.maximum(now.sum(axis=1, keepdims=True), 1)
    q = before / np.maximum(before.sum(axis=1, keepdims=True), 1)
    m = (p + q) / 2
    with np.errstate(divide="ignore", invalid="ignore"):
        left = np.where(p > 0, p * np.log2(p / m), 0).sum(axis=1)
        right = np.where(q > 0, q * np.log2(q / m), 0).sum(axis=1)
    return (left + right) / 2
