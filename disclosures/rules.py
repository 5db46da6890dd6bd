"""Who may do what with filings, and the states of disclosures and of allegations."""

from __future__ import annotations

from typing import Any

from accounts.permissions import Rule

COMPANY = frozenset({"company_officer", "company_admin"})
MINISTRY = frozenset({"caseworker", "supervisor"})


def not_the_filer(by: Any, filing: Any) -> str | None:
    if filing is not None and filing.organisation_id != by.organisation_id:
        return "This belongs to another organisation."
    return None


def not_yet_verified(by: Any, filing: Any) -> str | None:
    if by.organisation.state != "verified":
        return (
            "The ministry has not verified your organisation yet. Your drafts are kept; "
            "you can submit as soon as it has."
        )
    return None


def _states(*names: str) -> frozenset[str]:
    return frozenset(names)


# Drafting, declaring and taking back are the same for both kinds.
_DRAFTING = {
    "start": Rule("Start", COMPANY, to_state="draft"),
}


def a_machine(by: Any, standing: Any) -> str | None:
    if by.is_service:
        return "A declaration is made by a person, in the browser."
    return None


STANDING_RULES = {
    "declare": Rule("Make a standing declaration", COMPANY, unless=(a_machine, not_yet_verified)),
    "revoke": Rule(
        "Revoke",
        COMPANY,
        from_states=_states("live"),
        to_state="revoked",
        unless=(a_machine, not_the_filer),
    ),
}

DISCLOSURE_RULES = {
    **_DRAFTING,
    "save_section": Rule("Save", COMPANY, from_states=_states("draft", "returned"), unless=(not_the_filer,)),
    "submit": Rule(
        "Declare and submit",
        COMPANY,
        from_states=_states("draft", "returned"),
        to_state="submitted",
        unless=(not_the_filer, not_yet_verified),
    ),
    "discard": Rule("Delete this draft", COMPANY, from_states=_states("draft"), unless=(not_the_filer,)),
    "withdraw": Rule(
        "Withdraw",
        COMPANY,
        from_states=_states("submitted", "returned"),
        to_state="withdrawn",
        unless=(not_the_filer,),
    ),
    "amend": Rule("Amend", COMPANY, from_states=_states("accepted"), unless=(not_the_filer,)),
    "accept": Rule("Accept", MINISTRY, from_states=_states("submitted"), to_state="accepted"),
    "return_": Rule("Return with reasons", MINISTRY, from_states=_states("submitted"), to_state="returned"),
    "supersede": Rule(
        "Superseded by its amendment", system=True, from_states=_states("accepted"), to_state="superseded"
    ),
}

ALLEGATION_RULES = {
    **_DRAFTING,
    "save_section": Rule("Save", COMPANY, from_states=_states("draft", "more_wanted"), unless=(not_the_filer,)),
    "submit": Rule(
        "Declare and submit",
        COMPANY,
        from_states=_states("draft", "more_wanted"),
        to_state="received",
        unless=(not_the_filer, not_yet_verified),
    ),
    "discard": Rule("Delete this draft", COMPANY, from_states=_states("draft"), unless=(not_the_filer,)),
    "withdraw": Rule(
        "Withdraw",
        COMPANY,
        from_states=_states("received", "acknowledged", "more_wanted"),
        to_state="withdrawn",
        unless=(not_the_filer,),
    ),
    "acknowledge": Rule("Acknowledge", MINISTRY, from_states=_states("received"), to_state="acknowledged"),
    "admit": Rule("Admit", MINISTRY, from_states=_states("received", "acknowledged"), to_state="admitted"),
    "want_more": Rule(
        "Ask for more", MINISTRY, from_states=_states("received", "acknowledged"), to_state="more_wanted"
    ),
    "reject": Rule(
        "Reject with reasons", MINISTRY, from_states=_states("received", "acknowledged"), to_state="rejected"
    ),
}

RULES = {"disclosure": DISCLOSURE_RULES, "allegation": ALLEGATION_RULES}
