"""Messages: the outbox and the in-app list are the same rows."""

from __future__ import annotations

import uuid
from typing import Any

from django.conf import settings
from django.db import models

from ledger.time import now


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
