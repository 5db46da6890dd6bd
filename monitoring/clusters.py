"""Clusters of prompt templates: which 64-bit simhashes are near-duplicates of one another.

Two templates are near when at most 10 of their 64 bits differ (short prompts; 3 is the strict bound for long ones). By
chance that happens to one pair of random hashes in a hundred million. Pure; numpy alone.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

NEAR = 10  # bits
SAMPLE = 16_000  # different templates that are compared with one another
CENTRES = 256
BLOCK = 512
Hashes = npt.NDArray[np.int64]


def clusters(templates: Hashes, counts: Hashes) -> tuple[Hashes, Hashes]:
    """(template, cluster) for every template that has a near one; all others are clusters of their own.

    `templates` are different 64-bit simhashes, `counts` how many rows have each. A cluster is named by its centre, the
    template with the most near ones. Of more than SAMPLE templates the most frequent half and a fixed choice of the others
    are compared with one another, then all with the centres that were found. The order of the input does not matter.
    """
    if not len(templates):
        return templates, templates
    sample = _sample(templates, counts)
    centres = _centres(sample)
    if not len(centres):
        return templates[:0], templates[:0]
    bits = templates.view(np.uint64)
    nearest = np.full(len(bits), 255, dtype=np.uint8)
    whose = np.zeros(len(bits), dtype=np.int64)
    for centre in centres:  # in the order of their size: of equally near ones the larger wins
        distance = np.bitwise_count(bits ^ centre.view(np.uint64))
        closer = (distance <= NEAR) & (distance < nearest)
        nearest[closer], whose[closer] = distance[closer], centre
    found = nearest <= NEAR
    return templates[found], whose[found]


def _sample(templates: Hashes, counts: Hashes) -> Hashes:
    if len(templates) <= SAMPLE:
        return np.sort(templates)
    heavy = templates[np.lexsort((templates, -counts))[: SAMPLE // 2]]
    # A fixed choice that depends on the value alone (Fibonacci hashing), not on the order of rows.
    with np.errstate(over="ignore"):
        drawn = templates.view(np.uint64) * np.uint64(11400714819323198485)
    return np.unique(np.concatenate([heavy, templates[np.argsort(drawn, kind="stable")[: SAMPLE // 2]]]))


def _centres(sample: Hashes) -> Hashes:
    """The templates around which the others lie, the one with the most near ones first; at least three in a cluster."""
    bits = sample.view(np.uint64)
    left: list[Any] = []
    right: list[Any] = []
    for start in range(0, len(bits), BLOCK):
        near = np.bitwise_count(bits[start : start + BLOCK, None] ^ bits[None, start:]) <= NEAR
        rows, columns = np.nonzero(near)
        apart = columns > rows
        left.append(rows[apart] + start)
        right.append(columns[apart] + start)
    pairs = np.concatenate(left), np.concatenate(right)
    neighbours: dict[int, set[int]] = {}
    for one, other in zip(*(side.tolist() for side in pairs), strict=True):
        neighbours.setdefault(one, set()).add(other)
        neighbours.setdefault(other, set()).add(one)
    centres: list[int] = []
    taken: set[int] = set()
    for index in sorted(neighbours, key=lambda i: (-len(neighbours[i]), i)):
        if index in taken:
            continue
        own = neighbours[index] - taken
        if len(own) >= 2:
            centres.append(index)
            taken |= own | {index}
            if len(centres) == CENTRES:
                break
    return sample[np.array(centres, dtype=np.int64)]
