"""What was declared beside what a log has: reckoned purely, kept for the ministry, ended by a person with a reason."""

from __future__ import annotations

from datetime import UTC, date, datetime
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from django.core.exceptions import PermissionDenied
from django.db import Error, connection, transaction

from accounts.actions import make_client
from accounts.rules import SCOPES_OF_KIND
from cases.models import Case
from config import acts
from disclosures import actions as filings
from ledger.models import Event
from monitoring.actions.comparing import dismiss_gap
from monitoring.declared import Declared, compared, count
from monitoring.intake import take_in
from monitoring.models import Comparison
from monitoring.work import work
from tests.accounts.test_clients import bearer
from tests.cast import signed_in
from tests.evidence.conftest import world
from tests.monitoring.logs import lines, ordinary, swept
from tests.monitoring.test_analysis import LOG, asked
from web.problems import Conflict, Invalid

__all__ = ["world"]
SAID = {
    "target_organisation": " kestrel data ltd ",
    "started_at": {"precision": "exact", "value": "2026-03-02"},
    "ongoing": False,
    "ended_at": {"precision": "exact", "value": "2026-03-06"},
    "timezone": "UTC",
    "requests": {"precision": "estimated", "value": 400, "how": "Invoices"},
    "output_tokens": {"precision": "unknown", "why": "No record"},
    "accounts_used": {"precision": "exact", "value": 1},
    "account_hashes": "acc-sweep\r\n acc-other \n\n",
}


def declared(**over: Any) -> Declared:
    found = Declared.read("D-2026-000001", {**SAID, **over}, date(2026, 4, 1))
    assert found is not None
    return found


def counted(**over: Any) -> dict[str, Any]:
    span = {"first": declared().begins, "last": declared().ends - 1}
    figures = {"requests": 400, "input_tokens": 1, "output_tokens": 1, "accounts_used": 1}
    return {"reference": "D-2026-000001", "basis": "accounts", **span, **figures, **over}


# --- Purely -------------------------------------------------------------------------------------------------------------
def test_a_disclosure_is_read_with_whole_days_of_its_zone_and_its_known_figures() -> None:
    found = declared()
    assert found.begins == datetime(2026, 3, 2, tzinfo=UTC).timestamp() * 1e6
    assert found.ends == datetime(2026, 3, 7, tzinfo=UTC).timestamp() * 1e6
    assert found.accounts == {"acc-sweep", "acc-other"}
    assert found.figures == {
        "requests": {"value": 400, "precision": "estimated"},
        "accounts_used": {"value": 1, "precision": "exact"},
    }
    summer = declared(timezone="Europe/London", started_at={"precision": "exact", "value": "2026-07-01"}, ended_at=None)
    assert summer.begins == datetime(2026, 6, 30, 23, tzinfo=UTC).timestamp() * 1e6
    assert summer.ongoing
    assert Declared.read("D", {"started_at": {"precision": "unknown", "why": "x"}}, date(2026, 4, 1)) is None
    for year in ("0001", "0026", "9999"):  # which no instant is reckoned with
        assert (
            Declared.read("D", {"started_at": {"precision": "exact", "value": f"{year}-12-31"}}, date(2026, 4, 1))
            is None
        )
    assert set(declared().question()) == {"reference", "accounts", "begins", "ends"}, "no figure is asked about"


@pytest.mark.parametrize(
    ("n", "whole", "gap"), [(400, True, False), (799, True, False), (800, True, True), (800, False, True)]
)
def test_twice_as_much_as_declared_is_a_gap_whatever_the_log_has(n: int, whole: bool, gap: bool) -> None:
    last = {} if whole else {"last": declared().begins + 1}
    found = compared(declared(), counted(requests=n, **last), "Kestrel Data Ltd")
    assert found is not None
    assert (found["gap"], found["covered"]) == (gap, whole)


@pytest.mark.parametrize(("n", "whole", "gap"), [(201, True, False), (200, True, True), (200, False, False)])
def test_half_of_what_was_declared_is_a_gap_only_of_the_whole_period(n: int, whole: bool, gap: bool) -> None:
    last = {} if whole else {"last": declared().begins + 1}
    found = compared(declared(), counted(requests=n, **last), "Kestrel Data Ltd")
    assert found is not None
    assert found["gap"] == gap


def test_of_everybodys_calls_only_too_few_mean_something_and_only_of_the_provider_that_is_named() -> None:
    many = compared(declared(), counted(basis="period", requests=90_000), "Kestrel Data Ltd")
    few = compared(declared(), counted(basis="period", requests=9), "KESTREL DATA LTD")
    assert many is not None
    assert few is not None
    assert (many["gap"], few["gap"]) == (False, True)
    assert compared(declared(), counted(basis="period", requests=9), "Merlin Ltd") is None
    assert compared(declared(), counted(requests=9), "Merlin Ltd") is not None, "its accounts are in the log"


def test_accounts_beside_each_other_are_no_gap() -> None:
    found = compared(declared(), counted(accounts_used=50), "Kestrel Data Ltd")
    assert found is not None
    assert not found["gap"]


def test_calls_are_counted_for_the_accounts_and_the_period(tmp_path: Path) -> None:
    path = tmp_path / "log"
    path.write_bytes(lines(ordinary(5) + swept("acc-sweep", 100)))
    kept = take_in(path, tmp_path / "kept")
    day = declared(ended_at={"precision": "exact", "value": "2026-03-02"}).question()
    part = {**day, "ends": day["begins"] + 50 * 60_000_000}
    nobody = {**declared().question(), "accounts": ["acc-none"]}
    later = {**day, "begins": day["begins"] + 10**13, "ends": day["ends"] + 10**13}
    whole, some, all_of_them = count(kept, [day, part, nobody, later])
    assert (whole["basis"], whole["requests"], whole["accounts_used"]) == ("accounts", 100, 1)
    assert (whole["input_tokens"], whole["output_tokens"]) == (20_000, 150_000)
    assert some["requests"] == 50
    assert (all_of_them["basis"], all_of_them["requests"], all_of_them["accounts_used"]) == ("period", kept.rows, 6)


# --- Kept ---------------------------------------------------------------------------------------------------------------
@pytest.fixture
def gap(world: SimpleNamespace, settings: Any) -> Comparison:
    """The rival declared 400 calls of an account that made 3,000."""
    settings.SECOND_FACTOR_REQUIRED = False
    content = {**acts.disclosure_content(1), **SAID, "target_organisation": "Kestrel Data Ltd"}
    content |= {"output_tokens": {"precision": "exact", "value": 4_500_000}, "account_hashes": "acc-sweep"}
    filing = acts.file_it("disclosure", world.rival_officer, content)
    filings.accept(filing.pk, by=world.caseworker)
    done = work(asked(world, LOG).pk)
    assert done is not None
    assert done.state == "done", done.failure
    return Comparison.objects.get(analysis=done)


@pytest.mark.django_db(transaction=True)
def test_a_gap_waits_for_a_person_and_opens_nothing(world: SimpleNamespace, gap: Comparison) -> None:
    figures = {one["name"]: (one["declared"], one["counted"], one["gap"]) for one in gap.result["figures"]}
    assert figures["requests"] == (400, 3000, True)
    assert figures["output_tokens"] == (4_500_000, 4_500_000, False)
    assert gap.state == "open"
    assert not Case.objects.exists()
    staff = signed_in(world.caseworker)
    assert gap.result["reference"] in staff.get("/monitoring/").content.decode()
    page = staff.get(f"/analyses/{gap.analysis_id}/").content.decode()
    assert "Beside what others declared" in page
    assert "400 (estimated)" in page
    url = f"/volumes/{gap.pk}/dismiss/"
    assert staff.post(url, {"reason": " "}).status_code == 400
    assert staff.post(url, {"reason": "The estimate was corrected since."}).status_code == 302
    gap.refresh_from_db()
    assert (gap.state, gap.closed_by, gap.reason) == (
        "dismissed",
        world.caseworker,
        "The estimate was corrected since.",
    )
    assert "The estimate was corrected since." in staff.get(f"/analyses/{gap.analysis_id}/").content.decode()
    assert gap.result["reference"] not in staff.get("/monitoring/").content.decode()
    with pytest.raises(Conflict):
        dismiss_gap(gap.pk, by=world.supervisor, reason="Again")
    with pytest.raises(Error), transaction.atomic(), connection.cursor() as cursor:
        cursor.execute("UPDATE monitoring_comparison SET result = '{}'")


@pytest.mark.django_db(transaction=True)
def test_neither_side_sees_what_the_ministry_compared(world: SimpleNamespace, gap: Comparison) -> None:
    for who in (world.officer, world.rival_officer, world.authority_officer, world.auditor):
        assert not Comparison.objects.visible_to(who).exists()
        assert signed_in(who).get(f"/volumes/{gap.pk}/dismiss/").status_code == 404
        with pytest.raises((PermissionDenied, Comparison.DoesNotExist)):
            dismiss_gap(gap.pk, by=who, reason="Mine")
    with pytest.raises(Invalid):
        dismiss_gap(gap.pk, by=world.caseworker, reason="  ")
    page = signed_in(world.officer).get(f"/analyses/{gap.analysis_id}/").content.decode()
    assert "declared" not in page.split("How it was reckoned")[0].lower()
    assert gap.result["reference"] not in page
    assert gap.result["reference"] not in gap.analysis.report.written
    for event in Event.objects.filter(verb="evidence.compared"):
        assert not Event.objects.visible_to(world.officer).filter(pk=event.pk).exists()
        assert not Event.objects.visible_to(world.rival_officer).filter(pk=event.pk).exists()


@pytest.mark.django_db(transaction=True)
def test_the_ministrys_programs_read_it_and_a_companys_do_not(world: SimpleNamespace, gap: Comparison) -> None:
    url = f"/api/v1/analyses/{gap.analysis_id}/declared/"

    def get(who: Any) -> Any:
        scopes = SCOPES_OF_KIND[who.organisation.kind]
        return bearer(*make_client(who.organisation_id, by=world.supervisor, name="P", scopes=scopes)).get(url)

    [told] = get(world.caseworker).json()["results"]
    assert (told["reference"], told["state"], told["basis"]) == (gap.result["reference"], "open", "accounts")
    assert told["begins"] == "2026-03-02T00:00:00Z"
    assert {f["name"]: f["counted"] for f in told["figures"]}["requests"] == 3000
    assert get(world.officer).status_code == 403
    assert get(world.authority_officer).status_code == 403
