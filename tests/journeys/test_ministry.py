"""A caseworker: from an allegation to an open case, its notes, its brief, more time, and what may not be shown yet."""

from __future__ import annotations

from datetime import date, timedelta
from typing import Any

from cases import tasks
from cases.actions import extensions
from cases.models import Case
from config import acts
from ledger.time import now
from tests.cases.world import MONDAY, World, notice_to, open_case


def test_a_caseworker_opens_a_case_from_an_allegation_and_works_on_it(w: World, enter: Any) -> None:
    item = acts.give_evidence(w.complainant, "Gateway log")
    filing = acts.file_it("allegation", w.complainant, acts.allegation_content(1, item, respondent="Kestrel plc"))

    staff = enter(w.caseworker)
    staff.go("home")
    staff.reads("New allegations and disclosures (1)")
    staff.follow(f"{filing.reference} from Heron Ltd")
    staff.press("Acknowledge")
    staff.press("Acknowledge")
    staff.press("Admit")
    staff.press("Admit")
    staff.reads("You can open a case from it")
    staff.press("Open a case from this allegation")
    staff.press("Open the case and issue the notices")  # nothing filled in
    assert staff.status == 400
    assert "Enter title of the case" in staff.errors()
    staff.fill(
        {
            "title": "Heron outputs",
            "subject": "Bulk querying of the Heron models.",
            "purpose": "To find whether outputs were collected.",
            "complainant_questions": "How do you know?",
            "respondent_questions": "Was it you?\nWhat was done with the outputs?",
        }
    )
    staff.page.get_by_label("Kestrel plc").check()
    staff.press("Open the case and issue the notices")
    case = Case.objects.get()
    staff.reads(
        "The case is open and the notices are issued.",
        "What happens next if nobody acts",
        "It is referred to the competition authority",
        "14 days left",
        "Waiting for an answer",
    )

    staff.follow("Change officer or deputy")
    staff.page.get_by_label("Officer").select_option(str(w.caseworker.pk))
    staff.page.get_by_label("Deputy").select_option(str(w.colleague.pk))
    staff.press("Save")
    staff.reads(f"Officer: {w.caseworker.name}, deputy: {w.colleague.name}")
    staff.follow("Notes", within=".moj-sub-navigation")
    staff.fill({"text": "Both accounts of the volume agree."})
    staff.press("Add the note")
    staff.reads("Both accounts of the volume agree.")
    staff.follow("Brief", within=".moj-sub-navigation")
    staff.reads("Empty.")
    staff.follow("Write Theory of harm")
    staff.fill({"text": "A rival saves the cost of training."})
    staff.press("Save")
    staff.reads("A rival saves the cost of training.")
    for tab in ("Timeline", "Notices", "Exhibits"):
        staff.follow(tab, within=".moj-sub-navigation")
    staff.reads("001 Gateway log", "Confidential")

    # Nothing is shown to the other side before the periods have ended: the page says so and names the way back.
    staff.follow("Disclose exhibit 001")
    staff.page.get_by_label("Kestrel plc (respondent)").check()
    staff.press("Disclose")
    assert staff.status == 409
    staff.reads("evidence period")

    # A colleague wrote the same head of the brief meanwhile: both texts are on the page.
    colleague = enter(w.colleague)
    for visitor in (staff, colleague):
        visitor.go("case_brief", case.reference, "markets")
    staff.fill({"text": "Speech models"})
    staff.press("Save")
    colleague.fill({"text": "Language models"})
    colleague.press("Save")
    assert colleague.status == 409
    colleague.reads("Speech models")
    assert colleague.page.input_value('[name="text"]') == "Language models"
    colleague.press("Save mine")
    colleague.reads("Language models")


def test_a_caseworker_grants_more_time_and_discloses_when_the_periods_are_over(
    w: World, enter: Any, clock: Any
) -> None:
    case = open_case(w)
    notice = notice_to(case, w.respondent)
    clock.stand(MONDAY + timedelta(days=7))
    extensions.request_extension(
        notice.pk, by=w.respondent, until_day=date(2026, 11, 2), reasons="Our provider is slow.", received_at=now()
    )
    staff = enter(w.caseworker)
    staff.go("home")
    staff.reads("Requests for more time (1)", "it holds the deadline")
    staff.follow(f"{notice.reference} in {case.reference}")
    staff.reads("More time is asked for until Monday 2 November 2026", "Our provider is slow.")
    staff.follow("Grant", within="main")
    assert staff.page.input_value('[name="until_day_day"]') == "2"
    staff.fill({"until_day": date(2026, 10, 28), "reasons": "Nine days are enough."})
    staff.press("Grant")
    staff.reads("More time is granted", "Wednesday 28 October 2026", "Nine days are enough.")

    # The days go by; nobody answers; the case goes to the authority, and now an exhibit may be shown.
    clock.stand(MONDAY + timedelta(days=30))
    tasks.run_all()
    case.refresh_from_db()
    assert case.state == "referred"
    staff.go("case", case.reference)
    staff.reads("Nothing here: the competition authority acts next")
    staff.follow("Exhibits", within=".moj-sub-navigation")
    staff.follow("Disclose exhibit 001")
    staff.page.get_by_label("Kestrel plc (respondent)").check()
    staff.press("Disclose")
    staff.reads("The exhibit is disclosed.", "Shown to Kestrel plc")

    party = enter(w.respondent, width=320)
    party.go("home")
    party.reads("Disclosed to you (1)")
    party.follow("Exhibit 001")
    party.follow("comment on it")
    party.fill({"text": "These rows are not ours."})
    party.press("Send the comment")
    party.reads("Your comment is with the ministry.")
    party.follow("open the non-confidential version")
    party.reads("Non-confidential version")
    staff.go("case_tab", case.reference, "exhibits")
    staff.reads("These rows are not ours.")


def test_service_in_doubt_is_settled_on_its_page(w: World, enter: Any, clock: Any) -> None:
    case = open_case(w)
    notice = notice_to(case, w.respondent)
    from notifications import tasks as delivery
    from notifications.models import Message

    delivery.run_all()
    staff = enter(w.caseworker)
    staff.go("notice", notice.reference)
    letters = Message.objects.about(notice).filter(template="notice_issued", state="sent")
    assert letters.exists()
    for _ in range(letters.count()):
        staff.press("It came back", exact=False)
    tasks.run_all()
    staff.go("home")
    staff.reads("Service in doubt (1)")
    staff.follow(notice.reference, within="section:has-text('Service in doubt')")
    staff.reads("Service is in doubt", "Nothing is missed and nothing referred until it is settled.")
    clock.stand(MONDAY + timedelta(days=2))
    staff.follow("Record service by other means")
    staff.fill({"method": "courier", "served_at_day": "6", "served_at_month": "10", "served_at_year": "2026"})
    staff.fill({"served_at_time": "9:30am", "proof": "Receipt 4711, signed by the porter."})
    staff.press("Record service")
    staff.reads("Service is recorded", "was settled")


def test_a_caseworker_with_a_conflict_sees_the_case_no_more(w: World, enter: Any) -> None:
    case = open_case(w)
    staff = enter(w.colleague)
    staff.go("cases")
    staff.fill({"q": "heron"})
    staff.press("Search")
    staff.follow(case.reference)
    staff.follow("Declare a conflict of interest")
    staff.fill({"reason": "I worked for the respondent."})
    staff.press("Declare a conflict of interest")
    staff.reads("is no longer shown to you")
    staff.go("case", case.reference)
    assert staff.status == 404
    staff.go("disclosures")
    staff.go("case_new")
    staff.page.get_by_label("Magpie Ltd", exact=True).check()
    staff.fill({"title": "Own motion", "subject": "s", "purpose": "p", "respondent_questions": "Why?"})
    staff.press("Open the case and issue the notices")
    staff.reads("The case is open and the notices are issued.", "Magpie Ltd")
