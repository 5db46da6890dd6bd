"""Lists: a company's own filings, and the ministry's queue."""

from __future__ import annotations

from collections import Counter
from typing import Any

from django.contrib.auth.decorators import login_required
from django.core.exceptions import PermissionDenied
from django.core.paginator import Paginator
from django.db.models import Case, IntegerField, OuterRef, QuerySet, Subquery, Value
from django.db.models import When as WhenIn
from django.http import HttpResponse
from django.shortcuts import redirect, render
from django.views.decorators.http import require_POST, require_safe

from disclosures import actions as act
from disclosures.models import Filing, FilingVersion, FollowUp
from disclosures.rules import COMPANY
from disclosures.views.page import Request, next_step, state_of
from ledger.time import local_date, now

PAGE = 25
MOST = 1000  # nobody reads further; counting further would make the page slower with every year
WAITING_STATES = ("submitted", "received", "acknowledged")


@login_required
@require_safe
def disclosures(request: Request) -> HttpResponse:
    return _list(request, "disclosure")


@login_required
@require_safe
def allegations(request: Request) -> HttpResponse:
    return _list(request, "allegation")


def _list(request: Request, kind: str) -> HttpResponse:
    """A company's own filings, what it has to do first; for others the filings that they may see, newest first."""
    user = request.user
    if not (user.is_company or user.is_ministry or user.role == "authority_officer"):
        raise PermissionDenied("Filings are not shown to your role.")
    found = Filing.objects.visible_to(user).filter(kind=kind).select_related("organisation")
    if user.is_company:
        first = WhenIn(state__in=["draft", "returned", "more_wanted"], then=Value(0))
        found = found.annotate(rank=Case(first, default=Value(1), output_field=IntegerField())).order_by("rank", "-pk")
    else:
        found = found.order_by("-pk")
    page = _page(request, found)
    context = {"kind": kind, "page": page, "rows": _rows(request, page), "may_start": user.role in COMPANY}
    return render(request, "disclosures/list.html", context)


def _page(request: Request, found: QuerySet[Filing]) -> Any:
    owed = FollowUp.objects.filter(filing=OuterRef("pk"), done_at__isnull=True).order_by("due_on")
    found = found.annotate(next_due=Subquery(owed.values("due_on")[:1]))
    return Paginator(found[:MOST], PAGE).get_page(request.GET.get("page"))


def _rows(request: Request, page: Any) -> list[dict[str, Any]]:
    today = local_date(now())
    return [
        {
            "filing": filing,
            "state": state_of(filing, request.user),
            "next": next_step(filing, request.user, promised=filing.next_due is not None),
            "age": (today - local_date(filing.submitted_at)).days if filing.submitted_at else None,
            "overdue": filing.next_due is not None and filing.next_due < today,
        }
        for filing in page
    ]


@login_required
@require_POST
def disclosure_new(request: Request) -> HttpResponse:
    """Begin a disclosure and go to its task list."""
    return redirect("filing", act.start("disclosure", by=request.user).reference)


@login_required
@require_POST
def allegation_new(request: Request) -> HttpResponse:
    """Begin an allegation and go to its task list."""
    return redirect("filing", act.start("allegation", by=request.user).reference)


@login_required
@require_safe
def review_queue(request: Request) -> HttpResponse:
    """What waits for the ministry, oldest first; or all that it may see, newest first."""
    if not request.user.is_ministry:
        raise PermissionDenied("The ministry’s queue is for its caseworkers and supervisors.")
    everything = request.GET.get("show") == "all"
    seen = Filing.objects.visible_to(request.user)
    waiting = list(seen.waiting().values_list("kind", "state")[: MOST + 1])
    kinds, states = _kinds(waiting, everything), _states(waiting, everything)
    found = seen.order_by("-pk") if everything else seen.waiting()
    chosen = {"kind": _one_of(request, "kind", kinds), "state": _one_of(request, "state", states)}
    found = found.filter(**{name: value for name, value in chosen.items() if value})
    page = _page(request, found.select_related("organisation").annotate(urgent=_latest("urgent")))
    context = {
        "everything": everything,
        "kinds": kinds,
        "states": states,
        "chosen": chosen,
        "page": page,
        "rows": _rows(request, page),
        "waiting": f"{MOST:,}+" if len(waiting) > MOST else len(waiting),
        "most": MOST,
    }
    return render(request, "disclosures/review_queue.html", context)


def _latest(answer: str) -> Subquery:
    versions = FilingVersion.objects.filter(filing=OuterRef("pk")).order_by("-number")
    return Subquery(versions.values(f"content__{answer}")[:1])


def _one_of(request: Request, name: str, choices: dict[str, str]) -> str:
    value = request.GET.get(name, "")
    return value if value in choices else ""


def _kinds(waiting: list[Any], everything: bool) -> dict[str, str]:
    return _counted(dict(Filing.Kind.choices), None if everything else Counter(kind for kind, _ in waiting))


def _states(waiting: list[Any], everything: bool) -> dict[str, str]:
    if everything:
        return {state: label for state, label in Filing.State.choices if state != "draft"}
    labels = {state: Filing.State(state).label for state in WAITING_STATES}
    return _counted(labels, Counter(state for _, state in waiting))


def _counted(labels: dict[str, str], counts: Counter[str] | None) -> dict[str, str]:
    if counts is None:
        return labels
    return {key: f"{label} ({counts[key] if counts[key] <= MOST else f'{MOST:,}+'})" for key, label in labels.items()}
