"""A company with a rival, the ministry and the authority around it."""

from pathlib import Path
from types import SimpleNamespace

import pytest


@pytest.fixture
def world(db: None, storage: Path) -> SimpleNamespace:
    """Everybody who may or may not meet an item."""
    from tests import cast

    company, rival = cast.organisation("Kestrel Data Ltd"), cast.organisation("Merlin Ltd")
    ministry = cast.organisation("Ministry", "ministry")
    authority = cast.organisation("Open Markets Authority", "authority")
    return SimpleNamespace(
        company=company,
        rival=rival,
        authority=authority,
        officer=cast.person(company, "company_officer"),
        colleague=cast.person(company, "company_admin"),
        rival_officer=cast.person(rival, "company_officer"),
        caseworker=cast.person(ministry, "caseworker"),
        supervisor=cast.person(ministry, "supervisor"),
        auditor=cast.person(ministry, "auditor"),
        authority_officer=cast.person(authority, "authority_officer"),
    )
