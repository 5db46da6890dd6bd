"""Clusters of prompt templates: which 64-bit simhashes are near-duplicates of one another.

Two templates are near when at most 10 of their 64 bits differ (short prompts; 3 is the strict bound for long ones). By
chance that happens to one pair of random hashes in a hundred million. Pure; numpy and networkx.
"""

from __future__ import annotations

import networkx as nx
import numpy as np
import numpy.typing as npt

NEAR = 10  # bits
SAMPLE = 20_000  # different templates that are compared with one another
CENTRES = 256
BLOCK = 64  # templates that are compared with the others at a time
Hashes = npt.NDArray[np.int64]


def centres(sample: Hashes) -> Hashes:
    """The hashes around which a sample of different templates lies: the one with the most near ones first, and no fewer
    than three each. A centre is the majority of the templates near it, bit by bit (k-modes, Huang 1998), as the fillings
    of one template differ from one another by more than from what they have in common. The order of the input does not
    matter.
    """
    bits = np.sort(sample).view(np.uint64)
    near = np.zeros(len(bits), dtype=np.int64)
    for start in range(0, len(bits), BLOCK):
        close = np.bitwise_count(bits[start : start + BLOCK, None] ^ bits[start:]) <= NEAR
        near[start : start + BLOCK] += np.count_nonzero(close, axis=1) - 1
        near[start + BLOCK :] += np.count_nonzero(close[:, BLOCK:], axis=0)  # each pair is compared once
    found: list[np.uint64] = []
    free = np.ones(len(bits), dtype=bool)
    for index in np.lexsort((np.arange(len(bits)), -near)).tolist():
        if near[index] < 2 or len(found) == CENTRES:
            break
        if not free[index]:
            continue
        centre = bits[index]
        for _ in range(2):  # from a template that happens to be there to the middle of those around it
            own = (np.bitwise_count(bits ^ centre) <= NEAR) & free
            centre = _middle(bits[own]) if own.any() else centre
        own = (np.bitwise_count(bits ^ centre) <= NEAR) & free
        if np.count_nonzero(own) > 2:
            found.append(centre)
            free &= ~own
    return np.array(found, dtype=np.uint64).view(np.int64)


def _middle(bits: npt.NDArray[np.uint64]) -> np.uint64:
    """The hash each bit of which most of these have; of a tie, not set."""
    ones = np.unpackbits(bits.view(np.uint8).reshape(len(bits), 8), axis=1).sum(axis=0)
    return np.uint64(np.packbits(ones * 2 > len(bits)).view(np.uint64)[0])


def joined(around: Hashes) -> Hashes:
    """For each centre the first of those that are near one another, directly or over others (single linkage).

    The prompts of one long template with long fillings lie up to twenty bits apart: what is left round its first centre
    makes others. They are one cluster by the rule that makes any two templates near.
    """
    bits = around.view(np.uint64)
    near = nx.Graph()
    near.add_nodes_from(range(len(bits)))
    near.add_edges_from(np.argwhere(np.bitwise_count(bits[:, None] ^ bits[None, :]) <= NEAR).tolist())
    names = around.copy()
    for component in nx.connected_components(near):
        names[list(component)] = around[min(component)]
    return names


def clusters(templates: Hashes, around: Hashes, names: Hashes) -> Hashes:
    """For each template the name of the centre that is nearest (of two the first); itself where none is near."""
    bits = templates.view(np.uint64)
    least = np.full(len(bits), NEAR + 1, dtype=np.uint8)
    whose = templates.copy()
    for centre, name in zip(around, names, strict=True):
        apart = np.bitwise_count(bits ^ np.uint64(centre.view(np.uint64)))
        closer = np.flatnonzero(apart < least)
        least[closer], whose[closer] = apart[closer], name
    return whose
