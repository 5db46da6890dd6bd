"""The shape of an item of evidence: the file, what is known of it, and what is claimed to be confidential in it."""

from __future__ import annotations

from datetime import date
from typing import Any

from crispy_forms.helper import FormHelper
from crispy_forms.layout import Fieldset, Layout
from django import forms
from django.core.exceptions import ValidationError

from evidence.intake import ALLOWED, Refused, inspect, limit_in_words
from evidence.models import EvidenceItem, Limb
from ledger.time import local_date, now
from web.fields import DayField
from web.forms import Form

EMPTY = "The file is empty. Choose a file that has something in it"


def _long(label: str, limit: int, rows: int = 3, **kwargs: Any) -> forms.CharField:
    widget = forms.Textarea(attrs={"rows": rows, "data-maxlength": limit})
    return forms.CharField(label=label, max_length=limit, widget=widget, **kwargs)


def _file(label: str, **kwargs: Any) -> forms.FileField:
    widget = forms.FileInput(attrs={"accept": ",".join(sorted(ALLOWED))})
    return forms.FileField(label=label, widget=widget, error_messages={"empty": EMPTY}, **kwargs)


class EvidenceForm(Form):
    """One item of evidence. What is not a date, a choice or a file is free text."""

    file = _file("File")
    title = forms.CharField(label="Title", max_length=200, help_text="What it is, in a few words.")
    kind = forms.ChoiceField(label="What kind of evidence is it?", choices=EvidenceItem.Kind, widget=forms.RadioSelect)
    relevance = _long(
        "What does it show?", 4000, rows=5, help_text="Say which fact it proves, and where to look in it."
    )

    period_from = DayField(label="First day it covers", required=False, help_text="For example 27 3 2026.")
    period_to = DayField(label="Last day it covers", required=False)
    source_system = forms.CharField(
        label="System it comes from", max_length=300, help_text="For example “API gateway logs, region eu-west”."
    )
    collected_by = forms.CharField(label="Who collected it?", max_length=200, help_text="Name and position.")
    collected_on = DayField(label="Day on which it was collected", help_text="For example 2 4 2026.")
    collection_method = _long("How was it collected?", 2000, help_text="Query, export or tool, with its version.")
    original_retained_where = forms.CharField(
        label="Where is the original kept?", max_length=300, help_text="Keep it: the ministry may ask to see it."
    )
    time_source = forms.CharField(
        label="Which clock and time zone are its times in?",
        max_length=300,
        help_text="And how far that clock was known to be off. If it has no times, say so.",
    )
    sampling = _long(
        "Was anything sampled, filtered or left out?", 2000, help_text="How, and how much. If nothing was, say so."
    )
    pseudonymisation = _long(
        "Were names or identifiers replaced?",
        2000,
        help_text="How, and who holds the key. If nothing was replaced, say so.",
    )
    personal_data = forms.TypedChoiceField(
        label="Does it contain personal data?",
        choices=[("yes", "Yes"), ("no", "No")],
        coerce=lambda value: value == "yes",
        widget=forms.RadioSelect,
    )
    derived_from = forms.ModelChoiceField(
        label="Made from an item you added before",
        queryset=EvidenceItem.objects.none(),
        required=False,
        empty_label="No, it stands alone",
        help_text="For an extract, a redaction or a better copy.",
    )

    limb = forms.ChoiceField(
        label="Do you claim that it is confidential?",
        choices=Limb,
        widget=forms.RadioSelect,
        help_text="Nobody else sees it until the ministry decides so, whatever you answer here.",
    )
    confidentiality_reason = _long(
        "Which passages, and what harm would follow?",
        4000,
        required=False,
        help_text="A claim that names neither cannot be accepted.",
    )
    public_file = _file("Non-confidential version", required=False)
    no_public_version_because = _long("If there is none, why can none be made?", 4000, required=False)
    privileged = forms.BooleanField(
        label="It contains communications with lawyers that are privileged",
        required=False,
        help_text="You need not hand in privileged material. If you do, it is kept from the competition authority.",
    )

    collector_declares = forms.BooleanField(
        label="Whoever collected it confirms that it is complete and unaltered, but for what is said above"
    )

    confidentiality_reason.marker = "needed with a claim"  # type: ignore[attr-defined]
    public_file.marker = "needed with a claim, or say why there is none"  # type: ignore[attr-defined]
    no_public_version_because.marker = "needed with a claim and no such version"  # type: ignore[attr-defined]
    privileged.marker = ""  # type: ignore[attr-defined]

    def __init__(self, *args: Any, own: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        items = self.fields["derived_from"]
        items.queryset = own  # type: ignore[attr-defined]
        items.label_from_instance = lambda item: f"{item.reference} {item.title}"  # type: ignore[attr-defined]
        size = f"Smaller than {limit_in_words()}. One of these types: {', '.join(sorted(ALLOWED))}"
        self.fields["file"].help_text = f"{size}. Its content is checked: it must be what its name says."
        self.fields["public_file"].help_text = f"What another party may see. {size}."

    @property
    def helper(self) -> FormHelper:
        """The questions in the order in which one can answer them."""
        helper = super().helper
        helper.layout = Layout(
            Fieldset("The file", "file", "title", "kind", "relevance"),
            Fieldset(
                "Where it comes from",
                *("source_system", "collected_by", "collected_on", "collection_method", "period_from", "period_to"),
                *("time_source", "original_retained_where", "derived_from"),
            ),
            Fieldset("What was done to it", "sampling", "pseudonymisation", "personal_data"),
            Fieldset(
                "Confidentiality",
                *("limb", "confidentiality_reason", "public_file", "no_public_version_because", "privileged"),
            ),
            Fieldset("Declaration", "collector_declares"),
        )
        return helper

    def clean_file(self) -> Any:
        """The file, if it can be taken."""
        return _taken(self.cleaned_data["file"])

    def clean_public_file(self) -> Any:
        """The other version, if there is one and it can be taken."""
        upload = self.cleaned_data["public_file"]
        return _taken(upload) if upload else None

    def clean_collected_on(self) -> date:
        """A day that has come."""
        day: date = self.cleaned_data["collected_on"]
        if day > local_date(now()):
            raise ValidationError("The day on which it was collected must be today or earlier", code="day month year")
        return day

    def clean(self) -> dict[str, Any]:
        """A period runs forward; a claim has its reason, and another version or the reason why there is none."""
        data = super().clean() or self.cleaned_data
        first, last = data.get("period_from"), data.get("period_to")
        if first and last and last < first:
            self.add_error("period_to", ValidationError("The last day must not be before the first", code="day"))
        if data.get("limb") not in {None, Limb.NONE}:
            if not data.get("confidentiality_reason"):
                self.add_error(
                    "confidentiality_reason", "Say which passages are confidential and what harm would follow"
                )
            missing = not data.get("public_file") and "public_file" not in self.errors
            if missing and not data.get("no_public_version_because"):
                self.add_error("public_file", "Choose a non-confidential version, or say below why none can be made")
        return data


def _taken(upload: Any) -> Any:
    try:
        inspect(upload)
    except Refused as refused:
        raise ValidationError(str(refused)) from refused
    return upload
