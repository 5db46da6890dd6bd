"""Rows against authorisations: which calls were permitted, and why the others were not (I14a).

"It was red-teaming" becomes a table: the share within the terms, and what lies outside them by reason.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import UTC, datetime, time, timedelta
from typing import Any

import ibis

from disclosures.authorisation import History
from monitoring.indicators.timing import HOUR, summer_time

LINES = 100  # of each reason, that are named
REASONS = ("time", "network", "client software", "model", "endpoint", "hours", "technique", "cap")


@dataclass(frozen=True)
class Permit:
    """The terms that rows are matched against. Empty lists permit everything of their kind, but `accounts` nothing."""

    reference: str
    accounts: frozenset[str]
    starts: int  # microseconds since 1970, the first instant permitted
    ends: int  # the first instant no longer permitted
    nets: frozenset[str] = frozenset()
    models: frozenset[str] = frozenset()
    endpoints: frozenset[str] = frozenset()
    agents: frozenset[str] = frozenset()
    # Minutes of London's day, the last one not included; one that ends before it begins goes over midnight.
    hours: tuple[int, int] | None = None
    requests: int | None = None
    requests_a_day: int | None = None
    tokens: int | None = None
    probing: bool = True  # log-probabilities with a logit bias are permitted
    retroactive: bool = False  # some of it was put on record, or confirmed, afterwards
    # The stretch in which this version counts, in microseconds; rows outside it are another version's.
    since: int = -(1 << 62)
    until: int = 1 << 62

    @classmethod
    def read(cls, said: dict[str, Any]) -> Permit:
        """From a plain record, as docs/usage-log.md has it and `said` writes it.

        Raises ValueError or KeyError for what lacks accounts, a beginning or an end.
        """
        caps = said.get("caps") or {}
        hours = said.get("hours")
        return cls(
            str(said.get("reference") or said.get("id") or "authorisation"),
            frozenset(map(str, said["accounts"])),
            _instant(said["starts"]),
            _instant(said["ends"]),
            nets=frozenset(map(str, said.get("nets") or ())),
            models=frozenset(map(str, said.get("models") or ())),
            endpoints=frozenset(map(str, said.get("endpoints") or ())),
            agents=frozenset(map(str, said.get("user_agents") or ())),
            hours=(_minutes(hours[0]), _minutes(hours[1])) if hours else None,
            requests=caps.get("requests"),
            requests_a_day=caps.get("requests_a_day"),
            tokens=caps.get("tokens"),
            probing=bool(said.get("probing", True)),
            retroactive=bool(said.get("retroactive")),
            since=_instant(said["counts_from"]) if said.get("counts_from") else cls.since,
            until=_instant(said["counts_until"]) if said.get("counts_until") else cls.until,
        )

    def said(self) -> dict[str, Any]:
        """The plain record that `read` reads, with nothing left out that limits: what empty lists permit is not said."""
        lists = {"nets": self.nets, "models": self.models, "endpoints": self.endpoints, "user_agents": self.agents}
        caps = {"requests": self.requests, "requests_a_day": self.requests_a_day, "tokens": self.tokens}
        return {
            "reference": self.reference,
            "accounts": sorted(self.accounts),
            "starts": _written(self.starts),
            "ends": _written(self.ends),
            **{name: sorted(names) for name, names in lists.items() if names},
            **({"hours": [f"{m // 60:02}:{m % 60:02}" for m in self.hours]} if self.hours else {}),
            **({"caps": found} if (found := {k: v for k, v in caps.items() if v is not None}) else {}),
            "probing": self.probing,
            "retroactive": self.retroactive,
            **({"counts_from": _written(self.since)} if self.since != Permit.since else {}),
            **({"counts_until": _written(self.until)} if self.until != Permit.until else {}),
        }


def written(permits: Iterable[Permit]) -> str:
    """Permits as the JSON that `analyse_log --authorisations` takes: the same text for the same permits."""
    return json.dumps([permit.said() for permit in permits], ensure_ascii=False, sort_keys=True, indent=1) + "\n"


def _written(us: int) -> str:
    return (datetime(1970, 1, 1, tzinfo=UTC) + timedelta(microseconds=us)).isoformat()


def permits_of(reference: str, history: History, registered_at: datetime) -> list[Permit]:
    """An entry of the register as permits, one for each confirmed version, each for the stretch in which it counts.

    The first version reaches back; what it covers from before its confirmation was agreed afterwards, and is marked. How
    many calls ran at once cannot be seen in a log, so that cap is not compared.
    """
    found = []
    for place, version in enumerate(history.confirmed):
        terms = version.terms
        after = history.confirmed[place + 1].at if place + 1 < len(history.confirmed) else None
        ends = min(terms.ends, history.revoked_at) if history.revoked_at else terms.ends
        found.append(
            Permit(
                f"{reference} (version {version.number})",
                terms.accounts,
                _us(terms.starts),
                _us(ends),
                nets=terms.networks,
                models=terms.models,
                endpoints=terms.endpoints,
                agents=terms.user_agents,
                hours=(_minutes(terms.hours.since), _minutes(terms.hours.until)) if terms.hours else None,
                requests=terms.max_requests,
                requests_a_day=terms.max_requests_a_day,
                tokens=terms.max_tokens,
                probing=not {"logprobs_probing", "parameter_probing"} & terms.excluded,
                retroactive=place == 0 and max(registered_at, version.at) > terms.starts,
                since=_us(version.at) if place else Permit.since,
                until=_us(after) if after else Permit.until,
            )
        )
    return found


def _us(at: datetime) -> int:
    return round(at.timestamp() * 1_000_000)


def _minutes(value: Any) -> int:
    """Minutes after midnight of a time, of "HH:MM", or of a whole hour."""
    if isinstance(value, int):
        return value * 60
    at = time.fromisoformat(value) if isinstance(value, str) else value
    return int(at.hour) * 60 + int(at.minute)


def _instant(value: Any) -> int:
    at = datetime.fromisoformat(str(value))
    if at.tzinfo is None:
        raise ValueError("An authorisation's instants say their zone.")
    return _us(at)


@dataclass
class Match:
    """How the rows of an authorisation's accounts stand to its terms."""

    reference: str
    retroactive: bool
    rows: int = 0
    within: int = 0
    outside: dict[str, int] = field(default_factory=dict)  # by the first reason that applies
    lines: dict[str, list[int]] = field(default_factory=dict)  # the first 100 lines of each

    @property
    def share(self) -> float:
        return self.within / self.rows if self.rows else 0.0


def reasons(rows: Any, permit: Permit, numbers: dict[str, dict[str, int]], years: range) -> Any:
    """The rows of the permit's accounts with `reason`: null when permitted, else the first of REASONS that applies.

    `numbers` gives, by kind, the number that stands for each name of the permit in these rows. A cap covers the first calls
    in time; what comes after is outside. A column that the log does not have is not held against a row.
    """

    def of(kind: str, names: frozenset[str]) -> list[int]:
        return [numbers[kind][name] for name in sorted(names)]

    own = rows.filter(
        rows.account.isin(of("account", permit.accounts)) & (rows.us >= permit.since) & (rows.us < permit.until)
    )
    tests = [("time", (own.us < permit.starts) | (own.us >= permit.ends))]
    for reason, kind, names in (
        ("network", "net", permit.nets),
        ("client software", "agent", permit.agents),
        ("model", "model", permit.models),
        ("endpoint", "endpoint", permit.endpoints),
    ):
        if names:
            tests.append((reason, own[kind].notnull() & own[kind].notin(of(kind, names))))
    if permit.hours:
        local = (own.us + summer_time(own.us, years)) // (HOUR // 60) % 1440
        begin, end = permit.hours
        inside = (local >= begin) & (local < end) if begin < end else (local >= begin) | (local < end)
        tests.append(("hours", ~inside))
    if not permit.probing:
        tests.append(("technique", ibis.coalesce(own.logprobs & own.logit_bias, False)))
    marked = own.mutate(reason=ibis.cases(*((test, reason) for reason, test in tests), else_=ibis.null("string")))
    return _capped(marked, permit)


def _capped(marked: Any, permit: Permit) -> Any:
    if permit.requests is None and permit.tokens is None and permit.requests_a_day is None:
        return marked
    counted = marked.mutate(
        one=marked.reason.isnull().cast("int64"),
        spent=ibis.ifelse(marked.reason.isnull(), marked.tin.cast("int64") + marked.tout, 0),
        day=(marked.us + 0) // (24 * HOUR),
    )
    before = ibis.window(order_by=[counted.us, counted.line], preceding=(None, 0))
    daily = ibis.window(group_by=counted.day, order_by=[counted.us, counted.line], preceding=(None, 0))
    summed = counted.mutate(
        calls=counted.one.sum().over(before),
        total=counted.spent.sum().over(before),
        today=counted.one.sum().over(daily),
    )
    over = ibis.literal(False)
    if permit.requests is not None:
        over |= summed.calls > permit.requests
    if permit.tokens is not None:
        over |= summed.total > permit.tokens
    if permit.requests_a_day is not None:
        over |= summed.today > permit.requests_a_day
    capped = summed.mutate(reason=ibis.ifelse(summed.reason.isnull() & over, "cap", summed.reason))
    return capped.drop("one", "spent", "day", "calls", "total", "today")


def matched(rows: Any, permit: Permit) -> Match:
    """Count rows that `reasons` has marked."""
    counts = rows.group_by("reason").agg(n=rows.count()).execute()
    match = Match(permit.reference, permit.retroactive)
    for reason, n in zip(counts.reason, counts.n, strict=True):
        match.rows += int(n)
        if isinstance(reason, str):
            match.outside[reason] = int(n)
        else:
            match.within += int(n)
    match.outside = {reason: match.outside[reason] for reason in REASONS if reason in match.outside}
    place = ibis.row_number().over(ibis.window(group_by=rows.reason, order_by=rows.line))
    first = rows.filter(rows.reason.notnull()).mutate(place=place).filter(ibis._.place < LINES).select("reason", "line")
    for reason, group in first.execute().groupby("reason"):
        match.lines[str(reason)] = sorted(group.line.tolist())
    return match
