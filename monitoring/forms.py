"""The forms of monitoring: shape only, every rule is the actions'."""

from __future__ import annotations

from django import forms
from django.core.validators import RegexValidator

from web.forms import Form


class NothingForm(Form):
    """A step that asks for nothing."""


class AnalysisForm(Form):
    rate_limit = forms.IntegerField(
        label="Rate limit, in requests a minute (optional)",
        required=False,
        min_value=1,
        max_value=10_000_000,
        help_text="If the provider’s limit for an account is known, it is shown who kept just below it",
    )


class ReasonForm(Form):
    reason = forms.CharField(
        label="Reason",
        max_length=4000,
        widget=forms.Textarea(attrs={"rows": 5}),
        help_text="Kept with your name. It is read when somebody asks why this was done",
    )


class AlertReasonForm(ReasonForm):
    # That which was read.
    version = forms.IntegerField(widget=forms.HiddenInput, required=False, min_value=0, max_value=32767)


class AlertTakeForm(AlertReasonForm):
    case_reference = forms.CharField(
        label="Reference of the case",
        max_length=24,
        help_text="Such as C-2026-000123. Open the case first, by its own rules",
        validators=[
            RegexValidator(r"^C-[0-9]{4}-[0-9]{6,12}$", "Enter the reference of a case, such as C-2026-000123")
        ],
    )
    field_order = ("case_reference", "reason")
