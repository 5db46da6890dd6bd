"""Evidence for machines: hand it in, read what is known of it, fetch it. Every byte that goes out is on record first."""

from __future__ import annotations

from typing import Any

from django.http import QueryDict
from django.http.response import HttpResponseBase
from django.shortcuts import get_object_or_404
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import (
    OpenApiExample,
    PolymorphicProxySerializer,
    extend_schema,
    extend_schema_field,
    extend_schema_view,
)
from rest_framework import generics, serializers
from rest_framework.parsers import MultiPartParser
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from accounts.api.endpoints import One, Verb, can, described
from evidence import actions
from evidence.download import ANY, VERSIONS, attachment
from evidence.forms import EvidenceForm
from evidence.intake import ALLOWED
from evidence.models import FULL, NON_CONFIDENTIAL, EvidenceItem, Limb
from evidence.rules import RULES
from ledger.time import now
from web.api import GoneSerializer, Nothing, Problem, entity_tag, refuse_unknown
from web.exact import Exact
from web.fields import DayField

READ, WRITE = "evidence:read", "evidence:write"


class EvidenceSerializer(serializers.ModelSerializer[EvidenceItem]):
    """What is known of an item, but for what is claimed confidential in it."""

    allowed_actions = serializers.SerializerMethodField()

    class Meta:
        model = EvidenceItem
        fields = (
            "reference",
            "title",
            "kind",
            "media_type",
            "size",
            "sha256",
            "received_at",
            "submitted_at",
            "period_from",
            "period_to",
            "collected_on",
            "limb",
            "public_size",
            "public_sha256",
            "allowed_actions",
        )
        read_only_fields = fields

    @extend_schema_field(serializers.ListField(child=serializers.CharField()))
    def get_allowed_actions(self, item: EvidenceItem) -> list[str]:
        return can(self.context["request"], "evidence", RULES, item)


class SharedEvidenceSerializer(Exact):
    """What a recipient of the non-confidential version learns of an item."""

    reference = serializers.CharField()
    media_type = serializers.CharField()
    size = serializers.IntegerField()
    sha256 = serializers.CharField()


def _seen(request: Request) -> Any:
    return EvidenceItem.objects.visible_to(request.user)


class EvidenceInput(serializers.Serializer[Any]):
    """The file, and what must be known of it: the questions of the page, with days as `2026-11-24`."""

    file = serializers.FileField()
    title = serializers.CharField(max_length=200)
    kind = serializers.ChoiceField(choices=EvidenceItem.Kind.choices)
    relevance = serializers.CharField(max_length=4000)
    period_from = serializers.DateField(required=False)
    period_to = serializers.DateField(required=False)
    source_system = serializers.CharField(max_length=300)
    collected_by = serializers.CharField(max_length=200)
    collected_on = serializers.DateField()
    collection_method = serializers.CharField(max_length=2000)
    original_retained_where = serializers.CharField(max_length=300)
    time_source = serializers.CharField(max_length=300)
    sampling = serializers.CharField(max_length=2000)
    pseudonymisation = serializers.CharField(max_length=2000)
    personal_data = serializers.BooleanField()
    derived_from = serializers.CharField(max_length=24, required=False)
    limb = serializers.ChoiceField(choices=Limb.choices)
    confidentiality_reason = serializers.CharField(max_length=4000, required=False)
    public_file = serializers.FileField(required=False)
    no_public_version_because = serializers.CharField(max_length=4000, required=False)
    privileged = serializers.BooleanField(required=False)
    collector_declares = serializers.BooleanField()


# As the fields of a form; what stands under `file` is the content of a file named requests.csv.
EXAMPLE = {
    "file": "day,requests\n2026-05-04,61200\n2026-05-05,70188\n",
    "title": "Requests by day",
    "kind": "access_log",
    "relevance": "Shows how many requests were made each day.",
    "source_system": "API gateway",
    "collected_by": "A. Archivist, platform team",
    "collected_on": "2026-07-02",
    "collection_method": "Exported by query",
    "original_retained_where": "Log store, hold set",
    "time_source": "UTC, kept by NTP",
    "sampling": "None",
    "pseudonymisation": "Account names replaced by keyed hashes",
    "personal_data": "false",
    "limb": "none",
    "collector_declares": "true",
}


@extend_schema_view(
    get=extend_schema(tags=["evidence"], summary="Evidence, newest first"),
    post=extend_schema(
        tags=["evidence"],
        summary="Hand in evidence",
        request={"multipart/form-data": EvidenceInput},
        responses={201: EvidenceSerializer},
        examples=[
            OpenApiExample("Requests by day", value=EXAMPLE, request_only=True, media_type="multipart/form-data")
        ],
    ),
)
class Evidence(generics.ListAPIView[EvidenceItem]):
    """Your own; for the ministry all that was handed in, for the authority what went with a referral."""

    scopes = {"GET": READ, "POST": WRITE}
    serializer_class = EvidenceSerializer
    queryset = EvidenceItem.objects.none()
    filterset_fields = ("kind",)
    parser_classes = (MultiPartParser,)

    def get_queryset(self) -> Any:
        user: Any = self.request.user
        seen = _seen(self.request)
        return seen.own(user) if user.is_company else seen

    def post(self, request: Request) -> Response:
        """Read by the form of the page: no question is asked in two ways."""
        refuse_unknown(request, ())
        user: Any = request.user
        own = EvidenceItem.objects.own(user)
        received = _for_the_form(request, own)
        received_at = now()  # the body has been read: nothing more is on its way
        form = EvidenceForm(own=own, data=received, files=request.FILES)
        if not form.is_valid():
            errors = {name if name != "__all__" else "": str(found[0]) for name, found in form.errors.items()}
            raise Problem(400, "The evidence was not taken.", errors=errors)
        item = actions.add(by=user, received_at=received_at, **form.cleaned_data)
        shown = EvidenceSerializer(item, context={"request": request}).data
        headers = {"Location": f"/api/v1/evidence/{item.reference}/", "ETag": entity_tag(shown)}
        return Response(shown, status=201, headers=headers)


class _Wrong(Exception):
    """What was sent under one name cannot be taken."""


def _for_the_form(request: Request, own: Any) -> QueryDict:
    """What was sent, as a browser would have sent it. Raises Problem for what is not asked, or of another kind."""
    sent = QueryDict(mutable=True)
    errors: dict[str, str] = {}
    for name in {*request.data, *request.FILES}:
        try:
            sent.update(_as_typed(str(name), request, own))
        except _Wrong as wrong:
            errors[str(name)] = str(wrong)
    if errors:
        raise Problem(400, "The evidence was not taken.", errors=errors)
    return sent


def _as_typed(name: str, request: Request, own: Any) -> dict[str, str]:
    """One answer in the controls of the form. Raises _Wrong."""
    data: Any = request.data
    known, values = EvidenceForm.base_fields, data.getlist(name)
    if name not in known:
        raise _Wrong("This is not asked here.")
    if len(values) > 1:
        raise _Wrong("This was sent twice.")
    if name in {"file", "public_file"}:
        if name not in request.FILES:
            raise _Wrong("This must be a file.")
        return {}
    if name in request.FILES:
        raise _Wrong("This must not be a file.")
    value = str(values[0])
    if isinstance(known[name], DayField):
        year, month, day = [*value.split("-"), "", ""][:3]
        return {f"{name}_year": year, f"{name}_month": month, f"{name}_day": day}
    if name in {"personal_data", "privileged", "collector_declares"}:
        if value not in {"true", "false"}:
            raise _Wrong("This must be true or false.")
        no = {"personal_data": "no"}.get(name, "")
        yes = {"personal_data": "yes"}.get(name, "on")
        return {name: yes if value == "true" else no}
    if name == "derived_from":
        found = own.filter(reference=value.replace("\0", "")).values_list("pk", flat=True).first()
        if found is None:
            raise _Wrong("Choose an item from your organisation’s own evidence.")
        return {name: str(found)}
    return {name: value}


@extend_schema_view(
    get=extend_schema(
        tags=["evidence"],
        summary="One item",
        description="To whom only the non-confidential version was shown, nothing else is shown of it.",
        responses={
            200: PolymorphicProxySerializer(
                "EvidenceOrShared", [EvidenceSerializer, SharedEvidenceSerializer], resource_type_field_name=None
            )
        },
    )
)
class OneEvidence(One):
    """What the reader may know of one item."""

    scopes = {"GET": READ}
    serializer_class = EvidenceSerializer
    queryset = EvidenceItem.objects.none()

    def get_queryset(self) -> Any:
        return _seen(self.request)

    def get_serializer(self, *args: Any, **kwargs: Any) -> Any:
        """By what the reader was given sight of."""
        item = args[0] if args else None
        if item is not None and item.projection_for(self.request.user) == NON_CONFIDENTIAL:
            public = bool(item.public_file)
            shown = {
                "reference": item.reference,
                "media_type": item.public_media_type if public else item.media_type,
                "size": item.public_size if public else item.size,
                "sha256": item.public_sha256 if public else item.sha256,
            }
            return SharedEvidenceSerializer(shown)
        return super().get_serializer(*args, **kwargs)


@extend_schema_view(
    get=extend_schema(
        tags=["evidence"],
        summary="The file, in one of its versions",
        responses={(200, media_type): OpenApiTypes.BINARY for media_type in sorted({*ALLOWED.values(), ANY})},
    )
)
class EvidenceFile(APIView):
    """The file, as an attachment. The reading is on record before the first byte goes out."""

    scopes = {"GET": READ}

    def get(self, request: Request, reference: str, version: str) -> HttpResponseBase:
        refuse_unknown(request, ())
        item = get_object_or_404(_seen(request), reference=reference)
        file = actions.read(item.pk, by=request.user, version=VERSIONS[version])  # type: ignore[arg-type]
        return attachment(item, file, FULL if version == "full" else NON_CONFIDENTIAL)


class _Remove(Verb):
    """Take back a file that was not handed in."""

    scopes = {"POST": WRITE}
    input = Nothing

    def find(self, **where: Any) -> EvidenceItem:
        found: EvidenceItem = get_object_or_404(_seen(self.request), **where)
        return found

    def act(self, found: EvidenceItem, **data: Any) -> Any:
        return actions.remove(found.pk, by=self.request.user)

    def state(self, **where: Any) -> Any:
        return EvidenceSerializer(self.find(**where), context={"request": self.request}).data

    def show(self, result: Any) -> Any:
        return {"reference": self.kwargs["reference"], "state": "removed"}


Remove = described(
    _Remove,
    tag="evidence",
    summary="Take back a file that was not handed in",
    answer=GoneSerializer,
    example={},
)
