"""Organisations, their people and contacts, and the invitations by which an account begins."""

from __future__ import annotations

from datetime import datetime
from typing import Any, ClassVar

from django.conf import settings
from django.contrib.auth.models import AbstractBaseUser, AnonymousUser, BaseUserManager
from django.contrib.postgres.fields import ArrayField
from django.db import models
from django.db.models.functions import Lower
from django.http import HttpRequest

from ledger.time import now

# In which states of an organisation its programs are not let in. Its people still read why it was refused.
SHUT_OUT = ("refused", "suspended")


class Nation(models.TextChoices):
    """Whose bank holidays count for an addressee."""

    ENGLAND = "england", "England"
    WALES = "wales", "Wales"
    SCOTLAND = "scotland", "Scotland"
    NORTHERN_IRELAND = "northern-ireland", "Northern Ireland"
    OVERSEAS = "overseas", "Outside the United Kingdom"


class Role(models.TextChoices):
    COMPANY_OFFICER = "company_officer", "Company officer"
    COMPANY_ADMIN = "company_admin", "Company administrator"
    CASEWORKER = "caseworker", "Caseworker"
    SUPERVISOR = "supervisor", "Supervisor"
    AUTHORITY_OFFICER = "authority_officer", "Authority officer"
    PARTNER = "partner", "Partner"
    AUDITOR = "auditor", "Auditor"
    OPERATOR = "operator", "Operator"


COMPANY_ROLES = frozenset({"company_officer", "company_admin"})
MINISTRY_ROLES = frozenset({"caseworker", "supervisor"})


class OrganisationQuerySet(models.QuerySet["Organisation"]):
    def visible_to(self, user: User | AnonymousUser | None) -> OrganisationQuerySet:
        """The ministry sees every organisation; everybody else their own."""
        if user is None or not user.is_authenticated or not user.is_active:
            return self.none()
        if user.role in MINISTRY_ROLES:
            return self
        return self.filter(pk=user.organisation_id)

    def known_companies(self) -> OrganisationQuerySet:
        """Companies that a case can be about: one that is suspended is known, and does not get away by it."""
        return self.filter(kind="company", state__in=["verified", "suspended"])

    def authority(self) -> Organisation:
        """The competition authority to which cases are referred."""
        return self.filter(kind="authority", state="verified").earliest("pk")


class Organisation(models.Model):
    """A company, the ministry, the competition authority or a partner."""

    class Kind(models.TextChoices):
        COMPANY = "company", "Company"
        MINISTRY = "ministry", "Ministry"
        AUTHORITY = "authority", "Competition authority"
        PARTNER = "partner", "Partner"

    class State(models.TextChoices):
        PENDING = "pending", "Waiting for verification"
        VERIFIED = "verified", "Verified"
        REFUSED = "refused", "Refused"
        SUSPENDED = "suspended", "Suspended"

    name = models.CharField("legal name", max_length=200)
    kind = models.CharField(max_length=12, choices=Kind)
    state = models.CharField(max_length=12, choices=State, default=State.PENDING)
    company_number = models.CharField("company number or LEI", max_length=40, blank=True)
    nation = models.CharField(max_length=20, choices=Nation)
    address = models.TextField("registered address", max_length=1000, blank=True)
    created_at = models.DateTimeField(default=now)
    decided_at = models.DateTimeField(null=True)
    decided_by = models.ForeignKey("User", null=True, on_delete=models.PROTECT, related_name="+")
    decision_reason = models.TextField(max_length=2000, blank=True)

    objects = OrganisationQuerySet.as_manager()

    class Meta:
        constraints = [
            models.CheckConstraint(
                name="organisation_decision_is_whole",
                condition=models.Q(state="pending", decided_at__isnull=True)
                | models.Q(state__in=["verified", "refused", "suspended"], decided_at__isnull=False),
            ),
        ]

    def __str__(self) -> str:
        return self.name

    @property
    def ledger_root(self) -> Organisation:
        return self

    def shut_out(self, since: datetime, until: datetime) -> list[tuple[datetime, datetime | None]]:
        """When its people could not sign in, being suspended, as far as that falls between two instants: from when, and
        to when (None: it lasts).
        """
        found: list[tuple[datetime, datetime | None]] = []
        begun: datetime | None = None
        for state, at in self.decisions.order_by("at", "pk").values_list("state", "at"):
            if state == self.State.SUSPENDED:
                begun = begun or at
            elif begun is not None:
                found.append((begun, at))
                begun = None
        if begun is not None:
            found.append((begun, None))
        return [(a, b) for a, b in found if a < until and (b is None or b > since)]


class OrganisationDecision(models.Model):
    """What the ministry decided on an organisation, and why. Insert-only; the organisation holds the last one."""

    organisation = models.ForeignKey(Organisation, on_delete=models.PROTECT, related_name="decisions")
    state = models.CharField(max_length=12, choices=Organisation.State)
    reason = models.TextField(max_length=2000, blank=True)
    by = models.ForeignKey("User", on_delete=models.PROTECT, related_name="+")
    at = models.DateTimeField(default=now)

    def __str__(self) -> str:
        return f"{self.organisation_id} {self.state}"


class Contact(models.Model):
    """An address at which an organisation can be reached. Two live ones, in different mailboxes, before it may file."""

    organisation = models.ForeignKey(Organisation, on_delete=models.PROTECT, related_name="contacts")
    name = models.CharField(max_length=200)
    email = models.EmailField()
    created_at = models.DateTimeField(default=now)
    removed_at = models.DateTimeField(null=True)
    bounced_at = models.DateTimeField(null=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(
                "organisation",
                Lower("email"),
                condition=models.Q(removed_at__isnull=True),
                name="contact_mailbox_once",
            )
        ]

    def __str__(self) -> str:
        return self.email

    @property
    def ledger_root(self) -> Organisation:
        return self.organisation


class UserManager(BaseUserManager["User"]):
    def visible_to(self, user: User | AnonymousUser | None) -> models.QuerySet[User]:
        """Colleagues in one's own organisation; the supervisor sees everybody."""
        if user is None or not user.is_authenticated or not user.is_active:
            return self.none()
        if user.role == Role.SUPERVISOR:
            return self.all()
        return self.filter(organisation_id=user.organisation_id)

    def able_to_sign_in(self) -> models.QuerySet[User]:
        """People (not machines) whose account is live and has a password."""
        unusable = models.Q(password="") | models.Q(password__startswith="!")  # noqa: S106 - how Django marks it
        return self.filter(is_active=True, is_service=False).exclude(unusable)


class User(AbstractBaseUser):
    """Somebody, or some machine, that acts. Everyone belongs to one organisation and has one role in it."""

    email = models.EmailField(max_length=254, unique=True)
    name = models.CharField(max_length=200)
    role = models.CharField(max_length=24, choices=Role)
    organisation = models.ForeignKey(Organisation, on_delete=models.PROTECT, related_name="people")
    is_active = models.BooleanField(default=True)
    is_service = models.BooleanField(default=False)
    created_at = models.DateTimeField(default=now)
    away_until = models.DateField("away until", null=True, blank=True)

    objects = UserManager()

    USERNAME_FIELD = "email"
    EMAIL_FIELD = "email"
    REQUIRED_FIELDS: ClassVar[list[str]] = ["name"]

    class Meta:
        constraints = [models.UniqueConstraint(Lower("email"), name="user_email_once")]

    def __str__(self) -> str:
        return self.name

    @property
    def ledger_root(self) -> Organisation:
        return self.organisation

    @property
    def is_company(self) -> bool:
        return self.role in COMPANY_ROLES

    @property
    def is_ministry(self) -> bool:
        return self.role in MINISTRY_ROLES

    @property
    def needs_second_factor(self) -> bool:
        """Staff of any public body and company administrators; see `accounts.middleware`."""
        return self.role != Role.COMPANY_OFFICER

    @property
    def is_staff(self) -> bool:
        """No Django admin here; libraries ask."""
        return False

    def get_full_name(self) -> str:
        return self.name


class SignedInRequest(HttpRequest):
    """A request behind `login_required`: its user is somebody. For annotations only."""

    user: User


class InvitationQuerySet(models.QuerySet["Invitation"]):
    def visible_to(self, user: User | AnonymousUser | None) -> InvitationQuerySet:
        """One's own organisation's invitations, for its administrators; all of them for the supervisor."""
        if user is None or not user.is_authenticated or not user.is_active:
            return self.none()
        if user.role == Role.SUPERVISOR:
            return self
        if user.role == Role.COMPANY_ADMIN:
            return self.filter(organisation_id=user.organisation_id)
        return self.none()

    def open(self) -> InvitationQuerySet:
        return self.filter(accepted_at__isnull=True, revoked_at__isnull=True, expires_at__gt=now())


class Invitation(models.Model):
    """A signed, expiring link by which a person gets an account. The row is its own outbox."""

    organisation = models.ForeignKey(Organisation, on_delete=models.PROTECT, related_name="invitations")
    email = models.EmailField()
    name = models.CharField(max_length=200)
    role = models.CharField(max_length=24, choices=Role)
    invited_by = models.ForeignKey(User, null=True, on_delete=models.PROTECT, related_name="+")
    replaces = models.ForeignKey(User, null=True, on_delete=models.PROTECT, related_name="+")
    created_at = models.DateTimeField(default=now)
    expires_at = models.DateTimeField()
    accepted_at = models.DateTimeField(null=True)
    accepted_by = models.ForeignKey(User, null=True, on_delete=models.PROTECT, related_name="+")
    revoked_at = models.DateTimeField(null=True)
    sent_at = models.DateTimeField(null=True)
    attempts = models.IntegerField(default=0)
    next_attempt_at = models.DateTimeField(null=True, default=now)
    last_error = models.CharField(max_length=200, blank=True)

    objects = InvitationQuerySet.as_manager()

    class Meta:
        indexes = [
            models.Index(
                fields=["next_attempt_at"],
                name="invitation_to_send",
                condition=models.Q(sent_at__isnull=True, next_attempt_at__isnull=False),
            )
        ]

    def __str__(self) -> str:
        return self.email

    @property
    def ledger_root(self) -> Organisation:
        return self.organisation

    @property
    def state(self) -> str:
        if self.revoked_at:
            return "revoked"
        if self.accepted_at:
            return "accepted"
        return "expired" if self.expires_at <= now() else "open"


class KeptAnswer(models.Model):
    """What was answered to a request with an Idempotency-Key, for a retry of it; forgotten after 30 days."""

    user = models.ForeignKey(User, on_delete=models.PROTECT, related_name="+")
    key = models.CharField(max_length=255)
    fingerprint = models.CharField(max_length=64)
    status = models.PositiveSmallIntegerField()
    body = models.TextField()
    headers = models.JSONField(default=dict)
    # The reference of what it shows, if that has one: by it the answers about what is deleted are found.
    about = models.CharField(max_length=24, blank=True)
    at = models.DateTimeField(default=now)

    class Meta:
        indexes = [
            models.Index(fields=["at"], name="kept_answer_at"),
            models.Index(fields=["about"], name="kept_answer_about", condition=~models.Q(about="")),
        ]
        constraints = [models.UniqueConstraint(fields=["user", "key"], name="kept_answer_once")]

    def __str__(self) -> str:
        return self.key


class ClientQuerySet(models.QuerySet["Client"]):
    def visible_to(self, user: User | AnonymousUser | None) -> ClientQuerySet:
        """The own organisation's, for its administrators; all of them for the supervisor."""
        if user is None or not user.is_authenticated or not user.is_active:
            return self.none()
        if user.role == Role.SUPERVISOR:
            return self
        if user.role == Role.COMPANY_ADMIN:
            return self.filter(user__organisation_id=user.organisation_id)
        return self.none()

    def live(self) -> ClientQuerySet:
        return self.filter(revoked_at__isnull=True)

    def able(self) -> ClientQuerySet:
        """Live ones that may come in: not of an organisation that was refused or is suspended."""
        return self.live().filter(user__is_active=True).exclude(user__organisation__state__in=SHUT_OUT)


class Client(models.Model):
    """A machine that may use the API: OAuth credentials, what they are good for, and the service user that acts."""

    application = models.OneToOneField(settings.OAUTH2_PROVIDER_APPLICATION_MODEL, on_delete=models.PROTECT)
    user = models.OneToOneField(User, on_delete=models.PROTECT, related_name="client")
    scopes = ArrayField(models.CharField(max_length=40))
    created_by = models.ForeignKey(User, on_delete=models.PROTECT, related_name="+")
    created_at = models.DateTimeField(default=now)
    rotated_at = models.DateTimeField(null=True)
    revoked_at = models.DateTimeField(null=True)
    last_used_at = models.DateTimeField(null=True)

    objects = ClientQuerySet.as_manager()

    def __str__(self) -> str:
        return self.user.name

    @property
    def ledger_root(self) -> Organisation:
        return self.user.organisation

    @property
    def state(self) -> str:
        return "revoked" if self.revoked_at else "live"

    def get_state_display(self) -> str:
        return self.state.capitalize()


def people_of(organisation: Organisation | int) -> Any:
    """The members of an organisation who are able to sign in and to read what is there: nobody while it is suspended."""
    pk = organisation if isinstance(organisation, int) else organisation.pk
    return User.objects.able_to_sign_in().filter(organisation_id=pk).exclude(organisation__state="suspended")
