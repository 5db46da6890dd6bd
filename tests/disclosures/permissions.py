"""Two organisations and their people, and an authorisation between them in the state a test needs."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from accounts.models import User
from disclosures.actions import authorisations as act
from disclosures.examples import AUTHORISATION as CONTENT
from disclosures.models import Authorisation
from tests.cast import organisation, person

KESTREL, HARRIER = "Kestrel Models Ltd", "Harrier Analytics plc"


@dataclass
class Sides:
    """`grantor` gives, `grantee` is given; each has a colleague. `rival` and `institute` have no part in it."""

    grantor: User
    colleague: User
    grantee: User
    second: User
    rival: User
    institute: User
    newcomer: User
    caseworker: User
    supervisor: User
    authority: User
    auditor: User


def sides() -> Sides:
    kestrel, harrier = organisation(KESTREL, contacts=2), organisation(HARRIER, contacts=2)
    ministry = organisation("Ministry of Tests", kind="ministry")
    return Sides(
        grantor=person(kestrel, "company_officer"),
        colleague=person(kestrel, "company_admin"),
        grantee=person(harrier, "company_officer"),
        second=person(harrier, "company_admin"),
        rival=person(organisation("Magpie Ltd"), "company_admin"),
        institute=person(organisation("Aspen Institute", kind="partner"), "partner"),
        newcomer=person(organisation("Wren Ltd", state="pending"), "company_admin"),
        caseworker=person(ministry, "caseworker"),
        supervisor=person(ministry, "supervisor"),
        authority=person(organisation("Authority of Tests", kind="authority"), "authority_officer"),
        auditor=person(ministry, "auditor"),
    )


def content(**over: Any) -> dict[str, Any]:
    """A whole authorisation. `over` replaces answers; None leaves one out."""
    return {name: answer for name, answer in {**CONTENT, **over}.items() if answer is not None}


def proposed(s: Sides, **over: Any) -> Authorisation:
    return act.propose(by=s.grantor, grantee=HARRIER, content=content(**over))


def agree(found: Authorisation, by: User, **more: Any) -> Authorisation:
    return act.confirm(found.pk, by=by, name="Kit Rowe", capacity="Head of evaluation", **more)


def confirmed(s: Sides, **over: Any) -> Authorisation:
    return agree(proposed(s, **over), s.grantee)


def amended(found: Authorisation, by: User, **over: Any) -> Authorisation:
    return act.amend(found.pk, by=by, content=content(**over), change="More prompts are needed.")
