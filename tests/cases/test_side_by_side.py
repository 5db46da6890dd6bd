"""The usage logs of two parties side by side: of one case, of whole files, and without a word that accuses anybody."""

from __future__ import annotations

from typing import Any

import pytest
from django.db import transaction

from cases.models import Case
from ledger.time import standing_at
from monitoring.actions.analysis import analyse_for, begin, finish
from monitoring.models import Analysis
from tests.cases.world import MONDAY, World, answer, open_case, world
from tests.cast import signed_in
from tests.monitoring.logs import analysed

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("storage")]


@pytest.fixture
def w(settings: Any) -> World:
    settings.SECOND_FACTOR_REQUIRED = False
    return world()


def both_logs(w: World) -> Case:
    """A case in which both parties handed in a log."""
    case = open_case(w)
    answer(case, w.respondent, received_at=MONDAY, attach=True)
    return case


def read_both(w: World, case: Case) -> list[Analysis]:
    by = {w.complainant.organisation_id: w.complainant, w.respondent.organisation_id: w.respondent}
    return [analysed(e.item, by=by[e.item.organisation_id]) for e in case.exhibits.order_by("number")]


def made_for_other(w: World, of: Analysis) -> Analysis:
    """An analysis of the version that the respondent was shown."""
    with transaction.atomic():
        shown = analyse_for(of.item, w.respondent.organisation, by=w.caseworker, reason="test")
    assert begin(shown.pk) is not None
    done = finish(shown.pk, attempt=1, written=of.report.written, sha256=of.report.sha256, method_version="x")
    assert done is not None
    return done


def exhibits_of(w: World, case: Case) -> str:
    return signed_in(w.caseworker).get(f"/cases/{case.reference}/tabs/exhibits/").content.decode()


def test_the_exhibits_lead_to_the_logs_of_both_parties_of_this_case_and_no_other(w: World) -> None:
    with standing_at(MONDAY):
        case, elsewhere = both_logs(w), both_logs(w)
        assert "side by side" not in exhibits_of(w, case)
        read_both(w, case)
        first, second = read_both(w, case)  # the latest of each
        others = read_both(w, elsewhere)
        made_for_other(w, first)
        page = exhibits_of(w, case)
        assert page.count("/beside/") == 1
        assert f"/analyses/{first.pk}/beside/{second.pk}/" in page
        assert signed_in(w.caseworker).get(f"/analyses/{first.pk}/beside/{second.pk}/").status_code == 200
        for one in (first, second, *others):
            analysis = signed_in(w.caseworker).get(f"/analyses/{one.pk}/").content.decode()
            assert "/beside/" not in analysis, "the page of an analysis knows no case"
            assert "the exhibits of their case" in analysis
        assert (
            "the exhibits of their case" not in signed_in(w.complainant).get(f"/analyses/{first.pk}/").content.decode()
        )


def test_what_was_made_of_a_redacted_version_is_not_set_beside_a_whole_log(w: World) -> None:
    with standing_at(MONDAY):
        first, second = read_both(w, both_logs(w))
        shown = made_for_other(w, first)
        staff = signed_in(w.caseworker)
        for pair in ((shown.pk, second.pk), (second.pk, shown.pk)):
            assert staff.get("/analyses/{}/beside/{}/".format(*pair)).status_code == 404


def test_side_by_side_accuses_nobody_and_names_the_innocent_causes(w: World) -> None:
    with standing_at(MONDAY):
        first, second = read_both(w, both_logs(w))
        page = signed_in(w.caseworker).get(f"/analyses/{first.pk}/beside/{second.pk}/").content.decode()
    assert "one of them left something out" not in page
    for cause in ("lines were rejected", "rows are there twice", "clocks differ", "hashed with different keys"):
        assert cause in page
    assert "Of them in both (none where the parties hashed with different keys, even of the same traffic)" in page
