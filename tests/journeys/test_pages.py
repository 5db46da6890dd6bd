"""Every page that answers somebody, on a wide and on a narrow screen."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from ledger.time import standing_at
from tests.access_matrix import MATRIX
from tests.access_world import TODAY, Everything, args_of, everything

ACTORS = ("anonymous", "owner", "rival", "stranger", "caseworker", "supervisor", "authority", "auditor")
# What is not a page to look at: files and JSON.
NOT_PAGES = {
    "analysis_json",
    "analysis_csv",
    "analysis_pdf",
    "analysis_authorisations",
    "evidence_download",
    "service_proof",
    "filing_receipt_pdf",
    "mfa_download_recovery_codes",
    "health",
} | {name for name in MATRIX if name.startswith("api_") and name != "api_docs"}
# What gives nobody a page in the state of things that the matrix is tried on, and the journey that gets there.
ELSEWHERE = {
    "filing_acknowledge": "test_ministry",
    "filing_admit": "test_ministry",
    "filing_want_more": "test_company",
    "filing_reject": "test_company",
    "case_publish": "test_supervisor",
    "alert_take": "test_monitoring",
    "organisation_restore": "test_supervisor",
    "mfa_authenticate": "test_second_factor",
    "mfa_activate_totp": "test_second_factor",
    "mfa_deactivate_totp": "test_second_factor",
    "mfa_view_recovery_codes": "test_second_factor",
    "mfa_generate_recovery_codes": "test_second_factor",
    "mfa_add_webauthn": "test_second_factor",
    "mfa_edit_webauthn": "test_second_factor",
    "mfa_remove_webauthn": "test_second_factor",
    "mfa_reauthenticate_webauthn": "test_second_factor",
    "mfa_login_webauthn": "a script fetches it: test_second_factor",
    "demo_mail": "test_pages",
    "demo_message": "test_pages",
    "demo_invitation": "test_pages",
}
CHUNKS = 4
WIDE, NARROW = {"width": 1280, "height": 900}, {"width": 320, "height": 900}


def pages() -> list[tuple[str, str]]:
    """Each address that gives a page to somebody, with the first who gets one."""
    found = []
    for name, methods in MATRIX.items():
        answers = dict(zip(ACTORS, methods["GET"].split(), strict=True))
        who = next((actor for actor, status in answers.items() if status == "200"), None)
        if who is not None and name not in NOT_PAGES:
            found.append((name, who))
    return found


def test_every_address_is_looked_at_somewhere() -> None:
    looked_at = {name for name, _ in pages()}
    for_forms_only = {n for n, m in MATRIX.items() if set(m["GET"].split()) <= {"302", "405"} and "405" in m["GET"]}
    assert set(MATRIX) == looked_at | for_forms_only | NOT_PAGES | set(ELSEWHERE)
    assert not looked_at & (NOT_PAGES | set(ELSEWHERE))


def test_the_pages_of_a_demonstration_pass_axe(enter: Any, e: Everything, settings: Any) -> None:
    settings.DEMO = True
    visitor = enter(width=320)
    for name in ("home", "demo_mail", "demo_message", "demo_invitation"):
        visitor.go(name, *args_of(e, name))
        assert visitor.status == 200, name


@pytest.fixture
def e(transactional_db: None, settings: Any) -> Iterator[Everything]:
    settings.SECOND_FACTOR_REQUIRED = False
    made = everything()
    with standing_at(TODAY):
        yield made


@pytest.mark.parametrize("chunk", range(CHUNKS))
def test_every_page_passes_axe_on_a_wide_and_on_a_narrow_screen(enter: Any, e: Everything, chunk: int) -> None:
    visitor, signed_in, wrong = enter(), "anonymous", []
    for who, name in sorted((who, name) for name, who in pages()[chunk::CHUNKS]):
        if who != signed_in:
            visitor.is_already(e.actors()[who])
            signed_in = who
        try:
            visitor.go(name, *args_of(e, name))
            assert visitor.status == 200, visitor.status
            visitor.page.set_viewport_size(NARROW)
            visitor.look()
        except AssertionError as error:
            wrong.append(f"{name} as {who}: {error}")
            visitor.problems.clear()
        visitor.page.set_viewport_size(WIDE)
    assert not wrong, "\n".join(wrong)
