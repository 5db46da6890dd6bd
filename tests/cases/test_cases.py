"""Cases: opening, answering, deciding, referring, and what holds or moves a deadline."""

from __future__ import annotations

from datetime import date, timedelta

import pytest
from django.core.exceptions import PermissionDenied

from accounts.actions import deactivate, invite
from cases import tasks
from cases.actions import answers, calendar, extensions, notices, service
from cases.actions import case as cases
from cases.actions.exhibits import comment, disclose
from cases.actions.referrals import making, snapshot, steps
from cases.clock import end_of, evidence_period
from cases.models import Case, Exhibit, ExtensionRequest, Notice, Referral
from evidence.models import EvidenceItem
from ledger.models import Event
from ledger.time import now, standing_at
from notifications.actions import record_bounce
from notifications.models import Message
from tests.cases.world import MONDAY, World, answer, notice_to, open_case, world
from web.problems import Conflict, Invalid

pytestmark = pytest.mark.django_db(transaction=True)
DUE = end_of(date(2026, 10, 19))
SECOND = timedelta(seconds=1)


@pytest.fixture
def w() -> World:
    return world()


def fresh(obj: object) -> object:
    return type(obj).objects.get(pk=obj.pk)  # type: ignore[attr-defined]


def verbs(case: Case) -> list[str]:
    return list(Event.objects.about(case).values_list("verb", flat=True))


def test_open_issues_two_notices_to_each_party_with_fourteen_days(w: World) -> None:
    case = open_case(w)
    assert sorted(case.notices.values_list("kind", "state")) == [
        ("evidence", "issued"),
        ("evidence", "issued"),
        ("preservation", "issued"),
        ("preservation", "issued"),
    ]
    notice = notice_to(case, w.respondent)
    assert (notice.served_on, notice.last_day, notice.due_at) == (date(2026, 10, 5), date(2026, 10, 19), DUE)
    assert notice.trace[-1] == {"day": "2026-10-19", "counted": "last", "why": notice.trace[-1]["why"]}
    assert case.refers_at == DUE
    assert case.relied_on == case.source.latest  # type: ignore[union-attr]
    assert [e.label for e in case.exhibits.all()] == ["001"]
    assert Message.objects.about(notice).filter(template="notice_issued").count() == 1


def test_open_needs_an_admitted_source_and_only_one_case(w: World) -> None:
    case = open_case(w)
    seats = [cases.Seat(w.respondent.organisation_id, "respondent", (notices.Ask("Why?"),))]
    words = {"title": "Again", "subject": "s", "purpose": "p"}
    with pytest.raises(Conflict, match="There is a case already"):
        cases.open_case(by=w.caseworker, seats=seats, source_id=case.source_id, **words)
    with pytest.raises(PermissionDenied):
        cases.open_case(by=w.complainant, seats=seats, **words)
    with pytest.raises(Invalid):
        cases.open_case(by=w.caseworker, seats=[], **words)


@pytest.mark.parametrize(
    ("offset", "state", "late"), [(-SECOND, "answered", False), (timedelta(0), "answered_late", True)]
)
def test_answer_is_judged_by_when_its_last_byte_arrived(w: World, offset: timedelta, state: str, late: bool) -> None:
    case = open_case(w)
    with standing_at(DUE + timedelta(minutes=5)):
        answer(case, w.respondent, received_at=DUE + offset)
    notice = notice_to(case, w.respondent)
    assert (notice.state, notice.responses.get().late) == (state, late)


def test_answer_in_time_corrects_a_miss_that_was_already_stamped(w: World) -> None:
    case = open_case(w)
    with standing_at(DUE):
        tasks.run_all()
    assert notice_to(case, w.respondent).state == "missed"
    with standing_at(DUE + SECOND):
        answer(case, w.respondent, received_at=DUE - SECOND, attach=True)
    assert notice_to(case, w.respondent).state == "answered"
    assert "notice.miss_corrected" in verbs(case)
    # The case had gone by then: what came in time is added to the referral, and the authority sees its exhibit.
    referral = case.referrals.get()
    assert referral.additions.count() == 1
    assert EvidenceItem.objects.visible_to(w.officer).count() == 2


def test_answer_needs_every_question(w: World) -> None:
    case = open_case(w)
    notice = notice_to(case, w.respondent)
    with pytest.raises(Invalid):
        answers.answer(notice.pk, by=w.respondent, received_at=MONDAY)
    question = notice.questions.get(number=1)
    answers.save_answer(question.pk, by=w.respondent, how="not_held", where_held="", why_not_held="", revision=0)
    assert [q.number for q in answers.unanswered(notice)] == [1, 2]


def test_answer_of_a_colleague_is_not_overwritten(w: World) -> None:
    case = open_case(w)
    question = notice_to(case, w.respondent).questions.get(number=1)
    answers.save_answer(question.pk, by=w.respondent, how="answer", text="first", revision=0)
    with pytest.raises(answers.AnswerChanged) as changed:
        answers.save_answer(question.pk, by=w.respondent, how="answer", text="second", revision=0)
    assert changed.value.draft.text == "first"


def test_sweep_at_the_due_instant_stamps_and_refers_with_the_legal_instant(w: World) -> None:
    case = open_case(w)
    with standing_at(DUE - SECOND):
        tasks.run_all()
        assert fresh(case).state == "open"  # type: ignore[attr-defined]
    with standing_at(DUE + timedelta(hours=9)):
        tasks.run_all()
    assert fresh(case).state == "referred"  # type: ignore[attr-defined]
    missed = Event.objects.about(case).filter(verb="notice.missed")
    assert {(e.at, e.detected_at) for e in missed} == {(DUE, DUE + timedelta(hours=9))}
    referral = case.referrals.get()
    assert (referral.referred_at, referral.queued_at) == (DUE, DUE + timedelta(hours=9))
    assert referral.sent["reasons"] == ["deadline_missed"]
    # A referral never precedes the miss it rests on.
    order = [v for v in verbs(case) if v in {"notice.missed", "case.referred"}]
    assert order == ["notice.missed", "notice.missed", "case.referred"]


def test_timely_request_holds_and_its_refusal_lets_go(w: World) -> None:
    case = open_case(w)
    with standing_at(DUE - timedelta(days=1)):
        request = extensions.request_extension(
            notice_to(case, w.respondent).pk,
            by=w.respondent,
            until_day=date(2026, 10, 30),
            reasons="Moving house",
            received_at=now(),
        )
    with standing_at(DUE + timedelta(days=3)):
        tasks.run_all()
        assert fresh(case).state == "open"  # type: ignore[attr-defined]
        assert notice_to(case, w.respondent).state == "issued"
        assert notice_to(case, w.complainant).state == "missed"
        assert ExtensionRequest.objects.get().escalated_at is not None
        extensions.refuse_extension(request.pk, by=w.supervisor, reasons="Not a reason")
        tasks.run_all()
    assert fresh(case).state == "referred"  # type: ignore[attr-defined]


def ask(case: Case, w: World) -> ExtensionRequest:
    with standing_at(DUE - timedelta(days=1)):
        return extensions.request_extension(
            notice_to(case, w.respondent).pk,
            by=w.respondent,
            until_day=date(2026, 10, 30),
            reasons="Moving house",
            received_at=now(),
        )


def test_request_whose_notice_was_answered_holds_no_longer(w: World) -> None:
    """Otherwise it would hold the case for ever: there is no decision left to be made about it."""
    case = open_case(w)
    request = ask(case, w)
    with standing_at(DUE - timedelta(hours=3)):
        answer(case, w.respondent)
        assert fresh(request).state == "lapsed"  # type: ignore[attr-defined]
    with standing_at(DUE + timedelta(minutes=1)):
        tasks.run_all()
    assert fresh(case).state == "referred"  # type: ignore[attr-defined]
    assert verbs(case).count("extension.lapsed") == 1


def test_request_whose_notice_was_waived_holds_no_longer(w: World) -> None:
    case = open_case(w)
    ask(case, w)
    with standing_at(DUE - timedelta(hours=3)):
        notices.waive(notice_to(case, w.respondent).pk, by=w.supervisor, reason="Not needed")
    with standing_at(DUE + timedelta(minutes=1)):
        tasks.run_all()
    assert fresh(case).state == "referred"  # type: ignore[attr-defined]


def test_request_for_a_case_referred_by_hand_does_not_hold_its_next_round(w: World) -> None:
    case = open_case(w)
    request = ask(case, w)
    referral = making.refer(case.pk, by=w.supervisor, reason="It cannot wait")
    assert referral is not None
    assert fresh(request).state == "lapsed"  # type: ignore[attr-defined]
    assert "extension.lapsed" in [e.verb for e in snapshot.chronology(referral)]


def test_end_of_a_case_ends_what_was_asked_of_and_by_its_parties(w: World) -> None:
    case = open_case(w)
    request = ask(case, w)
    with standing_at(DUE - timedelta(hours=3)):
        cases.resolve(case.pk, by=w.supervisor, outcome="settled", reasons="They agreed")
    assert fresh(request).state == "lapsed"  # type: ignore[attr-defined]
    assert {notice_to(case, party).state for party in (w.complainant, w.respondent)} == {"waived"}
    assert verbs(case).count("notice.lapsed") == 2
    with standing_at(DUE + timedelta(days=9)):
        assert not Notice.objects.past().exists(), "The sweep would look at it every minute for ever."
        tasks.run_all()
    assert "extension.escalated" not in verbs(case)


def test_late_request_holds_nothing(w: World) -> None:
    case = open_case(w)
    request = extensions.request_extension(
        notice_to(case, w.respondent).pk,
        by=w.respondent,
        until_day=date(2026, 10, 30),
        reasons="x",
        received_at=DUE,
    )
    assert not request.timely
    with standing_at(DUE):
        tasks.run_all()
    assert fresh(case).state == "referred"  # type: ignore[attr-defined]


def test_extension_moves_the_case_and_rolls_to_a_working_day(w: World) -> None:
    case = open_case(w)
    notice = notice_to(case, w.respondent)
    with standing_at(MONDAY + timedelta(days=2)):
        extensions.extend(notice.pk, by=w.caseworker, until_day=date(2026, 10, 31), reasons="Fair")
    notice = notice_to(case, w.respondent)
    assert notice.due_at == end_of(date(2026, 11, 2)), "Saturday 31 October becomes Monday"
    assert notice.expires_at == DUE
    assert fresh(case).refers_at == notice.due_at  # type: ignore[attr-defined]
    with standing_at(DUE):
        tasks.run_all()
    assert notice_to(case, w.respondent).state == "issued"
    assert fresh(case).state == "open"  # type: ignore[attr-defined]


def test_bounce_puts_service_in_doubt_and_serving_again_starts_a_new_period(w: World) -> None:
    case = open_case(w)
    notice = notice_to(case, w.respondent)
    letter = Message.objects.about(notice).get(template="notice_issued")
    with standing_at(DUE):
        record_bounce(letter.pk, by=w.caseworker)
        tasks.run_all()
        assert notice.doubts.open().count() == 1
        assert fresh(case).state == "open"  # type: ignore[attr-defined]
        service.serve_again(notice.pk, by=w.caseworker)
    period = evidence_period(DUE, "england")
    assert notice_to(case, w.respondent).due_at == period.expires_at
    assert fresh(case).refers_at == period.expires_at  # type: ignore[attr-defined]


def test_party_without_a_member_is_in_doubt_until_served_by_other_means(w: World) -> None:
    other = w.stranger
    invite(other.organisation_id, by=w.supervisor, email="next@magpie.example", name="Next", role="company_officer")
    type(other).objects.filter(pk=other.pk).update(is_active=False)
    w.respondent = other
    case = open_case(w)
    notice = notice_to(case, other)
    assert notice.doubts.get().reason == "no_member"
    with standing_at(MONDAY + timedelta(days=1)):
        with pytest.raises(Conflict, match="able to sign in"):
            service.serve_again(notice.pk, by=w.caseworker)
        with pytest.raises(Invalid):
            service.record_service(notice.pk, by=w.caseworker, method="personal", served_at=now(), proof=" ")
        service.record_service(notice.pk, by=w.caseworker, method="personal", served_at=now(), proof="Signed for")
    assert not notice.doubts.open().exists()
    assert notice_to(case, other).due_at == end_of(date(2026, 10, 20))


def test_outage_in_the_last_hours_extends_before_misses_are_stamped(w: World) -> None:
    case = open_case(w)
    with standing_at(DUE - timedelta(hours=2)):
        calendar.record_outage(
            by=w.supervisor, started_at=DUE - timedelta(hours=5), ended_at=DUE - timedelta(hours=3), reason="Power"
        )
    with standing_at(DUE):
        tasks.run_all()
    assert notice_to(case, w.respondent).state == "issued"
    assert notice_to(case, w.respondent).due_at == end_of(date(2026, 10, 20))
    with standing_at(end_of(date(2026, 10, 20))):
        tasks.run_all()
    assert fresh(case).state == "referred"  # type: ignore[attr-defined]


def test_outage_known_late_takes_back_a_miss_while_the_case_is_open(w: World) -> None:
    case = open_case(w)
    with standing_at(MONDAY):
        extensions.extend(notice_to(case, w.complainant).pk, by=w.caseworker, until_day=date(2026, 11, 20), reasons="x")
    with standing_at(DUE):
        tasks.run_all()
        assert notice_to(case, w.respondent).state == "missed"
    with standing_at(DUE + timedelta(hours=8)):
        calendar.record_outage(by=w.supervisor, started_at=DUE - timedelta(hours=3), ended_at=DUE, reason="Network")
        tasks.run_all()
    assert notice_to(case, w.respondent).state == "issued"
    assert notice_to(case, w.respondent).due_at == end_of(date(2026, 10, 20))


def test_added_holiday_moves_only_running_periods_of_that_nation_and_only_later(w: World) -> None:
    case = open_case(w)
    with standing_at(MONDAY + timedelta(days=3)):
        calendar.override_day(
            by=w.supervisor, day=date(2026, 10, 19), nation="scotland", working=False, name="Royal day"
        )
        assert notice_to(case, w.respondent).due_at == DUE
        calendar.override_day(by=w.supervisor, day=date(2026, 10, 19), nation="", working=False, name="Royal day")
    assert notice_to(case, w.respondent).due_at == end_of(date(2026, 10, 20))
    assert fresh(case).refers_at == end_of(date(2026, 10, 20))  # type: ignore[attr-defined]


def test_decision_is_for_a_supervisor_who_did_not_open_the_case(w: World) -> None:
    case = open_case(w)
    cases.propose(case.pk, by=w.caseworker, outcome="settled", reasons="They agreed")
    with pytest.raises(PermissionDenied):
        cases.resolve(case.pk, by=w.caseworker, outcome="settled", reasons="Me")
    opened_by_boss = Case.objects.filter(pk=case.pk).first()
    assert opened_by_boss is not None
    with standing_at(DUE - SECOND):
        cases.resolve(case.pk, by=w.supervisor, outcome="settled", reasons="They agreed")
    with standing_at(DUE + timedelta(days=30)):
        tasks.run_all()
    assert fresh(case).state == "resolved"  # type: ignore[attr-defined]
    assert not Referral.objects.exists()
    with pytest.raises(Conflict):
        cases.resolve(case.pk, by=w.supervisor, outcome="settled", reasons="Again")


def test_supervisor_who_opened_the_case_cannot_decide_it(w: World) -> None:
    seats = [cases.Seat(w.respondent.organisation_id, "respondent", (notices.Ask("Why?"),))]
    case = cases.open_case(by=w.supervisor, title="Own", subject="s", purpose="p", seats=seats)
    with pytest.raises(PermissionDenied, match="somebody else"):
        cases.resolve(case.pk, by=w.supervisor, outcome="settled", reasons="Mine")


def test_returned_referral_opens_a_new_round_that_is_not_referred_early(w: World) -> None:
    case = open_case(w)
    with standing_at(DUE):
        tasks.run_all()
    referral = case.referrals.get()
    with standing_at(DUE + timedelta(days=2)):
        steps.acknowledge(referral.pk, by=w.officer)
        steps.return_(referral.pk, by=w.officer, needed="The market", needed_by=date(2026, 12, 1))
        case = fresh(case)  # type: ignore[assignment]
        assert (case.state, case.round) == ("open", 2)
        ends = evidence_period(now(), "england").expires_at
        assert case.refers_at == ends
    with standing_at(ends - SECOND):
        tasks.run_all()
        assert fresh(case).state == "open"  # type: ignore[attr-defined]
    with standing_at(ends):
        tasks.run_all()
    assert sorted(case.referrals.values_list("round", "state")) == [(1, "returned"), (2, "queued")]


def test_new_round_asks_again_with_a_period_of_its_own(w: World) -> None:
    case = open_case(w)
    with standing_at(DUE):
        tasks.run_all()
        steps.decline(case.referrals.get().pk, by=w.officer, head="impact", reason="Small")
    asked_at = DUE + timedelta(days=5)
    with standing_at(asked_at):
        party = case.parties.get(role="respondent")
        cases.issue_notices(
            case.pk, by=w.colleague, subject="s", purpose="p", questions={party.pk: (notices.Ask("And now?"),)}
        )
        with pytest.raises(Conflict, match="already"):
            cases.issue_notices(
                case.pk, by=w.colleague, subject="s", purpose="p", questions={party.pk: (notices.Ask("Again?"),)}
            )
    assert fresh(case).refers_at == evidence_period(asked_at, "england").expires_at  # type: ignore[attr-defined]


def test_accepted_referral_closes_the_case(w: World) -> None:
    case = open_case(w)
    with standing_at(DUE):
        tasks.run_all()
        with pytest.raises(Invalid):
            steps.accept(case.referrals.get().pk, by=w.officer, reference=" ")
        steps.accept(case.referrals.get().pk, by=w.officer, reference="OMA-77")
        with pytest.raises(Conflict):
            steps.withdraw(case.referrals.get().pk, by=w.supervisor, reason="No")
    assert fresh(case).state == "closed"  # type: ignore[attr-defined]


def test_withdrawn_referral_is_gone_from_the_authority(w: World) -> None:
    case = open_case(w)
    with standing_at(DUE):
        tasks.run_all()
        assert EvidenceItem.objects.visible_to(w.officer).count() == 1
    with standing_at(DUE + SECOND):
        steps.withdraw(case.referrals.get().pk, by=w.supervisor, reason="Settled after all")
        assert not Referral.objects.visible_to(w.officer).exists()
        assert not EvidenceItem.objects.visible_to(w.officer).exists()
    assert fresh(case).state == "open"  # type: ignore[attr-defined]


def test_party_that_did_not_agree_to_referral_is_left_out(w: World) -> None:
    case = open_case(w, named=False, referral=False)
    with standing_at(DUE):
        tasks.run_all()
    sent = case.referrals.get().sent
    assert [p["name"] for p in sent["parties"]] == ["", "Kestrel plc"]
    assert (sent["exhibits"], sent["withheld"], sent["filing"]) == ([], 1, "")
    assert not EvidenceItem.objects.visible_to(w.officer).exists()
    party = case.parties.get(role="complainant")
    assert "Heron" not in party.name_for(w.respondent)


def test_exhibit_is_disclosed_only_after_every_period_of_its_round(w: World) -> None:
    case = open_case(w)
    exhibit = case.exhibits.get()
    party = case.parties.get(role="respondent")
    with standing_at(DUE - SECOND), pytest.raises(Conflict, match="still running"):
        disclose(exhibit.pk, by=w.caseworker, party_id=party.pk)
    with standing_at(DUE):
        assert not Exhibit.objects.visible_to(w.respondent).exists()
        disclose(exhibit.pk, by=w.caseworker, party_id=party.pk)
        assert list(Exhibit.objects.visible_to(w.respondent)) == [exhibit]
        assert exhibit.item.projection_for(w.respondent) == "non_confidential"
        assert not Exhibit.objects.visible_to(w.stranger).exists()
        comment(exhibit.pk, by=w.respondent, text="These are not our accounts")
        with pytest.raises(Exhibit.DoesNotExist):
            comment(exhibit.pk, by=w.stranger, text="Me too")
        with pytest.raises(PermissionDenied):
            comment(exhibit.pk, by=w.complainant, text="Mine")


def test_conflict_of_interest_hides_the_case_and_all_that_is_in_it(w: World) -> None:
    case = open_case(w)
    cases.declare_conflict(case.pk, by=w.colleague, reason="My sister works there")
    assert not Case.objects.visible_to(w.colleague).exists()
    assert not Notice.objects.visible_to(w.colleague).exists()
    with pytest.raises(Case.DoesNotExist):
        cases.add_note(case.pk, by=w.colleague, text="Still here")
    with standing_at(MONDAY + timedelta(days=1)):
        answer(case, w.respondent, attach=True)
    assert not EvidenceItem.objects.visible_to(w.colleague).exists()
    assert EvidenceItem.objects.visible_to(w.caseworker).count() == 2
    with pytest.raises(Invalid):
        cases.assign(case.pk, by=w.caseworker, officer_id=w.colleague.pk, deputy_id=None)


def test_waived_notice_is_not_missed(w: World) -> None:
    case = open_case(w)
    with pytest.raises(PermissionDenied):
        notices.waive(notice_to(case, w.respondent).pk, by=w.caseworker, reason="x")
    notices.waive(notice_to(case, w.respondent).pk, by=w.supervisor, reason="Known already")
    with standing_at(DUE):
        tasks.run_all()
    assert notice_to(case, w.respondent).state == "waived"


def test_reminders_go_out_once_each_and_stop_at_the_deadline(w: World) -> None:
    case = open_case(w)
    notice = notice_to(case, w.respondent)
    for hours in range(0, 16 * 24, 6):
        with standing_at(MONDAY + timedelta(hours=hours)):
            tasks.run_all()
    assert sorted(notice.reminders.values_list("days", flat=True)) == [1, 3, 7]
    for template, about in (("notice_reminder", notice), ("case_reminder", case)):
        sent = Message.objects.about(about).filter(template=template)
        assert sent.values("address", "dedupe_key").distinct().count() == sent.count()
    assert Message.objects.about(notice).filter(template="notice_reminder").count() == 3
    # Officer and supervisor, three times each.
    assert Message.objects.about(case).filter(template="case_reminder").count() == 6


def test_after_a_standstill_only_the_nearest_reminder_is_sent(w: World) -> None:
    case = open_case(w)
    with standing_at(DUE - timedelta(hours=5)):
        tasks.run_all()
    assert list(notice_to(case, w.respondent).reminders.values_list("days", flat=True)) == [1]


def test_brief_of_a_colleague_is_not_overwritten(w: World) -> None:
    case = open_case(w)
    cases.write_brief(case.pk, by=w.caseworker, head="markets", text="Speech models", number=0)
    with pytest.raises(Conflict):
        cases.write_brief(case.pk, by=w.colleague, head="markets", text="Other", number=0)
    cases.write_brief(case.pk, by=w.colleague, head="markets", text="Speech and text", number=1)
    assert cases.brief_texts(case) == {"markets": "Speech and text"}


def test_deactivated_admin_cannot_act(w: World) -> None:
    person = w.colleague
    deactivate(person.pk, by=w.supervisor)
    person.refresh_from_db()
    with pytest.raises(Case.DoesNotExist):
        cases.add_note(open_case(w).pk, by=person, text="x")
