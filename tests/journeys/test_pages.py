"""Every page that answers somebody, on a wide and on a narrow screen."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from django.urls import reverse

from ledger.time import standing_at
from tests.access_matrix import MATRIX
from tests.access_world import TODAY, Everything, args_of, everything
from tests.journeys.visitor import Visitor

ACTORS = ("anonymous", "owner", "rival", "stranger", "caseworker", "supervisor", "authority", "auditor")
# What is not a page to look at.
NOT_PAGES = {
    "evidence_download": "a download",
    "service_proof": "a download",
    "filing_receipt_pdf": "a download",
}
CHUNKS = 4


def pages() -> list[tuple[str, str]]:
    """Each address that gives a page to somebody, with the first who gets one."""
    found = []
    for name, methods in MATRIX.items():
        answers = dict(zip(ACTORS, methods["GET"].split(), strict=True))
        who = next((actor for actor, status in answers.items() if status == "200"), None)
        if who is not None and name not in NOT_PAGES:
            found.append((name, who))
    return found


@pytest.fixture
def e(transactional_db: None, settings: Any) -> Iterator[Everything]:
    settings.SECOND_FACTOR_REQUIRED = False
    made = everything()
    with standing_at(TODAY):
        yield made


@pytest.mark.parametrize("chunk", range(CHUNKS))
def test_every_page_passes_axe_on_a_wide_and_on_a_narrow_screen(enter: Any, e: Everything, chunk: int) -> None:
    visitors: dict[tuple[str, int], Visitor] = {}
    wrong = []
    for name, who in pages()[chunk::CHUNKS]:
        for width in (1280, 320):
            if (who, width) not in visitors:
                visitors[who, width] = enter(e.actors()[who], width=width)
            visitor = visitors[who, width]
            try:
                visitor.go(reverse(name, args=args_of(e, name)))
                assert visitor.status == 200, visitor.status
            except AssertionError as error:
                wrong.append(f"{name} as {who} at {width}: {error}")
                visitor.problems.clear()
    assert not wrong, "\n".join(wrong)
