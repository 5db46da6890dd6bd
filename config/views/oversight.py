"""The first pages of those who watch over the rest: auditor, operator, partner; and the auditor's list of events."""

from __future__ import annotations

from typing import Any

from django.contrib.auth.decorators import login_required
from django.core.exceptions import PermissionDenied
from django.http import HttpResponse
from django.shortcuts import render
from django.urls import reverse
from django.views.decorators.http import require_safe

from accounts.models import SignedInRequest, User
from cases.models import Publication
from config.views.blocks import Block, Row, block, first
from config.views.company import authorisations
from config.views.health import measure
from ledger.models import Event, PutOff
from web.pages import row_number

OVERRIDES = (
    "calendar.overridden",
    "outage.recorded",
    "notice.extended",
    "notice.waived",
    "notice.served_again",
    "referral.withdrawn",
)
PAGE = 50


def auditor(user: User) -> list[Block]:
    """Is the record whole, what was overridden, who read what is confidential."""
    events = Event.objects.visible_to(user).select_related("actor").order_by("-id")
    late = [e for e in first(events.filter(actor=None)) if (e.detected_at - e.at).total_seconds() > 600]
    return [
        block(
            "Integrity",
            "Every recent event of the system was recorded within ten minutes of its legal instant.",
            [_event(e) for e in late],
            more=reverse("events"),
        ),
        block("Overrides", "Nothing was overridden.", [_event(e) for e in first(events.filter(verb__in=OVERRIDES))]),
        block(
            "Confidential reads",
            "Nobody has read confidential evidence.",
            [_event(e) for e in first(events.filter(verb="evidence.read"))],
            more=f"{reverse('events')}?verb=evidence.read",
        ),
        block(
            "Reads of another’s analysis",
            "Nobody but its owner has read an analysis of a usage log.",
            [_event(e) for e in first(events.filter(verb="evidence.analysis_read"))],
            more=f"{reverse('events')}?verb=evidence.analysis_read",
        ),
    ]


def _event(event: Event) -> Row:
    who = event.actor.name if event.actor else "the system"
    return Row(f"{event.verb} {event.reference}".strip(), "", f"by {who}", event.at, "When")


def operator(user: User) -> list[Block]:
    """Are the sweeps running, what is stuck."""
    health = measure()
    facts = [Row(name.replace("_", " ").capitalize(), "", str(value)) for name, value in health.facts.items()]
    stuck = [
        Row(f"{p.sweep} {p.object_id}", "", f"{p.error}, tried {p.attempts} times") for p in first(PutOff.objects.all())
    ]
    return [
        block(
            "Health", "", [Row("Everything runs" if health.well else "Something is wrong", reverse("health")), *facts]
        ),
        block("Put off", "No row is put off.", stuck),
    ]


def partner(user: User) -> list[Block]:
    """What waits for a partner, and what has been published."""
    published = Publication.objects.visible_to(user).order_by("-pk")
    rows = [Row(p.title, reverse("decision", args=[p.pk])) for p in first(published)]
    published_here = block(
        "Published decisions", "No decision has been published yet.", rows, more=reverse("decisions")
    )
    return [authorisations(user), published_here]


@login_required
@require_safe
def events(request: SignedInRequest) -> HttpResponse:
    """The auditor's list of events, newest first; never the content that they name."""
    user = request.user
    if not isinstance(user, User) or user.role != "auditor":
        raise PermissionDenied("The list of events is for the auditor.")
    found = Event.objects.visible_to(user).select_related("actor").order_by("-id")
    verb, reference = (request.GET.get(name, "")[:64] for name in ("verb", "reference"))
    if verb:
        found = found.filter(verb=verb)
    if reference:
        found = found.filter(reference=reference)
    before = row_number(request.GET.get("before", ""))
    if before is not None:
        found = found.filter(pk__lt=before)
    rows = list(found[: PAGE + 1])
    page: dict[str, Any] = {"events": rows[:PAGE], "verb": verb, "reference": reference}
    page["next"] = rows[PAGE - 1].pk if len(rows) > PAGE else None
    return render(request, "config/events.html", page)
