"""manage.py: whose server, and as which role."""

import subprocess
import sys
from pathlib import Path

import psycopg
import pytest

from config import embedded
from tests.database import MANAGE

SHOW = """
from django.db import connection
with connection.cursor() as cursor:
    cursor.execute("SELECT current_user")
    print("as", cursor.fetchone()[0])
"""


def manage(environment: dict[str, str], *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, str(MANAGE), *arguments], env=environment, capture_output=True, text=True, timeout=120
    )


def test_command_starts_the_embedded_server_and_stops_it(home: Path, clean_environment: dict[str, str]) -> None:
    done = manage(clean_environment, "shell", "--no-imports", "-c", SHOW)
    assert done.stdout.strip() == "as app", done.stderr
    assert embedded.Server(home).process is None


def test_command_leaves_a_running_server_alone(home: Path, clean_environment: dict[str, str]) -> None:
    with embedded.Server(home) as server:
        process = server.process
        done = manage(clean_environment, "shell", "--no-imports", "-c", SHOW)
        assert done.stdout.strip() == "as app", done.stderr
        assert server.process == process


def test_migrate_runs_as_owner(home: Path, clean_environment: dict[str, str]) -> None:
    with embedded.Server(home):
        assert manage(clean_environment, "migrate", "contenttypes", "--verbosity", "0").returncode == 0
        with psycopg.connect(embedded.environment(home)["DATABASE_URL"]) as app:
            row = app.execute("SELECT tableowner FROM pg_tables WHERE tablename = 'django_content_type'").fetchone()
    assert row == ("owner",)


def test_migrate_as_app_is_refused(clean_environment: dict[str, str]) -> None:
    done = manage({**clean_environment, "CANDOUR_DB_ROLE": "app"}, "migrate", "contenttypes")
    assert done.returncode != 0
    assert "permission denied" in done.stderr


@pytest.mark.parametrize("command", ["migrate", "createcachetable", "flush"])
def test_owner_commands_ask_for_the_owner(clean_environment: dict[str, str], command: str) -> None:
    done = manage({**clean_environment, "DATABASE_URL": "postgresql://app:none@127.0.0.1:1/candour"}, command)
    assert done.returncode == 1
    assert "DATABASE_OWNER_URL is not" in done.stderr


def test_sweeps_run_without_a_broker(process_environment: dict[str, str]) -> None:
    from ledger.models import SweepRun

    broken = {**process_environment, "CELERY_BROKER_URL": "redis://127.0.0.1:1/0"}
    done = manage(broken, "run_sweeps")
    assert done.returncode == 0, done.stderr
    assert SweepRun.objects.count() > 1
