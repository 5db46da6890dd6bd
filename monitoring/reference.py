"""How rare a score is: among real clients (the reference that is shipped) and among the peers in the same log."""

from __future__ import annotations

import hashlib
import json
import math
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

FILE = Path(__file__).with_name("reference.json")
Scores = npt.NDArray[np.float64]
LEAST = 1e-9  # no probability is said to be smaller


@dataclass(frozen=True)
class Reference:
    """Scores of real clients who, as far as anybody knows, did nothing wrong. Only its quantiles are kept."""

    name: str
    about: str
    sha256: str
    scores: dict[str, Scores]
    clients: dict[str, int]
    # Of -2 ln p between two families (sorted, joined by a space) over the same real clients.
    covariance: dict[str, float]

    def at_or_above(self, measure: str, scores: Scores) -> Scores:
        """How many of the clients have such a score or a higher one: whole ones, never fewer than have it, though quantiles
        lie between them.
        """
        known, clients = self.scores[measure], self.clients[measure]
        place = np.searchsorted(known, scores, side="left").clip(1, len(known) - 1)
        low, high = known[place - 1], known[place]
        part = np.divide(scores - low, high - low, out=np.ones(len(scores)), where=high > low)
        below = (place - 1 + part.clip(0, 1)) / (len(known) - 1) * (clients - 1)
        return np.asarray(np.where(scores > known[-1], 0.0, clients - np.floor(below + 1e-9)))

    def tail(self, measure: str, scores: Scores) -> Scores:
        """The probability of such scores, beyond the reference's own by an exponential tail.

        Above the 95th percentile: p = 0.05 exp(-(s - q95) / mean excess), the maximum-likelihood fit of the exponential
        distribution to the excesses over a high threshold (Pickands 1975). At least LEAST.
        """
        high, excess = self._highest(measure)
        return self._beyond(measure, scores, 0.05 * np.exp(-(scores - high).clip(0) / excess))

    def false_alarms(self, measure: str, scores: Scores) -> Scores:
        """The share of such clients with each score or a higher one that is to be expected: as counted, and where none has,
        not below what so few can tell (of 45 clients, none is no 1 in 100).

        Of excesses whose mean is known from m of them only the next is beyond x with probability (1 + x / (m mean)) ** -m,
        the predictive distribution of the exponential (Lomax); m is a twentieth of the clients.
        """
        (high, excess), few = self._highest(measure), 0.05 * self.clients[measure]
        told = 0.05 * (1 + (scores - high).clip(0) / (few * excess)) ** -few
        counted = self.at_or_above(measure, scores) / self.clients[measure]
        return np.maximum(counted, self._beyond(measure, scores, told))

    def _highest(self, measure: str) -> tuple[float, float]:
        """The 95th percentile, and the mean of what is beyond it."""
        known = self.scores[measure]
        high = float(np.quantile(known, 0.95))
        return high, max(1e-3, float(np.mean(known[known > high] - high)) if np.any(known > high) else 0.1)

    def _beyond(self, measure: str, scores: Scores, fitted: Scores) -> Scores:
        """What is fitted above the 95th percentile; below it the clients are counted, and who is looked at with them."""
        counted = (self.at_or_above(measure, scores) + 1) / (self.clients[measure] + 1)
        return np.asarray(np.where(scores <= self._highest(measure)[0], counted, fitted).clip(LEAST))


@cache
def shipped() -> Reference:
    """The reference that comes with this version of the method."""
    text = FILE.read_bytes()
    said: dict[str, Any] = json.loads(text)
    return Reference(
        said["name"],
        said["about"],
        hashlib.sha256(text).hexdigest(),
        {name: np.array(values["quantiles"]) for name, values in said["scores"].items()},
        {name: values["clients"] for name, values in said["scores"].items()},
        said["covariance"],
    )


def reaching(sample: Scores, scores: Scores) -> Scores:
    """For each score how many of a sample are at it or above."""
    ordered = np.sort(sample)
    return np.asarray(len(ordered) - np.searchsorted(ordered, scores, side="left"), dtype=float)


def adjusted(p: Scores) -> Scores:
    """Benjamini and Hochberg's (1995) adjusted p-values: the share of false discoveries if all up to it are reported."""
    order = np.argsort(p, kind="stable")
    ranked = p[order] * len(p) / (np.arange(len(p)) + 1)
    out = np.empty_like(ranked)
    out[order] = np.minimum.accumulate(ranked[::-1])[::-1].clip(max=1)
    return out


def simes(p: list[float], tests: int) -> float:
    """One probability for a family of `tests` measures of which those in `p` (ascending) were rare: min(tests p_k / k).

    Simes 1986; it holds for measures that depend on one another positively, as those of one family do (Sarkar 1998).
    """
    return min([1.0, *(tests * value / place for place, value in enumerate(p, 1))])


def combined(p: dict[str, float], covariance: dict[str, float]) -> float:
    """One probability for the families of a unit together, although they overlap (Brown 1975).

    Fisher's X = -2 sum ln p, referred to a scaled chi-squared distribution whose variance has the covariances that real
    clients show (the empirical version of Poole and others 2016). Where a pair of families was never seen together, the
    largest covariance of the others is taken.
    """
    names = sorted(p)
    if not names:
        return 1.0
    most = max([0.0, *covariance.values()])
    pairs = [f"{a} {b}" for i, a in enumerate(names) for b in names[i + 1 :]]
    mean = 2.0 * len(names)
    variance = 4.0 * len(names) + 2 * sum(max(0.0, covariance.get(pair, most)) for pair in pairs)
    scale, freedom = variance / (2 * mean), 2 * mean * mean / variance
    return upper_gamma(freedom / 2, -2 * sum(math.log(p[name]) for name in names) / scale / 2)


def upper_gamma(a: float, x: float) -> float:
    """Q(a, x), the regularised upper incomplete gamma function: chi-squared's survival function is Q(df / 2, x / 2).

    By the series below x = a + 1 and Lentz's continued fraction above (Abramowitz and Stegun 6.5.29, 6.5.31).
    """
    if x <= 0:
        return 1.0
    front = math.exp(a * math.log(x) - x - math.lgamma(a))
    if x < a + 1:
        term = total = 1 / a
        n = a
        while term > total * 1e-15:
            n += 1
            term *= x / n
            total += term
        return max(0.0, 1 - front * total)
    b, c = x + 1 - a, 1e300
    d = 1 / b
    h = d
    for i in range(1, 10_000):
        an = -i * (i - a)
        b += 2
        d = 1 / (an * d + b)
        c = b + an / c
        h *= d * c
        if abs(d * c - 1) < 1e-15:
            break
    return front * h
