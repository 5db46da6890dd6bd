"""docs/operations.md, tried as written: the roles, the back-up, the restore, S3; and every setting has its line."""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import psycopg
import pytest

from config import embedded
from tests.config.test_manage import manage

PAGE = (embedded.BASE_DIR / "docs" / "operations.md").read_text()


def block(name: str) -> str:
    found = re.search(rf"<!-- tried: {name} -->\n```\w+\n(.*?)```", PAGE, re.DOTALL)
    assert found, name
    return found.group(1)


def shell(script: str, folder: Path, environment: dict[str, str]) -> None:
    """Run a block of the page in a folder that looks like that of the code."""
    for name in ("config", "manage.py"):
        if not (folder / name).exists():
            (folder / name).symlink_to(embedded.BASE_DIR / name)
    script = script.replace(".venv/bin/python manage.py", f"{sys.executable} {embedded.BASE_DIR}/manage.py")
    script = script.replace(".venv/bin/python", sys.executable)
    done = subprocess.run(
        ["sh", "-euc", script], cwd=folder, env=environment, capture_output=True, text=True, timeout=180
    )
    assert done.returncode == 0, done.stdout + done.stderr


def count(home: Path) -> tuple[int, int]:
    with embedded.Server(home), psycopg.connect(embedded.environment(home)["DATABASE_URL"]) as app:
        sessions = app.execute("SELECT count(*) FROM django_session WHERE session_key = 'kept'").fetchone()
        tables = app.execute("SELECT count(*) FROM pg_tables WHERE schemaname = 'public'").fetchone()
    assert sessions
    assert tables
    return sessions[0], tables[0]


@pytest.mark.slow
def test_backup_is_restored(home: Path, clean_environment: dict[str, str]) -> None:
    folder = home.parent
    assert manage(clean_environment, "migrate", "--verbosity", "0").returncode == 0
    with embedded.Server(home), psycopg.connect(embedded.environment(home)["DATABASE_URL"]) as app:
        app.execute("INSERT INTO django_session VALUES ('kept', 'x', now() + interval '1 day')")
    (home / "evidence" / "2026").mkdir(parents=True)
    (home / "evidence" / "2026" / "item").write_bytes(b"a file")
    before = count(home)
    shell(block("backup"), folder, clean_environment)

    other = folder / "other"
    shell(block("restore"), folder, {**clean_environment, "CANDOUR_HOME": str(other)})
    assert count(other) == before == (1, before[1])
    assert (other / "evidence" / "2026" / "item").read_bytes() == b"a file"
    with embedded.Server(other), psycopg.connect(embedded.environment(other)["DATABASE_URL"]) as app:
        with pytest.raises(psycopg.errors.InsufficientPrivilege):
            app.execute("TRUNCATE django_session")
        app.rollback()
        guarded = app.execute("SELECT count(*) FROM pg_trigger WHERE NOT tgisinternal").fetchone()
        assert guarded
        assert guarded[0] > 0


@pytest.mark.slow
def test_roles_as_written_carry_the_site(home: Path, clean_environment: dict[str, str]) -> None:
    """The page's SQL under other names, on a server that knows nothing of ours; then the commands of a release."""
    sql = block("roles")
    for name in ("owner", "app", "candour"):
        sql = re.sub(rf"\b{name}\b", f"their_{name}", sql)
    with embedded.Server(home) as server:
        psql = [str(embedded.binaries() / "psql"), "-v", "ON_ERROR_STOP=1", "-X", "-q", server.superuser_dsn()]
        subprocess.run(psql, input=sql, text=True, check=True, capture_output=True)
        at = f"/their_candour?host={server.socket}"
        environment = {
            **{name: value for name, value in clean_environment.items() if name != "CANDOUR_HOME"},
            "CANDOUR_HOME": str(home.parent / "site"),
            "CANDOUR_MODE": "production",
            "CANDOUR_URL": "https://candour.example",
            "CANDOUR_SECRET_KEY": "0123456789-abcdefghijklmnopqrstuvwxyz-0123456789-abcdef",
            "DATABASE_URL": f"postgresql://their_app:choose-another@{at}",
            "DATABASE_OWNER_URL": f"postgresql://their_owner:choose-one@{at}",
            "CELERY_BROKER_URL": "redis://127.0.0.1:1/0",
            "EMAIL_URL": "smtp://127.0.0.1:1",
        }
        for command in (["migrate", "--verbosity", "0"], ["createcachetable"]):
            done = manage(environment, *command)
            assert done.returncode == 0, done.stderr
        del environment["DATABASE_OWNER_URL"]
        done = manage(environment, "run_sweeps")
        assert done.returncode == 0, done.stderr


def test_every_setting_is_on_the_page() -> None:
    settings = (embedded.BASE_DIR / "config" / "settings.py").read_text()
    read = set(re.findall(r'\benv(?:\.\w+)?\(\s*"([A-Z_]+)"', settings)) | {"DATABASE_OWNER_URL", "PORT"}
    told = set(re.findall(r"^\| `([A-Z_]+)` \|", PAGE, re.MULTILINE))
    assert read == told


def test_evidence_lies_in_s3(monkeypatch: pytest.MonkeyPatch, settings: object) -> None:
    import boto3
    from django.core.files.base import ContentFile
    from django.core.files.storage import storages
    from moto.server import ThreadedMotoServer

    from tests.config.test_settings import PRODUCTION, read_settings

    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    try:
        host, port = server.get_host_and_port()
        endpoint = f"http://{host}:{port}"
        monkeypatch.setenv("AWS_ACCESS_KEY_ID", "id")
        monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "key")
        monkeypatch.setenv("AWS_DEFAULT_REGION", "eu-west-2")
        boto3.client("s3", endpoint_url=endpoint).create_bucket(
            Bucket="evidence", CreateBucketConfiguration={"LocationConstraint": "eu-west-2"}
        )
        for name, value in {**PRODUCTION, "EVIDENCE_STORAGE_URL": f"s3://evidence?endpoint={endpoint}"}.items():
            monkeypatch.setenv(name, value)
        storage = storages.create_storage(read_settings()["STORAGES"]["default"])
        name = storage.save("2026/item", ContentFile(b"a file"))
        again = storage.save("2026/item", ContentFile(b"another"))
        assert again != name
        with storage.open(name) as file:
            assert file.read() == b"a file"
        assert storage.size(name) == 6
        storage.delete(name)
        assert not storage.exists(name)
    finally:
        server.stop()


def test_the_wheel_brings_the_programs_the_page_names() -> None:
    for program in ("psql", "pg_dump", "pg_restore"):
        assert os.access(embedded.binaries() / program, os.X_OK)
    assert shutil.which("tar")
