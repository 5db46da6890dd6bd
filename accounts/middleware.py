"""Who is shut out; the second factor, asked of staff and company administrators before anything else (allauth has no such
setting); and how many requests of the API are left, said with every answer.
"""

from __future__ import annotations

from collections.abc import Callable

from allauth.mfa.utils import is_mfa_enabled
from django.conf import settings
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import reverse

from web.problems import forbidden

# What somebody without a second factor may still reach: setting one up, proving who they are, leaving.
_OPEN_PREFIXES = ("mfa_", "account_logout", "account_reauthenticate")


def second_factor(get_response: Callable[[HttpRequest], HttpResponse]) -> Callable[[HttpRequest], HttpResponse]:
    """Send whoever needs a second factor and has none to the page where it is set up."""

    def middleware(request: HttpRequest) -> HttpResponse:
        return get_response(request)

    def process_view(request: HttpRequest, *args: object) -> HttpResponse | None:
        user = request.user
        name = request.resolver_match.url_name if request.resolver_match else None
        if (
            settings.SECOND_FACTOR_REQUIRED
            and user.is_authenticated
            and user.needs_second_factor
            and not (name or "").startswith(_OPEN_PREFIXES)
            and not is_mfa_enabled(user)
        ):
            return HttpResponseRedirect(reverse("mfa_index"))
        return None

    middleware.process_view = process_view  # type: ignore[attr-defined]
    return middleware


def shut_out(get_response: Callable[[HttpRequest], HttpResponse]) -> Callable[[HttpRequest], HttpResponse]:
    """Tell the people of a suspended organisation why nothing is open to them any more, at whatever address they ask."""

    def middleware(request: HttpRequest) -> HttpResponse:
        return get_response(request)

    def process_view(request: HttpRequest, *args: object) -> HttpResponse | None:
        user = request.user
        name = request.resolver_match.url_name if request.resolver_match else None
        if user.is_authenticated and name != "account_logout" and user.organisation.state == "suspended":
            why = f"Your organisation’s access is suspended: {user.organisation.decision_reason}"
            return forbidden(request, PermissionDenied(why))
        return None

    middleware.process_view = process_view  # type: ignore[attr-defined]
    return middleware


def rate(get_response: Callable[[HttpRequest], HttpResponse]) -> Callable[[HttpRequest], HttpResponse]:
    """Says in the RateLimit headers what `accounts.api.clients.PerClient` has counted."""

    def middleware(request: HttpRequest) -> HttpResponse:
        response = get_response(request)
        counted = getattr(request, "rate", None)
        if counted is not None:
            limit, left, reset, window = counted
            response.headers["RateLimit-Policy"] = f'"client";q={limit};w={window}'
            response.headers["RateLimit"] = f'"client";r={left};t={reset}'
        return response

    return middleware
