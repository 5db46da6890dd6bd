"""`make bench-detection`: logs with a known truth, the analysis of each in its own process, and how often it was right.

`ARGS=--small` is a try of one seed and few clients. `--only a1,a2-200` takes some scenarios, `--seeds 5` more of them,
`--keep FOLDER` leaves logs and findings there. The tables go to the terminal and to var/detection.md.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from bench.detection import RECIPES, NoDataError, report, scenario
from bench.detection.report import Run
from bench.detection.traces import ROOT
from bench.measure import say

SEEDS, DAYS = 3, 14.0
NEGATIVE_LOGS = ("batch+benchmark+nat", "reseller+fleet", "redteam", "redteam-authorised")
PREFACE = """\
There is no public log of real extraction. Ordinary accounts are resampled from the real clients of ServeGen (the half kept
for tests, {clients}), attackers and hard negatives are built by recipe (`bench/detection`). {logs} logs of {days:g} days,
{rows:,} rows; every log has a seed of its own, but the real clients behind the ordinary accounts are the same in all.
Shares are of accounts, at that rung or above.
"""


def main() -> None:
    options = _options()
    small = options.small
    seeds, days, scale = (1, 5.0, 0.25) if small else (options.seeds, DAYS, 1.0)
    names = options.only.split(",") if options.only else ["benign", *RECIPES, *NEGATIVE_LOGS]
    runs: list[Run] = []
    with tempfile.TemporaryDirectory(prefix="candour-detection-") as temporary:
        folder = Path(options.keep or temporary)
        folder.mkdir(parents=True, exist_ok=True)
        for number, (name, again) in enumerate((name, again) for again in range(seeds) for name in names):
            seed = options.first_seed + number
            try:
                runs.append(_run(name, seed, days, scale, folder, keep=bool(options.keep)))
            except NoDataError as error:
                sys.exit(f"bench-detection: {error}")
            run = runs[-1]
            say(f"{name} (seed {seed}): {run.truth.rows:,} rows, analysed in {run.analysed:.1f} s, round {again + 1}")
    _tell(runs, days, scale, ROOT / "var" / "detection.md")


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m bench.detection", description=__doc__)
    parser.add_argument("--small", action="store_true", help="one seed, five days, a quarter of the clients")
    parser.add_argument("--seeds", type=int, default=SEEDS, help="how many logs of each scenario")
    parser.add_argument("--first-seed", type=int, default=1, help="seeds count up from here")
    parser.add_argument("--only", help="scenarios, with commas between them")
    parser.add_argument("--keep", metavar="FOLDER", help="leave logs, truths and findings in this folder")
    return parser.parse_args()


def _run(name: str, seed: int, days: float, scale: float, folder: Path, *, keep: bool) -> Run:
    """Make a log, analyse it, read what was found."""
    log = folder / f"{name}-{seed}.{'csv' if seed % 2 else 'jsonl'}.gz"
    started = time.perf_counter()
    truth = scenario(name, seed, "test", days, out=log, scale=scale)
    made = time.perf_counter() - started
    out = folder / f"{name}-{seed}.findings.json"
    command = [sys.executable, "manage.py", "analyse_log", str(log), "--json", str(out)]
    if truth.authorisations:
        records = folder / f"{name}-{seed}.authorisations.json"
        records.write_text(json.dumps(truth.authorisations, indent=1))
        command += ["--authorisations", str(records)]
    started = time.perf_counter()
    done = subprocess.run(
        command, cwd=ROOT, env=os.environ | {"CANDOUR_HOME": str(folder)}, capture_output=True, text=True, check=False
    )
    analysed = time.perf_counter() - started
    if done.returncode or not out.is_file():
        sys.exit(f"analyse_log ended with {done.returncode} on {name}, seed {seed}:\n{done.stderr[-2000:]}")
    run = Run(truth, json.loads(out.read_text()), made, analysed)
    if not keep:
        log.unlink()
    return run


def _tell(runs: list[Run], days: float, scale: float, out: Path) -> None:
    found = report.tallies(runs)
    tables = {
        "Attackers": report.attack_table(found),
        "Ordinary accounts and hard negatives": report.benign_table(found),
        "Time": report.time_table(runs),
    }
    clients = "all of them" if scale == 1 else f"a {scale:.0%} sample"
    preface = PREFACE.format(clients=clients, logs=len(runs), days=days, rows=sum(run.truth.rows for run in runs))
    page = [preface]
    for title, rows in tables.items():
        say(f"\n{title}\n{report.text(rows)}")
        page.append(f"## {title}\n\n{report.markdown(rows)}\n")
    say("\n" + report.authorised(runs))
    page.insert(3, report.authorised(runs) + "\n")
    out.parent.mkdir(exist_ok=True)
    out.write_text("\n".join(page))


if __name__ == "__main__":
    main()
