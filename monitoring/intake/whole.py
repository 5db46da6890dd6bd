"""Parquet files: whole columns with types of their own, brought to the shape of text lines."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import duckdb
import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from monitoring.intake.blocks import SCHEMA, Blocks
from monitoring.intake.database import given
from monitoring.intake.opening import Layout, Limits, Unreadable, _said, block_of, parquet
from monitoring.schema import CANONICAL, HEADER_KEY, REQUIRED

if TYPE_CHECKING:
    from monitoring.intake.keeping import Kept

AT_ONCE = 100_000  # rows
AT_MOST = 64 << 20  # bytes of text
FAR = 1 << 62  # microseconds: 146,000 years
# The farthest time that has microseconds and can be reckoned with, by unit; nanoseconds are never as far.
FARTHEST = {"s": FAR // 1_000_000, "ms": FAR // 1000, "us": FAR}
STRANGE = "A column of the Parquet file is of a type that is not read (docs/usage-log.md)."
NOT_UTF8 = b"\xff"  # a line in place of one that cannot be written as text


def parquet_tables(path: Path, kept: Kept, limits: Limits) -> Iterator[tuple[pa.Table, list[tuple[int, str]], float]]:
    """(rows, rejected rows by number from 1, the share of the file that has been read). Raises Unreadable."""
    try:
        file = parquet(path)
    except (pa.ArrowInvalid, OSError) as wrong:
        raise Unreadable("The Parquet file is damaged: its end cannot be read.") from wrong
    size, groups = path.stat().st_size, range(file.metadata.num_row_groups)
    _measured(sum(file.metadata.row_group(n).total_byte_size for n in groups), size, limits)
    said = (file.schema_arrow.metadata or {}).get(HEADER_KEY.encode())
    if said:
        kept.header = _said(b'{"%s":%s}' % (HEADER_KEY.encode(), said)) or {}
    columns = {name: CANONICAL[name.lower()] for name in file.schema_arrow.names if name.lower() in CANONICAL}
    if missing := [name for name in REQUIRED if name not in columns.values()]:
        raise Unreadable(f"Not a usage log: the file has no column {', '.join(missing)}.")
    if len({name.lower() for name in columns}) < len(columns):
        raise Unreadable("The file names a column twice, in capitals and not.")
    if any(not _is_read(file.schema_arrow.field(name).type) for name in columns):
        raise Unreadable(STRANGE)
    # A text that is a million times in a column is once in the file; it must not be a million times in memory either.
    texts = [name for name in columns if _is_text(file.schema_arrow.field(name).type)]
    file = parquet(path, metadata=file.metadata, read_dictionary=texts)
    unpacked = 0
    blocks, number, total = Blocks(Layout("jsonl", "", (), 0, {})), 1, max(1, file.metadata.num_rows)
    try:
        for batch in file.iter_batches(_rows_at_once(file, columns, texts), columns=list(columns)):
            for piece, text in _pieces(pa.Table.from_batches([batch])):
                _measured(unpacked := unpacked + text, size, limits)
                for part in blocks.read(block_of(number, _lines(piece, columns))):
                    yield part, blocks.rejected, (number + piece.num_rows) / total
                    blocks.rejected = []
                number += piece.num_rows
    except (duckdb.Error, pa.ArrowNotImplementedError) as wrong:
        raise Unreadable(STRANGE) from wrong
    except (pa.ArrowInvalid, OSError) as wrong:
        kept.notes.append(f"The Parquet file is damaged after row {number - 1:,} ({type(wrong).__name__}).")
        yield SCHEMA.empty_table(), [], 1.0


def _is_read(kind: pa.DataType) -> bool:
    """Whether a column is of a type that DuckDB reads safely: a time of day beyond the day ends the process."""
    kinds = pa.types
    if isinstance(kind, pa.BaseExtensionType):
        return _is_read(kind.storage_type)
    if kinds.is_dictionary(kind):
        return _is_read(kind.value_type)
    if kinds.is_nested(kind):
        return all(_is_read(kind.field(place).type) for place in range(kind.num_fields))
    return not (kinds.is_time(kind) or kinds.is_duration(kind))


def _is_text(kind: pa.DataType) -> bool:
    """Whether a column is of texts, under any of the names that Arrow has for it: each library writes its own."""
    kinds = pa.types
    if kinds.is_dictionary(kind):
        kind = kind.value_type
    return bool(kinds.is_string(kind) or kinds.is_large_string(kind) or kinds.is_string_view(kind))


def _rows_at_once(file: pq.ParquetFile, columns: Collection[str], texts: Collection[str]) -> int:
    """How many rows are read together: no text can be longer than its column lies in the file, and what is not read by
    its dictionary (`texts`) may have it in every row.
    """
    longest = 0
    for name in set(columns) - set(texts):
        kind = file.schema_arrow.field(name).type
        if not (pa.types.is_primitive(kind) or pa.types.is_boolean(kind)):
            longest = max(longest, _lies(file, name))
    return max(1, min(AT_ONCE, AT_MOST // max(1, longest)))


def _lies(file: pq.ParquetFile, name: str) -> int:
    """The most bytes that a column, whatever is nested in it, has in a group of rows."""
    found = [0]
    for n in range(file.metadata.num_row_groups):
        group = file.metadata.row_group(n)
        parts = (group.column(place) for place in range(group.num_columns))
        found.append(sum(p.total_uncompressed_size for p in parts if f"{p.path_in_schema}.".startswith(f"{name}.")))
    return max(found)


def _measured(unpacked: int, size: int, limits: Limits) -> None:
    """Raises Unreadable for a file that unpacks beyond all measure."""
    if unpacked > limits.unpacked or (unpacked > limits.free and unpacked > limits.ratio * size):
        raise Unreadable(f"The file unpacks to more than {limits.ratio} times its size. A usage log does not.")


def _pieces(table: pa.Table) -> Iterator[tuple[pa.Table, int]]:
    """The rows in pieces of at most AT_MOST bytes of text, or of one row, and how many bytes of text they have."""
    sizes = np.zeros(table.num_rows, dtype=np.int64)
    for column in table.columns:
        for chunk in column.chunks if pa.types.is_dictionary(column.type) else ():
            sizes += pc.fill_null(pc.binary_length(chunk.dictionary).take(chunk.indices), 0).to_numpy(
                zero_copy_only=False
            )
    filled = np.cumsum(sizes) // AT_MOST
    start = 0
    for end in [*(np.flatnonzero(np.diff(filled)) + 1).tolist(), table.num_rows]:
        yield table.slice(start, end - start), int(sizes[start:end].sum())
        start = end


def _lines(table: pa.Table, columns: dict[str, str]) -> bytes:
    """The rows as JSON lines, one for each: what a row is stays decided in one place. `columns` are the names of those of
    the table as they are known here; of several with one name the first counts that has a value, as in JSON Lines.
    """
    for place, field in enumerate(table.schema):
        if pa.types.is_dictionary(field.type):
            table = table.set_column(place, field.name, table.column(place).cast(pa.string()))
        elif pa.types.is_float16(field.type):  # which DuckDB does not know
            table = table.set_column(place, field.name, table.column(place).cast(pa.float32()))
        elif pa.types.is_timestamp(field.type) and field.type.unit in FARTHEST:
            table = table.set_column(place, field.name, _within_calendars(table.column(place)))
    named: dict[str, list[str]] = {}
    for field in table.schema:
        named.setdefault(columns[field.name], []).append(_plain(field.name, field.type))
    fields = ", ".join(f"'{name}': coalesce({', '.join(values)})" for name, values in named.items())
    with duckdb.connect() as db:
        db.execute("SET TimeZone = 'UTC'")
        # A row with a text that is not UTF-8 is no JSON to DuckDB, and would be no line.
        line = f"coalesce(({{{fields}}})::JSON::VARCHAR, '')"
        read: Any = given(db, table).aggregate(f"string_agg({line}, chr(10))").fetchone()
    found = str(read[0] if read and read[0] else "").encode().split(b"\n")
    return b"\n".join(text or NOT_UTF8 for text in found) + b"\n"


def _within_calendars(column: pa.ChunkedArray) -> pa.ChunkedArray:
    """Timestamps that are so far away that they have no microseconds become some that are merely outside every calendar:
    DuckDB would fail for the whole column.
    """
    far = pa.scalar(FARTHEST[column.type.unit], pa.int64())
    # What is null stays so: in a second column of the name there may be a time.
    near = pc.max_element_wise(column.cast(pa.int64()), pc.negate(far), skip_nulls=False)
    return pc.min_element_wise(near, far, skip_nulls=False).cast(column.type)


def _plain(name: str, kind: pa.DataType) -> str:
    quoted = '"' + name.replace('"', '""') + '"'
    if pa.types.is_timestamp(kind):
        zone = "Z" if kind.tz else ""
        return f"strftime(try_cast({quoted} AS TIMESTAMP), '%Y-%m-%dT%H:%M:%S.%f') || '{zone}'"
    return quoted
