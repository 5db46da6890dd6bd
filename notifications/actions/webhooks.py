"""Webhooks: where events are sent, what is to be sent, and what came of it.

The lock of an endpoint is taken before those of its deliveries. Sending itself is between two actions and in neither
(`notifications.tasks`): `lease` gives out what is to be sent, `note` puts on record what came of it.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import secrets
from dataclasses import dataclass
from datetime import datetime, timedelta

from django.conf import settings
from django.db import IntegrityError, transaction
from django.urls import reverse
from django.utils.module_loading import import_string

from accounts.models import Organisation, User
from accounts.permissions import check
from accounts.rules import KEEPERS
from ledger.actions import action, record
from ledger.models import Event, Place
from ledger.time import local_date, now
from notifications.actions import tell
from notifications.models import Delivery, Endpoint
from notifications.outbound import SECONDS, Answer, Refused, Way, target
from notifications.rules import DELIVERY_RULES, ENDPOINT_RULES, WEBHOOK_RULES
from web.problems import Conflict, Invalid

GIVE_UP_AFTER = timedelta(hours=24)
FIRST_WAIT, LONGEST_WAIT = timedelta(seconds=10), timedelta(hours=4)
LEASE = timedelta(seconds=60)  # twelve times as long as a sending may take
AT_ONCE = 500
MOST_ENDPOINTS = 10
GONE = 410


def way_out() -> Way:
    """How webhooks leave this site; see the settings."""
    return Way(
        ports=frozenset(settings.WEBHOOK_PORTS),
        trusted=frozenset(settings.WEBHOOK_TRUSTED_ADDRESSES),
        ca_file=settings.WEBHOOK_CA_FILE or None,
        resolve=import_string(settings.WEBHOOK_RESOLVER),
        seconds=SECONDS,
    )


# --- Endpoints -----------------------------------------------------------------------------------------------------------
@action
def add_endpoint(organisation_id: int, *, by: User, url: str) -> Endpoint:
    """Have an organisation's events sent to `url`, from now on and once it has answered a challenge.

    Raises Invalid for an address to which nothing is sent from here.
    """
    organisation = Organisation.objects.select_for_update().get(pk=organisation_id)
    check(by, WEBHOOK_RULES["add_endpoint"], organisation)
    try:
        target(url, way_out().ports)
    except Refused as refused:
        raise Invalid(url=str(refused)) from refused
    if Endpoint.objects.filter(organisation=organisation).count() >= MOST_ENDPOINTS:
        raise Conflict(f"An organisation can have {MOST_ENDPOINTS} addresses. Change one that is not used any more.")
    latest = Place.objects.order_by("-pk").first()
    endpoint = Endpoint(organisation=organisation, url=url, created_by=by, place=latest.pk if latest else 0)
    try:
        with transaction.atomic():
            endpoint.save()
    except IntegrityError as error:
        raise Invalid(url="Events are sent to this address already") from error
    _challenge(endpoint)
    record(by, "endpoint.added", endpoint, audience=[organisation])
    return endpoint


def _challenge(endpoint: Endpoint) -> None:
    """Ask anew: the challenge of an endpoint is one row, whose text changes."""
    instant = now()
    fresh = {"challenge": secrets.token_hex(16), "webhook_id": Delivery._meta.get_field("webhook_id").get_default()}
    begin = {"state": Delivery.State.WAITING, "attempts": 0, "begun_at": instant, "next_attempt_at": instant}
    Delivery.objects.update_or_create(endpoint=endpoint, event=None, defaults={**fresh, **begin, "created_at": instant})


@action
def rotate_secret(endpoint_id: int, *, by: User) -> Endpoint:
    """Give an endpoint a new secret. What is sent is signed with the old one too, for a day."""
    endpoint = _locked(endpoint_id)
    check(by, ENDPOINT_RULES["rotate_secret"], endpoint)
    endpoint.old_salt, endpoint.salt, endpoint.rotated_at = endpoint.salt, secrets.token_hex(), now()
    endpoint.save(update_fields=["old_salt", "salt", "rotated_at"])
    record(by, "endpoint.rotated", endpoint, audience=[endpoint.organisation_id])
    return endpoint


@action
def disable_endpoint(endpoint_id: int, *, by: User) -> Endpoint:
    """Send nothing there any more. What waits is kept, and goes out if it is turned on again."""
    endpoint = _locked(endpoint_id)
    check(by, ENDPOINT_RULES["disable_endpoint"], endpoint)
    _disable(endpoint, by=by, because="asked")
    return endpoint


def _disable(endpoint: Endpoint, *, by: User | None, because: str) -> None:
    endpoint.state = ENDPOINT_RULES["disable_endpoint"].after
    endpoint.disabled_at, endpoint.disabled_because = now(), because
    endpoint.save(update_fields=["state", "disabled_at", "disabled_because"])
    record(by, "endpoint.disabled", endpoint, audience=[endpoint.organisation_id], because=because)


@action
def enable_endpoint(endpoint_id: int, *, by: User) -> Endpoint:
    """Turn an endpoint on again: it is challenged anew, and then gets what it has missed."""
    endpoint = _locked(endpoint_id)
    check(by, ENDPOINT_RULES["enable_endpoint"], endpoint)
    endpoint.state, endpoint.failing_since = ENDPOINT_RULES["enable_endpoint"].after, None
    endpoint.save(update_fields=["state", "failing_since"])
    _challenge(endpoint)
    record(by, "endpoint.enabled", endpoint, audience=[endpoint.organisation_id])
    return endpoint


def _locked(endpoint_id: int) -> Endpoint:
    return Endpoint.objects.select_for_update(of=["self"]).select_related("organisation").get(pk=endpoint_id)


# --- From the feed to deliveries ------------------------------------------------------------------------------------------
@action
def collect(endpoint_id: int) -> int | None:
    """Write a delivery for each event since the endpoint's place that its organisation may know of; answers how many.

    None when another has it, or there is nothing new.
    """
    endpoint = (
        Endpoint.objects.select_for_update(skip_locked=True, of=["self"])
        .select_related("organisation")
        .filter(pk=endpoint_id, state="live")
        .first()
    )
    end = Place.objects.order_by("-pk").values_list("pk", flat=True).first()
    if endpoint is None or end is None or end <= endpoint.place:
        return None
    seen = Event.objects.visible_to(endpoint.reader).placed_after(endpoint.place).filter(place__id__lte=end)
    events = list(seen[:AT_ONCE])
    Delivery.objects.bulk_create((Delivery(endpoint=endpoint, event=event) for event in events), ignore_conflicts=True)
    endpoint.place = events[-1].place.pk if len(events) == AT_ONCE else end
    endpoint.save(update_fields=["place"])
    return len(events)


# --- One sending ---------------------------------------------------------------------------------------------------------
@dataclass(frozen=True)
class Parcel:
    """What is to be sent: everything that a thread without a database needs."""

    delivery_id: int
    endpoint_id: int
    url: str
    body: bytes
    headers: dict[str, str]


@action
def lease(delivery_id: int) -> Parcel | None:
    """Take one delivery in hand. None when another has it or it is not due any more."""
    delivery = (
        Delivery.objects.due()
        .select_for_update(skip_locked=True, of=["self"])
        .select_related("endpoint", "event__place")
        .filter(pk=delivery_id)
        .first()
    )
    if delivery is None:
        return None
    instant = now()
    delivery.attempts += 1
    delivery.last_attempt_at, delivery.leased_until = instant, instant + LEASE
    delivery.save(update_fields=["attempts", "last_attempt_at", "leased_until"])
    body = delivery.body()
    headers = {
        "Content-Type": "application/json",
        "User-Agent": "Candour-Webhooks/1",
        **({"Candour-Sandbox": "true"} if settings.SANDBOX else {}),
        **signed(delivery.webhook_id, instant, body, delivery.endpoint.signing_secrets),
    }
    return Parcel(delivery.pk, delivery.endpoint_id, delivery.endpoint.url, body, headers)


def signed(webhook_id: str, at: datetime, body: bytes, with_secrets: list[str]) -> dict[str, str]:
    """The three headers of Standard Webhooks: HMAC-SHA256 over `id.timestamp.body`, one signature a secret."""
    timestamp = str(int(at.timestamp()))
    content = f"{webhook_id}.{timestamp}.".encode() + body
    keys = [base64.b64decode(secret.removeprefix("whsec_")) for secret in with_secrets]
    signatures = [base64.b64encode(hmac.new(key, content, hashlib.sha256).digest()).decode() for key in keys]
    return {
        "webhook-id": webhook_id,
        "webhook-timestamp": timestamp,
        "webhook-signature": " ".join(f"v1,{signature}" for signature in signatures),
    }


@action
def note(parcel: Parcel, answer: Answer) -> Delivery:
    """Put on record what came of a sending, and when the next is due if there is to be one."""
    endpoint = _locked(parcel.endpoint_id)
    delivery = Delivery.objects.select_for_update().get(pk=parcel.delivery_id)
    delivery.leased_until, delivery.last_status = None, answer.status
    delivery.last_trouble = _trouble(delivery, answer)
    endpoint.last_attempt_at = now()
    if delivery.last_trouble:
        _failed(delivery, endpoint, gone=answer.status == GONE)
    else:
        _delivered(delivery, endpoint)
    delivery.save()
    endpoint.save(update_fields=["last_attempt_at", "failing_since"])
    return delivery


def _trouble(delivery: Delivery, answer: Answer) -> str:
    """What went wrong, in a word; nothing if the receiver took it. An event is taken with any 2xx, whatever it says."""
    if answer.status is None:
        return answer.trouble
    if not 200 <= answer.status < 300:
        return "status"
    if delivery.event_id is None and not _echoes(answer.body, delivery.challenge):
        return "challenge"
    return ""


def _echoes(body: bytes, challenge: str) -> bool:
    try:
        found = json.loads(body)
    except (ValueError, RecursionError):
        return False
    return isinstance(found, dict) and found.get("challenge") == challenge


def _delivered(delivery: Delivery, endpoint: Endpoint) -> None:
    endpoint.failing_since = None
    delivery.state, delivery.delivered_at = DELIVERY_RULES["deliver"].after, delivery.delivered_at or now()
    if delivery.event_id is None and endpoint.state == Endpoint.State.UNVERIFIED:
        check(None, ENDPOINT_RULES["confirm_endpoint"], endpoint)
        endpoint.state, endpoint.verified_at = ENDPOINT_RULES["confirm_endpoint"].after, now()
        endpoint.save(update_fields=["state", "verified_at"])
        record(None, "endpoint.confirmed", endpoint, audience=[endpoint.organisation_id])


def _failed(delivery: Delivery, endpoint: Endpoint, *, gone: bool) -> None:
    instant = now()
    endpoint.failing_since = endpoint.failing_since or instant
    last = delivery.begun_at + GIVE_UP_AFTER
    if delivery.state == Delivery.State.WAITING and (gone or instant >= last):
        delivery.state = DELIVERY_RULES["give_up"].after
        _tell(endpoint, local_date(instant).isoformat())
    delivery.next_attempt_at = min(instant + _wait(delivery.attempts), max(last, instant))
    if gone and endpoint.state != Endpoint.State.DISABLED:
        _disable(endpoint, by=None, because="gone")


def _wait(attempts: int) -> timedelta:
    """Ten seconds, then three times as long each time, up to four hours; a fifth more or less, so that they spread out."""
    plain = min(FIRST_WAIT * 3 ** min(attempts - 1, 10), LONGEST_WAIT)
    return plain * (0.8 + secrets.randbelow(401) / 1000)


def _tell(endpoint: Endpoint, on: str) -> None:
    """Once a day, however many were given up."""
    people = User.objects.able_to_sign_in().filter(organisation_id=endpoint.organisation_id, role__in=KEEPERS)
    page, once = reverse("webhook", args=[endpoint.pk]), f"webhook-given-up-{endpoint.pk}-{on}"
    tell("webhook_given_up", endpoint, people=people, url=page, once=once, address=endpoint.url)


@action
def send_again(delivery_id: int, *, by: User) -> Delivery:
    """Send a delivery at once, with the id that it always had, and try for another day."""
    endpoint_id = Delivery.objects.visible_to(by).values_list("endpoint", flat=True).get(pk=delivery_id)
    endpoint = _locked(endpoint_id)
    delivery = Delivery.objects.select_for_update(of=["self"]).get(pk=delivery_id)
    delivery.endpoint = endpoint
    check(by, DELIVERY_RULES["send_again"], delivery)
    wanted = Endpoint.State.UNVERIFIED if delivery.event_id is None else Endpoint.State.LIVE
    if endpoint.state != wanted:
        raise Conflict(f"This can no longer be sent: the address is now “{endpoint.get_state_display().lower()}”.")
    instant = now()
    delivery.state, delivery.attempts = DELIVERY_RULES["send_again"].after, 0
    delivery.begun_at = delivery.next_attempt_at = instant
    delivery.save(update_fields=["state", "attempts", "begun_at", "next_attempt_at"])
    record(by, "delivery.sent_again", delivery, audience=[endpoint.organisation_id], webhook=delivery.webhook_id)
    return delivery
