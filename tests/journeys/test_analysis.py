"""A company has its usage log analysed, watches, and reads what it says; its rival finds nothing."""

from __future__ import annotations

import os
from datetime import timedelta
from pathlib import Path
from typing import Any

from config import acts
from config.usage_story import usage_rows
from ledger.time import now
from monitoring import tasks
from monitoring.models import Analysis
from tests.cases.world import World
from tests.journeys.visitor import Visitor


def _picture(visitor: Visitor, name: str) -> None:
    """For whoever wants to look: a folder named in PICTURES gets the page at both widths."""
    folder = os.environ.get("PICTURES")
    if folder:
        for width in (1280, 320):
            visitor.page.set_viewport_size({"width": width, "height": 900})
            visitor.page.screenshot(path=Path(folder) / f"{name}-{width}.png", full_page=True)
        visitor.page.set_viewport_size({"width": 1280, "height": 900})


def test_a_company_reads_what_its_log_says_and_its_rival_does_not(w: World, enter: Any, storage: Path) -> None:
    log = usage_rows(now() - timedelta(days=20), 72) + b"no row\n"
    item = acts.give_evidence(w.complainant, "Gateway log", log=log)
    owner = enter(w.complainant)
    owner.go("evidence_item", item.reference)
    owner.follow("Analyse this usage log, or read its analysis")
    owner.reads("This log has not been analysed yet.", "It decides nothing.")
    _picture(owner, "analyses")
    owner.press("Analyse this usage log")
    owner.reads("Waiting to be read", "You can leave this page")
    _picture(owner, "analysis-waiting")
    tasks.run_all()
    analysis = Analysis.objects.get()
    assert analysis.state == "done", analysis.failure
    owner.page.get_by_role("heading", name="What this usage log says").wait_for()  # the page renews itself
    owner.go("analysis", analysis.pk)
    owner.reads("What this usage log says", "1 line: is not a JSON object", "Innocent explanations to rule out")
    owner.reads("accounts that act together", "say nothing about anybody’s purpose")
    _picture(owner, "analysis")

    plain = enter(w.complainant, javascript=False)
    plain.go("analyses", item.reference)
    plain.follow("Asked for on")
    plain.reads("What this usage log says")
    rival = enter(w.respondent)
    rival.go("analysis", analysis.pk)
    assert rival.status == 404


def test_a_file_without_the_columns_says_which(w: World, enter: Any, storage: Path) -> None:
    item = acts.give_evidence(w.complainant, "Counts by the minute")
    owner = enter(w.complainant)
    owner.go("analyses", item.reference)
    owner.press("Analyse this usage log")
    tasks.run_all()
    owner.go("analysis", Analysis.objects.get().pk)
    owner.reads("0 calls of 0 accounts", "the file has no column ts, account, status")
    _picture(owner, "analysis-empty")
