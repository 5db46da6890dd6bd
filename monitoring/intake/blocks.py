"""Many lines at once: columns of a block, and by line what was rejected.

A block is read by Arrow as a whole. Only if everything in it is beyond doubt is the result used; otherwise the block is
cut into smaller ones, and the smallest are read line by line (`lines`). So a file is read fast wherever it is clean, and
what is a row is decided in one place: whatever is accepted here would be accepted there, with the same values.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv
import pyarrow.json

from monitoring.intake.forms import DIFFERENT, ENCODED
from monitoring.intake.lines import (
    EARLIEST_US,
    FALSE,
    LATEST_US,
    NUMBER,
    TEXTS,
    TRUE,
    Rejected,
    _params,
    row_of,
)
from monitoring.intake.numbers import whole
from monitoring.intake.objects import Doubtful, Objects
from monitoring.intake.opening import NEWLINE, Block, Layout, Places
from monitoring.schema import BY_NAME, CANONICAL, LARGEST_COUNT, REQUIRED

SMALLEST = 256  # lines: a doubtful block of fewer is read line by line
SPLIT = 16
# Bytes of a line that Arrow may read as JSON: its parser follows nesting as deep as it goes, until the stack ends.
LONGEST = 8192
PIECE = 4 << 20  # bytes that Arrow reads at a time, of a block
COUNT_DIGITS = 12  # of a count, at most
RETURN, QUOTE, OPENS, CLOSES = b'\r"{}'
COUNTS = ("input_tokens", "output_tokens", "status")
PARAMS = pa.struct(
    [
        ("logprobs", pa.bool_()),
        ("logit_bias", pa.bool_()),
        ("max_tokens", pa.float64()),
        ("temperature", pa.float64()),
        ("several", pa.bool_()),
    ]
)
TYPES: dict[str, pa.DataType] = {
    **{name: pa.string() for name in TEXTS},
    **{name: pa.int64() for name in COUNTS},
    "us": pa.int64(),
    "zoned": pa.bool_(),
    "refused": pa.bool_(),
    "params": PARAMS,
    "line": pa.int64(),
}
SCHEMA = pa.schema(list(TYPES.items()))


def _one_on_each_line(data: bytes, ends: Places) -> bool:
    """Whether each line is one object, as far as its ends tell, and none is longer than LONGEST.

    Arrow reads objects wherever lines end: of two on one line, and one on two, it makes as many as there are lines. Asked
    for the keys of `null`, it ends the process.
    """
    text = np.frombuffer(data, dtype=np.uint8)
    if not len(text) or text[0] != OPENS:
        return False
    if int(np.max(np.diff(ends, prepend=-1, append=len(data)))) > LONGEST:
        return False
    ends = ends[:-1] if data.endswith(b"\n") else ends
    if len(ends) and ends[0] < 2:
        return False  # no object is as short
    before = text[ends - 1]
    if (before == RETURN).any():
        before = np.where(before == RETURN, text[ends - 2], before)
    return bool((before == CLOSES).all() and (text[ends + 1] == OPENS).all())


def _quoted_whole(data: bytes, delimiter: int) -> bool:
    """Whether quotation marks stand round whole cells, and twice within them.

    Arrow takes what follows the second mark as part of the cell, and a mark that is not closed where the text ends.
    """
    text = np.frombuffer(data, dtype=np.uint8)
    marks = np.flatnonzero(text == QUOTE)
    if len(marks) % 2:
        return False
    # Two within a cell end it, and begin it again.
    opens, closes = marks[0::2], marks[1::2]
    before = text[(opens[1:] if opens[0] == 0 else opens) - 1]
    after = text[(closes[:-1] if closes[-1] == len(text) - 1 else closes) + 1]
    beside = np.zeros(256, dtype=bool)
    beside[[delimiter, NEWLINE, QUOTE]] = True
    if not beside[before].all():
        return False
    beside[RETURN] = True
    return bool(beside[after].all())


def _escapes_nul(data: bytes) -> bool:
    # A single byte is looked for ten times as fast as six of them, and most logs have no backslash.
    return b"\\" in data and b"\\u0000" in data


class Blocks:
    """Reads blocks of one file. `rejected` is filled with (line, reason) as they come."""

    def __init__(self, layout: Layout) -> None:
        self.layout = layout
        self.rejected: list[tuple[int, str]] = []
        self._objects = Objects()

    def read(self, block: Block) -> Iterator[pa.Table]:
        """Tables of SCHEMA for the lines of the block."""
        table = self.whole(block)
        yield from self.parts(block) if table is None else [table]

    def whole(self, block: Block) -> pa.Table | None:
        """One table, if every line is a row beyond doubt. Several blocks may be read so at the same time."""
        try:
            return self._whole(block)
        except (Doubtful, pa.ArrowInvalid, pa.ArrowNotImplementedError, pa.ArrowTypeError, UnicodeDecodeError):
            return None

    def parts(self, block: Block) -> Iterator[pa.Table]:
        """Tables for the lines of a block in which there is doubt."""
        if block.lines <= SMALLEST:
            yield self._line_by_line(block)
            return
        each = max(SMALLEST, -(-block.lines // SPLIT))
        for first in range(0, block.lines, each):
            yield from self.read(block.part(first, first + each))

    def _line_by_line(self, block: Block) -> pa.Table:
        rows = []
        for number, line in enumerate(block.data.removesuffix(b"\n").split(b"\n"), block.number):
            if not line.strip():
                continue
            try:
                row = row_of(line, self.layout)
            except Rejected as wrong:
                self.rejected.append((number, str(wrong)))
            else:
                rows.append({**row, "line": number})
        return pa.Table.from_pylist(rows, schema=SCHEMA)

    def _whole(self, block: Block) -> pa.Table:
        """Raises Doubtful (or one of Arrow's errors) unless every line is a row beyond doubt."""
        (number, data, ends), lines = block, block.lines
        if b"\0" in data or (self.layout.kind == "jsonl" and (_escapes_nul(data) or not _one_on_each_line(data, ends))):
            raise Doubtful
        if not data.isascii():
            data.decode("utf-8")  # also where no column is: whoever reads a line by itself reads all of it
        given = self._json(block) if self.layout.kind == "jsonl" else self._csv(data)
        if any(len(column) != lines for column in given.values()):
            raise Doubtful  # empty lines, or quotation marks across lines
        for name in REQUIRED:
            if name not in given or given[name].null_count:
                raise Doubtful
        us, zoned = _instants(given.pop("ts"))
        columns: dict[str, Any] = {"us": us, "zoned": pa.array(np.full(lines, zoned))}
        for name, column in given.items():
            columns[name] = _sure(name, column)
        columns["line"] = pa.array(np.arange(number, number + lines))
        for name, kind in TYPES.items():
            if name not in columns:
                columns[name] = pa.nulls(lines, kind)
        return pa.table(columns)

    def _csv(self, data: bytes) -> dict[str, Any]:
        # To Arrow a carriage return by itself ends a row.
        if b"\r" in data and data.count(b"\r") != data.count(b"\r\n"):
            raise Doubtful
        if b'"' in data and not _quoted_whole(data, ord(self.layout.delimiter)):
            raise Doubtful
        names = [name or f"-{index}" for index, name in enumerate(self.layout.canonical())]
        # Of numbers Arrow knows more ways to be written than are counts.
        kinds = dict.fromkeys(TEXTS, ENCODED) | {name: pa.string() for name in (*COUNTS, *DIFFERENT, "ts")}
        kinds["refused"] = pa.bool_()
        kinds["params"] = ENCODED
        table = pyarrow.csv.read_csv(
            pa.py_buffer(data),
            pyarrow.csv.ReadOptions(column_names=names, block_size=PIECE, use_threads=False),
            pyarrow.csv.ParseOptions(delimiter=self.layout.delimiter),
            pyarrow.csv.ConvertOptions(
                column_types=kinds,
                include_columns=[name for name in names if name[0] != "-"],
                null_values=[""],
                strings_can_be_null=True,
                true_values=[v for t in TRUE for v in (t, t.title(), t.upper())],
                false_values=[v for t in FALSE for v in (t, t.title(), t.upper())],
                check_utf8=False,  # told at once for the whole block
            ),
        )
        return dict(zip(table.column_names, table.columns, strict=True))

    def _json(self, block: Block) -> dict[str, Any]:
        table = self._objects.read(block)
        found: dict[str, Any] = {}
        for source, column in zip(table.column_names, table.columns, strict=True):
            name = CANONICAL.get(source.lower())
            if name is None or column.null_count == len(column):
                continue
            if name in found:
                raise Doubtful  # two names of one column: which one counts is decided line by line
            found[name] = _text(column) if name in (*TEXTS, "ts") else column
        return found


def _text(column: Any) -> Any:
    """Strings; a list gives its first (finish reasons), a whole number its digits; an empty string is none."""
    if pa.types.is_list(column.type):
        column = pc.list_element(column, 0) if pc.min(pc.list_value_length(column)).as_py() else None
        if column is None:
            raise Doubtful
    if pa.types.is_dictionary(column.type):
        return column
    if not pa.types.is_string(column.type):
        return column if pa.types.is_floating(column.type) else column.cast(pa.string())
    if pc.min(pc.binary_length(column)).as_py() == 0:
        return pc.if_else(pc.equal(pc.binary_length(column), 0), None, column)
    return column


def _sure(name: str, column: Any) -> Any:
    """The column in the type of SCHEMA. Raises Doubtful where a value might be out of bounds."""
    if name in COUNTS:
        least, most = (100, 599) if name == "status" else (0, LARGEST_COUNT)
        if pa.types.is_string(column.type):
            decimal = pc.all(pc.ascii_is_decimal(column)).as_py()
            if not decimal or pc.max(pc.binary_length(column)).as_py() > COUNT_DIGITS:
                raise Doubtful
            column = column.cast(pa.int64())
        ends = pc.min_max(column).as_py()
        if ends["min"] < least or ends["max"] > most:
            raise Doubtful
        return column
    if name == "params":
        return _params_of(column)
    if name == "refused":
        return _truths(column) if pa.types.is_string(column.type) else column
    values = whole(column)
    texts = values.dictionary if pa.types.is_dictionary(values.type) else values
    longest = pc.max(pc.binary_length(texts)).as_py()
    if longest is not None and longest > BY_NAME[name].most:
        raise Doubtful
    return values


def _truths(column: Any) -> Any:
    said = pc.utf8_lower(column)
    true, false = (pc.is_in(said, pa.array(sorted(words))) for words in (TRUE, FALSE))
    if not pc.all(pc.or_(pc.or_(true, false), pc.is_null(said))).as_py():
        raise Doubtful
    return pc.if_else(pc.is_null(said), None, true)


def _params_of(column: Any) -> Any:
    """The kept parameters: of JSON texts each different one is read once; of objects, their fields."""
    if not pa.types.is_struct(column.type):
        values = whole(column)
        if not pa.types.is_dictionary(values.type):
            values = values.dictionary_encode()
        try:
            read = [_params(text) for text in values.dictionary.to_pylist()]
        except Rejected:
            raise Doubtful from None
        return pa.array(read, PARAMS).take(values.indices)
    column = pa.chunked_array(column).combine_chunks() if not isinstance(column, pa.ChunkedArray) else column
    flat = {field.name: array for field, array in zip(column.type, column.flatten(), strict=True)}
    logit = pc.fill_null(pc.is_valid(flat["logit_bias"]), False)
    if pc.any(logit).as_py():
        raise Doubtful  # whether an object is empty is seen line by line
    for name in ("max_tokens", "temperature", "n"):
        if (top := pc.max(pc.abs(flat[name])).as_py()) is not None and top >= 1e9:
            raise Doubtful
        if pc.any(pc.is_nan(flat[name])).as_py():  # what no JSON has, and Python reads all the same
            raise Doubtful
    said = pc.not_equal(flat["logprobs"].cast(pa.int64()), 0)
    said = pc.or_(pc.fill_null(said, False), pc.fill_null(pc.not_equal(flat["top_logprobs"], 0), False))
    several = pc.fill_null(pc.greater(flat["n"], 1), False)
    parts = [said, logit, flat["max_tokens"], flat["temperature"], several]
    arrays = [part.combine_chunks() if isinstance(part, pa.ChunkedArray) else part for part in parts]
    absent = pc.is_null(column).combine_chunks()
    return pa.StructArray.from_arrays(arrays, fields=list(PARAMS), mask=absent)


def _instants(column: Any) -> tuple[Any, bool]:
    """Microseconds since 1970 in UTC, and whether the zone is said; all of one kind, or Doubtful."""
    if pa.types.is_floating(column.type):
        us, zoned = _epochs(column.cast(pa.string()), column), True
    else:
        us, zoned = _read_times(column)
    ends = pc.min_max(us).as_py()
    if ends["min"] < EARLIEST_US or ends["max"] >= LATEST_US:
        raise Doubtful
    return us, zoned


def _read_times(column: Any) -> tuple[Any, bool]:
    if NUMBER.fullmatch(column[0].as_py()):
        return _epochs(column, None), True
    for unit, zone in (("us", "UTC"), ("ns", "UTC"), ("us", None), ("ns", None)):
        try:
            read = column.cast(pa.timestamp(unit, zone))
        except pa.ArrowInvalid:
            continue
        us = read.cast(pa.timestamp("us", zone), safe=False).cast(pa.int64())
        return us, zone is not None
    raise Doubtful


def _epochs(texts: Any, numbers: Any) -> Any:
    if not pc.all(pc.match_substring_regex(texts, r"^[1-9]\d{8,15}(\.\d+)?$")).as_py():
        raise Doubtful
    whole = pc.all(pc.match_substring_regex(texts, r"^\d+$")).as_py()
    values = (texts.cast(pa.int64()) if whole else texts.cast(pa.float64())).to_numpy()
    digits = np.floor(np.log10(np.floor(values))) + 1
    scale = np.where(digits <= 10, 1_000_000, np.where(digits <= 13, 1000, 1))
    return pa.array((values * scale) if whole else np.rint(values * scale).astype(np.int64))
