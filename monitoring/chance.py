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
COMPARABLE = 30  # accounts of a stratum: of fewer nobody could be told from the others


class Accounts:
    """All accounts of a log, with how often each calls, and by kind which have any thing of it."""

    def __init__(self, calls: pd.Series, having: Mapping[str, Any]) -> None:
        order = np.argsort(calls.index.to_numpy())
        self.names = calls.index.to_numpy()[order]
        # Those of one level call at most twice as often as one another.
        self.level = np.floor(np.log2(calls.to_numpy()[order].clip(1))).astype(np.int64)
        self.levels = int(self.level.max(initial=0)) + 1
        self.having = {kind: self._marked(names) for kind, names in having.items()}
        self.both = {frozenset(pair): self._both(*pair) for pair in combinations(sorted(having), 2)}

    def _marked(self, names: Any) -> npt.NDArray[np.bool_]:
        marked = np.zeros(len(self.names), dtype=bool)
        marked[np.searchsorted(self.names, np.sort(names))] = True  # sorted, they are found ten times as fast
        return marked

    def _both(self, one: str, other: str) -> tuple[npt.NDArray[np.bool_], Places, Places]:
        """Which accounts have both kinds, of each level its stratum, and of each stratum how many accounts."""
        both = self.having[one] & self.having[other]
        each = np.bincount(self.level[both], minlength=self.levels)
        stratum = strata(each)
        return both, stratum, np.bincount(stratum, each).astype(np.int64)

    def places(self, names: Any) -> Places:
        """Where accounts stand among all, ascending and each once."""
        return np.unique(np.searchsorted(self.names, np.asarray(names)))


def strata(each: Places) -> Places:
    """For each level the number of its stratum: from those who call most down, levels are taken together until they have
    COMPARABLE accounts; what is left of fewer is with those above.
    """
    numbers, number, held, left = np.zeros(len(each), dtype=np.int64), 0, 0, int(each.sum())
    for level in range(len(each) - 1, -1, -1):
        if held >= COMPARABLE and left >= COMPARABLE:
            number, held = number + 1, 0
        numbers[level] = number
        held, left = held + int(each[level]), left - int(each[level])
    return numbers


def of_chance(found: list[Found], shared: pd.DataFrame, accounts: Accounts) -> list[Chance]:
    """I10. How likely it is that things of two families lie on one another as much as in each set by chance.

    For U accounts that use some of the things of one kind, V those of another, and N accounts of which the log says both:
    P(|U and V| >= what is common), hypergeometric, for a sum over strata of accounts that call about as often (by powers of
    two of their calls; taken together from above until each has 30 accounts). Times C(M, j) j (j + 1) for
    the choice of j of the M things of each kind that accounts of the log share, and times the pairs of kinds that there are
    (Bonferroni); of the choices that are tried the least. An upper bound, at least 1e-9; sets above 1 % are dropped.
    Limits: what goes with both kinds besides how often somebody calls (a country, a trade) is taken for a tie; that a set
    shares many things among very many that others share costs more than it tells; and thirty accounts or more that call
    more than all others cannot be told from chance, for who calls much uses more of everything.
    """
    offered = shared.groupby("kind").thing.nunique().to_dict()
    tying = pd.DataFrame(
        sorted({(kind, thing) for one in found for kind, things in one.ties.items() for thing in things}),
        columns=["kind", "thing"],
    )
    used = shared.merge(tying, on=["kind", "thing"]).groupby(["kind", "thing"]).account
    users = {key: accounts.places(own) for key, own in used}
    return [_of_set(one, users, offered, accounts) for one in found]


def _of_set(
    one: Found, users: Mapping[tuple[str, int], Places], offered: Mapping[str, int], accounts: Accounts
) -> Chance:
    choices = {kind: list(_choices(kind, things, users, offered[kind])) for kind, things in one.ties.items()}
    # A kind that ties nobody here might have, and so it is one that was looked at.
    looked_at = sum(FAMILY[a] != FAMILY[b] for a, b in combinations(offered, 2))
    any_two, asked = (0.0, 0), (0.0, 0)
    for a, b in combinations(sorted(one.ties), 2):
        if FAMILY[a] == FAMILY[b]:
            continue
        both, stratum, of = accounts.both[frozenset((a, b))]
        ones, others = ([(cost, own[both[own]]) for cost, own in choices[kind]] for kind in (a, b))
        for many, mine in ones:
            for more, theirs in others:
                common = len(np.intersect1d(mine, theirs, assume_unique=True))
                u, v = (np.bincount(stratum[accounts.level[own]], minlength=len(of)) for own in (mine, theirs))
                told = many + more + log_at_least(common, u, v, of), int(of.sum())
                any_two = min(any_two, told)
                if ASKED in (a, b):
                    asked = min(asked, told)
    return Chance(_corrected(any_two[0], looked_at), any_two[1], _corrected(asked[0], looked_at), asked[1])


def _corrected(log_p: float, tests: int) -> float:
    return min(1.0, max(LEAST, math.exp(max(-700.0, log_p)) * tests))


def _choices(
    kind: str, things: Mapping[int, int], users: Mapping[tuple[str, int], Places], offered: int
) -> Iterator[tuple[float, Places]]:
    """(the logarithm of how many such choices there are, the users of what is chosen): the things that as many of the set
    use as any, those that at least half as many use, and all that tie it.

    A choice of j things is one of C(offered, j); that j itself was chosen costs j (j + 1), whose inverses add up to 1.
    """
    most, least = max(things.values()), min(things.values())
    for cut in sorted({most, max(least, -(-most // 2)), least}, reverse=True):
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
    if not len(of) or common <= float((one * other / of).sum()):
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
