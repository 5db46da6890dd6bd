"""What a feed has of a declared period: the kept files of its batches, each call counted once. Pure: no Django, no clock.

Single calls and aggregated windows of one feed may be of the same traffic, so they are counted apart and never added up:
one kind of the two is taken. Files are read a slice of the period at a time. Rows that say the same have the same time, so
no slice parts them, and a period of any length takes the memory of one slice.
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any

import duckdb
import pyarrow as pa

from monitoring.aggregated import LONGEST
from monitoring.declared import FIGURES, SLACK, Declared
from monitoring.intake.database import connect, given
from monitoring.intake.keeping import SAME
from monitoring.intake.numbers import numbers_of
from monitoring.windows import rows_of

SECOND, HOUR, DAY = 1_000_000, 3_600_000_000, 86_400_000_000  # microseconds
FILES = 2000  # of one slice


@dataclass(frozen=True)
class Piece:
    """The kept file of one batch: its place in the order of receipt, how many rows, and when the first and the last are.

    Instants are microseconds since 1970, UTC, as everywhere here.
    """

    file: str
    place: int
    rows: int
    first: int
    last: int


@dataclass(frozen=True)
class Source:
    """A feed's batches of one kind ("calls" or "windows"), and how to have them.

    `pieces(begins, ends)` are those with rows in a span, by their first; `fetch(file, folder)` is the file where it can be
    read; `most` rows are looked at together.
    """

    kind: str
    pieces: Callable[[int, int], Iterable[Piece]]
    fetch: Callable[[str, Path], Path]
    most: int


def count(sources: Iterable[Source], said: Declared, provider: str, folder: Path) -> dict[str, Any] | None:
    """What the feed has of the disclosure's period, for `declared.compared`; None where it has nothing.

    Of two kinds, the one that has the accounts that are named; of two alike, the one that covers the period; of two alike,
    single calls. `mixed` says that there was another.
    """
    found = [counted for source in sources if (counted := _counted(source, said, provider, folder)) is not None]
    if not found:
        return None
    best = min(found, key=lambda one: (one["basis"] != "accounts", not said.covered(one), one["kind"] != "calls"))
    return {**best, "mixed": len(found) > 1}


def slices(
    pieces: Iterable[Piece], begins: int, ends: int, most: int, files: int = FILES
) -> Iterator[tuple[int, int, list[Piece]]]:
    """(begins, ends, the pieces with rows in it) of parts of a span that have about `most` rows or `files` files at most.

    `pieces` are in the order of their first rows. None is shorter than a day: batches that each reach over months would be
    read once for each minute of them.
    """
    held: list[Piece] = []
    rows = 0
    for one in pieces:
        full = rows + one.rows > most or len(held) >= files
        if held and full and one.first >= begins + DAY:
            yield begins, one.first, held
            begins = one.first
            held = [other for other in held if other.last >= begins]
            rows = sum(other.rows for other in held)
        held.append(one)
        rows += one.rows
    yield begins, ends, held


# --- One kind -----------------------------------------------------------------------------------------------------------
def _counted(source: Source, said: Declared, provider: str, folder: Path) -> dict[str, Any] | None:
    """As `declared.count`: for the accounts that are named and the feed has; where it has none of them, for everybody."""
    numbers = numbers_of(said.accounts)
    with tempfile.TemporaryDirectory(prefix="counted-", dir=folder) as name:
        db = connect(Path(name))
        try:
            _prepare(db, numbers)
            reading = _Reading(db, source, said, Path(name))
            reading.read(whose="named" if numbers else "everybody", when=True)
            hours = [hour for (hour,) in db.execute("SELECT DISTINCT hour FROM busy ORDER BY 1").fetchall()]
            if not hours:
                return None
            basis = "accounts" if _any(db) and numbers else "period"
            if basis == "period" and numbers and said.names(provider):
                reading.read(whose="everybody", when=False)
            return {"reference": said.reference, "basis": basis, "kind": source.kind, **_span(hours), **_sums(db)}
        finally:
            db.close()


def _prepare(db: duckdb.DuckDBPyConnection, numbers: dict[str, int]) -> None:
    named = {"name": list(numbers), "number": list(numbers.values())}
    given(db, pa.table(named, schema=pa.schema([("name", pa.string()), ("number", pa.int64())]))).create("named")
    db.execute("CREATE TABLE busy (hour BIGINT)")
    # What is certainly within the period, and (of windows) what lies across one of its edges. HUGEINT has both kinds of
    # numbers of accounts.
    figures = ", ".join(f"{where}_{name} HUGEINT" for where in ("inside", "across") for name in FIGURES)
    db.execute(f"CREATE TABLE tally (account HUGEINT, {figures}, without_prompt_hash HUGEINT)")


def _any(db: duckdb.DuckDBPyConnection) -> bool:
    return bool(db.execute("SELECT 1 FROM tally WHERE inside_requests + across_requests > 0 LIMIT 1").fetchone())


def _span(hours: Sequence[int]) -> dict[str, Any]:
    """When the feed has anything in the period, by whole hours, and whether it has nothing for more than a day between."""
    silent = any((later - earlier - 1) * HOUR > SLACK for earlier, later in pairwise(hours))
    return {"first": hours[0] * HOUR, "last": (hours[-1] + 1) * HOUR, "silent": silent}


def _sums(db: duckdb.DuckDBPyConnection) -> dict[str, Any]:
    names = [f"{where}_{name}" for where in ("inside", "across") for name in FIGURES]
    sums = ", ".join(f"sum({name})" for name in (*names, "without_prompt_hash"))
    found = db.execute(
        f"SELECT {sums}, count(DISTINCT account) FILTER (WHERE inside_requests > 0) FROM tally"  # noqa: S608 - own names
    ).fetchone()
    values = [int(value or 0) for value in found or [0] * (len(names) + 2)]
    told: dict[str, Any] = dict(zip(FIGURES, values, strict=False))
    told["across"] = dict(zip(FIGURES, values[len(FIGURES) :], strict=False))
    told["without_prompt_hash"], told["accounts_used"] = values[-2:]
    return told


@dataclass(frozen=True)
class _Reading:
    """One disclosure's period in the files of one kind."""

    db: duckdb.DuckDBPyConnection
    source: Source
    said: Declared
    folder: Path

    def read(self, *, whose: str, when: bool) -> None:
        """Add up what `whose` ("named" or "everybody") rows say; `when`: also in which hours there are any at all."""
        calls = self.source.kind == "calls"
        # A window that began before the period may reach into it.
        begins = self.said.begins - (0 if calls else LONGEST * SECOND)
        pieces = self.source.pieces(begins, self.said.ends)
        for since, until, held in slices(pieces, begins, self.said.ends, self.source.most):
            if not held:
                continue
            with tempfile.TemporaryDirectory(prefix="slice-", dir=self.folder) as place:
                paths = {str(self.source.fetch(one.file, Path(place))): one.place for one in held}
                (self._calls if calls else self._windows)(paths, since, until, whose, when)

    def _calls(self, paths: dict[str, int], since: int, until: int, whose: str, when: bool) -> None:
        rows = f"{rows_of(map(Path, paths))} WHERE us >= {since} AND us < {until}"
        if when:
            self.db.execute(f"INSERT INTO busy SELECT DISTINCT us // {HOUR} FROM {rows}")  # noqa: S608
        of = "AND account IN (SELECT number FROM named)" if whose == "named" else ""
        self.db.execute(f"CREATE OR REPLACE TEMP VIEW part AS SELECT * FROM {rows} {of}")  # noqa: S608
        # As in monitoring.windows.merge: which calls are in two batches is told by the hash of their prompts, and only what
        # may be there twice is looked at whole.
        self.db.execute(
            f"CREATE OR REPLACE TEMP TABLE twice AS SELECT hash({SAME}) AS h FROM part"  # noqa: S608
            " WHERE prompt IS NOT NULL GROUP BY 1 HAVING count(*) > 1"
        )
        again = f"prompt IS NOT NULL AND hash({SAME}) IN (SELECT h FROM twice)"  # noqa: S608
        self.db.execute(
            f"""INSERT INTO tally SELECT account, count(*), sum(tin), sum(tout), 0, 0, 0, count(*) FILTER (prompt IS NULL)
            FROM (SELECT account, tin, tout, prompt FROM part WHERE NOT ({again})
            UNION ALL SELECT account, tin, tout, prompt FROM (SELECT DISTINCT {SAME} FROM part WHERE {again}))
            GROUP BY account"""  # noqa: S608
        )

    def _windows(self, paths: dict[str, int], since: int, until: int, whose: str, when: bool) -> None:
        begins, ends = self.said.begins // SECOND, self.said.ends // SECOND
        given(self.db, pa.table({"filename": list(paths), "place": list(paths.values())})).create("received")
        listed = ", ".join(f"'{path}'" for path in paths)
        # A window that touches the period only where it ends or begins is not of it.
        rows = f"""(SELECT * FROM read_parquet([{listed}], filename = true) JOIN received USING (filename)
            WHERE start >= {since // SECOND} AND start < {until // SECOND} AND start < {ends}
            AND start + seconds > {begins})"""  # noqa: S608
        if when:
            # One without calls says that there were none: that is no silence.
            self.db.execute(
                f"""INSERT INTO busy SELECT DISTINCT hour FROM (SELECT unnest(range(
                greatest(start, {begins}) // 3600, (least(start + seconds, {ends}) - 1) // 3600 + 1)) AS hour FROM
                (SELECT DISTINCT start, seconds FROM {rows}))"""  # noqa: S608
            )
        of = "WHERE account IN (SELECT name FROM named)" if whose == "named" else ""
        inside = f"FILTER (start >= {begins} AND start + seconds <= {ends})"
        across = f"FILTER (start < {begins} OR start + seconds > {ends})"
        figures = ", ".join(
            f"coalesce(sum({n}) {where}, 0)" for where in (inside, across) for n in ("calls", "tin", "tout")
        )
        # A window that was sent again counts as it was sent last (as in monitoring.aggregated).
        self.db.execute(
            f"""INSERT INTO tally SELECT hash(account), {figures}, 0 FROM (SELECT * FROM {rows} {of} QUALIFY
            row_number() OVER (PARTITION BY account, model, start, seconds ORDER BY place DESC, line DESC) = 1)
            GROUP BY account"""  # noqa: S608
        )
        self.db.execute("DROP TABLE received")


__all__ = ["Piece", "Source", "count", "slices"]
