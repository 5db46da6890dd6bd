"""A case, its parties and rounds, its team, its brief and its decision."""

from __future__ import annotations

from typing import Any, Self

from django.conf import settings
from django.db import models
from django.db.models import Exists, OuterRef, Q

from accounts.models import Organisation, User
from disclosures.models import Filing, FilingVersion, Scheme
from ledger.time import now


class CaseQuerySet(models.QuerySet["Case"]):
    def visible_to(self, user: Any) -> Self:
        """The ministry, but for declared conflicts; a party its own cases. The authority reads referrals, not cases."""
        if user is None or not user.is_authenticated or not user.is_active:
            return self.none()
        if user.is_ministry:
            return self.filter(~Exists(ConflictDeclaration.objects.against(user).filter(case=OuterRef("pk"))))
        if user.is_company:
            return self.filter(Exists(Party.objects.filter(case=OuterRef("pk"), organisation_id=user.organisation_id)))
        return self.none()

    def held(self) -> Self:
        """Open cases whose referral waits: for the answer to a timely request, or for service that is in doubt."""
        from cases.models.notice import ExtensionRequest, ServiceDoubt

        requests = ExtensionRequest.objects.holding().values("notice__case_id")
        doubts = ServiceDoubt.objects.holding().values("notice__case_id")
        # From the few that hold to their cases, never over all the cases.
        return self.filter(pk__in=requests.union(doubts), state="open")

    def past(self) -> Self:
        """Open cases whose time is up, whatever holds them."""
        return self.filter(state="open", refers_at__lte=now())

    def due_for_referral(self) -> Self:
        """Open cases whose time is up and which nothing holds, the longest overdue first."""
        from cases.models.notice import ExtensionRequest, ServiceDoubt

        return (
            self.past()
            .filter(
                ~Exists(ExtensionRequest.objects.holding().filter(notice__case=OuterRef("pk"))),
                ~Exists(ServiceDoubt.objects.holding().filter(notice__case=OuterRef("pk"))),
            )
            .order_by("refers_at", "pk")
        )

    def due_for_reminder(self) -> Self:
        return self.filter(state="open", remind_at__lte=now()).order_by("remind_at", "pk")


class Case(models.Model):
    """A complainant's allegation, a disclosure or the ministry's own concern, put to the parties.

    `refers_at` is a derived copy: the last expiry of the round plus the scheme's decision days. It is rewritten only by
    the actions that add rows a date follows from (`cases.actions.deadlines`). `remind_at` is the next reminder.
    """

    class State(models.TextChoices):
        OPEN = "open", "Open"
        RESOLVED = "resolved", "Resolved"
        REFERRED = "referred", "With the competition authority"
        CLOSED = "closed", "Closed: taken on by the competition authority"

    class Basis(models.TextChoices):
        ALLEGATION = "allegation", "An allegation"
        DISCLOSURE = "disclosure", "A disclosure"
        OWN_MOTION = "own_motion", "The ministry’s own motion"

    reference = models.CharField(max_length=24, unique=True)
    title = models.CharField(max_length=200)
    basis = models.CharField(max_length=12, choices=Basis)
    source = models.ForeignKey(Filing, null=True, on_delete=models.PROTECT, related_name="cases")
    relied_on = models.ForeignKey(FilingVersion, null=True, on_delete=models.PROTECT, related_name="+")
    scheme = models.ForeignKey(Scheme, on_delete=models.PROTECT, related_name="+")
    state = models.CharField(max_length=10, choices=State, default=State.OPEN)
    round = models.PositiveSmallIntegerField(default=1)
    round_ends_at = models.DateTimeField()
    refers_at = models.DateTimeField(null=True)
    remind_at = models.DateTimeField(null=True)
    opened_at = models.DateTimeField(default=now)
    opened_by = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.PROTECT, related_name="+")
    officer = models.ForeignKey(settings.AUTH_USER_MODEL, null=True, on_delete=models.PROTECT, related_name="cases")
    deputy = models.ForeignKey(
        settings.AUTH_USER_MODEL, null=True, on_delete=models.PROTECT, related_name="deputised_cases"
    )
    ended_at = models.DateTimeField(null=True)

    objects = CaseQuerySet.as_manager()

    class Meta:
        indexes = [
            models.Index(fields=["refers_at", "id"], name="case_refers", condition=Q(state="open")),
            models.Index(fields=["remind_at"], name="case_reminds", condition=Q(state="open")),
            models.Index(fields=["officer", "refers_at"], name="case_of_officer", condition=Q(state="open")),
            models.Index(fields=["deputy", "refers_at"], name="case_of_deputy", condition=Q(state="open")),
            models.Index(
                fields=["refers_at", "id"],
                name="case_unassigned",
                condition=Q(state="open", officer__isnull=True),
            ),
            models.Index(fields=["state", "-id"], name="case_by_state"),
        ]
        constraints = [
            models.CheckConstraint(
                name="case_open_has_deadline", condition=~Q(state="open") | Q(refers_at__isnull=False)
            ),
            models.CheckConstraint(
                name="case_source_goes_with_basis",
                condition=Q(basis="own_motion", source__isnull=True)
                | (~Q(basis="own_motion") & Q(source__isnull=False)),
            ),
        ]

    def __str__(self) -> str:
        return self.reference

    def team(self) -> list[User]:
        """Officer and deputy, as far as they still work here; with nobody left, the supervisors."""
        ids = [pk for pk in (self.officer_id, self.deputy_id) if pk is not None]
        found = User.objects.filter(pk__in=ids, is_active=True).in_bulk()
        return [found[pk] for pk in ids if pk in found] or self.supervisors()

    def supervisors(self) -> list[User]:
        """The supervisors who may be told of this case: those who have declared no conflict."""
        able = User.objects.able_to_sign_in().filter(role="supervisor")
        return list(able.exclude(pk__in=self.conflicts.values("user")).order_by("pk"))


class Party(models.Model):
    """An organisation's part in a case."""

    class Role(models.TextChoices):
        COMPLAINANT = "complainant", "Complainant"
        RESPONDENT = "respondent", "Respondent"

    case = models.ForeignKey(Case, on_delete=models.PROTECT, related_name="parties")
    organisation = models.ForeignKey(Organisation, on_delete=models.PROTECT, related_name="parties")
    role = models.CharField(max_length=12, choices=Role)
    may_be_named = models.BooleanField(default=True)
    may_be_referred = models.BooleanField(default=True)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["case", "organisation"], name="party_once")]

    def __str__(self) -> str:
        return f"{self.organisation_id} in {self.case_id}"

    @property
    def ledger_root(self) -> Case:
        return self.case

    def name_for(self, user: Any) -> str:
        """The name, or for another party what may be said in its place."""
        if user.is_ministry or user.organisation_id == self.organisation_id or self.may_be_named:
            return self.organisation.name
        return "A complainant who has not agreed to be named"


class ConflictDeclarationQuerySet(models.QuerySet["ConflictDeclaration"]):
    def against(self, user: Any) -> Self:
        """See `ledger.models.WallQuerySet.against`."""
        return self if user.is_service else self.filter(user=user)


class ConflictDeclaration(models.Model):
    """An official who may not see a case, by his or her own word."""

    case = models.ForeignKey(Case, on_delete=models.PROTECT, related_name="conflicts")
    user = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.PROTECT, related_name="+")
    reason = models.TextField(max_length=2000)
    at = models.DateTimeField(default=now)

    objects = ConflictDeclarationQuerySet.as_manager()

    class Meta:
        constraints = [models.UniqueConstraint(fields=["case", "user"], name="conflict_once")]

    def __str__(self) -> str:
        return f"{self.user_id} in {self.case_id}"


class Note(models.Model):
    """An internal note: the ministry's alone. Insert-only."""

    case = models.ForeignKey(Case, on_delete=models.PROTECT, related_name="notes")
    by = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.PROTECT, related_name="+")
    text = models.TextField(max_length=8000)
    at = models.DateTimeField(default=now)

    def __str__(self) -> str:
        return f"note {self.pk}"

    @property
    def ledger_root(self) -> Case:
        return self.case


class BriefVersion(models.Model):
    """One head of the referral brief as somebody wrote it; the newest of each head stands. Insert-only."""

    case = models.ForeignKey(Case, on_delete=models.PROTECT, related_name="brief_versions")
    head = models.CharField(max_length=40)
    number = models.PositiveIntegerField()
    text = models.TextField(max_length=20000, blank=True)
    by = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.PROTECT, related_name="+")
    at = models.DateTimeField(default=now)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["case", "head", "number"], name="brief_version_once")]

    def __str__(self) -> str:
        return f"{self.head} v{self.number}"

    @property
    def ledger_root(self) -> Case:
        return self.case


class Outcome(models.TextChoices):
    ESTABLISHED = "established", "Extraction established"
    NOT_ESTABLISHED = "not_established", "Extraction not established"
    AUTHORISED = "authorised", "The activity was authorised"
    SETTLED = "settled", "Settled between the parties"
    UNDERTAKINGS = "undertakings", "Undertakings accepted"
    OUT_OF_SCOPE = "out_of_scope", "Outside the scheme"


class DecisionProposal(models.Model):
    """What the case team proposes; a supervisor who did not open the case decides. Insert-only."""

    case = models.ForeignKey(Case, on_delete=models.PROTECT, related_name="proposals")
    round = models.PositiveSmallIntegerField()
    outcome = models.CharField(max_length=20, choices=Outcome)
    reasons = models.TextField(max_length=20000)
    by = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.PROTECT, related_name="+")
    at = models.DateTimeField(default=now)

    def __str__(self) -> str:
        return f"{self.case_id} {self.outcome}"

    @property
    def ledger_root(self) -> Case:
        return self.case


class Decision(models.Model):
    """How a case was resolved, and why. Insert-only; one a case."""

    case = models.OneToOneField(Case, on_delete=models.PROTECT, related_name="decision")
    outcome = models.CharField(max_length=20, choices=Outcome)
    reasons = models.TextField(max_length=20000)
    by = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.PROTECT, related_name="+")
    at = models.DateTimeField(default=now)

    def __str__(self) -> str:
        return f"{self.case_id} {self.outcome}"

    @property
    def ledger_root(self) -> Case:
        return self.case


class PublicationQuerySet(models.QuerySet["Publication"]):
    def visible_to(self, user: Any) -> Self:
        """Published decisions are for everybody."""
        return self


class Publication(models.Model):
    """A decision made public by an act of its own, in words written for it. Insert-only."""

    decision = models.OneToOneField(Decision, on_delete=models.PROTECT, related_name="publication")
    title = models.CharField(max_length=200)
    summary = models.TextField(max_length=8000)
    by = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.PROTECT, related_name="+")
    at = models.DateTimeField(default=now)

    objects = PublicationQuerySet.as_manager()

    def __str__(self) -> str:
        return self.title

    @property
    def ledger_root(self) -> Case:
        return self.decision.case


class CaseReminder(models.Model):
    """A reminder sent to the team before a case goes to the authority: once per case, due instant and offset."""

    case = models.ForeignKey(Case, on_delete=models.PROTECT, related_name="+")
    due_at = models.DateTimeField()
    days = models.PositiveSmallIntegerField()
    at = models.DateTimeField(default=now)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["case", "due_at", "days"], name="case_reminder_once")]

    def __str__(self) -> str:
        return f"{self.case_id} {self.days}"
