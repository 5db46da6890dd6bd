"""What a company does with one filing: draft it, save it, declare it, amend it."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.core.exceptions import PermissionDenied
from django.db import IntegrityError, transaction
from django.urls import reverse

from accounts.models import Organisation, User
from accounts.permissions import Rule, check
from disclosures.actions.standing import NO_STANDING, standing_of
from disclosures.catalogue import DECLARATION_VERSION, SCHEMAS
from disclosures.models import (
    Filing,
    FilingBarrier,
    FilingEvidence,
    FilingSection,
    FilingVersion,
    FollowUp,
    Scheme,
    StandingDeclaration,
    amended_version,
)
from disclosures.rules import RULES
from disclosures.schema import asked, changes, follow_ups, problems
from evidence.actions import hand_in, wall_off
from evidence.models import EvidenceItem
from ledger.actions import Entry, action, record, record_many, wall
from ledger.references import next_references
from ledger.time import local_date, now
from notifications.actions import tell
from web.problems import Conflict, Invalid

PREFIX = {"disclosure": "D", "allegation": "A"}
FILER_REFERENCE = re.compile(r"[A-Za-z0-9_-]{1,100}")
WRONG_REFERENCE = "Your own reference may have letters, digits, hyphens and underscores"
STRANGE_EVIDENCE = "Choose items from your organisation’s own evidence"
EVIDENCE_FIELDS = {
    kind: [f.name for s in schema.sections for f in s.fields if f.kind == "evidence"]
    for kind, schema in SCHEMAS.items()
}


class SectionChanged(Conflict):
    """A colleague saved the section in the meantime; `row` is the section as it now stands."""

    def __init__(self, latest: FilingSection) -> None:
        super().__init__("A colleague has saved this section since you opened it.")
        self.row = latest


@action
def start(kind: str, *, by: User) -> Filing:
    """Begin a disclosure or an allegation: a draft, seen by the filer's organisation alone."""
    check(by, RULES[kind]["start"])
    [filing] = begin(kind, [{}], by=by)
    lay_out([(filing, {})], by=None)
    return filing


def begin(kind: str, contents: Sequence[dict[str, Any]], *, by: User, amends: Filing | None = None) -> list[Filing]:
    """New filings, under the references that their contents name; `lay_out` makes drafts of them."""
    scheme, instant = Scheme.objects.current(), now()
    filings = Filing.objects.bulk_create(
        Filing(
            kind=kind,
            reference=reference,
            organisation_id=by.organisation_id,
            scheme=scheme,
            created_by=by,
            created_at=instant,
            amends=amends,
            # An amendment carries its original's reference in its content; the unique one stays with the original.
            filer_reference=None if amends else content.get("filer_reference"),
        )
        for reference, content in zip(next_references(PREFIX[kind], len(contents)), contents, strict=True)
    )
    record_many([Entry(f"{kind}.started", f, {}, [f.organisation_id], by=by, private=True) for f in filings])
    return filings


def lay_out(drafts: Sequence[tuple[Filing, dict[str, Any]]], *, by: User | None) -> None:
    """The sections in which filings are worked on, from what they say. What is handed in by a program has none until it
    is returned: nobody works on it.
    """
    instant = now()
    today = local_date(instant)
    FilingSection.objects.bulk_create(
        FilingSection(
            filing=filing,
            key=section.key,
            content={f.name: content[f.name] for f in section.fields if f.name in content},
            complete=bool(content) and not problems(section, content, today=today),
            revision=1 if by is not None else 0,
            updated_by=by,
            updated_at=instant,
        )
        for filing, content in drafts
        for section in SCHEMAS[filing.kind].sections
    )


@action
def save_section(
    filing_id: int, *, by: User, section: str, content: dict[str, Any], revision: int, finished: bool
) -> FilingSection:
    """Keep a section as it stands. `finished=True` also asks that nothing required is missing.

    Raises SectionChanged when `revision` is not the one last saved, Invalid with messages by field.
    """
    _hold_references(by)
    filing = Filing.objects.select_for_update().get(pk=filing_id)
    check(by, RULES[filing.kind]["save_section"], filing)
    row = filing.sections.get(key=section)
    if row.revision != revision:
        raise SectionChanged(row)
    schema = SCHEMAS[filing.kind]
    description = schema.section(section)
    own = {f.name: content[f.name] for f in description.fields if f.name in content}
    whole = asked(schema, {**filing.content(without=section), **own})
    kept = {name: value for name, value in own.items() if name in whole}
    strangers = _strangers(filing, kept)
    if strangers:
        raise Invalid({name: [message] for name, message in strangers.items()})
    found = problems(description, whole, today=local_date(now()))
    if finished and found:
        raise Invalid({name: [message] for name, message in found.items()})
    row.content, row.complete, row.revision = kept, not found, row.revision + 1
    row.updated_by, row.updated_at = by, now()
    row.save()
    if any(f.name == "filer_reference" for f in description.fields):
        _take_filer_reference(filing, kept.get("filer_reference") or None)
    record(
        by,
        f"{filing.kind}.section_saved",
        filing,
        audience=[filing.organisation_id],
        private=True,
        section=section,
        revision=row.revision,
        sha256=digest(kept),
    )
    return row


@action
def save_content(filing_id: int, *, by: User, content: dict[str, Any]) -> Filing:
    """Keep a whole filing as a program sends it, read by `disclosures.shape`: what is left out is no longer answered."""
    _hold_references(by)
    filing = Filing.objects.select_for_update().get(pk=filing_id)
    check(by, RULES[filing.kind]["save_section"], filing)
    schema = SCHEMAS[filing.kind]
    whole, today = asked(schema, content), local_date(now())
    strangers = _strangers(filing, whole)
    if strangers:
        raise Invalid({f"content/{name}": [message] for name, message in strangers.items()})
    for row in filing.sections.order_by("pk"):
        section = schema.section(row.key)
        row.content = {f.name: whole[f.name] for f in section.fields if f.name in whole}
        row.complete = not problems(section, whole, today=today)
        row.revision, row.updated_by, row.updated_at = row.revision + 1, by, now()
        row.save()
    try:
        _take_filer_reference(filing, whole.get("filer_reference") or None)
    except Invalid as invalid:
        raise Invalid({f"content/{name}": found for name, found in invalid.errors.items()}) from invalid
    record(by, f"{filing.kind}.saved", filing, audience=[filing.organisation_id], private=True, sha256=digest(whole))
    return filing


def _strangers(filing: Filing, content: dict[str, Any]) -> dict[str, str]:
    """Evidence that a filing names must be the filer's own, and still there: messages by field."""
    found = {}
    for name in EVIDENCE_FIELDS[filing.kind]:
        named = set(content.get(name) or [])
        own = EvidenceItem.objects.filter(organisation_id=filing.organisation_id, reference__in=named)
        if named and own.count() != len(named):
            found[name] = STRANGE_EVIDENCE
    return found


def named_evidence(kind: str, content: dict[str, Any]) -> list[str]:
    return [reference for name in EVIDENCE_FIELDS[kind] for reference in content.get(name) or []]


def _hold_references(by: User) -> None:
    """Before the lock of a filing: nobody else of the organisation takes a reference of its own meanwhile."""
    Organisation.objects.select_for_update(no_key=True).get(pk=by.organisation_id)


def _take_filer_reference(filing: Filing, value: str | None) -> None:
    if value is not None and not FILER_REFERENCE.fullmatch(value):
        raise Invalid({"filer_reference": [WRONG_REFERENCE]})
    if filing.amends_id is not None:
        # An amendment carries its original's reference in its content; the unique one stays with the original.
        return
    if value != filing.filer_reference and filing.versions.exists():
        raise Invalid({"filer_reference": [f"This was declared as {filing.filer_reference}, and stays so"]})
    filing.filer_reference = value
    try:
        with transaction.atomic():
            filing.save(update_fields=["filer_reference"])
    except IntegrityError as error:
        raise Invalid({"filer_reference": ["Your organisation has used this reference already"]}) from error


def declarable(filing: Filing) -> dict[str, Any]:
    """What the filing says as it stands: the working content without answers to what is not asked."""
    return asked(SCHEMAS[filing.kind], filing.content())


def missing(filing: Filing) -> dict[str, dict[str, str]]:
    """What still stands in the way of declaring: messages by section and control."""
    content, today = declarable(filing), local_date(now())
    strangers = _strangers(filing, content)
    found = {}
    for section in SCHEMAS[filing.kind].sections:
        names = {f.name for f in section.fields}
        found[section.key] = {
            **problems(section, content, today=today),
            **{name: message for name, message in strangers.items() if name in names},
        }
    return {key: messages for key, messages in found.items() if messages}


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
    rule = RULES[kind]["submit"]
    versions = [_version(filing, content, maker, received_at) for filing, content in handed]
    FilingVersion.objects.bulk_create(versions)
    for filing, _ in handed:
        filing.state, filing.submitted_at = state_after(rule), received_at
    Filing.objects.filter(pk__in=[filing.pk for filing, _ in handed]).update(
        state=state_after(rule), submitted_at=received_at
    )
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
    # A filing that was just begun has nothing before it: nobody needs to look.
    new = filing.state == "draft" and filing.amends_id is None
    number = 1 if new else filing.versions.count() + 1
    previous = None if new else filing.versions.order_by("-number").first() or amended_version(filing)
    return FilingVersion(
        filing=filing,
        number=number,
        schema_version=SCHEMAS[filing.kind].version,
        content=content,
        sha256=digest(content),
        declaration_version=maker.standing.declaration_version if maker.standing else DECLARATION_VERSION,
        declared_by=maker.person,
        declared_name=maker.name,
        declared_capacity=maker.capacity,
        standing_declaration=maker.standing,
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


def digest(content: dict[str, Any]) -> str:
    """SHA-256 of the content as JSON with sorted keys and no spaces."""
    return hashlib.sha256(
        json.dumps(content, sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode()
    ).hexdigest()


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


def bar(filing: Filing, user: User) -> None:
    """Wall an official with a conflict off from a filing, from its amendments and from all the evidence they rely on.

    A shared step of the action that learns of the conflict. Amendments that come later carry the wall with them.
    """
    lineage = list(filing.lineage())
    FilingBarrier.objects.bulk_create([FilingBarrier(filing=f, user=user) for f in lineage], ignore_conflicts=True)
    wall(lineage, [user])
    wall_off(EvidenceItem.objects.filter(filing_links__filing__in=lineage).distinct(), [user])


def _promise(versions: Sequence[FilingVersion]) -> None:
    """A dated follow-up for every fact that filings which are new leave unknown; see `follow` for the others."""
    new = [v for v in versions if v.number == 1 and v.filing.amends_id is None]
    FollowUp.objects.bulk_create(
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


@action
def discard(filing_id: int, *, by: User) -> Filing:
    """Delete a draft that was never declared; answers what it was, without its key."""
    filing = Filing.objects.select_for_update().get(pk=filing_id)
    check(by, RULES[filing.kind]["discard"], filing)
    record(by, f"{filing.kind}.discarded", filing, audience=[filing.organisation_id], private=True)
    filing.sections.all().delete()
    filing.delete()
    return filing


@action
def amend(filing_id: int, *, by: User) -> Filing:
    """Begin an amendment of an accepted disclosure: a new filing that names the original and starts from its content.

    The original stays in force until the amendment is accepted.
    """
    filing = Filing.objects.select_for_update().get(pk=filing_id)
    check(by, rule_of(filing, "amend"), filing)
    original = filing.amends or filing
    going = filing.amendment_under_way()
    if going is not None:
        back = reverse("filing", args=[going.reference])
        raise Conflict(f"There is already an amendment under way: {going.reference}.", back=back)
    content = filing.latest.content
    [amendment] = begin(filing.kind, [content], by=by, amends=original)
    lay_out([(amendment, content)], by=None)
    barred = [barrier.user for barrier in original.barriers.select_related("user")]
    FilingBarrier.objects.bulk_create(FilingBarrier(filing=amendment, user=user) for user in barred)
    wall([amendment], barred)
    return amendment


def rule_of(filing: Filing, verb: str) -> Rule:
    rule = RULES[filing.kind].get(verb)
    if rule is None:
        raise Conflict(f"This is not done to {filing.get_kind_display().lower()}s.")
    return rule


def state_after(rule: Rule) -> str:
    if rule.after is None:
        raise ValueError(f"“{rule.label}” leads to no state.")
    return rule.after
