"""The numbers that stand for texts: DuckDB's, however many texts are asked about at once; simhashes are their own."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import duckdb
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from monitoring.intake.numbers import Numbers, numbers_of, simhashes

HEX = st.text("0123456789abcdefABCDEF", min_size=16, max_size=16)
TEXTS = st.lists(st.none() | HEX | st.text(max_size=20) | st.just("0123456789abcde_") | st.just("é" * 8))


@pytest.fixture(scope="module")
def numbers() -> Iterator[Numbers]:
    found = Numbers()
    yield found
    found.close()


def by_hand(text: str | None) -> int | None:
    """As DuckDB has it, of one text alone."""
    if text is None:
        return None
    (number,) = duckdb.execute("SELECT hash(?::VARCHAR)", [text]).fetchone() or (None,)
    return signed(int(number))


def signed(number: int) -> int:
    return number - (1 << 64) if number >= 1 << 63 else number


@given(TEXTS, st.integers(0, 3))
def test_a_simhash_is_its_own_number_and_any_other_text_is_hashed(
    numbers: Numbers, texts: list[str | None], cut: int
) -> None:
    array = pa.array(texts, pa.string()).slice(cut)
    told = [signed(int(text, 16)) if _hexadecimal(text) else by_hand(text) for text in array.to_pylist()]
    found, simhashed = numbers.of_templates(array)
    assert found.to_pylist() == told
    own = simhashes(array)[1].tolist()
    assert simhashed == sum(own)
    assert own == [_hexadecimal(text) for text in array.to_pylist()]


@given(st.lists(st.none() | st.text(max_size=9)), st.lists(st.none() | st.text(max_size=9)), st.integers(0, 3))
def test_texts_that_are_asked_about_together_have_each_its_number(
    numbers: Numbers, ones: list[str | None], others: list[str | None], cut: int
) -> None:
    texts = {"one": pa.array(ones, pa.string()), "other": pa.array(others, pa.string()).slice(cut)}
    found = numbers.of(texts)
    assert list(found) == ["one", "other"]
    for name, array in texts.items():
        assert found[name].to_pylist() == [by_hand(text) for text in array.to_pylist()]


def test_a_name_has_the_number_of_its_rows(numbers: Numbers) -> None:
    names = [f"account {n}" for n in range(5000)]
    rows = numbers.of({"name": pa.array(names)})["name"].to_pylist()
    assert numbers_of(names) == dict(zip(names, rows, strict=True))
    assert len(set(rows)) == 5000
    assert rows[4711] == by_hand("account 4711"), "the answers are in the order of the questions"


def _hexadecimal(text: Any) -> bool:
    return isinstance(text, str) and len(text) == 16 and set(text) <= set("0123456789abcdefABCDEF")
