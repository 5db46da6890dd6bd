"""Declared disclosures beside a log: which are asked about, what is kept, and a person's last word on a gap.

Of feeds, which are asked about is in `monitoring.actions.comparing_feeds`; the rest is the same.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from django.db import models

from accounts.models import User
from accounts.permissions import check
from disclosures.models import FilingVersion
from ledger.actions import action, record
from ledger.time import local_date, now
from monitoring.declared import Declared, compared
from monitoring.models import Analysis, Comparison
from monitoring.rules import COMPARISON_RULES
from web.problems import Invalid

# By reference, a declared version and what it says of its volume.
Asked = dict[str, tuple[FilingVersion, Declared]]
AT_MOST = 2000  # disclosures that one log is compared with, the latest


def declared_by_others(analysis: Analysis) -> Asked:
    """By reference the latest declared version of each disclosure that stands and is not the log's owner's own."""
    found = {}
    for version in latest_of_others(analysis.item.organisation_id)[:AT_MOST]:
        said = read_version(version)
        if said is not None:
            found[said.reference] = version, said
    return found


def latest_of_others(organisation_id: int) -> models.QuerySet[FilingVersion]:
    """The latest declared version of each disclosure that stands and is not the organisation's own, newest filing first."""
    return (
        FilingVersion.objects.filter(filing__kind="disclosure", filing__state__in=["submitted", "accepted"])
        .exclude(filing__organisation_id=organisation_id)
        .select_related("filing")
        .order_by("-filing", "-number")
        .distinct("filing")
    )


def read_version(version: FilingVersion) -> Declared | None:
    """What a declared version says of its volume; None where it names no first day."""
    return Declared.read(version.filing.reference, version.content, local_date(version.declared_at))


def keep_comparisons(analysis: Analysis, asked: Asked, counts: Iterable[dict[str, Any]]) -> None:
    """Keep what came of it: a shared step of the action that ends the analysis."""
    for counted in counts:
        version, said = asked[counted["reference"]]
        result = compared(said, counted, analysis.item.organisation.name)
        if result is not None:
            keep_comparison(Comparison(analysis=analysis, version=version, result=result))


def keep_comparison(row: Comparison) -> None:
    """Keep one comparison, as a gap that waits or as a note: a shared step of actions."""
    rule = COMPARISON_RULES["open_gap" if row.result["gap"] else "note_comparison"]
    check(None, rule)
    row.state, row.at = rule.after, now()
    row.save(force_insert=True)
    # For the ministry alone: neither side learns that the other's figures were looked at.
    record(
        None,
        "evidence.compared" if row.feed_id is None else "feed.compared",
        row.ledger_root,
        audience=[],
        comparison=row.pk,
        gap=row.result["gap"],
    )


@action
def dismiss_gap(comparison_id: int, *, by: User, reason: str) -> Comparison:
    """A person has looked at a gap, and says why nothing more is needed. Raises Invalid without a reason."""
    rows = Comparison.objects.select_for_update(of=("self",)).select_related("analysis__item", "feed")
    row = rows.get(pk=comparison_id)
    check(by, COMPARISON_RULES["dismiss_gap"], row)
    if not reason.strip():
        raise Invalid({"reason": ["Say why"]})
    row.state, row.closed_at, row.closed_by, row.reason = "dismissed", now(), by, reason.strip()
    row.save(update_fields=["state", "closed_at", "closed_by", "reason"])
    record(
        by,
        "evidence.gap_dismissed" if row.feed_id is None else "feed.gap_dismissed",
        row.ledger_root,
        audience=[],
        comparison=row.pk,
    )
    return row
