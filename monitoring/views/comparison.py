"""Declared disclosures beside logs: shown to the ministry, and ended by a person with a reason."""

from __future__ import annotations

from typing import Any

from django.contrib.auth.decorators import login_required
from django.http import HttpResponse
from django.shortcuts import get_object_or_404
from django.urls import reverse
from django.views.decorators.http import require_http_methods

from accounts.models import SignedInRequest
from accounts.permissions import check
from monitoring.actions.comparing import dismiss_gap
from monitoring.forms import AlertReasonForm
from monitoring.models import Comparison
from monitoring.rules import COMPARISON_RULES
from web.pages import form_page, sent

COLOURS = {"noted": "grey", "open": "yellow", "dismissed": "grey"}
LABELS = {
    "requests": "Calls",
    "input_tokens": "Input tokens",
    "output_tokens": "Output tokens",
    "accounts_used": "Accounts",
}


def shown_comparison(found: Comparison) -> dict[str, Any]:
    """A comparison as a page shows it."""
    figures = [{**one, "label": LABELS[one["name"]]} for one in found.result["figures"]]
    state = (str(found.get_state_display()), COLOURS[found.state])
    more = {"by": found.closed_by.name if found.closed_by else "", "closed_at": found.closed_at, "reason": found.reason}
    return {**found.result, **more, "pk": found.pk, "figures": figures, "state": state, "analysis": found.analysis_id}


@login_required
@require_http_methods(["GET", "HEAD", "POST"])
def gap_dismiss(request: SignedInRequest, pk: int) -> HttpResponse:
    """A person has looked at a gap and says why nothing more is needed."""
    found = get_object_or_404(Comparison.objects.visible_to(request.user).select_related("version__filing"), pk=pk)
    check(request.user, COMPARISON_RULES["dismiss_gap"], found)
    return form_page(
        request,
        AlertReasonForm(**sent(request)),
        lambda data: dismiss_gap(found.pk, by=request.user, **data),
        title=f"Look at a gap: {found.version.filing.reference}",
        submit="Save",
        back=reverse("analysis", args=[found.analysis_id]) + "#declared",
        intro="It is shown as looked at, with your reason. Nobody outside the ministry is told, and no case is opened.",
        done="Saved.",
    )
