"""What the `govuk` template pack needs to know of a field: which component it is, its ids, what describes it.

The templates draw; every decision that could break the tie between a control, its hint, its error and the error
summary is taken here, once.
"""

from dataclasses import dataclass, field
from typing import Any

from django import forms
from django.core.exceptions import NON_FIELD_ERRORS, ValidationError
from django.forms.boundfield import BoundField
from django.utils.html import format_html

from web.fields import BoxesWidget

# The order matters: CheckboxSelectMultiple is a RadioSelect, and most of the rest are Inputs, in Django's family.
_KINDS: list[tuple[type[forms.Widget], str]] = [
    (forms.HiddenInput, "hidden"),
    (forms.CheckboxSelectMultiple, "checkboxes"),
    (forms.RadioSelect, "radios"),
    (forms.CheckboxInput, "checkbox"),
    (forms.Select, "select"),
    (forms.Textarea, "textarea"),
    (BoxesWidget, "boxes"),
    (forms.FileInput, "file"),
    (forms.PasswordInput, "password"),
    (forms.widgets.Input, "input"),
]
_CLASSES = {
    "input": "govuk-input",
    "password": "govuk-input govuk-password-input__input govuk-js-password-input-input",
    "select": "govuk-select",
    "textarea": "govuk-textarea",
    "file": "govuk-file-upload",
}
_ERROR_CLASSES = {"input": "govuk-input--error", "password": "govuk-input--error"}
_CHOICES = {"radios", "checkboxes"}


@dataclass
class Option:
    """One radio or checkbox. `reveals` are the controls shown with it."""

    id: str
    name: str
    value: str
    label: Any
    checked: bool
    hint: str = ""
    disabled: bool = False
    reveals: list["Control"] = field(default_factory=list)

    @property
    def in_sight(self) -> bool:
        """True when what this answer reveals must be seen whatever is chosen: the summary links to an error there."""
        return any(control.errors for control in self.reveals)


@dataclass
class Control:
    """A field as the templates draw it."""

    bound: BoundField
    kind: str
    id: str
    described_by: str
    html: Any
    marker: str
    errors: list[str]
    maxlength: str = ""
    options: list[Option] = field(default_factory=list)

    @property
    def template(self) -> str:
        """The template that draws this kind."""
        return f"govuk/fields/{self.kind}.html"

    @property
    def beside_label(self) -> str:
        """The marker as it stands after the label."""
        if self.marker == "optional":
            return " (optional)"
        return format_html(' <span class="candour-marker">({})</span>', self.marker) if self.marker else ""

    @property
    def hint_id(self) -> str:
        """The id of the hint."""
        return f"{self.id}-hint"

    @property
    def error_id(self) -> str:
        """The id of the error."""
        return f"{self.id}-error"

    @property
    def count_id(self) -> str:
        """The id that the design system's character count looks for."""
        return f"{self.id}-info"


def kind_of(bound: BoundField) -> str:
    """The component that shows this field."""
    widget = bound.field.widget
    if bound.is_hidden:
        return "hidden"
    return next((kind for type_, kind in _KINDS if isinstance(widget, type_)), "other")


def base_id(bound: BoundField) -> str:
    """The id that the ids of all parts of a field begin with."""
    return bound.field.widget.attrs.get("id") or bound.auto_id or f"id_{bound.html_name}"


def first_control_id(bound: BoundField, error: ValidationError | None = None) -> str:
    """The id an error link must lead to: the control itself, the first radio, or the box the error is about."""
    kind, id_ = kind_of(bound), base_id(bound)
    if kind == "hidden":
        return ""
    if kind in _CHOICES:
        return next((option.id for option in options_of(bound)), "")
    if kind == "boxes":
        widget = bound.field.widget
        boxes = (error.code or "").split() if error else []
        known = [key for key, _, _ in widget.parts]
        return widget.id_for_part(id_, next((box for box in boxes if box in known), known[0]))
    return id_


def error_texts(bound: BoundField) -> list[str]:
    """The messages of a field, each able to stand without its field."""
    return [_standing_alone(str(text), bound) for text in bound.errors]


def _standing_alone(text: str, bound: BoundField | None) -> str:
    # Forms that are not ours (allauth's) keep Django's words, which mean nothing in a summary.
    if bound is not None and text.startswith("This field"):
        return f"{bound.label}: {text[:1].lower()}{text[1:]}"
    return text


def summary(form: forms.BaseForm) -> list[dict[str, str]]:
    """The entries of the error summary: text, and the id it leads to ("" when there is no visible control)."""
    entries = []
    for name, errors in form.errors.as_data().items():
        bound = form[name] if name != NON_FIELD_ERRORS and name in form.fields else None
        for error in errors:
            target = first_control_id(bound, error) if bound is not None else _first_visible(form)
            entries += [{"text": _standing_alone(str(text), bound), "target": target} for text in error.messages]
    return entries


def _first_visible(form: forms.BaseForm) -> str:
    return next((first_control_id(bound) for bound in form.visible_fields()), "")


def options_of(bound: BoundField) -> list[Option]:
    """The radios or checkboxes of a field, with the ids Django gives them."""
    hints = getattr(bound.field, "choice_hints", {})
    options = []
    for number, widget in enumerate(bound.subwidgets):
        data = widget.data
        value = str(data["value"] if data["value"] is not None else "")
        options.append(
            Option(
                id=str(data["attrs"].get("id") or f"{base_id(bound)}_{number}"),
                name=data["name"],
                value=value,
                label=data["label"],
                checked=bool(data["selected"]),
                hint=hints.get(data["value"], hints.get(value, "")),
                disabled=bool(data["attrs"].get("disabled")),
            )
        )
    return options


def revealed_by(form: forms.BaseForm) -> set[str]:
    """Names of the fields that are drawn inside another field's answer."""
    reveals = getattr(form, "reveals", {})
    return {name for answers in reveals.values() for names in answers.values() for name in names}


def marker_of(bound: BoundField) -> str:
    """What stands beside the label: the field's own marker, else "optional" where it is."""
    marker = getattr(bound.field, "marker", None)
    if marker is not None:
        return str(marker)
    return "" if bound.field.required else "optional"


def control(bound: BoundField) -> Control:
    """Everything the template of this field needs."""
    kind, id_ = kind_of(bound), base_id(bound)
    made = Control(bound, kind, id_, "", "", marker_of(bound), error_texts(bound))
    if kind == "textarea" or kind == "input":
        made.maxlength = str(bound.field.widget.attrs.get("data-maxlength", ""))
    described = [made.hint_id] if bound.help_text else []
    described += [made.error_id] if made.errors else []
    described += [made.count_id] if made.maxlength else []
    made.described_by = " ".join(described)
    if kind in _CHOICES:
        made.options = options_of(bound)
        _add_reveals(bound, made.options)
    elif kind != "hidden":
        made.html = bound.as_widget(widget=_widget(bound), attrs=_attributes(bound, made))
    return made


def _widget(bound: BoundField) -> forms.Widget:
    widget = bound.field.widget
    if isinstance(widget, forms.NumberInput):
        # type=number changes its value under a scrolling mouse and hides what it cannot read.
        kept = {name: value for name, value in widget.attrs.items() if name not in {"min", "max", "step"}}
        return forms.TextInput(attrs=kept)
    return widget


def _attributes(bound: BoundField, made: Control) -> dict[str, Any]:
    own = bound.field.widget.attrs
    # A placeholder vanishes when one types and is too pale to read: labels and hints do its work.
    attributes: dict[str, Any] = {"id": made.id, "placeholder": False, "required": False}
    classes = [_CLASSES.get(made.kind, ""), str(own.get("class", ""))]
    if made.errors:
        classes.append(_ERROR_CLASSES.get(made.kind, f"govuk-{made.kind}--error"))
    if made.kind == "boxes":
        codes = [error.code or "" for error in bound.form.errors.as_data().get(bound.name, [])]
        keys = [key for key, _, _ in bound.field.widget.parts]
        named = [key for code in codes for key in code.split() if key in keys]
        attributes["data-wrong"] = " ".join(named or (keys if codes else []))
        return attributes
    if made.maxlength:
        classes.append("govuk-js-character-count")
        # The browser would cut a pasted text without a word; the count and the server say so instead.
        attributes["maxlength"] = False
    if made.described_by:
        attributes["aria-describedby"] = made.described_by
    if made.kind == "checkbox":
        classes = ["govuk-checkboxes__input", str(own.get("class", ""))]
    if made.kind == "password":
        attributes |= {"spellcheck": "false", "autocapitalize": "none"}
    if made.kind == "input" and isinstance(bound.field.widget, forms.NumberInput):
        attributes["inputmode"] = "decimal" if _fractions(bound.field) else "numeric"
        if "govuk-input--width" not in classes[1]:
            classes.append("govuk-input--width-10")
    attributes["class"] = " ".join(name for name in classes if name)
    return attributes


def _fractions(found: forms.Field) -> bool:
    return isinstance(found, forms.DecimalField | forms.FloatField)


def _add_reveals(bound: BoundField, options: list[Option]) -> None:
    answers = getattr(bound.form, "reveals", {}).get(bound.name, {})
    for option in options:
        option.reveals = [
            control(bound.form[name]) for name in answers.get(option.value, ()) if name in bound.form.fields
        ]
