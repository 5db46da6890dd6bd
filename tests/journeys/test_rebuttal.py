"""A company answers a notice with its log; what it was permitted stands beside what the log says."""

from __future__ import annotations

from datetime import date, timedelta
from pathlib import Path
from typing import Any

from config.usage_story import hashed, usage_rows
from disclosures.models import Authorisation
from ledger.time import now
from monitoring import tasks
from monitoring.actions.analysis import begin, hear
from monitoring.models import Analysis
from tests.cases.world import MONDAY, World, notice_to, open_case
from tests.journeys import content
from tests.journeys.test_authorisations import answers


def test_a_log_is_handed_in_to_a_notice_and_read_beside_what_was_permitted(
    w: World, enter: Any, clock: Any, storage: Path, tmp_path: Path
) -> None:
    case = open_case(w)
    notice = notice_to(case, w.respondent)
    clock.stand(MONDAY + timedelta(days=2))

    # The complainant had permitted the tests, and the respondent confirms it: late, and it is said.
    grantor = enter(w.complainant)
    grantor.go("authorisation_new")
    accounts = [hashed("account", f"together {n}") for n in range(8)]
    grantor.fill(
        answers(accounts=accounts, starts_on="2026-09-15", ends_on="2026-09-16", endpoints=[], models=["owl-2"])
        | {"grantee": "Kestrel plc"}
    )
    grantor.press("Register it")
    grantor.reads("It is registered")
    found = Authorisation.objects.get()
    party = enter(w.respondent)
    party.go("authorisation", found.reference)
    party.press("Confirm")
    party.fill({"capacity": "Director", "agree": "on"})
    party.press("Confirm it")
    party.reads("is confirmed")

    # Its answer is a log.
    log, public = tmp_path / "usage.jsonl", content.files(tmp_path)[1]
    log.write_bytes(usage_rows(now() - timedelta(days=22), 72))
    party.go("notice_question", notice.reference, 1)
    party.fill({"how": "answer", "text": "It was red-teaming, and permitted."})
    party.follow("Add evidence")
    party.fill({**content.evidence(log, public), "collected_on": date(2026, 10, 6)})
    party.press("Add this evidence")
    party.fill({"how": "answer", "text": "It was red-teaming, and permitted."})
    party.page.get_by_label("Gateway log").check()
    party.press("Save and go to the next question")
    party.fill({"how": "answer", "text": "To test it."})
    party.press("Save")
    party.press("Check and hand in")
    party.fill({"agree": "on"})
    party.press("Hand in")
    party.reads("Answer handed in")

    # It is analysed, and watched.
    item = case.exhibits.get(response__notice=notice).item
    party.go("analyses", item.reference)
    party.press("Analyse this usage log")
    party.reads("Waiting to be read")
    analysis = Analysis.objects.get()
    assert begin(analysis.pk) is not None
    assert hear(analysis.pk, read=item.size // 2, rows=1234, attempt=1)
    party.go("analysis", analysis.pk)
    party.reads("Being read", "45 % of the file", "1,234 rows found so far.")
    # The page follows by itself, without being loaded anew: where one stands on it, one stays.
    party.page.locator("#again").focus()
    party.page.evaluate("window.still = true")
    assert hear(analysis.pk, read=item.size, rows=2468, attempt=1)
    party.page.get_by_text("90 % of the file").wait_for()
    party.reads("2,468 rows found so far.")
    assert (party.page.evaluate("window.still"), party.focused()) == (True, "again")
    # Who is signed out meanwhile is asked to sign in, and does not sit before an empty page.
    other_tab = enter(w.respondent)
    other_tab.go("analysis", analysis.pk)
    other_tab.page.context.clear_cookies()
    other_tab.page.get_by_role("heading", name="Sign in").wait_for()
    clock.stand(MONDAY + timedelta(days=2, minutes=10))  # that worker is silent; another one begins again
    tasks.run_all()
    analysis.refresh_from_db()
    assert analysis.state == "done", analysis.failure

    # The rebuttal is a table, and takes the place of the progress.
    party.page.get_by_text("Authorisations on record").first.wait_for()
    party.reads("Authorisations on record", f"{found.reference} (version 1)", "No log shows the environment", "time:")
    party.reads("The authorisations that were compared (JSON)")
    [table] = analysis.report.content["authorisations"]
    assert table["rows"]
    staff = enter(w.caseworker)
    staff.go("analysis", analysis.pk)
    staff.reads("Within its terms", f"{table['rows']:,}")
    other = enter(w.complainant)
    other.go("analysis", analysis.pk)
    assert other.status == 404
