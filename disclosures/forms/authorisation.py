"""The forms of authorisations. What an authorisation says is asked by one page, made from its description."""

from __future__ import annotations

from typing import Any

from crispy_forms.helper import FormHelper
from crispy_forms.layout import Fieldset, Layout
from django import forms

from disclosures.catalogue import AUTHORISATION
from disclosures.forms.fields import PlainText
from disclosures.forms.filing import SectionForm, StepForm, initial_of, section_form
from disclosures.schema import Content, Section, When
from web.fields import MomentField
from web.forms import Form

_ALL = Section("all", "Authorisation", tuple(AUTHORISATION.fields.values()))
_Terms: type[SectionForm] = section_form(_ALL, {}, evidence={})


def initial_terms(content: Content) -> dict[str, Any]:
    """A version's content as the form shows it."""
    return initial_of(_ALL, content)


class TermsForm(_Terms):  # type: ignore[valid-type, misc]
    """All that an authorisation says, in the groups of its description."""

    revision = None
    before: tuple[Fieldset, ...] = ()

    @property
    def helper(self) -> FormHelper:
        """One group after the other; what an answer opens is drawn inside that answer."""
        helper = super().helper
        groups = [
            Fieldset(s.title, *(f.name for f in s.fields if not isinstance(f.required, When))) for s in self.groups
        ]
        helper.layout = Layout(*self.before, *groups)
        return helper

    @property
    def groups(self) -> tuple[Section, ...]:
        return AUTHORISATION.sections


class ProposalForm(TermsForm):
    """A new authorisation: to whom it is given is asked by name."""

    grantee = PlainText(
        label="Legal name of the organisation that you permit",
        max_length=200,
        help_text="In full, as it is registered on this service. There is no list to choose from: who uses the service "
        "is not for rivals to know",
    )
    before = (Fieldset("To whom", "grantee"),)


class AmendmentForm(TermsForm):
    """Another version of a confirmed authorisation."""

    change = PlainText(
        label="What changes, and why",
        max_length=4000,
        widget=forms.Textarea(attrs={"rows": 4, "data-maxlength": 4000}),
        help_text="The other organisation and the ministry read this",
    )
    before = (Fieldset("The amendment", "change"),)


class ConfirmForm(StepForm):
    """Who agrees, and in what capacity. `version` is the one that was read."""

    name = PlainText(label="Your full name", max_length=200)
    capacity = PlainText(label="Your position", max_length=200, help_text="For example, head of evaluation")
    agree = forms.BooleanField(
        label="My organisation keeps to these limits, and I may say so for it",
        error_messages={"required": "Tick the box if your organisation keeps to these limits"},
    )


def _reason(label: str) -> PlainText:
    return PlainText(
        label=label,
        max_length=4000,
        widget=forms.Textarea(attrs={"rows": 5, "data-maxlength": 4000}),
        help_text="The other organisation and the ministry read this",
    )


class RefuseForm(StepForm):
    reason = _reason("Why you refuse it")


class TakeBackForm(StepForm):
    reason = _reason("Why you withdraw it")


class RevokeForm(Form):
    reason = _reason("Why you revoke it")
    effective_at = MomentField(
        label="From when",
        required=False,
        subject="The day from which it is revoked",
        help_text="Leave this empty to revoke it at once. It cannot be revoked for a time that has passed",
    )
