"""allauth's hooks: letters go through the outbox, sign-ins go on record, accounts begin by invitation only."""

from __future__ import annotations

from typing import Any

from allauth.account.adapter import DefaultAccountAdapter
from django.db import transaction
from django.http import HttpRequest, HttpResponse

from accounts.actions import note_sign_in
from accounts.models import User
from notifications.actions import tell

# allauth's own letters that carry a link; each has a text of ours under templates/emails/.
_LETTERS = {
    "account/email/password_reset_key": "password_reset",
    "account/email/password_changed": "password_changed",
    "account/email/password_reset": "password_changed",
    "account/email/unknown_account": None,
}


class AccountAdapter(DefaultAccountAdapter):
    """The seam between allauth and Candour, named by the setting ACCOUNT_ADAPTER."""

    def is_open_for_signup(self, request: HttpRequest) -> bool:
        return False

    @transaction.atomic
    def send_mail(self, template_prefix: str, email: str, context: dict[str, Any]) -> None:
        template = _LETTERS.get(template_prefix, "account_changed")
        user = User.objects.filter(email__iexact=email, is_active=True).first()
        if template is None or user is None:
            return
        change = template_prefix.rsplit("/", 1)[-1].replace("_", " ")
        tell(template, user, people=[user], change=change, reset=str(context.get("password_reset_url", "")))

    def post_login(self, request: HttpRequest, user: User, **kwargs: Any) -> HttpResponse:
        note_sign_in(user, "user.signed_in")
        return super().post_login(request, user, **kwargs)

    def authentication_failed(self, request: HttpRequest, **credentials: Any) -> None:
        super().authentication_failed(request, **credentials)
        user = User.objects.filter(email__iexact=str(credentials.get("email", ""))).first()
        if user is not None:
            note_sign_in(user, "user.sign_in_failed")

    def logout(self, request: HttpRequest) -> None:
        user = request.user
        super().logout(request)
        if isinstance(user, User):
            note_sign_in(user, "user.signed_out")
