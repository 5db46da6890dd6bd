"""The yardstick: the same rows as one referral leaves, in one plain SQL transaction a case, without any of our code."""

from __future__ import annotations

import json
import time
from typing import Any

import psycopg
from django.db import connection


def rows_of(case_id: int) -> dict[str, list[tuple[Any, ...]]]:
    """Every row that the referral of `case_id` wrote, by table, as read back from the database."""
    found: dict[str, list[tuple[Any, ...]]] = {}
    with connection.cursor() as cursor:
        for table, where in (
            ("cases_referral", "case_id = %(case)s"),
            ("ledger_event", "root_type = 'cases.case' AND root_id = %(case)s"),
            (
                "notifications_message",
                "(about_type, about_id) IN (SELECT 'cases.referral', id FROM cases_referral WHERE case_id = %(case)s)",
            ),
        ):
            cursor.execute(f"SELECT * FROM {table} WHERE {where}", {"case": case_id})
            found[table] = cursor.fetchall()
    return found


def refer_all(url: str, case_ids: list[int], sample: dict[str, list[tuple[Any, ...]]]) -> float:
    """Write those rows for each of `case_ids`; answers transactions a second, in this one process."""
    with psycopg.connect(url) as plain:
        columns = {table: _columns(plain, table) for table in sample}
        started = time.perf_counter()
        for case_id in case_ids:
            with plain.transaction(), plain.cursor() as cursor:
                cursor.execute("SELECT id FROM cases_case WHERE id = %s FOR UPDATE SKIP LOCKED", [case_id])
                cursor.execute(
                    "UPDATE cases_notice SET state = 'missed', remind_at = NULL WHERE case_id = %s AND state = 'issued'",
                    [case_id],
                )
                cursor.execute("UPDATE cases_case SET state = 'referred', remind_at = NULL WHERE id = %s", [case_id])
                for table, rows in sample.items():
                    _insert(cursor, table, columns[table], rows, case_id)
        return len(case_ids) / (time.perf_counter() - started)


def _columns(plain: Any, table: str) -> list[str]:
    with plain.cursor() as cursor:
        cursor.execute(f"SELECT * FROM {table} LIMIT 0")
        return [column.name for column in cursor.description]


def _insert(cursor: Any, table: str, columns: list[str], rows: list[tuple[Any, ...]], case_id: int) -> None:
    own = [i for i, name in enumerate(columns) if name != "id"]
    values: list[Any] = []
    for place, row in enumerate(rows):
        for i in own:
            value = row[i]
            if columns[i] == "case_id":
                value = case_id
            elif columns[i] in {"reference", "dedupe_key"} and table != "ledger_event":
                value = f"P{case_id:09d}-{place}"
            elif isinstance(value, dict | list) and columns[i] != "audience":
                value = json.dumps(value)
            values.append(value)
    names = ", ".join(columns[i] for i in own)
    one = "(" + ", ".join(["%s"] * len(own)) + ")"
    cursor.execute(f"INSERT INTO {table} ({names}) VALUES {', '.join([one] * len(rows))}", values)
