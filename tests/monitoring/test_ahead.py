"""Several at a time: in their order, two at once, and what goes wrong is told where it was."""

from __future__ import annotations

import threading
from collections.abc import Iterator

import pytest

from monitoring.intake.ahead import AT_ONCE, several


def test_two_are_worked_on_at_once_and_come_in_their_order() -> None:
    # Whoever is alone waits here, and the test fails.
    meet = threading.Barrier(AT_ONCE, timeout=10)
    running: list[int] = []
    most: list[int] = []

    def work(number: int) -> int:
        running.append(number)
        most.append(len(running))
        meet.wait()
        running.remove(number)
        return number**2

    assert list(several(iter(range(6)), work)) == [(n, n**2) for n in range(6)]
    assert max(most) == AT_ONCE


def test_no_more_are_read_than_are_worked_on_or_wait() -> None:
    """A file does not lie in memory as a whole because its rows are slow to read."""
    read: list[int] = []

    def items() -> Iterator[int]:
        for number in range(100):
            read.append(number)
            yield number

    for number, _ in several(items(), str):
        assert len(read) <= number + AT_ONCE + 1


def test_what_goes_wrong_is_raised_in_its_place() -> None:
    pairs = several(iter([3, 2, 1, 0, 5]), lambda number: 6 // number)
    assert [next(pairs) for _ in range(3)] == [(3, 2), (2, 3), (1, 6)]
    with pytest.raises(ZeroDivisionError):
        next(pairs)
