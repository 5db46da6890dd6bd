"""What staff know that a calendar formula does not: proclaimed holidays, and hours in which the platform was down."""

from __future__ import annotations

from datetime import timedelta
from typing import Any, Self

from django.conf import settings
from django.db import models
from django.db.models import F, Q

from accounts.models import Nation
from cases.clock import Override
from ledger.time import now


class HolidayOverrideManager(models.Manager["HolidayOverride"]):
    def as_overrides(self) -> list[Override]:
        """The newest word on each day, in the shape that `cases.clock` takes. Newest first: the first match counts."""
        return [
            Override(day=row.day, working=row.working, nation=row.nation or None, name=row.name)
            for row in self.order_by("-pk")
        ]


class HolidayOverride(models.Model):
    """A day that is a holiday, or is not, whatever the calendar says. Insert-only: a later row corrects."""

    day = models.DateField()
    nation = models.CharField(max_length=20, choices=Nation, blank=True)
    working = models.BooleanField(default=False)
    name = models.CharField(max_length=120)
    by = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.PROTECT, related_name="+")
    at = models.DateTimeField(default=now)

    objects = HolidayOverrideManager()

    def __str__(self) -> str:
        return f"{self.day} {self.name}"


LAST_HOURS = timedelta(hours=24)


class OutageQuerySet(models.QuerySet["Outage"]):
    def recent(self) -> Self:
        """Outages of the last month."""
        return self.filter(ended_at__gte=now() - timedelta(days=30))

    def touching(self, due_at: Any) -> Self:
        """Outages that fell into the last 24 hours before `due_at` (an instant or an expression)."""
        return self.filter(started_at__lte=due_at, ended_at__gte=due_at - LAST_HOURS)


class Outage(models.Model):
    """Hours in which the platform could not be used."""

    started_at = models.DateTimeField()
    ended_at = models.DateTimeField()
    reason = models.TextField(max_length=2000)
    by = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.PROTECT, related_name="+")
    at = models.DateTimeField(default=now)

    objects = OutageQuerySet.as_manager()

    class Meta:
        indexes = [models.Index(fields=["started_at"], name="outage_started")]
        constraints = [models.CheckConstraint(name="outage_runs_forward", condition=Q(ended_at__gt=F("started_at")))]

    def __str__(self) -> str:
        return f"outage {self.started_at:%Y-%m-%d %H:%M}"
