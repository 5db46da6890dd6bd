"""Two people, or a person and the sweep, who decide the same thing at once: exactly one of them does."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from django.core import mail
from django.core.mail.backends.base import BaseEmailBackend
from django.db import IntegrityError, OperationalError, transaction

from accounts import actions as accounts
from accounts.models import User
from cases import tasks
from cases.actions import answers, extensions, notices
from cases.actions import case as cases
from cases.actions.referrals import making, steps
from cases.models import Adjustment, BriefVersion, Case, Decision, Notice, Referral
from disclosures import actions as filings
from disclosures.models import Filing
from ledger.models import Event
from ledger.time import local_date, now, standing_at
from notifications.actions import deliver, record_bounce
from notifications.models import Message
from tests import builders
from tests.faults.schedule import Order, meeting, pausing
from web.problems import Conflict

REASONS = "Both accounts agree."


def _case(people: builders.Cast, *, due: bool = True) -> Case:
    days = 25 if due else 2
    (pk,) = builders.open_cases(people, 1, sent_at=now() - timedelta(days=days), drafted=True)
    return Case.objects.get(pk=pk)


def _resolve(case: Case, by: User) -> Callable[[], Any]:
    return lambda: cases.resolve(case.pk, by=by, outcome="settled", reasons=REASONS)


def _conflicts(results: list[Any]) -> int:
    assert all(isinstance(r, Conflict) or not isinstance(r, BaseException) for r in results), results
    return sum(isinstance(r, Conflict) for r in results)


# --- The end of a case ----------------------------------------------------------------------------------------------------
def test_two_supervisors_who_resolve_at_once_one_decides(
    people: builders.Cast, concurrently: Callable[..., list[Any]], locks: bool
) -> None:
    case, meet = _case(people, due=False), meeting(locks)
    results = concurrently(
        pausing(_resolve(case, people.supervisor), meet), pausing(_resolve(case, people.second_supervisor), meet)
    )
    assert Decision.objects.filter(case=case).count() == 1
    assert Event.objects.filter(verb="case.resolved").count() == 1
    kinds = sorted(type(r).__name__ for r in results)
    assert kinds == ["Case", "Conflict" if locks else "IntegrityError"]


def test_decision_and_referral_at_once_exactly_one_happens(
    people: builders.Cast, concurrently: Callable[..., list[Any]], locks: bool
) -> None:
    case, meet = _case(people), meeting(locks)
    results = concurrently(
        pausing(_resolve(case, people.supervisor), meet), pausing(lambda: making.refer(case.pk), meet)
    )
    tasks.run_all()
    case.refresh_from_db()
    ends = Decision.objects.filter(case=case).count() + Referral.objects.filter(case=case).count()
    if not locks:
        # Both go ahead: two ends, or the database finds them waiting for one another and breaks one off.
        assert ends == 2 or any(isinstance(result, OperationalError) for result in results)
    else:
        assert ends == 1
        assert (case.state == "resolved") == Decision.objects.filter(case=case).exists()
        assert (case.refers_at is None) == (case.state == "resolved")


def test_referral_by_hand_and_by_the_sweep_at_once_is_one(
    people: builders.Cast, concurrently: Callable[..., list[Any]], locks: bool
) -> None:
    case, meet = _case(people), meeting(locks)
    results = concurrently(
        pausing(lambda: making.refer(case.pk, by=people.supervisor, reason="It spreads."), meet),
        pausing(lambda: making.refer(case.pk), meet),
    )
    assert Referral.objects.filter(case=case).count() == 1
    assert Event.objects.filter(verb="case.referred").count() == 1
    assert any(isinstance(r, IntegrityError) for r in results) != locks


def test_authority_that_accepts_and_ministry_that_withdraws_at_once_one_wins(
    people: builders.Cast, concurrently: Callable[..., list[Any]], locks: bool
) -> None:
    """Off the lock the case is closed as taken on, by an authority from which it has been withdrawn."""
    case, order = _case(people), Order(locks)
    referral = making.refer(case.pk)
    assert referral is not None
    results = concurrently(
        order.first(lambda: steps.accept(referral.pk, by=people.authority_officer, reference="OMA/7")),
        order.second(lambda: steps.withdraw(referral.pk, by=people.supervisor, reason="Settled.")),
    )
    assert _conflicts(results) == (1 if locks else 0)
    assert referral.steps.count() == (1 if locks else 2)


def test_two_opens_from_one_allegation_at_once_make_one_case(
    people: builders.Cast, concurrently: Callable[..., list[Any]], locks: bool
) -> None:
    filing = _admitted(people)
    seats = [
        cases.Seat(filing.organisation_id, "complainant", (notices.Ask("How?"),)),
        cases.Seat(people.respondent.organisation_id, "respondent", (notices.Ask("Which accounts?"),)),
    ]

    def opens() -> Case:
        return cases.open_case(
            by=people.officer, title="One", subject="S", purpose="P", seats=seats, source_id=filing.pk
        )

    meet = meeting(locks)
    results = concurrently(pausing(opens, meet), pausing(opens, meet))
    assert _conflicts(results) == (1 if locks else 0)
    assert Case.objects.filter(source=filing).count() == (1 if locks else 2)


def _admitted(people: builders.Cast) -> Filing:
    from config import acts

    return acts.admitted(people.complainant, people.officer, 1, respondent="Harrier plc", title="Heron queries")


# --- More time ------------------------------------------------------------------------------------------------------------
def _pending(people: builders.Cast) -> Any:
    case = _case(people, due=False)
    notice = Notice.objects.get(case=case, kind="evidence", party__role="respondent")
    assert notice.due_at is not None
    return extensions.request_extension(
        notice.pk,
        by=people.respondent,
        until_day=local_date(notice.due_at) + timedelta(days=9),
        reasons="A supplier holds part of it.",
        received_at=now(),
    )


def test_two_grants_of_one_request_at_once_one_wins(
    people: builders.Cast, concurrently: Callable[..., list[Any]], locks: bool
) -> None:
    request, meet = _pending(people), meeting(locks)

    def grant(days: int) -> Callable[[], Any]:
        until_day = request.until_day + timedelta(days=days)
        return lambda: extensions.grant_extension(request.pk, by=people.officer, until_day=until_day, reasons="Shown.")

    results = concurrently(pausing(grant(0), meet), pausing(grant(7), meet))
    assert sorted(type(r).__name__ for r in results) == sorted(
        ["ExtensionRequest", "Conflict" if locks else "IntegrityError"]
    )
    adjustment = Adjustment.objects.get(request=request)
    notice = Notice.objects.get(pk=request.notice_id)
    assert notice.due_at == adjustment.until == Case.objects.get(pk=notice.case_id).refers_at
    assert Event.objects.filter(verb="extension.granted").count() == 1


def test_grant_and_refusal_at_once_one_wins(
    people: builders.Cast, concurrently: Callable[..., list[Any]], locks: bool
) -> None:
    request, meet = _pending(people), meeting(locks)
    results = concurrently(
        pausing(
            lambda: extensions.grant_extension(
                request.pk, by=people.officer, until_day=request.until_day, reasons="Shown."
            ),
            meet,
        ),
        pausing(lambda: extensions.refuse_extension(request.pk, by=people.deputy, reasons="Not shown."), meet),
    )
    assert _conflicts(results) == (1 if locks else 0)
    events = Event.objects.filter(verb__in=["extension.granted", "extension.refused"])
    assert events.count() == (1 if locks else 2)


# --- The team -------------------------------------------------------------------------------------------------------------
def test_two_versions_of_the_brief_at_once_the_second_is_told(
    people: builders.Cast, concurrently: Callable[..., list[Any]], locks: bool
) -> None:
    case, meet = _case(people, due=False), meeting(locks)

    def write(by: User, text: str) -> Callable[[], Any]:
        return lambda: cases.write_brief(case.pk, by=by, head="summary", text=text, number=0)

    results = concurrently(pausing(write(people.officer, "One"), meet), pausing(write(people.deputy, "Another"), meet))
    assert BriefVersion.objects.filter(case=case).count() == 1
    assert sorted(type(r).__name__ for r in results) == sorted(
        ["BriefVersion", "Conflict" if locks else "IntegrityError"]
    )


def test_answer_that_waits_for_an_assignment_reaches_the_new_officer(
    people: builders.Cast, concurrently: Callable[..., list[Any]]
) -> None:
    """The row that a waiting lock comes to has changed: whoever reads it then must read all of it anew."""
    case, order = _case(people, due=False), Order(locks=True)
    notice = Notice.objects.get(case=case, kind="evidence", party__role="respondent")
    received_at = now()
    results = concurrently(
        order.first(
            lambda: cases.assign(
                case.pk, by=people.supervisor, officer_id=people.second_supervisor.pk, deputy_id=people.officer.pk
            )
        ),
        order.second(lambda: answers.answer(notice.pk, by=people.respondent, received_at=received_at)),
    )
    assert not [r for r in results if isinstance(r, BaseException)], results
    told = Message.objects.filter(template="answer_to_read").values_list("user", flat=True)
    assert set(told) == {people.second_supervisor.pk, people.officer.pk}


# --- Other rooms ----------------------------------------------------------------------------------------------------------
def test_two_amendments_of_one_disclosure_at_once_one_begins(
    people: builders.Cast, concurrently: Callable[..., list[Any]], locks: bool
) -> None:
    from config import acts

    filing = acts.file_it("disclosure", people.respondent, acts.disclosure_content(1))
    filings.accept(filing.pk, by=people.officer)
    meet = meeting(locks)
    amend = lambda: filings.amend(filing.pk, by=people.respondent)  # noqa: E731
    results = concurrently(pausing(amend, meet), pausing(amend, meet))
    assert _conflicts(results) == (1 if locks else 0)
    assert Filing.objects.filter(amends=filing).count() == (1 if locks else 2)


def test_invitation_accepted_twice_at_once_makes_one_account(
    people: builders.Cast, concurrently: Callable[..., list[Any]], locks: bool
) -> None:
    """Off the lock the second comes as far as the account, which the unique address still refuses."""
    invitation = accounts.invite(
        people.rival.organisation_id, by=people.rival, email="new@tarn.example", name="New", role="company_officer"
    )
    accept = lambda: accounts.accept(invitation.pk, name="New", password="a-long-enough-phrase-9")  # noqa: E731
    meet = meeting(locks)
    results = concurrently(pausing(accept, meet), pausing(accept, meet))
    assert _conflicts(results) == 1
    assert User.objects.filter(email="new@tarn.example").count() == 1
    assert Event.objects.filter(verb="invitation.accepted").count() == 1
    refusal = next(str(r) for r in results if isinstance(r, Conflict))
    assert ("already an account" in refusal) != locks


def test_letter_delivered_by_two_workers_at_once_is_sent_once(
    people: builders.Cast, concurrently: Callable[..., list[Any]], locks: bool
) -> None:
    case = _case(people)
    making.refer(case.pk)
    message = Message.objects.filter(template="referral_queued").earliest("pk")
    mail.outbox.clear()
    meet = meeting(locks)
    results = concurrently(*[pausing(lambda: deliver(message.pk), meet)] * 2)
    assert not [r for r in results if isinstance(r, BaseException)], results
    assert len(mail.outbox) == (1 if locks else 2)
    message.refresh_from_db()
    assert message.state == "sent"


class Bouncing(BaseEmailBackend):
    """A mail server so quick that the letter has come back before it says that it took it."""

    def send_messages(self, letters: Any) -> int:
        for letter in letters:
            record_bounce(Message.objects.get(message_id=letter.extra_headers["Message-ID"]).pk, by=None)
        return len(letters)


def test_letter_that_comes_back_while_it_is_sent_stays_returned(people: builders.Cast, settings: Any) -> None:
    """Or nobody would ever doubt the service of the notice that it brought."""
    notice = Notice.objects.filter(case=_case(people, due=False), kind="evidence").earliest("pk")
    with transaction.atomic():
        notices.tell_of_notice(notice)
    message = Message.objects.filter(template="notice_issued", about_id=notice.pk).earliest("pk")
    settings.EMAIL_BACKEND = f"{__name__}.Bouncing"
    deliver(message.pk)
    message.refresh_from_db()
    assert message.state == "bounced"
    tasks.run_all()
    assert notice.doubts.get().reason == "bounce"


# --- A new round ----------------------------------------------------------------------------------------------------------
@pytest.mark.parametrize("how", ["returned", "declined", "withdrawn"])
def test_case_that_comes_back_is_not_referred_again_before_its_new_period_ends(people: builders.Cast, how: str) -> None:
    case = _case(people)
    tasks.run_all()
    first = Referral.objects.get(case=case)
    if how == "returned":
        steps.return_(
            first.pk, by=people.authority_officer, needed="Volumes.", needed_by=local_date(now()) + timedelta(days=20)
        )
    elif how == "declined":
        steps.decline(first.pk, by=people.authority_officer, head="resources", reason="Not now.")
    else:
        steps.withdraw(first.pk, by=people.supervisor, reason="They talk.")
    case.refresh_from_db()
    assert (case.state, case.round) == ("open", 2)
    assert case.refers_at is not None
    assert case.refers_at > now() + timedelta(days=13)
    for instant in (now(), case.refers_at - timedelta(microseconds=1)):
        with standing_at(instant):
            tasks.run_all()
            assert Referral.objects.filter(case=case).count() == 1
    with standing_at(case.refers_at):
        tasks.run_all()
        tasks.run_all()
    second = Referral.objects.get(case=case, round=2)
    assert Referral.objects.filter(case=case).count() == 2
    assert second.referred_at == case.refers_at
    assert Event.objects.filter(verb="case.referred", object_id=case.pk).count() == 2
    # The first round's notices were missed once, in the first round.
    assert Event.objects.filter(verb="notice.missed").count() == 2
