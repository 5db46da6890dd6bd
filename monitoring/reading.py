"""Reading a usage log: from kept rows to a report. The same file and version give the same report, byte for byte."""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import ibis
import pandas as pd

from monitoring import coordination
from monitoring.clusters import clusters
from monitoring.findings import FALSE_ALARMS, Sign, Unit, correct, signs_of
from monitoring.indicators.coordination import TEMPLATE_ROWS, hourly, shared_things
from monitoring.intake import Kept
from monitoring.intake.keeping import MEMORY, THREADS
from monitoring.matching import Match, Permit, matched, reasons
from monitoring.measures import MEASURES, measured, scores
from monitoring.reference import shipped

METHOD = "candour-usage-1"
THINGS = (("net", "net"), ("payment", "payment"), ("key", "key"), ("agent", "agent"))
SETS_AT_MOST = 200  # coordinated sets that are measured, the largest first
MIXED = 0.4  # of a set's rows in the templates that tie it: below it they are judged alone
EXPLAINED = 0.95  # of a unit's rows within an authorisation


@dataclass(frozen=True)
class Options:
    """What the reader is told besides the log."""

    rate_limit: int | None = None  # requests a minute
    permits: Sequence[Permit] = ()


class Reading:
    """One log, opened for reading. `rows` is an ibis table, on DuckDB unless another backend is given."""

    def __init__(self, kept: Kept, options: Options = Options()) -> None:
        self.kept, self.options = kept, options
        self.db = ibis.duckdb.connect(
            threads=THREADS, memory_limit=MEMORY, temp_directory=str(kept.folder / "spill"), preserve_insertion_order=False
        )
        self.all_rows = self.db.read_parquet(str(kept.rows_path), table_name="kept_rows")
        names = self.db.read_parquet(str(kept.names_path)).execute()
        self.names = {kind: dict(zip(g.number, g.name, strict=True)) for kind, g in names.groupby("kind")}
        self.numbers = {kind: {n: k for k, n in known.items()} for kind, known in self.names.items()}
        self.present = set(kept.columns)
        ends = self.all_rows.agg(first=self.all_rows.us.min(), last=self.all_rows.us.max()).execute()
        self.first, self.last = (int(ends[c].fillna(0).iloc[0]) for c in ("first", "last"))
        self.years = range(_year(self.first), _year(self.last) + 1)

    def close(self) -> None:
        """Let go of the file."""
        self.db.disconnect()

    def clustered(self) -> Any:
        """The rows with `cluster`: the template's cluster of near-duplicates, itself where nothing is near."""
        rows = self.all_rows
        if "template" not in self.present:
            return rows.mutate(cluster=rows.template)
        if not self.kept.simhashed:
            return rows.mutate(cluster=rows.template)
        known = rows.filter(rows.template.notnull()).group_by("template").agg(n=ibis._.count()).to_pyarrow()
        template, cluster = clusters(known["template"].to_numpy(), known["n"].to_numpy())
        if not len(template):
            return rows.mutate(cluster=rows.template)
        near = self.db.create_table("near", pd.DataFrame({"template": template, "whose": cluster}), temp=True)
        joined = rows.left_join(near, "template").drop("template_right")
        return joined.mutate(cluster=ibis.coalesce(joined.whose, joined.template)).drop("whose")

    def keep(self, name: str, expression: Any) -> Any:
        """The expression's rows, worked out once."""
        return self.db.create_table(name, expression, temp=True)

    def measure(self, rows: Any) -> pd.DataFrame:
        """The values of each unit."""
        return measured(
            rows,
            log=self.all_rows,
            length=self.numbers.get("finish", {}).get("length"),
            years=self.years,
            limit=self.options.rate_limit,
            present=self.present,
        )


def read(kept: Kept, options: Options = Options()) -> dict[str, Any]:
    """The report: how many rows, which findings, what speaks for innocence, how it was reckoned. Plain JSON values."""
    if not kept.rows:
        return _report(kept, options, [], [], pd.DataFrame(), (0, 0), {})
    reading = Reading(kept, options)
    try:
        return _read(reading)
    finally:
        reading.close()


def _read(reading: Reading) -> dict[str, Any]:
    kept, options = reading.kept, reading.options
    rows = reading.clustered()
    permitted, matches = _permitted(reading, rows)
    values = reading.measure(rows.mutate(unit=rows.account))
    found = _sets(reading, rows, values)
    inside = {account for one in found for account in one.accounts}
    # Who explains a unit's rows by an authorisation is no peer either.
    authorised = {a for a, share in permitted.items() if share > 0}
    ordinary = values[~values.index.isin(inside | authorised)]
    ordinary = ordinary if len(ordinary) >= 20 else values
    peers = scores(ordinary, ordinary)
    reference = shipped()
    account_signs = signs_of(values, scores(values, ordinary), peers, reference)
    accounts = [Unit(key, signs) for key, signs in account_signs.items()]
    sets, set_values = _measured_sets(reading, rows, found, values, ordinary, peers)
    # Everybody looked at counts for the correction, also those of whom there is nothing to say.
    quiet = [Unit(-1) for _ in range(len(values) - len(accounts))]
    correct([*accounts, *sets, *quiet], reference)
    findings = [_finding(reading, u, values.loc[u.key], "account", (u.key,), permitted, None) for u in accounts if u.rung]
    findings += [
        _finding(reading, unit, set_values.loc[unit.key], "set", found[unit.key].accounts, permitted, found[unit.key])
        for unit in sets
        if unit.rung
    ]
    return _report(kept, options, findings, matches, values, (reading.first, reading.last), _explanations(values, found))


def _permitted(reading: Reading, rows: Any) -> tuple[dict[int, float], list[Match]]:
    """By account the share of its rows within some authorisation; and each authorisation's table."""
    shares: dict[int, float] = {}
    matches = []
    for permit in reading.options.permits:
        marked = reasons(rows, permit, reading.numbers, reading.years)
        matches.append(matched(marked, permit))
        each = marked.group_by("account").agg(share=marked.reason.isnull().cast("float64").mean()).execute()
        for account, share in zip(each.account, each.share, strict=True):
            shares[int(account)] = max(shares.get(int(account), 0.0), float(share))
    return shares, matches


def _sets(reading: Reading, rows: Any, values: pd.DataFrame) -> list[coordination.Found]:
    shared = [shared_things(rows, kind, column) for kind, column in THINGS if _source(column) in reading.present]
    if "template" in reading.present:
        shared.append(shared_things(rows, "template", "cluster", TEMPLATE_ROWS))
    frames = [expression.execute() for expression in shared]
    heavy = [int(account) for account in values.index[values.n >= 480]]
    if len(heavy) >= 4:
        frames.append(coordination.rhythms(hourly(rows.filter(rows.account.isin(heavy))).execute()))
    frames = [frame for frame in frames if len(frame)]
    if not frames:
        return []
    return coordination.sets(pd.concat(frames, ignore_index=True), len(values))[:SETS_AT_MOST]


def _source(column: str) -> str:
    return {"agent": "user_agent"}.get(column, column)


def _measured_sets(
    reading: Reading, rows: Any, found: list[coordination.Found], values: pd.DataFrame, ordinary: pd.DataFrame, peers: Any
) -> tuple[list[Unit], pd.DataFrame]:
    """Each set measured as one unit: on the rows whose template ties it, on all its rows where no template does."""
    if not found:
        return [], values.iloc[:0]
    member = [(account, i) for i, one in enumerate(found) for account in one.accounts]
    members = reading.db.create_table("member", pd.DataFrame(member, columns=["account", "unit"]), temp=True)
    joined = rows.join(members, "account")
    tied, whole = _tying_templates(reading, joined, found)
    parts = []
    if whole:
        parts.append(joined.filter(joined.unit.isin(whole)))
    if tied:
        templates = reading.db.create_table("tied", pd.DataFrame(tied, columns=["unit", "cluster"]), temp=True)
        parts.append(joined.semi_join(templates, ["unit", "cluster"]))
    own = reading.keep("set_rows", parts[0] if len(parts) == 1 else parts[0].union(parts[1]))
    set_values = reading.measure(own)
    signs = signs_of(set_values, scores(set_values, ordinary), peers, shipped())
    units = []
    for i, one in enumerate(found):
        if i in set_values.index:
            split = _split(own, i, ordinary)
            units.append(Unit(i, signs.get(i, []), _coordination(one, split, len(values), ordinary)))
    return units, set_values


def _tying_templates(
    reading: Reading, joined: Any, found: list[coordination.Found]
) -> tuple[list[tuple[int, int]], list[int]]:
    """(set, template) for the sets that are judged by the rows of their templates, and the sets judged by all rows.

    What was mixed into other traffic is judged by itself; where the templates are most of the traffic, so is the rest.
    """
    tied = [(i, thing) for i, one in enumerate(found) for thing in sorted(one.ties.get("template", {}))]
    if not tied:
        return [], list(range(len(found)))
    named = reading.db.create_table("tying", pd.DataFrame(tied, columns=["unit", "cluster"]), temp=True)
    total = joined.group_by("unit").agg(n=joined.count()).execute().set_index("unit").n
    own = joined.semi_join(named, ["unit", "cluster"])
    share = own.group_by("unit").agg(n=own.count()).execute().set_index("unit").n / total
    mixed = {int(unit) for unit in share.index if 0 < share[unit] < MIXED}
    return [(i, t) for i, t in tied if i in mixed], [i for i in range(len(found)) if i not in mixed]


def _split(own: Any, unit: int, ordinary: pd.DataFrame) -> dict[str, float | None]:
    """I11 for one set."""
    stream = own.filter(own.unit == unit).select("us", "account").execute()
    counts = stream.account.value_counts().to_numpy(dtype=float)
    even, p_even = coordination.even_split(counts, ordinary.n.to_numpy(dtype=float)) if len(counts) > 1 else (0.0, None)
    cv, p_cv = coordination.one_scheduler(stream.us.to_numpy(), stream.account.to_numpy())
    return {"even": even, "p_even": p_even, "cv": cv, "p_cv": p_cv, "rows": float(len(stream))}


def _coordination(
    one: coordination.Found, split: dict[str, float | None], accounts: int, ordinary: pd.DataFrame
) -> Sign:
    """The sign of a set: it counts if what is asked ties it as well, or if its load is dealt out by one hand."""
    dealt = [p for p in (split["p_even"], split["p_cv"]) if p is not None and p <= FALSE_ALARMS / 2]
    content = "template" in one.ties
    kinds = {
        "template": "the same prompt templates",
        "agent": "the same rare client software",
        "net": "the same networks",
        "payment": "the same means of payment",
        "key": "the same keys",
        "rhythm": "the same rhythm",
    }
    says = f"{len(one.accounts):,} accounts share {_and([kinds[kind] for kind in one.kinds])}"
    if split["p_even"] is not None:
        says += f"; the calls are spread over them with an evenness of {split['even']:.3f} (p = {split['p_even']:.3f})"
    says += f"; their merged stream has a gap variation of {split['cv']:.2f} (p = {split['p_cv']:.3f} when shifted)"
    p = _chance(one, accounts)
    counts = p <= FALSE_ALARMS and (content or bool(dealt))
    return Sign(
        "set", "coordination", "I10, I11" if dealt else "I10", -math.log10(p), min(p, 1.0), p, accounts, None, None, says,
        "A reseller, a university or one organisation with several accounts shares networks and payment too.", counts,
    )  # fmt: skip


def _chance(one: coordination.Found, accounts: int) -> float:
    """How likely the set is by chance, at least 1e-9.

    Given the set by the things of one kind, each thing of another kind with m users lies wholly inside it by chance with
    probability C(size, m) / C(accounts, m) (hypergeometric); for the kind where that is least likely, times the square of
    the number of things that might have tied them (Bonferroni).
    """
    size = len(one.accounts)
    logs = [
        sum(_choose(size, m) - _choose(max(accounts, size), m) for m in things.values()) for things in one.ties.values()
    ]
    things = sum(len(t) for t in one.ties.values())
    return float(min(1.0, max(1e-9, math.exp(max(-700.0, min(logs))) * things**2)))


def _choose(n: int, k: int) -> float:
    return math.lgamma(n + 1) - math.lgamma(k + 1) - math.lgamma(n - k + 1)


def _finding(
    reading: Reading,
    unit: Unit,
    line: pd.Series,
    kind: str,
    accounts: Sequence[int],
    permitted: dict[int, float],
    one: coordination.Found | None,
) -> dict[str, Any]:
    names = sorted(str(reading.names["account"][account]) for account in accounts)
    explained = bool(accounts) and all(permitted.get(account, 0.0) >= EXPLAINED for account in accounts)
    signs = sorted(unit.all_signs, key=lambda s: (not s.counts, s.family, s.measure))
    who = f"Account {names[0]}" if kind == "account" else f"A set of {len(names):,} accounts"
    said = "; it ".join(sign.says for sign in signs) if kind == "account" else "; together they ".join(s.says for s in signs)
    rows = {"accounts": len(names), "count": int(line.n), "first": _said(int(line["first"])), "last": _said(int(line["last"]))}
    return {
        "rung": unit.rung,
        "unit": kind,
        "accounts": names,
        "explained": explained,
        "sentence": f"{who} {said}." if kind == "account" else f"{who}: {said}.",
        "families": sorted(unit.families),
        "false_discoveries": _round(unit.adjusted),
        "indicators": [_indicator(sign, reading) for sign in signs],
        "ties": {k: len(things) for k, things in one.ties.items()} if one else {},
        "rows": rows,
    }


def _indicator(sign: Sign, reading: Reading) -> dict[str, Any]:
    return {
        "id": sign.indicator,
        "name": sign.measure,
        "family": sign.family,
        "sentence": sign.says,
        "score": _round(sign.score),
        "false_alarm_rate": None if sign.false_alarms is None else _round(sign.false_alarms),
        "counts": sign.counts,
        "peers": sign.peers,
        "percentile": None if sign.percentile is None else _round(100 * sign.percentile),
        "reference": shipped().name if sign.reference else None,
        "reference_clients": sign.reference,
        "caveat": sign.caveat,
    }


def _explanations(values: pd.DataFrame, found: list[coordination.Found]) -> dict[str, str]:
    """Innocent explanations to rule out, each with what the log says about it."""
    return {}


def _report(
    kept: Kept,
    options: Options,
    findings: list[dict[str, Any]],
    matches: list[Match],
    values: pd.DataFrame,
    period: tuple[int, int],
    explanations: dict[str, str],
) -> dict[str, Any]:
    order = {"corroborated pattern": 0, "pattern": 1, "noted": 2}
    findings.sort(key=lambda f: (order[f["rung"]], f["unit"] != "set", -len(f["accounts"]), f["accounts"]))
    return {
        "method_version": METHOD,
        "reference": shipped().name,
        "reference_sha256": shipped().sha256,
        "file_sha256": kept.sha256,
        "rows": kept.rows,
        "rejected": kept.rejected,
        "rejected_by_reason": dict(sorted(kept.reasons.items())),
        "rejected_lines": [{"line": line, "reason": reason} for line, reason in kept.listed[:1000]],
        "notes": kept.notes,
        "prepared": kept.header,
        "columns": list(kept.columns),
        "accounts": len(values),
        "from": _said(period[0]) if kept.rows else None,
        "to": _said(period[1]) if kept.rows else None,
        "not_computable": _not_computable(kept, options, values),
        "findings": findings,
        "authorisations": [
            {
                "reference": m.reference,
                "retroactive": m.retroactive,
                "rows": m.rows,
                "within": m.within,
                "share": _round(m.share),
                "outside": m.outside,
            }
            for m in matches
        ],
        "explanations": explanations,
    }


def _not_computable(kept: Kept, options: Options, values: pd.DataFrame) -> list[dict[str, str]]:
    out = []
    for measure in MEASURES:
        lacking = [name for name in measure.needs if name not in kept.columns]
        if lacking:
            out.append({"id": measure.indicator, "name": measure.name, "because": f"the log has no {' and no '.join(lacking)}"})
        elif measure.name == "riding" and options.rate_limit is None:
            out.append({"id": "I7", "name": "riding", "because": "the rate limit is not known"})
        elif measure.name in ("volume", "harvest") and len(values) < 20:
            out.append({"id": measure.indicator, "name": measure.name, "because": "fewer than 20 accounts to compare with"})
    return out


def _and(words: list[str]) -> str:
    return words[0] if len(words) == 1 else ", ".join(words[:-1]) + " and " + words[-1]


def _year(us: int) -> int:
    return datetime.fromtimestamp(us / 1e6, UTC).year


def _said(us: int) -> str:
    return datetime.fromtimestamp(us // 1_000_000, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def _round(value: float) -> float:
    """Six significant digits: sums of floating-point numbers differ in the last ones by the order of threads."""
    return float(f"{value:.6g}") if math.isfinite(value) else 0.0


def written(report: dict[str, Any]) -> bytes:
    """The report as bytes: the same for the same report."""
    return json.dumps(report, ensure_ascii=False, sort_keys=True, indent=1, allow_nan=False).encode() + b"\n"


def fingerprint(report: dict[str, Any]) -> str:
    """SHA-256 of the written report."""
    return hashlib.sha256(written(report)).hexdigest()


__all__ = ["METHOD", "Options", "Reading", "fingerprint", "read", "written"]
