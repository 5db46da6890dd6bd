"""The roles are what the site relies on, so the tests must not quietly run as more."""

from collections.abc import Callable
from typing import Any

import pytest
from django.db import IntegrityError, ProgrammingError, connection, transaction


@pytest.mark.django_db
def test_connection_is_the_restricted_role() -> None:
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT rolname, rolsuper, rolbypassrls, rolcreatedb, rolcreaterole "
            "FROM pg_roles WHERE rolname = current_user"
        )
        assert cursor.fetchone() == ("app", False, False, False, False)
        cursor.execute("SELECT count(*) FROM pg_class WHERE relowner = current_user::regrole")
        assert cursor.fetchone() == (0,)


@pytest.mark.django_db
@pytest.mark.parametrize(
    "statement",
    [
        "CREATE TABLE stray (id int)",
        "CREATE TEMPORARY TABLE stray (id int)",
        "CREATE SCHEMA stray",
        "DROP TABLE django_session",
        "ALTER TABLE django_session ADD COLUMN stray int",
        "TRUNCATE django_session",
        "ALTER TABLE django_session DISABLE TRIGGER USER",
        "SET session_replication_role = replica",
        "SET ROLE owner",
        "SELECT * FROM pg_authid",
        "COPY django_session TO '/tmp/stray'",
        "SELECT pg_read_file('postgresql.conf')",
        "CREATE ROLE stray SUPERUSER",
        "ALTER ROLE app CREATEDB",
        "CREATE EXTENSION vector",
    ],
)
def test_app_role_is_refused(statement: str) -> None:
    with pytest.raises(ProgrammingError), transaction.atomic(), connection.cursor() as cursor:
        cursor.execute(statement)


@pytest.mark.django_db
def test_app_role_reads_and_writes_rows() -> None:
    from django.contrib.sessions.backends.db import SessionStore
    from django.contrib.sessions.models import Session

    store = SessionStore()
    store["a"] = 1
    store.save()
    assert Session.objects.count() == 1


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("turn", [1, 2])
def test_transactional_test_begins_empty_and_with_seed_rows(turn: int) -> None:
    from django.contrib.contenttypes.models import ContentType
    from django.contrib.sessions.backends.db import SessionStore
    from django.contrib.sessions.models import Session

    assert Session.objects.count() == 0
    assert ContentType.objects.count() > 5
    SessionStore().save()
    ContentType.objects.filter(model="session").update(model="changed")
    assert Session.objects.count() == 1


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("turn", [1, 2])
def test_kept_rows_are_gone_for_the_next_test_and_guarded_in_it(turn: int) -> None:
    from ledger.models import Event
    from ledger.time import now

    assert not Event.objects.exists()
    event = Event.objects.create(
        at=now(), detected_at=now(), verb="x.y", object_type="x", object_id=1, root_type="x", root_id=1
    )
    with pytest.raises(IntegrityError, match="neither changed nor deleted"):
        Event.objects.filter(pk=event.pk).update(verb="x.z")
    with pytest.raises(IntegrityError, match="neither changed nor deleted"):
        event.delete()
    assert Event.objects.get().verb == "x.y"


def test_threads_have_connections_of_their_own(concurrently: Callable[..., list[Any]]) -> None:
    def backend() -> int:
        with connection.cursor() as cursor:
            cursor.execute("SELECT pg_backend_pid()")
            row = cursor.fetchone()
            assert row
            return int(row[0])

    here = backend()
    first, second, third = concurrently(backend, backend, lambda: 1 // 0)
    assert len({here, first, second}) == 3
    assert isinstance(third, ZeroDivisionError)
