"""What companies put on record: disclosures of extraction activity, and allegations."""

from django.apps import AppConfig


class DisclosuresConfig(AppConfig):
    name = "disclosures"
