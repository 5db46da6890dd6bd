"""The addresses of the whole site. Every one is classified in tests/access_matrix.py."""

from django.conf import settings
from django.urls import include, path
from drf_spectacular.views import SpectacularAPIView

from config.views.api_docs import api_docs
from config.views.health import health
from config.views.home import home
from config.views.oversight import events
from config.views.problems import problem
from config.views.sandbox import Clock

# Outside the sandbox its clock does not exist.
sandbox_only = [path("api/v1/sandbox/clock/", Clock.as_view(), name="api_sandbox_clock")]

urlpatterns = [
    *(sandbox_only if settings.SANDBOX else []),
    path("", home, name="home"),
    path("health/", health, name="health"),
    path("api/v1/schema/", SpectacularAPIView.as_view(), name="api_schema"),
    path("api/v1/docs/", api_docs, name="api_docs"),
    path("events/", events, name="events"),
    path("problems/<slug:kind>/", problem, name="problem"),
    path("", include("accounts.urls")),
    path("", include("notifications.urls")),
    path("", include("evidence.urls")),
    path("", include("disclosures.urls")),
    path("", include("monitoring.urls")),
    path("", include("cases.urls")),
]

handler400 = "web.problems.bad_request"
handler403 = "web.problems.forbidden"
handler404 = "web.problems.not_found"
handler500 = "web.problems.server_error"
