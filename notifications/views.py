"""What one was told, how an invited person gets an account, webhooks, and in demo mode the letters that would go out."""

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
from django.views.decorators.http import require_POST, require_safe

from accounts.actions import accept
from accounts.models import Invitation, Organisation, SignedInRequest
from accounts.permissions import allowed, check
from notifications import actions
from notifications.actions import webhooks as hooks
from notifications.forms import AcceptForm, EndpointForm, ReadForm
from notifications.letters import render as letter
from notifications.models import Delivery, Endpoint, Message
from notifications.rules import DELIVERY_RULES, ENDPOINT_RULES, WEBHOOK_RULES
from web.forms import add_errors
from web.pages import form_page, sent
from web.problems import Conflict, Invalid

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


# --- Webhooks ------------------------------------------------------------------------------------------------------
def _organisation(request: SignedInRequest, pk: int) -> Organisation:
    return get_object_or_404(Organisation.objects.visible_to(request.user), pk=pk)


def _endpoint(request: SignedInRequest, pk: int) -> Endpoint:
    return get_object_or_404(Endpoint.objects.visible_to(request.user).select_related("organisation"), pk=pk)


@login_required
@require_safe
def webhooks(request: SignedInRequest, pk: int) -> HttpResponse:
    """Where an organisation has its events sent, and how that goes."""
    found = _organisation(request, pk)
    check(request.user, WEBHOOK_RULES["see_webhooks"], found)
    endpoints = Endpoint.objects.visible_to(request.user).filter(organisation=found).order_by("pk")
    context = {
        "organisation": found,
        "own": found.pk == request.user.organisation_id,
        "endpoints": endpoints.with_counts(),
        "verbs": allowed(request.user, WEBHOOK_RULES, found),
    }
    return render(request, "notifications/webhooks.html", context)


@login_required
def webhook_new(request: SignedInRequest, pk: int) -> HttpResponse:
    """Name an address; the answer to the form is the one page that shows the secret."""
    found = _organisation(request, pk)
    check(request.user, WEBHOOK_RULES["add_endpoint"], found)
    form = EndpointForm(**sent(request))
    if request.method == "POST" and form.is_valid():
        try:
            return _secret(request, hooks.add_endpoint(found.pk, by=request.user, **form.cleaned_data))
        except Invalid as invalid:
            add_errors(form, invalid)
    page = {
        "form": form,
        "title": f"Send the events of {found.name} to a program",
        "intro": "The secret with which it checks what comes is shown once, on the next page.",
        "submit": "Add the address",
        "back": reverse("webhooks", args=[found.pk]),
    }
    return render(request, "form_page.html", page, status=400 if form.errors else 200)


def _secret(request: SignedInRequest, endpoint: Endpoint) -> HttpResponse:
    return render(request, "notifications/webhook_secret.html", {"endpoint": endpoint})


@login_required
@require_safe
def webhook(request: SignedInRequest, pk: int) -> HttpResponse:
    """One address: how it stands, and the log of what was sent there, newest first."""
    endpoint = _endpoint(request, pk)
    found = endpoint.deliveries.select_related("event", "endpoint__organisation").order_by("-pk")
    state = request.GET.get("state", "")
    if state in Delivery.State.values:
        found = found.filter(state=state)
    page = Paginator(found, PAGE).get_page(request.GET.get("page"))
    context = {
        "endpoint": endpoint,
        "verbs": allowed(request.user, ENDPOINT_RULES, endpoint),
        "page": page,
        "states": Delivery.State.choices,
        "chosen": state,
        "rows": [{"delivery": d, "verbs": allowed(request.user, DELIVERY_RULES, d)} for d in page],
        "dead": endpoint.deliveries.filter(state="dead").count(),
    }
    return render(request, "notifications/webhook.html", context)


@login_required
@require_POST
def webhook_rotate(request: SignedInRequest, pk: int) -> HttpResponse:
    """A new secret; the old one is good for another day."""
    return _secret(request, hooks.rotate_secret(_endpoint(request, pk).pk, by=request.user))


@login_required
@require_POST
def webhook_disable(request: SignedInRequest, pk: int) -> HttpResponse:
    """Send nothing there any more."""
    endpoint = hooks.disable_endpoint(_endpoint(request, pk).pk, by=request.user)
    messages.success(request, "The address is turned off. Nothing is sent there until you turn it on again.")
    return redirect("webhook", pk=endpoint.pk)


@login_required
@require_POST
def webhook_enable(request: SignedInRequest, pk: int) -> HttpResponse:
    """Turn it on again, with a new challenge."""
    endpoint = hooks.enable_endpoint(_endpoint(request, pk).pk, by=request.user)
    messages.success(request, "We have sent a new challenge. When it is answered, what was missed follows.")
    return redirect("webhook", pk=endpoint.pk)


@login_required
@require_POST
def delivery_again(request: SignedInRequest, pk: int) -> HttpResponse:
    """Send one delivery again."""
    delivery = hooks.send_again(get_object_or_404(Delivery.objects.visible_to(request.user), pk=pk).pk, by=request.user)
    messages.success(request, f"{delivery.type} is on its way again, under the same id.")
    return redirect("webhook", pk=delivery.endpoint_id)


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
