"""Who may do what with feeds and alerts. No rule here leads to a case: a person reads, decides and gives reasons."""

from __future__ import annotations

from typing import Any

from accounts.permissions import Rule

COMPANY = frozenset({"company_officer", "company_admin"})
MINISTRY = frozenset({"caseworker", "supervisor"})


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
    "dismiss": Rule("Dismiss", MINISTRY, from_states=frozenset({"open", "under_review"}), to_state="dismissed"),
    "take": Rule(
        "Take into a case",
        MINISTRY,
        from_states=frozenset({"under_review"}),
        to_state="taken",
        unless=(a_machine,),
    ),
}
