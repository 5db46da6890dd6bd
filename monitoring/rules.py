"""Who may do what with analyses. No rule here leads to a case: a person reads, decides and gives reasons."""

from __future__ import annotations

from typing import Any

from accounts.permissions import Rule

COMPANY = frozenset({"company_officer", "company_admin"})
MINISTRY = frozenset({"caseworker", "supervisor"})


def another_owner(by: Any, item: Any) -> str | None:
    if item is not None and by.is_company and item.organisation_id != by.organisation_id:
        return "This file belongs to another organisation."
    return None


def no_log(by: Any, item: Any) -> str | None:
    if item is not None and item.kind != "access_log":
        return "Only an access or usage log can be analysed."
    return None


# Of an item of evidence.
ITEM_RULES = {"analyse": Rule("Analyse this usage log", COMPANY | MINISTRY, unless=(another_owner, no_log))}

ANALYSIS_RULES = {
    "begin": Rule("Begin", system=True, from_states=frozenset({"queued", "running"}), to_state="running"),
    "finish": Rule("Finish", system=True, from_states=frozenset({"running"}), to_state="done"),
    "fail": Rule("Fail", system=True, from_states=frozenset({"running"}), to_state="failed"),
}
