"""Which names are on record: what the numbers stand for in columns with few values."""

from __future__ import annotations

from collections.abc import Collection
from pathlib import Path

import duckdb
import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from monitoring.intake.database import given
from monitoring.intake.opening import Unreadable

FIRST = 4096  # names of one column that Arrow looks for, before Python does: in most blocks there are no others
AT_MOST = 200_000  # of one column but the account: beyond it the numbers stay without a name
GROUP = 20_000  # names, at least, that are put on record together


class Names:
    """Each name once, and of a column other than the account the first so many."""

    def __init__(self, db: duckdb.DuckDBPyConnection, kinds: Collection[str]) -> None:
        self.db = db
        db.execute("CREATE TABLE names (kind VARCHAR, number BIGINT, name VARCHAR)")
        self.known: dict[str, set[str]] = {kind: set() for kind in kinds}
        self.first: dict[str, pa.Array] = {kind: pa.array([], pa.string()) for kind in kinds}
        self.full: set[str] = set()
        self.fresh: list[pa.Table] = []

    def learn(self, kind: str, names: pa.Array, numbers: pa.Array) -> None:
        """The names of some rows, each once, and the number of each."""
        if kind in self.full:
            return
        known = self.known[kind]
        places = np.flatnonzero(~pc.is_in(names, value_set=self.first[kind]).to_numpy(zero_copy_only=False))
        found = zip(places.tolist(), names.take(pa.array(places)).to_pylist(), strict=True)
        fresh = [place for place, name in found if name not in known]
        if not fresh:
            return
        if kind != "account" and len(known) + len(fresh) >= AT_MOST:
            # The first so many, whatever the blocks: what is said of them is the same for the same file.
            del fresh[AT_MOST - len(known) :]
            self.full.add(kind)
            known.clear()
        else:
            known.update(names.take(fresh).to_pylist())
            if len(self.first[kind]) < FIRST:
                self.first[kind] = pa.concat_arrays([self.first[kind], names.take(fresh)])[:FIRST]
        named = {"kind": pa.repeat(kind, len(fresh)), "number": numbers.take(fresh), "name": names.take(fresh)}
        self.fresh.append(pa.table(named))
        if sum(len(some) for some in self.fresh) >= GROUP:
            self._put_on_record()

    def _put_on_record(self) -> None:
        """Those that wait: most blocks bring a few, and to write takes as long for few as for many."""
        if self.fresh:
            given(self.db, pa.concat_tables(self.fresh)).insert_into("names")
            self.fresh = []

    def write(self, path: Path) -> None:
        """All names into a Parquet file. Raises Unreadable if one number stands for two accounts."""
        self._put_on_record()
        clash = self.db.execute("SELECT number FROM names WHERE kind = 'account' GROUP BY number HAVING count(*) > 1")
        if clash.fetchone():
            raise Unreadable("Two accounts of the file cannot be told apart by number. Hash the identifiers anew.")
        self.db.execute("COPY (SELECT * FROM names ORDER BY kind, name) TO ? (FORMAT parquet)", [str(path)])
