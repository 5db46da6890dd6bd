"""What every page needs: where one can go, what is unread, the scheme, the time."""

from __future__ import annotations

from typing import Any

from django.conf import settings
from django.http import HttpRequest

from accounts.models import User
from disclosures.models import Scheme
from ledger.time import now
from notifications.models import Message

_COMPANY = (
    ("/disclosures/", "Disclosures"),
    ("/allegations/", "Allegations"),
    ("/authorisations/", "Authorisations"),
    ("/evidence/", "Evidence"),
    ("/cases/", "Cases"),
    ("/usage/", "Usage feeds"),
    ("/organisation/", "Your organisation"),
)
_MINISTRY = (
    ("/review/", "Filings"),
    ("/authorisations/", "Authorisations"),
    ("/cases/", "Cases"),
    ("/referrals/", "Referrals"),
    ("/monitoring/", "Monitoring"),
    ("/organisations/", "Organisations"),
    ("/calendar/", "Calendar"),
)
_PLACES = {
    "company_officer": _COMPANY,
    "company_admin": _COMPANY,
    "caseworker": _MINISTRY,
    "supervisor": _MINISTRY,
    "authority_officer": (("/referrals/", "Referrals"),),
    "auditor": (("/events/", "Events"), ("/calendar/", "Calendar")),
    "operator": (("/calendar/", "Calendar"),),
    "partner": (("/authorisations/", "Authorisations"), ("/decisions/", "Published decisions")),
}
_PUBLIC = (
    ("/register/", "Ask for an account"),
    ("/decisions/", "Published decisions"),
    ("/receipts/", "Verify a receipt"),
)


def site(request: HttpRequest) -> dict[str, Any]:
    """For the layout: navigation by role, unread messages, the scheme's legal status, `now` for "days left"."""
    user = getattr(request, "user", None)
    known = user if isinstance(user, User) else None
    places = (("/", "Home"), *_PLACES[known.role]) if known else (("/", "Start"), *_PUBLIC)
    navigation = [{"href": href, "text": text, "active": _is_here(request.path, href)} for href, text in places]
    if known:
        navigation.append({"href": "/account/", "text": "Your account", "active": request.path == "/account/"})
    return {
        "site_name": "Candour",
        "demo": settings.DEMO,
        "sandbox": settings.SANDBOX,
        "navigation": navigation,
        "unread": Message.objects.visible_to(user).filter(read_at__isnull=True)[:100].count() if known else 0,
        "scheme": Scheme.objects.current(),
        "now": now(),
    }


def _is_here(path: str, href: str) -> bool:
    return path == href if href == "/" else path.startswith(href)
