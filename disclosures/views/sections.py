"""Writing a filing: its sections one by one, checking the answers, the declaration."""

from __future__ import annotations

from typing import Any

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.forms import BaseForm
from django.http import Http404, HttpResponse, QueryDict
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils.http import urlencode
from django.views.decorators.http import require_http_methods

from disclosures import actions as act
from disclosures.catalogue import DECLARATION, SCHEMAS
from disclosures.forms import DeclarationForm, SectionForm, initial_of, section_form
from disclosures.models import Filing, FilingReview, FilingSection, amended_version
from disclosures.rules import not_yet_verified
from disclosures.schema import Section
from disclosures.views.answers import Answer, answered, changed_answers, reasons_of
from disclosures.views.page import Request, evidence_titles, find_for
from evidence.models import EvidenceItem
from ledger.digests import digest
from ledger.time import now
from web.controls import first_control_id
from web.forms import add_errors
from web.problems import Conflict, Invalid


@login_required
@require_http_methods(["GET", "HEAD", "POST"])
def section(request: Request, reference: str, key: str) -> HttpResponse:
    """One section: what is saved of it, and saving it."""
    filing = find_for(request, reference, "save_section")
    try:
        description = SCHEMAS[filing.kind].section(key)
    except KeyError:
        raise Http404 from None
    row = filing.sections.get(key=key)
    make = _form_of(request, filing, description)
    if request.method != "POST":
        form = make(initial={**initial_of(description, row.content), "revision": row.revision})
        return _show(request, filing, description, form)
    form = make(request.POST)
    if form.is_valid():
        finished = "later" not in request.POST
        try:
            act.save_section(
                filing.pk,
                by=request.user,
                section=key,
                content=form.content(),
                revision=form.cleaned_data["revision"],
                finished=finished,
            )
        except act.SectionChanged as changed:
            return _tell_both(request, filing, description, form, changed.row)
        except Invalid as invalid:
            add_errors(form, Invalid({form.place(name): found for name, found in invalid.errors.items()}))
        else:
            return redirect(_onwards(request, filing, key, finished))
    return _show(request, filing, description, form, status=400)


def _form_of(request: Request, filing: Filing, description: Section) -> type[SectionForm]:
    own = EvidenceItem.objects.own(request.user).order_by("-pk").values_list("reference", "title")
    here = reverse("filing_section", args=[filing.reference, description.key])
    return section_form(
        description,
        filing.content(without=description.key),
        evidence=dict(own) if any(f.kind == "evidence" for f in description.fields) else {},
        add_evidence=f"{reverse('evidence_new')}?{urlencode({'next': here})}",
    )


def _show(
    request: Request, filing: Filing, description: Section, form: BaseForm, *, status: int = 200, **more: Any
) -> HttpResponse:
    review = _open_review(filing)
    keys = [s.key for s in SCHEMAS[filing.kind].sections]
    page = {
        "filing": filing,
        "section": description,
        "form": form,
        "reasons": [r for r in reasons_of(SCHEMAS[filing.kind], review) if r["key"] == description.key],
        "number": keys.index(description.key) + 1,
        "total": len(keys),
        "back": reverse("filing", args=[filing.reference]),
        **more,
    }
    return render(request, "disclosures/section.html", page, status=status)


def _open_review(filing: Filing) -> FilingReview | None:
    return filing.reviews.order_by("-pk").first() if filing.state in {"returned", "more_wanted"} else None


def _tell_both(
    request: Request, filing: Filing, description: Section, form: SectionForm, theirs: FilingSection
) -> HttpResponse:
    """Both answers side by side; the form keeps what was typed, and saving it again is a decision."""
    data: QueryDict = request.POST.copy()
    data["revision"] = str(theirs.revision)
    mine = form.content()
    names = {f.name for f in description.fields}
    titles = evidence_titles(request.user, filing, {**theirs.content, **mine})
    differing = changed_answers(SCHEMAS[filing.kind], theirs.content, mine, titles)
    again = type(form)(data)
    again.is_valid()
    rows = [answer for answer in differing if answer.name in names]
    who = f"Saved by {theirs.updated_by}"
    return _show(request, filing, description, again, status=409, theirs=theirs, differing=rows, theirs_title=who)


def _onwards(request: Request, filing: Filing, key: str, finished: bool) -> str:
    """Back to the answers if one came from there; else to the next section that needs work, or the task list."""
    tasks = reverse("filing", args=[filing.reference])
    if not finished:
        messages.success(request, "What you wrote is saved. You can come back to it later, on any device.")
        return tasks
    if request.GET.get("from") == "check":
        return reverse("filing_check", args=[filing.reference])
    keys = [s.key for s in SCHEMAS[filing.kind].sections]
    incomplete = act.missing(filing)
    after = (k for k in keys[keys.index(key) + 1 :] if k in incomplete)
    following = next(after, None)
    return reverse("filing_section", args=[filing.reference, following]) if following else tasks


@login_required
@require_http_methods(["GET", "HEAD", "POST"])
def check(request: Request, reference: str) -> HttpResponse:
    """All answers with what is missing, and the declaration that hands the filing in."""
    filing = find_for(request, reference, "save_section")
    if request.method != "POST":
        form = DeclarationForm(initial={"name": request.user.name, "seen": digest(act.declarable(filing))})
        return _show_check(request, filing, form)
    form = DeclarationForm(request.POST)
    received_at = now()  # the body has been read: nothing more is on its way
    if form.is_valid():
        given = form.cleaned_data
        try:
            act.submit(
                filing.pk,
                by=request.user,
                name=given["name"],
                capacity=given["capacity"],
                received_at=received_at,
                seen=given["seen"],
            )
        except Invalid as invalid:
            add_errors(form, invalid)
        except Conflict as conflict:
            conflict.back = conflict.back or request.path
            raise
        else:
            return redirect("filing_receipt", reference)
    return _show_check(request, filing, form, status=400)


def _show_check(request: Request, filing: Filing, form: DeclarationForm, *, status: int = 200) -> HttpResponse:
    schema, content, missing = SCHEMAS[filing.kind], act.declarable(filing), act.missing(filing)
    earlier = filing.versions.order_by("-number").first() or amended_version(filing)
    page = {
        "filing": filing,
        "form": form,
        "sections": answered(
            schema,
            content,
            evidence_titles(request.user, filing, content),
            before=earlier.content if earlier else None,
            link=lambda key: _change(filing, key),
        ),
        "missing": [_missing(request, filing, key, found) for key, found in missing.items()],
        "unverified": not_yet_verified(request.user, filing),
        "declaration": DECLARATION,
        "earlier": earlier,
        "back": reverse("filing", args=[filing.reference]),
    }
    return render(request, "disclosures/check.html", page, status=status)


def _change(filing: Filing, key: str) -> str:
    return reverse("filing_section", args=[filing.reference, key]) + "?from=check"


def _missing(request: Request, filing: Filing, key: str, found: dict[str, str]) -> dict[str, Any]:
    """What a section lacks, each with the address of the very control."""
    description = SCHEMAS[filing.kind].section(key)
    form = _form_of(request, filing, description)(initial=initial_of(description, filing.sections.get(key=key).content))
    rows = []
    for name, message in found.items():
        place = form.place(name)
        anchor = first_control_id(form[place]) if place in form.fields else ""
        rows.append(
            Answer(name, "", message, href=f"{_change(filing, key)}#{anchor}" if anchor else _change(filing, key))
        )
    return {"title": description.title, "rows": rows}
