"""Lines read many at a time and one by one: what is accepted in blocks has the same values as when it is read with care."""

from __future__ import annotations

import csv
import io
import json
import math
import os
import re
from typing import Any

import hypothesis
import pytest
from hypothesis import strategies as st

from monitoring.intake.blocks import PIECE, Blocks, Doubtful
from monitoring.intake.forms import Form
from monitoring.intake.objects import FORMS_AT_MOST, Objects
from monitoring.intake.opening import Layout, Limits, block_of, layout_of
from monitoring.schema import COLUMNS, REQUIRED

SOAK = bool(os.environ.get("SOAK"))
PLAIN = {
    "ts": "2026-03-02T10:00:00Z",
    "account": "a1",
    "model": "owl",
    "input_tokens": 120,
    "output_tokens": 340,
    "status": 200,
    "refused": False,
    "params": {"max_tokens": 3, "logprobs": True},
}
# Values that programs write, or that somebody writes to see what happens, by what a column is.
TIMES = (
    "01772445600", "001772445600.5", "0x69a55aa0",
    "2026-03-02T10:00:00.123Z", "2026-03-02T10:00:00.123456789Z", "2026-03-02T12:00:00+02:00", "2026-03-02 10:00:00",
    "2026-03-02T10:00:00", "2026-03-02", "20260302T100000", "2026-03-02T24:00:00Z", "2026-03-02T10:00:60Z",
    " 2026-03-02T10:00:00Z", "2026-13-01T00:00:00Z", "1999-12-31T23:59:59Z", "2100-01-01T00:00:00Z", "soon", "",
    1772445600, 1772445600.5, 1772445600123, 1772445600123456, 1772445600123456789, "1772445600", "1772445600.25",
    "1772445600123", "１７７２４４５６００", 999_999_999, 1e9, 1e30, -5, None, True, [], {},
)  # fmt: skip
TEXTS = (
    '"', 'a" b', '""', int("9" * 4000),
    "", " a ", "é", "é" * 150, "x" * 200, "x" * 201, "null", "NaN", "true", "1e5", "-0", "007", "a\tb", "a\"b",
    "a,b", "a\\b", "a\nb", "a\rb", "a\r\nb", "\0", "\ud800", "\U0001f600", "\u2028", "c051f8c0bd61ea50",
    "C051F8C0BD61EA50", "c051f8c0_d61ea50", 5, -5, 2**63, 10**25, 1.5, -0.0, 1e400, None, True, [], {}, ["stop"],
    ["stop", "length"], [""], [None], [1], [True], [[]],
)  # fmt: skip
COUNTS = (
    "0x10", "-0", "00000000000000007", int("9" * 4000),
    0, 7, 1.0, 1.5, -1, -0.0, 100, 599, 600, 99, 100_000_000, 100_000_001, 2**63, 10**25, "7", " 7", "07", "+7",
    "7.0", "", "x", "٧", None, True, [], {},
)  # fmt: skip
TRUTHS = (
    True, False, "true", "True", "TRUE", "tRuE", "yes", "No", "0", "1", " true", "t", 1, 0, 2, 1.0, "", None, [], {},
)  # fmt: skip
PARAMS = (
    {"logprobs": -1}, {"top_logprobs": -1}, {"n": int("9" * 4000)},
    {}, {"logprobs": 3}, {"logprobs": 0}, {"logprobs": "x"}, {"logprobs": None}, {"top_logprobs": 2},
    {"top_logprobs": 1.5}, {"logit_bias": {}}, {"logit_bias": {"1": 2}}, {"logit_bias": None}, {"logit_bias": []},
    {"n": 2}, {"n": 2.5}, {"n": True}, {"max_tokens": "5"}, {"max_tokens": 1e9}, {"max_tokens": 1e400},
    {"temperature": 0}, {"temperature": math.nan}, {"seed": 1}, {"seed": "x"}, {"seed": {"a": 1}}, {"": 1},
    {"a/b": 1}, {"n/": 1}, {"N": 2}, {"temperature": [1]}, '{"n": 3}', '{"n": 3', "[]", "", "x", 5, [], None, True,
)  # fmt: skip
OTHER_KEYS = (
    "region", "", "/", "a/b", "account/", "ts/", "params/n", "é", "a\nb", "Key", "KEY", "\u212aey", "NET", "ACCOUNT",
    "user.id", "Status", "tpl", "us", "line", "zoned", "x) changed from", "Column(/x) was specified twice",
    "unexpected field",
)  # fmt: skip
OTHERS = (None, True, 0, 2.5, 1e30, 10**25, "s", "", [], [1], {}, {"a": 1}, {"account": "q"})
OF = {"integer": COUNTS, "boolean": TRUTHS, "object": PARAMS, "string": TEXTS}


def values_of(name: str, kind: str) -> st.SearchStrategy[Any]:
    return st.sampled_from(TIMES if name == "ts" else OF[kind])


@st.composite
def objects(draw: st.DrawFn) -> list[bytes]:
    """Lines of JSON: rows beyond doubt, in some of which one thing or two are otherwise."""
    present = [c for c in COLUMNS if c.required or draw(st.booleans())]
    usual: dict[str, Any] = {c.name: PLAIN.get(c.name, f"{c.name}-1") for c in present}
    for column in draw(st.lists(st.sampled_from(present), max_size=2)):
        usual[column.name] = draw(values_of(column.name, column.type))
    found = []
    for _ in range(draw(st.integers(1, 4))):
        row = dict(usual)
        for column in draw(st.lists(st.sampled_from(present), max_size=1)):
            row[column.name] = draw(values_of(column.name, column.type))
        pairs = list(row.items())
        for _ in range(draw(st.integers(0, 2))):
            key = draw(st.sampled_from((*OTHER_KEYS, *row)))
            pairs.insert(draw(st.integers(0, len(pairs))), (key, draw(st.sampled_from(OTHERS))))
        ascii_only = draw(st.booleans())
        said = ", ".join(f"{json.dumps(k)}: {json.dumps(v, ensure_ascii=ascii_only)}" for k, v in pairs)
        found.append(f"{{{said}}}".replace("Infinity", "1e400").encode("utf-8", "surrogatepass"))
    return draw(st.sampled_from((found, found, found, elsewhere(draw, found))))


def elsewhere(draw: st.DrawFn, found: list[bytes]) -> list[bytes]:
    """Two objects on one line, one on two, lines of nothing: perhaps as many lines as objects, in the end."""
    text = b"\n".join(found)
    for _ in range(draw(st.integers(1, 3))):
        ends = [
            at for at in range(len(text)) if text[at : at + 2] in (b"}\n", b", ", b"}{") or text[at : at + 1] == b"\n"
        ]
        at = draw(st.sampled_from(ends or [0]))
        between = draw(st.sampled_from((b"", b"\n", b" ", b"\r\n", b"\n\n")))
        text = text[: at + 1] + between + text[at + 1 :].removeprefix(draw(st.sampled_from((b"", b"\n"))))
    return text.split(b"\n")


@st.composite
def delimited(draw: st.DrawFn) -> list[bytes]:
    """A header and lines of cells."""
    present = [c for c in COLUMNS if c.required or draw(st.booleans())]
    usual: dict[str, Any] = {c.name: PLAIN.get(c.name, f"{c.name}-1") for c in present}
    rows = [[c.name for c in present]]
    for _ in range(draw(st.integers(1, 4))):
        row = dict(usual)
        for column in draw(st.lists(st.sampled_from(present), max_size=2)):
            row[column.name] = draw(values_of(column.name, column.type))
        cells = ["" if v is None else json.dumps(v) if isinstance(v, dict | list) else str(v) for v in row.values()]
        rows.append(draw(st.sampled_from((cells, cells, cells, cells, cells[:-1], [*cells, "x"]))))
    out = []
    end = draw(st.sampled_from((b"", b"", b"\r")))
    quoting = draw(st.sampled_from((csv.QUOTE_MINIMAL, csv.QUOTE_ALL)))
    for row in rows:
        text = io.StringIO()
        csv.writer(text, quoting=quoting, lineterminator="").writerow(row)
        line = text.getvalue().encode("utf-8", "surrogatepass") + end
        if out and draw(st.integers(0, 7)) == 0:
            at = draw(st.integers(0, len(line)))
            line = line[:at] + draw(st.sampled_from((b'"', b'""', b'"x"', b" ", b'x"'))) + line[at:]
        out.append(line)
    return [*out, b""] if draw(st.integers(0, 9)) == 0 else out


def one_by_one(layout: Layout, found: list[bytes]) -> tuple[list[dict[str, Any]], list[tuple[int, str]]]:
    blocks = Blocks(layout)
    table = blocks._line_by_line(block_of(1, b"\n".join(found)))
    return table.to_pylist(), blocks.rejected


def many(
    layout: Layout, found: list[bytes], each: int, end: bytes, forms: int
) -> tuple[list[dict[str, Any]], list[tuple[int, str]]]:
    """In blocks of `each` lines: what the first are like is what is expected of the others. `end` is that of the last.
    As if of so many `forms` in which lines may be written none had been right yet.
    """
    blocks, rows = Blocks(layout), []
    blocks._objects._forms_left = forms
    for start in range(0, len(found), each):
        block = b"\n".join(found[start : start + each]) + (b"\n" if start + each < len(found) else end)
        for table in blocks.read(block_of(1 + start, block)) if block else ():
            rows += table.to_pylist()
    return rows, blocks.rejected


def compare(found: list[bytes], each: int, end: bytes) -> None:
    # What a text has within it that ends a line is cut there, as it would be in a file.
    found = b"\n".join(found).split(b"\n")
    layout = layout_of(b"\n".join(found), Limits())
    alone = one_by_one(layout, found[layout.skip :])
    for forms in (FORMS_AT_MOST, 0) if layout.kind == "jsonl" else (0,):
        assert many(layout, found[layout.skip :], each, end, forms) == alone


EACH, ENDS = st.integers(1, 4), st.sampled_from((b"\n", b""))
ROW = b'"ts": "2026-03-02T10:00:00Z", "account": "a", "model": "owl", "input_tokens": 1, "output_tokens": 2, "status": 200}'


@hypothesis.settings(max_examples=30_000 if SOAK else 800, derandomize=not SOAK)
@hypothesis.given(found=objects(), each=EACH, end=ENDS)
# The key of the second line is `key` spelled with a kelvin sign.
@hypothesis.example(found=[b"{" + ROW, b'{"\\u212aey": null, ' + ROW, b'{"Key": true, ' + ROW], each=1, end=b"\n")
# Two objects on one line, and a line of nothing.
@hypothesis.example(found=[b"{" + ROW + b" {" + ROW, b""], each=2, end=b"\n")
@hypothesis.example(found=[b"{" + ROW, b"{" + ROW, b"", b"{" + ROW + b"{" + ROW], each=2, end=b"")
@hypothesis.example(found=[b"{" + ROW, b"{" + ROW, b"\r", b"{" + ROW + b"{" + ROW], each=2, end=b"")
# What has no keys, alone in its block.
@hypothesis.example(found=[b"{" + ROW, b"null", b"{" + ROW, b"null"], each=1, end=b"")
def test_objects_are_read_alike(found: list[bytes], each: int, end: bytes) -> None:
    compare(found, each, end)


@hypothesis.settings(max_examples=30_000 if SOAK else 600, derandomize=not SOAK)
@hypothesis.given(found=delimited(), each=EACH, end=ENDS)
# The quotation mark of the last line is not closed.
@hypothesis.example(found=[",".join([*REQUIRED, "key"]).encode(), b'1772445600,a,owl,1,2,200,"x'], each=1, end=b"\n")
# What follows a closing quotation mark; a count in hexadecimal digits.
@hypothesis.example(found=[",".join([*REQUIRED, "key"]).encode(), b'1772445600,a,owl,1,2,200,"x"y'], each=1, end=b"\n")
@hypothesis.example(found=[",".join(REQUIRED).encode(), b"1772445600,a,owl,0x10,2,200"], each=1, end=b"\n")
# One line too many, and one that is none.
@hypothesis.example(
    found=[",".join(REQUIRED).encode(), b"1772445600,a,owl,1,2,200\r1772445600,b,owl,1,2,200", b""], each=2, end=b"\n"
)
def test_cells_are_read_alike(found: list[bytes], each: int, end: bytes) -> None:
    compare(found, each, end)


USUAL = {**{c.name: "x" for c in COLUMNS if c.type == "string"}, **PLAIN, "region": "north", "ms": 5}
PLAIN_LINE = json.dumps(USUAL, separators=(",", ":")).encode()
WAYS = (
    # What some programs let pass and JSON does not know, or Python knows in one spelling.
    (b"}", b",}"), (b"}", b", }"), (b'"ms":5', b'"ms":nan'), (b'"ms":5', b'"ms":NaN'), (b'"ms":5', b'"ms":-inf'),
    (b'"ms":5', b'"ms":Infinity'), (b'"ms":5', b'"ms":INFINITY'), (b'"ms":5', b'"ms":[1,nan]'), (b'"ms":5', b'"ms":[1,]'),
    (b'"max_tokens":3', b'"max_tokens":nan'), (b'"max_tokens":3', b'"max_tokens":3,'), (b'"ms":5', b'"ms":-5'),
    # What may be read as another text, or as a text what is none.
    (b'"ms":5', b'"ms":1E2'), (b":120", b":120.0"), (b":120", b":1.2E2"), (b":120", b":-0"), (b":120", b":0120"),
    (b'"session":"x"', b'"session":5'), (b'"session":"x"', b'"session":5.0'), (b'"session":"x"', b'"session":true'),
    (b'"session":"x"', b'"session":["x"]'), (b'"session":"x"', b'"session":{"x":1}'), (b'"session":"x"', b'"session":null'),
    (b'"session":"x"', b'"session":"x","session":"y"'), (b'"session":"x"', b'"session":"x","session":null'),
    (b'"session":"x"', b'"session":"","session_id":"y"'), (b'"session":"x"', b'"session_id":"y","session":"x"'),
    (b'"session":"x"', b'"session":"x\\u0041"'), (b'"session":"x"', b'"Session":"x"'),
    (b'"session":"x"', b'"session" :"x"'),
    (b'"session":"x"', b'"session":\t"x"'), (b'"session":"x"', b'"session":"\t"'), (b'"session":"x"', b'"session":"x\x7f"'),
    (b'"session":"x"', b'"session":12345678901234567890123456789012e9'), (b'"session":"x"', b'"session":":"'),
    (b'"refused":false', b'"refused":"False"'), (b'"refused":false', b'"refused":0'), (b'"refused":false', b'"refused":no'),
    (b'"ms":5', b'"ms":' + b"[" * 99 + b"]" * 99), (b'"ms":5', b'"ms":' + b"[" * 100 + b"]" * 100),
    (b'"params":{', b'"params":{"x":' + b"[" * 98 + b"]" * 98 + b","),
    (b'"params":{', b'"params":{"x":' + b"[" * 99 + b"]" * 99 + b","),
    # Something before the object, behind it, or another one.
    (b'{"ts"', b' {"ts"'), (b"}", b"} "), (b"}", b"}\r"), (b"}", b"}}"), (b"}", b"} x"), (PLAIN_LINE, PLAIN_LINE * 2),
    (PLAIN_LINE, b""), (PLAIN_LINE, b"null"), (PLAIN_LINE, b"[" + PLAIN_LINE + b"]"), (PLAIN_LINE, PLAIN_LINE[:-30]),
)  # fmt: skip


@pytest.mark.parametrize(("old", "new"), WAYS)
@pytest.mark.parametrize("first", [False, True])
def test_a_line_among_usual_ones_says_what_it_says_alone(old: bytes, new: bytes, first: bool) -> None:
    head, found, tail = PLAIN_LINE.rpartition(old)
    assert found, "the line is as it was"
    odd = head + new + tail
    assert odd != PLAIN_LINE
    compare(
        [odd, PLAIN_LINE, PLAIN_LINE] if first and odd.startswith(b"{") else [PLAIN_LINE, odd, PLAIN_LINE], 3, b"\n"
    )
    compare([PLAIN_LINE, odd, PLAIN_LINE, odd], 1, b"")
    if odd.startswith(b"{"):
        compare([odd] * 3, 3, b"\n")


# What stands between the values, and what is like it.
SIGNS = (
    b'"', b",", b":", b"{", b"}", b'","', b'":"', b'",', b',"', b':"', b'"}', b"{}", b"}{", b'""', b" ", b"[", b"]", b"\\",
    b"\x01", b"\x1f", b"\x7f", b"\xff", b"\xc3\xa9", b"\r", b"\t", b"0", b"-", b".", b"e1", b"null", b"true", b'"ms":5,',
    b',"ms":5', b'"session":"', b'"a":"b",', b'"params":{', b'"params":null,',
)  # fmt: skip
SPACED_LINE = json.dumps(USUAL).encode()

ALIKE = (
    PLAIN_LINE, SPACED_LINE, PLAIN_LINE.replace(b"{", b"{ ").replace(b"}", b" }"),
    re.sub(rb'"params":\{.*?\},', b"", PLAIN_LINE), PLAIN_LINE.replace(b'"x"', b"null"), PLAIN_LINE.replace(b'"x"', b'""'),
    PLAIN_LINE.replace(b"north", b"N\xc3\xb6rd, a:b"), PLAIN_LINE.replace(b":5", b":null"),
)  # fmt: skip


@st.composite
def bent(draw: st.DrawFn) -> list[bytes]:
    """Lines alike, and one in which signs are put in, left out or in place of others, perhaps at several places."""
    usual = draw(st.sampled_from(ALIKE))
    odd = usual
    for _ in range(draw(st.integers(1, 3))):
        at = draw(st.sampled_from([n for n in range(len(odd)) if odd[n : n + 1] in b'",:{}5'] or [0]))
        at += draw(st.integers(0, 1))
        odd = odd[:at] + draw(st.sampled_from((b"", *SIGNS))) + odd[at + draw(st.integers(0, 2)) :]
    return (
        draw(st.sampled_from(([usual, odd, usual], [odd, usual, odd], [odd]))) if odd.startswith(b"{") else [usual, odd]
    )


@hypothesis.settings(max_examples=30_000 if SOAK else 800, derandomize=not SOAK)
@hypothesis.given(found=bent(), each=EACH, end=ENDS)
# A mark that is left out in one place, and one more in another.
@hypothesis.example(
    found=[PLAIN_LINE, PLAIN_LINE.replace(b'"region":"north"', b'"region":"north').replace(b":5", b':5"')],
    each=2,
    end=b"",
)
@hypothesis.example(
    found=[PLAIN_LINE, PLAIN_LINE.replace(b'"session":"x"', b'"session":"').replace(b"north", b'nor"th')],
    each=2,
    end=b"",
)
# Cut off, where nothing else says how lines end.
@hypothesis.example(found=[b"{" + ROW[:-1]], each=1, end=b"")
@hypothesis.example(found=[b"{" + ROW, b'{"x": [5], ' + ROW, b"{" + ROW[:-1] + b" "], each=1, end=b"\n")
# The object is none, and there is one within a text.
@hypothesis.example(
    found=[PLAIN_LINE, re.sub(rb'("params":)\{.*?\}', rb"\1null", PLAIN_LINE).replace(b"north", b'{","}')],
    each=2,
    end=b"",
)
def test_a_line_bent_among_others_is_read_alike(found: list[bytes], each: int, end: bytes) -> None:
    compare(found, each, end)


HEAD = b'{"ts":"2026-03-02T10:00:00Z","account":"a","model":"owl","input_tokens":1,"output_tokens":2,"status":200'


@pytest.mark.parametrize("digits", [400, 401, 500, 501])
def test_a_number_for_a_text_may_have_so_many_digits(digits: int) -> None:
    compare([HEAD + b',"user_agent":' + b"9" * digits + b"}"] * 2, 2, b"\n")


def test_rows_beyond_doubt_are_read_many_at_a_time() -> None:
    """Else the tests above would compare nothing."""
    line = json.dumps({**{c.name: "x" for c in COLUMNS if c.type == "string"}, **PLAIN}).encode()
    for found in ([line, line], [",".join(REQUIRED).encode(), *2 * [b"1772445600,a,owl,1,2,200"]]):
        layout = layout_of(b"\n".join(found), Limits())
        body = found[layout.skip :]
        assert Blocks(layout)._whole(block_of(1, b"\n".join(body) + b"\n")).num_rows == 2


@pytest.mark.parametrize("line", ALIKE)
def test_lines_alike_are_read_as_their_form_says(line: bytes, monkeypatch: pytest.MonkeyPatch) -> None:
    """Else the form would be given up, and what is above would compare Arrow's reading of JSON alone."""
    monkeypatch.setattr(Objects, "_any", None)
    found = [line, *(line.replace(b'"x"', value).replace(b":120", b":7") for value in (b'"y"', b"null", b'""'))]
    read = many(layout_of(line, Limits()), found, 4, b"\n", FORMS_AT_MOST)
    assert read == one_by_one(layout_of(line, Limits()), found)
    assert len(read[0]) == 4


def test_a_form_that_is_not_that_of_the_others_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    """So often as there are forms to be tried, and learnt anew in between."""
    learnt: list[bytes] = []
    monkeypatch.setattr("monitoring.intake.objects.Form", lambda line: learnt.append(line) or Form(line))
    blocks = Blocks(layout_of(PLAIN_LINE, Limits()))
    other = PLAIN_LINE.replace(b',"ms":5', b"")
    for lines in ([PLAIN_LINE, PLAIN_LINE], [PLAIN_LINE, other], [other, other], *[[other, PLAIN_LINE]] * 20):
        assert blocks.whole(block_of(1, b"\n".join(lines))).num_rows == 2
    assert learnt == [PLAIN_LINE, other, *[other] * (FORMS_AT_MOST - 2)]


def test_a_mark_that_is_open_where_arrow_cuts_is_seen() -> None:
    """Arrow reads a block in pieces. Of the whole text it takes a mark that is not closed as closed at the end."""
    line = b"1772445600,a,owl,1,2,200,xx\n"
    found = [line] * (2 * PIECE // len(line))
    last = PIECE // len(line) - 1  # of the first piece
    found[last : last + 2] = [line.replace(b"xx", b'"x'), line.replace(b"xx", b'x"')]
    block = block_of(1, b"".join(found))
    blocks = Blocks(layout_of(",".join([*REQUIRED, "key"]).encode() + b"\n" + line, Limits()))
    with pytest.raises(Doubtful):
        blocks._whole(block)
    assert sum(table.num_rows for table in blocks.read(block)) == len(found) - 1
    assert blocks.rejected == [(last + 1, "has a quotation mark that is not closed")]
