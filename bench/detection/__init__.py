"""Usage logs with a known truth, to measure the detection: `make bench-detection`.

Ordinary accounts are resampled from real traffic, attackers and hard negatives are built by recipe. There is no public log
of real extraction: every figure is one on constructed attacks over real ordinary traffic, and must be quoted so.
"""

from bench.detection.scenarios import NEGATIVES, RECIPES, Truth, benign, scenario
from bench.detection.traces import NoDataError

__all__ = ["NEGATIVES", "RECIPES", "NoDataError", "Truth", "benign", "scenario"]
