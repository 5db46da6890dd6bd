"""The queue of cases: filters, counts, and pages that cost the same with a thousand cases and with a million."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any
from urllib.parse import urlencode

from django.contrib.auth.decorators import login_required
from django.core.exceptions import PermissionDenied
from django.db.models import Q, QuerySet
from django.http import HttpResponse
from django.shortcuts import render
from django.views.decorators.http import require_safe

from accounts.models import SignedInRequest, User
from cases.models import Case
from ledger.time import now
from web.pages import row_number

PAGE = 25
COUNT_UP_TO = 99
FILTERS = {
    "all": "All open",
    "mine": "Mine",
    "covering": "Covering for",
    "soon": "Going to the authority within 7 days",
    "held": "Held",
    "unassigned": "Unassigned",
    "referred": "With the authority",
    "ended": "Resolved or closed",
}


def filtered(name: str, user: User) -> QuerySet[Case]:
    """The cases of one filter, as far as `user` may see them."""
    cases = Case.objects.visible_to(user)
    if name == "referred":
        return cases.filter(state="referred")
    if name == "ended":
        return cases.filter(state__in=["resolved", "closed"])
    cases = cases.filter(state="open")
    narrower = {
        "mine": Q(officer=user),
        "covering": Q(deputy=user),
        "soon": Q(refers_at__lte=now() + timedelta(days=7)),
        "unassigned": Q(officer__isnull=True),
    }
    if name == "held":
        return cases.held()
    return cases.filter(narrower.get(name, Q()))


def capped_count(cases: QuerySet[Any]) -> str:
    """How many, or "99+": a count that does not grow with the table."""
    found = cases.order_by()[: COUNT_UP_TO + 1].count()
    return str(found) if found <= COUNT_UP_TO else f"{COUNT_UP_TO}+"


def page_of(cases: QuerySet[Case], after: str, *, ended: bool) -> tuple[list[Case], str]:
    """One page and the cursor of the next (empty for the last). Open cases by their instant, ended ones newest first."""
    if ended:
        cases = cases.order_by("-pk")
        if (pk := row_number(after)) is not None:
            cases = cases.filter(pk__lt=pk)
    else:
        cases = cases.order_by("refers_at", "pk")
        at, _, number = after.partition("_")
        try:
            instant = datetime.fromisoformat(at)
        except ValueError:
            instant = None
        pk = row_number(number)
        if instant is not None and instant.tzinfo is not None and pk is not None:
            cases = cases.filter(Q(refers_at__gt=instant) | Q(refers_at=instant, pk__gt=pk), refers_at__gte=instant)
    rows = list(cases.select_related("officer", "deputy")[: PAGE + 1])
    if len(rows) <= PAGE:
        return rows, ""
    last = rows[PAGE - 1]
    return rows[:PAGE], str(last.pk) if ended else f"{last.refers_at.isoformat() if last.refers_at else ''}_{last.pk}"


@login_required
@require_safe
def cases(request: SignedInRequest) -> HttpResponse:
    """The ministry's queue; a company's list of the cases it is a party to."""
    user = request.user
    if not isinstance(user, User):
        raise PermissionDenied
    if user.is_company:
        own = Case.objects.visible_to(user).order_by("-pk")
        return render(request, "cases/own.html", {"cases": own})
    if not user.is_ministry:
        raise PermissionDenied("Cases are for the ministry and the parties.")
    name = request.GET.get("show", "all")
    name = name if name in FILTERS else "all"
    chosen = filtered(name, user)
    words = request.GET.get("q", "").strip()[:100]
    if words:
        chosen = chosen.filter(Q(reference__iexact=words) | Q(title__icontains=words))
    rows, following = page_of(
        chosen, request.GET.get("after", "").replace(" ", "+"), ended=name in {"ended", "referred"}
    )
    filters = [
        {
            "href": f"?show={key}",
            "text": text,
            "count": capped_count(filtered(key, user)),
            "active": key == name,
        }
        for key, text in FILTERS.items()
    ]
    query = {"show": name, **({"q": words} if words else {})}
    return render(
        request,
        "cases/queue.html",
        {
            "filters": filters,
            "title": FILTERS[name],
            "cases": rows,
            "words": words,
            "show": name,
            "next": f"?{urlencode({**query, 'after': following})}" if following else "",
            "first": f"?{urlencode(query)}" if request.GET.get("after") else "",
        },
    )
