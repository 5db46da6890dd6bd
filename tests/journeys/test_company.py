"""A company officer files a disclosure, on two devices and with mistakes; two colleagues meet in one section."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from django.core import mail

from config import acts
from disclosures import actions as filings
from disclosures.models import Filing
from notifications import tasks as delivery
from tests.cases.world import World
from tests.cast import PASSWORD, code, person
from tests.journeys import content


def test_an_officer_files_a_disclosure_on_two_devices(w: World, enter: Any, tmp_path: Path) -> None:
    officer = person(w.respondent.organisation, "company_officer", "isobel@kestrel.example")
    answers = content.disclosure()
    desk = enter()
    desk.go("home")
    desk.press("Sign in")
    desk.sign_in("isobel@kestrel.example", "wrong-password-1234")
    assert desk.errors(), "a wrong password is told"
    desk.sign_in("isobel@kestrel.example", PASSWORD)
    assert desk.heading == "What waits for you"

    # Evidence first, so that it can be named in the disclosure.
    desk.follow("Evidence", within="nav")
    desk.press("Add evidence")
    desk.fill({**content.evidence(*content.files(tmp_path)), "collected_by": ""})
    desk.press("Add this evidence")
    assert desk.status == 400
    desk.reads("Choose the files again")
    desk.fill(content.evidence(*content.files(tmp_path)))
    desk.press("Add this evidence")
    desk.reads("is added", "Fingerprint")

    desk.follow("Disclosures", within="nav")
    desk.press("Start a disclosure")
    desk.reads("You have completed 0 of 7 sections")
    desk.follow("Who is filing")
    desk.fill(answers["who"])
    desk.press("Save and continue")
    assert desk.heading == "The activity"
    desk.fill({"activity_type": ["bulk_querying"], "narrative": "We compared"})
    desk.press("Save and come back later")
    desk.reads("is saved", "You have completed 1 of 7 sections")
    reference = Filing.objects.get().reference

    # Another device: everything is there.
    phone = enter(officer, width=320)
    phone.go("home")
    phone.follow(reference, within="main")
    phone.reads("You have completed 1 of 7 sections", "In progress")
    phone.follow("The activity")
    assert phone.page.input_value('[name="narrative"]') == "We compared"
    phone.fill(answers["activity"])
    phone.press("Save and continue")
    phone.fill(answers["target"])
    phone.press("Save and continue")
    assert phone.heading == "When it happened"

    _a_bad_date(phone, answers["dates"])
    phone.fill(answers["dates"])
    phone.press("Save and continue")
    for key in ("volume", "use", "confidentiality"):
        phone.fill(answers[key])
        phone.press("Save and continue")
    phone.reads("You have completed 7 of 7 sections", "Every section is complete")

    # Back at the desk: check, change one answer, declare.
    desk.go("filing", reference)
    desk.press("Check your answers")
    desk.reads("EXT-2026-001", "The invoices are on their way.")
    desk.follow("Change Contact for questions")
    desk.fill({"contact_name": "Ida Grant"})
    desk.press("Save and continue")
    desk.reads("Check your answers", "Ida Grant")
    desk.press("Declare and submit")
    assert desk.focused() != "BODY"
    assert "Tick the box if you make this declaration" in desk.errors()
    desk.fill({"name": "Ida Grant", "capacity": "Compliance officer", "agree": "on"})
    desk.press("Declare and submit")
    desk.reads("Disclosure received", reference, "Fingerprint", "Number of requests: Monday 26 October 2026")

    with desk.page.expect_download() as coming:
        desk.page.get_by_role("link", name="Download the receipt").click()
    saved = tmp_path / "receipt.pdf"
    coming.value.save_as(saved)
    assert saved.read_bytes().startswith(b"%PDF")
    delivery.run_all()
    assert any(reference in letter.body or reference in letter.subject for letter in mail.outbox)

    # What is not yet known is followed up: it stands on the first page.
    desk.go("home")
    desk.reads("Number of requests", "You said you would know by 26 October 2026")


def _a_bad_date(phone: Any, dates: dict[str, Any]) -> None:
    """31 June is told beside the field and in the summary, which has the focus; all that was typed is kept."""
    phone.fill({**dates, "ended_at": None, "late_reason": "Found by a review, to be kept"})
    phone.fill({"ended_at_precision": "exact", "ended_at_day": "31", "ended_at_month": "June", "ended_at_year": "2026"})
    phone.press("Save and continue")
    assert phone.status == 400
    assert phone.page.title().startswith("Error: ")
    assert phone.page.evaluate("document.activeElement.className") == "govuk-error-summary"
    assert phone.errors() == ["Last day of the activity must be a real date: that month has no such day"]
    beside = phone.page.locator(".govuk-form-group--error .govuk-error-message").all_inner_texts()
    assert any("that month has no such day" in text for text in beside)
    assert phone.page.input_value('[name="ended_at_month"]') == "June"
    assert phone.page.input_value('[name="late_reason"]') == "Found by a review, to be kept"
    phone.page.locator(".govuk-error-summary__list a").first.click()
    assert phone.focused() == "id_ended_at_day"


def test_the_ministry_returns_a_disclosure_and_the_company_corrects_it(w: World, enter: Any) -> None:
    filing = _submitted(w)
    staff = enter(w.caseworker)
    staff.go("filing", filing.reference)
    staff.press("Return with reasons")
    staff.fill({"section_volume": "The accounts do not agree with the hashes."})
    staff.press("Return with reasons")
    staff.reads("is returned")

    company = enter(w.respondent)
    company.go("home")
    company.follow(filing.reference, within="main")
    company.reads("What the ministry asks for", "The accounts do not agree with the hashes.")
    company.follow("How much", within=".govuk-task-list")
    company.fill({"accounts_used": "4"})
    company.press("Save and continue")
    company.go("filing_check", filing.reference)
    company.reads("Changed")
    company.fill({"name": "Ida", "capacity": "Director", "agree": "on"})
    company.press("Declare and submit")
    company.reads("Disclosure received")

    staff.go("filing", filing.reference)
    staff.press("Accept")
    staff.press("Accept")
    staff.reads("is accepted")
    company.go("filing", filing.reference)
    company.press("Amend this disclosure")
    company.reads("Amend a disclosure", "You have completed 7 of 7 sections")
    company.press("Delete this draft")
    company.press("Delete this draft")
    company.reads("is deleted")


def test_the_ministry_asks_for_more_and_then_rejects_an_allegation(w: World, enter: Any) -> None:
    item = acts.give_evidence(w.complainant, "Gateway log")
    filing = acts.file_it("allegation", w.complainant, acts.allegation_content(1, item, respondent="Kestrel plc"))
    staff, company = enter(w.caseworker), enter(w.complainant, width=320)
    staff.go("filing", filing.reference)
    staff.press("Ask for more")
    staff.press("Ask for more")
    assert staff.errors(), "without a reason nothing is asked"
    staff.fill({"section_proof": "Did you consider a reseller?"})
    staff.press("Ask for more")
    staff.reads("the company is asked for more")
    company.go("filing", filing.reference)
    company.follow("Evidence and other explanations", within=".govuk-task-list")
    company.reads("Did you consider a reseller?")
    company.fill({"alternatives": "We did: its customers would differ."})
    company.press("Save and continue")
    company.go("filing_check", filing.reference)
    company.fill({"name": "Ann", "capacity": "Director", "agree": "on"})
    company.press("Declare and submit")
    staff.go("filing", filing.reference)
    staff.press("Reject with reasons")
    staff.fill({"reason": "It is out of scope."})
    staff.press("Reject with reasons")
    staff.reads("is rejected")
    company.go("filing", filing.reference)
    company.reads("Rejected", "It is out of scope.")


def test_two_colleagues_in_one_section_lose_nothing(w: World, enter: Any) -> None:
    filing = filings.start("disclosure", by=w.respondent)
    colleague = person(w.respondent.organisation, "company_officer")
    first, second = enter(w.respondent), enter(colleague)
    for visitor in (first, second):
        visitor.go("filing_section", filing.reference, "who")
    first.fill({"contact_name": "Ida", "accountable_officer": "Henry Colt"})
    first.press("Save and come back later")
    second.fill({"contact_name": "Ivo", "contact_email": "ivo@kestrel.example"})
    second.press("Save and come back later")
    assert second.status == 409
    second.reads("A colleague has saved this section since you opened it", "Ida", "Henry Colt")
    assert second.focused() != "BODY"
    assert second.page.input_value('[name="contact_name"]') == "Ivo"
    # Saving again is a decision; what the colleague wrote was shown and can be typed in.
    second.fill({"accountable_officer": "Henry Colt"})
    second.press("Save and come back later")
    second.reads("is saved")
    saved = filing.sections.get(key="who").content
    assert saved["contact_name"] == "Ivo"
    assert saved["accountable_officer"] == "Henry Colt"


def _submitted(w: World) -> Filing:
    return acts.file_it("disclosure", w.respondent, acts.disclosure_content(7))


def test_somebody_with_a_second_step_is_asked_for_the_code(enter: Any, w: World) -> None:
    visitor = enter()
    visitor.go("account_login")
    visitor.sign_in(w.complainant.email, PASSWORD)
    assert visitor.heading == "Enter your security code"
    visitor.fill({"code": "000000"})
    visitor.press("Sign in")
    assert visitor.errors()
    visitor.fill({"code": code()})
    visitor.press("Sign in")
    assert visitor.heading == "What waits for you"
    visitor.press("Sign out")
    assert visitor.heading.startswith("Disclose and answer")
