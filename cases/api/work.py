"""Work on cases for the ministry's own case system: open one, its team, notes, notices, brief, proposals, referral."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from typing import Any

from django.http import HttpResponse
from django.shortcuts import get_object_or_404
from drf_spectacular.utils import extend_schema, extend_schema_view
from rest_framework import generics, serializers

from accounts.api.endpoints import VerbOn, described
from accounts.models import User
from cases.actions import case as act
from cases.actions.deadlines import hold_calendar, locked_case
from cases.actions.notices import Ask
from cases.actions.referrals.making import refer
from cases.api.cases import READ, CaseSerializer, WholeCaseSerializer, seen
from cases.brief import HEADS
from cases.models import Case, Outcome, Party
from disclosures.models import Filing
from web.api import Input, Problem, Text, Whole, YesNo

MANAGE, DECIDE = "cases:manage", "cases:decide"
LONG = 20000


class QuestionInput(Input):
    text = Text(max_length=4000)
    period = Text(max_length=200, required=False, allow_blank=True)
    form = Text(max_length=200, required=False, allow_blank=True)
    mandatory = YesNo(required=False)


def asks(questions: Sequence[dict[str, Any]]) -> tuple[Ask, ...]:
    """Questions as they were sent, for the action."""
    return tuple(Ask(**question) for question in questions)


def _organisation(**kwargs: Any) -> Whole:
    return Whole(min_value=1, max_value=2**63 - 1, **kwargs)


# --- Opening -------------------------------------------------------------------------------------------------------------
class OpenInput(Input):
    """A case from a filing, or on the ministry's own motion. Organisations are named by their ids."""

    title = Text(max_length=200)
    subject = Text(max_length=4000, help_text="Printed on every notice. Name nobody who has not agreed to it")
    purpose = Text(max_length=4000, help_text="Printed on every notice")
    filing = Text(max_length=24, required=False, help_text="An admitted allegation or an accepted disclosure")
    complainant = _organisation(required=False)
    complainant_questions = serializers.ListField(child=QuestionInput(), required=False, max_length=200)
    respondents = serializers.ListField(child=_organisation(), allow_empty=False, max_length=50)
    respondent_questions = serializers.ListField(child=QuestionInput(), allow_empty=False, max_length=200)


class _CaseVerb(VerbOn):
    """One thing that is done to a case, and answered with the case."""

    answer = WholeCaseSerializer

    def seen(self) -> Any:
        return seen(self.request).select_related("decision", "source", "officer", "deputy")

    def lock(self, found: Case) -> None:
        # In the order of the actions: the calendar before any case.
        hold_calendar()
        locked_case(found.pk)

    def show(self, result: Any) -> Any:
        # An action about a case answers it, or rows of it: a note, a proposal, a referral.
        found = result[0] if isinstance(result, list) else result
        return super().show(found if isinstance(found, Case) else found.ledger_root)


class _Open(_CaseVerb):
    status = 201
    input = OpenInput

    def still_seen(self, given: HttpResponse, where: dict[str, Any]) -> HttpResponse:
        get_object_or_404(seen(self.request), reference=json.loads(given.content)["reference"])
        return given

    def headers_of(self, shown: Any) -> dict[str, str]:
        return {**super().headers_of(shown), "Location": f"/api/v1/cases/{shown['reference']}/"}

    def act(self, found: Any, **data: Any) -> Case:
        asked = asks(data.pop("respondent_questions"))
        seats = [act.Seat(pk, "respondent", asked) for pk in data.pop("respondents")]
        complainant, its = data.pop("complainant", None), asks(data.pop("complainant_questions", ()))
        if complainant is not None:
            seats.insert(0, act.Seat(complainant, "complainant", its))
        elif its:
            raise Problem(400, errors={"complainant": "Say to whom these questions go."})
        return act.open_case(by=self.request.user, seats=seats, source_id=self.filing(data.pop("filing", "")), **data)

    def filing(self, reference: str) -> int | None:
        """The id of the filing. Raises Problem beside a reference of what is not for the reader to see."""
        if not reference:
            return None
        found = Filing.objects.visible_to(self.request.user).filter(reference=reference).first()
        if found is None:
            raise Problem(400, errors={"filing": "There is no such filing."})
        return found.pk


class _Cases(generics.ListAPIView[Case], _Open):
    """The cases that you are a party to; for the ministry all of them, and the opening of new ones."""

    scopes = {**READ, "POST": MANAGE}
    serializer_class = CaseSerializer
    queryset = Case.objects.none()
    filterset_fields = ("state",)

    def get_queryset(self) -> Any:
        return seen(self.request)


# --- What is done to one -------------------------------------------------------------------------------------------------
class AssignInput(Input):
    """Who works on it and who covers, by e-mail address; null for nobody."""

    officer = Text(max_length=254, allow_null=True)
    deputy = Text(max_length=254, allow_null=True)


class NoteInput(Input):
    text = Text(max_length=8000)


class BriefInput(Input):
    head = serializers.ChoiceField(choices=[(head.key, head.title) for head in HEADS])
    text = Text(max_length=LONG, allow_blank=True)
    number = Whole(min_value=0, max_value=2**31 - 2, help_text="Of the version that you have read; 0 for none")


class AskedInput(Input):
    organisation = _organisation()
    questions = serializers.ListField(child=QuestionInput(), allow_empty=False, max_length=200)


class IssueInput(Input):
    subject = Text(max_length=4000)
    purpose = Text(max_length=4000)
    asked = serializers.ListField(child=AskedInput(), allow_empty=False, max_length=50)


class ProposalInput(Input):
    outcome = serializers.ChoiceField(choices=Outcome.choices)
    reasons = Text(max_length=LONG)


class PublishInput(Input):
    title = Text(max_length=200)
    summary = Text(max_length=8000, help_text="For the public: no confidential figures, no names not yet public")


class ReferInput(Input):
    reason = Text(max_length=4000)


def _assign(pk: int, *, by: User, officer: str | None, deputy: str | None) -> Case:
    ids = {"officer": _staff(officer), "deputy": _staff(deputy)}
    strangers = {
        name: "There is nobody with this address."
        for name, email in (("officer", officer), ("deputy", deputy))
        if email and ids[name] is None
    }
    if strangers:
        raise Problem(400, errors=strangers)
    return act.assign(pk, by=by, officer_id=ids["officer"], deputy_id=ids["deputy"])


def _staff(email: str | None) -> int | None:
    people = User.objects.able_to_sign_in().filter(organisation__kind="ministry", email__iexact=email or "")
    return people.values_list("pk", flat=True).first()


def party_of(case_id: int, organisation_id: int, at: str) -> Party:
    """The part of an organisation in a case. Raises Problem beside what named it."""
    party = Party.objects.filter(case_id=case_id, organisation_id=organisation_id).first()
    if party is None:
        raise Problem(400, errors={at: "This organisation is no party to the case."})
    return party


def _issue(pk: int, *, by: User, subject: str, purpose: str, asked: list[dict[str, Any]]) -> Any:
    questions: dict[int, tuple[Ask, ...]] = {}
    for place, one in enumerate(asked):
        party = party_of(pk, one["organisation"], f"asked/{place}/organisation")
        questions[party.pk] = (*questions.get(party.pk, ()), *asks(one["questions"]))
    return act.issue_notices(pk, by=by, subject=subject, purpose=purpose, questions=questions)


def _verb(name: str, scope: str, body: type[Input], do: Callable[..., Any], summary: str, example: Any) -> Any:
    members = {"input": body, "do": staticmethod(do), "scopes": {"POST": scope}, "__doc__": f"{summary}."}
    view = type(name, (_CaseVerb,), members)
    return described(view, tag="cases", summary=summary, answer=WholeCaseSerializer, example=example)


_QUESTIONS = [{"text": "Which models did you query, and how often?", "period": "May to July 2026"}]
_WORDS = {"subject": "Bulk querying of language models", "purpose": "To find out whether terms of use were broken."}
Cases = extend_schema_view(get=extend_schema(tags=["cases"], summary="Cases, newest first"))(
    described(
        _Cases,
        tag="cases",
        summary="Open a case and issue its notices",
        answer=WholeCaseSerializer,
        example={
            "title": "Bulk querying of Heron models",
            **_WORDS,
            "respondents": [1],
            "respondent_questions": _QUESTIONS,
        },
        creates=True,
    )
)
VERBS = {
    "assign": _verb(
        "AssignCase",
        MANAGE,
        AssignInput,
        _assign,
        "Say who works on it and who covers",
        {"officer": None, "deputy": None},
    ),
    "add-note": _verb(
        "AddNote", MANAGE, NoteInput, act.add_note, "Add an internal note", {"text": "Spoke to the complainant today."}
    ),
    "write-brief": _verb(
        "WriteBrief",
        MANAGE,
        BriefInput,
        act.write_brief,
        "Write one head of the brief",
        {"head": "conduct", "text": "From May to June 2026 the respondent sent 2.4 million requests.", "number": 0},
    ),
    "issue-notices": _verb(
        "IssueNotices",
        MANAGE,
        IssueInput,
        _issue,
        "Ask the parties again in a new round",
        {**_WORDS, "asked": [{"organisation": 1, "questions": _QUESTIONS}]},
    ),
    "propose": _verb(
        "ProposeDecision",
        MANAGE,
        ProposalInput,
        act.propose,
        "Propose a decision to the supervisors",
        {"outcome": "established", "reasons": "The logs and the answers agree."},
    ),
    "publish": _verb(
        "PublishDecision",
        DECIDE,
        PublishInput,
        act.publish,
        "Publish the decision",
        {"title": "Bulk querying of Heron models", "summary": "The parties have settled."},
    ),
    "refer": _verb(
        "ReferCase",
        DECIDE,
        ReferInput,
        refer,
        "Refer it to the authority before its time is up",
        {"reason": "The respondent is about to release the model."},
    ),
}
