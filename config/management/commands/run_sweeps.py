"""What beat and the worker do, without a broker: the way back when Celery is down, and the plainest thing to test."""

import signal
from threading import Event
from types import FrameType
from typing import Any

import structlog
from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.db import close_old_connections

log = structlog.get_logger(__name__)


class Command(BaseCommand):
    help = "Run every sweep once, or again and again with --loop. Safe beside a running worker."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--loop", type=float, metavar="SECONDS", help="keep going, with this pause in between")

    def handle(self, *args: Any, loop: float | None, **options: Any) -> None:
        if loop is None:
            self.run()
            return
        if not 0.1 <= loop <= 3600:
            raise CommandError("--loop takes from 0.1 to 3600 seconds.")
        stop = Event()

        def ask_to_stop(_number: int, _frame: FrameType | None) -> None:
            stop.set()

        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, ask_to_stop)
        while not stop.is_set():
            try:
                self.run()
            except Exception:  # the database may be away for a while: say so and go on
                log.exception("sweep_failed")
            close_old_connections()
            stop.wait(loop)

    def run(self) -> None:
        from accounts.actions import forget_answers
        from cases.tasks import run_all as sweep
        from monitoring.tasks import run_all as analyse
        from monitoring.tasks import watch_all
        from notifications.tasks import run_all as deliver
        from notifications.tasks import run_webhooks

        for name, tally in {**sweep(), **analyse(), **watch_all(), **deliver(), **run_webhooks()}.items():
            self.stdout.write(f"{name}: {tally.acted} done, {tally.failed} put off")
        self.stdout.write(f"forget: {forget_answers()} done")
