"""The page of a case, for the ministry and for a party, and what is done to it there."""

from __future__ import annotations

from collections.abc import Iterable
from itertools import combinations, islice
from typing import Any

from django.contrib.auth.decorators import login_required
from django.core.exceptions import PermissionDenied
from django.db.models import Prefetch
from django.http import Http404, HttpResponse
from django.shortcuts import get_object_or_404, render
from django.urls import reverse
from django.views.decorators.http import require_safe

from accounts.models import Organisation, SignedInRequest, User
from accounts.permissions import allowed, check
from cases.actions import case as act
from cases.actions.referrals.making import refer
from cases.brief import HEADS, laid_out
from cases.forms import (
    AssignForm,
    BriefForm,
    DecisionForm,
    IssueForm,
    NoteForm,
    OpenCaseForm,
    PublishForm,
    ReasonForm,
)
from cases.models import Adjustment, Case, Exhibit, ExtensionRequest, ServiceDoubt
from cases.rules import CASE_RULES
from cases.wording import outlook, timeline
from disclosures.models import Filing
from ledger.models import Event
from monitoring.models import Analysis
from web.pages import form_page, sent
from web.problems import Conflict

PAIRS = 100  # of logs, on the page of exhibits
TABS = {
    "summary": "Summary",
    "timeline": "Timeline",
    "notices": "Notices",
    "exhibits": "Exhibits",
    "notes": "Notes",
    "brief": "Brief",
}


def find(request: SignedInRequest, reference: str) -> Case:
    """The case of this reference, if it is for the reader to see; otherwise 404."""
    cases = Case.objects.visible_to(request.user).select_related("officer", "deputy", "opened_by", "scheme", "source")
    return get_object_or_404(cases, reference=reference)


def looks(case: Case, reader: User) -> dict[str, Any]:
    """The clock of a case as every page of it shows it; a party is told why it is held as far as that is its own."""
    requests = ExtensionRequest.objects.holding().filter(notice__case=case)
    doubts = ServiceDoubt.objects.holding().filter(notice__case=case)
    held = {"requests": requests.count(), "doubts": doubts.count()}
    if reader.is_company:
        own = {"notice__party__organisation_id": reader.organisation_id}
        others = bool(held["requests"] or held["doubts"])
        held = {"requests": requests.filter(**own).count(), "doubts": doubts.filter(**own).count()}
    else:
        others = False
    words = outlook(case.state, case.refers_at, requests=held["requests"], doubts=held["doubts"], others=others)
    return {"case": case, "outlook": words}


@login_required
@require_safe
def case(request: SignedInRequest, reference: str, tab: str = "summary") -> HttpResponse:
    """The case: for the ministry tab by tab, for a party its own side of it."""
    found = find(request, reference)
    if not request.user.is_ministry:
        if tab != "summary":
            raise Http404
        return render(request, "cases/party.html", _party_page(request, found))
    if tab not in TABS:
        raise Http404
    tabs = [
        {"href": reverse("case_tab", args=[reference, key]), "text": text, "active": key == tab}
        for key, text in TABS.items()
    ]
    page = {**looks(found, request.user), "tabs": tabs, "tab": tab, "verbs": allowed(request.user, CASE_RULES, found)}
    page.update(_TAB_PAGES[tab](request, found))
    return render(request, f"cases/tab_{tab}.html", page)


def _summary(request: SignedInRequest, found: Case) -> dict[str, Any]:
    return {
        "parties": found.parties.select_related("organisation").order_by("role", "pk"),
        "notices": found.notices.filter(kind="evidence", round=found.round).select_related("party__organisation"),
        "adjustments": _adjustments(found),
        "proposals": found.proposals.filter(round=found.round).select_related("by"),
        "decision": getattr(found, "decision", None),
        "referrals": found.referrals.prefetch_related("steps").order_by("-round"),
        "may_decide": found.opened_by_id != request.user.pk,
        "events": timeline(_events(request, found).order_by("-at", "-id")[:8], reader=request.user),
    }


def _adjustments(found: Case) -> Any:
    return (
        Adjustment.objects.filter(notice__case=found, notice__round=found.round)
        .select_related("notice", "by")
        .order_by("pk")
    )


def _events(request: SignedInRequest, found: Case) -> Any:
    return Event.objects.visible_to(request.user).about(found).select_related("actor__organisation")


def _timeline(request: SignedInRequest, found: Case) -> dict[str, Any]:
    return {"events": timeline(_events(request, found), reader=request.user)}


def _notices(request: SignedInRequest, found: Case) -> dict[str, Any]:
    notices = found.notices.select_related("party__organisation").order_by("-round", "pk")
    pending = ExtensionRequest.objects.open().filter(notice__case=found).select_related("notice")
    return {"notices": notices, "requests": pending}


def _exhibits(request: SignedInRequest, found: Case) -> dict[str, Any]:
    exhibits = found.exhibits.select_related("item", "party__organisation").prefetch_related(
        "item__grants__organisation"
    )
    exhibits = exhibits.prefetch_related("comments__organisation")
    # From the grants that are read for all at once: a question for each exhibit would be one a row.
    disclosed = {e.pk for e in exhibits if any(grant.reason == e.sight_reason for grant in e.item.grants.all())}
    return {"exhibits": exhibits, "disclosed": disclosed, "pairs": _side_by_side(request, exhibits)}


def _side_by_side(request: SignedInRequest, exhibits: Iterable[Exhibit]) -> list[tuple[tuple[Exhibit, int], ...]]:
    """The usage logs of two parties that may be of the same traffic, each with its latest analysis of the whole file."""
    whole = Analysis.objects.visible_to(request.user).filter(state="done", made_for=None)
    # The later one of an item takes the place of those before it.
    latest = dict(whole.filter(item__exhibits__in=exhibits).order_by("pk").values_list("item_id", "pk"))
    logs = [(exhibit, latest[exhibit.item_id]) for exhibit in exhibits if exhibit.item_id in latest]
    two = (pair for pair in combinations(logs, 2) if pair[0][0].party_id != pair[1][0].party_id)
    return list(islice(two, PAIRS))


def _notes(request: SignedInRequest, found: Case) -> dict[str, Any]:
    return {"notes": found.notes.select_related("by").order_by("-pk"), "form": NoteForm()}


def _brief(request: SignedInRequest, found: Case) -> dict[str, Any]:
    return {"brief": laid_out(act.brief_texts(found))}


_TAB_PAGES = {
    "summary": _summary,
    "timeline": _timeline,
    "notices": _notices,
    "exhibits": _exhibits,
    "notes": _notes,
    "brief": _brief,
}


def _party_page(request: SignedInRequest, found: Case) -> dict[str, Any]:
    own = request.user.organisation_id
    parties = [
        {"role": p.get_role_display(), "name": p.name_for(request.user), "own": p.organisation_id == own}
        for p in found.parties.select_related("organisation").order_by("role", "pk")
    ]
    exhibits = Exhibit.objects.visible_to(request.user).filter(case=found).select_related("item", "party")
    mine = [e for e in exhibits if e.party.organisation_id == own]
    analyses = Analysis.objects.visible_to(request.user).filter(made_for=own).order_by("-pk")
    disclosed = exhibits.exclude(party__organisation=own).prefetch_related(
        Prefetch("item__analyses", analyses, to_attr="for_us")
    )
    decision = getattr(found, "decision", None)
    return {
        **looks(found, request.user),
        "parties": parties,
        "notices": found.notices.filter(party__organisation_id=own).order_by("-round", "pk"),
        "exhibits": mine,
        "disclosed": disclosed,
        "decision": decision,
        "events": timeline(_events(request, found), reader=request.user),
    }


@login_required
def case_new(request: SignedInRequest) -> HttpResponse:
    """Open a case: from `?from=` a filing, or on the ministry's own motion."""
    if not request.user.is_ministry:
        raise PermissionDenied("Cases are opened by the ministry.")
    reference = request.GET.get("from", "")
    source = get_object_or_404(Filing.objects.visible_to(request.user), reference=reference) if reference else None
    complainant = source.organisation if source is not None and source.kind == "allegation" else None
    form = OpenCaseForm(complainant=complainant, **sent(request))

    def open_it(data: dict[str, Any]) -> Case:
        seats = [
            act.Seat(org.pk, "respondent", data["respondent_questions"])
            for org in data["respondents"]
            if isinstance(org, Organisation)
        ]
        if data["complainant"] is not None:
            seats.insert(0, act.Seat(data["complainant"].pk, "complainant", data["complainant_questions"]))
        words = {k: data[k] for k in ("title", "subject", "purpose")}
        return act.open_case(by=request.user, seats=seats, source_id=source.pk if source else None, **words)

    return form_page(
        request,
        form,
        open_it,
        title=f"Open a case from {source.reference}" if source else "Open a case on the ministry’s own motion",
        intro=(
            "Opening the case issues to each party a preservation notice and a notice to produce evidence. "
            "Both are served at once and cannot be taken back."
        ),
        submit="Open the case and issue the notices",
        back=reverse("filing", args=[source.reference]) if source else reverse("cases"),
        done="The case is open and the notices are issued.",
        then=lambda opened: reverse("case", args=[opened.reference]),
    )


def verb_page(
    request: SignedInRequest, found: Case, verb: str, form: Any, do: Any, *, tab: str = "", **words: Any
) -> HttpResponse:
    """A form page about a case that goes back to the case; who may not do it is told before filling anything in."""
    check(request.user, CASE_RULES[verb], found)
    back = reverse("case_tab", args=[found.reference, tab]) if tab else reverse("case", args=[found.reference])
    words.setdefault("title", CASE_RULES[verb].label)
    words.setdefault("submit", CASE_RULES[verb].label)
    return form_page(request, form, do, back=back, **words)


@login_required
def case_assign(request: SignedInRequest, reference: str) -> HttpResponse:
    found = find(request, reference)
    team = {"officer": found.officer_id, "deputy": found.deputy_id}
    form = AssignForm(initial={**team, **{f"seen_{k}": pk for k, pk in team.items()}}, **sent(request))

    def do(data: dict[str, Any]) -> Any:
        ids = {f"{k}_id": data[k].pk if data[k] else None for k in team}
        return act.assign(found.pk, by=request.user, seen=(data["seen_officer"], data["seen_deputy"]), **ids)

    return verb_page(request, found, "assign", form, do, title="Who works on this case", submit="Save", done="Saved.")


@login_required
def case_conflict(request: SignedInRequest, reference: str) -> HttpResponse:
    found = find(request, reference)
    return verb_page(
        request,
        found,
        "declare_conflict",
        ReasonForm(**sent(request)),
        lambda data: act.declare_conflict(found.pk, by=request.user, **data),
        intro="Once you have declared it, this case and everything in it is no longer shown to you.",
        warning=True,
        done=f"Recorded. {found.reference} is no longer shown to you.",
        then=lambda _: reverse("cases"),
    )


@login_required
def case_note(request: SignedInRequest, reference: str) -> HttpResponse:
    found = find(request, reference)
    return verb_page(
        request,
        found,
        "add_note",
        NoteForm(**sent(request)),
        lambda data: act.add_note(found.pk, by=request.user, **data),
        tab="notes",
        done="The note is added.",
    )


@login_required
def case_brief(request: SignedInRequest, reference: str, head: str) -> HttpResponse:
    found = find(request, reference)
    about = next((h for h in HEADS if h.key == head), None)
    if about is None:
        raise Http404
    latest = found.brief_versions.filter(head=head).order_by("-number").first()
    initial = {"text": latest.text if latest else "", "number": latest.number if latest else 0}
    form = BriefForm(initial=initial, **sent(request))
    try:
        return verb_page(
            request,
            found,
            "write_brief",
            form,
            lambda data: act.write_brief(found.pk, by=request.user, head=head, **data),
            tab="brief",
            title=f"Brief: {about.title}",
            intro=about.hint,
            submit="Save",
            done="Saved.",
        )
    except Conflict as conflict:
        if latest is None or found.state != "open":
            raise
        # Nothing is lost: the colleague's text is shown, one's own stays in the box, and saving again is deliberate.
        form = BriefForm(data={"text": request.POST.get("text", ""), "number": latest.number})
        form.add_error(None, f"{conflict.message} Theirs is shown below; yours is still in the box.")
        page = {
            "form": form,
            "title": f"Brief: {about.title}",
            "theirs": latest,
            "submit": "Save mine",
            "back": reverse("case_tab", args=[reference, "brief"]),
        }
        return render(request, "cases/brief_changed.html", page, status=409)


@login_required
def case_issue(request: SignedInRequest, reference: str) -> HttpResponse:
    found = find(request, reference)
    asked = found.notices.filter(round=found.round, kind="evidence").values("party")
    parties = list(found.parties.exclude(pk__in=asked).select_related("organisation").order_by("pk"))
    form = IssueForm(parties=parties, **sent(request))

    def do(data: dict[str, Any]) -> Any:
        return act.issue_notices(
            found.pk, by=request.user, subject=data["subject"], purpose=data["purpose"], questions=form.questions()
        )

    return verb_page(request, found, "issue_notices", form, do, tab="notices", done="The notices are issued.")


@login_required
def case_propose(request: SignedInRequest, reference: str) -> HttpResponse:
    found = find(request, reference)
    return verb_page(
        request,
        found,
        "propose",
        DecisionForm(**sent(request)),
        lambda data: act.propose(found.pk, by=request.user, **data),
        intro="A supervisor who did not open the case decides. Your proposal is not shown to the parties.",
        done="The proposal is before the supervisors.",
    )


@login_required
def case_resolve(request: SignedInRequest, reference: str) -> HttpResponse:
    found = find(request, reference)
    proposal = found.proposals.filter(round=found.round).order_by("-pk").first()
    initial = {"outcome": proposal.outcome, "reasons": proposal.reasons} if proposal else {}
    return verb_page(
        request,
        found,
        "resolve",
        DecisionForm(initial=initial, **sent(request)),
        lambda data: act.resolve(found.pk, by=request.user, **data),
        intro="The case is resolved, nothing more falls due, and the parties are told of the outcome and the reasons.",
        done="The case is resolved.",
    )


@login_required
def case_publish(request: SignedInRequest, reference: str) -> HttpResponse:
    found = find(request, reference)
    return verb_page(
        request,
        found,
        "publish",
        PublishForm(**sent(request)),
        lambda data: act.publish(found.pk, by=request.user, **data),
        intro="Anybody can read what you publish. Write it for the public.",
        done="The decision is published.",
    )


@login_required
def case_refer(request: SignedInRequest, reference: str) -> HttpResponse:
    found = find(request, reference)
    return verb_page(
        request,
        found,
        "refer",
        ReasonForm(**sent(request)),
        lambda data: refer(found.pk, by=request.user, **data),
        intro="The case goes to the competition authority now, with the brief and the exhibits as they stand.",
        warning=True,
        done="The case is with the competition authority.",
    )
