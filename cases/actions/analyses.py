"""Analyses that were made after a case was referred: the authority sees them once somebody sends them."""

from __future__ import annotations

from django.urls import reverse

from accounts.models import User
from accounts.permissions import check
from cases.actions.deadlines import locked_case
from cases.models import Referral
from cases.rules import REFERRAL_RULES
from evidence.models import Grant
from ledger.actions import action, record
from monitoring.actions.analysis import show_analyses
from monitoring.models import Analysis, AnalysisGrant
from monitoring.models.analysis import AnalysisQuerySet
from notifications.actions import tell
from web.problems import Conflict


def analyses_since(referral: Referral) -> AnalysisQuerySet:
    """Finished analyses of what the authority was sent that it was not sent itself: they were made afterwards."""
    reason = f"referral:{referral.pk}"
    items = Grant.objects.current().filter(organisation=referral.authority, reason=reason).values("item")
    sent = AnalysisGrant.objects.filter(organisation=referral.authority, reason=reason).values("analysis")
    return Analysis.objects.finished().filter(item__in=items).exclude(pk__in=sent)


@action
def add_analyses(referral_id: int, *, by: User) -> Referral:
    """Send the authority the analyses of its exhibits that were made since it was referred. Raises Conflict for none."""
    found = Referral.objects.get(pk=referral_id)
    locked_case(found.case_id)
    referral = Referral.objects.select_related("authority").get(pk=referral_id)
    check(by, REFERRAL_RULES["add_analyses"], referral)
    analyses = list(analyses_since(referral))
    if not analyses:
        raise Conflict("Every analysis that there is has been sent already.")
    show_analyses(analyses, referral.authority, by=by, reason=f"referral:{referral.pk}")
    record(
        by,
        "referral.analyses_added",
        referral,
        audience=[referral.authority_id],
        analyses=[one.pk for one in analyses],
        sha256=[one.report.sha256 for one in analyses],
    )
    tell(
        "referral_added_to",
        referral,
        organisations=[referral.authority_id],
        url=reverse("referral", args=[referral.reference]),
        reference=referral.reference,
        case=referral.case.reference,
        analyses=len(analyses),
    )
    return referral
