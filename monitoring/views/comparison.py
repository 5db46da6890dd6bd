"""Declared disclosures beside logs and feeds: shown to the ministry, and ended by a person with a reason."""

from __future__ import annotations

from datetime import date, datetime, timedelta
from typing import Any

from django.contrib.auth.decorators import login_required
from django.http import HttpResponse
from django.shortcuts import get_object_or_404
from django.urls import reverse
from django.views.decorators.http import require_http_methods

from accounts.models import SignedInRequest
from accounts.permissions import check
from ledger.time import local_date
from monitoring.actions.comparing import dismiss_gap
from monitoring.forms import ReasonForm
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


def shown_comparison(found: Any) -> dict[str, Any]:
    """A comparison (`with_later`) as a page shows it. `place` is what the disclosure is beside, `where` its page."""
    figures = [{**one, "label": LABELS[one["name"]]} for one in found.result["figures"]]
    state = (str(found.get_state_display()), COLOURS[found.state])
    more = {"by": found.closed_by.name if found.closed_by else "", "closed_at": found.closed_at, "reason": found.reason}
    place = "log" if found.feed_id is None else "feed"
    later = {"came_later": found.came_later, "at": found.at}
    shown = {"pk": found.pk, "figures": figures, "state": state, "place": place, "where": where(found)}
    return {**found.result, **more, **shown, **_days(found.result), "notes": _notes(found.result, place)} | later


def _days(result: dict[str, Any]) -> dict[str, date]:
    """The first and the last day; the period ends with the first instant after it, at midnight here or an hour after."""
    begins, ends = (local_date(datetime.fromisoformat(result[name])) for name in ("from", "to"))
    return {"begins": begins, "ends": ends - timedelta(days=1)}


def where(found: Comparison) -> str:
    """The page on which a comparison is shown."""
    page = (
        reverse("analysis", args=[found.analysis_id])
        if found.feed_id is None
        else reverse("feed", args=[found.feed_id])
    )
    return f"{page}#declared"


def _notes(result: dict[str, Any], place: str) -> list[str]:
    """What a reader must know of the counting, as sentences."""
    said = [
        f"Counted for the accounts that the disclosure names and the {place} has."
        if result["basis"] == "accounts"
        else f"The {place} has none of the accounts that the disclosure names: counted for all accounts together, so that "
        "only too few calls mean anything.",
        f"The {place} has the whole period."
        if result["covered"]
        else f"The {place} has a part of the period only: too few calls mean nothing.",
    ]
    if result.get("silent"):
        said.append("For more than a day of the period nothing came, and nobody knows what was called then.")
    if result.get("elsewhere"):
        said.append("The provider sends other feeds as well: too few calls in this one mean nothing.")
    if result.get("kind") == "windows":
        said.append("Counted from aggregated windows.")
    if any("across" in one for one in result["figures"]):
        said.append(
            "Windows that lie across the beginning or the end of the period stand beside the count, not in it: how much of "
            "them was within is not known. They make no gap."
        )
    if result.get("mixed"):
        other = "aggregated windows" if result["kind"] == "calls" else "single calls"
        said.append(f"The feed has {other} of the period as well. They may be of the same calls and were not added.")
    if result.get("without_prompt_hash"):
        count = result["without_prompt_hash"]
        said.append(f"{count:,} of the calls have no hash of their prompt: one that was sent twice counts twice.")
    return said


@login_required
@require_http_methods(["GET", "HEAD", "POST"])
def gap_dismiss(request: SignedInRequest, pk: int) -> HttpResponse:
    """A person has looked at a gap and says why nothing more is needed."""
    found = get_object_or_404(Comparison.objects.visible_to(request.user).select_related("version__filing"), pk=pk)
    check(request.user, COMPARISON_RULES["dismiss_gap"], found)
    return form_page(
        request,
        ReasonForm(**sent(request)),
        lambda data: dismiss_gap(found.pk, by=request.user, **data),
        title=f"Look at a gap: {found.version.filing.reference}",
        submit="Save",
        back=where(found),
        intro="It is shown as looked at, with your reason. Nobody outside the ministry is told, and no case is opened.",
        done="Saved.",
    )
