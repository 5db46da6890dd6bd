"""Filings to read: as they stand, what was declared, and what was said of it; without what is confidential, unless a
scope of its own asks for that.
"""

from __future__ import annotations

from typing import Any, ClassVar

from django.shortcuts import get_object_or_404
from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers
from rest_framework.request import Request

from accounts.api.clients import holds
from accounts.api.endpoints import One, can
from disclosures import actions as act
from disclosures.catalogue import SCHEMAS
from disclosures.models import Filing, FilingReview, FilingVersion
from disclosures.rules import RULES
from disclosures.shape import json_schema
from ledger.digests import digest


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
        return can(self.context["request"], filing.kind, RULES[filing.kind], filing, save_section=("save",))


def between(reader: Any, filing: Filing) -> bool:
    """Whether the reader is one of the two between whom a filing is: its filer, or the ministry."""
    return bool(reader.is_ministry or reader.organisation_id == filing.organisation_id)


def projected(request: Request, filing: Filing, content: dict[str, Any]) -> dict[str, Any]:
    """What of a content the request is shown: without the fields in which confidence may be claimed, unless it is the
    filer's or the ministry's and asks with the scope that names them.
    """
    if between(request.user, filing) and holds(request, f"{filing.kind}s:confidential"):
        return content
    open_fields = {f.name for f in SCHEMAS[filing.kind].fields.values() if not f.confidential}
    return {name: answer for name, answer in content.items() if name in open_fields}


@extend_schema_field({"anyOf": [json_schema(schema) for schema in SCHEMAS.values()]})
class DraftContent(serializers.DictField):
    """What a draft says so far, of either kind: in the shape in which `save/` takes it."""


class DraftSerializer(serializers.Serializer[Any]):
    """The working content, for the filer. Kept whole by `save/`: what is left out of it is no longer answered."""

    revision = serializers.IntegerField()
    sha256 = serializers.CharField(help_text="Of what would be declared as it stands")
    content = DraftContent(help_text="Without what is confidential, unless the token has that scope")


class ReviewSerializer(serializers.ModelSerializer[FilingReview]):
    """What became of a version. `reasons` are by the key of the section, or "" for the whole filing."""

    version = serializers.IntegerField(source="version.number", read_only=True)
    reasons = serializers.DictField(child=serializers.CharField(), read_only=True)

    class Meta:
        model = FilingReview
        fields = ("version", "outcome", "reasons", "at")
        read_only_fields = fields


class VersionSerializer(serializers.ModelSerializer[FilingVersion]):
    """One version as it was declared; `content` leaves out what is confidential, unless the token has that scope."""

    standing_declaration: Any = serializers.SlugRelatedField(slug_field="reference", read_only=True, allow_null=True)
    content = serializers.SerializerMethodField()

    class Meta:
        model = FilingVersion
        fields = ("number", "received_at", "sha256", "schema_version", "standing_declaration", "content")
        read_only_fields = fields

    @extend_schema_field(serializers.DictField())
    def get_content(self, version: FilingVersion) -> dict[str, Any]:
        return projected(self.context["request"], version.filing, version.content)


class DeclaredFilingSerializer(FilingSerializer):
    """A filing with the version that was declared last, and for its filer and the ministry what was said of it."""

    versions = serializers.SerializerMethodField(help_text="The numbers of those that can be read")
    version = serializers.SerializerMethodField()
    reviews = serializers.SerializerMethodField()
    draft = serializers.SerializerMethodField()

    class Meta(FilingSerializer.Meta):
        fields = (*FilingSerializer.Meta.fields, "versions", "version", "reviews", "draft")
        read_only_fields = fields

    @extend_schema_field(serializers.ListField(child=serializers.IntegerField()))
    def get_versions(self, filing: Filing) -> list[int]:
        return [version.number for version in _versions(self.context["request"], filing)]

    @extend_schema_field(VersionSerializer(allow_null=True))
    def get_version(self, filing: Filing) -> Any:
        found = _versions(self.context["request"], filing)
        return VersionSerializer(found[-1], context=self.context).data if found else None

    @extend_schema_field(ReviewSerializer(many=True))
    def get_reviews(self, filing: Filing) -> Any:
        if not between(self.context["request"].user, filing):
            return []
        said = filing.reviews.select_related("version").order_by("pk")
        return ReviewSerializer(said, many=True).data

    @extend_schema_field(DraftSerializer(allow_null=True))
    def get_draft(self, filing: Filing) -> dict[str, Any] | None:
        """For the filer: which state the working content is in, so that a colleague's save changes the entity tag."""
        request = self.context["request"]
        own = filing.organisation_id == request.user.organisation_id
        if not own or filing.state not in {"draft", "returned", "more_wanted"}:
            return None
        content = act.declarable(filing)
        return {
            "revision": sum(section.revision for section in filing.sections.all()),
            "sha256": digest(content),
            "content": projected(request, filing, content),
        }


def _versions(request: Request, filing: Filing) -> list[FilingVersion]:
    seen = FilingVersion.objects.visible_to(request.user).filter(filing=filing)
    found = list(seen.select_related("standing_declaration").order_by("number"))
    for version in found:
        version.filing = filing
    return found


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


class OneVersion(One):
    """One version of a filing as it was declared, also when another has taken its place."""

    kind: ClassVar[str]
    serializer_class = VersionSerializer
    queryset = FilingVersion.objects.none()
    lookup_field = "number"

    def get_queryset(self) -> Any:
        filing = get_object_or_404(seen(self.request, self.kind), reference=self.kwargs["reference"])
        versions = FilingVersion.objects.visible_to(self.request.user).filter(filing=filing)
        return versions.select_related("standing_declaration", "filing")
