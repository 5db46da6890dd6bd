"""Who may do what to organisations and people."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

from accounts.permissions import Rule

ADMINS = frozenset({"company_admin", "supervisor"})
SUPERVISOR = frozenset({"supervisor"})
# Who looks after the programs to which an organisation has its events sent.
KEEPERS = frozenset({"company_admin", "partner", "authority_officer", "supervisor"})
MINISTRY = frozenset({"caseworker", "supervisor"})
EVERYONE = frozenset(
    {
        "company_officer",
        "company_admin",
        "caseworker",
        "supervisor",
        "authority_officer",
        "partner",
        "auditor",
        "operator",
    }
)

# What a machine may do, by the kind of its organisation: the words are for the page on which it is chosen.
SCOPES = {
    "organisations:read": "Read its own organisation",
    "disclosures:read": "Read disclosures, without what is claimed confidential",
    "disclosures:confidential": "Read what is claimed confidential in the disclosures that it reads",
    "disclosures:write": "File disclosures, and work on drafts",
    "disclosures:review": "Accept and return disclosures",
    "allegations:read": "Read allegations, without what is claimed confidential",
    "allegations:confidential": "Read what is claimed confidential in the allegations that it reads",
    "allegations:write": "File allegations, and work on drafts",
    "allegations:review": "Acknowledge, admit, reject allegations and ask for more",
    "declarations:read": "Read its organisation’s standing declarations",
    "authorisations:read": "Read authorisations",
    "authorisations:write": "Register, amend, confirm, refuse and revoke authorisations",
    "evidence:read": "Read what is known of evidence",
    "evidence:write": "Hand in evidence",
    "cases:read": "Read cases, notices, answers and decisions",
    "cases:write": "Answer notices and ask for more time",
    "cases:manage": "Work on cases: open them, notices and requests for more time, notes, the brief, proposals",
    "cases:decide": "Do what a supervisor does: publish decisions, waive notices, refer cases and withdraw referrals",
    "usage:read": "Read what became of its own usage feeds",
    "usage:write": "Send rows of usage logs",
    "usage:manage": "Pause and resume usage feeds",
    "alerts:read": "Read alerts about usage",
    "events:read": "Read what happened: the feed of events",
    "referrals:read": "Read referrals",
    "referrals:write": "Acknowledge, accept, return and decline referrals",
}
SCOPES_OF_KIND = {
    "company": (
        "organisations:read",
        "disclosures:read",
        "disclosures:confidential",
        "disclosures:write",
        "allegations:read",
        "allegations:confidential",
        "allegations:write",
        "declarations:read",
        "authorisations:read",
        "authorisations:write",
        "evidence:read",
        "evidence:write",
        "cases:read",
        "cases:write",
        "usage:read",
        "usage:write",
        "events:read",
    ),
    "ministry": (
        "organisations:read",
        "disclosures:read",
        "disclosures:confidential",
        "disclosures:review",
        "allegations:read",
        "allegations:confidential",
        "allegations:review",
        "authorisations:read",
        "evidence:read",
        "cases:read",
        "cases:manage",
        "cases:decide",
        "referrals:read",
        "usage:read",
        "usage:manage",
        "alerts:read",
        "events:read",
    ),
    "authority": (
        "organisations:read",
        "disclosures:read",
        "allegations:read",
        "evidence:read",
        "referrals:read",
        "referrals:write",
        "events:read",
    ),
    "partner": ("organisations:read", "authorisations:read", "authorisations:write", "events:read"),
}
# What of the feed a client hears, by what it may read: how the verbs of events begin. What is the ministry's own work on a
# case is for those who do it.
EVENTS_OF_SCOPE = {
    "organisations:read": (
        "organisation.",
        "contact.",
        "invitation.",
        "user.",
        "client.",
        "endpoint.",
        "delivery.",
        "message.",
    ),
    "disclosures:read": ("disclosure.",),
    "allegations:read": ("allegation.",),
    "declarations:read": ("standing.",),
    # Who reviews what programs file hears when somebody begins or ceases to answer for it; what was declared, with the
    # person's name, stays in each filing that stands on it.
    "disclosures:review": ("standing.",),
    "authorisations:read": ("authorisation.",),
    "evidence:read": ("evidence.",),
    "cases:read": (
        "case.opened",
        "case.referred",
        "case.reopened",
        "case.reminded",
        "case.resolved",
        "case.closed",
        "notice.",
        "answer.",
        "response.",
        "extension.",
        "exhibit.",
        "decision.published",
        "calendar.",
        "outage.",
    ),
    "cases:manage": ("case.assigned", "case.conflict_declared", "note.", "brief.", "decision.proposed"),
    "referrals:read": ("referral.", "case.referred"),
    "usage:read": ("usage.", "feed."),
    "alerts:read": ("alert.",),
}
# As whom it acts: rules and visibility ask for roles, as with people. See `service_role`.
SERVICE_ROLE_OF_KIND = {
    "company": "company_officer",
    "ministry": "caseworker",
    "authority": "authority_officer",
    "partner": "partner",
}


def service_role(kind: str, scopes: Collection[str]) -> str:
    """The role of a client's service user: the lowest that can do what it was made for."""
    return "supervisor" if "cases:decide" in scopes else SERVICE_ROLE_OF_KIND[kind]


# Whom an invitation can make what: the kind of the organisation decides.
ROLES_OF_KIND = {
    "company": ("company_officer", "company_admin"),
    "ministry": ("caseworker", "supervisor", "auditor", "operator"),
    "authority": ("authority_officer",),
    "partner": ("partner",),
}


def not_own_organisation(by: Any, obj: Any) -> str | None:
    if by.role == "supervisor" or obj is None:
        return None
    if obj.ledger_root.pk != by.organisation_id:
        return "You can only do this for your own organisation."
    return None


def oneself(by: Any, obj: Any) -> str | None:
    return "You cannot do this to your own account." if obj is not None and obj.pk == by.pk else None


def not_an_administrator(by: Any, obj: Any) -> str | None:
    if obj is not None and (obj.role != "company_admin" or not obj.is_active):
        return "Only a company administrator whose account is open is replaced this way."
    return None


def a_public_body(by: Any, obj: Any) -> str | None:
    if obj is not None and obj.kind not in {"company", "partner"}:
        return (
            "Only a company or a partner is suspended: cases are referred to the authority, and the ministry decides."
        )
    return None


# One table for each kind of object, so that `allowed` asks of an organisation only what is done to organisations.
ORGANISATION_RULES = {
    "list": Rule("See organisations", MINISTRY),
    "verify": Rule("Verify", SUPERVISOR, from_states=frozenset({"pending", "refused"}), to_state="verified"),
    "refuse": Rule("Refuse", SUPERVISOR, from_states=frozenset({"pending"}), to_state="refused"),
    "suspend": Rule(
        "Suspend",
        SUPERVISOR,
        from_states=frozenset({"verified"}),
        to_state="suspended",
        unless=(a_public_body,),
    ),
    "restore": Rule("Restore", SUPERVISOR, from_states=frozenset({"suspended"}), to_state="verified"),
    "register": Rule("Register an organisation", SUPERVISOR),
    "invite": Rule("Invite a colleague", ADMINS, unless=(not_own_organisation,)),
    "add_contact": Rule("Add a contact", ADMINS, unless=(not_own_organisation,)),
    "remove_contact": Rule("Remove", ADMINS, unless=(not_own_organisation,)),
}
INVITATION_RULES = {
    "revoke": Rule("Withdraw the invitation", ADMINS, unless=(not_own_organisation,)),
}
CLIENT_RULES = {
    "create": Rule("Make API credentials", ADMINS, unless=(not_own_organisation,)),
    "rotate": Rule("Make a new secret", ADMINS, from_states=frozenset({"live"}), unless=(not_own_organisation,)),
    "revoke": Rule(
        "Revoke", ADMINS, from_states=frozenset({"live"}), to_state="revoked", unless=(not_own_organisation,)
    ),
}
PERSON_RULES = {
    "deactivate": Rule("Close the account", ADMINS, unless=(not_own_organisation, oneself)),
    "replace_admin": Rule("Replace the administrator", SUPERVISOR, unless=(oneself, not_an_administrator)),
    "set_away": Rule("Say when I am away", EVERYONE),
}
RULES = {**ORGANISATION_RULES, **INVITATION_RULES, **PERSON_RULES}
