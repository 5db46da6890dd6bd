"""Pages about organisations, their people and one's own account."""

from __future__ import annotations

from typing import Any

from allauth.core.ratelimit import consume_or_429
from allauth.mfa.utils import is_mfa_enabled
from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.core.paginator import Paginator
from django.db.models import Q, QuerySet
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import reverse
from django.views.decorators.http import require_POST, require_safe

from accounts import actions
from accounts.forms import (
    AwayForm,
    ClientForm,
    ContactForm,
    InviteForm,
    OrganisationForm,
    RefuseForm,
    RegisterForm,
    ReplaceForm,
    RestoreForm,
    SearchForm,
    SuspendForm,
)
from accounts.models import Client, Contact, Invitation, Organisation, SignedInRequest, User, people_of
from accounts.permissions import allowed, check
from accounts.rules import CLIENT_RULES, INVITATION_RULES, KEEPERS, ORGANISATION_RULES, PERSON_RULES, RULES
from web.forms import Form
from web.pages import form_page, sent

# Each request sends a letter to an address that somebody typed.
REGISTER_RATES = {"ask_for_account": "20/h/ip"}
PAGE = 50


# --- A company asks for an account ---------------------------------------------------------------------------------
def register(request: HttpRequest) -> HttpResponse:
    """The form by which a company asks for an account."""
    limited = consume_or_429(request, action="ask_for_account", config=REGISTER_RATES)
    if limited is not None:
        return limited
    form = RegisterForm(**sent(request))
    return form_page(
        request,
        form,
        lambda data: actions.request_account(**data),
        title="Ask for an account",
        submit="Ask for an account",
        back="/",
        done="Your request is on record.",
        then=lambda _: reverse("register_done"),
        template="accounts/register.html",
    )


@require_safe
def register_done(request: HttpRequest) -> HttpResponse:
    """What happens next; the same whether or not the address was known."""
    return render(request, "accounts/register_done.html")


# --- One's own organisation ----------------------------------------------------------------------------------------
@login_required
@require_safe
def organisation(request: SignedInRequest) -> HttpResponse:
    """One's own organisation: how it stands, its contacts, people and open invitations."""
    return render(request, "accounts/organisation.html", _organisation_page(request, request.user.organisation))


def _organisation_page(request: SignedInRequest, found: Organisation) -> dict[str, Any]:
    seen = User.objects.visible_to(request.user).filter(organisation=found, is_service=False)
    people = seen.order_by("-is_active", "name", "pk")
    invitations = Invitation.objects.visible_to(request.user).open().filter(organisation=found).order_by("pk")
    return {
        "organisation": found,
        "contacts": found.contacts.filter(removed_at__isnull=True).order_by("pk"),
        "live_contacts": actions.live_contacts(found),
        "people": [{"person": person, "verbs": allowed(request.user, PERSON_RULES, person)} for person in people],
        "invitations": [{"invitation": i, "verbs": allowed(request.user, INVITATION_RULES, i)} for i in invitations],
        "clients": [
            {"client": client, "verbs": allowed(request.user, CLIENT_RULES, client)}
            for client in Client.objects.visible_to(request.user)
            .filter(user__organisation=found)
            .select_related("user", "application")
            .order_by("revoked_at", "pk")
        ],
        "may_see_webhooks": request.user.role in KEEPERS,
        "may_make_clients": "create" in allowed(request.user, CLIENT_RULES, found),
        "verbs": allowed(request.user, ORGANISATION_RULES, found),
        "own": found.pk == request.user.organisation_id,
    }


def _page_of(request: SignedInRequest, found: Organisation) -> str:
    """The page on which the reader meets this organisation."""
    if found.pk == request.user.organisation_id:
        return reverse("organisation")
    return reverse("organisation_detail", args=[found.pk])


@login_required
def contact_new(request: SignedInRequest) -> HttpResponse:
    """Add a contact to one's own organisation."""
    check(request.user, RULES["add_contact"], request.user.organisation)
    return form_page(
        request,
        ContactForm(**sent(request)),
        lambda data: actions.add_contact(request.user.organisation_id, by=request.user, **data),
        title="Add a contact",
        submit="Add the contact",
        back=reverse("organisation"),
        done="The contact is added. Copies of notices go there from now on.",
    )


@login_required
@require_POST
def contact_remove(request: SignedInRequest, pk: int) -> HttpResponse:
    """Remove a contact."""
    seen = Organisation.objects.visible_to(request.user)
    contact = get_object_or_404(Contact.objects.filter(organisation__in=seen), pk=pk)
    actions.remove_contact(contact.pk, by=request.user)
    messages.success(request, "The contact is removed.")
    return redirect(_page_of(request, contact.organisation))


# --- Invitations and people ----------------------------------------------------------------------------------------
@login_required
def invite(request: SignedInRequest) -> HttpResponse:
    """Invite a colleague into one's own organisation."""
    return _invite(request, request.user.organisation)


@login_required
def organisation_invite(request: SignedInRequest, pk: int) -> HttpResponse:
    """Invite somebody into an organisation, as the supervisor."""
    return _invite(request, get_object_or_404(Organisation.objects.visible_to(request.user), pk=pk))


def _invite(request: SignedInRequest, found: Organisation) -> HttpResponse:
    check(request.user, RULES["invite"], found)
    return form_page(
        request,
        InviteForm(kind=found.kind, **sent(request)),
        lambda data: actions.invite(found.pk, by=request.user, **data),
        title=f"Invite somebody to {found.name}",
        intro=f"We send a link that makes an account. It works once, for {actions.INVITATION_DAYS} days.",
        submit="Send the invitation",
        back=_page_of(request, found),
        done="The invitation is on its way.",
    )


@login_required
@require_POST
def invitation_revoke(request: SignedInRequest, pk: int) -> HttpResponse:
    """Take an invitation back."""
    found = get_object_or_404(Invitation.objects.visible_to(request.user), pk=pk)
    invitation = actions.revoke(found.pk, by=request.user)
    messages.success(request, "The invitation is withdrawn: its link opens nothing any more.")
    return redirect(_page_of(request, invitation.organisation))


# --- Machines ------------------------------------------------------------------------------------------------------
@login_required
def client_new(request: SignedInRequest, pk: int) -> HttpResponse:
    """Make API credentials; the answer to the form is the one page that ever shows the secret."""
    found = get_object_or_404(Organisation.objects.visible_to(request.user), pk=pk)
    check(request.user, CLIENT_RULES["create"], found)
    form = ClientForm(kind=found.kind, **sent(request))
    if request.method == "POST" and form.is_valid():
        client, secret = actions.make_client(found.pk, by=request.user, **form.cleaned_data)
        return _secret(request, client, secret)
    page = {
        "form": form,
        "title": f"API credentials for {found.name}",
        "intro": "For a program that reads and files here by itself. The secret is shown once, on the next page.",
        "submit": "Make the credentials",
        "back": _page_of(request, found),
    }
    return render(request, "form_page.html", page, status=400 if form.errors else 200)


def _client(request: SignedInRequest, pk: int) -> Client:
    return get_object_or_404(Client.objects.visible_to(request.user).select_related("user__organisation"), pk=pk)


@login_required
@require_POST
def client_rotate(request: SignedInRequest, pk: int) -> HttpResponse:
    """A new secret; the old one and its tokens end at once."""
    return _secret(request, *actions.rotate_client(_client(request, pk).pk, by=request.user))


@login_required
@require_POST
def client_revoke(request: SignedInRequest, pk: int) -> HttpResponse:
    """Close the credentials: the next request is refused."""
    client = actions.revoke_client(_client(request, pk).pk, by=request.user)
    messages.success(request, f"The credentials of {client.user.name} are revoked.")
    return redirect(_page_of(request, client.user.organisation))


def _secret(request: SignedInRequest, client: Client, secret: str) -> HttpResponse:
    page = {"client": client, "secret": secret, "back": _page_of(request, client.user.organisation)}
    return render(request, "accounts/client_secret.html", page)


@login_required
def person_close(request: SignedInRequest, pk: int) -> HttpResponse:
    """Ask, then close somebody's account."""
    person = _person(request, pk)
    check(request.user, RULES["deactivate"], person)
    return form_page(
        request,
        Form(**sent(request)),
        lambda _: actions.deactivate(person.pk, by=request.user),
        title=f"Close the account of {person.name}?",
        intro="Nobody can sign in with it any more, from the next click on. What was done with it stays on record.",
        submit="Close the account",
        warning=True,
        back=_page_of(request, person.organisation),
        done=f"The account of {person.name} is closed.",
    )


@login_required
def person_replace(request: SignedInRequest, pk: int) -> HttpResponse:
    """Invite somebody in the place of an administrator who is lost to the organisation."""
    person = _person(request, pk)
    check(request.user, RULES["replace_admin"], person)
    return form_page(
        request,
        ReplaceForm(**sent(request)),
        lambda data: actions.replace_admin(person.pk, by=request.user, **data),
        title=f"Replace {person.name}",
        intro=(
            f"The new administrator of {person.organisation.name} gets a link. "
            f"The account of {person.name} is closed at the moment the new one is made."
        ),
        submit="Send the invitation",
        back=_page_of(request, person.organisation),
        done="The invitation is on its way.",
    )


def _person(request: SignedInRequest, pk: int) -> User:
    return get_object_or_404(User.objects.visible_to(request.user).select_related("organisation"), pk=pk)


# --- The ministry looks after organisations ------------------------------------------------------------------------
@login_required
@require_safe
def organisations(request: SignedInRequest) -> HttpResponse:
    """Who waits for verification, oldest first; then everybody, by name."""
    check(request.user, RULES["list"])
    seen = Organisation.objects.visible_to(request.user)
    search = SearchForm(request.GET if "q" in request.GET else None)
    found = _matching(seen, search)
    context = {
        "search": search,
        "waiting": seen.filter(state="pending").order_by("created_at", "pk"),
        "page": Paginator(found.order_by("name", "pk"), PAGE).get_page(request.GET.get("page")),
        "verbs": allowed(request.user, {"register": RULES["register"]}, None),
    }
    return render(request, "accounts/organisations.html", context, status=400 if search.errors else 200)


def _matching(seen: QuerySet[Organisation], search: SearchForm) -> QuerySet[Organisation]:
    if not search.is_valid():
        return seen
    words = search.cleaned_data["q"].strip()
    return seen.filter(Q(name__icontains=words) | Q(company_number__iexact=words)) if words else seen


@login_required
def organisation_new(request: SignedInRequest) -> HttpResponse:
    """Register the authority, a partner or a company."""
    check(request.user, RULES["register"])
    return form_page(
        request,
        OrganisationForm(**sent(request)),
        lambda data: actions.register(by=request.user, **data),
        title="Register an organisation",
        intro="It counts as verified at once, and its first member gets a link to make an account.",
        submit="Register it",
        back=reverse("organisations"),
        done="The organisation is registered and the invitation is on its way.",
        then=lambda made: reverse("organisation_detail", args=[made.pk]),
    )


@login_required
@require_safe
def organisation_detail(request: SignedInRequest, pk: int) -> HttpResponse:
    """One organisation as the ministry sees it."""
    found = get_object_or_404(Organisation.objects.visible_to(request.user), pk=pk)
    check(request.user, RULES["list"])
    page = {
        **_organisation_page(request, found),
        "able": people_of(found),
        "decisions": found.decisions.select_related("by").order_by("-pk"),
    }
    return render(request, "accounts/organisation_detail.html", page)


@login_required
@require_POST
def organisation_verify(request: SignedInRequest, pk: int) -> HttpResponse:
    """The company is who it says it is."""
    found = actions.verify(pk, by=request.user)
    messages.success(request, f"{found.name} is verified and may submit.")
    return redirect("organisation_detail", pk=pk)


@login_required
def organisation_refuse(request: SignedInRequest, pk: int) -> HttpResponse:
    """Say why an organisation is not verified."""
    found = get_object_or_404(Organisation.objects.visible_to(request.user), pk=pk)
    check(request.user, RULES["refuse"], found)
    return form_page(
        request,
        RefuseForm(**sent(request)),
        lambda data: actions.refuse(found.pk, by=request.user, **data),
        title=f"Refuse to verify {found.name}",
        submit="Refuse",
        warning=True,
        back=reverse("organisation_detail", args=[found.pk]),
        done=f"{found.name} is not verified. Its drafts stay, and it can be verified later.",
    )


@login_required
def organisation_suspend(request: SignedInRequest, pk: int) -> HttpResponse:
    """Say why an organisation is shut out, and do it."""
    found = get_object_or_404(Organisation.objects.visible_to(request.user), pk=pk)
    check(request.user, RULES["suspend"], found)
    return form_page(
        request,
        SuspendForm(**sent(request)),
        lambda data: actions.suspend(found.pk, by=request.user, **data),
        title=f"Suspend {found.name}",
        intro=(
            "From the next click on, its people and its programs can do nothing here. What it filed stays on record. "
            "Periods of its notices run on: if that is not meant, give more time, or serve them by other means."
        ),
        submit="Suspend it",
        warning=True,
        back=reverse("organisation_detail", args=[found.pk]),
        done=f"{found.name} is suspended.",
    )


@login_required
def organisation_restore(request: SignedInRequest, pk: int) -> HttpResponse:
    """Say why an organisation is let in again, and do it."""
    found = get_object_or_404(Organisation.objects.visible_to(request.user), pk=pk)
    check(request.user, RULES["restore"], found)
    return form_page(
        request,
        RestoreForm(**sent(request)),
        lambda data: actions.restore(found.pk, by=request.user, **data),
        title=f"Let {found.name} in again",
        submit="Let it in again",
        back=reverse("organisation_detail", args=[found.pk]),
        done=f"{found.name} is let in again.",
    )


# --- One's own account ---------------------------------------------------------------------------------------------
@login_required
@require_safe
def account(request: SignedInRequest) -> HttpResponse:
    """Your account: who you are here, how you sign in, when you are away."""
    return _account_page(request, AwayForm(initial={"until": request.user.away_until}))


@login_required
@require_POST
def account_away(request: SignedInRequest) -> HttpResponse:
    """Say until when one is away, or that one is back."""
    form = AwayForm(request.POST)
    if not form.is_valid():
        return _account_page(request, form, status=400)
    actions.set_away(request.user.pk, by=request.user, **form.cleaned_data)
    messages.success(request, "Saved.")
    return redirect("account")


def _account_page(request: SignedInRequest, form: AwayForm, status: int = 200) -> HttpResponse:
    context = {"form": form, "person": request.user, "second_factor": is_mfa_enabled(request.user)}
    return render(request, "accounts/account.html", context, status=status)
