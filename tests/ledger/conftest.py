"""The owner's hand, where a test needs it."""

from __future__ import annotations

import os
from collections.abc import Callable

import psycopg
import pytest


@pytest.fixture
def owner_analyses(transactional_db: None) -> Callable[[], None]:
    """Bring the planner's statistics up to date, as autovacuum does: only the owner of a table may."""

    def analyse() -> None:
        with psycopg.connect(os.environ["DATABASE_OWNER_URL"], autocommit=True) as owner:
            owner.execute("VACUUM ANALYZE ledger_event, ledger_place")

    return analyse
