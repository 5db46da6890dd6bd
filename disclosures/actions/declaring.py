"""Declaring: a filing's content is frozen as a version with a hash, under a person's declaration."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.core.exceptions import PermissionDenied
from django.urls import reverse

from accounts.models import User
from accounts.permissions import check
from disclosures.actions.filing import declarable, missing, named_evidence, state_after
from disclosures.actions.standing import NO_STANDING, standing_of
from disclosures.catalogue import DECLARATION_VERSION, SCHEMAS
from disclosures.models import (
    Filing,
    FilingEvidence,
    FilingVersion,
    FollowUp,
    StandingDeclaration,
    amended_version,
)
from disclosures.rules import RULES
from disclosures.schema import changes, follow_ups
from evidence.actions import hand_in, wall_off
from evidence.models import EvidenceItem
from ledger.actions import Entry, action, record_many
from ledger.digests import digest
from ledger.rows import insert_many
from ledger.time import now
from notifications.actions import tell
from web.problems import Conflict, Invalid


@action
def submit(
    filing_id: int, *, by: User, name: str, capacity: str, received_at: datetime, seen: str | None = None
) -> Filing:
    """Make the declaration and hand the filing in: its content is frozen as a version with a hash.

    `received_at` is when the last byte of the declaration arrived. `seen` is the digest of what the declarer was shown:
    nobody declares what a colleague changed meanwhile. Raises Invalid while sections are incomplete.
    """
    filing = Filing.objects.select_for_update().get(pk=filing_id)
    check(by, RULES[filing.kind]["submit"], filing)
    if by.is_service:
        raise PermissionDenied("A program declares by a standing declaration, which a person has made in the browser.")
    content = _whole(filing)
    if seen is not None and seen != digest(content):
        raise Conflict("A colleague has changed this filing since you checked it. Check it again before you declare.")
    declare_all([(filing, content)], Maker(by, name, capacity), by=by, received_at=received_at)
    return filing


@action
def submit_standing(filing_id: int, *, by: User, standing_declaration: str, received_at: datetime) -> Filing:
    """Hand a filing in under a standing declaration: for programs. Raises Invalid beside what is missing."""
    filing = Filing.objects.select_for_update().get(pk=filing_id)
    check(by, RULES[filing.kind]["submit"], filing)
    standing = standing_of(filing.organisation_id, {standing_declaration}).get(standing_declaration)
    if standing is None:
        raise Invalid({"standing_declaration": [NO_STANDING]})
    declare_all([(filing, _whole(filing))], Maker.of(standing), by=by, received_at=received_at)
    return filing


def _whole(filing: Filing) -> dict[str, Any]:
    if missing(filing):
        raise Invalid({"": ["Some sections are not complete. Complete them before you declare"]})
    return declarable(filing)


@dataclass(frozen=True)
class Maker:
    """Who declares: a person at the page, or the person of a standing declaration."""

    person: User
    name: str
    capacity: str
    standing: StandingDeclaration | None = None

    @classmethod
    def of(cls, standing: StandingDeclaration) -> Maker:
        return cls(standing.made_by, standing.name, standing.capacity, standing)


def declare_all(
    handed: Sequence[tuple[Filing, dict[str, Any]]], maker: Maker, *, by: User, received_at: datetime
) -> None:
    """Freeze the content of filings of one kind and organisation as versions; a shared step, they are locked or new."""
    if not handed:
        return
    kind, organisation_id = handed[0][0].kind, handed[0][0].organisation_id
    after = state_after(RULES[kind]["submit"])
    versions = insert_many(_version(filing, content, maker, received_at) for filing, content in handed)
    drafts = [filing for filing, _ in handed if filing.state != after]
    for filing in drafts:
        filing.state, filing.submitted_at = after, received_at
    if drafts:
        Filing.objects.filter(pk__in=[f.pk for f in drafts]).update(state=after, submitted_at=received_at)
    _link_evidence(handed, by=by, at=received_at)
    _promise(versions)
    details = {"standing": maker.standing.reference} if maker.standing else {}
    record_many(
        [
            Entry(
                f"{kind}.submitted",
                version.filing,
                {"version": version.number, "sha256": version.sha256, **details},
                [organisation_id],
                received_at,
                by,
            )
            for version in versions
        ]
    )
    _tell_of_receipt(versions, received_at)


def _version(filing: Filing, content: dict[str, Any], maker: Maker, received_at: datetime) -> FilingVersion:
    # What was declared before is a returned filing, or an amendment; of others nobody needs to look.
    new = filing.state not in {"returned", "more_wanted"} and filing.amends_id is None
    number = 1 if new else filing.versions.count() + 1
    previous = None if new else filing.versions.order_by("-number").first() or amended_version(filing)
    return FilingVersion(
        filing=filing,
        number=number,
        schema_version=SCHEMAS[filing.kind].version,
        content=content,
        sha256=digest(content),
        declaration_version=maker.standing.declaration_version if maker.standing else DECLARATION_VERSION,
        declared_by_id=maker.person.pk,
        declared_name=maker.name,
        declared_capacity=maker.capacity,
        standing_declaration_id=maker.standing.pk if maker.standing else None,
        declared_at=now(),
        received_at=received_at,
        changed_fields=changes(previous.content, content) if previous else [],
    )


def _tell_of_receipt(versions: Sequence[FilingVersion], received_at: datetime) -> None:
    first = versions[0]
    filing, said = first.filing, {"kind": first.filing.get_kind_display().lower()}
    if len(versions) > 1:
        tell(
            "filings_received",
            filing,
            organisations=[filing.organisation_id],
            url=reverse(f"{filing.kind}s"),
            count=len(versions),
            first=filing.reference,
            last=versions[-1].filing.reference,
            received_at=received_at.isoformat(),
            **said,
        )
        return
    tell(
        "filing_receipt",
        filing,
        organisations=[filing.organisation_id],
        url=reverse("filing_receipt", args=[filing.reference]),
        reference=filing.reference,
        sha256=first.sha256,
        received_at=received_at.isoformat(),
        **said,
    )


def _link_evidence(handed: Sequence[tuple[Filing, dict[str, Any]]], *, by: User, at: datetime) -> None:
    named = [(filing, named_evidence(filing.kind, content)) for filing, content in handed]
    wanted = {reference for _, references in named for reference in references}
    if not wanted:
        return
    own = EvidenceItem.objects.filter(organisation_id=handed[0][0].organisation_id, reference__in=wanted).order_by("pk")
    items = {item.reference: item for item in own}
    links = [(filing, items[ref]) for filing, references in named for ref in references if ref in items]
    FilingEvidence.objects.bulk_create([FilingEvidence(filing=f, item=i) for f, i in links], ignore_conflicts=True)
    hand_in(items.values(), by=by, at=at)
    for filing, _ in handed:
        if filing.amends_id is not None:
            wall_off(items.values(), [barrier.user for barrier in filing.barriers.select_related("user")])


def _promise(versions: Sequence[FilingVersion]) -> None:
    """A dated follow-up for every fact that filings which are new leave unknown; see `follow` for the others."""
    new = [v for v in versions if v.number == 1 and v.filing.amends_id is None]
    insert_many(
        FollowUp(filing=v.filing, field=name, due_on=due_on)
        for v in new
        for name, due_on in follow_ups(SCHEMAS[v.filing.kind], v.content)
    )
    for version in versions:
        if version.number > 1 or version.filing.amends_id is not None:
            follow(version.filing, version.content)


def follow(filing: Filing, content: dict[str, Any]) -> None:
    """Open a dated follow-up for every fact not yet known, and close those that are known by now.

    What an amendment leaves unknown is promised by the amendment from here on, no longer by what it amends.
    """
    open_now = dict(follow_ups(SCHEMAS[filing.kind], content))
    promised = FollowUp.objects.filter(filing__in=filing.lineage(), done_at__isnull=True)
    promised.exclude(filing=filing, field__in=open_now).update(done_at=now())
    for name, due_on in open_now.items():
        FollowUp.objects.update_or_create(filing=filing, field=name, done_at=None, defaults={"due_on": due_on})
