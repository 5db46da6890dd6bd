"""Notices to the parties: what they ask, when they were served, when they expire, what was answered."""

from __future__ import annotations

from typing import Any, Self

from django.conf import settings
from django.db import models
from django.db.models import Exists, F, OuterRef, Q, Subquery

from accounts.models import Nation
from cases.models.calendar import Outage
from cases.models.case import Case, ConflictDeclaration, Party
from evidence.models import EvidenceItem
from ledger.time import now

# To whom an outage may still matter: everybody who has not answered in time.
OWED = ["issued", "missed", "answered_late"]


class NoticeQuerySet(models.QuerySet["Notice"]):
    def visible_to(self, user: Any) -> Self:
        """The addressee's own, and the ministry's but for declared conflicts."""
        if user is None or not user.is_authenticated or not user.is_active:
            return self.none()
        if user.is_ministry:
            return self.filter(~Exists(ConflictDeclaration.objects.against(user).filter(case=OuterRef("case"))))
        if user.is_company:
            return self.filter(party__organisation_id=user.organisation_id)
        return self.none()

    def open(self) -> Self:
        """Notices to produce evidence that wait for an answer."""
        return self.filter(kind="evidence", state="issued")

    def owed_an_outage(self) -> Self:
        """Notices in whose last 24 hours the platform was down, not answered in time and not yet extended for it."""
        outages = Outage.objects.touching(OuterRef("due_at"))
        done = Adjustment.objects.filter(notice=OuterRef(OuterRef("pk")), outage=OuterRef("pk"))
        return self.filter(Exists(outages.filter(~Exists(done))), kind="evidence", state__in=OWED)

    def touched_by_recent_outages(self) -> Self:
        """What the outage sweep looks at: due within reach of an outage of the last month, by the index on `due_at`.

        An outage put on record later than that is made up for when the notice or its case falls due.
        """
        earliest = Outage.objects.recent().order_by("started_at").values("started_at")[:1]
        return self.owed_an_outage().filter(due_at__gte=Subquery(earliest), case__state="open").order_by("due_at")

    def past(self) -> Self:
        """Unanswered and past due, whatever holds them."""
        return self.open().filter(due_at__lte=now())

    def due_for_miss(self) -> Self:
        """Unanswered, past due, and held by nothing; the longest overdue first."""
        return (
            self.past()
            .filter(
                ~Exists(ExtensionRequest.objects.holding().filter(notice=OuterRef("pk"))),
                ~Exists(ServiceDoubt.objects.open().filter(notice=OuterRef("pk"))),
                case__state="open",
            )
            .order_by("due_at", "pk")
        )

    def due_for_reminder(self) -> Self:
        return self.filter(state="issued", remind_at__lte=now(), case__state="open").order_by("remind_at", "pk")


class Notice(models.Model):
    """A notice in a case: to preserve, or to produce evidence within the scheme's days.

    What was served never changes (a trigger sees to it): only `state` and the derived copies `due_at` (the last of
    `expires_at` and its adjustments) and `remind_at` do.
    """

    class Kind(models.TextChoices):
        PRESERVATION = "preservation", "Preservation notice"
        EVIDENCE = "evidence", "Notice to produce evidence"

    class State(models.TextChoices):
        ISSUED = "issued", "Waiting for an answer"
        ANSWERED = "answered", "Answered"
        MISSED = "missed", "Not answered in time"
        ANSWERED_LATE = "answered_late", "Answered late"
        WAIVED = "waived", "No longer required"

    reference = models.CharField(max_length=24, unique=True)
    case = models.ForeignKey(Case, on_delete=models.PROTECT, related_name="notices")
    party = models.ForeignKey(Party, on_delete=models.PROTECT, related_name="notices")
    round = models.PositiveSmallIntegerField()
    kind = models.CharField(max_length=12, choices=Kind)
    state = models.CharField(max_length=16, choices=State, default=State.ISSUED)
    issued_by = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.PROTECT, related_name="+")
    sent_at = models.DateTimeField()
    nation = models.CharField(max_length=20, choices=Nation)
    content = models.JSONField()
    sha256 = models.CharField(max_length=64)
    served_on = models.DateField()
    last_day = models.DateField(null=True)
    expires_at = models.DateTimeField(null=True)
    time_rule = models.CharField(max_length=40)
    calendar = models.CharField(max_length=80)
    trace = models.JSONField(default=list)
    due_at = models.DateTimeField(null=True)
    remind_at = models.DateTimeField(null=True)

    objects = NoticeQuerySet.as_manager()

    class Meta:
        indexes = [
            models.Index(fields=["due_at", "id"], name="notice_due", condition=Q(kind="evidence", state="issued")),
            models.Index(fields=["remind_at"], name="notice_reminds", condition=Q(state="issued")),
            models.Index(fields=["due_at"], name="notice_overdue_again", condition=Q(state__in=OWED)),
        ]
        constraints = [
            models.UniqueConstraint(fields=["party", "round", "kind"], name="notice_once_a_round"),
            models.CheckConstraint(
                name="notice_evidence_has_period",
                condition=Q(kind="preservation", due_at__isnull=True)
                | Q(
                    kind="evidence",
                    last_day__isnull=False,
                    expires_at__isnull=False,
                    due_at__isnull=False,
                    due_at__gte=F("expires_at"),
                ),
            ),
        ]

    def __str__(self) -> str:
        return self.reference

    @property
    def ledger_root(self) -> Case:
        return self.case

    @property
    def is_past(self) -> bool:
        return self.due_at is not None and self.due_at <= now()


class Question(models.Model):
    """One numbered thing that a notice asks for. Insert-only."""

    notice = models.ForeignKey(Notice, on_delete=models.PROTECT, related_name="questions")
    number = models.PositiveSmallIntegerField()
    text = models.TextField(max_length=4000)
    period = models.CharField("period covered", max_length=200, blank=True)
    form = models.CharField("form of the answer", max_length=200, blank=True)
    mandatory = models.BooleanField(default=True)

    class Meta:
        ordering = ["number"]
        constraints = [models.UniqueConstraint(fields=["notice", "number"], name="question_once")]

    def __str__(self) -> str:
        return f"{self.notice_id} q{self.number}"


class AnswerDraft(models.Model):
    """An answer that is being worked on. It survives the deadline and is never handed in for anyone."""

    ANSWER, NOT_HELD = "answer", "not_held"

    question = models.OneToOneField(Question, on_delete=models.PROTECT, related_name="draft")
    how = models.CharField(
        max_length=10, choices=[(ANSWER, "We answer it here"), (NOT_HELD, "We do not hold this")], blank=True
    )
    text = models.TextField(max_length=20000, blank=True)
    where_held = models.TextField(max_length=2000, blank=True)
    why_not_held = models.TextField(max_length=2000, blank=True)
    evidence = models.ManyToManyField(EvidenceItem, related_name="+")
    revision = models.PositiveIntegerField(default=0)
    updated_by = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.PROTECT, related_name="+")
    updated_at = models.DateTimeField(default=now)

    def __str__(self) -> str:
        return f"draft of {self.question_id}"


class Response(models.Model):
    """What a party handed in, as it was handed in. `received_at` is when the last byte arrived. Insert-only."""

    notice = models.ForeignKey(Notice, on_delete=models.PROTECT, related_name="responses")
    number = models.PositiveSmallIntegerField()
    content = models.JSONField()
    sha256 = models.CharField(max_length=64)
    received_at = models.DateTimeField()
    late = models.BooleanField()
    submitted_by = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.PROTECT, related_name="+")

    class Meta:
        constraints = [models.UniqueConstraint(fields=["notice", "number"], name="response_once")]

    def __str__(self) -> str:
        return f"{self.notice_id} response {self.number}"

    @property
    def ledger_root(self) -> Case:
        return self.notice.case


class ResponseReading(models.Model):
    """Which response an official has opened; what nobody of the team has opened is unread."""

    response = models.ForeignKey(Response, on_delete=models.PROTECT, related_name="readings")
    user = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.PROTECT, related_name="+")
    at = models.DateTimeField(default=now)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["response", "user"], name="reading_once")]

    def __str__(self) -> str:
        return f"{self.response_id} by {self.user_id}"


class ExtensionRequestQuerySet(models.QuerySet["ExtensionRequest"]):
    def open(self) -> Self:
        return self.filter(state="pending")

    def holding(self) -> Self:
        """Undecided requests that came in time: until they are decided nothing is missed and nothing referred."""
        return self.filter(state="pending", timely=True)

    def due_for_escalation(self) -> Self:
        return self.filter(state="pending", escalated_at__isnull=True, escalates_at__lte=now()).order_by("pk")


class ExtensionRequest(models.Model):
    """A party asks for more time."""

    class State(models.TextChoices):
        PENDING = "pending", "Waiting for a decision"
        GRANTED = "granted", "Granted"
        REFUSED = "refused", "Refused"
        LAPSED = "lapsed", "No longer needed"

    notice = models.ForeignKey(Notice, on_delete=models.PROTECT, related_name="extension_requests")
    until_day = models.DateField("asked until")
    reasons = models.TextField(max_length=4000)
    requested_by = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.PROTECT, related_name="+")
    received_at = models.DateTimeField()
    timely = models.BooleanField()
    state = models.CharField(max_length=10, choices=State, default=State.PENDING)
    escalates_at = models.DateTimeField()
    escalated_at = models.DateTimeField(null=True)
    decided_at = models.DateTimeField(null=True)
    decided_by = models.ForeignKey(settings.AUTH_USER_MODEL, null=True, on_delete=models.PROTECT, related_name="+")
    decision_reasons = models.TextField(max_length=4000, blank=True)

    objects = ExtensionRequestQuerySet.as_manager()

    class Meta:
        indexes = [models.Index(fields=["escalates_at"], name="request_open", condition=Q(state="pending"))]
        constraints = [
            models.UniqueConstraint(fields=["notice"], condition=Q(state="pending"), name="request_one_open"),
            models.CheckConstraint(
                name="request_decision_is_whole",
                condition=Q(state="pending", decided_at__isnull=True)
                | Q(state__in=["granted", "refused", "lapsed"], decided_at__isnull=False),
            ),
        ]

    def __str__(self) -> str:
        return f"{self.notice_id} until {self.until_day}"

    @property
    def ledger_root(self) -> Case:
        return self.notice.case


class Adjustment(models.Model):
    """A reason for which a notice runs longer, and until when. Insert-only; the notice's own expiry never changes."""

    class Kind(models.TextChoices):
        EXTENSION = "extension", "Extension"
        OUTAGE = "outage", "The platform was not available"
        CALENDAR = "calendar", "A holiday was added"
        RE_SERVICE = "re_service", "Served again"

    notice = models.ForeignKey(Notice, on_delete=models.PROTECT, related_name="adjustments")
    kind = models.CharField(max_length=12, choices=Kind)
    until = models.DateTimeField()
    reason = models.TextField(max_length=4000)
    request = models.OneToOneField(ExtensionRequest, null=True, on_delete=models.PROTECT, related_name="adjustment")
    outage = models.ForeignKey(Outage, null=True, on_delete=models.PROTECT, related_name="adjustments")
    by = models.ForeignKey(settings.AUTH_USER_MODEL, null=True, on_delete=models.PROTECT, related_name="+")
    at = models.DateTimeField(default=now)

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["notice", "outage"], condition=Q(outage__isnull=False), name="adjustment_outage_once"
            )
        ]

    def __str__(self) -> str:
        return f"{self.notice_id} {self.kind}"

    @property
    def ledger_root(self) -> Case:
        return self.notice.case


class ServiceDoubtQuerySet(models.QuerySet["ServiceDoubt"]):
    def open(self) -> Self:
        return self.filter(settled_at__isnull=True)

    def holding(self) -> Self:
        """Doubts for whose sake nothing is missed and nothing referred: about what is, or might still be, asked.

        A notice that was missed in an earlier round is past holding anything; one that still runs is not.
        """
        asks = Q(notice__state="issued") | Q(notice__state="missed", notice__round=F("notice__case__round"))
        return self.open().filter(asks, notice__kind="evidence")


class ServiceDoubt(models.Model):
    """A reason to doubt that a notice reached its addressee; until it is settled nothing is missed or referred."""

    class Reason(models.TextChoices):
        NO_MEMBER = "no_member", "Nobody in the organisation is able to sign in"
        BOUNCE = "bounce", "A copy sent by e-mail came back"

    class Settlement(models.TextChoices):
        SERVED_AGAIN = "served_again", "Served again in the platform"
        OTHER_MEANS = "other_means", "Served by other means"
        ANSWERED = "answered", "The addressee has answered"
        NOT_NEEDED = "not_needed", "No longer needed"

    notice = models.ForeignKey(Notice, on_delete=models.PROTECT, related_name="doubts")
    reason = models.CharField(max_length=12, choices=Reason)
    message_id = models.BigIntegerField(null=True)
    raised_at = models.DateTimeField(default=now)
    settled_at = models.DateTimeField(null=True)
    settled_by = models.ForeignKey(settings.AUTH_USER_MODEL, null=True, on_delete=models.PROTECT, related_name="+")
    settlement = models.CharField(max_length=12, choices=Settlement, blank=True)

    objects = ServiceDoubtQuerySet.as_manager()

    class Meta:
        indexes = [models.Index(fields=["notice"], name="doubt_open", condition=Q(settled_at__isnull=True))]
        constraints = [
            models.UniqueConstraint(fields=["notice", "message_id"], name="doubt_once_a_message", nulls_distinct=True)
        ]

    def __str__(self) -> str:
        return f"{self.notice_id} {self.reason}"

    @property
    def ledger_root(self) -> Case:
        return self.notice.case


class Service(models.Model):
    """A later service of the same notice, with the period that follows from it. Insert-only."""

    class Method(models.TextChoices):
        PLATFORM = "platform", "In the platform"
        POST = "post", "By post"
        PERSONAL = "personal", "In person"
        COURIER = "courier", "By courier"

    notice = models.ForeignKey(Notice, on_delete=models.PROTECT, related_name="services")
    method = models.CharField(max_length=10, choices=Method)
    sent_at = models.DateTimeField()
    served_on = models.DateField()
    last_day = models.DateField()
    expires_at = models.DateTimeField()
    trace = models.JSONField(default=list)
    proof = models.TextField(max_length=4000, blank=True)
    proof_file = models.FileField(upload_to="service", max_length=200, blank=True)
    proof_name = models.CharField(max_length=200, blank=True)
    proof_media_type = models.CharField(max_length=100, blank=True)
    proof_sha256 = models.CharField(max_length=64, blank=True)
    by = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.PROTECT, related_name="+")
    at = models.DateTimeField(default=now)

    class Meta:
        constraints = [
            models.CheckConstraint(name="service_other_means_has_proof", condition=Q(method="platform") | ~Q(proof=""))
        ]

    def __str__(self) -> str:
        return f"{self.notice_id} {self.method}"

    @property
    def ledger_root(self) -> Case:
        return self.notice.case


class NoticeReminder(models.Model):
    """A reminder sent to a party: once per notice, due instant and offset in days."""

    notice = models.ForeignKey(Notice, on_delete=models.PROTECT, related_name="reminders")
    due_at = models.DateTimeField()
    days = models.PositiveSmallIntegerField()
    at = models.DateTimeField(default=now)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["notice", "due_at", "days"], name="notice_reminder_once")]

    def __str__(self) -> str:
        return f"{self.notice_id} {self.days}"
