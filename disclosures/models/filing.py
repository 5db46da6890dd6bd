"""Filings: what a company drafts section by section, declares, corrects; and the scheme under which it does so."""

from __future__ import annotations

from typing import Any, Self

from django.conf import settings
from django.db import models
from django.db.models import Exists, OuterRef, Q

from accounts.models import Organisation
from evidence.models import EvidenceItem, Sight, SightQuerySet
from ledger.time import now


class SchemeManager(models.Manager["Scheme"]):
    def current(self) -> Scheme:
        """The scheme in force on this platform; a migration writes the illustrative one."""
        return self.latest("pk")


class Scheme(models.Model):
    """The terms under which filings and notices are made. A change is a new row: what was issued keeps its own.

    No duty to disclose extraction is known to be in force in the United Kingdom: the default says so.
    """

    name = models.CharField(max_length=200)
    legal_basis = models.TextField()
    status_line = models.CharField(max_length=300)
    evidence_days = models.PositiveSmallIntegerField(default=14)
    decision_days = models.PositiveSmallIntegerField(default=0)
    penalties = models.TextField()
    time_rule = models.CharField(max_length=40)
    overseas_nation = models.CharField(max_length=20, default="england")
    created_at = models.DateTimeField(default=now)

    objects = SchemeManager()

    class Meta:
        constraints = [
            models.CheckConstraint(name="scheme_days_in_reason", condition=Q(evidence_days__range=(1, 365))),
        ]

    def __str__(self) -> str:
        return self.name


class FilingQuerySet(models.QuerySet["Filing"]):
    def visible_to(self, user: Any) -> Self:
        """The filer's own; the ministry's once it left the draft and unless walled off; others by grant only."""
        if user is None or not user.is_authenticated or not user.is_active:
            return self.none()
        if user.is_ministry:
            walled = FilingBarrier.objects.against(user).filter(filing=OuterRef("pk"))
            return self.exclude(state="draft").filter(~Exists(walled))
        if user.is_company:
            return self.filter(organisation_id=user.organisation_id)
        if user.role == "authority_officer":
            grants = FilingGrant.objects.current().filter(organisation_id=user.organisation_id)
            return self.filter(Exists(grants.filter(filing=OuterRef("pk"))))
        return self.none()

    def waiting(self) -> Self:
        """What is with the ministry and waits for its next step, oldest first."""
        return self.filter(
            Q(kind="disclosure", state="submitted") | Q(kind="allegation", state__in=["received", "acknowledged"])
        ).order_by("submitted_at")


class Filing(models.Model):
    """A disclosure or an allegation: one engine for both, the states of each in `disclosures.rules`."""

    class Kind(models.TextChoices):
        DISCLOSURE = "disclosure", "Disclosure"
        ALLEGATION = "allegation", "Allegation"

    class State(models.TextChoices):
        DRAFT = "draft", "Draft"
        SUBMITTED = "submitted", "Submitted"
        ACCEPTED = "accepted", "Accepted"
        RETURNED = "returned", "Returned to you"
        WITHDRAWN = "withdrawn", "Withdrawn"
        SUPERSEDED = "superseded", "Superseded"
        RECEIVED = "received", "Received"
        ACKNOWLEDGED = "acknowledged", "Acknowledged"
        ADMITTED = "admitted", "Admitted"
        MORE_WANTED = "more_wanted", "More wanted from you"
        REJECTED = "rejected", "Rejected"

    kind = models.CharField(max_length=12, choices=Kind)
    reference = models.CharField(max_length=24, unique=True)
    organisation = models.ForeignKey(Organisation, on_delete=models.PROTECT, related_name="filings")
    scheme = models.ForeignKey(Scheme, on_delete=models.PROTECT, related_name="+")
    state = models.CharField(max_length=16, choices=State, default=State.DRAFT)
    filer_reference = models.CharField(max_length=100, null=True)  # noqa: DJ001 - two drafts may have none
    amends = models.ForeignKey("self", null=True, on_delete=models.PROTECT, related_name="amendments")
    created_by = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.PROTECT, related_name="+")
    created_at = models.DateTimeField(default=now)
    submitted_at = models.DateTimeField(null=True)
    decided_at = models.DateTimeField(null=True)

    objects = FilingQuerySet.as_manager()

    class Meta:
        indexes = [
            models.Index(fields=["organisation", "kind", "-id"], name="filing_of_organisation"),
            models.Index(
                fields=["submitted_at"],
                name="filing_waiting",
                condition=Q(state__in=["submitted", "received", "acknowledged"]),
            ),
        ]
        constraints = [
            models.UniqueConstraint(fields=["organisation", "filer_reference"], name="filer_reference_once"),
            models.CheckConstraint(
                name="filing_submitted_has_when", condition=Q(state="draft") | Q(submitted_at__isnull=False)
            ),
        ]

    def __str__(self) -> str:
        return self.reference

    @property
    def latest(self) -> FilingVersion:
        """The version that was declared last."""
        return self.versions.latest("number")

    def content(self, *, without: str = "") -> dict[str, Any]:
        """The working content: all saved sections together, but for the section `without`."""
        whole: dict[str, Any] = {}
        for section in self.sections.all():
            if section.key != without:
                whole.update(section.content)
        return whole

    def amendment_under_way(self) -> Filing | None:
        """The amendment of this lineage that is being written or looked at: there is one at a time."""
        return self.lineage().filter(amends__isnull=False, state__in=["draft", "submitted", "returned"]).first()

    def lineage(self) -> FilingQuerySet:
        """The original and all its amendments, this one among them."""
        original = self.amends_id or self.pk
        return Filing.objects.filter(Q(pk=original) | Q(amends_id=original))


class FilingSection(models.Model):
    """A saved section of a filing that is being worked on. `revision` tells a colleague's save from one's own."""

    filing = models.ForeignKey(Filing, on_delete=models.PROTECT, related_name="sections")
    key = models.CharField(max_length=40)
    content = models.JSONField(default=dict)
    revision = models.PositiveIntegerField(default=0)
    complete = models.BooleanField(default=False)
    updated_by = models.ForeignKey(settings.AUTH_USER_MODEL, null=True, on_delete=models.PROTECT, related_name="+")
    updated_at = models.DateTimeField(default=now)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["filing", "key"], name="section_once")]

    def __str__(self) -> str:
        return f"{self.filing_id} {self.key}"


class StandingDeclarationQuerySet(models.QuerySet["StandingDeclaration"]):
    def visible_to(self, user: Any) -> Self:
        """The own organisation's."""
        if user is None or not user.is_authenticated or not user.is_active or not user.is_company:
            return self.none()
        return self.filter(organisation_id=user.organisation_id)

    def live(self) -> Self:
        """Neither revoked nor expired, and whoever made it still has an account."""
        return self.filter(revoked_at__isnull=True, expires_at__gt=now(), made_by__is_active=True)


class StandingDeclaration(models.Model):
    """A named person answers, until a day, for what the organisation's programs file. Only `revoked_at` changes."""

    reference = models.CharField(max_length=24, unique=True)
    organisation = models.ForeignKey(Organisation, on_delete=models.PROTECT, related_name="standing_declarations")
    declaration_version = models.CharField(max_length=40)
    made_by = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.PROTECT, related_name="+")
    name = models.CharField(max_length=200)
    capacity = models.CharField(max_length=200)
    made_at = models.DateTimeField(default=now)
    expires_at = models.DateTimeField()
    revoked_at = models.DateTimeField(null=True)
    revoked_by = models.ForeignKey(settings.AUTH_USER_MODEL, null=True, on_delete=models.PROTECT, related_name="+")

    objects = StandingDeclarationQuerySet.as_manager()

    class Meta:
        indexes = [models.Index(fields=["organisation", "-id"], name="standing_of_organisation")]

    def __str__(self) -> str:
        return self.reference

    @property
    def state(self) -> str:
        return "revoked" if self.revoked_at else "live" if self.expires_at > now() else "expired"

    def get_state_display(self) -> str:
        return {"live": "In force", "expired": "Expired", "revoked": "Revoked"}[self.state]


class FilingVersionQuerySet(models.QuerySet["FilingVersion"]):
    def visible_to(self, user: Any) -> Self:
        """Every version of a filing that is seen in its own right; of a granted one, only the version granted."""
        found = self.filter(filing__in=Filing.objects.visible_to(user))
        if user is not None and user.is_authenticated and user.role == "authority_officer":
            return found.filter(pk__in=FilingGrant.objects.current().of(user).values("version"))
        return found

    def received_as(self, reference: str, sha256: str) -> FilingVersion | None:
        """The version with this fingerprint under this reference. For the public check of a receipt: whoever asks holds
        the receipt already, and learns only when it was received.
        """
        return self.filter(filing__reference=reference, sha256=sha256).order_by("number").first()


class FilingVersion(models.Model):
    """What was declared, as it was declared. Insert-only: a trigger refuses every change."""

    filing = models.ForeignKey(Filing, on_delete=models.PROTECT, related_name="versions")
    number = models.PositiveSmallIntegerField()
    schema_version = models.CharField(max_length=40)
    content = models.JSONField()
    sha256 = models.CharField(max_length=64)
    declaration_version = models.CharField(max_length=40)
    declared_by = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.PROTECT, related_name="+")
    declared_name = models.CharField(max_length=200)
    declared_capacity = models.CharField(max_length=200)
    standing_declaration = models.ForeignKey(
        StandingDeclaration, null=True, on_delete=models.PROTECT, related_name="versions"
    )
    declared_at = models.DateTimeField()
    received_at = models.DateTimeField()
    changed_fields = models.JSONField(default=list)

    objects = FilingVersionQuerySet.as_manager()

    class Meta:
        constraints = [models.UniqueConstraint(fields=["filing", "number"], name="version_once")]

    def __str__(self) -> str:
        return f"{self.filing_id} v{self.number}"

    @property
    def previous(self) -> FilingVersion | None:
        """The version that this one corrects: the one before it, or what was in force when an amendment began."""
        if self.number > 1:
            return self.filing.versions.get(number=self.number - 1)
        return amended_version(self.filing)


def amended_version(filing: Filing) -> FilingVersion | None:
    """What an amendment started from; None for an original."""
    if filing.amends_id is None:
        return None
    accepted = filing.lineage().filter(state__in=["accepted", "superseded"], decided_at__lte=filing.created_at)
    return accepted.exclude(pk=filing.pk).latest("decided_at").latest


class FilingReview(models.Model):
    """What the ministry said of a version: accepted, returned, more wanted... with reasons by section. Insert-only."""

    filing = models.ForeignKey(Filing, on_delete=models.PROTECT, related_name="reviews")
    version = models.ForeignKey(FilingVersion, on_delete=models.PROTECT, related_name="reviews")
    outcome = models.CharField(max_length=16, choices=Filing.State)
    reasons = models.JSONField(default=dict)
    by = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.PROTECT, related_name="+")
    at = models.DateTimeField(default=now)

    def __str__(self) -> str:
        return f"{self.filing_id} {self.outcome}"


class FollowUp(models.Model):
    """A fact that was not yet known when it was declared, and the day by which it was promised."""

    filing = models.ForeignKey(Filing, on_delete=models.PROTECT, related_name="follow_ups")
    field = models.CharField(max_length=60)
    due_on = models.DateField()
    done_at = models.DateTimeField(null=True)

    class Meta:
        indexes = [models.Index(fields=["due_on"], name="follow_up_open", condition=Q(done_at__isnull=True))]
        constraints = [
            models.UniqueConstraint(
                fields=["filing", "field"], condition=Q(done_at__isnull=True), name="follow_up_open_once"
            )
        ]

    def __str__(self) -> str:
        return f"{self.filing_id} {self.field}"


class FilingEvidence(models.Model):
    """Evidence that a filing relies on."""

    filing = models.ForeignKey(Filing, on_delete=models.PROTECT, related_name="evidence_links")
    item = models.ForeignKey(EvidenceItem, on_delete=models.PROTECT, related_name="filing_links")

    class Meta:
        constraints = [models.UniqueConstraint(fields=["filing", "item"], name="filing_evidence_once")]

    def __str__(self) -> str:
        return f"{self.filing_id} {self.item_id}"


class FilingGrantQuerySet(SightQuerySet["FilingGrant"]):
    def of(self, user: Any) -> FilingGrantQuerySet:
        return self.filter(organisation_id=user.organisation_id)


class FilingGrant(Sight):
    """Sight of one version of a filing, given to an organisation by an action above (a referral)."""

    filing = models.ForeignKey(Filing, on_delete=models.PROTECT, related_name="grants")
    version = models.ForeignKey(FilingVersion, on_delete=models.PROTECT, related_name="+")

    objects = FilingGrantQuerySet.as_manager()

    def __str__(self) -> str:
        return f"{self.filing_id} to {self.organisation_id}"


class FilingBarrierQuerySet(models.QuerySet["FilingBarrier"]):
    def against(self, user: Any) -> Self:
        """See `ledger.models.WallQuerySet.against`."""
        return self if user.is_service else self.filter(user=user)


class FilingBarrier(models.Model):
    """A wall between one official and a filing: a declared conflict, written by the action above that knows of it."""

    filing = models.ForeignKey(Filing, on_delete=models.PROTECT, related_name="barriers")
    user = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.PROTECT, related_name="+")

    objects = FilingBarrierQuerySet.as_manager()

    class Meta:
        constraints = [models.UniqueConstraint(fields=["filing", "user"], name="filing_barrier_once")]

    def __str__(self) -> str:
        return f"{self.filing_id} from {self.user_id}"
