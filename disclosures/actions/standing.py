"""Standing declarations: a person answers, until a day, for what programs file."""

from __future__ import annotations

from collections.abc import Collection
from datetime import UTC, date, datetime, time, timedelta

from accounts.models import User
from accounts.permissions import check
from disclosures.catalogue import DECLARATION_VERSION
from disclosures.models import (
    StandingDeclaration,
)
from disclosures.rules import STANDING_RULES
from ledger.actions import action, record
from ledger.references import next_reference
from ledger.time import LOCAL_ZONE, local_date, now
from web.problems import Invalid

NO_STANDING = "There is no standing declaration in force under this reference"


def standing_of(organisation_id: int, references: Collection[str]) -> dict[str, StandingDeclaration]:
    found = StandingDeclaration.objects.live().filter(organisation_id=organisation_id, reference__in=references)
    return {s.reference: s for s in found.select_related("made_by")}


@action
def declare_standing(*, by: User, name: str, capacity: str, expires_on: date) -> StandingDeclaration:
    """Answer, until the end of a day within a year, for what the organisation's programs file."""
    check(by, STANDING_RULES["declare"])
    today = local_date(now())
    if not today < expires_on <= today + timedelta(days=366):
        raise Invalid({"expires_on": ["Choose a day after today, and within a year"]})
    standing = StandingDeclaration.objects.create(
        reference=next_reference("S"),
        organisation_id=by.organisation_id,
        declaration_version=DECLARATION_VERSION,
        made_by=by,
        name=name,
        capacity=capacity,
        made_at=now(),
        expires_at=datetime.combine(expires_on + timedelta(days=1), time(0), LOCAL_ZONE).astimezone(UTC),
    )
    record(by, "standing.declared", standing, audience=[by.organisation_id], until=standing.expires_at.isoformat())
    return standing


@action
def revoke_standing(standing_id: int, *, by: User) -> StandingDeclaration:
    """Answer no longer for what programs file from now on; what was filed under it stands."""
    standing = StandingDeclaration.objects.select_for_update().get(pk=standing_id)
    check(by, STANDING_RULES["revoke"], standing)
    standing.revoked_at, standing.revoked_by = now(), by
    standing.save(update_fields=["revoked_at", "revoked_by"])
    record(by, "standing.revoked", standing, audience=[standing.organisation_id])
    return standing
