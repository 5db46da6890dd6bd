"""A partner: names the address of a program, reads what became of each event, and sends one again."""

from __future__ import annotations

from typing import Any

import pytest

from accounts.models import User
from ledger.actions import place_events
from notifications.actions import webhooks as act
from notifications.models import Delivery, Endpoint
from notifications.outbound import Answer
from tests.cast import organisation, person


@pytest.fixture
def partner(transactional_db: None, settings: Any) -> User:
    settings.SECOND_FACTOR_REQUIRED = False
    return person(organisation("Index Ltd", "partner"), "partner")


def arrived(endpoint: Endpoint, answer: Answer) -> None:
    """Everything that is due comes back with this answer."""
    place_events()
    act.collect(endpoint.pk)
    for pk in Delivery.objects.due().filter(endpoint=endpoint).values_list("pk", flat=True):
        parcel = act.lease(pk)
        if parcel is not None:
            act.note(parcel, answer)


@pytest.mark.parametrize(("width", "javascript"), [(320, True), (1280, False)])
def test_partner_looks_after_a_webhook(partner: User, enter: Any, width: int, javascript: bool) -> None:
    visitor = enter(partner, width=width, javascript=javascript)
    visitor.go("organisation")
    visitor.follow("Webhooks")
    visitor.reads("No address yet")
    visitor.press("Add an address")
    visitor.fill({"url": "https://127.0.0.1/hook"})
    visitor.press("Add the address")
    assert visitor.errors() == ["The address must contain a name, not a number"]
    visitor.fill({"url": "https://hooks.index-of-many-things.example/receiving/candour/events/of/every/kind"})
    visitor.press("Add the address")
    endpoint = Endpoint.objects.get()
    visitor.reads("Copy the secret now", endpoint.secret, "endpoint.verification")
    visitor.follow("I have copied it")
    visitor.reads("Waiting for its answer", "Challenge")
    visitor.reads_no(endpoint.secret)

    challenge = endpoint.deliveries.get().challenge
    arrived(endpoint, Answer(200, f'{{"challenge": "{challenge}"}}'.encode()))
    arrived(endpoint, Answer(500))
    visitor.go("webhook", endpoint.pk)
    visitor.reads("Failing", "endpoint.confirmed", "It answered 500", "next try")
    visitor.press("Send again endpoint.confirmed", exact=False)
    visitor.reads("is on its way again")
    arrived(endpoint, Answer(200))
    visitor.go("webhook", endpoint.pk)
    visitor.follow("delivered", within="main")
    visitor.reads("Delivered", "endpoint.confirmed")

    visitor.press("Make a new secret")
    visitor.reads("signed with the old secret too")
    visitor.follow("I have copied it")
    visitor.press("Turn off")
    visitor.reads("Turned off by hand")
    arrived(endpoint, Answer(410))
    visitor.press("Turn on again")
    arrived(endpoint, Answer(410))
    visitor.follow("Webhooks of Index Ltd")
    visitor.reads("It said that it is gone")
    visitor.follow("Look")
    visitor.reads("Given up", "It answered 410: gone", "Kept")
