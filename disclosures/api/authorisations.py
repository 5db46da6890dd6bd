"""The register of authorisations for machines: read by both sides and the ministry, worked on by the two sides."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from drf_spectacular.utils import extend_schema, extend_schema_field, extend_schema_view
from rest_framework import generics, serializers
from rest_framework.request import Request

from accounts.api.endpoints import One, VerbOn, can, described
from disclosures.actions import authorisations as act
from disclosures.catalogue import AUTHORISATION as SCHEMA
from disclosures.examples import AUTHORISATION as EXAMPLE
from disclosures.models import Authorisation, AuthorisationVersion
from disclosures.rules import AUTHORISATION_RULES as RULES
from disclosures.shape import json_schema, read
from ledger.time import now
from web.api import Input, Moment, Problem, Text, Whole, entity_tag
from web.problems import Invalid

READ, WRITE = {"GET": "authorisations:read"}, {"POST": "authorisations:write"}
# Rules of which the API has one verb: what it does follows from the state.
_CALLED = {
    "refuse_amendment": ("refuse",),
    "withdraw_amendment": ("withdraw",),
    "revoke_sooner": ("revoke",),
}


# --- Reading -------------------------------------------------------------------------------------------------------------
class AuthorisationSerializer(serializers.ModelSerializer[Authorisation]):
    """An authorisation as it stands. `starts_at` and `ends_at` are of the version that counts now, or else the last."""

    grantor = serializers.CharField(source="grantor.name", read_only=True)
    grantee = serializers.CharField(source="grantee.name", read_only=True)
    starts_at = serializers.DateTimeField(source="shown.starts_at", read_only=True)
    ends_at = serializers.DateTimeField(source="shown.ends_at", read_only=True)
    retroactive = serializers.BooleanField(
        read_only=True, help_text="Whether its window had begun when it was registered"
    )
    confirmed_afterwards = serializers.BooleanField(
        read_only=True, help_text="Whether its window had begun when the other side confirmed it"
    )
    allowed_actions = serializers.SerializerMethodField()

    class Meta:
        model = Authorisation
        fields: tuple[str, ...] = (
            "reference",
            "grantor",
            "grantee",
            "state",
            "registered_at",
            "confirmed_at",
            "revoked_at",
            "starts_at",
            "ends_at",
            "retroactive",
            "confirmed_afterwards",
            "allowed_actions",
        )
        read_only_fields = fields

    @extend_schema_field(serializers.ListField(child=serializers.CharField()))
    def get_allowed_actions(self, found: Authorisation) -> list[str]:
        return can(self.context["request"], "authorisation", RULES, found, **_CALLED)


class AnswerSerializer(serializers.Serializer[Any]):
    """What was said to a version; `effective_at` is later than `at` only for a revocation from a later day."""

    outcome = serializers.CharField()
    at = serializers.DateTimeField()
    effective_at = serializers.DateTimeField()
    organisation = serializers.SerializerMethodField()
    name = serializers.CharField()
    capacity = serializers.CharField()
    reason = serializers.CharField()

    def get_organisation(self, answer: Any) -> str:
        found = answer.version.authorisation
        sides = {found.grantor_id: found.grantor.name, found.grantee_id: found.grantee.name}
        return sides[answer.by.organisation_id]


class TermsSerializer(serializers.Serializer[AuthorisationVersion]):
    """One version as it was registered, with the answers to it."""

    number = serializers.IntegerField()
    registered_at = serializers.DateTimeField()
    retroactive = serializers.BooleanField()
    starts_at = serializers.DateTimeField()
    ends_at = serializers.DateTimeField()
    schema_version = serializers.CharField()
    sha256 = serializers.CharField()
    change = serializers.CharField(help_text="What an amendment changes, and why")
    answers = AnswerSerializer(many=True)
    content = serializers.DictField()


class WholeAuthorisationSerializer(AuthorisationSerializer):
    """An authorisation with all its versions. `counts` is the number of the one that counts now."""

    counts = serializers.SerializerMethodField()
    waits = serializers.SerializerMethodField()
    versions = TermsSerializer(many=True, read_only=True)

    class Meta(AuthorisationSerializer.Meta):
        fields = (*AuthorisationSerializer.Meta.fields, "counts", "waits", "versions")
        read_only_fields = fields

    @extend_schema_field(serializers.IntegerField(allow_null=True))
    def get_counts(self, found: Authorisation) -> int | None:
        counting = found.governing(now())
        return counting.number if counting is not None else None

    @extend_schema_field(serializers.IntegerField(allow_null=True))
    def get_waits(self, found: Authorisation) -> int | None:
        return found.waiting.number if found.waiting is not None else None


def _seen(request: Request, *, content: bool = True) -> Any:
    return Authorisation.objects.visible_to(request.user).with_history(content=content)


class _OneAuthorisation(One):
    """All its versions, what was said to each, and which of them counts."""

    scopes = READ
    serializer_class = WholeAuthorisationSerializer
    queryset = Authorisation.objects.none()

    def get_queryset(self) -> Any:
        return _seen(self.request)


# --- Verbs ---------------------------------------------------------------------------------------------------------------
class ProposalInput(Input):
    grantee = Text(max_length=200)
    content = serializers.JSONField()


class AmendmentInput(Input):
    content = serializers.JSONField()
    change = Text(max_length=4000)


class ConfirmInput(Input):
    """`version` is the number of the one that was read."""

    name = Text(max_length=200, help_text="Of the person who agrees for your organisation")
    capacity = Text(max_length=200)
    version = Whole(min_value=1, max_value=32767)


class UnconfirmedInput(Input):
    reason = Text(max_length=4000)


class RevokeInput(Input):
    reason = Text(max_length=4000)
    effective_at = Moment(
        required=False, allow_null=True, help_text="From when; without it, at once. Not an instant that has passed"
    )


class _AuthorisationVerb(VerbOn):
    """One thing that is done to an authorisation, or by which one begins."""

    scopes = WRITE
    answer = WholeAuthorisationSerializer

    def seen(self) -> Any:
        return _seen(self.request)


def _reading(do: Callable[..., Authorisation]) -> Callable[..., Authorisation]:
    """The action, with the content read strictly first; what it refuses of the content is told below `content`."""
    own = {"", "grantee", "change"}

    def run(*which: int, by: Any, content: Any, **data: Any) -> Authorisation:
        kept, wrong = read(SCHEMA, content)
        if wrong:
            errors = {f"content/{path}".rstrip("/"): message for path, message in wrong.items()}
            raise Problem(400, "Nothing was registered.", errors=errors)
        try:
            return do(*which, by=by, content=kept, **data)
        except Invalid as invalid:
            placed = {n if n in own else f"content/{n}": found for n, found in invalid.errors.items()}
            raise Invalid(placed) from invalid

    return run


def _body(**more: dict[str, Any]) -> dict[str, Any]:
    properties = {**more, "content": json_schema(SCHEMA, draft=False)}
    body = {"type": "object", "additionalProperties": False, "required": list(properties), "properties": properties}
    return {"application/json": body}


def _verb(
    name: str, body: type[Input], do: Callable[..., Authorisation], summary: str, example: Any, **more: Any
) -> Any:
    members = {"input": body, "do": staticmethod(do), "__doc__": do.__doc__}
    view = type(f"{name}Authorisation", (_AuthorisationVerb,), members)
    return described(
        view, tag="authorisations", summary=summary, answer=WholeAuthorisationSerializer, example=example, **more
    )


class _Authorisations(generics.ListAPIView[Authorisation], _AuthorisationVerb):
    """Those that your organisation gave or was given; for the ministry all of them."""

    scopes = {**READ, **WRITE}
    serializer_class = AuthorisationSerializer
    queryset = Authorisation.objects.none()
    filterset_fields = ("state",)
    input = ProposalInput
    do = staticmethod(_reading(act.propose))
    status = 201

    def get_queryset(self) -> Any:
        return _seen(self.request, content=False)

    def headers_of(self, shown: Any) -> dict[str, str]:
        return {"Location": f"/api/v1/authorisations/{shown['reference']}/", "ETag": entity_tag(shown)}


_REASON = {"reason": "The accounts are not ours."}
_AMENDED = {"content": {**EXAMPLE, "max_requests": 250_000}, "change": "A second round with more prompts."}
AUTHORISATION: dict[str, Any] = {
    "list": extend_schema_view(get=extend_schema(tags=["authorisations"], summary="Authorisations, newest first"))(
        described(
            _Authorisations,
            tag="authorisations",
            summary="Register an authorisation",
            answer=WholeAuthorisationSerializer,
            example={"grantee": "Harrier Analytics plc", "content": EXAMPLE},
            creates=True,
            request=_body(
                grantee={
                    "type": "string",
                    "maxLength": 200,
                    "description": "The whole legal name under which it is registered here.",
                }
            ),
        )
    ),
    "one": extend_schema_view(get=extend_schema(tags=["authorisations"], summary="One authorisation"))(
        _OneAuthorisation
    ),
    "amend": _verb(
        "Amend",
        AmendmentInput,
        _reading(act.amend),
        "Propose another version",
        _AMENDED,
        request=_body(change={"type": "string", "maxLength": 4000, "description": "What changes, and why."}),
    ),
    "confirm": _verb(
        "Confirm",
        ConfirmInput,
        act.confirm,
        "Agree to the version that waits",
        {"name": "Isobel Grant", "capacity": "Head of evaluation", "version": 1},
    ),
    "refuse": _verb("Refuse", UnconfirmedInput, act.refuse, "Do not agree to the version that waits", _REASON),
    "withdraw": _verb(
        "Withdraw",
        UnconfirmedInput,
        act.withdraw,
        "Take back the version that waits",
        {"reason": "Registered in error."},
    ),
    "revoke": _verb(
        "Revoke",
        RevokeInput,
        act.revoke,
        "End it, at once or from a later instant",
        {"reason": "The work is done.", "effective_at": "2030-01-31T00:00:00Z"},
    ),
}
