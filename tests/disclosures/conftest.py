"""Fixtures of these tests. Nothing of Django is imported here: this is read before the settings can be."""

from typing import Any

import pytest


@pytest.fixture(autouse=True)
def no_second_factor(settings: Any) -> None:
    """What is looked at here lies behind sign-in; the second factor has tests of its own."""
    settings.SECOND_FACTOR_REQUIRED = False


@pytest.fixture
def people(db: None) -> Any:
    from tests.disclosures.people import cast

    return cast()
