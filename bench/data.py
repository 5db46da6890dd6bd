"""Many open cases, quickly: rows as the actions leave them, written by the database itself."""

from __future__ import annotations

import os
import time
from datetime import datetime, timedelta

import psycopg
from django.db import connection

from accounts.models import Organisation, User
from disclosures.models import Scheme
from ledger.time import now

PASSWORD = "!bench"


def people() -> dict[str, User]:
    """The ministry, the authority and two companies with one live member each; made once."""
    found = {}
    for name, kind, role in (
        ("Ministry", "ministry", "caseworker"),
        ("Authority", "authority", "authority_officer"),
        ("Heron Ltd", "company", "company_admin"),
        ("Kestrel plc", "company", "company_admin"),
    ):
        organisation, _ = Organisation.objects.get_or_create(
            name=name, kind=kind, defaults={"nation": "england", "state": "verified", "decided_at": now()}
        )
        user, _ = User.objects.get_or_create(
            email=f"{role}@{organisation.pk}.example",
            defaults={"name": name, "role": role, "organisation": organisation, "password": "md5$bench"},
        )
        found[name] = user
    return found


def open_cases(count: int, *, due_at: datetime, spread: timedelta = timedelta(0)) -> None:
    """Add `count` open cases with two parties and two unanswered notices each, due from `due_at` on over `spread`."""
    cast = people()
    values = {
        "count": count,
        "due": due_at,
        "spread": spread.total_seconds(),
        "by": cast["Ministry"].pk,
        "scheme": Scheme.objects.current().pk,
        "complainant": cast["Heron Ltd"].organisation_id,
        "respondent": cast["Kestrel plc"].organisation_id,
        "now": now(),
    }
    with connection.cursor() as cursor:
        cursor.execute("SELECT coalesce(max(id), 0) FROM cases_case")
        values["last"] = cursor.fetchone()[0]
        cursor.execute(_CASES, values)
        cursor.execute(_PARTIES, values)
        cursor.execute(_NOTICES, values)


def vacuum() -> None:
    """What autovacuum would have done by the time a table has grown to this size; only its owner may.

    Then wait until what the server does of itself after so many rows is over: it would be measured along.
    """
    with psycopg.connect(os.environ["DATABASE_OWNER_URL"], autocommit=True) as owner:
        owner.execute("VACUUM ANALYZE")
        for _ in range(120):
            (busy,) = owner.execute(_OF_ITSELF).fetchone() or (0,)
            if not busy:
                return
            time.sleep(1)


_OF_ITSELF = "SELECT count(*) FROM pg_stat_progress_vacuum"


_CASES = """
INSERT INTO cases_case (reference, title, basis, scheme_id, state, round, round_ends_at, refers_at, remind_at, opened_at,
                        opened_by_id, officer_id)
SELECT 'C-2026-' || lpad(nextval('reference_case')::text, 7, '0'), 'Bulk querying of a model, number ' || n, 'own_motion',
       %(scheme)s, 'open', 1, %(due)s, d.at, NULL, %(now)s, %(by)s, CASE WHEN n %% 3 = 0 THEN NULL ELSE %(by)s END
FROM generate_series(1, %(count)s) n,
     LATERAL (SELECT %(due)s::timestamptz + make_interval(secs => %(spread)s * n / %(count)s) AS at) d
"""
_PARTIES = """
INSERT INTO cases_party (case_id, organisation_id, role, may_be_named, may_be_referred)
SELECT c.id, seat.organisation, seat.role, true, true
FROM cases_case c, (VALUES (%(complainant)s, 'complainant'), (%(respondent)s, 'respondent')) seat(organisation, role)
WHERE c.id > %(last)s ORDER BY c.id
"""
_NOTICES = """
INSERT INTO cases_notice (reference, case_id, party_id, round, kind, state, issued_by_id, sent_at, nation, content, sha256,
                          served_on, last_day, expires_at, time_rule, calendar, trace, due_at)
SELECT 'N-2026-' || lpad(nextval('reference_notice')::text, 7, '0'), p.case_id, p.id, 1, 'evidence', 'issued', %(by)s,
       %(now)s, 'england', '{"subject": "Bulk querying"}', repeat('0', 64), %(now)s::date, c.refers_at::date, c.refers_at,
       'CANDOUR-TIME-1', 'bench', '[]', c.refers_at
FROM cases_party p JOIN cases_case c ON c.id = p.case_id WHERE c.id > %(last)s ORDER BY c.id
"""
