"""The yardstick for bulk filing: what a DRF endpoint of the ordinary kind does, with the same inserts.

A serializer with a field for each question, `many=True`, whose ListSerializer calls `create` for each item; `create`
writes the rows that a declared filing consists of, one statement each. No bulk insert, none of our own validation.
"""

from __future__ import annotations

import hashlib
import json
from typing import Any

from django.db import transaction
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from disclosures.catalogue import DECLARATION_VERSION, SCHEMAS
from disclosures.models import Filing, FilingVersion, Scheme
from ledger.actions import record
from ledger.references import next_reference
from ledger.time import now
from notifications.actions import tell

SCHEMA = SCHEMAS["disclosure"]


def _field(field: Any) -> serializers.Field[Any, Any, Any, Any]:
    if field.fact:
        return serializers.DictField(required=False)
    match field.kind:
        case "whole":
            return serializers.IntegerField(required=False)
        case "yesno":
            return serializers.BooleanField(required=False)
        case "day":
            return serializers.DateField(required=False)
        case "choice":
            return serializers.ChoiceField(choices=field.choices, required=False)
        case "many":
            return serializers.MultipleChoiceField(choices=field.choices, required=False)
        case "email":
            return serializers.EmailField(required=False)
        case "evidence":
            return serializers.ListField(child=serializers.CharField(), required=False)
    return serializers.CharField(max_length=field.max_length, required=False)


Content = type("Content", (serializers.Serializer,), {f.name: _field(f) for s in SCHEMA.sections for f in s.fields})


class FilingSerializer(serializers.Serializer[Filing]):
    """One filing; `many=True` makes the ordinary list of it."""

    content = Content()

    def create(self, validated_data: dict[str, Any]) -> Filing:
        """The rows of a declared filing, one by one."""
        by = self.context["request"].user
        content = json.loads(json.dumps(validated_data["content"], default=_plain))
        filing = Filing.objects.create(
            kind="disclosure",
            reference=next_reference("D"),
            organisation_id=by.organisation_id,
            scheme=Scheme.objects.current(),
            created_by=by,
            state="submitted",
            submitted_at=now(),
            filer_reference=content["filer_reference"],
        )
        FilingVersion.objects.create(
            filing=filing,
            number=1,
            schema_version=SCHEMA.version,
            content=content,
            sha256=hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest(),
            declaration_version=DECLARATION_VERSION,
            declared_by=by,
            declared_name="x",
            declared_capacity="y",
            declared_at=now(),
            received_at=now(),
        )
        record(by, "disclosure.started", filing, audience=[by.organisation_id], private=True)
        record(by, "disclosure.submitted", filing, audience=[by.organisation_id], version=1)
        return filing


def _plain(value: Any) -> Any:
    return sorted(value) if isinstance(value, set) else str(value)


class Plain(APIView):
    """POST a list."""

    scopes = {"POST": "disclosures:write"}

    def post(self, request: Request) -> Response:
        """All in one transaction, with one letter, as ours."""
        read = FilingSerializer(data=request.data, many=True, context={"request": request})
        read.is_valid(raise_exception=True)
        with transaction.atomic():
            made = read.save()
            tell("filings_received", made[0], organisations=[request.user.organisation_id], url="/", count=len(made))
        return Response([{"reference": filing.reference, "state": filing.state} for filing in made])
