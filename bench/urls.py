"""The site's addresses, and the yardstick's."""

from django.urls import include, path

from bench.yardstick import Plain

urlpatterns = [path("bench/plain/", Plain.as_view(), name="plain"), path("", include("config.urls"))]
