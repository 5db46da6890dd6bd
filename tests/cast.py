"""People and organisations for tests: made quickly, with a stranger to every case and something to leak."""

from __future__ import annotations

import time
from datetime import date
from typing import Any

from allauth.account.models import EmailAddress
from allauth.mfa.totp.internal.auth import TOTP, format_hotp_value, hotp_value, yield_hotp_counters_from_time
from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import Client

from accounts.models import Contact, Organisation, User
from evidence import actions as evidence
from evidence.models import EvidenceItem
from ledger.time import now

PASSWORD = "correct-horse-battery-9"
PERIOD = 30  # seconds for which a code is shown
TOTP_SECRET = "JBSWY3DPEHPK3PXPJBSWY3DPEHPK3PXP"


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


def person(org: Organisation, role: str, email: str | None = None, *, second_factor: bool = True) -> User:
    """Somebody able to sign in with PASSWORD and, where the role asks for it, a second factor (see `code`)."""
    number = org.people.count() + 1
    address = email or f"{role}{number}@{_domain(org)}"
    user = User(email=address, name=f"{role} {number} of {org}", role=role, organisation=org)
    user.set_password(PASSWORD)
    user.save()
    EmailAddress.objects.create(user=user, email=user.email, verified=True, primary=True)
    if second_factor and user.needs_second_factor:
        TOTP.activate(user, TOTP_SECRET)
    return user


def code(secret: str = TOTP_SECRET) -> str:
    """What the authenticator app of everybody in the cast shows now. allauth takes a code once.

    A code that is about to go out of date is waited for: it would be refused by the time a page has been sent.
    """
    left = PERIOD - now().timestamp() % PERIOD
    if left < 4:
        time.sleep(left)
    return format_hotp_value(hotp_value(secret, next(yield_hotp_counters_from_time())))


def signed_in(user: User) -> Client:
    """A browser in which somebody has signed in."""
    client = Client()
    client.force_login(user)
    return client


def _domain(org: Organisation) -> str:
    return f"org{org.pk}.example"


# Every custody field of an item of evidence, as the action takes it.
CUSTODY: dict[str, Any] = {
    "kind": "access_log",
    "relevance": "Shows the requests of one account, minute by minute.",
    "source_system": "API gateway",
    "collected_by": "A. Archivist",
    "collected_on": date(2026, 3, 2),
    "collection_method": "Exported by query",
    "original_retained_where": "Log store, hold set",
    "time_source": "UTC by NTP",
    "sampling": "None",
    "pseudonymisation": "None",
    "personal_data": False,
    "collector_declares": True,
    "limb": "commercial",
    "confidentiality_reason": "Volumes by account show rivals what customers buy.",
}


def a_file(name: str = "usage.csv", content: bytes = b"minute,requests\n1,412\n") -> SimpleUploadedFile:
    """A small file that the intake takes."""
    return SimpleUploadedFile(name, content)


def evidence_item(by: User, title: str = "Gateway log", *, public: bool = True, **over: Any) -> EvidenceItem:
    """An item through the real action, with small in-memory files; `over` replaces single fields."""
    fields = {**CUSTODY, "title": title, "file": a_file(), "received_at": now(), **over}
    if public:
        fields.setdefault("public_file", a_file("public.csv", b"minute,requests\n1,hundreds\n"))
    else:
        fields.setdefault("no_public_version_because", "Without the figures nothing is left to show.")
    return evidence.add(by=by, **fields)
