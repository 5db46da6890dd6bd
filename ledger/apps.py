"""What happened: append-only events, the clock, references, the record of sweeps."""

from django.apps import AppConfig
from django.conf import settings

from ledger.sandbox import Ahead
from ledger.time import run_ahead


class LedgerConfig(AppConfig):
    name = "ledger"

    def ready(self) -> None:
        """In the sandbox the clock can be moved forward; everywhere else it is the world's."""
        if settings.SANDBOX:
            run_ahead(Ahead(settings.SANDBOX_CLOCK))
