"""The fourteen indicators (I1-I14), each from the columns of a usage log, for a unit of accounts.

Each is an ibis expression over kept rows (`monitoring.intake`) with a column `unit`: an account, or a set of them. The
same expressions run on DuckDB and on ClickHouse. None of them says what happened; `monitoring.findings` says what may be
said of their values. Sources: Candour's own survey of the field (docs/detection.md names the papers).
"""

from monitoring.indicators.content import concentration, harvest, probing, stateless, sweep, templates
from monitoring.indicators.offset import mutation, refusals, repeats
from monitoring.indicators.timing import around_the_clock, evenness, pivot, quota, regularity
from monitoring.indicators.volume import ceiling, volume, windows

__all__ = [
    "around_the_clock",
    "ceiling",
    "concentration",
    "evenness",
    "harvest",
    "mutation",
    "pivot",
    "probing",
    "quota",
    "refusals",
    "regularity",
    "repeats",
    "stateless",
    "sweep",
    "templates",
    "volume",
    "windows",
]
