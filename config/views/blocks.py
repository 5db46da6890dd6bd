"""A first page is a list of blocks: a heading, rows that lead somewhere, and what to say when there are none."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

SHOWN = 15


@dataclass(frozen=True)
class Row:
    """One thing to do or to look at. `due` is an instant, shown as a last day with the days left."""

    title: str
    href: str = ""
    text: str = ""
    due: datetime | None = None
    label: str = "Last day"


@dataclass(frozen=True)
class Block:
    """One group of rows; `more` is where all of them are."""

    title: str
    empty: str
    rows: list[Row] = field(default_factory=list)
    more: str = ""


def block(title: str, empty: str, rows: Iterable[Row], *, more: str = "") -> Block:
    return Block(title, empty, list(rows), more)


def first(queryset: Any) -> Any:
    """The rows that a first page shows of a queryset."""
    return queryset[:SHOWN]
