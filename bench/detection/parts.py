"""What a log is put together from: the rows of some accounts and what is true of them."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np

from bench.detection.content import Block

DAY = 86400.0


@dataclass
class Part:
    """Rows, and the truth about their accounts; times are seconds (ts: microseconds) since the log began."""

    blocks: list[Block] = field(default_factory=list)
    labels: dict[int, str] = field(default_factory=dict)  # account -> recipe or kind
    sets: list[dict[str, Any]] = field(default_factory=list)  # {"label", "accounts"}: who acts together
    authorisations: list[dict[str, Any]] = field(default_factory=list)
    facts: dict[str, Any] = field(default_factory=dict)  # what was drawn, for people

    def add(self, block: Block) -> None:
        """Take rows in; none are no trouble."""
        if len(block["ts"]):
            self.blocks.append(block)


def microseconds(seconds: np.ndarray) -> np.ndarray:
    return (seconds * 1e6).astype(np.int64)


def campaign(
    rng: np.random.Generator, days: float, shortest: float = 3.0, longest: float = 14.0
) -> tuple[float, float]:
    """Beginning and end (seconds) of a campaign of 3-14 days, as far as the log is long enough."""
    length = min(days, rng.uniform(shortest, longest))
    begin = rng.uniform(0, days - length)
    return begin * DAY, (begin + length) * DAY


def regular(rng: np.random.Generator, count: int, cv: float, begin: float, end: float) -> np.ndarray:
    """`count` instants with gamma gaps of this CV from begin to end."""
    gaps = rng.standard_gamma(1 / cv**2, count + 1)
    return begin + np.cumsum(gaps[:-1]) / gaps.sum() * (end - begin)


def office(rng: np.random.Generator, rate: float, begin: float, end: float, zone: float) -> np.ndarray:
    """A Poisson stream of `rate` calls a working day, 09:00 to 17:30 Monday to Friday in the zone `zone` hours east of
    UTC. A log begins on a Monday, 00:00 UTC.
    """
    found = []
    for day in range(int(begin // DAY) - 1, int(end // DAY) + 2):
        opens = day * DAY + (9 - zone) * 3600
        if day % 7 < 5:
            found.append(opens + rng.random(rng.poisson(rate)) * 8.5 * 3600)
    seconds = np.sort(np.concatenate(found))
    return seconds[(seconds >= begin) & (seconds < end)]
