"""The queue's addresses: whatever stands in them, a page is the answer."""

from __future__ import annotations

import pytest

from tests.cases.world import World, open_case, world
from tests.cast import signed_in

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def w() -> World:
    return world()


@pytest.mark.parametrize("after", ["²", "9" * 5000, "-1", "x", "2026-10-19T23:00:00+00:00_²", "2026-10-19T23:00:00_1"])
@pytest.mark.parametrize("show", ["all", "ended"])
def test_absurd_cursor_starts_at_the_beginning(w: World, show: str, after: str) -> None:
    case = open_case(w)
    page = signed_in(w.caseworker).get("/cases/", {"show": show, "after": after})
    assert page.status_code == 200
    assert (case.reference in page.content.decode()) == (show == "all")
    assert signed_in(w.auditor).get("/events/", {"before": after}).status_code == 200
