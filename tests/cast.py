"""People and organisations for tests: made quickly, with a stranger to every case and something to leak."""

from __future__ import annotations

from typing import Any

from allauth.account.models import EmailAddress

from accounts.models import Contact, Organisation, User
from config import story
from evidence.models import EvidenceItem
from ledger.time import now

PASSWORD = "correct-horse-battery-9"


def organisation(
    name: str, kind: str = "company", state: str = "verified", nation: str = "england", *, contacts: int = 0
) -> Organisation:
    """An organisation; `contacts` gives it that many live contacts in different mailboxes."""
    decided = None if state == "pending" else now()
    made = Organisation.objects.create(name=name, kind=kind, state=state, nation=nation, decided_at=decided)
    Contact.objects.bulk_create(
        Contact(organisation=made, name=f"Contact {n}", email=f"contact{n}@{_domain(made)}") for n in range(contacts)
    )
    return made


def person(org: Organisation, role: str, email: str | None = None) -> User:
    """Somebody able to sign in with PASSWORD."""
    number = org.people.count() + 1
    user = User(email=email or f"{role}{number}@{_domain(org)}", name=f"{role} {number} of {org}", role=role, organisation=org)
    user.set_password(PASSWORD)
    user.save()
    EmailAddress.objects.create(user=user, email=user.email, verified=True, primary=True)
    return user


def _domain(org: Organisation) -> str:
    return f"org{org.pk}.example"


def evidence_item(by: User, title: str = "Gateway log", **over: Any) -> EvidenceItem:
    """An item through the real action, with a small in-memory file."""
    return story.give_evidence(by, title, **over)
