"""A filing: the task list while it is being written, the summary once it was declared, what its filer does to it."""

from __future__ import annotations

from typing import Any

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.http import HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from accounts.permissions import allowed
from disclosures import actions as act
from disclosures.catalogue import SCHEMAS
from disclosures.forms import StepForm, WithdrawForm
from disclosures.models import Filing, FilingReview, FilingVersion
from disclosures.rules import RULES
from disclosures.views.answers import answered, changed_answers, reasons_of
from disclosures.views.page import (
    Request,
    evidence_titles,
    find,
    find_for,
    list_url,
    next_step,
    seen_version,
    state_of,
)
from ledger.time import local_date, now
from web.pages import form_page, sent
from web.templatetags.candour import counted

# From a rule's verb to the page that does it, and whether its button warns.
PAGES = {
    "accept": ("filing_accept", False),
    "return_": ("filing_return", False),
    "acknowledge": ("filing_acknowledge", False),
    "admit": ("filing_admit", False),
    "want_more": ("filing_want_more", False),
    "reject": ("filing_reject", True),
    "withdraw": ("filing_withdraw", True),
    "discard": ("filing_discard", True),
}
# What is decided on a version is decided on the one that was on this page.
_ON_A_VERSION = {"accept", "return_", "acknowledge", "admit", "want_more", "reject"}
_RETURNED = ("Returned: see reasons", "orange")
_READY_FOR_A_CASE = {"disclosure": "accepted", "allegation": "admitted"}


@login_required
@require_safe
def filing(request: Request, reference: str) -> HttpResponse:
    """The task list for the filer who can still write in it; for everybody else what was declared."""
    found = find(request, reference)
    verbs = allowed(request.user, RULES[found.kind], found)
    if "save_section" in verbs:
        return render(request, "disclosures/tasks.html", _tasks(found, verbs) | _standing(request, found, verbs))
    version = seen_version(request, found)
    page = _declared(request, version)
    if request.user.role != "authority_officer":  # the authority has the version that it was given, and no more
        page |= _standing(request, found, verbs)
    return render(request, "disclosures/filing.html", page)


def _declared(request: Request, version: FilingVersion) -> dict[str, Any]:
    found, content = version.filing, version.content
    titles = evidence_titles(request.user, found, content)
    return {
        "filing": found,
        "version": version,
        "sections": answered(SCHEMAS[found.kind], content, titles),
        "back": list_url(found),
    }


def _standing(request: Request, found: Filing, verbs: list[str]) -> dict[str, Any]:
    """State, next step, history, follow-ups, relations and buttons: what is between the filer and the ministry."""
    user, follow_ups = request.user, _follow_ups(found)
    owed = any(item["done_at"] is None for item in follow_ups)
    return {
        "filing": found,
        "back": list_url(found),
        "state": state_of(found, user),
        "next": next_step(found, user, promised=owed),
        "buttons": [_button(found, verb) for verb in verbs if verb in PAGES],
        "may_amend": "amend" in verbs and found.amendment_under_way() is None,
        "history": _history(request, found),
        "follow_ups": follow_ups,
        "amendments": Filing.objects.visible_to(user).filter(amends=found).order_by("pk"),
        "case_from": user.is_ministry and found.state == _READY_FOR_A_CASE[found.kind],
    }


def _button(found: Filing, verb: str) -> dict[str, Any]:
    name, warn = PAGES[verb]
    href = reverse(name, args=[found.reference])
    if verb in _ON_A_VERSION:
        href += f"?version={found.latest.number}"
    return {"text": RULES[found.kind][verb].label, "href": href, "warn": warn}


def _follow_ups(found: Filing) -> list[dict[str, Any]]:
    today, schema = local_date(now()), SCHEMAS[found.kind]
    return [
        {"label": schema.field(f.field).label, "due_on": f.due_on, "done_at": f.done_at, "late": f.due_on < today}
        for f in found.follow_ups.order_by("due_on", "pk")
    ]


def _history(request: Request, found: Filing) -> list[dict[str, Any]]:
    """Versions and reviews, newest first, as the timeline shows them."""
    items = [
        {
            "when": v.received_at,
            "title": f"Version {v.number} received",
            "who": f"{v.declared_name}, {v.declared_capacity}",
            "href": reverse("filing_version", args=[found.reference, v.number]),
            "text": f"{counted(len(v.changed_fields), 'answer')} changed" if v.changed_fields else "",
        }
        for v in FilingVersion.objects.visible_to(request.user).filter(filing=found)
    ]
    items += [_reviewed(r, found, request.user) for r in found.reviews.select_related("by")]
    return sorted(items, key=lambda item: item["when"], reverse=True)


def _reviewed(review: FilingReview, found: Filing, reader: Any) -> dict[str, Any]:
    reasons = reasons_of(SCHEMAS[found.kind], review)
    # A company deals with the ministry, not with the official; its own people it knows.
    named = not reader.is_company or review.by.organisation_id == reader.organisation_id
    return {
        "when": review.at,
        "title": review.get_outcome_display().removesuffix(" to you").removesuffix(" from you"),
        "who": review.by.name if named else "the ministry",
        "text": "\n".join(f"{r['title']}: {r['text']}" if r["title"] else r["text"] for r in reasons),
    }


def _tasks(found: Filing, verbs: list[str]) -> dict[str, Any]:
    schema, missing = SCHEMAS[found.kind], act.missing(found)
    review = found.reviews.order_by("-pk").first() if found.state in {"returned", "more_wanted"} else None
    reasons = reasons_of(schema, review)
    returned = {reason["key"] for reason in reasons}
    saved = {row.key: row for row in found.sections.all()}
    tasks: list[dict[str, Any]] = []
    for section in schema.sections:
        row = saved[section.key]
        untouched = review is not None and row.updated_at <= review.at
        tasks.append(
            {
                "title": section.title,
                "href": reverse("filing_section", args=[found.reference, section.key]),
                "status": _status(row.content, section.key in missing, section.key in returned and untouched),
            }
        )
    return {
        "tasks": tasks,
        "reasons": reasons,
        "review": review,
        "completed": len(schema.sections) - len(missing),
        "to_correct": sum(task["status"] == _RETURNED for task in tasks),
        "version": found.versions.order_by("-number").first(),
    }


def _status(content: dict[str, Any], incomplete: bool, returned: bool) -> tuple[str, str]:
    if returned:
        return _RETURNED
    if not incomplete:
        return "Completed", ""
    return ("In progress", "teal") if content else ("Not started", "blue")


@login_required
@require_safe
def version(request: Request, reference: str, number: int) -> HttpResponse:
    """A declared version as it was declared, and what it changed."""
    found = seen_version(request, find(request, reference), number)
    page = _declared(request, found) | {"back": reverse("filing", args=[reference])}
    # Who was given one version is not shown what stood in another.
    before = found.previous if request.user.role != "authority_officer" else None
    if before is not None:
        titles = evidence_titles(request.user, found.filing, {**before.content})
        titles |= evidence_titles(request.user, found.filing, found.content)
        page["before"] = before
        page["changes"] = changed_answers(SCHEMAS[found.filing.kind], before.content, found.content, titles)
    return render(request, "disclosures/version.html", page)


@login_required
@require_http_methods(["GET", "HEAD", "POST"])
def discard(request: Request, reference: str) -> HttpResponse:
    found = find_for(request, reference, "discard")
    return form_page(
        request,
        StepForm(**sent(request)),
        lambda data: act.discard(found.pk, by=request.user),
        title=f"Delete the draft {reference}",
        intro="All that you and your colleagues wrote in it is deleted. This cannot be undone.",
        submit="Delete this draft",
        warning=True,
        back=reverse("filing", args=[reference]),
        done=f"The draft {reference} is deleted.",
        then=lambda _: list_url(found),
    )


@login_required
@require_http_methods(["GET", "HEAD", "POST"])
def withdraw(request: Request, reference: str) -> HttpResponse:
    found = find_for(request, reference, "withdraw")
    return form_page(
        request,
        WithdrawForm(**sent(request)),
        lambda data: act.withdraw(found.pk, by=request.user, **data),
        title=f"Withdraw {reference}",
        intro="The ministry does nothing more with it. What you declared stays on record. This cannot be undone.",
        submit=f"Withdraw {reference}",
        warning=True,
        back=reverse("filing", args=[reference]),
        done=f"{reference} is withdrawn.",
    )


@login_required
@require_POST
def amend(request: Request, reference: str) -> HttpResponse:
    """Begin an amendment and go to its task list."""
    amendment = act.amend(find(request, reference).pk, by=request.user)
    messages.success(
        request, f"{amendment.reference} starts with the answers of {reference}. Change what has changed and submit it."
    )
    return redirect("filing", amendment.reference)
