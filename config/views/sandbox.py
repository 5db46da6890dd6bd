"""The sandbox's clock, for programs. Outside the sandbox there is no such address."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

from django.http import HttpResponse
from drf_spectacular.utils import OpenApiExample, extend_schema
from rest_framework import serializers
from rest_framework.permissions import BasePermission
from rest_framework.renderers import JSONRenderer
from rest_framework.request import Request
from rest_framework.response import Response

from accounts.api.endpoints import KEY, Retries, Verb
from cases import tasks
from ledger.actions import move_clock
from ledger.time import local_date, now
from notifications import tasks as delivery
from web.api import Input, Problem, Whole, refuse_unknown

FURTHEST = timedelta(days=400)


class IsClient(BasePermission):
    """Any program of the sandbox may move its clock: it is everybody's, and nothing in it counts."""

    def has_permission(self, request: Request, view: Any) -> bool:
        return request.auth is not None or (request.method == "GET" and request.user.is_authenticated)


class ForwardInput(Input):
    """How far to move the clock, together."""

    days = Whole(min_value=0, max_value=FURTHEST.days, required=False)
    hours = Whole(min_value=0, max_value=10_000, required=False)
    minutes = Whole(min_value=0, max_value=600_000, required=False)


class ClockSerializer(serializers.Serializer[Any]):
    now = serializers.DateTimeField()
    local_date = serializers.DateField(help_text="The day it is in the United Kingdom")
    done = serializers.DictField(child=serializers.IntegerField(), help_text="What fell due, by sweep")


class Clock(Verb):
    """The time in the sandbox. Moving it forward does at once what falls due by then, as the minutes would.

    Under a key it is moved once. The key is kept, then the clock moved; if what falls due then breaks off, a retry answers
    that the clock was moved, and the sweeps of the minute go on with the rest.
    """

    permission_classes = (IsClient,)
    input = ForwardInput

    @extend_schema(tags=["sandbox"], summary="What time it is here", responses=ClockSerializer)
    def get(self, request: Request) -> Response:
        return Response(self._told({}, now()))

    @extend_schema(
        tags=["sandbox"],
        summary="Move the clock forward",
        request=ForwardInput,
        responses=ClockSerializer,
        parameters=[KEY],
        examples=[OpenApiExample("Fifteen days", value={"days": 15}, request_only=True)],
    )
    def post(self, request: Request, **where: Any) -> HttpResponse:
        refuse_unknown(request, ())
        retries = Retries(request)
        if (given := retries.answered()) is not None:
            return given
        body = ForwardInput(data=request.data)
        body.is_valid(raise_exception=True)
        by = timedelta(**body.validated_data)
        if not timedelta(0) < by <= FURTHEST:
            raise Problem(400, errors={"": f"Say by how much: more than nothing, at most {FURTHEST.days} days."})
        try:
            moved = self.run(retries, None, where, None, lambda: move_clock(by))
        except ValueError as error:
            raise Problem(409, str(error)) from error
        if "Idempotency-Replayed" in moved.headers:
            return moved
        tallies = {**tasks.run_all(), **delivery.run_all()}
        moved.content = JSONRenderer().render(self._told({n: tally.acted for n, tally in tallies.items()}, now()))
        retries.complete(moved.content)
        return moved

    def show(self, result: timedelta) -> Any:
        # It is shown before the commit, and the clock is moved after it.
        return self._told({}, now() + result)

    def headers_of(self, shown: Any) -> dict[str, str]:
        return {}

    def readable(self, shown: dict[str, Any]) -> dict[str, Any]:
        return shown

    def _told(self, done: dict[str, int], instant: datetime) -> dict[str, Any]:
        return {"now": instant, "local_date": local_date(instant), "done": done}
