"""Opening a case and working on it: team, notes, brief, decision."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from django.urls import reverse

from accounts.models import Organisation, User
from accounts.permissions import check
from cases.actions.deadlines import hold_calendar, lapse_notices, locked_case, period_for, rewrite
from cases.actions.exhibits import add_exhibits
from cases.actions.notices import Ask, issue_to
from cases.brief import KEYS
from cases.clock import EvidencePeriod
from cases.models import (
    BriefVersion,
    Case,
    ConflictDeclaration,
    Decision,
    DecisionProposal,
    Note,
    Notice,
    Party,
    Publication,
)
from cases.rules import CASE_RULES
from disclosures.actions import bar
from disclosures.actions.authorisations import bar_between
from disclosures.models import Filing, Scheme
from evidence.actions import wall_off
from evidence.models import EvidenceItem
from ledger.actions import action, record, wall
from ledger.references import next_reference
from ledger.time import now
from notifications.actions import tell
from web.problems import Conflict, Invalid

READY = {"allegation": "admitted", "disclosure": "accepted"}


@dataclass(frozen=True)
class Seat:
    """A party to be: which organisation, in which role, and what it is asked."""

    organisation_id: int
    role: str
    questions: tuple[Ask, ...]


@action
def open_case(
    *, by: User, title: str, subject: str, purpose: str, seats: Iterable[Seat], source_id: int | None = None
) -> Case:
    """Open a case and issue to each party a preservation notice and a notice to produce evidence.

    From an admitted allegation its filer is the complainant whether or not it has a seat; from an accepted disclosure or
    on the ministry's own motion the seats say who the parties are. Raises Invalid without a respondent, Conflict when
    the source is not ready or has a case already.
    """
    check(by, CASE_RULES["open_case"])
    hold_calendar()
    source = _source(source_id, by)
    seats = list(seats)
    if not any(seat.role == "respondent" for seat in seats):
        raise Invalid({"respondents": ["Choose at least one respondent"]})
    if len({seat.organisation_id for seat in seats}) != len(seats):
        raise Invalid({"respondents": ["An organisation can have one part in a case only"]})
    scheme = Scheme.objects.current()
    instant = now()
    case = Case(
        reference=next_reference("C"),
        title=title,
        basis=source.kind if source else "own_motion",
        source=source,
        relied_on=source.latest if source else None,
        scheme=scheme,
        opened_by=by,
        opened_at=instant,
        officer=by,
        round_ends_at=instant,
        refers_at=instant,
    )
    case.save()
    parties = _seat_parties(case, seats, source)
    record(by, "case.opened", case, audience=[p.organisation_id for p in parties], basis=case.basis)
    if source is not None:
        _adopt_conflicts(case, source)
        _adopt_evidence(case, source, parties, by)
    _issue(case, [(p, s.questions) for p, s in zip(parties, seats, strict=True)], subject, purpose, by)
    return case


def _source(source_id: int | None, by: User) -> Filing | None:
    if source_id is None:
        return None
    source = Filing.objects.visible_to(by).select_for_update().get(pk=source_id)
    if source.state != READY[source.kind]:
        raise Conflict(
            f"{source.reference} is “{source.get_state_display().lower()}”: a case can be opened from it only "
            f"once it is {READY[source.kind]}."
        )
    running = Case.objects.filter(source=source).exclude(state="resolved").first()
    if running is not None:
        raise Conflict(f"There is a case already: {running.reference}.")
    return source


def _seat_parties(case: Case, seats: list[Seat], source: Filing | None) -> list[Party]:
    consents = source.latest.content if source is not None and source.kind == "allegation" else {}
    known = Organisation.objects.known_companies().in_bulk([s.organisation_id for s in seats])
    if len(known) != len(seats):
        raise Invalid({"respondents": ["Choose organisations that are registered and verified"]})
    parties = []
    for seat in seats:
        filer = source is not None and source.organisation_id == seat.organisation_id
        if seat.role == "complainant" and not filer and source is not None and source.kind == "allegation":
            raise Invalid({"complainant": ["The complainant is whoever filed the allegation"]})
        parties.append(
            Party(
                case=case,
                organisation=known[seat.organisation_id],
                role=seat.role,
                may_be_named=bool(consents.get("consent_named")) if filer and consents else True,
                may_be_referred=bool(consents.get("consent_referral")) if filer and consents else True,
            )
        )
    return Party.objects.bulk_create(parties)


def _adopt_conflicts(case: Case, source: Filing) -> None:
    """Who may not see the filing does not see the case that is opened from it."""
    barred = [barrier.user for barrier in source.barriers.select_related("user")]
    ConflictDeclaration.objects.bulk_create(
        ConflictDeclaration(case=case, user=user, reason=f"Declared before, about {source.reference}", at=now())
        for user in barred
    )
    wall([case], barred)


def _adopt_evidence(case: Case, source: Filing, parties: list[Party], by: User) -> None:
    party = next((p for p in parties if p.organisation_id == source.organisation_id), None)
    if party is not None:
        items = EvidenceItem.objects.filter(filing_links__filing=source).order_by("pk")
        add_exhibits(case, party, list(items), response=None, by=by)


def _issue(case: Case, asked: list[tuple[Party, tuple[Ask, ...]]], subject: str, purpose: str, by: User) -> None:
    periods: list[EvidencePeriod] = []
    for party, questions in asked:
        issue_to(party, kind="preservation", subject=subject, purpose=purpose, questions=(), by=by)
        notice = issue_to(party, kind="evidence", subject=subject, purpose=purpose, questions=questions, by=by)
        periods.append(period_for(notice.sent_at, notice.nation, case.scheme))
    case.round_ends_at = max(period.expires_at for period in periods)
    case.save(update_fields=["round_ends_at"])
    rewrite(case)


@action
def issue_notices(
    case_id: int, *, by: User, subject: str, purpose: str, questions: dict[int, tuple[Ask, ...]]
) -> list[Notice]:
    """Ask the parties again in a new round: a notice with its own period to each party named in `questions`.

    Raises Conflict for a party that has a notice in this round already.
    """
    hold_calendar()
    case = locked_case(case_id)
    check(by, CASE_RULES["issue_notices"], case)
    if not any(questions.values()):
        raise Invalid({"": ["Ask at least one party at least one question"]})
    issued = []
    for party in case.parties.select_related("organisation").order_by("pk"):
        asked = questions.get(party.pk)
        if not asked:
            continue
        if party.notices.filter(round=case.round, kind="evidence").exists():
            raise Conflict(f"{party.organisation} has been asked in this round already.")
        issued.append(issue_to(party, kind="evidence", subject=subject, purpose=purpose, questions=asked, by=by))
    rewrite(case)
    return issued


@action
def assign(
    case_id: int,
    *,
    by: User,
    officer_id: int | None,
    deputy_id: int | None,
    seen: tuple[int | None, int | None] | None = None,
) -> Case:
    """Say whose case it is and who covers. Somebody with a declared conflict cannot be either.

    `seen` is the team that `by` was shown, officer and deputy. Raises Conflict when it has changed meanwhile.
    """
    case = locked_case(case_id)
    check(by, CASE_RULES["assign"], case)
    if seen is not None and seen != (case.officer_id, case.deputy_id):
        raise Conflict("A colleague has changed the team since you opened this page. Look at it again before you do.")
    if officer_id is not None and officer_id == deputy_id:
        raise Invalid({"deputy": ["The deputy must be somebody else"]})
    people = User.objects.filter(role__in=["caseworker", "supervisor"], is_active=True, is_service=False)
    for field, pk in (("officer", officer_id), ("deputy", deputy_id)):
        if pk is None:
            continue
        if not people.filter(pk=pk).exists():
            raise Invalid({field: ["Choose a member of the ministry’s staff"]})
        if case.conflicts.filter(user_id=pk).exists():
            raise Invalid({field: ["This person cannot work on this case"]})
    case.officer_id, case.deputy_id = officer_id, deputy_id
    case.save(update_fields=["officer", "deputy"])
    record(by, "case.assigned", case, officer=officer_id, deputy=deputy_id)
    assigned = [p for p in User.objects.filter(pk__in=[officer_id or 0, deputy_id or 0]) if p.pk != by.pk]
    tell("case_assigned", case, people=assigned, url=case_url(case), reference=case.reference)
    return case


@action
def declare_conflict(case_id: int, *, by: User, reason: str) -> None:
    """Declare that one has a conflict of interest: from now on the case and what is in it are not shown to `by`."""
    case = locked_case(case_id)
    check(by, CASE_RULES["declare_conflict"], case)
    ConflictDeclaration.objects.create(case=case, user=by, reason=reason, at=now())
    wall([case], [by])
    if case.officer_id == by.pk:
        case.officer_id, case.deputy_id = case.deputy_id, None
    if case.deputy_id == by.pk:
        case.deputy_id = None
    case.save(update_fields=["officer", "deputy"])
    wall_off([e.item for e in case.exhibits.select_related("item")], [by])
    if case.source is not None:
        bar(case.source, by)
    bar_between(case.parties.values_list("organisation_id", flat=True), by)
    record(by, "case.conflict_declared", case, user=by.pk)
    tell("conflict_declared", case, people=case.supervisors(), url=case_url(case), reference=case.reference)


@action
def add_note(case_id: int, *, by: User, text: str) -> Note:
    """Add an internal note, which neither the parties nor the authority see."""
    case = locked_case(case_id)
    check(by, CASE_RULES["add_note"], case)
    note = Note.objects.create(case=case, by=by, text=text, at=now())
    record(by, "note.added", note)
    return note


@action
def write_brief(case_id: int, *, by: User, head: str, text: str, number: int) -> BriefVersion:
    """Write one head of the referral brief. `number` is the version one has read (0: none yet).

    Raises Conflict when a colleague has written it meanwhile; what they wrote stays on record.
    """
    case = locked_case(case_id)
    check(by, CASE_RULES["write_brief"], case)
    if head not in KEYS:
        raise Invalid({"head": ["There is no such head in the brief"]})
    latest = case.brief_versions.filter(head=head).order_by("-number").first()
    if (latest.number if latest else 0) != number:
        raise Conflict("A colleague has written this since you opened it.", latest=latest.text if latest else "")
    version = BriefVersion.objects.create(case=case, head=head, number=number + 1, text=text, by=by, at=now())
    record(by, "brief.written", version, head=head, number=version.number)
    return version


@action
def propose(case_id: int, *, by: User, outcome: str, reasons: str) -> DecisionProposal:
    """The case team proposes how to decide; supervisors who did not open the case are told."""
    case = locked_case(case_id)
    check(by, CASE_RULES["propose"], case)
    proposal = DecisionProposal.objects.create(
        case=case, round=case.round, outcome=outcome, reasons=reasons, by=by, at=now()
    )
    record(by, "decision.proposed", proposal, outcome=outcome)
    deciders = [s for s in case.supervisors() if s.pk != case.opened_by_id]
    tell("decision_proposed", case, people=deciders, url=case_url(case), reference=case.reference)
    return proposal


@action
def resolve(case_id: int, *, by: User, outcome: str, reasons: str) -> Case:
    """Decide the case: it is resolved, nothing more falls due, and the parties are told of the outcome."""
    case = locked_case(case_id)
    rule = CASE_RULES["resolve"]
    check(by, rule, case)
    Decision.objects.create(case=case, outcome=outcome, reasons=reasons, by=by, at=now())
    case.state, case.ended_at, case.refers_at, case.remind_at = rule.after, now(), None, None
    case.save(update_fields=["state", "ended_at", "refers_at", "remind_at"])
    lapse_notices(case)
    parties = list(case.parties.values_list("organisation_id", flat=True))
    record(by, "case.resolved", case, audience=parties, outcome=outcome)
    tell("case_resolved", case, organisations=parties, url=case_url(case), reference=case.reference)
    tell("case_resolved", case, people=case.team(), url=case_url(case), reference=case.reference)
    return case


@action
def publish(case_id: int, *, by: User, title: str, summary: str) -> Publication:
    """Make a decision public, in words written for the public."""
    case = locked_case(case_id)
    check(by, CASE_RULES["publish"], case)
    if Publication.objects.filter(decision__case=case).exists():
        raise Conflict("This decision has been published already.")
    publication = Publication.objects.create(decision=case.decision, title=title, summary=summary, by=by, at=now())
    parties = list(case.parties.values_list("organisation_id", flat=True))
    record(by, "decision.published", publication, audience=parties)
    return publication


def case_url(case: Case) -> str:
    return reverse("case", args=[case.reference])


def brief_texts(case: Case) -> dict[str, str]:
    """The newest text of every head that has been written."""
    rows = case.brief_versions.order_by("head", "-number").distinct("head").values_list("head", "text")
    return dict(rows)
