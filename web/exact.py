"""Shapes that hold what they say and nothing else, so that the schema can tell two shapes of one answer apart."""

from __future__ import annotations

from typing import Any

from drf_spectacular.extensions import OpenApiSerializerExtension
from rest_framework import serializers


class Exact(serializers.Serializer[Any]):
    """A shape beside which another, larger one may be answered. In the schema it has no further properties."""


class ExactInSchema(OpenApiSerializerExtension):
    """How the schema speaks of it."""

    target_class = "web.exact.Exact"
    match_subclasses = True

    def map_serializer(self, auto_schema: Any, direction: Any) -> Any:
        found = auto_schema._map_serializer(self.target, direction, bypass_extensions=True)
        return {**found, "additionalProperties": False}
