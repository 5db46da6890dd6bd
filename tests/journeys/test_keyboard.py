"""A full filing with the keyboard alone."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from disclosures.models import Filing
from evidence.models import EvidenceItem
from tests.cases.world import World
from tests.cast import PASSWORD, person
from tests.journeys import content
from tests.journeys.keyboard import Keyboard


def test_an_allegation_with_evidence_is_filed_by_keyboard_alone(w: World, enter: Any, tmp_path: Path) -> None:
    officer = person(w.complainant.organisation, "company_officer", "ada@heron.example")
    visitor = enter()
    visitor.go("account_login")
    keys = Keyboard(visitor)

    # The first step leads past the menu.
    keys.tab()
    assert visitor.page.evaluate("document.activeElement.className") == "govuk-skip-link"
    keys.key("Enter")
    keys.answer({"login": "ada@heron.example", "password": PASSWORD})
    keys.button("Sign in")
    assert visitor.heading == "What waits for you"

    keys.link("Evidence", within="nav")
    keys.button("Add evidence")
    keys.answer(content.evidence(*content.files(tmp_path)))
    keys.button("Add this evidence")
    item = EvidenceItem.objects.get()
    assert item.submitted_by == officer

    keys.link("Allegations", within="nav")
    keys.button("Start an allegation")
    answers = content.allegation(item)
    reference = Filing.objects.get().reference
    keys.link("About you")
    for number, (key, section) in enumerate(answers.items()):
        assert visitor.path.endswith(f"/sections/{key}/"), visitor.path
        keys.answer(section)
        if number == 0:
            # A step back and forth again: the focus moves both ways.
            keys.tab(back=True)
            keys.tab()
        keys.button("Save and continue")
    visitor.reads("You have completed 7 of 7 sections")

    keys.button("Check your answers")
    keys.button("Declare and submit")
    assert visitor.page.evaluate("document.activeElement.className") == "govuk-error-summary"
    keys.tab()
    keys.key("Enter")  # the first line of the summary leads to the box
    keys.answer({"capacity": "Compliance officer", "agree": "on"})
    keys.button("Declare and submit")
    visitor.reads("Allegation received", reference)
