"""Referrals: what went to the competition authority, and what it answered."""

from __future__ import annotations

from typing import Any, Self

from django.conf import settings
from django.db import models
from django.db.models import Exists, OuterRef, Q

from accounts.models import Organisation
from cases.models.case import Case, ConflictDeclaration
from cases.models.notice import Response
from ledger.time import now


class ReferralQuerySet(models.QuerySet["Referral"]):
    def visible_to(self, user: Any) -> Self:
        """The authority's own until withdrawn; the ministry's but for conflicts. Parties read the case page."""
        if user is None or not user.is_authenticated or not user.is_active:
            return self.none()
        if user.role == "authority_officer":
            return self.filter(authority_id=user.organisation_id).exclude(state="withdrawn")
        if user.is_ministry:
            return self.filter(~Exists(ConflictDeclaration.objects.against(user).filter(case=OuterRef("case"))))
        return self.none()


class Referral(models.Model):
    """A case in the authority's queue: once per case and round, whatever happens to workers.

    `referred_at` is the legal instant, `queued_at` when the platform did it. `sent` holds the brief, the parties and
    the exhibits as they were sent; the chronology is the ledger up to `events_upto`. Both are kept by a trigger.
    """

    class State(models.TextChoices):
        QUEUED = "queued", "Waiting to be acknowledged"
        ACKNOWLEDGED = "acknowledged", "Acknowledged"
        ACCEPTED = "accepted", "Accepted"
        RETURNED = "returned", "Returned for more information"
        DECLINED = "declined", "Declined"
        WITHDRAWN = "withdrawn", "Withdrawn"

    reference = models.CharField(max_length=24, unique=True)
    case = models.ForeignKey(Case, on_delete=models.PROTECT, related_name="referrals")
    round = models.PositiveSmallIntegerField()
    authority = models.ForeignKey(Organisation, on_delete=models.PROTECT, related_name="referrals")
    state = models.CharField(max_length=14, choices=State, default=State.QUEUED)
    referred_at = models.DateTimeField()
    queued_at = models.DateTimeField()
    referred_by = models.ForeignKey(settings.AUTH_USER_MODEL, null=True, on_delete=models.PROTECT, related_name="+")
    sent = models.JSONField()
    events_upto = models.BigIntegerField()
    authority_reference = models.CharField(max_length=100, blank=True)

    objects = ReferralQuerySet.as_manager()

    class Meta:
        indexes = [
            models.Index(fields=["authority", "state", "queued_at"], name="referral_queue"),
        ]
        constraints = [
            models.UniqueConstraint(fields=["case", "round"], name="referral_once_a_round"),
            models.CheckConstraint(
                name="referral_accepted_has_reference", condition=~Q(state="accepted") | ~Q(authority_reference="")
            ),
        ]

    def __str__(self) -> str:
        return self.reference

    @property
    def ledger_root(self) -> Case:
        return self.case


class DeclineHead(models.TextChoices):
    """The authority's five heads of prioritisation."""

    STRATEGIC = "strategic_significance", "Strategic significance"
    IMPACT = "impact", "Impact"
    BEST_PLACED = "best_placed", "Another body is better placed to act"
    RESOURCES = "resources", "Resources"
    RISK = "risk", "Risk"


class ReferralStep(models.Model):
    """One thing the authority (or, withdrawing, the ministry) did with a referral, in its own words. Insert-only."""

    referral = models.ForeignKey(Referral, on_delete=models.PROTECT, related_name="steps")
    state = models.CharField(max_length=14, choices=Referral.State)
    head = models.CharField(max_length=24, choices=DeclineHead, blank=True)
    text = models.TextField(max_length=8000, blank=True)
    needed_by = models.DateField(null=True)
    by = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.PROTECT, related_name="+")
    at = models.DateTimeField(default=now)

    def __str__(self) -> str:
        return f"{self.referral_id} {self.state}"

    @property
    def ledger_root(self) -> Case:
        return self.referral.case


class LateAddition(models.Model):
    """An answer that arrived after the referral and was added to it. Insert-only."""

    referral = models.ForeignKey(Referral, on_delete=models.PROTECT, related_name="additions")
    response = models.OneToOneField(Response, on_delete=models.PROTECT, related_name="addition")
    at = models.DateTimeField(default=now)

    def __str__(self) -> str:
        return f"{self.referral_id} {self.response_id}"
