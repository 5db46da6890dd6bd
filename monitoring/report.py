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
from monitoring.findings import PEERS_FOR_A_SHARE, Sign, Unit
from monitoring.intake import Kept
from monitoring.matching import EXPLAINED, NOTHING_PERMITTED, Match, Permitted
from monitoring.measures import MEASURES
from monitoring.reference import shipped

METHOD = "candour-usage-8"
LISTED = 1000  # rejected lines in the report


def rarity(sign: dict[str, Any]) -> str:
    """How rare an indicator's value is, in the words of the report; of one that has none yet, in those of this version."""
    return str(sign.get("rarity") or _rarity(sign))


def _rarity(sign: dict[str, Any]) -> str:
    """How rare an indicator's value is, in words: among whom it was compared, and how often the innocent reach it.

    Never rarer than the number of those it was compared with can bear out.
    """
    rate, peers, clients = sign["false_alarm_rate"], sign["peers"], sign["reference_clients"] or 0
    if sign["family"] == "coordination":
        often = f"at most one of {math.floor(1 / rate):,}" if rate >= 1e-4 else "fewer than one of 10,000"
        return f"by the method’s reckoning among {peers:,} accounts, chance brings this in {often} such logs"
    above = ""
    if peers and sign["percentile"] is not None:
        above = f"higher than {_percent(sign['percentile'])} of {peers:,} accounts compared with"
    elif peers:
        above = f"compared with groups of as many among {peers:,} other accounts"
    if rate is None:
        return f"{above}; how often innocent accounts reach it is not known".removeprefix("; ")
    fitted = bool(clients) and clients * rate < 1  # none of the clients has as much
    known = f"{'all ' if fitted else ''}{clients:,} clients of the reference {sign['reference']}" if clients else ""
    if fitted:
        known = f"higher than {known}"
    # Beside a reference, a few peers say nothing of how rare a value is.
    among = max(clients, peers if peers >= PEERS_FOR_A_SHARE or not clients else 0)
    if rate * among < 1 and among:  # a test by chance alone (shifts, permutations) compares with nobody
        often = f"fewer than 1 in {among:,}, as far as so many can show"
    else:
        often = f"about 1 in {round(1 / rate):,}"
        often += ", the larger of what those accounts say and a curve fitted to the highest of these clients" * fitted
    return "; ".join(filter(None, [above, known, f"false alarms at this value: {often}"]))


def _percent(value: float) -> str:
    """A share that lies below, rounded down: only what is above all is said to be."""
    return "all" if value >= 100 else f"{math.floor(10 * value) / 10:.1f} %"


def finding(
    names_of: dict[int, str],
    unit: Unit,
    line: pd.Series,
    accounts: Sequence[int],
    permitted: dict[int, Permitted],
    found: coordination.Found | None,
    templates: Sequence[int] = (),
) -> dict[str, Any]:
    """What is said of one unit: the sentence, how rare each value is, and how many rows it rests on.

    `templates` are those to whose rows it is confined, if to any.
    """
    kind = "set" if found else "account"
    names = sorted(str(names_of[account]) for account in accounts)
    shares = [permitted.get(account, NOTHING_PERMITTED) for account in accounts]
    explained = all(share.by_any >= EXPLAINED for share in shares)
    signs = sorted(unit.all_signs, key=lambda s: (s.family != "coordination", not s.counts, s.family, s.measure))
    who, then = (
        ("Account " + names[0], "; it ")
        if kind == "account"
        else (f"A set of {len(names):,} accounts: they", "; together they ")
    )
    indicators = [_indicator(sign) for sign in signs]
    whole = [f"{one['sentence']} ({one['rarity']})" for one in indicators]
    caveats = list(dict.fromkeys(sign.caveat for sign in signs if sign.counts or len(signs) == 1))
    rows = {
        "accounts": len(names),
        "count": int(line.n),
        "first": _said(int(line["first"])),
        "last": _said(int(line["last"])),
        "templates": [f"{template % (1 << 64):016x}" for template in templates],
    }
    # Not before somebody had to answer for it.
    afterwards = explained and not all(share.on_record >= EXPLAINED for share in shares)
    return {
        "rung": unit.rung,
        "unit": kind,
        "accounts": names,
        "explained": explained,
        "explained_afterwards": afterwards,
        # Of an excerpt nobody knows how much of such a cap was used up before.
        "explained_by_caps": explained and not afterwards and not all(s.uncapped >= EXPLAINED for s in shares),
        "summary": f"{who} {then.join(sign.says for sign in signs)}.",
        "sentence": f"{who} {then.join(whole)}. But: {' '.join(caveats)}",
        "families": sorted(unit.families),
        "false_discoveries": _round(unit.adjusted),
        "indicators": indicators,
        "ties": {k: len(things) for k, things in found.ties.items()} if found else {},
        "rows": rows,
    }


def _indicator(sign: Sign) -> dict[str, Any]:
    said = {
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
    return said | {"rarity": _rarity(said)}


def order(findings: list[dict[str, Any]]) -> None:
    """The highest rung first, sets before accounts, the larger first."""
    rungs = {"corroborated pattern": 0, "pattern": 1, "noted": 2}
    findings.sort(key=lambda f: (rungs[f["rung"]], f["unit"] != "set", -len(f["accounts"]), f["accounts"]))


def report(
    kept: Kept,
    findings: list[dict[str, Any]],
    matches: list[Match],
    values: pd.DataFrame,
    period: tuple[int, int],
    explanations: list[dict[str, str]],
    charts: dict[str, Any],
    missing: list[dict[str, str]],
    authorisations_sha256: str | None,
    engine: str,
) -> dict[str, Any]:
    """Everything there is to say; `findings` are in their order already."""
    return {
        "method_version": METHOD,
        # Another engine sums in another order: its last digits may differ.
        "engine": engine,
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
        "not_computable": missing,
        "findings": findings,
        "authorisations_sha256": authorisations_sha256,
        "authorisations": [
            {
                "reference": m.permit.reference,
                "retroactive": m.afterwards > 0,
                "accounts": len(m.permit.accounts),
                "rows": m.rows,
                "within": m.within,
                "afterwards": m.afterwards,
                "share": _round(m.share),
                "outside": m.outside,
                "outside_lines": m.lines,
                "unsaid": m.unsaid,
                "not_compared": list(m.permit.not_compared),
                "capped": m.permit.capped,
            }
            for m in matches
        ],
        "explanations": explanations,
        "charts": charts,
    }


TIES = ("net", "payment", "key", "user_agent", "template")
# What is read beside the measures: its indicator, its words, and the columns that it needs.
BESIDE = (
    ("I3", "concentration of templates", ("template",)),
    ("I14b", "share of refusals", ("refused",)),
    ("I14c", "chains of mutations", ("template", "refused")),
    ("I14e", "repeated prompts", ("prompt_hash",)),
)


def not_computable(
    columns: Sequence[str], rate_limit: int | None, scores: pd.DataFrame, compared: dict[str, int]
) -> list[dict[str, str]]:
    """Each indicator that says nothing here, and because of what: a column, too few rows, or too few to compare with.

    `scores` are those of all accounts; `compared` has by measure how many ordinary accounts it could be compared with.
    """

    def lacking(needs: Sequence[str]) -> str:
        missing = [name for name in needs if name not in columns]
        return f"the log has no {' and no '.join(missing)}" if missing else ""

    out = []
    for measure in MEASURES:
        because = lacking(measure.needs)
        if measure.name == "novel" and not {"session", "prefix_hash"} & set(columns):
            because = because or "the log has no session and no prefix_hash"
        if measure.name == "riding" and rate_limit is None:
            because = "the rate limit is not known"
        if not because and (measure.name not in scores or scores[measure.name].isna().all()):
            because = f"no account has {measure.minimum}"
        if not because and not measure.referenced and compared.get(measure.name, 0) < PEERS_FOR_A_SHARE:
            because = (
                f"fewer than {PEERS_FOR_A_SHARE} ordinary accounts have {measure.minimum}, so that nobody can say how rare "
                "a value is"
            )
        if because:
            out.append({"id": measure.indicator, "name": measure.name, "because": because})
    for number, name, needs in BESIDE:
        if because := lacking(needs):
            out.append({"id": number, "name": name, "because": because})
    if len(set(TIES) & set(columns)) < 2:
        because = f"the log has fewer than two of {', '.join(TIES)}, and one kind of tie ties nobody"
        out.append({"id": "I10, I11", "name": "coordinated sets", "because": because})
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
