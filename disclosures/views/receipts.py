"""Receipts: the page, the PDF, and the public check of one."""

from __future__ import annotations

from typing import Any

from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.urls import reverse
from django.utils.http import urlencode
from django.views.decorators.http import require_safe

from disclosures.catalogue import DECLARATION, SCHEMAS
from disclosures.forms import ReceiptForm
from disclosures.models import FilingVersion
from disclosures.schema import follow_ups
from disclosures.views.answers import answered
from disclosures.views.page import Request, evidence_titles, find, seen_version
from web import pdf
from web.templatetags.candour import when

_NEXT = {
    "disclosure": (
        "A caseworker of the ministry reads your disclosure. It is accepted, or returned to you with reasons section "
        "by section. You are told by e-mail and on your notifications page."
    ),
    "allegation": (
        "The ministry acknowledges your allegation and decides whether to admit it, to ask you for more, or to reject "
        "it with reasons. You are told of each step by e-mail and on your notifications page. If it is admitted, the "
        "ministry can open a case."
    ),
}


@login_required
@require_safe
def receipt(request: Request, reference: str) -> HttpResponse:
    """What was received, when, and its fingerprint."""
    version = seen_version(request, find(request, reference))
    page = {
        "filing": version.filing,
        "version": version,
        "what_next": _NEXT[version.filing.kind],
        "proof": _proof(version),
        "promised": [
            {"label": SCHEMAS[version.filing.kind].field(name).label, "due_on": due_on}
            for name, due_on in follow_ups(SCHEMAS[version.filing.kind], version.content)
        ],
    }
    return render(request, "disclosures/receipt.html", page)


def _proof(version: FilingVersion) -> str:
    """The address where anybody who holds the receipt can check it."""
    holds = {"reference": version.filing.reference, "fingerprint": version.sha256}
    return f"{reverse('verify_receipt')}?{urlencode(holds)}"


@login_required
@require_safe
def receipt_pdf(request: Request, reference: str) -> HttpResponse:
    """The receipt with all answers, as a tagged PDF to keep."""
    version = seen_version(request, find(request, reference))
    titles = evidence_titles(request.user, version.filing, version.content)
    body = pdf.render("document.typ", _document(request, version, titles))
    name = f"{reference}-receipt-version-{version.number}.pdf"
    return HttpResponse(
        body, content_type="application/pdf", headers={"Content-Disposition": f'attachment; filename="{name}"'}
    )


def _document(request: Request, version: FilingVersion, titles: dict[str, str]) -> dict[str, Any]:
    filing = version.filing
    filer = filing.organisation
    sections = [
        {
            "title": section.title,
            "rows": [[a.label, _with_claim(a.text, a.claim)] for a in section.rows],
        }
        for section in answered(SCHEMAS[filing.kind], version.content, titles)
    ]
    return {
        "title": f"Receipt for {filing.get_kind_display().lower()} {filing.reference}",
        "reference": filing.reference,
        "issuer": "Candour",
        "footer": f"{filing.reference}, version {version.number}",
        "lines": [
            ["Filed by", f"{filer.name} ({filer.company_number})" if filer.company_number else filer.name],
            ["Received", when(version.received_at)],
            ["Version", version.number],
            ["Declared by", f"{version.declared_name}, {version.declared_capacity}"],
            ["Fingerprint of the answers (SHA-256)", version.sha256],
            ["Check this receipt at", request.build_absolute_uri(reverse("verify_receipt"))],
            ["Scheme", f"{filing.scheme.name}. {filing.scheme.status_line}"],
        ],
        "sections": [{"title": "Declaration", "paragraphs": [DECLARATION]}, *sections],
    }


def _with_claim(text: str, claim: str) -> str:
    said = text or "Not given"
    return f"{said}\n[Claimed to be confidential: {claim[0].lower()}{claim[1:]}]" if claim else said


@require_safe
def verify_receipt(request: HttpRequest) -> HttpResponse:
    """Public: is this fingerprint what was received under this reference, and when? Says nothing else to anybody."""
    asked = "reference" in request.GET or "fingerprint" in request.GET
    form = ReceiptForm(request.GET if asked else None)
    page: dict[str, Any] = {"form": form, "answered": False}
    if asked and form.is_valid():
        given = form.cleaned_data
        page["version"] = FilingVersion.objects.received_as(given["reference"], given["fingerprint"])
        page["answered"] = True
        page |= {"reference": given["reference"], "fingerprint": given["fingerprint"]}
    return render(request, "disclosures/verify_receipt.html", page, status=400 if form.errors else 200)
