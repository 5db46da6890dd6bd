"""Who may put what on record about messages."""

from accounts.permissions import Rule

RULES = {
    "record_bounce": Rule(
        "Record that the letter came back", frozenset({"caseworker", "supervisor", "operator"}), system=True
    ),
}
