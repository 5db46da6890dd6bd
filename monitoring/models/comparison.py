"""Declared disclosures beside an analysed log or a feed: the ministry's alone, for a filer's figures are in it."""

from __future__ import annotations

from typing import Any, Self

from django.conf import settings
from django.db import models
from django.db.models import Exists, OuterRef, Q
from django.db.models.fields.json import KT
from django.db.models.functions import Cast

from disclosures.models import FilingVersion
from ledger.time import now
from monitoring.models.analysis import Analysis
from monitoring.models.feed import Batch, Feed


class ComparisonQuerySet(models.QuerySet["Comparison"]):
    def visible_to(self, user: Any) -> Self:
        """Caseworkers and supervisors, of what they may see of logs, feeds and filings; neither side, and nobody else."""
        if user is None or not user.is_authenticated or not user.is_active or not user.is_ministry:
            return self.none()
        beside = Q(analysis__in=Analysis.objects.visible_to(user)) | Q(feed__in=Feed.objects.visible_to(user))
        return self.filter(beside, version__in=FilingVersion.objects.visible_to(user))

    def waiting(self) -> Self:
        """Gaps that nobody has looked at, the oldest first."""
        return self.filter(state="open").order_by("pk")

    def with_later(self) -> Self:
        """`came_later`: whether the feed received rows of the period after they were counted."""
        begins, ends = (Cast(KT(f"result__{name}"), models.DateTimeField()) for name in ("from", "to"))
        later = Batch.objects.filter(feed=OuterRef("feed"), received_at__gt=OuterRef("at"))
        later = later.between(OuterRef("begins"), OuterRef("ends")).order_by()
        return self.annotate(begins=begins, ends=ends).annotate(came_later=Exists(later))


class Comparison(models.Model):
    """One declared version beside one log or one feed, as it was when it was read. A gap waits until a person has looked.

    Nothing follows from it by itself. `result` is `monitoring.declared.compared`; it never changes.
    """

    class State(models.TextChoices):
        NOTED = "noted", "No gap"
        OPEN = "open", "To look at"
        DISMISSED = "dismissed", "Looked at"

    analysis = models.ForeignKey(Analysis, null=True, on_delete=models.PROTECT, related_name="comparisons")
    feed = models.ForeignKey(Feed, null=True, on_delete=models.PROTECT, related_name="comparisons")
    version = models.ForeignKey(FilingVersion, on_delete=models.PROTECT, related_name="+")
    result = models.JSONField()
    state = models.CharField(max_length=12, choices=State)
    at = models.DateTimeField(default=now)
    closed_at = models.DateTimeField(null=True)
    closed_by = models.ForeignKey(settings.AUTH_USER_MODEL, null=True, on_delete=models.PROTECT, related_name="+")
    reason = models.TextField(max_length=4000, blank=True)

    objects = ComparisonQuerySet.as_manager()

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["analysis", "version"], name="comparison_once"),
            models.UniqueConstraint(fields=["feed", "version"], name="comparison_once_of_feed"),
            models.CheckConstraint(
                name="comparison_of_one",
                condition=Q(analysis__isnull=False, feed=None) | Q(analysis=None, feed__isnull=False),
            ),
            models.CheckConstraint(
                name="comparison_end_is_whole",
                condition=Q(state__in=["noted", "open"], closed_at=None, closed_by=None, reason="")
                | (Q(state="dismissed", closed_at__isnull=False, closed_by__isnull=False) & ~Q(reason="")),
            ),
        ]
        indexes = [models.Index(fields=["id"], name="comparison_open", condition=Q(state="open"))]

    def __str__(self) -> str:
        return f"{self.version_id} beside " + (
            f"feed {self.feed_id}" if self.feed_id else f"analysis {self.analysis_id}"
        )

    @property
    def ledger_root(self) -> Any:
        """What it is about for whoever reads events: the log or the feed, never the filing."""
        return self.feed if self.analysis is None else self.analysis.item


class Unrelated(models.Model):
    """A declared version that was counted in a feed, which has nothing of it: neither an account that it names, nor does it
    name the provider. It is not counted there again, and shown to nobody. Never changed.
    """

    feed = models.ForeignKey(Feed, on_delete=models.PROTECT, related_name="+")
    version = models.ForeignKey(FilingVersion, on_delete=models.PROTECT, related_name="+")
    at = models.DateTimeField(default=now)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["feed", "version"], name="unrelated_once")]

    def __str__(self) -> str:
        return f"{self.version_id} and feed {self.feed_id}"
