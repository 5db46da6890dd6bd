"""How the API is used: a page made from its own schema, so that the two cannot differ."""

from __future__ import annotations

import json
from functools import lru_cache
from typing import Any

from django.conf import settings
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.views.decorators.http import require_safe
from drf_spectacular.generators import SchemaGenerator

from accounts.rules import SCOPES
from web.problems import KINDS


@require_safe
def api_docs(request: HttpRequest) -> HttpResponse:
    """Every operation with what it takes and an example."""
    page = {"groups": _groups(), "scopes": SCOPES, "problems": KINDS, "site": settings.SITE_URL}
    return render(request, "config/api_docs.html", page)


@lru_cache(maxsize=1)
def _groups() -> list[dict[str, Any]]:
    """The operations by noun, in the order of their addresses."""
    schema = SchemaGenerator().get_schema(request=None, public=True)
    groups: dict[str, list[dict[str, Any]]] = {}
    for path, methods in schema["paths"].items():
        for method, operation in methods.items():
            groups.setdefault(operation["tags"][0], []).append(_operation(method, path, operation))
    return [{"noun": noun, "operations": operations} for noun, operations in sorted(groups.items())]


def _operation(method: str, path: str, operation: dict[str, Any]) -> dict[str, Any]:
    parameters = operation.get("parameters", [])
    return {
        "id": operation["operationId"].replace("_", "-"),
        "method": method.upper(),
        "path": path,
        "summary": operation["summary"],
        "description": operation.get("description", ""),
        "headers": [p["name"] for p in parameters if p["in"] == "header" and p.get("required")],
        "filters": [p["name"] for p in parameters if p["in"] == "query"],
        "takes": list(operation.get("requestBody", {}).get("content", {})),
        "example": _example(operation),
    }


def _example(operation: dict[str, Any]) -> str:
    for content in operation.get("requestBody", {}).get("content", {}).values():
        for example in content.get("examples", {}).values():
            return json.dumps(example["value"], indent=2, ensure_ascii=False)
    return ""
