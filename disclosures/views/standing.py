"""Standing declarations: a named person answers for what the company's programs file."""

from __future__ import annotations

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.core.exceptions import PermissionDenied
from django.http import HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import reverse
from django.views.decorators.http import require_POST, require_safe

from accounts.permissions import allowed, check
from disclosures import actions as act
from disclosures.catalogue import DECLARATION
from disclosures.forms import StandingForm
from disclosures.models import StandingDeclaration
from disclosures.rules import STANDING_RULES
from disclosures.views.page import Request
from web.pages import form_page, sent


@login_required
@require_safe
def standing(request: Request) -> HttpResponse:
    """The company's standing declarations, in force and past."""
    if not request.user.is_company:
        raise PermissionDenied("Standing declarations are a company’s own.")
    found = StandingDeclaration.objects.visible_to(request.user).select_related("made_by", "revoked_by")
    rows = [{"standing": s, "verbs": allowed(request.user, STANDING_RULES, s)} for s in found.order_by("-pk")]
    page = {"rows": rows, "may_declare": "declare" in allowed(request.user, STANDING_RULES, None)}
    return render(request, "disclosures/standing_declarations.html", page)


@login_required
def standing_new(request: Request) -> HttpResponse:
    """Make a standing declaration."""
    check(request.user, STANDING_RULES["declare"])
    form = StandingForm(initial={"name": request.user.name}, **sent(request))

    def declare(data: dict[str, object]) -> StandingDeclaration:
        data.pop("agree")
        return act.declare_standing(by=request.user, **data)  # type: ignore[arg-type]

    return form_page(
        request,
        form,
        declare,
        title="Answer for what your programs file",
        intro=DECLARATION,
        submit="Make the declaration",
        back=reverse("standing"),
        done="The declaration stands. Your programs name its reference in what they file.",
    )


@login_required
@require_POST
def standing_revoke(request: Request, pk: int) -> HttpResponse:
    """Answer no longer for what is filed from now on."""
    found = get_object_or_404(StandingDeclaration.objects.visible_to(request.user), pk=pk)
    act.revoke_standing(found.pk, by=request.user)
    messages.success(request, f"{found.reference} is revoked. What was filed under it stands.")
    return redirect("standing")
