"""A company with a rival, the ministry and the authority around it, and a storage that starts empty."""

from pathlib import Path
from types import SimpleNamespace

import pytest
from pytest_django import Settings


@pytest.fixture
def storage(settings: Settings, tmp_path: Path) -> Path:
    """The folder of the evidence storage, this test's own."""
    folder, temporary = tmp_path / "evidence", tmp_path / "tmp"
    folder.mkdir(mode=0o700)
    temporary.mkdir(mode=0o700)
    default = {**settings.STORAGES["default"]}
    default["OPTIONS"] = {**default["OPTIONS"], "location": str(folder)}
    settings.STORAGES = {**settings.STORAGES, "default": default}
    settings.FILE_UPLOAD_TEMP_DIR = str(temporary)
    return folder


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
