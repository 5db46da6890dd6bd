"""With whom an account is compared."""

from __future__ import annotations

import numpy as np
import pandas as pd

from monitoring.findings import signs_of
from monitoring.measures import MEASURES
from monitoring.reference import shipped

OWL, MOLE, HEN = 1, 2, 3
VALUES = {"n": 90_000, "peak_10m": 90, "peak_1h": 500, "peak_24h": 9_000, "peak_7d": 60_000}


def compared(models: list[int], volume: list[float]) -> dict[int, tuple[int, float]]:
    """By account whose volume counts as a sign: among how many, and how often others reach it."""
    scores = pd.DataFrame({measure.name: np.nan for measure in MEASURES}, index=range(len(models)))
    scores = scores.assign(model=models, volume=volume)
    values = pd.DataFrame(VALUES, index=scores.index)
    found = signs_of(values, scores, scores, shipped())
    return {unit: (signs[0].peers, signs[0].false_alarms or 0) for unit, signs in found.items() if signs[0].counts}


def test_volume_is_rare_among_the_accounts_of_its_model() -> None:
    # On another model ten accounts are farther above the others; of a model with few accounts all are asked.
    owls, moles, hens = np.linspace(-2, 1.5, 120), np.linspace(-2, 1.5, 110), np.linspace(-2, 1.5, 5)
    models = [OWL] * 121 + [MOLE] * 120 + [HEN] * 6
    found = compared(models, [*owls, 2.4, *moles, *[4.0] * 10, *hens, 2.4])
    assert found == {120: (121, 1 / 121)}


def test_one_of_a_hundred_is_not_more_than_one_per_cent() -> None:
    assert compared([OWL] * 100, [*np.linspace(-2, 1.5, 99), 2.4]) == {99: (100, 0.01)}


def test_volume_that_the_reference_has_is_not_rare_however_few_peers_reach_it() -> None:
    common = float(np.quantile(shipped().scores["volume"], 0.95))
    assert compared([OWL] * 121, [*np.linspace(-2, 1.0, 120), common]) == {}
