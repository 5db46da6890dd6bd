"""What every endpoint of the API shares: problem details (RFC 9457), strict input, pages by an opaque cursor."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date
from typing import Any

from django.core.exceptions import PermissionDenied
from django.http import Http404, HttpResponseBase
from rest_framework import exceptions, serializers
from rest_framework.pagination import CursorPagination
from rest_framework.views import set_rollback

from web import problems


# --- Errors ------------------------------------------------------------------------------------------------------------
def exception_handler(error: Exception, context: dict[str, Any]) -> HttpResponseBase | None:
    """DRF's own exceptions as problem details. What actions raise goes on to `web.middleware.problems`."""
    if isinstance(error, Http404):
        error = exceptions.NotFound()
    elif isinstance(error, PermissionDenied):
        error = exceptions.PermissionDenied(str(error) or None)
    if not isinstance(error, exceptions.APIException):
        return None
    set_rollback()
    if isinstance(error, exceptions.ValidationError):
        response = problems.problem(400, errors=list(_pointed(error.detail, "#")))
    else:
        said = "" if isinstance(error, exceptions.NotFound) else str(error.detail)
        response = problems.problem(error.status_code, detail=said)
    if header := getattr(error, "auth_header", None):
        response.headers["WWW-Authenticate"] = header
    if wait := getattr(error, "wait", None):
        response.headers["Retry-After"] = str(int(wait) + 1)
    return response


def _pointed(detail: Any, at: str) -> Iterator[dict[str, str]]:
    """Each message with the JSON pointer (RFC 6901, as a fragment) of what it is about."""
    if isinstance(detail, dict):
        for name, inner in detail.items():
            escaped = str(name).replace("~", "~0").replace("/", "~1")
            yield from _pointed(inner, at if name == "non_field_errors" else f"{at}/{escaped}")
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


class Day(serializers.DateField):
    """A day as `2026-11-24`."""

    def to_internal_value(self, value: Any) -> date:
        if not isinstance(value, str):
            raise serializers.ValidationError("This must be a day such as 2026-11-24.")
        return super().to_internal_value(value)


class Input(serializers.Serializer[Any]):
    """The body of a verb: unknown names are refused, beside the name."""

    def to_internal_value(self, data: Any) -> Any:
        if isinstance(data, dict):
            unknown = {name: ["This is not asked here."] for name in data if name not in self.fields}
            if unknown:
                raise serializers.ValidationError(unknown)
        return super().to_internal_value(data)


# --- Lists --------------------------------------------------------------------------------------------------------------
class Pages(CursorPagination):
    """Newest first; `next` and `previous` are addresses with an opaque cursor. There is no total: it grows costly."""

    ordering = "-pk"
    page_size = 50
    page_size_query_param = "page_size"
    max_page_size = 200
