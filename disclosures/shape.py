"""Answers as a machine sends them: read strictly by the same descriptions from which the pages' forms are made.

A number is not a text, an unknown name is refused, and nothing is guessed. What is `BLANK` is no answer, whatever is
asked. What a whole filing lacks is not said here but by `disclosures.schema.problems`, for pages and machines alike.
Errors are by the path of what they are about, its parts divided by slashes: "whose_activity", "volume_requests/how".
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from datetime import date
from typing import Any

from django.core.exceptions import ValidationError
from django.core.validators import EmailValidator, URLValidator

from disclosures.schema import (
    BLANK,
    MOST,
    MOST_LINES,
    PARTS,
    PARTS_USED,
    Field,
    Schema,
    When,
    is_blank,
    parts_used,
    wrong_line,
)
from web.fields import FIRST_YEAR, LAST_YEAR

REASON_LENGTH = 1000
AT_MOST_WRONG = 50
AT_MOST_REFERENCES = 200
REFERENCE = "E-[0-9]{4}-[0-9]{6,12}"
TIME = "([01][0-9]|2[0-3]):[0-5][0-9]"
_REFERENCE, _TIME = re.compile(REFERENCE), re.compile(TIME)
_UNKEEPABLE = re.compile("[\0\ud800-\udfff]")
_DAY = re.compile(r"\d{4}-\d{2}-\d{2}")
DAY = {"type": "string", "format": "date", "pattern": "^(19|2[01])"}  # the years of `web.fields`
_email, _url = EmailValidator(), URLValidator()


class _Wrong(Exception):
    """What was sent is not of the right kind; `at` is the part of the answer, "" for the answer itself."""

    def __init__(self, message: str, at: str = "") -> None:
        super().__init__(message)
        self.message, self.at = message, at


def read(schema: Schema, sent: Any) -> tuple[dict[str, Any], dict[str, str]]:
    """The content that `sent` holds, in the shape of `disclosures.schema`, and what could not be read, by path."""
    if not isinstance(sent, Mapping):
        return {}, {"": "This must be an object with an answer for each field."}
    fields = schema.fields
    content: dict[str, Any] = {}
    wrong: dict[str, str] = {}
    for name, answer in sent.items():
        if len(wrong) >= AT_MOST_WRONG:
            break
        if name not in fields:
            # Cut, and in characters that can be sent back; "/" divides the parts of a path.
            said = str(name)[:100].encode("utf-8", "replace").decode()
            wrong[said.replace("~", "~0").replace("/", "~1")] = "This is not asked here."
            continue
        if is_blank(answer):
            continue
        field = fields[name]
        try:
            kept = _fact(field, answer) if field.fact else _KINDS[field.kind](field, answer)
        except _Wrong as error:
            wrong[f"{name}/{error.at}" if error.at else name] = error.message
            continue
        if not is_blank(kept):
            content[name] = kept
    return content, wrong


def path_of(schema: Schema, control: str) -> str:
    """The path of a control as `problems` names it: a part of a fact stands below the fact."""
    for field in (f for s in schema.sections for f in s.fields):
        if control == field.name:
            return control
        part = control.removeprefix(f"{field.name}_")
        if field.fact and part in {"precision", "how", "why", "known_by"}:
            return f"{field.name}/{part}"
    return control


# --- One kind of answer each --------------------------------------------------------------------------------------------
def _text(field: Field, answer: Any, *, most: int = 0) -> str:
    if not isinstance(answer, str):
        raise _Wrong("This must be a text.")
    # As it was sent, which is all that the JSON Schema can speak of: a megabyte of spaces is too much as well.
    limit = most or field.max_length
    if len(answer) > limit:
        raise _Wrong(f"This must be {limit} characters or less.")
    if _UNKEEPABLE.search(answer):
        raise _Wrong("This holds a character that cannot be kept.")
    return (answer.replace("\r\n", "\n").replace("\r", "\n") if "\r" in answer else answer).strip()


def _checked(validate: Callable[[str], None], message: str) -> Callable[[Field, Any], str]:
    def read_it(field: Field, answer: Any) -> str:
        text = _text(field, answer)
        try:
            validate(text)
        except ValidationError:
            raise _Wrong(message) from None
        return text

    return read_it


def _choice(field: Field, answer: Any) -> str:
    if not isinstance(answer, str) or answer not in field.values:
        raise _Wrong(f"This must be one of: {', '.join(value for value, _ in field.choices)}.")
    return answer


def _many(field: Field, answer: Any) -> list[str]:
    if not isinstance(answer, list):
        raise _Wrong("This must be a list.")
    return list(dict.fromkeys(_choice(field, one) for one in answer))


def _references(field: Field, answer: Any) -> list[str]:
    if not isinstance(answer, list) or not all(isinstance(one, str) and _REFERENCE.fullmatch(one) for one in answer):
        raise _Wrong("This must be a list of references such as E-2026-000123.")
    if len(answer) > AT_MOST_REFERENCES:
        raise _Wrong(f"Name at most {AT_MOST_REFERENCES} items.")
    return list(dict.fromkeys(answer))


def _yesno(field: Field, answer: Any) -> bool:
    if not isinstance(answer, bool):
        raise _Wrong("This must be true or false.")
    return answer


def _day(field: Field, answer: Any) -> str:
    try:
        day = date.fromisoformat(answer) if isinstance(answer, str) and _DAY.fullmatch(answer) else None
    except ValueError:
        day = None
    if day is None:
        raise _Wrong("This must be a day such as 2026-11-24.")
    if not FIRST_YEAR <= day.year <= LAST_YEAR:
        raise _Wrong(f"The year must be from {FIRST_YEAR} to {LAST_YEAR}.")
    return day.isoformat()


def _time(field: Field, answer: Any) -> str:
    if not isinstance(answer, str) or not _TIME.fullmatch(answer):
        raise _Wrong("This must be a time such as 16:30.")
    return answer


def _lines(field: Field, answer: Any) -> list[str]:
    if not isinstance(answer, list):
        raise _Wrong("This must be a list.")
    if len(answer) > MOST_LINES:
        raise _Wrong(f"This must have {MOST_LINES} members or fewer.")
    found = []
    for place, line in enumerate(answer):
        said = line.strip() if isinstance(line, str) else ""
        # Too long as it was sent, like a text. A surrogate is not printable, nor is any character that ends a line.
        read_as = line if said and len(line) > field.max_length else said
        wrong = (
            wrong_line(read_as, longest=field.max_length, spaces=field.kind == "lines") if said else "this is no text"
        )
        if wrong:
            raise _Wrong(f"{wrong[0].upper()}{wrong[1:]}.", str(place))
        found.append(said)
    return list(dict.fromkeys(found))


def _whole(field: Field, answer: Any) -> int:
    if isinstance(answer, bool) or not isinstance(answer, int) or not 0 <= answer <= MOST:
        raise _Wrong(f"This must be a whole number from 0 to {MOST}.")
    return answer


_KINDS: dict[str, Callable[[Field, Any], Any]] = {
    "text": _text,
    "long": _text,
    "email": _checked(_email, "This must be an e-mail address."),
    "url": _checked(_url, "This must be a web address with its https://."),
    "choice": _choice,
    "many": _many,
    "evidence": _references,
    "yesno": _yesno,
    "day": _day,
    "time": _time,
    "whole": _whole,
    "lines": _lines,
    "codes": _lines,
}


def _fact(field: Field, answer: Any) -> dict[str, Any] | None:
    """A fact as far as it is written, None if nothing is: without its precision all parts are kept, as on the page.

    Every part is read, so that none is taken whatever it is; those that do not go with the precision are not kept.
    """
    if not isinstance(answer, dict):
        raise _Wrong('This must be an object: {"precision": "exact", "value": ...}.')
    for name in answer:
        if name != "precision" and name not in PARTS:
            raise _Wrong("This is not asked here.", str(name)[:100].encode("utf-8", "replace").decode())
    precision = answer.get("precision")
    if not is_blank(precision) and (not isinstance(precision, str) or precision not in PARTS_USED):
        raise _Wrong(f"This must be one of: {', '.join(PARTS_USED)}.", "precision")
    fact: dict[str, Any] = {"precision": precision}
    for part in PARTS:
        given = answer.get(part)
        if is_blank(given):
            continue
        try:
            fact[part] = _part(field, part, given)
        except _Wrong as error:
            raise _Wrong(error.message, part) from None
    used = ("precision", *parts_used(precision))
    return {part: fact[part] for part in used if not is_blank(fact.get(part))} or None


def _part(field: Field, part: str, given: Any) -> Any:
    if part == "value":
        return _KINDS[field.kind](field, given)
    return _day(field, given) if part == "known_by" else _text(field, given, most=REASON_LENGTH)


# --- The same, as a JSON Schema -----------------------------------------------------------------------------------------
def json_schema(schema: Schema, *, draft: bool = True) -> dict[str, Any]:
    """What `read` takes, as JSON Schema.

    A draft may lack anything, by leaving it out or by saying that there is no answer. What is no draft, because it
    counts as soon as it is sent, has an answer to every question that is always asked.
    """
    needed = [] if draft else [f.name for f in schema.fields.values() if f.required is True]
    properties = {f.name: _described(f, needed=f.name in needed) for f in schema.fields.values()}
    described: dict[str, Any] = {"type": "object", "additionalProperties": False, "properties": properties}
    return {**described, "required": needed} if needed else described


def _or_blank(described: dict[str, Any]) -> dict[str, Any]:
    return {"anyOf": [described, {"enum": list(BLANK)}]}


def _described(field: Field, *, needed: bool) -> dict[str, Any]:
    value = _described_value(field)
    if field.fact:
        reason = {"type": "string", "maxLength": REASON_LENGTH}
        parts = {
            "precision": {"type": "string", "enum": list(PARTS_USED)},
            "value": value,
            "how": reason,
            "why": reason,
            "known_by": DAY,
        }
        properties = {name: _or_blank(part) for name, part in parts.items()}
        value = {"type": "object", "additionalProperties": False, "properties": properties}
    words = field.required.words if isinstance(field.required, When) else "Required" if field.required else "Optional"
    said = {"title": field.label, "description": " ".join(filter(None, [f"{words}.", field.hint]))}
    return {**(_answered(value) if needed else _or_blank(value)), **said}


def _answered(value: dict[str, Any]) -> dict[str, Any]:
    """The value without those among its kind that say nothing: of a text, nothing but space."""
    more: dict[str, dict[str, Any]] = {"string": {"pattern": "\\S"}, "array": {"minItems": 1}}
    return {**more.get(value["type"], {}), **value}


def _described_value(field: Field) -> dict[str, Any]:
    text: dict[str, Any] = {"type": "string", "maxLength": field.max_length}
    choice: dict[str, Any] = {"type": "string", "enum": [value for value, _ in field.choices]}
    reference: dict[str, Any] = {"type": "string", "pattern": f"^{REFERENCE}$"}
    return {
        "text": text,
        "long": text,
        "email": {**text, "format": "email"},
        "url": {**text, "format": "uri"},
        "choice": choice,
        "many": {"type": "array", "items": choice},
        "evidence": {"type": "array", "maxItems": AT_MOST_REFERENCES, "items": reference},
        "yesno": {"type": "boolean"},
        "day": DAY,
        "time": {"type": "string", "pattern": f"^{TIME}$"},
        # Space around a line is no part of it, and there is something in every line.
        "lines": {"type": "array", "maxItems": MOST_LINES, "items": {**text, "pattern": "\\S"}},
        "codes": {"type": "array", "maxItems": MOST_LINES, "items": {**text, "pattern": "^\\s*\\S+\\s*$"}},
        "whole": {"type": "integer", "minimum": 0, "maximum": MOST},
    }[field.kind]
