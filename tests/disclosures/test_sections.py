"""Saving sections: half done, refused, twice at once; nothing that was typed is lost."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any

import pytest
from django.db import transaction

from disclosures import actions as act
from disclosures.models import Filing, FilingSection
from tests.disclosures.content import full_disclosure
from tests.disclosures.people import People, browse, cast, filled_in, url


@pytest.fixture
def draft(people: People) -> Filing:
    return act.start("disclosure", by=people.officer)


def opened(client: Any, filing: Filing, key: str) -> dict[str, Any]:
    return filled_in(client.get(url("filing_section", filing, key)).content.decode(), "revision")


def test_half_a_section_is_kept_for_later(people: People, draft: Filing) -> None:
    client = browse(people.officer)
    typed = {"revision": "0", "accountable_officer": "Henry Colt", "later": "1"}
    saved = client.post(url("filing_section", draft, "who"), typed)
    assert saved.url == url("filing", draft)
    page = client.get(saved.url).content.decode()
    assert "You can come back to it later" in page
    assert page.count("In progress") == 1
    elsewhere = browse(people.officer)  # another device
    assert opened(elsewhere, draft, "who")["accountable_officer"] == ["Henry Colt"]


def test_section_is_not_finished_while_something_is_missing(people: People, draft: Filing) -> None:
    client = browse(people.officer)
    refused = client.post(url("filing_section", draft, "who"), {"revision": "0", "accountable_officer": "Henry Colt"})
    page = refused.content.decode()
    assert refused.status_code == 400
    assert "<title>Error: " in page
    assert 'href="#id_contact_name"' in page
    assert 'href="#id_role_0"' in page
    assert filled_in(page, "revision")["accountable_officer"] == ["Henry Colt"]
    assert draft.sections.get(key="who").revision == 0


@pytest.mark.parametrize("button", [{}, {"later": "1"}])
def test_impossible_day_is_said_and_nothing_typed_is_lost(
    people: People, draft: Filing, button: dict[str, str]
) -> None:
    client = browse(people.officer)
    typed = {
        "revision": "0",
        "started_at_day": "31",
        "started_at_month": "2",
        "started_at_year": "2026",
        "late_reason": "Found late",
    }
    refused = client.post(url("filing_section", draft, "dates"), typed | button)
    assert refused.status_code == 400
    assert "that month has no such day" in refused.content.decode()
    again = filled_in(refused.content.decode(), "revision")
    assert {name: again[name] for name in typed} == {name: [value] for name, value in typed.items()}


def test_emptied_answer_is_missed_and_not_taken_from_what_was_saved(people: People, draft: Filing) -> None:
    client = browse(people.officer)
    content = full_disclosure()["target"]
    act.save_section(draft.pk, by=people.officer, section="target", content=content, revision=0, finished=True)
    typed = opened(client, draft, "target") | {"target_assets": ""}
    refused = client.post(url("filing_section", draft, "target"), typed)
    assert refused.status_code == 400
    assert "models, datasets or domains" in refused.content.decode()
    client.post(url("filing_section", draft, "target"), typed | {"later": "1"})
    assert "target_assets" not in draft.sections.get(key="target").content


def test_change_from_the_answers_goes_back_to_them(people: People, draft: Filing) -> None:
    client = browse(people.officer)
    content = full_disclosure()["target"]
    act.save_section(draft.pk, by=people.officer, section="target", content=content, revision=0, finished=True)
    saved = client.post(url("filing_section", draft, "target") + "?from=check", opened(client, draft, "target"))
    assert saved.url == url("filing_check", draft)


def test_own_reference_is_used_once(people: People, draft: Filing) -> None:
    client, rival = browse(people.officer), act.start("disclosure", by=people.rival)
    other = act.start("disclosure", by=people.colleague)
    who = {"revision": "0", "later": "1"}
    assert client.post(url("filing_section", draft, "who"), who | {"filer_reference": "EXT-1"}).status_code == 302
    refused = client.post(url("filing_section", other, "who"), who | {"filer_reference": "EXT-1"})
    page = refused.content.decode()
    assert refused.status_code == 400
    assert "Your organisation has used this reference already" in page
    assert 'aria-describedby="id_filer_reference-hint id_filer_reference-error"' in page
    wrong = client.post(url("filing_section", other, "who"), who | {"filer_reference": "EXT 1/2"})
    assert wrong.status_code == 400
    assert "letters, digits, hyphens" in wrong.content.decode()
    # Another organisation's numbers are its own; and an emptied one is free again.
    stranger = browse(people.rival).post(url("filing_section", rival, "who"), who | {"filer_reference": "EXT-1"})
    assert stranger.status_code == 302
    client.post(url("filing_section", draft, "who"), {"revision": "1", "later": "1"})
    assert client.post(url("filing_section", other, "who"), who | {"filer_reference": "EXT-1"}).status_code == 302


def test_second_of_two_colleagues_is_told_and_keeps_what_was_typed(people: People, draft: Filing) -> None:
    mine, theirs = browse(people.officer), browse(people.colleague)
    typed, other = opened(mine, draft, "target"), opened(theirs, draft, "target")
    other |= {"target_organisation": "Northwind Models Ltd", "terms_position": "silent", "later": "1"}
    theirs.post(url("filing_section", draft, "target"), other)
    typed |= {"target_organisation": "Northwind Inc", "target_assets": "heron-2\r\nheron-3", "later": "1"}
    told = mine.post(url("filing_section", draft, "target"), typed)
    page = told.content.decode()
    assert told.status_code == 409
    assert "<title>Error: " in page
    assert "A colleague has saved this section since you opened it" in page
    assert people.colleague.name in page
    table = page[page.index('id="differences"') : page.index("The form below")]
    for words in ("Northwind Models Ltd", "Northwind Inc", "Silent", "heron-2<br>heron-3", "Not given"):
        assert words in table
    assert "Was there an authorisation?" not in table  # nobody answered it: no difference
    assert draft.sections.get(key="target").content["target_organisation"] == "Northwind Models Ltd"
    # Saving again is deliberate: the form carries the new revision and what was typed.
    again = filled_in(page, "revision")
    assert again["revision"] == ["1"]
    assert again["target_assets"] == ["heron-2\r\nheron-3"]
    assert mine.post(url("filing_section", draft, "target"), again | {"later": "1"}).status_code == 302
    row = draft.sections.get(key="target")
    assert (row.revision, row.content["target_organisation"]) == (2, "Northwind Inc")
    assert row.content["target_assets"] == "heron-2\nheron-3"


def test_save_after_submission_is_the_wrong_moment(people: People) -> None:
    from tests.disclosures.people import file_it

    filing = file_it("disclosure", people.officer, full_disclosure())
    late = browse(people.colleague).post(url("filing_section", filing, "who"), {"revision": "1"})
    assert late.status_code == 409
    assert "submitted" in late.content.decode()


def _race(concurrently: Callable[..., list[Any]], save: Callable[..., Any]) -> tuple[FilingSection, list[Any]]:
    people = cast()
    draft = act.start("disclosure", by=people.officer)
    together = threading.Barrier(2)

    def one(by: Any) -> Any:
        together.wait(10)
        return save(draft, by)

    outcomes = concurrently(lambda: one(people.officer), lambda: one(people.colleague))
    return draft.sections.get(key="target"), outcomes


def _save(filing: Filing, by: Any) -> Any:
    return act.save_section(
        filing.pk, by=by, section="target", content={"target_organisation": by.name}, revision=0, finished=False
    )


def test_race_of_two_saves_has_one_winner_and_the_other_is_told(concurrently: Callable[..., list[Any]]) -> None:
    for _ in range(10):
        row, outcomes = _race(concurrently, _save)
        told = [o for o in outcomes if isinstance(o, act.SectionChanged)]
        won = [o for o in outcomes if isinstance(o, FilingSection)]
        assert (len(won), len(told)) == (1, 1), outcomes
        assert row.revision == 1
        assert told[0].row.content == row.content == won[0].content


def test_race_without_the_lock_loses_a_save(concurrently: Callable[..., list[Any]]) -> None:
    """The negative control: the same steps without the row lock let both believe that they won."""
    looked = threading.Barrier(2)

    def careless(filing: Filing, by: Any) -> Any:
        with transaction.atomic():
            row = FilingSection.objects.get(filing=filing, key="target")
            looked.wait(10)
            row.content, row.revision = {"target_organisation": by.name}, row.revision + 1
            row.save()
        return row

    row, outcomes = _race(concurrently, careless)
    assert all(isinstance(o, FilingSection) for o in outcomes)
    assert row.revision == 1  # two saves, one revision: one of them is gone
