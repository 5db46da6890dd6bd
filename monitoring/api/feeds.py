"""Usage rows from providers, and alerts for the ministry.

Rows come many at a time: the body goes to a file as it arrives and is read there by columns; no row is a Python object.
"""

from __future__ import annotations

import hashlib
import re
import tempfile
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from django.conf import settings
from django.http import HttpResponse
from django.shortcuts import get_object_or_404
from drf_spectacular.utils import (
    OpenApiExample,
    OpenApiParameter,
    extend_schema,
    extend_schema_field,
    extend_schema_view,
)
from rest_framework import generics, serializers
from rest_framework.parsers import BaseParser
from rest_framework.request import Request
from rest_framework.response import Response

from accounts.api.endpoints import One, Verb, described
from accounts.permissions import allowed, check
from ledger.time import now
from monitoring.actions import alerts as act
from monitoring.actions import feeds
from monitoring.models import Alert, Batch, Feed
from monitoring.rules import ALERT_RULES, FEED_RULES
from web.api import Input, Problem, Text

READ, WRITE = "usage:read", "usage:write"
PIECE = 1 << 20
_NAME = re.compile(r"[a-z0-9][a-z0-9-]{0,39}", re.ASCII)
_BATCH = re.compile(r"[A-Za-z0-9][A-Za-z0-9._:-]{0,79}", re.ASCII)


# --- The body -----------------------------------------------------------------------------------------------------------
class Rows(BaseParser):
    """JSON Lines, plain or gzip, into a file. Raises Problem for what is too much or cannot be unpacked."""

    media_type = "application/x-ndjson"

    def parse(self, stream: Any, media_type: Any = None, parser_context: Any = None) -> Any:
        """The rows in a file that the view removes."""
        request: Request = (parser_context or {})["request"]
        digest, size, lines = hashlib.sha256(), 0, 0
        with tempfile.NamedTemporaryFile(
            prefix="rows-", suffix=".jsonl", dir=settings.FILE_UPLOAD_TEMP_DIR, delete=False
        ) as file:
            path = Path(file.name)
            try:
                for piece in _unpacked(stream, request.headers.get("Content-Encoding", "identity").lower()):
                    size += len(piece)
                    lines += piece.count(b"\n")
                    _within_limits(size, lines)
                    digest.update(piece)
                    file.write(piece)
            except BaseException:
                path.unlink()
                raise
        return feeds.Sent(path, digest.hexdigest(), size)


def _within_limits(size: int, lines: int) -> None:
    if size > settings.FEED_BATCH_BYTES:
        raise Problem(413, f"A batch can have {settings.FEED_BATCH_BYTES // 1024**2} MB at most, unpacked.")
    if lines > settings.FEED_BATCH_ROWS:
        raise Problem(413, f"A batch can have {settings.FEED_BATCH_ROWS:,} rows at most.")


def _unpacked(stream: Any, encoding: str) -> Iterator[bytes]:
    if encoding == "identity":
        while piece := stream.read(PIECE):
            yield piece
        return
    if encoding != "gzip":
        raise Problem(415, "Send the rows as they are, or with Content-Encoding: gzip.")
    unpack = zlib.decompressobj(wbits=31)
    try:
        while piece := stream.read(PIECE):
            while piece:
                yield unpack.decompress(piece, PIECE)
                piece = unpack.unconsumed_tail
            if unpack.unused_data:
                raise Problem(400, "The gzip stream has something after its end.")
        yield unpack.flush()
    except zlib.error as wrong:
        raise Problem(400, "The body is not gzip that can be read.") from wrong
    if not unpack.eof:
        raise Problem(400, "The gzip stream ends in the middle.")


# --- Batches ------------------------------------------------------------------------------------------------------------
class RejectedSerializer(serializers.Serializer[Any]):
    line = serializers.IntegerField()
    reason = serializers.CharField()


class BatchSerializer(serializers.ModelSerializer[Batch]):
    """A batch that is on record: how many rows are kept, and what was rejected."""

    feed = serializers.CharField(source="feed.name", read_only=True)
    rejected_by_reason = serializers.DictField(source="reasons", child=serializers.IntegerField(), read_only=True)

    class Meta:
        model = Batch
        fields: tuple[str, ...] = (
            "batch_id",
            "feed",
            "received_at",
            "sha256",
            "rows",
            "rejected",
            "rejected_by_reason",
            "first_at",
            "last_at",
        )
        read_only_fields = fields


class ReceivedSerializer(BatchSerializer):
    """The same with the first thousand rejected lines, by their number from 1."""

    rejected_lines = serializers.SerializerMethodField()
    notes = serializers.ListField(child=serializers.CharField(), read_only=True)

    class Meta(BatchSerializer.Meta):
        fields = (*BatchSerializer.Meta.fields, "rejected_lines", "notes")
        read_only_fields = fields

    @extend_schema_field(RejectedSerializer(many=True))
    def get_rejected_lines(self, batch: Batch) -> list[dict[str, Any]]:
        return [{"line": line, "reason": reason} for line, reason in batch.listed]


ROW = {
    "ts": "2026-11-23T10:00:00.512Z",
    "account": "5f2c1a9e0b7d4c3385a1f6e2d9c0b7a4",
    "model": "m-large",
    "input_tokens": 812,
    "output_tokens": 240,
    "status": 200,
    "prompt_hash": "0e1d2c3b4a5968778695a4b3c2d1e0f0",
    "template": "15919ca571f37d0e",
}


@extend_schema_view(
    get=extend_schema(tags=["usage"], summary="Batches, newest first"),
    post=extend_schema(
        tags=["usage"],
        summary="Send a batch of usage rows",
        description="One row a line, as docs/usage-log.md has it; `Content-Encoding: gzip` is read. Answered once the rows "
        "are on record: a batch that was answered is not lost. The same batch again gets the same answer; other rows under "
        "its name are refused (422). Rejected rows are counted by reason and listed by line.",
        request={"application/x-ndjson": {"type": "object", "description": "One row a line (docs/usage-log.md)"}},
        responses={202: ReceivedSerializer},
        parameters=[
            OpenApiParameter(
                "batch_id",
                str,
                description="Your name for this batch, unique in your organisation. Without one: the SHA-256 of the rows.",
            ),
            OpenApiParameter("feed", str, description="Which of your feeds: `main` if you have one only."),
        ],
        examples=[OpenApiExample("One row", value=ROW, request_only=True, media_type="application/x-ndjson")],
    ),
)
class Batches(generics.ListAPIView[Batch]):
    """The batches of one's own feeds (for the ministry, of all); POST sends one."""

    scopes = {"GET": READ, "POST": WRITE}
    serializer_class = BatchSerializer
    queryset = Batch.objects.none()
    filterset_fields = ("feed__name", "batch_id")
    parser_classes = (Rows,)

    def get_queryset(self) -> Any:
        return Batch.objects.visible_to(self.request.user).select_related("feed")

    def post(self, request: Request) -> HttpResponse:
        user: Any = request.user
        # Before the body: nobody unpacks a hundred megabytes to be told that it is not for them to send.
        check(user, FEED_RULES["receive"])
        name = _named(request, "feed", _NAME, "main")
        batch_id = _named(request, "batch_id", _BATCH, "")
        sent = request.data
        if not isinstance(sent, feeds.Sent):
            raise Problem(400, errors={"": "Send at least one row."})
        try:
            _rows_only(sent.path)
            got = feeds.receive_batch(sent, by=user, feed=name, batch_id=batch_id, received_at=now())
        except feeds.OtherContent as other:
            raise Problem(422, "This batch_id was used for other rows. Choose a new one.") from other
        finally:
            sent.path.unlink()
        again = {"Idempotency-Replayed": "true"} if got.replayed else {}
        return Response(ReceivedSerializer(got.batch).data, status=202, headers=again)


def _named(request: Request, name: str, pattern: re.Pattern[str], default: str) -> str:
    given = request.query_params.get(name, default)
    if given != default and not pattern.fullmatch(given):
        raise Problem(400, f"{name} has letters, digits and hyphens, and is not long: it is {pattern.pattern}.")
    return given


def _rows_only(path: Path) -> None:
    """The intake also reads CSV, Parquet and packed files; a batch is JSON Lines. Raises Problem."""
    with path.open("rb") as file:
        if file.read(4096).lstrip()[:1] != b"{":
            raise Problem(400, errors={"": "Send JSON Lines: one object a line."})


class FeedSerializer(serializers.ModelSerializer[Feed]):
    """A feed: what is expected of it and what came."""

    class Meta:
        model = Feed
        fields = ("name", "state", "expected_minutes", "batches", "last_batch_at")
        read_only_fields = fields


@extend_schema_view(get=extend_schema(tags=["usage"], summary="Feeds"))
class Feeds(generics.ListAPIView[Feed]):
    """One's own feeds; for the ministry, all."""

    scopes = {"GET": READ}
    serializer_class = FeedSerializer
    queryset = Feed.objects.none()

    def get_queryset(self) -> Any:
        return Feed.objects.visible_to(self.request.user)


# --- Alerts -------------------------------------------------------------------------------------------------------------
class AlertSerializer(serializers.ModelSerializer[Alert]):
    """An alert: something rare that a person should look at. It is no finding against anybody."""

    feed = serializers.CharField(source="feed.name", read_only=True)
    provider = serializers.CharField(source="feed.organisation.name", read_only=True)
    allowed_actions = serializers.SerializerMethodField()

    class Meta:
        model = Alert
        fields: tuple[str, ...] = (
            "reference",
            "provider",
            "feed",
            "unit",
            "state",
            "rung",
            "opened_at",
            "last_seen_at",
            "times",
            "closed_at",
            "allowed_actions",
        )
        read_only_fields = fields

    @extend_schema_field(serializers.ListField(child=serializers.CharField()))
    def get_allowed_actions(self, alert: Alert) -> list[str]:
        return [verb for verb in allowed(self.context["request"].user, ALERT_RULES, alert) if verb == "dismiss"]


class AlertVersionSerializer(serializers.Serializer[Any]):
    number = serializers.IntegerField()
    at = serializers.DateTimeField()
    sentence = serializers.CharField()
    since = serializers.DateTimeField()
    until = serializers.DateTimeField()
    rows = serializers.IntegerField()
    accounts = serializers.ListField(child=serializers.CharField())
    indicators = serializers.ListField(child=serializers.DictField())
    method = serializers.CharField()
    report_sha256 = serializers.CharField()


class OneAlertSerializer(AlertSerializer):
    """An alert with what was seen last."""

    seen = serializers.SerializerMethodField()

    class Meta(AlertSerializer.Meta):
        fields = (*AlertSerializer.Meta.fields, "seen")
        read_only_fields = fields

    @extend_schema_field(AlertVersionSerializer)
    def get_seen(self, alert: Alert) -> Any:
        return AlertVersionSerializer(alert.versions.latest("number")).data


def _alerts(request: Request) -> Any:
    return Alert.objects.visible_to(request.user).select_related("feed__organisation")


@extend_schema_view(get=extend_schema(tags=["alerts"], summary="Alerts, newest first"))
class Alerts(generics.ListAPIView[Alert]):
    """What the ministry may see of alerts; nobody else sees any."""

    scopes = {"GET": "alerts:read"}
    serializer_class = AlertSerializer
    queryset = Alert.objects.none()
    filterset_fields = ("state",)

    def get_queryset(self) -> Any:
        return _alerts(self.request)


@extend_schema_view(get=extend_schema(tags=["alerts"], summary="One alert, with what was seen"))
class OneAlert(One):
    """One alert."""

    scopes = {"GET": "alerts:read"}
    serializer_class = OneAlertSerializer
    queryset = Alert.objects.none()

    def get_queryset(self) -> Any:
        return _alerts(self.request)


class DismissInput(Input):
    reason = Text(max_length=4000)


class _Dismiss(Verb):
    """End an alert with a reason."""

    scopes = {"POST": "alerts:review"}
    input = DismissInput

    def find(self, **where: Any) -> Alert:
        found: Alert = get_object_or_404(_alerts(self.request), **where)
        return found

    def act(self, found: Alert, **data: Any) -> Alert:
        return act.dismiss(found.pk, by=self.request.user, **data)

    def show(self, result: Alert) -> Any:
        shown = _alerts(self.request).get(pk=result.pk)
        return OneAlertSerializer(shown, context={"request": self.request}).data


Dismiss = described(
    _Dismiss,
    tag="alerts",
    summary="Dismiss an alert with a reason",
    answer=OneAlertSerializer,
    example={"reason": "The provider’s own load test, announced on 3 November."},
)
