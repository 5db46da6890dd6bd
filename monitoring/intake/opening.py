"""Opening a file of rows: what it is compressed with, its header, and blocks of whole lines."""

from __future__ import annotations

import csv
import json
import sys
import zlib
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Any, NamedTuple, cast

import numpy as np
import numpy.typing as npt
import pyarrow.parquet as pq
from isal import isal_zlib

from monitoring.schema import CANONICAL, HEADER_KEY

if sys.version_info >= (3, 14):
    from compression import zstd
else:
    from backports import zstd

PACKED = 1 << 18  # bytes of a compressed file at a time
PIECE = 1 << 20  # bytes that are unpacked at a time: no more than a line may have
FEW = 1 << 16  # bytes: fewer are put together
# Bytes of text that are read at a time. Of twice as many, memory comes to lie in fragments: half a gigabyte for every
# fifty million rows.
BLOCK = 8 << 20
NEWLINE = 10
# The first bytes of a zstd frame, and the last three of a frame to be skipped, which pzstd writes first (RFC 8878).
ZSTD, SKIPPED = b"\x28\xb5\x2f\xfd", b"\x2a\x4d\x18"
MARK = b"\xef\xbb\xbf"
DAMAGE: Any = (EOFError, OSError, zlib.error, isal_zlib.IsalError, zstd.ZstdError)


HEADER_BYTES = 16_384
# Brackets within brackets. Of our own, as each version of Python goes to another depth.
NESTED_AT_MOST = 100


class Unreadable(Exception):
    """The file as a whole is no usage log; the message says why, for the person who handed it in."""


@dataclass(frozen=True)
class Limits:
    """How much of a hostile file is put up with. Sizes in bytes."""

    line: int = 1 << 20
    columns: int = 1000
    # A file that unpacks to more than `ratio` times its size, beyond the first `free` bytes, is refused.
    ratio: int = 250
    free: int = 256 << 20
    unpacked: int = 1 << 40
    # So many rejected lines are listed; all are counted.
    listed: int = 100_000


Places = npt.NDArray[np.int64]


class Block(NamedTuple):
    """Whole lines: the number of the first, the bytes, and where in them lines end (the last may have no end)."""

    number: int
    data: bytes
    ends: Places

    @property
    def lines(self) -> int:
        return len(self.ends) + (self.data[-1:] not in (b"", b"\n"))

    @property
    def after(self) -> int:
        """The number of the line that comes next."""
        return self.number + len(self.ends)

    def part(self, first: int, last: int | None = None) -> Block:
        """The lines from the `first` to before the `last`, counted from 0; to the end where there is no last."""
        ends = self.ends[first:last]
        start = 0 if first == 0 else int(self.ends[first - 1]) + 1 if first <= len(self.ends) else len(self.data)
        end = len(self.data) if last is None or last > len(self.ends) else int(self.ends[last - 1]) + 1
        return Block(self.number + first, self.data[start:end], ends - start)


def block_of(number: int, data: bytes) -> Block:
    """The lines of `data`, of which the first has this number."""
    text = np.frombuffer(data, dtype=np.uint8)
    # Piece by piece: of as many bytes as a block has, freed again and again, memory would come to lie in fragments.
    found = [np.flatnonzero(text[at : at + PIECE] == NEWLINE) + at for at in range(0, len(text), PIECE)]
    return Block(number, data, np.concatenate(found) if found else np.zeros(0, dtype=np.int64))


@dataclass
class Lines:
    """A text file as blocks of whole lines, and what was learnt on the way."""

    path: Path
    limits: Limits
    compression: str = "none"
    # Bytes of the file, as it lies there, that have been read.
    taken: int = 0
    notes: list[str] = field(default_factory=list)
    # The file ends in the middle (of a compressed stream, or by damage): its last line may be half a line.
    cut: bool = False
    too_long: list[int] = field(default_factory=list)
    # The last line, where what comes after it is lost: it may be a part of what it was.
    half: list[int] = field(default_factory=list)

    def blocks(self) -> Iterator[Block]:
        """Blocks of whole lines; lines over the limit are left out and named in `too_long`.

        Raises Unreadable for a file that unpacks beyond all measure.
        """
        number, skipping = 1, False
        whole: list[memoryview] = []  # whole lines, and of the line that has not ended yet
        rest: list[memoryview] = []
        whole_size = rest_size = 0
        for piece in _unmarked(self._unpacked()):
            start, end = 0, piece.rfind(b"\n") + 1
            if skipping:
                if not end:
                    continue
                start, skipping, number = piece.find(b"\n") + 1, False, number + 1
            view = memoryview(piece)
            first = piece.find(b"\n", start) + 1 if rest_size and end > start else 0
            if first and rest_size + first - 1 - start > self.limits.line:
                # The line that began in earlier pieces ends here, and is too long wherever the pieces were cut.
                if whole:
                    block = block_of(number, b"".join(whole))
                    yield block
                    number, whole, whole_size = block.after, [], 0
                self.too_long.append(number)
                number, start, rest, rest_size = number + 1, first, [], 0
            if end > start:
                whole += [*rest, view[start:end]]
                whole_size += rest_size + end - start
                rest, rest_size = [], 0
            rest.append(view[max(start, end) :])
            rest_size += len(rest[-1])
            too_long = rest_size > self.limits.line
            if whole and (too_long or whole_size >= BLOCK):
                block = block_of(number, b"".join(whole))
                yield block
                number, whole, whole_size = block.after, [], 0
            if too_long:
                self.too_long.append(number)
                rest, rest_size, skipping = [], 0, True
        if self.cut and rest_size:
            if whole:
                block = block_of(number, b"".join(whole))
                yield block
                number, whole = block.after, []
            self.half.append(number)
        elif whole_size + rest_size:
            yield block_of(number, b"".join(whole + rest))

    def _unpacked(self) -> Iterator[bytes]:
        size = self.path.stat().st_size
        with self.path.open("rb") as file:
            start = file.read(4)
            file.seek(0)
            self.compression, stream = _stream(start, file)
            total, few, more = 0, bytearray(), True
            while more:
                piece = b""
                try:
                    # read1: what is there, so that damage costs what comes after it and no more
                    piece = stream.read1(PIECE)
                except DAMAGE as wrong:
                    self.cut = True
                    self.notes.append(
                        f"The {self.compression} stream ends in the middle or is damaged ({type(wrong).__name__}); "
                        "what comes after is lost."
                    )
                self.taken = file.tell()
                more = bool(piece)
                total += len(piece)
                if total > self.limits.unpacked or (
                    self.compression != "none" and total > self.limits.free and total > self.limits.ratio * size
                ):
                    raise Unreadable(
                        f"The file unpacks to more than {self.limits.ratio} times its size. A usage log does not."
                    )
                if len(few) + len(piece) < FEW and more:
                    few += piece  # a million members of a byte each must not be a million pieces
                    continue
                if few:  # by itself: no piece is longer than a line may be
                    yield bytes(few)
                    few.clear()
                if piece:
                    yield piece


def _unmarked(pieces: Iterator[bytes]) -> Iterator[bytes]:
    """Without the mark with which some programs begin a text. Raises Unreadable for one of UTF-16."""
    start = b""
    for piece in pieces:
        start += piece
        if len(start) >= len(MARK):
            break
    if start[:2] in (b"\xff\xfe", b"\xfe\xff"):
        raise Unreadable("The file is in UTF-16. Save it as UTF-8.")
    yield start.removeprefix(MARK)
    yield from pieces


class _Gunzip:
    """A gzip stream, of several members perhaps, piece by piece: what comes before damage is not lost."""

    def __init__(self, file: IO[bytes]) -> None:
        self.file = file
        self.member = isal_zlib.decompressobj(wbits=31)

    def read1(self, size: int) -> bytes:
        """Up to `size` bytes, none at the end. Raises EOFError where the stream ends in the middle."""
        while True:
            if self.member.eof:
                packed = self.member.unused_data.lstrip(b"\0")  # some programs fill up the last block
                while not packed:
                    if not (more := self.file.read(PACKED)):
                        return b""
                    packed = more.lstrip(b"\0")
                self.member = isal_zlib.decompressobj(wbits=31)
            else:
                packed = self.member.unconsumed_tail or self.file.read(PACKED)
                if not packed:
                    raise EOFError("the compressed stream ends in the middle")
            if piece := self.member.decompress(packed, size):
                return bytes(piece)


def _stream(start: bytes, file: IO[bytes]) -> tuple[str, Any]:
    if start[:2] == b"\x1f\x8b":
        return "gzip", _Gunzip(file)
    if start == ZSTD or (start[1:] == SKIPPED and start[0] >> 4 == 5):
        return "zstd", zstd.ZstdFile(file)
    return "none", file


def parquet(path: Path, **how: Any) -> pq.ParquetFile:
    """A Parquet file to be read piece by piece: left to itself, Arrow keeps all that has been read until the end."""
    return pq.ParquetFile(path, pre_buffer=False, **how)


@dataclass(frozen=True)
class Layout:
    """How the rows are written: JSON objects or delimited, with which columns, after how many lines of header."""

    kind: str  # "jsonl" | "csv"
    delimiter: str
    columns: tuple[str, ...]  # of a delimited file, as its header names them
    skip: int  # lines before the first row
    header: dict[str, Any]  # what the preparing program said of itself

    def canonical(self) -> list[str | None]:
        """For each column of the file the name it has here, or None where the log has no such column."""
        return [CANONICAL.get(name.strip().lower()) for name in self.columns]


def layout_of(block: bytes, limits: Limits) -> Layout:
    """Read from the first lines. Raises Unreadable, in words for the person who handed the file in."""
    lines = block.split(b"\n", 3)[:3]
    skip, header = 0, {}
    if lines and (said := _said(lines[0])) is not None:
        skip, header = 1, said
    text = lines[skip].strip(b"\r ") if len(lines) > skip else b""
    if not text and len(lines) <= skip + 1:
        raise Unreadable("The file is empty.")
    if b"\0" in text:
        raise Unreadable("The file is not text: its first line has NUL bytes.")
    if text[:1] == b"{":
        return Layout("jsonl", "", (), skip, header)
    if text[:1] == b"[":
        raise Unreadable("The file is one JSON array. Write one JSON object on each line (JSON Lines).")
    try:
        names = text.decode("utf-8")
    except UnicodeDecodeError:
        raise Unreadable("The file is not UTF-8 text.") from None
    delimiter = max(",;\t", key=names.count)
    if names.count(delimiter) >= limits.columns:
        raise Unreadable(f"The header has {names.count(delimiter) + 1:,} columns; at most {limits.columns:,} are read.")
    try:
        columns = tuple(next(csv.reader([names], delimiter=delimiter), []))
    except csv.Error as wrong:
        raise Unreadable(f"The first line is no header: {wrong}. Lines end with a line feed.") from wrong
    layout = Layout("csv", delimiter, columns, skip + 1, header)
    known = [name for name in layout.canonical() if name]
    if not known:
        raise Unreadable("The first line is not a header: it names none of the columns of a usage log.")
    if twice := {name for name in known if known.count(name) > 1}:
        raise Unreadable(f"The header names a column twice: {', '.join(sorted(twice))}.")
    return layout


def _said(line: bytes) -> dict[str, Any] | None:
    """What the first line says of the file, where it is a header (docs/usage-log.md) and not a row."""
    if line.count(b"{") + line.count(b"[") > NESTED_AT_MOST:
        return {} if line.startswith(b"#") or HEADER_KEY.encode() in line[:64] else None
    try:
        value = json.loads(line.lstrip(b"# ").decode("utf-8"))
        if not isinstance(value, dict) or not isinstance(value.get(HEADER_KEY), dict):
            return {} if line.startswith(b"#") else None
        # It goes into the report, and into the database: what these cannot hold (NaN, half a character, NUL) is not taken,
        # nor what nobody would read.
        text = json.dumps(value, ensure_ascii=False, allow_nan=False)
        if len(text.encode("utf-8")) > HEADER_BYTES or "\\u0000" in text:
            return {}
    except (ValueError, RecursionError):
        return {} if line.startswith(b"#") or HEADER_KEY.encode() in line[:64] else None
    return cast("dict[str, Any]", value[HEADER_KEY])
