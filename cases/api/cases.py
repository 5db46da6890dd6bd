"""Cases and published decisions to read. A party reads its own side of a case, as on its page."""

from __future__ import annotations

from typing import Any

from drf_spectacular.utils import extend_schema, extend_schema_field, extend_schema_view
from rest_framework import generics, serializers
from rest_framework.permissions import AllowAny
from rest_framework.request import Request

from accounts.api.endpoints import One
from accounts.permissions import allowed
from cases.models import Case, Exhibit, Notice, Publication
from cases.rules import CASE_RULES
from cases.wording import local_day

READ = {"GET": "cases:read"}


class PartySerializer(serializers.Serializer[Any]):
    role = serializers.CharField()
    name = serializers.CharField(help_text="Or what may be said in its place")
    own = serializers.BooleanField()


class DecisionSerializer(serializers.Serializer[Any]):
    outcome = serializers.CharField()
    reasons = serializers.CharField()
    at = serializers.DateTimeField()


class CaseSerializer(serializers.ModelSerializer[Case]):
    """A case as it stands. `refers_on` is the local day at whose end an undecided case goes to the authority."""

    refers_on = serializers.SerializerMethodField()
    allowed_actions = serializers.SerializerMethodField()

    class Meta:
        model = Case
        fields: tuple[str, ...] = (
            "reference",
            "state",
            "round",
            "opened_at",
            "refers_at",
            "refers_on",
            "ended_at",
            "allowed_actions",
        )
        read_only_fields = fields

    @extend_schema_field(serializers.DateField(allow_null=True))
    def get_refers_on(self, case: Case) -> str | None:
        return local_day(case.refers_at) if case.refers_at else None

    @extend_schema_field(serializers.ListField(child=serializers.CharField()))
    def get_allowed_actions(self, case: Case) -> list[str]:
        return [verb.rstrip("_") for verb in allowed(self.context["request"].user, CASE_RULES, case)]


class WholeCaseSerializer(CaseSerializer):
    """A case with its parties, the reader's notices and exhibits, and the decision."""

    parties = serializers.SerializerMethodField()
    notices = serializers.SerializerMethodField()
    exhibits = serializers.SerializerMethodField()
    referrals = serializers.SerializerMethodField()
    decision = serializers.SerializerMethodField()

    class Meta(CaseSerializer.Meta):
        fields = (*CaseSerializer.Meta.fields, "parties", "notices", "exhibits", "referrals", "decision")
        read_only_fields = fields

    @extend_schema_field(PartySerializer(many=True))
    def get_parties(self, case: Case) -> list[dict[str, Any]]:
        reader = self.context["request"].user
        return [
            {
                "role": party.role,
                "name": party.name_for(reader),
                "own": party.organisation_id == reader.organisation_id,
            }
            for party in case.parties.select_related("organisation").order_by("role", "pk")
        ]

    @extend_schema_field(serializers.ListField(child=serializers.CharField()))
    def get_notices(self, case: Case) -> list[str]:
        seen = Notice.objects.visible_to(self.context["request"].user).filter(case=case)
        return list(seen.order_by("pk").values_list("reference", flat=True))

    @extend_schema_field(serializers.ListField(child=serializers.DictField()))
    def get_exhibits(self, case: Case) -> list[dict[str, Any]]:
        seen = Exhibit.objects.visible_to(self.context["request"].user).filter(case=case).select_related("item")
        return [{"number": e.label, "evidence": e.item.reference} for e in seen.order_by("number")]

    @extend_schema_field(serializers.ListField(child=serializers.DictField()))
    def get_referrals(self, case: Case) -> list[dict[str, Any]]:
        """When it was referred, by round: every party is told of it anyway."""
        return [
            {
                "round": r.round,
                "state": r.state,
                "referred_at": serializers.DateTimeField().to_representation(r.referred_at),
            }
            for r in case.referrals.order_by("round")
        ]

    @extend_schema_field(DecisionSerializer(allow_null=True))
    def get_decision(self, case: Case) -> dict[str, Any] | None:
        decision = getattr(case, "decision", None)
        if decision is None:
            return None
        at = serializers.DateTimeField().to_representation(decision.at)
        return {"outcome": decision.outcome, "reasons": decision.reasons, "at": at}


def _seen(request: Request) -> Any:
    return Case.objects.visible_to(request.user)


@extend_schema_view(get=extend_schema(tags=["cases"], summary="Cases, newest first"))
class Cases(generics.ListAPIView[Case]):
    """The cases that you are a party to; for the ministry all of them."""

    scopes = READ
    serializer_class = CaseSerializer
    queryset = Case.objects.none()
    filterset_fields = ("state",)

    def get_queryset(self) -> Any:
        return _seen(self.request)


@extend_schema_view(get=extend_schema(tags=["cases"], summary="One case"))
class OneCase(One):
    """Your side of it: your notices, your exhibits and what was disclosed to you."""

    scopes = READ
    serializer_class = WholeCaseSerializer
    queryset = Case.objects.none()

    def get_queryset(self) -> Any:
        return _seen(self.request).select_related("decision")


class PublicationSerializer(serializers.ModelSerializer[Publication]):
    outcome = serializers.CharField(source="decision.outcome", read_only=True)

    class Meta:
        model = Publication
        fields = ("id", "title", "summary", "outcome", "at")
        read_only_fields = fields


@extend_schema_view(get=extend_schema(tags=["decisions"], summary="Published decisions, newest first", auth=[]))
class Decisions(generics.ListAPIView[Publication]):
    """What everybody may read, with or without a token."""

    scopes = {"GET": ""}
    permission_classes = (AllowAny,)
    serializer_class = PublicationSerializer
    queryset = Publication.objects.none()
    filterset_fields = ()

    def get_queryset(self) -> Any:
        return Publication.objects.visible_to(self.request.user).select_related("decision")
