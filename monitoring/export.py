"""A report to take away: its findings as CSV, all of it as a document to print, and how it was reckoned. Pure."""

from __future__ import annotations

import csv
import inspect
import io
from collections.abc import Callable
from typing import Any

from monitoring import coordination, indicators, shift
from monitoring.report import rarity

NOTHING = "Nothing stood out by these methods. That does not show that nothing happened."
RUNGS = {"corroborated pattern": "Corroborated pattern", "pattern": "Pattern", "noted": "Noted"}
# A spreadsheet would take these as the beginning of a formula.
FORMULA = ("=", "+", "-", "@", "\t", "\r", "\n", "\uff1d", "\uff0b", "\uff0d", "\uff20")
HEADINGS = (
    "finding",
    "rung",
    "unit",
    "account",
    "sentence",
    "false discoveries",
    "first call",
    "last call",
    "calls",
    "lines",
)
# What computes each indicator; its docstring is the method's description.
COMPUTED_BY: dict[str, Callable[..., Any]] = {
    "I1 Volume against peers": indicators.volume,
    "I2 Output for input": indicators.harvest,
    "I3 Concentration of templates": indicators.concentration,
    "I4 Systematic sweep": indicators.sweep,
    "I5 Regular gaps": indicators.regularity,
    "I5 Even hours": indicators.evenness,
    "I5 Daily budget": indicators.quota,
    "I6 Round the clock": indicators.around_the_clock,
    "I7 At the rate limit": indicators.ceiling,
    "I8 Without conversation": indicators.stateless,
    "I9 Probing of parameters": indicators.probing,
    "I10 Coordinated sets": coordination.sets,
    "I11 Even split": coordination.even_split,
    "I11 One scheduler": coordination.one_scheduler,
    "I11 The same hours": coordination.together,
    "I12 Move to a new model": indicators.pivot,
    "I13 Change against the own past": shift.shifts,
    "I14 Refusals": indicators.refusals,
    "I14 Chains of mutations": indicators.mutation,
    "I14 Repeated prompts": indicators.repeats,
}


def methods() -> list[dict[str, str]]:
    """How each indicator is reckoned: its formula, unit, columns, source and limits."""
    return [{"title": title, "says": _said(function)} for title, function in COMPUTED_BY.items()]


def _said(function: Callable[..., Any]) -> str:
    """The docstring in one paragraph, without the number that the title has already."""
    text = " ".join((inspect.getdoc(function) or "").split())
    head, _, rest = text.partition(". ")
    return rest if head.startswith("I") and head[1:].rstrip("abcde").isdigit() else text


def as_csv(report: dict[str, Any]) -> bytes:
    """A line for each account of each finding; nothing in it is a formula to a spreadsheet. UTF-8 with its mark."""
    out = io.StringIO()
    table = csv.writer(out, quoting=csv.QUOTE_ALL)
    table.writerow(HEADINGS)
    for place, one in enumerate(report["findings"], start=1):
        rows = one["rows"]
        said = one["sentence"], one["false_discoveries"], rows["first"], rows["last"], rows["count"]
        for account in one["accounts"]:
            line = [place, one["rung"], one["unit"], account, *said, rows.get("lines_sha256", "")]
            table.writerow([f"'{cell}" if str(cell).lstrip().startswith(FORMULA) else cell for cell in line])
    return b"\xef\xbb\xbf" + out.getvalue().encode()


def document(reference: str, report: dict[str, Any], sha256: str) -> dict[str, Any]:
    """The whole report for `web.pdf`, with the methods as its annex."""
    return {
        "title": f"Analysis of the usage log {reference}",
        "reference": reference,
        "lines": [
            ["Rows read", f"{report['rows']:,}"],
            ["Rows rejected", f"{report['rejected']:,}"],
            ["Accounts", f"{report['accounts']:,}"],
            ["From", report["from"] or "-"],
            ["To", report["to"] or "-"],
            ["Method", report["method_version"]],
            ["Reference", report["reference"]],
            ["Fingerprint of the file (SHA-256)", report["file_sha256"]],
            ["Fingerprint of the reference (SHA-256)", report["reference_sha256"]],
            ["Fingerprint of the report (SHA-256)", sha256],
        ],
        "sections": [
            *_findings(report),
            {
                "title": "Innocent explanations to rule out",
                "rows": [[e["title"], e["says"]] for e in report["explanations"]],
            },
            {"title": "Authorisations on record", **_authorisations(report)},
            {"title": "What was left out", "rows": _left_out(report)},
            {"title": "What could not be computed", "rows": _lacking(report)},
            {"title": "Annex: how it was reckoned", "rows": [[one["title"], one["says"]] for one in methods()]},
        ],
    }


def _findings(report: dict[str, Any]) -> list[dict[str, Any]]:
    found = [
        {
            "title": f"{place}. {RUNGS[one['rung']]}",
            "paragraphs": [one.get("summary", one["sentence"])],
            "rows": [
                [sign["id"], f"{sign['sentence']} ({rarity(sign)}). {sign['caveat']}"] for sign in one["indicators"]
            ],
        }
        for place, one in enumerate(report["findings"], start=1)
        if one["rung"] != "noted"
    ]
    return found or [{"title": "Findings", "paragraphs": [NOTHING]}]


def _authorisations(report: dict[str, Any]) -> dict[str, Any]:
    rows = []
    for one in report["authorisations"]:
        outside = "; ".join(f"{reason}: {count:,}" for reason, count in one["outside"].items()) or "none"
        late = " (put on record afterwards)" if one["retroactive"] else ""
        rows.append(
            [one["reference"] + late, f"{one['rows']:,} calls, {one['within']:,} within; outside, by reason: {outside}"]
        )
    return {"rows": rows} if rows else {"paragraphs": ["None was compared with this log."]}


def _left_out(report: dict[str, Any]) -> list[list[str]]:
    rows = [[f"{count:,} lines", reason] for reason, count in report["rejected_by_reason"].items()]
    return [*rows, *(["Note", note] for note in report["notes"])] or [["Nothing", "Every line of the file is a row."]]


def _lacking(report: dict[str, Any]) -> list[list[str]]:
    return [
        [f"{one['id']} {one['name']}", f"Not computable, because {one['because']}."] for one in report["not_computable"]
    ] or [["Nothing", "Every indicator was computed."]]
