"""Rows that are copied are the rows that would have been inserted, held to the same rules."""

from __future__ import annotations

from datetime import datetime
from typing import Any

import pytest
from django.db import IntegrityError, connection, transaction
from django.db.utils import DataError

from accounts.models import User
from disclosures.models import Filing, FilingVersion, Scheme
from ledger.actions import Entry, record_many
from ledger.models import Event, Unplaced
from ledger.references import next_references
from ledger.rows import insert_many
from ledger.time import now
from tests import cast

pytestmark = pytest.mark.django_db(transaction=True)

MANY = 12
AWKWARD = ["", "a\tb", "a\nb\r", "\\N", "\\.", "back\\slash", '"quoted"', "’ñ\u2028🦅", "{1,2}", "null", "x" * 90]


@pytest.fixture
def admin() -> User:
    return cast.person(cast.organisation("Kestrel Ltd"), "company_admin")


def filing(by: User, number: int, reference: str, **over: Any) -> Filing:
    values = {"kind": "disclosure", "scheme_id": Scheme.objects.current().pk, "filer_reference": f"M-{number}"}
    owned = {"organisation_id": by.organisation_id, "created_by_id": by.pk}
    return Filing(reference=reference, **{**values, **owned, **over})


def filings(by: User, count: int, **over: Any) -> list[Filing]:
    return [filing(by, n, reference, **over) for n, reference in enumerate(next_references("D", count))]


def version(of: Filing, text: str, instant: datetime) -> FilingVersion:
    return FilingVersion(
        filing=of,
        number=1,
        schema_version="x",
        content={"text": text, text[:9]: [None, True, 1, {"deep": text}]},
        sha256="0" * 64,
        declaration_version=text[:40],
        declared_by_id=of.created_by_id,
        declared_name=text,
        declared_capacity=text,
        declared_at=instant,
        received_at=instant,
    )


def columns(model: Any, rows: list[Any]) -> list[dict[str, Any]]:
    """What the database holds of rows, without what must differ."""
    found = model.objects.filter(pk__in=[row.pk for row in rows]).order_by("pk").values()
    apart = {"id", "reference", "filing_id", "filer_reference"}
    return [{name: value for name, value in row.items() if name not in apart} for row in found]


def test_insert_many_writes_what_bulk_create_writes(admin: User) -> None:
    instant = now()
    copied = insert_many(filings(admin, len(AWKWARD), created_at=instant))
    plain = Filing.objects.bulk_create(filings(admin, len(AWKWARD), created_at=instant, filer_reference=None))
    assert columns(Filing, copied) == columns(Filing, plain)
    assert {row["state"] for row in columns(Filing, copied)} == {"draft"}, "the value, not the name"
    one, other = (
        [version(f, text, instant) for f, text in zip(whose, AWKWARD, strict=True)] for whose in (copied, plain)
    )
    assert columns(FilingVersion, insert_many(one)) == columns(FilingVersion, FilingVersion.objects.bulk_create(other))


@pytest.mark.parametrize("count", [0, 1, 2, MANY])
def test_insert_many_gives_ids_in_order(admin: User, count: int) -> None:
    made = insert_many(filings(admin, count))
    assert [f.pk for f in made] == sorted(f.pk for f in made)
    assert list(Filing.objects.order_by("pk").values_list("reference", flat=True)) == [f.reference for f in made]
    assert not any(f._state.adding for f in made)
    after = insert_many([filing(admin, MANY + 1, *next_references("D", 1))])
    assert all(f.pk < after[0].pk for f in made), "the sequence has moved on"


def test_insert_many_is_held_to_every_constraint(admin: User) -> None:
    for over, error in (
        ({"filer_reference": "M-same"}, IntegrityError),  # once for each organisation
        ({"state": "submitted"}, IntegrityError),  # what is submitted says when
        ({"scheme_id": None}, IntegrityError),
        ({"kind": "much-too-long-a-kind"}, DataError),
    ):
        with pytest.raises(error), transaction.atomic():
            insert_many(filings(admin, MANY, **over))
    with pytest.raises(IntegrityError), transaction.atomic():  # at the commit
        insert_many(filings(admin, MANY, created_by_id=10**9))
    assert not Filing.objects.exists()


def test_copied_events_wait_for_their_place_and_stay_as_they_are(admin: User) -> None:
    organisation = admin.organisation
    with transaction.atomic():
        made = record_many(
            [Entry("organisation.seen", organisation, {"n": n}, [organisation.pk], by=admin) for n in range(MANY)]
        )
    assert list(Unplaced.objects.order_by("event_id").values_list("event_id", flat=True)) == [e.pk for e in made]
    assert [e.details["n"] for e in Event.objects.order_by("pk")] == list(range(MANY))
    with pytest.raises(IntegrityError), transaction.atomic(), connection.cursor() as cursor:
        cursor.execute("DELETE FROM ledger_event")
