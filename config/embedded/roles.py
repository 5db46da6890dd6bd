"""The three roles and the two databases."""

from collections.abc import Mapping
from pathlib import Path

from config.embedded.home import DATABASE, ROLES

DEFAULT_PRIVILEGES = """
ALTER DEFAULT PRIVILEGES FOR ROLE owner GRANT SELECT, INSERT, UPDATE, DELETE ON TABLES TO app;
ALTER DEFAULT PRIVILEGES FOR ROLE owner GRANT USAGE, SELECT ON SEQUENCES TO app;
"""


def provision(socket: Path, secret: Mapping[str, str]) -> None:
    """The three roles and the two databases, made or put right at every start."""
    import psycopg
    from pgmq import get_embedded_install_sql

    def connect(database: str, user: str = "postgres") -> "psycopg.Connection[tuple[object, ...]]":
        return psycopg.connect(
            host=str(socket), dbname=database, user=user, password=secret[user], autocommit=True, connect_timeout=30
        )

    with connect("postgres") as admin:
        known = {row[0] for row in admin.execute("SELECT rolname FROM pg_roles")}
        attributes = {"owner": "CREATEDB", "app": "NOCREATEDB", "broker": "NOCREATEDB"}
        for role in ROLES:
            if role not in known:
                admin.execute(f"CREATE ROLE {role}")
            hashed = admin.pgconn.encrypt_password(secret[role].encode(), role.encode(), b"scram-sha-256").decode()
            admin.execute(
                f"ALTER ROLE {role} LOGIN NOSUPERUSER NOBYPASSRLS NOCREATEROLE NOREPLICATION {attributes[role]} "
                f"PASSWORD '{hashed}'"
            )
    # Every database made from now on, those of tests included, lets `app` read and write what `owner` makes.
    with connect("template1") as template:
        template.execute(DEFAULT_PRIVILEGES)
    with connect("postgres") as admin:
        found = {row[0] for row in admin.execute("SELECT datname FROM pg_database")}
        for name, role in ((DATABASE, "owner"), ("broker", "broker")):
            if name not in found:
                admin.execute(f"CREATE DATABASE {name} OWNER {role}")
        for name in (DATABASE, "broker", "postgres", "template1"):
            admin.execute(f"REVOKE ALL ON DATABASE {name} FROM PUBLIC")
        admin.execute(f"GRANT CONNECT ON DATABASE {DATABASE} TO app")
        admin.execute("GRANT CONNECT ON DATABASE template1 TO owner")
    with connect("broker", "broker") as broker:
        row = broker.execute("SELECT to_regclass('pgmq.meta')").fetchone()
        if row is None or row[0] is None:
            with broker.transaction():
                broker.execute(get_embedded_install_sql().encode())
