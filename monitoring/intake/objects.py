"""Lines that are JSON objects, many at once: as a table of the keys that stand for columns, by Arrow.

Lines that are written one like the other are read by their form (`forms`), the others as JSON.

What nobody expects makes no columns: Arrow is told which keys there may be, and what else there is is looked for in the
text.
"""

from __future__ import annotations

import json
import re
import threading
from collections.abc import Collection, Iterator
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.json

from monitoring.intake.forms import Form, Otherwise
from monitoring.intake.lines import TEXTS
from monitoring.intake.opening import NESTED_AT_MOST, Block
from monitoring.schema import BY_NAME, CANONICAL

# Names of columns in one file, spelled in capitals or not: beyond it each line is read alone.
KEYS_AT_MOST = 64
BRACE, BRACKET = b"{["
# Types under which Arrow passes over values that stand for nothing.
SIMPLE = {str: pa.string(), bool: pa.bool_(), int: pa.float64(), float: pa.float64()}
# So often it is learnt from a line how the others are written: to try costs a part of what it saves.
FORMS_AT_MOST = 8
# By key, or by the key of an object and the key within it.
Others = dict[tuple[str, ...], pa.DataType]
# What Arrow says of a key whose value is not of its type, or that is twice in a line.
ABOUT = re.compile(r"Column\((.*)\) (?:changed from|was specified twice)", re.DOTALL)
# What is no JSON, and is a number to Arrow or to Python, each in its own spelling.
NO_NUMBER = re.compile(rb"[:,\[]\s*-?(?:Inf|NaN)")


class Doubtful(Exception):
    """Something in the block needs to be looked at line by line."""


class Objects:
    """Reads blocks of one file, several at a time; what the first lines are like is what is expected of the others."""

    def __init__(self) -> None:
        self._sources: dict[str, pa.DataType] | None = None
        self._others: Others | None = None
        self._too_many_names = False
        self._form: Form | None = None
        self._forms_left = FORMS_AT_MOST
        self._one = threading.Lock()

    def read(self, block: Block) -> pa.Table:
        """A column for each key that stands for one, named as in the file, and perhaps others.

        Raises Doubtful, or one of Arrow's errors, where lines have to be looked at one by one.
        """
        if self._too_many_names:
            raise Doubtful
        form = self._form
        if self._forms_left:
            try:
                form = self._form = form or Form(block.part(0, 1).data.removesuffix(b"\n"))
                return form.read(block)
            except Otherwise:
                pass
        with self._one:
            table = self._any(block)
            if self._form is form and self._forms_left:
                # The lines are right, and written otherwise than was thought.
                self._form, self._forms_left = None, self._forms_left - 1
        return table

    def _any(self, block: Block) -> pa.Table:
        """The lines, however they are written."""
        data = block.data
        if self._sources is None:
            self._sources, self._others = _sources(data), _others(data)
        table = self._expected(data, self._sources)
        if table is None:
            # A column that the first lines do not have is read as what it is from here on.
            self._sources |= {name: _kind(CANONICAL[name.lower()]) for name in _late(data, self._sources)}
            if len(self._sources) > KEYS_AT_MOST:
                self._too_many_names = True
                raise Doubtful
            if _many_brackets(block) > NESTED_AT_MOST or NO_NUMBER.search(data):
                raise Doubtful
            table = _read_json(data, self._sources, "ignore")
        return table

    def _expected(self, data: bytes, sources: dict[str, pa.DataType]) -> pa.Table | None:
        """The lines if they have no other keys than the first ones had; None where there are others, and from then on."""
        if self._others is None:
            return None
        try:
            table = _read_json(data, _schema(sources, self._others), "error")
        except pa.ArrowInvalid as wrong:
            # What is wrong with a key that stands for nothing is no fault of its line.
            about = ABOUT.search(str(wrong))
            others = {"/" + "/".join(where) for where in self._others}
            if "unexpected field" in str(wrong) or (about and about[1] in others):
                self._others = None
                return None
            raise
        for (name, *within), kind in self._others.items():
            if pa.types.is_floating(kind):
                column = pc.struct_field(table[name], within[0]) if within else table[name]
                if not pc.all(pc.is_finite(column), min_count=0).as_py():
                    raise Doubtful
        return table


def _first(data: bytes) -> Iterator[dict[str, Any]]:
    """The first lines that are objects."""
    for line in data.split(b"\n", 200)[:200]:
        try:
            value = json.loads(line)
        except (ValueError, RecursionError):
            continue
        if isinstance(value, dict):
            yield value


def _sources(data: bytes) -> dict[str, pa.DataType]:
    """The JSON names of columns in this file with the Arrow type to read each as, told from the first lines.

    A line that has other types fails as a whole and is read on its own.
    """
    kinds: dict[str, pa.DataType] = {}
    for row in _first(data):
        for key, inner in row.items():
            name = CANONICAL.get(key.lower())
            if name and (key not in kinds or inner is not None):
                kinds[key] = _seen(name, inner)
    return kinds


def _others(data: bytes) -> Others | None:
    """The other keys of the first lines, with a type under which Arrow passes over them.

    If no line has any but these, names of columns need not be looked for in the text. None where there is more to one of
    them than a plain value.
    """
    kinds: Others = {}
    for row in _first(data):
        for where, inner in _unknown(row):
            if where not in kinds and len(kinds) == KEYS_AT_MOST:
                return None
            if inner is None:
                kinds.setdefault(where, pa.null())
                continue
            kind = SIMPLE.get(type(inner))
            if kind is None or kinds.get(where, kind) not in (kind, pa.null()):
                return None
            kinds[where] = kind
    return kinds


def _unknown(row: dict[str, Any]) -> Iterator[tuple[tuple[str, ...], Any]]:
    known = {field.name for field in _params_struct({})}
    for key, value in row.items():
        if key.lower() not in CANONICAL:
            yield (key,), value
        elif CANONICAL[key.lower()] == "params" and isinstance(value, dict):
            yield from (((key, name), inner) for name, inner in value.items() if name not in known)


def _schema(sources: dict[str, pa.DataType], others: Others) -> dict[str, pa.DataType]:
    """Of the columns, and of the other keys beside and within them."""
    all_of = dict(sources)
    for (name, *within), kind in others.items():
        if not within:
            all_of[name] = kind
        elif pa.types.is_struct(all_of[name]):
            all_of[name] = pa.struct([*all_of[name], (within[0], kind)])
    return all_of


def _late(data: bytes, sources: Collection[str]) -> set[str]:
    """The names in `data` that stand for a column and are not among `sources`.

    Arrow is never asked to make columns of what it does not expect: rows each with a key of its own would be a table of
    as many columns as rows. Of more names than an honest file has, the first are enough.
    """
    if len(sources) > KEYS_AT_MOST:
        return set()
    other = _other_names(sources)
    if not pc.match_substring_regex(pa.array([data], pa.large_binary()), other)[0].as_py():
        return set()
    lines = pa.array(data.split(b"\n"), pa.binary())
    found: set[str] = set()
    for line in lines.filter(pc.match_substring_regex(lines, other)):
        try:
            value = json.loads(line.as_py())
        except (ValueError, RecursionError):
            raise Doubtful from None
        names = value if isinstance(value, dict) else ()
        found |= {name for name in names if name.lower() in CANONICAL and name not in sources}
        if len(found) + len(sources) > KEYS_AT_MOST:
            break
    return found


def _many_brackets(block: Block) -> int:
    """The most that begin in one line: no value of it goes deeper."""
    text = np.frombuffer(block.data, dtype=np.uint8)
    begin = np.flatnonzero((text == BRACE) | (text == BRACKET))
    so_far = np.searchsorted(begin, block.ends)
    return int(np.max(np.diff(so_far, prepend=0, append=len(begin))))


def _other_names(sources: Collection[str]) -> str:
    """A pattern (RE2) of JSON keys that may stand for a column, however written, other than `sources` as they are written.

    It matches more than that (keys with letters that are not ASCII): what is matched is looked at.
    """
    # A letter that is not ASCII may be another's small or capital one (a kelvin sign for K).
    plain = [name for name in sources if name.isascii()]
    known = {name.lower() for name in plain}
    either = [f"(?i:{re.escape(name)})" for name in CANONICAL if name not in known]
    for name in plain:
        either += [
            f"{re.escape(name[:at])}{letter.swapcase()}(?i:{re.escape(name[at + 1 :])})"
            for at, letter in enumerate(name)
            if letter.swapcase() != letter
        ]
    return rf'"(?:{"|".join(either)})"\s*:|(?:\\u|[\x80-\xff])[^"]*"\s*:'


def _read_json(data: bytes, sources: dict[str, pa.DataType], others: str) -> pa.Table:
    return pyarrow.json.read_json(
        pa.py_buffer(data),
        pyarrow.json.ReadOptions(block_size=4 << 20),
        pyarrow.json.ParseOptions(explicit_schema=pa.schema(list(sources.items())), unexpected_field_behavior=others),
    )


def _kind(name: str) -> pa.DataType:
    match BY_NAME[name].type:
        case "integer":
            return pa.int64()
        case "boolean":
            return pa.bool_()
        case "object":
            return _params_struct({})
    return pa.string()


def _seen(name: str, value: Any) -> pa.DataType:
    if name == "params" and isinstance(value, dict):
        return _params_struct(value)
    if isinstance(value, list) and name == "finish_reason":
        return pa.list_(pa.string())
    if isinstance(value, str):
        return pa.string()
    if isinstance(value, int) and not isinstance(value, bool) and name in (*TEXTS, "ts"):
        return pa.int64()
    if isinstance(value, float) and name == "ts":
        return pa.float64()
    return _kind(name)


def _params_struct(seen: dict[str, Any]) -> pa.DataType:
    counted = isinstance(seen.get("logprobs"), int) and not isinstance(seen.get("logprobs"), bool)
    return pa.struct(
        [
            ("logprobs", pa.int64() if counted else pa.bool_()),
            ("top_logprobs", pa.int64()),
            ("logit_bias", pa.struct([])),
            ("max_tokens", pa.float64()),
            ("temperature", pa.float64()),
            ("n", pa.float64()),
        ]
    )
