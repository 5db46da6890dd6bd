"""From blocks of numbers to a usage log: a pyarrow table, or gzipped JSON Lines or CSV, quickly."""

from __future__ import annotations

import json
from collections.abc import Iterable
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from isal import igzip

from bench.detection.content import NOBODY, NONE, WORDS, Block
from monitoring import schema

# Columns of a block that are identifiers, and their names in a log.
HASHED = {
    "account": "account",
    "key": "key",
    "net": "net",
    "payment": "payment",
    "prompt": "prompt_hash",
    "prefix": "prefix_hash",
    "session": "session",
}
WORDED = {
    "model": "model",
    "endpoint": "endpoint",
    "agent": "user_agent",
    "finish": "finish_reason",
    "params": "params",
}
COUNTS = ("input_tokens", "output_tokens", "status")
ROWS = 200_000  # formatted and compressed at a time

_HEX = np.frombuffer(b"".join(b"%02x" % byte for byte in range(256)), "S2")


def together(blocks: Iterable[Block]) -> Block:
    """All rows in order of time; rows of the same instant stay in the order of the blocks."""
    parts = list(blocks)
    joined = {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}
    order = np.argsort(joined["ts"], kind="stable")
    return {name: column[order] for name, column in joined.items()}


def hexadecimal(numbers: np.ndarray) -> pa.Array:
    """Each 64-bit number as 16 hexadecimal digits; 128 bits (two columns) as 32."""
    width = 16 if numbers.ndim == 1 else 32
    digits = _HEX[np.ascontiguousarray(numbers.astype(">u8")).view(np.uint8)].tobytes()
    offsets = np.arange(len(numbers) + 1, dtype=np.int32) * width
    return pa.StringArray.from_buffers(len(numbers), pa.py_buffer(offsets), pa.py_buffer(digits))


def hashes(numbers: np.ndarray, purpose: str) -> pa.Array:
    """What stands for a keyed hash: 128 bits mixed from the identifier and what it is of. Nobody's is null."""
    salt = np.uint64(int.from_bytes(purpose.encode()[:7].ljust(7), "big"))
    found = hexadecimal(np.stack([mixed(numbers ^ salt), mixed(numbers + salt)], axis=1))
    return found if (numbers != NOBODY).all() else pc.if_else(pa.array(numbers != NOBODY), found, None)


def account_name(account: np.uint64) -> str:
    """The name an account has in a log."""
    return hashes(np.array([account], np.uint64), "account")[0].as_py()


def mixed(numbers: np.ndarray) -> np.ndarray:
    """SplitMix64 (Steele, Lea, Flood 2014): neighbours come out unlike each other."""
    with np.errstate(over="ignore"):
        z = numbers + np.uint64(0x9E3779B97F4A7C15)
        z = (z ^ (z >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
        z = (z ^ (z >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
        return z ^ (z >> np.uint64(31))


def table(block: Block, start: int, without: Iterable[str] = ()) -> pa.Table:
    """The rows under the schema's names. `ts` is an instant (microseconds, UTC), `params` JSON; the start is in seconds
    since 1970. Columns of few values are dictionaries. Optional columns named in `without` are left out.
    """
    columns: dict[str, pa.Array] = {"ts": pa.array(block["ts"] + start * 1_000_000, pa.timestamp("us", "UTC"))}
    for name, title in HASHED.items():
        if title in ("prompt_hash", "prefix_hash", "session"):
            columns[title] = hashes(block[name], title)
        else:
            values, codes = np.unique(block[name], return_inverse=True)
            columns[title] = pa.DictionaryArray.from_arrays(pa.array(codes.astype(np.int32)), hashes(values, title))
    columns["template"] = hexadecimal(block["template"])
    words = pa.array(WORDS, pa.string())
    for name, title in WORDED.items():
        codes = pa.array(block[name], mask=block[name] == NONE)
        columns[title] = pa.DictionaryArray.from_arrays(codes, words)
    for name in COUNTS:
        columns[name] = pa.array(block[name].astype(np.int64))
    columns["refused"] = pa.array(block["refused"])
    left = set(without) - set(schema.REQUIRED)
    return pa.table({c.name: columns[c.name] for c in schema.COLUMNS if c.name not in left})


def write(rows: pa.Table, path: Path, header: dict[str, object] | None = None) -> None:
    """Write a log; the name says how: .csv.gz, otherwise gzipped JSON Lines. The same rows give the same bytes."""
    kind = kind_of(path)
    with path.open("wb") as raw, igzip.IGzipFile(filename="", mode="wb", compresslevel=1, fileobj=raw, mtime=0) as file:
        file.write(beginning(rows.column_names, kind, header))
        for start in range(0, len(rows), ROWS):
            file.write(lines(rows.slice(start, ROWS), kind))


def kind_of(path: Path) -> str:
    return "csv" if ".csv" in path.suffixes else "jsonl"


def beginning(names: list[str], kind: str, header: dict[str, object] | None = None) -> bytes:
    """What stands before the rows: the header of a prepared file, the names of a CSV's columns."""
    said = (
        []
        if header is None
        else [("# " if kind == "csv" else "") + json.dumps({schema.HEADER_KEY: header}, sort_keys=True)]
    )
    return "".join(f"{line}\n" for line in [*said, *([",".join(names)] if kind == "csv" else [])]).encode()


def lines(rows: pa.Table, kind: str) -> memoryview:
    """The rows as they stand in a file. At most a few hundred thousand: the text has 32-bit offsets."""
    return _csv(rows) if kind == "csv" else _json(rows)


def _json(rows: pa.Table) -> memoryview:
    pieces = []
    for number, name in enumerate(rows.column_names):
        quoted = f'"{name}":'
        text = _text(rows.column(name), name, quote=name != "params")
        piece = pc.binary_join_element_wise(("," if number else "{") + quoted, text, "")
        pieces.append(pc.fill_null(piece, ""))  # what is not known is not said
    return _buffer(pc.binary_join_element_wise(*pieces, "}\n", ""))


def _csv(rows: pa.Table) -> memoryview:
    pieces = []
    for name in rows.column_names:
        text = _text(rows.column(name), name, quote=False)
        if name in ("params", "user_agent"):
            text = pc.binary_join_element_wise('"', pc.replace_substring(text, '"', '""'), '"', "")
        pieces.append(pc.fill_null(text, ""))
    return _buffer(pc.binary_join_element_wise(pc.binary_join_element_wise(*pieces, ","), "\n", ""))


def _text(column: pa.ChunkedArray, name: str, *, quote: bool) -> pa.Array:
    """A column as text, quoted for JSON where it is text. No value here needs escaping but a user agent's."""
    array = column.combine_chunks()
    if pa.types.is_timestamp(array.type):
        array = pc.strftime(array.cast(pa.timestamp("ms", "UTC"), safe=False), "%Y-%m-%dT%H:%M:%SZ")
    elif pa.types.is_boolean(array.type):
        return pc.if_else(array, "true", "false")
    elif pa.types.is_integer(array.type):
        return array.cast(pa.string())
    if pa.types.is_dictionary(array.type):
        words = [None if word is None else json.dumps(word) if quote else word for word in array.dictionary.to_pylist()]
        return pa.array(words, pa.string()).take(array.indices)
    return pc.binary_join_element_wise('"', array, '"', "") if quote else array


def _buffer(texts: pa.Array) -> memoryview:
    """The texts of an array, end to end, without making a Python object of each."""
    _, offsets, data = texts.buffers()
    marks = np.frombuffer(offsets, np.int32)[texts.offset : texts.offset + len(texts) + 1]
    return memoryview(data)[marks[0] : marks[-1]] if len(texts) else memoryview(b"")
