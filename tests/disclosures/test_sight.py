"""Who sees what of filings, what nobody can change, and the public check of a receipt."""

from __future__ import annotations

from typing import Any

import pytest
from django.db import IntegrityError, connection, transaction
from django.test.utils import CaptureQueriesContext

from disclosures import actions as act
from disclosures.models import Filing, FilingBarrier, FilingGrant, FilingReview, FilingVersion
from tests.cast import evidence_item
from tests.disclosures.content import full_allegation, full_disclosure
from tests.disclosures.people import People, browse, file_it, submit, url, write

CANARY = "canary-7f3a9c"
PAGES = ("filing", "filing_check", "filing_receipt", "filing_receipt_pdf", "filing_withdraw", "filing_discard")
STEPS = ("accept", "return", "acknowledge", "admit", "want-more", "reject")


def canaries() -> dict[str, Any]:
    return {
        "narrative": f"{CANARY} narrative",
        "target_organisation": f"{CANARY} target",
        "account_hashes": f"{CANARY} accounts",
        "claim_requests_reason": f"{CANARY} reason",
    }


def everything(client: Any, filing: Filing) -> list[Any]:
    """Every page of a filing, and every list and check where it could show."""
    addresses = [url(name, filing) for name in PAGES] + [url("filing", filing) + f"{step}/" for step in STEPS]
    addresses += [url("filing_section", filing, "activity"), url("filing_version", filing, 1)]
    addresses += ["/disclosures/", "/allegations/", "/review/", "/review/?show=all", "/receipts/"]
    return [(address, client.get(address)) for address in addresses]


def test_draft_is_seen_by_its_organisation_alone(people: People) -> None:
    filing = write(act.start("disclosure", by=people.officer), people.officer, full_disclosure(**canaries()))
    for stranger in (people.caseworker, people.supervisor, people.rival, people.authority, people.auditor, None):
        for address, answer in everything(browse(stranger), filing):
            assert CANARY not in answer.content.decode(), address
            assert filing.reference not in answer.content.decode() or stranger is None, address
            if filing.reference in address:
                assert answer.status_code == (404 if stranger else 302), address
    assert CANARY in browse(people.colleague).get(url("filing_check", filing)).content.decode()


def test_declared_filing_is_not_seen_by_a_rival_or_before_a_grant(people: People) -> None:
    filing = file_it("disclosure", people.officer, full_disclosure(**canaries()))
    for stranger in (people.rival, people.authority, people.auditor, people.newcomer):
        for address, answer in everything(browse(stranger), filing):
            assert CANARY not in answer.content.decode(), address
            assert filing.reference not in answer.content.decode(), address
            if filing.reference in address:
                assert answer.status_code == 404, address
    assert CANARY in browse(people.caseworker).get(url("filing", filing)).content.decode()


def test_ministry_reads_what_was_declared_not_what_is_being_written(people: People) -> None:
    filing = file_it("disclosure", people.officer, full_disclosure())
    act.return_(filing.pk, by=people.caseworker, reasons={"activity": "Say more"})
    row = filing.sections.get(key="activity")
    act.save_section(
        filing.pk,
        by=people.officer,
        section="activity",
        content=row.content | {"narrative": f"{CANARY} unfinished"},
        revision=row.revision,
        finished=True,
    )
    ministry = browse(people.caseworker)
    assert CANARY not in ministry.get(url("filing", filing)).content.decode()
    assert ministry.get(url("filing_section", filing, "activity")).status_code == 403
    assert ministry.get(url("filing_check", filing)).status_code == 403


def test_amendment_in_draft_is_not_named_to_the_ministry(people: People) -> None:
    filing = file_it("disclosure", people.officer, full_disclosure())
    act.accept(filing.pk, by=people.caseworker)
    amendment = act.amend(filing.pk, by=people.officer)
    assert amendment.reference not in browse(people.caseworker).get(url("filing", filing)).content.decode()
    assert amendment.reference in browse(people.officer).get(url("filing", filing)).content.decode()


def test_official_with_a_conflict_sees_nothing(people: People) -> None:
    filing = file_it("disclosure", people.officer, full_disclosure(**canaries()))
    FilingBarrier.objects.create(filing=filing, user=people.caseworker)
    for address, answer in everything(browse(people.caseworker), filing):
        assert CANARY not in answer.content.decode(), address
        assert filing.reference not in answer.content.decode(), address
    assert browse(people.supervisor).get(url("filing", filing)).status_code == 200


def test_authority_sees_the_version_it_was_given_and_no_other(people: People) -> None:
    filing = file_it("disclosure", people.officer, full_disclosure(narrative="As referred"))
    act.return_(filing.pk, by=people.caseworker, reasons={"activity": f"{CANARY} internal"})
    row = filing.sections.get(key="activity")
    act.save_section(
        filing.pk,
        by=people.officer,
        section="activity",
        content=row.content | {"narrative": f"{CANARY} later"},
        revision=row.revision,
        finished=True,
    )
    submit(filing, people.officer)
    granted = FilingVersion.objects.get(number=1)
    grant = FilingGrant.objects.create(
        filing=filing, version=granted, organisation=people.authority.organisation, reason="referral:1"
    )
    client = browse(people.authority)
    page = client.get(url("filing", filing)).content.decode()
    assert "As referred" in page
    assert "as it was given to you" in page
    assert granted.sha256 in client.get(url("filing_receipt", filing)).content.decode()
    assert client.get(url("filing_version", filing, 1)).status_code == 200
    assert client.get(url("filing_version", filing, 2)).status_code == 404
    for address, answer in everything(client, filing):
        assert CANARY not in answer.content.decode("latin-1"), address
    from ledger.time import now

    grant.until = now()
    grant.save(update_fields=["until"])
    assert client.get(url("filing", filing)).status_code == 404


def test_step_of_the_other_kind_is_nowhere(people: People) -> None:
    disclosure = file_it("disclosure", people.officer, full_disclosure())
    allegation = file_it("allegation", people.officer, full_allegation([evidence_item(people.officer).reference]))
    client = browse(people.caseworker)
    for filing, steps in ((disclosure, STEPS[2:]), (allegation, STEPS[:2])):
        for step in steps:
            assert client.post(url("filing", filing) + f"{step}/").status_code == 404, step
    assert browse(people.officer).post(url("filing_amend", allegation)).status_code == 409


def test_company_does_not_review_and_the_ministry_does_not_file(people: People) -> None:
    filing = file_it("disclosure", people.officer, full_disclosure())
    for user, verbs in ((people.officer, ("accept", "return")), (people.caseworker, ("withdraw", "amend"))):
        for verb in verbs:
            assert browse(user).post(url("filing", filing) + f"{verb}/", {"reason": "x"}).status_code == 403
    assert browse(people.caseworker).post("/disclosures/new/").status_code == 403
    assert browse(people.officer).get("/review/").status_code == 403
    assert browse(people.auditor).get("/disclosures/").status_code == 403


@pytest.mark.parametrize("address", ["amend", "check", "discard", "accept", "sections/who"])
def test_no_get_changes_anything(people: People, address: str) -> None:
    filing = act.start("disclosure", by=people.officer)
    before = list(Filing.objects.values())
    browse(people.officer).get(url("filing", filing) + f"{address}/")
    assert list(Filing.objects.values()) == before
    assert browse(people.officer).get(url("filing", filing) + "amend/").status_code == 405
    assert browse(people.officer).get("/disclosures/new/").status_code == 405


@pytest.mark.parametrize(
    "address",
    [
        "/filings/D-2026-00000%00/",
        "/filings/nobody/",
        "/filings/D-2026-999999/",
        "/filings/D-99999-000001/",
        "/disclosures/?page=0",
        "/disclosures/?page=x%00",
        "/review/?kind=%00&state=draft&page=99999999999999999999",
        "/receipts/?reference=%00&fingerprint=%00",
    ],
)
def test_odd_addresses_are_answered(people: People, address: str) -> None:
    for user in (people.officer, people.caseworker):
        assert browse(user).get(address).status_code in {200, 400, 403, 404}


def test_odd_versions_and_sections_are_not_found(people: People) -> None:
    filing = file_it("disclosure", people.officer, full_disclosure())
    client = browse(people.officer)
    for rest in ("versions/0/", "versions/99999999999999999999/", "versions/2/", "versions/x/"):
        assert client.get(url("filing", filing) + rest).status_code == 404, rest
    act.return_(filing.pk, by=people.caseworker, reasons={"who": "Who?"})
    assert client.get(url("filing", filing) + "sections/nothing/").status_code == 404


@pytest.mark.parametrize("model", [FilingVersion, FilingReview])
def test_what_was_declared_and_said_cannot_be_changed(people: People, model: Any) -> None:
    filing = file_it("disclosure", people.officer, full_disclosure())
    act.return_(filing.pk, by=people.caseworker, reasons={"who": "Who?"})
    with connection.cursor() as cursor:
        cursor.execute("SELECT current_user")
        assert cursor.fetchone() == ("app",)
    table = model._meta.db_table
    refusal = r"refused|must be owner|permission denied"
    for statement in (
        f"UPDATE {table} SET filing_id = filing_id",
        f"DELETE FROM {table}",
        f"TRUNCATE {table} CASCADE",
        f"ALTER TABLE {table} DISABLE TRIGGER ALL",
    ):
        with pytest.raises(Exception, match=refusal), transaction.atomic(), connection.cursor() as cursor:
            cursor.execute(statement)
    assert model.objects.count() == 1


def test_version_number_is_used_once(people: People) -> None:
    filing = file_it("disclosure", people.officer, full_disclosure())
    version = filing.latest
    version.pk = None
    with pytest.raises(IntegrityError), transaction.atomic():
        version.save(force_insert=True)


def test_receipt_can_be_verified_by_anybody_who_holds_it_and_tells_nothing_else(people: People) -> None:
    filing = file_it("disclosure", people.officer, full_disclosure(**canaries()))
    other = file_it("disclosure", people.rival, full_disclosure())
    anybody = browse()

    def ask(reference: str, fingerprint: str) -> str:
        answer = anybody.get("/receipts/", {"reference": reference, "fingerprint": fingerprint})
        assert answer.status_code == 200
        return answer.content.decode()

    proof = filing.latest.sha256
    good = ask(f" {filing.reference.lower()} ", f"{proof[:32].upper()} {proof[32:]}")
    assert "It matches" in good
    assert "Received " in good
    assert "Harrier" not in good
    assert CANARY not in good
    wrong = [
        ask(filing.reference, other.latest.sha256),
        ask(filing.reference, "0" * 64),
        ask("D-2026-999999", proof),
        ask(other.reference, proof),
        ask(act.start("disclosure", by=people.officer).reference, proof),
    ]
    for answer in wrong:
        assert "It does not match" in answer
        assert "Received " not in answer.split("It does not match")[1].split("A receipt carries")[0]
    verdicts = {a.split('role="status"')[1].split("A receipt carries")[0] for a in wrong}
    assert len(verdicts) == 1
    assert anybody.get("/receipts/").status_code == 200
    assert anybody.get("/receipts/", {"reference": "", "fingerprint": ""}).status_code == 400


def test_earlier_version_stays_verifiable(people: People) -> None:
    filing = file_it("disclosure", people.officer, full_disclosure())
    first = filing.latest.sha256
    act.return_(filing.pk, by=people.caseworker, reasons={"who": "Who?"})
    submit(filing, people.officer)
    page = browse().get("/receipts/", {"reference": filing.reference, "fingerprint": first}).content.decode()
    assert "It matches" in page


def test_queue_filters_and_counts_what_waits(people: People) -> None:
    disclosure = file_it("disclosure", people.officer, full_disclosure())
    allegation = file_it("allegation", people.officer, full_allegation([evidence_item(people.officer).reference]))
    accepted = file_it("disclosure", people.officer, full_disclosure())
    act.accept(accepted.pk, by=people.caseworker)
    client = browse(people.caseworker)

    def listed(query: str) -> set[str]:
        page = client.get(f"/review/{query}").content.decode()
        return {f.reference for f in (disclosure, allegation, accepted) if f.reference in page}

    assert listed("") == {disclosure.reference, allegation.reference}
    assert listed("?kind=disclosure") == {disclosure.reference}
    assert listed("?state=received") == {allegation.reference}
    assert listed("?state=acknowledged") == set()
    assert listed("?show=all") == {disclosure.reference, allegation.reference, accepted.reference}
    assert listed("?show=all&state=accepted") == {accepted.reference}
    page = client.get("/review/").content.decode()
    assert "Disclosure (1)" in page
    assert "Received (1)" in page
    assert "Waiting for the ministry (2)" in page


def test_lists_do_not_ask_more_of_the_database_when_they_grow(people: People) -> None:
    clients = {"/review/": browse(people.caseworker), "/disclosures/": browse(people.officer)}

    def queries(address: str) -> int:
        with CaptureQueriesContext(connection) as context:
            assert clients[address].get(address).status_code == 200
        return len(context)

    file_it("disclosure", people.officer, full_disclosure())
    before = {address: queries(address) for address in clients}
    for _ in range(8):
        file_it("disclosure", people.officer, full_disclosure())
    assert {address: queries(address) for address in clients} == before
