"""The forms of the case pages: shape only, every rule is the actions'."""

from __future__ import annotations

from typing import Any, ClassVar

from django import forms

from accounts.models import Nation, Organisation, User
from cases.actions.notices import Ask
from cases.models import AnswerDraft, DeclineHead, Exhibit, Outcome, Party, Service
from evidence.models import EvidenceItem
from web.fields import DayField, MomentField
from web.forms import Form

LONG = 20000


def long_text(label: str, *, rows: int = 6, limit: int = 4000, **kwargs: Any) -> forms.CharField:
    return forms.CharField(label=label, max_length=limit, widget=forms.Textarea(attrs={"rows": rows}), **kwargs)


class QuestionsField(forms.CharField):
    """Questions, one a line; gives a tuple of `Ask`."""

    def __init__(self, **kwargs: Any) -> None:
        kwargs.setdefault("widget", forms.Textarea(attrs={"rows": 6}))
        super().__init__(max_length=LONG, **kwargs)

    def clean(self, value: Any) -> Any:
        text = super().clean(value) or ""
        lines = [line.strip() for line in text.splitlines() if line.strip()]
        if any(len(line) > 4000 for line in lines):
            raise forms.ValidationError("Each question must have 4,000 characters or fewer")
        return tuple(Ask(line) for line in lines)


def _companies() -> Any:
    return Organisation.objects.known_companies().order_by("name")


class OpenCaseForm(Form):
    title = forms.CharField(label="Title of the case", max_length=200)
    subject = long_text("What it is about", help_text="Printed on every notice. Name nobody who has not agreed to it")
    purpose = long_text("Why the parties are asked", help_text="Printed on every notice")
    complainant = forms.ModelChoiceField(
        label="Complainant", queryset=Organisation.objects.none(), required=False, empty_label="No complainant"
    )
    complainant_questions = QuestionsField(label="Questions to the complainant", required=False, help_text="One a line")
    complainant_questions.marker = "needed if there is a complainant"  # type: ignore[attr-defined]
    respondents = forms.ModelMultipleChoiceField(
        label="Respondents", queryset=Organisation.objects.none(), widget=forms.CheckboxSelectMultiple
    )
    respondent_questions = QuestionsField(label="Questions to the respondents", help_text="One a line")

    def __init__(self, *args: Any, complainant: Organisation | None = None, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields["complainant"].queryset = _companies()  # type: ignore[attr-defined]
        self.fields["respondents"].queryset = _companies()  # type: ignore[attr-defined]
        if complainant is not None:
            self.fields["complainant"].queryset = _companies().filter(pk=complainant.pk)  # type: ignore[attr-defined]
            self.fields["complainant"].initial = complainant.pk
            self.fields["complainant"].required = True
            self.fields["complainant_questions"].required = True
            self.fields["complainant_questions"].marker = ""  # type: ignore[attr-defined]


class IssueForm(Form):
    """Notices of a later round: a box of questions for each party, left empty for whom nothing is asked."""

    subject = long_text("What it is about")
    purpose = long_text("Why the parties are asked")

    def __init__(self, *args: Any, parties: list[Party], **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        for party in parties:
            label = f"Questions to {party.organisation} ({party.get_role_display().lower()})"
            self.fields[f"party_{party.pk}"] = QuestionsField(label=label, required=False, help_text="One a line")

    def questions(self) -> dict[int, tuple[Ask, ...]]:
        prefix = "party_"
        return {int(k[len(prefix) :]): v for k, v in self.cleaned_data.items() if k.startswith(prefix)}


def _staff() -> Any:
    return User.objects.able_to_sign_in().filter(role__in=["caseworker", "supervisor"]).order_by("name")


class AssignForm(Form):
    officer = forms.ModelChoiceField(
        label="Officer", queryset=User.objects.none(), required=False, empty_label="Nobody yet"
    )
    deputy = forms.ModelChoiceField(
        label="Deputy", queryset=User.objects.none(), required=False, empty_label="Nobody yet"
    )

    # The team that was shown when the page was opened: a colleague's change meanwhile is not written over.
    seen_officer = forms.IntegerField(required=False, widget=forms.HiddenInput)
    seen_deputy = forms.IntegerField(required=False, widget=forms.HiddenInput)

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        for name in ("officer", "deputy"):
            self.fields[name].queryset = _staff()  # type: ignore[attr-defined]


class ReasonForm(Form):
    reason = long_text("Reason")


class NoteForm(Form):
    text = long_text("Note", limit=8000, help_text="Seen by the ministry only")


class BriefForm(Form):
    text = forms.CharField(label="Text", max_length=LONG, required=False, widget=forms.Textarea(attrs={"rows": 14}))
    number = forms.IntegerField(min_value=0, widget=forms.HiddenInput)


class DecisionForm(Form):
    outcome = forms.ChoiceField(label="Outcome", choices=Outcome, widget=forms.RadioSelect)
    reasons = long_text("Reasons", rows=10, limit=LONG)


class PublishForm(Form):
    title = forms.CharField(label="Title", max_length=200)
    summary = long_text(
        "Summary for the public", rows=10, limit=8000, help_text="Without confidential figures or names not yet public"
    )


class DiscloseForm(Form):
    party = forms.ModelChoiceField(label="To whom", queryset=Party.objects.none(), widget=forms.RadioSelect)

    def __init__(self, *args: Any, exhibit: Exhibit, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        field = self.fields["party"]
        field.queryset = self.parties(exhibit)  # type: ignore[attr-defined]
        field.empty_label = None  # type: ignore[attr-defined]
        field.label_from_instance = lambda p: f"{p.organisation} ({p.get_role_display().lower()})"  # type: ignore[attr-defined]

    def parties(self, exhibit: Exhibit) -> Any:
        """Those who may be chosen."""
        return exhibit.case.parties.exclude(pk=exhibit.party_id).select_related("organisation")


class ShowAnalysisForm(DiscloseForm):
    def parties(self, exhibit: Exhibit) -> Any:
        """Only whom the exhibit was disclosed to."""
        return super().parties(exhibit).filter(organisation__in=exhibit.shown().values("organisation"))


class CommentForm(Form):
    text = long_text("Your comment", limit=8000, help_text="The ministry reads it; the other party does not")


class AnswerForm(Form):
    reveals: ClassVar = {"how": {"answer": ["text", "evidence"], "not_held": ["where_held", "why_not_held"]}}

    how = forms.ChoiceField(
        label="How do you answer?",
        choices=AnswerDraft._meta.get_field("how").choices or [],
        widget=forms.RadioSelect,
    )
    text = forms.CharField(label="Your answer", required=False, max_length=LONG, widget=forms.Textarea)
    evidence = forms.MultipleChoiceField(
        label="Evidence",
        required=False,
        widget=forms.CheckboxSelectMultiple,
        help_text="From your organisation’s evidence",
    )
    where_held = long_text("Where is it held?", rows=3, limit=2000, required=False)
    why_not_held = long_text("Why do you not hold it?", rows=3, limit=2000, required=False)
    revision = forms.IntegerField(min_value=0, widget=forms.HiddenInput)

    def __init__(self, *args: Any, organisation_id: int, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        own = EvidenceItem.objects.filter(organisation_id=organisation_id).order_by("-pk")
        self.fields["evidence"].choices = [(i.reference, f"{i.reference} {i.title}") for i in own]  # type: ignore[attr-defined]
        for name in ("text", "where_held", "why_not_held"):
            self.fields[name].marker = ""  # type: ignore[attr-defined]

    def clean(self) -> dict[str, Any]:
        data = super().clean() or {}
        if data.get("how") == AnswerDraft.ANSWER and not data.get("text") and not data.get("evidence"):
            self.add_error("text", "Write an answer, or choose evidence that gives it")
        if data.get("how") == AnswerDraft.NOT_HELD:
            if not data.get("where_held"):
                self.add_error("where_held", "Say where it is held. If nobody holds it, say so")
            if not data.get("why_not_held"):
                self.add_error("why_not_held", "Say why you do not hold it")
        return data


class HandInForm(Form):
    agree = forms.BooleanField(label="These answers are complete and true to the best of our knowledge")


class ExtensionForm(Form):
    until_day = DayField(label="New last day", subject="The new last day")
    reasons = long_text("Reasons")


class ReasonsForm(Form):
    reasons = long_text("Reasons")


class ServiceForm(Form):
    method = forms.ChoiceField(
        label="How it was served",
        choices=[c for c in Service.Method.choices if c[0] != "platform"],
        widget=forms.RadioSelect,
    )
    served_at = MomentField(label="When it was served", subject="The moment of service")
    proof = long_text("What proves it", help_text="For example the number of the courier’s receipt and who signed")
    file = forms.FileField(label="Copy of the proof", required=False)


class HolidayForm(Form):
    day = DayField(label="Day", subject="The day")
    nation = forms.ChoiceField(
        label="Where",
        choices=[("", "Everywhere"), *[c for c in Nation.choices if c[0] != "overseas"]],
        required=False,
        widget=forms.RadioSelect,
    )
    working = forms.TypedChoiceField(
        label="What it is",
        choices=[("no", "A holiday"), ("yes", "A working day")],
        coerce=lambda v: v == "yes",
        widget=forms.RadioSelect,
    )
    name = forms.CharField(label="Name, and who proclaimed it", max_length=120)


class OutageForm(Form):
    started_at = MomentField(label="From", subject="The start")
    ended_at = MomentField(label="Until", subject="The end")
    reason = long_text("What happened", limit=2000)


class AcceptReferralForm(Form):
    reference = forms.CharField(label="Your own reference", max_length=100)


class ReturnReferralForm(Form):
    needed = long_text("What is needed", limit=8000)
    needed_by = DayField(label="By when", subject="The day by which it is needed")


class DeclineReferralForm(Form):
    head = forms.ChoiceField(label="Head", choices=DeclineHead, widget=forms.RadioSelect)
    reason = long_text("Reasons", limit=8000)
