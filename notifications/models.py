"""Messages: the outbox and the in-app list are the same rows. Webhooks: where events are sent, and each sending."""

from __future__ import annotations

import base64
import json
import secrets
import uuid
from datetime import timedelta
from typing import Any

from django.conf import settings
from django.db import models
from django.db.models import Count, Exists, OuterRef, Q, Subquery
from django.utils.crypto import salted_hmac

from accounts.models import SHUT_OUT, Organisation, User
from accounts.rules import KEEPERS, SERVICE_ROLE_OF_KIND
from ledger.models import Event, Place
from ledger.time import now

OLD_SECRET_LASTS = timedelta(days=1)


def new_message_id() -> str:
    """A Message-ID that stays the same over every attempt, so that a receiver can tell a repeat."""
    return f"<{uuid.uuid4()}@candour>"


class MessageQuerySet(models.QuerySet["Message"]):
    def visible_to(self, user: Any) -> MessageQuerySet:
        """Messages are read by the person they were written to."""
        if user is None or not user.is_authenticated or not user.is_active:
            return self.none()
        return self.filter(user=user)

    def about(self, obj: models.Model) -> MessageQuerySet:
        return self.filter(about_type=obj._meta.label_lower, about_id=obj.pk).order_by("id")

    def due(self) -> MessageQuerySet:
        """Letters that are waiting and whose next attempt has come."""
        return self.filter(state="queued", next_attempt_at__lte=now()).order_by("next_attempt_at")


class Message(models.Model):
    """One thing that one person or mailbox must hear of: shown in the platform, a copy goes by e-mail.

    Written in the commit of the change it tells of, delivered at least once. Template and context are kept until it is
    sent; subject and body are kept as they were sent.
    """

    class State(models.TextChoices):
        QUEUED = "queued", "Waiting to be sent"
        SENT = "sent", "Sent"
        BOUNCED = "bounced", "Came back"
        FAILED = "failed", "Could not be sent"

    user = models.ForeignKey(settings.AUTH_USER_MODEL, null=True, on_delete=models.PROTECT, related_name="messages")
    organisation_id = models.BigIntegerField(null=True)
    address = models.EmailField()
    template = models.CharField(max_length=64)
    context = models.JSONField(default=dict)
    url = models.CharField(max_length=200, blank=True)
    about_type = models.CharField(max_length=64)
    about_id = models.BigIntegerField()
    dedupe_key = models.CharField(max_length=400, unique=True)
    message_id = models.CharField(max_length=80, default=new_message_id)
    created_at = models.DateTimeField(default=now)
    read_at = models.DateTimeField(null=True)
    state = models.CharField(max_length=10, choices=State, default=State.QUEUED)
    attempts = models.IntegerField(default=0)
    next_attempt_at = models.DateTimeField(default=now)
    sent_at = models.DateTimeField(null=True)
    bounced_at = models.DateTimeField(null=True)
    last_error = models.CharField(max_length=200, blank=True)
    subject = models.CharField(max_length=300, blank=True)
    body = models.TextField(blank=True)

    objects = MessageQuerySet.as_manager()

    class Meta:
        indexes = [
            models.Index(fields=["next_attempt_at"], name="message_due", condition=models.Q(state="queued")),
            models.Index(fields=["user", "-id"], name="message_of_user"),
            models.Index(fields=["user"], name="message_unread", condition=models.Q(read_at__isnull=True)),
            models.Index(fields=["about_type", "about_id"], name="message_about"),
            models.Index(fields=["about_id"], name="message_bounced", condition=models.Q(state="bounced")),
        ]
        constraints = [
            models.CheckConstraint(
                name="message_sent_has_when",
                condition=~models.Q(state="sent") | models.Q(sent_at__isnull=False),
            )
        ]

    def __str__(self) -> str:
        return f"{self.template} to {self.address}"


# --- Webhooks --------------------------------------------------------------------------------------------------------
def new_webhook_id() -> str:
    """A webhook-id that stays the same over every attempt and every replay, so that a receiver can tell a repeat."""
    return f"msg_{uuid.uuid4().hex}"


class EndpointQuerySet(models.QuerySet["Endpoint"]):
    def let_in(self) -> EndpointQuerySet:
        """But those of organisations that are shut out: what waits for them goes when they are let in again."""
        return self.exclude(organisation__state__in=SHUT_OUT)

    def visible_to(self, user: Any) -> EndpointQuerySet:
        """The own organisation's, for those who look after them; all of them for the supervisor."""
        if user is None or not user.is_authenticated or not user.is_active or user.role not in KEEPERS:
            return self.none()
        return self if user.role == "supervisor" else self.filter(organisation_id=user.organisation_id)

    def with_counts(self) -> Any:
        """Each with how many of its deliveries wait (`waiting`) and how many were given up (`dead`)."""
        return self.annotate(
            waiting=Count("deliveries", filter=Q(deliveries__state="waiting")),
            dead=Count("deliveries", filter=Q(deliveries__state="dead")),
        )

    def behind(self) -> EndpointQuerySet:
        """Live ones that have not looked at the end of the feed."""
        end = Place.objects.order_by("-pk").values("pk")[:1]
        return self.let_in().filter(state="live", place__lt=Subquery(end)).order_by("place", "pk")

    def well(self) -> EndpointQuerySet:
        """Those that answered the last time. One that never has is not among them."""
        return self.filter(state="live", failing_since__isnull=True)

    def with_due(self) -> Any:
        """Those with something to send that nobody is sending, each with its oldest as `due`: one at a time for each."""
        mine = Delivery.objects.filter(endpoint=OuterRef("pk"))
        due = mine.due().order_by("next_attempt_at", "pk").values("pk")[:1]
        under_way = mine.filter(state="waiting", leased_until__gt=now())
        found = self.let_in().exclude(state="disabled").annotate(due=Subquery(due))
        return found.filter(~Exists(under_way), due__isnull=False).order_by("last_attempt_at", "pk")


class Endpoint(models.Model):
    """An address to which an organisation has its events sent, once a program there has answered a challenge.

    `place` is how far in the feed it has come. `failing_since` is set by the first failure and cleared by the next
    success: what fails is tried beside the others, not before them.
    """

    class State(models.TextChoices):
        UNVERIFIED = "unverified", "Waiting for its answer"
        LIVE = "live", "Live"
        DISABLED = "disabled", "Turned off"

    organisation = models.ForeignKey(Organisation, on_delete=models.PROTECT, related_name="+")
    url = models.CharField("address", max_length=500)
    state = models.CharField(max_length=12, choices=State, default=State.UNVERIFIED)
    salt = models.CharField(max_length=64, default=secrets.token_hex)
    old_salt = models.CharField(max_length=64, blank=True)
    place = models.BigIntegerField(default=0)
    created_by = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.PROTECT, related_name="+")
    created_at = models.DateTimeField(default=now)
    rotated_at = models.DateTimeField(null=True)
    verified_at = models.DateTimeField(null=True)
    disabled_at = models.DateTimeField(null=True)
    disabled_because = models.CharField(max_length=12, blank=True)
    last_attempt_at = models.DateTimeField(default=now)
    failing_since = models.DateTimeField(null=True)

    objects = EndpointQuerySet.as_manager()

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["organisation", "url"], name="endpoint_once"),
            models.CheckConstraint(
                name="endpoint_live_is_verified", condition=~Q(state="live") | Q(verified_at__isnull=False)
            ),
            models.CheckConstraint(
                name="endpoint_disabled_says_when", condition=~Q(state="disabled") | Q(disabled_at__isnull=False)
            ),
        ]

    def __str__(self) -> str:
        return self.url

    @property
    def ledger_root(self) -> Organisation:
        return self.organisation

    @property
    def secret(self) -> str:
        """What the receiver checks signatures with. It is stored nowhere: it follows from the site's key and the salt."""
        return _secret(self.salt)

    @property
    def signing_secrets(self) -> list[str]:
        """The secret, and for a day after it was changed the one before."""
        both = self.old_salt and self.rotated_at is not None and now() - self.rotated_at < OLD_SECRET_LASTS
        return [self.secret, _secret(self.old_salt)] if both else [self.secret]

    @property
    def reader(self) -> User:
        """As whom it reads the feed: what an API client of its organisation would see, and nothing else."""
        role = SERVICE_ROLE_OF_KIND[self.organisation.kind]
        return User(organisation=self.organisation, role=role, is_service=True)


def _secret(salt: str) -> str:
    key = salted_hmac("candour.webhook", salt, algorithm="sha256").digest()
    return f"whsec_{base64.b64encode(key).decode()}"


TROUBLES = {
    "refused": "Its name does not lead to a public address",
    "name": "Its name is not known",
    "timeout": "It did not answer within 5 seconds",
    "certificate": "Its certificate is not valid for the name",
    "protocol": "It did not answer as a web server does",
    "connection": "It could not be reached, or broke off",
    "challenge": "It did not send the challenge back",
}


class DeliveryQuerySet(models.QuerySet["Delivery"]):
    def visible_to(self, user: Any) -> DeliveryQuerySet:
        return self.filter(endpoint__in=Endpoint.objects.visible_to(user))

    def due(self) -> DeliveryQuerySet:
        """What may go now and is in nobody's hands: challenges to unverified endpoints, events to live ones."""
        instant = now()
        goes = Q(event__isnull=True, endpoint__state="unverified") | Q(event__isnull=False, endpoint__state="live")
        free = Q(leased_until__isnull=True) | Q(leased_until__lte=instant)
        let_in = ~Q(endpoint__organisation__state__in=SHUT_OUT)
        return self.filter(goes, free, let_in, state="waiting", next_attempt_at__lte=instant)


class Delivery(models.Model):
    """One event, or without an event the challenge, for one endpoint. Delivered at least once, always with the same id."""

    class State(models.TextChoices):
        WAITING = "waiting", "Waiting"
        DELIVERED = "delivered", "Delivered"
        DEAD = "dead", "Given up"

    endpoint = models.ForeignKey(Endpoint, on_delete=models.PROTECT, related_name="deliveries")
    event = models.ForeignKey(Event, null=True, on_delete=models.PROTECT, related_name="+")
    challenge = models.CharField(max_length=64, blank=True)
    webhook_id = models.CharField(max_length=40, unique=True, default=new_webhook_id)
    state = models.CharField(max_length=10, choices=State, default=State.WAITING)
    created_at = models.DateTimeField(default=now)
    begun_at = models.DateTimeField(default=now)
    attempts = models.IntegerField(default=0)
    next_attempt_at = models.DateTimeField(default=now)
    leased_until = models.DateTimeField(null=True)
    last_attempt_at = models.DateTimeField(null=True)
    last_status = models.IntegerField(null=True)
    last_trouble = models.CharField(max_length=20, blank=True)
    delivered_at = models.DateTimeField(null=True)

    objects = DeliveryQuerySet.as_manager()

    class Meta:
        verbose_name_plural = "deliveries"
        indexes = [
            models.Index(
                fields=["endpoint", "next_attempt_at", "id"], name="delivery_due", condition=Q(state="waiting")
            ),
            models.Index(fields=["endpoint", "-id"], name="delivery_log"),
            models.Index(fields=["endpoint"], name="delivery_dead", condition=Q(state="dead")),
        ]
        constraints = [
            models.UniqueConstraint(fields=["endpoint", "event"], name="delivery_once"),
            models.UniqueConstraint(fields=["endpoint"], name="challenge_once", condition=Q(event__isnull=True)),
            models.CheckConstraint(
                name="delivery_delivered_says_when", condition=~Q(state="delivered") | Q(delivered_at__isnull=False)
            ),
            models.CheckConstraint(
                name="delivery_is_event_or_challenge", condition=Q(event__isnull=True) ^ Q(challenge="")
            ),
        ]

    def __str__(self) -> str:
        return self.webhook_id

    @property
    def ledger_root(self) -> Organisation:
        return self.endpoint.organisation

    @property
    def trouble(self) -> str:
        """What went wrong the last time, in words."""
        if self.last_trouble == "status":
            return f"It answered {self.last_status}" + (": gone" if self.last_status == 410 else "")
        return TROUBLES.get(self.last_trouble, "")

    @property
    def type(self) -> str:
        return self.event.verb if self.event else "endpoint.verification"

    def body(self) -> bytes:
        """What is sent: which event and of what, nothing else. The same bytes at every attempt."""
        if self.event:
            at, data = self.event.at, {"id": self.event.place.name, "reference": self.event.reference}
        else:
            at, data = self.created_at, {"challenge": self.challenge}
        message = {"type": self.type, "timestamp": at.isoformat(), "data": data}
        return json.dumps(message, separators=(",", ":")).encode()
