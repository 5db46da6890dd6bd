"""Keeping the rows: one Parquet file, in no order, the names that stand for its numbers, and the lines that are no rows.

Every text (account, network, prompt hash ...) is kept as a 64-bit number; `names.parquet` says what the account, model,
endpoint and the like were called. Numbers are compared faster than texts, and what is counted never needs the text.
"""

from __future__ import annotations

import hashlib
import threading
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from itertools import chain
from pathlib import Path
from typing import Any

import duckdb
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from monitoring.intake.ahead import ahead, several
from monitoring.intake.blocks import Blocks
from monitoring.intake.clocks import far_off
from monitoring.intake.database import WRITTEN, connect, given
from monitoring.intake.identifiers import unhashed
from monitoring.intake.names import Names
from monitoring.intake.numbers import Numbers, whole
from monitoring.intake.opening import Block, Limits, Lines, Unreadable, layout_of
from monitoring.intake.whole import parquet_tables
from monitoring.schema import OPTIONAL, REQUIRED

# The kept columns that stand for a text, and the column they come from.
NUMBERED = {
    "account": "account",
    "model": "model",
    "key": "key",
    "net": "net",
    "endpoint": "endpoint",
    "prompt": "prompt_hash",
    "template": "template",
    "agent": "user_agent",
    "payment": "payment",
    "prefix": "prefix_hash",
    "session": "session",
    "finish": "finish_reason",
}
# The other kept columns: where each comes from, and its type.
PLAIN: dict[str, tuple[str, pa.DataType]] = {
    "line": ("line", pa.int64()),
    "us": ("us", pa.int64()),
    "tin": ("input_tokens", pa.int32()),
    "tout": ("output_tokens", pa.int32()),
    "status": ("status", pa.int16()),
    "refused": ("refused", pa.bool_()),
    "logprobs": ("params.logprobs", pa.bool_()),
    "logit_bias": ("params.logit_bias", pa.bool_()),
    "max_tokens": ("params.max_tokens", pa.float64()),
    "temperature": ("params.temperature", pa.float64()),
    "several": ("params.several", pa.bool_()),
}
NAMED = ("account", "model", "endpoint", "net", "agent", "payment", "key", "finish")
# Columns with few different values.
SMALL = ["model", "endpoint", "status", "finish", "agent", "account", "net", "payment", "key", "max_tokens"]
# What makes two rows the same call, in one file or in two.
SAME = "us, account, model, tin, tout, status, refused, key, net, endpoint, prompt, template, session"
# Whether two rows with the same values are the same call: the prompt's hash tells, or a finer time than a second.
CERTAIN = "(prompt IS NOT NULL OR us % 1000000 <> 0)"
GROUP = 20_000  # rows, at least, that are written together
ENDS = ["account", "us"]  # columns of which each group of rows has its smallest and largest value on record
LIMITS = Limits()


@dataclass
class Kept:
    """What became of a file."""

    folder: Path
    sha256: str = ""
    rows: int = 0
    rejected: int = 0
    # Rejected lines by reason; the first of them, by line, are in rejected.parquet.
    reasons: Counter[str] = field(default_factory=Counter)
    listed: list[tuple[int, str]] = field(default_factory=list)
    # Optional columns with at least one value.
    columns: tuple[str, ...] = ()
    notes: list[str] = field(default_factory=list)
    # What the preparing program said of itself (docs/usage-log.md), taken as said.
    header: dict[str, Any] = field(default_factory=dict)
    unzoned: int = 0
    simhashed: bool = False

    @property
    def rows_path(self) -> Path:
        return self.folder / "rows.parquet"

    @property
    def names_path(self) -> Path:
        return self.folder / "names.parquet"


def take_in(
    path: Path, folder: Path, *, limits: Limits = LIMITS, progress: Callable[[int, int, int], None] | None = None
) -> Kept:
    """Read the file once and keep its rows in `folder`. `progress(read, size, rows)` is told bytes of the file, and
    how many rows were found in them.

    rows + rejected are the data rows of the file: of a file that cannot be read at all each line is rejected.
    Raises Unreadable for what has no rows to count (no text, a bomb, no header).
    """
    folder.mkdir(parents=True, exist_ok=True)
    kept = Kept(folder)
    digest: list[str | Exception] = []
    hashing = threading.Thread(target=_digest, args=(path, digest), daemon=True)
    hashing.start()
    keeper = _Keeper(kept, connect(folder))
    try:
        with path.open("rb") as file:
            parquet = file.read(4) == b"PAR1"
        tell = progress or (lambda read, size, rows: None)
        if parquet:
            size = path.stat().st_size
            for table, rejected, share in parquet_tables(path, kept, limits):
                keeper.add(keeper.numbered(table), rejected)
                tell(int(size * share), size, kept.rows)
        else:
            _read_text(path, limits, keeper, tell)
        keeper.finish(limits)
    except BaseException:
        keeper.abandon()
        raise
    keeper.close()
    hashing.join()
    [told] = digest
    if isinstance(told, Exception):
        raise told
    kept.sha256 = told
    return kept


def _digest(path: Path, told: list[str | Exception]) -> None:
    """Tell the SHA-256 of the file, or why there is none."""
    try:
        with path.open("rb") as file:
            told.append(hashlib.file_digest(file, "sha256").hexdigest())
    except Exception as wrong:  # raised where it is waited for
        told.append(wrong)


def _read_text(path: Path, limits: Limits, keeper: _Keeper, tell: Callable[[int, int, int], None]) -> None:
    lines, kept, size = Lines(path, limits), keeper.kept, path.stat().st_size
    pieces = ahead(lines.blocks())
    first = next(pieces, None)
    if first is None:
        raise Unreadable("The file is empty." if not lines.cut else "Nothing of the compressed file can be read.")
    # Where the line after a header is too long, the header is alone in its block.
    second = next(pieces, None) if len(first.ends) <= 1 else None
    layout = layout_of(first.data + (second.data if second else b""), limits)
    kept.header = layout.header
    first = first.part(layout.skip)
    missing = [name for name in REQUIRED if layout.kind == "csv" and name not in layout.canonical()]
    if missing:
        _count_all(missing, _blocks(first, second, pieces), keeper, first.number)
        keeper.add(None, _lost(lines))
        return
    last = 1
    # Five at work: one unpacks, two read what a row is, one gives texts their numbers, and this one writes.
    tables = ahead(_tables(Blocks(layout), _blocks(first, second, pieces)))
    numbered = ((keeper.numbered(table), rejected, after) for table, rejected, after in tables)
    for rows, rejected, last in ahead(numbered):  # noqa: B007
        keeper.add(rows, rejected)
        tell(lines.taken, size, kept.rows)
    keeper.add(None, _lost(lines))
    if lines.cut:
        lines.notes.append(f"What could be read ends with line {last:,}.")
    kept.notes += lines.notes


def _lost(lines: Lines) -> list[tuple[int, str]]:
    """Lines that no block has, and why."""
    long = [(line, f"has more than {lines.limits.line:,} bytes") for line in lines.too_long]
    return [*long, *((line, "is cut off: what is left of it may say something else") for line in lines.half)]


def _blocks(first: Block, second: Block | None, pieces: Iterable[Block]) -> Iterable[Block]:
    return chain([first], [second] if second else [], pieces)


def _tables(blocks: Blocks, pieces: Iterable[Block]) -> Iterator[tuple[pa.Table | None, list[tuple[int, str]], int]]:
    """(rows, rejected lines, the line that comes next) of each piece of a file."""
    for block, read in several((block for block in pieces if block.data), blocks.whole):
        for table in blocks.parts(block) if read is None else [read]:
            yield table, blocks.rejected, block.after
            blocks.rejected = []


def _count_all(missing: list[str], pieces: Iterable[Block], keeper: _Keeper, number: int) -> None:
    """A file whose header lacks what every row must have: each of its lines, from `number` on, is rejected."""
    reason = f"the file has no column {', '.join(missing)}"
    count = sum(1 for piece in pieces for line in piece.data.split(b"\n") if line.strip())
    keeper.kept.reasons[reason] += count
    keeper.kept.notes.append(f"Not a usage log: {reason}.")
    keeper.reject([(number + offset, reason) for offset in range(min(count, 100))])


class _Keeper:
    """Writes what was read as numbers."""

    def __init__(self, kept: Kept, db: duckdb.DuckDBPyConnection) -> None:
        self.kept, self.db, self.numbers = kept, db, Numbers()
        self.raw = kept.folder / "raw.parquet"
        self.writer: pq.ParquetWriter | None = None
        self.waiting: list[pa.Table] = []
        self.present: set[str] = set()
        self.simhashes = [0, 0]
        db.execute("CREATE TABLE rejected (line BIGINT, reason VARCHAR)")
        self.names = Names(db, NAMED)

    def abandon(self) -> None:
        """Throw away what was begun. Nothing is closed: where there is no memory, that ends the process before it has said
        what was wrong. It goes with the last that holds it.
        """
        if self.writer is not None:
            self.writer.is_open = False
        self.raw.unlink(missing_ok=True)

    def close(self) -> None:
        """Let go of what it held."""
        self.db.close()
        self.numbers.close()
        self.raw.unlink(missing_ok=True)

    def reject(self, found: list[tuple[int, str]]) -> None:
        """List them; `add` counts as well."""
        if found and len(self.kept.listed) < Limits.listed:
            self.kept.listed += found[: Limits.listed - len(self.kept.listed)]

    def numbered(self, table: pa.Table | None) -> pa.Table | None:
        """The rows as they are kept; what is counted of them is counted. One at a time, perhaps beside `add`."""
        if table is None or not table.num_rows:
            return None
        self.kept.unzoned += table.num_rows - (pc.sum(table["zoned"]).as_py() or 0)
        self.present |= {name for name in OPTIONAL if table[name].null_count < table.num_rows}
        plain = {kept: _typed(table, source, kind) for kept, (source, kind) in PLAIN.items()}
        return pa.table(plain | self._numbers(table))

    def add(self, rows: pa.Table | None, rejected: list[tuple[int, str]]) -> None:
        """One block of rows, numbered, and of rejected lines."""
        self.kept.reasons.update(reason for _, reason in rejected)
        self.reject(rejected)
        if rows is None:
            return
        self.kept.rows += rows.num_rows  # until `finish` counts those that are kept
        self.waiting.append(rows)
        if sum(len(read) for read in self.waiting) >= GROUP:
            self._write()

    def _write(self) -> None:
        """What waits, as one group of rows: many small ones, of a file with many bad lines, would be slow to read."""
        read, self.waiting = pa.concat_tables(self.waiting), []
        if self.writer is None:
            self.writer = pq.ParquetWriter(
                self.raw, read.schema, compression="lz4", use_dictionary=SMALL, write_statistics=ENDS
            )
        self.writer.write_table(read)

    def _numbers(self, table: pa.Table) -> dict[str, pa.Array]:
        """The columns that stand for texts; what the numbers of NAMED were called is put on record."""
        texts = {kept: whole(table[source]) for kept, source in NUMBERED.items()}
        found = {kept: pa.nulls(len(a), pa.int64()) for kept, a in texts.items() if a.null_count == len(a)}
        some = {kept: a for kept, a in texts.items() if kept not in found}
        if "template" in some:
            template = some.pop("template")
            found["template"], simhashed = self.numbers.of_templates(template)
            self.simhashes[0] += len(template) - template.null_count
            self.simhashes[1] += simhashed
        # Of texts that are often the same, each different one has its number once.
        words = {kept: a if _encoded(a) else a.dictionary_encode() for kept, a in some.items() if kept in NAMED}
        numbers = self.numbers.of(some | {kept: a.dictionary for kept, a in words.items()})
        for kept, array in words.items():
            self.names.learn(kept, array.dictionary, numbers[kept])
            numbers[kept] = numbers[kept].take(array.indices)
        found |= numbers
        return {kept: found[kept] for kept in NUMBERED}

    def finish(self, limits: Limits) -> None:
        """Leave out rows that are in the file twice, write names and rejected lines."""
        kept, db = self.kept, self.db
        if self.waiting:
            self._write()
        if self.writer is not None:
            self.writer.close()
            self.writer = None
        else:
            pq.write_table(_empty(), self.raw)
        raw = f"read_parquet('{self.raw}')"
        # Which rows may be the same is told from the few columns in which calls differ, where the log has them.
        hashed = "hash(us, account, tin, tout, prompt)" if "prompt_hash" in self.present else f"hash({SAME})"
        twice = db.execute(
            f"SELECT h FROM (SELECT {hashed} AS h FROM {raw}) GROUP BY h HAVING count(*) > 1"  # noqa: S608
        ).to_arrow_table()
        keep = ""
        if twice.num_rows:
            given(db, twice).create("twice")
            db.execute(
                f"""CREATE TEMP TABLE again AS SELECT line, {CERTAIN} AS certain FROM {raw}
                SEMI JOIN twice ON twice.h = {hashed}
                QUALIFY row_number() OVER (PARTITION BY {SAME} ORDER BY line) > 1"""  # noqa: S608
            )
            found = dict(db.execute("SELECT certain, count(*) FROM again GROUP BY certain").fetchall())
            if count := found.get(True, 0):
                kept.reasons["says the same as an earlier line"] += count
                first = db.execute("SELECT line FROM again WHERE certain ORDER BY line LIMIT ?", [limits.listed])
                self.reject([(line, "says the same as an earlier line") for (line,) in first.fetchall()])
                keep = "line NOT IN (SELECT line FROM again WHERE certain)"
            if count := found.get(False, 0):
                kept.notes.append(
                    f"{count:,} rows say the same as another row. They are counted: times in whole seconds without a "
                    "prompt hash do not tell two calls apart."
                )
        if keep:
            db.execute(f"COPY (SELECT * FROM {raw} WHERE {keep}) TO '{kept.rows_path}' ({WRITTEN})")  # noqa: S608
        else:
            self.raw.rename(kept.rows_path)
        kept.rows = pq.read_metadata(kept.rows_path).num_rows
        self.names.write(kept.names_path)
        kept.rejected = sum(kept.reasons.values())
        kept.listed.sort()
        del kept.listed[limits.listed :]
        kept.columns = tuple(name for name in OPTIONAL if name in self.present)
        kept.simhashed = self.simhashes[0] > 0 and self.simhashes[1] >= 0.9 * self.simhashes[0]
        kept.notes += _said_of_itself(kept) + unhashed(db) + far_off(db, kept.rows_path)
        if kept.unzoned:
            kept.notes.append(f"{kept.unzoned:,} rows do not say their time zone; they are taken as UTC.")


def _said_of_itself(kept: Kept) -> list[str]:
    """Whether the file says how it was made, and whether it holds as many rows as it says."""
    if not kept.header:
        return ["The file does not say how it was made: it has no header of a preparing program."]
    said, found = kept.header.get("rows_written"), kept.rows + kept.rejected
    if isinstance(said, int) and said != found:
        return [f"The header says that {said:,} rows were written; the file has {found:,}."]
    return []


def _typed(table: pa.Table, source: str, kind: pa.DataType) -> pa.Array:
    name, _, inner = source.partition(".")
    column = whole(table[name])
    return (pc.struct_field(column, inner) if inner else column).cast(kind)


def _encoded(array: pa.Array) -> bool:
    return bool(pa.types.is_dictionary(array.type))


def _empty() -> pa.Table:
    kinds = {kept: kind for kept, (_, kind) in PLAIN.items()} | dict.fromkeys(NUMBERED, pa.int64())
    return pa.schema(list(kinds.items())).empty_table()


__all__ = ["SAME", "Kept", "take_in"]
