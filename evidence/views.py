"""Pages about evidence: what one holds, one item, adding and taking back, and the way out of every byte."""

from __future__ import annotations

from typing import Any

import structlog
from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.core.paginator import Paginator
from django.http import Http404, HttpResponse
from django.http.response import HttpResponseBase
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import reverse
from django.utils.http import url_has_allowed_host_and_scheme
from django.views.decorators.http import require_GET, require_POST, require_safe

from accounts.models import SignedInRequest
from accounts.permissions import allowed, check
from evidence import actions
from evidence.download import VERSIONS, attachment
from evidence.forms import EvidenceForm
from evidence.models import NON_CONFIDENTIAL, EvidenceItem, Grant
from evidence.rules import RULES
from ledger.models import Event
from ledger.time import now
from web.forms import add_errors
from web.pages import sent
from web.problems import Invalid

log = structlog.get_logger(__name__)

PAGE = 50
_HAPPENED = {
    "evidence.received": "Received by the platform",
    "evidence.handed_in": "Handed in",
    "evidence.read": "Downloaded",
    "evidence.analysis_read": "Its analysis was read",
}


@login_required
@require_safe
def evidence(request: SignedInRequest) -> HttpResponse:
    """What one's own organisation has added."""
    check(request.user, RULES["list"])
    items = EvidenceItem.objects.visible_to(request.user).own(request.user).order_by("-pk")
    page = Paginator(items, PAGE).get_page(request.GET.get("page"))
    return render(request, "evidence/list.html", {"page": page, "verbs": allowed(request.user, RULES, None)})


@login_required
def evidence_new(request: SignedInRequest) -> HttpResponse:
    """Add a file with what must be known of it."""
    check(request.user, RULES["add"])
    own = EvidenceItem.objects.own(request.user).order_by("-pk")
    back = _next(request) or reverse("evidence")
    form = EvidenceForm(own=own, **sent(request))
    # Taken as soon as the last byte has come, before anything waits for a lock.
    received_at = now()
    if request.method == "POST" and form.is_valid():
        try:
            item = actions.add(by=request.user, received_at=received_at, **form.cleaned_data)
        except Invalid as invalid:
            add_errors(form, invalid)
        else:
            messages.success(request, f"{item.reference} is added. It is not handed in yet.")
            return redirect(_next(request) or reverse("evidence_item", args=[item.reference]))
    return render(request, "evidence/new.html", {"form": form, "back": back}, status=400 if form.errors else 200)


def _next(request: SignedInRequest) -> str:
    """Where to go on, if the address that brought one here says so and it is ours."""
    url = request.GET.get("next", "")
    safe = url_has_allowed_host_and_scheme(url, allowed_hosts={request.get_host()}, require_https=request.is_secure())
    return url if safe and url.startswith("/") else ""


@login_required
@require_safe
def evidence_item(request: SignedInRequest, reference: str) -> HttpResponse:
    """What the reader may know of one item: all of it, or of its non-confidential version only."""
    item = _find(request, reference)
    projection = item.projection_for(request.user)
    if projection is None:
        raise Http404
    if projection == NON_CONFIDENTIAL:
        if not item.can_be_disclosed:
            raise Http404
        return render(request, "evidence/public.html", {"item": item, **_public_facts(item)})
    context = {
        "item": item,
        "own": item.organisation_id == request.user.organisation_id,
        "verbs": allowed(request.user, RULES, item),
        "happened": _happened(request, item),
        "shown_to": _shown_to(request, item),
    }
    return render(request, "evidence/item.html", context)


def _find(request: SignedInRequest, reference: str) -> EvidenceItem:
    seen = EvidenceItem.objects.visible_to(request.user).select_related("organisation", "submitted_by", "derived_from")
    return get_object_or_404(seen, reference=reference)


def _public_facts(item: EvidenceItem) -> dict[str, Any]:
    """Type, size and hash of what a recipient of the non-confidential version gets."""
    if item.public_file:
        return {"media_type": item.public_media_type, "size": item.public_size, "sha256": item.public_sha256}
    return {"media_type": item.media_type, "size": item.size, "sha256": item.sha256}


def _happened(request: SignedInRequest, item: EvidenceItem) -> list[dict[str, Any]]:
    """The item's events for a timeline. Of another party's people a party learns nothing, not even the name."""
    events = Event.objects.visible_to(request.user).about(item).select_related("actor__organisation")
    return [
        {
            "title": _HAPPENED.get(event.verb, event.verb.replace("evidence.", "").replace("_", " ").capitalize()),
            "who": _who(request, event),
            "when": event.at,
            "text": "Non-confidential version" if event.details.get("version") == NON_CONFIDENTIAL else "",
        }
        for event in events
    ]


def _who(request: SignedInRequest, event: Event) -> str:
    if event.actor is None:
        return ""
    if request.user.is_ministry or event.actor.organisation_id == request.user.organisation_id:
        return f"{event.actor.name}, {event.actor.organisation.name}"
    kinds = {"ministry": "the ministry", "authority": "the competition authority"}
    return kinds.get(event.actor.organisation.kind, "another party")


def _shown_to(request: SignedInRequest, item: EvidenceItem) -> list[dict[str, Any]]:
    """To whom else it was shown. The owner learns that, but not who the other party is."""
    rows = []
    for grant in Grant.objects.filter(item=item).select_related("organisation").order_by("pk"):
        who = grant.organisation.name
        if not request.user.is_ministry and grant.organisation.kind == "company":
            who = "Another party"
        rows.append({"who": who, "grant": grant})
    return rows


@login_required
@require_POST
def evidence_remove(request: SignedInRequest, reference: str) -> HttpResponse:
    """Take back a file that was not handed in."""
    item = _find(request, reference)
    actions.remove(item.pk, by=request.user)
    messages.success(request, f"{item.reference} is removed.")
    return redirect("evidence")


@login_required
@require_GET
def evidence_download(request: SignedInRequest, reference: str, version: str) -> HttpResponseBase:
    """The file, as an attachment and nothing else; the reading is on record before the first byte goes out."""
    if version not in VERSIONS:
        raise Http404
    item = _find(request, reference)
    file = actions.read(item.pk, by=request.user, version=VERSIONS[version])
    return attachment(item, file, VERSIONS[version])
