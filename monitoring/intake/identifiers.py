"""Identifiers that are nobody's hash: addresses and e-mail addresses in columns where hashes are wanted."""

from __future__ import annotations

import duckdb

# Four numbers with dots, or groups of hexadecimal digits with at least two colons; perhaps with the length of a network.
ADDRESS = r"^(\d{1,3}(\.\d{1,3}){3}|[0-9A-Fa-f]{0,4}(:[0-9A-Fa-f]{0,4}){2,7})(/\d{1,3})?$"
EMAIL = r"^[^@\s]+@[^@\s]+\.[^@\s]+$"
HASHED = ("account", "key", "net", "payment")


def unhashed(db: duckdb.DuckDBPyConnection) -> list[str]:
    """A note that names the columns with identifiers as they are, from the table `names`; none where there are none."""
    found = db.execute(
        """SELECT kind, count(*) FILTER (regexp_matches(name, $address)), count(*) FILTER (regexp_matches(name, $email)),
        count(*) FROM names WHERE kind IN (SELECT unnest($kinds)) GROUP BY kind ORDER BY kind""",
        {"address": ADDRESS, "email": EMAIL, "kinds": list(HASHED)},
    ).fetchall()
    said = [
        f"{count:,} of {all_of:,} values of {kind} are {what}"
        for kind, addresses, emails, all_of in found
        for count, what in ((addresses, "addresses"), (emails, "e-mail addresses"))
        if count
    ]
    if not said:
        return []
    return [
        (
            f"Not hashed: {'; '.join(said)}. Whoever may read the report may see them. Hash them with a key "
            "(docs/usage-log.md) and hand the log in anew."
        )
    ]
