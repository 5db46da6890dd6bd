"""The addresses of the whole site. Every one is classified in tests/access_matrix.py."""

from django.urls import include, path
from drf_spectacular.views import SpectacularAPIView, SpectacularSwaggerSplitView

from config.views.health import health
from config.views.home import home
from config.views.oversight import events

urlpatterns = [
    path("", home, name="home"),
    path("health/", health, name="health"),
    path("api/v1/schema/", SpectacularAPIView.as_view(), name="api_schema"),
    path("api/v1/docs/", SpectacularSwaggerSplitView.as_view(url_name="api_schema"), name="api_docs"),
    path("events/", events, name="events"),
    path("", include("ledger.urls")),
    path("", include("accounts.urls")),
    path("", include("notifications.urls")),
    path("", include("evidence.urls")),
    path("", include("disclosures.urls")),
    path("", include("cases.urls")),
]

handler400 = "web.problems.bad_request"
handler403 = "web.problems.forbidden"
handler404 = "web.problems.not_found"
handler500 = "web.problems.server_error"
