"""The feed: what happened, in an order in which whoever reads on misses nothing."""

from __future__ import annotations

import re
from typing import Any
from uuid import UUID

from drf_spectacular.utils import extend_schema, extend_schema_view
from rest_framework import exceptions, generics, serializers
from rest_framework.pagination import BasePagination
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.utils.urls import replace_query_param

from accounts.api.clients import holds
from accounts.rules import EVENTS_OF_SCOPE
from ledger.actions import place_events
from ledger.models import Event
from web.api import Pages, refuse_unknown

_NAME = re.compile(r"evt_([0-9a-f]{32})", re.ASCII)


class Feed(BasePagination):
    """Oldest first, from the event named by `after`. `next` is always given: when it answers nothing, ask it later.

    Nothing tells how many there are, and the cursor is an event that the reader has seen: a number, or the end of a feed
    that others write to as well, would tell when something happens elsewhere.
    """

    def paginate_queryset(self, queryset: Any, request: Request, view: Any = None) -> list[Any]:
        refuse_unknown(request, ("after", "page_size"))
        self.request, self.after = request, request.query_params.get("after", "")
        size = Pages().get_page_size(request)
        self.events = list(queryset.placed_after(self._place(request))[:size])
        return self.events

    def _place(self, request: Request) -> int:
        """Where the event named by `after` stands; also one that this token does not hear of, but a webhook has brought."""
        if not self.after:
            return 0
        name = _NAME.fullmatch(self.after)
        seen = Event.objects.visible_to(request.user)
        found = name and seen.filter(place__uid=UUID(name[1])).values_list("place__id", flat=True).first()
        if not found:
            raise exceptions.NotFound
        return int(found)

    def get_paginated_response(self, data: Any) -> Response:
        here = self.request.build_absolute_uri()
        after = self.events[-1].place.name if self.events else self.after
        return Response({"next": replace_query_param(here, "after", after) if after else here, "results": data})

    def get_paginated_response_schema(self, schema: dict[str, Any]) -> dict[str, Any]:
        properties = {"next": {"type": "string", "format": "uri"}, "results": schema}
        return {"type": "object", "required": list(properties), "properties": properties}

    def get_schema_operation_parameters(self, view: Any) -> list[dict[str, Any]]:
        after = "The `id` of the last event that you have. Without it the feed begins at its beginning."
        return [
            {"name": name, "in": "query", "required": False, "description": words, "schema": kind}
            for name, words, kind in (
                ("after", after, {"type": "string"}),
                (
                    "page_size",
                    f"How many at once; {Pages.page_size} if you do not say.",
                    {"type": "integer", "minimum": 1, "maximum": Pages.max_page_size},
                ),
            )
        ]


class EventSerializer(serializers.ModelSerializer[Event]):
    """What happened to what, and when. Who did it and the details stay inside: read the object, as far as you may."""

    id = serializers.CharField(source="place.name", help_text="Stays the same; a webhook names the event by it too")
    type = serializers.CharField(source="verb")
    object = serializers.SerializerMethodField(help_text="What kind of thing it happened to")

    class Meta:
        model = Event
        fields = ("id", "type", "at", "detected_at", "object", "reference")
        read_only_fields = fields

    def get_object(self, event: Event) -> str:
        return event.object_type.partition(".")[2]


@extend_schema_view(get=extend_schema(tags=["events"], summary="What happened, oldest first"))
class Events(generics.ListAPIView[Event]):
    """Everything that you may know of, in the order in which it was committed. Poll `next`: nothing is passed over.

    What happened to things that your token may not read is left out: with `events:read` alone the feed is empty.
    `at` is the instant that counts in law, `detected_at` the one at which it was written down.
    """

    scopes = {"GET": "events:read"}
    serializer_class = EventSerializer
    pagination_class = Feed
    filter_backends = ()
    queryset = Event.objects.none()

    def get_queryset(self) -> Any:
        place_events()  # so that what was committed before the question is in the answer
        return Event.objects.visible_to(self.request.user).filter(verb__regex=_heard(self.request))


def _heard(request: Request) -> str:
    """Which verbs a request may hear of, as a regular expression; one that nothing matches where there are none."""
    beginnings = [b for scope, found in EVENTS_OF_SCOPE.items() if holds(request, scope) for b in found]
    return f"^({'|'.join(re.escape(b) for b in beginnings)})" if beginnings else "^$"
