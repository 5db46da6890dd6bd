"""Feeds of usage rows from providers, the batches that came, and the alerts that were made of them."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any, Self

from django.conf import settings
from django.db import models
from django.db.models import F, OuterRef, Q

from accounts.models import Organisation
from ledger.time import now


class FeedQuerySet(models.QuerySet["Feed"]):
    def visible_to(self, user: Any) -> Self:
        """The provider's own; the ministry's all."""
        if user is None or not user.is_authenticated or not user.is_active:
            return self.none()
        if user.is_ministry:
            return self
        return self.filter(organisation_id=user.organisation_id) if user.is_company else self.none()

    def behind(self) -> Self:
        """Batches have come that no evaluation knows of."""
        return self.filter(state="active", batches__gt=F("evaluated"))

    def due_for_evaluation(self) -> Self:
        """Behind, and its moment has come; who has waited longest comes first."""
        return self.behind().filter(next_evaluation_at__lte=now()).order_by("next_evaluation_at", "pk")

    def due_for_comparison(self) -> Self:
        """Its moment to be compared with what others declared has come; who has waited longest comes first."""
        return self.filter(state="active", next_comparison_at__lte=now()).order_by("next_comparison_at", "pk")

    def failing(self) -> Self:
        """Evaluations or comparisons were begun again and again without one that was brought to an end."""
        return self.filter(Q(attempts__gte=2) | Q(comparison_attempts__gte=2))


class Feed(models.Model):
    """A stream of batches from one provider. `batches` counts what came, with `rows` that were kept and `rejected` ones in
    all of them, `evaluated` how far the last evaluation knew.

    `last_batch_at` is of any batch, `last_rows_at` of one of which rows were kept; `newest_row_at` is the time of the
    newest of them that is not dated ahead of when it came: such a row does not make a feed look fresh.
    """

    class State(models.TextChoices):
        ACTIVE = "active", "Active"
        PAUSED = "paused", "Paused"

    organisation = models.ForeignKey(Organisation, on_delete=models.PROTECT, related_name="feeds")
    name = models.CharField(max_length=40)
    state = models.CharField(max_length=12, choices=State, default=State.ACTIVE)
    expected_minutes = models.PositiveIntegerField()
    opened_at = models.DateTimeField(default=now)
    batches = models.BigIntegerField(default=0)
    evaluated = models.BigIntegerField(default=0)
    rows = models.BigIntegerField(default=0)
    rejected = models.BigIntegerField(default=0)
    last_batch_at = models.DateTimeField(null=True)
    last_rows_at = models.DateTimeField(null=True)
    newest_row_at = models.DateTimeField(null=True)
    resumed_at = models.DateTimeField(null=True)
    evaluated_at = models.DateTimeField(null=True)
    # Counted before an evaluation (a comparison) begins: one that ends its process is put off like any other.
    attempts = models.PositiveSmallIntegerField(default=0)
    next_evaluation_at = models.DateTimeField(default=now)
    comparison_attempts = models.PositiveSmallIntegerField(default=0)
    next_comparison_at = models.DateTimeField(default=now)

    objects = FeedQuerySet.as_manager()

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["organisation", "name"], name="feed_name_once"),
            models.CheckConstraint(
                name="feed_knows_no_more_than_came", condition=Q(evaluated__gte=0, evaluated__lte=F("batches"))
            ),
        ]
        indexes = [
            models.Index(
                fields=["next_evaluation_at"],
                name="feed_to_evaluate",
                condition=Q(state="active", batches__gt=F("evaluated")),
            ),
            models.Index(fields=["next_comparison_at"], name="feed_to_compare", condition=Q(state="active")),
        ]

    def __str__(self) -> str:
        return f"{self.organisation}: {self.name}"

    @property
    def ledger_root(self) -> Feed:
        return self

    def late_since(self, instant: datetime) -> datetime | None:
        """From when on the next rows were overdue at `instant`; None when they are not.

        Of a batch without a row nothing can be looked at: it does not count. Nor does the time of a pause.
        """
        begun = self.last_rows_at or self.opened_at
        due = max(begun, self.resumed_at or begun) + timedelta(minutes=self.expected_minutes)
        return due if self.state == Feed.State.ACTIVE and instant > due else None

    def rows_are_old(self, instant: datetime) -> bool:
        """Whether an evaluation at `instant` finds none of the rows that came: they are all of before its days."""
        begins = instant - timedelta(days=settings.FEED_WINDOW_DAYS)
        return self.newest_row_at is not None and self.newest_row_at < begins


class BatchQuerySet(models.QuerySet["Batch"]):
    def visible_to(self, user: Any) -> Self:
        """As the feed."""
        if user is None or not user.is_authenticated or not user.is_active:
            return self.none()
        if user.is_ministry:
            return self
        return self.filter(organisation_id=user.organisation_id) if user.is_company else self.none()

    def since(self, instant: datetime) -> Self:
        """Batches with rows from `instant` on, the latest received first."""
        return self.filter(rows__gt=0, last_at__gte=instant).order_by("-pk")

    def between(self, begins: datetime | OuterRef, ends: datetime | OuterRef) -> Self:
        """Batches with rows in a span, by their first one: `ends` is the first instant after it."""
        return self.filter(rows__gt=0, last_at__gte=begins, first_at__lt=ends).order_by("first_at", "pk")


class Batch(models.Model):
    """Rows that came in one request, and where they are kept. Never changed. Of windows there are no names beside them.

    `sha256` is of the rows as they were sent (unpacked); `reasons` count what was rejected, `listed` names the first
    lines of it. `prepared` is what the preparing program said of itself in the first line (docs/usage-log.md), taken as
    said; empty where it said nothing.
    """

    feed = models.ForeignKey(Feed, on_delete=models.PROTECT, related_name="received")
    organisation = models.ForeignKey(Organisation, on_delete=models.PROTECT, related_name="+")
    batch_id = models.CharField(max_length=80)
    kind = models.CharField(
        max_length=10, default="calls", choices=[("calls", "Single calls"), ("windows", "Aggregated windows")]
    )
    sha256 = models.CharField(max_length=64)
    size = models.BigIntegerField()
    received_at = models.DateTimeField()
    received_by = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.PROTECT, related_name="+")
    rows = models.IntegerField()
    rejected = models.IntegerField()
    reasons = models.JSONField(default=dict)
    listed = models.JSONField(default=list)
    notes = models.JSONField(default=list)
    prepared = models.JSONField(default=dict)
    columns = models.JSONField(default=list)
    simhashed = models.BooleanField(default=False)
    unzoned = models.IntegerField(default=0)
    first_at = models.DateTimeField(null=True)
    last_at = models.DateTimeField(null=True)
    file = models.CharField(max_length=200)
    file_sha256 = models.CharField(max_length=64)
    names_file = models.CharField(max_length=200, blank=True)
    names_sha256 = models.CharField(max_length=64, blank=True)

    objects = BatchQuerySet.as_manager()

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["feed", "batch_id"], name="batch_once"),
            models.CheckConstraint(name="batch_counts", condition=Q(rows__gte=0, rejected__gte=0)),
        ]
        indexes = [
            models.Index(fields=["feed", "last_at"], name="batch_window"),
            # What came by day, of a feed and of all: the rows themselves are wide.
            models.Index(fields=["feed", "received_at"], include=["rows", "rejected"], name="batch_of_feed_by_day"),
            models.Index(fields=["received_at"], include=["rows", "rejected"], name="batch_by_day"),
            models.Index(fields=["feed", "-id"], name="batch_of_feed"),
        ]

    def __str__(self) -> str:
        return self.batch_id

    @property
    def ledger_root(self) -> Feed:
        return self.feed


class WindowReadingQuerySet(models.QuerySet["WindowReading"]):
    def visible_to(self, user: Any) -> Self:
        """The ministry's."""
        if user is None or not user.is_authenticated or not user.is_active or not user.is_ministry:
            return self.none()
        return self


class WindowReading(models.Model):
    """What the aggregated windows of a feed's last days said at one evaluation (`monitoring.aggregated`). Never changed."""

    feed = models.ForeignKey(Feed, on_delete=models.PROTECT, related_name="readings")
    at = models.DateTimeField()
    report = models.JSONField()
    sha256 = models.CharField(max_length=64)

    objects = WindowReadingQuerySet.as_manager()

    class Meta:
        indexes = [models.Index(fields=["feed", "-id"], name="reading_of_feed")]

    def __str__(self) -> str:
        return f"{self.feed_id} {self.sha256[:12]}"

    @property
    def ledger_root(self) -> Feed:
        return self.feed


class AlertQuerySet(models.QuerySet["Alert"]):
    def visible_to(self, user: Any) -> Self:
        """Caseworkers and supervisors; nobody else, the provider included."""
        if user is None or not user.is_authenticated or not user.is_active or not user.is_ministry:
            return self.none()
        return self

    def waiting(self) -> Self:
        """What nobody has ended, the oldest first."""
        return self.filter(state__in=["open", "under_review"]).order_by("opened_at", "pk")


class Alert(models.Model):
    """Something rare in a feed, for a person to look at. It begins a review at most, and decides nothing.

    What was seen is in the versions; what people did with it is in the steps.
    """

    class State(models.TextChoices):
        OPEN = "open", "Open"
        UNDER_REVIEW = "under_review", "Under review"
        DISMISSED = "dismissed", "Dismissed"
        TAKEN = "taken", "Taken into a case"

    class Unit(models.TextChoices):
        ACCOUNT = "account", "One account"
        SET = "set", "A set of accounts"

    reference = models.CharField(max_length=24, unique=True)
    feed = models.ForeignKey(Feed, on_delete=models.PROTECT, related_name="alerts")
    unit = models.CharField(max_length=12, choices=Unit)
    state = models.CharField(max_length=12, choices=State, default=State.OPEN)
    rung = models.CharField(max_length=30)
    opened_at = models.DateTimeField()
    last_seen_at = models.DateTimeField()
    times = models.IntegerField(default=1)
    told_at = models.DateTimeField()
    closed_at = models.DateTimeField(null=True)

    objects = AlertQuerySet.as_manager()

    class Meta:
        constraints = [
            models.CheckConstraint(
                name="alert_end_is_whole",
                condition=Q(state__in=["open", "under_review"], closed_at__isnull=True)
                | Q(state__in=["dismissed", "taken"], closed_at__isnull=False),
            )
        ]
        indexes = [
            models.Index(fields=["opened_at"], name="alert_waiting", condition=Q(closed_at__isnull=True)),
            models.Index(fields=["feed", "-last_seen_at"], name="alert_of_feed"),
        ]

    def __str__(self) -> str:
        return self.reference

    @property
    def ledger_root(self) -> Alert:
        return self


class AlertVersion(models.Model):
    """What was seen, at one evaluation. Never changed: a later evaluation that sees more adds another.

    `since` and `until` are of the rows of the finding. With `cut_off`, `looked_until`, `batches` and `batches_left_out`
    whoever has the rows sees the same again; all but `batches` are not known of versions from before they were kept.
    """

    class Permission(models.TextChoices):
        """An authorisation permits it, and a person should read it all the same."""

        AFTERWARDS = "afterwards", "It was not on record and confirmed when the calls were made"
        CAP = "cap", "How much of its cap was used up before these days, or in another feed, is not known"

    alert = models.ForeignKey(Alert, on_delete=models.PROTECT, related_name="versions")
    number = models.PositiveIntegerField()
    at = models.DateTimeField()
    rung = models.CharField(max_length=30)
    sentence = models.TextField()
    since = models.DateTimeField()
    until = models.DateTimeField()
    rows = models.BigIntegerField()
    accounts = models.JSONField()
    indicators = models.JSONField()
    explanations = models.JSONField(default=list)
    method = models.CharField(max_length=40)
    # Of the report from which this was taken, and how many batches of the feed it knew of.
    report_sha256 = models.CharField(max_length=64)
    batches = models.BigIntegerField()
    # Rows of before the one and from the other on were not looked at; nor were those of so many batches, received first, as
    # there were too many.
    cut_off = models.DateTimeField(null=True)
    looked_until = models.DateTimeField(null=True)
    batches_left_out = models.PositiveIntegerField(null=True)
    permission = models.CharField(max_length=10, choices=Permission.choices, blank=True)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["alert", "number"], name="alert_version_once")]

    def __str__(self) -> str:
        return f"{self.alert} {self.number}"


class AlertStep(models.Model):
    """What a person did with an alert, and why. Never changed."""

    alert = models.ForeignKey(Alert, on_delete=models.PROTECT, related_name="steps")
    step = models.CharField(max_length=12, choices=[("review", "Review"), ("dismiss", "Dismissal"), ("take", "Case")])
    at = models.DateTimeField(default=now)
    by = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.PROTECT, related_name="+")
    reason = models.TextField(max_length=4000)
    case_reference = models.CharField(max_length=24, blank=True)

    def __str__(self) -> str:
        return f"{self.alert} {self.step}"
