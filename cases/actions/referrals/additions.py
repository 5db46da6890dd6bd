"""What is added to a referral after it was sent: answers that came late, and analyses made since."""

from __future__ import annotations

from django.urls import reverse

from accounts.models import User
from accounts.permissions import check
from cases.actions.deadlines import locked_case
from cases.models import Case, Exhibit, LateAddition, Referral, Response
from cases.rules import REFERRAL_RULES
from evidence.actions import grant
from evidence.models import FULL, Grant
from ledger.actions import action, record
from ledger.time import now
from monitoring.actions.analysis import show_analyses
from monitoring.models import Analysis, AnalysisGrant
from monitoring.models.analysis import AnalysisQuerySet
from notifications.actions import tell
from web.problems import Conflict


def add_late(case: Case, response: Response, exhibits: list[Exhibit], *, by: User | None) -> None:
    """Add an answer that came after the referral to it; a shared step, the caller holds the case's lock."""
    referral = case.referrals.select_related("authority").get(round=case.round)
    notice = response.notice
    if not notice.party.may_be_referred:
        return
    LateAddition.objects.create(referral=referral, response=response, at=now())
    sent = [e.item for e in exhibits if not e.item.privileged]
    grant(sent, referral.authority, FULL, by=by, reason=f"referral:{referral.pk}")
    there = Analysis.objects.finished().filter(item__in=sent)
    show_analyses(there, referral.authority, by=by, reason=f"referral:{referral.pk}")
    record(
        by,
        "referral.added_to",
        referral,
        audience=[referral.authority_id],
        notice=notice.reference,
        response=response.number,
    )
    _tell_of_addition(referral)


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
    _tell_of_addition(referral, analyses=len(analyses))
    return referral


def _tell_of_addition(referral: Referral, **more: int) -> None:
    tell(
        "referral_added_to",
        referral,
        organisations=[referral.authority_id],
        url=reverse("referral", args=[referral.reference]),
        reference=referral.reference,
        case=referral.case.reference,
        **more,
    )
