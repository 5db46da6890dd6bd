"""Rows against authorisations: which calls were permitted, and why the others were not (I14a).

"It was red-teaming" becomes a table: the share within the terms, what lies outside them by reason, what was agreed only
afterwards, and which terms could not be compared with the log.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, time, timedelta
from itertools import pairwise
from typing import Any, NamedTuple

import ibis

from disclosures.authorisation import History
from monitoring.indicators.timing import HOUR, summer_time

LINES = 100  # of each reason, that are named
REASONS = ("account", "time", "network", "client software", "model", "endpoint", "hours", "technique", "cap")
# The reasons of which a row may not say whether they apply, in the order of the bits that mark it.
UNSAID = ("network", "client software", "endpoint", "technique")
EXPLAINED = 0.95  # of an account's rows: so many within some authorisation explain it
ALWAYS, NEVER = -(1 << 62), 1 << 62  # microseconds


@dataclass(frozen=True)
class Permit:
    """The terms of one version of an authorisation. Empty lists permit everything of their kind, but `accounts` nothing."""

    reference: str
    accounts: frozenset[str]  # or keys: whichever the grantor hashed
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
    # From when on it was on record and confirmed; what it permits of earlier was agreed afterwards.
    on_record: int = ALWAYS
    # The stretch in which this version counts, in microseconds; rows outside it are another version's.
    since: int = ALWAYS
    until: int = NEVER
    # Of which entry it is a version. All versions of one share their caps.
    entry: str = ""
    # Terms that no log shows.
    not_compared: tuple[str, ...] = ()

    @property
    def capped(self) -> bool:
        """Whether there is a cap for the whole: of an excerpt nobody knows how much of it was used up before."""
        return self.requests is not None or self.tokens is not None

    @classmethod
    def read(cls, said: Mapping[str, Any], otherwise: str = "authorisation") -> Permit:
        """From a plain record, as docs/usage-log.md has it and `said` writes it; `otherwise` is what one without a name is
        called.

        Raises ValueError, in words for the person who wrote it, for what is no such record.
        """
        if not isinstance(said, dict):
            raise ValueError("an authorisation is an object")
        for name in ("accounts", "starts", "ends"):
            if name not in said:
                raise ValueError(f"an authorisation has no {name}")
        caps = said.get("caps") or {}
        if not isinstance(caps, dict):
            raise ValueError("caps is an object")
        reference = str(said.get("reference") or said.get("id") or otherwise)
        # Without the instant, all of it is said to have been agreed afterwards.
        late = NEVER if said.get("retroactive") is True else ALWAYS
        return cls(
            reference,
            frozenset(_names(said, "accounts")),
            _instant(said, "starts"),
            _instant(said, "ends"),
            nets=frozenset(_names(said, "nets")),
            models=frozenset(_names(said, "models")),
            endpoints=frozenset(_names(said, "endpoints")),
            agents=frozenset(_names(said, "user_agents")),
            hours=_hours(said.get("hours")),
            requests=_cap(caps, "requests"),
            requests_a_day=_cap(caps, "requests_a_day"),
            tokens=_cap(caps, "tokens"),
            probing=said.get("probing") is not False,
            on_record=_instant(said, "on_record_from") if said.get("on_record_from") else late,
            since=_instant(said, "counts_from") if said.get("counts_from") else ALWAYS,
            until=_instant(said, "counts_until") if said.get("counts_until") else NEVER,
            entry=str(said.get("entry") or ""),
            not_compared=tuple(_names(said, "not_compared")),
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
            **({"entry": self.entry} if self.entry else {}),
            "probing": self.probing,
            **({"retroactive": True} if self.on_record == NEVER else {}),
            **({"on_record_from": _written(self.on_record)} if ALWAYS < self.on_record < NEVER else {}),
            **({"counts_from": _written(self.since)} if self.since != ALWAYS else {}),
            **({"counts_until": _written(self.until)} if self.until != NEVER else {}),
            **({"not_compared": list(self.not_compared)} if self.not_compared else {}),
        }


def read_permits(content: bytes) -> tuple[Permit, ...]:
    """What `written` writes. Raises ValueError, in words for the person who wrote it, for anything else."""
    said = json.loads(content)
    if not isinstance(said, list):
        raise ValueError("the file is not a JSON list of authorisations")
    permits = tuple(Permit.read(one, f"authorisation {place}") for place, one in enumerate(said, start=1))
    for entry, versions in entries_of(permits).items():
        ordered = sorted(versions, key=lambda version: version.since)
        if any(one.until > other.since for one, other in pairwise(ordered)):
            raise ValueError(f"two versions of {entry} count at once")
    return permits


def entries_of(permits: Iterable[Permit]) -> dict[str, list[Permit]]:
    """The versions of each entry, in their order."""
    found: dict[str, list[Permit]] = {}
    for permit in permits:
        found.setdefault(permit.entry or permit.reference, []).append(permit)
    return found


def written(permits: Iterable[Permit]) -> str:
    """Permits as the JSON that `analyse_log --authorisations` takes: the same text for the same permits."""
    return json.dumps([permit.said() for permit in permits], ensure_ascii=False, sort_keys=True, indent=1) + "\n"


def _written(us: int) -> str:
    return (datetime(1970, 1, 1, tzinfo=UTC) + timedelta(microseconds=us)).isoformat()


def permits_of(reference: str, history: History, registered_at: datetime) -> list[Permit]:
    """An entry of the register as permits, one for each confirmed version, each for the stretch in which it counts.

    The first version reaches back; what it covers from before its confirmation was agreed afterwards, and is marked. What
    cannot be seen in a log is named.
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
                on_record=_us(max(registered_at, version.at)),
                since=_us(version.at) if place else ALWAYS,
                until=_us(after) if after else NEVER,
                entry=reference,
                not_compared=(
                    "the environment",
                    "techniques other than log-probabilities with a logit bias",
                    *(("how many requests ran at once",) if terms.max_concurrency is not None else ()),
                ),
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


def _instant(said: Mapping[str, Any], name: str) -> int:
    try:
        at = datetime.fromisoformat(str(said[name]))
    except ValueError:
        raise ValueError(f"{name} is no instant: {said[name]!r}") from None
    if at.tzinfo is None:
        raise ValueError(f"{name} does not say its zone: {said[name]!r}")
    return _us(at)


def _names(said: Mapping[str, Any], name: str) -> list[str]:
    found = said.get(name) or []
    if not isinstance(found, list):
        raise ValueError(f"{name} is a list of texts")
    return [str(one) for one in found]


def _hours(said: Any) -> tuple[int, int] | None:
    if not said:
        return None
    if not isinstance(said, list | tuple) or len(said) != 2:
        raise ValueError("hours are two times of the day")
    try:
        return _minutes(said[0]), _minutes(said[1])
    except (ValueError, AttributeError):
        raise ValueError(f"hours are two times of the day, not {said!r}") from None


def _cap(caps: Mapping[str, Any], name: str) -> int | None:
    found = caps.get(name)
    if found is not None and (isinstance(found, bool) or not isinstance(found, int) or found < 0):
        raise ValueError(f"the cap {name} is a whole number")
    return found


class Permitted(NamedTuple):
    """Which share of an account's rows some authorisation permits, one that was on record when they were made, and one
    without a cap for the whole.
    """

    by_any: float
    on_record: float
    uncapped: float


NOTHING_PERMITTED = Permitted(0.0, 0.0, 0.0)


@dataclass
class Match:
    """How the rows of an authorisation's accounts stand to its terms."""

    permit: Permit
    rows: int = 0
    within: int = 0
    afterwards: int = 0  # of those within, made before it was on record
    outside: dict[str, int] = field(default_factory=dict)  # by the first reason that applies
    unsaid: dict[str, int] = field(default_factory=dict)  # of those within, whose rows do not say what the term limits
    lines: dict[str, list[int]] = field(default_factory=dict)  # the first 100 lines of each

    @property
    def share(self) -> float:
        return self.within / self.rows if self.rows else 0.0


Numbers = Mapping[str, Mapping[str, int]]


def reasons(rows: Any, versions: Sequence[Permit], numbers: Sequence[Numbers], years: range) -> Any:
    """The rows of an entry's accounts, or keys, with `version`, `reason`, `unsaid` and `afterwards`.

    `version` is the place of that which counted at the time. `reason` is null when it permits the call, else the first of
    REASONS that applies. `unsaid` has a bit for each of UNSAID that limits the call and of which the row says nothing: that
    is not held against it. `afterwards` is true where it was agreed later. A cap covers the first calls in time, of all
    versions together; what comes after is outside. Days and hours are London's.

    `numbers` gives for each version, by kind, the number that stands for each of its names in these rows.
    """
    whose = [sorted(number["account"].values()) for number in numbers]
    all_of = sorted({number for own in whose for number in own})
    marked = [
        _marked(rows, place, permit, number, own, all_of, years)
        for place, (permit, number, own) in enumerate(zip(versions, numbers, whose, strict=True))
    ]
    return _capped(ibis.union(*marked) if len(marked) > 1 else marked[0], versions, years)


def _marked(
    rows: Any, place: int, permit: Permit, numbers: Numbers, whose: list[int], all_of: list[int], years: range
) -> Any:
    def of(kind: str, names: frozenset[str]) -> list[int]:
        return [numbers[kind][name] for name in sorted(names)]

    def theirs(table: Any, accounts: list[int]) -> Any:
        return table.account.isin(accounts) | ibis.coalesce(table.key.isin(accounts), False)

    own = rows.filter(theirs(rows, all_of) & (rows.us >= permit.since) & (rows.us < permit.until))
    tests = [
        ("account", ~theirs(own, whose)),
        ("time", (own.us < permit.starts) | (own.us >= permit.ends)),
    ]
    unsaid = ibis.literal(0, "int64")
    for reason, kind, names in (
        ("network", "net", permit.nets),
        ("client software", "agent", permit.agents),
        ("model", "model", permit.models),
        ("endpoint", "endpoint", permit.endpoints),
    ):
        if names:
            tests.append((reason, own[kind].notnull() & own[kind].notin(of(kind, names))))
            if reason in UNSAID:
                unsaid += ibis.ifelse(own[kind].isnull(), 1 << UNSAID.index(reason), 0)
    if permit.hours:
        local = (own.us + summer_time(own.us, years)) // (HOUR // 60) % 1440
        begin, end = permit.hours
        inside = (local >= begin) & (local < end) if begin < end else (local >= begin) | (local < end)
        tests.append(("hours", ~inside))
    if not permit.probing:
        tests.append(("technique", ibis.coalesce(own.logprobs & own.logit_bias, False)))
        unsaid += ibis.ifelse(own.logprobs.isnull(), 1 << UNSAID.index("technique"), 0)
    return own.select(
        "account",
        "line",
        "us",
        tokens=own.tin.cast("int64") + own.tout,
        version=ibis.literal(place, "int64"),
        reason=ibis.cases(*((test, reason) for reason, test in tests), else_=ibis.null("string")),
        unsaid=unsaid.cast("int64"),
        afterwards=own.us < permit.on_record,
    )


def _capped(marked: Any, versions: Sequence[Permit], years: range) -> Any:
    """Outside is also what comes after a cap is used up, by the cap of the version that counts then."""
    if all(v.requests is None and v.tokens is None and v.requests_a_day is None for v in versions):
        return marked
    day = 24 * HOUR
    counted = marked.mutate(
        one=marked.reason.isnull().cast("int64"), day=(marked.us + summer_time(marked.us, years)) // day
    )
    # What a day's cap puts outside uses up nothing of the caps for the whole.
    daily = ibis.window(group_by=counted.day, order_by=[counted.us, counted.line], preceding=(None, 0))
    dealt = counted.mutate(today=counted.one.sum().over(daily))
    kept = dealt.mutate(reason=_over(dealt, versions, ((dealt.today, "requests_a_day"),)))
    left = kept.mutate(one=kept.reason.isnull().cast("int64"), spent=ibis.ifelse(kept.reason.isnull(), kept.tokens, 0))
    before = ibis.window(order_by=[left.us, left.line], preceding=(None, 0))
    summed = left.mutate(calls=left.one.sum().over(before), total=left.spent.sum().over(before))
    capped = summed.mutate(reason=_over(summed, versions, ((summed.calls, "requests"), (summed.total, "tokens"))))
    return capped.drop("one", "spent", "day", "calls", "total", "today")


def _over(rows: Any, versions: Sequence[Permit], used: Sequence[tuple[Any, str]]) -> Any:
    """The reason of each row, "cap" where nothing else is and more is used than its version allows."""
    over = ibis.literal(False)
    for place, version in enumerate(versions):
        for amount, name in used:
            if (cap := getattr(version, name)) is not None:
                over |= (rows.version == place) & (amount > cap)
    return ibis.ifelse(rows.reason.isnull() & over, "cap", rows.reason)


def matched(rows: Any, versions: Sequence[Permit]) -> list[Match]:
    """Count rows that `reasons` has marked, by version."""
    found = [Match(permit) for permit in versions]
    counts = rows.group_by(["version", "reason", "unsaid", "afterwards"]).agg(n=rows.count()).execute()
    for version, reason, unsaid, afterwards, n in counts.itertuples(index=False):
        match = found[int(version)]
        match.rows += int(n)
        if isinstance(reason, str):
            match.outside[reason] = match.outside.get(reason, 0) + int(n)
            continue
        match.within += int(n)
        match.afterwards += int(n) if afterwards else 0
        for bit, term in enumerate(UNSAID):
            if int(unsaid) >> bit & 1:
                match.unsaid[term] = match.unsaid.get(term, 0) + int(n)
    place = ibis.row_number().over(ibis.window(group_by=[rows.version, rows.reason], order_by=rows.line))
    first = rows.filter(rows.reason.notnull()).mutate(place=place).filter(ibis._.place < LINES)
    for (version, reason), group in first.select("version", "reason", "line").execute().groupby(["version", "reason"]):
        found[int(version)].lines[str(reason)] = sorted(group.line.tolist())
    for match in found:
        match.outside = {reason: match.outside[reason] for reason in REASONS if reason in match.outside}
        match.unsaid = {term: match.unsaid[term] for term in UNSAID if term in match.unsaid}
        match.lines = {reason: match.lines[reason] for reason in REASONS if reason in match.lines}
    return found


# What tells a row of an account from its others; in a feed each batch has a line of that number.
ROW = ("account", "line", "us", "tokens")


def permitted_rows(marked: Any, versions: Sequence[Permit]) -> Any:
    """Of rows that `reasons` has marked those that are permitted: ROW, and 1 where it was on record then (`on_record`) and
    where besides there is no cap for the whole (`uncapped`): of two papers the one takes no doubt from the other.
    """
    capped = [place for place, version in enumerate(versions) if version.capped]
    uncapped = marked.version.notin(capped) if capped else ibis.literal(value=True)
    return marked.filter(marked.reason.isnull()).select(
        *ROW,
        on_record=(~marked.afterwards).cast("int64"),
        uncapped=(~marked.afterwards & uncapped).cast("int64"),
    )


def covered(entries: Sequence[Any]) -> Any:
    """By account, of all entries together: how many of its rows some authorisation permits, how many one that was on record
    when they were made, and one without a cap for the whole. A row that two permit counts once. `entries` are tables of
    `permitted_rows`.
    """
    if len(entries) == 1:
        rows = entries[0]
    else:
        every = ibis.union(*entries)
        rows = every.group_by(list(ROW)).agg(on_record=every.on_record.max(), uncapped=every.uncapped.max())
    return rows.group_by("account").agg(n=rows.count(), on_record=rows.on_record.sum(), uncapped=rows.uncapped.sum())
