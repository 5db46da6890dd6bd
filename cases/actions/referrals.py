"""Referral: the case goes to the competition authority, which acknowledges, accepts, returns or declines."""

from __future__ import annotations

from collections import Counter
from datetime import date, timedelta
from typing import Any

from django.db.models import Q
from django.urls import reverse

from accounts.models import Organisation, User
from accounts.permissions import Rule, check
from cases.actions.calendar import make_up
from cases.actions.deadlines import (
    free_case,
    hold_calendar,
    lapse_notices,
    lapse_requests,
    locked_case,
    period_for,
    rewrite,
)
from cases.brief import why_unresolved
from cases.clock import next_reminder, reminder_offset
from cases.models import (
    Case,
    CaseReminder,
    Exhibit,
    ExtensionRequest,
    LateAddition,
    Notice,
    Party,
    Referral,
    ReferralStep,
    Response,
    ServiceDoubt,
)
from cases.rules import CASE_AFTER_REFERRAL, CASE_RULES, NOTICE_RULES, REFERRAL_RULES
from disclosures.models import FilingGrant
from evidence.actions import end_grants, grant
from evidence.models import FULL
from ledger.actions import Entry, action, record, record_many
from ledger.models import Event
from ledger.references import next_reference
from ledger.time import local_date, now
from monitoring.actions.analysis import hide_analyses, show_analyses
from monitoring.models import Analysis
from notifications.actions import Letter, tell, tell_all
from web.problems import Invalid


@action
def refer(case_id: int, *, by: User | None = None, reason: str = "") -> Referral | None:
    """Refer a case: by the sweep when its time is up, or earlier by a supervisor with a reason.

    Once per case and round. The sweep's call answers None when the case is taken, held or no longer due.
    """
    if by is None:
        case = free_case(case_id)
        if case is None or not Case.objects.due_for_referral().filter(pk=case_id).exists():
            return None
        if make_up(case, Notice.objects.filter(Q(round=case.round) | Q(state="issued"))):
            return None
    else:
        case = locked_case(case_id)
        if not reason.strip():
            raise Invalid({"reason": ["Say why it cannot wait"]})
    rule = CASE_RULES["refer"]
    check(by, rule, case)
    instant = now()
    referred_at = case.refers_at if by is None and case.refers_at else instant
    parties = list(case.parties.select_related("organisation").order_by("pk"))
    notices, missed = _with_misses(case, parties)
    reasons = why_unresolved(Counter(n.state for n in notices), by_hand=by is not None)
    exhibits = list(case.exhibits.select_related("item", "party"))
    sent = [e for e in exhibits if e.party.may_be_referred and not e.item.privileged]
    analyses = list(Analysis.objects.finished().filter(item__in=[e.item_id for e in sent]))
    authority = Organisation.objects.authority()
    lapse_requests(notice__case=case)
    # The event comes before the row: the chronology that is sent ends with the referral itself.
    events = record_many(
        [
            *(Entry("notice.missed", n, {}, audience=[n.party.organisation_id], at=n.due_at) for n in missed),
            Entry(
                "case.referred",
                case,
                {"round": case.round, "reasons": reasons},
                audience=[*(p.organisation_id for p in parties), authority.pk],
                at=referred_at,
                by=by,
            ),
        ]
    )
    referral = Referral.objects.create(
        reference=next_reference("R"),
        case=case,
        round=case.round,
        authority=authority,
        referred_at=referred_at,
        queued_at=instant,
        referred_by=by,
        sent={
            **_snapshot(case, parties, notices, sent, reasons, reason),
            "analyses": [_as_sent(one) for one in analyses],
            "withheld": len(exhibits) - len(sent),
        },
        events_upto=events[-1].pk,
    )
    case.state, case.remind_at = rule.after, None
    case.save(update_fields=["state", "remind_at"])
    _give_sight(case, referral, parties, sent)
    show_analyses(analyses, authority, by=by, reason=f"referral:{referral.pk}")
    _tell_of_referral(case, referral, parties)
    return referral


def _with_misses(case: Case, parties: list[Party]) -> tuple[list[Notice], list[Notice]]:
    """The round's notices, and those of them that are missed now: a referral never precedes the miss it rests on.

    Earlier ones that still run are among them. A supervisor's referral does not wait for a doubt or for a timely
    request to be settled, but makes no miss of what they hold.
    """
    asked = Notice.objects.filter(Q(round=case.round) | Q(state="issued"), case=case, kind="evidence")
    notices = list(asked.defer("content", "trace").order_by("pk"))
    past = [n.pk for n in notices if n.state == "issued" and n.is_past]
    held: set[int] = set()
    if past:
        held |= set(ServiceDoubt.objects.holding().filter(notice__in=past).values_list("notice_id", flat=True))
        held |= set(ExtensionRequest.objects.holding().filter(notice__in=past).values_list("notice_id", flat=True))
    seats = {party.pk: party for party in parties}
    for notice in notices:
        notice.case, notice.party = case, seats[notice.party_id]
    missed = [n for n in notices if n.pk in past and n.pk not in held]
    for notice in missed:
        check(None, NOTICE_RULES["stamp_missed"], notice)
        notice.state, notice.remind_at = "missed", None
    if missed:
        Notice.objects.filter(pk__in=[n.pk for n in missed]).update(state="missed", remind_at=None)
    return notices, missed


def _snapshot(
    case: Case, parties: list[Party], notices: list[Notice], exhibits: list[Exhibit], reasons: list[str], reason: str
) -> dict[str, Any]:
    """The brief, the parties and the lists of what goes along, as they stand: what the authority is sent."""
    brief = case.brief_versions.order_by("head", "-number").distinct("head").values_list("head", "text")
    silent = case.round == 1 and not any(n.state.startswith("answered") for n in notices)
    answered = Response.objects.filter(notice__case=case, notice__party__may_be_referred=True).order_by("pk")
    return {
        "title": case.title,
        "basis": case.basis,
        "opened_at": case.opened_at.isoformat(),
        "scheme": {"name": case.scheme.name, "legal_basis": case.scheme.legal_basis},
        "reasons": reasons,
        "reason": reason,
        "brief": dict(brief),
        "parties": [
            {
                "role": party.role,
                "name": party.organisation.name if party.may_be_referred else "",
                "nation": party.organisation.nation if party.may_be_referred else "",
            }
            for party in parties
        ],
        "notices": [
            {
                "reference": n.reference,
                "role": n.party.role,
                "state": n.state,
                "served_on": n.served_on.isoformat(),
                "due_at": n.due_at.isoformat() if n.due_at else None,
                "shut_out": _shut_out(n),
            }
            for n in notices
        ],
        "exhibits": [
            {
                "number": e.label,
                "reference": e.item.reference,
                "title": e.item.title,
                "role": e.party.role,
                "sha256": e.item.sha256,
                "confidential": e.item.limb != "none",
            }
            for e in exhibits
        ],
        "responses": [] if silent else list(answered.values_list("pk", flat=True)),
        "filing": case.source.reference if case.source and _filing_goes(case, parties) else "",
    }


def _shut_out(notice: Notice) -> list[dict[str, str | None]]:
    """When the addressee could not answer, for the ministry had suspended it: whoever reads of a silence is told."""
    if notice.due_at is None:
        return []
    found = notice.party.organisation.shut_out(notice.sent_at, notice.due_at)
    return [{"since": since.isoformat(), "until": until.isoformat() if until else None} for since, until in found]


def _as_sent(analysis: Analysis) -> dict[str, Any]:
    return {"id": analysis.pk, "reference": analysis.item.reference, "sha256": analysis.report.sha256}


def _filing_goes(case: Case, parties: list[Party]) -> bool:
    source = case.source
    filer = next((p for p in parties if source and p.organisation_id == source.organisation_id), None)
    return filer is None or filer.may_be_referred


def _give_sight(case: Case, referral: Referral, parties: list[Party], exhibits: list[Exhibit]) -> None:
    reason = f"referral:{referral.pk}"
    if exhibits:
        grant([e.item for e in exhibits], referral.authority, FULL, by=referral.referred_by, reason=reason)
    if case.source_id is not None and case.relied_on_id is not None and _filing_goes(case, parties):
        FilingGrant.objects.create(
            filing_id=case.source_id,
            version_id=case.relied_on_id,
            organisation=referral.authority,
            since=now(),
            reason=reason,
        )


def _tell_of_referral(case: Case, referral: Referral, parties: list[Party]) -> None:
    context = {"reference": referral.reference, "case": case.reference}
    url = reverse("case", args=[case.reference])
    tell_all(
        referral,
        [
            Letter(
                "referral_queued",
                organisations=[referral.authority_id],
                url=reverse("referral", args=[referral.reference]),
                context=context,
            ),
            Letter("case_referred", organisations=[p.organisation_id for p in parties], url=url, context=context),
            Letter("case_referred_staff", people=[*case.team(), *case.supervisors()], url=url, context=context),
        ],
    )


@action
def acknowledge(referral_id: int, *, by: User) -> Referral:
    """The authority has received the referral and will look at it."""
    return _step(referral_id, "acknowledge", by=by)


@action
def accept(referral_id: int, *, by: User, reference: str) -> Referral:
    """The authority takes the matter on, under a reference of its own; the case is closed here."""
    if not reference.strip():
        raise Invalid({"reference": ["Enter the authority’s own reference"]})
    return _step(referral_id, "accept", by=by, reference=reference.strip())


@action
def return_(referral_id: int, *, by: User, needed: str, needed_by: date) -> Referral:
    """The authority needs more: the case opens again in a new round with a new period from the clock."""
    if needed_by <= local_date(now()):
        raise Invalid({"needed_by": ["The day by which it is needed must be in the future"]})
    return _step(referral_id, "return_", by=by, text=needed, needed_by=needed_by)


@action
def decline(referral_id: int, *, by: User, head: str, reason: str) -> Referral:
    """The authority does not take the matter on, under one of its heads: the case is the ministry's again."""
    return _step(referral_id, "decline", by=by, head=head, text=reason)


@action
def withdraw(referral_id: int, *, by: User, reason: str) -> Referral:
    """The ministry takes a referral back: the authority no longer sees it, the case opens in a new round."""
    referral = _step(referral_id, "withdraw", by=by, text=reason)
    end_grants(referral.authority, f"referral:{referral.pk}")
    hide_analyses(referral.authority, f"referral:{referral.pk}")
    FilingGrant.objects.current().filter(reason=f"referral:{referral.pk}").update(until=now())
    return referral


def _step(
    referral_id: int,
    verb: str,
    *,
    by: User,
    head: str = "",
    text: str = "",
    needed_by: date | None = None,
    reference: str = "",
) -> Referral:
    found = Referral.objects.get(pk=referral_id)
    hold_calendar()
    case = locked_case(found.case_id)
    referral = Referral.objects.select_related("authority").get(pk=referral_id)
    rule: Rule = REFERRAL_RULES[verb]
    check(by, rule, referral)
    referral.case, referral.state = case, rule.after
    referral.authority_reference = reference
    referral.save(update_fields=["state", "authority_reference"])
    ReferralStep.objects.create(
        referral=referral, state=referral.state, head=head, text=text, needed_by=needed_by, by=by, at=now()
    )
    record(by, f"referral.{referral.state}", referral, audience=[referral.authority_id], head=head)
    _follow(case, referral, by)
    _tell_of_step(case, referral)
    return referral


def _follow(case: Case, referral: Referral, by: User) -> None:
    """What the referral's new state means for the case."""
    state = CASE_AFTER_REFERRAL.get(referral.state)
    parties = list(case.parties.values_list("organisation_id", flat=True))
    if state == "closed":
        case.state, case.ended_at, case.refers_at = state, now(), None
        case.save(update_fields=["state", "ended_at", "refers_at"])
        lapse_notices(case)
        record(by, "case.closed", case, audience=parties)
    elif state == "open":
        case.state, case.round = state, case.round + 1
        case.round_ends_at = period_for(now(), case.scheme.overseas_nation, case.scheme).expires_at
        case.save(update_fields=["state", "round", "round_ends_at"])
        rewrite(case)
        record(by, "case.reopened", case, audience=parties, round=case.round, because=referral.state)


def _tell_of_step(case: Case, referral: Referral) -> None:
    context: dict[str, Any] = {
        "reference": referral.reference,
        "case": case.reference,
        "state": referral.get_state_display().lower(),
        "reopened": case.state == "open",
    }
    tell(
        "referral_step",
        referral,
        people=[*case.team(), *case.supervisors()],
        url=reverse("referral", args=[referral.reference]),
        **context,
    )
    if referral.state == "withdrawn":
        tell("referral_withdrawn", referral, organisations=[referral.authority_id], **context)
    tell(
        "referral_step_party",
        referral,
        organisations=list(case.parties.values_list("organisation_id", flat=True)),
        url=reverse("case", args=[case.reference]),
        **context,
    )


def add_late(case: Case, response: Response, exhibits: list[Exhibit], *, by: User | None) -> None:
    """Add an answer that came after the referral to it; a shared step, the caller holds the case's lock."""
    referral = case.referrals.select_related("authority").get(round=case.round)
    notice = response.notice
    if not notice.party.may_be_referred:
        return
    LateAddition.objects.create(referral=referral, response=response, at=now())
    sent = [e.item for e in exhibits if not e.item.privileged]
    grant(sent, referral.authority, FULL, by=by, reason=f"referral:{referral.pk}")
    there = Analysis.objects.finished().filter(item__in=sent)
    show_analyses(there, referral.authority, by=by, reason=f"referral:{referral.pk}")
    record(
        by,
        "referral.added_to",
        referral,
        audience=[referral.authority_id],
        notice=notice.reference,
        response=response.number,
    )
    tell(
        "referral_added_to",
        referral,
        organisations=[referral.authority_id],
        url=reverse("referral", args=[referral.reference]),
        reference=referral.reference,
        case=case.reference,
    )


def chronology(referral: Referral) -> Any:
    """The events of the case as they stood when it was referred, but for what is internal to the ministry."""
    return Event.objects.about(referral.case).filter(pk__lte=referral.events_upto, verb__in=CHRONOLOGY)


CHRONOLOGY = (
    "case.opened",
    "notice.issued",
    "notice.service_in_doubt",
    "notice.served_again",
    "notice.reminded",
    "extension.requested",
    "extension.granted",
    "extension.refused",
    "extension.lapsed",
    "notice.extended",
    "notice.answered",
    "notice.answered_late",
    "notice.missed",
    "notice.miss_corrected",
    "notice.waived",
    "exhibit.added",
    "exhibit.disclosed",
    "case.referred",
    "case.reopened",
    "referral.acknowledged",
    "referral.returned",
    "referral.declined",
)


@action
def remind_team(case_id: int) -> Case | None:
    """Remind officer, deputy and supervisors before a case goes to the authority: once per due instant and offset."""
    case = free_case(case_id)
    if case is None or not Case.objects.due_for_reminder().filter(pk=case_id).exists() or case.refers_at is None:
        return None
    check(None, CASE_RULES["remind"], case)
    instant = now()
    days = reminder_offset(case.refers_at, instant)
    case.remind_at = next_reminder(case.refers_at, instant)
    case.save(update_fields=["remind_at"])
    if days is None:
        return case
    CaseReminder.objects.create(case=case, due_at=case.refers_at, days=days, at=instant)
    record(None, "case.reminded", case, days=days)
    tell(
        "case_reminder",
        case,
        people=[*case.team(), *case.supervisors()],
        url=reverse("case", args=[case.reference]),
        once=f"case:{case.pk}:{case.refers_at.isoformat()}:{days}",
        reference=case.reference,
        refers_at=case.refers_at.isoformat(),
    )
    return case


GRACE = timedelta(minutes=10)


def overdue_by_more_than(grace: timedelta = GRACE) -> Any:
    """Open cases that nothing holds and that should have been referred more than `grace` ago."""
    return Case.objects.due_for_referral().filter(refers_at__lt=now() - grace)
