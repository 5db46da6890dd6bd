"""How likely it is that a set is tied by chance alone. Pure; numpy and pandas.

Who uses a network says nothing, under chance, about who uses a template, but for this: who calls much uses more of both. So
among accounts that call about as often, the users of some things of one kind and those of some things of another lie on one
another as two draws without regard to each other do, however the things of one kind go together among themselves: that is
the hypergeometric distribution, and of all accounts the sum of some.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from itertools import combinations
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from monitoring.coordination import FAMILY, Chance, Found
from monitoring.reference import LEAST

Places = npt.NDArray[np.int64]  # of accounts among all, ascending
ASKED = "template"
COMPARABLE = 30  # accounts: of fewer nobody could be told from the others


class Accounts:
    """All accounts of a log, with how often each calls, and by kind which have any thing of it."""

    def __init__(self, calls: pd.Series, having: Mapping[str, Any]) -> None:
        order = np.argsort(calls.index.to_numpy())
        self.names = calls.index.to_numpy()[order]
        self.stratum = strata(calls.to_numpy()[order])
        self.strata = int(self.stratum.max(initial=0)) + 1
        self.having = {kind: self._marked(names) for kind, names in having.items()}
        self.both = {frozenset(pair): self._both(*pair) for pair in combinations(sorted(having), 2)}

    def _marked(self, names: Any) -> npt.NDArray[np.bool_]:
        marked = np.zeros(len(self.names), dtype=bool)
        marked[np.searchsorted(self.names, np.sort(names))] = True  # sorted, they are found ten times as fast
        return marked

    def _both(self, one: str, other: str) -> tuple[npt.NDArray[np.bool_], Places]:
        """Which accounts have both kinds, and how many of each stratum do."""
        both = self.having[one] & self.having[other]
        return both, self.count(np.flatnonzero(both))

    def places(self, names: npt.NDArray[np.int64]) -> Places:
        """Where accounts stand among all, ascending and each once."""
        return np.unique(np.searchsorted(self.names, names))

    def count(self, places: Places) -> Places:
        """How many of each stratum."""
        return np.bincount(self.stratum[places], minlength=self.strata)


def strata(calls: npt.NDArray[np.int64]) -> Places:
    """A number for each account, the same for those that call about as often: at most twice as often as one another, or,
    where they are fewer than COMPARABLE, with those that call less until there are as many.
    """
    doubled = np.floor(np.log2(calls.clip(1))).astype(np.int64)
    number, held, of = 0, 0, {}
    each = dict(zip(*np.unique(doubled, return_counts=True), strict=True))
    left = len(calls)
    for level in sorted(each, reverse=True):
        if held >= COMPARABLE and left >= COMPARABLE:  # what is left at the end is no stratum of its own if it is few
            number, held = number + 1, 0
        of[level] = number
        held, left = held + int(each[level]), left - int(each[level])
    return np.array([of[level] for level in doubled.tolist()], dtype=np.int64)


def of_chance(found: list[Found], shared: pd.DataFrame, accounts: Accounts) -> list[Chance]:
    """For each set the probability that things of two families would lie on one another as much by chance.

    `shared` is that from which the sets were made (account, kind, thing). It is corrected for all choices of shared things
    of two kinds that the log offers (Bonferroni), whether or not they tied anybody: of a thousand networks and a hundred
    templates some lie on one another. An upper bound. Limit: what goes with both kinds besides how often somebody calls (a
    country, a trade) is taken for a tie.
    """
    offered = shared.groupby("kind").thing.nunique().to_dict()
    tying = pd.DataFrame(
        sorted({(kind, thing) for one in found for kind, things in one.ties.items() for thing in things}),
        columns=["kind", "thing"],
    )
    used = shared.merge(tying, on=["kind", "thing"]).groupby(["kind", "thing"]).account
    users = {key: accounts.places(own.to_numpy()) for key, own in used}
    return [_of_set(one, users, offered, accounts) for one in found]


def _of_set(
    one: Found, users: Mapping[tuple[str, int], Places], offered: Mapping[str, int], accounts: Accounts
) -> Chance:
    choices = {kind: list(_choices(kind, things, users, offered[kind])) for kind, things in one.ties.items()}
    # A kind that ties nobody here might have, and so it is one that was looked at.
    looked_at = sum(FAMILY[a] != FAMILY[b] for a, b in combinations(offered, 2))
    least, asked, among = 0.0, 0.0, 0
    for a, b in combinations(sorted(one.ties), 2):
        if FAMILY[a] == FAMILY[b]:
            continue
        both, of = accounts.both[frozenset((a, b))]
        ones, others = ([(cost, own[both[own]]) for cost, own in choices[kind]] for kind in (a, b))
        for many, mine in ones:
            for more, theirs in others:
                common = len(np.intersect1d(mine, theirs, assume_unique=True))
                p = many + more + log_at_least(common, accounts.count(mine), accounts.count(theirs), of)
                if p < least:
                    least, among = p, int(of.sum())
                if ASKED in (a, b):
                    asked = min(asked, p)
    return Chance(_corrected(least, looked_at), _corrected(asked, looked_at), among)


def _corrected(log_p: float, tests: int) -> float:
    return min(1.0, max(LEAST, math.exp(max(-700.0, log_p)) * tests))


def _choices(
    kind: str, things: Mapping[int, int], users: Mapping[tuple[str, int], Places], offered: int
) -> Iterator[tuple[float, Places]]:
    """(the logarithm of how many such choices there are, the users of what is chosen): what most of the set use, what at
    least half as many use, and all that ties it.

    A choice of j things is one of C(offered, j); that j itself was chosen costs j (j + 1), whose inverses add up to 1.
    """
    most = max(things.values())
    for cut in sorted({most, -(-most // 2), min(things.values())}, reverse=True):
        chosen = [users[kind, thing] for thing, inside in things.items() if inside >= cut]
        j = len(chosen)
        yield _choose(offered, j) + math.log(j * (j + 1)), np.unique(np.concatenate(chosen))


def log_at_least(common: int, one: Places, other: Places, of: Places) -> float:
    """ln P(X >= common) for the overlap X of two sets of accounts that have `one[s]` and `other[s]` of the `of[s]` accounts
    of each stratum s, drawn there without regard to each other: a sum of hypergeometric numbers. 0, its upper bound, where
    no more is common than is to be expected.
    """
    held = (one > 0) & (other > 0)
    one, other, of = one[held], other[held], of[held]
    if not len(of) or common * 1.0 <= float((one * other / of).sum()):
        return 0.0
    lowest = np.maximum(one + other - of, 0)
    parts = [_logs(*four) for four in zip(lowest, one, other, of, strict=True)]
    spare = common - int(lowest.sum())  # beyond what cannot but be common
    if spare >= sum(len(part) - 1 for part in parts):
        return float(sum(part[-1] for part in parts))
    # Tilted so that `common` is to be expected, the numbers stay within what a float can hold.
    tilt = _tilt(parts, spare)
    summed, scale = np.ones(1), 0.0
    for part in parts:
        tilted = part + tilt * np.arange(len(part))
        top = float(tilted.max())
        summed, scale = np.convolve(summed, np.exp(tilted - top)), scale + top
        largest = float(summed.max())
        summed, scale = summed / largest, scale + math.log(largest)
    x = np.arange(spare, len(summed))
    beyond = float((summed[spare:] * np.exp(-tilt * (x - spare))).sum())
    return min(0.0, math.log(beyond) + scale - tilt * spare)


def _logs(lowest: int, one: int, other: int, of: int) -> npt.NDArray[np.float64]:
    """ln P(X = x) from the lowest overlap to the largest."""
    return np.array(
        [
            _choose(one, x) + _choose(of - one, other - x) - _choose(of, other)
            for x in range(lowest, min(one, other) + 1)
        ]
    )


def _tilt(parts: list[npt.NDArray[np.float64]], wanted: int) -> float:
    """The exponent t for which the numbers with probabilities in proportion to p(x) exp(t x) add up to `wanted`."""
    low, high = 0.0, 60.0
    for _ in range(30):
        middle = (low + high) / 2
        expected = 0.0
        for part in parts:
            x = np.arange(len(part))
            weight = part + middle * x
            weight = np.exp(weight - weight.max())
            expected += float((weight * x).sum() / weight.sum())
        low, high = (middle, high) if expected < wanted else (low, middle)
    return (low + high) / 2


def _choose(n: int, k: int) -> float:
    return math.lgamma(n + 1) - math.lgamma(k + 1) - math.lgamma(n - k + 1)
