"""The whole way of a filing through the pages: drafted, declared, returned, corrected, accepted, amended."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from io import BytesIO
from typing import Any

from pypdf import PdfReader

from disclosures import actions as act
from disclosures.catalogue import SCHEMAS
from disclosures.forms import initial_of
from disclosures.models import Filing, FilingVersion, FollowUp
from evidence.actions import remove
from ledger.models import Event
from ledger.time import standing_at
from notifications.models import Message
from tests.cast import evidence_item
from tests.disclosures.content import BySection, exact, flat, full_allegation, full_disclosure, not_known
from tests.disclosures.people import People, browse, file_it, filled_in, submit, url, write
from tests.disclosures.test_forms import a_form, page

MONDAY = datetime(2026, 10, 5, 14, 30, tzinfo=UTC)


def type_in(client: Any, filing: Filing, content: BySection, key: str, **extra: str) -> Any:
    """Fill in a section's page as a person would, and send it."""
    html = client.get(url("filing_section", filing, key)).content.decode()
    revision = filled_in(html, "revision")["revision"]
    section = SCHEMAS[filing.kind].section(key)
    form = a_form(filing.kind, content, key)(initial={**initial_of(section, content[key]), "revision": 0})
    data = filled_in(page(form), "revision") | {"revision": revision} | extra
    evidence = content[key].get("evidence")
    if evidence:
        data["evidence"] = evidence
    return client.post(url("filing_section", filing, key), data)


def declare(client: Any, filing: Filing, **over: str) -> Any:
    html = client.get(url("filing_check", filing)).content.decode()
    return client.post(
        url("filing_check", filing), filled_in(html, "capacity") | {"capacity": "Director", "agree": "on"} | over
    )


def test_disclosure_goes_from_start_to_an_accepted_amendment(people: People) -> None:
    company, ministry = browse(people.officer), browse(people.caseworker)
    content = full_disclosure(requests=not_known("2026-12-01"), filer_reference="EXT-7")

    # Start, section by section, check, declare.
    with standing_at(MONDAY):
        started = company.post("/disclosures/new/")
        filing = Filing.objects.get()
        assert started.url == url("filing", filing)
        tasks = company.get(started.url).content.decode()
        assert tasks.count("Not started") == 7
        assert "Delete this draft" in tasks
        keys = list(content)
        for key, after in zip(keys, [*keys[1:], None], strict=True):
            saved = type_in(company, filing, content, key)
            assert saved.status_code == 302, saved.content.decode()
            assert saved.url == (url("filing_section", filing, after) if after else url("filing", filing))
        assert filing.content() == flat(content)
        assert company.get(url("filing", filing)).content.decode().count("Completed") == 7
        declared = declare(company, filing)
    assert declared.url == url("filing_receipt", filing)

    # The receipt: page, PDF, letters.
    version = FilingVersion.objects.get()
    receipt = company.get(declared.url).content.decode()
    for words in (filing.reference, "3:30pm on Monday 5 October 2026", version.sha256, "Tuesday 1 December 2026"):
        assert words in receipt
    answer = company.get(url("filing_receipt_pdf", filing))
    assert answer["Content-Type"] == "application/pdf"
    assert answer["Content-Disposition"] == f'attachment; filename="{filing.reference}-receipt-version-1.pdf"'
    pdf = PdfReader(BytesIO(answer.content))
    root: Any = pdf.trailer["/Root"]
    assert root["/MarkInfo"]["/Marked"]
    text = " ".join(" ".join(page.extract_text() for page in pdf.pages).split())
    for words in (
        "Harrier Analytics plc",
        "3:30pm on Monday 5 October 2026",
        f"{people.officer.name}, Director",
        "Then we trained on part of the answers.",
        "Claimed to be confidential",
        "The data set is sealed",
    ):
        assert words in text, words
    assert version.sha256 in text.replace("\u200b", "").replace(" ", "")
    letters = Message.objects.filter(template="filing_receipt", about_id=filing.pk)
    assert set(letters.values_list("organisation_id", flat=True)) == {people.officer.organisation_id}
    assert letters.count() == 4  # two people, two contacts
    assert letters[0].context["sha256"] == version.sha256

    # The ministry returns it by section; what was declared is frozen.
    with standing_at(MONDAY + timedelta(days=1)):
        queue = ministry.get("/review/").content.decode()
        assert filing.reference in queue
        assert "1 day" in queue
        page = ministry.get(url("filing", filing)).content.decode()
        assert "Return with reasons" in page
        assert "Claimed: Commercial information" in page
        back = filled_in(ministry.get(url("filing_return", filing)).content.decode(), "section_volume")
        done = ministry.post(url("filing_return", filing), back | {"section_volume": "Say how you counted."})
        assert done.status_code == 302
    filing.refresh_from_db()
    assert filing.state == "returned"

    # The company corrects the section and declares version 2.
    with standing_at(MONDAY + timedelta(days=2)):
        tasks = company.get(url("filing", filing)).content.decode()
        assert tasks.count("Returned: see reasons") == 1
        assert "Say how you counted." in tasks
        assert "Correct 1 section" in tasks
        corrected = full_disclosure(requests=exact(2_400_001), filer_reference="EXT-7")
        assert type_in(company, filing, corrected, "volume").status_code == 302
        check = company.get(url("filing_check", filing)).content.decode()
        assert check.count(">Changed<") == 1
        assert declare(company, filing).status_code == 302
    second = filing.latest
    assert (second.number, second.changed_fields) == (2, ["requests"])
    assert FollowUp.objects.get().done_at == MONDAY + timedelta(days=2)
    first = FilingVersion.objects.get(number=1)
    assert (first.content, first.sha256) == (flat(content), version.sha256)
    changes = company.get(url("filing_version", filing, 2)).content.decode()
    assert "What changed since version 1" in changes
    assert "Not yet known: The vendor has not answered (by Tuesday 1 December 2026)" in changes
    assert "2,400,001" in changes
    assert "Not yet known" in company.get(url("filing_version", filing, 1)).content.decode()

    # Accepted, then amended; the accepted amendment supersedes.
    with standing_at(MONDAY + timedelta(days=3)):
        accept = filled_in(ministry.get(url("filing_accept", filing)).content.decode(), "version")
        assert ministry.post(url("filing_accept", filing), accept).status_code == 302
        page = ministry.get(url("filing", filing)).content.decode()
        assert f"/cases/new/?from={filing.reference}" in page
        assert "Amend this disclosure" in company.get(url("filing", filing)).content.decode()
        amended = company.post(url("filing_amend", filing))
        amendment = Filing.objects.get(amends=filing)
        assert amended.url == url("filing", amendment)
        again = company.post(url("filing_amend", filing))
        assert again.status_code == 409
        assert amendment.reference in again.content.decode()
        assert "Amend this disclosure" not in company.get(url("filing", filing)).content.decode()
    assert company.get(url("filing", amendment)).content.decode().count("Completed") == 7
    with standing_at(MONDAY + timedelta(days=4)):
        newer = full_disclosure(requests=exact(3_000_000), filer_reference="EXT-7")
        assert type_in(company, amendment, newer, "volume").status_code == 302
        assert declare(company, amendment).status_code == 302
        assert amendment.latest.changed_fields == ["requests"]
        assert (
            f"What changed since version 2 of {filing.reference}"
            in ministry.get(url("filing_version", amendment, 1)).content.decode()
        )
        accept = filled_in(ministry.get(url("filing_accept", amendment)).content.decode(), "version")
        ministry.post(url("filing_accept", amendment), accept)
    states = dict(Filing.objects.values_list("reference", "state"))
    assert states == {filing.reference: "superseded", amendment.reference: "accepted"}
    verbs = Event.objects.filter(root_id=filing.pk, root_type="disclosures.filing").values_list("verb", flat=True)
    assert [v for v in verbs if v != "disclosure.section_saved"] == [
        "disclosure.started",
        "disclosure.submitted",
        "disclosure.returned",
        "disclosure.submitted",
        "disclosure.accepted",
        "disclosure.superseded",
    ]


def test_allegation_goes_to_admission_and_the_company_is_told_of_each_step(people: People) -> None:
    company, ministry = browse(people.officer), browse(people.caseworker)
    item = evidence_item(people.officer)
    content = full_allegation([item.reference])
    company.post("/allegations/new/")
    filing = Filing.objects.get()
    for key in content:
        saved = type_in(company, filing, content, key)
        assert saved.status_code == 302, saved.content.decode()
    assert declare(company, filing).status_code == 302
    item.refresh_from_db()
    assert item.submitted_at is not None
    queue = ministry.get("/review/").content.decode()
    assert "Urgent" in queue

    for verb, state in (("want-more", "more_wanted"), ("acknowledge", "acknowledged"), ("admit", "admitted")):
        address = url("filing", filing) + f"{verb}/"
        data = filled_in(ministry.get(address).content.decode(), "version")
        if verb == "want-more":
            assert ministry.post(address, data).status_code == 400  # no reason for any section
            data |= {"section_proof": "Attach the log itself"}
        assert ministry.post(address, data).status_code == 302
        filing.refresh_from_db()
        assert filing.state == state
        if verb == "want-more":
            page = company.get(url("filing", filing)).content.decode()
            assert "Attach the log itself" in page
            assert "Returned: see reasons" in page
            assert declare(company, filing).status_code == 302
    assert f"/cases/new/?from={filing.reference}" in ministry.get(url("filing", filing)).content.decode()
    told = Message.objects.filter(template="filing_reviewed", user=people.officer).order_by("pk")
    assert [m.context["state"] for m in told] == ["More wanted from you", "Acknowledged", "Admitted"]


def test_rejection_needs_a_reason_and_says_it(people: People) -> None:
    filing = file_it("allegation", people.officer, full_allegation([evidence_item(people.officer).reference]))
    ministry = browse(people.caseworker)
    refused = ministry.post(url("filing_reject", filing), {"version": "1", "reason": " "})
    assert refused.status_code == 400
    assert "govuk-error-summary" in refused.content.decode()
    assert (
        ministry.post(url("filing_reject", filing), {"version": "1", "reason": "Out of scope: no AI"}).status_code
        == 302
    )
    assert "Out of scope: no AI" in browse(people.colleague).get(url("filing", filing)).content.decode()
    assert ministry.post(url("filing_admit", filing), {"version": "1"}).status_code == 409


def test_official_does_not_decide_on_a_correction_unread(people: People) -> None:
    filing = file_it("allegation", people.officer, full_allegation([evidence_item(people.officer).reference]))
    act.want_more(filing.pk, by=people.caseworker, reasons={"proof": "More"}, version=1)
    submit(filing, people.officer)
    ministry = browse(people.supervisor)
    late = ministry.post(url("filing_admit", filing), {"version": "1"})
    assert late.status_code == 409
    assert "corrected since you read it" in late.content.decode()
    assert ministry.post(url("filing_admit", filing), {"version": "2"}).status_code == 302


def test_withdrawal_says_why_and_gives_the_promise_back_to_what_stays_in_force(people: People) -> None:
    company = browse(people.officer)
    filing = file_it("disclosure", people.officer, full_disclosure(requests=not_known("2030-12-01")))
    act.accept(filing.pk, by=people.caseworker)
    amendment = act.amend(filing.pk, by=people.officer)
    submit(amendment, people.officer)
    owed = FollowUp.objects.filter(done_at__isnull=True)
    assert [f.filing_id for f in owed] == [amendment.pk]
    assert company.post(url("filing_withdraw", amendment), {"reason": ""}).status_code == 400
    assert company.post(url("filing_withdraw", amendment), {"reason": "Filed too early"}).status_code == 302
    assert [f.filing_id for f in owed.all()] == [filing.pk]
    assert "Filed too early" in company.get(url("filing", amendment)).content.decode()
    assert company.get(url("filing_check", amendment)).status_code == 409
    page = company.get("/disclosures/").content.decode()
    assert "Amend it to give the answers that you promised" in page


def test_second_amendment_is_compared_with_the_first(people: People) -> None:
    filing = file_it("disclosure", people.officer, full_disclosure(filer_reference="EXT-9"))
    act.accept(filing.pk, by=people.caseworker)
    first = act.amend(filing.pk, by=people.officer)
    act.save_section(
        first.pk,
        by=people.officer,
        section="volume",
        content=full_disclosure(records=exact(1))["volume"],
        revision=0,
        finished=True,
    )
    submit(first, people.officer)
    act.accept(first.pk, by=people.caseworker)
    second = act.amend(first.pk, by=people.officer)
    assert second.amends == filing
    act.save_section(
        second.pk,
        by=people.officer,
        section="volume",
        content=full_disclosure(records=exact(1), bytes=exact(2))["volume"],
        revision=0,
        finished=True,
    )
    submit(second, people.officer)
    assert second.latest.changed_fields == ["bytes"]
    assert second.latest.previous == first.latest


def test_draft_is_discarded_after_a_question(people: People) -> None:
    company = browse(people.officer)
    company.post("/disclosures/new/")
    filing = Filing.objects.get()
    assert "cannot be undone" in company.get(url("filing_discard", filing)).content.decode()
    assert Filing.objects.exists()
    assert company.post(url("filing_discard", filing)).url == "/disclosures/"
    assert not Filing.objects.exists()
    assert company.get(url("filing", filing)).status_code == 404


def test_declared_filing_is_never_discarded(people: People) -> None:
    filing = file_it("disclosure", people.officer, full_disclosure())
    act.return_(filing.pk, by=people.caseworker, reasons={"who": "Who?"})
    assert browse(people.officer).post(url("filing_discard", filing)).status_code == 409
    assert Filing.objects.filter(pk=filing.pk).exists()


def test_newcomer_drafts_but_cannot_submit(people: People) -> None:
    company = browse(people.newcomer)
    filing = write(act.start("disclosure", by=people.newcomer), people.newcomer, full_disclosure())
    page = company.get(url("filing_check", filing)).content.decode()
    assert "has not verified your organisation yet" in page
    assert "Declare and submit" not in page
    refused = company.post(url("filing_check", filing), {"name": "W", "capacity": "Director", "agree": "on"})
    assert refused.status_code == 403
    assert "Your drafts are kept" in refused.content.decode()
    filing.refresh_from_db()
    assert (filing.state, filing.versions.count()) == ("draft", 0)
    assert filing.content()["narrative"].startswith("We compared")


def test_incomplete_filing_is_not_declared_and_says_where_it_lacks(people: People) -> None:
    company = browse(people.officer)
    filing = act.start("disclosure", by=people.officer)
    page = company.get(url("filing_check", filing)).content.decode()
    assert f"{url('filing_section', filing, 'who')}?from=check#id_role_0" in page
    assert f"{url('filing_section', filing, 'dates')}?from=check#id_started_at_day" in page
    refused = company.post(url("filing_check", filing), {"name": "W", "capacity": "Director", "agree": "on"})
    assert refused.status_code == 400
    assert "Some sections are not complete" in refused.content.decode()


def test_declaration_needs_name_capacity_and_the_tick(people: People) -> None:
    filing = write(act.start("disclosure", by=people.officer), people.officer, full_disclosure())
    refused = declare(browse(people.officer), filing, name="", capacity="Keeper of the seal", agree="")
    page = refused.content.decode()
    assert refused.status_code == 400
    assert "Enter your full name" in page
    assert "Tick the box if you make this declaration" in page
    assert 'value="Keeper of the seal"' in page
    assert not FilingVersion.objects.exists()


def test_nobody_declares_what_a_colleague_changed_meanwhile(people: People) -> None:
    company = browse(people.officer)
    filing = write(act.start("disclosure", by=people.officer), people.officer, full_disclosure())
    seen = filled_in(company.get(url("filing_check", filing)).content.decode(), "capacity")
    row = filing.sections.get(key="use")
    changed = row.content | {"safeguards": "None at all"}
    act.save_section(
        filing.pk, by=people.colleague, section="use", content=changed, revision=row.revision, finished=True
    )
    late = company.post(url("filing_check", filing), seen | {"capacity": "Director", "agree": "on"})
    assert late.status_code == 409
    assert "A colleague has changed this filing since you checked it" in late.content.decode()
    assert url("filing_check", filing) in late.content.decode()
    assert not FilingVersion.objects.exists()


def test_evidence_that_was_taken_back_is_missed_before_it_is_declared(people: People) -> None:
    item = evidence_item(people.officer)
    filing = write(act.start("allegation", by=people.officer), people.officer, full_allegation([item.reference]))
    remove(item.pk, by=people.officer)
    company = browse(people.officer)
    page = company.get(url("filing_check", filing)).content.decode()
    assert "Choose items from your organisation’s own evidence" in page
    refused = company.post(url("filing_check", filing), {"name": "W", "capacity": "Director", "agree": "on"})
    assert refused.status_code == 400


def test_unasked_answers_are_not_declared(people: People) -> None:
    filing = write(act.start("disclosure", by=people.officer), people.officer, full_disclosure())
    use = full_disclosure(
        use_of_outputs=["stored"], trained_model=None, model_released=None, deletion=None, recipients=None
    )
    row = filing.sections.get(key="use")
    act.save_section(
        filing.pk, by=people.officer, section="use", content=use["use"], revision=row.revision, finished=True
    )
    assert act.missing(filing) == {}
    submit(filing, people.officer)
    assert not [name for name in filing.latest.content if "recipients" in name or "trained" in name]
