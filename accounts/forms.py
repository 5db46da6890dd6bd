"""Shapes of what people send about organisations, contacts, invitations and their own account."""

from __future__ import annotations

import re
from datetime import date
from typing import Any

from django import forms
from django.core.exceptions import ValidationError

from accounts.models import Nation, Organisation, Role
from accounts.rules import ROLES_OF_KIND, SCOPES, SCOPES_OF_KIND
from ledger.time import local_date, now
from web.fields import DayField
from web.forms import Form

_ADDRESS_OF_A_PAGE = re.compile(r"://|\bwww\.", re.IGNORECASE)


def no_web_address(value: str) -> None:
    """A name goes into letters to other people: it must not carry a link there."""
    if _ADDRESS_OF_A_PAGE.search(value):
        raise ValidationError("A name cannot contain a web address")


def _name(label: str, **kwargs: Any) -> forms.CharField:
    return forms.CharField(label=label, max_length=200, validators=[no_web_address], **kwargs)


def _email(label: str, **kwargs: Any) -> forms.EmailField:
    widget = forms.EmailInput(attrs={"autocomplete": "email", "spellcheck": "false"})
    return forms.EmailField(label=label, max_length=254, widget=widget, **kwargs)


def _nation() -> forms.ChoiceField:
    return forms.ChoiceField(
        label="Where is it registered?",
        choices=Nation.choices,
        widget=forms.RadioSelect,
        help_text="Bank holidays differ: this decides whose count when a time limit is worked out.",
    )


def _address() -> forms.CharField:
    return forms.CharField(
        label="Registered address", max_length=1000, widget=forms.Textarea(attrs={"rows": 4, "data-maxlength": 1000})
    )


def _reason(label: str, **kwargs: Any) -> forms.CharField:
    widget = forms.Textarea(attrs={"rows": 5, "data-maxlength": 2000})
    return forms.CharField(label=label, max_length=2000, widget=widget, **kwargs)


class ClientForm(Form):
    """Credentials for a machine."""

    name = _name("What is it called?", help_text="For example: filing system of the legal department")
    scopes = forms.MultipleChoiceField(
        label="What may it do?",
        widget=forms.CheckboxSelectMultiple,
        help_text="Choose no more than it needs. To change it later, make new credentials and revoke these.",
    )

    def __init__(self, *args: Any, kind: str, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        scopes: Any = self.fields["scopes"]
        scopes.choices = [(scope, SCOPES[scope]) for scope in SCOPES_OF_KIND[kind]]


class RegisterForm(Form):
    """A company asks for an account."""

    name = _name("Legal name of the company")
    company_number = forms.CharField(
        label="Company number or LEI",
        max_length=40,
        help_text="As Companies House or the Legal Entity Identifier register shows it, for example 01234567.",
        widget=forms.TextInput(attrs={"class": "govuk-input--width-20"}),
    )
    nation = _nation()
    address = _address()
    person = _name("Your name", help_text="You become the company’s administrator and can invite colleagues.")
    email = _email("Your e-mail address", help_text="We send the link for your account here.")
    second_name = _name(
        "Name of a second contact", help_text="Somebody else who reads letters for the company, or a shared desk."
    )
    second_email = _email(
        "E-mail address of the second contact",
        help_text="It must be a different mailbox: copies of notices go to both, in case one is not read.",
    )


class OrganisationForm(Form):
    """The supervisor registers the authority, a partner or a company."""

    name = _name("Legal name")
    kind = forms.ChoiceField(
        label="What kind of organisation is it?",
        choices=[choice for choice in Organisation.Kind.choices if choice[0] != "ministry"],
        widget=forms.RadioSelect,
    )
    nation = _nation()
    address = _address()
    person = _name("Name of its first member", help_text="He or she gets a link to make the account.")
    email = _email("E-mail address of its first member")


class SearchForm(Form):
    """Part of a name."""

    q = forms.CharField(label="Search by name", max_length=200, required=False)
    q.marker = ""  # type: ignore[attr-defined]


class ContactForm(Form):
    """Somebody who gets a copy of every notice."""

    name = _name("Name", help_text="A person, or a desk such as “Regulatory post”.")
    email = _email("E-mail address", help_text="A different mailbox from the contacts there are.")


class InviteForm(Form):
    """Whom to invite, as what."""

    name = _name("Name")
    email = _email("E-mail address")
    role = forms.ChoiceField(label="Role", widget=forms.RadioSelect)

    hints = {
        "company_officer": "Drafts and hands in disclosures, allegations, answers and evidence.",
        "company_admin": "The same, and looks after contacts, colleagues and invitations.",
        "caseworker": "Reviews filings and works on cases.",
        "supervisor": "The same, and decides cases, verifies organisations and invites people.",
        "auditor": "Reads the record of what happened, not the content of evidence.",
        "operator": "Sees whether the service is healthy, never content.",
    }

    def __init__(self, *args: Any, kind: str, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        role = self.fields["role"]
        role.choices = [(value, Role(value).label) for value in ROLES_OF_KIND[kind]]  # type: ignore[attr-defined]
        role.choice_hints = self.hints  # type: ignore[attr-defined]
        if len(ROLES_OF_KIND[kind]) == 1:
            role.initial = ROLES_OF_KIND[kind][0]


class ReplaceForm(Form):
    """Who takes the place of an administrator who is lost."""

    name = _name("Name of the new administrator")
    email = _email("E-mail address of the new administrator")


class RefuseForm(Form):
    """Why an organisation is not verified."""

    reason = _reason("Why is it not verified?", help_text="The organisation reads this. Say what it can do about it.")


class SuspendForm(Form):
    """Why an organisation is shut out."""

    reason = _reason(
        "Why is it suspended?",
        help_text="Its people read this when they try to come in. Say what they can do about it.",
    )


class RestoreForm(Form):
    """Why an organisation is let in again."""

    reason = _reason("Why is it let in again?")


class AwayForm(Form):
    """Until when somebody is away; no date means: here."""

    until = DayField(
        label="Away until",
        subject="The day until which you are away",
        required=False,
        help_text="The last day of your absence, for example 27 3 2027. Leave it empty if you are not away.",
    )

    def clean_until(self) -> date | None:
        """A day that has not passed."""
        until: date | None = self.cleaned_data["until"]
        if until is not None and until < local_date(now()):
            raise ValidationError("The day until which you are away must be today or later", code="day")
        return until
