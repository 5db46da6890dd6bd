"""A company's answer, or its request for more time, at the very instant at which the sweep looks."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Callable
from datetime import datetime, timedelta
from time import sleep
from typing import Any

import pytest

from accounts.models import User
from cases.actions import answers, extensions
from cases.actions.answers import answer, save_answer
from cases.actions.notices import stamp_missed
from cases.actions.referrals.making import refer
from cases.models import Case, Exhibit, LateAddition, Notice, Question, Referral, Response
from config import acts
from ledger.models import Event
from ledger.time import local_date, now, standing_at
from tests import builders
from tests.faults.schedule import Order, meeting, pausing
from web.problems import Conflict

MOMENT = timedelta(microseconds=1)


def _case(people: builders.Cast, *, drafted: bool = True) -> Case:
    (pk,) = builders.open_cases(people, 1, sent_at=now() - timedelta(days=25), drafted=drafted)
    return Case.objects.get(pk=pk)


def _notice(case: Case, role: str = "respondent") -> Notice:
    return Notice.objects.get(case=case, kind="evidence", party__role=role)


def _due(case: Case) -> datetime:
    assert case.refers_at is not None
    return case.refers_at


def _verbs(case: Case, notice: Notice) -> Counter[str]:
    """The events of the case and of one notice of it, but for those it began with."""
    found = Event.objects.about(case).exclude(verb__in=["case.opened", "notice.issued"])
    return Counter(e.verb for e in found if e.object_type != "cases.notice" or e.object_id == notice.pk)


def _sweep(case: Case, notice: Notice) -> None:
    """What the sweeps do with this notice and its case, until they have done it: what is taken is left for later."""
    stamp_missed(notice.pk)
    refer(case.pk)


def _waits(race: int) -> tuple[float, float]:
    """Seconds that each of two holds back: mostly a toss-up, now and then a clear start for the one or the other."""
    clear = {0: (0.0, 0.08), 5: (0.08, 0.0)}.get(race % 10)
    return clear or (random.uniform(0, 0.02), random.uniform(0, 0.02))


# --- In time, and the sweep stamps at the due instant --------------------------------------------------------------------
def legal_end(case: Case, notice: Notice) -> str:
    """In which of the two legal orders it ended; anything else fails."""
    case.refresh_from_db()
    notice.refresh_from_db()
    response = Response.objects.get(notice=notice)
    assert (notice.state, response.late) == ("answered", False)
    verbs = _verbs(case, notice)
    assert (verbs["notice.answered"], verbs["case.referred"]) == (1, 1)
    referral = Referral.objects.get(case=case)
    assert (case.state, referral.referred_at) == ("referred", case.refers_at)
    answered = Event.objects.get(verb="notice.answered", object_id=notice.pk)
    assert answered.at == response.received_at < _due(case)
    added = LateAddition.objects.filter(response=response).count()
    assert added == verbs["referral.added_to"]
    missed = list(Event.objects.filter(object_id=notice.pk, object_type="cases.notice", verb__contains="miss"))
    if not missed:
        assert added == 0
        assert response.pk in referral.sent["responses"]
        return "answered, never missed"
    assert [e.verb for e in sorted(missed, key=lambda e: e.pk)] == ["notice.missed", "notice.miss_corrected"]
    assert [e.at for e in sorted(missed, key=lambda e: e.pk)] == [notice.due_at, response.received_at]
    assert (response.pk in referral.sent["responses"]) == (added == 0)
    return "missed, then corrected"


def test_answer_in_time_racing_the_sweep_ends_in_a_legal_order(
    people: builders.Cast,
    concurrently: Callable[..., list[Any]],
    dose: Callable[[int, int], int],
    figure: Callable[[str], None],
) -> None:
    ends: Counter[str] = Counter()
    for number in range(races := dose(50, 1000)):
        case = _case(people)
        notice = _notice(case)
        waits = _waits(number)

        def answers(notice: Notice = notice, case: Case = case, wait: float = waits[0]) -> Response:
            sleep(wait)
            return answer(notice.pk, by=people.respondent, received_at=_due(case) - MOMENT)

        def sweeps(notice: Notice = notice, case: Case = case, wait: float = waits[1]) -> None:
            sleep(wait)
            _sweep(case, notice)

        with standing_at(_due(case)):
            results = concurrently(answers, sweeps)
            assert not [r for r in results if isinstance(r, BaseException)], results
            _sweep(case, notice)  # whatever was taken is looked at again with the next tick
        ends[legal_end(case, notice)] += 1
    figure(f"answers in time racing the sweep: {dict(ends)} of {races}")
    assert len(ends) == 2


def test_answer_that_waits_for_the_sweep_corrects_the_miss(
    people: builders.Cast, concurrently: Callable[..., list[Any]], locks: bool
) -> None:
    """The sweep has looked; the answer comes whole; the sweep stamps. Off the lock the answer's state is lost."""
    case = _case(people)
    notice, order = _notice(case), Order(locks)
    received_at = _due(case) - MOMENT
    with standing_at(_due(case)):
        concurrently(
            order.first(lambda: stamp_missed(notice.pk)),
            order.second(lambda: answer(notice.pk, by=people.respondent, received_at=received_at)),
        )
    notice.refresh_from_db()
    assert notice.state == ("answered" if locks else "missed")
    assert _verbs(case, notice)["notice.miss_corrected"] == (1 if locks else 0)


def test_sweep_that_meets_an_answer_leaves_it_alone(
    people: builders.Cast, concurrently: Callable[..., list[Any]], locks: bool
) -> None:
    """The answer has looked; the sweep comes by; the answer is written. Off the lock a miss stays uncorrected."""
    case = _case(people)
    notice, order = _notice(case), Order(locks)
    received_at = _due(case) - MOMENT
    with standing_at(_due(case)):
        concurrently(
            order.first(lambda: answer(notice.pk, by=people.respondent, received_at=received_at)),
            order.second(lambda: stamp_missed(notice.pk)),
        )
    verbs = _verbs(case, notice)
    assert verbs["notice.answered"] == 1
    assert verbs["notice.missed"] - verbs["notice.miss_corrected"] == (0 if locks else 1)


# --- Late, and the sweep refers -------------------------------------------------------------------------------------------
def test_late_answer_racing_the_referral_is_taken_once(
    people: builders.Cast,
    concurrently: Callable[..., list[Any]],
    dose: Callable[[int, int], int],
    figure: Callable[[str], None],
) -> None:
    ends: Counter[str] = Counter()
    for number in range(races := dose(20, 300)):
        case = _case(people)
        notice = _notice(case)
        waits = _waits(number)

        def answers(notice: Notice = notice, case: Case = case, wait: float = waits[0]) -> Response:
            sleep(wait)
            return answer(notice.pk, by=people.respondent, received_at=_due(case))

        def refers(case: Case = case, wait: float = waits[1]) -> None:
            sleep(wait)
            refer(case.pk)

        with standing_at(_due(case) + timedelta(seconds=1)):
            results = concurrently(answers, refers)
            assert not [r for r in results if isinstance(r, BaseException)], results
            _sweep(case, notice)
        notice.refresh_from_db()
        response = Response.objects.get(notice=notice)
        assert (notice.state, response.late) == ("answered_late", True)
        referral = Referral.objects.get(case=case)
        added = LateAddition.objects.filter(referral=referral, response=response).count()
        verbs = _verbs(case, notice)
        assert (verbs["notice.answered_late"], verbs["case.referred"]) == (1, 1)
        assert verbs["referral.added_to"] == added
        assert added + (response.pk in referral.sent["responses"]) == 1
        ends["added to the referral" if added else "in the referral"] += 1
    figure(f"late answers racing the referral: {dict(ends)} of {races}")
    assert len(ends) == 2


def test_late_answer_that_meets_the_referral_is_in_it_or_added(
    people: builders.Cast, concurrently: Callable[..., list[Any]], locks: bool
) -> None:
    """Off the lock the answer believes the case open while it goes: the authority never hears of it."""
    case = _case(people)
    notice, order = _notice(case), Order(locks)
    with standing_at(_due(case) + timedelta(seconds=1)):
        concurrently(
            order.first(lambda: answer(notice.pk, by=people.respondent, received_at=_due(case))),
            order.second(lambda: refer(case.pk)),
        )
        refer(case.pk)
    response, referral = Response.objects.get(notice=notice), Referral.objects.get(case=case)
    heard = response.pk in referral.sent["responses"] or LateAddition.objects.filter(response=response).exists()
    assert heard == locks


# --- Two of the same party ------------------------------------------------------------------------------------------------
def test_two_colleagues_who_hand_in_at_once_make_two_numbered_responses(
    people: builders.Cast, concurrently: Callable[..., list[Any]], locks: bool
) -> None:
    case = _case(people)
    notice, meet = _notice(case), meeting(locks)
    received_at = _due(case) - MOMENT
    with standing_at(received_at):
        results = concurrently(
            *[pausing(lambda: answer(notice.pk, by=people.respondent, received_at=received_at), meet)] * 2
        )
    numbers = sorted(Response.objects.filter(notice=notice).values_list("number", flat=True))
    assert numbers == ([1, 2] if locks else [1])
    assert [type(r).__name__ for r in results].count("IntegrityError") == (0 if locks else 1)


def test_two_colleagues_who_save_the_same_answer_the_second_is_told(
    people: builders.Cast, concurrently: Callable[..., list[Any]], locks: bool
) -> None:
    case = _case(people)
    question, meet = Question.objects.get(notice=_notice(case)), meeting(locks)

    def save(text: str) -> Callable[[], Any]:
        return lambda: save_answer(question.pk, by=people.respondent, how="answer", text=text, revision=1)

    results = concurrently(pausing(save("one"), meet), pausing(save("two"), meet))
    told = [r for r in results if isinstance(r, answers.AnswerChanged)]
    assert len(told) == (1 if locks else 0)  # off the lock one text is gone without a word
    assert Event.objects.filter(verb="answer.saved").count() == (1 if locks else 2)


# --- Exhibits of both sides -----------------------------------------------------------------------------------------------
def test_exhibits_handed_in_at_once_by_both_sides_are_numbered_one_after_the_other(
    people: builders.Cast, concurrently: Callable[..., list[Any]], locks: bool
) -> None:
    case = _case(people)
    for by, role in ((people.complainant, "complainant"), (people.respondent, "respondent")):
        items = [acts.give_evidence(by, f"{role} {n}", rows=2) for n in range(2)]
        (question,) = Question.objects.filter(notice=_notice(case, role))
        references = [item.reference for item in items]
        save_answer(question.pk, by=by, how="answer", text="See these.", evidence=references, revision=1)
    meet = meeting(locks)

    def hand_in(by: User, role: str) -> Callable[[], Any]:
        do = lambda: answer(_notice(case, role).pk, by=by, received_at=_due(case) - MOMENT)  # noqa: E731
        return pausing(do, meet, before='INSERT INTO "cases_exhibit"')

    with standing_at(_due(case) - MOMENT):
        results = concurrently(hand_in(people.complainant, "complainant"), hand_in(people.respondent, "respondent"))
    failed = [type(r).__name__ for r in results if isinstance(r, BaseException)]
    assert failed == ([] if locks else ["IntegrityError"])
    rows = list(Exhibit.objects.filter(case=case).order_by("number").values_list("number", "party__role"))
    assert [number for number, _ in rows] == ([1, 2, 3, 4] if locks else [1, 2])
    assert [rows[0][1], rows[-1][1]] == [rows[1][1], rows[-2][1]]  # each side's own stay together


# --- More time ------------------------------------------------------------------------------------------------------------
def _request(notice: Notice, people: builders.Cast, received_at: datetime) -> Any:
    assert notice.due_at is not None
    return extensions.request_extension(
        notice.pk,
        by=people.respondent,
        until_day=local_date(notice.due_at) + timedelta(days=7),
        reasons="A supplier holds part of the records.",
        received_at=received_at,
    )


def test_request_for_more_time_that_meets_the_sweep_holds_the_notice(
    people: builders.Cast, concurrently: Callable[..., list[Any]], locks: bool
) -> None:
    """The request has looked, the sweep comes by. Off the lock the notice is missed under a request in time."""
    case = _case(people)
    notice, order = _notice(case), Order(locks)
    with standing_at(_due(case)):
        concurrently(
            order.first(lambda: _request(notice, people, _due(case) - MOMENT)),
            order.second(lambda: _sweep(case, notice)),
        )
        _sweep(case, notice)
    notice.refresh_from_db()
    case.refresh_from_db()
    assert notice.extension_requests.get().timely
    assert (notice.state, case.state) == (("issued", "open") if locks else ("missed", "referred"))


@pytest.mark.parametrize("verdict", ["granted", "refused"])
def test_request_racing_the_sweep_ends_in_a_legal_order(
    people: builders.Cast, concurrently: Callable[..., list[Any]], dose: Callable[[int, int], int], verdict: str
) -> None:
    """Either the request is first and holds everything until it is decided, or the miss is and the request gets a 409."""
    for _ in range(dose(8, 100)):
        case = _case(people)
        notice = _notice(case)
        with standing_at(_due(case)):
            _one_request_racing(case, notice, people, concurrently, verdict)


def _one_request_racing(
    case: Case, notice: Notice, people: builders.Cast, concurrently: Callable[..., list[Any]], verdict: str
) -> None:
    def ends() -> tuple[str, str]:
        _sweep(case, notice)
        notice.refresh_from_db()
        case.refresh_from_db()
        return notice.state, case.state

    def asks() -> Any:
        sleep(random.uniform(0, 0.01))
        return _request(notice, people, _due(case) - MOMENT)

    def sweeps() -> None:
        sleep(random.uniform(0, 0.01))
        _sweep(case, notice)

    def decides() -> Any:
        if verdict == "refused":
            return extensions.refuse_extension(request.pk, by=people.officer, reasons="Nothing shown.")
        return extensions.grant_extension(
            request.pk, by=people.officer, until_day=request.until_day, reasons="Shown to be needed."
        )

    request, _swept = concurrently(asks, sweeps)
    if isinstance(request, Conflict):
        assert ends() == ("missed", "referred")
        return
    assert ends() == ("issued", "open")
    decided, _swept = concurrently(decides, sweeps)
    assert decided.state == verdict
    if verdict == "granted":
        assert ends() == ("issued", "open")
        assert case.refers_at == notice.due_at
    else:
        assert ends() == ("missed", "referred")
        assert Event.objects.get(verb="notice.missed", object_id=notice.pk).at == notice.due_at


def test_extension_by_the_team_that_meets_the_sweep_is_whole_or_refused(
    people: builders.Cast, concurrently: Callable[..., list[Any]], locks: bool
) -> None:
    """The team extends in the last moment; the sweep comes by at the due instant.

    Off the lock the case is with the authority while its notice still runs.
    """
    case = _case(people)
    notice, order, due = _notice(case), Order(locks), _due(case)

    def sweep_at_due() -> None:
        with standing_at(due):
            _sweep(case, notice)

    with standing_at(due - MOMENT):
        concurrently(
            order.first(
                lambda: extensions.extend(
                    notice.pk, by=people.officer, until_day=local_date(due) + timedelta(days=7), reasons="Illness."
                )
            ),
            order.second(sweep_at_due),
        )
    notice.refresh_from_db()
    case.refresh_from_db()
    assert notice.due_at is not None
    assert notice.due_at > due
    assert case.state == ("open" if locks else "referred")
