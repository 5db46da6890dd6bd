"""The first pages of a caseworker and of a supervisor."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from django.db.models import Count, Exists, OuterRef, Q
from django.urls import reverse

from accounts.models import Organisation, User
from cases.models import (
    Case,
    ConflictDeclaration,
    DecisionProposal,
    ExtensionRequest,
    Notice,
    Referral,
    Response,
    ServiceDoubt,
)
from config.views.blocks import Block, Row, block, first
from disclosures.models import Filing
from ledger.time import local_date, now
from monitoring.models import Alert, Comparison
from monitoring.views.comparison import where

PRESSING = 200


def caseworker(user: User) -> list[Block]:
    """What a caseworker does next."""
    return [
        _imminent(user),
        _requests(user),
        _unread(user),
        _doubts(user),
        _new_filings(user),
        _alerts(user),
        _gaps(user),
        _cases("My cases", "You have no open case.", _open(user).filter(officer=user), "mine"),
        _cases("Covering for", "You are nobody’s deputy.", _open(user).filter(deputy=user), "covering"),
        _cases("Unassigned", "Every open case has an officer.", _open(user).filter(officer=None), "unassigned"),
    ]


def supervisor(user: User) -> list[Block]:
    """What a supervisor does next."""
    return [
        _decisions(user),
        _away(user),
        _requests(user, overdue=True),
        _sent_back(user),
        _registrations(),
        _imminent(user),
        _doubts(user),
        _new_filings(user),
        _workload(user),
    ]


def _open(user: User) -> Any:
    return Case.objects.visible_to(user).filter(state="open")


def _case_row(case: Case, text: str = "") -> Row:
    return Row(
        f"{case.reference} {case.title}",
        reverse("case", args=[case.reference]),
        text,
        case.refers_at,
        "To the authority",
    )


def _cases(title: str, empty: str, cases: Any, show: str) -> Block:
    rows = [_case_row(case) for case in first(cases.order_by("refers_at", "pk"))]
    return block(title, empty, rows, more=f"{reverse('cases')}?show={show}")


def _imminent(user: User) -> Block:
    """Within seven days: those in which everybody has answered and only a decision is missing come first."""
    soon = _open(user).filter(refers_at__lte=now() + timedelta(days=7)).order_by("refers_at", "pk")
    waiting = Exists(Notice.objects.open().filter(case=OuterRef("pk"), round=OuterRef("round")))
    # Of the most pressing ones only: to look through all of them would cost more with every case there is.
    pressing = sorted(soon.annotate(waiting=waiting)[:PRESSING], key=lambda case: (case.waiting, case.refers_at))
    words = {False: "All have answered: only a decision is missing.", True: "Answers are still awaited."}
    rows = [_case_row(case, words[case.waiting]) for case in first(pressing)]
    return block(
        "Going to the authority within 7 days",
        "No case goes to the authority within 7 days.",
        rows,
        more=f"{reverse('cases')}?show=soon",
    )


def _seen_cases(user: User, path: str) -> Any:
    """A condition that keeps out rows of cases in which `user` declared a conflict."""
    return ~Exists(ConflictDeclaration.objects.against(user).filter(case=OuterRef(path)))


def _requests(user: User, *, overdue: bool = False) -> Block:
    asked = ExtensionRequest.objects.open().filter(_seen_cases(user, "notice__case")).select_related("notice__case")
    if overdue:
        asked = asked.filter(escalated_at__isnull=False)
    rows = [
        Row(
            f"{r.notice.reference} in {r.notice.case.reference}",
            reverse("notice", args=[r.notice.reference]),
            "Came in time: it holds the deadline." if r.timely else "Came late: it holds nothing.",
            r.escalates_at,
            "To the supervisor" if not overdue else "Was due",
        )
        for r in first(asked.order_by("escalates_at"))
    ]
    title = "Requests for more time that are overdue" if overdue else "Requests for more time"
    return block(title, "No request for more time waits for a decision.", rows)


def _unread(user: User) -> Block:
    team = Q(notice__case__officer=user) | Q(notice__case__deputy=user)
    answers = (
        Response.objects.filter(team, _seen_cases(user, "notice__case"), readings=None)
        .filter(notice__case__state__in=["open", "referred"])
        .select_related("notice__case", "notice__party__organisation")
        .order_by("received_at")
    )
    rows = [
        Row(
            f"{r.notice.reference} from {r.notice.party.organisation}",
            reverse("response", args=[r.notice.reference, r.number]),
            "Late." if r.late else "In time.",
        )
        for r in first(answers)
    ]
    return block("Answers nobody has read", "You have read every answer.", rows)


def _doubts(user: User) -> Block:
    doubts = ServiceDoubt.objects.open().filter(_seen_cases(user, "notice__case")).select_related("notice__case")
    shown = first(doubts.order_by("raised_at"))
    holding = set(ServiceDoubt.objects.holding().filter(pk__in=[d.pk for d in shown]).values_list("pk", flat=True))
    rows = [
        Row(
            d.notice.reference,
            reverse("notice", args=[d.notice.reference]),
            f"{d.get_reason_display()}. " + (f"It holds {d.notice.case.reference}." if d.pk in holding else ""),
        )
        for d in shown
    ]
    return block("Service in doubt", "The service of no notice is in doubt.", rows)


def _new_filings(user: User) -> Block:
    waiting = Filing.objects.visible_to(user).waiting().select_related("organisation")
    rows = [
        Row(
            f"{f.reference} from {f.organisation}",
            reverse("filing", args=[f.reference]),
            f"{f.get_kind_display()}: {f.get_state_display().lower()}",
        )
        for f in first(waiting)
    ]
    return block("New allegations and disclosures", "No filing waits for you.", rows, more=reverse("review_queue"))


def _alerts(user: User) -> Block:
    """Oldest first, and what it is not: a person reads each before anything follows."""
    waiting = Alert.objects.visible_to(user).waiting().select_related("feed__organisation")
    rows = [
        Row(
            f"{a.reference} {a.get_unit_display().lower()}, {a.feed}",
            reverse("alert", args=[a.reference]),
            f"{a.rung.capitalize()}, seen {a.times} time{'' if a.times == 1 else 's'}: {a.get_state_display().lower()}",
        )
        for a in first(waiting)
    ]
    return block("Alerts about usage", "No alert waits for you.", rows, more=reverse("monitoring"))


def _gaps(user: User) -> Block:
    """What others declared beside what a provider counted; as with alerts, a person looks and nothing follows by itself."""
    waiting = Comparison.objects.visible_to(user).waiting().select_related("version__filing", "feed", "analysis__item")
    rows = [
        Row(
            f"{c.version.filing.reference} beside {c.feed if c.analysis is None else c.analysis.item.reference}",
            where(c),
            "What was declared and what was counted are far apart",
        )
        for c in first(waiting)
    ]
    return block("Declared volumes to look at", "No gap waits for you.", rows, more=reverse("monitoring"))


def _decisions(user: User) -> Block:
    proposed = DecisionProposal.objects.filter(case=OuterRef("pk"), round=OuterRef("round"))
    cases = _open(user).filter(Exists(proposed)).exclude(opened_by=user).order_by("refers_at", "pk")
    rows = [_case_row(case, "A decision is proposed.") for case in first(cases)]
    return block("Decisions that wait for you", "No proposed decision waits for you.", rows)


def _away(user: User) -> Block:
    today = local_date(now())
    cases = (
        _open(user)
        .filter(refers_at__lte=now() + timedelta(days=7))
        .filter(Q(officer__away_until__gte=today) | Q(officer__isnull=True) | Q(officer__is_active=False))
        .select_related("officer", "deputy")
        .order_by("refers_at", "pk")
    )
    rows = []
    for case in first(cases):
        away = f"{case.officer.name} is away" if case.officer else "Nobody is assigned"
        rows.append(_case_row(case, f"{away}; {'deputy: ' + case.deputy.name if case.deputy else 'no deputy'}."))
    return block("Imminent, and the officer is away", "Every case that is due soon has somebody there.", rows)


def _sent_back(user: User) -> Block:
    back = Referral.objects.visible_to(user).filter(state__in=["returned", "declined"], case__state="open")
    rows = [
        Row(
            f"{r.reference} of {r.case.reference}",
            reverse("referral", args=[r.reference]),
            r.get_state_display(),
            r.case.refers_at,
            "Goes again",
        )
        for r in first(back.select_related("case").order_by("-pk"))
    ]
    return block("Returned or declined by the authority", "The authority has sent nothing back.", rows)


def _registrations() -> Block:
    pending = Organisation.objects.filter(state="pending").order_by("created_at")
    rows = [Row(o.name, reverse("organisation_detail", args=[o.pk]), "Waits for verification") for o in first(pending)]
    return block("Registrations", "No organisation waits for verification.", rows, more=reverse("organisations"))


def _workload(user: User) -> Block:
    load = (
        User.objects.filter(role__in=["caseworker", "supervisor"], is_active=True)
        .annotate(open_cases=Count("cases", filter=Q(cases__state="open")))
        .order_by("-open_cases", "name")
    )
    rows = [Row(p.name, "", f"{p.open_cases} open case{'' if p.open_cases == 1 else 's'}") for p in first(load)]
    return block("Workload", "", rows)
