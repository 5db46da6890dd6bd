"""What a message says: one text template each, the first line is the subject."""

from __future__ import annotations

from datetime import date, datetime
from typing import Any

from django.conf import settings
from django.template.loader import render_to_string

SHUT_OUT = (
    "The ministry has suspended your organisation’s access: until it lets you in again,\n"
    "you cannot sign in, and the links of this letter lead nowhere. Time limits run on.\n"
    "What this letter is about is kept and will be shown to you then. If it cannot wait,\n"
    "write to the ministry."
)
FROM_THE_SANDBOX = "This comes from the sandbox. Nothing in it counts."
_DATED = ("_at", "until")


def render(template: str, context: dict[str, Any], url: str = "", *, shut_out: bool = False) -> tuple[str, str]:
    """Subject and body of the letter `template`. A line break in a value becomes a space: it cannot end the subject.

    `shut_out`: it goes to somebody of a suspended organisation, who is told what the letter is worth.
    """
    link = f"{settings.SITE_URL}{url}" if url else ""
    values = {name: _dated(value) if name.endswith(_DATED) else _one_line(value) for name, value in context.items()}
    text = render_to_string(f"emails/{template}.txt", {**values, "link": link, "site": settings.SITE_URL})
    subject, _, body = text.strip().partition("\n")
    if shut_out:
        body = f"{SHUT_OUT}\n\n{body.strip()}"
    if settings.SANDBOX:
        subject, body = f"[Sandbox] {subject}", f"{FROM_THE_SANDBOX}\n\n{body.strip()}"
    return " ".join(subject.split()), body.strip() + "\n"


def _one_line(value: Any) -> Any:
    return " ".join(value.split()) if isinstance(value, str) else value


def _dated(value: Any) -> Any:
    """A date or an instant from its text in a stored context; anything else as it is."""
    if not isinstance(value, str) or not value:
        return value
    try:
        return date.fromisoformat(value) if len(value) == 10 else datetime.fromisoformat(value)
    except ValueError:
        return value
