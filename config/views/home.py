"""The first page of each role: what to do next, in the order in which it matters."""

from __future__ import annotations

from collections.abc import Callable

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.views.decorators.http import require_safe

from accounts.models import User
from config.views import authority, company, ministry, oversight
from config.views.blocks import Block

PAGES: dict[str, Callable[[User], list[Block]]] = {
    "company_officer": company.blocks,
    "company_admin": company.blocks,
    "caseworker": ministry.caseworker,
    "supervisor": ministry.supervisor,
    "authority_officer": authority.blocks,
    "auditor": oversight.auditor,
    "operator": oversight.operator,
    "partner": oversight.partner,
}


@require_safe
def home(request: HttpRequest) -> HttpResponse:
    """The start page for the public; for whoever is signed in, what waits for them."""
    if not isinstance(request.user, User):
        return render(request, "config/start.html")
    return render(request, "config/home.html", {"blocks": PAGES[request.user.role](request.user)})
