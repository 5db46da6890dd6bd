"""One line of a log, read with care: the row, or why it is not one.

This is what a row is. `blocks` reads many at a time and gives to this module whatever it is not sure of.
"""

from __future__ import annotations

import csv
import json
import math
import re
from datetime import UTC, datetime, timedelta
from typing import Any

import numpy as np

from monitoring.intake.opening import NESTED_AT_MOST, Layout
from monitoring.schema import BY_NAME, CANONICAL, COLUMNS, LARGEST_COUNT, REQUIRED

TEXTS = tuple(c.name for c in COLUMNS if c.type == "string" and c.name != "ts")
WHOLE = re.compile(r"\d{1,12}")
NUMBER = re.compile(r"\d{9,20}(\.\d+)?")
EARLIEST, LATEST = datetime(2000, 1, 1, tzinfo=UTC), datetime(2100, 1, 1, tzinfo=UTC)
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
EARLIEST_US = int(EARLIEST.timestamp()) * 1_000_000
LATEST_US = int(LATEST.timestamp()) * 1_000_000
TRUE, FALSE = {"true", "1", "yes"}, {"false", "0", "no"}
# Longer fractions than a microsecond are cut.
FRACTION = re.compile(r"(\.\d{6})\d+")


# Half of a pair that stands for one character, and the end of a text in other languages.
UNKEEPABLE = re.compile("[\0\ud800-\udfff]")
# No cell is longer than a line may be, and what is in a column that nobody keeps is no reason to reject its line.
csv.field_size_limit(1 << 20)
READ_DIGITS = 400  # of a whole number; one of more is no count and no name, and Python would not read it
# To the end of the line, where no mark closes it.
QUOTED = re.compile(r'"[^"\\]*(?:\\.[^"\\]*)*"?')
STEPS = np.zeros(256, dtype=np.int32)
STEPS[[*b"{["]] = 1
STEPS[[*b"}]"]] = -1


class Rejected(Exception):
    """The line is no row; the message is the reason as it is counted and listed."""


def row_of(line: bytes, layout: Layout) -> dict[str, Any]:
    """The row, by column names of the schema, with `us` (microseconds since 1970, UTC) and `zoned` in place of ts.

    Raises Rejected.
    """
    if b"\0" in line:
        raise Rejected("has NUL bytes")
    try:
        text = line.decode("utf-8")
    except UnicodeDecodeError:
        raise Rejected("is not UTF-8") from None
    given = _object(text) if layout.kind == "jsonl" else _cells(text, layout)
    values = {}
    for name, value in given.items():
        if name not in values and value is not None and value != "":
            values[name] = value
    for name in REQUIRED:
        if name not in values:
            raise Rejected(f"has no {name}")
    us, zoned = instant(values.pop("ts"))
    row: dict[str, Any] = {"us": us, "zoned": zoned}
    for name, value in values.items():
        row[name] = _value(name, value)
    return row


def _object(text: str) -> dict[str, Any]:
    value = _loaded(text, "is not a JSON object")
    if not isinstance(value, dict):
        raise Rejected("is not a JSON object")
    found: dict[str, Any] = {}
    for key, inner in value.items():
        name = CANONICAL.get(str(key).lower())
        if name and found.get(name) in (None, ""):
            found[name] = inner
    return found


def _loaded(text: str, otherwise: str) -> Any:
    """The JSON value. Raises Rejected, with the reason `otherwise` where it is none."""
    if _is_nested_deeply(text):
        raise Rejected(f"is nested more than {NESTED_AT_MOST} deep")
    try:
        return json.loads(text, parse_int=_number)
    except ValueError:
        raise Rejected(otherwise) from None


def _is_nested_deeply(text: str) -> bool:
    if text.count("{") + text.count("[") <= NESTED_AT_MOST:
        return False
    signs = np.frombuffer(QUOTED.sub("", text).encode(), dtype=np.uint8)
    return bool(np.cumsum(STEPS[signs]).max(initial=0) > NESTED_AT_MOST)


def _number(digits: str) -> int | float:
    return int(digits) if len(digits) <= READ_DIGITS else math.inf


def _cells(text: str, layout: Layout) -> dict[str, Any]:
    try:
        cells = next(csv.reader([text.rstrip("\r")], delimiter=layout.delimiter, strict=True), [])
    except (csv.Error, StopIteration):
        raise Rejected("has a quotation mark that is not closed") from None
    if len(cells) != len(layout.columns):
        raise Rejected(f"has {len(cells)} cells where the header has {len(layout.columns)}")
    return {name: cell for name, cell in zip(layout.canonical(), cells, strict=True) if name}


def instant(value: Any) -> tuple[int, bool]:
    """Microseconds since 1970 in UTC, and whether the zone was said. Without one it is taken as UTC, and counted."""
    if isinstance(value, bool) or not isinstance(value, str | int | float):
        raise Rejected("has a ts that is no time")
    text = str(value).strip() if isinstance(value, str) else repr(value)
    if NUMBER.fullmatch(text):
        us = _epoch(text)
        zoned = True
    else:
        try:
            at = datetime.fromisoformat(FRACTION.sub(r"\1", text))
        except ValueError:
            raise Rejected("has a ts that is no time") from None
        zoned = at.tzinfo is not None
        try:
            at = at.astimezone(UTC) if zoned else at.replace(tzinfo=UTC)
        except OverflowError:
            raise Rejected("has a ts before 2000 or after 2099") from None
        us = (at - EPOCH) // timedelta(microseconds=1)
    if not EARLIEST_US <= us < LATEST_US:
        raise Rejected("has a ts before 2000 or after 2099")
    return us, zoned


def _epoch(text: str) -> int:
    """Seconds, milliseconds, microseconds or nanoseconds, told by their size."""
    whole, _, fraction = text.partition(".")
    digits = len(whole)
    scale = 1_000_000 if digits <= 10 else 1000 if digits <= 13 else 1
    if fraction:
        return round(float(text) * scale) if digits <= 16 else int(whole) // 1000
    return int(whole) * scale if digits <= 16 else int(whole) // 1000


def _value(name: str, value: Any) -> Any:
    column = BY_NAME[name]
    match column.type:
        case "integer":
            return _whole(name, value)
        case "boolean":
            return _truth(name, value)
        case "object":
            return _params(value)
    if isinstance(value, list) and name == "finish_reason":
        value = value[0] if value else None
        if value is None or value == "":
            return None
    if isinstance(value, str) and UNKEEPABLE.search(value):
        raise Rejected(f"has a {name} with characters that no text has")
    if isinstance(value, bool | list | dict) or (isinstance(value, float) and not math.isfinite(value)):
        raise Rejected(f"has a {name} that is no text")
    text = str(value)
    if len(text) > column.most:
        raise Rejected(f"has a {name} of more than {column.most} characters")
    return text


def _whole(name: str, value: Any) -> int:
    if isinstance(value, str):
        value = int(value) if WHOLE.fullmatch(value.strip()) else None
    if isinstance(value, bool) or not isinstance(value, int) or not 0 <= value <= LARGEST_COUNT:
        raise Rejected(f"has a {name} that is no count")
    if name == "status" and not 100 <= value <= 599:
        raise Rejected("has a status that is no HTTP status")
    return value


def _truth(name: str, value: Any) -> bool:
    text = str(value).strip().lower()
    if text in TRUE:
        return True
    if text in FALSE:
        return False
    raise Rejected(f"has a {name} that is neither true nor false")


def _params(value: Any) -> dict[str, Any]:
    """What is kept of the parameters: flags and small numbers (indicator I9)."""
    if isinstance(value, str):
        value = _loaded(value, "has params that are no JSON object")
    if not isinstance(value, dict):
        raise Rejected("has params that are no JSON object")

    def number(key: str) -> float | None:
        found = value.get(key)
        if not isinstance(found, int | float) or isinstance(found, bool) or not abs(found) < 1e9:
            return None
        return float(found)

    return {
        "logprobs": bool(value.get("logprobs") or value.get("top_logprobs")),
        "logit_bias": bool(value.get("logit_bias")),
        "max_tokens": number("max_tokens"),
        "temperature": number("temperature"),
        "several": (number("n") or 1) > 1,
    }
