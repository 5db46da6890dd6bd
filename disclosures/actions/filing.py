"""What a company does with one filing before it declares it: begin it, save it, discard it, amend it."""

from __future__ import annotations

import re
from collections.abc import Sequence
from datetime import datetime
from typing import Any

from django.db import IntegrityError, transaction
from django.urls import reverse

from accounts.actions import forget_content
from accounts.models import Organisation, User
from accounts.permissions import Rule, check
from disclosures.catalogue import SCHEMAS
from disclosures.models import (
    Filing,
    FilingBarrier,
    FilingSection,
    Scheme,
)
from disclosures.rules import RULES
from disclosures.schema import asked, problems
from evidence.actions import wall_off
from evidence.models import EvidenceItem
from ledger.actions import Entry, action, record, record_many, wall
from ledger.digests import digest
from ledger.references import next_references
from ledger.rows import insert_many
from ledger.time import local_date, now
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


def begin(
    kind: str,
    contents: Sequence[dict[str, Any]],
    *,
    by: User,
    amends: Filing | None = None,
    declared_at: Sequence[datetime | None] | None = None,
) -> list[Filing]:
    """New filings, under the references that their contents name; `lay_out` makes drafts of them.

    `declared_at` says of each when it was handed in, if the caller goes on to `declare_all`: it is written at once in
    the state to which that leads, as nobody sees it in between.
    """
    scheme, instant, after = Scheme.objects.current(), now(), state_after(RULES[kind]["submit"])
    filings = insert_many(
        Filing(
            kind=kind,
            reference=reference,
            organisation_id=by.organisation_id,
            scheme_id=scheme.pk,
            state=after if at else Filing.State.DRAFT,
            submitted_at=at,
            created_by_id=by.pk,
            created_at=instant,
            amends=amends,
            # An amendment carries its original's reference in its content; the unique one stays with the original.
            filer_reference=None if amends else content.get("filer_reference"),
        )
        for reference, content, at in zip(
            next_references(PREFIX[kind], len(contents)), contents, declared_at or [None] * len(contents), strict=True
        )
    )
    record_many([Entry(f"{kind}.started", f, {}, [f.organisation_id], by=by, private=True) for f in filings])
    return filings


def lay_out(drafts: Sequence[tuple[Filing, dict[str, Any]]], *, by: User | None) -> None:
    """The sections in which filings are worked on, from what they say. What is handed in by a program has none until it
    is returned: nobody works on it.
    """
    instant = now()
    today = local_date(instant)
    insert_many(
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


def bar(filing: Filing, user: User) -> None:
    """Wall an official with a conflict off from a filing, from its amendments and from all the evidence they rely on.

    A shared step of the action that learns of the conflict. Amendments that come later carry the wall with them.
    """
    lineage = list(filing.lineage())
    FilingBarrier.objects.bulk_create([FilingBarrier(filing=f, user=user) for f in lineage], ignore_conflicts=True)
    wall(lineage, [user])
    wall_off(EvidenceItem.objects.filter(filing_links__filing__in=lineage).distinct(), [user])


@action
def discard(filing_id: int, *, by: User) -> Filing:
    """Delete a draft that was never declared; answers what it was, without its key."""
    filing = Filing.objects.select_for_update().get(pk=filing_id)
    check(by, RULES[filing.kind]["discard"], filing)
    record(by, f"{filing.kind}.discarded", filing, audience=[filing.organisation_id], private=True)
    filing.sections.all().delete()
    forget_content(filing.reference, "discarded")
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
