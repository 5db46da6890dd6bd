"""Items of evidence with their custody fields, who was given sight of them, and who was walled off."""

from __future__ import annotations

from typing import Any, Self, TypeVar

from django.conf import settings
from django.db import models
from django.db.models import Exists, OuterRef, Q

from accounts.models import Organisation
from ledger.time import now

FULL = "full"
NON_CONFIDENTIAL = "non_confidential"
_Row = TypeVar("_Row", bound=models.Model)


class Limb(models.TextChoices):
    """Why something is confidential: the three limbs of SI 2014/458 r.1, or no claim."""

    COMMERCIAL = "commercial", "Commercial information that might significantly harm a business’s legitimate interests"
    PRIVATE = "private", "An individual’s private affairs, where disclosure might significantly harm them"
    PUBLIC_INTEREST = "public_interest", "Disclosure would be contrary to the public interest"
    NONE = "none", "No claim: it may be shown as it is"


class EvidenceQuerySet(models.QuerySet["EvidenceItem"]):
    def visible_to(self, user: Any) -> EvidenceQuerySet:
        """The owner's own; the ministry's, once handed in and not walled off; everybody else by grant only."""
        if user is None or not user.is_authenticated or not user.is_active:
            return self.none()
        if user.is_ministry:
            walled = Barrier.objects.against(user).filter(item=OuterRef("pk"))
            return self.filter(~Exists(walled), submitted_at__isnull=False)
        granted = Exists(Grant.objects.current().filter(item=OuterRef("pk"), organisation_id=user.organisation_id))
        if user.is_company:
            return self.filter(Q(organisation_id=user.organisation_id) | granted)
        if user.role == "authority_officer":
            return self.filter(granted)
        return self.none()

    def own(self, user: Any) -> EvidenceQuerySet:
        """What the user's own organisation holds here."""
        return self.filter(organisation_id=user.organisation_id)


class EvidenceItem(models.Model):
    """One file with what must be known of it. Its content never changes; a better copy is a new item.

    Custody before receipt is what the submitter declares; custody after it is in the ledger's events.
    """

    class Kind(models.TextChoices):
        ACCESS_LOG = "access_log", "Access or usage log"
        INVOICE = "invoice", "Invoice"
        CONTRACT = "contract", "Contract or terms"
        CORRESPONDENCE = "correspondence", "Correspondence"
        MODEL_OUTPUT = "model_output", "Sample of model output"
        EXPERT_REPORT = "expert_report", "Expert report"
        SCREENSHOT = "screenshot", "Screenshot"
        STATEMENT = "statement", "Statement"
        OTHER = "other", "Something else"

    reference = models.CharField(max_length=24, unique=True)
    organisation = models.ForeignKey(Organisation, on_delete=models.PROTECT, related_name="evidence")
    submitted_by = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.PROTECT, related_name="+")
    title = models.CharField(max_length=200)
    kind = models.CharField(max_length=20, choices=Kind)
    relevance = models.TextField(max_length=4000)

    file = models.FileField(upload_to="items", max_length=200)
    original_name = models.CharField(max_length=200)
    media_type = models.CharField(max_length=100)
    size = models.BigIntegerField()
    sha256 = models.CharField(max_length=64)
    received_at = models.DateTimeField()
    submitted_at = models.DateTimeField(null=True)

    period_from = models.DateField(null=True)
    period_to = models.DateField(null=True)
    source_system = models.CharField(max_length=300)
    collected_by = models.CharField(max_length=200)
    collected_on = models.DateField()
    collection_method = models.TextField(max_length=2000)
    original_retained_where = models.CharField(max_length=300)
    time_source = models.CharField(max_length=300)
    sampling = models.TextField(max_length=2000)
    pseudonymisation = models.TextField(max_length=2000)
    personal_data = models.BooleanField()
    privileged = models.BooleanField(default=False)
    collector_declares = models.BooleanField()
    derived_from = models.ForeignKey("self", null=True, on_delete=models.PROTECT, related_name="derivations")

    limb = models.CharField(max_length=20, choices=Limb)
    confidentiality_reason = models.TextField(max_length=4000, blank=True)
    public_file = models.FileField(upload_to="public", max_length=200, blank=True)
    public_name = models.CharField(max_length=200, blank=True)
    public_media_type = models.CharField(max_length=100, blank=True)
    public_size = models.BigIntegerField(null=True)
    public_sha256 = models.CharField(max_length=64, blank=True)
    no_public_version_because = models.TextField(max_length=4000, blank=True)

    objects = EvidenceQuerySet.as_manager()

    class Meta:
        indexes = [models.Index(fields=["organisation", "-id"], name="evidence_of_owner")]
        constraints = [
            models.CheckConstraint(
                name="evidence_claim_has_reason",
                condition=Q(limb="none") | ~Q(confidentiality_reason=""),
            ),
            models.CheckConstraint(
                name="evidence_claim_has_public_version",
                condition=Q(limb="none") | ~Q(public_file="") | ~Q(no_public_version_because=""),
            ),
            models.CheckConstraint(name="evidence_not_empty", condition=Q(size__gt=0)),
        ]

    def __str__(self) -> str:
        return self.reference

    @property
    def state(self) -> str:
        """For the rules: what has been handed in can no longer be removed."""
        return "kept" if self.submitted_at is None else "handed_in"

    def get_state_display(self) -> str:
        return "Not handed in" if self.submitted_at is None else "Handed in"

    @property
    def can_be_disclosed(self) -> bool:
        """Whether there is a version that another party may be shown. Nothing privileged is ever shown."""
        return not self.privileged and bool(self.shareable_file)

    @property
    def shareable_file(self) -> Any:
        """What the non-confidential version is: the one the owner made for it, or without any claim the file itself."""
        return self.public_file or (self.file if self.limb == Limb.NONE else None)

    def projection_for(self, user: Any) -> str | None:
        """Which version `user` may read: the full item, the non-confidential version, or None."""
        if user.organisation_id == self.organisation_id and user.is_company:
            return FULL
        if user.is_ministry:
            return FULL if not Barrier.objects.against(user).filter(item=self).exists() else None
        grants = Grant.objects.current().filter(item=self, organisation_id=user.organisation_id)
        found = set(grants.values_list("projection", flat=True))
        return FULL if FULL in found else NON_CONFIDENTIAL if found else None


class SightQuerySet(models.QuerySet[_Row]):
    """Rows of something that was given to an organisation to see: see `Sight`."""

    def current(self) -> Self:
        """What counts now: it has begun, and has not been ended."""
        instant = now()
        return self.filter(Q(until__isnull=True) | Q(until__gt=instant), since__lte=instant)


class Sight(models.Model):
    """What every grant says, here and in the apps above: to whom, from when until when, and under what reason."""

    organisation = models.ForeignKey(Organisation, on_delete=models.PROTECT, related_name="+")
    since = models.DateTimeField(default=now)
    until = models.DateTimeField(null=True)
    reason = models.CharField(max_length=40)

    class Meta:
        abstract = True


class GrantQuerySet(SightQuerySet["Grant"]):
    pass


class Grant(Sight):
    """Sight of an item, or of its non-confidential version, given to an organisation by an action above."""

    item = models.ForeignKey(EvidenceItem, on_delete=models.PROTECT, related_name="grants")
    projection = models.CharField(
        max_length=20, choices=[(FULL, "Full"), (NON_CONFIDENTIAL, "Non-confidential version")]
    )
    given_by = models.ForeignKey(settings.AUTH_USER_MODEL, null=True, on_delete=models.PROTECT, related_name="+")

    objects = GrantQuerySet.as_manager()

    class Meta:
        indexes = [models.Index(fields=["organisation", "item"], name="grant_to")]

    def __str__(self) -> str:
        return f"{self.item_id} to {self.organisation_id}"


class BarrierQuerySet(models.QuerySet["Barrier"]):
    def against(self, user: Any) -> BarrierQuerySet:
        """See `ledger.models.WallQuerySet.against`."""
        return self if user.is_service else self.filter(user=user)


class Barrier(models.Model):
    """A wall between one official and an item: a declared conflict, written by the action above that knows of it."""

    item = models.ForeignKey(EvidenceItem, on_delete=models.PROTECT, related_name="barriers")
    user = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.PROTECT, related_name="+")

    objects = BarrierQuerySet.as_manager()

    class Meta:
        constraints = [models.UniqueConstraint(fields=["item", "user"], name="evidence_barrier_once")]

    def __str__(self) -> str:
        return f"{self.item_id} from {self.user_id}"
