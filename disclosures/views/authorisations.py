"""The register of authorisations: the list, one of them with its versions, and what the two sides do with it."""

from __future__ import annotations

from typing import Any

from django.contrib.auth.decorators import login_required
from django.core.exceptions import PermissionDenied
from django.core.paginator import Paginator
from django.db.models import Case, IntegerField, Q, Value
from django.db.models import When as WhenIn
from django.http import Http404, HttpResponse
from django.shortcuts import get_object_or_404, render
from django.urls import reverse
from django.views.decorators.http import require_http_methods, require_safe

from accounts.permissions import allowed, check
from disclosures.actions import authorisations as act
from disclosures.forms import (
    AmendmentForm,
    ConfirmForm,
    ProposalForm,
    RefuseForm,
    RevokeForm,
    TakeBackForm,
    initial_terms,
)
from disclosures.models import Authorisation, AuthorisationVersion
from disclosures.rules import AUTHORISATION_RULES as RULES
from disclosures.rules import READERS
from disclosures.views.page import Request
from disclosures.views.terms import changed_terms, history_of, in_sections, state_of
from ledger.time import now
from web.pages import form_page, sent

PAGE = 25
MOST = 1000  # as in the lists of filings
# From a rule's verb to the page that does it, and whether its button warns.
PAGES = {
    "confirm": ("authorisation_confirm", False),
    "refuse": ("authorisation_refuse", False),
    "refuse_amendment": ("authorisation_refuse", False),
    "amend": ("authorisation_amend", False),
    "withdraw": ("authorisation_withdraw", True),
    "withdraw_amendment": ("authorisation_withdraw", True),
    "revoke": ("authorisation_revoke", True),
    "revoke_sooner": ("authorisation_revoke", True),
}
_ON_A_VERSION = {"confirm", "refuse", "refuse_amendment", "withdraw", "withdraw_amendment"}


@login_required
@require_safe
def authorisations(request: Request) -> HttpResponse:
    """Given and received, what needs the reader's answer first; for the ministry all, newest first."""
    user = request.user
    if user.role not in READERS:
        raise PermissionDenied("Authorisations are shown to the two organisations concerned and to the ministry.")
    found = Authorisation.objects.visible_to(user).with_history(content=False)
    if user.is_ministry:
        found = found.order_by("-pk")
    else:
        mine = WhenIn(Q(grantee=user.organisation_id, state__in=["proposed", "amending"]), then=Value(0))
        found = found.annotate(rank=Case(mine, default=Value(1), output_field=IntegerField())).order_by("rank", "-pk")
    page = Paginator(found[:MOST], PAGE).get_page(request.GET.get("page"))
    context = {
        "page": page,
        "rows": [_row(one, user) for one in page],
        "may_propose": "propose" in allowed(user, RULES, None),
        "most": MOST,
    }
    return render(request, "disclosures/authorisations.html", context)


def _row(found: Authorisation, reader: Any) -> dict[str, Any]:
    given = found.grantor_id == reader.organisation_id
    return {
        "authorisation": found,
        "other": found.grantee if given else found.grantor,
        "given": given,
        "state": state_of(found),
        "window": found.shown,
        "asks": found.grantee_id == reader.organisation_id and found.waiting is not None,
    }


@login_required
@require_http_methods(["GET", "HEAD", "POST"])
def authorisation_new(request: Request) -> HttpResponse:
    """Register an authorisation."""
    check(request.user, RULES["propose"])
    form = ProposalForm(initial={"signatory_name": request.user.name}, **sent(request))
    return form_page(
        request,
        form,
        lambda data: act.propose(by=request.user, grantee=data["grantee"], content=form.content()),
        title="Register an authorisation",
        intro="Say whom you permit to test your models, how, and within which limits. The other organisation is asked "
        "to confirm it; from then on it counts. When it was registered and when it was confirmed stays on record.",
        submit="Register it",
        back=reverse("authorisations"),
        done="It is registered. The other organisation has been asked to confirm it.",
        then=_page_of,
        template="disclosures/authorisation_form.html",
    )


@login_required
@require_safe
def authorisation(request: Request, reference: str) -> HttpResponse:
    """One authorisation: what counts now, what waits, how it came about, and what the reader may do."""
    found = _find(request, reference)
    shown = found.waiting or found.shown
    page = _page(request, found, shown)
    waits = ", which waits for confirmation" if shown == found.waiting else ""
    page["terms_of"] = f"What follows is version {shown.number}{waits}."
    return render(request, "disclosures/authorisation.html", page)


@login_required
@require_safe
def authorisation_version(request: Request, reference: str, number: int) -> HttpResponse:
    """A version as it was registered, and what it changed."""
    found = _find(request, reference)
    shown = next((v for v in found.versions.all() if v.number == number), None)
    if shown is None:
        raise Http404
    return render(request, "disclosures/authorisation_version.html", _page(request, found, shown))


def _page(request: Request, found: Authorisation, shown: AuthorisationVersion) -> dict[str, Any]:
    before = next((v for v, _ in reversed(found.confirmed) if v.number < shown.number), None)
    counting = found.governing(now())
    return {
        "authorisation": found,
        "state": state_of(found),
        "version": shown,
        "counting": counting,
        "sections": in_sections(shown.content),
        "before": before,
        "changes": changed_terms(before.content, shown.content) if before is not None else [],
        "history": history_of(found, request.user),
        "buttons": [_button(found, verb) for verb in allowed(request.user, RULES, found) if verb in PAGES],
        "asks": found.waiting is not None and found.grantee_id == request.user.organisation_id,
    }


def _button(found: Authorisation, verb: str) -> dict[str, Any]:
    name, warn = PAGES[verb]
    href = reverse(name, args=[found.reference])
    if verb in _ON_A_VERSION:
        href += f"?version={found.latest.number}"
    return {"text": RULES[verb].label, "href": href, "warn": warn}


# --- What is done to one -------------------------------------------------------------------------------------------------
@login_required
@require_http_methods(["GET", "HEAD", "POST"])
def authorisation_amend(request: Request, reference: str) -> HttpResponse:
    """Propose another version."""
    found = _find_for(request, reference, "amend")
    form = AmendmentForm(initial=initial_terms(found.shown.content), **sent(request))
    return form_page(
        request,
        form,
        lambda data: act.amend(found.pk, by=request.user, content=form.content(), change=data["change"]),
        title=f"Amend {reference}",
        intro=f"What is in force stays so until {found.grantee} confirms the amendment.",
        submit="Register the amendment",
        back=_page_of(found),
        done=f"The amendment of {reference} is registered. The other organisation has been asked to confirm it.",
        template="disclosures/authorisation_form.html",
    )


@login_required
@require_http_methods(["GET", "HEAD", "POST"])
def authorisation_confirm(request: Request, reference: str) -> HttpResponse:
    """Agree to the version that waits."""
    found = _find_for(request, reference, "confirm")
    read = request.GET.get("version") or found.latest.number
    form = ConfirmForm(initial={"version": read, "name": request.user.name}, **sent(request))

    def confirm(data: dict[str, Any]) -> Authorisation:
        given = {name: data[name] for name in ("name", "capacity", "version")}
        return act.confirm(found.pk, by=request.user, **given)

    return form_page(
        request,
        form,
        confirm,
        title=f"Confirm {reference}",
        intro=f"From the moment at which you confirm it, what {found.grantor} permits counts within its limits.",
        submit="Confirm it",
        back=_page_of(found),
        done=f"{reference} is confirmed.",
    )


@login_required
@require_http_methods(["GET", "HEAD", "POST"])
def authorisation_refuse(request: Request, reference: str) -> HttpResponse:
    """Do not agree to the version that waits."""
    found = _find_for(request, reference, "refuse")
    read = request.GET.get("version") or found.latest.number
    amended = found.state == "amending"
    form = RefuseForm(initial={"version": read}, **sent(request))
    return form_page(
        request,
        form,
        lambda data: act.refuse(found.pk, by=request.user, **data),
        title=f"Refuse {'the amendment of ' if amended else ''}{reference}",
        intro="What is in force stays so." if amended else "It never counts. It stays on record that it was proposed.",
        submit="Refuse it",
        warning=True,
        back=_page_of(found),
        done="The amendment is refused." if amended else f"{reference} is refused.",
    )


@login_required
@require_http_methods(["GET", "HEAD", "POST"])
def authorisation_withdraw(request: Request, reference: str) -> HttpResponse:
    """Take back the version that nobody has answered."""
    found = _find_for(request, reference, "withdraw")
    read = request.GET.get("version") or found.latest.number
    amended = found.state == "amending"
    form = TakeBackForm(initial={"version": read}, **sent(request))
    return form_page(
        request,
        form,
        lambda data: act.withdraw(found.pk, by=request.user, **data),
        title=f"Withdraw {'the amendment of ' if amended else ''}{reference}",
        intro="What is in force stays so." if amended else "It never counts. It stays on record that it was proposed.",
        submit="Withdraw it",
        warning=True,
        back=_page_of(found),
        done="The amendment is withdrawn." if amended else f"{reference} is withdrawn.",
    )


@login_required
@require_http_methods(["GET", "HEAD", "POST"])
def authorisation_revoke(request: Request, reference: str) -> HttpResponse:
    """End it, at once or from a later day."""
    found = _find(request, reference)
    sooner = found.revoked_at is not None and found.revoked_at > now()
    check(request.user, RULES["revoke_sooner" if sooner else "revoke"], found)
    form = RevokeForm(**sent(request))
    return form_page(
        request,
        form,
        lambda data: act.revoke(found.pk, by=request.user, **data),
        title=f"Revoke {reference}",
        intro="From then on nothing is permitted by it. What was done before stays covered as it was, and all of it "
        "stays on record. This cannot be undone.",
        submit="Revoke it",
        warning=True,
        back=_page_of(found),
        done=f"{reference} is revoked.",
    )


# --- Finding -------------------------------------------------------------------------------------------------------------
def _find(request: Request, reference: str) -> Authorisation:
    """The authorisation of this reference, if it is for the reader to see; otherwise 404."""
    seen = Authorisation.objects.visible_to(request.user).with_history()
    return get_object_or_404(seen, reference=reference)


def _find_for(request: Request, reference: str, verb: str) -> Authorisation:
    """`_find`, for a page that leads to `verb`: who may not, or not now, is told before filling anything in."""
    found = _find(request, reference)
    of_an_amendment = f"{verb}_amendment"
    check(
        request.user, RULES[of_an_amendment if found.state == "amending" and of_an_amendment in RULES else verb], found
    )
    return found


def _page_of(found: Authorisation) -> str:
    return reverse("authorisation", args=[found.reference])
