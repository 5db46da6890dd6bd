"""Reading a usage log: from kept rows to a report. The same file and version give the same report, byte for byte."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import count, pairwise
from pathlib import Path
from typing import Any

import ibis
import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from monitoring import sets
from monitoring.clickhouse import ClickHouse
from monitoring.clusters import SAMPLE, Hashes, centres, clusters, joined
from monitoring.context import charts, explanations
from monitoring.findings import Unit, compared, correct, signs_of
from monitoring.indicators.content import AT_THE_LIMIT
from monitoring.indicators.coordination import templates_of_each, used_often
from monitoring.intake import Kept
from monitoring.intake.ahead import ahead
from monitoring.intake.database import within
from monitoring.intake.keeping import ENDS, SMALL
from monitoring.intake.numbers import numbers_of
from monitoring.intake.opening import parquet
from monitoring.matching import (
    NOTHING_PERMITTED,
    Match,
    Permit,
    Permitted,
    covered,
    entries_of,
    matched,
    permitted_rows,
    reasons,
)
from monitoring.measures import Log, measured, scores
from monitoring.reference import shipped
from monitoring.report import METHOD, finding, fingerprint, not_computable, order, report, written
from monitoring.shift import UNITS_AT_MOST


@dataclass(frozen=True)
class Options:
    """What the reader is told besides the log."""

    rate_limit: int | None = None  # requests a minute
    permits: Sequence[Permit] = ()
    # Of the file that the permits came in, so that a report says what it was compared with.
    permits_sha256: str | None = None
    # Where the numbers of the lines on which findings rest are written, each under the hash that its finding names.
    lines: Path | None = None
    # The address of a ClickHouse server (monitoring.clickhouse); where empty, DuckDB reckons in this process.
    analytics: str = ""

    @property
    def engine(self) -> str:
        """By what the report is reckoned."""
        return "ClickHouse" if self.analytics else "DuckDB"


AT_ONCE = 250_000  # rows
PART = 8_000_000  # rows, about, that are measured together
HIGH = 12  # bits of an account's number: accounts whose first bits are the same are measured together
LINES_AT_ONCE = 5_000_000
LEAST, MOST = -(1 << 63), (1 << 63) - 1  # of an account's number
EVERY = 101
EXACTLY_AT_MOST = 100  # findings whose rows are named by their lines
LINES_SHOWN = 20
NOTHING_TOLD = Options()


@dataclass(frozen=True)
class Exactly:
    """A finding's accounts, the templates to which it is confined if to any, how many rows, and what is said of them."""

    accounts: Sequence[int]
    templates: Sequence[int]
    count: int
    said: dict[str, Any]


class Reading:
    """One log, opened for reading. Its rows are ibis tables, on DuckDB or on the ClickHouse server of the options."""

    def __init__(self, kept: Kept, options: Options = NOTHING_TOLD) -> None:
        self.kept, self.options = kept, options
        self.db: Any
        if options.analytics:
            self.db = ClickHouse().connect(options.analytics)
        else:
            self.db = ibis.duckdb.connect(**within(kept.folder))
        self.all_rows = self.db.read_parquet(str(kept.rows_path), table_name="kept_rows")
        names = pq.read_table(kept.names_path).to_pandas()
        self.names = {kind: dict(zip(g.number, g.name, strict=True)) for kind, g in names.groupby("kind")}
        self.numbers = {kind: {n: k for k, n in known.items()} for kind, known in self.names.items()}
        self.present = set(kept.columns)
        ends = self.all_rows.agg(first=self.all_rows.us.min(), last=self.all_rows.us.max()).execute()
        self.first, self.last = (int(ends[c].fillna(0).iloc[0]) for c in ("first", "last"))
        self._names = count()
        # A server is not asked part by part: it has memory for logs that are larger.
        self.bounds = [] if options.analytics or kept.rows <= PART else self._bounds(kept.rows)
        self.years = range(_year(self.first), _year(self.last) + 1)

    def close(self) -> None:
        """Let go of the file."""
        self.db.disconnect()

    def _bounds(self, rows: int) -> list[int]:
        """The number with which the accounts of each part begin, but for the first, so that parts are about as large."""
        shift = 64 - HIGH
        high = (self.all_rows.account >> shift).name("high")
        counted = self.all_rows.group_by(high).agg(n=self.all_rows.count()).execute().sort_values("high")
        # A bucket goes to the part in which its middle lies.
        middle = counted.n.cumsum() - (counted.n + 1) // 2
        part = (middle * -(-rows // PART) // rows).to_numpy()
        begins = np.flatnonzero(np.diff(part)) + 1
        return [int(high) << shift for high in counted.high.to_numpy()[begins]]

    def clustered(self) -> Any:
        """The rows with `cluster`: the template's cluster of near-duplicates, itself where nothing is near."""
        rows = self.all_rows
        around = self._centres(rows)
        names = joined(around)
        if not len(around) and not self.bounds:
            return rows.mutate(cluster=rows.template)
        path = self.kept.folder / "clustered.parquet"
        file = parquet(self.kept.rows_path)
        schema = file.schema_arrow.append(pa.field("cluster", pa.int64()))
        # Three at work: one reads, one looks for clusters, and this one writes.
        read = ahead(piece for batch in file.iter_batches(AT_ONCE) for piece in _parted(batch, self.bounds))
        # Not compressed: it is read some thirty times, and then thrown away.
        how = {"compression": "none", "use_dictionary": SMALL, "write_statistics": ENDS}
        with pq.ParquetWriter(path, schema, **how) as writer:
            for piece in ahead(_clustered(piece, around, names, schema) for piece in read):
                writer.write_table(pa.Table.from_batches([piece]))
        self.all_rows = self.db.read_parquet(str(path), table_name="clustered_rows")
        return self.all_rows

    def _centres(self, rows: Any) -> Hashes:
        """The centres of near-duplicate templates, from a choice of templates that depends on their values alone."""
        if "template" not in self.present or not self.kept.simhashed:
            return np.array([], dtype=np.int64)
        asked, half = rows.filter(rows.template.notnull()), SAMPLE // 2
        # An odd divisor depends on all bits; an even one would choose templates whose last bit is not set.
        # How many templates there are is told from one in 101 of them, counted exactly: engines guess differently.
        some = asked.filter(asked.template % EVERY == 0).template.nunique()
        every = EVERY * int(some.execute()) // half | 1
        counted = asked.filter(asked.template % every == 0).group_by("template").agg(n=ibis._.count())
        most = counted.order_by([counted.n.desc(), counted.template]).limit(half).to_pyarrow()
        each = templates_of_each(asked, half).to_pyarrow()
        return centres(np.union1d(most["template"].to_numpy(), each["template"].to_numpy()))

    def numbers_of(self, permit: Permit) -> dict[str, dict[str, int]]:
        """The numbers that stand for the names of a permit, whether or not the log's own list has them."""
        kinds = {"account": permit.accounts, "net": permit.nets, "agent": permit.agents, "model": permit.models}
        return {kind: numbers_of(names) for kind, names in (kinds | {"endpoint": permit.endpoints}).items()}

    def keep(self, name: str, expression: Any) -> Any:
        """The expression's rows, worked out once."""
        return self.db.create_table(name, expression, temp=True)

    @contextmanager
    def once(self, expression: Any) -> Iterator[Any]:
        """The expression's rows, worked out once, until they have been used."""
        name = f"once_{next(self._names)}"
        table = self.keep(name, expression)
        try:
            yield table
        finally:
            self.db.drop_table(name)

    def exact(self, rows: Any, wanted: Sequence[Exactly]) -> None:
        """Say in each finding which rows it rests on: all of its accounts', or those near one of its templates.

        With the SHA-256 of their line numbers, ascending, one a line: what `analyse_log --lines` writes.
        """
        waiting: list[Exactly] = []
        for one in wanted:
            if one.templates or one.count > LINES_AT_ONCE:
                own = rows.filter(rows.account.isin(list(one.accounts)))
                own = own.filter(own.cluster.isin(list(one.templates))) if one.templates else own
                self._say(one, own.select("line").order_by("line").to_pyarrow()["line"].to_numpy())
                continue
            if waiting and sum(w.count for w in waiting) + one.count > LINES_AT_ONCE:
                self._exact(rows, waiting)
                waiting = []
            waiting.append(one)
        if waiting:
            self._exact(rows, waiting)

    def _exact(self, rows: Any, wanted: Sequence[Exactly]) -> None:
        """The rows lie in no order: of several findings they are looked up together."""
        accounts = sorted({account for one in wanted for account in one.accounts})
        theirs = rows.filter(rows.account.isin(accounts)).select("account", "line")
        found = theirs.order_by(["account", "line"]).to_pyarrow()
        starts = np.searchsorted(found["account"].to_numpy(), [*accounts, accounts[-1] + 1]).tolist()
        place = dict(zip(accounts, pairwise(starts), strict=True))
        for one in wanted:
            own = pa.concat_tables(found.slice(place[a][0], place[a][1] - place[a][0]) for a in one.accounts)
            self._say(one, np.sort(own["line"].to_numpy()))

    def _say(self, one: Exactly, lines: Any) -> None:
        one.said["lines_sha256"] = self._lines(lines)
        one.said["first_lines"] = lines[:LINES_SHOWN].tolist()

    def _lines(self, lines: Any) -> str:
        digest, folder = hashlib.sha256(), self.options.lines
        for text in _texts(lines):
            digest.update(text)
        if folder is not None:
            with (folder / f"{digest.hexdigest()}.txt").open("wb") as file:
                file.writelines(_texts(lines))
        return digest.hexdigest()

    def measure(self, *parts: Any, templates: Callable[[Any], None] = lambda each: None) -> pd.DataFrame:
        """The values of each unit; each of the parts has all the rows of its units. `templates` as of a Log."""
        log = Log(
            self.all_rows,
            self.present,
            self.years,
            # Also where no answer ended so: then none did, and it is not unknown.
            limits=sorted(numbers_of(AT_THE_LIMIT).values()) if "finish_reason" in self.present else None,
            limit=self.options.rate_limit,
            once=self.once,
            templates=templates,
        )
        return measured(parts, log)

    def parts(self, rows: Any) -> list[Any]:
        """The rows of some accounts, of some others, and so on, none too large (`clustered` has put them together)."""
        if not self.bounds:
            return [rows]
        lows, highs = [LEAST, *self.bounds], [*(bound - 1 for bound in self.bounds), MOST]
        return [rows.filter(rows.account.between(low, high)) for low, high in zip(lows, highs, strict=True)]


def _clustered(batch: pa.RecordBatch, around: Hashes, names: Hashes, schema: pa.Schema) -> pa.RecordBatch:
    template = batch.column("template")
    known = clusters(template.fill_null(0).to_numpy(zero_copy_only=False), around, names)
    cluster = pa.array(known, mask=template.is_null().to_numpy(zero_copy_only=False))
    return pa.RecordBatch.from_arrays([*batch.columns, cluster], schema=schema)


def _parted(batch: pa.RecordBatch, bounds: Sequence[int]) -> Iterator[pa.RecordBatch]:
    """The rows by their part: who reads some accounts passes over the groups of the others."""
    if not bounds:
        yield batch
        return
    part = np.searchsorted(np.array(bounds), batch.column("account").to_numpy(), side="right").astype(np.uint16)
    together = batch.take(pa.array(np.argsort(part, kind="stable")))
    start = 0
    for size in np.bincount(part).tolist():
        if size:
            yield together.slice(start, size)
        start += size


def read(kept: Kept, options: Options = NOTHING_TOLD) -> dict[str, Any]:
    """The report: how many rows, which findings, what speaks for innocence, how it was reckoned. Plain JSON values."""
    if not kept.rows:
        missing = not_computable(kept.columns, options.rate_limit, pd.DataFrame(), {})
        return report(kept, [], [], pd.DataFrame(), (0, 0), [], {}, missing, options.permits_sha256, options.engine)
    reading = Reading(kept, options)
    try:
        return _read(reading)
    finally:
        reading.close()


def _read(reading: Reading) -> dict[str, Any]:
    kept, options, names = reading.kept, reading.options, reading.names["account"]
    rows = reading.clustered()
    often: list[Any] = []
    values = reading.measure(
        *reading.parts(rows.mutate(unit=rows.account)),
        templates=lambda each: often.append(reading.keep(f"often_{len(often)}", used_often(each))),
    )
    permitted, matches = _permitted(reading, rows, values.n)
    found = sets.find(reading, rows, values, often)
    inside = {account for one in found for account in one.accounts}
    # Whose rows an authorisation explains is no peer either.
    authorised = {account for account, share in (permitted or {}).items() if share.by_any}
    ordinary = values[~values.index.isin(inside | authorised)]
    peers, reference = scores(ordinary, ordinary), shipped()
    scored = scores(values, ordinary)
    signs = signs_of(values, scored, peers, reference)
    accounts = [Unit(key, signs.get(key, [])) for key in values.index]
    together, set_values, tied = sets.measure(reading, rows, found, values, ordinary, peers)
    # Everybody looked at counts for the correction, also those of whom there is nothing to say.
    correct([*accounts, *together], reference)
    findings = [
        finding(names, unit, values.loc[unit.key], (unit.key,), permitted or {}, None) for unit in accounts if unit.rung
    ]
    for unit in together:
        if unit.rung:
            of, which = found[unit.key], tied.get(unit.key, ())
            findings.append(finding(names, unit, set_values.loc[unit.key], of.accounts, permitted or {}, of, which))
    order(findings)
    worth = [one for one in findings if one["rung"] != "noted"][:EXACTLY_AT_MOST]
    reading.exact(rows, [_exactly(one, reading.numbers["account"]) for one in worth])
    named = sorted({name for one in findings if one["rung"] != "noted" for name in one["accounts"]})
    innocent = explanations(values, named, found, reading.present, permitted, names)
    members = _members(findings, reading.numbers["account"])
    drawn = charts(rows, values, names, members)
    period = reading.first, reading.last
    if len(values) > UNITS_AT_MOST:
        kept.notes.append(f"I13 (change against the own past) was computed for the {UNITS_AT_MOST} busiest accounts.")
    if len(found) == sets.SETS_AT_MOST:
        kept.notes.append(f"Of the coordinated sets the {sets.SETS_AT_MOST} largest are measured.")
    missing = not_computable(kept.columns, options.rate_limit, scored, compared(peers, reference))
    return report(
        kept, findings, matches, values, period, innocent, drawn, missing, options.permits_sha256, options.engine
    )


def _texts(lines: Any) -> Iterator[bytes]:
    """Numbers, one a line, some at a time."""
    for some in np.array_split(lines, len(lines) // AT_ONCE + 1):
        if len(some):
            texts = pa.ListArray.from_arrays([0, len(some)], pa.array(some).cast(pa.string()))
            yield pc.binary_join(texts, "\n")[0].as_py().encode() + b"\n"


def _exactly(one: dict[str, Any], numbers: dict[str, int]) -> Exactly:
    said = one["rows"]
    return Exactly(
        [numbers[name] for name in one["accounts"]], [_number(t) for t in said["templates"]], said["count"], said
    )


def _number(template: str) -> int:
    """As the rows have it: signed."""
    return int.from_bytes(bytes.fromhex(template), "big", signed=True)


def _members(findings: list[dict[str, Any]], numbers: dict[str, int]) -> dict[int, list[int]]:
    """The accounts of each set that a finding is about, by the finding's place in the report."""
    return {
        place: [numbers[name] for name in one["accounts"]] for place, one in enumerate(findings) if one["unit"] == "set"
    }


def _permitted(reading: Reading, rows: Any, counts: pd.Series) -> tuple[dict[int, Permitted] | None, list[Match]]:
    """Of each account with a call that an authorisation is about, the share of its rows that some authorisation permits;
    None where there are no authorisations. And the table of each version of each.
    """
    entries = entries_of(reading.options.permits)
    if not entries:
        return None, []
    with ExitStack() as stack:
        about: set[int] = set()
        tables, matches = [], []
        for versions in entries.values():
            numbers = [reading.numbers_of(permit) for permit in versions]
            with reading.once(reasons(rows, versions, numbers, reading.years)) as marked:
                matches += matched(marked, versions)
                about.update(marked.select("account").distinct().execute().account.tolist())
                tables.append(stack.enter_context(reading.once(permitted_rows(marked, versions))))
        found = covered(tables).execute().set_index("account")
    shares = {
        int(account): Permitted(*(int(n) / int(counts[account]) for n in (line.n, line.on_record, line.uncapped)))
        for account, line in found.iterrows()
    }
    return {account: shares.get(account, NOTHING_PERMITTED) for account in sorted(about)}, matches


def _year(us: int) -> int:
    return datetime.fromtimestamp(us / 1e6, UTC).year


__all__ = ["METHOD", "Options", "Reading", "fingerprint", "read", "written"]
