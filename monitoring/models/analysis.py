"""The analysis of a usage log that was handed in as evidence, and its report."""

from __future__ import annotations

import json
from datetime import timedelta
from functools import cached_property
from typing import Any

from django.conf import settings
from django.db import models
from django.db.models import Exists, OuterRef, Q

from accounts.models import Organisation
from disclosures.models import Authorisation
from evidence.models import FULL, EvidenceItem, EvidenceQuerySet, Grant, Sight, SightQuerySet
from ledger.time import now

# A worker that has not been heard of for so long is gone; its analysis begins again.
SILENT = timedelta(minutes=3)
ATTEMPTS = 3


def read_by(user: Any) -> EvidenceQuerySet:
    """The files of which the user may read analyses: the owner its own, ministry and authority what they may read in full.

    Nobody else: what a rival was shown is the non-confidential version, and a report is of the whole file. Of that version
    another one is made for it (`Analysis.made_for`).
    """
    items = EvidenceItem.objects.visible_to(user)
    if user is None or not user.is_authenticated or user.is_ministry:
        return items
    if user.is_company:
        return items.own(user)
    full = Grant.objects.current().filter(organisation_id=user.organisation_id, projection=FULL)
    return items.filter(pk__in=full.values("item"))


class AnalysisQuerySet(models.QuerySet["Analysis"]):
    def visible_to(self, user: Any) -> AnalysisQuerySet:
        """Those of the files of which the user may read analyses (`read_by`); for the ministry, where it may see what they
        were compared with; for the authority, what it was sent; for a company also what it was shown of the other side's.
        """
        seen = self.filter(item__in=read_by(user))
        if user is None or not user.is_authenticated:
            return seen
        if user.is_ministry:
            walled = ComparedAuthorisation.objects.exclude(authorisation__in=Authorisation.objects.visible_to(user))
            return seen.filter(~Exists(walled.filter(analysis=OuterRef("pk"))))
        shown = AnalysisGrant.objects.current().filter(organisation_id=user.organisation_id).values("analysis")
        if user.role == "authority_officer":
            return seen.filter(pk__in=shown)
        if user.is_company and user.is_active:
            return self.filter(Q(item__in=read_by(user)) | Q(pk__in=shown, made_for=user.organisation_id))
        return seen

    def finished(self) -> AnalysisQuerySet:
        """Those that have a report, in the order in which they were asked for."""
        return self.filter(state="done").select_related("report", "item").defer("report__written").order_by("pk")

    def under_way(self) -> AnalysisQuerySet:
        """Asked for and not yet over."""
        return self.filter(state__in=["queued", "running"])

    def waiting(self) -> AnalysisQuerySet:
        """Those that a worker should begin: asked for, or begun by a worker that has fallen silent."""
        silent = Q(state="running", heard_at__lt=now() - SILENT)
        return self.filter(Q(state="queued") | silent).order_by("pk")


class Analysis(models.Model):
    """One reading of one file. queued → running → done | failed; asked for again, it is another one."""

    item = models.ForeignKey(EvidenceItem, on_delete=models.PROTECT, related_name="analyses")
    requested_by = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.PROTECT, related_name="+")
    requested_at = models.DateTimeField(default=now)
    state = models.CharField(
        max_length=10,
        default="queued",
        choices=[("queued", "Waiting"), ("running", "Being read"), ("done", "Done"), ("failed", "Failed")],
    )
    # To whom it is shown besides those who may read the whole: then it is of the non-confidential version, and only what
    # the register has between its owner and them is compared. Nobody learns by it what they had not been shown.
    made_for = models.ForeignKey(Organisation, null=True, on_delete=models.PROTECT, related_name="+")
    # Requests a minute, where the provider's limit is known (indicator I7).
    rate_limit = models.PositiveIntegerField(null=True)
    attempts = models.PositiveSmallIntegerField(default=0)
    started_at = models.DateTimeField(null=True)
    heard_at = models.DateTimeField(null=True)
    # Bytes of the file that have been read.
    read = models.BigIntegerField(default=0)
    # Rows that were found in them; when it is done, those that are kept.
    rows = models.BigIntegerField(default=0)
    finished_at = models.DateTimeField(null=True)
    failure = models.CharField(max_length=500, blank=True)

    objects = AnalysisQuerySet.as_manager()

    class Meta:
        indexes = [
            models.Index(fields=["id"], name="analysis_unfinished", condition=Q(state__in=["queued", "running"])),
        ]
        constraints = [
            models.UniqueConstraint(
                fields=["item"], name="analysis_one_at_a_time", condition=Q(state__in=["queued", "running"])
            ),
            models.CheckConstraint(
                name="analysis_ends_with_an_instant",
                condition=Q(state__in=["queued", "running"], finished_at=None)
                | Q(state__in=["done", "failed"], finished_at__isnull=False),
            ),
        ]

    def __str__(self) -> str:
        return f"Analysis {self.pk} of {self.item_id}"

    @property
    def file(self) -> Any:
        """The version that is read."""
        return self.item.shareable_file if self.made_for_id else self.item.file

    @property
    def size(self) -> int:
        """Of that version, in bytes."""
        return (self.item.public_size or self.item.size) if self.made_for_id else self.item.size

    @property
    def percent(self) -> int:
        """How much of the file has been read; the reckoning after it is the last tenth."""
        return 100 if self.state == "done" else min(90, 90 * self.read // max(1, self.size))

    @property
    def seconds_left(self) -> int | None:
        """About how long it will take, once a twentieth is done."""
        if self.state != "running" or self.started_at is None or self.percent < 5:
            return None
        spent = (now() - self.started_at).total_seconds()
        return round(spent * (100 - self.percent) / self.percent)


class AnalysisGrantQuerySet(SightQuerySet["AnalysisGrant"]):
    pass


class AnalysisGrant(Sight):
    """Sight of an analysis, given to an organisation by an action above: a referral sends what there is by then."""

    analysis = models.ForeignKey(Analysis, on_delete=models.PROTECT, related_name="grants")
    given_by = models.ForeignKey(settings.AUTH_USER_MODEL, null=True, on_delete=models.PROTECT, related_name="+")

    objects = AnalysisGrantQuerySet.as_manager()

    class Meta:
        indexes = [models.Index(fields=["organisation", "analysis"], name="analysis_grant_to")]

    def __str__(self) -> str:
        return f"{self.analysis_id} to {self.organisation_id}"


class ComparedAuthorisation(models.Model):
    """An authorisation that a report tells of: its counts, and its terms beside them. Never changed."""

    analysis = models.ForeignKey(Analysis, on_delete=models.PROTECT, related_name="compared")
    authorisation = models.ForeignKey(Authorisation, on_delete=models.PROTECT, related_name="+")

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["analysis", "authorisation"], name="authorisation_compared_once")
        ]

    def __str__(self) -> str:
        return f"{self.authorisation_id} in analysis {self.analysis_id}"


class AnalysisReport(models.Model):
    """The report as it was written, byte for byte; its hash is on the ledger."""

    analysis = models.OneToOneField(Analysis, on_delete=models.PROTECT, related_name="report")
    written = models.TextField()
    sha256 = models.CharField(max_length=64)
    method_version = models.CharField(max_length=40)
    # The authorisations that were compared, as `analyse_log --authorisations` takes them; empty if there were none.
    authorisations = models.TextField(blank=True)
    authorisations_sha256 = models.CharField(max_length=64, blank=True)

    def __str__(self) -> str:
        return f"Report of analysis {self.analysis_id}"

    @cached_property
    def content(self) -> dict[str, Any]:
        """The report as plain values (`monitoring.report`)."""
        found: dict[str, Any] = json.loads(self.written)
        return found
