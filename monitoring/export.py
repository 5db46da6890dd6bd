"""A report to take away: its findings as CSV, what a person reads of it as a document to print, and how it was reckoned.

Pure.
"""

from __future__ import annotations

import csv
import inspect
import io
from collections.abc import Callable
from typing import Any

from monitoring import chance, coordination, indicators, shift
from monitoring.findings import DISCOVERIES, FALSE_ALARMS, PEERS_FOR_A_SHARE
from monitoring.matching import EXPLAINED
from monitoring.report import rarity

NOTHING = "Nothing stood out by these methods. That does not show that nothing happened."
RUNGS = {"corroborated pattern": "Corroborated pattern", "pattern": "Pattern", "noted": "Noted"}
WITHIN = "within an authorisation"
# What the words of a finding mean, for the page and for print: `monitoring.findings` in plain words.
MEANINGS = {
    "Rare": (
        f"At most {100 * FALSE_ALARMS:g} % of ordinary clients have such a value: of the real clients of the reference, "
        "and of the accounts of this log that do not stand out elsewhere, whichever share is larger. Where none of the "
        "reference’s clients has it, of fewer than a hundred, a curve fitted to the highest of them tells the share, and "
        "allows for their being few. Where the reference does not have the value, there must be "
        f"{PEERS_FOR_A_SHARE} such accounts to tell. Some values are ordinary below a fixed bound, however few have them."
    ),
    "Family": (
        "One of four kinds of values: volume (how much is asked and answered), content (what it is like, as far as hashes "
        "and numbers show it), time (when), and coordination (what ties accounts together). Values of one family often go "
        "together, so that several of them count once."
    ),
    RUNGS["noted"]: (
        "One family other than volume has a rare value, or a value is worth a look and nobody can say how rare it is. In "
        "every log of many accounts chance alone brings some."
    ),
    RUNGS["pattern"]: "Two families have rare values, or more that do not make a corroborated pattern.",
    RUNGS["corroborated pattern"]: (
        "At least three families have rare values, content or coordination is one of them, and it holds after correction "
        f"for the number of accounts and sets looked at: of all that is called so, at most {100 * DISCOVERIES:g} % are "
        "expected to be so by chance, if the reference fits this log."
    ),
    WITHIN.capitalize(): (
        f"Of each account of the finding at least {100 * EXPLAINED:g} % of the calls are within the terms of an "
        "authorisation that was on record when the log was analysed. “That came afterwards” is added where it was not on "
        "record and confirmed when the calls were made."
    ),
}
ACCOUNTS_IN_PRINT = 50  # of a finding
NOTED_IN_PRINT = 100
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
    WITHIN,
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
    "I10 By chance": chance.of_chance,
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
            line = [place, one["rung"], one["unit"], account, *said, rows.get("lines_sha256", ""), _explained(one)]
            table.writerow([f"'{cell}" if str(cell).lstrip().startswith(FORMULA) else cell for cell in line])
    return b"\xef\xbb\xbf" + out.getvalue().encode()


def _explained(one: dict[str, Any]) -> str:
    if not one["explained"]:
        return "no"
    return "afterwards" if one.get("explained_afterwards") else "yes"


def within(one: dict[str, Any]) -> str:
    """Of a finding that an authorisation explains, that it does, and whether only afterwards; else nothing."""
    if not one["explained"]:
        return ""
    return f"{WITHIN} that came afterwards" if one.get("explained_afterwards") else WITHIN


def document(reference: str, report: dict[str, Any], sha256: str) -> dict[str, Any]:
    """What a person reads of a report, for `web.pdf`: what was counted, every finding with what it rests on, what speaks
    for innocence, what was left out, and the methods as its annex.

    Where there are many accounts of a finding, or noted findings, the first are named, and how many more there are. In the
    JSON alone are the series of the charts, the lists of lines, and what the file's maker says of how it was made.
    """
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
            {"title": "What the words mean", "rows": [[word, means] for word, means in MEANINGS.items()]},
            *_findings(report),
            *_noted(report),
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
            "title": f"{place}. {_title(one)}",
            "paragraphs": [one.get("summary", one["sentence"])],
            "rows": [
                *(
                    [
                        f"{sign['id']} ({sign['family']})",
                        f"{sign['sentence']} ({rarity(sign)}). {sign['caveat']}",
                    ]
                    for sign in one["indicators"]
                ),
                *_rests_on(one),
            ],
        }
        for place, one in enumerate(report["findings"], start=1)
        if one["rung"] != "noted"
    ]
    return found or [{"title": "Findings", "paragraphs": [NOTHING]}]


def _title(one: dict[str, Any]) -> str:
    return f"{RUNGS[one['rung']]} ({said})" if (said := within(one)) else RUNGS[one["rung"]]


def _rests_on(one: dict[str, Any]) -> list[list[str]]:
    """Which accounts, calls and lines of the file a finding is about, and how many such findings chance would bring."""
    rows, accounts, chance = one["rows"], one["accounts"], f"{one['false_discoveries']:.1%}"
    more = len(accounts) - ACCOUNTS_IN_PRINT
    named = ", ".join(accounts[:ACCOUNTS_IN_PRINT])
    said = [
        ["Accounts", f"{named}, and {more:,} more, whom the CSV names" if more > 0 else named],
        ["Calls", f"{rows['count']:,}, from {rows['first']} to {rows['last']}"],
        [
            "False discoveries",
            f"Of findings as strong as this {chance} would be chance, corrected for the number of accounts looked at.",
        ],
    ]
    if rows.get("templates"):
        said.append(["Only calls whose template is near", ", ".join(rows["templates"])])
    if "lines_sha256" in rows:
        first = ", ".join(str(line) for line in rows["first_lines"])
        said += [["Fingerprint of the line numbers (SHA-256)", rows["lines_sha256"]], ["The first lines", first]]
    return said


def _noted(report: dict[str, Any]) -> list[dict[str, Any]]:
    noted = [(place, one) for place, one in enumerate(report["findings"], start=1) if one["rung"] == "noted"]
    if not noted:
        return []
    rows = [[f"{place}. {_title(one)}", one["sentence"]] for place, one in noted[:NOTED_IN_PRINT]]
    more = len(noted) - NOTED_IN_PRINT
    rest = [f"These are the first; {more:,} more are in the CSV."] if more > 0 else []
    return [{"title": "Noted: one rare value each, as chance alone brings", "paragraphs": rest, "rows": rows}]


def _authorisations(report: dict[str, Any]) -> dict[str, Any]:
    rows = []
    for one in report["authorisations"]:
        outside = "; ".join(f"{reason}: {count:,}" for reason, count in one["outside"].items()) or "none"
        said = f"{one['rows']:,} calls, {one['within']:,} within; outside, by reason: {outside}."
        rows.append([one["reference"], " ".join([said, *remarks(one)])])
    return {"rows": rows} if rows else {"paragraphs": ["None was compared with this log."]}


def remarks(one: dict[str, Any]) -> list[str]:
    """What has to be known beside the counts of an authorisation's table."""
    said = []
    if not one["rows"] and one.get("accounts"):
        said.append(
            f"None of the {one['accounts']:,} accounts or keys that it names is in the log while it counted. They are "
            "found only where both were hashed with the same key."
        )
    if one.get("afterwards"):
        said.append(f"{one['afterwards']:,} of the calls within came before it was on record.")
    elif one["retroactive"]:
        said.append("Some of it was put on record afterwards.")
    for term, count in one.get("unsaid", {}).items():
        said.append(f"{count:,} of the calls within do not say their {term}, which it limits.")
    if one["rows"] and one.get("capped"):
        said.append("Its caps for the whole are counted from the first call of this log on.")
    if one.get("not_compared"):
        *first, last = one["not_compared"]
        said.append(f"No log shows {', '.join(first) + ' or ' if first else ''}{last}.")
    return said


def _left_out(report: dict[str, Any]) -> list[list[str]]:
    rows = [[f"{count:,} lines", reason] for reason, count in report["rejected_by_reason"].items()]
    return [*rows, *(["Note", note] for note in report["notes"])] or [["Nothing", "Every line of the file is a row."]]


def _lacking(report: dict[str, Any]) -> list[list[str]]:
    return [
        [f"{one['id']} {one['name']}", f"Not computable, because {one['because']}."] for one in report["not_computable"]
    ] or [["Nothing", "Every indicator was computed."]]
