"""Usage rows from providers.

Rows come many at a time: the body goes to a file as it arrives and is read there by columns; no row is a Python object.
"""

from __future__ import annotations

import hashlib
import re
import tempfile
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from django.conf import settings
from django.http import HttpResponse
from django_filters.rest_framework import CharFilter, FilterSet
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

from accounts.api.endpoints import One, VerbOn, can, described
from accounts.permissions import check
from ledger.time import now
from monitoring.actions import feeds
from monitoring.models import Batch, Feed
from monitoring.rules import FEED_RULES
from web.api import Nothing, Problem, refuse_unknown

READ, WRITE = "usage:read", "usage:write"
PIECE = 1 << 20
MEMBERS = 10_000  # of one gzip stream: empty ones would be unpacked for ever and never be too many rows
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
    unpack, members, packed = zlib.decompressobj(wbits=31), 1, 0
    try:
        while piece := stream.read(PIECE):
            packed += len(piece)
            _within_limits(packed, 0)  # also of what unpacks to nothing
            while piece:
                if unpack.eof:
                    # A preparing program writes its header last and puts it first, as a member of its own.
                    unpack, members = zlib.decompressobj(wbits=31), members + 1
                    if members > MEMBERS:
                        raise Problem(400, f"The gzip stream has more than {MEMBERS:,} members.")
                yield unpack.decompress(piece, PIECE)
                piece = unpack.unconsumed_tail or unpack.unused_data
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

    reference = serializers.CharField(source="batch_id", read_only=True)
    feed = serializers.CharField(source="feed.name", read_only=True)
    kind = serializers.CharField(read_only=True, help_text="calls or windows")
    rejected_by_reason = serializers.DictField(source="reasons", child=serializers.IntegerField(), read_only=True)
    prepared = serializers.DictField(
        read_only=True,
        help_text="What the first line said of how the rows were made (docs/usage-log.md, The header), as it was said: "
        "`key_id`, `input_sha256`, `sampling` and others. Empty where it said nothing.",
    )

    class Meta:
        model = Batch
        fields: tuple[str, ...] = (
            "reference",
            "batch_id",
            "feed",
            "kind",
            "received_at",
            "sha256",
            "rows",
            "rejected",
            "rejected_by_reason",
            "first_at",
            "last_at",
            "prepared",
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


class BatchFilter(FilterSet):
    feed = CharFilter("feed__name", label="Its name")

    class Meta:
        model = Batch
        fields = ("batch_id",)


@extend_schema_view(
    get=extend_schema(tags=["usage"], summary="Batches, newest first"),
    post=extend_schema(
        tags=["usage"],
        summary="Send a batch of usage rows",
        description="One row a line, as docs/usage-log.md has it; `Content-Encoding: gzip` is read. Answered once the rows "
        "are on record: a batch that was answered is not lost. The same batch again in the same feed gets the same answer; "
        "other rows under its name are refused (422). Who cannot send single calls sends aggregated windows (`kind` is "
        "`windows`): the first row says which. Rejected rows are counted by reason and listed by line.",
        request={"application/x-ndjson": {"type": "object", "description": "One row a line (docs/usage-log.md)"}},
        responses={202: ReceivedSerializer},
        parameters=[
            OpenApiParameter(
                "batch_id",
                str,
                description="Your name for this batch, unique in its feed. Without one: the SHA-256 of the rows.",
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
    filterset_class = BatchFilter
    parser_classes = (Rows,)

    def get_queryset(self) -> Any:
        return Batch.objects.visible_to(self.request.user).select_related("feed")

    def post(self, request: Request) -> HttpResponse:
        user: Any = request.user
        # Before the body: nobody unpacks a hundred megabytes to be told that it is not for them to send.
        check(user, FEED_RULES["receive"])
        refuse_unknown(request, ("feed", "batch_id"))
        name = _named(request, "feed", _NAME, "main")
        batch_id = _named(request, "batch_id", _BATCH, "")
        sent = request.data
        if not isinstance(sent, feeds.Sent):
            raise Problem(400, errors={"": "Send at least one row."})
        try:
            _rows_only(sent.path)
            got = feeds.receive_batch(sent, by=user, feed=name, batch_id=batch_id, received_at=now())
        except feeds.OtherContent as other:
            raise Problem(422, "This batch_id was used for other rows of this feed. Choose a new one.") from other
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

    provider = serializers.CharField(source="organisation.name", read_only=True)
    allowed_actions = serializers.SerializerMethodField()

    class Meta:
        model = Feed
        fields = (
            "id",
            "name",
            "provider",
            "state",
            "expected_minutes",
            "batches",
            "last_batch_at",
            "last_rows_at",
            "newest_row_at",
            "resumed_at",
            "allowed_actions",
        )
        extra_kwargs = {
            "last_batch_at": {"help_text": "When a batch came last"},
            "last_rows_at": {"help_text": "When rows came last of which some were kept: lateness counts from here"},
            "newest_row_at": {"help_text": "The time of the newest kept row that is not dated ahead of its receipt"},
            "resumed_at": {"help_text": "When the feed was last watched again: the time of a pause is not late"},
        }
        read_only_fields = fields

    @extend_schema_field(serializers.ListField(child=serializers.CharField()))
    def get_allowed_actions(self, feed: Feed) -> list[str]:
        return can(self.context["request"], "usage_feed", FEED_RULES, feed)


def _feeds(request: Request) -> Any:
    return Feed.objects.visible_to(request.user).select_related("organisation")


@extend_schema_view(get=extend_schema(tags=["usage"], summary="Feeds"))
class Feeds(generics.ListAPIView[Feed]):
    """One's own feeds; for the ministry, all."""

    scopes = {"GET": READ}
    serializer_class = FeedSerializer
    queryset = Feed.objects.none()

    def get_queryset(self) -> Any:
        return _feeds(self.request)


@extend_schema_view(get=extend_schema(tags=["usage"], summary="One feed"))
class OneFeed(One):
    """What is expected of it, and what came."""

    scopes = {"GET": READ}
    serializer_class = FeedSerializer
    queryset = Feed.objects.none()
    lookup_field = "pk"

    def get_queryset(self) -> Any:
        return _feeds(self.request)


class _FeedVerb(VerbOn):
    scopes = {"POST": "usage:manage"}
    input = Nothing
    answer = FeedSerializer

    def seen(self) -> Any:
        return _feeds(self.request)


def _turned(name: str, do: Callable[..., Feed], summary: str) -> Any:
    view = type(name, (_FeedVerb,), {"do": staticmethod(do), "__doc__": do.__doc__})
    return described(view, tag="usage", summary=summary, answer=FeedSerializer, example={})


Pause = _turned("PauseFeed", feeds.pause, "Expect nothing of a feed for a while")
Resume = _turned("ResumeFeed", feeds.resume, "Watch a feed again")
