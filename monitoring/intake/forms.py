"""Lines of JSON that a program wrote, one like the other: read as delimited text.

Most logs have the same keys in the same order on each line. Cut at the commas between them, such a line has as many cells
as the first one, and each begins and ends as the first line's does; what is between is the value. Arrow reads that in
less time than JSON. A block with anything else in it (an escape, a key that is missing, a list) is not read here.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv

from monitoring.intake.numbers import whole
from monitoring.intake.opening import Block, Places
from monitoring.schema import BY_NAME, CANONICAL

OPENS, CLOSES, QUOTE, COMMA, SPACE = b'{}", '
BETWEEN = 0x1F  # in place of the commas: no JSON has it as it is
PIECE = 1 << 20  # bytes that are looked at together
CELLS_AT_MOST = 64
RESTORED_AT_MOST = 2 << 20  # bytes within the objects of a block: to look at one takes sixteen
OBJECTS_AT_MOST = 1000  # different ones in a block: each is read by itself
ENCODED = pa.dictionary(pa.int32(), pa.string())
DIFFERENT = ("prompt_hash", "template", "prefix_hash", "session")  # too many values to be worth a dictionary
# A key and its value: a text, an object without another in it, or something plain.
PAIR = re.compile(
    rb' *"(?P<key>[^"\\]*)" *: *(?:"(?P<text>[^"\\]*)"|(?P<object>\{[^{}\[\]]*\})|(?P<plain>[^"{}\[\], ]+))'
)
# What a value is that is no text, by the type of its column; and of what is no column. For RE2.
PLAIN = {
    "integer": r"^(0|[1-9][0-9]{0,8})$",
    "boolean": r"^(true|false|null)$",
    "object": r"^\{[^{}\[\]]*\}$",
    "": r"^(true|false|null|-?(0|[1-9][0-9]*)(\.[0-9]+)?([eE][+-]?[0-9]+)?)$",
}

Bytes = npt.NDArray[np.uint8]


class Otherwise(Exception):
    """Something is not written as is expected here; that does not make it wrong."""


@dataclass(frozen=True)
class Cell:
    """A key with its value: what stands before and after the value on each line."""

    key: str
    before: bytes
    after: bytes
    kind: str  # of the value: "string", or one of PLAIN

    @property
    def column(self) -> str:
        """Of a usage log; empty where nobody keeps it."""
        return CANONICAL.get(self.key.lower(), "")

    @property
    def type(self) -> pa.DataType:
        """As which Arrow reads it, with what stands round it."""
        often = self.kind != "string" or self.column not in ("", "ts", *DIFFERENT)
        return ENCODED if often else pa.string()

    def values(self, cells: pa.Array) -> Any:
        """What is within the cells, null where there is a null in place of a text. Of an object its text.

        Raises Otherwise unless all are written like this.
        """
        encoded = pa.types.is_dictionary(cells.type)
        values = self._within(cells.dictionary if encoded else cells)
        if self.kind == "object" and len(values) > OBJECTS_AT_MOST:
            raise Otherwise
        if self.kind == "integer":
            values = values.cast(pa.int64())
        elif self.kind == "boolean":
            values = pc.if_else(pc.equal(values, "null"), None, pc.equal(values, "true"))
        elif encoded and not values.null_count and pc.min(pc.binary_length(values)).as_py():
            return pa.DictionaryArray.from_arrays(cells.indices, values)
        return values.take(cells.indices) if encoded else values

    def _within(self, cells: pa.Array) -> pa.Array:
        sizes = pc.binary_length(cells)
        fit = pc.and_(
            pc.and_(pc.starts_with(cells, self.before.decode()), pc.ends_with(cells, self.after.decode())),
            pc.greater_equal(sizes, len(self.before) + len(self.after)),
        )
        # Without an end Arrow asks for less than no memory.
        end = -len(self.after) or pc.max(sizes).as_py()
        within = pc.binary_slice(cells.cast(pa.binary()), len(self.before), end).cast(pa.string())
        if not pc.all(fit).as_py():
            none = pc.equal(cells, (self.before[:-1] + b"null" + self.after[1:]).decode())
            if self.kind != "string" or not pc.all(pc.or_(fit, none)).as_py():
                raise Otherwise
            return pc.if_else(none, None, within)
        if self.kind in PLAIN and not pc.all(pc.match_substring_regex(within, PLAIN[self.kind])).as_py():
            raise Otherwise
        return within


class Form:
    """How each line of a file is written, learnt from one of them."""

    def __init__(self, line: bytes) -> None:
        """Raises Otherwise for a line from which nothing is to be learnt."""
        pairs: list[re.Match[bytes]] = []
        at, end = 1, len(line.removesuffix(b"}").rstrip(b" "))
        while (pair := PAIR.match(line, at)) is not None and len(pairs) < CELLS_AT_MOST:
            pairs.append(pair)
            at = pair.end() + 1
            if line[pair.end() : at] != b",":
                break
        if line[:1] != b"{" or line[-1:] != b"}" or not pairs or pairs[-1].end() != end:
            raise Otherwise
        # Spaces between a comma and the next key.
        self.gap = pairs[-1].start("key") - pairs[-1].start() - 1
        self.cells = [_cell(pair) for pair in pairs]
        self.cells[0] = replace(self.cells[0], before=b"{" + self.cells[0].before)
        self.cells[-1] = replace(self.cells[-1], after=self.cells[-1].after + line[end:])
        self.has_object = any(cell.kind == "object" for cell in self.cells)
        # Quotation marks on each line, but for those in its object.
        self.marks = sum(4 if cell.kind == "string" else 2 for cell in self.cells)

    def read(self, block: Block) -> pa.Table:
        """A column for each key that stands for one, named as in the file. Raises Otherwise unless each line is written in
        this form.
        """
        names = [str(place) for place in range(len(self.cells))]
        text, marks = self._cut(block)
        try:
            table = pyarrow.csv.read_csv(
                pa.py_buffer(text),
                pyarrow.csv.ReadOptions(column_names=names, block_size=PIECE, use_threads=False),
                pyarrow.csv.ParseOptions(delimiter=chr(BETWEEN), quote_char=False, ignore_empty_lines=False),
                pyarrow.csv.ConvertOptions(
                    column_types={name: cell.type for name, cell in zip(names, self.cells, strict=True)},
                    null_values=[],
                    check_utf8=False,  # told at once for the whole block
                ),
            )
        except pa.ArrowInvalid:  # not as many cells on each line
            raise Otherwise from None
        found = {}
        for cell, column in zip(self.cells, table.columns, strict=True):
            values = cell.values(whole(column))
            if cell.kind == "string":
                marks += 2 * values.null_count
            if cell.column:
                found[cell.key] = values  # of one key the last counts, as for Python
        # Each cell has the marks that it must have, so none has more: no text goes on behind one.
        if marks != self.marks * block.lines:
            raise Otherwise
        return pa.table(found)

    def _cut(self, block: Block) -> tuple[Bytes, int]:
        """The lines with BETWEEN for each comma after which a key begins; how many quotation marks are not in objects."""
        if b"\\" in block.data:
            raise Otherwise
        data = np.frombuffer(block.data, dtype=np.uint8)
        text, found, controls = np.empty_like(data), 0, 0
        braces: list[Places] = []
        for at in range(0, len(data), PIECE):
            piece = data[at : at + PIECE]
            marks = data[at : at + PIECE + 1 + self.gap] == QUOTE
            commas, key = piece == COMMA, marks[1 + self.gap :]
            commas[: len(key)] &= key
            commas[len(key) :] = False
            np.multiply(commas, np.uint8(COMMA ^ BETWEEN), out=text[at : at + PIECE])
            text[at : at + PIECE] ^= piece
            found += int(np.count_nonzero(marks[: len(piece)]))
            controls += int(np.count_nonzero(piece < SPACE))
            if self.has_object:
                # The two of them are two apart, and but for that bit alike when the first is taken off.
                braces.append(np.flatnonzero(((piece - OPENS) & ~np.uint8(CLOSES - OPENS)) == 0) + at)
        if controls != len(block.ends) or (braces and sum(map(len, braces)) != 4 * block.lines):
            raise Otherwise
        return text, found - _restored(text, np.concatenate(braces)) if braces else found


def _cell(pair: re.Match[bytes]) -> Cell:
    """Raises Otherwise where a column has a value that is not of its type."""
    key, [which] = pair["key"].decode(), [kind for kind in ("text", "object", "plain") if pair[kind] is not None]
    column = CANONICAL.get(key.lower(), "")
    kind = BY_NAME[column].type if column else "string" if which == "text" else ""
    before, after = pair.string[pair.start() : pair.start(which)], pair.string[pair.end(which) : pair.end()]
    if kind == "string" and pair["plain"] == b"null":
        before, after = before + b'"', b'"'
    elif which != {"string": "text", "object": "object"}.get(kind, "plain"):
        raise Otherwise
    return Cell(key, before, after, kind)


def _restored(text: Bytes, braces: Places) -> int:
    """Put back the commas in the object within each line, and say how many quotation marks are in these objects.

    There are four braces for each line. Where one has more or fewer, other commas are put back; then one has no object in
    the cell where it must have one.
    """
    begins, sizes = braces[1::4], braces[2::4] - braces[1::4]
    if sizes.sum() > RESTORED_AT_MOST:
        raise Otherwise
    within = np.arange(sizes.sum()) + np.repeat(begins - (np.cumsum(sizes) - sizes), sizes)
    found = text[within]
    text[within[found == BETWEEN]] = COMMA
    return int(np.count_nonzero(found == QUOTE))
