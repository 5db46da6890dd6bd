"""How the site says no: the errors that actions raise, and the pages or problem details (RFC 9457) people get."""

from http import HTTPStatus
from typing import Any

import structlog
from django.conf import settings
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.shortcuts import render
from django.template import loader
from django.utils.http import url_has_allowed_host_and_scheme

_DETAILS = {
    400: "The request could not be read. Go back, check what you sent and try again.",
    403: "You are signed in, but your role does not allow this.",
    404: "There is nothing at this address that you may see.",
    405: "This address does not answer that method.",
    409: "This can no longer be done.",
    500: "Something went wrong here. What you did may not have been saved; it has been reported.",
}

# The last part of a problem's type, by its status: stable, whatever the words become.
KINDS = {
    400: "invalid",
    401: "not-signed-in",
    403: "forbidden",
    404: "not-found",
    405: "method-not-allowed",
    406: "not-acceptable",
    409: "conflict",
    412: "changed-meanwhile",
    413: "too-large",
    415: "unsupported-media-type",
    422: "key-used-otherwise",
    428: "version-needed",
    429: "too-many-requests",
    500: "server-error",
}


class Conflict(Exception):
    """Right request, wrong moment: answered with 409.

    `message` says to people what cannot be done and why; `latest` says what happened meanwhile; `back` is where to go
    on from (without it, the page that led here).
    """

    def __init__(self, message: str, *, latest: str = "", back: str = "") -> None:
        super().__init__(message)
        self.message, self.latest, self.back = message, latest, back


class Invalid(Exception):
    """Input that an action refuses. `errors` maps a field to its messages; "" stands for the whole form."""

    def __init__(self, errors: dict[str, list[str]] | None = None, **fields: str) -> None:
        self.errors: dict[str, list[str]] = {name: list(messages) for name, messages in (errors or {}).items()}
        for name, message in fields.items():
            self.errors.setdefault(name, []).append(message)
        super().__init__("; ".join(message for messages in self.errors.values() for message in messages))


def wants_json(request: HttpRequest) -> bool:
    """True for the API and for a client that prefers JSON to a page."""
    if request.path.startswith("/api/"):
        return True
    return request.get_preferred_type(["text/html", "application/json"]) == "application/json"


def problem(status: int, *, detail: str = "", **extra: Any) -> JsonResponse:
    """A problem details response (RFC 9457). `extra` members are added when they hold something.

    Its type is the address of a page that says what it means and what to do.
    """
    extra["request_id"] = str(structlog.contextvars.get_contextvars().get("request_id", ""))
    body = {
        "type": f"{settings.SITE_URL}/problems/{KINDS.get(status, 'other')}/",
        "title": HTTPStatus(status).phrase,
        "status": status,
        "detail": detail or _DETAILS.get(status, ""),
        **{name: value for name, value in extra.items() if value},
    }
    return JsonResponse(body, status=status, content_type="application/problem+json")


def answer(request: HttpRequest, status: int, context: dict[str, Any] | None = None, **extra: Any) -> HttpResponse:
    """The page `<status>.html`, or problem details where the client wants JSON."""
    if wants_json(request):
        return problem(status, **extra)
    return render(request, f"{status}.html", context or {}, status=status)


def way_back(request: HttpRequest) -> str:
    """The page that led here if it is ours, else the start page."""
    referer = request.headers.get("Referer", "")
    here = {request.get_host()}
    if url_has_allowed_host_and_scheme(referer, allowed_hosts=here, require_https=request.is_secure()):
        return referer
    return "/"


def conflict(request: HttpRequest, error: Conflict) -> HttpResponse:
    """409: what cannot be done, what happened meanwhile, and the way back."""
    context = {"message": error.message, "latest": error.latest, "back": error.back or way_back(request)}
    return answer(request, 409, context, detail=error.message, latest=error.latest)


def invalid(request: HttpRequest, error: Invalid) -> HttpResponse:
    """400 for input that no form caught."""
    messages = [message for found in error.errors.values() for message in found]
    context = {"messages_found": messages, "back": way_back(request)}
    errors = [
        {"pointer": f"#/{name}" if name else "#", "detail": message}
        for name, found in error.errors.items()
        for message in found
    ]
    return answer(request, 400, context, detail=" ".join(messages), errors=errors)


def bad_request(request: HttpRequest, exception: Exception | None = None) -> HttpResponse:
    """handler400."""
    return answer(request, 400, {"back": way_back_or_start(request)})


def forbidden(request: HttpRequest, exception: Exception | None = None) -> HttpResponse:
    """handler403. An exception's text is meant for people only where the action wrote one."""
    said = str(exception) if exception else ""
    return answer(request, 403, {"message": said}, detail=said)


def not_found(request: HttpRequest, exception: Exception | None = None) -> HttpResponse:
    """handler404. Says the same whether a thing is not there or not for these eyes."""
    return answer(request, 404)


def server_error(request: HttpRequest) -> HttpResponse:
    """handler500. Reads no database and no session: either may be what broke."""
    if request.path.startswith("/api/") or request.headers.get("Accept", "").startswith("application/json"):
        return problem(500)
    return HttpResponse(loader.get_template("500.html").render({"sandbox": settings.SANDBOX}), status=500)


def csrf_failure(request: HttpRequest, reason: str = "") -> HttpResponse:
    """403 for a form whose page was too old, or that another site sent. The reason is ours to know, not theirs."""
    detail = "The page was open too long, or cookies are off. Nothing was saved."
    return answer(request, 403, {"stale": True, "back": way_back_or_start(request)}, detail=detail)


def way_back_or_start(request: HttpRequest) -> str:
    """As way_back, for requests whose Host header itself may be what is wrong."""
    try:
        return way_back(request)
    except Exception:  # DisallowedHost, and whatever a hostile header makes of URL parsing
        return "/"
