"""What can be done to people: their invitations, their accounts, and the contacts of an organisation."""

from __future__ import annotations

from datetime import date, timedelta
from typing import Any

from allauth.account.models import EmailAddress
from django.contrib.auth.password_validation import validate_password
from django.core.exceptions import PermissionDenied, ValidationError
from django.db import IntegrityError, transaction

from accounts.models import Contact, Invitation, Organisation, User
from accounts.permissions import check
from accounts.rules import ROLES_OF_KIND, RULES
from ledger.actions import action, record
from ledger.time import now
from web.problems import Conflict, Invalid

INVITATION_DAYS = 7


@action
def invite(organisation_id: int, *, by: User, email: str, name: str, role: str) -> Invitation:
    """Send somebody a signed link, good for seven days, to make an account in the organisation."""
    organisation = Organisation.objects.select_for_update().get(pk=organisation_id)
    check(by, RULES["invite"], organisation)
    if role not in ROLES_OF_KIND[organisation.kind]:
        raise Invalid({"role": ["Choose a role that exists in this organisation"]})
    return send_invitation_to(organisation, email=email, name=name, role=role, by=by)


def send_invitation_to(
    organisation: Organisation, *, email: str, name: str, role: str, by: User | None, replaces: User | None = None
) -> Invitation:
    """A signed link for one person; a shared step. The row is its own outbox."""
    instant = now()
    invitation = Invitation.objects.create(
        organisation=organisation,
        # Sign-in finds people by the lower-case address, so that is how it is kept.
        email=email.strip().lower(),
        name=name,
        role=role,
        invited_by=by,
        replaces=replaces,
        created_at=instant,
        next_attempt_at=instant,
        expires_at=instant + timedelta(days=INVITATION_DAYS),
    )
    record(by, "invitation.made", invitation, audience=[organisation], role=role)
    return invitation


@action
def revoke(invitation_id: int, *, by: User) -> Invitation:
    """Take an invitation back; its link no longer opens anything."""
    invitation = Invitation.objects.select_for_update(of=["self"]).select_related("organisation").get(pk=invitation_id)
    check(by, RULES["revoke"], invitation)
    if invitation.state != "open":
        raise Conflict(f"This invitation is already {invitation.state}.")
    invitation.revoked_at = now()
    invitation.save(update_fields=["revoked_at"])
    record(by, "invitation.revoked", invitation, audience=[invitation.organisation])
    return invitation


@action
def accept(invitation_id: int, *, name: str, password: str) -> User:
    """The invited person makes the account. The link has proved the mailbox; a lost admin is replaced by this.

    Raises Conflict when the invitation is used, expired or withdrawn, or the address has an account already.
    """
    invitation = Invitation.objects.select_for_update(of=["self"]).select_related("organisation").get(pk=invitation_id)
    if invitation.state != "open":
        raise Conflict(f"This invitation is {invitation.state}. Ask for a new one.")
    user = User(email=invitation.email, name=name, role=invitation.role, organisation=invitation.organisation)
    try:
        validate_password(password, user)
    except ValidationError as error:
        raise Invalid({"password": list(error.messages)}) from error
    user.set_password(password)
    try:
        with transaction.atomic():
            user.save()
    except IntegrityError as error:
        raise Conflict("There is already an account with this e-mail address. Sign in with it instead.") from error
    EmailAddress.objects.create(user=user, email=user.email, verified=True, primary=True)
    invitation.accepted_at = now()
    invitation.accepted_by = user
    invitation.save(update_fields=["accepted_at", "accepted_by"])
    record(user, "invitation.accepted", invitation, audience=[invitation.organisation], role=user.role)
    if invitation.replaces is not None and invitation.replaces.is_active:
        _close(invitation.replaces, by=invitation.invited_by)
    return user


@action
def replace_admin(user_id: int, *, by: User, email: str, name: str) -> Invitation:
    """The supervisor invites somebody in the place of an administrator who is lost to the organisation.

    The old account is closed when the new one is made, so the organisation is never without one.
    """
    user = User.objects.select_for_update(of=["self"]).select_related("organisation").get(pk=user_id)
    check(by, RULES["replace_admin"], user)
    return send_invitation_to(user.organisation, email=email, name=name, role=user.role, by=by, replaces=user)


@action
def deactivate(user_id: int, *, by: User) -> User:
    """Close an account: its sessions end with the next request."""
    found = User.objects.get(pk=user_id)
    # The organisation is what two administrators who close each other's account both wait for.
    Organisation.objects.select_for_update().get(pk=found.organisation_id)
    user = User.objects.select_for_update(of=["self"]).select_related("organisation").get(pk=user_id)
    check(by, RULES["deactivate"], user)
    if not user.is_active:
        raise Conflict("This account is already closed.")
    # `by` was read before the lock: whoever has just been closed closes nobody.
    if not User.objects.filter(pk=by.pk, is_active=True).exists():
        raise PermissionDenied("Your own account has been closed.")
    last = not User.objects.filter(organisation=user.organisation, role=user.role, is_active=True).exclude(pk=user.pk)
    if user.role in {"company_admin", "supervisor"} and last:
        raise Conflict("This is the last administrator. Invite another first.")
    return _close(user, by=by)


def _close(user: User, *, by: User | None) -> User:
    user.is_active = False
    user.save(update_fields=["is_active"])
    record(by, "user.deactivated", user, audience=[user.organisation_id])
    # Whom they invited into their own organisation does not come in after them.
    pending = Invitation.objects.filter(invited_by=user, organisation_id=user.organisation_id, accepted_at=None)
    for invitation in pending.filter(revoked_at=None, expires_at__gt=now()):
        invitation.revoked_at = now()
        invitation.save(update_fields=["revoked_at"])
        record(by, "invitation.revoked", invitation, audience=[user.organisation_id])
    return user


@action
def add_contact(organisation_id: int, *, by: User, name: str, email: str) -> Contact:
    """Add an address at which the organisation is reached; a copy of every notice goes there."""
    organisation = Organisation.objects.select_for_update().get(pk=organisation_id)
    check(by, RULES["add_contact"], organisation)
    live = organisation.contacts.filter(removed_at__isnull=True).values_list("email", flat=True)
    if mailbox(email) in map(mailbox, live):
        raise Invalid({"email": ["This address is a contact already"]})
    contact = Contact.objects.create(organisation=organisation, name=name, email=email)
    record(by, "contact.added", contact, audience=[organisation])
    return contact


@action
def remove_contact(contact_id: int, *, by: User) -> Contact:
    """Remove a contact; the last two of a verified organisation stay."""
    found = Contact.objects.get(pk=contact_id)
    organisation = Organisation.objects.select_for_update().get(pk=found.organisation_id)
    check(by, RULES["remove_contact"], organisation)
    contact = Contact.objects.get(pk=contact_id)
    if contact.removed_at is not None:
        raise Conflict("This contact has been removed already.")
    if organisation.kind == "company" and live_contacts(organisation, without=contact) < 2:
        raise Conflict("Two live contacts in different mailboxes are needed. Add another before you remove this one.")
    contact.removed_at = now()
    contact.save(update_fields=["removed_at"])
    record(by, "contact.removed", contact, audience=[organisation])
    return contact


def mailbox(email: str) -> str:
    """What tells two addresses apart: neither capitals nor a "+tag" make a second mailbox."""
    local, _, domain = email.strip().lower().rpartition("@")
    return f"{local.split('+')[0]}@{domain}"


def live_contacts(organisation: Organisation, *, without: Contact | None = None) -> int:
    """How many contacts are neither removed nor known to bounce."""
    contacts = organisation.contacts.filter(removed_at__isnull=True, bounced_at__isnull=True)
    return contacts.exclude(pk=without.pk).count() if without else contacts.count()


@action
def set_away(user_id: int, *, by: User, until: date | None) -> User:
    """Say until when one is away, so that deputies and the supervisor see whose cases need cover."""
    user = User.objects.select_for_update(of=["self"]).get(pk=user_id)
    check(by, RULES["set_away"], user)
    if user.pk != by.pk and by.role != "supervisor":
        raise User.DoesNotExist
    user.away_until = until
    user.save(update_fields=["away_until"])
    record(by, "user.away", user, audience=[user.organisation_id], until=until.isoformat() if until else None)
    return user


@action
def note_sign_in(user: User, verb: str, **details: Any) -> None:
    """Put a sign-in, a failed sign-in (`user` is whose account was tried) or a sign-out on record."""
    acting = None if verb == "user.sign_in_failed" else user
    record(acting, verb, user, audience=[user.organisation_id], **details)
