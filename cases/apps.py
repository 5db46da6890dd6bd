"""What the regulator does: cases, notices, the clock, exhibits, decisions, referrals."""

from django.apps import AppConfig


class CasesConfig(AppConfig):
    name = "cases"
