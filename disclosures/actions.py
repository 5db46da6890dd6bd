"""What a company does with its filings, and what the ministry answers."""

from __future__ import annotations

import hashlib
import json
import re
from datetime import datetime
from typing import Any

from django.db import IntegrityError, transaction
from django.urls import reverse

from accounts.models import User
from accounts.permissions import Rule, check
from disclosures.catalogue import DECLARATION_VERSION, SCHEMAS
from disclosures.models import (
    Filing,
    FilingBarrier,
    FilingEvidence,
    FilingReview,
    FilingSection,
    FilingVersion,
    FollowUp,
    Scheme,
    amended_version,
)
from disclosures.rules import RULES
from disclosures.schema import asked, changes, follow_ups, problems
from evidence.actions import hand_in, wall_off
from evidence.models import EvidenceItem
from ledger.actions import action, record
from ledger.references import next_reference
from ledger.time import local_date, now
from notifications.actions import tell
from web.problems import Conflict, Invalid

PREFIX = {"disclosure": "D", "allegation": "A"}
_FILER_REFERENCE = re.compile(r"[A-Za-z0-9_-]{1,100}")


class SectionChanged(Conflict):
    """A colleague saved the section in the meantime; `row` is the section as it now stands."""

    def __init__(self, latest: FilingSection) -> None:
        super().__init__("A colleague has saved this section since you opened it.")
        self.row = latest


@action
def start(kind: str, *, by: User) -> Filing:
    """Begin a disclosure or an allegation: a draft, seen by the filer's organisation alone."""
    check(by, RULES[kind]["start"])
    return _begin(kind, by=by)


def _begin(kind: str, *, by: User, amends: Filing | None = None) -> Filing:
    filing = Filing.objects.create(
        kind=kind,
        reference=next_reference(PREFIX[kind]),
        organisation_id=by.organisation_id,
        scheme=Scheme.objects.current(),
        created_by=by,
        created_at=now(),
        amends=amends,
    )
    FilingSection.objects.bulk_create(
        FilingSection(filing=filing, key=section.key, updated_at=now()) for section in SCHEMAS[kind].sections
    )
    record(by, f"{kind}.started", filing, audience=[filing.organisation_id], private=True)
    return filing


@action
def save_section(
    filing_id: int, *, by: User, section: str, content: dict[str, Any], revision: int, finished: bool
) -> FilingSection:
    """Keep a section as it stands. `finished=True` also asks that nothing required is missing.

    Raises SectionChanged when `revision` is not the one last saved, Invalid with messages by field.
    """
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


def _strangers(filing: Filing, content: dict[str, Any]) -> dict[str, str]:
    """Evidence that a filing names must be the filer's own, and still there: messages by field."""
    fields = [f.name for s in SCHEMAS[filing.kind].sections for f in s.fields if f.kind == "evidence"]
    found = {}
    for name in fields:
        named = set(content.get(name) or [])
        own = EvidenceItem.objects.filter(organisation_id=filing.organisation_id, reference__in=named)
        if named and own.count() != len(named):
            found[name] = "Choose items from your organisation’s own evidence"
    return found


def _take_filer_reference(filing: Filing, value: str | None) -> None:
    if value is not None and not _FILER_REFERENCE.fullmatch(value):
        raise Invalid({"filer_reference": ["Your own reference may have letters, digits, hyphens and underscores"]})
    if filing.amends_id is not None:
        # An amendment carries its original's reference in its content; the unique one stays with the original.
        return
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
    rule = RULES[filing.kind]["submit"]
    check(by, rule, filing)
    if missing(filing):
        raise Invalid({"": ["Some sections are not complete. Complete them before you declare"]})
    content = declarable(filing)
    if seen is not None and seen != digest(content):
        raise Conflict("A colleague has changed this filing since you checked it. Check it again before you declare.")
    previous = filing.versions.order_by("-number").first() or amended_version(filing)
    FilingVersion.objects.create(
        filing=filing,
        number=filing.versions.count() + 1,
        schema_version=SCHEMAS[filing.kind].version,
        content=content,
        sha256=digest(content),
        declaration_version=DECLARATION_VERSION,
        declared_by=by,
        declared_name=name,
        declared_capacity=capacity,
        declared_at=now(),
        received_at=received_at,
        changed_fields=changes(previous.content, content) if previous else [],
    )
    filing.state, filing.submitted_at = _after(rule), received_at
    filing.save(update_fields=["state", "submitted_at"])
    _link_evidence(filing, content, by=by, at=received_at)
    _follow(filing, content)
    version = filing.latest
    record(
        by,
        f"{filing.kind}.submitted",
        filing,
        audience=[filing.organisation_id],
        at=received_at,
        version=version.number,
        sha256=version.sha256,
    )
    tell(
        "filing_receipt",
        filing,
        organisations=[filing.organisation_id],
        url=reverse("filing_receipt", args=[filing.reference]),
        kind=filing.get_kind_display().lower(),
        reference=filing.reference,
        sha256=version.sha256,
        received_at=received_at.isoformat(),
    )
    return filing


def digest(content: dict[str, Any]) -> str:
    """SHA-256 of the content as JSON with sorted keys and no spaces."""
    return hashlib.sha256(
        json.dumps(content, sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode()
    ).hexdigest()


def _link_evidence(filing: Filing, content: dict[str, Any], *, by: User, at: datetime) -> None:
    fields = [f.name for s in SCHEMAS[filing.kind].sections for f in s.fields if f.kind == "evidence"]
    references = [ref for name in fields for ref in content.get(name) or []]
    items = list(EvidenceItem.objects.filter(organisation_id=filing.organisation_id, reference__in=references))
    FilingEvidence.objects.bulk_create([FilingEvidence(filing=filing, item=i) for i in items], ignore_conflicts=True)
    hand_in(items, by=by, at=at)
    wall_off(items, [barrier.user for barrier in filing.barriers.select_related("user")])


def bar(filing: Filing, user: User) -> None:
    """Wall an official with a conflict off from a filing, from its amendments and from all the evidence they rely on.

    A shared step of the action that learns of the conflict. Amendments that come later carry the wall with them.
    """
    lineage = list(filing.lineage())
    FilingBarrier.objects.bulk_create([FilingBarrier(filing=f, user=user) for f in lineage], ignore_conflicts=True)
    wall_off(EvidenceItem.objects.filter(filing_links__filing__in=lineage).distinct(), [user])


def _follow(filing: Filing, content: dict[str, Any]) -> None:
    """Open a dated follow-up for every fact not yet known, and close those that are known by now.

    What an amendment leaves unknown is promised by the amendment from here on, no longer by what it amends.
    """
    open_now = dict(follow_ups(SCHEMAS[filing.kind], content))
    promised = FollowUp.objects.filter(filing__in=filing.lineage(), done_at__isnull=True)
    promised.exclude(filing=filing, field__in=open_now).update(done_at=now())
    for field, due_on in open_now.items():
        FollowUp.objects.update_or_create(filing=filing, field=field, done_at=None, defaults={"due_on": due_on})


@action
def discard(filing_id: int, *, by: User) -> None:
    """Delete a draft that was never declared."""
    filing = Filing.objects.select_for_update().get(pk=filing_id)
    check(by, RULES[filing.kind]["discard"], filing)
    record(by, f"{filing.kind}.discarded", filing, audience=[filing.organisation_id], private=True)
    filing.sections.all().delete()
    filing.delete()


@action
def withdraw(filing_id: int, *, by: User, reason: str) -> Filing:
    """Take a filing back; what was declared stays on record."""
    filing = Filing.objects.select_for_update().get(pk=filing_id)
    rule = RULES[filing.kind]["withdraw"]
    check(by, rule, filing)
    _review(filing, _after(rule), {"": reason}, by=by)
    filing.follow_ups.filter(done_at__isnull=True).update(done_at=now())
    standing = filing.lineage().filter(state="accepted").first()
    if standing is not None:
        # What the amendment had promised is again the promise of the filing that stays in force.
        _follow(standing, standing.latest.content)
    return filing


@action
def amend(filing_id: int, *, by: User) -> Filing:
    """Begin an amendment of an accepted disclosure: a new filing that names the original and starts from its content.

    The original stays in force until the amendment is accepted.
    """
    filing = Filing.objects.select_for_update().get(pk=filing_id)
    check(by, _rule(filing, "amend"), filing)
    original = filing.amends or filing
    going = filing.amendment_under_way()
    if going is not None:
        back = reverse("filing", args=[going.reference])
        raise Conflict(f"There is already an amendment under way: {going.reference}.", back=back)
    amendment = _begin(filing.kind, by=by, amends=original)
    FilingBarrier.objects.bulk_create(
        FilingBarrier(filing=amendment, user_id=pk) for pk in original.barriers.values_list("user_id", flat=True)
    )
    content, today = filing.latest.content, local_date(now())
    for row in amendment.sections.all():
        section = SCHEMAS[filing.kind].section(row.key)
        row.content = {f.name: content[f.name] for f in section.fields if f.name in content}
        row.complete = not problems(section, content, today=today)
        row.save(update_fields=["content", "complete"])
    return amendment


@action
def accept(filing_id: int, *, by: User, version: int | None = None) -> Filing:
    """The ministry accepts a disclosure; an amendment supersedes what it amends."""
    return _answer(filing_id, "accept", {}, by=by, version=version)


@action
def return_(filing_id: int, *, by: User, reasons: dict[str, str], version: int | None = None) -> Filing:
    """The ministry returns a disclosure with reasons by section; the correction is the next version."""
    return _answer(filing_id, "return_", _some(reasons), by=by, version=version)


@action
def acknowledge(filing_id: int, *, by: User, version: int | None = None) -> Filing:
    """The ministry has begun to look at an allegation."""
    return _answer(filing_id, "acknowledge", {}, by=by, version=version)


@action
def admit(filing_id: int, *, by: User, version: int | None = None) -> Filing:
    """The ministry admits an allegation: a case can be opened from it."""
    return _answer(filing_id, "admit", {}, by=by, version=version)


@action
def want_more(filing_id: int, *, by: User, reasons: dict[str, str], version: int | None = None) -> Filing:
    """The ministry asks the complainant for more, by section."""
    return _answer(filing_id, "want_more", _some(reasons), by=by, version=version)


@action
def reject(filing_id: int, *, by: User, reason: str, version: int | None = None) -> Filing:
    """The ministry rejects an allegation, with reasons."""
    return _answer(filing_id, "reject", _some({"": reason}), by=by, version=version)


def _some(reasons: dict[str, str]) -> dict[str, str]:
    given = {section: text for section, text in reasons.items() if text.strip()}
    if not given:
        raise Invalid({"": ["Give a reason for at least one section"]})
    return given


def _rule(filing: Filing, verb: str) -> Rule:
    rule = RULES[filing.kind].get(verb)
    if rule is None:
        raise Conflict(f"This is not done to {filing.get_kind_display().lower()}s.")
    return rule


def _after(rule: Rule) -> str:
    if rule.after is None:
        raise ValueError(f"“{rule.label}” leads to no state.")
    return rule.after


def _answer(filing_id: int, verb: str, reasons: dict[str, str], *, by: User, version: int | None = None) -> Filing:
    """`version` is the one that the official read: nobody decides on a correction that came in meanwhile unread."""
    filing = Filing.objects.select_for_update().get(pk=filing_id)
    rule = _rule(filing, verb)
    check(by, rule, filing)
    if version is not None and filing.latest.number != version:
        raise Conflict(f"{filing.reference} has been corrected since you read it. Read the new version first.")
    _review(filing, _after(rule), reasons, by=by)
    if verb == "accept" and filing.amends is not None:
        _supersede(filing)
    return filing


def _review(filing: Filing, state: str, reasons: dict[str, str], *, by: User) -> Filing:
    filing.state, filing.decided_at = state, now()
    filing.save(update_fields=["state", "decided_at"])
    FilingReview.objects.create(
        filing=filing, version=filing.latest, outcome=state, reasons=reasons, by=by, at=filing.decided_at
    )
    record(by, f"{filing.kind}.{state}", filing, audience=[filing.organisation_id], sections=sorted(reasons))
    if state != "withdrawn":
        tell(
            "filing_reviewed",
            filing,
            organisations=[filing.organisation_id],
            url=reverse("filing", args=[filing.reference]),
            kind=filing.get_kind_display().lower(),
            reference=filing.reference,
            state=filing.get_state_display(),
        )
    return filing


def _supersede(amendment: Filing) -> None:
    """The accepted amendment takes the place of its original, and of an earlier amendment of the same original."""
    standing = amendment.lineage().select_for_update().filter(state="accepted").exclude(pk=amendment.pk)
    for filing in standing.order_by("pk"):
        check(None, RULES[filing.kind]["supersede"], filing)
        filing.state = "superseded"
        filing.save(update_fields=["state"])
        record(
            None, f"{filing.kind}.superseded", filing, audience=[filing.organisation_id], amendment=amendment.reference
        )
