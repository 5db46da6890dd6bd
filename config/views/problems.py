"""What each kind of problem of the API means, and what to do: the pages to which the types of problem details lead."""

from __future__ import annotations

from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import render
from django.views.decorators.http import require_safe

from web.problems import KINDS

# By the last part of the type: what it means, what to do.
SAID = {
    "invalid": (
        "What was sent cannot be taken.",
        "Each entry of errors points into what you sent and says what is wrong there. Correct it. Nothing was changed.",
    ),
    "not-signed-in": (
        "There is no valid token.",
        "Ask for one at /api/v1/token/. It is good for an hour, and ends when its client is revoked or given a new secret.",
    ),
    "forbidden": (
        "You are known, but may not do this.",
        "The detail says what is missing: a scope of your client, or a role that your organisation does not have.",
    ),
    "not-found": (
        "There is nothing at this address that you may see.",
        "Check the reference. What belongs to others is answered in the same way as what does not exist.",
    ),
    "method-not-allowed": (
        "This address does not answer that method.",
        "Reading is GET. Everything that is done is a POST to an address of its own.",
    ),
    "not-acceptable": ("The answer cannot be given in that form.", "Accept application/json."),
    "conflict": (
        "The request is right, and the moment is wrong.",
        "The detail says why. Read it again: allowed_actions says what can be done now.",
    ),
    "changed-meanwhile": (
        "What you read has changed since.",
        "Read it again, decide again, and send the new ETag with If-Match.",
    ),
    "too-large": ("The request is too large.", "Send fewer filings at a time."),
    "unsupported-media-type": (
        "The body is not in a form that this address reads.",
        "Send application/json; many filings may be application/x-ndjson; evidence is multipart/form-data.",
    ),
    "key-used-otherwise": (
        "This Idempotency-Key belongs to another request.",
        "A key stands for one request, with one body. Choose a new one.",
    ),
    "version-needed": (
        "It was not said which version is meant.",
        "Send If-Match with the ETag of what you read, or * if any will do.",
    ),
    "too-many-requests": (
        "Too many requests in a minute.",
        "Wait for the seconds that Retry-After says. The RateLimit header says how many are left.",
    ),
    "server-error": (
        "Something went wrong here.",
        "It has been reported. What you did may not have been saved: send it again with the same Idempotency-Key.",
    ),
    "other": ("Something else.", "The status and the detail say what."),
}


@require_safe
def problem(request: HttpRequest, kind: str) -> HttpResponse:
    """The page about one kind of problem."""
    if kind not in SAID:
        raise Http404
    means, do = SAID[kind]
    status = next((status for status, known in KINDS.items() if known == kind), None)
    return render(request, "config/problem.html", {"kind": kind, "means": means, "do": do, "status": status})
