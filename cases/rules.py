"""Who may do what in a case, and the states of cases, notices and referrals."""

from __future__ import annotations

from typing import Any

from accounts.permissions import Rule

MINISTRY = frozenset({"caseworker", "supervisor"})
SUPERVISOR = frozenset({"supervisor"})
COMPANY = frozenset({"company_officer", "company_admin"})
AUTHORITY = frozenset({"authority_officer"})


def _states(*names: str) -> frozenset[str]:
    return frozenset(names)


OPEN = _states("open")
LIVE = _states("open", "referred")


def opened_it(by: Any, case: Any) -> str | None:
    """Separation of duties: whoever opened a case does not decide it."""
    if case is not None and case.opened_by_id == by.pk:
        return "You opened this case, so somebody else must decide it."
    return None


def a_program(by: Any, case: Any) -> str | None:
    """The same: nobody knows whose word a program passes on, so it would be the way round for whoever opened it."""
    return "A case is decided by a person, in the browser." if by.is_service else None


def not_the_addressee(by: Any, notice: Any) -> str | None:
    if notice is not None and notice.party.organisation_id != by.organisation_id:
        return "This notice is addressed to another organisation."
    return None


def not_the_recipient(by: Any, exhibit: Any) -> str | None:
    if exhibit is not None and exhibit.party.organisation_id == by.organisation_id:
        return "This is your own exhibit."
    return None


CASE_RULES = {
    "open_case": Rule("Open a case", MINISTRY, to_state="open"),
    "assign": Rule("Assign", MINISTRY, from_states=LIVE),
    "declare_conflict": Rule("Declare a conflict of interest", MINISTRY),
    "add_note": Rule("Add a note", MINISTRY),
    "write_brief": Rule("Write the brief", MINISTRY, from_states=OPEN),
    "issue_notices": Rule("Issue notices for this round", MINISTRY, from_states=OPEN),
    "propose": Rule("Propose a decision", MINISTRY, from_states=OPEN),
    "resolve": Rule(
        "Decide and resolve", SUPERVISOR, from_states=OPEN, to_state="resolved", unless=(opened_it, a_program)
    ),
    "publish": Rule("Publish the decision", SUPERVISOR, from_states=_states("resolved")),
    "refer": Rule("Refer to the authority now", SUPERVISOR, system=True, from_states=OPEN, to_state="referred"),
    "disclose": Rule("Disclose to a party", MINISTRY, from_states=_states("open", "referred", "closed")),
    "show_analysis": Rule(
        "Show a party the analysis of a log", MINISTRY, from_states=_states("open", "referred", "closed")
    ),
    "remind": Rule("Remind", system=True, from_states=OPEN),
}

NOTICE_RULES = {
    "issue": Rule("Issue", MINISTRY, to_state="issued"),
    "save_answer": Rule(
        "Save",
        COMPANY,
        from_states=_states("issued", "missed", "answered", "answered_late"),
        unless=(not_the_addressee,),
    ),
    "answer": Rule(
        "Hand in the answer in time",
        COMPANY,
        from_states=_states("issued", "missed", "answered", "answered_late"),
        to_state="answered",
        unless=(not_the_addressee,),
    ),
    "answer_late": Rule(
        "Hand in the answer late",
        COMPANY,
        from_states=_states("issued", "missed"),
        to_state="answered_late",
        unless=(not_the_addressee,),
    ),
    "stamp_missed": Rule("Stamp as missed", system=True, from_states=_states("issued"), to_state="missed"),
    "waive": Rule("No longer require it", SUPERVISOR, from_states=_states("issued", "missed"), to_state="waived"),
    "lapse": Rule("Lapse with the case", system=True, from_states=_states("issued"), to_state="waived"),
    "request_extension": Rule("Ask for more time", COMPANY, from_states=_states("issued"), unless=(not_the_addressee,)),
    "decide_extension": Rule("Decide the request", MINISTRY, from_states=_states("issued")),
    "extend": Rule("Extend", MINISTRY, from_states=_states("issued")),
    "make_up_for_outage": Rule(
        "Extend for an outage", system=True, from_states=_states("issued", "missed"), to_state="issued"
    ),
    "settle_service": Rule("Settle the doubt about service", MINISTRY),
    "run_again": Rule("Give the period of a new service", MINISTRY, from_states=_states("missed"), to_state="issued"),
    "excuse": Rule(
        "Take a late answer as in time", system=True, from_states=_states("answered_late"), to_state="answered"
    ),
    "read_response": Rule("Mark as read", MINISTRY),
    "remind": Rule("Remind", system=True, from_states=_states("issued")),
}

REFERRAL_RULES = {
    "queue": Rule("Refer", SUPERVISOR, system=True, to_state="queued"),
    "acknowledge": Rule("Acknowledge", AUTHORITY, from_states=_states("queued"), to_state="acknowledged"),
    "accept": Rule("Accept", AUTHORITY, from_states=_states("queued", "acknowledged"), to_state="accepted"),
    "return_": Rule(
        "Return for more information", AUTHORITY, from_states=_states("queued", "acknowledged"), to_state="returned"
    ),
    "decline": Rule("Decline", AUTHORITY, from_states=_states("queued", "acknowledged"), to_state="declined"),
    "withdraw": Rule(
        "Withdraw the referral", SUPERVISOR, from_states=_states("queued", "acknowledged"), to_state="withdrawn"
    ),
    "add_analyses": Rule("Send analyses made since", MINISTRY, from_states=_states("queued", "acknowledged")),
}

EXHIBIT_RULES = {
    "comment": Rule("Comment", COMPANY, unless=(not_the_recipient,)),
}

# What follows for the case from what happens to its referral: the case's own arrows in the diagram.
CASE_AFTER_REFERRAL = {"accepted": "closed", "returned": "open", "declined": "open", "withdrawn": "open"}

CALENDAR_RULES = {
    "override_day": Rule("Change a day", SUPERVISOR),
    "record_outage": Rule("Record an outage", SUPERVISOR | {"operator"}),
}

RULES = {
    "case": CASE_RULES,
    "notice": NOTICE_RULES,
    "referral": REFERRAL_RULES,
    "exhibit": EXHIBIT_RULES,
    "calendar": CALENDAR_RULES,
}
