"""Which names are on record."""

from __future__ import annotations

from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from monitoring.intake import names
from monitoring.intake.database import connect


@pytest.mark.parametrize("first", [0, 3, 4096])
@pytest.mark.parametrize(("kind", "most"), [("net", 12), ("account", 19)])
def test_each_name_is_on_record_once_and_of_a_column_the_first_so_many(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, first: int, kind: str, most: int
) -> None:
    """However many of them Arrow looks for, before Python does. Of the accounts it is all."""
    monkeypatch.setattr(names, "FIRST", first)
    monkeypatch.setattr(names, "AT_MOST", 12)
    with connect(tmp_path) as db:
        record = names.Names(db, [kind])
        for start in range(6):
            block = range(3 * start, 3 * start + 4)  # the last of one block is the first of the next
            record.learn(kind, pa.array([f"name {n}" for n in block]), pa.array(list(block), pa.int64()))
        record.write(tmp_path / "names.parquet")
    found = [tuple(row.values()) for row in pq.read_table(tmp_path / "names.parquet").sort_by("number").to_pylist()]
    assert found == [(kind, n, f"name {n}") for n in range(most)]
