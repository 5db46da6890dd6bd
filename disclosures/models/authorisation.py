"""Authorisations: a company permits another organisation, within limits, to probe its models.

Each version is a row that nobody changes, and so is each answer to it; which version counts at an instant follows from
them (`disclosures.authorisation`).
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from typing import Any, Self

from django.conf import settings
from django.db import models
from django.db.models import Exists, F, OuterRef, Prefetch, Q, Subquery
from django.db.models.functions import Least

from accounts.models import Organisation
from disclosures.authorisation import Confirmed, Governing, History, counting, terms_of
from ledger.time import now


class AuthorisationQuerySet(models.QuerySet["Authorisation"]):
    def visible_to(self, user: Any) -> Self:
        """Those of the own organisation, given and received; the ministry's all, unless walled off."""
        if user is None or not user.is_authenticated or not user.is_active:
            return self.none()
        if user.is_ministry:
            walled = AuthorisationBarrier.objects.against(user).between(OuterRef("grantor"), OuterRef("grantee"))
            return self.filter(~Exists(walled))
        if user.is_company or user.role == "partner":
            return self.of(user.organisation_id)
        return self.none()

    def of(self, *organisations: int | Organisation) -> Self:
        """Those that one of the organisations gave or was given."""
        return self.filter(Q(grantor__in=organisations) | Q(grantee__in=organisations))

    def to_answer(self, organisation_id: int | None) -> Self:
        """Those that wait for the answer of this organisation, the oldest first."""
        return self.filter(grantee_id=organisation_id, state__in=["proposed", "amending"]).order_by("pk")

    def covering(
        self,
        first: datetime,
        last: datetime,
        *,
        grantors: Iterable[int | Organisation] | None = None,
        grantees: Iterable[int | Organisation] | None = None,
    ) -> Self:
        """Those of which some version both counts and has its window at an instant from `first` to `last`, both
        included: the same as `History.touches`. Confirmed afterwards or in time, what was never confirmed not at all.
        """
        found = self.filter(Exists(_counting().filter(authorisation=OuterRef("pk")).touching(first, last)))
        if grantors is not None:
            found = found.filter(grantor__in=list(grantors))
        if grantees is not None:
            found = found.filter(grantee__in=list(grantees))
        return found

    def with_history(self, *, content: bool = True) -> Self:
        """Each with its versions and answers, in a fixed number of queries; for lists without the content of versions,
        which may be long.
        """
        answers = Prefetch("answers", queryset=AuthorisationAnswer.objects.select_related("by"))
        versions = AuthorisationVersion.objects.order_by("number").prefetch_related(answers)
        versions = versions if content else versions.defer("content", "change")
        return self.select_related("grantor", "grantee").prefetch_related(Prefetch("versions", queryset=versions))


class Authorisation(models.Model):
    """A permission from `grantor` to `grantee`. Only its state and the instants of its answers change."""

    class State(models.TextChoices):
        PROPOSED = "proposed", "Waiting for confirmation"
        CONFIRMED = "confirmed", "Confirmed"
        AMENDING = "amending", "Confirmed, an amendment waits"
        REFUSED = "refused", "Refused"
        WITHDRAWN = "withdrawn", "Withdrawn"
        REVOKED = "revoked", "Revoked"

    reference = models.CharField(max_length=24, unique=True)
    grantor = models.ForeignKey(Organisation, on_delete=models.PROTECT, related_name="authorisations_given")
    grantee = models.ForeignKey(Organisation, on_delete=models.PROTECT, related_name="authorisations_received")
    state = models.CharField(max_length=12, choices=State, default=State.PROPOSED)
    registered_at = models.DateTimeField(default=now)
    registered_by = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.PROTECT, related_name="+")
    confirmed_at = models.DateTimeField(null=True)
    revoked_at = models.DateTimeField(null=True)

    objects = AuthorisationQuerySet.as_manager()

    class Meta:
        indexes = [
            models.Index(fields=["grantor", "-id"], name="authorisation_given"),
            models.Index(fields=["grantee", "-id"], name="authorisation_received"),
            models.Index(
                fields=["grantee", "id"],
                name="authorisation_to_answer",
                condition=Q(state__in=["proposed", "amending"]),
            ),
        ]
        constraints = [
            models.CheckConstraint(name="authorisation_between_two", condition=~Q(grantor=F("grantee"))),
            models.CheckConstraint(
                name="authorisation_confirmed_has_when",
                condition=~Q(state__in=["confirmed", "amending", "revoked"]) | Q(confirmed_at__isnull=False),
            ),
            models.CheckConstraint(
                name="authorisation_revoked_has_when",
                condition=Q(state="revoked", revoked_at__isnull=False) | (~Q(state="revoked") & Q(revoked_at=None)),
            ),
        ]

    def __str__(self) -> str:
        return self.reference

    @property
    def parties(self) -> list[int]:
        return [self.grantor_id, self.grantee_id]

    @property
    def latest(self) -> AuthorisationVersion:
        """The version that was registered last, whatever became of it."""
        return list(self.versions.all())[-1]

    @property
    def waiting(self) -> AuthorisationVersion | None:
        """The version that waits for the grantee's answer."""
        return self.latest if self.state in {"proposed", "amending"} else None

    @property
    def confirmed(self) -> list[tuple[AuthorisationVersion, datetime]]:
        """The versions that the grantee confirmed, in their order, each with when."""
        answered = [(version, version.outcome) for version in self.versions.all()]
        return [(version, answer.at) for version, answer in answered if answer is not None and answer.agrees]

    @property
    def shown(self) -> AuthorisationVersion:
        """The version that a summary speaks of: the one that counts now, or else the last one."""
        confirmed = self.confirmed
        place = counting([at for _, at in confirmed], now(), revoked_at=self.revoked_at)
        return self.latest if place is None else confirmed[place][0]

    @property
    def retroactive(self) -> bool:
        """Whether its window began before it was registered."""
        return next(iter(self.versions.all())).retroactive

    @property
    def confirmed_afterwards(self) -> bool:
        """Whether its window began before the grantee confirmed it."""
        first = next(iter(self.versions.all()))
        return self.confirmed_at is not None and first.starts_at < self.confirmed_at

    @property
    def history(self) -> History:
        """Its confirmed versions as plain values. Read it once for many instants; see `with_history` for many of them."""
        confirmed = [Confirmed(version.number, terms_of(version.content), at) for version, at in self.confirmed]
        return History(tuple(confirmed), self.revoked_at)

    def governing(self, at: datetime) -> Governing | None:
        """See `disclosures.authorisation.History.governing`."""
        return self.history.governing(at)


class AuthorisationVersionQuerySet(models.QuerySet["AuthorisationVersion"]):
    def touching(self, first: datetime, last: datetime) -> Self:
        """For `_counting`: intervals on a line meet in one point if each two of them meet."""
        meets = self.filter(starts_at__lte=last, ends_at__gt=first, since__lte=last, since__lt=F("ends_at"))
        endless = Q(until__isnull=True)
        return meets.filter(endless | Q(until__gt=first, starts_at__lt=F("until"), since__lt=F("until")))


class AuthorisationVersion(models.Model):
    """What was registered, as it was registered. Insert-only: a trigger refuses every change."""

    authorisation = models.ForeignKey(Authorisation, on_delete=models.PROTECT, related_name="versions")
    number = models.PositiveSmallIntegerField()
    schema_version = models.CharField(max_length=40)
    content = models.JSONField()
    sha256 = models.CharField(max_length=64)
    change = models.TextField(blank=True)
    starts_at = models.DateTimeField()
    ends_at = models.DateTimeField()
    retroactive = models.BooleanField()
    registered_by = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.PROTECT, related_name="+")
    registered_at = models.DateTimeField()

    objects = AuthorisationVersionQuerySet.as_manager()

    class Meta:
        ordering = ["number"]
        constraints = [
            models.UniqueConstraint(fields=["authorisation", "number"], name="authorisation_version_once"),
            models.CheckConstraint(name="authorisation_window_has_length", condition=Q(starts_at__lt=F("ends_at"))),
        ]

    def __str__(self) -> str:
        return f"{self.authorisation_id} v{self.number}"

    @property
    def outcome(self) -> AuthorisationAnswer | None:
        """The answer that this version was given: confirmed, refused, or withdrawn before there was one."""
        return next((a for a in self.answers.all() if a.outcome != AuthorisationAnswer.Outcome.REVOKED), None)


class AuthorisationAnswer(models.Model):
    """What one side said to a version: confirmed, refused, taken back; or that the whole is revoked. Insert-only.

    `name` and `capacity` are of the person who confirms; `at` is when it was said, `effective_at` from when it holds.
    """

    class Outcome(models.TextChoices):
        CONFIRMED = "confirmed", "Confirmed"
        REFUSED = "refused", "Refused"
        WITHDRAWN = "withdrawn", "Withdrawn"
        REVOKED = "revoked", "Revoked"

    version = models.ForeignKey(AuthorisationVersion, on_delete=models.PROTECT, related_name="answers")
    outcome = models.CharField(max_length=12, choices=Outcome)
    name = models.CharField(max_length=200, blank=True)
    capacity = models.CharField(max_length=200, blank=True)
    reason = models.TextField(blank=True)
    by = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.PROTECT, related_name="+")
    at = models.DateTimeField(default=now)
    effective_at = models.DateTimeField(default=now)

    class Meta:
        ordering = ["pk"]
        constraints = [
            models.UniqueConstraint(
                fields=["version"], condition=~Q(outcome="revoked"), name="authorisation_answered_once"
            ),
            models.CheckConstraint(name="authorisation_answer_not_backdated", condition=Q(effective_at__gte=F("at"))),
        ]

    def __str__(self) -> str:
        return f"{self.version_id} {self.outcome}"

    @property
    def agrees(self) -> bool:
        return self.outcome == self.Outcome.CONFIRMED


def _counting() -> Any:
    """The confirmed versions, each with the time during which it counts: `since`, and `until` (None: without end)."""
    confirmed = AuthorisationAnswer.objects.filter(outcome=AuthorisationAnswer.Outcome.CONFIRMED)
    said = confirmed.filter(version=OuterRef("pk")).values("at")[:1]
    after = confirmed.filter(version__authorisation=OuterRef("authorisation"), version__number__gt=OuterRef("number"))
    found = AuthorisationVersion.objects.annotate(said_at=Subquery(said)).filter(said_at__isnull=False)
    return found.annotate(
        # The first version reaches back to the beginning of its window: confirmed afterwards is said, not hidden.
        since=models.Case(models.When(number=1, then="starts_at"), default="said_at"),
        # LEAST of PostgreSQL passes over what is NULL.
        until=Least(Subquery(after.order_by("version__number").values("at")[:1]), "authorisation__revoked_at"),
    )


class AuthorisationBarrierQuerySet(models.QuerySet["AuthorisationBarrier"]):
    def against(self, user: Any) -> Self:
        """See `ledger.models.WallQuerySet.against`."""
        return self if user.is_service else self.filter(user=user)

    def between(self, one: Any, other: Any) -> Self:
        """The walls before what two organisations have agreed, whichever of them gave the permission."""
        return self.filter(Q(one=one, other=other) | Q(one=other, other=one))


class AuthorisationBarrier(models.Model):
    """A wall between one official and all that two organisations permit one another, now and later: a declared conflict
    in a case between them, written by the action above that knows of it.
    """

    one = models.ForeignKey(Organisation, on_delete=models.PROTECT, related_name="+")
    other = models.ForeignKey(Organisation, on_delete=models.PROTECT, related_name="+")
    user = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.PROTECT, related_name="+")

    objects = AuthorisationBarrierQuerySet.as_manager()

    class Meta:
        constraints = [models.UniqueConstraint(fields=["one", "other", "user"], name="authorisation_barrier_once")]

    def __str__(self) -> str:
        return f"{self.one_id} and {self.other_id} from {self.user_id}"
