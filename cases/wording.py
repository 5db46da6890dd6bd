"""How events, states and what happens next read to people. Pure: no queries."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Any

from cases.brief import REASONS_IN_WORDS
from cases.clock import LONDON

_SENTENCES = {
    "case.opened": "Case opened",
    "case.assigned": "Team changed",
    "case.conflict_declared": "An official declared a conflict of interest",
    "case.reminded": "Team reminded: {days} left",
    "case.referred": "Referred to the competition authority",
    "case.reopened": "Case opened again, round {round}",
    "case.resolved": "Case resolved",
    "case.closed": "Case closed: the authority has taken it on",
    "note.added": "Internal note added",
    "brief.written": "Brief: {head} written",
    "decision.proposed": "Decision proposed",
    "decision.published": "Decision published",
    "notice.issued": "{reference}: {kind} notice issued",
    "notice.service_in_doubt": "{reference}: service in doubt",
    "notice.served_again": "{reference}: served again ({method})",
    "notice.doubt_settled": "{reference}: service no longer in doubt ({settlement})",
    "notice.excused": "{reference}: answered in time after all, the platform had not been available",
    "notice.answered": "{reference}: answered",
    "notice.answered_late": "{reference}: answered late",
    "notice.missed": "{reference}: not answered in time",
    "notice.miss_corrected": "{reference}: had been answered in time, the miss was corrected",
    "notice.waived": "{reference}: no longer required",
    "notice.lapsed": "{reference}: no longer required, the case has ended",
    "notice.extended": "{reference}: last day moved to {until}",
    "notice.reminded": "{reference}: reminder sent, {days} left",
    "answer.saved": "Draft answer saved",
    "response.read": "Answer opened by the team",
    "extension.requested": "{notice}: more time asked for, until {until}",
    "extension.granted": "{notice}: more time granted",
    "extension.refused": "{notice}: more time refused",
    "extension.lapsed": "{notice}: the request for more time has come to nothing, there was nothing left to extend",
    "extension.escalated": "{notice}: request for more time put before the supervisor",
    "exhibit.added": "Exhibit {number} added",
    "exhibit.disclosed": "Exhibit {number} disclosed in its non-confidential version",
    "exhibit.analysis_shown": "Exhibit {number}: an analysis of its non-confidential version shown to its recipient",
    "exhibit.commented": "Exhibit {number}: comment received",
    "referral.acknowledged": "{reference}: acknowledged by the authority",
    "referral.accepted": "{reference}: accepted by the authority",
    "referral.returned": "{reference}: returned for more information",
    "referral.declined": "{reference}: declined by the authority",
    "referral.withdrawn": "{reference}: withdrawn by the ministry",
    "referral.added_to": "{reference}: a late answer was added",
    "referral.analyses_added": "{reference}: analyses were added",
}


def sentence(event: Any, *, whole: bool) -> str:
    """An event in words; an unknown verb reads as its own name, so that nothing disappears from a timeline.

    `whole` adds what a party is not to know: why a case was referred says what the other side did or did not do.
    """
    template = _SENTENCES.get(event.verb)
    if template is None:
        return str(event.verb).replace(".", ": ").replace("_", " ")
    details = {name: _said(value) for name, value in event.details.items()}
    if "days" in details:
        details["days"] = "1 day" if details["days"] == "1" else f"{details['days']} days"
    if "number" in details and event.verb.startswith("exhibit."):
        details["number"] = f"{int(details['number']):03d}"
    text = template.format_map(_Blank({"reference": event.reference, **details}))
    reasons = event.details.get("reasons")
    if whole and event.verb == "case.referred" and reasons:
        text += ": " + "; ".join(REASONS_IN_WORDS.get(r, r).lower() for r in reasons)
    return text[:1].upper() + text[1:]


class _Blank(dict[str, str]):
    def __missing__(self, key: str) -> str:
        return ""


def _said(value: Any) -> str:
    if isinstance(value, str) and len(value) >= 10 and value[4:5] == "-" and value[:4].isdigit():
        try:
            moment = datetime.fromisoformat(value)
        except ValueError:
            return value
        if len(value) == 10:
            return f"{moment.day} {moment:%B %Y}"
        return last_day_of(moment)
    return str(value).replace("_", " ")


def last_day_of(deadline: datetime) -> str:
    """The day a deadline belongs to: the end of a day is stored as the start of the next."""
    local = deadline.astimezone(LONDON)
    if (local.hour, local.minute, local.second) == (0, 0, 0):
        local -= timedelta(days=1)
        return f"{local.day} {local:%B %Y}"
    return _moment(local)


def local_day(deadline: datetime) -> str:
    """The local day, in ISO 8601, at whose end or within which a deadline lies: see `last_day_of`."""
    return (deadline - timedelta(microseconds=1)).astimezone(LONDON).date().isoformat()


def _moment(local: datetime) -> str:
    """As the pages write it: "8:01pm on 23 November 2026"."""
    minutes = f":{local.minute:02d}" if local.minute else ""
    clock = "midday" if (local.hour, local.minute) == (12, 0) else f"{local.hour % 12 or 12}{minutes}{local:%p}".lower()
    return f"{clock} on {local.day} {local:%B %Y}"


def timeline(events: Iterable[Any], *, reader: Any) -> list[dict[str, Any]]:
    """Events as the timeline component takes them. Other organisations' people are named by their organisation's part."""
    return [
        {
            "title": sentence(event, whole=not reader.is_company),
            "when": event.at,
            "who": _who(event, reader),
            "text": _late(event),
        }
        for event in events
    ]


def _who(event: Any, reader: Any) -> str:
    actor = event.actor
    if actor is None:
        return "the system"
    if reader.is_ministry or actor.organisation_id == reader.organisation_id:
        return str(actor.name)
    return {"ministry": "the ministry", "authority": "the competition authority"}.get(
        actor.organisation.kind, "another party"
    )


def _late(event: Any) -> str:
    late = (event.detected_at - event.at).total_seconds()
    return f"Put on record at {_moment(event.detected_at.astimezone(LONDON))}" if late > 600 else ""


@dataclass(frozen=True)
class Outlook:
    """What happens next if nobody acts: the words, the instant (None: not a matter of time), and why."""

    what: str
    when: datetime | None = None
    why: str = ""


def outlook(state: str, refers_at: datetime | None, *, requests: int, doubts: int, others: bool = False) -> Outlook:
    """The outlook of a case from its state, its due instant, and how many things hold it.

    For a party these are its own; of `others` it learns that there are some, not what they are.
    """
    if state == "open" and others and not (requests or doubts):
        return Outlook("Nothing: the case is held", refers_at, "The ministry has something to settle first.")
    if state == "open" and (requests or doubts):
        holds = []
        if requests:
            holds.append("a request for more time waits for a decision")
        if doubts:
            holds.append("the service of a notice is in doubt")
        return Outlook("Nothing: the case is held", refers_at, f"Held because {' and '.join(holds)}.")
    return {
        "open": Outlook("It is referred to the competition authority", refers_at),
        "referred": Outlook("Nothing here: the competition authority acts next"),
        "resolved": Outlook("Nothing: the case is resolved"),
        "closed": Outlook("Nothing here: the competition authority has taken it on"),
    }[state]


COUNTED = {
    "sent": "Sent",
    "skipped": "Not counted",
    "service": "Day of service, not counted",
    "rolled": "Not a working day: moved on",
    "last": "Last day",
}


def trace_rows(trace: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """A stored trace as rows of a table: day, what it is in the count, why."""
    rows = []
    for step in trace:
        counted = step["counted"]
        label = COUNTED.get(counted) or counted.replace("day-", "Day ")
        rows.append({"day": date.fromisoformat(step["day"]), "counted": label, "why": step["why"]})
    return rows
