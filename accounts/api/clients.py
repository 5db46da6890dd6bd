"""The API's door: who a token stands for, what it may do, how often. Loaded by name from the settings."""

from __future__ import annotations

import base64
import hashlib
import json
from datetime import timedelta
from typing import Any
from urllib.parse import unquote

from django.conf import settings
from django.core.cache import cache
from django.db.models import Q
from django.http import HttpRequest, HttpResponse
from drf_spectacular.extensions import OpenApiAuthenticationExtension
from oauth2_provider.contrib.rest_framework import OAuth2Authentication
from oauth2_provider.models import AccessToken, Application
from oauth2_provider.oauth2_validators import OAuth2Validator
from oauth2_provider.scopes import BaseScopes
from oauth2_provider.views import TokenView
from oauthlib.common import Request as OAuthRequest
from rest_framework import exceptions
from rest_framework.permissions import SAFE_METHODS, BasePermission
from rest_framework.request import Request
from rest_framework.throttling import BaseThrottle, SimpleRateThrottle

from accounts.actions import note_token
from accounts.models import Client
from accounts.rules import SCOPES, SCOPES_OF_KIND
from ledger.time import now
from web.problems import problem

USED_EVERY = timedelta(minutes=1)


# --- Who is there --------------------------------------------------------------------------------------------------------
class ClientAuthentication(OAuth2Authentication):
    """A bearer token stands for the service user of its client: rules and visibility know of no machines.

    Looked up at every request, so that a revoked client, and a token of a scope that it lost, end at once.
    """

    www_authenticate_realm = "candour"

    def authenticate(self, request: Request) -> tuple[Any, Any] | None:
        header = request.headers.get("Authorization")
        if not header:
            return None
        scheme, _, given = header.partition(" ")
        # By the header alone: the library would read the whole body first, of whoever sends one.
        asked = OAuthRequest("/")
        if scheme.lower() != "bearer" or not OAuth2Validator().validate_bearer_token(given.strip(), [], asked):
            raise exceptions.AuthenticationFailed("The token is not valid, or no longer. Ask for a new one.")
        token = asked.access_token
        client = (
            Client.objects.able().select_related("user__organisation").filter(application=token.application).first()
        )
        if client is None:
            raise exceptions.AuthenticationFailed("These credentials were revoked, or your organisation is not let in.")
        _note_use(client)
        client.user.client = client
        return client.user, token


def _note_use(client: Client) -> None:
    instant = now()
    stale = Q(last_used_at=None) | Q(last_used_at__lt=instant - USED_EVERY)
    if client.last_used_at is None or client.last_used_at < instant - USED_EVERY:
        Client.objects.filter(stale, pk=client.pk).update(last_used_at=instant)


class HasScope(BasePermission):
    """The scope that the view names for the method. A browser's session reads, and does nothing.

    A view says `scopes = {"GET": "referrals:read", "POST": "referrals:write"}`; a method that it does not name is
    refused to everybody.
    """

    def has_permission(self, request: Request, view: Any) -> bool:
        if not request.user or not request.user.is_authenticated:
            raise exceptions.NotAuthenticated
        method = "GET" if request.method in SAFE_METHODS else str(request.method)
        wanted = view.scopes.get(method)
        if wanted is None:
            return method not in {m.upper() for m in view.http_method_names if hasattr(view, m)}
        if request.auth is None:
            if method == "GET":
                return wanted in SCOPES_OF_KIND[request.user.organisation.kind]
            raise exceptions.PermissionDenied("The API is changed by a client with a token, not by a browser.")
        if not holds(request, wanted):
            raise exceptions.PermissionDenied(f"This needs a token with the scope {wanted}.")
        return True


def holds(request: Any, scope: str) -> bool:
    """Whether the request may do what needs `scope`: by its token and its client as it is now, or as a person's."""
    if request.auth is None:
        return scope in SCOPES_OF_KIND[request.user.organisation.kind]
    return scope in request.auth.scope.split() and scope in request.user.client.scopes


class PerClient(SimpleRateThrottle):
    """So many requests a minute for each client or person."""

    scope = "client"

    def get_cache_key(self, request: Request, view: Any) -> str:
        who = request.user.pk if request.user and request.user.is_authenticated else self.get_ident(request)
        return str(self.cache_format % {"scope": self.scope, "ident": who})

    def allow_request(self, request: Request, view: Any) -> bool:
        counted: Any = self
        allowed: bool = super().allow_request(request, view)
        left = max(0, counted.num_requests - len(counted.history))
        reset = counted.duration - (counted.now - counted.history[-1]) if counted.history else counted.duration
        bare: Any = request._request
        bare.rate = (counted.num_requests, left, int(reset) + 1, counted.duration)
        return allowed


# --- Tokens --------------------------------------------------------------------------------------------------------------
class ClientScopes(BaseScopes):
    """What a client may ask for: what it was made for. Asking for nothing asks for all of it."""

    def get_all_scopes(self) -> dict[str, str]:
        return SCOPES

    def get_available_scopes(
        self, application: Application | None = None, request: Any = None, *args: Any, **kwargs: Any
    ) -> list[str]:
        client = Client.objects.able().filter(application=application).first()
        return client.scopes if client else []

    def get_default_scopes(
        self, application: Application | None = None, request: Any = None, *args: Any, **kwargs: Any
    ) -> list[str]:
        return self.get_available_scopes(application, request)


TOKEN_BODY = 16 * 1024
# How many clients with a wrong secret one address may try to be: several programs may share it.
REFUSED_AT_ONCE = 5


def _basic(request: HttpRequest) -> str:
    given = request.headers.get("Authorization", "").partition(" ")[2]
    try:
        return unquote(base64.b64decode(given).decode("utf-8", "replace"))
    except ValueError:
        return ""


def _asked_too_often(request: Any) -> HttpResponse | None:
    """429 for a client that asks again and again: a secret is dear to check, and every token is on record.

    Counted by address too, so that nobody uses up another's: the caller's own, also behind our proxy. What was
    refused there is counted whatever client it named: whoever guesses may name another one each time.
    """
    client = request.POST.get("client_id") or _basic(request).partition(":")[0]
    guesses: int = cache.get(_minute(request, "refused"), 0)
    asked = _count(_minute(request, f"asked:{client}"))
    if asked <= settings.TOKENS_A_MINUTE and guesses < REFUSED_AT_ONCE * settings.TOKENS_A_MINUTE:
        return None
    refused = problem(429, detail="Too many tokens were asked for. Keep one: it is good for an hour.")
    refused.headers["Retry-After"] = "60"
    return refused


def _minute(request: Any, what: str) -> str:
    """The key under which something is counted for this minute and this address."""
    who = hashlib.sha256(f"{what}\n{BaseThrottle().get_ident(request)}".encode()).hexdigest()
    return f"tokens:{who}:{int(now().timestamp()) // 60}"


def _count(key: str) -> int:
    return 1 if cache.add(key, 1, timeout=120) else cache.incr(key)


def _no_client() -> tuple[str, dict[str, str], str, int]:
    headers = {"WWW-Authenticate": "Basic", "Content-Type": "application/json", "Cache-Control": "no-store"}
    return "", headers, json.dumps({"error": "invalid_client"}), 401


class Token(TokenView):
    """Client credentials for a token of an hour (RFC 6749 4.4). Errors are those of the RFC."""

    http_method_names = ("post",)

    def post(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        # Before anything of the body is read: nobody is known yet.
        if request.content_type != "application/x-www-form-urlencoded":
            return problem(415, detail="Send application/x-www-form-urlencoded.")
        length = request.META.get("CONTENT_LENGTH") or "0"
        if not length.isdecimal() or int(length) > TOKEN_BODY:
            return problem(413, detail="That is too much for a request for a token.")
        if (wait := _asked_too_often(request)) is not None:
            return wait
        if request.POST.get("grant_type") != "client_credentials":
            return problem(400, detail="Only grant_type=client_credentials is answered here.")
        response: HttpResponse = super().post(request, *args, **kwargs)
        if response.status_code == 401:
            _count(_minute(request, "refused"))
        return response

    def create_token_response(self, request: HttpRequest) -> tuple[str, dict[str, str], str, int]:
        if "\0" in request.POST.get("client_id", "") or "\0" in _basic(request):
            return _no_client()
        uri, headers, body, status = super().create_token_response(request)
        if status == 200:
            checksum = hashlib.sha256(json.loads(body)["access_token"].encode()).hexdigest()
            client = Client.objects.able().filter(application__accesstoken__token_checksum=checksum).first()
            if client is None:  # the secret is right, and the organisation is not let in
                AccessToken.objects.filter(token_checksum=checksum).delete()
                return _no_client()
            note_token(client.pk)
        return uri, {**headers, "Cache-Control": "no-store", "Pragma": "no-cache"}, body, status


class ClientTokenScheme(OpenApiAuthenticationExtension):
    """How the schema speaks of it."""

    target_class = "accounts.api.clients.ClientAuthentication"
    name = "client"

    def get_security_definition(self, auto_schema: Any) -> dict[str, Any]:
        return {
            "type": "oauth2",
            "flows": {"clientCredentials": {"tokenUrl": "/api/v1/token/", "scopes": SCOPES}},
        }
