"""The report of a reading, as plain JSON values: what anybody may read, check and compute again."""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

import pandas as pd

from monitoring import coordination
from monitoring.findings import Sign, Unit
from monitoring.intake import Kept
from monitoring.matching import Match
from monitoring.measures import MEASURES
from monitoring.reference import shipped

METHOD = "candour-usage-2"
EXPLAINED = 0.95  # of a unit's rows within an authorisation
LISTED = 1000  # rejected lines in the report


def finding(
    names_of: dict[int, str],
    unit: Unit,
    line: pd.Series,
    accounts: Sequence[int],
    permitted: dict[int, float],
    one: coordination.Found | None,
) -> dict[str, Any]:
    """What is said of one unit: the sentence, how rare each value is, and which rows it rests on."""
    kind = "set" if one else "account"
    names = sorted(str(names_of[account]) for account in accounts)
    explained = bool(accounts) and all(permitted.get(account, 0.0) >= EXPLAINED for account in accounts)
    signs = sorted(unit.all_signs, key=lambda s: (s.family != "coordination", not s.counts, s.family, s.measure))
    who = f"Account {names[0]}" if kind == "account" else f"A set of {len(names):,} accounts"
    said = (
        "; it ".join(sign.says for sign in signs)
        if kind == "account"
        else "; together they ".join(s.says for s in signs)
    )
    rows = {
        "accounts": len(names),
        "count": int(line.n),
        "first": _said(int(line["first"])),
        "last": _said(int(line["last"])),
    }
    return {
        "rung": unit.rung,
        "unit": kind,
        "accounts": names,
        "explained": explained,
        "sentence": f"{who} {said}." if kind == "account" else f"{who}: they {said}.",
        "families": sorted(unit.families),
        "false_discoveries": _round(unit.adjusted),
        "indicators": [_indicator(sign) for sign in signs],
        "ties": {k: len(things) for k, things in one.ties.items()} if one else {},
        "rows": rows,
    }


def _indicator(sign: Sign) -> dict[str, Any]:
    return {
        "id": sign.indicator,
        "name": sign.measure,
        "family": sign.family,
        "sentence": sign.says,
        "score": _round(sign.score),
        "false_alarm_rate": None if sign.false_alarms is None else _round(sign.false_alarms),
        "counts": sign.counts,
        "peers": sign.peers,
        "percentile": None if sign.percentile is None else _round(100 * sign.percentile),
        "reference": shipped().name if sign.reference else None,
        "reference_clients": sign.reference,
        "caveat": sign.caveat,
    }


def order(findings: list[dict[str, Any]]) -> None:
    """The highest rung first, sets before accounts, the larger first."""
    rungs = {"corroborated pattern": 0, "pattern": 1, "noted": 2}
    findings.sort(key=lambda f: (rungs[f["rung"]], f["unit"] != "set", -len(f["accounts"]), f["accounts"]))


def report(
    kept: Kept,
    rate_limit: int | None,
    findings: list[dict[str, Any]],
    matches: list[Match],
    values: pd.DataFrame,
    period: tuple[int, int],
    explanations: list[dict[str, str]],
    charts: dict[str, Any],
) -> dict[str, Any]:
    """Everything there is to say; `findings` are in their order already."""
    return {
        "method_version": METHOD,
        "reference": shipped().name,
        "reference_sha256": shipped().sha256,
        "file_sha256": kept.sha256,
        "rows": kept.rows,
        "rejected": kept.rejected,
        "rejected_by_reason": dict(sorted(kept.reasons.items())),
        "rejected_lines": [{"line": line, "reason": reason} for line, reason in kept.listed[:LISTED]],
        "notes": kept.notes,
        "prepared": kept.header,
        "columns": list(kept.columns),
        "accounts": len(values),
        "from": _said(period[0]) if kept.rows else None,
        "to": _said(period[1]) if kept.rows else None,
        "not_computable": _not_computable(kept, rate_limit, values),
        "findings": findings,
        "authorisations": [
            {
                "reference": m.reference,
                "retroactive": m.retroactive,
                "rows": m.rows,
                "within": m.within,
                "share": _round(m.share),
                "outside": m.outside,
            }
            for m in matches
        ],
        "explanations": explanations,
        "charts": charts,
    }


def _not_computable(kept: Kept, rate_limit: int | None, values: pd.DataFrame) -> list[dict[str, str]]:
    out = []
    for measure in MEASURES:
        lacking = [name for name in measure.needs if name not in kept.columns]
        if lacking:
            out.append(
                {"id": measure.indicator, "name": measure.name, "because": f"the log has no {' and no '.join(lacking)}"}
            )
        elif measure.name == "riding" and rate_limit is None:
            out.append({"id": "I7", "name": "riding", "because": "the rate limit is not known"})
        elif measure.name in ("volume", "harvest") and len(values) < 20:
            out.append(
                {"id": measure.indicator, "name": measure.name, "because": "fewer than 20 accounts to compare with"}
            )
    return out


def _said(us: int) -> str:
    return datetime.fromtimestamp(us // 1_000_000, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def _round(value: float) -> float:
    """Six significant digits: sums of floating-point numbers differ in the last ones by the order of threads."""
    return float(f"{value:.6g}") if math.isfinite(value) else 0.0


def written(report: dict[str, Any]) -> bytes:
    """The report as bytes: the same for the same report."""
    return json.dumps(report, ensure_ascii=False, sort_keys=True, indent=1, allow_nan=False).encode() + b"\n"


def fingerprint(report: dict[str, Any]) -> str:
    """SHA-256 of the written report."""
    return hashlib.sha256(written(report)).hexdigest()
