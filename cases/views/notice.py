"""Notices: what a party reads and answers, and what the case team does with them."""

from __future__ import annotations

from typing import Any

import structlog
from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.core.files.storage import storages
from django.http import FileResponse, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import reverse
from django.views.decorators.http import require_POST, require_safe

from accounts.models import SignedInRequest
from accounts.permissions import allowed, check
from cases.actions import answers, extensions, notices, service
from cases.forms import AnswerForm, ExtensionForm, HandInForm, ReasonForm, ReasonsForm, ServiceForm
from cases.models import AnswerDraft, ExtensionRequest, Notice, Question, Response, Service
from cases.notice_text import in_paragraphs
from cases.rules import NOTICE_RULES
from cases.wording import trace_rows
from ledger.time import now
from notifications.models import Message
from web.forms import add_errors
from web.pages import form_page, sent
from web.problems import Conflict, Invalid

log = structlog.get_logger(__name__)


def find(request: SignedInRequest, reference: str) -> Notice:
    """The notice of this reference, if it is for the reader to see; otherwise 404."""
    seen = Notice.objects.visible_to(request.user).select_related("case__scheme", "party__organisation", "issued_by")
    return get_object_or_404(seen, reference=reference)


@login_required
@require_safe
def notice(request: SignedInRequest, reference: str) -> HttpResponse:
    """A notice: its terms, its questions, its clock with the explanation, what was sent and answered."""
    found = find(request, reference)
    questions = list(found.questions.select_related("draft"))
    left = {q.pk for q in answers.unanswered(found)} if found.kind == "evidence" else set()
    page = {
        "notice": found,
        "paragraphs": in_paragraphs(found.content),
        "questions": [{"question": q, "status": _status(q, left)} for q in questions],
        "left": len(left),
        "trace": trace_rows(found.trace),
        "services": found.services.order_by("pk"),
        "adjustments": found.adjustments.order_by("pk"),
        "requests": found.extension_requests.order_by("-pk"),
        "responses": found.responses.order_by("number"),
        "doubts": found.doubts.order_by("pk"),
        "verbs": allowed(request.user, NOTICE_RULES, found),
    }
    if request.user.is_ministry:
        page["messages_sent"] = Message.objects.about(found)
        return render(request, "cases/notice_staff.html", page)
    return render(request, "cases/notice.html", page)


def _status(question: Question, left: set[int]) -> tuple[str, str]:
    draft = getattr(question, "draft", None)
    if draft is None or not draft.how:
        return ("Not started", "grey") if question.mandatory else ("Not started (optional)", "grey")
    return ("In progress", "blue") if question.pk in left else ("Ready", "green")


@login_required
def notice_question(request: SignedInRequest, reference: str, number: int) -> HttpResponse:
    """Answer one question: saved as a draft, handed in with all the others."""
    found = find(request, reference)
    check(request.user, NOTICE_RULES["save_answer"], found)
    question = get_object_or_404(found.questions.select_related("draft"), number=number)
    draft = getattr(question, "draft", None)
    organisation_id = found.party.organisation_id
    form = AnswerForm(organisation_id=organisation_id, initial=_initial(draft), **sent(request))
    page = {"notice": found, "question": question, "form": form, "last": found.questions.count() == number}
    if request.method == "POST" and form.is_valid():
        try:
            answers.save_answer(question.pk, by=request.user, **form.cleaned_data)
        except Invalid as invalid:
            add_errors(form, invalid)
        except answers.AnswerChanged as changed:
            return _changed(request, page, changed)
        else:
            messages.success(request, f"Your answer to question {number} is saved. It is not handed in yet.")
            following = found.questions.filter(number__gt=number).order_by("number").first()
            if following is not None and "later" not in request.POST:
                return redirect("notice_question", reference, following.number)
            return redirect("notice", reference)
    return render(request, "cases/question.html", page, status=400 if form.errors else 200)


def _initial(draft: AnswerDraft | None) -> dict[str, Any]:
    if draft is None:
        return {"revision": 0}
    fields = ("how", "text", "where_held", "why_not_held", "revision")
    references = list(draft.evidence.values_list("reference", flat=True))
    return {**{name: getattr(draft, name) for name in fields}, "evidence": references}


def _changed(request: SignedInRequest, page: dict[str, Any], changed: answers.AnswerChanged) -> HttpResponse:
    """Nothing is lost: the colleague's answer is shown, one's own stays in the form, and saving again is deliberate."""
    data = request.POST.copy()
    data["revision"] = str(changed.draft.revision)
    form = AnswerForm(organisation_id=page["notice"].party.organisation_id, data=data)
    who = changed.draft.updated_by.name
    form.add_error(
        None, f"{who} has saved this answer since you opened it. Theirs is shown below; yours is in the form."
    )
    return render(request, "cases/question.html", {**page, "form": form, "theirs": changed.draft}, status=409)


@login_required
def notice_check(request: SignedInRequest, reference: str) -> HttpResponse:
    """Check all answers and hand them in."""
    found = find(request, reference)
    check(request.user, NOTICE_RULES["save_answer"], found)
    form = HandInForm(**sent(request))
    if request.method == "POST" and form.is_valid():
        received_at = now()
        try:
            handed_in = answers.answer(found.pk, by=request.user, received_at=received_at)
        except Invalid as invalid:
            add_errors(form, invalid)
        else:
            return redirect("response", reference, handed_in.number)
    page = {
        "notice": found,
        "form": form,
        "questions": found.questions.select_related("draft").prefetch_related("draft__evidence"),
        "left": answers.unanswered(found),
    }
    return render(request, "cases/check.html", page, status=400 if form.errors else 200)


@login_required
def response(request: SignedInRequest, reference: str, number: int) -> HttpResponse:
    """An answer as it was handed in: the party's receipt; for the case team something to read and mark as read."""
    found = find(request, reference)
    handed_in = get_object_or_404(found.responses.select_related("submitted_by"), number=number)
    if request.method == "POST":
        answers.read_response(handed_in.pk, by=request.user)
        messages.success(request, "Marked as read.")
        return redirect("case_tab", found.case.reference, "notices")
    page = {
        "notice": found,
        "response": handed_in,
        "answers": answers_of(handed_in),
        "read": handed_in.readings.filter(user=request.user).exists(),
    }
    return render(request, "cases/response.html", page)


def answers_of(handed_in: Response) -> list[dict[str, Any]]:
    """The stored answers of a response, each with the question it answers."""
    questions = {q.number: q for q in handed_in.notice.questions.all()}
    return [{**entry, "asked": questions[entry["question"]]} for entry in handed_in.content]


@login_required
def notice_more_time(request: SignedInRequest, reference: str) -> HttpResponse:
    """A party asks for more time."""
    found = find(request, reference)
    check(request.user, NOTICE_RULES["request_extension"], found)
    return form_page(
        request,
        ExtensionForm(**sent(request)),
        lambda data: extensions.request_extension(found.pk, by=request.user, received_at=now(), **data),
        title="Ask for more time",
        intro=(
            "Asked for in time, your request holds the deadline until it is decided. "
            "Go on with your answers: it may be refused."
        ),
        submit="Send the request",
        back=reverse("notice", args=[reference]),
        done="Your request is with the ministry. You will be told of the decision.",
    )


@login_required
def notice_extend(request: SignedInRequest, reference: str) -> HttpResponse:
    """The case team gives more time of its own accord."""
    found = find(request, reference)
    check(request.user, NOTICE_RULES["extend"], found)
    return form_page(
        request,
        ExtensionForm(**sent(request)),
        lambda data: extensions.extend(found.pk, by=request.user, **data),
        title=f"Give more time for {reference}",
        submit="Extend",
        back=reverse("notice", args=[reference]),
        done="The notice runs longer and the party is told.",
    )


def _request(request: SignedInRequest, pk: int) -> tuple[ExtensionRequest, Notice]:
    asked = get_object_or_404(ExtensionRequest.objects.select_related("notice"), pk=pk)
    found = find(request, asked.notice.reference)
    check(request.user, NOTICE_RULES["decide_extension"], found)
    return asked, found


@login_required
def extension_grant(request: SignedInRequest, pk: int) -> HttpResponse:
    asked, found = _request(request, pk)
    return form_page(
        request,
        ExtensionForm(initial={"until_day": asked.until_day}, **sent(request)),
        lambda data: extensions.grant_extension(asked.pk, by=request.user, **data),
        title=f"Grant more time for {found.reference}",
        submit="Grant",
        back=reverse("notice", args=[found.reference]),
        done="More time is granted and the party is told.",
        intro=f"The party’s reasons: {asked.reasons}",
    )


@login_required
def extension_refuse(request: SignedInRequest, pk: int) -> HttpResponse:
    asked, found = _request(request, pk)
    return form_page(
        request,
        ReasonsForm(**sent(request)),
        lambda data: extensions.refuse_extension(asked.pk, by=request.user, **data),
        title=f"Refuse more time for {found.reference}",
        submit="Refuse",
        warning=True,
        back=reverse("notice", args=[found.reference]),
        done="The request is refused and the party is told.",
        intro=f"The party’s reasons: {asked.reasons}",
    )


@login_required
def notice_waive(request: SignedInRequest, reference: str) -> HttpResponse:
    found = find(request, reference)
    check(request.user, NOTICE_RULES["waive"], found)
    return form_page(
        request,
        ReasonForm(**sent(request)),
        lambda data: notices.waive(found.pk, by=request.user, **data),
        title=f"No longer require {reference}",
        submit="No longer require it",
        warning=True,
        back=reverse("notice", args=[reference]),
        done="The party is told that no answer is required.",
    )


@login_required
@require_POST
def notice_serve_again(request: SignedInRequest, reference: str) -> HttpResponse:
    found = find(request, reference)
    service.serve_again(found.pk, by=request.user)
    messages.success(request, "Served again. The period runs from now.")
    return redirect("notice", reference)


@login_required
def notice_service(request: SignedInRequest, reference: str) -> HttpResponse:
    """Record that a notice was served by other means."""
    found = find(request, reference)
    check(request.user, NOTICE_RULES["settle_service"], found)
    return form_page(
        request,
        ServiceForm(**sent(request)),
        lambda data: service.record_service(found.pk, by=request.user, **data),
        title=f"Record service of {reference} by other means",
        submit="Record service",
        back=reverse("notice", args=[reference]),
        done="Service is recorded. The period runs from it.",
    )


@login_required
@require_safe
def service_proof(request: SignedInRequest, pk: int) -> FileResponse:
    """The copy of a proof of service, for the ministry, as an attachment only."""
    served = get_object_or_404(Service.objects.select_related("notice"), pk=pk)
    found = find(request, served.notice.reference)
    check(request.user, NOTICE_RULES["settle_service"], found)
    if not served.proof_file:
        raise Service.DoesNotExist
    try:
        file = storages["default"].open(str(served.proof_file.name))
    except OSError as error:
        log.exception("proof_of_service_missing", service=served.pk)
        raise Conflict("The copy of this proof cannot be read at the moment. It has been reported.") from error
    answer = FileResponse(file, as_attachment=True, filename=served.proof_name, content_type="application/octet-stream")
    answer.headers["Content-Security-Policy"] = "default-src 'none'; sandbox"
    return answer
