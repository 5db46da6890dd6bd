"""Who must hear of it: messages in the same commit, delivered by sweep, delivery on record."""

from django.apps import AppConfig


class NotificationsConfig(AppConfig):
    name = "notifications"
