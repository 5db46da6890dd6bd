"""The calendar that staff keep, and the decisions that the public reads."""

from __future__ import annotations

from django.contrib.auth.decorators import login_required
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, render
from django.urls import reverse
from django.views.decorators.http import require_safe

from accounts.models import SignedInRequest
from accounts.permissions import allowed, check
from cases.actions.calendar import override_day, record_outage
from cases.clock import CALENDAR_VERSION, RULE
from cases.forms import HolidayForm, OutageForm
from cases.models import HolidayOverride, Outage, Publication
from cases.rules import CALENDAR_RULES
from web.pages import form_page, sent


@login_required
@require_safe
def calendar(request: SignedInRequest) -> HttpResponse:
    """Days that staff changed, outages, and the rule by which periods are counted."""
    if request.user.role not in {"caseworker", "supervisor", "auditor", "operator"}:
        raise PermissionDenied("The calendar is kept by the ministry.")
    page = {
        "overrides": HolidayOverride.objects.select_related("by").order_by("-pk")[:200],
        "outages": Outage.objects.select_related("by").order_by("-pk")[:200],
        "rule": RULE,
        "version": CALENDAR_VERSION,
        "verbs": allowed(request.user, CALENDAR_RULES, None),
    }
    return render(request, "cases/calendar.html", page)


@login_required
def calendar_day(request: SignedInRequest) -> HttpResponse:
    check(request.user, CALENDAR_RULES["override_day"])
    return form_page(
        request,
        HolidayForm(**sent(request)),
        lambda data: override_day(by=request.user, **data),
        title="Change a day",
        intro="Periods that still run are counted again at once. They move only if they end later.",
        submit="Change the day",
        back=reverse("calendar"),
        done="The day is changed and running periods are counted again.",
    )


@login_required
def calendar_outage(request: SignedInRequest) -> HttpResponse:
    check(request.user, CALENDAR_RULES["record_outage"])
    return form_page(
        request,
        OutageForm(**sent(request)),
        lambda data: record_outage(by=request.user, **data),
        title="Record an outage",
        intro="Notices in whose last 24 hours it fell run to the next working day, before any miss is stamped.",
        submit="Record the outage",
        back=reverse("calendar"),
        done="The outage is recorded. What it touched is extended within a minute.",
    )


@require_safe
def decisions(request: HttpRequest) -> HttpResponse:
    """Published decisions, for everybody."""
    published = Publication.objects.visible_to(request.user).select_related("decision").order_by("-at")[:200]
    return render(request, "cases/decisions.html", {"publications": published})


@require_safe
def decision(request: HttpRequest, pk: int) -> HttpResponse:
    """One published decision, for everybody."""
    found = get_object_or_404(Publication.objects.visible_to(request.user).select_related("decision"), pk=pk)
    return render(request, "cases/decision.html", {"publication": found})
