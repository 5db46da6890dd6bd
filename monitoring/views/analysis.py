"""The analysis of a usage log: asking for it, watching it, reading and taking away its report."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from django.contrib.auth.decorators import login_required
from django.http import Http404, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.views.decorators.http import require_GET, require_POST, require_safe

from accounts.models import SignedInRequest
from accounts.permissions import allowed
from evidence.models import EvidenceItem
from monitoring.actions.analysis import read_analysis, request_analysis
from monitoring.charts import charts_of
from monitoring.export import MEANINGS, NOTHING, RUNGS, as_csv, document, methods, remarks, within
from monitoring.forms import AnalysisForm
from monitoring.models import Analysis, Comparison
from monitoring.models.analysis import read_by
from monitoring.report import rarity
from monitoring.rules import ITEM_RULES
from monitoring.views.comparison import shown_comparison
from web.pdf import render as render_pdf

COLOURS = {"corroborated pattern": "red", "pattern": "yellow", "noted": "grey"}
TABLE_ROWS = 400  # of a chart's table on the page; the whole is in the JSON


@login_required
@require_safe
def analyses(request: SignedInRequest, reference: str) -> HttpResponse:
    """The analyses of one file, the latest first."""
    item = get_object_or_404(read_by(request.user), reference=reference)
    found = (
        Analysis.objects.visible_to(request.user).filter(item=item).select_related("report", "made_for").order_by("-pk")
    )
    return _analyses(request, item, found, AnalysisForm())


def _analyses(request: SignedInRequest, item: EvidenceItem, found: Any, form: AnalysisForm) -> HttpResponse:
    may = "analyse" in allowed(request.user, ITEM_RULES, item)
    page = {"item": item, "analyses": found, "may": may, "form": form}
    return render(request, "monitoring/analyses.html", page, status=400 if form.errors else 200)


@login_required
@require_POST
def analysis_request(request: SignedInRequest, reference: str) -> HttpResponse:
    """Ask for an analysis and watch it."""
    item = get_object_or_404(EvidenceItem.objects.visible_to(request.user), reference=reference)
    form = AnalysisForm(request.POST)
    if not form.is_valid():
        found = (
            Analysis.objects.visible_to(request.user)
            .filter(item=item)
            .select_related("report", "made_for")
            .order_by("-pk")
        )
        return _analyses(request, item, found, form)
    asked = request_analysis(item.pk, by=request.user, rate_limit=form.cleaned_data["rate_limit"])
    return redirect("analysis", asked.pk)


@login_required
@require_safe
def analysis(request: SignedInRequest, pk: int) -> HttpResponse:
    """How far it is; when it is done, the report. The page of how far it is asks by htmx, and gives way to the report."""
    found = _find(request, pk)
    if "HX-Request" in request.headers and found.state in ("done", "failed"):
        return HttpResponse(headers={"HX-Refresh": "true"})
    listed = read_by(request.user).filter(pk=found.item_id).exists()
    page: dict[str, Any] = {"analysis": found, "item": found.item, "listed": listed}
    if found.state != "done":
        return render(request, "monitoring/analysis_progress.html", page)
    read_analysis(found.pk, by=request.user, shape="page")
    report = found.report.content
    findings = [_shown(one, place) for place, one in enumerate(report["findings"])]
    together = {a for one in findings if one["unit"] == "set" and one["rung"] != "noted" for a in one["accounts"]}
    inside = [one for one in findings if one["unit"] == "account" and one["accounts"][0] in together]
    comparisons = Comparison.objects.visible_to(request.user).filter(analysis=found).with_later()
    page |= {
        "report": report,
        "since": _instant(report["from"]),
        # As pairs: a template would take a header's own "items" for the list of them.
        "prepared": list(report["prepared"].items()),
        "until": _instant(report["to"]),
        "findings": [one for one in findings if one["rung"] != "noted" and one not in inside],
        "inside": [one for one in inside if one["rung"] != "noted"],
        "noted": [one for one in findings if one["rung"] == "noted" and one not in inside],
        "nothing": NOTHING,
        "meanings": MEANINGS,
        "authorisations": [{**one, "remarks": remarks(one)} for one in report["authorisations"]],
        "methods": methods(),
        "charts": charts_of(report["charts"]),
        "table_rows": TABLE_ROWS,
        "sha256": found.report.sha256,
        "authorisations_sha256": found.report.authorisations_sha256,
        "comparisons": [shown_comparison(one) for one in comparisons.select_related("closed_by").order_by("pk")],
    }
    return render(request, "monitoring/analysis.html", page)


def _shown(one: dict[str, Any], place: int) -> dict[str, Any]:
    signs = [{**sign, "rare": rarity(sign)} for sign in one["indicators"]]
    rung = one["rung"]
    said = {
        "indicators": signs,
        "tag": RUNGS[rung],
        "colour": COLOURS[rung],
        "number": place + 1,
        "within": within(one),
    }
    return {**one, **said, "since": _instant(one["rows"]["first"]), "until": _instant(one["rows"]["last"])}


def _instant(said: str | None) -> datetime | None:
    """An instant of a report, to be said as instants are said on pages."""
    return datetime.fromisoformat(said) if said else None


def _find(request: SignedInRequest, pk: int) -> Analysis:
    seen = Analysis.objects.visible_to(request.user).select_related("item__organisation", "report", "made_for")
    return get_object_or_404(seen, pk=pk)


@login_required
@require_safe
def analysis_compare(request: SignedInRequest, pk: int, other: int) -> HttpResponse:
    """Two logs side by side: do both parties' records of the same traffic agree?

    Of whole files only: what a non-confidential version lacks was left out for another reason.
    """
    pair = [_find(request, pk), _find(request, other)]
    if any(one.state != "done" or one.made_for_id for one in pair):
        raise Http404
    for one in pair:
        read_analysis(one.pk, by=request.user, shape="comparison")
    reports = [one.report.content for one in pair]
    accounts = [{a for f in report["findings"] for a in f["accounts"]} for report in reports]
    rows = [
        ("Rows", [f"{r['rows']:,}" for r in reports]),
        ("Rejected rows", [f"{r['rejected']:,}" for r in reports]),
        ("Accounts", [f"{r['accounts']:,}" for r in reports]),
        ("From", [r["from"] for r in reports]),
        ("To", [r["to"] for r in reports]),
        *(
            (said, [f"{sum(f['rung'] == rung for f in r['findings']):,}" for r in reports])
            for rung, said in RUNGS.items()
        ),
        ("Accounts in findings", [f"{len(a):,}" for a in accounts]),
        (
            "Of them in both (none where the parties hashed with different keys, even of the same traffic)",
            [f"{len(accounts[0] & accounts[1]):,}"] * 2,
        ),
    ]
    return render(request, "monitoring/analysis_compare.html", {"pair": pair, "rows": rows, "days": _days(reports)})


def _days(reports: list[dict[str, Any]]) -> list[tuple[str, list[str]]]:
    """Calls by day of each log, for every day that either has."""
    counted: list[dict[str, int]] = []
    for report in reports:
        own: dict[str, int] = {}
        for at, n in report["charts"].get("volume_by_hour", []):
            own[at[:10]] = own.get(at[:10], 0) + n
        counted.append(own)
    return [(day, [f"{own.get(day, 0):,}" for own in counted]) for day in sorted(set().union(*counted))]


@login_required
@require_GET
def analysis_download(request: SignedInRequest, pk: int, kind: str) -> HttpResponse:
    """To take away: the report as it was written, its findings as CSV, what is read of it as PDF; what was compared."""
    found = _find(request, pk)
    if found.state != "done" or (kind == "authorisations" and not found.report.authorisations):
        raise Http404
    read_analysis(found.pk, by=request.user, shape=kind)
    name = f"{found.item.reference}-analysis-{found.pk}.{kind}"
    if kind == "json":
        content, media = found.report.written.encode(), "application/json"
    elif kind == "authorisations":
        content, media = found.report.authorisations.encode(), "application/json"
        name = f"{found.item.reference}-analysis-{found.pk}-authorisations.json"
    elif kind == "csv":
        content, media = as_csv(found.report.content), "text/csv; charset=utf-8"
    else:
        content, media = (
            render_pdf("document.typ", document(found.item.reference, found.report.content, found.report.sha256)),
            "application/pdf",
        )
    return HttpResponse(content, content_type=media, headers={"Content-Disposition": f'attachment; filename="{name}"'})
