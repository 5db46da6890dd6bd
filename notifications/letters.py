"""What a message says: one text template each, the first line is the subject."""

from __future__ import annotations

from typing import Any

from django.conf import settings
from django.template.loader import render_to_string


def render(template: str, context: dict[str, Any], url: str = "") -> tuple[str, str]:
    """Subject and body of the letter `template`. Line breaks in values cannot reach the subject."""
    link = f"{settings.SITE_URL}{url}" if url else ""
    text = render_to_string(f"emails/{template}.txt", {**context, "link": link, "site": settings.SITE_URL})
    subject, _, body = text.strip().partition("\n")
    return " ".join(subject.split()), body.strip() + "\n"
