"""What companies put on record: filings with their versions, the scheme under which they are made, authorisations."""

from disclosures.models.authorisation import (
    Authorisation,
    AuthorisationAnswer,
    AuthorisationBarrier,
    AuthorisationQuerySet,
    AuthorisationVersion,
)
from disclosures.models.filing import (
    Filing,
    FilingBarrier,
    FilingEvidence,
    FilingGrant,
    FilingQuerySet,
    FilingReview,
    FilingSection,
    FilingVersion,
    FollowUp,
    Scheme,
    StandingDeclaration,
    amended_version,
)

__all__ = [
    "Authorisation",
    "AuthorisationAnswer",
    "AuthorisationBarrier",
    "AuthorisationQuerySet",
    "AuthorisationVersion",
    "Filing",
    "FilingBarrier",
    "FilingEvidence",
    "FilingGrant",
    "FilingQuerySet",
    "FilingReview",
    "FilingSection",
    "FilingVersion",
    "FollowUp",
    "Scheme",
    "StandingDeclaration",
    "amended_version",
]
