"""The 64-bit numbers that stand for texts in kept rows, in DuckDB's words."""

from __future__ import annotations

from collections.abc import Collection

import duckdb
import pyarrow as pa


def signed(number: str) -> str:
    """An unsigned 64-bit number as the signed one with the same bits, in SQL; only for few rows."""
    return (
        f"CASE WHEN {number} >= 9223372036854775808 THEN ({number}::HUGEINT - 18446744073709551616) ELSE {number} END"
    )


def number_of(kept: str, source: str) -> str:
    """The number that stands for a kept column, in SQL; a simhash (16 hexadecimal digits) is its own."""
    if kept == "template":
        return (
            "CASE WHEN length(template) = 16 THEN coalesce(try_cast('0x' || template AS UBIGINT), hash(template))"
            " WHEN template IS NOT NULL THEN hash(template) END AS template"
        )
    return f"CASE WHEN {source} IS NOT NULL THEN hash({source}) END AS {kept}"


def numbers_of(names: Collection[str]) -> dict[str, int]:
    """The number that stands for each name in kept rows (of every column but the template's)."""
    with duckdb.connect() as db:
        db.register("names", pa.table({"name": sorted(names)}, schema=pa.schema([("name", pa.string())])))
        found = db.execute(f"SELECT name, {signed('hash(name)')} FROM names").fetchall()  # noqa: S608
    return {name: int(number) for name, number in found}
