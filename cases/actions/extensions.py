"""More time: asked for by a party, granted or refused with reasons, or given by the case team."""

from __future__ import annotations

from datetime import date, datetime

from django.urls import reverse

from accounts.models import User
from accounts.permissions import check
from cases.actions.deadlines import free_case, hold_calendar, rewrite, run_longer
from cases.actions.notices import locked_notice
from cases.clock import add_working_days, end_of, not_working
from cases.models import Adjustment, ExtensionRequest, HolidayOverride, Notice
from cases.rules import NOTICE_RULES
from ledger.actions import action, record
from ledger.time import local_date, now
from notifications.actions import tell
from web.problems import Conflict, Invalid

ESCALATES_AFTER_WORKING_DAYS = 2


@action
def request_extension(
    notice_id: int, *, by: User, until_day: date, reasons: str, received_at: datetime
) -> ExtensionRequest:
    """Ask for more time. In time (by `received_at`), it holds back miss and referral until it is decided."""
    notice = locked_notice(notice_id)
    check(by, NOTICE_RULES["request_extension"], notice)
    if notice.due_at is None or notice.case.state != "open":
        raise Conflict("This notice does not run out.")
    if ExtensionRequest.objects.open().filter(notice=notice).exists():
        raise Conflict("You have asked already, and the ministry has not decided yet.")
    if end_of(until_day) <= notice.due_at:
        raise Invalid({"until_day": ["The new last day must be later than the present one"]})
    nation = notice.case.scheme.overseas_nation
    overrides = HolidayOverride.objects.as_overrides()
    escalates_on = add_working_days(local_date(received_at), ESCALATES_AFTER_WORKING_DAYS, nation, overrides=overrides)
    request = ExtensionRequest.objects.create(
        notice=notice,
        until_day=until_day,
        reasons=reasons,
        requested_by=by,
        received_at=received_at,
        timely=received_at < notice.due_at,
        escalates_at=end_of(escalates_on),
    )
    record(
        by,
        "extension.requested",
        request,
        audience=[notice.party.organisation_id],
        at=received_at,
        notice=notice.reference,
        until=until_day.isoformat(),
        timely=request.timely,
    )
    tell(
        "extension_requested",
        request,
        people=notice.case.team(),
        url=reverse("notice", args=[notice.reference]),
        reference=notice.reference,
        case=notice.case.reference,
        until=until_day.isoformat(),
    )
    return request


@action
def grant_extension(
    request_id: int, *, by: User, until_day: date | None = None, until: datetime | None = None, reasons: str
) -> ExtensionRequest:
    """Grant a request, until the end of `until_day` (a non-working day becomes the next working day) or an instant."""
    request, notice = _pending(request_id, by)
    adjustment = _extend(notice, _until(notice, until_day, until), by=by, reasons=reasons, request=request)
    return _decide(request, notice, "granted", by=by, reasons=reasons, until=adjustment.until)


@action
def refuse_extension(request_id: int, *, by: User, reasons: str) -> ExtensionRequest:
    """Refuse a request, with reasons. What it held back goes on with the next sweep."""
    request, notice = _pending(request_id, by)
    if not reasons.strip():
        raise Invalid({"reasons": ["Say why"]})
    return _decide(request, notice, "refused", by=by, reasons=reasons, until=None)


@action
def extend(
    notice_id: int, *, by: User, until_day: date | None = None, until: datetime | None = None, reasons: str
) -> Adjustment:
    """The case team gives more time of its own accord."""
    hold_calendar()
    notice = locked_notice(notice_id)
    check(by, NOTICE_RULES["extend"], notice)
    if notice.is_past:
        raise Conflict("This notice has run out already: an extension must be given before.")
    return _extend(notice, _until(notice, until_day, until), by=by, reasons=reasons, request=None)


def _pending(request_id: int, by: User) -> tuple[ExtensionRequest, Notice]:
    hold_calendar()
    notice = locked_notice(ExtensionRequest.objects.values_list("notice_id", flat=True).get(pk=request_id))
    check(by, NOTICE_RULES["decide_extension"], notice)
    request = ExtensionRequest.objects.get(pk=request_id)
    request.notice = notice
    if request.state != "pending":
        raise Conflict(f"This request has been decided already: {request.get_state_display().lower()}.")
    return request, notice


def _until(notice: Notice, until_day: date | None, until: datetime | None) -> datetime:
    if until is not None:
        return until
    if until_day is None:
        raise Invalid({"until_day": ["Enter the new last day"]})
    overrides = HolidayOverride.objects.as_overrides()
    nation = notice.case.scheme.overseas_nation if notice.nation == "overseas" else notice.nation
    while not_working(until_day, nation, overrides) is not None:
        until_day = date.fromordinal(until_day.toordinal() + 1)
    return end_of(until_day)


def _extend(notice: Notice, until: datetime, *, by: User, reasons: str, request: ExtensionRequest | None) -> Adjustment:
    if not reasons.strip():
        raise Invalid({"reasons": ["Say why"]})
    if notice.due_at is None or until <= max(notice.due_at, now()):
        raise Invalid({"until_day": ["The new last day must be later than the present one, and not be over"]})
    adjustment = Adjustment.objects.create(
        notice=notice, kind="extension", until=until, reason=reasons, request=request, by=by, at=now()
    )
    run_longer(notice, until)
    rewrite(notice.case)
    record(
        by,
        "notice.extended",
        notice,
        audience=[notice.party.organisation_id],
        until=until.isoformat(),
        adjustment=adjustment.pk,
    )
    if request is None:
        _tell_party(notice, "granted", reasons, until)
    return adjustment


def _decide(
    request: ExtensionRequest, notice: Notice, state: str, *, by: User, reasons: str, until: datetime | None
) -> ExtensionRequest:
    request.state, request.decided_at, request.decided_by, request.decision_reasons = state, now(), by, reasons
    request.save(update_fields=["state", "decided_at", "decided_by", "decision_reasons"])
    record(by, f"extension.{state}", request, audience=[notice.party.organisation_id], notice=notice.reference)
    _tell_party(notice, state, reasons, until)
    return request


def _tell_party(notice: Notice, state: str, reasons: str, until: datetime | None) -> None:
    tell(
        "extension_decided",
        notice,
        organisations=[notice.party.organisation_id],
        url=reverse("notice", args=[notice.reference]),
        reference=notice.reference,
        state=state,
        reasons=reasons,
        until=until.isoformat() if until else "",
    )


@action
def escalate_request(request_id: int) -> ExtensionRequest | None:
    """Put a request that nobody decided for two working days before the supervisors; it goes on holding."""
    found = ExtensionRequest.objects.values_list("notice__case_id", flat=True).get(pk=request_id)
    case = free_case(found)
    request = ExtensionRequest.objects.due_for_escalation().select_related("notice").filter(pk=request_id).first()
    if case is None or request is None:
        return None
    request.escalated_at = now()
    request.save(update_fields=["escalated_at"])
    request.notice.case = case
    record(None, "extension.escalated", request, at=request.escalates_at, notice=request.notice.reference)
    tell(
        "extension_overdue",
        request,
        people=case.supervisors(),
        url=reverse("notice", args=[request.notice.reference]),
        reference=request.notice.reference,
        case=case.reference,
    )
    return request
