"""What the ministry answers to a filing, and its taking back."""

from __future__ import annotations

from django.urls import reverse

from accounts.models import User
from accounts.permissions import check
from disclosures.actions.declaring import follow
from disclosures.actions.filing import lay_out, rule_of, state_after
from disclosures.models import (
    Filing,
    FilingReview,
)
from disclosures.rules import RULES
from ledger.actions import action, record
from ledger.time import now
from notifications.actions import tell
from web.problems import Conflict, Invalid


@action
def withdraw(filing_id: int, *, by: User, reason: str) -> Filing:
    """Take a filing back; what was declared stays on record."""
    filing = Filing.objects.select_for_update().get(pk=filing_id)
    rule = RULES[filing.kind]["withdraw"]
    check(by, rule, filing)
    _review(filing, state_after(rule), {"": reason}, by=by)
    filing.follow_ups.filter(done_at__isnull=True).update(done_at=now())
    standing = filing.lineage().filter(state="accepted").first()
    if standing is not None:
        # What the amendment had promised is again the promise of the filing that stays in force.
        follow(standing, standing.latest.content)
    return filing


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


def _answer(filing_id: int, verb: str, reasons: dict[str, str], *, by: User, version: int | None = None) -> Filing:
    """`version` is the one that the official read: nobody decides on a correction that came in meanwhile unread."""
    filing = Filing.objects.select_for_update().get(pk=filing_id)
    rule = rule_of(filing, verb)
    check(by, rule, filing)
    if version is not None and filing.latest.number != version:
        raise Conflict(f"{filing.reference} has been corrected since you read it. Read the new version first.")
    _review(filing, state_after(rule), reasons, by=by)
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
    if state in {"returned", "more_wanted"} and not filing.sections.exists():
        lay_out([(filing, filing.latest.content)], by=None)
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
