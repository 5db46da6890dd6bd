"""Parquet files: whole columns with types of their own, brought to the shape of text lines."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pyarrow.parquet as pq

from monitoring.intake.blocks import SCHEMA, Blocks
from monitoring.intake.opening import Layout, Unreadable, _said
from monitoring.schema import CANONICAL, HEADER_KEY, REQUIRED

if TYPE_CHECKING:
    from monitoring.intake.keeping import Kept

AT_ONCE = 100_000  # rows


def parquet_tables(path: Path, kept: Kept) -> Iterator[tuple[pa.Table, list[tuple[int, str]], float]]:
    """(rows, rejected rows by number from 1, the share of the file that has been read). Raises Unreadable."""
    try:
        file = pq.ParquetFile(path)
    except (pa.ArrowInvalid, OSError) as wrong:
        raise Unreadable("The Parquet file is damaged: its end cannot be read.") from wrong
    said = (file.schema_arrow.metadata or {}).get(HEADER_KEY.encode())
    if said:
        kept.header = _said(b'{"%s":%s}' % (HEADER_KEY.encode(), said)) or {}
    columns = {name: CANONICAL[name.lower()] for name in file.schema_arrow.names if name.lower() in CANONICAL}
    if missing := [name for name in REQUIRED if name not in columns.values()]:
        raise Unreadable(f"Not a usage log: the file has no column {', '.join(missing)}.")
    blocks, number, total = Blocks(Layout("jsonl", "", (), 0, {})), 1, max(1, file.metadata.num_rows)
    try:
        for batch in file.iter_batches(AT_ONCE, columns=list(columns)):
            table = pa.Table.from_batches([batch]).rename_columns([columns[name] for name in batch.schema.names])
            for part in blocks.read(number, _lines(table)):
                yield part, blocks.rejected, (number + table.num_rows) / total
                blocks.rejected = []
            number += table.num_rows
    except (pa.ArrowInvalid, OSError) as wrong:
        kept.notes.append(f"The Parquet file is damaged after row {number - 1:,} ({type(wrong).__name__}).")
        yield SCHEMA.empty_table(), [], 1.0


def _lines(table: pa.Table) -> bytes:
    """The rows as JSON lines: what a row is stays decided in one place."""
    import duckdb

    fields = ", ".join(f"'{name}': {_plain(name, table.schema.field(name).type)}" for name in table.column_names)
    with duckdb.connect() as db:
        db.execute("SET TimeZone = 'UTC'")
        db.register("rows", table)
        read: Any = db.execute(f"SELECT string_agg(({{{fields}}})::JSON::VARCHAR, chr(10)) FROM rows").fetchone()  # noqa: S608
    return str(read[0] if read else "").encode() + b"\n"


def _plain(name: str, kind: pa.DataType) -> str:
    if pa.types.is_timestamp(kind):
        zone = "Z" if kind.tz else ""
        return f"strftime(\"{name}\"::TIMESTAMP, '%Y-%m-%dT%H:%M:%S.%f') || '{zone}'"
    return f'"{name}"'
