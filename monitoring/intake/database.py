"""DuckDB as rows are kept and read with it: within so much memory, on so many threads."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import duckdb
import pyarrow as pa

WRITTEN = "FORMAT parquet, COMPRESSION lz4, ROW_GROUP_SIZE 122880"
MEMORY = "1000MB"
THREADS = 2


def within(folder: Path, memory: str = MEMORY) -> dict[str, Any]:
    """DuckDB's settings: the memory it is given, and what does not fit beside the rows in `folder`."""
    return {
        "threads": THREADS,
        "memory_limit": memory,
        "temp_directory": str(folder / "spill"),
        "preserve_insertion_order": False,
        # The system keeps what was read of a file in memory already.
        "enable_external_file_cache": False,
        "autoinstall_known_extensions": False,
        "autoload_known_extensions": False,
    }


def connect(folder: Path, memory: str = MEMORY) -> duckdb.DuckDBPyConnection:
    """DuckDB within the memory it is given."""
    return duckdb.connect(config=within(folder, memory))


def given(db: duckdb.DuckDBPyConnection, rows: pa.Table) -> duckdb.DuckDBPyRelation:
    """Rows of Arrow's for DuckDB, to be read once.

    A table as such is read through threads that Arrow starts for it, and where one cannot be started, because there is no
    memory left, DuckDB waits for ever. A stream is read by whoever asks.
    """
    return db.from_arrow(rows.__arrow_c_stream__())
