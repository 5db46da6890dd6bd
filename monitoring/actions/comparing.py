"""Declared disclosures beside a log: which are asked about, what is kept, and a person's last word on a gap."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

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
    versions = (
        FilingVersion.objects.filter(filing__kind="disclosure", filing__state__in=["submitted", "accepted"])
        .exclude(filing__organisation_id=analysis.item.organisation_id)
        .select_related("filing")
        .order_by("-filing", "-number")
        .distinct("filing")[:AT_MOST]
    )
    found = {}
    for version in versions:
        said = Declared.read(version.filing.reference, version.content, local_date(version.declared_at))
        if said is not None:
            found[said.reference] = version, said
    return found


def keep_comparisons(analysis: Analysis, asked: Asked, counts: Iterable[dict[str, Any]]) -> None:
    """Keep what came of it: a shared step of the action that ends the analysis."""
    for counted in counts:
        version, said = asked[counted["reference"]]
        result = compared(said, counted, analysis.item.organisation.name)
        if result is None:
            continue
        rule = COMPARISON_RULES["open_gap" if result["gap"] else "note_comparison"]
        check(None, rule)
        row = Comparison.objects.create(analysis=analysis, version=version, result=result, state=rule.after, at=now())
        # For the ministry alone: neither side learns that the other's figures were looked at.
        record(None, "evidence.compared", analysis.item, audience=[], comparison=row.pk, gap=result["gap"])


@action
def dismiss_gap(comparison_id: int, *, by: User, reason: str) -> Comparison:
    """A person has looked at a gap, and says why nothing more is needed. Raises Invalid without a reason."""
    row = Comparison.objects.select_for_update(of=("self",)).select_related("analysis__item").get(pk=comparison_id)
    check(by, COMPARISON_RULES["dismiss_gap"], row)
    if not reason.strip():
        raise Invalid({"reason": ["Say why"]})
    row.state, row.closed_at, row.closed_by, row.reason = "dismissed", now(), by, reason.strip()
    row.save(update_fields=["state", "closed_at", "closed_by", "reason"])
    record(by, "evidence.gap_dismissed", row.analysis.item, audience=[], comparison=row.pk)
    return row
