"""The real clients of ServeGen: when each of them called, window by window, and how long its calls are.

Source: alibaba/ServeGen @ f891d11, Apache-2.0; anonymous production traffic. The data are not part of this project: the
folder is named by `CANDOUR_DATA`, default `../shared/data` beside the project, and holds `servegen/`.
"""

from __future__ import annotations

import csv
import gzip
import hashlib
import math
import os
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import numpy as np

from bench.detection.content import Lengths

ROOT = Path(__file__).resolve().parent.parent.parent
WINDOW = 600.0  # seconds: the step of ServeGen's traces
WINDOWS_A_DAY = 144
SPLITS = ("calibration", "test")
# Spread of the logarithm of lengths where ServeGen does not tell: Azure's conversations (0.99 in, 0.86 out).
AZURE_SPREAD = (0.99, 0.86)
SPREAD = 0.02  # seconds: mean delay between a call's instant and its line in a log
WIDEST = 1.3  # Azure's code requests have 1.36; wider is an artefact of the solver


class NoDataError(Exception):
    """The real traces are not here. The text says what to do."""


@dataclass(frozen=True)
class Client:
    """One real client: calls a second and the coefficient of variation of the gaps, for each window of ten minutes."""

    model: str
    number: int
    rates: np.ndarray
    cvs: np.ndarray
    requests: float  # in the whole trace
    lengths: Lengths

    @property
    def a_day(self) -> float:
        return self.requests / (len(self.rates) / WINDOWS_A_DAY)


def folder() -> Path:
    """Where the real data are, or NoDataError."""
    named = os.environ.get("CANDOUR_DATA", "../shared/data")
    found = (ROOT / named).resolve() / "servegen"
    if not (found / "client_summary.csv").is_file():
        raise NoDataError(
            f"There is no servegen/client_summary.csv in {named}. Benign traffic is resampled from ServeGen's real traces "
            "(alibaba/ServeGen, Apache-2.0): set CANDOUR_DATA to the folder that holds servegen/."
        )
    return found


def split_of(model: str, number: int) -> str:
    """calibration or test, for ever the same: what a threshold was set on must not be what it is judged on."""
    return SPLITS[hashlib.sha256(f"{model}/{number}".encode()).digest()[0] & 1]


@cache
def clients(split: str) -> tuple[Client, ...]:
    """The clients of one half, the busiest first."""
    if split not in SPLITS:
        raise ValueError(f"A split is one of {SPLITS}, not {split!r}")
    home = folder()
    with (home / "client_summary.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    medians = {
        model: tuple(
            float(np.median([float(r[column]) for r in rows if r["model"] == model and r[column]] or [300.0]))
            for column in ("mean_in", "mean_out")
        )
        for model in {row["model"] for row in rows}
    }
    found = []
    for row in rows:
        model, number = row["model"], int(row["client"])
        if split_of(model, number) != split:
            continue
        path = next(home.glob(f"*/{model}/chunk-{number}-trace.csv.gz"), None)
        if path is None:
            continue
        rates, cvs = _trace(path)
        lengths = Lengths(
            *_length(row["mean_in"], row["hhi_in"], medians[model][0], AZURE_SPREAD[0]),
            *_length(row["mean_out"], row["hhi_out"], medians[model][1], AZURE_SPREAD[1]),
        )
        found.append(Client(model, number, rates, cvs, float(rates.sum() * WINDOW), lengths))
    return tuple(sorted(found, key=lambda client: (-client.requests, client.model, client.number)))


def _trace(path: Path) -> tuple[np.ndarray, np.ndarray]:
    """Rate (1/s) and CV of each window. Where a window has too few calls for a CV it says 0, and 1 is put instead."""
    with gzip.open(path, "rt") as file:
        cells = [line.split(",", 3)[1:3] for line in file if line.strip()]
    numbers = np.array([[float(rate or 0), float(cv or 0)] for rate, cv in cells])
    cvs = np.where(np.isfinite(numbers[:, 1]) & (numbers[:, 1] > 0), numbers[:, 1], 1.0)
    return np.nan_to_num(numbers[:, 0]), cvs


def _length(mean: str, hhi: str, otherwise: float, spread: float) -> tuple[float, float]:
    """Mean tokens, and the spread of their logarithm that gives the client's own concentration of lengths.

    A lognormal of mean m and log-spread s has the concentration (sum of squared shares of whole lengths)
    exp(3 s^2 / 4) / (2 s sqrt(pi) m): it falls until s = 0.816, so a client's concentration gives one s below that.
    """
    average = max(1.0, float(mean) if mean else otherwise)
    if not mean or not hhi:
        return average, spread
    grid = np.linspace(0.02, math.sqrt(2 / 3), 400)
    expected = np.exp(0.75 * grid**2) / (2 * grid * math.sqrt(math.pi) * average)
    if float(hhi) <= expected[-1]:
        return average, min(spread, WIDEST)
    return average, float(grid[np.argmin(np.abs(expected - float(hhi)))])


def arrivals(
    rng: np.random.Generator, client: Client, days: float, a_day: float, shift: int = 0, first: float = 0.0
) -> np.ndarray:
    """Seconds since the log began of an account's calls, sorted: the client's windows, thinned to `a_day` calls a day.

    Each window keeps its own rate (divided by one factor for the whole client) and its own CV. The number of calls is
    Poisson about the thinned rate; given it, gaps are gamma with the window's CV and fill the window, so that a burst
    stays a burst and no window's rate is biased by where a renewal process begins. `shift` (windows) turns the trace
    round, so that accounts drawn from one client are not in step. Traces of a single day are repeated with another
    level each day (log-spread 0.25). `first` is where the account's own life begins.
    """
    count = math.ceil(days * WINDOWS_A_DAY)
    index = (np.arange(count) + shift) % len(client.rates)
    level = np.exp(rng.normal(0, 0.25, math.ceil(days) + 1))[np.arange(count) // WINDOWS_A_DAY]
    if len(client.rates) > WINDOWS_A_DAY:
        level = np.ones(count)
    factor = max(1.0, client.a_day / a_day) if client.a_day else 1.0
    calls = rng.poisson(np.minimum(client.rates[index] * WINDOW * level / factor, 50_000))
    seconds = fill(rng, calls, client.cvs[index], WINDOW)
    return seconds[(seconds >= first) & (seconds < days * 86400)]


def fill(rng: np.random.Generator, calls: np.ndarray, cvs: np.ndarray, window: float) -> np.ndarray:
    """Instants in consecutive windows: `calls[i]` of them in window i, with gamma gaps of the CV `cvs[i]`.

    The gaps go round a circle that is turned at random: else bursts would stand where windows begin, in all accounts.
    A CV of 20 means gaps of which all but one are too small for a float, so they are drawn as logarithms:
    Gamma(k) = Gamma(k + 1) U^(1/k). Calls of one burst are received some milliseconds apart (SPREAD).
    """
    busy = np.flatnonzero(calls)
    if not len(busy):
        return np.empty(0)
    each = calls[busy]
    shape = np.repeat(1 / np.maximum(cvs[busy], 0.05) ** 2, each)
    logs = np.log(rng.standard_gamma(shape + 1)) + np.log1p(-rng.random(len(shape))) / shape
    begins = np.concatenate([[0], np.cumsum(each)[:-1]])
    gaps = np.exp(logs - np.repeat(np.maximum.reduceat(logs, begins), each))
    run = np.cumsum(gaps)
    before = np.repeat(run[begins] - gaps[begins], each)
    total = np.repeat(np.add.reduceat(gaps, begins), each)
    place = ((run - before) / total + np.repeat(rng.random(len(busy)), each)) % 1.0
    found = (place + np.repeat(busy, each)) * window + rng.exponential(SPREAD, len(shape))
    return np.sort(np.minimum(found, len(calls) * window))


def placed(rng: np.random.Generator, client: Client, count: int, begin: float, end: float) -> np.ndarray:
    """`count` instants from begin to end (seconds), spread over the windows as some stretch of the client's trace is."""
    windows = max(1, math.ceil((end - begin) / WINDOW))
    for _ in range(50):
        index = (np.arange(windows) + rng.integers(len(client.rates))) % len(client.rates)
        rates = client.rates[index]
        if rates.sum() > 0:
            break
    else:  # a client that hardly ever calls, and a short stretch
        rates = np.ones(windows)
    seconds = begin + fill(rng, rng.multinomial(count, rates / rates.sum()), client.cvs[index], (end - begin) / windows)
    return np.minimum(seconds, end)
