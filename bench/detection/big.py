"""Logs of many millions of rows, for the benchmark of speed: `python -m bench.detection.big PATH ROWS`.

Nothing here is meant to be detected or not: only sizes and cardinalities are those of a provider's log. 2,000 accounts by
Zipf's law, 5,000 networks, 40 user agents, 30 % of prompts in 200 templates (up to three bits off), 95 % of prompts said
once. Twenty columns: the schema's eighteen and two that it does not know (`region`, `latency_ms`). No real data are needed.
"""

from __future__ import annotations

import os
import sys
from concurrent.futures import ProcessPoolExecutor
from functools import cache
from pathlib import Path

import numpy as np
import pyarrow as pa
from isal import igzip

from bench.detection import log
from bench.detection.accounts import AGENTS, ENDPOINTS, PARAMS
from bench.detection.content import identifiers, zipf
from bench.measure import say, timed

DAYS = 30
START = 1_767_571_200  # Monday 5 January 2026, 00:00 UTC
CHUNK = 200_000  # rows: one member of the gzip file
MANY = {"account": 2_000, "key": 3_000, "net": 5_000, "payment": 1_800}
WORDS = {
    "model": ("m-small", "m-mid", "m-large", "deepseek-r1"),
    "endpoint": ENDPOINTS,
    "user_agent": (*AGENTS, *(f"client-{n:06x}/1.0" for n in range(10))),
    "finish_reason": ("stop", "length", "tool_calls", "content_filter"),
    "params": PARAMS,
    "region": ("eu-west-2", "us-east-1", "ap-south-1"),
}


def write_log(path: Path, rows: int, kind: str = "jsonl", seed: int = 1, workers: int | None = None) -> None:
    """Write a gzipped log of `rows` rows in order of time. The same seed gives the same bytes, whatever the workers.

    The file is a row of gzip members, one for each chunk, which readers take for one (RFC 1952, 2.2).
    """
    jobs = [(seed, start, min(CHUNK, rows - start), rows, kind) for start in range(0, rows, CHUNK)]
    names = chunk(seed, 0, 1, 1).column_names
    with path.open("wb") as file, ProcessPoolExecutor(workers or os.cpu_count()) as pool:
        file.write(igzip.compress(log.beginning(names, kind), 1, mtime=0))
        for ahead in range(0, len(jobs), 16):  # few at a time: finished chunks wait in memory
            for member in pool.map(_member, jobs[ahead : ahead + 16]):
                file.write(member)


def _member(job: tuple[int, int, int, int, str]) -> bytes:
    seed, start, count, rows, kind = job
    return igzip.compress(log.lines(chunk(seed, start, count, rows), kind), 1, mtime=0)


def chunk(seed: int, start: int, count: int, rows: int) -> pa.Table:
    """The rows `start` to `start + count` of a log of `rows`."""
    rng = np.random.default_rng([seed, start])
    known = _known(seed)
    step = DAYS * 86_400_000_000 / rows
    seconds = ((np.arange(start, start + count) + rng.random(count)) * step).astype(np.int64)
    account = zipf(rng, MANY["account"], count).astype(np.int32)
    codes = {
        "account": account,
        "key": account + (account < 1_000) * rng.integers(0, 2, count).astype(np.int32) * 2_000,
        "net": (account + rng.integers(0, 3, count).astype(np.int32) * 1_700) % MANY["net"],
        "payment": account % MANY["payment"],
    }
    columns = {"ts": pa.array(seconds + START * 1_000_000, pa.timestamp("us", "UTC"))}
    for name, numbers in codes.items():
        columns[name] = pa.DictionaryArray.from_arrays(pa.array(numbers.astype(np.int32)), known[name])
    for name, words in WORDS.items():
        drawn = zipf(rng, len(words), count) if name != "user_agent" else (account * 7 + account % 5) % len(words)
        columns[name] = pa.DictionaryArray.from_arrays(pa.array(np.asarray(drawn, np.int32)), pa.array(words))
    prompts = np.where(
        rng.random(count) < 0.05, zipf(rng, 10_000, count).astype(np.uint64) + 1, identifiers(rng, count)
    )
    templates = np.asarray(known["templates"])[zipf(rng, 200, count)]
    for _ in range(3):
        templates = templates ^ (np.uint64(1) << rng.integers(0, 64, count, dtype=np.uint64))
    scripted = rng.random(count) < 0.3
    columns["template"] = log.hexadecimal(np.where(scripted, templates, log.mixed(prompts)))
    columns["prompt_hash"] = log.hashes(prompts, "prompt_hash")
    columns["prefix_hash"] = log.hashes(np.where(scripted, known["templates"][0], prompts), "prefix_hash")
    columns["session"] = log.hashes((prompts >> np.uint64(3)) | np.uint64(1), "session")
    for name, mean, spread in (("input_tokens", 900, 1.0), ("output_tokens", 250, 0.9), ("latency_ms", 1_500, 0.7)):
        columns[name] = pa.array(np.maximum(1, rng.lognormal(np.log(mean), spread, count)).astype(np.int64))
    columns["status"] = pa.array(rng.choice(np.array([200, 429, 400, 500]), count, p=[0.985, 0.008, 0.004, 0.003]))
    columns["refused"] = pa.array(rng.random(count) < 0.006)
    return pa.table(columns)


@cache
def _known(seed: int) -> dict[str, pa.Array]:
    """The accounts, networks and templates that all chunks have in common."""
    rng = np.random.default_rng([seed])
    known = {name: log.hashes(identifiers(rng, many), name) for name, many in MANY.items()}
    return known | {"templates": identifiers(rng, 200)}


if __name__ == "__main__":
    target, size = Path(sys.argv[1]), int(sys.argv[2].replace("_", ""))
    taken = timed(lambda: write_log(target, size, log.kind_of(target)))
    say(f"{size:,} rows in {taken:.1f} s, {target.stat().st_size / 1e6:,.0f} MB")
