"""How a filing is described: sections of fields, which are required and when, and what is missing from an answer.

Pure: content goes in, messages come out. The pages' forms and the API's serializers are made from the same
descriptions, so no rule is written twice. Content is JSON: dates as ISO 8601 text, facts as
`{"precision": ..., "value": ..., "how"?: ..., "why"?: ..., "known_by"?: ...}`. What is not answered is left out.

A message belongs to one control: the field itself, or a part of a fact, which is named `<field>_<part>`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from functools import cached_property
from typing import Any

EXACT, ESTIMATED, NOT_KNOWN = "exact", "estimated", "not_known"
# What a fact may say besides how sure it is.
PARTS = ("value", "how", "why", "known_by")
PARTS_USED = {EXACT: ("value",), ESTIMATED: ("value", "how"), NOT_KNOWN: ("why", "known_by")}
# The largest number that an answer may be.
MOST = 10**18
# The longest list that an answer may be.
MOST_LINES = 10_000

Content = Mapping[str, Any]


@dataclass(frozen=True)
class When:
    """A condition on another answer of the same filing, with the words that tell a person of it."""

    field: str
    values: frozenset[Any]
    words: str

    def __call__(self, content: Content) -> bool:
        answer = content.get(self.field)
        if isinstance(answer, str | bool):
            return answer in self.values
        if isinstance(answer, Mapping):
            answer = answer.get("value")
        given = answer if isinstance(answer, list) else [answer]
        return any(isinstance(one, str | bool) and one in self.values for one in given)


def when(field: str, *values: Any, words: str) -> When:
    return When(field, frozenset(values), words)


@dataclass(frozen=True)
class Field:
    """One question. `required`: True, False, or a `When`. `fact`: may be exact, estimated or not yet known.

    `past`: a day that cannot lie ahead.
    """

    name: str
    label: str
    # text, long, email, url, choice, many, yesno, day, time, whole, evidence; lists: lines, and codes without spaces
    kind: str = "text"
    hint: str = ""
    required: bool | When = True
    choices: tuple[tuple[str, str], ...] = ()
    fact: bool = False
    confidential: bool = False
    past: bool = False
    max_length: int = 300

    @cached_property
    def values(self) -> frozenset[str]:
        """What may be chosen."""
        return frozenset(value for value, _ in self.choices)

    def is_asked(self, content: Content) -> bool:
        """A conditional question whose condition does not hold is not asked, and an answer to it is not kept."""
        return not isinstance(self.required, When) or self.required(content)


@dataclass(frozen=True)
class Section:
    key: str
    title: str
    fields: tuple[Field, ...]
    intro: str = ""

    @cached_property
    def has_end(self) -> bool:
        """Whether it asks when the activity ended, which is not before it began."""
        return any(f.name == "ended_at" for f in self.fields)


@dataclass(frozen=True)
class Schema:
    """All that one kind of filing asks. `version` is stored with every declared version."""

    kind: str
    version: str
    sections: tuple[Section, ...]

    @cached_property
    def fields(self) -> dict[str, Field]:
        """All fields by name, in the order in which they are asked."""
        return {f.name: f for s in self.sections for f in s.fields}

    @cached_property
    def conditions(self) -> dict[str, When]:
        """Upon what each conditional question is asked, by its name."""
        return {f.name: f.required for f in self.fields.values() if isinstance(f.required, When)}

    def section(self, key: str) -> Section:
        """The section `key`; raises KeyError."""
        return next((s for s in self.sections if s.key == key), None) or _missing(key)

    def field(self, name: str) -> Field:
        """The field `name`; raises KeyError."""
        return self.fields.get(name) or _missing(name)


def _missing(key: str) -> Any:
    raise KeyError(key)


# Whatever is asked: the ways in which JSON says that there is no answer (yet).
BLANK: tuple[Any, ...] = (None, "", [])


def is_blank(value: Any) -> bool:
    """Whether it is one of `BLANK`; said at length, for this is asked of every answer."""
    return value is None or value == "" or value == []


def parts_used(precision: Any) -> tuple[str, ...]:
    """The parts of a fact that count beside its precision; before anybody has said how sure it is, all are kept."""
    return PARTS_USED.get(precision, PARTS) if isinstance(precision, str) else PARTS


def wrong_line(line: str, *, longest: int, spaces: bool) -> str:
    """Why a line cannot stand in a list of names or of identifiers; empty when it can."""
    if len(line) > longest:
        return f"this must have {longest} characters or fewer"
    if not spaces and any(c.isspace() for c in line):
        return "this must not have a space in it. Put each on a line of its own"
    return "" if line.isprintable() else "this holds a character that cannot be printed"


def problems(section: Section, content: Content, *, today: date) -> dict[str, str]:
    """What is wrong with a section, by control: empty when it can be declared.

    `content` is the whole filing's, for conditions that look at other sections; `today` is the filer's local date, for
    days that must lie ahead or may not.
    """
    found: dict[str, str] = {}
    for field in section.fields:
        required = field.required
        if isinstance(required, When):
            # A conditional question is asked when it is required, and not otherwise.
            required = required(content)
            if not required:
                continue
        answer = content.get(field.name)
        if is_blank(answer):
            if required:
                found[field.name] = _ask(field)
        elif field.fact or field.past:
            part, message = _problem(field, answer, today, required=required)
            if message:
                found[f"{field.name}_{part}" if part else field.name] = message
    if section.has_end:
        started, ended = _day(content.get("started_at")), _day(content.get("ended_at"))
        if started and ended and ended < started:
            found.setdefault("ended_at", "The end must be on or after the start")
    return found


def _problem(field: Field, answer: Any, today: date, *, required: bool) -> tuple[str, str]:
    """The part of an answer that is wrong ("" is the answer itself), and the message ("" when nothing is)."""
    found = _fact_problem(field, answer, today, required=required) if field.fact else ("", "")
    day = _day(answer) if field.past else None
    if not found[1] and day and day > today:
        return "", f"{field.label} must be today or in the past"
    return found


def _fact_problem(field: Field, answer: Any, today: date, *, required: bool) -> tuple[str, str]:
    fact: Content = answer if isinstance(answer, Mapping) else {"value": answer}
    precision = fact.get("precision")
    if precision == EXACT and not is_blank(fact.get("value")):
        return "", ""
    label = field.label.lower()
    if precision == NOT_KNOWN:
        by = _day(fact.get("known_by"))
        if is_blank(fact.get("why")):
            return "why", f"Say why this is not yet known: {label}"
        if by is None:
            return "known_by", f"Say by when you will know: {label}"
        if by <= today:
            return "known_by", f"The day by which you will know must be in the future: {label}"
        return "", ""
    if is_blank(fact.get("value")):
        return "", _ask(field) if required or precision == ESTIMATED else ""
    if precision not in (EXACT, ESTIMATED):
        return "precision", f"Say whether this is exact, estimated or not yet known: {label}"
    if precision == ESTIMATED and is_blank(fact.get("how")):
        return "how", f"Say how you estimated this: {label}"
    return "", ""


def _ask(field: Field) -> str:
    verb = {"choice": "Choose", "many": "Choose", "yesno": "Choose", "evidence": "Choose"}.get(field.kind, "Enter")
    return f"{verb} an answer: {field.label[0].lower()}{field.label[1:]}"


def _day(answer: Any) -> date | None:
    if isinstance(answer, Mapping):
        answer = answer.get("value")
    try:
        return date.fromisoformat(answer) if isinstance(answer, str) and answer else None
    except ValueError:
        return None


def asked(schema: Schema, content: Content) -> dict[str, Any]:
    """The content without answers to questions that are not asked: what a filing says when it is declared.

    An answer that goes may have been the reason for another question, so this repeats until nothing more goes.
    """
    kept = {name: content[name] for name in schema.fields if name in content}
    while gone := [name for name, asks in schema.conditions.items() if name in kept and not asks(kept)]:
        for name in gone:
            del kept[name]
    return kept


def follow_ups(schema: Schema, content: Content) -> list[tuple[str, date]]:
    """The facts that are not yet known, and by when they will be: `(field, day)`."""
    found = []
    for section in schema.sections:
        for field in section.fields:
            answer = content.get(field.name)
            if field.fact and isinstance(answer, Mapping) and answer.get("precision") == NOT_KNOWN:
                by = _day(answer.get("known_by"))
                if by and field.is_asked(content):
                    found.append((field.name, by))
    return found


def changes(before: Content, after: Content) -> list[str]:
    """The fields whose answers differ between two contents, in the order of their names."""
    return sorted(name for name in {*before, *after} if before.get(name) != after.get(name))


def in_words(field: Field, answer: Any, *, evidence: Mapping[str, str] | None = None) -> str:
    """An answer as a person reads it; empty for no answer. `evidence` gives titles by reference."""
    if field.fact and isinstance(answer, Mapping):
        if answer.get("precision") == NOT_KNOWN:
            return f"Not yet known: {answer.get('why', '')} (by {_said(answer.get('known_by'))})"
        value = in_words(_plain(field), answer.get("value"))
        if answer.get("precision") == ESTIMATED and value:
            return f"{value} (estimated: {answer.get('how', '')})"
        return value
    if is_blank(answer):
        return ""
    labels = dict(field.choices)
    match field.kind:
        case "choice":
            return labels.get(str(answer), str(answer))
        case "many":
            return "; ".join(labels.get(str(a), str(a)) for a in _listed(answer))
        case "yesno":
            return "Yes" if answer else "No"
        case "day":
            return _said(answer)
        case "whole":
            return f"{answer:,}" if isinstance(answer, int) else str(answer)
        case "lines" | "codes":
            return "\n".join(str(line) for line in _listed(answer))
        case "evidence":
            titles = evidence or {}
            return "; ".join(f"{ref} {titles.get(str(ref), '')}".strip() for ref in _listed(answer))
    return str(answer)


def _listed(answer: Any) -> list[Any]:
    return answer if isinstance(answer, list) else [answer]


def _plain(field: Field) -> Field:
    return Field(name=field.name, label=field.label, kind=field.kind, choices=field.choices)


def _said(text: Any) -> str:
    day = _day(text)
    return f"{day:%A} {day.day} {day:%B %Y}" if day else ""
