"""Who may put what on record about messages, and do what with webhooks."""

from __future__ import annotations

from typing import Any

from accounts.permissions import Rule
from accounts.rules import KEEPERS, not_own_organisation


def not_verified(by: Any, obj: Any) -> str | None:
    """Anybody can ask for an account: the site calls no address for those whom nobody has looked at."""
    if obj is not None and obj.ledger_root.state != "verified":
        return "The organisation must be verified before events are sent to it."
    return None


RULES = {
    "record_bounce": Rule(
        "Record that the letter came back", frozenset({"caseworker", "supervisor", "operator"}), system=True
    ),
}
# What is done to an organisation, to an endpoint, and to one delivery.
WEBHOOK_RULES = {
    "see_webhooks": Rule("See webhooks", KEEPERS, unless=(not_own_organisation,)),
    "add_endpoint": Rule("Add an address", KEEPERS, to_state="unverified", unless=(not_own_organisation, not_verified)),
}
ENDPOINT_RULES = {
    "confirm_endpoint": Rule(
        "Answer the challenge", system=True, from_states=frozenset({"unverified"}), to_state="live"
    ),
    "rotate_secret": Rule(
        "Make a new secret",
        KEEPERS,
        from_states=frozenset({"unverified", "live"}),
        unless=(not_own_organisation, not_verified),
    ),
    "disable_endpoint": Rule(
        "Turn off",
        KEEPERS,
        system=True,
        from_states=frozenset({"unverified", "live"}),
        to_state="disabled",
        unless=(not_own_organisation,),
    ),
    "enable_endpoint": Rule(
        "Turn on again",
        KEEPERS,
        from_states=frozenset({"disabled"}),
        to_state="unverified",
        unless=(not_own_organisation, not_verified),
    ),
}
DELIVERY_RULES = {
    "send_again": Rule("Send again", KEEPERS, to_state="waiting", unless=(not_own_organisation, not_verified)),
    "deliver": Rule("Deliver", system=True, from_states=frozenset({"waiting"}), to_state="delivered"),
    "give_up": Rule("Give up", system=True, from_states=frozenset({"waiting"}), to_state="dead"),
}
