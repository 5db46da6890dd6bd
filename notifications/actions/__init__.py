"""Telling people: rows in the caller's commit; sending them: at least once, with a stable id."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from smtplib import SMTPRecipientsRefused
from typing import Any

from django.conf import settings
from django.core import signing
from django.core.mail import EmailMessage
from django.db import connection, models, transaction
from django.urls import reverse

from accounts.models import Contact, Invitation, Organisation, User
from accounts.permissions import check
from ledger.actions import action, record
from ledger.time import now
from notifications.letters import render
from notifications.models import Message
from notifications.rules import RULES
from web.problems import Conflict

INVITATION_SALT = "candour.invitation"
FIRST_WAIT = timedelta(minutes=1)
LEASE = timedelta(minutes=5)
GIVE_UP_AFTER = 12
SECRET_LETTERS = {"password_reset"}


@dataclass(frozen=True)
class Letter:
    """What to tell whom: people, and the members and contacts of organisations.

    `once` makes it unique per recipient: a second one with the same key is not written. `context` is JSON.
    """

    template: str
    people: Iterable[User] = ()
    organisations: Iterable[Organisation | int] = ()
    url: str = ""
    once: str = ""
    context: dict[str, Any] = field(default_factory=dict)


def tell(template: str, about: models.Model, **letter: Any) -> list[Message]:
    """Write one letter about something, in the caller's transaction; see `Letter`. Other keywords are its context.

    Answers the messages that were asked for (also those written earlier under `once`).
    """
    known = {name: letter.pop(name) for name in ("people", "organisations", "url", "once") if name in letter}
    return tell_all(about, [Letter(template, **known, context=letter)])


def tell_all(about: models.Model, letters: Sequence[Letter]) -> list[Message]:
    """Write several letters about the same thing: recipients are looked up once, rows written in one statement."""
    if not connection.in_atomic_block:
        raise RuntimeError("A message belongs to the transaction of the change that it tells of.")
    organisations = {_id(o) for letter in letters for o in letter.organisations}
    members: list[User] = []
    contacts: list[Contact] = []
    if organisations:
        members = list(User.objects.able_to_sign_in().filter(organisation_id__in=organisations).order_by("pk"))
        contacts = list(Contact.objects.filter(organisation_id__in=organisations, removed_at=None).order_by("pk"))
    instant = now()
    messages = []
    for letter in letters:
        for address, (user, organisation_id) in _recipients(letter, members, contacts).items():
            message = Message(
                user=user,
                organisation_id=organisation_id,
                address=address,
                template=letter.template,
                context=letter.context,
                url=letter.url,
                about_type=about._meta.label_lower,
                about_id=about.pk,
                created_at=instant,
                next_attempt_at=instant,
            )
            message.dedupe_key = f"{letter.once}:{address}" if letter.once else message.message_id
            messages.append(message)
    Message.objects.bulk_create(messages, ignore_conflicts=any(letter.once for letter in letters))
    return messages


def _id(organisation: Organisation | int) -> int:
    return organisation if isinstance(organisation, int) else organisation.pk


def _recipients(
    letter: Letter, members: list[User], contacts: list[Contact]
) -> dict[str, tuple[User | None, int | None]]:
    """Each address once, a person before a bare mailbox."""
    organisations = {_id(o) for o in letter.organisations}
    found: dict[str, tuple[User | None, int | None]] = {}
    for user in letter.people:
        found.setdefault(user.email.lower(), (user, user.organisation_id))
    for user in members:
        if user.organisation_id in organisations:
            found.setdefault(user.email.lower(), (user, user.organisation_id))
    for contact in contacts:
        if contact.organisation_id in organisations:
            found.setdefault(contact.email.lower(), (None, contact.organisation_id))
    return found


@action
def mark_read(user_id: int, *, by: User, upto: int) -> int:
    """Mark as read what was listed up to message `upto`; answers how many."""
    if user_id != by.pk:
        raise Message.DoesNotExist
    unread = Message.objects.visible_to(by).filter(read_at__isnull=True, pk__lte=upto)
    return unread.update(read_at=now())


@action
def record_bounce(message_id: int, *, by: User | None) -> Message:
    """Put on record that a letter came back. What hangs on it (a notice's service) is looked at by the sweeps."""
    message = Message.objects.select_for_update().get(pk=message_id)
    check(by, RULES["record_bounce"])
    if message.state == Message.State.BOUNCED:
        raise Conflict("It is on record already that this letter came back.")
    return _bounced(message, by=by)


def _bounced(message: Message, *, by: User | None, error: str = "") -> Message:
    message.state = Message.State.BOUNCED
    message.bounced_at = now()
    message.last_error = error[:200]
    message.save(update_fields=["state", "bounced_at", "last_error"])
    if message.organisation_id is not None:
        Contact.objects.filter(
            organisation_id=message.organisation_id, email__iexact=message.address, removed_at__isnull=True
        ).update(bounced_at=now())
    record(by, "message.bounced", message, about=f"{message.about_type}:{message.about_id}")
    return message


def deliver(message_id: int) -> Message | None:
    """Send one letter: lease it, send outside any transaction, note the outcome. None when another has it."""
    message = _lease(message_id)
    if message is None:
        return None
    # Letters go to a suspended organisation as to others: a notice must not be lost, and nobody here can tell what its
    # lawyers need to hear of. What changes is what they are told.
    to = message.organisation_id
    shut_out = to is not None and Organisation.objects.filter(pk=to, state="suspended").exists()
    subject, body = render(message.template, message.context, message.url, shut_out=shut_out)
    letter = EmailMessage(
        subject,
        body,
        settings.DEFAULT_FROM_EMAIL,
        [message.address],
        headers={"Message-ID": message.message_id, "Auto-Submitted": "auto-generated"},
    )
    try:
        letter.send()
    except SMTPRecipientsRefused as error:
        code = _refusal(error)
        # A mailbox that is full or asks to come back later (4xx) is tried again; one that does not exist is not.
        return _undeliverable(message_id, str(code)) if code >= 500 else _postpone(message_id, str(code))
    except OSError as error:
        return _postpone(message_id, type(error).__name__)
    return _sent(message_id, subject, body)


def _refusal(error: SMTPRecipientsRefused) -> int:
    return max((code for code, _ in error.recipients.values()), default=0)


@action
def _lease(message_id: int) -> Message | None:
    message = Message.objects.due().select_for_update(skip_locked=True).filter(pk=message_id).first()
    if message is None:
        return None
    message.attempts += 1
    message.next_attempt_at = now() + LEASE
    message.save(update_fields=["attempts", "next_attempt_at"])
    return message


@action
def _undeliverable(message_id: int, code: str) -> Message:
    return _bounced(Message.objects.select_for_update().get(pk=message_id), by=None, error=code)


@action
def _postpone(message_id: int, error: str) -> Message:
    message = Message.objects.select_for_update().get(pk=message_id)
    message.last_error = error[:200]
    if message.attempts >= GIVE_UP_AFTER and message.state != Message.State.BOUNCED:
        message.state = Message.State.FAILED
    message.next_attempt_at = now() + FIRST_WAIT * 2 ** min(message.attempts, 8)
    message.save(update_fields=["last_error", "state", "next_attempt_at"])
    return message


@action
def _sent(message_id: int, subject: str, body: str) -> Message:
    message = Message.objects.select_for_update().get(pk=message_id)
    if message.state != Message.State.BOUNCED:  # it may have come back already
        message.state = Message.State.SENT
    message.sent_at = now()
    message.subject, message.body, message.last_error = subject[:300], body, ""
    if message.template in SECRET_LETTERS and not settings.DEMO:
        # A letter that opens an account is not kept: what is on record could be used by whoever reads the record.
        # (In demo mode the record is the only mailbox there is.)
        message.body, message.context = "", {}
    message.save(update_fields=["state", "sent_at", "subject", "body", "context", "last_error"])
    return message


def invitation_token(invitation: Invitation) -> str:
    """The signed token of an invitation's link; when it ends is on the row, not in the token."""
    return signing.dumps(invitation.pk, salt=INVITATION_SALT)


def invitation_of(token: str) -> Invitation:
    """The invitation that a link's token names. Raises Invitation.DoesNotExist for a forged or unknown one."""
    try:
        return Invitation.objects.select_related("organisation").get(pk=signing.loads(token, salt=INVITATION_SALT))
    except signing.BadSignature as error:
        raise Invitation.DoesNotExist from error


def invitation_letter(invitation: Invitation) -> tuple[str, str]:
    """Subject and body of an invitation's e-mail; its link is made when it is needed and stored nowhere."""
    known = User.objects.filter(email__iexact=invitation.email).exists()
    context = {
        "name": invitation.name,
        "organisation": invitation.organisation.name,
        "role": invitation.get_role_display(),
        "expires_at": invitation.expires_at,
    }
    if known:
        return render("account_exists", context, reverse("account_login"))
    return render("invitation", context, reverse("invitation", args=[invitation_token(invitation)]))


def send_invitation(invitation_id: int) -> Invitation | None:
    """Deliver one invitation, the same three steps as `deliver`."""
    with transaction.atomic(durable=True):
        invitation = (
            Invitation.objects.open()
            .select_for_update(skip_locked=True, of=["self"])
            .select_related("organisation")
            .filter(pk=invitation_id, sent_at__isnull=True, next_attempt_at__lte=now())
            .first()
        )
        if invitation is None:
            return None
        invitation.attempts += 1
        invitation.next_attempt_at = now() + LEASE
        invitation.save(update_fields=["attempts", "next_attempt_at"])
    subject, body = invitation_letter(invitation)
    try:
        EmailMessage(
            subject,
            body,
            settings.DEFAULT_FROM_EMAIL,
            [invitation.email],
            headers={"Message-ID": f"<invitation-{invitation.pk}@candour>", "Auto-Submitted": "auto-generated"},
        ).send()
    except OSError as error:
        wait = FIRST_WAIT * 2 ** min(invitation.attempts, 8)
        unknown = isinstance(error, SMTPRecipientsRefused) and _refusal(error) >= 500
        given_up = unknown or invitation.attempts >= GIVE_UP_AFTER
        with transaction.atomic(durable=True):
            Invitation.objects.filter(pk=invitation_id).update(
                last_error=type(error).__name__, next_attempt_at=None if given_up else now() + wait
            )
        return invitation
    with transaction.atomic(durable=True):
        Invitation.objects.filter(pk=invitation_id).update(sent_at=now(), last_error="")
    return invitation
