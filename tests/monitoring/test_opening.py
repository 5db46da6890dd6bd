"""A file as blocks of whole lines, whatever the pieces are in which it is unpacked."""

from __future__ import annotations

import gzip
from itertools import pairwise
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from monitoring.intake import Limits, Unreadable, opening
from monitoring.intake.opening import Block, Lines, block_of

LONGEST = 12
CONTENT = st.lists(st.sampled_from([b"\n", b"a", b"bc", b"row", b"x" * 9, b"\r\n"]), max_size=60).map(b"".join)


def blocks_of(content: bytes, folder: Path, cuts: list[int]) -> tuple[list[Block], Lines]:
    """Read as gzip, of as many members as there are pieces between the cuts."""
    ends = [0, *sorted(c for c in cuts if c <= len(content)), len(content)]
    path = folder / "log.gz"
    path.write_bytes(b"".join(gzip.compress(content[a:b]) for a, b in pairwise(ends)))
    lines = Lines(path, Limits(line=LONGEST))
    return list(lines.blocks()), lines


@given(CONTENT, st.lists(st.integers(0, 200), max_size=8), st.integers(1, 40), st.integers(1, 9))
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_every_line_is_in_a_block_under_its_number_or_named_as_too_long(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, content: bytes, cuts: list[int], block: int, few: int
) -> None:
    monkeypatch.setattr(opening, "BLOCK", block)
    monkeypatch.setattr(opening, "FEW", few)
    monkeypatch.setattr(opening, "PIECE", block)
    found, lines = blocks_of(content, tmp_path, cuts)
    told = {}
    for number, data, ends in found:
        assert ends.tolist() == [at for at, byte in enumerate(data) if byte == 10]
        told |= dict(enumerate(data.removesuffix(b"\n").split(b"\n"), number))
    said = dict(enumerate(content.split(b"\n"), 1))
    if content.endswith(b"\n") or not content:
        said.popitem()
    for number, line in said.items():
        if number in told:
            assert told[number] == line
        else:
            assert number in lines.too_long
            assert len(line) > LONGEST
    assert set(told) <= set(said)


@pytest.mark.parametrize("cuts", [[], [1, 2, 3], list(range(9))])
def test_a_mark_at_the_beginning_is_no_text_in_whatever_pieces_it_comes(tmp_path: Path, cuts: list[int]) -> None:
    ((number, data, ends),), _ = blocks_of(b"\xef\xbb\xbfts,a\n1,2\n", tmp_path, cuts)
    assert (number, data, ends.tolist()) == (1, b"ts,a\n1,2\n", [4, 8])
    with pytest.raises(Unreadable, match="UTF-16"):
        blocks_of("ts,a\n".encode("utf-16"), tmp_path, cuts)


def test_members_of_a_byte_each_are_put_together(tmp_path: Path) -> None:
    content = b"0123456\n" * 2000
    found, _ = blocks_of(content, tmp_path, list(range(len(content))))
    assert [(b.number, len(b.ends)) for b in found] == [(1, 2000)]
    assert found[0].data == content


@given(CONTENT, st.integers(1, 9))
def test_parts_of_a_block_are_blocks_of_its_lines(content: bytes, each: int) -> None:
    block = block_of(5, content)
    parts = [block.part(first, first + each) for first in range(0, block.lines, each)]
    assert b"".join(part.data for part in parts) == content
    assert [part.number for part in parts] == list(range(5, 5 + block.lines, each))
    assert all(part.lines == each for part in parts[:-1])
    for part in (*parts, block.part(each)):
        assert part.ends.tolist() == block_of(0, part.data).ends.tolist()
    assert block.part(each).data == b"".join(part.data for part in parts[1:])
