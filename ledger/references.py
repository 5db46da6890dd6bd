"""References that people can read over a telephone: D-2026-000123."""

from django.db import connection

from ledger.time import local_date, now

SEQUENCES = {
    "D": "reference_disclosure",
    "A": "reference_allegation",
    "C": "reference_case",
    "N": "reference_notice",
    "R": "reference_referral",
    "E": "reference_evidence",
    "S": "reference_standing",
    "M": "reference_alert",
    "P": "reference_permission",
}


def next_references(prefix: str, count: int) -> list[str]:
    """`count` new references of one kind, in one round trip. A number is never used twice; a rolled-back one is lost."""
    year = local_date(now()).year
    with connection.cursor() as cursor:
        cursor.execute("SELECT nextval(%s::regclass) FROM generate_series(1, %s)", [SEQUENCES[prefix], count])
        return [f"{prefix}-{year}-{number:06d}" for (number,) in cursor.fetchall()]


def next_reference(prefix: str) -> str:
    """One new reference of the kind that `prefix` (D, A, C, N, R, E, S, P, M) names."""
    return next_references(prefix, 1)[0]
