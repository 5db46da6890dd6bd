"""The address of the feed."""

from django.urls import path

from ledger.api import Events

urlpatterns = [path("api/v1/events/", Events.as_view(), name="api_events")]
