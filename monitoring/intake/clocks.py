"""Clocks that were wrong: rows whose time lies far from all others'."""

from __future__ import annotations

from datetime import UTC, datetime
from itertools import accumulate
from pathlib import Path

import duckdb

DAY = 86_400_000_000  # microseconds
APART = 30  # days: nothing nearer to the middle half is far
WIDTHS = 3  # of the middle half: what is further beyond it is far out (Tukey 1977)
LISTED = 5


def far_off(db: duckdb.DuckDBPyConnection, rows_path: Path) -> list[str]:
    """A note on rows of kept rows that lie far from the middle half of all, by whole days; none where there are none.

    Far: more than three widths of the middle half, and more than 30 days, before its first day or after its last. They are
    counted all the same: which clock was right is not for the reader of a log to say.
    """
    rows = f"read_parquet('{rows_path}')"
    days = db.execute(f"SELECT us // {DAY} AS day, count(*) FROM {rows} GROUP BY 1 ORDER BY 1").fetchall()  # noqa: S608
    if not days:
        return []
    so_far = list(accumulate(count for _, count in days))
    first, last = (
        next(day for (day, _), n in zip(days, so_far, strict=True) if n >= so_far[-1] * q) for q in (0.25, 0.75)
    )
    apart = max(APART, WIDTHS * (last - first + 1))
    least, most = first - apart, last + apart
    count = sum(n for day, n in days if not least <= day <= most)
    if not count:
        return []
    found = db.execute(
        f"SELECT us, line FROM {rows} WHERE us // {DAY} NOT BETWEEN ? AND ? ORDER BY line LIMIT {LISTED}",  # noqa: S608
        [least, most],
    ).fetchall()
    named = ", ".join(f"line {line:,} ({_day(us)})" for us, line in found)
    more = f" and {count - len(found):,} more" if count > len(found) else ""
    said = (
        f"{count:,} rows have times far from the others, half of which are between {_day(first * DAY)} and "
        f"{_day(last * DAY)}: {named}{more}. The clock that wrote them may have been wrong; they are counted as they are."
    )
    return [said]


def _day(us: int) -> str:
    return datetime.fromtimestamp(us // 1_000_000, UTC).strftime("%Y-%m-%d")
