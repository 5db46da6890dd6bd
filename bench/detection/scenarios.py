"""Whole logs with their truth: the population of ordinary accounts, and in it what the scenario's name says.

Names: `benign`, the recipes of RECIPES, the kinds of NEGATIVES, or several with a plus: "a2-200+nat". A part is the same in
whatever company, and the same seed gives the same bytes.
"""

from __future__ import annotations

import json
import zlib
from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from bench.detection import attackers, negatives
from bench.detection.accounts import population
from bench.detection.log import account_name, hashes, table, together, write
from bench.detection.parts import Part

DAYS = 14
START = 1_767_571_200  # Monday 5 January 2026, 00:00 UTC; a seed moves it on by whole weeks
MAY_BE_ABSENT = ("key", "endpoint", "payment", "finish_reason", "params", "prefix_hash", "session")
Maker = Callable[[np.random.Generator, float, str], Part]


def _attack(make: Callable[..., Part], label: str, **fixed: Any) -> Maker:
    return lambda rng, days, split: make(rng, days, label, **fixed)


RECIPES: dict[str, Maker] = {
    "a1": _attack(attackers.single, "a1"),
    **{f"a2-{size}": _attack(attackers.hydra, f"a2-{size}", size=size) for size in (20, 200, 2_000)},
    **{
        f"a3-{share:02}": lambda rng, days, split, share=share: attackers.mixed(
            rng, days, f"a3-{share:02}", share=share / 100, split=split
        )
        for share in (5, 10, 25, 50)
    },
    "a4-jitter-hydra": _attack(attackers.hydra, "a4-jitter-hydra", size=200, timing="jitter"),
    "a4-jitter-single": _attack(attackers.single, "a4-jitter-single", timing="jitter"),
    "a4-office-hydra": _attack(attackers.hydra, "a4-office-hydra", size=200, timing="office"),
    "a4-office-single": _attack(attackers.single, "a4-office-single", timing="office"),
    "a5-hydra": _attack(attackers.hydra, "a5-hydra", size=200, templates=False),
    "a5-single": _attack(attackers.single, "a5-single", templates=False),
}
NEGATIVES: dict[str, Maker] = {
    "batch": negatives.batch,
    "benchmark": negatives.benchmark,
    "nat": negatives.nat,
    "reseller": negatives.reseller,
    "fleet": negatives.fleet,
    "redteam": negatives.redteam,
    "redteam-authorised": lambda rng, days, split: negatives.redteam(rng, days, split, authorised=True),
}


@dataclass
class Truth:
    """What is true of a log. Accounts go by the names they have in it."""

    scenario: str
    seed: int
    split: str
    days: float
    start: str  # RFC 3339
    rows: int
    columns: list[str]
    labels: dict[str, str]  # account -> recipe, negative, or "largest", "client", "light"
    sets: list[dict[str, Any]] = field(default_factory=list)  # {"label", "accounts"}: acting together
    authorisations: list[dict[str, Any]] = field(default_factory=list)
    facts: dict[str, Any] = field(default_factory=dict)

    @property
    def attackers(self) -> set[str]:
        return {account for account, label in self.labels.items() if label in RECIPES}

    def save(self, path: Path) -> None:
        path.write_text(json.dumps(asdict(self), indent=1, sort_keys=True) + "\n")

    @classmethod
    def load(cls, path: Path) -> Truth:
        return cls(**json.loads(path.read_text()))


def benign(split: str, days: float, seed: int, scale: float = 1.0) -> pa.Table:
    """The ordinary accounts alone, as a table under the schema's names (see log.table); for calibration."""
    rows, _ = _made([], seed, split, days, scale)
    return rows


def scenario(
    name: str, seed: int, split: str, days: float = DAYS, *, out: Path, scale: float = 1.0, absent: bool = True
) -> Truth:
    """Write the log `out` (.jsonl.gz or .csv.gz) and its truth beside it (`out` + ".truth.json"), and return the truth.

    `scale` below 1 takes only that share of the ordinary clients. Unless `absent` is false, up to three of the optional
    columns in MAY_BE_ABSENT are left out, as the seed says.
    """
    parts = [part for part in name.split("+") if part != "benign"]
    if unknown := set(parts) - set(RECIPES) - set(NEGATIVES):
        raise ValueError(
            f"No such scenario: {', '.join(sorted(unknown))}. There are {', '.join([*RECIPES, *NEGATIVES])}"
        )
    rng = _rng(seed, split, f"columns of {name}")
    without = rng.choice(MAY_BE_ABSENT, int(rng.integers(0, 4)), replace=False).tolist() if absent else []
    if "redteam-authorised" in parts:
        without = [column for column in without if column != "endpoint"]  # the authorisation names it
    rows, truth = _made(parts, seed, split, days, scale, without)
    truth.scenario = name
    write(rows, out)
    truth.save(out.with_name(out.name + ".truth.json"))
    return truth


def _rng(seed: int, split: str, part: str) -> np.random.Generator:
    return np.random.default_rng([seed, zlib.crc32(split.encode()), zlib.crc32(part.encode())])


def _made(
    names: list[str], seed: int, split: str, days: float, scale: float, without: list[str] | None = None
) -> tuple[pa.Table, Truth]:
    ordinary = population(_rng(seed, split, "benign"), split, days, scale)
    blocks = [block for block, _, _ in ordinary]
    labels = {account_name(account): label for _, account, label in ordinary}
    start = START + 7 * 86400 * int(_rng(seed, split, "start").integers(26))
    truth = Truth("benign", seed, split, days, _instant(start), 0, [], labels)
    for name in names:
        part = (RECIPES | NEGATIVES)[name](_rng(seed, split, name), days, split)
        blocks += part.blocks
        truth.labels |= {account_name(np.uint64(account)): label for account, label in part.labels.items()}
        truth.sets += [_named(group) for group in part.sets]
        truth.authorisations += [
            _authorisation(found, start, number) for number, found in enumerate(part.authorisations)
        ]
        truth.facts[name] = part.facts
    rows = table(together(blocks), start, without or ())
    truth.rows, truth.columns = len(rows), rows.column_names
    return rows, truth


def _named(group: dict[str, Any]) -> dict[str, Any]:
    return group | {"accounts": [account_name(np.uint64(account)) for account in group["accounts"]]}


def _authorisation(found: dict[str, Any], start: int, number: int) -> dict[str, Any]:
    """As an authorisation is handed to the analysis: hashes as in the log, instants in RFC 3339."""
    return found | {
        "id": f"authorisation-{number + 1}",
        "accounts": [account_name(account) for account in found["accounts"]],
        "nets": hashes(found["nets"], "net").to_pylist(),
        "starts": _instant(start + found["starts"]),
        "ends": _instant(start + found["ends"]),
    }


def _instant(seconds: float) -> str:
    return str(np.datetime_as_string(np.datetime64(int(seconds), "s"))) + "Z"
