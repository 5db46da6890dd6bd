"""What one was told, how an invited person gets an account, and in demo mode the letters that would have gone out."""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from typing import Any

from django.conf import settings
from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.core.exceptions import BadRequest
from django.core.paginator import Paginator
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import reverse
from django.utils.http import url_has_allowed_host_and_scheme
from django.views.decorators.debug import sensitive_post_parameters
from django.views.decorators.http import require_POST

from accounts.actions import accept
from accounts.models import Invitation, SignedInRequest
from notifications import actions
from notifications.forms import AcceptForm, ReadForm
from notifications.letters import render as letter
from notifications.models import Message
from web.pages import form_page, sent
from web.problems import Conflict

PAGE = 50
DEMO_LAST = 100


@login_required
def notifications(request: SignedInRequest) -> HttpResponse:
    """What one was told, newest first. A POST marks all that was listed as read."""
    seen = Message.objects.visible_to(request.user)
    if request.method == "POST":
        form = ReadForm(request.POST)
        if not form.is_valid():
            raise BadRequest
        actions.mark_read(request.user.pk, by=request.user, upto=form.cleaned_data["upto"])
        messages.success(request, "Everything that was listed is marked as read.")
        return redirect("notifications")
    page = Paginator(seen.order_by("-pk"), PAGE).get_page(request.GET.get("page"))
    context = {
        "page": page,
        "rows": [{"message": message, "subject": _subject(message)} for message in page],
        "unread_here": seen.filter(read_at__isnull=True).count(),
        "newest": seen.order_by("-pk").values_list("pk", flat=True).first() or 0,
    }
    return render(request, "notifications/list.html", context)


def _subject(message: Message) -> str:
    return message.subject or letter(message.template, message.context, message.url)[0]


@login_required
@require_POST
def message_bounced(request: SignedInRequest, pk: int) -> HttpResponse:
    """Staff put on record that a letter came back."""
    actions.record_bounce(pk, by=request.user)
    messages.success(request, "It is on record that the letter came back.")
    url = request.POST.get("next", "")
    safe = url_has_allowed_host_and_scheme(url, allowed_hosts={request.get_host()}, require_https=request.is_secure())
    return redirect(url if safe and url.startswith("/") else "/")


# --- Invitations ---------------------------------------------------------------------------------------------------
_NOT_OPEN = {
    "accepted": "This link has been used: the account exists. Sign in with it.",
    "revoked": "This invitation was withdrawn. Ask whoever invited you for a new one.",
    "expired": "This link is too old. Ask whoever invited you for a new one.",
}


@sensitive_post_parameters("password", "password_again")
def invitation(request: HttpRequest, token: str) -> HttpResponse:
    """Make the account to which an invitation's link entitles."""
    found = actions.invitation_of(token)
    if found.state != "open":
        raise Conflict(_NOT_OPEN[found.state], back=reverse("account_login"))
    if request.user.is_authenticated:
        raise Conflict("You are signed in with another account. Sign out, then open the link again.", back="/")

    def act(data: dict[str, Any]) -> Any:
        return accept(found.pk, name=data["name"], password=data["password"])

    return form_page(
        request,
        AcceptForm(initial={"name": found.name}, **sent(request)),
        act,
        title="Make your account",
        submit="Make the account",
        back=reverse("account_login"),
        done="Your account is made. Sign in with your e-mail address and the password you chose.",
        template="notifications/invitation.html",
        invitation=found,
    )


# --- Demo mode: the mailbox of everybody ---------------------------------------------------------------------------
def in_demo_only(view: Callable[..., HttpResponse]) -> Callable[..., HttpResponse]:
    """404 unless the site is a demonstration, where nothing is sent and these letters are the only copies."""

    @wraps(view)
    def wrapped(request: SignedInRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        if not settings.DEMO:
            raise Http404
        return view(request, *args, **kwargs)

    return wrapped


@in_demo_only
def demo_mail(request: HttpRequest) -> HttpResponse:
    """The last letters, and the invitations that are open."""
    invitations = Invitation.objects.open().select_related("organisation").order_by("-pk")[:DEMO_LAST]
    rows = [{"message": m, "subject": _subject(m)} for m in Message.objects.order_by("-pk")[:DEMO_LAST]]
    return render(request, "notifications/demo_mail.html", {"invitations": invitations, "rows": rows})


@in_demo_only
def demo_message(request: HttpRequest, pk: int) -> HttpResponse:
    """One letter as it was, or will be, sent."""
    message = get_object_or_404(Message, pk=pk)
    subject, body = message.subject, message.body
    if not body:
        subject, body = letter(message.template, message.context, message.url)
    context = {"to": message.address, "subject": subject, "body": body, "at": message.sent_at}
    return render(request, "notifications/demo_letter.html", context)


@in_demo_only
def demo_invitation(request: HttpRequest, pk: int) -> HttpResponse:
    """One invitation with its link."""
    found = get_object_or_404(Invitation.objects.select_related("organisation"), pk=pk)
    subject, body = actions.invitation_letter(found)
    context = {"to": found.email, "subject": subject, "body": body, "at": found.sent_at}
    return render(request, "notifications/demo_letter.html", context)
