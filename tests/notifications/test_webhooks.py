"""Webhooks: signed, verified, tried again for a day, given up in sight of everybody, sent again under the same id."""

from __future__ import annotations

import json
import statistics
import threading
import time
from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from django.core.exceptions import PermissionDenied
from django.db import connections, transaction
from django.urls import reverse
from standardwebhooks.webhooks import Webhook, WebhookVerificationError

from accounts.models import Organisation, User
from config.views.health import measure
from ledger.actions import record
from ledger.models import Event, Place
from ledger.time import now, standing_at
from notifications import tasks
from notifications.actions import webhooks as act
from notifications.models import Delivery, Endpoint, Message
from notifications.outbound import Answer
from notifications.tasks import run_webhooks
from tests import cast
from tests.notifications import receivers
from tests.notifications.receivers import Got, NameServer, Receiver, Tripwire, certificates, receiver
from web.problems import Conflict, Invalid

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    return certificates(tmp_path_factory.mktemp("tls"), "*.candour.test")


@pytest.fixture
def there(files: tuple[Path, Path], settings: Any) -> Iterator[Receiver]:
    """A receiver on what stands for the internet, and settings that let a test reach it."""
    made = receiver(files[1])
    settings.SECOND_FACTOR_REQUIRED = False
    settings.WEBHOOK_PORTS = [443, made.port]
    settings.WEBHOOK_TRUSTED_ADDRESSES = [receivers.OUTSIDE]
    settings.WEBHOOK_CA_FILE = str(files[0])
    settings.WEBHOOK_RESOLVER = "tests.notifications.receivers.outside_resolver"
    yield made
    made.stop()


@pytest.fixture
def admin(transactional_db: None) -> User:
    return cast.person(cast.organisation("Kestrel Ltd"), "company_admin")


@transaction.atomic
def happened(*organisations: Organisation, verb: str = "organisation.verified", **over: Any) -> Event:
    return record(over.pop("by", None), verb, organisations[0], audience=organisations, **over)


def add(there: Receiver, by: User, path: str = "/ok", *, live: bool = True) -> Endpoint:
    endpoint = act.add_endpoint(by.organisation_id, by=by, url=f"https://hooks.candour.test:{there.port}{path}")
    if live:
        there.mended = True  # until it has come to know of itself
        run_webhooks()
        endpoint.refresh_from_db()
        assert endpoint.state == "live"
        run_webhooks()
        there.mended = False
        there.got.clear()
    return endpoint


def types(got: list[Got]) -> list[str]:
    return [message.json["type"] for message in got]


def later(**kwargs: float) -> Any:
    return standing_at(now() + timedelta(**kwargs))


# --- What is sent -----------------------------------------------------------------------------------------------------
def test_event_is_delivered_signed_and_says_no_more_than_which(there: Receiver, admin: User) -> None:
    endpoint = add(there, admin)
    event = happened(admin.organisation, verb="case.referred", by=admin, reasons=["deadline_missed"])
    run_webhooks()
    (got,) = there.got
    assert got.headers["webhook-id"].startswith("msg_")
    message = Webhook(endpoint.secret).verify(got.body, got.headers)
    assert message == {
        "type": "case.referred",
        "timestamp": event.at.isoformat(),
        "data": {"id": Place.objects.get(event=event).name, "reference": ""},
    }
    for altered in (got.body + b" ", got.body.replace(b"case", b"cast")):
        with pytest.raises(WebhookVerificationError):
            Webhook(endpoint.secret).verify(altered, got.headers)
    with pytest.raises(WebhookVerificationError):
        Webhook(endpoint.secret).verify(got.body, {**got.headers, "webhook-timestamp": "1600000000"})
    delivery = Delivery.objects.get(event=event)
    assert (delivery.state, delivery.last_status, delivery.attempts) == ("delivered", 200, 1)
    run_webhooks()
    assert len(there.got) == 1, "once is enough"


def test_new_secret_signs_and_the_old_one_for_another_day(there: Receiver, admin: User) -> None:
    endpoint = add(there, admin)
    old, new = endpoint.secret, act.rotate_secret(endpoint.pk, by=admin).secret
    assert old != new
    happened(admin.organisation)
    run_webhooks()
    got = there.got[-1]
    for secret in (old, new):
        Webhook(secret).verify(got.body, got.headers)
    endpoint.refresh_from_db()
    with later(days=2):
        assert endpoint.signing_secrets == [new]


def test_secret_is_in_no_table(there: Receiver, admin: User) -> None:
    endpoint = add(there, admin, live=False)
    kept = json.dumps([list(Endpoint.objects.values()), list(Event.objects.values())], default=str)
    assert endpoint.secret.removeprefix("whsec_") not in kept


# --- Verification -----------------------------------------------------------------------------------------------------
def test_endpoint_is_live_when_it_has_answered_its_challenge(there: Receiver, admin: User) -> None:
    endpoint = add(there, admin, live=False)
    happened(admin.organisation, verb="organisation.refused")
    assert endpoint.state == "unverified"
    run_webhooks()
    assert types(there.got)[0] == "endpoint.verification"
    Webhook(endpoint.secret).verify(there.got[0].body, there.got[0].headers)
    run_webhooks()
    # What happened since it was added follows.
    assert sorted(types(there.got)[1:]) == ["endpoint.added", "endpoint.confirmed", "organisation.refused"]


@pytest.mark.parametrize("path", ["/mute", "/redirect//ok", "/drip"])
def test_endpoint_that_does_not_echo_gets_nothing(there: Receiver, admin: User, path: str) -> None:
    endpoint = add(there, admin, path, live=False)
    happened(admin.organisation)
    run_webhooks()
    endpoint.refresh_from_db()
    assert endpoint.state == "unverified"
    assert set(types(there.got)) == {"endpoint.verification"}
    assert endpoint.deliveries.get().trouble
    there.mended = True
    act.send_again(endpoint.deliveries.get().pk, by=admin)
    run_webhooks()
    endpoint.refresh_from_db()
    assert endpoint.state == "live"


# --- Who gets what ----------------------------------------------------------------------------------------------------
def test_endpoint_gets_what_a_client_of_its_organisation_would_see(there: Receiver, admin: User) -> None:
    rival = cast.person(cast.organisation("Harrier plc"), "company_admin")
    boss = cast.person(cast.organisation("Ministry", "ministry"), "supervisor")
    for user, path in ((admin, "/mine"), (rival, "/theirs"), (boss, "/ministry")):
        add(there, user, path)
    run_webhooks()
    there.got.clear()
    happened(admin.organisation, verb="notice.answered")
    with transaction.atomic():
        record(rival, "filing.started", rival.organisation, audience=[rival.organisation], private=True)
        record(boss, "note.added", boss.organisation)
    run_webhooks()
    assert types(there.at("/mine")) == ["notice.answered"]
    assert types(there.at("/theirs")) == ["filing.started"]
    assert sorted(types(there.at("/ministry"))) == ["note.added", "notice.answered"]


def test_only_keepers_of_a_verified_organisation_add_addresses(there: Receiver, admin: User) -> None:
    officer = cast.person(admin.organisation, "company_officer")
    new = cast.person(cast.organisation("New Ltd", state="pending"), "company_admin")
    rival = cast.person(cast.organisation("Harrier plc"), "company_admin")
    for user in (officer, new):
        with pytest.raises(PermissionDenied):
            act.add_endpoint(user.organisation_id, by=user, url="https://a.example.com/")
    with pytest.raises(Organisation.DoesNotExist):
        act.add_endpoint(admin.organisation_id, by=rival, url="https://a.example.com/")
    endpoint = add(there, admin)
    with pytest.raises(Endpoint.DoesNotExist):
        act.disable_endpoint(endpoint.pk, by=rival)
    with pytest.raises(Invalid):
        act.add_endpoint(admin.organisation_id, by=admin, url=endpoint.url)
    for url in ("http://a.example.com/", "https://127.0.0.1/", "https://localhost/", "x"):
        with pytest.raises(Invalid):
            act.add_endpoint(admin.organisation_id, by=admin, url=url)


# --- Trouble ----------------------------------------------------------------------------------------------------------
def test_failure_is_tried_again_for_a_day_then_given_up_and_sent_again(there: Receiver, admin: User) -> None:
    endpoint = add(there, admin, "/500")
    event = happened(admin.organisation)
    run_webhooks()
    delivery = Delivery.objects.get(event=event)
    begun, waits = delivery.begun_at, []
    while delivery.state == "waiting":
        waits.append((delivery.next_attempt_at - begun).total_seconds())
        with standing_at(delivery.next_attempt_at):
            run_webhooks()
        delivery.refresh_from_db()
    assert delivery.state == "dead"
    assert 10 <= delivery.attempts <= 20
    assert waits == sorted(waits)
    assert 8 <= waits[0] <= 13
    assert waits[-1] == pytest.approx(86400, abs=1), "the last try is a day after the first"
    assert delivery.trouble == "It answered 500"
    sent = there.got
    assert {g.headers["webhook-id"] for g in sent if g.json["type"] == event.verb} == {delivery.webhook_id}
    assert len({g.body for g in sent if g.json["type"] == event.verb}) == 1
    assert Message.objects.filter(template="webhook_given_up", user=admin).count() == 1
    endpoint.refresh_from_db()
    assert endpoint.state == "live"
    assert endpoint.failing_since is not None
    facts = measure().facts
    assert facts["webhooks_given_up"] == 1
    there.mended = True
    act.send_again(delivery.pk, by=admin)
    there.got.clear()
    run_webhooks()
    delivery.refresh_from_db()
    endpoint.refresh_from_db()
    assert (delivery.state, endpoint.failing_since) == ("delivered", None)
    assert there.got[0].headers["webhook-id"] == delivery.webhook_id
    act.send_again(delivery.pk, by=admin)  # also what was delivered, for a receiver that lost it
    run_webhooks()
    assert [g.headers["webhook-id"] for g in there.got].count(delivery.webhook_id) == 2


def test_410_turns_the_address_off_and_turning_it_on_brings_what_was_missed(there: Receiver, admin: User) -> None:
    endpoint = add(there, admin, "/410")
    event = happened(admin.organisation)
    run_webhooks()
    endpoint.refresh_from_db()
    assert (endpoint.state, endpoint.disabled_because) == ("disabled", "gone")
    missed = [happened(admin.organisation) for _ in range(3)]
    run_webhooks()
    assert len(there.got) == 1
    delivery = Delivery.objects.get(event=event)
    assert delivery.state == "dead"
    with pytest.raises(Conflict):
        act.send_again(delivery.pk, by=admin)
    there.mended = True
    act.enable_endpoint(endpoint.pk, by=admin)
    run_webhooks()
    act.send_again(delivery.pk, by=admin)
    run_webhooks()
    delivered = Delivery.objects.filter(state="delivered", event__in=[event, *missed])
    assert delivered.count() == 4


def test_sender_that_died_is_replaced_after_its_lease_with_the_same_id(there: Receiver, admin: User) -> None:
    endpoint = add(there, admin)
    event = happened(admin.organisation)
    tasks.place_events()
    act.collect(endpoint.pk)
    delivery = Delivery.objects.get(event=event)
    assert act.lease(delivery.pk) is not None, "and then it is killed"
    assert act.lease(delivery.pk) is None
    run_webhooks()
    assert there.got == []
    with later(seconds=61):
        run_webhooks()
    assert [g.headers["webhook-id"] for g in there.got] == [delivery.webhook_id]


def test_two_senders_at_once_send_each_event_once(
    there: Receiver, admin: User, concurrently: Callable[..., list[Any]]
) -> None:
    add(there, admin)
    for _ in range(20):
        happened(admin.organisation)
    until = time.monotonic() + 10
    concurrently(*[lambda: tasks._send_all(until)] * 3)
    ids = [g.headers["webhook-id"] for g in there.got]
    assert (len(ids), len(set(ids))) == (20, 20)


def test_second_turn_is_left_to_the_first(there: Receiver, admin: User) -> None:
    happened(admin.organisation)
    tasks.cache.add(tasks.TURN, 1, timeout=30)
    assert run_webhooks() == {}
    tasks.cache.delete(tasks.TURN)
    assert run_webhooks() != {}


def test_name_that_turns_to_loopback_after_verification_is_refused(
    there: Receiver, admin: User, monkeypatch: pytest.MonkeyPatch, settings: Any
) -> None:
    names, tripwire = NameServer({"rebind.candour.test": [[receivers.OUTSIDE], ["127.0.0.1"]]}), Tripwire(there.port)
    monkeypatch.setattr(receivers, "rebinding", names.resolver(), raising=False)
    settings.WEBHOOK_RESOLVER = "tests.notifications.receivers.rebinding"
    endpoint = act.add_endpoint(admin.organisation_id, by=admin, url=f"https://rebind.candour.test:{there.port}/")
    run_webhooks()
    endpoint.refresh_from_db()
    assert endpoint.state == "live"
    run_webhooks()
    refused = endpoint.deliveries.filter(last_trouble="refused")
    assert refused.exists()
    assert refused.first().trouble == "Its name does not lead to a public address"  # type: ignore[union-attr]
    assert (len(there.got), tripwire.touched) == (1, 0)
    tripwire.stop()
    names.stop()


def test_answer_that_comes_late_for_another_sender_is_noted(there: Receiver, admin: User) -> None:
    """A success after somebody else had given up is a success: it did get there."""
    endpoint = add(there, admin)
    event = happened(admin.organisation)
    tasks.place_events()
    act.collect(endpoint.pk)
    parcel = act.lease(Delivery.objects.get(event=event).pk)
    assert parcel is not None
    assert act.note(parcel, Answer(410)).state == "dead"
    assert act.note(parcel, Answer(200)).state == "delivered"
    assert act.note(parcel, Answer(trouble="timeout")).state == "delivered"


BAD = ("hang/1", "hang/2", "hang/3", "hang/4", "hang/5", "hang/6", "hang/7", "reset", "500", "410", "huge", "302")
GOOD = ("ok/1", "ok/2", "ok/3", "ok/4")
EVENTS = 40


@pytest.mark.slow
def test_receivers_that_misbehave_do_not_delay_the_others_and_nothing_is_lost(
    there: Receiver, admin: User, record_property: Callable[[str, object], None]
) -> None:
    """Twelve receivers hang, reset, answer 500, 410, 302 or 10 MB; four answer. One beat, as it is in production."""
    people = {}
    for path in (*BAD, *GOOD):
        people[path] = cast.person(cast.organisation(f"Org {path}"), "company_admin")
        act.add_endpoint(
            people[path].organisation_id, by=people[path], url=f"https://hooks.candour.test:{there.port}/{path}"
        )
    run_webhooks()
    assert Endpoint.objects.filter(state="live").count() == len(people)
    run_webhooks(seconds=1)  # what they are told about themselves; those that hang are found out here, or below
    organisations = [user.organisation for user in people.values()]
    committed: dict[str, float] = {}
    stop = threading.Event()
    beat = threading.Thread(target=_beat, args=[stop])
    beat.start()
    try:
        made = []
        for _ in range(EVENTS):
            made.append(happened(*organisations))
            committed[str(made[-1].pk)] = time.monotonic()
            time.sleep(0.3)
        time.sleep(6)
    finally:
        stop.set()
        beat.join()
    events = {place.name: str(place.event_id) for place in Place.objects.filter(event__in=made)}
    taken = _seconds([g for path in GOOD for g in there.at(f"/{path}")], events, committed)
    assert len(taken) == len(GOOD) * EVENTS, "every event reached everybody who answers"
    p95 = statistics.quantiles(taken, n=20)[-1]
    assert p95 < 5, p95
    assert len(_seconds(there.at("/huge"), events, committed)) == EVENTS, "a long answer is an answer"
    assert Endpoint.objects.get(url__endswith="/410").state == "disabled"
    _mend(there, people)
    of_events = Delivery.objects.filter(event__in=made)
    assert of_events.count() == len(people) * EVENTS
    assert not of_events.exclude(state="delivered").exists(), "nothing is lost"
    bodies: dict[str, set[bytes]] = {}
    names: dict[tuple[str, str], set[str]] = {}
    for got in there.got:
        bodies.setdefault(got.headers["webhook-id"], set()).add(got.body)
        if got.json["type"] != "endpoint.verification":
            names.setdefault((got.path, got.json["data"]["id"]), set()).add(got.headers["webhook-id"])
    assert {len(found) for found in bodies.values()} == {1}
    assert {len(found) for found in names.values()} == {1}, (
        "one id for each event and receiver, however often it was sent"
    )
    record_property(
        "figure",
        f"{len(BAD)} receivers misbehaving, {len(GOOD)} not: {len(taken)} deliveries to these, p50 "
        f"{statistics.median(taken):.2f} s, p95 {p95:.2f} s, worst {max(taken):.2f} s; "
        f"{of_events.count()} of {of_events.count()} delivered in the end, ids stable",
    )


def test_with_one_thread_for_all_the_others_would_wait(
    there: Receiver, admin: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The negative control: it is the threads, and their shares, that keep receivers out of each other's way."""
    monkeypatch.setattr(tasks, "THREADS", 1)
    for path in ("/hang/1", "/hang/2", "/ok"):
        add(there, admin, path)
    event = happened(admin.organisation)
    started = {str(event.pk): time.monotonic()}
    run_webhooks()
    name = Place.objects.get(event=event).name
    assert min(_seconds(there.at("/ok"), {name: str(event.pk)}, started)) > 5


def _beat(stop: threading.Event) -> None:
    """What beat and one worker do: the task every three seconds, unless it still runs."""
    from config.celery import app

    try:
        while not stop.is_set():
            run_webhooks()
            stop.wait(app.conf.beat_schedule["webhooks"]["schedule"].total_seconds())
    finally:
        connections.close_all()


def _seconds(found: list[Got], events: dict[str, str], committed: dict[str, float]) -> list[float]:
    """From the commit to the first arrival at each receiver."""
    first: dict[tuple[str, str], float] = {}
    for got in found:
        event = events.get(got.json["data"].get("id", ""))
        if event is not None:
            first.setdefault((got.path, event), got.at - committed[event])
    return list(first.values())


def _mend(there: Receiver, people: dict[str, User]) -> None:
    """Every receiver answers from now on; the one that was gone is turned on again, and asks for what was given up."""
    there.mended = True
    there.release.set()
    gone = Endpoint.objects.get(url__endswith="/410")
    act.enable_endpoint(gone.pk, by=people["410"])
    with later(hours=5):
        run_webhooks()
        for delivery in gone.deliveries.filter(state="dead"):
            act.send_again(delivery.pk, by=people["410"])
        for _ in range(5):
            run_webhooks()


# --- The pages --------------------------------------------------------------------------------------------------------
def test_partner_adds_an_address_sees_its_log_and_sends_again(there: Receiver) -> None:
    partner = cast.person(cast.organisation("Index Ltd", "partner"), "partner")
    browser = cast.signed_in(partner)
    own = browser.get(reverse("organisation")).content.decode()
    assert reverse("webhooks", args=[partner.organisation_id]) in own
    form = reverse("webhook_new", args=[partner.organisation_id])
    for url in ("http://a.example.com/", "https://127.0.0.1/", "https://user@a.example.com/", ""):
        assert browser.post(form, {"url": url}).status_code == 400
    page = browser.post(form, {"url": f"https://hooks.candour.test:{there.port}/500"})
    endpoint = Endpoint.objects.get()
    assert endpoint.secret in page.content.decode()
    assert page.headers["Cache-Control"] == "no-store"
    run_webhooks()
    happened(partner.organisation)
    run_webhooks()
    shown = browser.get(reverse("webhook", args=[endpoint.pk])).content.decode()
    assert endpoint.secret not in shown
    assert "organisation.verified" in shown
    assert "It answered 500" in shown
    assert "Failing" in browser.get(reverse("webhooks", args=[partner.organisation_id])).content.decode()
    there.mended = True
    delivery = endpoint.deliveries.get(event__verb="organisation.verified")
    again = browser.post(reverse("delivery_again", args=[delivery.pk]), follow=True)
    assert "is on its way again" in again.content.decode()
    run_webhooks()
    assert "Delivered" in browser.get(reverse("webhook", args=[endpoint.pk]), {"state": "delivered"}).content.decode()
    new = browser.post(reverse("webhook_rotate", args=[endpoint.pk])).content.decode()
    endpoint.refresh_from_db()
    assert endpoint.secret in new
    browser.post(reverse("webhook_disable", args=[endpoint.pk]))
    off = browser.get(reverse("webhook", args=[endpoint.pk])).content.decode()
    assert "Turned off" in off
    assert "Send again" not in off
    browser.post(reverse("webhook_enable", args=[endpoint.pk]))
    run_webhooks()
    endpoint.refresh_from_db()
    assert endpoint.state == "live"
