"""Alerts about usage, for the ministry's programs: to be read. What becomes of one a person decides, in the browser."""

from __future__ import annotations

from typing import Any

from drf_spectacular.utils import extend_schema, extend_schema_field, extend_schema_view
from rest_framework import generics, serializers
from rest_framework.request import Request

from accounts.api.endpoints import One
from monitoring.models import Alert


class AlertSerializer(serializers.ModelSerializer[Alert]):
    """An alert: something rare that a person should look at. It is no finding against anybody.

    No program reviews, dismisses or takes one: what becomes of it a person decides, in the browser.
    """

    feed = serializers.CharField(source="feed.name", read_only=True)
    provider = serializers.CharField(source="feed.organisation.name", read_only=True)

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
        )
        read_only_fields = fields


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
    cut_off = serializers.DateTimeField(
        allow_null=True, help_text="Rows of before it were not looked at. null: of a version that did not keep it yet"
    )
    looked_until = serializers.DateTimeField(
        allow_null=True,
        help_text="Nor were rows from here on, dated ahead of their time. null: of a version that did not keep it yet",
    )
    batches = serializers.IntegerField(help_text="How many batches of the feed had come")
    batches_left_out = serializers.IntegerField(
        allow_null=True,
        help_text="Of how many of those, received first, no row was looked at, as there were too many rows since "
        "`cut_off`. null: of a version that did not keep it yet",
    )
    permission = serializers.CharField(
        read_only=True,
        help_text="If an authorisation permits it and a person should read it all the same, why: `afterwards` (it was not "
        "on record and confirmed when the calls were made) or `cap` (how much of it was used up before, or in "
        "another feed, is not known)",
    )


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
