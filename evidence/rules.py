"""Who may do what with evidence."""

from __future__ import annotations

from typing import Any

from accounts.permissions import Rule

COMPANY = frozenset({"company_officer", "company_admin"})
READERS = COMPANY | {"caseworker", "supervisor", "authority_officer"}


def not_the_owner(by: Any, item: Any) -> str | None:
    if item is not None and item.organisation_id != by.organisation_id:
        return "This belongs to another organisation."
    return None


RULES = {
    "list": Rule("See your evidence", COMPANY),
    "add": Rule("Add evidence", COMPANY),
    "remove": Rule("Remove", COMPANY, from_states=frozenset({"kept"}), unless=(not_the_owner,)),
    "read": Rule("Download", frozenset(READERS)),
}
