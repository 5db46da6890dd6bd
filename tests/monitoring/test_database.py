"""DuckDB is given Arrow's rows so that it waits for nobody."""

from __future__ import annotations

import subprocess
import sys

THREADS = """
import os
import duckdb, pyarrow as pa
from monitoring.intake.database import given

def threads():
    return len(os.listdir("/proc/self/task"))

rows = pa.table({"text": [str(n) for n in range(5000)]})
db = duckdb.connect(config={"threads": 1})
before = threads()
assert given(db, rows).aggregate("count(DISTINCT text)").fetchall() == [(5000,)]
between = threads()
db.from_arrow(rows).aggregate("count(DISTINCT text)").fetchall()
print(between - before, threads() - between)
"""


def test_rows_are_read_without_a_thread_of_arrows() -> None:
    """One that cannot be started, as there is no memory left, would be waited for without an end. A table, given as such,
    is read through some.
    """
    said = subprocess.run([sys.executable, "-c", THREADS], capture_output=True, text=True, check=True, timeout=60)
    as_a_stream, as_a_table = map(int, said.stdout.split())
    assert as_a_stream == 0
    assert as_a_table > 0, "the control: else the test shows nothing"
