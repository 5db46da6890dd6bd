"""What the other side is shown of an analysis: one of the very version that it has, and nothing else's."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from django.core.exceptions import PermissionDenied
from django.core.management import call_command

from cases.actions import answers
from cases.actions.exhibits import disclose, show_analysis
from cases.actions.referrals.making import refer
from cases.models import Case, Exhibit
from disclosures.actions import authorisations
from disclosures.examples import AUTHORISATION
from evidence.actions import grant
from evidence.models import FULL
from ledger.models import Event
from ledger.time import now, standing_at
from monitoring.actions.analysis import request_analysis
from monitoring.models import Analysis
from monitoring.work import work
from notifications.models import Message
from tests.cases.world import MONDAY, World, notice_to, open_case, world
from tests.cast import a_file, evidence_item, signed_in
from tests.monitoring.logs import lines, ordinary, swept
from web.problems import Conflict, Invalid

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("storage")]
# What only the whole file has, and only what is between others.
CANARY = "acc-canary-of-heron"
SHOWN = lines(ordinary(30) + swept("acc-sweep", 1200))
WHOLE = SHOWN + lines(swept(CANARY, 1300, seed=9))
AFTER = MONDAY + timedelta(days=20)


@pytest.fixture
def w(settings: Any) -> World:
    settings.SECOND_FACTOR_REQUIRED = False
    return world()


@pytest.fixture
def exhibit(w: World) -> Exhibit:
    """A usage log with a claim, handed in with an answer."""
    return handed_in(w)


def handed_in(w: World, kind: str = "access_log") -> Exhibit:
    with standing_at(MONDAY):
        case = open_case(w)
        files = {"file": a_file("log.jsonl", WHOLE), "public_file": a_file("shown.jsonl", SHOWN)}
        log = evidence_item(w.complainant, kind=kind, **files)
        notice = notice_to(case, w.complainant)
        for question in notice.questions.all():
            answers.save_answer(
                question.pk, by=w.complainant, how="answer", text="x", evidence=[log.reference], revision=0
            )
        answers.answer(notice.pk, by=w.complainant, received_at=now())
        return case.exhibits.get(item=log)


def seat(case: Case) -> int:
    return case.parties.get(role="respondent").pk


def permitted(w: World, to: Any, accounts: str) -> str:
    agreed = authorisations.propose(
        by=w.complainant, grantee=to.organisation.name, content={**AUTHORISATION, "accounts": accounts}
    )
    authorisations.confirm(agreed.pk, by=to, name="K", capacity="Director")
    return agreed.reference


def test_the_other_side_reads_and_recomputes_what_is_said_of_what_it_has(
    w: World, exhibit: Exhibit, tmp_path: Path
) -> None:
    with standing_at(MONDAY):
        theirs, others = permitted(w, w.respondent, "acc-1"), permitted(w, w.stranger, "acc-2")
    with standing_at(AFTER):
        disclose(exhibit.pk, by=w.caseworker, party_id=seat(exhibit.case))
        whole = request_analysis(exhibit.item_id, by=w.complainant)
        work(whole.pk)
        respondent = signed_in(w.respondent)
        assert respondent.get(f"/analyses/{whole.pk}/").status_code == 404
        shown = show_analysis(exhibit.pk, by=w.caseworker, party_id=seat(exhibit.case))
        page = respondent.get(f"/cases/{exhibit.case.reference}/").content.decode()
        assert f"/analyses/{shown.pk}/" in page
        assert "has been asked for" in page
        work(shown.pk)
        shown.refresh_from_db()
        assert (shown.state, shown.failure) == ("done", "")
        assert shown.percent == 100
        report = shown.report.content
        assert report["file_sha256"] == hashlib.sha256(SHOWN).hexdigest() == exhibit.item.public_sha256
        assert [one["reference"].split(" ")[0] for one in report["authorisations"]] == [theirs]
        # Everything that the other side can fetch of it; and the whole file's own report, for which this could fail.
        fetched = [
            respondent.get(f"/analyses/{shown.pk}/{what}").content.decode()
            for what in ("", "report.json", "findings.csv", "authorisations.json")
        ]
        assert "acc-sweep" in fetched[1]
        for text in (*fetched, page):
            assert CANARY not in text
            assert others not in text
        assert CANARY in whole.report.written
        assert others in whole.report.written
        assert respondent.get(f"/analyses/{whole.pk}/").status_code == 404
        assert respondent.get(f"/analyses/{whole.pk}/report.json").status_code == 404
        assert respondent.get(f"/evidence/{exhibit.item.reference}/analyses/").status_code == 404
        assert f"/analyses/{whole.pk}/" not in page
        # From the file that it was shown and the authorisations that it has, byte for byte the same.
        (tmp_path / "log").write_bytes(SHOWN)
        (tmp_path / "authorisations.json").write_text(fetched[3])
        call_command(
            "analyse_log",
            str(tmp_path / "log"),
            "--json",
            str(tmp_path / "report.json"),
            "--authorisations",
            str(tmp_path / "authorisations.json"),
        )
        assert (tmp_path / "report.json").read_text() == shown.report.written == fetched[1]


def test_nobody_else_is_shown_it(w: World, exhibit: Exhibit) -> None:
    with standing_at(AFTER):
        disclose(exhibit.pk, by=w.caseworker, party_id=seat(exhibit.case))
        shown = show_analysis(exhibit.pk, by=w.caseworker, party_id=seat(exhibit.case))
        for user, status in (
            (w.respondent, 200),
            (w.complainant, 200),
            (w.caseworker, 200),
            (w.stranger, 404),
            (w.officer, 404),
        ):
            assert signed_in(user).get(f"/analyses/{shown.pk}/").status_code == status, user
        listed = signed_in(w.complainant).get(f"/evidence/{exhibit.item.reference}/analyses/").content.decode()
        assert "shown to another party" in listed
        # Neither party reads the other's name of an analysis: a complainant may not want to be named.
        work(shown.pk)
        for user, other, named in (
            (w.complainant, w.respondent, False),
            (w.respondent, w.complainant, False),
            (w.caseworker, w.respondent, True),
        ):
            page = signed_in(user).get(f"/analyses/{shown.pk}/").content.decode()
            assert "This is of the non-confidential version" in page
            assert (other.organisation.name in page) == named, user
        audience = Event.objects.get(verb="exhibit.analysis_shown").audience
        assert set(audience) == {w.respondent.organisation_id, w.complainant.organisation_id}
        letters = Message.objects.filter(template="exhibit_analysis")
        assert {letter.organisation_id for letter in letters} == {w.respondent.organisation_id}


def test_it_is_shown_after_the_exhibit_once_and_by_the_ministry(w: World, exhibit: Exhibit) -> None:
    party = seat(exhibit.case)
    with standing_at(AFTER):
        with pytest.raises(Invalid, match="Disclose the exhibit to this party first"):
            show_analysis(exhibit.pk, by=w.caseworker, party_id=party)
        disclose(exhibit.pk, by=w.caseworker, party_id=party)
        with pytest.raises(PermissionDenied):
            show_analysis(exhibit.pk, by=w.respondent, party_id=party)
        with pytest.raises(Invalid):
            show_analysis(exhibit.pk, by=w.caseworker, party_id=exhibit.party_id)
        under_way = request_analysis(exhibit.item_id, by=w.complainant)
        with pytest.raises(Conflict, match="under way"):
            show_analysis(exhibit.pk, by=w.caseworker, party_id=party)
        work(under_way.pk)
        work(show_analysis(exhibit.pk, by=w.caseworker, party_id=party).pk)
        with pytest.raises(Conflict, match="already"):
            show_analysis(exhibit.pk, by=w.caseworker, party_id=party)


def test_what_is_no_log_is_not_analysed(w: World) -> None:
    exhibit = handed_in(w, kind="invoice")
    with standing_at(AFTER):
        disclose(exhibit.pk, by=w.caseworker, party_id=seat(exhibit.case))
        assert "show-analysis" not in tab_of(w, exhibit)
        with pytest.raises(PermissionDenied, match="usage log"):
            show_analysis(exhibit.pk, by=w.caseworker, party_id=seat(exhibit.case))


def test_shown_twice_at_once_it_is_one(w: World, exhibit: Exhibit, concurrently: Callable[..., list[Any]]) -> None:
    party = seat(exhibit.case)
    with standing_at(AFTER):
        disclose(exhibit.pk, by=w.caseworker, party_id=party)

        def show() -> Analysis:
            return show_analysis(exhibit.pk, by=w.caseworker, party_id=party)

        results = concurrently(show, show)
    assert sorted(isinstance(one, Conflict) for one in results) == [False, True]
    assert Analysis.objects.filter(made_for=w.respondent.organisation).count() == 1


def tab_of(w: World, exhibit: Exhibit) -> str:
    return signed_in(w.caseworker).get(f"/cases/{exhibit.case.reference}/tabs/exhibits/").content.decode()


def test_page_shows_it_to_whom_the_exhibit_was_disclosed(w: World, exhibit: Exhibit) -> None:
    with standing_at(AFTER):
        staff, url = signed_in(w.caseworker), f"/exhibits/{exhibit.pk}/show-analysis/"
        assert url not in tab_of(w, exhibit)
        # What the authority was sent is no party's to read.
        grant([exhibit.item], w.officer.organisation, FULL, by=None, reason="referral:1")
        assert url not in tab_of(w, exhibit)
        disclose(exhibit.pk, by=w.caseworker, party_id=seat(exhibit.case))
        assert url in tab_of(w, exhibit)
        assert w.respondent.organisation.name in staff.get(url).content.decode()
        answer = staff.post(url, {"party": seat(exhibit.case)})
        assert answer.status_code == 302
        assert "asked for" in staff.get(answer["Location"]).content.decode()
        assert Analysis.objects.get().made_for == w.respondent.organisation


def test_a_version_that_is_no_usage_log_is_said_to_have_nothing_to_count(w: World) -> None:
    with standing_at(MONDAY):
        case = open_case(w)
        item = case.exhibits.get().item
    with standing_at(AFTER):
        disclose(case.exhibits.get().pk, by=w.caseworker, party_id=seat(case))
        shown = show_analysis(case.exhibits.get().pk, by=w.caseworker, party_id=seat(case))
        assert item.public_file
        work(shown.pk)
        page = signed_in(w.respondent).get(f"/analyses/{shown.pk}/").content.decode()
        assert "No line of this file is a row of a usage log" in page
        assert "Innocent explanations" not in page


def test_the_authority_is_told_which_version_an_analysis_is_of(w: World, exhibit: Exhibit) -> None:
    with standing_at(AFTER):
        disclose(exhibit.pk, by=w.caseworker, party_id=seat(exhibit.case))
        work(request_analysis(exhibit.item_id, by=w.complainant).pk)
        work(show_analysis(exhibit.pk, by=w.caseworker, party_id=seat(exhibit.case)).pk)
        referral = refer(exhibit.case_id, by=w.supervisor, reason="It cannot wait")
        assert referral is not None
        assert len(referral.sent["analyses"]) == 2
        page = signed_in(w.officer).get(f"/referrals/{referral.reference}/").content.decode()
        assert page.count("Of the non-confidential version, as it was shown to a party") == 1
