"""Referrals for the authority's own case system: read them, and one POST for each thing that can be done."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from drf_spectacular.utils import extend_schema, extend_schema_field, extend_schema_view
from rest_framework import generics, serializers
from rest_framework.request import Request

from accounts.api.endpoints import One, VerbOn, can, described
from cases.actions.deadlines import hold_calendar, locked_case
from cases.actions.referrals import steps
from cases.models import Referral
from cases.models.referral import DeclineHead
from cases.rules import REFERRAL_RULES
from web.api import Day, Input, Kept, Nothing, Text

READ, WRITE = "referrals:read", "referrals:write"


class ReferralSerializer(serializers.ModelSerializer[Referral]):
    """A referral as it stands in a list."""

    case: Any = serializers.SlugRelatedField(slug_field="reference", read_only=True)
    allowed_actions = serializers.SerializerMethodField()

    class Meta:
        model = Referral
        fields: tuple[str, ...] = (
            "reference",
            "case",
            "round",
            "state",
            "referred_at",
            "queued_at",
            "authority_reference",
            "allowed_actions",
        )
        read_only_fields = fields

    @extend_schema_field(serializers.ListField(child=serializers.CharField()))
    def get_allowed_actions(self, referral: Referral) -> list[str]:
        return can(self.context["request"], "referral", REFERRAL_RULES, referral)


class SchemeSerializer(serializers.Serializer[Any]):
    name = serializers.CharField()
    legal_basis = serializers.CharField()


class SentPartySerializer(serializers.Serializer[Any]):
    role = serializers.CharField()
    name = serializers.CharField(allow_blank=True, help_text="Empty for whoever did not agree to be referred")
    nation = serializers.CharField(allow_blank=True)


class ShutOutSerializer(serializers.Serializer[Any]):
    since = Kept()
    until = Kept(allow_null=True)


class SentNoticeSerializer(serializers.Serializer[Any]):
    reference = serializers.CharField()
    role = serializers.CharField()
    state = serializers.CharField()
    served_on = serializers.DateField()
    due_at = Kept(allow_null=True)
    shut_out = ShutOutSerializer(
        many=True, required=False, help_text="When the addressee could not answer, being suspended by the ministry"
    )


class SentExhibitSerializer(serializers.Serializer[Any]):
    number = serializers.CharField()
    reference = serializers.CharField(help_text="Of the evidence that it is")
    title = serializers.CharField()
    role = serializers.CharField()
    sha256 = serializers.CharField()
    confidential = serializers.BooleanField()


class SentAnalysisSerializer(serializers.Serializer[Any]):
    id = serializers.IntegerField(help_text="To be read at /api/v1/analyses/<id>/")
    reference = serializers.CharField(help_text="Of the evidence that was analysed")
    sha256 = serializers.CharField(help_text="Of the report")


class SentSerializer(serializers.Serializer[Any]):
    """What the page shows of what was sent. Row numbers of answers stay inside."""

    title = serializers.CharField()
    basis = serializers.CharField()
    opened_at = Kept()
    scheme = SchemeSerializer()
    reasons = serializers.ListField(child=serializers.CharField())
    reason = serializers.CharField(allow_blank=True)
    brief = serializers.DictField(child=serializers.CharField(allow_blank=True), help_text="By head")
    parties = SentPartySerializer(many=True)
    notices = SentNoticeSerializer(many=True)
    exhibits = SentExhibitSerializer(many=True)
    analyses = SentAnalysisSerializer(many=True, required=False)
    withheld = serializers.IntegerField(help_text="How many exhibits did not go along")
    filing = serializers.CharField(allow_blank=True)


class SentReferralSerializer(ReferralSerializer):
    """A referral with what was sent: reasons, brief, parties, notices and the list of exhibits, as they stood then."""

    sent = SentSerializer(read_only=True)

    class Meta(ReferralSerializer.Meta):
        fields = (*ReferralSerializer.Meta.fields, "sent")
        read_only_fields = fields


def _seen(request: Request) -> Any:
    return Referral.objects.visible_to(request.user).select_related("case")


@extend_schema_view(get=extend_schema(tags=["referrals"], summary="Referrals, newest first"))
class Referrals(generics.ListAPIView[Referral]):
    """The authority's queue. `state` chooses one state."""

    scopes = {"GET": READ}
    serializer_class = ReferralSerializer
    queryset = Referral.objects.none()
    filterset_fields = ("state",)

    def get_queryset(self) -> Any:
        return _seen(self.request)


@extend_schema_view(get=extend_schema(tags=["referrals"], summary="One referral, with what was sent"))
class OneReferral(One):
    """What the authority was sent when the case was referred."""

    scopes = {"GET": READ}
    serializer_class = SentReferralSerializer
    queryset = Referral.objects.none()

    def get_queryset(self) -> Any:
        return _seen(self.request)


# --- Verbs ---------------------------------------------------------------------------------------------------------------
class AcceptInput(Input):
    reference = Text(max_length=100, help_text="The authority’s own reference")


class ReturnInput(Input):
    needed = Text(max_length=8000, help_text="What is needed")
    needed_by = Day(help_text="By which day: it must be in the future")


class DeclineInput(Input):
    head = serializers.ChoiceField(choices=DeclineHead.choices)
    reason = Text(max_length=8000)


class WithdrawInput(Input):
    reason = Text(max_length=4000)


class _ReferralVerb(VerbOn):
    """One thing that can be done to a referral: the authority's steps, and the ministry's taking back."""

    answer = SentReferralSerializer

    def seen(self) -> Any:
        return _seen(self.request)

    def lock(self, found: Referral) -> None:
        # In the order of the actions: the calendar before any case.
        hold_calendar()
        locked_case(found.case_id)


def _verb(
    name: str,
    body: type[Input],
    do: Callable[..., Referral],
    summary: str,
    example: dict[str, Any],
    scope: str = WRITE,
) -> Any:
    members = {"input": body, "do": staticmethod(do), "scopes": {"POST": scope}, "__doc__": do.__doc__}
    view = type(name, (_ReferralVerb,), members)
    return described(view, tag="referrals", summary=summary, answer=SentReferralSerializer, example=example)


Acknowledge = _verb("Acknowledge", Nothing, steps.acknowledge, "Acknowledge a referral", {})
Accept = _verb("Accept", AcceptInput, steps.accept, "Accept a referral", {"reference": "OMA/26/117"})
Return = _verb(
    "Return",
    ReturnInput,
    steps.return_,
    "Return a referral for more information",
    {"needed": "The training logs of May.", "needed_by": "2030-01-31"},
)
Decline = _verb(
    "Decline", DeclineInput, steps.decline, "Decline a referral", {"head": "impact", "reason": "It is slight."}
)
Withdraw = _verb(
    "WithdrawReferral",
    WithdrawInput,
    steps.withdraw,
    "Withdraw a referral",
    {"reason": "The parties are about to settle."},
    "cases:decide",
)
VERBS = {"acknowledge": Acknowledge, "accept": Accept, "return": Return, "decline": Decline, "withdraw": Withdraw}
