"""What must change nothing: the order of rows, the names of accounts, and in how many pieces a log came."""

from __future__ import annotations

import json
import random
import tempfile
from pathlib import Path
from typing import Any

import hypothesis
import pandas as pd
import pyarrow.parquet as pq
import pytest
from hypothesis import strategies as st

from monitoring.intake import Kept, keeping, names, opening, take_in
from monitoring.reading import Options, Reading, read
from monitoring.windows import Part, merge
from tests.monitoring.logs import Row, as_csv, jumbled, lines, ordinary, report_of

TOLD = Options(rate_limit=2)


def taken(rows: list[Row], folder: Path) -> Kept:
    path = folder.with_suffix(".jsonl")
    path.write_bytes(lines(rows))
    return take_in(path, folder)


def values(kept: Kept) -> pd.DataFrame:
    """What is measured of each account, by name."""
    reading = Reading(kept, TOLD)
    try:
        rows = reading.clustered()
        measured = reading.measure(rows.mutate(unit=rows.account))
        return measured.rename(index=reading.names["account"]).sort_index()
    finally:
        reading.close()


def findings(kept: Kept, names: dict[str, str] | None = None) -> list[dict[str, Any]]:
    """What was found, in an order that no name decides; `names` are those that accounts had before."""
    text = json.dumps(read(kept, TOLD)["findings"])
    for new, old in (names or {}).items():
        text = text.replace(new, old)
    found = json.loads(text)
    for one in found:
        one["accounts"].sort()
    return sorted(found, key=lambda one: (one["unit"], one["accounts"]))


def same(one: pd.DataFrame, other: pd.DataFrame) -> None:
    pd.testing.assert_frame_equal(one, other, rtol=1e-9, check_dtype=False)


@pytest.mark.parametrize(
    "content", [lines(jumbled(4, accounts=4, heads=3, calls=400)), as_csv(ordinary(20, each=30))], ids=["jsonl", "csv"]
)
def test_in_how_many_blocks_a_file_is_read_changes_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, content: bytes
) -> None:
    at_once = report_of(content)
    for name in ("BLOCK", "PIECE", "FEW"):
        monkeypatch.setattr(opening, name, 4096)
    for module in (keeping, names):
        monkeypatch.setattr(module, "GROUP", 64)
    (tmp_path / "log").write_bytes(content)
    kept = take_in(tmp_path / "log", tmp_path / "kept")
    assert pq.ParquetFile(kept.rows_path).num_row_groups > 4
    assert read(kept) == at_once


@pytest.mark.slow
# The same few logs every time: an example takes seconds, and there is nothing to make smaller.
@hypothesis.settings(max_examples=2, derandomize=True, phases=[hypothesis.Phase.generate])
@hypothesis.given(seed=st.integers(0, 2**32 - 1), pieces=st.integers(2, 4))
def test_order_names_and_pieces_change_nothing(seed: int, pieces: int) -> None:
    rows = [*ordinary(60, seed=seed, each=60, days=9), *jumbled(seed, accounts=2, heads=8, calls=300, days=9)]
    draw = random.Random(seed)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        kept = taken(rows, folder / "whole")
        assert kept.rejected == 0
        was, found = values(kept), findings(kept)
        assert any(one["unit"] == "set" for one in found), "the log has a set"

        mixed = draw.sample(rows, len(rows))
        again = taken(mixed, folder / "mixed")
        same(values(again), was)
        assert findings(again) == found

        names = {f"{draw.randrange(1 << 64):016x}": account for account in sorted({row["account"] for row in rows})}
        new = {old: given for given, old in names.items()}
        renamed = taken([{**row, "account": new[row["account"]]} for row in rows], folder / "renamed")
        same(values(renamed).rename(index=names).sort_index(), was)
        assert findings(renamed, names) == found

        parts = []
        for number in range(pieces):
            part = taken(mixed[number::pieces], folder / f"part-{number}")
            parts.append(
                Part(part.rows_path, part.names_path, part.sha256, part.columns, part.simhashed, part.unzoned, {})
            )
        merged = merge(parts, folder / "merged", since_us=0, until_us=1 << 62)
        assert (merged.rows, merged.rejected) == (len(rows), 0)
        same(values(merged), was)
        assert findings(merged) == found
