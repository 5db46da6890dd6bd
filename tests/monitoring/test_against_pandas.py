"""Every indicator a second time, by pandas and numpy from the raw lines of a log, beside what the analysis says.

Nothing of the reckoning is shared: no number that stands for a text, no cluster, no window. Counts and sums must be equal;
ratios, entropies and deviations agree to nine digits (RATIO), as sums of floating-point numbers in another order do. The p
of I13 is drawn by chance and is not compared.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from math import log
from types import SimpleNamespace
from typing import Any

import numpy as np
import pandas as pd
import pytest

from monitoring import indicators as known
from monitoring.coordination import even_split, one_scheduler
from monitoring.indicators.coordination import hourly, shared_things, uses
from monitoring.intake import take_in
from monitoring.reading import Options, Reading
from tests.monitoring.logs import BASES, jumbled, lines

RATIO = 1e-9
LIMIT = 2  # requests a minute
TEN, HOUR, DAY = 600 * 10**6, 3600 * 10**6, 86_400 * 10**6


@pytest.fixture(scope="module")
def both(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SimpleNamespace]:
    """The log as the analysis reads it, and as pandas does."""
    folder = tmp_path_factory.mktemp("log")
    (folder / "log").write_bytes(lines(jumbled(11)))
    raw = pd.DataFrame(json.loads(line) for line in (folder / "log").read_text().splitlines())
    raw["at"] = pd.to_datetime(raw.ts, utc=True, format="ISO8601")
    raw["us"] = raw["at"].dt.as_unit("us").astype("int64")
    raw["base"] = [np.nan if t is np.nan else _nearest(int(t, 16)) for t in raw.template]
    reading = Reading(take_in(folder / "log", folder / "kept"), Options(rate_limit=LIMIT))
    yield SimpleNamespace(raw=raw, reading=reading, rows=reading.clustered())
    reading.close()


def _nearest(template: int) -> float:
    """Which of the BASES; all are of the log's own making."""
    return float(np.argmin([(template ^ base).bit_count() for base in BASES]))


@pytest.fixture(scope="module", params=["accounts", "a set"])
def sides(request: pytest.FixtureRequest, both: SimpleNamespace) -> SimpleNamespace:
    """(ours, raw): the values of each unit, and the raw rows with the unit they belong to."""
    names = both.reading.names["account"]
    if request.param == "accounts":
        rows, raw = both.rows.mutate(unit=both.rows.account), both.raw.assign(unit=both.raw.account)
        ours = both.reading.measure(rows).rename(index=names)
    else:
        heads = [number for number, name in names.items() if name.startswith("head")]
        rows = both.rows.filter(both.rows.account.isin(heads)).mutate(unit=7)
        raw = both.raw[both.raw.account.str.startswith("head")].assign(unit=7)
        ours = both.reading.measure(rows)
    assert sorted(ours.index) == sorted(raw.unit.unique())
    return SimpleNamespace(ours=ours, raw=raw, rows=rows, reading=both.reading, log=both.raw)


def compare(sides: SimpleNamespace, column: str, theirs: dict[Any, float]) -> None:
    """One column of ours beside theirs; what they do not name is null."""
    for unit, value in sides.ours[column].astype(float).items():
        expected = theirs.get(unit, np.nan)
        assert value == pytest.approx(float(expected), rel=RATIO, abs=1e-12, nan_ok=True), (column, unit)


def each(sides: SimpleNamespace) -> Iterator[tuple[Any, pd.DataFrame]]:
    yield from sides.raw.sort_values("us").groupby("unit")


# --- I1, I7 -----------------------------------------------------------------------------------------------------------
def test_volume_and_ceiling(sides: SimpleNamespace) -> None:
    by = sides.raw.groupby("unit")
    compare(sides, "n", by.size().to_dict())
    compare(sides, "tin", by.input_tokens.sum().to_dict())
    compare(sides, "tout", by.output_tokens.sum().to_dict())
    compare(sides, "first", by.us.min().to_dict())
    compare(sides, "last", by.us.max().to_dict())
    for name, length in {"10m": TEN, "1h": HOUR, "24h": DAY, "7d": 7 * DAY}.items():
        full = sides.raw.groupby(["unit", sides.raw.us // length]).size()
        compare(sides, f"peak_{name}", full.groupby("unit").max().to_dict())
        if name == "10m":
            compare(sides, "windows", full.groupby("unit").size().to_dict())
    minute = sides.raw.groupby(["unit", sides.raw["at"].dt.floor("min")]).size()
    compare(sides, "minutes", minute.groupby("unit").size().to_dict())
    compare(sides, "riding", (minute >= 0.9 * LIMIT).groupby("unit").mean().to_dict())
    compare(sides, "limited", (sides.raw.status == 429).groupby(sides.raw.unit).mean().to_dict())


def test_the_main_model(sides: SimpleNamespace) -> None:
    main = {unit: rows.model.value_counts().index[0] for unit, rows in each(sides)}
    assert {unit: sides.reading.names["model"][n] for unit, n in sides.ours.model.items()} == main


# --- I2, I3, I4, I8, I9, I14 ------------------------------------------------------------------------------------------
def test_harvest(sides: SimpleNamespace) -> None:
    answered = sides.raw[sides.raw.status < 400]
    by = answered.groupby("unit")
    compare(sides, "answered", by.size().to_dict())
    compare(sides, "oi", ((by.output_tokens.sum() + 1) / (by.input_tokens.sum() + 1)).to_dict())
    said = answered[answered.finish_reason.notna()]
    compare(sides, "cut", (said.finish_reason == "length").groupby(said.unit).mean().to_dict())


def test_concentration(sides: SimpleNamespace) -> None:
    shares = sides.raw.groupby("unit").base.value_counts(normalize=True)
    compare(sides, "templated", sides.raw.groupby("unit").base.count().to_dict())
    compare(sides, "hhi", (shares**2).groupby("unit").sum().to_dict())
    compare(sides, "top", shares.groupby("unit").max().to_dict())


def test_sweep(sides: SimpleNamespace) -> None:
    found: dict[str, dict[Any, float]] = {
        name: {} for name in ("prompted", "swept", "swept_templates", "fresh", "heaps")
    }
    shares = {}
    for unit, rows in each(sides):
        templated = rows[rows.base.notna()]
        prompts = templated[templated.prompt_hash.notna()]
        half = (prompts.us.min() + prompts.us.max()) / 2
        swept = [g for _, g in prompts.groupby("base") if len(g) >= 200 and g.prompt_hash.nunique() >= 0.95 * len(g)]
        found["prompted"][unit] = len(templated)
        shares[unit] = sum(map(len, swept)) / len(templated)
        if swept:
            different = sum(g.prompt_hash.nunique() for g in swept)
            early = sum(g[g.us <= half].prompt_hash.nunique() for g in swept)
            found["swept"][unit] = sum(map(len, swept))
            found["swept_templates"][unit] = len(swept)
            found["fresh"][unit] = different / found["swept"][unit]
            found["heaps"][unit] = float(np.log2(different / max(early, 1)))
    assert found["swept"], "the log has a sweep"
    for name, theirs in found.items():
        compare(sides, name, theirs)
    compare(sides, "swept_share", shares)


def test_statelessness_refusals_and_repeats(sides: SimpleNamespace) -> None:
    by = sides.raw.groupby("unit")
    lengths = sides.raw.groupby(["unit", "session"]).size()
    compare(sides, "sessions", by.session.nunique().to_dict())
    compare(sides, "lonely", (lengths == 1).groupby("unit").mean().to_dict())
    compare(sides, "prefixes", by.prefix_hash.count().to_dict())
    compare(sides, "unseen", (by.prefix_hash.nunique() / by.prefix_hash.count()).to_dict())
    said = sides.raw[sides.raw.refused.notna()]
    compare(sides, "judged", said.groupby("unit").size().to_dict())
    compare(sides, "refused", said.refused.astype(float).groupby(said.unit).mean().to_dict())
    compare(sides, "prompts", by.prompt_hash.count().to_dict())
    compare(sides, "repeated", (1 - by.prompt_hash.nunique() / by.prompt_hash.count()).to_dict())


def test_probing(sides: SimpleNamespace) -> None:
    asked = sides.raw[sides.raw.params.notna()]
    unit, params = asked.unit, asked.params
    compare(sides, "with_params", asked.groupby("unit").size().to_dict())
    for name, holds in {
        "probes": lambda p: p["logprobs"] and bool(p["logit_bias"]),
        "single": lambda p: p["max_tokens"] <= 1,
        "repeats": lambda p: p["temperature"] == 0 and p["n"] > 1,
    }.items():
        compare(sides, name, params.map(holds).astype(int).groupby(unit).sum().to_dict())


def test_mutation(sides: SimpleNamespace) -> None:
    shares = {}
    for unit, rows in each(sides):
        kept = rows[rows.template.notna() & rows.refused.notna()]
        near = 0
        for _, own in kept.groupby("account"):
            refused: tuple[int, int] | None = None
            assert own.us.is_unique, "a log without ties in time, so that its order is certain"
            for us, text, no in zip(own.us, own.template, own.refused, strict=True):
                template = int(text, 16)
                if refused and us - refused[0] <= TEN and (template ^ refused[1]).bit_count() <= 10:
                    near += 1
                if no:
                    refused = us, template
        shares[unit] = near / len(kept)
    assert max(shares.values()) > 0
    ours = known.mutation(sides.rows).execute().set_index("unit").mutation
    names = sides.reading.names["account"]
    told = {names.get(unit, unit): share for unit, share in ours.items()}
    assert told == pytest.approx(shares, rel=RATIO)


# --- I5, I6, I12, I13 -------------------------------------------------------------------------------------------------
def test_regularity_and_evenness(sides: SimpleNamespace) -> None:
    found: dict[str, dict[Any, float]] = {name: {} for name in ("gaps", "pauses", "cv", "burstiness")}
    even: dict[str, dict[Any, float]] = {name: {} for name in ("hours", "hourly", "spread", "uneven")}
    for unit, rows in each(sides):
        gaps = np.diff(rows.us.to_numpy())
        kept = gaps[gaps <= 10 * max(np.median(gaps), 1)]
        cv = kept.std() / kept.mean()
        for name, value in zip(found, (len(kept), len(gaps) - len(kept), cv, (cv - 1) / (cv + 1)), strict=True):
            found[name][unit] = value
        counts = rows.groupby(rows["at"].dt.floor("h")).size().asfreq("h", fill_value=0).to_numpy()
        whole = np.array([b for a, b, c in zip(counts, counts[1:], counts[2:], strict=False) if a and b and c])
        uneven = np.sqrt(max(whole.var() - whole.mean(), 0)) / whole.mean()
        for name, value in zip(even, (len(whole), whole.mean(), whole.var(), uneven), strict=True):
            even[name][unit] = value
    for name, theirs in (found | even).items():
        compare(sides, name, theirs)


def test_around_the_clock(sides: SimpleNamespace) -> None:
    london = sides.raw["at"].dt.tz_convert("Europe/London")
    for name, hour in {"hc": sides.raw["at"].dt.hour, "hc_london": london.dt.hour}.items():
        share = sides.raw.groupby(["unit", hour.rename("h")]).size()
        share = share / share.groupby("unit").transform("sum")
        compare(sides, name, (-(share * np.log(share)).groupby("unit").sum() / log(24)).to_dict())
    for unit, rows in each(sides):
        windows = rows.us // TEN
        all_of_them = windows.max() - windows.min() + 1
        assert sides.ours.active[unit] == pytest.approx(windows.nunique() / all_of_them, rel=RATIO)
        assert sides.ours.days[unit] == pytest.approx(all_of_them / 144, rel=RATIO)


def test_pivot(sides: SimpleNamespace) -> None:
    new = sides.log[sides.log.model == "owl-3"].us.min()
    assert new >= sides.log.us.min() + 2 * DAY
    day = sides.raw[(sides.raw.us >= new) & (sides.raw.us < new + DAY)]
    moved = (day.model == "owl-3").groupby(day.unit).agg(["mean", "size"])
    compare(sides, "pivot", moved[moved["size"] >= 20]["mean"].to_dict())


def test_shift(sides: SimpleNamespace) -> None:
    numbers = sides.reading.numbers
    bins = {
        "hour": sides.raw["at"].dt.hour,
        "length": np.floor(np.log2(sides.raw.output_tokens + 1)),
        "model": sides.raw.model.map(numbers["model"]).astype("int64") % 32,
        "endpoint": sides.raw.endpoint.map(numbers["endpoint"], na_action="ignore").map(lambda n: n % 32),
        "template": sides.raw.base.map(lambda b: BASES[int(b)] % 32, na_action="ignore"),
    }
    found, moved = {}, {}
    for unit, rows in each(sides):
        day = rows.us // DAY
        recent = day > day.max() - 7
        if min(recent.sum(), (~recent).sum()) < 500:
            continue
        apart = {}
        for kind, every in bins.items():
            own = every[rows.index]
            p, q = (own[mask].value_counts(normalize=True) for mask in (recent, ~recent))
            p, q = p.align(q, fill_value=0)
            middle = (p + q) / 2
            apart[kind] = sum(
                float(s * np.log2(s / m)) / 2 for side in (p, q) for s, m in zip(side, middle, strict=True) if s
            )
        moved[unit] = max(sorted(apart), key=lambda kind: apart[kind])
        found[unit] = apart[moved[unit]]
    assert found
    compare(sides, "shift", found)
    assert sides.ours.moved.dropna().to_dict() == moved


# --- I10, I11 ---------------------------------------------------------------------------------------------------------
def test_what_accounts_share(both: SimpleNamespace) -> None:
    names = both.reading.names
    for kind, column in (("net", "net"), ("payment", "payment"), ("agent", "user_agent"), ("key", "key")):
        told = shared_things(uses(both.rows, kind), kind, kind).execute()
        ours = {(names["account"][r.account], names[kind][r.thing], r.n) for r in told.itertuples()}
        used = both.raw.groupby(["account", column]).size().rename("n").reset_index()
        shared = used[used.groupby(column).account.transform("size") >= 2]
        assert ours == {(r[0], r[1], r[2]) for r in shared.values}
    counts = hourly(both.rows).execute()
    ours = {(names["account"][r.account], r.hour): r.c for r in counts.itertuples()}
    assert ours == both.raw.groupby(["account", both.raw.us // HOUR]).size().to_dict()


def test_the_load_of_a_set(both: SimpleNamespace) -> None:
    heads = both.raw[both.raw.account.str.startswith("head")].sort_values("us")
    gaps = np.diff(heads.us)
    kept = gaps[gaps <= 10 * np.median(gaps)]
    cv, _ = one_scheduler(heads.us.to_numpy(), heads.account.factorize()[0])
    assert cv == pytest.approx(kept.std() / kept.mean(), rel=RATIO)
    share = heads.account.value_counts(normalize=True)
    even, _ = even_split(heads.account.value_counts().to_numpy(dtype=float), np.array([]))
    assert even == pytest.approx(-(share * np.log(share)).sum() / log(len(share)), rel=RATIO)
