from django.apps import AppConfig


class WebConfig(AppConfig):
    """The ground floor: how pages look, how bad input is answered. It has no models."""

    name = "web"
