"""Standing declarations to read: a program sees until when it can cite one. They are made and revoked by people alone."""

from __future__ import annotations

from typing import Any

from drf_spectacular.utils import extend_schema, extend_schema_field, extend_schema_view
from rest_framework import generics, serializers

from disclosures.models import StandingDeclaration
from ledger.time import INSTANT, local_date


class StandingDeclarationSerializer(serializers.ModelSerializer[StandingDeclaration]):
    """A standing declaration. `expires_on` is the last local day on which it can be cited, `expires_at` its end."""

    state = serializers.ChoiceField(choices=["live", "expired", "revoked"], read_only=True)
    expires_on = serializers.SerializerMethodField()

    class Meta:
        model = StandingDeclaration
        fields = ("reference", "state", "name", "capacity", "made_at", "expires_at", "expires_on", "revoked_at")
        read_only_fields = fields

    @extend_schema_field(serializers.DateField())
    def get_expires_on(self, standing: StandingDeclaration) -> str:
        return local_date(standing.expires_at - INSTANT).isoformat()


@extend_schema_view(get=extend_schema(tags=["standing-declarations"], summary="Standing declarations, newest first"))
class StandingDeclarations(generics.ListAPIView[StandingDeclaration]):
    """Those of your organisation. To make one, and to revoke it, is for a person in the browser."""

    scopes = {"GET": "declarations:read"}
    serializer_class = StandingDeclarationSerializer
    queryset = StandingDeclaration.objects.none()
    filterset_fields = ("reference",)

    def get_queryset(self) -> Any:
        return StandingDeclaration.objects.visible_to(self.request.user)
