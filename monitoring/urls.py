"""Addresses of monitoring."""

from django.urls import path, register_converter

from monitoring.views import analysis as views


class Number:
    """The number of a row, no longer than one can be."""

    regex = "[0-9]{1,18}"

    def to_python(self, value: str) -> int:
        return int(value)

    def to_url(self, value: int) -> str:
        return str(value)


register_converter(Number, "row_number_of_analysis")

urlpatterns = [
    path("evidence/<evidence_reference:reference>/analyses/", views.analyses, name="analyses"),
    path("evidence/<evidence_reference:reference>/analyse/", views.analysis_request, name="analysis_request"),
    path("analyses/<row_number_of_analysis:pk>/", views.analysis, name="analysis"),
    path(
        "analyses/<row_number_of_analysis:pk>/beside/<row_number_of_analysis:other>/",
        views.analysis_compare,
        name="analysis_compare",
    ),
    *(
        path(
            f"analyses/<row_number_of_analysis:pk>/report.{kind}",
            views.analysis_download,
            {"kind": kind},
            name=f"analysis_{kind}",
        )
        for kind in ("json", "csv", "pdf")
    ),
]
