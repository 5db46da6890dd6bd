"""What is done to an exhibit from the page of its case: it is shown to another party, which may comment on it."""

from __future__ import annotations

from django.contrib.auth.decorators import login_required
from django.http import HttpResponse
from django.shortcuts import get_object_or_404
from django.urls import reverse

from accounts.models import SignedInRequest
from accounts.permissions import check
from cases.actions.exhibits import comment, disclose, show_analysis
from cases.forms import CommentForm, DiscloseForm, ShowAnalysisForm
from cases.models import Exhibit
from cases.rules import EXHIBIT_RULES
from cases.views.case import find, verb_page
from web.pages import form_page, sent


def _exhibit(request: SignedInRequest, pk: int) -> Exhibit:
    exhibits = Exhibit.objects.visible_to(request.user).select_related("case", "party__organisation", "item")
    return get_object_or_404(exhibits, pk=pk)


@login_required
def exhibit_disclose(request: SignedInRequest, pk: int) -> HttpResponse:
    exhibit = _exhibit(request, pk)
    return verb_page(
        request,
        find(request, exhibit.case.reference),
        "disclose",
        DiscloseForm(exhibit=exhibit, **sent(request)),
        lambda data: disclose(exhibit.pk, by=request.user, party_id=data["party"].pk),
        tab="exhibits",
        title=f"Disclose exhibit {exhibit.label}",
        intro="The party is shown the non-confidential version only, and may comment on it.",
        submit="Disclose",
        done="The exhibit is disclosed.",
    )


@login_required
def exhibit_show_analysis(request: SignedInRequest, pk: int) -> HttpResponse:
    exhibit = _exhibit(request, pk)
    return verb_page(
        request,
        find(request, exhibit.case.reference),
        "show_analysis",
        ShowAnalysisForm(exhibit=exhibit, **sent(request)),
        lambda data: show_analysis(exhibit.pk, by=request.user, party_id=data["party"].pk),
        tab="exhibits",
        title=f"Show the analysis of exhibit {exhibit.label}",
        intro="The version that was disclosed to the party is analysed for it. Of the authorisations on record only those "
        "between it and the log’s owner are compared. The owner reads that report too.",
        submit="Show the analysis",
        done="The analysis has been asked for. The party reads it as soon as it is finished.",
    )


@login_required
def exhibit_comment(request: SignedInRequest, pk: int) -> HttpResponse:
    exhibit = _exhibit(request, pk)
    check(request.user, EXHIBIT_RULES["comment"], exhibit)
    return form_page(
        request,
        CommentForm(**sent(request)),
        lambda data: comment(exhibit.pk, by=request.user, **data),
        title=f"Comment on exhibit {exhibit.label}",
        submit="Send the comment",
        back=reverse("case", args=[exhibit.case.reference]),
        done="Your comment is with the ministry.",
    )
