"""What can be done to organisations, their people and their invitations."""

from __future__ import annotations

from collections.abc import Collection
from datetime import date, timedelta
from typing import Any

from allauth.account.models import EmailAddress
from django.contrib.auth.password_validation import validate_password
from django.core.exceptions import PermissionDenied, ValidationError
from django.db import IntegrityError, connection, transaction
from django.db.models.functions import Now as DatabaseNow  # noqa: TID251 - see forget_answers
from oauth2_provider.generators import generate_client_secret
from oauth2_provider.models import AccessToken, Application

from accounts.models import Client, Contact, Invitation, KeptAnswer, Organisation, User
from accounts.permissions import check
from accounts.rules import CLIENT_RULES, ROLES_OF_KIND, RULES, SCOPES_OF_KIND, service_role
from ledger.actions import action, record
from ledger.time import now
from web.problems import Conflict, Invalid

INVITATION_DAYS = 7


@action
def request_account(
    *,
    name: str,
    company_number: str,
    nation: str,
    address: str,
    person: str,
    email: str,
    second_name: str,
    second_email: str,
) -> Organisation:
    """A company asks for an account: it may draft at once, and submit once the ministry has verified it.

    The answer is the same whether or not the address is known here; the letter to that address says which.
    Raises Invalid when the two contacts share a mailbox.
    """
    if mailbox(email) == mailbox(second_email):
        raise Invalid({"second_email": ["The second contact must have a different e-mail address from the first"]})
    organisation = Organisation.objects.create(
        name=name, kind="company", company_number=company_number, nation=nation, address=address
    )
    Contact.objects.bulk_create(
        [
            Contact(organisation=organisation, name=person, email=email),
            Contact(organisation=organisation, name=second_name, email=second_email),
        ]
    )
    _invite(organisation, email=email, name=person, role="company_admin", by=None)
    record(None, "organisation.requested", organisation, audience=[organisation])
    return organisation


@action
def verify(organisation_id: int, *, by: User) -> Organisation:
    """The ministry has checked that the company is who it says it is; from now on it may submit."""
    organisation = Organisation.objects.select_for_update().get(pk=organisation_id)
    check(by, RULES["verify"], organisation)
    if live_contacts(organisation) < 2:
        raise Conflict("Two live contacts in different mailboxes are needed before this organisation can be verified.")
    return _decide(organisation, by, "verified", "")


@action
def refuse(organisation_id: int, *, by: User, reason: str) -> Organisation:
    """The ministry does not verify the organisation; its drafts stay, nothing can be submitted."""
    organisation = Organisation.objects.select_for_update().get(pk=organisation_id)
    check(by, RULES["refuse"], organisation)
    return _decide(organisation, by, "refused", reason)


def _decide(organisation: Organisation, by: User, state: str, reason: str) -> Organisation:
    organisation.state = state
    organisation.decided_at = now()
    organisation.decided_by = by
    organisation.decision_reason = reason
    organisation.save(update_fields=["state", "decided_at", "decided_by", "decision_reason"])
    record(by, f"organisation.{state}", organisation, audience=[organisation])
    return organisation


@action
def found_ministry(*, name: str, person: str, email: str) -> Invitation:
    """The very first step on a new platform: make the ministry and invite its first supervisor. Once only."""
    if Organisation.objects.filter(kind="ministry").exists():
        raise Conflict("The ministry exists already. Its supervisors invite colleagues.")
    ministry = Organisation.objects.create(
        name=name, kind="ministry", nation="england", state="verified", decided_at=now(), created_at=now()
    )
    record(None, "organisation.registered", ministry, audience=[ministry], kind="ministry")
    return _invite(ministry, email=email, name=person, role="supervisor", by=None)


@action
def register(*, by: User, name: str, kind: str, nation: str, address: str, person: str, email: str) -> Organisation:
    """The supervisor registers the authority, a partner or a company, and invites its first member."""
    check(by, RULES["register"])
    if kind == "ministry":
        raise Invalid({"kind": ["The ministry is registered already"]})
    organisation = Organisation.objects.create(
        name=name, kind=kind, nation=nation, address=address, state="verified", decided_at=now(), decided_by=by
    )
    Contact.objects.create(organisation=organisation, name=person, email=email)
    role = ROLES_OF_KIND[kind][-1] if kind == "company" else ROLES_OF_KIND[kind][0]
    _invite(organisation, email=email, name=person, role=role, by=by)
    record(by, "organisation.registered", organisation, audience=[organisation], kind=kind)
    return organisation


@action
def invite(organisation_id: int, *, by: User, email: str, name: str, role: str) -> Invitation:
    """Send somebody a signed link, good for seven days, to make an account in the organisation."""
    organisation = Organisation.objects.select_for_update().get(pk=organisation_id)
    check(by, RULES["invite"], organisation)
    if role not in ROLES_OF_KIND[organisation.kind]:
        raise Invalid({"role": ["Choose a role that exists in this organisation"]})
    return _invite(organisation, email=email, name=name, role=role, by=by)


def _invite(
    organisation: Organisation, *, email: str, name: str, role: str, by: User | None, replaces: User | None = None
) -> Invitation:
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
    return _invite(user.organisation, email=email, name=name, role=user.role, by=by, replaces=user)


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


# --- Machines ----------------------------------------------------------------------------------------------------------
@action
def make_client(organisation_id: int, *, by: User, name: str, scopes: Collection[str]) -> tuple[Client, str]:
    """Make API credentials for an organisation; answers the client and its secret, which is kept as a hash only.

    The client acts as a service user of the organisation. Raises Invalid for scopes that its kind cannot have.
    """
    organisation = Organisation.objects.select_for_update().get(pk=organisation_id)
    check(by, CLIENT_RULES["create"], organisation)
    if not scopes or not set(scopes) <= set(SCOPES_OF_KIND[organisation.kind]):
        raise Invalid({"scopes": ["Choose what it may do"]})
    secret, instant = generate_client_secret(), now()
    application = Application.objects.create(
        name=name,
        client_type=Application.CLIENT_CONFIDENTIAL,
        authorization_grant_type=Application.GRANT_CLIENT_CREDENTIALS,
        client_secret=secret,
    )
    user = User(
        # `invalid` is reserved (RFC 2606): no letter can ever go there.
        email=f"{application.client_id.lower()}@client.invalid",
        name=name,
        role=service_role(organisation.kind, scopes),
        organisation=organisation,
        is_service=True,
        created_at=instant,
    )
    user.set_unusable_password()
    user.save()
    client = Client.objects.create(
        application=application, user=user, scopes=sorted(scopes), created_by=by, created_at=instant
    )
    record(by, "client.made", client, audience=[organisation], scopes=client.scopes)
    return client, secret


@action
def rotate_client(client_id: int, *, by: User) -> tuple[Client, str]:
    """Give a client a new secret. The old one, and every token that was had with it, ends at once."""
    client = Client.objects.select_for_update(of=["self"]).select_related("user", "application").get(pk=client_id)
    check(by, CLIENT_RULES["rotate"], client)
    secret = _new_secret(client)
    client.rotated_at = now()
    client.save(update_fields=["rotated_at"])
    record(by, "client.rotated", client, audience=[client.ledger_root])
    return client, secret


@action
def revoke_client(client_id: int, *, by: User) -> Client:
    """Close a client: its next request is refused."""
    client = Client.objects.select_for_update(of=["self"]).select_related("user", "application").get(pk=client_id)
    check(by, CLIENT_RULES["revoke"], client)
    client.revoked_at, client.user.is_active = now(), False
    client.save(update_fields=["revoked_at"])
    client.user.save(update_fields=["is_active"])
    _new_secret(client)  # which nobody is told: the old one gets no token either
    record(by, "client.revoked", client, audience=[client.ledger_root])
    return client


def _new_secret(client: Client) -> str:
    secret: str = generate_client_secret()
    client.application.client_secret = secret
    client.application.save(update_fields=["client_secret"])
    AccessToken.objects.filter(application=client.application).delete()
    return secret


@action
def note_token(client_id: int) -> Client:
    """Put on record that a client signed in, that is, was given a token."""
    client = Client.objects.select_related("user").get(pk=client_id)
    record(client.user, "client.signed_in", client, audience=[client.ledger_root])
    return client


ANSWERS_ARE_KEPT = timedelta(days=30)


@action
def forget_answers() -> int:
    """Forget what was kept for retries for longer than 30 days, and tokens that are out of date; answers how many."""
    answers, _ = KeptAnswer.objects.filter(at__lt=now() - ANSWERS_ARE_KEPT).delete()
    # Tokens are stamped by the machine's clock, also in the sandbox: by its own clock, moved on by a fortnight, tokens that
    # are still good would be forgotten.
    tokens, _ = AccessToken.objects.filter(expires__lt=DatabaseNow() - timedelta(days=1)).delete()
    with connection.cursor() as cursor:
        cursor.execute("DELETE FROM cache WHERE expires < now()")
    return answers + tokens
