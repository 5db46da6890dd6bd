"""What every POST of the API promises: a retry is safe, and nothing is done to what has changed since it was read."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from django.core.management import call_command
from django.db import connection
from django.test import Client as Browser
from django.urls import reverse

from accounts import actions
from accounts.api import endpoints
from accounts.models import KeptAnswer
from disclosures.examples import EXAMPLES
from disclosures.models import Filing
from ledger.models import Event
from ledger.time import now, standing_at
from tests import cast
from tests.accounts.test_clients import bearer

pytestmark = pytest.mark.django_db(transaction=True)
BODY = {"content": {**EXAMPLES["disclosure"], "filer_reference": "K-1"}}
URL = "/api/v1/disclosures/"


def company(name: str) -> Browser:
    admin = cast.person(cast.organisation(name), "company_admin", second_factor=False)
    scopes = ["disclosures:read", "disclosures:write"]
    return bearer(*actions.make_client(admin.organisation_id, by=admin, name="Filer", scopes=scopes))


@pytest.fixture
def program() -> Browser:
    return company("Kestrel Ltd")


def post(client: Browser, body: Any = BODY, *, url: str = URL, **headers: str) -> Any:
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return client.post(url, body, "application/json", headers=named)


def test_retry_with_the_key_gets_the_answer_of_the_first(program: Browser) -> None:
    first = post(program, idempotency_key="one")
    again = post(program, idempotency_key="one")
    assert (first.status_code, again.status_code) == (201, 201)
    assert first.content == again.content
    assert first.headers["Location"] == again.headers["Location"]
    assert again.headers["Idempotency-Replayed"] == "true"
    assert "Idempotency-Replayed" not in first.headers
    assert Filing.objects.count() == KeptAnswer.objects.count() == 1


def test_key_of_another_request_is_refused_and_of_another_company_is_another(program: Browser) -> None:
    post(program, idempotency_key="one")
    other = {"content": {**BODY["content"], "filer_reference": "K-2"}}
    refused = post(program, other, idempotency_key="one")
    assert refused.status_code == 422
    assert refused.json()["type"].endswith("/problems/key-used-otherwise/")
    assert post(company("Merlin Ltd"), other, idempotency_key="one").status_code == 201
    assert Filing.objects.count() == 2


def test_replay_comes_before_validation_and_a_refusal_keeps_nothing(program: Browser) -> None:
    assert post(program, {"content": 7}, idempotency_key="one").status_code == 400
    assert not KeptAnswer.objects.exists()
    assert post(program, idempotency_key="one").status_code == 201
    reference = Filing.objects.get().reference
    discard = f"{URL}{reference}/discard/"
    gone = post(program, {}, url=discard, idempotency_key="two", if_match="*")
    again = post(program, {}, url=discard, idempotency_key="two", if_match="*")
    assert (gone.status_code, again.content) == (200, gone.content), "also when there is nothing left to do it to"
    assert post(program, {}, url=discard, if_match="*").status_code == 404


@pytest.mark.parametrize("key", ["", " ", "a b", "é", "x" * 256])
def test_key_that_is_none_is_refused(program: Browser, key: str) -> None:
    assert post(program, idempotency_key=key).status_code == 400
    assert not Filing.objects.exists()


def test_two_hundred_at_once_make_one_record_and_get_one_answer(concurrently: Callable[..., list[Any]]) -> None:
    programs = [company("Kestrel Ltd")]
    token = programs[0].defaults["HTTP_AUTHORIZATION"]
    # Twenty at a time, as many as a busy server has in hand; each sends ten.
    ready = threading.Barrier(20)

    def send() -> list[Any]:
        client = Browser(headers={"authorization": token, "host": "localhost"})
        ready.wait(20)
        return [post(client, idempotency_key="one") for _ in range(10)]

    answers = [answer for sent in concurrently(*[send] * 20, timeout=120) for answer in sent]
    assert len(answers) == 200
    assert {a.status_code for a in answers} == {201}
    assert len({a.content for a in answers}) == 1
    assert Filing.objects.count() == 1
    assert Event.objects.filter(verb="disclosure.started").count() == 1


def test_negative_control_without_the_lock_the_same_key_does_it_twice(
    program: Browser, concurrently: Callable[..., list[Any]], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Two at once, neither of which waits for the other: only the constraint stops the second, by breaking it off."""
    both = threading.Barrier(2)
    token = program.defaults["HTTP_AUTHORIZATION"]
    monkeypatch.setattr(endpoints.Retries, "take", lambda self: both.wait(10))
    body = {"content": {k: v for k, v in BODY["content"].items() if k != "filer_reference"}}

    def send() -> Any:
        client = Browser(raise_request_exception=False, headers={"authorization": token, "host": "localhost"})
        return post(client, body, idempotency_key="one").status_code

    assert sorted(concurrently(send, send)) == [201, 500]


def test_key_in_flight_is_a_conflict_that_says_try_again(
    program: Browser, concurrently: Callable[..., list[Any]], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(endpoints, "PATIENCE", "50ms")
    started, done = threading.Event(), threading.Event()
    keep = endpoints.Retries.keep

    def slowly(self: endpoints.Retries, *answer: Any) -> None:
        started.set()
        done.wait(10)
        keep(self, *answer)

    monkeypatch.setattr(endpoints.Retries, "keep", slowly)
    token = program.defaults["HTTP_AUTHORIZATION"]

    def first() -> int:
        return int(post(Browser(headers={"authorization": token}), idempotency_key="one").status_code)

    def second() -> Any:
        started.wait(10)
        answer = post(Browser(headers={"authorization": token}), idempotency_key="one")
        done.set()
        return answer.status_code, answer.json()["detail"]

    made, refused = concurrently(first, second)
    assert made == 201
    assert refused[0] == 409
    assert "still being worked on" in refused[1]
    assert Filing.objects.count() == 1


def test_answer_is_kept_if_and_only_if_the_change_is(program: Browser, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(self: endpoints.Retries, *answer: Any) -> None:
        raise OSError("the disk is full")

    monkeypatch.setattr(endpoints.Retries, "keep", broken)
    with pytest.raises(OSError, match="disk"):
        post(program, idempotency_key="one")
    assert not Filing.objects.exists()


# --- Entity tags ---------------------------------------------------------------------------------------------------------
def test_what_changed_since_it_was_read_is_left_alone(program: Browser) -> None:
    reference = post(program).json()["reference"]
    one = f"{URL}{reference}/"
    read = program.get(one)
    tag = read.headers["ETag"]
    assert program.get(one, headers={"if-none-match": tag}).status_code == 304
    assert post(program, {}, url=f"{one}discard/").status_code == 428
    stale = post(program, {}, url=f"{one}discard/", if_match='"0123"')
    assert (stale.status_code, stale.json()["type"].rsplit("/", 2)[1]) == (412, "changed-meanwhile")
    assert Filing.objects.count() == 1
    saved = post(program, {"content": {"filer_reference": "K-9"}}, url=f"{one}save/", if_match=tag)
    assert saved.status_code == 200
    assert saved.headers["ETag"] != tag
    assert post(program, {}, url=f"{one}discard/", if_match=tag).status_code == 412
    assert post(program, {}, url=f"{one}discard/", if_match=f'"x", {saved.headers["ETag"]}').status_code == 200


def test_precondition_is_judged_under_the_lock(program: Browser, concurrently: Callable[..., list[Any]]) -> None:
    """Two programs that read the same and save at once: one of them is told."""
    reference = post(program).json()["reference"]
    one = f"{URL}{reference}/"
    tag = program.get(one).headers["ETag"]
    token, ready = program.defaults["HTTP_AUTHORIZATION"], threading.Barrier(2)

    def save(name: str) -> Callable[[], int]:
        def run() -> int:
            client = Browser(headers={"authorization": token})
            ready.wait(10)
            body = {"content": {"filer_reference": name}}
            return int(post(client, body, url=f"{one}save/", if_match=tag).status_code)

        return run

    for n in range(5):
        assert sorted(concurrently(save(f"A-{n}"), save(f"B-{n}"))) == [200, 412]
        tag = program.get(one).headers["ETag"]
        ready.reset()


def test_kept_answers_hold_no_more_than_was_answered(program: Browser) -> None:
    answer = post(program, idempotency_key="one")
    kept = KeptAnswer.objects.get()
    assert json.loads(kept.body) == answer.json()
    with connection.cursor() as cursor:
        cursor.execute("SELECT count(*) FROM accounts_keptanswer")
        assert cursor.fetchone() == (1,)
    assert reverse("api_disclosures") == URL


def test_kept_answers_about_a_draft_go_with_it_and_the_keys_stay(program: Browser) -> None:
    first = post(program, idempotency_key="one")
    reference = first.json()["reference"]
    one = f"{URL}{reference}/"
    told = "An officer of whom nobody but Kestrel knows"
    body = {"content": {**BODY["content"], "accountable_officer": told}}
    saved = post(program, body, url=f"{one}save/", if_match="*", idempotency_key="two")
    assert told in saved.content.decode()
    post(program, {"content": {**BODY["content"], "filer_reference": "K-2"}}, idempotency_key="three")
    gone = post(program, {}, url=f"{one}discard/", if_match="*", idempotency_key="four")
    assert gone.json() == {"reference": reference, "state": "discarded"}
    kept = {answer.key: answer for answer in KeptAnswer.objects.all()}
    assert {json.loads(kept[key].body)["state"] for key in ("one", "two", "four")} == {"discarded"}
    assert not any(told in kept[key].body or "ETag" in kept[key].headers for key in ("one", "two"))
    assert kept["three"].about != reference
    assert BODY["content"]["accountable_officer"] in kept["three"].body, "what is about another stays as it was"
    for key, sent, url, status in (("one", BODY, URL, 201), ("two", body, f"{one}save/", 200)):
        again = post(program, sent, url=url, if_match="*", idempotency_key=key)
        assert (again.status_code, again.json()) == (status, gone.json())
        assert again.headers["Idempotency-Replayed"] == "true"
    assert Filing.objects.count() == 1, "a retry makes no second record"


def test_answers_are_kept_for_thirty_days(program: Browser) -> None:
    post(program, idempotency_key="one")
    with standing_at(now() + timedelta(days=30) - timedelta(minutes=1)):
        actions.forget_answers()
        assert KeptAnswer.objects.exists()
    with standing_at(now() + timedelta(days=30)):
        actions.forget_answers()
    assert not KeptAnswer.objects.exists()


def test_sweeps_without_a_broker_forget_as_well(program: Browser) -> None:
    post(program, idempotency_key="one")
    call_command("run_sweeps")
    assert KeptAnswer.objects.exists()
    with standing_at(now() + timedelta(days=30)):
        call_command("run_sweeps")
    assert not KeptAnswer.objects.exists()


def test_a_clock_moved_forward_forgets_no_token_that_is_still_good(program: Browser) -> None:
    """The sandbox's clock is moved by a fortnight; tokens live by the machine's."""
    with standing_at(now() + timedelta(days=14)):
        actions.forget_answers()
    assert post(program, idempotency_key="one").status_code == 201
