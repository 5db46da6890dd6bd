"""The competition authority: a case arrives by itself, is returned, comes again, and is accepted."""

from __future__ import annotations

from datetime import date, timedelta
from typing import Any

from cases import tasks
from tests.cases.world import MONDAY, World, answer, open_case


def test_a_case_arrives_is_returned_comes_again_and_is_accepted(w: World, enter: Any, clock: Any) -> None:
    case = open_case(w)
    answer(case, w.complainant, attach=True)
    officer = enter(w.officer)
    officer.go("referrals")
    officer.reads("Nothing waits to be acknowledged.")

    clock.stand(MONDAY + timedelta(days=15))
    tasks.run_all()
    referral = case.referrals.get()
    officer.go("home")
    officer.reads("To acknowledge (1)")
    officer.follow(referral.reference)
    officer.reads("Heron outputs", "A party did not answer in time", "Chronology", "Empty.", "Heron Ltd", "Kestrel plc")
    officer.press("Acknowledge")
    officer.reads("is acknowledged. The ministry is told.")
    officer.press("Return for more information")
    officer.press("Return for more information")
    assert officer.errors()
    officer.fill({"needed": "The training logs of May.", "needed_by": date(2026, 11, 13)})
    officer.press("Return for more information")
    officer.reads("Returned. The ministry is told", "The training logs of May.", "Friday 13 November 2026")

    staff = enter(w.caseworker)
    staff.go("case", case.reference)
    staff.reads("Round 2", "Nobody has been asked in this round yet", "The training logs of May.", "13 November 2026")
    staff.follow("Issue notices for this round")
    party = case.parties.get(role="respondent")
    staff.fill({"subject": "Training logs", "purpose": "Asked for", f"party_{party.pk}": "Where are the logs of May?"})
    staff.press("Issue notices for this round")
    staff.reads("The notices are issued.", "round 2")
    supervisor = enter(w.supervisor)
    supervisor.go("home")
    supervisor.reads("Returned or declined by the authority (1)")

    respondent = enter(w.respondent)
    respondent.go("case", case.reference)
    respondent.reads("Open", "Case opened again, round 2 by the competition authority")

    # Nobody answers in the second round either.
    clock.stand(MONDAY + timedelta(days=40))
    tasks.run_all()
    again = case.referrals.get(round=2)
    officer.go("referrals")
    officer.follow(again.reference)
    officer.press("Acknowledge")
    officer.press("Accept")
    officer.fill({"reference": "OMA/26/117"})
    officer.press("Accept")
    officer.reads("Accepted.", "OMA/26/117")
    for visitor in (respondent, staff):
        visitor.go("case", case.reference)
        visitor.reads("the competition authority has taken it on")
    respondent.go("notifications")
    respondent.reads(case.reference)


def test_a_referral_is_declined_and_another_withdrawn(w: World, enter: Any, clock: Any) -> None:
    first, second = open_case(w), open_case(w)
    clock.stand(MONDAY + timedelta(days=15))
    tasks.run_all()
    officer, supervisor = enter(w.officer, width=320), enter(w.supervisor)
    declined, withdrawn = first.referrals.get(), second.referrals.get()
    officer.go("referral", declined.reference)
    officer.press("Decline")
    officer.page.locator('[name="head"]').first.check()
    officer.fill({"reason": "Not our market."})
    officer.press("Decline")
    officer.reads("Declined. The case is the ministry’s again.")
    supervisor.go("referral", withdrawn.reference)
    supervisor.follow("withdraw the referral")
    supervisor.fill({"reason": "Sent too early."})
    supervisor.press("Withdraw the referral")
    supervisor.reads("The referral is withdrawn.", "Round 2")
    officer.go("referral", withdrawn.reference)
    assert officer.status == 404
    supervisor.go("case", first.reference)
    supervisor.follow("Refer to the authority now")
    supervisor.fill({"reason": "It cannot wait."})
    supervisor.press("Refer to the authority now")
    supervisor.reads("The case is with the competition authority.")
