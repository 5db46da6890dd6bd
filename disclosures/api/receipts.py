"""The public check of a receipt, for programs: whoever holds one asks whether, and when, it was received."""

from __future__ import annotations

from typing import Any

from drf_spectacular.utils import OpenApiExample, OpenApiParameter, extend_schema
from rest_framework import serializers
from rest_framework.permissions import AllowAny
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from disclosures.forms import ReceiptForm
from disclosures.models import FilingVersion
from web.api import Problem, refuse_unknown


class CheckedReceiptSerializer(serializers.Serializer[Any]):
    """Whether this is what was received under this reference, and when."""

    reference = serializers.CharField()
    sha256 = serializers.CharField()
    matches = serializers.BooleanField()
    received_at = serializers.DateTimeField(allow_null=True)


class Receipt(APIView):
    """For everybody, with or without a token. Says nothing else to anybody: not even whether there is such a filing."""

    scopes = {"GET": ""}
    permission_classes = (AllowAny,)

    @extend_schema(
        tags=["receipts"],
        summary="Check a receipt",
        auth=[],
        responses=CheckedReceiptSerializer,
        parameters=[
            OpenApiParameter(
                "sha256",
                {"type": "string", "pattern": "^[0-9a-f]{64}$"},
                required=True,
                description="The fingerprint on the receipt",
                examples=[OpenApiExample("A fingerprint", value="0" * 64)],
            )
        ],
    )
    def get(self, request: Request, reference: str) -> Response:
        refuse_unknown(request, ("sha256",))
        # Read as on the page: spaces and capitals do not matter.
        form = ReceiptForm({"reference": reference, "fingerprint": request.query_params.get("sha256", "")})
        if not form.is_valid():
            raise Problem(400, errors={"sha256": str(next(iter(form.errors.values()))[0])})
        sha256 = form.cleaned_data["fingerprint"]
        version = FilingVersion.objects.received_as(form.cleaned_data["reference"], sha256)
        told = {
            "reference": reference,
            "sha256": sha256,
            "matches": version is not None,
            "received_at": version.received_at if version else None,
        }
        return Response(CheckedReceiptSerializer(told).data)
