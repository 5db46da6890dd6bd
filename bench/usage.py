"""`python -m bench --usage`: the whole analysis of a gzipped usage log beside DuckDB counting its rows, and beside pandas.

Each in a process of its own, one after the other, on the same file: wall time, and the most memory it had.
"""

from __future__ import annotations

import subprocess
import sys
import tempfile
import time
from pathlib import Path
from statistics import median

from bench.detection.big import write_log
from bench.measure import say

SMALL = 5_000_000  # rows: so many are read again and again
ROOT = Path(__file__).resolve().parent.parent
COUNT = """
import sys, duckdb
print(duckdb.connect(config={"threads": 2}).execute("SELECT count(*) FROM '" + sys.argv[1] + "'").fetchone()[0])
"""
# The same group-bys as a plain script: the whole file at once, no rejected rows, no sets, no reference.
PANDAS = """
import sys, numpy as np, pandas as pd
read = pd.read_csv if ".csv" in sys.argv[1] else lambda path: pd.read_json(path, lines=True)
d = read(sys.argv[1])
d["ts"] = pd.to_datetime(d["ts"], utc=True)
d = d.sort_values(["account", "ts"])
by = d.groupby("account")
n = by.size()
oi = by.output_tokens.sum() / by.input_tokens.sum()
gaps = by.ts.diff().dt.total_seconds()
cv = gaps.groupby(d.account).agg(lambda g: g.std(ddof=0) / g.mean())
hour = d.ts.dt.hour
hours = d.groupby(["account", hour]).size()
windows = d.groupby(["account", d.ts.dt.floor("10min")]).size()
days = d.groupby(["account", d.ts.dt.floor("1h")]).size()
templates = d.groupby(["account", "template"]).size()
hhi = (templates**2).groupby("account").sum() / templates.groupby("account").sum() ** 2
fresh = d.groupby(["account", "template"]).prompt_hash.nunique()
repeated = 1 - by.prompt_hash.nunique() / n
for column in ("net", "payment", "key", "user_agent"):
    if column in d:
        users = d.groupby(["account", column]).size()
print(len(n))
"""
# Linux counts in kilobytes the most memory that any ended child had.
MEASURED = """
import resource, subprocess, sys
done = subprocess.run(sys.argv[1:], stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
print(resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss, done.returncode, done.stderr[-300:].replace(chr(10), " "))
"""


def run(sizes: tuple[int, int], kinds: tuple[str, ...] = ("csv", "jsonl")) -> None:
    """Print times, memory, and the ratios with their targets."""
    each: dict[tuple[str, int], float] = {}
    with tempfile.TemporaryDirectory(prefix="candour-usage-") as temporary:
        for kind in kinds:
            for size in sizes:
                log = Path(temporary) / f"log.{kind}.gz"
                write_log(log, size, kind)
                say(f"=== {size:,} rows, {kind}, {log.stat().st_size / 1e6:,.0f} MB gzipped")
                out = Path(temporary) / "report.json"
                command = [
                    sys.executable,
                    "manage.py",
                    "analyse_log",
                    str(log),
                    "--json",
                    str(out),
                    "--folder",
                    temporary,
                ]
                # One run differs from the next by a tenth: by turns, and the ratio in the middle. A large file is one.
                ratios, seconds, memory = [], [], 0.0
                for _ in range(3 if size <= SMALL else 1):
                    count, _ = _time("DuckDB counts the rows", [sys.executable, "-c", COUNT, str(log)])
                    ours, most = _time("the whole analysis", command)
                    ratios.append(ours / count)
                    seconds.append(ours)
                    memory = max(memory, most)
                # Of JSON Lines pandas makes six gigabytes for a million rows: five millions are more than a machine has.
                if kind == "csv" and size <= SMALL:
                    _time("pandas, the same group-bys", [sys.executable, "-c", PANDAS, str(log)])
                each[kind, size] = median(seconds) / size
                say(f"analysis beside the bare count: {median(ratios):.2f} (target: at most 3)")
                say(f"memory: {memory:,.0f} MB at most (target: under 2,048)")
                log.unlink()
            small, large = (each[kind, size] for size in sizes)
            say(
                f"{kind}: time for each row at {sizes[1]:,} beside {sizes[0]:,}: {large / small:.2f} (target: at most 1.3)"
            )


def _time(what: str, command: list[str]) -> tuple[float, float]:
    started = time.perf_counter()
    done = subprocess.run(
        [sys.executable, "-c", MEASURED, *command], cwd=ROOT, capture_output=True, text=True, check=True
    )
    took = time.perf_counter() - started
    memory, code, said = [*done.stdout.split(" ", 2), ""][:3]
    failed = f", FAILED: {said.strip()}" if code != "0" else ""
    say(f"{what}: {took:.1f} s, {int(memory) / 1024:,.0f} MB{failed}")
    return took, int(memory) / 1024
