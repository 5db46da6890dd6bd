"""Requests for more time, for machines: a party follows its own, the ministry decides them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from drf_spectacular.utils import extend_schema, extend_schema_field, extend_schema_view
from rest_framework import generics, serializers
from rest_framework.request import Request

from accounts.api.endpoints import One, VerbOn, can, described
from cases.actions import extensions
from cases.actions.deadlines import hold_calendar, locked_case
from cases.models import ExtensionRequest, Notice
from cases.rules import NOTICE_RULES
from web.api import Day, Input, Text

READ, MANAGE = {"GET": "cases:read"}, {"POST": "cases:manage"}
MORE_TIME = {"until_day": "2030-01-31", "reasons": "The logs are with a processor abroad."}


class ExtensionSerializer(serializers.ModelSerializer[ExtensionRequest]):
    """A request for more time."""

    reference = serializers.CharField(source="pk", read_only=True, help_text="By which it is addressed")
    notice: Any = serializers.SlugRelatedField(slug_field="reference", read_only=True)
    allowed_actions = serializers.SerializerMethodField()

    class Meta:
        model = ExtensionRequest
        fields = (
            "id",
            "reference",
            "notice",
            "until_day",
            "reasons",
            "received_at",
            "timely",
            "state",
            "decided_at",
            "decision_reasons",
            "allowed_actions",
        )
        read_only_fields = fields

    @extend_schema_field(serializers.ListField(child=serializers.CharField()))
    def get_allowed_actions(self, asked: ExtensionRequest) -> list[str]:
        if asked.state != "pending":
            return []
        deciding = {"decide": NOTICE_RULES["decide_extension"]}
        return can(self.context["request"], "extension", deciding, asked.notice, decide=("grant", "refuse"))


class MoreTimeInput(Input):
    until_day = Day(help_text="The new last day")
    reasons = Text(max_length=4000)


class RefusalInput(Input):
    reasons = Text(max_length=4000)


def _asked(request: Request) -> Any:
    seen = Notice.objects.visible_to(request.user)
    return ExtensionRequest.objects.filter(notice__in=seen).select_related("notice__party")


@extend_schema_view(get=extend_schema(tags=["extensions"], summary="Requests for more time, newest first"))
class Extensions(generics.ListAPIView[ExtensionRequest]):
    """Your own requests; for the ministry all of them."""

    scopes = READ
    serializer_class = ExtensionSerializer
    queryset = ExtensionRequest.objects.none()
    filterset_fields = ("state",)

    def get_queryset(self) -> Any:
        return _asked(self.request)


@extend_schema_view(get=extend_schema(tags=["extensions"], summary="One request for more time"))
class OneExtension(One):
    """Whether it was decided, and how."""

    scopes = READ
    serializer_class = ExtensionSerializer
    queryset = ExtensionRequest.objects.none()
    lookup_field = "pk"

    def get_queryset(self) -> Any:
        return _asked(self.request)


class _ExtensionVerb(VerbOn):
    scopes = MANAGE
    answer = ExtensionSerializer

    def seen(self) -> Any:
        return _asked(self.request)

    def lock(self, found: ExtensionRequest) -> None:
        hold_calendar()
        locked_case(found.notice.case_id)


def _decision(name: str, body: type[Input], do: Callable[..., Any], summary: str, example: Any) -> Any:
    view = type(name, (_ExtensionVerb,), {"input": body, "do": staticmethod(do), "__doc__": do.__doc__})
    return described(view, tag="extensions", summary=summary, answer=ExtensionSerializer, example=example)


Grant = _decision("GrantExtension", MoreTimeInput, extensions.grant_extension, "Grant more time", MORE_TIME)
Refuse = _decision(
    "RefuseExtension",
    RefusalInput,
    extensions.refuse_extension,
    "Refuse more time",
    {"reasons": "You have had it since May."},
)
