"""What can be done to organisations, their people and their programs."""

from accounts.actions.clients import (
    forget_answers,
    forget_content,
    make_client,
    note_token,
    revoke_client,
    rotate_client,
)
from accounts.actions.organisations import found_ministry, refuse, register, request_account, restore, suspend, verify
from accounts.actions.people import (
    INVITATION_DAYS,
    accept,
    add_contact,
    deactivate,
    invite,
    live_contacts,
    mailbox,
    note_sign_in,
    remove_contact,
    replace_admin,
    revoke,
    set_away,
)

__all__ = [
    "INVITATION_DAYS",
    "accept",
    "add_contact",
    "deactivate",
    "forget_answers",
    "forget_content",
    "found_ministry",
    "invite",
    "live_contacts",
    "mailbox",
    "make_client",
    "note_sign_in",
    "note_token",
    "refuse",
    "register",
    "remove_contact",
    "replace_admin",
    "request_account",
    "restore",
    "revoke",
    "revoke_client",
    "rotate_client",
    "set_away",
    "suspend",
    "verify",
]
