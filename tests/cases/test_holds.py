"""What holds a deadline and lets it go again; what moves one that was thought fixed. Nothing holds a case for ever."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date, timedelta
from threading import Event
from typing import Any

import pytest

from cases import tasks
from cases.actions import answers, calendar, extensions, notices, service
from cases.actions import case as cases
from cases.actions.deadlines import rewrite
from cases.actions.exhibits import disclose
from cases.actions.referrals import making, steps
from cases.clock import end_of, evidence_period
from cases.models import Case, ExtensionRequest, Notice, ServiceDoubt
from ledger.models import Event as Happened
from ledger.time import now, standing_at
from notifications.actions import record_bounce
from notifications.models import Message
from tests.cases.world import MONDAY, World, answer, notice_to, open_case, world
from tests.cast import evidence_item, organisation, person
from web.problems import Conflict

pytestmark = pytest.mark.django_db(transaction=True)
DUE = end_of(date(2026, 10, 19))
SECOND = timedelta(seconds=1)
DAY = timedelta(days=1)


@pytest.fixture
def w() -> World:
    return world()


def fresh(case: Case) -> Case:
    return Case.objects.get(pk=case.pk)


def bounce(w: World, notice: Notice) -> None:
    letter = Message.objects.about(notice).filter(template="notice_issued").latest("pk")
    record_bounce(letter.pk, by=w.caseworker)
    tasks.run_all()
    assert notice.doubts.open().exists()


def longer(w: World, case: Case, day: date) -> None:
    """Give the complainant more time, so that the case stays open after the respondent's last day."""
    with standing_at(MONDAY + DAY):
        extensions.extend(notice_to(case, w.complainant).pk, by=w.caseworker, until_day=day, reasons="Fair")


def test_waived_notice_whose_service_was_in_doubt_holds_nothing(w: World) -> None:
    case = open_case(w)
    with standing_at(MONDAY + DAY):
        notice = notice_to(case, w.respondent)
        bounce(w, notice)
        notices.waive(notice.pk, by=w.supervisor, reason="Not needed")
    with standing_at(DUE):
        tasks.run_all()
    assert fresh(case).state == "referred"
    assert ServiceDoubt.objects.get().settlement == "not_needed"


def test_answer_settles_the_doubts_about_what_its_party_was_sent(w: World) -> None:
    company = organisation("Plover Ltd")
    seats = [cases.Seat(company.pk, "respondent", (notices.Ask("Was it you?"),))]
    with standing_at(MONDAY):
        case = cases.open_case(by=w.caseworker, title="t", subject="s", purpose="p", seats=seats)
        assert ServiceDoubt.objects.open().count() == 2, "Both notices: nobody was able to sign in."
        who = person(company, "company_admin")
    with standing_at(DUE + DAY):
        tasks.run_all()
        answer(case, who)
    response = notice_to(case, who).responses.get()
    assert not response.late, "While service is in doubt no period is held against the addressee."
    assert set(ServiceDoubt.objects.values_list("settlement", flat=True)) == {"answered"}
    with standing_at(DUE + DAY + SECOND):
        tasks.run_all()
    assert fresh(case).state == "referred"


def test_preservation_notice_in_doubt_does_not_hold_the_case(w: World) -> None:
    case = open_case(w)
    with standing_at(MONDAY + DAY):
        bounce(w, case.notices.get(party__organisation_id=w.respondent.organisation_id, kind="preservation"))
    with standing_at(DUE):
        tasks.run_all()
    assert fresh(case).state == "referred"


def test_resolved_case_leaves_no_doubt_behind(w: World) -> None:
    case = open_case(w)
    with standing_at(MONDAY + DAY):
        bounce(w, notice_to(case, w.respondent))
        cases.resolve(case.pk, by=w.supervisor, outcome="settled", reasons="They agreed")
    assert not ServiceDoubt.objects.open().exists()
    assert Happened.objects.about(case).filter(verb="notice.doubt_settled").count() == 1


def test_serving_a_missed_notice_again_gives_the_new_period(w: World) -> None:
    case = open_case(w)
    longer(w, case, date(2026, 10, 23))
    notice = notice_to(case, w.respondent)
    with standing_at(DUE):
        tasks.run_all()
        assert notice_to(case, w.respondent).state == "missed"
    again = DUE + DAY
    with standing_at(again):
        bounce(w, notice)
        service.serve_again(notice.pk, by=w.caseworker)
    ends = evidence_period(again, "england").expires_at
    notice = notice_to(case, w.respondent)
    assert (notice.state, notice.due_at, fresh(case).refers_at) == ("issued", ends, ends)
    with standing_at(ends - SECOND):
        tasks.run_all()
        assert fresh(case).state == "open"
        answer(case, w.respondent)
    assert notice_to(case, w.respondent).state == "answered"


def test_referral_by_hand_makes_no_miss_of_what_is_held(w: World) -> None:
    case = open_case(w)
    doubted, asked = notice_to(case, w.respondent), notice_to(case, w.complainant)
    with standing_at(MONDAY + DAY):
        bounce(w, doubted)
        extensions.request_extension(
            asked.pk, by=w.complainant, until_day=date(2026, 11, 2), reasons="Moving house", received_at=now()
        )
    with standing_at(DUE + DAY):
        tasks.run_all()
        referral = making.refer(case.pk, by=w.supervisor, reason="It cannot wait")
    assert referral is not None
    assert referral.sent["reasons"] == ["referred_early"]
    assert {notice_to(case, p).state for p in (w.respondent, w.complainant)} == {"issued"}
    assert not Happened.objects.about(case).filter(verb="notice.missed").exists()


def test_earlier_round_that_still_runs_moves_the_case(w: World) -> None:
    case = open_case(w)
    notice = notice_to(case, w.respondent)
    with standing_at(MONDAY + DAY):
        referral = making.refer(case.pk, by=w.supervisor, reason="It cannot wait")
        assert referral is not None
    with standing_at(MONDAY + 2 * DAY):
        steps.return_(referral.pk, by=w.officer, needed="More", needed_by=date(2026, 12, 1))
        extensions.extend(notice.pk, by=w.caseworker, until_day=date(2026, 11, 30), reasons="A big search")
    ends = end_of(date(2026, 11, 30))
    assert (fresh(case).round, fresh(case).refers_at) == (2, ends)
    with standing_at(ends):
        tasks.run_all()
    notice.refresh_from_db()
    assert (notice.state, fresh(case).state) == ("missed", "referred")


def test_request_about_an_earlier_round_holds_the_case(w: World) -> None:
    case = open_case(w)
    notice = notice_to(case, w.respondent)
    with standing_at(MONDAY + DAY):
        referral = making.refer(case.pk, by=w.supervisor, reason="It cannot wait")
        assert referral is not None
        steps.return_(referral.pk, by=w.officer, needed="More", needed_by=date(2026, 12, 1))
        extensions.request_extension(
            notice.pk, by=w.respondent, until_day=date(2026, 11, 30), reasons="A big search", received_at=now()
        )
    with standing_at(DUE + 9 * DAY):
        tasks.run_all()
        assert fresh(case).state == "open"
        extensions.refuse_extension(ExtensionRequest.objects.get().pk, by=w.caseworker, reasons="No")
        tasks.run_all()
    assert fresh(case).state == "referred"


def test_late_answer_is_taken_as_in_time_when_the_platform_was_down(w: World) -> None:
    case = open_case(w)
    longer(w, case, date(2026, 10, 23))
    with standing_at(DUE):
        tasks.run_all()
    with standing_at(DUE + timedelta(hours=1)):
        answer(case, w.respondent)
    assert notice_to(case, w.respondent).state == "answered_late"
    with standing_at(DUE + timedelta(hours=9)):
        calendar.record_outage(
            by=w.supervisor, started_at=DUE - timedelta(hours=3), ended_at=DUE + timedelta(minutes=5), reason="Power"
        )
        tasks.run_all()
        tasks.run_all()
    notice = notice_to(case, w.respondent)
    assert (notice.state, notice.due_at, notice.remind_at) == ("answered", end_of(date(2026, 10, 21)), None)
    assert notice.responses.get().late, "What was stamped at the time stays on record; the state says what it became."
    assert Happened.objects.about(case).filter(verb="notice.excused").count() == 1
    assert notice.adjustments.count() == 1


def test_answer_too_late_even_for_the_outage_stays_late(w: World) -> None:
    case = open_case(w)
    longer(w, case, date(2026, 10, 28))
    with standing_at(DUE + 3 * DAY):
        tasks.run_all()
        answer(case, w.respondent)
        calendar.record_outage(
            by=w.supervisor, started_at=DUE - timedelta(hours=3), ended_at=DUE - timedelta(hours=1), reason="Power"
        )
        tasks.run_all()
    assert notice_to(case, w.respondent).state == "answered_late"


def test_added_holiday_moves_an_extended_last_day(w: World) -> None:
    case = open_case(w)
    longer(w, case, date(2026, 10, 28))
    with standing_at(MONDAY + 2 * DAY):
        calendar.override_day(
            by=w.supervisor, day=date(2026, 10, 27), nation="", working=False, name="Not the last day"
        )
        assert notice_to(case, w.complainant).due_at == end_of(date(2026, 10, 28))
        calendar.override_day(by=w.supervisor, day=date(2026, 10, 28), nation="", working=False, name="Royal day")
    assert notice_to(case, w.complainant).due_at == end_of(date(2026, 10, 29))
    assert fresh(case).refers_at == end_of(date(2026, 10, 29))


def test_added_holiday_moves_the_end_of_a_new_round(w: World) -> None:
    case = open_case(w)
    with standing_at(DUE):
        tasks.run_all()
        steps.return_(case.referrals.get().pk, by=w.officer, needed="More", needed_by=date(2026, 12, 1))
        before = fresh(case).refers_at
        assert before is not None
        last = (before - SECOND).date()
        calendar.override_day(by=w.supervisor, day=last, nation="", working=False, name="Royal day")
    after = fresh(case).refers_at
    assert after is not None
    assert after > before


@pytest.mark.parametrize("locked", [True, False])
def test_period_computed_while_a_holiday_is_put_in_is_seen_by_one_side(
    w: World, concurrently: Callable[..., list[Any]], monkeypatch: pytest.MonkeyPatch, locked: bool
) -> None:
    """With its negative control: without the lock on the calendar the period ends on the holiday."""
    computed, proclaimed = Event(), Event()

    def pause_after_computing(case: Case) -> None:
        computed.set()
        proclaimed.wait(1)
        rewrite(case)

    def proclaim() -> None:
        assert computed.wait(10)
        calendar.override_day(by=w.supervisor, day=date(2026, 10, 19), nation="", working=False, name="Royal day")
        proclaimed.set()

    def begin() -> None:
        seats = [cases.Seat(w.respondent.organisation_id, "respondent", (notices.Ask("Was it you?"),))]
        cases.open_case(by=w.caseworker, title="t", subject="s", purpose="p", seats=seats)

    monkeypatch.setattr(cases, "rewrite", pause_after_computing)
    if not locked:
        for module in (cases, calendar):
            monkeypatch.setattr(module, "hold_calendar", lambda **_: None)
    with standing_at(MONDAY):
        assert concurrently(begin, proclaim) == [None, None]
    assert Notice.objects.open().get().due_at == (end_of(date(2026, 10, 20)) if locked else DUE)


@pytest.mark.parametrize("hold", ["doubt", "request"])
def test_nothing_is_disclosed_while_a_notice_may_be_given_more_time(w: World, hold: str) -> None:
    case = open_case(w)
    notice = notice_to(case, w.respondent)
    with standing_at(MONDAY + DAY):
        if hold == "doubt":
            bounce(w, notice)
        else:
            extensions.request_extension(
                notice.pk, by=w.respondent, until_day=date(2026, 11, 2), reasons="Moving", received_at=now()
            )
    with standing_at(DUE + DAY):
        tasks.run_all()
        with pytest.raises(Conflict, match="more time"):
            disclose(case.exhibits.get().pk, by=w.caseworker, party_id=notice.party_id)


def test_nothing_is_disclosed_in_a_new_round_that_asks_nobody_yet(w: World) -> None:
    case = open_case(w)
    with standing_at(DUE):
        tasks.run_all()
        steps.return_(case.referrals.get().pk, by=w.officer, needed="More", needed_by=date(2026, 12, 1))
        late = case.notices.get(party__organisation_id=w.respondent.organisation_id, kind="evidence", round=1)
        item = evidence_item(w.respondent)
        for question in late.questions.all():
            answers.save_answer(
                question.pk, by=w.respondent, how="answer", text="x", evidence=[item.reference], revision=0
            )
        answers.answer(late.pk, by=w.respondent, received_at=now())
        exhibit = case.exhibits.get(item=item)
        assert exhibit.round == 2
        with pytest.raises(Conflict, match="still running"):
            disclose(exhibit.pk, by=w.caseworker, party_id=case.parties.get(role="complainant").pk)


def test_team_of_a_colleague_is_not_written_over(w: World) -> None:
    case = open_case(w)
    seen = (w.caseworker.pk, None)
    cases.assign(case.pk, by=w.supervisor, officer_id=w.colleague.pk, deputy_id=w.supervisor.pk, seen=seen)
    with pytest.raises(Conflict, match="changed the team"):
        cases.assign(case.pk, by=w.caseworker, officer_id=w.caseworker.pk, deputy_id=None, seen=seen)
    assert fresh(case).officer_id == w.colleague.pk
