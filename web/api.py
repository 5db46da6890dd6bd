"""What every endpoint of the API shares: problem details (RFC 9457), strict input, pages by an opaque cursor."""

from __future__ import annotations

import json
import re
from collections.abc import Collection, Iterator
from datetime import date, datetime
from io import BytesIO
from typing import Any

from django.conf import settings
from django.core.exceptions import PermissionDenied, RequestDataTooBig
from django.http import Http404, HttpResponseBase
from django.utils.crypto import salted_hmac
from django_filters.rest_framework import DjangoFilterBackend
from rest_framework import exceptions, serializers
from rest_framework.pagination import CursorPagination
from rest_framework.parsers import BaseParser, JSONParser
from rest_framework.renderers import JSONRenderer
from rest_framework.request import Request
from rest_framework.views import set_rollback

from web import problems


# --- Errors ------------------------------------------------------------------------------------------------------------
class Problem(exceptions.APIException):
    """A refusal that HTTP has a number for: a precondition, a header, a limit."""

    def __init__(self, status: int, detail: str = "", *, errors: dict[str, str] | None = None, **extra: Any) -> None:
        super().__init__(detail)
        self.status_code, self.extra = status, extra
        if errors:
            self.extra["errors"] = pointed(errors)


class PointedSerializer(serializers.Serializer[Any]):
    pointer = serializers.CharField(help_text="JSON pointer (RFC 6901) into what was sent")
    detail = serializers.CharField()


_PROBLEM: dict[str, Any] = {
    "type": "object",
    "description": "Problem details (RFC 9457)",
    "required": ["type", "title", "status", "detail"],
    "properties": {
        "type": {
            "type": "string",
            "format": "uri",
            "description": "The kind of problem: the address of a page about it",
        },
        "title": {"type": "string"},
        "status": {"type": "integer"},
        "detail": {"type": "string"},
        "errors": {
            "type": "array",
            "items": {
                "type": "object",
                "required": ["pointer", "detail"],
                "properties": {
                    "pointer": {"type": "string", "description": "JSON pointer (RFC 6901) into what was sent"},
                    "detail": {"type": "string"},
                },
            },
        },
        "request_id": {"type": "string"},
    },
}
# What any operation may refuse with: what was sent, who sent it, what is to be answered, how often.
_REFUSALS = (400, 401, 406, 429)


def _refusals(method: str, operation: dict[str, Any]) -> Iterator[int]:
    """The refusals that this operation can give, and no others: what is promised for all is promised for none."""
    given = {(p["in"], p["name"]) for p in operation.get("parameters", [])}
    yield from _REFUSALS
    if {} not in operation.get("security", [{}]):
        yield 403
    if any(place == "path" for place, _ in given) or given & {("query", "cursor"), ("query", "after")}:
        yield 404
    if method == "post":
        yield from (409, 413, 415)
    if ("header", "If-Match") in given:
        yield from (412, 428)
    if method == "post" and given & {("header", "Idempotency-Key"), ("query", "batch_id")}:
        yield 422  # the name of a request was used for another


def document_refusals(result: dict[str, Any], **kwargs: Any) -> dict[str, Any]:
    """For the schema: how each operation may refuse, and always in the one way."""
    components = result["components"]
    components["schemas"]["Problem"] = _PROBLEM
    content = {"application/problem+json": {"schema": {"$ref": "#/components/schemas/Problem"}}}
    components.setdefault("responses", {})["Problem"] = {
        "description": "What is wrong, and what to do",
        "content": content,
    }
    for methods in result["paths"].values():
        for method, operation in methods.items():
            for status in _refusals(method, operation):
                operation["responses"].setdefault(str(status), {"$ref": "#/components/responses/Problem"})
            if method == "get" and any(p["in"] == "path" for p in operation.get("parameters", [])):
                operation["responses"].setdefault("304", {"description": "Nothing has changed since (If-None-Match)"})
    return result


def exception_handler(error: Exception, context: dict[str, Any]) -> HttpResponseBase | None:
    """DRF's own exceptions as problem details. What actions raise goes on to `web.middleware.problems`."""
    if isinstance(error, Http404):
        error = exceptions.NotFound()
    elif isinstance(error, PermissionDenied):
        error = exceptions.PermissionDenied(str(error) or None)
    elif isinstance(error, RequestDataTooBig):
        error = Problem(413, f"A request can be {settings.DATA_UPLOAD_MAX_MEMORY_SIZE // 1024**2} MB at most.")
    if not isinstance(error, exceptions.APIException):
        return None
    if error.status_code in {401, 403}:
        error = _counted(error, context)
    set_rollback()
    if isinstance(error, exceptions.ValidationError):
        response = problems.problem(400, errors=list(_pointed(error.detail, "#")))
    else:
        said = "" if isinstance(error, exceptions.NotFound) else str(error.detail)
        response = problems.problem(error.status_code, detail=said, **getattr(error, "extra", {}))
    if header := getattr(error, "auth_header", None):
        response.headers["WWW-Authenticate"] = header
    if wait := getattr(error, "wait", None):
        response.headers["Retry-After"] = str(int(wait) + 1)
    return response


def _counted(error: exceptions.APIException, context: dict[str, Any]) -> exceptions.APIException:
    """The error, or 429: who is refused at the door is counted as well, by client or address, or could knock for ever."""
    request = context["request"]
    if not hasattr(request._request, "rate"):  # past the door everything is counted already
        try:
            context["view"].check_throttles(request)
        except exceptions.Throttled as often:
            return often
    return error


def pointed(errors: dict[str, str], *, under: str = "#") -> list[dict[str, str]]:
    """Messages by path ("content/volume/how") with the JSON pointer of each."""
    return [{"pointer": f"{under}/{path}" if path else under, "detail": message} for path, message in errors.items()]


AT_MOST_ERRORS = 50


def escaped(name: Any) -> str:
    """A name as part of a JSON pointer (RFC 6901), short, and in characters that can be sent."""
    text = str(name)[:100].encode("utf-8", "replace").decode()
    return text.replace("~", "~0").replace("/", "~1")


def _pointed(detail: Any, at: str) -> Iterator[dict[str, str]]:
    """Each message with the JSON pointer (RFC 6901, as a fragment) of what it is about."""
    if isinstance(detail, dict):
        for name, inner in detail.items():
            yield from _pointed(inner, at if name == "non_field_errors" else f"{at}/{escaped(name)}")
    elif isinstance(detail, list):
        for place, inner in enumerate(detail):
            yield from _pointed(inner, f"{at}/{place}" if isinstance(inner, dict | list) else at)
    else:
        yield {"pointer": at, "detail": str(detail)}


# --- Input: a number is not a text, and what is not known is refused ------------------------------------------------------
class Text(serializers.CharField):
    """Text, and nothing that could be made into text."""

    def to_internal_value(self, data: Any) -> str:
        if not isinstance(data, str):
            raise serializers.ValidationError("This must be a text.")
        return super().to_internal_value(data)


class Whole(serializers.IntegerField):
    """A whole number, and nothing that could be made into one."""

    def to_internal_value(self, data: Any) -> int:
        if isinstance(data, bool) or not isinstance(data, int):
            raise serializers.ValidationError("This must be a whole number.")
        return super().to_internal_value(data)


class YesNo(serializers.BooleanField):
    """True or false, and nothing that could be taken for either."""

    def to_internal_value(self, data: Any) -> bool:
        if not isinstance(data, bool):
            raise serializers.ValidationError("This must be true or false.")
        return data


class StrictJSON(JSONParser):
    """JSON as RFC 8259 has it, without NaN, without a name twice in one object, and no deeper than can be read."""

    def parse(self, stream: Any, media_type: Any = None, parser_context: Any = None) -> Any:
        """The value."""
        try:
            return _value(stream.read())
        except _NOT_JSON as error:
            raise exceptions.ParseError(f"This is not JSON that can be read: {_said(error)}") from None


class NewlineJSON(BaseParser):
    """One JSON value a line (NDJSON). A line that is none becomes an `Unreadable`: the others are not lost with it."""

    media_type = "application/x-ndjson"

    def parse(self, stream: Any, media_type: Any = None, parser_context: Any = None) -> Any:
        """All values, in the order of their lines; a list too long stops where it is known to be."""
        values: list[Any] = []
        for line in BytesIO(stream.read()):
            if line.strip():
                values.append(self._one(line))
            if len(values) > AT_MOST_LINES:
                break
        return values

    def _one(self, line: bytes) -> Any:
        try:
            return _value(line)
        except _NOT_JSON:
            return Unreadable()


class Unreadable(dict[str, Any]):
    """A line that is no JSON."""


AT_MOST_LINES = 1000
_NOT_JSON = (ValueError, RecursionError)


def _value(text: bytes) -> Any:
    return json.loads(text, parse_constant=_no_constant, object_pairs_hook=_once)


def _no_constant(name: str) -> Any:
    raise ValueError(f"{name} is no JSON.")


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise ValueError("a name stands twice in one object.")
    return found


def _said(error: Exception) -> str:
    return "it is nested too deeply." if isinstance(error, RecursionError) else str(error)[:200]


class Day(serializers.DateField):
    """A day as `2026-11-24`."""

    def to_internal_value(self, value: Any) -> date:
        if not isinstance(value, str):
            raise serializers.ValidationError("This must be a day such as 2026-11-24.")
        day = super().to_internal_value(value)
        if not 2000 <= day.year <= 2199:
            raise serializers.ValidationError("This must be a day from 2000 to 2199.")
        return day


class Moment(serializers.DateTimeField):
    """An instant as `2026-11-24T09:30:00Z`: it says how far from UTC it is."""

    def to_internal_value(self, value: Any) -> datetime:
        if not isinstance(value, str) or not _MOMENT.fullmatch(value):
            raise serializers.ValidationError("This must be an instant such as 2026-11-24T09:30:00Z.")
        instant: datetime = super().to_internal_value(value)
        if not 2000 <= instant.year <= 2199:
            raise serializers.ValidationError("This must be an instant from 2000 to 2199.")
        return instant


class Kept(serializers.DateTimeField):
    """An instant that is kept as text within a record, answered as all others are."""

    def to_representation(self, value: Any) -> Any:
        return super().to_representation(datetime.fromisoformat(value) if isinstance(value, str) else value)


_MOMENT = re.compile(r"\d{4}-\d\d-\d\d[Tt]\d\d:\d\d(:\d\d(\.\d{1,9})?)?([Zz]|[+-]\d\d:\d\d)", re.ASCII)


class Input(serializers.Serializer[Any]):
    """The body of a verb: unknown names are refused, beside the name."""

    def to_internal_value(self, data: Any) -> Any:
        if isinstance(data, dict):
            strange = [name for name in data if name not in self.fields][:AT_MOST_ERRORS]
            unknown = {name: ["This is not asked here."] for name in strange}
            if unknown:
                raise serializers.ValidationError(unknown)
        return super().to_internal_value(data)


class GoneSerializer(serializers.Serializer[Any]):
    """What is answered of something that is there no more."""

    reference = serializers.CharField()
    state = serializers.CharField()


# --- Reading one thing ---------------------------------------------------------------------------------------------------
def entity_tag(shown: Any) -> str:
    """The strong entity tag (RFC 9110 8.8.3) of what a GET shows; what one may do to it is no part of what it is.

    It is made with the site's key: a client that may write and not read gets it too, and could try its guesses against a
    plain hash.
    """
    lasting = json.loads(JSONRenderer().render(shown), object_hook=_lasting)
    return f'"{salted_hmac("candour.etag", json.dumps(lasting, sort_keys=True), algorithm="sha256").hexdigest()[:32]}"'


def _lasting(found: dict[str, Any]) -> dict[str, Any]:
    found.pop("allowed_actions", None)
    return found


def tags_of(request: Request) -> set[str]:
    """The tags of If-Match. Raises Problem 428 without any: nobody acts on what they have not read."""
    given = request.headers.get("If-Match", "").strip()
    if not given:
        raise Problem(428, "Say with If-Match which version you have read: its ETag, or * for any.")
    # Compressed on its way, a tag comes back as a weak one (W/): it is still the tag of this very content.
    return {tag.strip().removeprefix("W/") for tag in given.split(",")}


class Nothing(Input):
    """A verb that asks for nothing."""


# --- What may stand after the question mark -------------------------------------------------------------------------------
def refuse_unknown(request: Request, known: Collection[str]) -> None:
    """Raises Problem 400 for a query parameter that means nothing here: a misspelt filter would answer everything, and
    a misspelt `dry_run` would file.
    """
    twice = [name for name in request.query_params if len(request.query_params.getlist(name)) > 1][:AT_MOST_ERRORS]
    if twice:  # which of them is meant nobody knows, and dry_run is one
        errors = {escaped(name): "Say this once." for name in twice}
        raise Problem(400, "The address says something twice.", errors=errors)
    strange = [name for name in request.query_params if name not in known][:AT_MOST_ERRORS]
    if strange:
        may = f"There are {', '.join(sorted(known))}." if known else "There are none here."
        errors = {escaped(name): f"There is no such parameter. {may}" for name in strange}
        raise Problem(400, "The address asks for what there is not.", errors=errors)


class Filters(DjangoFilterBackend):
    """The filters that a view names, and no others."""

    def filter_queryset(self, request: Request, queryset: Any, view: Any) -> Any:
        filters = self.get_filterset_class(view, queryset)
        known = set(filters.base_filters) if filters is not None else set()
        if hasattr(view, "list"):
            known |= {"cursor", "page_size"}
        refuse_unknown(request, known)
        empty = [name for name in known if name in request.query_params and not request.query_params[name].strip()]
        if empty:  # to the library an empty filter is none, and would answer everything
            raise exceptions.ValidationError(dict.fromkeys(empty, "Say what is looked for, or leave this out."))
        return super().filter_queryset(request, queryset, view)


# --- Lists --------------------------------------------------------------------------------------------------------------
class Pages(CursorPagination):
    """Newest first; `next` and `previous` are addresses with an opaque cursor. There is no total: it grows costly."""

    ordering = "-pk"
    page_size = 50
    page_size_query_param = "page_size"
    max_page_size = 200

    def get_page_size(self, request: Request) -> int:
        """How many at once. Raises ValidationError for what is no number, or too many: nobody is given less unasked."""
        asked = request.query_params.get(self.page_size_query_param, str(self.page_size))
        if not (asked.isascii() and asked.isdecimal() and 1 <= int(asked[:9]) <= self.max_page_size):
            raise exceptions.ValidationError({"page_size": f"Ask for 1 to {self.max_page_size} at once."})
        return int(asked)

    def get_schema_operation_parameters(self, view: Any) -> list[dict[str, Any]]:
        """As DRF says them, and what a page may hold."""
        said = super().get_schema_operation_parameters(view)
        limits = {"minimum": 1, "maximum": self.max_page_size}
        return [p | {"schema": p["schema"] | limits} if p["name"] == "page_size" else p for p in said]

    def decode_cursor(self, request: Request) -> Any:
        """Where to go on from. Raises NotFound for what no page has given out."""
        cursor = super().decode_cursor(request)
        position: Any = cursor.position if cursor is not None else None
        if position is not None and not (position.isascii() and position.isdecimal() and len(position) < 19):
            raise exceptions.NotFound("There is no such page.")
        return cursor
