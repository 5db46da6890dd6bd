"""Shapes of what people send about invitations and messages."""

from __future__ import annotations

from typing import Any

from django import forms

from web.forms import Form


class AcceptForm(Form):
    """The invited person's name and password."""

    name = forms.CharField(
        label="Your name", max_length=200, widget=forms.TextInput(attrs={"autocomplete": "name", "spellcheck": "false"})
    )
    password = forms.CharField(
        label="Choose a password",
        max_length=1000,
        strip=False,
        widget=forms.PasswordInput(attrs={"autocomplete": "new-password"}),
        help_text="At least 12 characters. Three or four words that do not belong together are good.",
    )
    password_again = forms.CharField(
        label="The same password again",
        max_length=1000,
        strip=False,
        widget=forms.PasswordInput(attrs={"autocomplete": "new-password"}),
    )

    def clean(self) -> dict[str, Any]:
        """Twice the same."""
        data = super().clean() or self.cleaned_data
        first, second = data.get("password"), data.get("password_again")
        if first and second and first != second:
            self.add_error("password_again", "The two passwords must be the same")
        return data


class EndpointForm(Form):
    """Where events are to be sent."""

    url = forms.CharField(
        label="Address of your program",
        max_length=500,
        help_text="For example https://hooks.example.com/candour. It must begin with https and be open to the internet.",
        widget=forms.TextInput(attrs={"inputmode": "url", "spellcheck": "false", "autocomplete": "off"}),
    )


class ReadForm(Form):
    """Up to which message the reader's list went."""

    upto = forms.IntegerField(min_value=0, max_value=2**63 - 1, widget=forms.HiddenInput)
