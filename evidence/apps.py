"""Files: upload, hash, custody, download."""

from django.apps import AppConfig


class EvidenceConfig(AppConfig):
    name = "evidence"
