"""Cases and published decisions to read. A party reads its own side of a case, as on its page."""

from __future__ import annotations

from typing import Any

from drf_spectacular.utils import extend_schema, extend_schema_field, extend_schema_view
from rest_framework import generics, serializers
from rest_framework.permissions import AllowAny
from rest_framework.request import Request

from accounts.api.clients import holds
from accounts.api.endpoints import One, can
from cases.models import BriefVersion, Case, DecisionProposal, Exhibit, Note, Notice, Publication, Referral
from cases.rules import CASE_RULES
from cases.wording import local_day

READ = {"GET": "cases:read"}


class PartySerializer(serializers.Serializer[Any]):
    role = serializers.CharField()
    name = serializers.CharField(help_text="Or what may be said in its place")
    own = serializers.BooleanField()
    organisation = serializers.IntegerField(allow_null=True, help_text="Its id, for the ministry")


class DecisionSerializer(serializers.Serializer[Any]):
    outcome = serializers.CharField()
    reasons = serializers.CharField()
    at = serializers.DateTimeField()


class MemberSerializer(serializers.Serializer[Any]):
    officer = serializers.EmailField(allow_null=True)
    deputy = serializers.EmailField(allow_null=True)


class NoteSerializer(serializers.ModelSerializer[Note]):
    by = serializers.CharField(source="by.name", read_only=True)

    class Meta:
        model = Note
        fields = ("text", "by", "at")
        read_only_fields = fields


class BriefSerializer(serializers.ModelSerializer[BriefVersion]):
    class Meta:
        model = BriefVersion
        fields = ("head", "number", "text", "at")
        read_only_fields = fields


class ProposalSerializer(serializers.ModelSerializer[DecisionProposal]):
    by = serializers.CharField(source="by.name", read_only=True)

    class Meta:
        model = DecisionProposal
        fields = ("round", "outcome", "reasons", "by", "at")
        read_only_fields = fields


class InternalSerializer(serializers.Serializer[Any]):
    """What the ministry keeps to itself."""

    title = serializers.CharField()
    basis = serializers.CharField()
    filing = serializers.CharField(allow_null=True, help_text="From which it was opened")
    team = MemberSerializer()
    notes = NoteSerializer(many=True)
    brief = BriefSerializer(many=True, help_text="The newest text of every head that has been written")
    proposals = ProposalSerializer(many=True)


class CaseExhibitSerializer(serializers.Serializer[Any]):
    id = serializers.IntegerField()
    number = serializers.CharField()
    evidence = serializers.CharField(help_text="The reference of the item")


class CaseReferralSerializer(serializers.ModelSerializer[Referral]):
    """A referral of the case, for whoever may read referrals."""

    class Meta:
        model = Referral
        fields = ("reference", "round", "state", "referred_at")
        read_only_fields = fields


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
        return can(self.context["request"], "case", CASE_RULES, case)


class WholeCaseSerializer(CaseSerializer):
    """A case with its parties, the reader's notices and exhibits, and the decision.

    `internal` is the ministry's, for a client with cases:manage; null for everybody else.
    """

    referred_at = serializers.SerializerMethodField()
    parties = serializers.SerializerMethodField()
    notices = serializers.SerializerMethodField()
    exhibits = serializers.SerializerMethodField()
    referrals = serializers.SerializerMethodField()
    decision = serializers.SerializerMethodField()
    internal = serializers.SerializerMethodField()

    class Meta(CaseSerializer.Meta):
        fields = (
            *CaseSerializer.Meta.fields,
            "referred_at",
            "parties",
            "notices",
            "exhibits",
            "referrals",
            "decision",
            "internal",
        )
        read_only_fields = fields

    @extend_schema_field(PartySerializer(many=True))
    def get_parties(self, case: Case) -> list[dict[str, Any]]:
        reader = self.context["request"].user
        return [
            {
                "role": party.role,
                "name": party.name_for(reader),
                "own": party.organisation_id == reader.organisation_id,
                "organisation": party.organisation_id if reader.is_ministry else None,
            }
            for party in case.parties.select_related("organisation").order_by("role", "pk")
        ]

    @extend_schema_field(serializers.ListField(child=serializers.CharField()))
    def get_notices(self, case: Case) -> list[str]:
        seen = Notice.objects.visible_to(self.context["request"].user).filter(case=case)
        return list(seen.order_by("pk").values_list("reference", flat=True))

    @extend_schema_field(CaseExhibitSerializer(many=True))
    def get_exhibits(self, case: Case) -> list[dict[str, Any]]:
        seen = Exhibit.objects.visible_to(self.context["request"].user).filter(case=case).select_related("item")
        return [{"id": e.pk, "number": e.label, "evidence": e.item.reference} for e in seen.order_by("number")]

    @extend_schema_field(serializers.DateTimeField(allow_null=True))
    def get_referred_at(self, case: Case) -> str | None:
        """The last time: every party is told of that anyway, and of nothing else that becomes of a referral."""
        last = case.referrals.order_by("round").values_list("referred_at", flat=True).last()
        return serializers.DateTimeField().to_representation(last) if last else None

    @extend_schema_field(CaseReferralSerializer(many=True))
    def get_referrals(self, case: Case) -> Any:
        request = self.context["request"]
        if not holds(request, "referrals:read"):
            return []
        seen = Referral.objects.visible_to(request.user).filter(case=case)
        return CaseReferralSerializer(seen.order_by("round"), many=True).data

    @extend_schema_field(DecisionSerializer(allow_null=True))
    def get_decision(self, case: Case) -> dict[str, Any] | None:
        decision = getattr(case, "decision", None)
        if decision is None:
            return None
        at = serializers.DateTimeField().to_representation(decision.at)
        return {"outcome": decision.outcome, "reasons": decision.reasons, "at": at}

    @extend_schema_field(InternalSerializer(allow_null=True))
    def get_internal(self, case: Case) -> dict[str, Any] | None:
        request = self.context["request"]
        if not request.user.is_ministry or not holds(request, "cases:manage"):
            return None
        newest = case.brief_versions.order_by("head", "-number").distinct("head")
        return {
            "title": case.title,
            "basis": case.basis,
            "filing": case.source.reference if case.source else None,
            "team": {
                "officer": case.officer.email if case.officer else None,
                "deputy": case.deputy.email if case.deputy else None,
            },
            "notes": NoteSerializer(case.notes.select_related("by").order_by("pk"), many=True).data,
            "brief": BriefSerializer(newest, many=True).data,
            "proposals": ProposalSerializer(case.proposals.select_related("by").order_by("pk"), many=True).data,
        }


def seen(request: Request) -> Any:
    """The cases that are for the reader to see."""
    return Case.objects.visible_to(request.user)


@extend_schema_view(get=extend_schema(tags=["cases"], summary="One case"))
class OneCase(One):
    """Your side of it: your notices, your exhibits and what was disclosed to you."""

    scopes = READ
    serializer_class = WholeCaseSerializer
    queryset = Case.objects.none()

    def get_queryset(self) -> Any:
        return seen(self.request).select_related("decision", "source", "officer", "deputy")


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


@extend_schema_view(get=extend_schema(tags=["decisions"], summary="One published decision", auth=[]))
class OneDecision(One):
    """What everybody may read of it."""

    scopes = {"GET": ""}
    permission_classes = (AllowAny,)
    serializer_class = PublicationSerializer
    queryset = Publication.objects.none()
    lookup_field = "pk"

    def get_queryset(self) -> Any:
        return Publication.objects.visible_to(self.request.user).select_related("decision")
