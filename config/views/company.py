"""The first page of a company: notices first, then what came back, then what can be finished."""

from __future__ import annotations

from django.db.models import Count, Q
from django.urls import reverse

from accounts.models import Contact, Invitation, User
from cases.models import Exhibit, ExtensionRequest, Notice
from config.views.blocks import Block, Row, block, first
from disclosures.catalogue import SCHEMAS
from disclosures.models import Authorisation, Filing, FollowUp
from evidence.models import Grant
from ledger.time import local_date, now


def blocks(user: User) -> list[Block]:
    """What waits for the people of a company, most pressing first."""
    found = [_notices(user), _returned(user), _follow_ups(user), authorisations(user), _disclosed(user)]
    found += [_requests(user), _drafts(user), _receipts(user)]
    if user.role == "company_admin":
        found.append(_organisation(user))
    if user.organisation.state != "verified":
        found.insert(0, _unverified(user))
    return found


def _unverified(user: User) -> Block:
    text = {
        "pending": "The ministry is checking your organisation. You can draft now and submit once it is verified.",
        "refused": "The ministry has not verified your organisation. Your drafts are kept.",
    }[user.organisation.state]
    return block("Your organisation is not verified", "", [Row("See your organisation", reverse("organisation"), text)])


def _notices(user: User) -> Block:
    answered = Q(questions__draft__isnull=False) & ~Q(questions__draft__how="")
    waiting = (
        Notice.objects.visible_to(user)
        .filter(kind="evidence", state__in=["issued", "missed"], case__state__in=["open", "referred"])
        .select_related("case")
        .annotate(asked=Count("questions"), drafted=Count("questions", filter=answered))
        .order_by("state", "due_at")
    )
    rows = [
        Row(
            f"{n.reference} in case {n.case.reference}",
            reverse("notice", args=[n.reference]),
            f"{n.asked - n.drafted} of {n.asked} questions not started. {n.get_state_display()}.",
            n.due_at,
        )
        for n in first(waiting)
    ]
    return block("Notices to answer", "No notice waits for your answer.", rows, more=reverse("cases"))


def _returned(user: User) -> Block:
    filings = Filing.objects.visible_to(user).filter(state__in=["returned", "more_wanted"]).order_by("decided_at")
    rows = [
        Row(
            f.reference,
            reverse("filing", args=[f.reference]),
            f"{f.get_kind_display()}: {f.get_state_display().lower()}",
        )
        for f in first(filings)
    ]
    return block("Returned to you", "Nothing has been returned to you.", rows)


def _follow_ups(user: User) -> Block:
    due = FollowUp.objects.filter(filing__in=Filing.objects.visible_to(user), done_at__isnull=True)
    today = local_date(now())
    rows = []
    for follow_up in first(due.select_related("filing").order_by("due_on")):
        label = SCHEMAS[follow_up.filing.kind].field(follow_up.field).label
        overdue = " The day is over." if follow_up.due_on < today else ""
        said = f"{follow_up.due_on.day} {follow_up.due_on:%B %Y}"
        rows.append(
            Row(
                f"{follow_up.filing.reference}: {label}",
                reverse("filing", args=[follow_up.filing.reference]),
                f"You said you would know by {said}.{overdue}",
            )
        )
    return block("Follow-ups", "You have promised nothing that is still open.", rows)


def authorisations(user: User) -> Block:
    """What others permit the organisation to do, and wait for its answer to; for partners as well."""
    waiting = Authorisation.objects.visible_to(user).to_answer(user.organisation_id).select_related("grantor")
    words = {"proposed": "It counts once you have confirmed it.", "amending": "An amendment waits for your answer."}
    rows = [
        Row(f"{a.reference} from {a.grantor}", reverse("authorisation", args=[a.reference]), words[a.state])
        for a in first(waiting)
    ]
    return block(
        "Authorisations to confirm", "No authorisation waits for your answer.", rows, more=reverse("authorisations")
    )


def _disclosed(user: User) -> Block:
    granted = Grant.objects.current().filter(organisation_id=user.organisation_id).values("item")
    exhibits = Exhibit.objects.visible_to(user).filter(item__in=granted).select_related("case").order_by("-pk")
    rows = [
        Row(
            f"Exhibit {e.label} in {e.case.reference}",
            reverse("case", args=[e.case.reference]),
            "You may comment on it.",
        )
        for e in first(exhibits)
    ]
    return block("Disclosed to you", "Nothing of another party has been disclosed to you.", rows)


def _requests(user: User) -> Block:
    asked = ExtensionRequest.objects.open().filter(notice__in=Notice.objects.visible_to(user)).select_related("notice")
    rows = [
        Row(
            r.notice.reference,
            reverse("notice", args=[r.notice.reference]),
            f"Asked until {r.until_day.day} {r.until_day:%B %Y}",
        )
        for r in first(asked.order_by("pk"))
    ]
    return block("Requests that wait for the ministry", "No request of yours waits for a decision.", rows)


def _drafts(user: User) -> Block:
    drafts = Filing.objects.visible_to(user).filter(state="draft").order_by("-pk")
    rows = [
        Row(f.reference, reverse("filing", args=[f.reference]), f"{f.get_kind_display()}, not submitted")
        for f in first(drafts)
    ]
    return block(
        "Drafts", "You have no drafts. Start one under Disclosures or Allegations.", rows, more=reverse("disclosures")
    )


def _receipts(user: User) -> Block:
    filed = Filing.objects.visible_to(user).exclude(state="draft").order_by("-submitted_at")
    rows = [
        Row(
            f.reference,
            reverse("filing_receipt", args=[f.reference]),
            f"{f.get_kind_display()}: {f.get_state_display()}",
        )
        for f in filed[:5]
    ]
    return block("Receipts", "You have submitted nothing yet.", rows)


def _organisation(user: User) -> Block:
    contacts = Contact.objects.filter(organisation_id=user.organisation_id, removed_at__isnull=True)
    bounced = contacts.filter(bounced_at__isnull=False).count()
    invited = Invitation.objects.visible_to(user).open().count()
    rows = [
        Row(
            "Contacts",
            reverse("organisation"),
            f"{contacts.count()} contacts" + (f", {bounced} bounced" * bool(bounced)),
        )
    ]
    if invited:
        rows.append(Row("Invitations", reverse("organisation"), f"{invited} not yet accepted"))
    return block("Your organisation", "", rows)
