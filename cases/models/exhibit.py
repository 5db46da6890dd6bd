"""Exhibits: evidence that has become part of a case, and what a party said of the other side's."""

from __future__ import annotations

from typing import Any, Self

from django.conf import settings
from django.db import models
from django.db.models import Exists, OuterRef, Q, Value
from django.db.models.functions import Cast, Concat

from accounts.models import Organisation
from cases.models.case import Case, ConflictDeclaration, Party
from cases.models.notice import Response
from evidence.models import EvidenceItem, Grant, GrantQuerySet
from ledger.time import now


class ExhibitQuerySet(models.QuerySet["Exhibit"]):
    def visible_to(self, user: Any) -> Self:
        """The ministry's but for conflicts; a party's own; and what was disclosed to it (a grant)."""
        if user is None or not user.is_authenticated or not user.is_active:
            return self.none()
        if user.is_ministry:
            return self.filter(~Exists(ConflictDeclaration.objects.against(user).filter(case=OuterRef("case"))))
        if user.is_company:
            here = Concat(Value("case:"), Cast(OuterRef("case_id"), models.CharField()))
            disclosed = Grant.objects.current().filter(
                item=OuterRef("item"), organisation_id=user.organisation_id, reason=here
            )
            mine = Party.objects.filter(case=OuterRef("case"), organisation_id=user.organisation_id)
            return self.filter(Exists(mine)).filter(Q(party__organisation_id=user.organisation_id) | Exists(disclosed))
        return self.none()


class Exhibit(models.Model):
    """An item of evidence in a case, numbered 001, 002, ... in the order of arrival. Insert-only."""

    case = models.ForeignKey(Case, on_delete=models.PROTECT, related_name="exhibits")
    number = models.PositiveIntegerField()
    item = models.ForeignKey(EvidenceItem, on_delete=models.PROTECT, related_name="exhibits")
    party = models.ForeignKey(Party, on_delete=models.PROTECT, related_name="exhibits")
    response = models.ForeignKey(Response, null=True, on_delete=models.PROTECT, related_name="exhibits")
    round = models.PositiveSmallIntegerField()
    at = models.DateTimeField(default=now)

    objects = ExhibitQuerySet.as_manager()

    class Meta:
        ordering = ["number"]
        constraints = [
            models.UniqueConstraint(fields=["case", "number"], name="exhibit_number_once"),
            models.UniqueConstraint(fields=["case", "item"], name="exhibit_item_once"),
        ]

    def __str__(self) -> str:
        return f"exhibit {self.number:03d}"

    @property
    def ledger_root(self) -> Case:
        return self.case

    @property
    def sight_reason(self) -> str:
        """Under which the other parties of its case are given sight of it."""
        return f"case:{self.case_id}"

    def shown(self) -> GrantQuerySet:
        """By which parties of its case, other than its owner, may see it now."""
        return Grant.objects.current().filter(item=self.item_id, reason=self.sight_reason)

    @property
    def label(self) -> str:
        return f"{self.number:03d}"


class ExhibitComment(models.Model):
    """What the recipient of a disclosed exhibit says of it. Insert-only."""

    exhibit = models.ForeignKey(Exhibit, on_delete=models.PROTECT, related_name="comments")
    organisation = models.ForeignKey(Organisation, on_delete=models.PROTECT, related_name="+")
    by = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.PROTECT, related_name="+")
    text = models.TextField(max_length=8000)
    at = models.DateTimeField(default=now)

    def __str__(self) -> str:
        return f"comment {self.pk}"

    @property
    def ledger_root(self) -> Case:
        return self.exhibit.case
