"""Addresses of monitoring."""

from django.urls import path, register_converter

from monitoring.api import alerts, analyses, declared
from monitoring.api import feeds as api
from monitoring.views import analysis as views
from monitoring.views import comparison, feeds


class AlertReference:
    """M-2026-000123; anything else is nobody's reference and reaches no query."""

    regex = "M-[0-9]{4}-[0-9]{6,12}"

    def to_python(self, value: str) -> str:
        return value

    def to_url(self, value: str) -> str:
        return value


class Number:
    """The number of a row, no longer than one can be."""

    regex = "[0-9]{1,18}"

    def to_python(self, value: str) -> int:
        return int(value)

    def to_url(self, value: int) -> str:
        return str(value)


register_converter(AlertReference, "alert_reference")
register_converter(Number, "row_number_of_monitoring")

urlpatterns = [
    path("api/v1/usage/batches/", api.Batches.as_view(), name="api_usage_batches"),
    path("api/v1/usage/feeds/", api.Feeds.as_view(), name="api_usage_feeds"),
    path("api/v1/usage/feeds/<row_number_of_monitoring:pk>/", api.OneFeed.as_view(), name="api_usage_feed"),
    path("api/v1/usage/feeds/<row_number_of_monitoring:pk>/pause/", api.Pause.as_view(), name="api_usage_feed_pause"),
    path(
        "api/v1/usage/feeds/<row_number_of_monitoring:pk>/resume/", api.Resume.as_view(), name="api_usage_feed_resume"
    ),
    path(
        "api/v1/usage/feeds/<row_number_of_monitoring:pk>/declared/",
        declared.DeclaredBesideFeed.as_view(),
        name="api_usage_feed_declared",
    ),
    path("api/v1/alerts/", alerts.Alerts.as_view(), name="api_alerts"),
    path("api/v1/alerts/<alert_reference:reference>/", alerts.OneAlert.as_view(), name="api_alert"),
    path(
        "api/v1/evidence/<evidence_reference:reference>/analyses/",
        analyses.Analyses.as_view(),
        name="api_evidence_analyses",
    ),
    path("api/v1/analyses/<row_number_of_monitoring:pk>/", analyses.OneAnalysis.as_view(), name="api_analysis"),
    path(
        "api/v1/analyses/<row_number_of_monitoring:pk>/report/", analyses.Report.as_view(), name="api_analysis_report"
    ),
    path(
        "api/v1/analyses/<row_number_of_monitoring:pk>/authorisations/",
        analyses.Authorisations.as_view(),
        name="api_analysis_authorisations",
    ),
    path(
        "api/v1/analyses/<row_number_of_monitoring:pk>/declared/",
        declared.DeclaredBeside.as_view(),
        name="api_analysis_declared",
    ),
    path("monitoring/", feeds.monitoring, name="monitoring"),
    path("usage/", feeds.own_feeds, name="own_feeds"),
    path("usage/<row_number_of_monitoring:pk>/", feeds.feed, name="feed"),
    path("usage/<row_number_of_monitoring:pk>/pause/", feeds.feed_pause, name="feed_pause"),
    path("usage/<row_number_of_monitoring:pk>/resume/", feeds.feed_resume, name="feed_resume"),
    path("alerts/<alert_reference:reference>/", feeds.alert, name="alert"),
    path("alerts/<alert_reference:reference>/review/", feeds.alert_review, name="alert_review"),
    path("alerts/<alert_reference:reference>/dismiss/", feeds.alert_dismiss, name="alert_dismiss"),
    path("alerts/<alert_reference:reference>/take/", feeds.alert_take, name="alert_take"),
    path("volumes/<row_number_of_monitoring:pk>/dismiss/", comparison.gap_dismiss, name="gap_dismiss"),
    path("evidence/<evidence_reference:reference>/analyses/", views.analyses, name="analyses"),
    path("evidence/<evidence_reference:reference>/analyse/", views.analysis_request, name="analysis_request"),
    path("analyses/<row_number_of_monitoring:pk>/", views.analysis, name="analysis"),
    path(
        "analyses/<row_number_of_monitoring:pk>/beside/<row_number_of_monitoring:other>/",
        views.analysis_compare,
        name="analysis_compare",
    ),
    *(
        path(
            f"analyses/<row_number_of_monitoring:pk>/report.{kind}",
            views.analysis_download,
            {"kind": kind},
            name=f"analysis_{kind}",
        )
        for kind in ("json", "csv", "pdf")
    ),
    path(
        "analyses/<row_number_of_monitoring:pk>/authorisations.json",
        views.analysis_download,
        {"kind": "authorisations"},
        name="analysis_authorisations",
    ),
]
