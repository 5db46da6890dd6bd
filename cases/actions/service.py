"""Service in doubt: noticed by the sweep, settled by serving again or by recording service with proof."""

from __future__ import annotations

import contextlib
from datetime import datetime
from typing import Any
from uuid import uuid4

from django.core.files.storage import storages

from accounts.models import User, people_of
from accounts.permissions import check
from cases.actions.deadlines import (
    free_case,
    hold_calendar,
    period_for,
    rewrite,
    run_longer,
    settle_doubts,
    trace_json,
)
from cases.actions.notices import locked_notice, raise_doubt, tell_of_notice
from cases.models import Adjustment, Notice, Service, ServiceDoubt
from cases.rules import NOTICE_RULES
from evidence.intake import Refused, inspect
from ledger.actions import action, record
from ledger.time import now
from notifications.models import Message
from web.problems import Conflict, Invalid


def bounced() -> Any:
    """Letters that brought a notice and came back, and of which no doubt has been raised yet."""
    known = ServiceDoubt.objects.filter(message_id__isnull=False).values("message_id")
    return (
        Message.objects.filter(state="bounced", about_type="cases.notice", template="notice_issued")
        .exclude(pk__in=known)
        .order_by("pk")
    )


@action
def doubt_bounced(message_id: int) -> ServiceDoubt | None:
    """Mark the service of a notice as in doubt because a copy came back."""
    message = Message.objects.get(pk=message_id)
    case = free_case(Notice.objects.values_list("case_id", flat=True).get(pk=message.about_id))
    if case is None or not bounced().filter(pk=message_id).exists():
        return None
    notice = Notice.objects.select_related("party").get(pk=message.about_id)
    notice.case = case
    return raise_doubt(notice, "bounce", message_id=message_id)


@action
def serve_again(notice_id: int, *, by: User) -> Notice:
    """Serve a notice again in the platform: its period starts anew from this service, and the doubt is settled.

    Raises Conflict while the addressee still has nobody able to sign in.
    """
    notice = _in_doubt(notice_id, by)
    if not people_of(notice.party.organisation).exists():
        raise Conflict("Nobody in the organisation is able to sign in yet. Invite somebody, or serve by other means.")
    _serve(Service(notice=notice, method="platform", sent_at=now(), by=by, at=now()), settlement="served_again")
    tell_of_notice(notice, again="yes")
    return notice


def record_service(
    notice_id: int, *, by: User, method: str, served_at: datetime, proof: str, file: Any = None
) -> Notice:
    """Record that a notice was served by other means, with proof; the period runs from that service.

    The file is stored first and removed again if the record cannot be made. Raises Invalid beside `file`.
    """
    taken, name = None, ""
    if file is not None:
        try:
            taken = inspect(file)
        except Refused as refused:
            raise Invalid({"file": [str(refused)]}) from refused
        name = storages["default"].save(f"service/{uuid4().hex}", file)
    try:
        return _record_service(notice_id, by, method, served_at, proof, taken, name)
    except BaseException:
        if name:
            with contextlib.suppress(OSError):
                storages["default"].delete(name)
        raise


@action
def _record_service(
    notice_id: int, by: User, method: str, served_at: datetime, proof: str, taken: Any, name: str
) -> Notice:
    notice = _in_doubt(notice_id, by)
    if served_at > now():
        raise Invalid({"served_at": ["The day of service must not be in the future"]})
    if served_at < notice.sent_at:
        raise Invalid({"served_at": ["The notice was issued later than this"]})
    if not proof.strip():
        raise Invalid({"proof": ["Say how it was served and what proves it"]})
    service = Service(notice=notice, method=method, sent_at=served_at, by=by, at=now(), proof=proof)
    if taken is not None:
        service.proof_file.name, service.proof_name = name, taken.name
        service.proof_media_type, service.proof_sha256 = taken.media_type, taken.sha256
    _serve(service, settlement="other_means")
    return notice


def _in_doubt(notice_id: int, by: User) -> Notice:
    hold_calendar()
    notice = locked_notice(notice_id)
    check(by, NOTICE_RULES["settle_service"], notice)
    if not notice.doubts.open().exists():
        raise Conflict("The service of this notice is not in doubt.")
    return notice


def _serve(service: Service, *, settlement: str) -> None:
    notice, by = service.notice, service.by
    period = period_for(service.sent_at, notice.nation, notice.case.scheme)
    service.served_on, service.last_day, service.expires_at = period.served_on, period.last_day, period.expires_at
    service.trace = trace_json(period)
    service.save()
    settle_doubts(settlement, by=by, notice=notice)
    record(
        by,
        "notice.served_again",
        notice,
        audience=[notice.party.organisation_id],
        at=service.sent_at,
        method=service.method,
        served_on=service.served_on.isoformat(),
    )
    runs = notice.kind == "evidence" and notice.state in {"issued", "missed"} and notice.case.state == "open"
    if runs and notice.due_at and period.expires_at > notice.due_at:
        if notice.state == "missed":
            # Missed by a service that was in doubt: the new one gives the period that the old one may not have given.
            rule = NOTICE_RULES["run_again"]
            check(by, rule, notice)
            notice.state = rule.after
        Adjustment.objects.create(
            notice=notice,
            kind="re_service",
            until=period.expires_at,
            reason=f"Served again: {service.get_method_display().lower()}",
            by=by,
            at=now(),
        )
        run_longer(notice, period.expires_at)
        rewrite(notice.case)
        record(
            None,
            "notice.extended",
            notice,
            audience=[notice.party.organisation_id],
            until=period.expires_at.isoformat(),
        )
