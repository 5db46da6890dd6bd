"""A supervisor: a new company, a decision, its publication, the calendar, a lost administrator."""

from __future__ import annotations

from datetime import date
from typing import Any

import pytest

from accounts.models import Organisation
from cases.actions import case as cases
from notifications.actions import invitation_token
from tests.cases.world import World, answer, open_case

PASSWORD = "harbour-lantern-copper-9"


@pytest.fixture(autouse=True)
def _one_step(settings: Any) -> None:
    settings.SECOND_FACTOR_REQUIRED = False


def test_a_new_company_asks_for_an_account_and_is_verified(w: World, enter: Any) -> None:
    company = enter(width=320)
    company.go("home")
    company.follow("Ask for an account", within="main")
    asked = {
        "name": "Curlew Models Ltd",
        "company_number": "01234567",
        "nation": "scotland",
        "address": "1 Quay, Leith",
        "person": "Nia Rees",
        "email": "nia@curlew.example",
        "second_name": "Post desk",
        "second_email": "nia@curlew.example",
    }
    company.fill(asked)
    company.press("Ask for an account")
    assert company.status == 400, "two contacts need two mailboxes"
    company.fill({"second_email": "post@curlew.example"})
    company.press("Ask for an account")
    company.reads("Check your e-mail")

    pending = Organisation.objects.get(name="Curlew Models Ltd")
    company.go("invitation", invitation_token(pending.invitations.get()))
    company.fill({"password": PASSWORD, "password_again": "another"})
    company.press("Make the account")
    assert "The two passwords must be the same" in company.errors()
    company.fill({"password": PASSWORD, "password_again": PASSWORD})
    company.press("Make the account")
    company.reads("Your account is made")
    company.sign_in("nia@curlew.example", PASSWORD)
    company.reads("Your organisation is not verified", "You can draft now")

    # Drafts at once, and cannot submit.
    company.go("disclosures")
    company.press("Start a disclosure")
    company.press("Check your answers")
    company.reads("The ministry has not verified your organisation yet", "You cannot declare and submit yet")
    assert company.page.get_by_role("button", name="Declare and submit").count() == 0

    supervisor = enter(w.supervisor)
    supervisor.go("home")
    supervisor.reads("Registrations (1)")
    supervisor.follow("Curlew Models Ltd")
    supervisor.press("Verify")
    supervisor.reads("Verified")
    company.go("home")
    company.reads_no("not verified")


def test_a_supervisor_decides_and_publishes_and_the_public_reads_it(w: World, enter: Any) -> None:
    case = open_case(w)
    answer(case, w.respondent)
    answer(case, w.complainant)
    own = cases.open_case(
        by=w.supervisor,
        title="Opened by the supervisor",
        subject="s",
        purpose="p",
        seats=[cases.Seat(w.stranger.organisation_id, "respondent", (cases.Ask("Why?"),))],
    )
    staff = enter(w.caseworker)
    staff.go("case", case.reference)
    staff.follow("Propose a decision")
    staff.fill({"outcome": "undertakings", "reasons": "They seal the data set."})
    staff.press("Propose a decision")
    staff.reads("The proposal is before the supervisors.")

    supervisor = enter(w.supervisor)
    supervisor.go("case", own.reference)
    supervisor.reads("You opened this case, so another supervisor must decide it.")
    supervisor.go("home")
    supervisor.reads("Decisions that wait for you (1)")
    supervisor.follow(case.reference, within="main")
    supervisor.follow("Decide and resolve")
    assert supervisor.page.input_value('[name="reasons"]') == "They seal the data set."
    supervisor.press("Decide and resolve")
    supervisor.reads("The case is resolved.", "Nothing: the case is resolved")
    supervisor.follow("Publish the decision")
    supervisor.fill({"title": "Undertakings on collected outputs", "summary": "A company gave undertakings."})
    supervisor.press("Publish the decision")
    supervisor.reads("The decision is published.")

    public = enter(width=320)
    public.go("home")
    public.follow("Published decisions", within="main")
    public.follow("Undertakings on collected outputs")
    public.reads("A company gave undertakings.")
    public.reads_no("Kestrel", "Heron", case.reference)

    party = enter(w.respondent)
    party.go("case", case.reference)
    party.reads("Decision", "They seal the data set.")


def test_a_supervisor_changes_a_day_and_records_an_outage(w: World, enter: Any) -> None:
    supervisor = enter(w.supervisor)
    supervisor.go("calendar")
    supervisor.press("Change a day")
    supervisor.fill({"day": date(2026, 10, 19), "working": "no", "name": "Day of mourning, by proclamation"})
    supervisor.press("Change the day")
    supervisor.reads("The day is changed", "Monday 19 October 2026 is a holiday everywhere")
    supervisor.press("Record an outage")
    moments = {"started_at": ("5", "10", "2026", "8am"), "ended_at": ("5", "10", "2026", "9.30am")}
    for name, typed in moments.items():
        for part, text in zip(("day", "month", "year", "time"), typed, strict=True):
            supervisor.fill({f"{name}_{part}": text})
    supervisor.fill({"reason": "A disk was full"})
    supervisor.press("Record the outage")
    supervisor.reads("The outage is recorded", "A disk was full")


def test_a_supervisor_replaces_a_lost_administrator(w: World, enter: Any) -> None:
    supervisor = enter(w.supervisor)
    supervisor.go("organisations")
    supervisor.fill({"q": "kestrel"})
    supervisor.press("Search")
    supervisor.follow("Kestrel plc")
    supervisor.follow("Replace")
    supervisor.fill({"name": "Iona Reid", "email": "iona@kestrel.example"})
    supervisor.press("Send the invitation")
    supervisor.reads("Iona Reid")
    invitation = w.respondent.organisation.invitations.get(email="iona@kestrel.example")
    new = enter()
    new.go("invitation", invitation_token(invitation))
    new.fill({"password": PASSWORD, "password_again": PASSWORD})
    new.press("Make the account")
    new.sign_in("iona@kestrel.example", PASSWORD)
    assert new.heading == "What waits for you"
    w.respondent.refresh_from_db()
    assert not w.respondent.is_active, "who was lost cannot sign in any more"

    # The authority is registered the same way.
    supervisor.go("organisations")
    supervisor.press("Register an organisation")
    supervisor.fill(
        {
            "name": "Second Authority",
            "kind": "authority",
            "nation": "england",
            "address": "2 Exchange Court",
            "person": "Cal",
            "email": "cal@second.example",
        }
    )
    supervisor.press("Register it")
    supervisor.reads("Second Authority")


@pytest.mark.parametrize(("width", "javascript"), [(320, True), (1280, False)])
def test_a_supervisor_suspends_a_company_and_lets_it_in_again(
    w: World, enter: Any, width: int, javascript: bool
) -> None:
    boss = enter(w.supervisor, width=width, javascript=javascript)
    boss.go("organisation_detail", w.respondent.organisation_id)
    boss.press("Suspend")
    boss.press("Suspend it")
    assert boss.errors(), "a suspension without a reason"
    boss.fill({"reason": "Its credentials were sold."})
    boss.press("Suspend it")
    boss.reads("Why it is suspended", "Its credentials were sold.")
    boss.press("Let it in again")
    boss.fill({"reason": "They were changed."})
    boss.press("Let it in again")
    boss.reads_no("Why it is suspended")
