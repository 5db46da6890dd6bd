"""What the ministry answers to a filing: one page a verb, about the version that was read."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from django.contrib.auth.decorators import login_required
from django.http import HttpResponse
from django.urls import reverse
from django.views.decorators.http import require_http_methods

from disclosures import actions as act
from disclosures.catalogue import SCHEMAS
from disclosures.forms import ReasonForm, SectionReasonsForm, StepForm, section_reasons_form
from disclosures.models import Filing
from disclosures.rules import RULES
from disclosures.views.page import Request, find_for
from web.pages import form_page, sent


def _step(
    request: Request,
    filing: Filing,
    form: type[StepForm],
    do: Callable[[StepForm], Any],
    verb: str,
    **words: Any,
) -> HttpResponse:
    read = request.GET.get("version") or filing.latest.number
    bound = form(initial={"version": read}, **sent(request))
    words.setdefault("title", f"{RULES[filing.kind][verb].label}: {filing.reference}")
    words.setdefault("submit", RULES[filing.kind][verb].label)
    back = reverse("filing", args=[filing.reference])
    return form_page(request, bound, lambda data: do(bound), back=back, **words)


@login_required
@require_http_methods(["GET", "HEAD", "POST"])
def accept(request: Request, reference: str) -> HttpResponse:
    filing = find_for(request, reference, "accept")
    intro = f"It goes on record as {filing.organisation} declared it, and the company is told."
    if filing.amends is not None:
        intro += f" It takes the place of {filing.amends.reference}."
    return _step(
        request,
        filing,
        StepForm,
        lambda form: act.accept(filing.pk, by=request.user, version=form.cleaned_data["version"]),
        "accept",
        intro=intro,
        done=f"{reference} is accepted.",
    )


@login_required
@require_http_methods(["GET", "HEAD", "POST"])
def return_(request: Request, reference: str) -> HttpResponse:
    return _with_reasons(request, reference, "return_", act.return_, f"{reference} is returned to the company.")


@login_required
@require_http_methods(["GET", "HEAD", "POST"])
def want_more(request: Request, reference: str) -> HttpResponse:
    return _with_reasons(request, reference, "want_more", act.want_more, f"{reference}: the company is asked for more.")


def _with_reasons(request: Request, reference: str, verb: str, action: Callable[..., Any], done: str) -> HttpResponse:
    filing = find_for(request, reference, verb)

    def do(form: StepForm) -> Any:
        assert isinstance(form, SectionReasonsForm)  # noqa: S101 - for the type checker
        return action(filing.pk, by=request.user, reasons=form.reasons(), version=form.cleaned_data["version"])

    return _step(
        request,
        filing,
        section_reasons_form(SCHEMAS[filing.kind]),
        do,
        verb,
        intro=(
            "Say under each section what is wrong or missing and what you need. Leave the other sections empty. "
            "The company reads your words beside the section and sends a new version; this one stays on record."
        ),
        done=done,
    )


@login_required
@require_http_methods(["GET", "HEAD", "POST"])
def acknowledge(request: Request, reference: str) -> HttpResponse:
    filing = find_for(request, reference, "acknowledge")
    return _step(
        request,
        filing,
        StepForm,
        lambda form: act.acknowledge(filing.pk, by=request.user, version=form.cleaned_data["version"]),
        "acknowledge",
        intro="The company is told that the ministry has begun to look at its allegation.",
        done=f"{reference} is acknowledged.",
    )


@login_required
@require_http_methods(["GET", "HEAD", "POST"])
def admit(request: Request, reference: str) -> HttpResponse:
    filing = find_for(request, reference, "admit")
    return _step(
        request,
        filing,
        StepForm,
        lambda form: act.admit(filing.pk, by=request.user, version=form.cleaned_data["version"]),
        "admit",
        intro="It is in scope and can be looked into: a case can be opened from it. The company is told.",
        done=f"{reference} is admitted. You can open a case from it.",
    )


@login_required
@require_http_methods(["GET", "HEAD", "POST"])
def reject(request: Request, reference: str) -> HttpResponse:
    filing = find_for(request, reference, "reject")
    return _step(
        request,
        filing,
        ReasonForm,
        lambda form: act.reject(filing.pk, by=request.user, **form.cleaned_data),
        "reject",
        intro="This ends the allegation. The company is told and reads your reasons.",
        warning=True,
        done=f"{reference} is rejected.",
    )
