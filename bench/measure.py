"""How a duration is taken, and how a figure is said."""

from __future__ import annotations

import time
from collections.abc import Callable


def timed(do: Callable[[], object]) -> float:
    started = time.perf_counter()
    do()
    return time.perf_counter() - started


def p95(taken: list[float]) -> float:
    return sorted(taken)[int(len(taken) * 0.95)]


def say(line: str) -> None:
    print(line, flush=True)
