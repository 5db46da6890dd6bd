"""A gap between a feed and what was declared: who sees it, what a person does with it, and what the database holds."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from django.core.exceptions import PermissionDenied
from django.db import Error, connection, transaction
from django.urls import reverse

from accounts.models import User
from cases.models import Case
from disclosures.models import FilingBarrier
from ledger.models import Event
from ledger.time import standing_at
from monitoring.actions.comparing import dismiss_gap
from monitoring.models import Comparison, Feed, Unrelated
from tests import cast
from tests.monitoring.feeds import caseworker, program, provider, received
from tests.monitoring.test_feed_comparisons import DAY, FIGURE, FIRST, PASSED, filer, gap, hourly
from web.problems import Conflict, Invalid

__all__ = ["caseworker", "filer", "gap", "provider"]

pytestmark = pytest.mark.django_db(transaction=True)


# --- What a person does -------------------------------------------------------------------------------------------------
def test_a_person_ends_a_gap_with_a_reason(gap: Comparison, caseworker: User) -> None:
    staff = cast.signed_in(caseworker)
    where = reverse("feed", args=[gap.feed_id])
    first = staff.get(reverse("home")).content.decode()
    assert "Declared volumes to look at (1)" in first
    assert f'href="{where}#declared"' in first
    overview = staff.get(reverse("monitoring")).content.decode()
    assert f'href="{where}#declared"' in overview
    assert "what was declared and what a feed shows differ" in overview
    page = staff.get(where).content.decode()
    assert "Beside what others declared" in page
    assert "Monday 16 November 2026 to Tuesday 17 November 2026 " in page
    assert f"{FIGURE:,} (exact)" in page
    assert "Counted for the accounts that the disclosure names and the feed has. The feed has the whole period." in page
    url = reverse("gap_dismiss", args=[gap.pk])
    assert url in page
    assert f'href="{where}#declared"' in staff.get(url).content.decode(), "the way back"
    assert staff.post(url, {"reason": " "}).status_code == 400
    with pytest.raises(Invalid):
        dismiss_gap(gap.pk, by=caseworker, reason=" ")
    done = staff.post(url, {"reason": "The figure is of all their accounts."})
    assert (done.status_code, done["Location"]) == (302, f"{where}#declared")
    gap.refresh_from_db()
    assert (gap.state, gap.closed_by) == ("dismissed", caseworker)
    event = Event.objects.get(verb="feed.gap_dismissed")
    assert (event.audience, event.root_id) == ([], gap.feed_id)
    assert "The figure is of all their accounts." in staff.get(where).content.decode()
    assert gap.result["reference"] not in staff.get(reverse("monitoring")).content.decode()
    assert "No gap waits for you." in staff.get(reverse("home")).content.decode()
    with pytest.raises(Conflict):
        dismiss_gap(gap.pk, by=caseworker, reason="Again")
    assert not Case.objects.exists()


def test_that_rows_of_the_period_came_later_is_said(
    gap: Comparison, caseworker: User, provider: User, tmp_path: Path
) -> None:
    said = "More rows of the period came after that"
    supervisor = cast.person(caseworker.organisation, "supervisor")
    page = reverse("feed", args=[gap.feed_id])
    api = f"/api/v1/usage/feeds/{gap.feed_id}/declared/"

    def told() -> list[bool]:
        staff, client = cast.signed_in(caseworker), program(caseworker, by=supervisor)
        return [said in staff.get(page).content.decode(), client.get(api).json()["results"][0]["came_later"]]

    assert told() == [False, False]
    with standing_at(PASSED + DAY):
        received(provider, tmp_path, hourly(FIRST + 2 * DAY, account="y"), "of other days")
    assert told() == [False, False], "the period was over before"
    with standing_at(PASSED + DAY):
        received(provider, tmp_path, hourly(hours=30, account="late"), "late")
    assert told() == [True, True]


# --- Who sees it --------------------------------------------------------------------------------------------------------
def test_neither_the_provider_nor_the_filer_sees_anything_of_it(
    provider: User, filer: User, caseworker: User, gap: Comparison
) -> None:
    authority = cast.person(cast.organisation("Authority", kind="authority"), "authority_officer")
    auditor = cast.person(caseworker.organisation, "auditor")
    pages = [
        *(reverse(name) for name in ("home", "monitoring", "own_feeds", "events", "api_events", "api_usage_feeds")),
        *(reverse(name, args=[gap.feed_id]) for name in ("feed", "api_usage_feed", "api_usage_feed_declared")),
        reverse("api_usage_batches"),
        reverse("gap_dismiss", args=[gap.pk]),
        reverse("filing", args=[gap.version.filing.reference]),
    ]
    words = {
        "reference": gap.version.filing.reference,
        "figure": str(FIGURE),
        "written": f"{FIGURE:,}",
        "heading": "Beside what others declared",
        "event": "feed.compared",
    }

    def seen(who: User) -> set[str]:
        client = cast.signed_in(who)
        text = {page: client.get(page).content.decode() for page in pages}
        own = reverse("filing", args=[gap.version.filing.reference])
        return {
            name for name, word in words.items() for page in pages if word in text[page] and (page, who) != (own, filer)
        }

    assert seen(caseworker) >= {"reference", "figure", "written", "heading"}
    assert seen(provider) == set()
    assert seen(filer) <= {"reference"}, "its own filing, on its own first page"
    assert seen(authority) == set()
    assert seen(auditor) <= {"event", "reference"}, "the auditor reads events: ids and states"
    for who in (provider, filer, authority, auditor):
        assert not Comparison.objects.visible_to(who).exists()
        assert cast.signed_in(who).get(reverse("gap_dismiss", args=[gap.pk])).status_code == 404
        with pytest.raises((PermissionDenied, Comparison.DoesNotExist)):
            dismiss_gap(gap.pk, by=who, reason="Mine")
    for who in (provider, filer, authority):
        assert not Event.objects.visible_to(who).filter(verb__startswith="feed.").exists()


def test_an_official_with_a_conflict_sees_the_feed_and_not_the_comparison(gap: Comparison, caseworker: User) -> None:
    colleague = cast.person(caseworker.organisation, "caseworker")
    FilingBarrier.objects.create(filing=gap.version.filing, user=colleague)
    page = cast.signed_in(colleague).get(reverse("feed", args=[gap.feed_id])).content.decode()
    assert "Beside what others declared" not in page
    assert gap.result["reference"] not in cast.signed_in(colleague).get(reverse("monitoring")).content.decode()
    assert "No gap waits for you." in cast.signed_in(colleague).get(reverse("home")).content.decode()
    assert cast.signed_in(colleague).get(reverse("gap_dismiss", args=[gap.pk])).status_code == 404
    api = cast.signed_in(colleague).get(reverse("api_usage_feed_declared", args=[gap.feed_id])).json()
    assert api["results"] == []


def test_the_ministrys_programs_read_it(gap: Comparison, caseworker: User, provider: User) -> None:
    url = f"/api/v1/usage/feeds/{gap.feed_id}/declared/"
    supervisor = cast.person(caseworker.organisation, "supervisor")
    [told] = program(caseworker, by=supervisor).get(url).json()["results"]
    assert (told["reference"], told["version"], told["state"]) == (gap.result["reference"], 1, "open")
    assert (told["kind"], told["basis"], told["covered"], told["silent"]) == ("calls", "accounts", True, False)
    assert (told["begins"], told["ends"]) == ("2026-11-16T00:00:00Z", "2026-11-18T00:00:00Z")
    calls = {"name": "requests", "declared": FIGURE, "precision": "exact", "counted": 48, "gap": True, "across": 0}
    assert told["figures"][0] == calls
    assert (told["mixed"], told["elsewhere"], told["without_prompt_hash"]) == (False, False, 0)
    assert program(provider).get(url).status_code == 403


# --- What the database itself holds -------------------------------------------------------------------------------------
def test_a_comparison_is_of_one_log_or_of_one_feed_and_stays_so(gap: Comparison, owner: Any) -> None:
    other = Feed.objects.create(organisation=gap.version.filing.organisation, name="b", expected_minutes=60)
    with pytest.raises(Error, match="comparison_of_one"):
        Comparison.objects.create(version=gap.version, result={}, state="open")
    with pytest.raises(Error, match="comparison_once_of_feed"):
        Comparison.objects.create(feed=gap.feed, version=gap.version, result={}, state="open")
    unrelated = Unrelated.objects.create(feed=other, version=gap.version)
    for change in (
        f"UPDATE monitoring_comparison SET feed_id = {other.pk}",
        "DELETE FROM monitoring_comparison",
        f"UPDATE monitoring_unrelated SET feed_id = {gap.feed_id} WHERE id = {unrelated.pk}",
        "DELETE FROM monitoring_unrelated",
    ):
        with pytest.raises(Error, match="is refused"), transaction.atomic(), connection.cursor() as cursor:
            cursor.execute(change)
