"""The base of every form, and how an action's refusal gets into it."""

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

from crispy_forms.helper import FormHelper
from django import forms

from web.problems import Invalid


def label_of(field: forms.Field, name: str) -> str:
    """The label as the page shows it."""
    return str(field.label or name.replace("_", " ").capitalize()).strip()


def _is_default(field: forms.Field, code: str) -> bool:
    # What the form's author wrote for this code stays.
    defaults: dict[str, Any] = {}
    for kind in reversed(type(field).__mro__):
        defaults.update(getattr(kind, "default_error_messages", {}))
    return str(field.error_messages.get(code, "")) == str(defaults.get(code, ""))


def own_messages(field: forms.Field, name: str) -> dict[str, str]:
    """Messages that name the field, because the error summary shows messages alone. Django fills in the figures."""
    label = label_of(field, name)
    subject = ("Your answer" if label.endswith("?") else label).replace("%", "%%")
    messages = {"required": required_message(field, name)}
    if isinstance(field, forms.FileField):
        return messages  # its own messages are filled in from other figures
    messages["max_length"] = f"{subject} must have %(limit_value)d characters or fewer; it has %(show_value)d"
    messages["min_length"] = f"{subject} must have %(limit_value)d characters or more; it has %(show_value)d"
    messages["max_value"] = f"{subject} must be %(limit_value)s or less"
    messages["min_value"] = f"{subject} must be %(limit_value)s or more"
    if isinstance(field, forms.DecimalField | forms.FloatField):
        messages["invalid"] = f"{subject} must be a number, such as 1200 or 12.5"
    elif isinstance(field, forms.IntegerField):
        messages["invalid"] = f"{subject} must be a whole number, such as 1200"
    elif isinstance(field, forms.EmailField):
        messages["invalid"] = f"{subject} must look like name@example.com"
    elif isinstance(field, forms.URLField):
        messages["invalid"] = f"{subject} must be a web address, such as https://example.com/"
    return messages


class Look:
    """What all forms here share: no colon after labels, messages of ours, the `govuk` template pack.

    `reveals` shows fields only with the answer that needs them: `{"known": {"estimated": ["how"]}}` puts the field
    `how` under the choice `estimated` of the radios (or checkboxes) `known`. The form's own `clean` decides whether
    they are needed. (The style sheet does it, without a script: the design system's own puts an ARIA attribute on
    radios that they may not have.)

    A field's `marker` ("Needed if ...") is printed beside its label; without one a field that is not required is marked
    "optional". `marker = ""` prints nothing. `choice_hints` (value to text) explains single radios or checkboxes.
    """

    reveals: ClassVar[Mapping[str, Mapping[str, Sequence[str]]]] = {}
    # The browser's own bubbles vanish, cannot be styled and are not read out well: the server answers instead.
    use_required_attribute = False

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        kwargs.setdefault("label_suffix", "")
        super().__init__(*args, **kwargs)
        for name, field in self.fields.items():  # type: ignore[attr-defined]
            for code, message in own_messages(field, name).items():
                if _is_default(field, code):
                    field.error_messages[code] = message

    @property
    def helper(self) -> FormHelper:
        """For `{% crispy form %}`: fields only, the page brings the form tag and the token."""
        helper = FormHelper()
        helper.form_tag = False
        helper.disable_csrf = True
        helper.include_media = False
        return helper


class Form(Look, forms.Form):
    """The base of forms."""


class ModelForm(Look, forms.ModelForm):
    """The base of model forms: for shape only, saving is an action's business."""


def required_message(field: forms.Field, name: str) -> str:
    """What to say when a required field is empty: names the field, because the summary shows messages alone."""
    label = label_of(field, name)
    if isinstance(field, forms.FileField):
        return f"Choose a file: {label}"
    if isinstance(field, forms.BooleanField):
        return f"Tick the box to go on: {label}"
    if label.endswith("?"):
        return f"{label} This needs an answer"
    if isinstance(field, forms.ChoiceField | forms.ModelChoiceField):
        return f"{label}: choose an answer"
    if len(label.split()) <= 5:
        # "Company name" becomes "company name"; "URL" and "AI model" keep their capitals.
        first = label.split()[0]
        return f"Enter {label if first[1:] != first[1:].lower() else label[:1].lower() + label[1:]}"
    return f"{label}: this needs an answer"


def add_errors(form: forms.BaseForm, invalid: Invalid) -> None:
    """Puts an action's refusal beside the fields it names; what the form does not have goes to the top of the form."""
    for name, messages in invalid.errors.items():
        known = name if name in form.fields else None
        for message in messages:
            form.add_error(known, message)
