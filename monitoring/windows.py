"""A window of a feed: the kept rows of many batches as one log. Pure: no Django, no clock."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import duckdb

from monitoring.intake import Kept, Unreadable
from monitoring.intake.database import WRITTEN, connect, given
from monitoring.intake.keeping import SAME
from monitoring.schema import OPTIONAL

_AGAIN = "says the same as a row of an earlier batch"


@dataclass(frozen=True)
class Part:
    """One batch as `take_in` kept it, and what was said of it then."""

    rows_path: Path
    names_path: Path
    sha256: str
    columns: tuple[str, ...] = ()
    simhashed: bool = False
    unzoned: int = 0
    reasons: dict[str, int] = field(default_factory=dict)


def merge(parts: Sequence[Part], folder: Path, *, since_us: int, until_us: int) -> Kept:
    """The rows of all parts from `since_us` to before `until_us` (microseconds since 1970), as of one file.

    A row that is in two batches counts once, where the prompt's hash tells calls apart. The order of the parts changes
    nothing. Raises Unreadable when two accounts have one number.
    """
    folder.mkdir(parents=True, exist_ok=True)
    kept = Kept(folder)
    kept.sha256 = hashlib.sha256("\n".join(sorted(part.sha256 for part in parts)).encode()).hexdigest()
    kept.reasons = Counter()
    for part in parts:
        kept.reasons.update(part.reasons)
    kept.unzoned = sum(part.unzoned for part in parts)
    present = {name for part in parts for name in part.columns}
    kept.columns = tuple(name for name in OPTIONAL if name in present)
    templates = [part for part in parts if "template" in part.columns]
    kept.simhashed = bool(templates) and all(part.simhashed for part in templates)
    db = connect(folder)
    try:
        _write(db, parts, kept, since_us, until_us)
    finally:
        db.close()
    kept.rejected = sum(kept.reasons.values())
    return kept


def _write(db: duckdb.DuckDBPyConnection, parts: Sequence[Part], kept: Kept, since_us: int, until_us: int) -> None:
    # Names of columns of this module and of files of this project: nothing here comes from outside.
    rows = f"{rows_of([part.rows_path for part in parts])} WHERE us >= {since_us} AND us < {until_us}"
    once = ""
    if len(parts) > 1:
        found = db.execute(
            f"SELECT hash({SAME}) AS h FROM {rows} AND prompt IS NOT NULL GROUP BY 1 HAVING count(*) > 1"  # noqa: S608
        ).to_arrow_table()
        if found.num_rows:
            given(db, found).create("twice")
            # Only what may be there twice is put in order and counted.
            once = (
                f"QUALIFY prompt IS NULL OR hash({SAME}) NOT IN (SELECT h FROM twice)"  # noqa: S608 - names of columns
                f" OR row_number() OVER (PARTITION BY {SAME} ORDER BY line) = 1"
            )
    db.execute(f"COPY (SELECT * FROM {rows} {once}) TO '{kept.rows_path}' ({WRITTEN})")  # noqa: S608 - our own paths
    (kept.rows,) = db.execute("SELECT count(*) FROM read_parquet(?)", [str(kept.rows_path)]).fetchone() or (0,)
    if once:
        (all_rows,) = db.execute(f"SELECT count(*) FROM {rows}").fetchone() or (0,)  # noqa: S608
        kept.reasons[_AGAIN] += all_rows - kept.rows
    names = rows_of([part.names_path for part in parts])
    db.execute(f"CREATE TABLE names AS SELECT DISTINCT kind, number, name FROM {names}")  # noqa: S608 - our own paths
    clash = db.execute("SELECT number FROM names WHERE kind = 'account' GROUP BY number HAVING count(*) > 1").fetchone()
    if clash:
        raise Unreadable("Two accounts of the feed cannot be told apart by number. Hash the identifiers anew.")
    db.execute("COPY (SELECT * FROM names ORDER BY kind, name) TO ? (FORMAT parquet)", [str(kept.names_path)])


def rows_of(paths: Iterable[Path]) -> str:
    """A table function over files whose names this project made."""
    listed = ", ".join(f"'{path}'" for path in sorted(paths))
    return f"read_parquet([{listed}])"


LONGEST_LINE = 8192  # bytes: no row of a usage log is longer, and what is nested deeper than that ends a process


def too_long(data: bytes) -> list[int]:
    """The numbers (from 1) of the lines of more than LONGEST_LINE bytes."""
    import numpy as np

    ends = np.flatnonzero(np.frombuffer(data, dtype=np.uint8) == 10)
    lengths = np.diff(ends, prepend=-1) - 1
    found: list[Any] = (np.flatnonzero(lengths > LONGEST_LINE) + 1).tolist()
    if len(data) - (int(ends[-1]) + 1 if len(ends) else 0) > LONGEST_LINE:
        found.append(len(ends) + 1)
    return found


__all__ = ["LONGEST_LINE", "Part", "merge", "rows_of", "too_long"]
