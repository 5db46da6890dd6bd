"""Who may do what with analyses, feeds and alerts. No rule leads to a case: a person reads, decides and says why."""

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


# Of a declared disclosure beside a log or a feed.
COMPARISON_RULES = {
    "note_comparison": Rule("Note that there is no gap", system=True, to_state="noted"),
    "open_gap": Rule("Ask a person to look at a gap", system=True, to_state="open"),
    "dismiss_gap": Rule(
        "Say why nothing more is needed", MINISTRY, from_states=frozenset({"open"}), to_state="dismissed"
    ),
}


def not_yet_verified(by: Any, feed: Any) -> str | None:
    if by.organisation.state != "verified":
        return "The ministry has not verified your organisation yet."
    return None


def a_machine(by: Any, alert: Any) -> str | None:
    return "A person reads an alert and decides, in the browser." if by.is_service else None


FEED_RULES = {
    "list_own": Rule("See your usage feeds", COMPANY),
    "list": Rule("See usage feeds", MINISTRY),
    "receive": Rule("Send usage rows", COMPANY, to_state="active", unless=(not_yet_verified,)),
    "pause": Rule("Pause", MINISTRY, from_states=frozenset({"active"}), to_state="paused"),
    "resume": Rule("Resume", MINISTRY, from_states=frozenset({"paused"}), to_state="active"),
    "evaluate": Rule("Evaluate", system=True, from_states=frozenset({"active"})),
    "compare": Rule("Compare with what others declared", system=True, from_states=frozenset({"active"})),
}

ALERT_RULES = {
    "open": Rule("Open an alert", system=True, to_state="open"),
    "review": Rule(
        "Start a review",
        MINISTRY,
        from_states=frozenset({"open"}),
        to_state="under_review",
        unless=(a_machine,),
    ),
    # Or a program could end every alert before anybody has read one.
    "dismiss": Rule(
        "Dismiss",
        MINISTRY,
        from_states=frozenset({"open", "under_review"}),
        to_state="dismissed",
        unless=(a_machine,),
    ),
    "take": Rule(
        "Take into a case",
        MINISTRY,
        from_states=frozenset({"under_review"}),
        to_state="taken",
        unless=(a_machine,),
    ),
}
