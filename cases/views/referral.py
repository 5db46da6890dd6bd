"""The competition authority's queue, and a referral as it was sent."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.core.exceptions import PermissionDenied
from django.http import HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import reverse
from django.views.decorators.http import require_POST, require_safe

from accounts.models import SignedInRequest
from accounts.permissions import allowed, check
from cases.actions.referrals import snapshot, steps
from cases.actions.referrals.additions import add_analyses, analyses_since
from cases.brief import REASONS_IN_WORDS, laid_out
from cases.forms import AcceptReferralForm, DeclineReferralForm, ReasonForm, ReturnReferralForm
from cases.models import Notice, Party, Referral, Response
from cases.rules import REFERRAL_RULES
from cases.views.notice import answers_of
from cases.wording import timeline
from monitoring.models import Analysis, AnalysisGrant
from web.pages import form_page, sent

GROUPS = (
    ("queued", "Waiting to be acknowledged", "Nothing waits to be acknowledged."),
    ("acknowledged", "Acknowledged", "Nothing is acknowledged and undecided."),
    ("returned", "Returned for more information", "Nothing has been returned."),
    ("accepted", "Accepted", "Nothing has been accepted yet."),
    ("declined", "Declined", "Nothing has been declined."),
)


def find(request: SignedInRequest, reference: str) -> Referral:
    """The referral of this reference, if it is for the reader to see; otherwise 404."""
    seen = Referral.objects.visible_to(request.user).select_related("case", "authority")
    return get_object_or_404(seen, reference=reference)


@login_required
@require_safe
def referrals(request: SignedInRequest) -> HttpResponse:
    """The queue: what waits to be acknowledged first, oldest first."""
    if request.user.role not in {"authority_officer", "caseworker", "supervisor"}:
        raise PermissionDenied("The referral queue is for the authority and the ministry.")
    seen = Referral.objects.visible_to(request.user).select_related("case").order_by("queued_at", "pk")
    groups = [
        {"title": title, "empty": empty, "referrals": list(seen.filter(state=state)[:100])}
        for state, title, empty in GROUPS
    ]
    return render(request, "cases/referrals.html", {"groups": groups})


@login_required
@require_safe
def referral(request: SignedInRequest, reference: str) -> HttpResponse:
    """A referral as it was sent: reasons, brief, chronology, parties, exhibits, and what came after."""
    found = find(request, reference)
    sent_then, verbs = found.sent, allowed(request.user, REFERRAL_RULES, found)
    events = snapshot.chronology(found).select_related("actor__organisation")
    late = [addition.response for addition in found.additions.select_related("response__notice").order_by("pk")]
    responses = Response.objects.filter(pk__in=sent_then.get("responses", [])).select_related("notice").order_by("pk")
    page = {
        "referral": found,
        "sent": sent_then,
        "reasons": [REASONS_IN_WORDS.get(code, code) for code in sent_then["reasons"]],
        "parties": [(Party.Role(p["role"]).label, p["name"]) for p in sent_then["parties"]],
        "notices": [_notice(n) for n in sent_then["notices"]],
        "brief": laid_out(sent_then["brief"]),
        "events": timeline(events, reader=request.user),
        "answers": [{"response": r, "answers": answers_of(r)} for r in responses],
        "late": [{"response": r, "answers": answers_of(r), "exhibits": _of(r)} for r in late],
        "analyses": _analyses(request, found),
        "unsent": len(analyses_since(found)) if "add_analyses" in verbs else 0,
        "steps": found.steps.select_related("by__organisation").order_by("pk"),
        "verbs": verbs,
    }
    return render(request, "cases/referral.html", page)


def _notice(sent: dict[str, Any]) -> dict[str, Any]:
    shut_out = [
        {name: at and datetime.fromisoformat(at) for name, at in one.items()} for one in sent.get("shut_out", [])
    ]
    return {**sent, "state": Notice.State(sent["state"]).label, "shut_out": shut_out}


def _analyses(request: SignedInRequest, found: Referral) -> list[dict[str, Any]]:
    """What of analyses the authority was sent, and what was added later; with a link for who may read it."""
    reason = f"referral:{found.pk}"
    grants = AnalysisGrant.objects.filter(organisation=found.authority, reason=reason).order_by("analysis")
    seen = Analysis.objects.visible_to(request.user).filter(pk__in=grants.values("analysis"))
    readable, then = set(seen.values_list("pk", flat=True)), {one["id"] for one in found.sent.get("analyses", [])}
    return [
        {
            "analysis": grant.analysis,
            "added": None if grant.analysis_id in then else grant.since,
            "readable": grant.analysis_id in readable,
        }
        for grant in grants.select_related("analysis__item", "analysis__report").defer("analysis__report__written")
    ]


def _of(response: Response) -> Any:
    return response.exhibits.select_related("item").filter(item__privileged=False)


@login_required
@require_POST
def referral_acknowledge(request: SignedInRequest, reference: str) -> HttpResponse:
    steps.acknowledge(find(request, reference).pk, by=request.user)
    messages.success(request, f"{reference} is acknowledged. The ministry is told.")
    return redirect("referral", reference)


@login_required
@require_POST
def referral_add_analyses(request: SignedInRequest, reference: str) -> HttpResponse:
    add_analyses(find(request, reference).pk, by=request.user)
    messages.success(request, "Sent. The authority is told.")
    return redirect("referral", reference)


def _page(request: SignedInRequest, reference: str, verb: str, form: Any, do: Any, **words: Any) -> HttpResponse:
    found = find(request, reference)
    check(request.user, REFERRAL_RULES[verb], found)
    words.setdefault("title", f"{REFERRAL_RULES[verb].label}: {reference}")
    return form_page(
        request,
        form,
        lambda data: do(found.pk, by=request.user, **data),
        submit=REFERRAL_RULES[verb].label,
        back=reverse("referral", args=[reference]),
        **words,
    )


@login_required
def referral_accept(request: SignedInRequest, reference: str) -> HttpResponse:
    done = "Accepted. The ministry and the parties are told."
    return _page(request, reference, "accept", AcceptReferralForm(**sent(request)), steps.accept, done=done)


@login_required
def referral_return(request: SignedInRequest, reference: str) -> HttpResponse:
    return _page(
        request,
        reference,
        "return_",
        ReturnReferralForm(**sent(request)),
        steps.return_,
        intro="The case opens again at the ministry, in a new round with a new period. What you need is told to it.",
        done="Returned. The ministry is told what is needed and by when.",
    )


@login_required
def referral_decline(request: SignedInRequest, reference: str) -> HttpResponse:
    done = "Declined. The case is the ministry’s again."
    return _page(request, reference, "decline", DeclineReferralForm(**sent(request)), steps.decline, done=done)


@login_required
def referral_withdraw(request: SignedInRequest, reference: str) -> HttpResponse:
    return _page(
        request,
        reference,
        "withdraw",
        ReasonForm(**sent(request)),
        steps.withdraw,
        intro="The authority no longer sees the referral, and the case opens again in a new round.",
        warning=True,
        done="The referral is withdrawn.",
        then=lambda withdrawn: reverse("case", args=[withdrawn.case.reference]),
    )
