"""How likely it is that a set is tied by chance alone. Pure; numpy and pandas.

Who uses a network says nothing, under chance, about who uses a template. So the accounts of some things of one kind and
those of some things of another lie on one another as two draws without regard to each other do, however the things of one
kind go together among themselves: that is the hypergeometric distribution.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from itertools import permutations

import numpy as np
import numpy.typing as npt
import pandas as pd

from monitoring.coordination import FAMILY, Found
from monitoring.reference import LEAST

CUTS = 12  # choices of things of one kind that are tried: those that most of the set use, then more and more of them
Accounts = npt.NDArray[np.int64]


def of_chance(found: list[Found], shared: pd.DataFrame, having: Mapping[str, Accounts]) -> list[float]:
    """For each set the probability that things of two families would lie on one another as much by chance, at least 1e-9.

    `shared` is that from which the sets were made (account, kind, thing); `having` has by kind the accounts that have any
    thing of it at all, ascending and each once. It is corrected for all choices of shared things of two kinds that the log
    offers (Bonferroni), whether or not they tied anybody: of a thousand networks and a hundred templates some lie on one
    another. Limit: busy accounts use more of everything, which this takes for ties.
    """
    offered = shared.groupby("kind").thing.nunique().to_dict()
    tying = pd.DataFrame(
        sorted({(kind, thing) for one in found for kind, things in one.ties.items() for thing in things}),
        columns=["kind", "thing"],
    )
    used = shared.merge(tying, on=["kind", "thing"]).groupby(["kind", "thing"]).account
    users = {key: np.unique(own.to_numpy()) for key, own in used}
    return [_of_set(one, users, offered, having) for one in found]


def _of_set(
    one: Found,
    users: Mapping[tuple[str, int], Accounts],
    offered: Mapping[str, int],
    having: Mapping[str, Accounts],
) -> float:
    choices = {kind: list(_choices(kind, things, users, offered[kind])) for kind, things in one.ties.items()}
    # A kind that ties nobody here might have, and so it is one that was looked at.
    looked_at = sum(FAMILY[a] < FAMILY[b] for a, b in permutations(offered, 2))
    least = 0.0
    for a, b in permutations(sorted(one.ties), 2):
        if FAMILY[a] >= FAMILY[b]:
            continue
        both = np.intersect1d(having[a], having[b], assume_unique=True)
        for many, mine in choices[a]:
            inner = np.intersect1d(mine, both, assume_unique=True)
            for more, theirs in choices[b]:
                others = np.intersect1d(theirs, both, assume_unique=True)
                common = len(np.intersect1d(inner, others, assume_unique=True))
                least = min(least, many + more + log_at_least(common, len(inner), len(others), len(both)))
    return min(1.0, max(LEAST, math.exp(max(-700.0, least)) * looked_at))


def _choices(
    kind: str, things: Mapping[int, int], users: Mapping[tuple[str, int], Accounts], offered: int
) -> Iterator[tuple[float, Accounts]]:
    """(the logarithm of how many such choices there are, the users of what is chosen): the things that at least so many
    of the set use, for some numbers, from the largest down, and all of them.

    A choice of j things is one of C(offered, j); that j itself was chosen costs j (j + 1), whose inverses add up to 1.
    """
    most = sorted(set(things.values()), reverse=True)
    for cut in sorted({*most[:CUTS], most[-1]}, reverse=True):
        chosen = [users[kind, thing] for thing, inside in things.items() if inside >= cut]
        j = len(chosen)
        yield _choose(offered, j) + math.log(j * (j + 1)), np.unique(np.concatenate(chosen))


def log_at_least(common: int, one: int, other: int, of: int) -> float:
    """ln P(X >= common) for the overlap X of two sets of `one` and `other` accounts that are drawn without regard to each
    other from `of` (hypergeometric); 0, its upper bound, where no more is common than is to be expected.
    """
    if common * of <= one * other:
        return 0.0
    total = term = 1.0
    for x in range(common, min(one, other)):  # each is smaller than the one before, beyond what is expected
        term *= (one - x) * (other - x) / ((x + 1) * (of - one - other + x + 1))
        total += term
        if term < 1e-12 * total:
            break
    first = _choose(one, common) + _choose(of - one, other - common) - _choose(of, other)
    return min(0.0, first + math.log(total))


def _choose(n: int, k: int) -> float:
    return math.lgamma(n + 1) - math.lgamma(k + 1) - math.lgamma(n - k + 1)
