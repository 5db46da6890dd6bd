"""The tests' PostgreSQL: one embedded server a run, one database a process, emptied between transactional tests.

The tests' own queries run as `app`, as the site's do. Only what is here runs as `owner`, by the same commands as an
installation.
"""

import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any, LiteralString
from urllib.parse import urlsplit

import psycopg
from psycopg import sql

from config import embedded

MANAGE = embedded.BASE_DIR / "manage.py"
# Read by config/settings.py: what the caller's shell says must not reach the tests.
OUTSIDE = ("CANDOUR_", "DATABASE_", "CELERY_", "EVIDENCE_", "EMAIL_URL", "ANALYTICS_", "AWS_")


class TestServer:
    """Started by the first process of a run, in a folder of its own: two runs at once do not meet."""

    __test__ = False

    def __init__(self) -> None:
        self.home = Path(tempfile.mkdtemp(prefix="candour-test-"))
        self.server = embedded.Server(
            self.home,
            dies_with_parent=True,
            sync=False,
            # fsync guards against a crash of the machine, not of a process: killed ones lose nothing without it.
            settings={"fsync": "off", "full_page_writes": "off", "max_connections": "200"},
        )

    def start(self) -> None:
        for name in list(os.environ):
            if name.startswith(OUTSIDE):
                del os.environ[name]
        self.server.start()
        os.environ.update(embedded.environment(self.home))
        os.environ.update(
            DJANGO_SETTINGS_MODULE="config.settings",
            CANDOUR_MODE="test",
            CANDOUR_URL="http://localhost:8000",
            CANDOUR_DB_POOL="0",
            CANDOUR_TEST_SERVER=str(self.home),
        )

    def stop(self) -> None:
        self.server.stop(force=True)
        shutil.rmtree(self.home, ignore_errors=True)


def own_folder(worker: str) -> None:
    """A CANDOUR_HOME for each test process: no test sees the files of another's."""
    home = Path(os.environ["CANDOUR_TEST_SERVER"]) / worker
    embedded.prepare_home(home)
    (home / "static").mkdir(exist_ok=True)  # where collectstatic would have put files: WhiteNoise warns without it
    os.environ["CANDOUR_HOME"] = str(home)


def create_database(worker: str) -> str:
    """Migrate once a run, as owner, through manage.py; each process gets a copy, and the environment names it."""
    home = Path(os.environ["CANDOUR_TEST_SERVER"])
    name = f"test_{worker}"
    with embedded.locked(home / ".lock-template"):
        migrated = home / ".migrated"
        if not migrated.exists():
            for command in (["migrate", "--verbosity", "0", "--skip-checks"], ["createcachetable"]):
                subprocess.run([sys.executable, str(MANAGE), *command], check=True)
            migrated.touch()
        with psycopg.connect(os.environ["DATABASE_OWNER_URL"], dbname="template1", autocommit=True) as owner:
            owner.execute(
                sql.SQL("CREATE DATABASE {} TEMPLATE {}").format(
                    sql.Identifier(name), sql.Identifier(embedded.DATABASE)
                )
            )
            owner.execute(sql.SQL("REVOKE ALL ON DATABASE {} FROM PUBLIC").format(sql.Identifier(name)))
            owner.execute(sql.SQL("GRANT CONNECT ON DATABASE {} TO app").format(sql.Identifier(name)))
    for variable in ("DATABASE_URL", "DATABASE_OWNER_URL"):
        os.environ[variable] = urlsplit(os.environ[variable])._replace(path=f"/{name}").geturl()
    return name


def create_broker(name: str) -> str:
    """A broker database of its own, so that no worker takes another test's messages. Returns its URL."""
    home = Path(os.environ["CANDOUR_TEST_SERVER"])
    dsn = embedded.Server(home).superuser_dsn()
    with embedded.locked(home / ".lock-template"), psycopg.connect(dsn, autocommit=True) as admin:
        admin.execute(sql.SQL("CREATE DATABASE {} OWNER broker TEMPLATE broker").format(sql.Identifier(name)))
    return urlsplit(embedded.environment(home)["CELERY_BROKER_URL"])._replace(path=f"/{name}").geturl()


class Baseline:
    """The rows that migrations made, and the way back to them.

    Every other table is emptied, as owner, with the triggers that guard events and versions off for that transaction.
    """

    def __init__(self, owner_url: str) -> None:
        self.connection = psycopg.connect(owner_url, autocommit=True)
        self.connection.execute("SET lock_timeout = '20s'")
        self.tables: dict[str, sql.Composed] = {
            name: sql.SQL("{} ({})").format(sql.Identifier(name), sql.SQL(", ").join(map(sql.Identifier, columns)))
            for name, columns in self._rows(
                """SELECT c.relname, array_agg(a.attname::text ORDER BY a.attnum)
                   FROM pg_class c JOIN pg_attribute a ON a.attrelid = c.oid
                   WHERE c.relnamespace = 'public'::regnamespace AND c.relkind IN ('r', 'p')
                     AND a.attnum > 0 AND NOT a.attisdropped AND a.attgenerated = ''
                   GROUP BY c.relname ORDER BY c.relname"""
            )
        }
        self.rows = {name: self._dump(name) for name in self._filled(self.tables)}
        self.sequences = self._rows(
            "SELECT quote_ident(sequencename), last_value FROM pg_sequences "
            "WHERE schemaname = 'public' AND last_value IS NOT NULL"
        )
        self.triggers = self._rows(
            """SELECT c.relname, t.tgname, t.tgenabled::text FROM pg_trigger t JOIN pg_class c ON c.oid = t.tgrelid
               WHERE NOT t.tgisinternal AND t.tgenabled <> 'D' AND c.relnamespace = 'public'::regnamespace"""
        )

    def restore(self) -> None:
        filled = self._filled(set(self.tables) - set(self.rows))
        changed = [name for name, rows in self.rows.items() if self._dump(name) != rows]
        if not filled and not changed:
            return
        with self.connection.transaction():
            self._switch_triggers(on=False)
            self.connection.execute(
                sql.SQL("TRUNCATE {} RESTART IDENTITY CASCADE").format(
                    sql.SQL(", ").join(map(sql.Identifier, [*filled, *changed]))
                )
            )
            for name, rows in self.rows.items():
                if self._dump(name) != rows:  # emptied, itself or by CASCADE
                    with self.connection.cursor().copy(sql.SQL("COPY {} FROM STDIN").format(self.tables[name])) as copy:
                        copy.write(rows)
            for name, value in self.sequences:
                self.connection.execute("SELECT setval(%s, %s)", [name, value])
            self._switch_triggers(on=True)

    def close(self) -> None:
        self.connection.close()

    def _switch_triggers(self, *, on: bool) -> None:
        words = {"O": "ENABLE", "A": "ENABLE ALWAYS", "R": "ENABLE REPLICA"}
        for table, name, state in self.triggers:
            self.connection.execute(
                sql.SQL("ALTER TABLE {} {} TRIGGER {}").format(
                    sql.Identifier(table), sql.SQL(words[state] if on else "DISABLE"), sql.Identifier(name)
                )
            )

    def _filled(self, tables: Any) -> list[str]:
        if not tables:
            return []
        query = sql.SQL(" UNION ALL ").join(
            sql.SQL("SELECT {} WHERE EXISTS (SELECT FROM {})").format(sql.Literal(name), sql.Identifier(name))
            for name in sorted(tables)
        )
        return [row[0] for row in self.connection.execute(query).fetchall()]

    def _dump(self, name: str) -> bytes:
        with self.connection.cursor().copy(sql.SQL("COPY {} TO STDOUT").format(self.tables[name])) as copy:
            return b"".join(bytes(block) for block in copy)

    def _rows(self, query: LiteralString) -> list[Any]:
        return self.connection.execute(query).fetchall()
