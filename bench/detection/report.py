"""Findings beside the truth: shares of accounts at each rung, and the two tables people read.

The analysis says findings, each with its rung, its unit and its accounts; an account stands at the highest rung of any
finding that names it. An account that only an explained finding names (a red team within its authorisation) is counted
apart. Intervals are Wilson's 95 %; accounts of one hydra or one log are not independent, so they are the narrowest honest.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass, field
from fnmatch import fnmatch
from typing import Any

from bench.detection.scenarios import RECIPES, Truth

RUNGS = ("noted", "pattern", "corroborated")
TARGETS = {
    "a1": 0.99,
    "a2-*": 0.95,
    "a3-10": 0.80,
    "a3-25": 0.90,
    "a4-*": 0.80,
    "a5-*": 0.80,
}
BENIGN = 0.01  # at most


@dataclass
class Run:
    """One log: its truth, what the analysis said of it, and the seconds both took."""

    truth: Truth
    found: dict[str, Any]
    made: float = 0.0
    analysed: float = 0.0


@dataclass
class Tally:
    """Of one label: accounts, logs, and accounts by the highest rung they stand at."""

    label: str
    accounts: int = 0
    logs: int = 0
    at: dict[str, int] = field(default_factory=lambda: dict.fromkeys(RUNGS, 0))
    explained: int = 0  # named by findings that an authorisation explains, and by no other

    def above(self, rung: str) -> int:
        return sum(self.at[name] for name in RUNGS[RUNGS.index(rung) :])

    def share(self, rung: str) -> float:
        return self.above(rung) / self.accounts if self.accounts else 0.0


def standing(found: dict[str, Any]) -> tuple[dict[str, str], set[str]]:
    """The highest rung of each account by findings that nothing explains, and the accounts that only explained ones name.

    A finding is explained when it says so: `explained`, `authorised` or `within_authorisation` is true.
    """
    rungs: dict[str, str] = {}
    explained: set[str] = set()
    for finding in found["findings"]:
        rung = rung_of(str(finding["rung"]))
        accounts = finding.get("accounts") or ([finding["account"]] if finding.get("account") else [])
        if any(finding.get(name) is True for name in ("explained", "authorised", "within_authorisation")):
            explained |= set(accounts)
            continue
        for account in accounts:
            if RUNGS.index(rung) >= RUNGS.index(rungs.get(account, RUNGS[0])):
                rungs[account] = rung
    return rungs, explained - set(rungs)


def rung_of(said: str) -> str:
    """ "corroborated pattern" is the third rung, "pattern" the second."""
    for rung in reversed(RUNGS):
        if rung in said.lower():
            return rung
    raise ValueError(f"A finding is at the rung {said!r}, and there are {RUNGS}")


def tallies(runs: Iterable[Run]) -> dict[str, Tally]:
    """By label. Ordinary accounts in a log with an attack count as "... beside an attack"."""
    found: dict[str, Tally] = {}
    for run in runs:
        rungs, explained = standing(run.found)
        attack = bool(run.truth.attackers)
        here = set()
        for account, label in run.truth.labels.items():
            name = label if label in RECIPES or not attack else f"{label}, beside an attack"
            tally = found.setdefault(name, Tally(name))
            tally.accounts += 1
            here.add(name)
            if account in rungs:
                tally.at[rungs[account]] += 1
            tally.explained += account in explained
        for name in here:
            found[name].logs += 1
    return found


def interval(count: int, of: int, z: float = 1.96) -> tuple[float, float]:
    """Wilson's interval of a share (Wilson 1927)."""
    if not of:
        return 0.0, 1.0
    share = count / of
    middle = share + z * z / (2 * of)
    reach = z * math.sqrt(share * (1 - share) / of + z * z / (4 * of * of))
    scale = 1 + z * z / of
    return max(0.0, (middle - reach) / scale), min(1.0, (middle + reach) / scale)


def target_of(label: str) -> float | None:
    return next((target for pattern, target in TARGETS.items() if fnmatch(label, pattern)), None)


def attack_table(found: dict[str, Tally]) -> list[list[str]]:
    rows = [["recipe", "accounts", "logs", *(f"{rung} or above" for rung in RUNGS), "target", "met at"]]
    for label in sorted(set(found) & set(RECIPES), key=list(RECIPES).index):
        tally, target = found[label], target_of(label)
        met = [rung for rung in RUNGS if target is not None and tally.share(rung) >= target]
        rows.append(
            [
                label,
                f"{tally.accounts:,}",
                str(tally.logs),
                *(percent(tally.share(rung)) for rung in RUNGS),
                "none" if target is None else f"≥ {target:.0%}",
                "-" if target is None else ", ".join(met) or "missed",
            ]
        )
    return rows


def benign_table(found: dict[str, Tally]) -> list[list[str]]:
    """Shares of accounts that nothing is wrong with. Everybody together, red teams aside, stands last."""
    rows = [["kind", "accounts", "logs", *(f"{rung} or above" for rung in RUNGS), "explained", "≤ 1 % at"]]
    kinds = sorted(set(found) - set(RECIPES))
    plain = [kind for kind in kinds if not kind.startswith("redteam")]
    everybody = Tally("all but red teams", sum(found[k].accounts for k in plain))
    for kind in plain:
        everybody.explained += found[kind].explained
        for rung in RUNGS:
            everybody.at[rung] += found[kind].at[rung]
    for tally in [*(found[kind] for kind in kinds), everybody]:
        shares = []
        for rung in RUNGS:
            low, high = interval(tally.above(rung), tally.accounts)
            shares.append(f"{percent(tally.share(rung))} ({percent(low)} to {percent(high)})")
        met = [rung for rung in RUNGS if tally.share(rung) <= BENIGN]
        rows.append(
            [
                tally.label,
                f"{tally.accounts:,}",
                str(tally.logs or ""),  # of everybody together: a log has several kinds
                *shares,
                str(tally.explained),
                ", ".join(met) or "missed",
            ]
        )
    return rows


def time_table(runs: list[Run]) -> list[list[str]]:
    rows = [["scenario", "seed", "rows", "made in", "analysed in", "rows a second"]]
    for run in runs:
        speed = f"{run.truth.rows / run.analysed:,.0f}" if run.analysed else "-"
        rows.append(
            [
                run.truth.scenario,
                str(run.truth.seed),
                f"{run.truth.rows:,}",
                f"{run.made:.1f} s",
                f"{run.analysed:.1f} s",
                speed,
            ]
        )
    return rows


def authorised(runs: Iterable[Run]) -> str:
    """Whether the authorised red teams were explained in full."""
    total = left = explained = 0
    for run in runs:
        rungs, apart = standing(run.found)
        for account, label in run.truth.labels.items():
            if label == "redteam-authorised":
                total += 1
                explained += account in apart
                left += rungs.get(account) == RUNGS[-1]
    if not total:
        return "No authorised red team was in these logs."
    verdict = "met" if not left else "MISSED"
    return (
        f"Authorised red teams: of {total} accounts {explained} stand in explained findings only, {left} are corroborated "
        f"as unexplained (target: 0; {verdict})."
    )


def percent(share: float) -> str:
    return f"{share:.1%}" if 0 < share < 0.1 or 0.9 < share < 1 else f"{share:.0%}"


def text(rows: list[list[str]]) -> str:
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    return "\n".join(
        "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows
    )


def markdown(rows: list[list[str]]) -> str:
    head, *body = [f"| {' | '.join(row)} |" for row in rows]
    return "\n".join([head, "|" + "---|" * len(rows[0]), *body])
