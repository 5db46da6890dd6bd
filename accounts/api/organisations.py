"""One's own organisation, for a machine that belongs to it."""

from __future__ import annotations

from typing import Any

from drf_spectacular.utils import extend_schema, extend_schema_view
from rest_framework import generics, serializers

from accounts.models import Organisation
from web.api import refuse_unknown


class OrganisationSerializer(serializers.ModelSerializer[Organisation]):
    class Meta:
        model = Organisation
        fields = ("id", "name", "kind", "state", "company_number", "nation", "address")
        read_only_fields = fields


@extend_schema_view(get=extend_schema(tags=["organisations"], summary="Organisations, newest first"))
class Organisations(generics.ListAPIView[Organisation]):
    """For the ministry all of them, whose `id` a case is opened with; for everybody else their own."""

    scopes = {"GET": "organisations:read"}
    serializer_class = OrganisationSerializer
    queryset = Organisation.objects.none()
    filterset_fields = ("kind", "state", "company_number")

    def get_queryset(self) -> Any:
        return Organisation.objects.visible_to(self.request.user)


@extend_schema(tags=["organisations"], summary="Your own organisation")
class OwnOrganisation(generics.RetrieveAPIView[Organisation]):
    """The organisation that the client belongs to, and whether the ministry has verified it."""

    scopes = {"GET": "organisations:read"}
    serializer_class = OrganisationSerializer

    def get_object(self) -> Organisation:
        refuse_unknown(self.request, ())
        return Organisation.objects.visible_to(self.request.user).get(people=self.request.user.pk)
