"""From scores to words: what may be said of a unit, and on which rung.

The ladder: "noted" (a rare value in one family), "pattern" (two), "corroborated pattern" (three families, each with at
most 1 % false alarms among ordinary clients, one of them content or coordination, and after correction for the number
of units looked at). A finding is never proof and never a probability of guilt. Families overlap, so their probabilities
are not multiplied.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

import numpy as np
import pandas as pd

from monitoring.measures import MEASURES, Measure, caveat_of, value_of
from monitoring.reference import LEAST, Reference, Scores, adjusted, combined, reaching, simes

FALSE_ALARMS = 0.01
DISCOVERIES = 0.05  # of the units reported as corroborated, the share expected to be so by chance (Benjamini-Hochberg)
PEERS_FOR_A_SHARE = 100  # with fewer peers, 1 in 100 cannot be told
RUNGS = ("noted", "pattern", "corroborated pattern")
DECISIVE = {"content", "coordination"}
# Below these a score is ordinary, however rare it is among peers. Volume has none: the reference says what is rare.
ORDINARY = {
    "riding": 0.5,
    "sweep": 3.0,
    "novel": 3.0,
    "cut": 0.2,
    "pivot": 0.4,
    "shift": 0.1,
    "probing": 3.0,
    "clock": 0.8,
    "alone": 0.9,
    "unseen": 0.9,
    "harvest": 1.0,
}
# Says something worth a look whatever the peers do; how rare it is is not known.
# Of sets, the same hours and the merged stream are two more of time (`monitoring.sets`).
MEASURES_OF = {f: sum(m.family == f for m in MEASURES) + 2 * (f == "time") for f in ("content", "time", "volume")}
WORTH_A_LOOK = {"probing": 3.0}


@dataclass
class Sign:
    """One measure of one unit that is rare, or worth a look."""

    measure: str
    family: str
    indicator: str
    score: float
    false_alarms: float | None  # at this cut, among ordinary clients or peers, the larger of what is known
    p: float
    peers: int
    percentile: float | None  # of the peers in this log that lie below
    reference: int | None  # clients of the reference, None where it does not have the measure
    says: str
    caveat: str
    counts: bool  # at most 1 % false alarms


@dataclass
class Unit:
    """An account or a set, with its signs."""

    key: int
    signs: list[Sign] = field(default_factory=list)
    coordination: Sign | None = None
    adjusted: float = 1.0
    looked_at: tuple[str, ...] = ("content", "time", "volume")

    @property
    def all_signs(self) -> list[Sign]:
        return ([self.coordination] if self.coordination else []) + self.signs

    @property
    def families(self) -> set[str]:
        return {sign.family for sign in self.all_signs if sign.counts}

    def p(self, covariance: dict[str, float]) -> float:
        """One probability for all families together (`reference.combined`); a family without a sign counts as p = 1.

        A family's own is that of its measures together, of which several may be rare at once (Simes 1986).
        """
        p = dict.fromkeys(self.looked_at, 1.0)
        for family in self.families:
            rare = sorted(sign.p for sign in self.all_signs if sign.counts and sign.family == family)
            p[family] = simes(rare, MEASURES_OF.get(family, 1))
        return combined(p, covariance)

    @property
    def rung(self) -> str | None:
        """The rung of the ladder, None where there is nothing to say."""
        families = self.families
        if len(families) >= 3 and families & DECISIVE and self.adjusted <= DISCOVERIES:
            return RUNGS[2]
        if len(families) >= 2:
            return RUNGS[1]
        # That accounts belong together is no finding by itself: organisations have several. Nor is volume.
        return RUNGS[0] if families - {"volume"} or any(s.family != "volume" for s in self.signs) else None


def signs_of(
    values: pd.DataFrame, scores: pd.DataFrame, peers: pd.DataFrame, reference: Reference, *, of_sets: bool = False
) -> dict[int, list[Sign]]:
    """The signs of every unit. `peers` are the scores of ordinary accounts in the log (sets left out).

    A measure's false alarms are the share of the reference at this score or above, and of the peers, whichever is
    larger; peers that themselves stand out in another family are left out, so that several offenders in one log do not
    hide one another. Without a reference there must be at least 100 peers. Both frames of scores have `model`. A unit is
    compared with others: an account with the peers but itself. Sets are not among them (`of_sets`), whatever their number.
    """
    clean = _clean(peers, reference)
    found: dict[int, list[Sign]] = {}
    for measure in MEASURES:
        for given, others in _groups(measure, scores, clean[measure.family]):
            beside = Beside.of(given, others, itself=not of_sets)
            enough = len(others) >= PEERS_FOR_A_SHARE
            for place, rate, p in _rare(measure.name, given, beside if enough else None, reference):
                unit = int(str(given.index[place]))
                sign = _sign(measure, scores.loc[unit], values.loc[unit], rate, p, beside, place, reference)
                found.setdefault(unit, []).append(sign)
    return found


@dataclass(frozen=True)
class Beside:
    """Units beside their peers: how many others there are for each, and how many of them are at its score or above."""

    others: Scores
    above: Scores

    @classmethod
    def of(cls, given: pd.Series, peers: pd.Series, *, itself: bool) -> Beside:
        """`itself`: whether a unit may be one of the peers, by its index; it is none of the others then."""
        own = given.index.isin(peers.index).astype(float) if itself else np.zeros(len(given))
        above = reaching(peers.to_numpy(dtype=float), given.to_numpy(dtype=float))
        return cls(len(peers) - own, above - own)


def _groups(measure: Measure, scores: pd.DataFrame, peers: pd.DataFrame) -> Iterator[tuple[pd.Series, pd.Series]]:
    """(scores, those of the peers) of the units that have the same peers.

    What is read against the accounts of one model is counted among them as well, where there are enough: of each model
    others are as large, and the largest of one would hide what is rare on another.
    """
    given, known = scores[measure.name].dropna(), peers.dropna(subset=measure.name)
    if measure.of_model:
        users = known.model.value_counts()
        for model in sorted(users.index[users >= PEERS_FOR_A_SHARE]):
            own = scores.model.reindex(given.index) == model
            yield given[own], known[measure.name][known.model == model]
            given = given[~own]
    yield given, known[measure.name]


def compared(peers: pd.DataFrame, reference: Reference) -> dict[str, int]:
    """By measure, the number of ordinary accounts with which a value of it is compared."""
    clean = _clean(peers, reference)
    return {m.name: int(clean[m.family][m.name].notna().sum()) for m in MEASURES if m.name in peers}


def _rare(
    name: str, scores: pd.Series, beside: Beside | None, reference: Reference
) -> list[tuple[int, float | None, float]]:
    """(place, false alarms, p) where the score is rare enough to count, or worth a look whatever the peers do.

    The false alarms are None, and p is 1, where neither the reference nor enough peers (`beside`) can tell them.
    """
    known = scores.to_numpy(dtype=float)
    rate, p, told = np.ones(len(known)), np.ones(len(known)), beside is not None
    if beside is not None:
        # A unit is itself one of those with such a score: of 99 others, none above is 1 in 100.
        rate = p = (beside.above + 1) / (beside.others + 1)
    if name in reference.scores:
        least = beside.above / beside.others if beside is not None else 0.0
        rate = np.maximum(reference.false_alarms(name, known), rate if told else 0.0)
        p = np.maximum(reference.tail(name, known), least)  # the worse one counts, as of the rate
        told = True
    chosen = ((rate <= FALSE_ALARMS) & (known >= ORDINARY.get(name, -np.inf))) | (
        known >= WORTH_A_LOOK.get(name, np.inf)
    )
    return [
        (int(place), float(rate[place]) if told else None, max(float(p[place]), LEAST))
        for place in np.flatnonzero(chosen)
    ]


def _sign(
    measure: Measure,
    scores: pd.Series,
    values: pd.Series,
    rate: float | None,
    p: float,
    beside: Beside,
    place: int,
    reference: Reference,
) -> Sign:
    name, score, others = measure.name, float(scores[measure.name]), int(beside.others[place])
    return Sign(
        name,
        measure.family,
        measure.indicator,
        score,
        rate,
        p,
        others,
        1 - float(beside.above[place]) / others if others else None,
        reference.clients.get(name),
        measure.says.format(score=score, **value_of(measure, values, scores)),
        caveat_of(measure, values),
        rate is not None and rate <= FALSE_ALARMS and score >= ORDINARY.get(name, -np.inf),
    )


def _clean(peers: pd.DataFrame, reference: Reference) -> dict[str, pd.DataFrame]:
    """For each family the peers that do not stand out in another one by the reference's cut of 1 %."""
    rare: dict[str, pd.Series] = {}
    for family in ("volume", "content", "time"):
        rare[family] = pd.Series(False, index=peers.index)
        for measure in MEASURES:
            if measure.family == family and measure.name in reference.scores:
                given = peers[measure.name].dropna()
                rate = reference.false_alarms(measure.name, given.to_numpy(dtype=float))
                rare[family].loc[given.index[rate <= FALSE_ALARMS]] = True
    return {
        family: peers[~pd.concat([r for other, r in rare.items() if other != family], axis=1).any(axis=1)]
        for family in rare
    }


def correct(units: list[Unit], reference: Reference) -> None:
    """Correct for the number of units looked at: each unit's adjusted probability (Benjamini and Hochberg 1995)."""
    if units:
        values = adjusted(np.array([unit.p(reference.covariance) for unit in units]))
        for unit, value in zip(units, values.tolist(), strict=True):
            unit.adjusted = value
