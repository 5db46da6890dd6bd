"""The days that the clock counts with: holidays, and what the ministry has changed."""

from __future__ import annotations

from typing import Any

from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from cases.clock import CALENDAR_VERSION, RULE, SUBDIVISIONS, unlike_the_week
from cases.models import HolidayOverride
from ledger.time import local_date, now
from web.api import Input, refuse_unknown

FIRST_YEAR, LAST_YEAR = 2000, 2199


class CalendarInput(Input):
    """What may stand after the question mark."""

    nation = serializers.ChoiceField(choices=sorted(SUBDIVISIONS), default="england")
    year = serializers.IntegerField(min_value=FIRST_YEAR, max_value=LAST_YEAR, required=False)


class DaySerializer(serializers.Serializer[Any]):
    day = serializers.DateField()
    working = serializers.BooleanField()
    name = serializers.CharField(allow_blank=True)


class CalendarSerializer(serializers.Serializer[Any]):
    """Every day of a year that is not as its day of the week would have it."""

    nation = serializers.CharField()
    year = serializers.IntegerField()
    rule = serializers.CharField(help_text="By which periods are counted; it is printed on every notice")
    version = serializers.CharField(help_text="Of the calendar that was shipped")
    days = DaySerializer(many=True)


class Calendar(APIView):
    """From Monday to Friday the days on which nothing is due, and at weekends those that count after all.

    What the ministry changes later can only move a period that runs to a later end.
    """

    scopes = {"GET": "cases:read"}

    @extend_schema(
        tags=["calendar"],
        summary="Holidays that the clock counts with",
        responses=CalendarSerializer,
        parameters=[
            OpenApiParameter(
                "nation", str, enum=sorted(SUBDIVISIONS), description="Whose: `england` if you say nothing"
            ),
            OpenApiParameter("year", int, description="The present one if you say nothing"),
        ],
    )
    def get(self, request: Request) -> Response:
        refuse_unknown(request, ("nation", "year"))
        asked = CalendarInput(data=request.query_params.dict())
        asked.is_valid(raise_exception=True)
        nation, year = asked.validated_data["nation"], asked.validated_data.get("year", local_date(now()).year)
        found = unlike_the_week(year, nation, HolidayOverride.objects.as_overrides())
        days = [{"day": day, "working": working, "name": name} for day, working, name in found]
        told = {"nation": nation, "year": year, "rule": RULE, "version": CALENDAR_VERSION, "days": days}
        return Response(CalendarSerializer(told).data)
