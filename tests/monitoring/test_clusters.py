"""Clusters of templates: near-duplicates by bits, whatever order they come in."""

from __future__ import annotations

import numpy as np
import pytest

from monitoring.clusters import centres, clusters, joined

BASE = 0x0F0F0F0F0F0F0F0F


def hashes(*numbers: int) -> np.ndarray:
    return np.array(numbers, dtype=np.uint64).view(np.int64)


def test_a_centre_is_the_majority_of_its_templates_bit_by_bit() -> None:
    # Each of four differs from the base in one bit of its own: every bit is set as in the base in three of four.
    around = centres(hashes(BASE ^ 1, BASE ^ 2, BASE ^ 4, BASE ^ 8))
    assert around.view(np.uint64).tolist() == [BASE]


def test_two_near_ones_are_no_cluster_and_three_are() -> None:
    assert not len(centres(hashes(BASE, BASE ^ 1)))
    assert centres(hashes(BASE, BASE ^ 1, BASE ^ 2)).view(np.uint64).tolist() == [BASE]


def test_the_larger_cluster_comes_first_and_far_ones_are_in_none() -> None:
    other = BASE ^ (2**64 - 1)
    sample = [BASE ^ (1 << n) for n in range(3)] + [other ^ (1 << n) for n in range(5)] + [0xFF]
    assert centres(hashes(*sample)).view(np.uint64).tolist() == [other, BASE]


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_the_order_of_templates_changes_no_centre(seed: int) -> None:
    draw = np.random.default_rng(seed)
    sample = hashes(*[BASE ^ (1 << int(draw.integers(64))) ^ (1 << int(draw.integers(64))) for _ in range(40)])
    assert centres(sample).tolist() == centres(draw.permutation(sample)).tolist()


def test_a_template_goes_to_the_nearest_centre_within_ten_bits_and_is_itself_beyond() -> None:
    other = BASE ^ ((1 << 16) - 1)  # 16 bits from the base
    around = hashes(BASE, other)
    ten, eleven = BASE ^ (((1 << 10) - 1) << 32), BASE ^ (((1 << 11) - 1) << 32)
    six, eight = BASE ^ ((1 << 6) - 1), BASE ^ ((1 << 8) - 1)  # 6 and 10 bits from the two; 8 and 8
    ten_of_other = BASE ^ ((1 << 10) - 1)  # 10 and 6
    given = hashes(ten, eleven, six, eight, ten_of_other)
    assert clusters(given, around, around).view(np.uint64).tolist() == [BASE, eleven, BASE, BASE, other]


def test_centres_that_are_near_one_another_are_one_cluster_and_others_are_not() -> None:
    # Ten bits from one to the next, twenty from the first to the third; eleven from there to the fourth.
    second, third = BASE ^ ((1 << 10) - 1), BASE ^ ((1 << 20) - 1)
    around = hashes(third, BASE, second, third ^ (((1 << 11) - 1) << 32))
    names = joined(around)
    assert names.tolist() == around[[0, 0, 0, 3]].tolist()
    assert clusters(hashes(BASE ^ (1 << 63)), around, names).tolist() == around[:1].tolist()
    assert not len(joined(hashes()))
