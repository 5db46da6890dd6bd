"""Celery: which task runs when, and how a broker is spoken to.

Celery only runs short sweeps that find their work in PostgreSQL. A lost, late or doubled message therefore costs delay,
never data: no result is kept, nothing is scheduled with an `eta`, and two beats do no harm.
"""

import logging
import os
import signal
from datetime import timedelta
from threading import Thread
from time import monotonic, sleep
from typing import Any
from urllib.parse import unquote, urlsplit

from celery import Celery
from celery.signals import task_received, worker_ready
from celery.worker import state
from psycopg.conninfo import make_conninfo

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings")

log = logging.getLogger(__name__)

# One task runs several sweeps, each within `ledger.sweep.BUDGET_SECONDS`: the limits are for what hangs.
SOFT_SECONDS = 480
HARD_SECONDS = 540

app = Celery("candour")
# From settings: CELERY_BROKER_URL, CELERY_BROKER_TRANSPORT_OPTIONS, CELERY_BEAT_SCHEDULE_FILENAME.
app.config_from_object("django.conf:settings", namespace="CELERY")
app.conf.update(
    timezone="UTC",
    enable_utc=True,
    task_default_queue="candour",
    task_ignore_result=True,
    task_store_errors_even_if_ignored=False,
    task_acks_late=True,
    task_reject_on_worker_lost=True,
    task_soft_time_limit=SOFT_SECONDS,
    task_time_limit=HARD_SECONDS,
    worker_prefetch_multiplier=1,
    worker_max_tasks_per_child=500,
    worker_enable_remote_control=False,  # its reply queues have names too long for pgmq; health is a row, not a ping
    worker_send_task_events=False,
    worker_hijack_root_logger=False,
    worker_cancel_long_running_tasks_on_connection_loss=True,
    broker_connection_retry_on_startup=True,
    broker_connection_max_retries=None,
    beat_schedule={
        "sweep": {
            "task": "cases.tasks.sweep",
            "schedule": timedelta(minutes=1),
            "options": {"expires": 55},
        },
        "deliver": {
            "task": "notifications.tasks.deliver",
            "schedule": timedelta(seconds=15),
            "options": {"expires": 14},
        },
        "watch": {
            "task": "monitoring.tasks.watch",
            "schedule": timedelta(minutes=1),
            "options": {"expires": 55},
        },
        "analyse": {
            "task": "monitoring.tasks.analyse",
            "schedule": timedelta(seconds=10),
            "options": {"expires": 9},
        },
        "forget": {
            "task": "accounts.tasks.forget",
            "schedule": timedelta(hours=6),
            "options": {"expires": 3600},
        },
        "webhooks": {
            "task": "notifications.tasks.send_webhooks",
            "schedule": timedelta(seconds=3),
            "options": {"expires": 2},
        },
    },
)
app.autodiscover_tasks()


def transport_options(broker_url: str, visibility_seconds: int) -> dict[str, Any]:
    """What this broker must be told. A message not acknowledged within `visibility_seconds` is delivered again."""
    scheme = urlsplit(broker_url).scheme
    if scheme == "pgmq":
        return {
            "visibility_timeout": visibility_seconds,
            "init_extension": False,
            # Woken by NOTIFY. A long poll would hold a lock on the queue for ten seconds at a time, and whoever starts
            # to publish waits for it (seen: beat stood still for 7 s).
            "use_notify": True,
            "wait_time_seconds": 0,
            "polling_interval": 1,
            "pool_timeout": 10,
            # Without it the pgmq client prefers DATABASE_URL, when that is set, to the broker's own address.
            "conn_string": _libpq(broker_url),
        }
    if scheme in {"redis", "rediss", "redis+socket"}:
        return {"visibility_timeout": visibility_seconds, "health_check_interval": 10, "socket_keepalive": True}
    if scheme in {"amqp", "amqps"}:
        return {"confirm_publish": True}
    raise ValueError(f"CELERY_BROKER_URL begins with {scheme!r}; it may begin with pgmq, redis, rediss or amqp.")


def _libpq(url: str) -> str:
    # Not urlsplit().hostname: it makes capitals small, and the host may be a folder.
    parts = urlsplit(url)
    host, _, port = parts.netloc.rpartition("@")[2].partition(":")
    return make_conninfo(
        host=unquote(host),
        port=port or "5432",
        dbname=parts.path.lstrip("/"),
        user=unquote(parts.username or ""),
        password=unquote(parts.password or ""),
    )


@worker_ready.connect
def sweep_at_start(sender: Any, **_kwargs: Any) -> None:
    """After a standstill nobody waits for the next tick of beat."""
    from django.conf import settings

    Listener(settings.WORKER_SILENCE_SECONDS).start()
    for name, entry in app.conf.beat_schedule.items():
        sender.app.send_task(entry["task"], expires=entry["options"]["expires"], headers={"periodic": name})


class Listener(Thread):
    """Stops a worker that hears nothing for `seconds`: whoever runs it starts it again, and it sweeps at its start.

    Beat speaks every 15 seconds, so silence means that the worker has gone deaf while looking well. Seen: when the
    broker loses a message before the worker can acknowledge it, the worker waits for that one for ever.
    """

    def __init__(self, seconds: float) -> None:
        super().__init__(name="listener", daemon=True)
        self.seconds = seconds
        self.heard = monotonic()
        task_received.connect(self.hear, weak=False)

    def hear(self, **_kwargs: Any) -> None:
        self.heard = monotonic()

    def run(self) -> None:
        while monotonic() - self.heard < self.seconds:
            if state.active_requests:  # busy is not deaf
                self.hear()
            sleep(1)
        log.error("No task for %s s: this worker stops, to be started again.", self.seconds)
        os.kill(os.getpid(), signal.SIGTERM)
        sleep(30)
        os.kill(os.getpid(), signal.SIGKILL)
