"""The feed of events: in commit order, nothing passed over, and nobody told what is not theirs to know."""

from __future__ import annotations

import ast
import random
import re
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from django.db import connection, transaction
from django.test import Client as Browser
from django.urls import reverse

from accounts.actions import make_client
from accounts.models import Organisation, User
from accounts.rules import EVENTS_OF_SCOPE
from ledger.actions import Entry, place_events, record, record_many
from ledger.models import Event, Place, Unplaced
from tests import cast
from tests.accounts.test_clients import bearer

pytestmark = pytest.mark.django_db(transaction=True)

WRITERS, EACH = 8, 60


@pytest.fixture
def admin(settings: Any) -> User:
    settings.SECOND_FACTOR_REQUIRED = False
    return cast.person(cast.organisation("Kestrel Ltd"), "company_admin")


@transaction.atomic
def happened(organisation: Organisation, verb: str = "organisation.verified", **over: Any) -> Event:
    return record(over.pop("by", None), verb, organisation, audience=[organisation], **over)


def reader(admin: User, *scopes: str) -> Browser:
    """A program that hears of its organisation, of cases, and of nothing else, where `scopes` do not say otherwise."""
    chosen = ["events:read", *(scopes or ("organisations:read", "cases:read"))]
    return bearer(*make_client(admin.organisation_id, by=admin, name="Reader", scopes=chosen))


def read(browser: Browser, url: str = "") -> tuple[list[dict[str, Any]], str]:
    answer = browser.get(url or reverse("api_events"))
    assert answer.status_code == 200, answer.content
    return answer.json()["results"], answer.json()["next"]


# --- What it answers ------------------------------------------------------------------------------------------------------
def test_feed_is_read_on_from_where_it_ended(admin: User) -> None:
    browser = reader(admin)
    _, url = read(browser, f"{reverse('api_events')}?page_size=2")
    made = [happened(admin.organisation).pk for _ in range(5)]
    seen: list[str] = []
    for size in (2, 2, 1, 0):
        found, url = read(browser, url)
        assert len(found) == size
        seen += [event["id"] for event in found]
    assert seen == [p.name for p in Place.objects.filter(event__in=made).order_by("pk")]
    again, url = read(browser, url)
    assert again == []
    happened(admin.organisation, "organisation.refused")
    (new,), _ = read(browser, url)
    assert new["type"] == "organisation.refused"


def test_reader_of_an_empty_feed_gets_an_address_to_come_back_to(admin: User) -> None:
    other = cast.person(cast.organisation("Partner", "partner"), "partner")
    browser = cast.signed_in(other)
    found, url = read(browser)
    assert found == []
    happened(other.organisation)
    found, _ = read(browser, url)
    assert len(found) == 1


def test_event_tells_what_happened_and_neither_who_nor_why(admin: User) -> None:
    clerk = cast.person(cast.organisation("Ministry", "ministry"), "supervisor")
    event = happened(admin.organisation, "case.referred", by=clerk, reasons=["deadline_missed"], officer=clerk.pk)
    answer = reader(admin).get(reverse("api_events"))
    found = answer.json()["results"][0]
    assert found == {
        "id": Place.objects.get(event=event).name,
        "type": "case.referred",
        "at": found["at"],
        "detected_at": found["detected_at"],
        "object": "organisation",
        "reference": "",
    }
    assert "deadline_missed" not in answer.content.decode()
    assert clerk.name not in answer.content.decode()


def test_each_sees_what_was_addressed_to_them_and_the_ministry_no_drafts(admin: User) -> None:
    rival = cast.person(cast.organisation("Harrier plc"), "company_admin")
    ministry = cast.organisation("Ministry", "ministry")
    auditor, clerk = cast.person(ministry, "auditor"), cast.person(ministry, "caseworker")
    happened(admin.organisation)
    with transaction.atomic():
        record(admin, "disclosure.started", admin.organisation, audience=[admin.organisation], private=True)
    verbs = {
        user.role + str(user.organisation_id): [e["type"] for e in read(cast.signed_in(user))[0]]
        for user in (admin, rival, clerk, auditor)
    }
    assert list(verbs.values()) == [
        ["organisation.verified", "disclosure.started"],
        [],
        ["organisation.verified"],
        ["organisation.verified", "disclosure.started"],
    ]


def test_client_hears_of_what_it_may_read_and_of_nothing_else(admin: User) -> None:
    for verb in ("organisation.verified", "disclosure.accepted", "allegation.admitted", "case.opened", "notice.issued"):
        happened(admin.organisation, verb)

    def heard(*scopes: str) -> list[str]:
        client = bearer(*make_client(admin.organisation_id, by=admin, name="R", scopes=["events:read", *scopes]))
        return [event["type"] for event in read(client)[0]]

    assert heard() == []
    assert heard("cases:read") == ["case.opened", "notice.issued"]
    assert heard("disclosures:read", "cases:write") == ["disclosure.accepted"]
    last = Place.objects.get(event=Event.objects.get(verb="notice.issued")).name
    narrow = reader(admin, "disclosures:read")
    # A webhook may have brought what this token does not hear of: the feed goes on from there, and tells no more of it.
    onward = narrow.get(reverse("api_events"), {"after": last})
    assert onward.status_code == 200
    assert onward.json()["results"] == []
    # A token that was asked for with less hears less than its client could.
    made = make_client(admin.organisation_id, by=admin, name="R", scopes=["events:read", "cases:read"])
    assert read(bearer(*made, scope="events:read"))[0] == []


def test_ministrys_own_work_on_a_case_is_heard_by_who_does_it(admin: User) -> None:
    clerk = cast.person(cast.organisation("Ministry", "ministry"), "supervisor")
    for verb in ("case.opened", "note.added", "brief.written", "decision.proposed", "decision.published"):
        happened(admin.organisation, verb)
    assert [event["type"] for event in read(reader(clerk, "cases:read"))[0]] == ["case.opened", "decision.published"]
    found = [event["type"] for event in read(reader(clerk, "cases:manage"))[0] if event["type"] != "client.made"]
    assert found == ["note.added", "brief.written", "decision.proposed"]


def test_ministry_that_reviews_filings_hears_who_answers_for_them(admin: User) -> None:
    clerk = cast.person(cast.organisation("Ministry", "ministry"), "supervisor")
    for verb in ("standing.declared", "standing.revoked"):
        happened(admin.organisation, verb)
    heard = ["standing.declared", "standing.revoked"]
    assert [event["type"] for event in read(reader(clerk, "disclosures:review"))[0]] == heard
    assert read(reader(clerk, "disclosures:read"))[0] == []
    assert [event["type"] for event in read(reader(admin, "declarations:read"))[0]] == heard


def test_every_event_that_is_recorded_is_heard_with_some_scope() -> None:
    """What no scope names would be heard by nobody."""
    beginnings = tuple(b for found in EVENTS_OF_SCOPE.values() for b in found)
    verbs = set(recorded())
    assert len(verbs) > 60
    assert {verb for verb in verbs if not verb.startswith(beginnings)} == set()
    assert [b for b in beginnings if not any(verb.startswith(b) for verb in verbs)] == []


def recorded() -> Iterator[str]:
    """The verb of every event that the code records, as far as it is written down there."""
    rooms = ("accounts", "cases", "disclosures", "evidence", "monitoring", "notifications")
    for file in [f for room in rooms for f in Path(room).rglob("*.py")]:
        for node in ast.walk(ast.parse(file.read_text())):
            name = getattr(getattr(node, "func", None), "id", "")
            if isinstance(node, ast.Call) and name in {"record", "Entry", "note_sign_in", "_record"}:
                for argument in node.args:
                    yield from _verbs(argument)


def _verbs(node: ast.AST) -> Iterator[str]:
    if isinstance(node, ast.IfExp):
        yield from (*_verbs(node.body), *_verbs(node.orelse))
    if isinstance(node, ast.Constant) and isinstance(node.value, str) and re.fullmatch(r"[a-z_]+\.[a-z_]+", node.value):
        yield node.value
    if isinstance(node, ast.JoinedStr):
        text = ast.unparse(node)[2:-1]
        kinds = ("disclosure", "allegation") if re.match(r"\{(filing\.)?kind\}", text) else ("",)
        yield from (re.sub(r"\{.*?\}", kind or "x", text, count=1 if kind else 0) for kind in kinds)


def test_cursor_that_is_nonsense_or_somebody_elses_is_not_found(admin: User) -> None:
    rival = cast.organisation("Harrier plc")
    theirs = happened(rival)
    browser = reader(admin)
    read(browser)
    foreign = Place.objects.get(event=theirs).name
    for after in ("1", "evt_", "evt_" + "0" * 32, foreign, foreign.upper(), "%00", "' OR 1=1 --", "evt_" + "g" * 32):
        answer = browser.get(reverse("api_events"), {"after": after})
        assert answer.status_code == 404, after
        assert answer.headers["Content-Type"] == "application/problem+json"


@pytest.mark.parametrize("asked", ["0", "-1", "x", "", "201", "9" * 30, "null", "3.0", "٣"])
def test_page_size_that_cannot_be_given_is_refused(admin: User, asked: str) -> None:
    for url in (reverse("api_events"), reverse("api_cases")):
        answer = cast.signed_in(admin).get(url, {"page_size": asked})
        assert answer.status_code == 400, asked
        assert [error["pointer"] for error in answer.json()["errors"]] == ["#/page_size"]


@pytest.mark.parametrize(("asked", "got"), [("3", 3), ("200", 200)])
def test_page_has_as_many_as_asked_for(admin: User, asked: str, got: int) -> None:
    org = admin.organisation
    with transaction.atomic():
        record_many([Entry("organisation.verified", org, {}, [org.pk]) for _ in range(210)])
    assert len(read(cast.signed_in(admin), f"{reverse('api_events')}?page_size={asked}")[0]) == got


def test_scope_is_needed(admin: User) -> None:
    other = bearer(*make_client(admin.organisation_id, by=admin, name="x", scopes=["organisations:read"]))
    assert other.get(reverse("api_events")).status_code == 403
    assert Browser().get(reverse("api_events")).status_code == 401


# --- The order ------------------------------------------------------------------------------------------------------------
def test_event_committed_late_gets_a_later_place(admin: User, concurrently: Callable[..., list[Any]]) -> None:
    """The first number, the last commit: a cursor over numbers has passed it by then."""
    written, go_on = threading.Event(), threading.Event()

    def slow() -> int:
        with transaction.atomic():
            event = happened(admin.organisation, "organisation.refused")
            written.set()
            assert go_on.wait(20)
        return event.pk

    def quick() -> int:
        assert written.wait(20)
        event = happened(admin.organisation)
        place_events()
        go_on.set()
        return event.pk

    late, early = concurrently(slow, quick)
    assert late < early
    place_events()
    assert list(Place.objects.order_by("pk").values_list("event", flat=True)) == [early, late]
    assert not Unplaced.objects.exists()


def test_event_that_is_rolled_back_leaves_no_trace(admin: User) -> None:
    with transaction.atomic():
        happened(admin.organisation)
        transaction.set_rollback(True)
    assert (place_events(), Unplaced.objects.count(), Place.objects.count()) == (0, 0, 0)


def test_second_placer_leaves_it_to_the_first(admin: User, concurrently: Callable[..., list[Any]]) -> None:
    happened(admin.organisation)
    held, go_on = threading.Event(), threading.Event()

    def first() -> int:
        with transaction.atomic():
            connection.cursor().execute("SELECT pg_advisory_xact_lock(%s)", [0xCA4D])
            held.set()
            assert go_on.wait(20)
        return place_events()

    def second() -> int:
        assert held.wait(20)
        found = place_events()
        go_on.set()
        return found

    assert concurrently(first, second) == [1, 0]


def test_eight_writers_and_a_reader_that_polls_miss_nothing(
    admin: User, concurrently: Callable[..., list[Any]], record_property: Callable[[str, object], None]
) -> None:
    """Transactions of 1 to 50 ms. The control reads by number, beside it, and does miss some."""
    browser, org = cast.signed_in(admin), admin.organisation
    done = threading.Event()

    def writer(seed: int) -> list[int]:
        made, dice = [], random.Random(seed)
        for _ in range(EACH):
            with transaction.atomic():
                made.append(happened(org).pk)
                time.sleep(dice.uniform(0.001, 0.05))
        return made

    def writers() -> list[int]:
        results: list[list[int]] = [[] for _ in range(WRITERS)]
        threads = [threading.Thread(target=_closing(lambda n=n: results[n].extend(writer(n)))) for n in range(WRITERS)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        done.set()
        return [pk for made in results for pk in made]

    def by_feed() -> list[str]:
        seen, url = [], reverse("api_events")
        while True:
            last = done.is_set()
            found, url = read(browser, url)
            seen += [event["id"] for event in found]
            if last and not found:
                return seen
            time.sleep(0.02)

    def by_number() -> set[int]:
        seen: set[int] = set()
        last = 0
        while not done.is_set():
            found = list(Event.objects.filter(pk__gt=last).order_by("pk").values_list("pk", flat=True))
            seen.update(found)
            last = found[-1] if found else last
            time.sleep(0.02)
        seen.update(Event.objects.filter(pk__gt=last).values_list("pk", flat=True))
        return seen

    made, seen, numbered = concurrently(writers, by_feed, by_number, timeout=120)
    names = dict(Place.objects.values_list("event", "uid"))
    assert len(made) == WRITERS * EACH
    assert len(seen) == len(set(seen)), "nothing twice"
    assert set(seen) == {f"evt_{names[pk].hex}" for pk in made}, "nothing missed"
    missed = set(made) - numbered
    assert missed, "the control missed nothing: the schedule proves nothing"
    record_property(
        "figure",
        f"{WRITERS} writers, {len(made)} events: the feed missed 0, a cursor over numbers {len(missed)}"
        f" ({100 * len(missed) / len(made):.1f} %)",
    )


def _closing(do: Callable[[], Any]) -> Callable[[], None]:
    def run() -> None:
        try:
            do()
        finally:
            connection.close()

    return run


# --- The index ------------------------------------------------------------------------------------------------------------
def test_feed_reads_by_index(admin: User, owner_analyses: Callable[[], None]) -> None:
    """20,000 events of others: neither the tip, nor the start, nor the rare reader reads the whole table."""
    busy, org = cast.organisation("Harrier plc"), admin.organisation
    with transaction.atomic():
        for _ in range(10):
            record_many([Entry("organisation.verified", busy, {}, [busy.pk]) for _ in range(2000)])
        record_many([Entry("organisation.verified", org, {}, [org.pk]) for _ in range(20)])
    while place_events():
        pass
    owner_analyses()
    clerk = cast.person(cast.organisation("Ministry", "ministry"), "caseworker")
    tip = Place.objects.latest("pk").pk - 30
    for user, place in ((admin, 0), (admin, tip), (clerk, 0), (clerk, tip)):
        seen = Event.objects.visible_to(user)
        # To a program with fewer scopes less is told, read in the same way.
        for told in (seen, seen.filter(verb__regex=r"^(organisation\.|case\.opened)")):
            plan = told.placed_after(place)[:50].explain()
            assert "Seq Scan" not in plan, plan
