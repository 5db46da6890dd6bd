"""Faults: the doses, the switch that turns locks off, the owner's hand, and the figures."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any

import psycopg
import pytest

if TYPE_CHECKING:
    from tests.builders import Cast

# This file may be read before the settings can be: what needs Django is imported where it is used.
if os.environ.get("CANDOUR_SOAK"):  # tests/database.py takes every CANDOUR_ variable out of the environment
    os.environ["SOAK"] = "1"


@pytest.fixture(scope="session")
def dose() -> Callable[[int, int], int]:
    """How often: `dose(in_ci, in_soak)`."""
    return lambda in_ci, in_soak: in_soak if os.environ.get("SOAK") else in_ci


@pytest.fixture
def people(transactional_db: None) -> Cast:
    """Everybody a case needs."""
    from tests import builders

    return builders.cast()


@pytest.fixture(params=[True, False], ids=["locked", "lock-off"])
def locks(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> bool:
    """Each race is run twice, on the same schedule: with row locks, and with every row lock off.

    The second is the negative control: if it does not go wrong there, the first proves nothing.
    """
    from django.db.models import QuerySet

    if not request.param:
        monkeypatch.setattr(QuerySet, "select_for_update", lambda self, **_kind: self._chain())
    return bool(request.param)


# --- What only the owner of the tables can do ---------------------------------------------------------------------------
@pytest.fixture
def owner(transactional_db: None) -> Iterator[psycopg.Connection[Any]]:
    """A connection as the role that owns the tables; it never waits long for a lock."""
    with psycopg.connect(os.environ["DATABASE_OWNER_URL"], autocommit=True) as connected:
        connected.execute("SET lock_timeout = '10s'")
        yield connected


@pytest.fixture
def broken(owner: psycopg.Connection[Any]) -> Iterator[Callable[[str, str], Callable[[], None]]]:
    """`broken(table, condition)`: every INSERT with this condition on NEW fails. Answers how to mend it."""
    owner.execute(
        "CREATE FUNCTION fault_raise() RETURNS trigger LANGUAGE plpgsql AS "
        "$$BEGIN RAISE EXCEPTION 'a fault made by the test'; END$$"
    )
    made: list[tuple[str, str]] = []

    def mend(name: str, table: str) -> None:
        if (name, table) in made:
            made.remove((name, table))
            owner.execute(f"DROP TRIGGER {name} ON {table}".encode())

    def make(table: str, condition: str) -> Callable[[], None]:
        name = f"fault_{len(made)}_{abs(hash(condition)) % 10**9}"
        owner.execute(
            f"CREATE TRIGGER {name} BEFORE INSERT ON {table} FOR EACH ROW WHEN ({condition}) "
            "EXECUTE FUNCTION fault_raise()".encode()
        )
        made.append((name, table))
        return lambda: mend(name, table)

    yield make
    for name, table in made:
        mend(name, table)
    owner.execute("DROP FUNCTION fault_raise()")


@pytest.fixture
def without_constraint(owner: psycopg.Connection[Any]) -> Iterator[Callable[[str, str], None]]:
    """`without_constraint(table, name)`: the constraint is away until the end of the test."""
    dropped: list[tuple[str, str, str]] = []

    def drop(table: str, name: str) -> None:
        row = owner.execute(
            "SELECT pg_get_constraintdef(oid) FROM pg_constraint WHERE conrelid = %s::regclass AND conname = %s",
            [table, name],
        ).fetchone()
        assert row is not None, f"{table} has no constraint {name}"
        owner.execute(f"ALTER TABLE {table} DROP CONSTRAINT {name}".encode())
        dropped.append((table, name, row[0]))

    yield drop
    for table, name, definition in dropped:
        # A unique constraint takes no exceptions: the rows that broke it must be out of the way first.
        for statement in (
            f"ALTER TABLE {table} DISABLE TRIGGER USER",
            f"DELETE FROM {table}",
            f"ALTER TABLE {table} ENABLE TRIGGER USER",
            f"ALTER TABLE {table} ADD CONSTRAINT {name} {definition}",
        ):
            owner.execute(statement.encode())


# --- Figures, shown at the end of a run ---------------------------------------------------------------------------------
@pytest.fixture
def figure(record_property: Callable[[str, object], None]) -> Callable[[str], None]:
    """Put a line among the figures that the run ends with."""
    return lambda line: record_property("figure", line)
