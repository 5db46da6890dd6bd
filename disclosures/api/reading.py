"""Filings to read: as they stand, and the version that was declared last, without what is claimed confidential."""

from __future__ import annotations

from typing import Any, ClassVar

from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers
from rest_framework.request import Request

from accounts.api.endpoints import One, can
from disclosures import actions as act
from disclosures.catalogue import SCHEMAS
from disclosures.models import Filing, FilingVersion
from disclosures.rules import RULES


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
        return can(self.context["request"].user, RULES[filing.kind], filing, start=(), save_section=("save",))


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


def seen(request: Request, kind: str) -> Any:
    """The filings of one kind that are for the reader to see."""
    seen = Filing.objects.visible_to(request.user).filter(kind=kind)
    return seen.select_related("organisation", "amends").prefetch_related("reviews")


class OneFiling(One):
    """One filing, with the version that was declared last."""

    kind: ClassVar[str]
    serializer_class = DeclaredFilingSerializer
    queryset = Filing.objects.none()

    def get_queryset(self) -> Any:
        return seen(self.request, self.kind)
