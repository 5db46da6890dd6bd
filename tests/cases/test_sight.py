"""What a party learns of the other side, and what an official with a conflict of interest no longer sees or is told."""

from __future__ import annotations

import re
from datetime import date, timedelta
from pathlib import Path

import pytest
from django.utils.html import strip_tags

from accounts.actions import deactivate
from accounts.models import User
from cases import tasks
from cases.actions import answers, extensions, notices, service
from cases.actions import case as cases
from cases.actions.exhibits import disclose
from cases.actions.referrals import steps
from cases.clock import end_of
from cases.models import Case, Exhibit, Service
from config import acts
from disclosures import actions as filings
from disclosures.models import Filing
from evidence.models import EvidenceItem
from ledger.time import now, standing_at
from notifications.actions import record_bounce
from notifications.models import Message
from tests.cases.world import MONDAY, World, answer, notice_to, open_case, world
from tests.cast import a_file, evidence_item, signed_in

pytestmark = pytest.mark.django_db(transaction=True)
DUE = end_of(date(2026, 10, 19))
SECOND = timedelta(seconds=1)
DAY = timedelta(days=1)


@pytest.fixture
def w() -> World:
    return world()


def said(user: User, path: str) -> str:
    page = signed_in(user).get(path)
    assert page.status_code == 200
    return re.sub(r"\s+", " ", strip_tags(page.content.decode()))


def hand_in(w: World, case: Case, item: EvidenceItem) -> Exhibit:
    notice = notice_to(case, w.complainant)
    for question in notice.questions.all():
        answers.save_answer(
            question.pk, by=w.complainant, how="answer", text="x", evidence=[item.reference], revision=0
        )
    answers.answer(notice.pk, by=w.complainant, received_at=now())
    return case.exhibits.get(item=item)


def test_party_does_not_learn_what_holds_the_other_sides_notice(w: World) -> None:
    case = open_case(w)
    path = f"/cases/{case.reference}/"
    with standing_at(MONDAY + DAY):
        extensions.request_extension(
            notice_to(case, w.respondent).pk,
            by=w.respondent,
            until_day=date(2026, 11, 2),
            reasons="Moving house",
            received_at=now(),
        )
        assert "a request for more time waits for a decision" in said(w.respondent, path)
        other = said(w.complainant, path)
        assert "more time waits" not in other
        assert "The ministry has something to settle first" in other
        assert "a request for more time waits for a decision" in said(w.caseworker, path)


def test_party_does_not_learn_from_the_referral_whether_the_other_side_answered(w: World) -> None:
    case = open_case(w)
    with standing_at(MONDAY + DAY):
        answer(case, w.complainant)
    with standing_at(DUE + SECOND):
        tasks.run_all()
        path = f"/cases/{case.reference}/"
        assert "did not answer in time" in said(w.caseworker, path)
        for party in (w.complainant, w.respondent):
            page = said(party, path)
            assert "Referred to the competition authority" in page
            assert "party did not answer" not in page.lower()


def test_exhibit_disclosed_in_one_case_is_not_thereby_disclosed_in_another(w: World, storage: Path) -> None:
    first = open_case(w)
    item = evidence_item(w.complainant)
    with standing_at(MONDAY + DAY):
        exhibit = hand_in(w, first, item)
    with standing_at(DUE + DAY):
        disclose(exhibit.pk, by=w.caseworker, party_id=first.parties.get(role="respondent").pk)
    second = open_case(w, at=DUE + DAY)
    with standing_at(DUE + 2 * DAY):
        hand_in(w, second, item)
        assert Exhibit.objects.visible_to(w.respondent).filter(case=first).exists()
        assert not Exhibit.objects.visible_to(w.respondent).filter(case=second, item=item).exists()


def test_public_version_is_what_goes_out_even_without_a_claim(w: World, storage: Path) -> None:
    case = open_case(w)
    whole, public = b"account,requests\nHeron Ltd,412\n", b"account,requests\nA,hundreds\n"
    item = evidence_item(
        w.complainant,
        limb="none",
        confidentiality_reason="",
        file=a_file("full.csv", whole),
        public_file=a_file("public.csv", public),
    )
    with standing_at(MONDAY + DAY):
        exhibit = hand_in(w, case, item)
    with standing_at(DUE + DAY):
        disclose(exhibit.pk, by=w.caseworker, party_id=case.parties.get(role="respondent").pk)
        path = f"/evidence/{item.reference}/download/non-confidential/"
        response = signed_in(w.respondent).get(path)
        assert b"".join(response.streaming_content) == public  # type: ignore[attr-defined]
        assert item.public_sha256 in said(w.respondent, f"/evidence/{item.reference}/")


def test_privileged_exhibit_is_not_disclosed(w: World, storage: Path) -> None:
    case = open_case(w)
    item = evidence_item(w.complainant, privileged=True)
    with standing_at(MONDAY + DAY):
        exhibit = hand_in(w, case, item)
    with standing_at(DUE + DAY), pytest.raises(cases.Invalid, match="no version"):
        disclose(exhibit.pk, by=w.caseworker, party_id=case.parties.get(role="respondent").pk)


def from_a_disclosure(w: World) -> tuple[Case, Filing, EvidenceItem]:
    item = acts.give_evidence(w.complainant, "Gateway log")
    content = {**acts.disclosure_content(77), "filer_reference": "Z-1", "evidence": [item.reference]}
    filing = acts.file_it("disclosure", w.complainant, content)
    filings.accept(filing.pk, by=w.caseworker)
    seats = [cases.Seat(w.respondent.organisation_id, "respondent", (notices.Ask("Was it you?"),))]
    case = cases.open_case(by=w.caseworker, title="t", subject="s", purpose="p", source_id=filing.pk, seats=seats)
    return case, filing, item


def test_conflict_covers_the_filing_its_evidence_and_its_amendments(w: World, storage: Path) -> None:
    with standing_at(MONDAY):
        case, filing, item = from_a_disclosure(w)
        assert not case.exhibits.exists(), "The filer is no party, so its evidence is no exhibit."
        assert EvidenceItem.objects.visible_to(w.colleague).filter(pk=item.pk).exists() == bool(item.submitted_at)
        cases.declare_conflict(case.pk, by=w.colleague, reason="My sister works there")
        amendment = filings.amend(filing.pk, by=w.complainant)
        filings.submit(amendment.pk, by=w.complainant, name="n", capacity="c", received_at=now())
        for found in (filing, amendment):
            assert Filing.objects.visible_to(w.caseworker).filter(pk=found.pk).exists()
            assert not Filing.objects.visible_to(w.colleague).filter(pk=found.pk).exists()
        assert not EvidenceItem.objects.visible_to(w.colleague).exists()


def test_conflict_about_a_filing_goes_on_in_the_next_case_from_it(w: World) -> None:
    case = open_case(w)
    cases.declare_conflict(case.pk, by=w.colleague, reason="My sister works there")
    with standing_at(MONDAY + DAY):
        cases.resolve(case.pk, by=w.supervisor, outcome="out_of_scope", reasons="Not this scheme")
        seats = [
            cases.Seat(w.complainant.organisation_id, "complainant", (notices.Ask("How do you know?"),)),
            cases.Seat(w.respondent.organisation_id, "respondent", (notices.Ask("Was it you?"),)),
        ]
        again = cases.open_case(
            by=w.caseworker, title="t", subject="s", purpose="p", source_id=case.source_id, seats=seats
        )
    assert not Case.objects.visible_to(w.colleague).filter(pk=again.pk).exists()


def test_supervisor_with_a_conflict_is_told_nothing_more(w: World) -> None:
    case = open_case(w)
    with standing_at(MONDAY + DAY):
        cases.declare_conflict(case.pk, by=w.supervisor, reason="My sister works there")
        notice = notice_to(case, w.respondent)
        record_bounce(Message.objects.about(notice).get(template="notice_issued").pk, by=w.caseworker)
        tasks.run_all()
        service.serve_again(notice.pk, by=w.caseworker)
    for days in range(30):
        with standing_at(DUE + days * DAY):
            tasks.run_all()
    steps.acknowledge(case.referrals.get().pk, by=w.officer)
    assert Message.objects.filter(template="case_referred_staff").exists()
    assert not Message.objects.filter(user=w.supervisor).exists()


def test_officer_who_left_is_told_nothing_and_the_supervisors_are(w: World) -> None:
    case = open_case(w)
    with standing_at(MONDAY + DAY):
        deactivate(w.caseworker.pk, by=w.supervisor)
        answer(case, w.respondent)
    told = Message.objects.filter(template="answer_to_read").values_list("user", flat=True)
    assert list(told) == [w.supervisor.pk]


def test_copy_of_a_proof_that_is_gone_is_said_and_is_no_crash(w: World, storage: Path) -> None:
    case = open_case(w)
    notice = notice_to(case, w.respondent)
    with standing_at(MONDAY + DAY):
        record_bounce(Message.objects.about(notice).get(template="notice_issued").pk, by=w.caseworker)
        tasks.run_all()
        file = a_file("proof.txt", b"signed for")
        service.record_service(
            notice.pk, by=w.caseworker, method="post", served_at=now(), proof="Royal Mail", file=file
        )
    served = Service.objects.get()
    path = f"/services/{served.pk}/proof/"
    copy = signed_in(w.caseworker).get(path)
    assert (copy.status_code, b"".join(copy.streaming_content)) == (200, b"signed for")  # type: ignore[attr-defined]
    (storage / str(served.proof_file.name)).unlink()
    assert signed_in(w.caseworker).get(path).status_code == 409
