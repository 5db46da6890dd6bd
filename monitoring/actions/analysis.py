"""Asking for an analysis, what its worker puts on record, and who read it."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable
from typing import Any

from django.db import IntegrityError, transaction

from accounts.models import Organisation, User
from accounts.permissions import check
from disclosures.models import Authorisation
from evidence.models import FULL, NON_CONFIDENTIAL, EvidenceItem
from evidence.rules import RULES as EVIDENCE_RULES
from ledger.actions import action, record
from ledger.time import now
from monitoring.actions.comparing import Asked, keep_comparisons
from monitoring.models import Analysis, AnalysisGrant, AnalysisReport, ComparedAuthorisation
from monitoring.models.analysis import ATTEMPTS
from monitoring.report import METHOD
from monitoring.rules import ANALYSIS_RULES, ITEM_RULES
from web.problems import Conflict

GIVEN_UP = "The analysis was begun three times and never came to an end. Tell the operator of this site."


@action
def request_analysis(item_id: int, *, by: User, rate_limit: int | None = None) -> Analysis:
    """Ask for the analysis of a usage log. While one is under way, that one is the answer."""
    item = EvidenceItem.objects.select_for_update(no_key=True).get(pk=item_id)
    check(by, ITEM_RULES["analyse"], item)
    under_way = Analysis.objects.under_way().filter(item=item).first()
    if under_way is not None:
        return under_way
    try:
        with transaction.atomic():
            analysis = Analysis.objects.create(item=item, requested_by=by, requested_at=now(), rate_limit=rate_limit)
    except IntegrityError:  # the lock makes this impossible; the database is the last word
        return Analysis.objects.under_way().get(item=item)
    record(by, "evidence.analysis_requested", item, audience=[item.organisation_id], analysis=analysis.pk)
    return analysis


@action
def read_analysis(analysis_id: int, *, by: User, shape: str) -> None:
    """Put on record that somebody other than the log's owner reads an analysis, before its first byte goes out.

    As `evidence.actions.read` does for the file, for the same readers of the record: a report has its accounts and
    volumes. `shape` is in what form it is read, such as "page" or "csv". Raises DoesNotExist when the analysis is not for
    `by` to see.
    """
    analysis = Analysis.objects.visible_to(by).select_related("item").get(pk=analysis_id)
    item = analysis.item
    check(by, EVIDENCE_RULES["read"], item)
    if by.organisation_id == item.organisation_id:
        return
    record(
        by,
        "evidence.analysis_read",
        item,
        audience=[item.organisation_id] if by.is_company else [],
        analysis=analysis.pk,
        version=NON_CONFIDENTIAL if analysis.made_for_id else FULL,
        shape=shape,
    )


def analyse_for(item: EvidenceItem, organisation: Organisation, *, by: User, reason: str) -> Analysis:
    """Have the non-confidential version of a usage log analysed for an organisation that was shown it, which reads the
    report: a shared step of actions above. What is compared is what the register has between it and the log's owner.

    Raises PermissionDenied for what is no usage log, Conflict while an analysis of the log is under way, or if the
    organisation has one by the present method.
    """
    check(by, ITEM_RULES["analyse"], item)
    EvidenceItem.objects.select_for_update(no_key=True).get(pk=item.pk)
    if Analysis.objects.under_way().filter(item=item).exists():
        raise Conflict("An analysis of this log is under way. Wait until it is over, then show it.")
    theirs = Analysis.objects.finished().filter(item=item, made_for=organisation, report__method_version=METHOD)
    if theirs.exists():
        raise Conflict("This party has been shown an analysis of this log already.")
    analysis = Analysis.objects.create(item=item, made_for=organisation, requested_by=by, requested_at=now())
    show_analyses([analysis], organisation, by=by, reason=reason)
    return analysis


@action
def begin(analysis_id: int) -> Analysis | None:
    """Take an analysis on, or leave it alone: somebody else has it, or it is over. Fails it after three attempts."""
    row = Analysis.objects.waiting().filter(pk=analysis_id).select_for_update(skip_locked=True, of=("self",)).first()
    if row is None:
        return None
    check(None, ANALYSIS_RULES["begin"], row)
    if row.attempts >= ATTEMPTS:
        _end(row, "failed", GIVEN_UP)
        return None
    row.state, row.attempts = ANALYSIS_RULES["begin"].after, row.attempts + 1
    row.read = row.rows = 0
    row.started_at = row.heard_at = now()
    row.save(update_fields=["state", "attempts", "read", "rows", "started_at", "heard_at"])
    return row


@action
def hear(analysis_id: int, *, read: int, rows: int, attempt: int) -> bool:
    """The worker lives: so many bytes are read, so many rows found. False: the analysis is no longer this worker's."""
    mine = Analysis.objects.filter(pk=analysis_id, state="running", attempts=attempt)
    return bool(mine.update(read=read, rows=rows, heard_at=now()))


@action
def finish(
    analysis_id: int,
    *,
    attempt: int,
    written: str,
    sha256: str,
    method_version: str,
    authorisations: str = "",
    asked: Asked | None = None,
    counts: Iterable[dict[str, Any]] = (),
) -> Analysis | None:
    """Keep the report, and what was compared: authorisations, declared disclosures (`asked`).

    None: the analysis is no longer this worker's.
    """
    row = _mine(analysis_id, attempt)
    if row is None:
        return None
    check(None, ANALYSIS_RULES["finish"], row)
    AnalysisReport.objects.create(
        analysis=row,
        written=written,
        sha256=sha256,
        method_version=method_version,
        authorisations=authorisations,
        authorisations_sha256=hashlib.sha256(authorisations.encode()).hexdigest() if authorisations else "",
    )
    entries = {one["entry"] for one in json.loads(authorisations or "[]") if "entry" in one}
    compared = Authorisation.objects.filter(reference__in=entries).order_by("pk")
    ComparedAuthorisation.objects.bulk_create(
        ComparedAuthorisation(analysis=row, authorisation=one) for one in compared
    )
    keep_comparisons(row, asked or {}, counts)
    _end(row, ANALYSIS_RULES["finish"].after, "")
    return row


@action
def fail(analysis_id: int, *, attempt: int, reason: str) -> Analysis | None:
    """Say why there is no report. None: the analysis is no longer this worker's."""
    row = _mine(analysis_id, attempt)
    if row is None:
        return None
    check(None, ANALYSIS_RULES["fail"], row)
    _end(row, ANALYSIS_RULES["fail"].after, reason[:500])
    return row


def show_analyses(analyses: Iterable[Analysis], organisation: Organisation, *, by: User | None, reason: str) -> None:
    """Give an organisation sight of analyses, from now on: a shared step of actions above."""
    instant = now()
    AnalysisGrant.objects.bulk_create(
        AnalysisGrant(analysis=one, organisation=organisation, reason=reason, given_by=by, since=instant)
        for one in analyses
    )


def hide_analyses(organisation: Organisation, reason: str) -> None:
    """End what was given to an organisation under `reason`."""
    AnalysisGrant.objects.current().filter(organisation=organisation, reason=reason).update(until=now())


def _mine(analysis_id: int, attempt: int) -> Analysis | None:
    rows = Analysis.objects.select_related("item").select_for_update(of=("self",))
    return rows.filter(pk=analysis_id, state="running", attempts=attempt).first()


def _end(row: Analysis, state: str, failure: str) -> None:
    row.state, row.failure, row.finished_at = state, failure, now()
    if state == "done":
        row.read, row.rows = row.size, row.report.content["rows"]
    row.save(update_fields=["state", "failure", "finished_at", "read", "rows"])
    audience = [row.item.organisation_id]
    if state == "done":
        report = row.report
        record(None, "evidence.analysed", row.item, audience=audience, analysis=row.pk, sha256=report.sha256)
    else:
        record(None, "evidence.analysis_failed", row.item, audience=audience, analysis=row.pk)
