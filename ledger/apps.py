"""What happened: append-only events, the clock, references, the record of sweeps."""

from django.apps import AppConfig


class LedgerConfig(AppConfig):
    name = "ledger"
