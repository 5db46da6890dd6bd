"""The forms of filings. A section's form is made from its description, so that no question is written twice.

Shape only: text, numbers and days are read here; what is missing or does not fit together is for the action to say.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from datetime import date
from typing import Any, ClassVar

from django import forms
from django.core.exceptions import ValidationError
from django.utils.html import format_html

from disclosures.forms.fields import LinesField, PlainText, TimeField, WholeField
from disclosures.schema import (
    ESTIMATED,
    EXACT,
    NOT_KNOWN,
    PARTS,
    Content,
    Field,
    Schema,
    Section,
    When,
    is_blank,
    parts_used,
)
from web.fields import DayField
from web.forms import Form

PRECISIONS = ((EXACT, "Exact"), (ESTIMATED, "Estimated"), (NOT_KNOWN, "Not yet known"))
YES_NO = (("yes", "Yes"), ("no", "No"))
_EMPTY = "Leave this empty if it is not yet known"


def _control(field: Field, evidence: Mapping[str, str], add_evidence: str) -> forms.Field:
    """The control for the answer itself."""
    said: dict[str, Any] = {"label": field.label, "help_text": field.hint, "required": False}
    radios, boxes = forms.RadioSelect, forms.CheckboxSelectMultiple
    made: forms.Field
    match field.kind:
        case "choice" | "yesno":
            choices = field.choices if field.kind == "choice" else YES_NO
            made = forms.ChoiceField(choices=choices, widget=radios, **said)
        case "many":
            made = forms.MultipleChoiceField(choices=field.choices, widget=boxes, **said)
        case "evidence":
            said["help_text"] = _evidence_hint(field, evidence, add_evidence)
            shown = [(ref, f"{ref} {title}") for ref, title in evidence.items()]
            made = forms.MultipleChoiceField(choices=shown, widget=boxes, **said)
        case "day":
            made = DayField(**{**said, "help_text": _day_hint(field)})
        case "whole":
            made = WholeField(**{**said, "help_text": field.hint or (_EMPTY if field.fact else "")})
        case "email":
            made = forms.EmailField(max_length=254, **said)
        case "url":
            made = forms.URLField(max_length=field.max_length, assume_scheme="https", **said)
        case "long":
            made = PlainText(max_length=field.max_length, widget=_textarea(field), **said)
        case "lines" | "codes":
            made = LinesField(longest=field.max_length, spaces=field.kind == "lines", **said)
        case "time":
            made = TimeField(**said)
        case _:
            made = PlainText(max_length=field.max_length, **said)
    if isinstance(made, forms.ChoiceField):
        made.error_messages["invalid_choice"] = f"{field.label}: choose from the answers shown"
        made.error_messages["invalid_list"] = made.error_messages["invalid_choice"]
    return made


def _evidence_hint(field: Field, evidence: Mapping[str, str], add_evidence: str) -> str:
    none = "" if evidence else "Your organisation has no evidence here yet. "
    return format_html(
        '{}. {}Save what you have typed before you <a class="govuk-link" href="{}">add a file to your evidence</a>.',
        field.hint.rstrip("."),
        none,
        add_evidence,
    )


def _day_hint(field: Field) -> str:
    return field.hint or "For example, 27 3 2026" + (f". {_EMPTY}" if field.fact else "")


def _textarea(field: Field) -> forms.Textarea:
    if field.name.startswith("claim_"):
        # Many on one page and short: the count below each would be noise; the limit holds all the same.
        return forms.Textarea(attrs={"rows": 2})
    return forms.Textarea(attrs={"rows": 4 if field.max_length <= 2000 else 8, "data-maxlength": field.max_length})


def _parts(field: Field) -> dict[str, forms.Field]:
    """The controls beside a fact: how sure it is, and what that needs."""
    sure = forms.ChoiceField(label=f"{field.label}: how sure is this?", choices=PRECISIONS, widget=forms.RadioSelect)
    how = PlainText(label=f"{field.label}: how you estimated it", max_length=1000, widget=forms.Textarea({"rows": 2}))
    why = PlainText(
        label=f"{field.label}: why it is not yet known", max_length=1000, widget=forms.Textarea({"rows": 2})
    )
    by = DayField(
        label=f"{field.label}: day by which you will know",
        help_text="You will be asked for it on this day",
        subject="The day by which you will know",
    )
    made: dict[str, forms.Field] = {"precision": sure, "how": how, "why": why, "known_by": by}
    for part, words in (("precision", ""), ("how", "Needed if estimated"), ("why", "Needed if not yet known")):
        made[part].marker = words  # type: ignore[attr-defined]
    by.marker = "Needed if not yet known"  # type: ignore[attr-defined]
    for control in made.values():
        control.required = False
    sure.error_messages["invalid_choice"] = f"{sure.label} Choose from the answers shown"
    return made


class SectionForm(Form):
    """One section of a filing, with what the design system needs to show a question only where it is asked."""

    section: ClassVar[Section]
    shown: ClassVar[tuple[Field, ...]]
    elsewhere: ClassVar[Content]
    copies: ClassVar[Mapping[str, Mapping[str, str]]]

    revision = forms.IntegerField(
        widget=forms.HiddenInput,
        min_value=0,
        max_value=2**31 - 1,
        error_messages=dict.fromkeys(
            ("required", "invalid", "min_value", "max_value"), "This page has lost its place. Open the section again"
        ),
    )

    def clean(self) -> dict[str, Any]:
        """Errors beside questions that are not asked go: nobody sees them, and the answers are not kept."""
        whole = {**self.elsewhere, **self.content()}
        for field in self.shown:
            for name in self._not_read(field, whole):
                self.errors.pop(name, None)
        return self.cleaned_data

    def place(self, name: str) -> str:
        """The control that a message of the schema belongs to."""
        if name not in self.copies:
            return name
        copies, field = self.copies[name], self._condition(name)
        return copies.get(str(self[field].value()), next(iter(copies.values())))

    def _condition(self, name: str) -> str:
        rule = next(f.required for f in self.shown if f.name == name)
        return rule.field if isinstance(rule, When) else ""

    def content(self) -> dict[str, Any]:
        """What could be read, in the shape of `disclosures.schema`; what is not answered is left out."""
        answers = {f.name: self._fact(f) if f.fact else self._stored(f, f.name) for f in self.shown}
        return {name: answer for name, answer in answers.items() if not is_blank(answer)}

    def _stored(self, field: Field, name: str) -> Any:
        if name in self.copies:
            name = self.copies[name].get(self.cleaned_data.get(self._condition(name), ""), "")
        value = self.cleaned_data.get(name)
        if field.kind == "yesno":
            return value == "yes" if value else None
        if isinstance(value, list):
            return list(dict.fromkeys(value))
        return value.isoformat() if isinstance(value, date) else value

    def _fact(self, field: Field) -> dict[str, Any] | None:
        read = {"precision": self.cleaned_data.get(f"{field.name}_precision"), "value": self._stored(field, field.name)}
        for part in ("how", "why", "known_by"):
            read[part] = self._stored(field, f"{field.name}_{part}")
        used = ("precision", *parts_used(read["precision"]))
        kept = {part: read[part] for part in used if not is_blank(read[part])}
        return kept or None

    def _not_read(self, field: Field, whole: Content) -> Iterator[str]:
        if field.name in self.copies:
            read = self.place(field.name) if field.is_asked(whole) else ""
            yield from (name for name in self.copies[field.name].values() if name != read)
            return
        parts = ("precision", *PARTS) if field.fact else ("value",)
        used = parts_used(self.cleaned_data.get(f"{field.name}_precision")) if field.fact else parts
        for part in parts:
            if not field.is_asked(whole) or (part not in used and part != "precision"):
                yield field.name if part == "value" else f"{field.name}_{part}"


def section_form(
    section: Section, elsewhere: Content, *, evidence: Mapping[str, str], add_evidence: str = ""
) -> type[SectionForm]:
    """The form class of a section. `elsewhere` is the content of the other sections, for conditions on it.

    A question that several answers open has a copy under each of them; the copy under the chosen answer is read.
    """
    shown = _on_the_page(section, elsewhere)
    by_name = {f.name: f for f in shown}
    controls: dict[str, Any] = {}
    reveals: dict[str, dict[str, list[str]]] = {}
    copies: dict[str, dict[str, str]] = {}
    for field in shown:
        opened_by = _opened_by(field, by_name)
        if len(opened_by) > 1:
            copies[field.name] = {answer: f"{field.name}_if_{answer}" for answer in opened_by}
        for answer in opened_by or [""]:
            name = copies[field.name][answer] if field.name in copies else field.name
            controls |= _with_parts(name, field, _control(field, evidence, add_evidence))
            if opened_by:
                names = [name, f"{name}_precision"] if field.fact else [name]
                condition = _rule(field).field
                reveals.setdefault(condition, {}).setdefault(answer, []).extend(names)
        if field.fact:
            parts = {ESTIMATED: [f"{field.name}_how"], NOT_KNOWN: [f"{field.name}_why", f"{field.name}_known_by"]}
            reveals[f"{field.name}_precision"] = parts
    own = {"section": section, "shown": shown, "elsewhere": elsewhere, "reveals": reveals, "copies": copies}
    return type("SectionForm", (SectionForm,), {**controls, **own})


def _with_parts(name: str, field: Field, control: forms.Field) -> dict[str, forms.Field]:
    if field.required:
        # Not the browser's business nor the form's: a section can be saved half done. The action asks for it.
        control.marker = field.required.words if isinstance(field.required, When) else ""  # type: ignore[attr-defined]
    control.opens_block = field.fact  # type: ignore[attr-defined]
    parts = {f"{name}_{part}": made for part, made in _parts(field).items()} if field.fact else {}
    return {name: control, **parts}


def _rule(field: Field) -> When:
    assert isinstance(field.required, When)  # noqa: S101 - for the type checker
    return field.required


def _opened_by(field: Field, shown: Mapping[str, Field]) -> list[str]:
    """The answers on this page, as the form sends them, that open the question; none when it is always in sight."""
    rule = field.required
    if not isinstance(rule, When) or rule.field not in shown:
        return []
    if shown[rule.field].kind == "yesno":
        return [text for answer, text in ((True, "yes"), (False, "no")) if answer in rule.values]
    return [answer for answer, _ in shown[rule.field].choices if answer in rule.values]


def _on_the_page(section: Section, elsewhere: Content) -> tuple[Field, ...]:
    """The questions that are asked, or would be after another answer on the same page."""
    shown: dict[str, Field] = {}
    for field in section.fields:
        rule = field.required
        here = isinstance(rule, When) and any(f.name == rule.field for f in section.fields)
        if not isinstance(rule, When) or (rule.field in shown if here else rule(elsewhere)):
            shown[field.name] = field
    return tuple(shown.values())


def initial_of(section: Section, content: Content) -> dict[str, Any]:
    """A section's stored answers as its form shows them."""
    initial: dict[str, Any] = {}
    for field in section.fields:
        answer = content.get(field.name)
        if field.fact and isinstance(answer, Mapping):
            initial[field.name] = _typed(field, answer.get("value"))
            initial |= {f"{field.name}_{part}": answer.get(part) for part in ("precision", "how", "why")}
            initial[f"{field.name}_known_by"] = _day(answer.get("known_by"))
        else:
            initial[field.name] = _typed(field, answer)
            if isinstance(field.required, When):
                initial |= {f"{field.name}_if_{value}": initial[field.name] for value in field.required.values}
    return initial


def _typed(field: Field, answer: Any) -> Any:
    match field.kind:
        case "yesno":
            return {True: "yes", False: "no"}.get(answer) if isinstance(answer, bool) else None
        case "day":
            return _day(answer)
        case "whole":
            return f"{answer:,}" if isinstance(answer, int) else answer
        case "lines" | "codes":
            return "\n".join(answer) if isinstance(answer, list) else answer
    return answer


def _day(answer: Any) -> date | None:
    try:
        return date.fromisoformat(answer)
    except (TypeError, ValueError):
        return None


class DeclarationForm(Form):
    """Who declares, in what capacity. `seen` is the digest of the answers on the page."""

    name = PlainText(label="Your full name", max_length=200)
    capacity = PlainText(label="Your position", max_length=200, help_text="For example, director or compliance officer")
    agree = forms.BooleanField(
        label="I make this declaration", error_messages={"required": "Tick the box if you make this declaration"}
    )
    seen = forms.CharField(widget=forms.HiddenInput, required=False, max_length=64)


class StandingForm(Form):
    """A declaration that stands for what programs file."""

    name = PlainText(label="Your full name", max_length=200)
    capacity = PlainText(label="Your position", max_length=200, help_text="For example, director or compliance officer")
    expires_on = DayField(label="Last day", help_text="Within a year. You can revoke it at any time before")
    agree = forms.BooleanField(
        label="I make this declaration for every filing that our programs make under it",
        error_messages={"required": "Tick the box if you make this declaration"},
    )


class StepForm(Form):
    """A step that needs no more than a yes. `version` is the one that was read (nothing to read in a draft)."""

    version = forms.IntegerField(widget=forms.HiddenInput, required=False, min_value=0, max_value=32767)


class ReasonForm(StepForm):
    reason = PlainText(
        label="Reasons",
        max_length=4000,
        widget=forms.Textarea(attrs={"rows": 8, "data-maxlength": 4000}),
        help_text="The company reads this",
    )


class WithdrawForm(Form):
    reason = PlainText(label="Why you withdraw it", max_length=2000, widget=forms.Textarea(attrs={"rows": 4}))


class SectionReasonsForm(StepForm):
    """Reasons, section by section; at least one, says the action."""

    def reasons(self) -> dict[str, str]:
        """What was written, by section."""
        named = {k.removeprefix("section_"): v for k, v in self.cleaned_data.items() if k.startswith("section_")}
        return {key: text for key, text in named.items() if text}


def section_reasons_form(schema: Schema) -> type[SectionReasonsForm]:
    """The form class with one text for each section of the schema."""
    made: dict[str, forms.Field] = {}
    for section in schema.sections:
        field = PlainText(
            label=section.title, max_length=4000, required=False, widget=forms.Textarea(attrs={"rows": 3})
        )
        field.marker = ""  # type: ignore[attr-defined]
        made[f"section_{section.key}"] = field
    return type("SectionReasonsForm", (SectionReasonsForm,), made)


class ReceiptForm(Form):
    """What a receipt shows: its reference and its fingerprint, however they were copied."""

    reference = PlainText(label="Reference", max_length=24, help_text="For example, D-2026-000123")
    fingerprint = PlainText(
        label="Fingerprint (SHA-256)",
        max_length=200,
        help_text="64 characters: the digits 0 to 9 and the letters a to f. Spaces do not matter",
        widget=forms.Textarea(attrs={"rows": 2, "class": "candour-code", "spellcheck": "false"}),
    )

    def clean_reference(self) -> str:
        """In capitals, as it is printed."""
        return "".join(self.cleaned_data["reference"].split()).upper()

    def clean_fingerprint(self) -> str:
        """64 hexadecimal digits. Raises ValidationError for anything else."""
        text = "".join(self.cleaned_data["fingerprint"].split()).lower()
        if not re.fullmatch(r"[0-9a-f]{64}", text):
            raise ValidationError("Fingerprint must have 64 characters, each a digit or a letter from a to f")
        return text
