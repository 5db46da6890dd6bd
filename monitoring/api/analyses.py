"""Analyses of usage logs for machines: ask for one, see how far it is, fetch the report as it was written."""

from __future__ import annotations

from typing import Any, ClassVar

from django.http import Http404, HttpResponse
from django.shortcuts import get_object_or_404
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import extend_schema, extend_schema_field, extend_schema_view
from rest_framework import generics, serializers
from rest_framework.request import Request
from rest_framework.views import APIView

from accounts.api.endpoints import One, Verb, described
from evidence.models import FULL, NON_CONFIDENTIAL, EvidenceItem
from monitoring.actions.analysis import read_analysis, request_analysis
from monitoring.models import Analysis, AnalysisReport
from monitoring.models.analysis import read_by
from web.api import Input, Whole, entity_tag, refuse_unknown

READ, WRITE = "evidence:read", "evidence:write"
MOST = 10_000_000  # requests a minute


class AnalysisSerializer(serializers.ModelSerializer[Analysis]):
    """One reading of one file, and how far it is. `sha256` is of the report's bytes."""

    evidence: Any = serializers.SlugRelatedField(source="item", slug_field="reference", read_only=True)
    projection = serializers.SerializerMethodField(help_text="Which version of the file was read")
    percent = serializers.IntegerField(read_only=True)
    bytes_read = serializers.IntegerField(source="read", read_only=True)
    rows = serializers.SerializerMethodField(help_text="Found so far, then those that are kept; null before that")
    seconds_left = serializers.IntegerField(read_only=True, allow_null=True)
    method_version = serializers.SerializerMethodField()
    sha256 = serializers.SerializerMethodField()
    authorisations_sha256 = serializers.SerializerMethodField(help_text="Null if none was compared")

    class Meta:
        model = Analysis
        fields = (
            "id",
            "evidence",
            "projection",
            "state",
            "requested_at",
            "finished_at",
            "rate_limit",
            "percent",
            "bytes_read",
            "rows",
            "seconds_left",
            "failure",
            "method_version",
            "sha256",
            "authorisations_sha256",
        )
        read_only_fields = fields

    @extend_schema_field(serializers.ChoiceField(choices=[FULL, NON_CONFIDENTIAL]))
    def get_projection(self, analysis: Analysis) -> str:
        return NON_CONFIDENTIAL if analysis.made_for_id else FULL

    @extend_schema_field(serializers.IntegerField(allow_null=True))
    def get_rows(self, analysis: Analysis) -> int | None:
        return analysis.rows if analysis.rows or analysis.state == "done" else None

    @extend_schema_field(serializers.CharField(allow_null=True))
    def get_method_version(self, analysis: Analysis) -> str | None:
        return analysis.report.method_version if analysis.state == "done" else None

    @extend_schema_field(serializers.CharField(allow_null=True))
    def get_sha256(self, analysis: Analysis) -> str | None:
        return analysis.report.sha256 if analysis.state == "done" else None

    @extend_schema_field(serializers.CharField(allow_null=True))
    def get_authorisations_sha256(self, analysis: Analysis) -> str | None:
        return analysis.report.authorisations_sha256 or None if analysis.state == "done" else None


class AnalysisInput(Input):
    """`rate_limit` is the provider's limit for an account, in requests a minute, if it is known."""

    rate_limit = Whole(required=False, allow_null=True, min_value=1, max_value=MOST)


def _seen(request: Request) -> Any:
    # Of a report only what the answer says: it may have megabytes.
    return (
        Analysis.objects.visible_to(request.user)
        .select_related("item", "report")
        .defer("report__written", "report__authorisations")
    )


class _Analyses(generics.ListAPIView[Analysis], Verb):
    """The analyses of one file. While one is under way, asking again is answered with that one (200)."""

    scopes = {"GET": READ, "POST": WRITE}
    serializer_class = AnalysisSerializer
    queryset = Analysis.objects.none()
    input = AnalysisInput
    known: int | None = None

    def get_queryset(self) -> Any:
        if "reference" not in self.kwargs:  # the schema is being drawn
            return Analysis.objects.none()
        item = get_object_or_404(read_by(self.request.user), reference=self.kwargs["reference"])
        return _seen(self.request).filter(item=item)

    def find(self, **where: Any) -> None:
        """The file must be there to be seen; what is made is no change of it, so that there is no precondition."""
        self._item()

    def _item(self) -> EvidenceItem:
        seen = EvidenceItem.objects.visible_to(self.request.user)
        return get_object_or_404(seen, reference=self.kwargs["reference"])

    def act(self, found: None, **data: Any) -> Analysis:
        item = self._item()
        self.known = Analysis.objects.under_way().filter(item=item).values_list("pk", flat=True).first()
        return request_analysis(item.pk, by=self.request.user, rate_limit=data.get("rate_limit"))

    def show(self, result: Analysis) -> Any:
        return AnalysisSerializer(_seen(self.request).get(pk=result.pk)).data

    def status_of(self, result: Analysis) -> int:
        return 200 if result.pk == self.known else 201

    def headers_of(self, shown: Any) -> dict[str, str]:
        return {"Location": f"/api/v1/analyses/{shown['id']}/", "ETag": entity_tag(shown)}


Analyses = extend_schema_view(get=extend_schema(tags=["evidence"], summary="Analyses of a usage log, newest first"))(
    described(
        _Analyses,
        tag="evidence",
        summary="Ask for the analysis of a usage log",
        answer=AnalysisSerializer,
        example={"rate_limit": 600},
        creates=True,
    )
)


@extend_schema_view(get=extend_schema(tags=["evidence"], summary="One analysis, and how far it is"))
class OneAnalysis(One):
    """Its state, its progress, and when it is done the fingerprint of its report."""

    scopes = {"GET": READ}
    serializer_class = AnalysisSerializer
    queryset = Analysis.objects.none()
    lookup_field = "pk"

    def get_queryset(self) -> Any:
        return _seen(self.request)


class _Written(APIView):
    """Something of a report as it was written, byte for byte: its SHA-256 is the one that the analysis names.

    The reading is on record before the first byte goes out.
    """

    scopes = {"GET": READ}
    kept: ClassVar[str]
    shape: ClassVar[str]

    def get(self, request: Request, pk: int) -> HttpResponse:
        refuse_unknown(request, ())
        seen = Analysis.objects.visible_to(request.user)
        found = AnalysisReport.objects.filter(analysis__in=seen.filter(pk=pk)).values_list(self.kept, flat=True).first()
        if not found:
            raise Http404
        read_analysis(pk, by=request.user, shape=self.shape)  # type: ignore[arg-type]
        return HttpResponse(found.encode(), content_type="application/json")


class _Report(_Written):
    """The report as it was written."""

    kept, shape = "written", "json"


class _Authorisations(_Written):
    """The authorisations that the log was compared with, for `analyse_log --authorisations`; 404 if there were none."""

    kept = shape = "authorisations"


Report = extend_schema_view(
    get=extend_schema(
        tags=["evidence"],
        summary="The report of an analysis",
        responses={(200, "application/json"): OpenApiTypes.OBJECT},
    )
)(_Report)
Authorisations = extend_schema_view(
    get=extend_schema(
        tags=["evidence"],
        summary="The authorisations that an analysis compared",
        responses={(200, "application/json"): {"type": "array", "items": {"type": "object"}}},
    )
)(_Authorisations)
