"""Filing for programs: many at once, the single is a list of one."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import date, datetime
from typing import Any

from accounts.models import Organisation, User
from accounts.permissions import check
from disclosures.actions.declaring import Maker, declare_all
from disclosures.actions.filing import (
    EVIDENCE_FIELDS,
    FILER_REFERENCE,
    STRANGE_EVIDENCE,
    WRONG_REFERENCE,
    begin,
    declarable,
    lay_out,
    named_evidence,
)
from disclosures.actions.standing import NO_STANDING, standing_of
from disclosures.catalogue import SCHEMAS
from disclosures.models import Filing, StandingDeclaration
from disclosures.rules import RULES, not_yet_verified
from disclosures.schema import asked, problems
from disclosures.shape import path_of
from evidence.models import EvidenceItem
from ledger.actions import action
from ledger.time import local_date, now
from web.problems import Invalid

AT_MOST = 1000
TAKEN = "Your organisation has used this reference already"


@dataclass(frozen=True)
class Item:
    """One filing as a program sends it. What could not even be read is said by path: `wrong` of the content
    (`disclosures.shape`), `outside` of what stands around it.
    """

    content: dict[str, Any]
    standing_declaration: str = ""
    wrong: dict[str, str] = field(default_factory=dict)
    outside: dict[str, str] = field(default_factory=dict)


@dataclass
class Outcome:
    """What became of an item: created, replayed (its reference was used before: `filing` is the first's), or refused.

    `errors` are by path; `missing` is what a draft would still need.
    """

    state: str
    filing: Filing | None = None
    # Of a replay: whether the first one under its reference says the same.
    same_content: bool = True
    errors: dict[str, str] = field(default_factory=dict)
    missing: dict[str, str] = field(default_factory=dict)
    # What is filed: the content without answers to what is not asked.
    content: dict[str, Any] = field(default_factory=dict)
    # Of a second item under the same reference in one request.
    first: Outcome | None = None


@action
def file(kind: str, items: Sequence[Item], *, by: User, received_at: datetime, dry_run: bool = False) -> list[Outcome]:
    """File what programs send, an outcome for each in its order; what is wrong with one does not stop the others.

    Under a standing declaration an item is declared and handed in, and must be complete; without one it is a draft.
    `dry_run` gives the same outcomes and changes nothing. Raises Invalid for more than a thousand.
    """
    check(by, RULES[kind]["start"])
    if len(items) > AT_MOST:
        raise Invalid({"": [f"Send at most {AT_MOST} at a time"]})
    # Two requests of one organisation come one after the other: the second finds the first's references.
    organisation = Organisation.objects.select_for_update(no_key=True).get(pk=by.organisation_id)
    known = _Known.of(kind, organisation, items, by)
    outcomes = [_judge(kind, item, known) for item in items]
    if not dry_run:
        _create(kind, list(zip(items, outcomes, strict=True)), known, by=by, received_at=received_at)
    return outcomes


@dataclass
class _Known:
    """What the outcomes depend on, read once for all items."""

    taken: dict[str, Filing]
    standing: dict[str, StandingDeclaration]
    own_evidence: set[str]
    unverified: str | None
    today: date
    # The first outcome under each reference within this very request.
    first: dict[str, Outcome] = field(default_factory=dict)

    @classmethod
    def of(cls, kind: str, organisation: Organisation, items: Sequence[Item], by: User) -> _Known:
        references = {r for item in items if isinstance(r := item.content.get("filer_reference"), str)}
        named = {r for item in items for r in named_evidence(kind, item.content)}
        taken = Filing.objects.filter(organisation=organisation, filer_reference__in=references)
        # What they say is compared: a batch that is sent again is replayed item by item.
        taken = taken.prefetch_related("versions", "sections")
        own = EvidenceItem.objects.filter(organisation=organisation, reference__in=named)
        return cls(
            taken={str(f.filer_reference): f for f in taken},
            standing=standing_of(organisation.pk, {i.standing_declaration for i in items}),
            own_evidence=set(own.values_list("reference", flat=True)),
            unverified=not_yet_verified(by, None),
            today=local_date(now()),
        )


def _says(filing: Filing) -> dict[str, Any]:
    """What a filing says: as it was declared last, or as the draft stands. Reads what was read for all at once."""
    version = max(filing.versions.all(), key=lambda v: v.number, default=None)
    return declarable(filing) if version is None else dict(version.content)


def _judge(kind: str, item: Item, known: _Known) -> Outcome:
    schema, content = SCHEMAS[kind], asked(SCHEMAS[kind], item.content)
    reference = item.content.get("filer_reference")
    if isinstance(reference, str) and reference in known.taken:
        first = known.taken[reference]
        if first.kind != kind:
            return Outcome("refused", errors={"content/filer_reference": TAKEN})
        return Outcome("replayed", first, same_content=_says(first) == content)
    if isinstance(reference, str) and reference in known.first:
        earlier = known.first[reference]
        return Outcome("replayed", first=earlier, same_content=earlier.content == content)
    errors = {f"content/{path}" if path else "content": message for path, message in item.wrong.items()} | item.outside
    if isinstance(reference, str) and not FILER_REFERENCE.fullmatch(reference):
        errors["content/filer_reference"] = WRONG_REFERENCE
    for name in EVIDENCE_FIELDS[kind]:
        if not known.own_evidence.issuperset(content.get(name) or []):
            errors[f"content/{name}"] = STRANGE_EVIDENCE
    missing = {
        f"content/{path_of(schema, control)}": message
        for section in schema.sections
        for control, message in problems(section, content, today=known.today).items()
    }
    missing = {path: message for path, message in missing.items() if path not in errors}
    if item.standing_declaration:
        errors |= missing
        missing = {}
        if item.standing_declaration not in known.standing:
            errors["standing_declaration"] = NO_STANDING
        elif known.unverified:
            errors["standing_declaration"] = known.unverified
    outcome = Outcome("refused" if errors else "created", errors=errors, missing=missing, content=content)
    if isinstance(reference, str) and not errors:
        known.first[reference] = outcome
    return outcome


def _create(kind: str, judged: list[tuple[Item, Outcome]], known: _Known, *, by: User, received_at: datetime) -> None:
    """Write what was judged fit, and give every outcome its filing."""
    fresh = [(item, outcome) for item, outcome in judged if outcome.state == "created"]
    contents = [outcome.content for _, outcome in fresh]
    declared_at = [received_at if item.standing_declaration else None for item, _ in fresh]
    filings = begin(kind, contents, by=by, declared_at=declared_at)
    # By the declaration under which they are handed in; "" for those that stay drafts.
    by_standing: dict[str, list[tuple[Filing, dict[str, Any]]]] = {}
    for (item, outcome), filing, content in zip(fresh, filings, contents, strict=True):
        outcome.filing = filing
        by_standing.setdefault(item.standing_declaration, []).append((filing, content))
    lay_out(by_standing.pop("", []), by=by)
    for reference, handed in by_standing.items():
        declare_all(handed, Maker.of(known.standing[reference]), by=by, received_at=received_at)
    for _, outcome in judged:
        if outcome.first is not None:
            outcome.filing = outcome.first.filing
