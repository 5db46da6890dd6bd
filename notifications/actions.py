"""Telling people: rows in the caller's commit; sending them: at least once, with a stable id."""

from __future__ import annotations

from collections.abc import Iterable
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
from ledger.actions import record
from ledger.time import now
from notifications.letters import render
from notifications.models import Message
from notifications.rules import RULES

INVITATION_SALT = "candour.invitation"
FIRST_WAIT = timedelta(minutes=1)
LEASE = timedelta(minutes=5)
GIVE_UP_AFTER = 12
SECRET_LETTERS = {"password_reset"}


def tell(
    template: str,
    about: models.Model,
    *,
    people: Iterable[User] = (),
    organisations: Iterable[Organisation | int] = (),
    url: str = "",
    once: str = "",
    **context: Any,
) -> list[Message]:
    """Write a message to people, and to the members and contacts of organisations, in the caller's transaction.

    `once` makes the message unique per recipient: a second one with the same key is not written. `context` holds what
    the template needs, as JSON. Answers the messages that were asked for (also those written earlier under `once`).
    """
    if not connection.in_atomic_block:
        raise RuntimeError("A message belongs to the transaction of the change that it tells of.")
    recipients: dict[str, tuple[User | None, int | None]] = {}
    for user in people:
        recipients.setdefault(user.email.lower(), (user, user.organisation_id))
    ids = [o if isinstance(o, int) else o.pk for o in organisations]
    if ids:
        for user in User.objects.able_to_sign_in().filter(organisation_id__in=ids).order_by("pk"):
            recipients.setdefault(user.email.lower(), (user, user.organisation_id))
        for contact in Contact.objects.filter(organisation_id__in=ids, removed_at__isnull=True).order_by("pk"):
            recipients.setdefault(contact.email.lower(), (None, contact.organisation_id))
    instant = now()
    messages = []
    for address, (recipient, organisation_id) in recipients.items():
        message = Message(
            user=recipient,
            organisation_id=organisation_id,
            address=address,
            template=template,
            context=context,
            url=url,
            about_type=about._meta.label_lower,
            about_id=about.pk,
            created_at=instant,
            next_attempt_at=instant,
        )
        message.dedupe_key = f"{once}:{address}" if once else message.message_id
        messages.append(message)
    Message.objects.bulk_create(messages, ignore_conflicts=bool(once))
    return messages


@transaction.atomic(durable=True)
def mark_read(user_id: int, *, by: User, upto: int) -> int:
    """Mark as read what was listed up to message `upto`; answers how many."""
    if user_id != by.pk:
        raise Message.DoesNotExist
    unread = Message.objects.visible_to(by).filter(read_at__isnull=True, pk__lte=upto)
    return unread.update(read_at=now())


@transaction.atomic(durable=True)
def record_bounce(message_id: int, *, by: User | None) -> Message:
    """Put on record that a letter came back. What hangs on it (a notice's service) is looked at by the sweeps."""
    message = Message.objects.select_for_update().get(pk=message_id)
    check(by, RULES["record_bounce"])
    return _bounced(message, by=by)


def _bounced(message: Message, *, by: User | None, error: str = "") -> Message:
    message.state = Message.State.BOUNCED
    message.bounced_at = now()
    message.last_error = error[:200]
    message.save(update_fields=["state", "bounced_at", "last_error"])
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
    subject, body = render(message.template, message.context, message.url)
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
        return _undeliverable(message_id, str(error.recipients.get(message.address, (0, b""))[0]))
    except OSError as error:
        return _postpone(message_id, type(error).__name__)
    return _sent(message_id, subject, body)


@transaction.atomic(durable=True)
def _lease(message_id: int) -> Message | None:
    message = Message.objects.due().select_for_update(skip_locked=True).filter(pk=message_id).first()
    if message is None:
        return None
    message.attempts += 1
    message.next_attempt_at = now() + LEASE
    message.save(update_fields=["attempts", "next_attempt_at"])
    return message


@transaction.atomic(durable=True)
def _undeliverable(message_id: int, code: str) -> Message:
    return _bounced(Message.objects.select_for_update().get(pk=message_id), by=None, error=code)


@transaction.atomic(durable=True)
def _postpone(message_id: int, error: str) -> Message:
    message = Message.objects.select_for_update().get(pk=message_id)
    message.last_error = error[:200]
    if message.attempts >= GIVE_UP_AFTER:
        message.state = Message.State.FAILED
    message.next_attempt_at = now() + FIRST_WAIT * 2 ** min(message.attempts, 8)
    message.save(update_fields=["last_error", "state", "next_attempt_at"])
    return message


@transaction.atomic(durable=True)
def _sent(message_id: int, subject: str, body: str) -> Message:
    message = Message.objects.select_for_update().get(pk=message_id)
    message.state = Message.State.SENT
    message.sent_at = now()
    message.subject, message.body, message.last_error = subject[:300], body, ""
    if message.template in SECRET_LETTERS:
        # A letter that opens an account is not kept: what is on record could be used by whoever reads the record.
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
        EmailMessage(subject, body, settings.DEFAULT_FROM_EMAIL, [invitation.email]).send()
    except OSError as error:
        wait = FIRST_WAIT * 2 ** min(invitation.attempts, 8)
        given_up = invitation.attempts >= GIVE_UP_AFTER or isinstance(error, SMTPRecipientsRefused)
        with transaction.atomic(durable=True):
            Invitation.objects.filter(pk=invitation_id).update(
                last_error=type(error).__name__, next_attempt_at=None if given_up else now() + wait
            )
        return invitation
    with transaction.atomic(durable=True):
        Invitation.objects.filter(pk=invitation_id).update(sent_at=now(), last_error="")
    return invitation
