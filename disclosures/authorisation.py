"""What a permission to probe somebody's models allows, and which of its versions counts at an instant.

Pure: whoever compares a log with an authorisation needs plain values and no database. Days are those of the United
Kingdom, the last one included; instants are aware and in UTC.

A version counts from the instant at which the grantee confirmed it until the next one is confirmed or the whole is
revoked. Before the first confirmation nothing had been agreed: what is claimed for that time was confirmed afterwards,
and every answer here says so.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from typing import Any

from ledger.time import LOCAL_ZONE

_SHA256 = re.compile(r"[0-9a-fA-F]{64}", re.ASCII)


@dataclass(frozen=True)
class Hours:
    """A part of every day by the clock on the wall, `until` not included; one that ends before it begins goes over
    midnight, and one that ends where it begins is the whole day.
    """

    since: time
    until: time

    def cover(self, at: datetime) -> bool:
        local = at.astimezone(LOCAL_ZONE).time()
        if self.since < self.until:
            return self.since <= local < self.until
        return local >= self.since or local < self.until


@dataclass(frozen=True)
class Terms:
    """The limits of one version. An empty set of endpoints, networks or user agents sets no limit; no cap is None."""

    purpose: str
    models: frozenset[str]
    endpoints: frozenset[str]
    environment: str
    permitted: frozenset[str]
    excluded: frozenset[str]
    accounts: frozenset[str]
    networks: frozenset[str]
    user_agents: frozenset[str]
    starts: datetime
    ends: datetime
    hours: Hours | None
    max_requests: int | None
    max_requests_a_day: int | None
    max_tokens: int | None
    max_concurrency: int | None
    outputs: str
    kept_days: int | None

    def in_window(self, at: datetime) -> bool:
        """Whether the days of the window hold the instant; `ends` is the midnight after the last one."""
        return self.starts <= at < self.ends

    def in_hours(self, at: datetime) -> bool:
        """Whether the hours of the day hold the instant."""
        return self.hours is None or self.hours.cover(at)


def terms_of(content: Mapping[str, Any]) -> Terms:
    """The terms that a version's content sets. Raises KeyError or ValueError for content that is not whole."""
    return Terms(
        purpose=content["purpose"],
        models=frozenset(content["models"]),
        endpoints=frozenset(content.get("endpoints", ())),
        environment=content["environment"],
        permitted=frozenset(content["techniques_permitted"]),
        excluded=frozenset(content.get("techniques_excluded", ())),
        accounts=frozenset(content["accounts"]),
        networks=frozenset(content.get("networks", ())),
        user_agents=frozenset(content.get("user_agents", ())),
        starts=start_of(date.fromisoformat(content["starts_on"])),
        ends=start_of(date.fromisoformat(content["ends_on"]) + timedelta(days=1)),
        hours=_hours(content),
        max_requests=content.get("max_requests"),
        max_requests_a_day=content.get("max_requests_a_day"),
        max_tokens=content.get("max_tokens"),
        max_concurrency=content.get("max_concurrency"),
        outputs=content["outputs"],
        kept_days=content.get("kept_days"),
    )


def start_of(day: date) -> datetime:
    """The first instant of a day in the United Kingdom."""
    return datetime.combine(day, time(0), LOCAL_ZONE).astimezone(UTC)


def _hours(content: Mapping[str, Any]) -> Hours | None:
    if not content.get("hours_from") or not content.get("hours_until"):
        return None
    return Hours(time.fromisoformat(content["hours_from"]), time.fromisoformat(content["hours_until"]))


def clashes(content: Mapping[str, Any]) -> dict[str, str]:
    """Where the answers do not fit together, by field. What is missing is for `disclosures.schema.problems` to say."""
    found = {}
    if content.get("starts_on") and content.get("ends_on") and content["ends_on"] < content["starts_on"]:
        found["ends_on"] = "The last day must be on or after the first day"
    for name in ("starts_on", "ends_on"):
        # Years that nobody means, and the last of which has no day after it.
        if content.get(name) and not 2000 <= date.fromisoformat(content[name]).year <= 2199:
            found[name] = "The year must be from 2000 to 2199"
    if bool(content.get("hours_from")) != bool(content.get("hours_until")):
        lacking = "hours_until" if content.get("hours_from") else "hours_from"
        found[lacking] = "Give both hours, or neither"
    both = set(content.get("techniques_permitted", ())) & set(content.get("techniques_excluded", ()))
    if both:
        found["techniques_excluded"] = "A technique is either permitted or excluded, not both"
    if content.get("outputs") == "training" and "training_on_outputs" in content.get("techniques_excluded", ()):
        found["outputs"] = "Training on the outputs is among the excluded techniques"
    if content.get("kept_days") == 0:
        found["kept_days"] = "Enter how many days the outputs may be kept"
    if content.get("document_sha256") and not _SHA256.fullmatch(content["document_sha256"]):
        found["document_sha256"] = "The fingerprint must have 64 characters, each a digit or a letter from a to f"
    most, a_day = content.get("max_requests"), content.get("max_requests_a_day")
    if most is not None and a_day is not None and a_day > most:
        found["max_requests_a_day"] = "The cap for a day cannot be above the cap for the whole"
    return found


# --- Which version counts when -------------------------------------------------------------------------------------------
def counting(confirmed_at: Sequence[datetime], at: datetime, *, revoked_at: datetime | None = None) -> int | None:
    """Which of the versions that were confirmed at these instants, in their order, counts at `at`: see `History`."""
    if not confirmed_at or (revoked_at is not None and at >= revoked_at):
        return None
    return max(sum(instant <= at for instant in confirmed_at) - 1, 0)


@dataclass(frozen=True)
class Confirmed:
    """A version that the grantee has confirmed, and when."""

    number: int
    terms: Terms
    at: datetime


@dataclass(frozen=True)
class Governing:
    """The version that counts at an instant. `afterwards`: it was confirmed only after that instant."""

    number: int
    terms: Terms
    confirmed_at: datetime
    afterwards: bool


@dataclass(frozen=True)
class History:
    """The confirmed versions of one authorisation in the order of their numbers, and the instant of its revocation."""

    confirmed: tuple[Confirmed, ...]
    revoked_at: datetime | None = None

    def governing(self, at: datetime) -> Governing | None:
        """The version that counts at `at`, whether or not its window holds that instant; None from the revocation on,
        and None for an authorisation that nobody has confirmed.

        An amendment counts from its confirmation and never reaches back; only the first version does, and says so.
        """
        place = counting([version.at for version in self.confirmed], at, revoked_at=self.revoked_at)
        if place is None:
            return None
        found = self.confirmed[place]
        return Governing(found.number, found.terms, found.at, afterwards=found.at > at)

    def touches(self, first: datetime, last: datetime) -> bool:
        """Whether any version both counts and has its window at some instant from `first` to `last`, both included."""
        for place, version in enumerate(self.confirmed):
            since = version.terms.starts if place == 0 else max(version.terms.starts, version.at)
            after = self.confirmed[place + 1].at if place + 1 < len(self.confirmed) else None
            ends = [version.terms.ends, *(end for end in (after, self.revoked_at) if end is not None)]
            if max(since, first) < min(ends) and since <= last:
                return True
        return False
