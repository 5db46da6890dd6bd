"""The 64-bit numbers that stand for texts in kept rows: DuckDB's hash of the text; a simhash is its own number."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

import duckdb
import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from monitoring.intake.database import given

SIMHASH = 16  # hexadecimal digits
NO_DIGIT = 16
_VALUES = np.full(256, NO_DIGIT, dtype=np.uint8)
for _digits in (b"0123456789abcdef", b"0123456789ABCDEF"):
    _VALUES[np.frombuffer(_digits, dtype=np.uint8)] = np.arange(16)


class Numbers:
    """Gives texts their numbers. The same text has the same number in every file."""

    def __init__(self) -> None:
        # Of its own: the rows of an answer are in the order of the question, which costs where it does not matter. One
        # thread: others have work for the other processors.
        self.db = duckdb.connect(config={"threads": 1})

    def close(self) -> None:
        """Let go of what it holds."""
        self.db.close()

    def of(self, texts: dict[str, pa.Array]) -> dict[str, pa.Array]:
        """For each array of texts the array of their numbers (int64); null stays null. They are asked about together: a
        question takes as long as many thousand texts.
        """
        if not texts:
            return {}
        together = pa.table({"text": pa.concat_arrays(list(texts.values()))})
        asked = given(self.db, together).project("CASE WHEN text IS NOT NULL THEN hash(text) END AS number")
        numbers, found, start = whole(asked.to_arrow_table()["number"]).view(pa.int64()), {}, 0
        for name, array in texts.items():
            found[name] = numbers.slice(start, len(array))
            start += len(array)
        return found

    def of_templates(self, texts: pa.Array) -> tuple[pa.Array, int]:
        """16 hexadecimal digits are their own number (the same bits, signed), others are hashed; and how many are so."""
        known, own = simhashes(texts)
        if own.all():
            return pa.array(known), len(own)
        other = texts.filter(pa.array(~own))
        known[~own] = self.of({"text": other})["text"].fill_null(0).to_numpy()
        return pa.array(known, mask=texts.is_null().to_numpy(zero_copy_only=False)), int(own.sum())


def simhashes(texts: pa.Array) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.bool_]]:
    """The numbers written as 16 hexadecimal digits, 0 elsewhere, and which texts are such."""
    own = pc.fill_null(pc.equal(pc.binary_length(texts), SIMHASH), False).to_numpy(zero_copy_only=False)
    long = texts if own.all() else texts.filter(pa.array(own))
    numbers = np.zeros(len(texts), dtype=np.int64)
    if not len(long):
        return numbers, own
    _, _, content = long.buffers()
    digits = _VALUES[np.frombuffer(content, dtype=np.uint8, offset=_start(long), count=len(long) * SIMHASH)]
    digits = digits.reshape(-1, SIMHASH)
    pairs = (digits[:, ::2] << 4) | digits[:, 1::2]
    pure = (digits != NO_DIGIT).all(axis=1)
    values = np.ascontiguousarray(pairs).view(">u8")[:, 0].astype(np.uint64).view(np.int64)
    place = np.flatnonzero(own)
    numbers[place[pure]] = values[pure]
    own[place[~pure]] = False
    return numbers, own


def _start(texts: pa.Array) -> int:
    """Where the first text begins among the bytes of all."""
    _, offsets, _ = texts.buffers()
    return int(np.frombuffer(offsets, dtype=np.int32, offset=texts.offset * 4, count=1)[0])


def whole(column: Any) -> Any:
    """A column as one array."""
    if not isinstance(column, pa.ChunkedArray):
        return column
    if column.num_chunks == 1:
        return column.chunk(0)
    return pa.concat_arrays(column.unify_dictionaries().chunks) if column.num_chunks else column.combine_chunks()


def numbers_of(names: Collection[str]) -> dict[str, int]:
    """The number that stands for each name in kept rows (of every column but the template's)."""
    ordered, numbers = sorted(names), Numbers()
    try:
        found = numbers.of({"name": pa.array(ordered, pa.string())})["name"]
    finally:
        numbers.close()
    return dict(zip(ordered, found.to_pylist(), strict=True))
