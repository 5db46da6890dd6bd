"""One company permits an institute to test its models; the institute confirms; it is amended and revoked."""

from __future__ import annotations

from datetime import date
from typing import Any

import pytest

from disclosures.examples import AUTHORISATION
from disclosures.models import Authorisation
from tests.cases.world import World
from tests.cast import organisation, person


def answers(**over: Any) -> dict[str, Any]:
    """The example as it is typed: days as days, lists one a line; the boxes of techniques are ticked one by one."""
    typed: dict[str, Any] = {}
    for name, answer in {**AUTHORISATION, **over}.items():
        if name in {"starts_on", "ends_on"}:
            typed[name] = date.fromisoformat(answer)
        elif isinstance(answer, list) and not name.startswith("techniques"):
            typed[name] = "\n".join(answer)
        else:
            typed[name] = answer
    return typed


@pytest.mark.parametrize(("width", "javascript"), [(320, True), (1280, False)])
def test_an_authorisation_from_its_registration_to_its_end(
    w: World, enter: Any, settings: Any, width: int, javascript: bool
) -> None:
    settings.SECOND_FACTOR_REQUIRED = False
    institute = person(organisation("Aspen Evaluation Institute", kind="partner"), "partner")
    ours = enter(w.complainant, width=width, javascript=javascript)
    ours.go("authorisations")
    ours.reads("given and been given no authorisation yet")
    ours.press("Register an authorisation")
    ours.fill(answers(accounts=["hk1:5e0c", "two words"]) | {"grantee": "Aspen"})
    ours.press("Register it")
    assert ours.errors() == ["Accounts, line 2: this must not have a space in it. Put each on a line of its own"]
    ours.fill({"accounts": "hk1:5e0c\nhk1:91aa"})
    ours.press("Register it")
    assert ours.errors()[0].startswith("No verified organisation has exactly this name here")
    ours.fill({"grantee": "Aspen Evaluation Institute"})
    ours.press("Register it")
    ours.reads("It is registered", "Waiting for confirmation", "Friday 30 April 2027")
    found = Authorisation.objects.get()

    theirs = enter(institute, width=width, javascript=javascript)
    theirs.go("home")
    theirs.reads("Authorisations to confirm (1)")
    theirs.follow(found.reference, within="main")
    theirs.reads("What you do next", "Jailbreak prompts", "20,000", "20:00")
    theirs.press("Confirm")
    theirs.fill({"capacity": "Director", "agree": "on"})
    theirs.press("Confirm it")
    theirs.reads("is confirmed", "Version 1")

    ours.go("authorisation", found.reference)
    ours.press("Amend")
    ours.fill({"change": "A third account.", "accounts": "hk1:5e0c\nhk1:91aa\nhk1:d07f"})
    ours.press("Register the amendment")
    ours.reads("an amendment waits", "A third account.", "Added: hk1:d07f", "Version 2 waits for confirmation")

    theirs.go("authorisations")
    theirs.reads("Needs your answer")
    theirs.follow(found.reference, within="main")
    theirs.press("Refuse the amendment")
    theirs.fill({"reason": "That account is not ours."})
    theirs.press("Refuse it")
    theirs.reads("The amendment is refused", "That account is not ours.")
    theirs.press("Revoke")
    theirs.fill({"reason": "The work is done.", "effective_at": date(2027, 3, 1), "effective_at_time": "9am"})
    theirs.press("Revoke it")
    theirs.reads("Ends early", "9am on Monday 1 March 2027", "Revoke sooner")

    staff = enter(w.caseworker, width=width, javascript=javascript)
    staff.go("authorisations")
    staff.reads("Heron Ltd", "to Aspen Evaluation Institute", "Ends early")
    staff.follow(found.reference, within="main")
    staff.reads("The work is done.", "Revoked from")
    assert staff.page.get_by_role("button", name="Revoke").count() == 0
    staff.follow("Amendment registered: version 2")
    staff.reads("What version 2 changes in version 1", "Added: hk1:d07f")
