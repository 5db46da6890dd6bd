"""What the endpoints share: a GET has an entity tag; a POST has preconditions and retries that are safe.

A verb parses, finds, and calls the action that the page calls. The precondition (If-Match) and the answer that is kept
for a retry (Idempotency-Key) belong to the action's own transaction: see `ledger.actions.within`.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Callable, Iterator
from functools import cache
from typing import Any, ClassVar

from django.db import OperationalError, connection
from django.http import HttpResponse
from django.shortcuts import get_object_or_404
from django.urls import URLPattern, URLResolver, get_resolver
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import (
    OpenApiExample,
    OpenApiParameter,
    PolymorphicProxySerializer,
    extend_schema,
    extend_schema_view,
)
from psycopg.errors import LockNotAvailable
from rest_framework import generics, serializers
from rest_framework.renderers import JSONRenderer
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from accounts.api.clients import holds
from accounts.models import KeptAnswer
from accounts.permissions import Rules, allowed
from ledger.actions import within
from ledger.time import now
from web.api import Input, Nothing, PointedSerializer, Problem, entity_tag, refuse_unknown, tags_of
from web.exact import Exact
from web.problems import Conflict

PATIENCE = "5s"
# What is answered of something that is there no more: it says nothing else.
GONE = {"discarded", "removed"}


class ReceiptSerializer(Exact):
    """What a client that may write and not read is told of what it did: as much of this as there is."""

    reference = serializers.CharField(required=False)
    id = serializers.IntegerField(required=False)
    state = serializers.CharField(required=False)
    outcome = serializers.CharField(required=False)
    same_content = serializers.BooleanField(required=False)
    filer_reference = serializers.CharField(required=False, allow_null=True)
    ruleset = serializers.CharField(required=False)
    missing = PointedSerializer(many=True, required=False)
    received_at = serializers.DateTimeField(required=False, allow_null=True)
    due_on = serializers.DateField(required=False, allow_null=True)
    allowed_actions = serializers.ListField(child=serializers.CharField(), required=False)


# The results of many are such receipts already.
RECEIPT = (*ReceiptSerializer().fields, "results")
_KEY = re.compile(r"[\x21-\x7e]{1,255}")

IF_MATCH = OpenApiParameter(
    "If-Match",
    OpenApiTypes.STR,
    OpenApiParameter.HEADER,
    required=True,
    description="The ETag of what you read, so that nothing is done to what has changed since. `*` does it in any case.",
    examples=[OpenApiExample("As it stands now", value="*")],
)
KEY = OpenApiParameter(
    "Idempotency-Key",
    OpenApiTypes.STR,
    OpenApiParameter.HEADER,
    description="A name of your own for this request. A second one with the same key gets the answer of the first, "
    "for 30 days.",
)


class One(generics.RetrieveAPIView[Any]):
    """One thing, with its entity tag; a reader that has it already is told so (304)."""

    lookup_field = "reference"

    def retrieve(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        response = super().retrieve(request, *args, **kwargs)
        tag = entity_tag(response.data)
        known = {one.strip().removeprefix("W/") for one in request.headers.get("If-None-Match", "").split(",")}
        if tag in known:
            response = Response(status=304)
        response.headers["ETag"] = tag
        return response


class _Replay(Exception):
    """The answer was there by the time the key was ours."""

    def __init__(self, kept: KeptAnswer) -> None:
        self.kept = kept


class Retries:
    """The Idempotency-Key of one request: what was answered to it before, and the keeping of what is answered now."""

    def __init__(self, request: Request, *, keep: bool = True) -> None:
        self.user: Any = request.user
        self.key = request.headers.get("Idempotency-Key") if keep else None
        if self.key is not None and not _KEY.fullmatch(self.key):
            raise Problem(400, "The Idempotency-Key must be 1 to 255 printable characters without spaces.")
        if self.key is not None:
            # The scopes are part of it: what a token was answered that reads more is not for one that reads less.
            token: Any = request.auth
            scopes = sorted(set(token.scope.split()))
            said = [str(request.method), request.get_full_path(), " ".join(scopes)]
            self.fingerprint = hashlib.sha256("\n".join(said).encode() + b"\n" + _body(request)).hexdigest()

    def answered(self) -> HttpResponse | None:
        """The answer that was given to this key; None when there is none. Raises Problem 422 for another request."""
        if self.key is None:
            return None
        kept = KeptAnswer.objects.filter(user=self.user, key=self.key).first()
        return self.replay(kept) if kept is not None else None

    def replay(self, kept: KeptAnswer) -> HttpResponse:
        if kept.fingerprint != self.fingerprint:
            raise Problem(422, "This Idempotency-Key was used for another request. Choose a new one.")
        response = HttpResponse(kept.body, status=kept.status, content_type="application/json")
        for name, value in kept.headers.items():
            response.headers[name] = value
        response.headers["Idempotency-Replayed"] = "true"
        return response

    def take(self) -> None:
        """In the action's transaction, first: nobody else works under this key. Raises Conflict, or _Replay."""
        if self.key is None:
            return
        number = int.from_bytes(hashlib.sha256(f"{self.user.pk}:{self.key}".encode()).digest()[:8], signed=True)
        with connection.cursor() as cursor:
            # The same request again, sent too early, waits a little for the first one's answer.
            try:
                cursor.execute("SELECT pg_advisory_xact_lock(%s)", [number])
            except OperationalError as error:
                raise Conflict(
                    "The first request with this Idempotency-Key is still being worked on. Try again."
                ) from error
        kept = KeptAnswer.objects.filter(user=self.user, key=self.key).first()
        if kept is not None:
            raise _Replay(kept)

    def keep(self, status: int, body: bytes, headers: dict[str, str], about: str) -> None:
        """In the action's transaction, last: the answer stands if and only if the change does."""
        if self.key is not None:
            KeptAnswer.objects.create(
                user=self.user,
                key=self.key,
                fingerprint=self.fingerprint,
                status=status,
                body=body.decode(),
                headers=headers,
                about=about,
                at=now(),
            )

    def complete(self, body: bytes) -> None:
        """Afterwards, with what came of it: an answer of which a part is known only once the change is committed."""
        if self.key is not None:
            KeptAnswer.objects.filter(user=self.user, key=self.key).update(body=body.decode())


def _body(request: Request) -> bytes:
    body: bytes = request._request.body
    return body


class Verb(APIView):
    """One thing that can be done. A subclass says what it takes (`input`), finds, does and shows."""

    scopes: dict[str, str]
    input: type[Input]
    # What may be asked after the question mark.
    query: tuple[str, ...] = ()
    status = 200
    # The permission has seen to it that it is a client's service user.
    request: Any

    def find(self, **where: Any) -> Any:
        """What the address names, for the reader to see; None for what is yet to be made. Raises Http404."""
        return None

    def lock(self, found: Any) -> None:
        """Take the lock under which `found` changes: it is the first thing in the action's transaction."""
        type(found).objects.select_for_update(of=["self"]).get(pk=found.pk)

    def act(self, found: Any, **data: Any) -> Any:
        """Call the action."""
        raise NotImplementedError

    def show(self, result: Any) -> Any:
        """What is answered: as a GET of it shows it."""
        raise NotImplementedError

    def state(self, **where: Any) -> Any:
        """What is there now, as a GET shows it: what an entity tag is the tag of."""
        return self.show(self.find(**where))

    def headers_of(self, shown: Any) -> dict[str, str]:
        return {"ETag": entity_tag(shown)}

    def post(self, request: Request, **where: Any) -> HttpResponse:
        refuse_unknown(request, self.query)
        retries = Retries(request)
        if (given := retries.answered()) is not None:
            return self.still_seen(given, where)
        found = self.find(**where)
        wanted = tags_of(request) if found is not None else None
        body = self.input(data=request.data)
        body.is_valid(raise_exception=True)
        return self.run(retries, found, where, wanted, lambda: self.act(found, **body.validated_data))

    def still_seen(self, given: HttpResponse, where: dict[str, Any]) -> HttpResponse:
        """A replay, if what it shows is still for the reader to see. Raises Http404."""
        if json.loads(given.content).get("state") not in GONE:
            self.find(**where)
        return given

    def run(
        self, retries: Retries, found: Any, where: dict[str, Any], wanted: set[str] | None, do: Callable[[], Any]
    ) -> HttpResponse:
        """Call `do`, an action, under the precondition and with its answer kept."""
        made: list[tuple[int, bytes, dict[str, str]]] = []

        def before() -> None:
            # Nobody waits for a lock for ever: a thread that waits is one that serves nobody.
            with connection.cursor() as cursor:
                cursor.execute(f"SET LOCAL lock_timeout = '{PATIENCE}'")
            retries.take()
            if wanted is not None:
                self.lock(found)
                if "*" not in wanted and entity_tag(self.state(**where)) not in wanted:
                    raise Problem(412, "It has changed since you read it. Read it again, and decide again.")

        def after(result: Any) -> None:
            shown = self.show(result)
            answer = (self.status_of(result), JSONRenderer().render(self.readable(shown)), self.headers_of(shown))
            retries.keep(*answer, shown.get("reference") or "")
            made.append(answer)

        try:
            with within(before, after):
                do()
        except _Replay as replay:
            return self.still_seen(retries.replay(replay.kept), where)
        except OperationalError as error:
            if not isinstance(error.__cause__, LockNotAvailable):
                raise
            raise Conflict("Somebody else is working on this at the moment. Try again.") from error
        status, content, headers = made[0]
        response = HttpResponse(content, status=status, content_type="application/json")
        for name, value in headers.items():
            response.headers[name] = value
        return response

    def readable(self, shown: dict[str, Any]) -> dict[str, Any]:
        """All of it for a client that may read it, and a receipt for one that may only write."""
        scope = self.scopes["POST"].partition(":")[0] + ":read"
        if holds(self.request, scope):
            return shown
        return {name: shown[name] for name in RECEIPT if name in shown}

    def status_of(self, result: Any) -> int:
        return self.status


class VerbOn(Verb):
    """One action on one thing, answered with the thing as a GET shows it. A subclass says what the reader may see
    (`seen`), the action (`do`) and the serializer (`answer`), and puts right what is different about it.
    """

    do: ClassVar[Callable[..., Any]]
    answer: ClassVar[type[serializers.BaseSerializer[Any]]]

    def seen(self) -> Any:
        """The rows of this kind that are for the reader to see, with what the serializer reads of them."""
        raise NotImplementedError

    def find(self, **where: Any) -> Any:
        return get_object_or_404(self.seen(), **where) if where else None

    def act(self, found: Any, **data: Any) -> Any:
        which = [] if found is None else [found.pk]
        return type(self).do(*which, by=self.request.user, **data)

    def show(self, result: Any) -> Any:
        return type(self).answer(self.seen().get(pk=result.pk), context={"request": self.request}).data


def can(request: Any, noun: str, rules: Rules, obj: Any, **called: tuple[str, ...]) -> list[str]:
    """What the request can go on to do to something, by the last parts of the addresses at which it is done.

    That is the name of the rule with hyphens, where `called` does not say other names. What has no address here, or one
    that asks for a scope which the token has not, is not told.
    """
    names = (n for v in allowed(request.user, rules, obj) for n in called.get(v, (v.rstrip("_").replace("_", "-"),)))
    scopes = _scopes_of_verbs()
    doors = {name: scopes.get(f"api_{noun}_{name.replace('-', '_')}") for name in names}
    return [name for name, scope in doors.items() if scope is not None and holds(request, scope)]


@cache
def _scopes_of_verbs() -> dict[str, str]:
    """The scope that a POST asks for, by the name of its address."""
    views = {str(p.name): getattr(p.callback, "view_class", None) for p in _addresses(get_resolver().url_patterns)}
    scopes = {name: getattr(view, "scopes", {}) for name, view in views.items()}
    return {name: by_method["POST"] for name, by_method in scopes.items() if "POST" in by_method}


def _addresses(patterns: Any) -> Iterator[URLPattern]:
    for pattern in patterns:
        if isinstance(pattern, URLResolver):
            yield from _addresses(pattern.url_patterns)
        else:
            yield pattern


def _or_receipt(answer: type[serializers.Serializer[Any]]) -> Any:
    """For the schema: the whole answer, or what a client is told that may write and not read."""
    if set(answer().fields) <= set(RECEIPT):
        return answer
    name = f"{answer.__name__.removesuffix('Serializer')}OrReceipt"
    return PolymorphicProxySerializer(name, [answer, ReceiptSerializer], resource_type_field_name=None)


def described(
    view: type[Verb], *, tag: str, summary: str, answer: Any, example: Any, creates: bool = False, **more: Any
) -> Any:
    """The view with what the schema says of it; `example` is a body that is accepted as it stands."""
    nothing = {"application/json": {"type": "object", "additionalProperties": False, "properties": {}}}
    body = more.pop("request", None) or (nothing if view.input is Nothing else view.input)
    shape = _or_receipt(answer)
    success = {view.status: shape} if not creates else {201: shape, 200: shape}
    schema = extend_schema(
        tags=[tag],
        summary=summary,
        request=body,
        responses=success,
        parameters=[KEY, *([] if creates else [IF_MATCH]), *more.pop("parameters", [])],
        examples=[OpenApiExample(summary, value=example, request_only=True)],
        **more,
    )
    return extend_schema_view(post=schema)(view)
