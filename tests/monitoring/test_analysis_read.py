"""Who reads another's analysis is on record, as for the file itself; the owner's own reading is not, nor a refused one."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest
from django.db import transaction

from evidence.actions import grant
from evidence.models import FULL, NON_CONFIDENTIAL, EvidenceItem
from ledger.models import Event
from monitoring.actions.analysis import (
    analyse_for,
    begin,
    finish,
    read_analysis,
    request_analysis,
    show_analyses,
)
from monitoring.models import Analysis
from tests.cast import signed_in
from tests.evidence.conftest import world
from tests.monitoring.logs import analysed
from tests.monitoring.test_analysis import item_of
from tests.monitoring.test_analysis_api import program

__all__ = ["world"]
pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("storage", "one_factor")]
SHAPES = ["", "report.json", "report.csv", "report.pdf", "authorisations.json"]


@pytest.fixture
def one_factor(settings: Any) -> None:
    settings.SECOND_FACTOR_REQUIRED = False


@pytest.fixture
def item(world: SimpleNamespace) -> EvidenceItem:
    return item_of(world, b"what was read is another log")


@pytest.fixture
def done(world: SimpleNamespace, item: EvidenceItem) -> Analysis:
    return analysed(item, by=world.officer)


def shown_to_rival(world: SimpleNamespace, item: EvidenceItem, done: Analysis) -> Analysis:
    """An analysis of the version that the rival was shown."""
    with transaction.atomic():
        grant([item], world.rival, projection=NON_CONFIDENTIAL, reason="test", by=world.caseworker)
        shown = analyse_for(item, world.rival, by=world.caseworker, reason="test")
    assert begin(shown.pk) is not None
    kept = {"written": done.report.written, "sha256": done.report.sha256, "method_version": "x"}
    finished = finish(shown.pk, attempt=1, **kept)
    assert finished is not None
    return finished


def read() -> list[tuple[Any, ...]]:
    found = Event.objects.filter(verb="evidence.analysis_read").order_by("pk")
    return [(e.actor, e.reference, e.details["analysis"], e.details["shape"], e.audience) for e in found]


def test_the_ministry_s_reading_is_on_record_in_every_shape(
    world: SimpleNamespace, item: EvidenceItem, done: Analysis
) -> None:
    browser = signed_in(world.caseworker)
    for shape in SHAPES:
        assert browser.get(f"/analyses/{done.pk}/{shape}").status_code == 200
    shapes = ["page", "json", "csv", "pdf", "authorisations"]
    # Which official looked at it when is the ministry's to know, as for the file.
    assert read() == [(world.caseworker, item.reference, done.pk, shape, []) for shape in shapes]
    assert {e.details["version"] for e in Event.objects.filter(verb="evidence.analysis_read")} == {FULL}


def test_the_page_that_waited_for_a_report_reads_nothing_of_it(world: SimpleNamespace, done: Analysis) -> None:
    browser = signed_in(world.caseworker)
    answer = browser.get(f"/analyses/{done.pk}/", headers={"hx-request": "true"})
    assert (answer.content, answer.headers["HX-Refresh"], read()) == (b"", "true", [])
    assert browser.get(f"/analyses/{done.pk}/").status_code == 200
    assert len(read()) == 1


def test_two_side_by_side_are_two_that_were_read(world: SimpleNamespace, item: EvidenceItem, done: Analysis) -> None:
    other = analysed(item_of(world, b"another"), by=world.officer)
    assert signed_in(world.supervisor).get(f"/analyses/{done.pk}/beside/{other.pk}/").status_code == 200
    assert [(pk, shape) for _, _, pk, shape, _ in read()] == [(done.pk, "comparison"), (other.pk, "comparison")]


def test_a_program_s_reading_is_on_record(world: SimpleNamespace, item: EvidenceItem, done: Analysis) -> None:
    theirs = program(world, world.caseworker, "evidence:read")
    for what in ("report", "authorisations"):
        assert theirs.get(f"/api/v1/analyses/{done.pk}/{what}/").status_code == 200
    assert [(by.is_service, shape) for by, _, _, shape, _ in read()] == [(True, "json"), (True, "authorisations")]
    assert theirs.get(f"/api/v1/analyses/{done.pk}/").status_code == 200
    assert len(read()) == 2, "how far it is says nothing of accounts"


def test_what_is_counted_beside_disclosures_is_read_on_record(
    world: SimpleNamespace, item: EvidenceItem, done: Analysis
) -> None:
    theirs = program(world, world.caseworker, "alerts:read")
    assert theirs.get(f"/api/v1/analyses/{done.pk}/declared/").status_code == 200
    assert [(by.is_service, shape) for by, _, _, shape, _ in read()] == [(True, "declared")]
    assert (
        program(world, world.rival_officer, "evidence:read").get(f"/api/v1/analyses/{done.pk}/declared/").status_code
        == 403
    )
    assert len(read()) == 1


def test_the_authority_s_reading_is_on_record(world: SimpleNamespace, item: EvidenceItem, done: Analysis) -> None:
    with transaction.atomic():
        grant([item], world.authority, projection=FULL, reason="test", by=world.caseworker)
        show_analyses([done], world.authority, by=world.caseworker, reason="test")
    assert signed_in(world.authority_officer).get(f"/analyses/{done.pk}/").status_code == 200
    assert read() == [(world.authority_officer, item.reference, done.pk, "page", [])]


def test_the_owner_is_told_that_another_party_read_what_was_made_for_it(
    world: SimpleNamespace, item: EvidenceItem, done: Analysis
) -> None:
    shown = shown_to_rival(world, item, done)
    assert signed_in(world.rival_officer).get(f"/analyses/{shown.pk}/").status_code == 200
    assert read() == [(world.rival_officer, item.reference, shown.pk, "page", [world.company.pk])]
    page = signed_in(world.officer).get(f"/evidence/{item.reference}/").content.decode()
    assert "Its analysis was read" in page
    assert "another party" in page
    for name in (world.rival.name, world.rival_officer.name):
        assert name not in page
    assert "Its analysis was read" in signed_in(world.caseworker).get(f"/evidence/{item.reference}/").content.decode()


def test_the_owner_s_own_reading_is_not_on_record(world: SimpleNamespace, item: EvidenceItem, done: Analysis) -> None:
    shown = shown_to_rival(world, item, done)
    browser = signed_in(world.colleague)
    for pk in (done.pk, shown.pk):
        assert browser.get(f"/analyses/{pk}/").status_code == 200
    for shape in SHAPES:
        assert browser.get(f"/analyses/{done.pk}/{shape}").status_code == 200
    assert program(world, world.officer, "evidence:read").get(f"/api/v1/analyses/{done.pk}/report/").status_code == 200
    assert read() == []


def test_a_refused_reading_is_not_on_record(world: SimpleNamespace, item: EvidenceItem, done: Analysis) -> None:
    with transaction.atomic():
        grant([item], world.rival, projection=NON_CONFIDENTIAL, reason="test", by=world.caseworker)
    browser = signed_in(world.rival_officer)
    for shape in (*SHAPES, f"beside/{done.pk}/"):
        assert browser.get(f"/analyses/{done.pk}/{shape}").status_code == 404
    rival = program(world, world.rival_officer, "evidence:read")
    assert rival.get(f"/api/v1/analyses/{done.pk}/report/").status_code == 404
    with pytest.raises(Analysis.DoesNotExist):
        read_analysis(done.pk, by=world.rival_officer, shape="page")
    assert read() == []


def test_what_is_not_done_has_nothing_to_read(world: SimpleNamespace, item: EvidenceItem) -> None:
    waiting = request_analysis(item.pk, by=world.officer)
    browser = signed_in(world.caseworker)
    assert browser.get(f"/analyses/{waiting.pk}/").status_code == 200
    assert browser.get(f"/analyses/{waiting.pk}/report.json").status_code == 404
    beside = program(world, world.caseworker, "alerts:read").get(f"/api/v1/analyses/{waiting.pk}/declared/")
    assert (beside.status_code, beside.json()["results"]) == (200, [])
    assert read() == []


def test_the_auditor_sees_who_read_another_s_analysis(world: SimpleNamespace, done: Analysis) -> None:
    assert signed_in(world.caseworker).get(f"/analyses/{done.pk}/").status_code == 200
    page = signed_in(world.auditor).get("/").content.decode()
    assert "Reads of another’s analysis" in page
    assert f"evidence.analysis_read {done.item.reference}" in page
    assert f"by {world.caseworker.name}" in page
