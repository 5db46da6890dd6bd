"""Addresses of evidence."""

from django.urls import path, register_converter

from evidence import api, views
from evidence.download import VERSIONS


class Reference:
    """E-2026-000123; anything else is nobody's reference and reaches no query."""

    regex = "E-[0-9]{4}-[0-9]{6,12}"

    def to_python(self, value: str) -> str:
        return value

    def to_url(self, value: str) -> str:
        return value


register_converter(Reference, "evidence_reference")

urlpatterns = [
    path("api/v1/evidence/", api.Evidence.as_view(), name="api_evidence"),
    path("api/v1/evidence/<evidence_reference:reference>/", api.OneEvidence.as_view(), name="api_evidence_item"),
    path("api/v1/evidence/<evidence_reference:reference>/remove/", api.Remove.as_view(), name="api_evidence_remove"),
    *(
        path(
            f"api/v1/evidence/<evidence_reference:reference>/file/{version}/",
            api.EvidenceFile.as_view(),
            {"version": version},
            name=f"api_evidence_file_{version.replace('-', '_')}",
        )
        for version in VERSIONS
    ),
    path("evidence/", views.evidence, name="evidence"),
    path("evidence/new/", views.evidence_new, name="evidence_new"),
    path("evidence/<evidence_reference:reference>/", views.evidence_item, name="evidence_item"),
    path("evidence/<evidence_reference:reference>/remove/", views.evidence_remove, name="evidence_remove"),
    path(
        "evidence/<evidence_reference:reference>/download/<str:version>/",
        views.evidence_download,
        name="evidence_download",
    ),
]
