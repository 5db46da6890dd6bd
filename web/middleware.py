"""Function middlewares: headers on every response, UTC for programs, and pages for the errors that actions raise."""

from collections.abc import Callable
from datetime import UTC
from typing import Any

from django.conf import settings
from django.core.exceptions import ObjectDoesNotExist
from django.http import HttpRequest, HttpResponseBase
from django.middleware.gzip import GZipMiddleware
from django.utils import timezone

from web import problems as say

GetResponse = Callable[[HttpRequest], HttpResponseBase]

HEADERS = {
    "X-Content-Type-Options": "nosniff",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    # Nothing here needs a sensor or a payment; passkeys need the credentials API on our own pages only.
    "Permissions-Policy": (
        "camera=(), geolocation=(), microphone=(), payment=(), usb=(), "
        "publickey-credentials-create=(self), publickey-credentials-get=(self)"
    ),
}


def headers(get_response: GetResponse) -> GetResponse:
    """Sets the security headers on every response, static files and errors included.

    What is not a static file and says nothing about caching itself is not to be stored: pages here are confidential,
    and the Back button after sign-out must not show one.
    """

    def middleware(request: HttpRequest) -> HttpResponseBase:
        response = get_response(request)
        for name, value in HEADERS.items():
            response.headers.setdefault(name, value)
        if settings.SANDBOX:
            response.headers["Candour-Sandbox"] = "true"
        if not request.path.startswith(settings.STATIC_URL):
            response.headers.setdefault("Cache-Control", "no-store")
        return response

    return middleware


def _unreadable(request: HttpRequest) -> bool:
    """What no browser sends, and what neither the database nor Django's reader of forms can take."""
    charset = (request.content_params or {}).get("charset", "utf-8").lower()
    return "%00" in request.META.get("QUERY_STRING", "") or charset not in _CHARSETS


_CHARSETS = {"utf-8", "utf8", "us-ascii", "iso-8859-1", "latin-1"}


def compressed(get_response: GetResponse) -> GetResponse:
    """Compresses what the API answers. Pages are not: they hold tokens beside what a stranger may have written."""
    smaller: Any = GZipMiddleware(get_response)

    def middleware(request: HttpRequest) -> HttpResponseBase:
        response: HttpResponseBase = (smaller if request.path.startswith("/api/") else get_response)(request)
        return response

    return middleware


def utc(get_response: GetResponse) -> GetResponse:
    """Programs are answered in UTC, summer and winter; where the local day is meant, the code names the zone itself."""

    def middleware(request: HttpRequest) -> HttpResponseBase:
        if not request.path.startswith("/api/"):
            return get_response(request)
        with timezone.override(UTC):
            return get_response(request)

    return middleware


def problems(get_response: GetResponse) -> GetResponse:
    """Turns what actions raise into the answer people get: 409, 400 or 404. Other exceptions go on to Django."""

    def middleware(request: HttpRequest) -> HttpResponseBase:
        if "\0" in request.path:
            return say.not_found(request)
        if _unreadable(request):
            return say.bad_request(request)
        response = get_response(request)
        if response.status_code == 405 and not getattr(response, "content", b"x"):
            page = say.answer(request, 405)
            page.headers["Allow"] = response.headers.get("Allow", "")
            return page
        return response

    def process_exception(request: HttpRequest, exception: Exception) -> HttpResponseBase | None:
        if isinstance(exception, say.Conflict):
            return say.conflict(request, exception)
        if isinstance(exception, say.Invalid):
            return say.invalid(request, exception)
        if isinstance(exception, ObjectDoesNotExist):
            return say.not_found(request)
        return None

    middleware.process_exception = process_exception  # type: ignore[attr-defined]
    return middleware
