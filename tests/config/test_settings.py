"""A missing or absurd value stops the start, and says which."""

import os
import runpy
from pathlib import Path
from typing import Any

import pytest
from django.core.exceptions import ImproperlyConfigured
from psycopg.conninfo import conninfo_to_dict

from config import embedded
from tests.database import OUTSIDE

PRODUCTION = {
    "CANDOUR_MODE": "production",
    "CANDOUR_URL": "https://candour.example",
    "CANDOUR_SECRET_KEY": "0123456789-abcdefghijklmnopqrstuvwxyz-0123456789-abcdef",
    "DATABASE_URL": "postgresql://app:p@db.example/candour",
    "CELERY_BROKER_URL": "redis://broker.example/0",
    "EMAIL_URL": "smtp://mail.example:25",
}


def read_settings() -> dict[str, Any]:
    """The settings file, read anew with the environment of this moment."""
    return runpy.run_path(str(embedded.BASE_DIR / "config" / "settings.py"))


@pytest.fixture
def load(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Any:
    def run(**changes: str | None) -> dict[str, Any]:
        for name in list(os.environ):
            if name.startswith(OUTSIDE):
                monkeypatch.delenv(name)
        for name, value in {**PRODUCTION, "CANDOUR_HOME": str(tmp_path), **changes}.items():
            if value is not None:
                monkeypatch.setenv(name, value)
        return read_settings()

    return run


def test_production_starts_with_what_it_needs(load: Any) -> None:
    settings = load()
    assert settings["SECOND_FACTOR_REQUIRED"] is True
    assert settings["ALLOWED_HOSTS"] == ["candour.example"]
    assert settings["DEBUG"] is False
    assert settings["SESSION_COOKIE_SECURE"] is True
    assert settings["DATABASES"]["default"]["ATOMIC_REQUESTS"] is False


@pytest.mark.parametrize(
    "name", ["CANDOUR_URL", "CANDOUR_SECRET_KEY", "DATABASE_URL", "CELERY_BROKER_URL", "EMAIL_URL"]
)
def test_missing_value_is_named(load: Any, name: str) -> None:
    with pytest.raises(ImproperlyConfigured, match=name):
        load(**{name: None})


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"CANDOUR_MODE": "staging"}, "production, demo or test"),
        ({"CANDOUR_MODE": "demo"}, "loopback"),
        ({"CANDOUR_SANDBOX": "1"}, "CANDOUR_SANDBOX"),
        (
            {"CANDOUR_MODE": "demo", "CANDOUR_URL": "http://localhost:8000", "CANDOUR_EXTRA_HOSTS": "a.example"},
            "loopback",
        ),
        ({"CANDOUR_URL": "http://candour.example"}, "https"),
        ({"CANDOUR_URL": "candour.example"}, "full address"),
        ({"CANDOUR_SECRET_KEY": "short"}, "50 characters"),
        ({"CANDOUR_DB_ROLE": "postgres"}, "app or owner"),
        ({"CANDOUR_DB_ROLE": "owner"}, "DATABASE_OWNER_URL"),
        ({"CANDOUR_DB_POOL": "-1"}, "CANDOUR_DB_POOL"),
        ({"DATABASE_URL": "sqlite:////tmp/x"}, "PostgreSQL"),
        ({"CELERY_BROKER_URL": "memory://"}, "CELERY_BROKER_URL"),
        ({"CANDOUR_TASK_VISIBILITY": "60"}, "CANDOUR_TASK_VISIBILITY"),
        ({"CANDOUR_WORKER_SILENCE": "5"}, "CANDOUR_WORKER_SILENCE"),
        ({"CANDOUR_SECOND_FACTOR": "false"}, "CANDOUR_SECOND_FACTOR"),
        ({"EVIDENCE_STORAGE_URL": "https://bucket.example"}, "EVIDENCE_STORAGE_URL"),
        ({"ANALYTICS_URL": "http://clickhouse.example:8123"}, "ANALYTICS_URL must be clickhouse://"),
        ({"ANALYTICS_URL": "clickhouse://clickhouse.example/usage"}, "secure=true"),
        ({"CANDOUR_WEBHOOK_TRUSTED": "127.0.0.1"}, "CANDOUR_WEBHOOK_TRUSTED"),
        ({"CANDOUR_WEBHOOK_PORTS": "443,8443"}, "CANDOUR_WEBHOOK_PORTS"),
        ({"CANDOUR_WEBHOOK_CA": "/tmp/ca.pem"}, "CANDOUR_WEBHOOK_CA"),
        ({"CANDOUR_FEED_BATCH_ROWS": "0"}, "CANDOUR_FEED_BATCH_ROWS"),
        ({"CANDOUR_FEED_WINDOW_DAYS": "400"}, "CANDOUR_FEED_WINDOW_DAYS"),
        ({"CANDOUR_ALERT_QUIET_HOURS": "-1"}, "CANDOUR_ALERT_QUIET_HOURS"),
        ({"EVIDENCE_MAX_BYTES": "12"}, "EVIDENCE_MAX_BYTES"),
    ],
)
def test_absurd_value_is_refused(load: Any, changes: dict[str, str], says: str) -> None:
    with pytest.raises(ImproperlyConfigured, match=says):
        load(**changes)


def test_analyses_are_reckoned_here_unless_an_address_is_given(load: Any) -> None:
    assert load()["ANALYTICS_URL"] == ""
    for address in ("clickhouse://u:p@clickhouse.example/usage?secure=true", "clickhouse://localhost:8123/"):
        assert load(ANALYTICS_URL=address)["ANALYTICS_URL"] == address


def test_socket_folder_in_the_database_address_is_the_host(load: Any) -> None:
    database = load(DATABASE_URL="postgresql://app:p@/candour?host=%2Fsome%2FFolder")["DATABASES"]["default"]
    assert (database["HOST"], database["NAME"], database["USER"]) == ("/some/Folder", "candour", "app")
    assert "host" not in database["OPTIONS"]


def test_pool_can_be_turned_off(load: Any) -> None:
    assert "pool" not in load(CANDOUR_DB_POOL="0")["DATABASES"]["default"]["OPTIONS"]
    assert load(CANDOUR_DB_POOL="3")["DATABASES"]["default"]["OPTIONS"]["pool"]["max_size"] == 3


def test_broker_address_is_not_overruled_by_the_database_address(load: Any) -> None:
    """The pgmq client prefers DATABASE_URL, when that is set, to the host and user it is given."""
    settings = load(CELERY_BROKER_URL="pgmq://broker:s%27e@%2FSome%2FFolder:5432/broker")
    assert conninfo_to_dict(settings["CELERY_BROKER_TRANSPORT_OPTIONS"]["conn_string"]) == {
        "host": "/Some/Folder",
        "port": "5432",
        "dbname": "broker",
        "user": "broker",
        "password": "s'e",
    }
