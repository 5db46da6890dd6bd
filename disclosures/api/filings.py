"""Disclosures and allegations for machines: filed one or a thousand at a time, and followed for ever.

Read without what their filers claim confidential.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any, ClassVar

from django.http import HttpResponse
from django.shortcuts import get_object_or_404
from drf_spectacular.utils import OpenApiParameter, extend_schema, extend_schema_field, extend_schema_view
from rest_framework import generics, serializers
from rest_framework.request import Request

from accounts.api.endpoints import One, Retries, Verb, described
from accounts.permissions import allowed
from disclosures import actions as act
from disclosures.catalogue import SCHEMAS
from disclosures.examples import EXAMPLES
from disclosures.models import Filing, FilingVersion
from disclosures.rules import RULES
from disclosures.shape import json_schema, read
from ledger.time import now
from web.api import (
    AT_MOST_ERRORS,
    GoneSerializer,
    Input,
    NewlineJSON,
    Nothing,
    PointedSerializer,
    Problem,
    StrictJSON,
    Text,
    Unreadable,
    escaped,
    pointed,
)


# --- Reading ------------------------------------------------------------------------------------------------------------
class FilingSerializer(serializers.ModelSerializer[Filing]):
    """A filing as it stands. When it was received, when it was accepted and what state it is in are three things."""

    organisation = serializers.CharField(source="organisation.name", read_only=True)
    amends: Any = serializers.SlugRelatedField(slug_field="reference", read_only=True, allow_null=True)
    received_at = serializers.DateTimeField(source="submitted_at", read_only=True, allow_null=True)
    accepted_at = serializers.SerializerMethodField()
    allowed_actions = serializers.SerializerMethodField()

    class Meta:
        model = Filing
        fields: tuple[str, ...] = (
            "reference",
            "filer_reference",
            "organisation",
            "state",
            "amends",
            "created_at",
            "received_at",
            "accepted_at",
            "decided_at",
            "allowed_actions",
        )
        read_only_fields = fields

    @extend_schema_field(serializers.DateTimeField(allow_null=True))
    def get_accepted_at(self, filing: Filing) -> Any:
        taken = [r.at for r in filing.reviews.all() if r.outcome in {"accepted", "admitted"}]
        return serializers.DateTimeField().to_representation(max(taken)) if taken else None

    @extend_schema_field(serializers.ListField(child=serializers.CharField()))
    def get_allowed_actions(self, filing: Filing) -> list[str]:
        verbs = allowed(self.context["request"].user, RULES[filing.kind], filing)
        return [_NAMES.get(verb, verb.rstrip("_")) for verb in verbs]


_NAMES = {"save_section": "save", "want_more": "want-more"}


class DraftSerializer(serializers.Serializer[Any]):
    revision = serializers.IntegerField()
    sha256 = serializers.CharField(help_text="Of what would be declared as it stands")


class DeclaredFilingSerializer(FilingSerializer):
    """A filing with the version that was declared last; `content` leaves out the fields that are confidential."""

    version = serializers.SerializerMethodField()
    draft = serializers.SerializerMethodField()

    class Meta(FilingSerializer.Meta):
        fields = (*FilingSerializer.Meta.fields, "version", "draft")
        read_only_fields = fields

    @extend_schema_field(DraftSerializer(allow_null=True))
    def get_draft(self, filing: Filing) -> dict[str, Any] | None:
        """For the filer: which state the working content is in, so that a colleague's save changes the entity tag."""
        own = filing.organisation_id == self.context["request"].user.organisation_id
        if not own or filing.state not in {"draft", "returned", "more_wanted"}:
            return None
        revision = sum(section.revision for section in filing.sections.all())
        return {"revision": revision, "sha256": act.digest(act.declarable(filing))}

    @extend_schema_field(serializers.DictField(allow_null=True))
    def get_version(self, filing: Filing) -> dict[str, Any] | None:
        seen = FilingVersion.objects.visible_to(self.context["request"].user)
        version = seen.filter(filing=filing).select_related("standing_declaration").order_by("-number").first()
        if version is None:
            return None
        schema = SCHEMAS[filing.kind]
        open_fields = {f.name for s in schema.sections for f in s.fields if not f.confidential}
        return {
            "number": version.number,
            "received_at": serializers.DateTimeField().to_representation(version.received_at),
            "sha256": version.sha256,
            "schema_version": version.schema_version,
            "standing_declaration": version.standing_declaration.reference if version.standing_declaration else None,
            "content": {name: answer for name, answer in version.content.items() if name in open_fields},
        }


def _seen(request: Request, kind: str) -> Any:
    seen = Filing.objects.visible_to(request.user).filter(kind=kind)
    return seen.select_related("organisation", "amends").prefetch_related("reviews")


class _OneFiling(One):
    kind: ClassVar[str]
    serializer_class = DeclaredFilingSerializer
    queryset = Filing.objects.none()

    def get_queryset(self) -> Any:
        return _seen(self.request, self.kind)


# --- Filing ----------------------------------------------------------------------------------------------------------
class FilingInput(Input):
    """A filing. Under a standing declaration it is declared and handed in; without one it becomes a draft."""

    content = serializers.JSONField()
    standing_declaration = Text(max_length=24, required=False)


_STANDING = re.compile(r"(S-[0-9]{4}-[0-9]{6,12})?", re.ASCII)


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


class MissingSerializer(serializers.Serializer[Any]):
    missing = PointedSerializer(many=True, help_text="What a draft still needs before it can be declared")
    outcome = serializers.ChoiceField(choices=["created", "replayed"])
    same_content = serializers.BooleanField(help_text="Of a replay: whether the first said the same")
    ruleset = serializers.CharField(help_text="The version of the questions by which it was judged")


class FiledSerializer(MissingSerializer):
    """What became of it, with the filing (which a dry run does not have)."""

    reference = serializers.CharField(required=False)
    state = serializers.CharField(required=False)
    filer_reference = serializers.CharField(required=False, allow_null=True)


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

    def post(self, request: Request, **where: Any) -> HttpResponse:
        dry_run = _dry(request)
        retries = Retries(request, keep=not dry_run)
        if (given := retries.answered()) is not None:
            return given
        items = self.items(request.data)

        def do() -> list[act.Outcome]:
            return act.file(self.kind, items, by=self.request.user, received_at=now(), dry_run=dry_run)

        return self.run(retries, None, {}, None, do)


class _File(_Filing):
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
        shown = _seen(self.request, self.kind).get(pk=outcome.filing.pk)
        return {**DeclaredFilingSerializer(shown, context={"request": self.request}).data, **said}

    def headers_of(self, shown: Any) -> dict[str, str]:
        if "reference" not in shown:
            return {}
        return {"Location": f"/api/v1/{self.kind}s/{shown['reference']}/"}

    def status_of(self, result: Any) -> int:
        outcome: act.Outcome = result[0]
        return 201 if outcome.state == "created" and outcome.filing is not None else 200


class _Filings(generics.ListAPIView[Filing], _File):
    serializer_class = FilingSerializer
    queryset = Filing.objects.none()
    filterset_fields = ("state", "filer_reference")

    def get_queryset(self) -> Any:
        return _seen(self.request, self.kind)


class _Bulk(_Filing):
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


# --- What is done to one filing -----------------------------------------------------------------------------------------
class SubmitInput(Input):
    standing_declaration = Text(max_length=24, help_text="The declaration of a named person, made in the browser")


class SaveInput(Input):
    content = serializers.JSONField()


class ReasonInput(Input):
    reason = Text(max_length=4000)


class ReasonsInput(Input):
    reasons = serializers.DictField(child=Text(max_length=4000), help_text="By the key of the section")


class _Step(Verb):
    """One verb on one filing."""

    kind: ClassVar[str]
    do: ClassVar[Callable[..., Filing]]

    def find(self, **where: Any) -> Filing:
        found: Filing = get_object_or_404(_seen(self.request, self.kind), **where)
        return found

    def act(self, found: Filing, **data: Any) -> Filing:
        return type(self).do(found.pk, by=self.request.user, **data)

    def show(self, result: Filing) -> Any:
        if result.pk is None:
            return {"reference": result.reference, "state": "discarded"}
        shown = _seen(self.request, self.kind).get(pk=result.pk)
        return DeclaredFilingSerializer(shown, context={"request": self.request}).data


def _submit(pk: int, **data: Any) -> Filing:
    return act.submit_standing(pk, received_at=now(), **data)


def _save(kind: str) -> Callable[..., Filing]:
    def save(pk: int, *, by: Any, content: Any) -> Filing:
        kept, wrong = read(SCHEMAS[kind], content)
        if wrong:
            raise Problem(400, "Nothing was saved.", errors={f"content/{p}".rstrip("/"): m for p, m in wrong.items()})
        return act.save_content(pk, by=by, content=kept)

    return save


def _checked_sections(kind: str, do: Callable[..., Filing]) -> Callable[..., Filing]:
    keys = {s.key for s in SCHEMAS[kind].sections}

    def run(pk: int, *, by: Any, reasons: dict[str, str]) -> Filing:
        strange = {
            f"reasons/{key}": f"There is no such section; there are {', '.join(sorted(keys))}."
            for key in reasons
            if key not in keys
        }
        if strange:
            raise Problem(400, errors=strange)
        return do(pk, by=by, reasons=reasons)

    return run


def _step(
    kind: str, name: str, scope: str, body: type[Input], do: Callable[..., Filing], summary: str, example: Any
) -> Any:
    view = type(
        f"{name}{kind.title()}",
        (_Step,),
        {
            "kind": kind,
            "input": body,
            "do": staticmethod(do),
            "scopes": {"POST": f"{kind}s:{scope}"},
            "__doc__": do.__doc__,
        },
    )
    more: dict[str, Any] = {}
    if body is SaveInput:
        more["request"] = _described_body(kind, standing=False)
    answer = GoneSerializer if name == "Discard" else DeclaredFilingSerializer
    return described(view, tag=f"{kind}s", summary=summary, answer=answer, example=example, **more)


def _described_body(kind: str, *, standing: bool = True) -> dict[str, Any]:
    properties: dict[str, Any] = {"content": json_schema(SCHEMAS[kind])}
    if standing:
        properties["standing_declaration"] = {"type": "string", "maxLength": 24}
    one = {"type": "object", "additionalProperties": False, "required": ["content"], "properties": properties}
    return {"application/json": one}


def _listed_body(kind: str) -> dict[str, Any]:
    one = _described_body(kind)["application/json"]
    return {
        "application/json": {"type": "array", "maxItems": act.AT_MOST, "items": one},
        "application/x-ndjson": {"type": "string", "description": "One filing a line"},
    }


def _views(kind: str) -> dict[str, Any]:
    tag, example = f"{kind}s", {"content": EXAMPLES[kind]}
    # A reference belongs to one filing: the second example is of another.
    unnamed = {name: answer for name, answer in EXAMPLES[kind].items() if name != "filer_reference"}
    read_scope, write_scope = {"GET": f"{tag}:read"}, {"POST": f"{tag}:write"}
    listed = type(f"{kind.title()}s", (_Filings,), {"kind": kind, "scopes": {**read_scope, **write_scope}})
    listed.__doc__ = f"Your own {tag}, drafts included; for the ministry all that were handed in."
    one = type(f"One{kind.title()}", (_OneFiling,), {"kind": kind, "scopes": read_scope})
    one.__doc__ = "The version that was declared last, with its hash; fields that are confidential are left out."
    bulk = type(f"Bulk{kind.title()}", (_Bulk,), {"kind": kind, "scopes": write_scope})
    bulk.__doc__ = "An outcome for each, in their order; what is wrong with one does not stop the others."
    listed = described(
        listed,
        tag=tag,
        summary=f"File one {kind}",
        answer=FiledSerializer,
        example=example,
        creates=True,
        request=_described_body(kind),
        parameters=[DRY_RUN],
    )
    return {
        "list": extend_schema_view(get=extend_schema(tags=[tag], summary=f"{kind.title()}s, newest first"))(listed),
        "one": extend_schema_view(get=extend_schema(tags=[tag], summary=f"One {kind}"))(one),
        "bulk": described(
            bulk,
            tag=tag,
            summary=f"File up to a thousand {tag}",
            answer=BulkSerializer,
            example=[example],
            creates=True,
            request=_listed_body(kind),
            parameters=[DRY_RUN],
        ),
        "save": _step(
            kind, "Save", "write", SaveInput, _save(kind), "Keep a draft’s whole content", {"content": unnamed}
        ),
        "submit": _step(
            kind,
            "Submit",
            "write",
            SubmitInput,
            _submit,
            "Hand a draft in under a standing declaration",
            {"standing_declaration": "S-2026-000001"},
        ),
        "discard": _step(kind, "Discard", "write", Nothing, act.discard, "Delete a draft", {}),
        "withdraw": _step(
            kind, "Withdraw", "write", ReasonInput, act.withdraw, "Take it back", {"reason": "Filed in error."}
        ),
    }


def _reasons(kind: str) -> dict[str, Any]:
    return {"reasons": {SCHEMAS[kind].sections[1].key: "Say which models."}}


_NOT_ENOUGH = {"reason": "It names no activity."}
DISCLOSURE = {
    **_views("disclosure"),
    "amend": _step("disclosure", "Amend", "write", Nothing, act.amend, "Begin an amendment: a new draft", {}),
    "accept": _step("disclosure", "Accept", "review", Nothing, act.accept, "Accept it", {}),
    "return": _step(
        "disclosure",
        "Return",
        "review",
        ReasonsInput,
        _checked_sections("disclosure", act.return_),
        "Return it with reasons by section",
        _reasons("disclosure"),
    ),
}
ALLEGATION = {
    **_views("allegation"),
    "acknowledge": _step("allegation", "Acknowledge", "review", Nothing, act.acknowledge, "Acknowledge it", {}),
    "admit": _step("allegation", "Admit", "review", Nothing, act.admit, "Admit it", {}),
    "want-more": _step(
        "allegation",
        "WantMore",
        "review",
        ReasonsInput,
        _checked_sections("allegation", act.want_more),
        "Ask for more, by section",
        _reasons("allegation"),
    ),
    "reject": _step("allegation", "Reject", "review", ReasonInput, act.reject, "Reject it", _NOT_ENOUGH),
}
