"""An authorisation as people read it: its terms by section, what changed between two versions, how it came about."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from django.urls import reverse

from disclosures.catalogue import AUTHORISATION
from disclosures.models import Authorisation, AuthorisationAnswer
from disclosures.schema import Content, Field, changes, in_words, is_blank
from ledger.time import now
from web.templatetags.candour import counted, until

COLOURS = {
    "proposed": "blue",
    "amending": "blue",
    "confirmed": "green",
    "refused": "red",
    "withdrawn": "grey",
    "revoked": "orange",
}
# Of what is not limited, the page says so: an empty line would leave it to the reader.
_UNLIMITED = {
    "endpoints": "Any",
    "networks": "Any",
    "user_agents": "Any",
    "techniques_excluded": "None named",
    "hours_from": "The whole day",
    "hours_until": "The whole day",
    "max_requests": "No limit",
    "max_requests_a_day": "No limit",
    "max_tokens": "No limit",
    "max_concurrency": "No limit",
}
_LISTS = {"lines", "codes"}
FEW = 10


@dataclass(frozen=True)
class Row:
    """One answer. `lines`: a list too long to stand on the page at once, which is opened from `text`."""

    label: str
    text: str
    lines: str = ""
    before: str = ""


@dataclass(frozen=True)
class Group:
    key: str
    title: str
    rows: list[Row]


def state_of(found: Authorisation) -> tuple[str, str]:
    """The state as a tag: words and colour. A revocation that does not hold yet is not called one."""
    if found.revoked_at is not None and found.revoked_at > now():
        return "Ends early", "orange"
    return str(found.get_state_display()), COLOURS[found.state]


def in_sections(content: Content) -> list[Group]:
    """All that a version says, in the groups of its description."""
    return [
        Group(s.key, s.title, [_row(f, content.get(f.name)) for f in s.fields if f.is_asked(content)])
        for s in AUTHORISATION.sections
    ]


def _row(field: Field, answer: Any) -> Row:
    if is_blank(answer):
        return Row(field.label, _UNLIMITED.get(field.name, ""))
    if field.kind in _LISTS and len(answer) > FEW:
        return Row(field.label, counted(len(answer), "line"), in_words(field, answer))
    return Row(field.label, in_words(field, answer))


def changed_terms(before: Content, after: Content) -> list[Row]:
    """The answers that differ, in the order of the questions; of lists, what has gone and what has come."""
    differing = set(changes(before, after))
    return [
        _difference(field, before.get(field.name), after.get(field.name))
        for field in AUTHORISATION.fields.values()
        if field.name in differing
    ]


def _difference(field: Field, before: Any, after: Any) -> Row:
    if field.kind in _LISTS and not is_blank(before) and not is_blank(after):
        gone, come = ([x for x in one if x not in set(other)] for one, other in ((before, after), (after, before)))
        return Row(field.label, _some("Added", come, after), before=_some("Removed", gone, before))
    return Row(field.label, _row(field, after).text, before=_row(field, before).text)


def _some(word: str, lines: list[str], whole: list[str]) -> str:
    more = f"\nand {len(lines) - FEW:,} more" if len(lines) > FEW else ""
    named = f"{word}:\n" + "\n".join(lines[:FEW]) + more if lines else f"Nothing {word.lower()}"
    return f"{counted(len(whole), 'line')}. {named}"


def history_of(found: Authorisation, reader: Any) -> list[dict[str, Any]]:
    """What was registered and what was answered, newest first, as the timeline shows it."""
    items: list[dict[str, Any]] = []
    for version in found.versions.all():
        first = version.number == 1
        marked = ["The window had begun when it was registered."] if version.retroactive else []
        items.append(
            {
                "when": version.registered_at,
                "title": "Registered" if first else f"Amendment registered: version {version.number}",
                "who": found.grantor.name,
                "href": reverse("authorisation_version", args=[found.reference, version.number]),
                "text": "\n".join([*marked, *([version.change] if version.change else [])]),
            }
        )
        items += [_answered(found, answer, version.number) for answer in version.answers.all()]
    # Of two things at one instant the later one stands first as well.
    return sorted(items, key=lambda item: item["when"])[::-1]


def _answered(found: Authorisation, answer: AuthorisationAnswer, number: int) -> dict[str, Any]:
    amended = f" (version {number})" if number > 1 and answer.outcome != AuthorisationAnswer.Outcome.REVOKED else ""
    sides = {found.grantor_id: found.grantor.name, found.grantee_id: found.grantee.name}
    who = sides[answer.by.organisation_id]
    later = f"From {until(answer.effective_at)}." if answer.effective_at > answer.at else ""
    return {
        "when": answer.at,
        "title": f"{answer.get_outcome_display()}{amended}",
        "who": f"{answer.name}, {answer.capacity}, for {who}" if answer.name else who,
        "text": "\n".join(text for text in (later, answer.reason) if text),
    }
