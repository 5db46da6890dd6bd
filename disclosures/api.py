"""Disclosures and allegations for machines: read, without what their filers claim confidential."""

from __future__ import annotations

from typing import Any

from drf_spectacular.utils import extend_schema, extend_schema_field, extend_schema_view
from rest_framework import generics, serializers

from accounts.permissions import allowed
from disclosures.catalogue import SCHEMAS
from disclosures.models import Filing, FilingVersion
from disclosures.rules import RULES


class FilingSerializer(serializers.ModelSerializer[Filing]):
    """A filing as it stands in a list."""

    organisation = serializers.CharField(source="organisation.name", read_only=True)
    amends: Any = serializers.SlugRelatedField(slug_field="reference", read_only=True)
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
            "submitted_at",
            "decided_at",
            "allowed_actions",
        )
        read_only_fields = fields

    @extend_schema_field(serializers.ListField(child=serializers.CharField()))
    def get_allowed_actions(self, filing: Filing) -> list[str]:
        return [verb.rstrip("_") for verb in allowed(self.context["request"].user, RULES[filing.kind], filing)]


class DeclaredFilingSerializer(FilingSerializer):
    """A filing with the version that was declared last; `content` leaves out the fields that are confidential."""

    version = serializers.SerializerMethodField()

    class Meta(FilingSerializer.Meta):
        fields = (*FilingSerializer.Meta.fields, "version")
        read_only_fields = fields

    @extend_schema_field(serializers.DictField(allow_null=True))
    def get_version(self, filing: Filing) -> dict[str, Any] | None:
        seen = FilingVersion.objects.visible_to(self.context["request"].user)
        version = seen.filter(filing=filing).order_by("-number").first()
        if version is None:
            return None
        schema = SCHEMAS[filing.kind]
        open_fields = {f.name for s in schema.sections for f in s.fields if not f.confidential}
        return {
            "number": version.number,
            "received_at": version.received_at,
            "sha256": version.sha256,
            "schema_version": version.schema_version,
            "content": {name: answer for name, answer in version.content.items() if name in open_fields},
        }


class _Seen:
    """Filings of one kind that the reader may see."""

    kind: str
    request: Any

    def get_queryset(self) -> Any:
        seen = Filing.objects.visible_to(self.request.user).filter(kind=self.kind)
        return seen.select_related("organisation", "amends")


class _Filings(_Seen, generics.ListAPIView[Filing]):
    serializer_class = FilingSerializer
    queryset = Filing.objects.none()
    filterset_fields = ("state", "filer_reference")


class _OneFiling(_Seen, generics.RetrieveAPIView[Filing]):
    serializer_class = DeclaredFilingSerializer
    queryset = Filing.objects.none()
    lookup_field = "reference"


@extend_schema_view(get=extend_schema(tags=["disclosures"], summary="Disclosures, newest first"))
class Disclosures(_Filings):
    """Your own disclosures, drafts included; for the ministry all that were submitted."""

    kind = "disclosure"
    scopes = {"GET": "disclosures:read"}


@extend_schema_view(get=extend_schema(tags=["disclosures"], summary="One disclosure, without what is confidential"))
class OneDisclosure(_OneFiling):
    """The version that was declared last, with its hash; fields that are confidential are left out."""

    kind = "disclosure"
    scopes = {"GET": "disclosures:read"}


@extend_schema_view(get=extend_schema(tags=["allegations"], summary="Allegations, newest first"))
class Allegations(_Filings):
    """Your own allegations, drafts included; for the ministry all that were received."""

    kind = "allegation"
    scopes = {"GET": "allegations:read"}


@extend_schema_view(get=extend_schema(tags=["allegations"], summary="One allegation, without what is confidential"))
class OneAllegation(_OneFiling):
    """The version that was declared last, with its hash; fields that are confidential are left out."""

    kind = "allegation"
    scopes = {"GET": "allegations:read"}
