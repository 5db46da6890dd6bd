"""Filing for machines: one or a thousand at a time, an outcome for each, tried first if they like."""

from __future__ import annotations

import re
from typing import Any, ClassVar

from django.http import HttpResponse
from drf_spectacular.utils import OpenApiParameter
from rest_framework import generics, serializers
from rest_framework.request import Request

from accounts.api.endpoints import Retries, Verb
from disclosures import actions as act
from disclosures.api.reading import DeclaredFilingSerializer, FilingSerializer, seen
from disclosures.catalogue import SCHEMAS
from disclosures.models import Filing
from disclosures.shape import json_schema, read
from ledger.time import now
from web.api import (
    AT_MOST_ERRORS,
    NewlineJSON,
    PointedSerializer,
    Problem,
    StrictJSON,
    Unreadable,
    entity_tag,
    escaped,
    pointed,
    refuse_unknown,
)

STANDING = "(S-[0-9]{4}-[0-9]{6,12})?"
_STANDING = re.compile(STANDING)


def _item(kind: str, sent: Any) -> act.Item:
    """One filing as it was sent; what is wrong with it goes along."""
    if isinstance(sent, Unreadable) or not isinstance(sent, dict):
        return act.Item({}, wrong={"": "This must be an object with `content`."})
    content, wrong = read(SCHEMAS[kind], sent.get("content"))
    standing = sent.get("standing_declaration", "")
    strange = [name for name in sent if name not in {"content", "standing_declaration"}][:AT_MOST_ERRORS]
    outside = {escaped(name): "This is not asked here." for name in strange}
    if not isinstance(standing, str) or not _STANDING.fullmatch(standing):
        outside["standing_declaration"] = "This must be a reference such as S-2026-000123."
        standing = ""
    return act.Item(content, standing, wrong, outside)


# What an answer to a filing says besides what a GET of it shows.
BECAME = ("missing", "outcome", "same_content", "ruleset")


class FiledSerializer(DeclaredFilingSerializer):
    """The filing, and what became of what was sent. A dry run has the second part alone, as a receipt has."""

    missing = PointedSerializer(many=True, help_text="What a draft still needs before it can be declared")
    outcome = serializers.ChoiceField(choices=["created", "replayed"])
    same_content = serializers.BooleanField(help_text="Of a replay: whether the first said the same")
    ruleset = serializers.CharField(help_text="The version of the questions by which it was judged")

    class Meta(DeclaredFilingSerializer.Meta):
        fields = (*DeclaredFilingSerializer.Meta.fields, *BECAME)


class ResultSerializer(serializers.Serializer[Any]):
    index = serializers.IntegerField()
    outcome = serializers.ChoiceField(choices=["created", "replayed", "refused"])
    reference = serializers.CharField(allow_null=True)
    filer_reference = serializers.CharField(allow_null=True)
    state = serializers.CharField(allow_null=True)
    same_content = serializers.BooleanField()
    errors: Any = PointedSerializer(many=True)
    missing = PointedSerializer(many=True)


class BulkSerializer(serializers.Serializer[Any]):
    ruleset = serializers.CharField()
    results = ResultSerializer(many=True)


DRY_RUN = OpenApiParameter(
    "dry_run", bool, description="`true`: say what would become of it, and change nothing.", required=False
)


def _dry(request: Request) -> bool:
    given = request.query_params.get("dry_run", "false")
    if given not in {"true", "false"}:
        raise Problem(400, "dry_run is true or false.")
    return given == "true"


class _Filing(Verb):
    """POST of filings, one or many: both are a list to the action, and both can be tried first."""

    kind: ClassVar[str]

    def items(self, sent: Any) -> list[act.Item]:
        """What was sent, as filings. Raises Problem for what is of another shape."""
        raise NotImplementedError

    query = ("dry_run",)

    def post(self, request: Request, **where: Any) -> HttpResponse:
        refuse_unknown(request, self.query)
        dry_run = _dry(request)
        retries = Retries(request, keep=not dry_run)
        if (given := retries.answered()) is not None:
            return given
        items = self.items(request.data)

        def do() -> list[act.Outcome]:
            return act.file(self.kind, items, by=self.request.user, received_at=now(), dry_run=dry_run)

        return self.run(retries, None, {}, None, do)


class File(_Filing):
    """POST of one filing."""

    status = 201

    def items(self, sent: Any) -> list[act.Item]:
        if not isinstance(sent, dict):
            raise Problem(400, errors={"": "This must be an object with `content`."})
        return [_item(self.kind, sent)]

    def show(self, result: Any) -> Any:
        outcome: act.Outcome = result[0]
        ruleset = SCHEMAS[self.kind].version
        if outcome.state == "refused":
            raise Problem(400, "Nothing was filed.", errors=outcome.errors, ruleset=ruleset)
        said = {
            "outcome": outcome.state,
            "same_content": outcome.same_content,
            "ruleset": ruleset,
            "missing": pointed(outcome.missing),
        }
        if outcome.filing is None:
            return said
        shown = seen(self.request, self.kind).get(pk=outcome.filing.pk)
        return {**DeclaredFilingSerializer(shown, context={"request": self.request}).data, **said}

    def headers_of(self, shown: Any) -> dict[str, str]:
        if "reference" not in shown:
            return {}
        filing = {name: value for name, value in shown.items() if name not in BECAME}
        return {"Location": f"/api/v1/{self.kind}s/{shown['reference']}/", "ETag": entity_tag(filing)}

    def status_of(self, result: Any) -> int:
        outcome: act.Outcome = result[0]
        return 201 if outcome.state == "created" and outcome.filing is not None else 200


class Filings(generics.ListAPIView[Filing], File):
    serializer_class = FilingSerializer
    queryset = Filing.objects.none()
    filterset_fields = ("state", "filer_reference")

    def get_queryset(self) -> Any:
        return seen(self.request, self.kind)


class Bulk(_Filing):
    """POST of up to a thousand filings, with an outcome for each."""

    parser_classes = (StrictJSON, NewlineJSON)

    def items(self, sent: Any) -> list[act.Item]:
        if not isinstance(sent, list):
            raise Problem(400, errors={"": "This must be a list of filings, or one filing a line (NDJSON)."})
        if len(sent) > act.AT_MOST:
            raise Problem(400, errors={"": f"Send at most {act.AT_MOST} at a time."})
        return [_item(self.kind, one) for one in sent]

    def show(self, result: list[act.Outcome]) -> Any:
        rows = []
        for index, outcome in enumerate(result):
            filing = outcome.filing
            rows.append(
                {
                    "index": index,
                    "outcome": outcome.state,
                    "reference": filing.reference if filing else None,
                    "filer_reference": filing.filer_reference if filing else None,
                    "state": filing.state if filing else None,
                    "same_content": outcome.same_content,
                    "errors": pointed(outcome.errors),
                    "missing": pointed(outcome.missing),
                }
            )
        return {"ruleset": SCHEMAS[self.kind].version, "results": rows}

    def headers_of(self, shown: Any) -> dict[str, str]:
        return {}


def described_body(kind: str, *, standing: bool = True) -> dict[str, Any]:
    """For the schema: the body that holds one filing; with `standing`, also under whose declaration."""
    properties: dict[str, Any] = {"content": json_schema(SCHEMAS[kind])}
    if standing:
        properties["standing_declaration"] = {
            "type": "string",
            "pattern": f"^{STANDING}$",
            "description": "Under which it is handed in, and is judged as a whole. Without one it stays a draft.",
        }
    one = {"type": "object", "additionalProperties": False, "required": ["content"], "properties": properties}
    return {"application/json": one}


def listed_body(kind: str) -> dict[str, Any]:
    """For the schema: the body that holds many."""
    one = described_body(kind)["application/json"]
    return {
        "application/json": {"type": "array", "maxItems": act.AT_MOST, "items": one},
        "application/x-ndjson": {"type": "string", "description": "One filing a line"},
    }
