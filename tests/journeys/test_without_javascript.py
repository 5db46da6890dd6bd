"""Scripts are off: a full filing and an answer to a notice."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from config import acts
from disclosures.models import Filing
from evidence.models import EvidenceItem
from tests.cases.world import World, notice_to, open_case
from tests.cast import PASSWORD, person
from tests.journeys import content


def test_an_allegation_is_filed_without_javascript(w: World, enter: Any, tmp_path: Path) -> None:
    person(w.complainant.organisation, "company_officer", "ada@heron.example")
    visitor = enter(javascript=False, width=320)
    visitor.go("account_login")
    visitor.sign_in("ada@heron.example", PASSWORD)
    assert visitor.heading == "What waits for you"
    # Without scripts the menu is open.
    visitor.follow("Evidence", within="nav")
    visitor.press("Add evidence")
    visitor.fill(content.evidence(*content.files(tmp_path)))
    visitor.press("Add this evidence")

    visitor.follow("Allegations", within="nav")
    visitor.press("Start an allegation")
    visitor.follow("About you")
    visitor.press("Save and continue")  # nothing filled in: the server says what is missing
    assert visitor.status == 400
    assert visitor.page.title().startswith("Error: ")
    assert visitor.errors()
    for section in content.allegation(EvidenceItem.objects.get()).values():
        visitor.fill(section)
        visitor.press("Save and continue")
    visitor.reads("You have completed 7 of 7 sections")
    visitor.press("Check your answers")
    visitor.fill({"capacity": "Director", "agree": "on"})
    visitor.press("Declare and submit")
    visitor.reads("Allegation received", Filing.objects.get().reference)


def test_a_notice_is_answered_without_javascript(w: World, enter: Any) -> None:
    case = open_case(w)
    notice = notice_to(case, w.respondent)
    item = acts.give_evidence(w.respondent, "Our log")
    visitor = enter(w.respondent, javascript=False)
    visitor.go("home")
    visitor.follow(notice.reference, within="main")
    visitor.follow("1. Was it you?")
    visitor.press("Save and go to the next question")
    assert visitor.errors()
    visitor.fill({"how": "answer", "text": "It was not.", "evidence": [item.reference]})
    visitor.press("Save and go to the next question")
    visitor.fill({"how": "not_held", "where_held": "With nobody.", "why_not_held": "It was never kept."})
    visitor.press("Save")
    visitor.press("Check and hand in")
    visitor.fill({"agree": "on"})
    visitor.press("Hand in")
    visitor.reads("Answer handed in", "Not held.")
    notice.refresh_from_db()
    assert notice.state == "answered"
