"""The auditor, the operator, the public, and what nobody may see."""

from __future__ import annotations

from typing import Any

from config import acts
from tests.cases.world import World, open_case
from tests.cast import person


def test_an_auditor_reads_events_and_no_content(w: World, enter: Any) -> None:
    case = open_case(w)
    auditor = enter(w.auditor)
    auditor.go("home")
    auditor.follow("Events", within="nav")
    auditor.reads("case.opened", case.reference)
    auditor.reads_no("Was it you?", "Bulk querying")
    auditor.fill({"reference": case.reference})
    auditor.press("Search")
    auditor.reads("case.opened")
    auditor.go("case", case.reference)
    assert auditor.status == 404
    auditor.go("calendar")


def test_an_operator_sees_queues_and_no_content(w: World, enter: Any) -> None:
    operator = enter(person(w.caseworker.organisation, "operator"), width=320)
    operator.go("home")
    operator.reads_no("Heron")
    operator.go("cases")
    assert operator.status == 403


def test_the_public_reads_what_this_is_and_verifies_a_receipt(w: World, enter: Any) -> None:
    filing = acts.file_it("disclosure", w.respondent, acts.disclosure_content(3))
    version = filing.versions.get()
    public = enter(width=320)
    public.go("home")
    public.reads("Legal status", "in force nowhere", "14 days", "Ask for an account")
    public.follow("Verify a receipt", within="main")
    public.press("Verify")
    assert len(public.errors()) == 2
    public.fill({"reference": filing.reference.lower(), "fingerprint": version.sha256})
    public.press("Verify")
    public.reads("It matches", filing.reference)
    public.reads_no("Kestrel")
    public.fill({"fingerprint": "0" * 64})
    public.press("Verify")
    public.reads("It does not match")
    public.go("filing", filing.reference)
    assert public.heading == "Sign in"


def test_pages_that_say_no_say_it_well(w: World, enter: Any) -> None:
    case = open_case(w)
    stranger = enter(w.stranger, width=320)
    stranger.go("case", case.reference)
    assert stranger.status == 404
    stranger.go("events")
    assert stranger.status == 403
    stranger.go("case_note", case.reference)
    assert stranger.status == 404
