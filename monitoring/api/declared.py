"""Declared disclosures beside logs and feeds, for the ministry's programs to read. A person ends a gap, on its page."""

from __future__ import annotations

from typing import Any, ClassVar

from django.shortcuts import get_object_or_404
from drf_spectacular.utils import extend_schema, extend_schema_view
from rest_framework import generics, serializers
from rest_framework.request import Request
from rest_framework.response import Response

from monitoring.actions.analysis import read_analysis
from monitoring.models import Analysis, Comparison, Feed
from web.api import Kept


class FigureSerializer(serializers.Serializer[Any]):
    name = serializers.CharField(help_text="requests, input_tokens, output_tokens or accounts_used")
    declared = serializers.IntegerField()
    precision = serializers.CharField()
    counted = serializers.IntegerField()
    gap = serializers.BooleanField()


class FeedFigureSerializer(FigureSerializer):
    across = serializers.IntegerField(
        default=0, help_text="In windows across the beginning or the end of the period, and not in `counted`"
    )


class ComparisonSerializer(serializers.ModelSerializer[Comparison]):
    """A declared version of a disclosure beside the log. `state` is `open` while nobody has looked at a gap."""

    reference = serializers.CharField(source="version.filing.reference", read_only=True)
    version = serializers.IntegerField(source="version.number", read_only=True)
    begins = Kept(source="result.from", read_only=True)
    ends = Kept(source="result.to", read_only=True)
    basis = serializers.CharField(source="result.basis", read_only=True, help_text="accounts or period")
    covered = serializers.BooleanField(source="result.covered", read_only=True)
    figures = FigureSerializer(source="result.figures", many=True, read_only=True)

    class Meta:
        model = Comparison
        fields: tuple[str, ...] = (
            "id",
            "reference",
            "version",
            "state",
            "begins",
            "ends",
            "basis",
            "covered",
            "figures",
            "closed_at",
            "reason",
        )
        read_only_fields = fields


class FeedComparisonSerializer(ComparisonSerializer):
    """A declared version of a disclosure beside the feed, counted once, when the feed had passed its period."""

    figures = FeedFigureSerializer(source="result.figures", many=True, read_only=True)
    kind = serializers.CharField(source="result.kind", read_only=True, help_text="What was counted: calls or windows")
    mixed = serializers.BooleanField(
        source="result.mixed", read_only=True, help_text="The feed has the other kind as well, which was not added"
    )
    silent = serializers.BooleanField(
        source="result.silent", read_only=True, help_text="Nothing came for more than a day of the period"
    )
    elsewhere = serializers.BooleanField(
        source="result.elsewhere", read_only=True, help_text="The provider sends rows of the period in another feed too"
    )
    without_prompt_hash = serializers.IntegerField(
        source="result.without_prompt_hash", read_only=True, help_text="Calls of which one sent twice counts twice"
    )
    came_later = serializers.BooleanField(
        read_only=True, help_text="Rows of the period came after they were counted, and are not in it"
    )

    class Meta(ComparisonSerializer.Meta):
        fields = (
            *ComparisonSerializer.Meta.fields,
            "kind",
            "mixed",
            "silent",
            "elsewhere",
            "without_prompt_hash",
            "came_later",
        )
        read_only_fields = fields


class _Beside(generics.ListAPIView[Comparison]):
    """The comparisons of one thing that the reader may see."""

    scopes = {"GET": "alerts:read"}
    queryset = Comparison.objects.none()
    beside: ClassVar[Any]
    called: ClassVar[str]

    def get_queryset(self) -> Any:
        if "pk" not in self.kwargs:  # the schema is being drawn
            return Comparison.objects.none()
        found = get_object_or_404(self.beside.objects.visible_to(self.request.user), pk=self.kwargs["pk"])
        seen = Comparison.objects.visible_to(self.request.user).with_later().filter(**{self.called: found})
        return seen.select_related("version__filing")


@extend_schema_view(get=extend_schema(tags=["evidence"], summary="Declared disclosures beside a log, for the ministry"))
class DeclaredBeside(_Beside):
    """What others declared for the log's accounts and period, beside what the log has. For the ministry alone."""

    serializer_class = ComparisonSerializer
    beside, called = Analysis, "analysis"

    def list(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        """What is counted in the log is of its report: once there is one, the reading is on record like that of it."""
        answer = super().list(request, *args, **kwargs)
        if Analysis.objects.filter(pk=self.kwargs["pk"], state="done").exists():
            read_analysis(self.kwargs["pk"], by=request.user, shape="declared")  # type: ignore[arg-type]
        return answer


@extend_schema_view(get=extend_schema(tags=["usage"], summary="Declared disclosures beside a feed, for the ministry"))
class DeclaredBesideFeed(_Beside):
    """What others declared for the feed's accounts and periods, beside what the feed has. For the ministry alone."""

    serializer_class = FeedComparisonSerializer
    beside, called = Feed, "feed"
