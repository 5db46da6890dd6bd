"""Cases and notices for machines: a party answers and asks for more time, the ministry decides; each sees its side."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import pytest
from django.db import connection, transaction
from django.test import Client as Browser

from accounts.actions import make_client
from accounts.rules import SCOPES_OF_KIND
from cases import tasks
from cases.actions import extensions
from cases.actions.calendar import override_day
from cases.actions.deadlines import hold_calendar, locked_case
from cases.clock import not_working
from cases.models import Case, ExtensionRequest, HolidayOverride, Notice
from ledger.models import Event
from ledger.time import local_date, now
from tests.accounts.test_clients import bearer
from tests.cases.world import World, answer, notice_to, open_case, world
from tests.cast import evidence_item

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def w(settings: Any) -> World:
    settings.SECOND_FACTOR_REQUIRED = False
    return world()


@pytest.fixture
def case(w: World) -> Case:
    return open_case(w, at=now() - timedelta(days=1), named=False)


def program(w: World, who: Any) -> Browser:
    by = w.supervisor if who in (w.caseworker, w.officer) else who
    scopes = SCOPES_OF_KIND[who.organisation.kind]
    return bearer(*make_client(who.organisation_id, by=by, name="Program", scopes=scopes))


def post(client: Browser, url: str, body: Any, *, match: str = "*") -> Any:
    return client.post(url, body, "application/json", headers={"if-match": match})


def replies(notice: Notice, **over: Any) -> dict[str, Any]:
    return {"replies": [{"question": q.number, "how": "answer", "text": "No.", **over} for q in notice.questions.all()]}


def test_party_reads_its_side_of_the_case(w: World, case: Case) -> None:
    own, rival = program(w, w.complainant), program(w, w.respondent)
    told = rival.get(f"/api/v1/cases/{case.reference}/").json()
    assert [(p["role"], p["own"]) for p in told["parties"]] == [("complainant", False), ("respondent", True)]
    assert "Heron" not in str(told)
    assert told["exhibits"] == []
    assert len(own.get(f"/api/v1/cases/{case.reference}/").json()["exhibits"]) == 1
    mine, theirs = notice_to(case, w.respondent), notice_to(case, w.complainant)
    listed = rival.get("/api/v1/notices/?kind=evidence").json()["results"]
    assert [n["reference"] for n in listed] == [mine.reference]
    assert rival.get(f"/api/v1/notices/{theirs.reference}/").status_code == 404
    stranger = program(w, w.stranger)
    assert stranger.get("/api/v1/cases/").json()["results"] == []
    assert stranger.get(f"/api/v1/cases/{case.reference}/").status_code == 404


def test_deadline_is_told_as_an_instant_and_as_the_local_day(w: World, case: Case) -> None:
    notice = notice_to(case, w.respondent)
    told = program(w, w.respondent).get(f"/api/v1/notices/{notice.reference}/").json()
    assert told["due_at"].endswith("Z")
    assert told["due_on"] == told["last_day"] == str(notice.last_day)
    assert [q["number"] for q in told["questions"]] == [1, 2]
    assert told["text"][0]["heading"] == "Legal basis"
    case_told = program(w, w.respondent).get(f"/api/v1/cases/{case.reference}/").json()
    assert case_told["refers_on"] == str(notice.last_day)


def test_notice_is_answered_at_once_with_evidence(w: World, case: Case, storage: Path) -> None:
    notice = notice_to(case, w.respondent)
    item = evidence_item(w.respondent)
    client, url = program(w, w.respondent), f"/api/v1/notices/{notice.reference}/"
    tag = client.get(url).headers["ETag"]
    done = post(client, f"{url}answer/", replies(notice, evidence=[item.reference]), match=tag)
    assert done.status_code == 200, done.content
    told = done.json()
    assert (told["state"], told["answers"][0]["late"]) == ("answered", False)
    assert told["answers"][0]["content"][0]["evidence"] == [item.reference]
    assert case.exhibits.filter(item=item).exists()
    assert post(client, f"{url}answer/", replies(notice), match=tag).status_code == 412
    staff = program(w, w.caseworker)
    assert staff.get(url).json()["answers"] == told["answers"]


@pytest.mark.parametrize(
    ("body", "pointer"),
    [
        ({}, "#/replies"),
        ({"replies": []}, "#/replies"),
        ({"replies": [{"question": 1, "how": "answer", "text": "x"}]}, "#"),
        ({"replies": [{"question": 9, "how": "answer", "text": "x"}]}, "#/replies/0/question"),
        ({"replies": [{"question": 1, "how": "answer", "text": "x"}] * 2}, "#/replies/0/question"),
        ({"replies": [{"question": "1", "how": "answer", "text": "x"}]}, "#/replies/0/question"),
        ({"replies": [{"question": 1, "how": "shrug"}]}, "#/replies/0/how"),
        ({"replies": [{"question": 1, "how": "answer", "late": False}]}, "#/replies/0/late"),
        ({"replies": [{"question": 1, "how": "answer", "evidence": ["E-2026-999999"]}]}, "#/replies/0/evidence"),
        ({"replies": "x"}, "#/replies"),
        ({"replies": [], "received_at": "2020-01-01"}, "#/received_at"),
    ],
)
def test_bad_answer_is_told_by_pointer_and_nothing_is_saved(w: World, case: Case, body: Any, pointer: str) -> None:
    notice = notice_to(case, w.respondent)
    refused = post(program(w, w.respondent), f"/api/v1/notices/{notice.reference}/answer/", body)
    assert refused.status_code == 400, refused.content
    assert pointer in [e["pointer"] for e in refused.json()["errors"]]
    assert not Event.objects.filter(verb="notice.answered").exists()
    assert not any(getattr(q, "draft", None) for q in notice.questions.all()), "all or nothing"


def test_answer_belongs_to_the_addressee(w: World, case: Case) -> None:
    notice = notice_to(case, w.respondent)
    url = f"/api/v1/notices/{notice.reference}/answer/"
    assert post(program(w, w.complainant), url, replies(notice)).status_code == 404
    assert post(program(w, w.caseworker), url, replies(notice)).status_code == 403


def test_more_time_is_asked_for_and_decided(w: World, case: Case) -> None:
    notice = notice_to(case, w.respondent)
    client, staff = program(w, w.respondent), program(w, w.caseworker)
    day = (now() + timedelta(days=40)).date().isoformat()
    url = f"/api/v1/notices/{notice.reference}/"
    asked = post(client, f"{url}request-extension/", {"until_day": day, "reasons": "Abroad"})
    assert asked.status_code == 201, asked.content
    request = ExtensionRequest.objects.get()
    one = f"/api/v1/extensions/{request.pk}/"
    assert client.get(one).json()["state"] == "pending"
    assert post(client, f"{one}grant/", {"until_day": day, "reasons": "x"}).status_code == 403
    assert post(staff, f"{one}grant/", {"until_day": "2020-01-01", "reasons": "x"}).status_code == 400
    granted = post(staff, f"{one}grant/", {"until_day": day, "reasons": "Fair"})
    assert (granted.status_code, granted.json()["state"]) == (200, "granted")
    assert post(staff, f"{one}refuse/", {"reasons": "No"}).status_code == 409
    assert client.get(url).json()["due_on"] >= day
    assert program(w, w.complainant).get(one).status_code == 404
    extended = post(staff, f"{url}extend/", {"until_day": "2020-01-01", "reasons": "x"})
    assert [e["pointer"] for e in extended.json()["errors"]] == ["#/until_day"]


def test_case_is_followed_to_the_referral(w: World) -> None:
    case = open_case(w, at=now() - timedelta(days=30))
    tasks.run_all()
    told = program(w, w.complainant).get(f"/api/v1/cases/{case.reference}/").json()
    assert told["state"] == "referred"
    assert told["referred_at"] == told["refers_at"]
    assert told["referrals"] == [], "what becomes of a referral is not for the parties"
    staff = program(w, w.caseworker).get(f"/api/v1/cases/{case.reference}/").json()
    assert [r["state"] for r in staff["referrals"]] == ["queued"]
    narrow = make_client(w.caseworker.organisation_id, by=w.supervisor, name="P", scopes=["cases:read"])
    assert bearer(*narrow).get(f"/api/v1/cases/{case.reference}/").json()["referrals"] == []
    assert "deadline_missed" not in str(told), "why is not for the parties"


def test_requests_of_the_other_side_are_not_there(w: World, case: Case) -> None:
    notice = notice_to(case, w.respondent)
    extensions.request_extension(
        notice.pk,
        by=w.respondent,
        until_day=(now() + timedelta(days=40)).date(),
        reasons="Moving house",
        received_at=now(),
    )
    assert program(w, w.complainant).get("/api/v1/extensions/").json()["results"] == []
    assert len(program(w, w.caseworker).get("/api/v1/extensions/").json()["results"]) == 1
    answer(case, w.respondent)


def test_extension_waits_for_the_calendar_without_holding_the_case(
    w: World, case: Case, concurrently: Callable[..., list[Any]]
) -> None:
    """Whoever changes the calendar goes on to the cases: what the API locks must not stand in the way."""
    system, held = program(w, w.caseworker), threading.Event()
    url = f"/api/v1/notices/{notice_to(case, w.respondent).reference}/extend/"
    more = {"until_day": (now() + timedelta(days=60)).date().isoformat(), "reasons": "The logs are abroad"}

    def calendar() -> None:
        with transaction.atomic(), connection.cursor() as cursor:
            hold_calendar(alone=True)
            held.set()
            for _ in range(100):
                cursor.execute("SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND NOT granted")
                if cursor.fetchone()[0]:
                    break
                time.sleep(0.02)
            else:
                raise AssertionError("nobody waits for the calendar")
            cursor.execute("SET LOCAL lock_timeout = '2s'")
            locked_case(case.pk)

    def extension() -> int:
        assert held.wait(10)
        status: int = post(system, url, more).status_code
        return status

    assert concurrently(calendar, extension) == [None, 200]


def test_answer_is_marked_as_read_by_who_works_on_the_case(w: World, case: Case) -> None:
    notice = notice_to(case, w.respondent)
    url, staff = f"/api/v1/notices/{notice.reference}/", program(w, w.caseworker)
    assert "mark-read" not in staff.get(url).json()["allowed_actions"]
    assert post(staff, f"{url}mark-read/", {"answer": 1}).status_code == 400
    answer(case, w.respondent)
    told = staff.get(url).json()
    assert "mark-read" in told["allowed_actions"]
    assert [a["read_at"] for a in told["answers"]] == [None]
    read = post(staff, f"{url}mark-read/", {"answer": 1})
    assert read.status_code == 200
    assert [a["read_at"] is None for a in read.json()["answers"]] == [False]
    assert Event.objects.filter(verb="response.read").count() == 1
    party = program(w, w.respondent)
    assert post(party, f"{url}mark-read/", {"answer": 1}).status_code == 403
    assert [a["read_at"] for a in party.get(url).json()["answers"]] == [None], "who has read it is not for the party"


def test_request_for_more_time_says_where_it_is_followed(w: World, case: Case) -> None:
    notice = notice_to(case, w.respondent)
    client = program(w, w.respondent)
    day = (local_date(notice.due_at) + timedelta(days=7)).isoformat()  # type: ignore[arg-type]
    url = f"/api/v1/notices/{notice.reference}/request-extension/"
    made = post(client, url, {"until_day": day, "reasons": "Time"})
    asked = ExtensionRequest.objects.get()
    assert (made.status_code, made.headers["Location"]) == (201, f"/api/v1/extensions/{asked.pk}/")
    told = client.get(made.headers["Location"]).json()
    assert (told["reference"], told["allowed_actions"]) == (str(asked.pk), [])
    seen = program(w, w.caseworker).get(made.headers["Location"]).json()
    assert seen["allowed_actions"] == ["grant", "refuse"]


def test_calendar_tells_the_days_that_the_clock_counts_with(w: World) -> None:
    override_day(by=w.supervisor, day=date(2027, 6, 7), nation="", working=False, name="Day of mourning")
    override_day(by=w.supervisor, day=date(2027, 6, 12), nation="scotland", working=True, name="Made up for")
    client, url = program(w, w.respondent), "/api/v1/calendar/"

    def days(**query: Any) -> dict[str, tuple[bool, str]]:
        found = client.get(url, query).json()["days"]
        return {one["day"]: (one["working"], one["name"]) for one in found}

    england, scotland = days(year=2027), days(year=2027, nation="scotland")
    assert england["2027-12-27"][0] is False
    assert england["2027-06-07"] == (False, "Day of mourning")
    assert "2027-06-12" not in england
    assert scotland["2027-06-12"] == (True, "Made up for")
    assert "2027-01-04" in scotland
    assert "2027-01-04" not in england
    for day in england:
        assert not_working(date.fromisoformat(day), "england", HolidayOverride.objects.as_overrides())
    for query in ({"nation": "france"}, {"year": "x"}, {"year": "1"}, {"yaer": "2027"}):
        assert client.get(url, query).status_code == 400
    assert client.get(url).json()["year"] == local_date(now()).year
