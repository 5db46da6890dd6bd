"""Alerts about usage, for the ministry's programs: read, and dismissed with a reason."""

from __future__ import annotations

from typing import Any

from drf_spectacular.utils import extend_schema, extend_schema_field, extend_schema_view
from rest_framework import generics, serializers
from rest_framework.request import Request

from accounts.api.endpoints import One, VerbOn, can, described
from monitoring.actions import alerts as act
from monitoring.models import Alert
from monitoring.rules import ALERT_RULES
from web.api import Input, Text


class AlertSerializer(serializers.ModelSerializer[Alert]):
    """An alert: something rare that a person should look at. It is no finding against anybody."""

    feed = serializers.CharField(source="feed.name", read_only=True)
    provider = serializers.CharField(source="feed.organisation.name", read_only=True)
    allowed_actions = serializers.SerializerMethodField()

    class Meta:
        model = Alert
        fields: tuple[str, ...] = (
            "reference",
            "provider",
            "feed",
            "unit",
            "state",
            "rung",
            "opened_at",
            "last_seen_at",
            "times",
            "closed_at",
            "allowed_actions",
        )
        read_only_fields = fields

    @extend_schema_field(serializers.ListField(child=serializers.CharField()))
    def get_allowed_actions(self, alert: Alert) -> list[str]:
        return can(self.context["request"], "alert", ALERT_RULES, alert)


class AlertVersionSerializer(serializers.Serializer[Any]):
    number = serializers.IntegerField()
    at = serializers.DateTimeField()
    sentence = serializers.CharField()
    since = serializers.DateTimeField()
    until = serializers.DateTimeField()
    rows = serializers.IntegerField()
    accounts = serializers.ListField(child=serializers.CharField())
    indicators = serializers.ListField(child=serializers.DictField())
    method = serializers.CharField()
    report_sha256 = serializers.CharField()


class OneAlertSerializer(AlertSerializer):
    """An alert with what was seen last."""

    seen = serializers.SerializerMethodField()

    class Meta(AlertSerializer.Meta):
        fields = (*AlertSerializer.Meta.fields, "seen")
        read_only_fields = fields

    @extend_schema_field(AlertVersionSerializer)
    def get_seen(self, alert: Alert) -> Any:
        return AlertVersionSerializer(alert.versions.latest("number")).data


def _alerts(request: Request) -> Any:
    return Alert.objects.visible_to(request.user).select_related("feed__organisation")


@extend_schema_view(get=extend_schema(tags=["alerts"], summary="Alerts, newest first"))
class Alerts(generics.ListAPIView[Alert]):
    """What the ministry may see of alerts; nobody else sees any."""

    scopes = {"GET": "alerts:read"}
    serializer_class = AlertSerializer
    queryset = Alert.objects.none()
    filterset_fields = ("state",)

    def get_queryset(self) -> Any:
        return _alerts(self.request)


@extend_schema_view(get=extend_schema(tags=["alerts"], summary="One alert, with what was seen"))
class OneAlert(One):
    """One alert."""

    scopes = {"GET": "alerts:read"}
    serializer_class = OneAlertSerializer
    queryset = Alert.objects.none()

    def get_queryset(self) -> Any:
        return _alerts(self.request)


class DismissInput(Input):
    reason = Text(max_length=4000)


class _Dismiss(VerbOn):
    """End an alert with a reason."""

    scopes = {"POST": "alerts:review"}
    input = DismissInput
    do = staticmethod(act.dismiss)
    answer = OneAlertSerializer

    def seen(self) -> Any:
        return _alerts(self.request)


Dismiss = described(
    _Dismiss,
    tag="alerts",
    summary="Dismiss an alert with a reason",
    answer=OneAlertSerializer,
    example={"reason": "The provider’s own load test, announced on 3 November."},
)
