"""Who may do what with filings and authorisations, and the states of both kinds of filing and of authorisations."""

from __future__ import annotations

from typing import Any

from accounts.permissions import Rule
from ledger.time import now

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


# --- Authorisations ------------------------------------------------------------------------------------------------------
# Institutes that test models are partners here: they may be permitted to, and answer for themselves.
GRANTEES = COMPANY | {"partner"}
READERS = GRANTEES | MINISTRY


def not_the_grantor(by: Any, authorisation: Any) -> str | None:
    if authorisation is not None and authorisation.grantor_id != by.organisation_id:
        return "Only the organisation that gives the permission can do this."
    return None


def not_the_grantee(by: Any, authorisation: Any) -> str | None:
    if authorisation is not None and authorisation.grantee_id != by.organisation_id:
        return "Only the organisation that is given the permission can do this."
    return None


def no_side_of_it(by: Any, authorisation: Any) -> str | None:
    if authorisation is not None and by.organisation_id not in authorisation.parties:
        return "Only the two organisations concerned can do this."
    return None


def ended_already(by: Any, authorisation: Any) -> str | None:
    if authorisation is not None and authorisation.revoked_at is not None and authorisation.revoked_at <= now():
        return "The revocation holds already."
    return None


AUTHORISATION_RULES = {
    "propose": Rule("Register an authorisation", COMPANY, to_state="proposed", unless=(not_yet_verified,)),
    "confirm": Rule(
        "Confirm",
        GRANTEES,
        from_states=_states("proposed", "amending"),
        to_state="confirmed",
        unless=(not_the_grantee, not_yet_verified),
    ),
    "refuse": Rule("Refuse", GRANTEES, from_states=_states("proposed"), to_state="refused", unless=(not_the_grantee,)),
    "withdraw": Rule(
        "Withdraw", COMPANY, from_states=_states("proposed"), to_state="withdrawn", unless=(not_the_grantor,)
    ),
    "amend": Rule(
        "Amend",
        COMPANY,
        from_states=_states("confirmed"),
        to_state="amending",
        unless=(not_the_grantor, not_yet_verified),
    ),
    # What goes on after an amendment that did not come about is the version before it.
    "refuse_amendment": Rule(
        "Refuse the amendment",
        GRANTEES,
        from_states=_states("amending"),
        to_state="confirmed",
        unless=(not_the_grantee,),
    ),
    "withdraw_amendment": Rule(
        "Withdraw the amendment",
        COMPANY,
        from_states=_states("amending"),
        to_state="confirmed",
        unless=(not_the_grantor,),
    ),
    "revoke": Rule(
        "Revoke",
        GRANTEES,
        from_states=_states("confirmed", "amending"),
        to_state="revoked",
        unless=(no_side_of_it,),
    ),
    # A revocation from a later day must not stand in the way of one that holds at once.
    "revoke_sooner": Rule(
        "Revoke sooner",
        GRANTEES,
        from_states=_states("revoked"),
        to_state="revoked",
        unless=(no_side_of_it, ended_already),
    ),
}
