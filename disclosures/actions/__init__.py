"""What a company does with its filings, and what the ministry answers."""

from disclosures.actions.declaring import submit, submit_standing
from disclosures.actions.filing import (
    SectionChanged,
    amend,
    bar,
    declarable,
    discard,
    missing,
    save_content,
    save_section,
    start,
)
from disclosures.actions.many import AT_MOST, Item, Outcome, file
from disclosures.actions.review import accept, acknowledge, admit, reject, return_, want_more, withdraw
from disclosures.actions.standing import declare_standing, revoke_standing

__all__ = [
    "AT_MOST",
    "Item",
    "Outcome",
    "SectionChanged",
    "accept",
    "acknowledge",
    "admit",
    "amend",
    "bar",
    "declarable",
    "declare_standing",
    "discard",
    "file",
    "missing",
    "reject",
    "return_",
    "revoke_standing",
    "save_content",
    "save_section",
    "start",
    "submit",
    "submit_standing",
    "want_more",
    "withdraw",
]
