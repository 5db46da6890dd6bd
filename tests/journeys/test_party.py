"""A respondent: the notice, its clock, the answers with evidence, more time, and an answer that comes late."""

from __future__ import annotations

from datetime import date, timedelta
from pathlib import Path
from typing import Any

from cases import tasks
from tests.cases.world import MONDAY, World, notice_to, open_case
from tests.journeys import content


def test_a_respondent_answers_question_by_question_with_evidence(
    w: World, enter: Any, clock: Any, tmp_path: Path
) -> None:
    case = open_case(w)
    notice = notice_to(case, w.respondent)
    clock.stand(MONDAY + timedelta(days=4))
    party = enter(w.respondent, width=320)
    party.go("home")
    party.reads("Notices to answer (1)", "2 of 2 questions not started", "10 days left")
    party.follow(notice.reference, within="main")
    party.reads(
        "What happens next if nobody acts",
        "11:59pm on Monday 19 October 2026 (10 days left)",
        "2 questions still to answer",
        "How the last day was counted",
    )
    party.page.get_by_text("Day by day").click()
    party.look()
    party.reads("Day of service, not counted", "Day 14")

    party.follow("1. Was it you?")
    party.fill({"how": "answer"})
    party.press("Save and go to the next question")
    assert party.status == 400
    assert party.errors() == ["Write an answer, or choose evidence that gives it"]
    party.fill({"text": "It was not us."})
    # The file is not there yet: save, add it, come back.
    party.press("Save and go back to the notice")
    party.reads("Your answer to question 1 is saved", "1 question still to answer")
    party.follow("1. Was it you?")
    party.follow("Add evidence")
    party.fill(content.evidence(*content.files(tmp_path)))
    party.press("Add this evidence")
    assert party.heading == "Question 1"
    assert party.page.input_value('[name="text"]') == "It was not us."
    party.page.get_by_label("Gateway log").check()
    party.press("Save and go to the next question")
    assert party.heading == "Question 2"
    party.fill({"how": "not_held", "where_held": "With our former provider.", "why_not_held": "Their time is over."})
    party.press("Save")
    party.reads("Everything is answered.")
    party.press("Check and hand in")
    party.reads("It was not us.", "Gateway log", "Not held.")
    party.fill({"agree": "on"})
    party.press("Hand in")
    party.reads("Answer handed in", notice.reference, "Received at 11am on Friday 9 October 2026")
    party.go("case", case.reference)
    party.reads("Gateway log", "Answered")

    # The case team reads it.
    staff = enter(w.caseworker)
    staff.go("notice", notice.reference)
    staff.follow("Answer 1")
    staff.press("Mark as read")
    staff.reads("Marked as read.")


def test_a_respondent_asks_for_more_time(w: World, enter: Any, clock: Any) -> None:
    notice = notice_to(open_case(w), w.respondent)
    clock.stand(MONDAY + timedelta(days=9))
    party = enter(w.respondent)
    party.go("notice", notice.reference)
    party.follow("Ask for more time")
    party.fill({"until_day": date(2026, 10, 12), "reasons": "Too early a day."})
    party.press("Send the request")
    assert party.status == 400
    assert party.errors()
    assert party.page.input_value('[name="reasons"]') == "Too early a day."
    party.fill({"until_day": date(2026, 11, 2), "reasons": "Our provider promised the records by then."})
    party.press("Send the request")
    party.reads("Your request is with the ministry", "You asked for time until Monday 2 November 2026")
    party.go("home")
    party.reads("Requests that wait for the ministry (1)")
    supervisor = enter(w.supervisor)
    supervisor.go("notice", notice.reference)
    supervisor.follow("refuse", within="main")
    supervisor.fill({"reasons": "You had them in May."})
    supervisor.press("Refuse")
    supervisor.reads("The request is refused")
    party.go("notice", notice.reference)
    party.reads("The ministry: You had them in May.")


def test_a_late_answer_is_taken_and_marked_late(w: World, enter: Any, clock: Any) -> None:
    notice = notice_to(open_case(w), w.respondent)
    clock.stand(MONDAY + timedelta(days=15))
    tasks.run_all()
    party = enter(w.respondent)
    party.go("notice", notice.reference)
    party.reads("You can still answer; it is marked as late")
    for number in (1, 2):
        party.go("notice_question", notice.reference, number)
        party.fill({"how": "answer", "text": "Here it is."})
        party.press("Save and go back to the notice")
    party.press("Check and hand in")
    party.reads("your answer is accepted and marked as late")
    party.fill({"agree": "on"})
    party.press("Hand in")
    party.reads("Answer handed in", "(late)")
    party.go("notifications")
    party.press("Mark all as read")
    party.reads_no("Unread")


def test_two_colleagues_answer_the_same_question(w: World, enter: Any) -> None:
    from tests.cast import person

    notice = notice_to(open_case(w), w.respondent)
    first, second = enter(w.respondent), enter(person(w.respondent.organisation, "company_officer"))
    for visitor in (first, second):
        visitor.go("notice_question", notice.reference, 1)
    first.fill({"how": "answer", "text": "It was not us."})
    first.press("Save and go back to the notice")
    second.fill({"how": "answer", "text": "It was us, in May."})
    second.press("Save and go back to the notice")
    assert second.status == 409
    second.reads("It was not us.")
    assert second.page.input_value('[name="text"]') == "It was us, in May."
    second.press("Save and go back to the notice")
    assert notice.questions.get(number=1).draft.text == "It was us, in May."
