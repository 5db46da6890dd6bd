"""How rare a score is: among real clients (the reference that is shipped) and among the peers in the same log."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

FILE = Path(__file__).with_name("reference.json")
Scores = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Reference:
    """Scores of real clients who, as far as anybody knows, did nothing wrong. Only its quantiles are kept."""

    name: str
    about: str
    sha256: str
    scores: dict[str, Scores]
    clients: dict[str, int]

    def false_alarms(self, measure: str, score: float) -> tuple[float, int] | None:
        """(the share of the reference with such a score or a higher one, its size); None for what it does not have."""
        known = self.scores.get(measure)
        if known is None or not len(known):
            return None
        return float(np.mean(known >= score)), self.clients[measure]

    def tail(self, measure: str, score: float) -> float | None:
        """The probability of such a score, beyond the reference's own by an exponential tail.

        Above the 95th percentile: p = 0.05 exp(-(s - q95) / mean excess), the maximum-likelihood fit of the exponential
        distribution to the excesses over a high threshold (Pickands 1975). At least 1e-9.
        """
        known = self.scores.get(measure)
        if known is None or not len(known):
            return None
        high = float(np.quantile(known, 0.95))
        if score <= high:
            return float((np.sum(known >= score) + 1) / (len(known) + 1))
        excess = float(np.mean(known[known > high] - high)) if np.any(known > high) else 0.1
        return float(max(1e-9, 0.05 * np.exp(-(score - high) / max(excess, 1e-3))))


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
    )


def among(peers: Scores, score: float) -> tuple[float, int]:
    """(the share of peers with such a score or a higher one, counting the unit itself; how many peers)."""
    known = peers[~np.isnan(peers)]
    return float((np.sum(known >= score) + 1) / (len(known) + 1)), len(known)


def adjusted(p: Scores) -> Scores:
    """Benjamini and Hochberg's (1995) adjusted p-values: the share of false discoveries if all up to it are reported."""
    order = np.argsort(p, kind="stable")
    ranked = p[order] * len(p) / (np.arange(len(p)) + 1)
    out = np.empty_like(ranked)
    out[order] = np.minimum.accumulate(ranked[::-1])[::-1].clip(max=1)
    return out
