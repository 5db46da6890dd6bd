"""What can be done to organisations: how one comes to have an account, and how it loses it and has it again."""

from __future__ import annotations

from accounts.actions.people import live_contacts, mailbox, send_invitation_to
from accounts.models import Contact, Invitation, Organisation, OrganisationDecision, User
from accounts.permissions import check
from accounts.rules import ROLES_OF_KIND, RULES
from ledger.actions import action, record
from ledger.time import now
from web.problems import Conflict, Invalid


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
    send_invitation_to(organisation, email=email, name=person, role="company_admin", by=None)
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


@action
def suspend(organisation_id: int, *, by: User, reason: str) -> Organisation:
    """Shut an organisation out: from the next request on, neither its people nor its programs can do anything here.

    What it filed stays, and what runs against it runs on; a notice to it is served in doubt, as nobody can read it.
    """
    organisation = Organisation.objects.select_for_update().get(pk=organisation_id)
    check(by, RULES["suspend"], organisation)
    return _decide(organisation, by, RULES["suspend"].after, reason)


@action
def restore(organisation_id: int, *, by: User, reason: str) -> Organisation:
    """Let a suspended organisation in again."""
    organisation = Organisation.objects.select_for_update().get(pk=organisation_id)
    check(by, RULES["restore"], organisation)
    return _decide(organisation, by, RULES["restore"].after, reason, verb="restored")


def _decide(organisation: Organisation, by: User, state: str, reason: str, *, verb: str = "") -> Organisation:
    organisation.state = state
    organisation.decided_at = now()
    organisation.decided_by = by
    organisation.decision_reason = reason
    organisation.save(update_fields=["state", "decided_at", "decided_by", "decision_reason"])
    OrganisationDecision.objects.create(
        organisation=organisation, state=state, reason=reason, by=by, at=organisation.decided_at
    )
    record(by, f"organisation.{verb or state}", organisation, audience=[organisation])
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
    return send_invitation_to(ministry, email=email, name=person, role="supervisor", by=None)


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
    send_invitation_to(organisation, email=email, name=person, role=role, by=by)
    record(by, "organisation.registered", organisation, audience=[organisation], kind=kind)
    return organisation
