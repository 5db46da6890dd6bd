"""A caseworker and an alert: read, reviewed, taken into a case; the provider sees its feed and nothing of alerts."""

from __future__ import annotations

import os
from datetime import timedelta
from pathlib import Path
from typing import Any

from config.usage_story import send, usage_rows
from ledger.time import now
from monitoring import tasks
from monitoring.models import Alert, Feed
from tests.cases.world import World, open_case
from tests.journeys.visitor import Visitor


def _picture(visitor: Visitor, name: str) -> None:
    """For whoever wants to look: a folder named in PICTURES gets the page at both widths."""
    folder = os.environ.get("PICTURES")
    if folder:
        for width in (1280, 320):
            visitor.page.set_viewport_size({"width": width, "height": 900})
            visitor.page.screenshot(path=Path(folder) / f"{name}-{width}.png", full_page=True)
        visitor.page.set_viewport_size({"width": 1280, "height": 900})


def test_a_caseworker_reads_an_alert_and_the_provider_sees_none_of_it(w: World, enter: Any, storage: Path) -> None:
    for hours in (4, 2):
        body = usage_rows(now() - timedelta(hours=hours), 2) + b"not a row\n"
        send(w.complainant, body, f"batch-{hours}")
    tasks.watch_all()
    alert = Alert.objects.get()

    staff = enter(w.caseworker)
    staff.go("home")
    staff.reads("Alerts about usage (1)", "attern, seen 1 time: open")
    _picture(staff, "home")
    staff.go("monitoring")
    staff.reads("Alerts that wait, oldest first", "On time: the last rows came less than a minute ago")
    _picture(staff, "monitoring")
    staff.follow(alert.reference)
    staff.reads(
        "It is no proof of extraction",
        "8 accounts",
        "Nobody has looked at it yet.",
        "A reseller, or one organisation with several accounts",
    )
    _picture(staff, "alert")
    staff.press("Start a review")
    staff.press("Start a review")  # without a reason
    assert staff.status == 400
    staff.fill({"reason": "Eight accounts behave as one."})
    staff.press("Start a review")
    staff.reads("is under review", "Eight accounts behave as one.")
    case = open_case(w, at=now()).reference
    staff.press("Take into a case")
    staff.fill({"case_reference": "nonsense", "reason": "The provider has alleged the same."})
    staff.press("Take into a case")
    assert staff.status == 400
    _picture(staff, "take")
    staff.fill({"case_reference": case})
    staff.press("Take into a case")
    staff.reads("Taken into a case", case)
    _picture(staff, "taken")
    staff.follow("Heron Ltd: main")
    _picture(staff, "feed")
    staff.press("Pause")
    staff.reads("Paused: nothing is expected.")

    feed = Feed.objects.get()
    owner = enter(w.complainant, javascript=False)
    owner.go("own_feeds")
    _picture(owner, "own")
    owner.follow("Look at the feed main")
    owner.reads("Rows rejected", "is not a JSON object")
    _picture(owner, "own-feed")
    assert alert.reference not in owner.page.content()
    owner.go("alert", alert.reference)
    assert owner.status == 404
    rival = enter(w.respondent)
    rival.go("feed", feed.pk)
    assert rival.status == 404


def test_a_caseworker_dismisses_an_alert_with_a_reason(w: World, enter: Any, storage: Path) -> None:
    send(w.complainant, usage_rows(now() - timedelta(hours=4), 4), "batch")
    tasks.watch_all()
    alert = Alert.objects.get()
    staff = enter(w.caseworker, javascript=False)
    staff.go("monitoring")
    staff.follow(alert.reference)
    staff.press("Dismiss")
    staff.press("Dismiss")  # without a reason
    assert staff.status == 400
    assert staff.errors()
    staff.fill({"reason": "The provider tested its own service: it told us the day before."})
    staff.press("Dismiss")
    staff.reads("is dismissed", "The provider tested its own service", "Dismissed")
    staff.go("monitoring")
    staff.reads("No alert waits for anybody.", "Ended last")
    tasks.watch_all()
    assert Alert.objects.count() == 1
