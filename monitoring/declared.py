"""A declared disclosure beside a log or a feed: what was declared and counted, and whether a person should look. Pure.

A gap opens a review and says nothing about who is right: a log may have other traffic under the same accounts, leave some
out, or the figure may be an estimate. Only requests and tokens are compared; accounts are shown beside them. A log is
counted here, a feed in `monitoring.volumes`.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from monitoring.intake import Kept
from monitoring.intake.database import connect
from monitoring.intake.numbers import numbers_of

# A figure and a count that differ by less than this are taken as the same: estimates are seldom better.
FACTOR = 2.0
FIGURES = ("requests", "input_tokens", "output_tokens")
# A log begins with its first call: a day at either end may have had none.
SLACK = 86_400_000_000  # microseconds
# What is told of the counting in a feed, beside the counts.
TOLD = ("kind", "mixed", "silent", "elsewhere", "without_prompt_hash")
YEARS = range(1900, 2200)  # of a day: what a disclosure may name, and what instants can be reckoned with
ZONES = {"Europe/London", "UTC"}  # of a disclosure that names another one, days are taken as UTC


@dataclass(frozen=True)
class Declared:
    """What a declared version of a disclosure says of its volume. Instants are microseconds since 1970, UTC."""

    reference: str
    target: str
    begins: int
    ends: int  # the first instant after it; of what is going on, the day on which it was declared
    ongoing: bool
    accounts: frozenset[str]
    figures: dict[str, dict[str, Any]]  # {"value": int, "precision": "exact" | "estimated"}, for those that are known

    @classmethod
    def read(cls, reference: str, content: dict[str, Any], declared_on: date) -> Declared | None:
        """From the content of a version; None where it names no first day. Periods are whole days of its time zone."""
        begins, ended = _day(content.get("started_at")), _day(content.get("ended_at"))
        if begins is None:
            return None
        name = content.get("timezone")
        zone = ZoneInfo(name if name in ZONES else "UTC")
        last = ended or declared_on
        figures = {n: f for n in (*FIGURES, "accounts_used") if (f := _figure(content.get(n))) is not None}
        lines = str(content.get("account_hashes") or "").splitlines()
        return cls(
            reference,
            str(content.get("target_organisation") or ""),
            _us(begins, zone),
            _us(last + timedelta(days=1), zone),
            ended is None,
            frozenset(line.strip() for line in lines if line.strip()),
            figures,
        )

    def names(self, provider: str) -> bool:
        """Whether it says that it was this provider's models that were used."""
        return self.target.strip().casefold() == provider.strip().casefold()

    def covered(self, counted: dict[str, Any]) -> bool:
        """Whether the rows that were counted are of its whole period, with no long silence in it."""
        reaches = counted["first"] <= self.begins + SLACK and counted["last"] >= self.ends - SLACK
        return reaches and not counted.get("silent")

    def question(self) -> dict[str, Any]:
        """What the log is asked: no figure of the filer's is in it."""
        return {
            "reference": self.reference,
            "accounts": sorted(self.accounts),
            "begins": self.begins,
            "ends": self.ends,
        }


def _day(fact: Any) -> date | None:
    value = fact.get("value") if isinstance(fact, dict) else None
    day = date.fromisoformat(value) if isinstance(value, str) else None
    return day if day is not None and day.year in YEARS else None


def _figure(fact: Any) -> dict[str, Any] | None:
    value = fact.get("value") if isinstance(fact, dict) else None
    return {"value": value, "precision": fact["precision"]} if isinstance(value, int) else None


def _us(day: date, zone: ZoneInfo) -> int:
    return round(datetime.combine(day, time(), zone).timestamp() * 1_000_000)


# --- Counting -----------------------------------------------------------------------------------------------------------
def count(kept: Kept, questions: Iterable[dict[str, Any]]) -> list[dict[str, Any]]:
    """For each question that the log's period touches: calls, tokens and accounts in its period.

    Of the accounts that it names and the log has (`basis` "accounts"); where there is none of them, of everybody
    ("period"). `first` and `last` are of the whole log. Nothing for a log without rows.
    """
    db = connect(kept.folder)
    rows = f"read_parquet('{kept.rows_path}')"
    try:
        first, last = db.execute(f"SELECT min(us), max(us) FROM {rows}").fetchone() or (None, None)  # noqa: S608
        if first is None:
            return []
        found = []
        for asked in questions:
            if asked["begins"] > last or asked["ends"] <= first:
                continue
            span, numbers = [asked["begins"], asked["ends"]], list(numbers_of(asked["accounts"]).values())
            within = (
                f"SELECT count(*), sum(tin), sum(tout), count(DISTINCT account) FROM {rows} WHERE us >= ? AND us < ?"  # noqa: S608
            )
            counted = db.execute(f"{within} AND account IN (SELECT unnest(?::BIGINT[]))", [*span, numbers]).fetchone()
            basis = "accounts" if counted and counted[0] else "period"
            if basis == "period":
                counted = db.execute(within, span).fetchone()
            calls, tokens_in, tokens_out, accounts = (int(n or 0) for n in counted or (0, 0, 0, 0))
            told = {
                "requests": calls,
                "input_tokens": tokens_in,
                "output_tokens": tokens_out,
                "accounts_used": accounts,
            }
            found.append({"reference": asked["reference"], "basis": basis, "first": first, "last": last, **told})
        return found
    finally:
        db.close()


# --- Comparing ----------------------------------------------------------------------------------------------------------
def compared(said: Declared, counted: dict[str, Any], provider: str) -> dict[str, Any] | None:
    """The disclosure beside the log; None where it is about neither this provider nor any of the log's accounts.

    More than was declared is a gap whatever part of the period the log has; less is one only if the log has all of it, and
    the provider sends no other feed. Of everybody's calls together only "less" means anything. What lies across an edge of
    the period (`across`) may be within or not: without it there must be more, and with it still less.
    """
    basis = counted["basis"]
    if basis == "period" and not said.names(provider):
        return None
    covered = said.covered(counted)
    figures = []
    for name in (*FIGURES, "accounts_used"):
        if name not in said.figures:
            continue
        declared, n, across = said.figures[name]["value"], counted[name], counted.get("across", {}).get(name, 0)
        more = basis == "accounts" and n >= FACTOR * max(declared, 1)
        less = covered and not counted.get("elsewhere") and FACTOR * (n + across) <= declared and declared > 0
        figures.append(
            {
                "name": name,
                "declared": declared,
                "precision": said.figures[name]["precision"],
                "counted": n,
                **({"across": across} if across else {}),
                "gap": name in FIGURES and (more or less),
            }
        )
    return {
        "reference": said.reference,
        "from": _written(said.begins),
        "to": _written(said.ends),
        "ongoing": said.ongoing,
        "basis": basis,
        "covered": covered,
        "figures": figures,
        "gap": any(one["gap"] for one in figures),
        **{name: counted[name] for name in TOLD if name in counted},
    }


def _written(us: int) -> str:
    return datetime.fromtimestamp(us / 1_000_000, UTC).isoformat(timespec="seconds").replace("+00:00", "Z")
