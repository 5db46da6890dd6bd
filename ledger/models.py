"""What the ledger keeps: events that nobody can change, and the record of the sweeps."""

from __future__ import annotations

from typing import Any

from django.conf import settings
from django.contrib.postgres.fields import ArrayField
from django.contrib.postgres.functions import RandomUUID
from django.contrib.postgres.indexes import GinIndex
from django.db import models
from django.db.models import Exists, OuterRef


class WallQuerySet(models.QuerySet["Wall"]):
    def against(self, user: Any) -> WallQuerySet:
        """The walls that stand before `user`. A program of the ministry's meets them all: whose word it passes on is not
        known, and it would be the way round every one of them.
        """
        return self if user.is_service else self.filter(user=user)


class Wall(models.Model):
    """An official, by a declared conflict, is to learn nothing more of a root: written by the app that knows of it."""

    root_type = models.CharField(max_length=64)
    root_id = models.BigIntegerField()
    user = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.PROTECT, related_name="+")

    objects = WallQuerySet.as_manager()

    class Meta:
        constraints = [models.UniqueConstraint(fields=["root_type", "root_id", "user"], name="wall_once")]

    def __str__(self) -> str:
        return f"{self.root_type} {self.root_id} from {self.user_id}"


class EventQuerySet(models.QuerySet["Event"]):
    def visible_to(self, user: Any) -> EventQuerySet:
        """The events `user` may know of.

        The auditor: all. The ministry: all but what is private to a filer or behind a wall. Companies and the
        authority: what was addressed to their organisation.
        """
        if user is None or not user.is_authenticated or not user.is_active:
            return self.none()
        if user.role == "auditor":
            return self
        if user.role in {"caseworker", "supervisor"}:
            walls = Wall.objects.against(user).filter(root_type=OuterRef("root_type"), root_id=OuterRef("root_id"))
            return self.filter(~Exists(walls), private=False)
        if user.organisation_id is None:
            return self.none()
        return self.filter(audience__contains=[user.organisation_id])

    def about(self, root: models.Model) -> EventQuerySet:
        """The events of `root` and of everything that hangs on it, oldest first."""
        return self.filter(root_type=root._meta.label_lower, root_id=root.pk).order_by("at", "id")

    def placed_after(self, place: int) -> EventQuerySet:
        """The events that follow `place` (0: all), in the order of the feed. One not placed yet comes later."""
        return self.filter(place__id__gt=place).select_related("place").order_by("place__id")


class Event(models.Model):
    """One thing that happened, recorded in the transaction that made it happen. Never changed, never deleted.

    `at` is the legal instant; `detected_at` is when the platform wrote it down. `details` hold ids, states, hashes and
    codes: free text and personal data live in the rows the event names.
    """

    at = models.DateTimeField()
    detected_at = models.DateTimeField()
    actor = models.ForeignKey(settings.AUTH_USER_MODEL, null=True, on_delete=models.PROTECT, related_name="+")
    actor_role = models.CharField(max_length=24, blank=True)
    verb = models.CharField(max_length=64)
    object_type = models.CharField(max_length=64)
    object_id = models.BigIntegerField()
    reference = models.CharField(max_length=24, blank=True)
    root_type = models.CharField(max_length=64)
    root_id = models.BigIntegerField()
    audience = ArrayField(models.BigIntegerField(), default=list)
    private = models.BooleanField(default=False)
    details = models.JSONField(default=dict)
    request_id = models.CharField(max_length=64, blank=True)

    objects = EventQuerySet.as_manager()

    class Meta:
        indexes = [
            models.Index(fields=["root_type", "root_id", "id"], name="event_root"),
            models.Index(fields=["verb", "-id"], name="event_verb"),
            GinIndex(fields=["audience"], name="event_audience"),
        ]

    def __str__(self) -> str:
        return f"{self.verb} {self.reference or self.object_id}"


class Place(models.Model):
    """Where an event stands in the feed. Places are given out one after the other to what has been committed.

    So whoever has read up to a place has missed nothing before it (docs/decisions/0012). `uid` is the event's name to
    the world: a number would tell how much goes on here.
    """

    event = models.OneToOneField(Event, on_delete=models.PROTECT, related_name="place")
    uid = models.UUIDField(unique=True, editable=False, db_default=RandomUUID())

    def __str__(self) -> str:
        return self.name

    @property
    def name(self) -> str:
        return f"evt_{self.uid.hex}"


class Unplaced(models.Model):
    """An event that has no place yet. A trigger writes it with the event; `ledger.actions.place_events` takes it away."""

    # No constraint: events are never deleted, and every event would pay for the check.
    event = models.OneToOneField(
        Event, on_delete=models.DO_NOTHING, primary_key=True, db_constraint=False, related_name="+"
    )

    def __str__(self) -> str:
        return str(self.event_id)


class SweepRun(models.Model):
    """The last time each run of sweeps was completed; `/health/` reads its age. One row a run."""

    name = models.CharField(max_length=64, unique=True)
    completed_at = models.DateTimeField()
    acted = models.IntegerField(default=0)
    failed = models.IntegerField(default=0)

    def __str__(self) -> str:
        return self.name


class PutOff(models.Model):
    """A row that raised in a sweep: counted, put off with back-off, shown in `/health/`, in nobody's way."""

    sweep = models.CharField(max_length=64)
    object_id = models.BigIntegerField()
    attempts = models.IntegerField(default=1)
    next_attempt_at = models.DateTimeField()
    error = models.CharField(max_length=200)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["sweep", "object_id"], name="put_off_once")]

    def __str__(self) -> str:
        return f"{self.sweep} {self.object_id}"
