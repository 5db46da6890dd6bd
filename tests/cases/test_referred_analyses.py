"""What of analyses goes with a referral: those that are there, and later ones only when somebody sends them."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from django.core.exceptions import PermissionDenied

from cases.actions.referrals.additions import add_analyses
from cases.actions.referrals.making import refer
from cases.actions.referrals.steps import withdraw
from cases.models import Case, Referral
from ledger.models import Event
from ledger.time import now, standing_at
from monitoring.models import Analysis
from tests.cases.world import MONDAY, World, answer, notice_to, open_case, world
from tests.cast import signed_in
from tests.monitoring.logs import analysed
from web.problems import Conflict

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("storage")]


@pytest.fixture
def w(settings: Any) -> World:
    settings.SECOND_FACTOR_REQUIRED = False
    return world()


def referred(w: World, case: Case) -> Referral:
    referral = refer(case.pk, by=w.supervisor, reason="It cannot wait")
    assert referral is not None
    return referral


def seen_by(w: World) -> list[int]:
    return list(Analysis.objects.visible_to(w.officer).order_by("pk").values_list("pk", flat=True))


def test_authority_is_sent_what_there_is_and_sees_later_ones_once_they_are_sent(w: World) -> None:
    with standing_at(MONDAY + timedelta(days=1)):
        case = open_case(w, at=now())
        item = case.exhibits.get().item
        first = analysed(item, by=w.complainant)
        assert seen_by(w) == []
        referral = referred(w, case)
        sent = {"id": first.pk, "reference": item.reference, "sha256": first.report.sha256}
        assert referral.sent["analyses"] == [sent]
        assert seen_by(w) == [first.pk]
        later = analysed(item, by=w.complainant)
        authority, url = signed_in(w.officer), f"/referrals/{referral.reference}/"
        page = authority.get(url).content.decode()
        assert f"/analyses/{first.pk}/" in page
        assert first.report.sha256 in page
        assert f"/analyses/{later.pk}/" not in page
        assert "add-analyses" not in page
        assert authority.get(f"/analyses/{first.pk}/report.json").content.decode() == first.report.written
        assert authority.get(f"/analyses/{later.pk}/").status_code == 404
        assert f"/analyses/{later.pk}/" not in authority.get(f"/evidence/{item.reference}/analyses/").content.decode()
        with pytest.raises(PermissionDenied):
            add_analyses(referral.pk, by=w.officer)
        staff = signed_in(w.caseworker)
        assert "1 more was made since" in staff.get(url).content.decode()
        assert staff.post(f"{url}add-analyses/").status_code == 302
        assert seen_by(w) == [first.pk, later.pk]
        assert "Added " in authority.get(url).content.decode()
        event = Event.objects.get(verb="referral.analyses_added")
        assert event.details["analyses"] == [later.pk]
        referral.refresh_from_db()
        assert referral.sent["analyses"] == [sent], "what was sent then stays as it was"
        with pytest.raises(Conflict):
            add_analyses(referral.pk, by=w.caseworker)


def test_after_withdrawal_the_authority_sees_no_analysis(w: World) -> None:
    with standing_at(MONDAY + timedelta(days=1)):
        case = open_case(w, at=now())
        analysed(case.exhibits.get().item, by=w.complainant)
        referral = referred(w, case)
        assert seen_by(w)
        withdraw(referral.pk, by=w.supervisor, reason="It can")
        assert seen_by(w) == []


def test_what_is_withheld_has_no_analysis_sent(w: World) -> None:
    with standing_at(MONDAY + timedelta(days=1)):
        case = open_case(w, at=now(), referral=False)
        analysed(case.exhibits.get().item, by=w.complainant)
        referral = referred(w, case)
        assert (referral.sent["withheld"], referral.sent["analyses"]) == (1, [])
        assert seen_by(w) == []


def test_an_answer_that_comes_late_brings_its_analyses(w: World) -> None:
    case = open_case(w)
    with standing_at(MONDAY + timedelta(days=40)):
        referred(w, case)
        answer(case, w.respondent, attach=True)
        notice = notice_to(case, w.respondent)
        item = case.exhibits.get(response__notice=notice).item
        assert seen_by(w) == []
        done = analysed(item, by=w.respondent)
        referral = case.referrals.get()
        add_analyses(referral.pk, by=w.caseworker)
        assert seen_by(w) == [done.pk]
