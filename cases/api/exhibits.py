"""Exhibits for machines: who has seen one and what was said of it; the ministry discloses, the recipient comments."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, ClassVar

from django.shortcuts import get_object_or_404
from drf_spectacular.utils import extend_schema, extend_schema_field, extend_schema_view
from rest_framework import serializers
from rest_framework.request import Request

from accounts.api.endpoints import One, Verb, can, described
from cases.actions.deadlines import locked_case
from cases.actions.exhibits import comment, disclose, show_analysis
from cases.api.cases import READ
from cases.api.work import party_of
from cases.models import Exhibit, ExhibitComment
from cases.rules import CASE_RULES, EXHIBIT_RULES
from monitoring.models import Analysis
from web.api import Input, Text, Whole


class CommentSerializer(serializers.ModelSerializer[ExhibitComment]):
    organisation = serializers.CharField(source="organisation.name", read_only=True)

    class Meta:
        model = ExhibitComment
        fields = ("organisation", "text", "at")
        read_only_fields = fields


class ExhibitSerializer(serializers.ModelSerializer[Exhibit]):
    """An exhibit of a case. `disclosed_to` and other people's comments are for the ministry."""

    case: Any = serializers.SlugRelatedField(slug_field="reference", read_only=True)
    number = serializers.CharField(source="label", read_only=True)
    evidence = serializers.CharField(source="item.reference", read_only=True)
    role = serializers.CharField(source="party.role", read_only=True)
    disclosed_to = serializers.SerializerMethodField()
    analyses = serializers.SerializerMethodField(help_text="Those that you may read, at /api/v1/analyses/<id>/")
    comments = serializers.SerializerMethodField()
    allowed_actions = serializers.SerializerMethodField()

    class Meta:
        model = Exhibit
        fields = (
            "id",
            "case",
            "number",
            "evidence",
            "role",
            "round",
            "disclosed_to",
            "analyses",
            "comments",
            "allowed_actions",
        )
        read_only_fields = fields

    @extend_schema_field(serializers.ListField(child=serializers.IntegerField()))
    def get_disclosed_to(self, exhibit: Exhibit) -> list[int]:
        if not self.context["request"].user.is_ministry:
            return []
        return sorted(exhibit.shown().values_list("organisation_id", flat=True))

    @extend_schema_field(serializers.ListField(child=serializers.IntegerField()))
    def get_analyses(self, exhibit: Exhibit) -> list[int]:
        seen = Analysis.objects.visible_to(self.context["request"].user).filter(item=exhibit.item_id)
        return sorted(seen.values_list("pk", flat=True))

    @extend_schema_field(CommentSerializer(many=True))
    def get_comments(self, exhibit: Exhibit) -> Any:
        reader = self.context["request"].user
        said = exhibit.comments.select_related("organisation").order_by("pk")
        if not reader.is_ministry:
            said = said.filter(organisation_id=reader.organisation_id)
        return CommentSerializer(said, many=True).data

    @extend_schema_field(serializers.ListField(child=serializers.CharField()))
    def get_allowed_actions(self, exhibit: Exhibit) -> list[str]:
        request = self.context["request"]
        disclosing = {verb: CASE_RULES[verb] for verb in ("disclose", "show_analysis")}
        disclose = can(request, "exhibit", disclosing, exhibit.case)
        return disclose + can(request, "exhibit", EXHIBIT_RULES, exhibit)


def _seen(request: Request) -> Any:
    return Exhibit.objects.visible_to(request.user).select_related("case", "party", "item")


@extend_schema_view(get=extend_schema(tags=["exhibits"], summary="One exhibit"))
class OneExhibit(One):
    """Its number in the case, the evidence that it is, and your comments on it."""

    scopes = READ
    serializer_class = ExhibitSerializer
    queryset = Exhibit.objects.none()
    lookup_field = "pk"

    def get_queryset(self) -> Any:
        return _seen(self.request)


class DiscloseInput(Input):
    party = Whole(min_value=1, max_value=2**63 - 1, help_text="The id of the organisation to whom it is shown")


class CommentInput(Input):
    text = Text(max_length=8000)


class _ExhibitVerb(Verb):
    do: ClassVar[Callable[..., Any]]

    def find(self, **where: Any) -> Exhibit:
        found: Exhibit = get_object_or_404(_seen(self.request), **where)
        self.shown = found.pk
        return found

    def lock(self, found: Exhibit) -> None:
        locked_case(found.case_id)

    def act(self, found: Exhibit, **data: Any) -> Any:
        return type(self).do(found, by=self.request.user, **data)

    def show(self, result: Any) -> Any:
        return ExhibitSerializer(_seen(self.request).get(pk=self.shown), context={"request": self.request}).data


def _disclose(found: Exhibit, *, by: Any, party: int) -> Any:
    return disclose(found.pk, by=by, party_id=party_of(found.case_id, party, "party").pk)


def _show_analysis(found: Exhibit, *, by: Any, party: int) -> Any:
    return show_analysis(found.pk, by=by, party_id=party_of(found.case_id, party, "party").pk)


def _comment(found: Exhibit, *, by: Any, text: str) -> Any:
    return comment(found.pk, by=by, text=text)


def _verb(name: str, scope: str, body: type[Input], do: Callable[..., Any], summary: str, example: Any) -> Any:
    members = {"input": body, "do": staticmethod(do), "scopes": {"POST": scope}, "__doc__": f"{summary}."}
    view = type(name, (_ExhibitVerb,), members)
    return described(view, tag="exhibits", summary=summary, answer=ExhibitSerializer, example=example)


VERBS = {
    "disclose": _verb(
        "DiscloseExhibit",
        "cases:manage",
        DiscloseInput,
        _disclose,
        "Show its non-confidential version to another party",
        {"party": 1},
    ),
    "show-analysis": _verb(
        "ShowAnalysis",
        "cases:manage",
        DiscloseInput,
        _show_analysis,
        "Show a party to whom it was disclosed what an analysis says of that version",
        {"party": 1},
    ),
    "comment": _verb(
        "CommentOnExhibit",
        "cases:write",
        CommentInput,
        _comment,
        "Say something of an exhibit of the other side",
        {"text": "The figures in it are of another service."},
    ),
}
