"""Notices for machines: read them, answer them, ask for more time; what the ministry does with them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from django.db.models import Exists, OuterRef
from django_filters.rest_framework import CharFilter, FilterSet
from drf_spectacular.utils import extend_schema, extend_schema_field, extend_schema_view
from rest_framework import generics, serializers
from rest_framework.request import Request

from accounts.api.endpoints import One, VerbOn, can, described
from cases.actions import answers, extensions, notices, service
from cases.actions.deadlines import hold_calendar, locked_case
from cases.api.extensions import MORE_TIME, ExtensionSerializer, MoreTimeInput
from cases.models import AnswerDraft, Notice, Response, Service, ServiceDoubt
from cases.notice_text import in_paragraphs
from cases.rules import NOTICE_RULES
from cases.wording import local_day
from ledger.time import now
from web.api import Input, Moment, Nothing, Problem, Text, Whole

READ, WRITE, MANAGE = {"GET": "cases:read"}, {"POST": "cases:write"}, {"POST": "cases:manage"}
DECIDE = {"POST": "cases:decide"}


class NoticeSerializer(serializers.ModelSerializer[Notice]):
    """A notice as it stands. `due_on` is the local day at whose end it runs out, `due_at` that end in UTC."""

    case: Any = serializers.SlugRelatedField(slug_field="reference", read_only=True)
    due_on = serializers.SerializerMethodField()
    allowed_actions = serializers.SerializerMethodField()

    class Meta:
        model = Notice
        fields: tuple[str, ...] = (
            "reference",
            "case",
            "kind",
            "round",
            "state",
            "sent_at",
            "served_on",
            "last_day",
            "expires_at",
            "due_at",
            "due_on",
            "time_rule",
            "allowed_actions",
        )
        read_only_fields = fields

    @extend_schema_field(serializers.DateField(allow_null=True))
    def get_due_on(self, notice: Notice) -> str | None:
        return local_day(notice.due_at) if notice.due_at else None

    @extend_schema_field(serializers.ListField(child=serializers.CharField()))
    def get_allowed_actions(self, notice: Any) -> list[str]:
        return can(
            self.context["request"],
            "notice",
            NOTICE_RULES,
            notice,
            answer_late=("answer",),
            read_response=("mark-read",) if notice.has_answers else (),
            settle_service=("serve-again", "record-service") if notice.in_doubt else (),
        )


class QuestionSerializer(serializers.Serializer[Any]):
    number = serializers.IntegerField()
    text = serializers.CharField()
    period = serializers.CharField(allow_blank=True)
    form = serializers.CharField(allow_blank=True)
    mandatory = serializers.BooleanField()


class ParagraphSerializer(serializers.Serializer[Any]):
    heading = serializers.CharField()
    text = serializers.CharField()


class ReplySerializer(serializers.Serializer[Any]):
    question = serializers.IntegerField()
    how = serializers.CharField()
    text = serializers.CharField(allow_blank=True)
    where_held = serializers.CharField(allow_blank=True)
    why_not_held = serializers.CharField(allow_blank=True)
    evidence = serializers.ListField(child=serializers.CharField())


class HandedInSerializer(serializers.ModelSerializer[Response]):
    """An answer as it was handed in. `read_at` is for the ministry: when somebody there opened it first."""

    content = ReplySerializer(many=True, read_only=True)
    read_at = serializers.SerializerMethodField()

    class Meta:
        model = Response
        fields = ("number", "received_at", "late", "sha256", "content", "read_at")
        read_only_fields = fields

    @extend_schema_field(serializers.DateTimeField(allow_null=True))
    def get_read_at(self, response: Response) -> str | None:
        if not self.context["request"].user.is_ministry:
            return None
        first = response.readings.order_by("at").values_list("at", flat=True).first()
        return serializers.DateTimeField().to_representation(first) if first else None


class WholeNoticeSerializer(NoticeSerializer):
    """A notice with its text, its questions, and what was handed in and asked for."""

    text = serializers.SerializerMethodField()
    questions = QuestionSerializer(many=True, read_only=True)
    answers = serializers.SerializerMethodField()
    extensions = serializers.SerializerMethodField()

    class Meta(NoticeSerializer.Meta):
        fields = (*NoticeSerializer.Meta.fields, "text", "questions", "answers", "extensions")
        read_only_fields = fields

    @extend_schema_field(ParagraphSerializer(many=True))
    def get_text(self, notice: Notice) -> list[dict[str, str]]:
        return [{"heading": heading, "text": text} for heading, text in in_paragraphs(notice.content)]

    @extend_schema_field(HandedInSerializer(many=True))
    def get_answers(self, notice: Notice) -> Any:
        return HandedInSerializer(notice.responses.order_by("number"), many=True, context=self.context).data

    @extend_schema_field(ExtensionSerializer(many=True))
    def get_extensions(self, notice: Notice) -> Any:
        asked = notice.extension_requests.select_related("notice__party").order_by("pk")
        return ExtensionSerializer(asked, many=True, context=self.context).data


def _seen(request: Request) -> Any:
    doubts = ServiceDoubt.objects.open().filter(notice=OuterRef("pk"))
    seen = Notice.objects.visible_to(request.user).select_related("case", "party")
    responses = Response.objects.filter(notice=OuterRef("pk"))
    return seen.annotate(in_doubt=Exists(doubts), has_answers=Exists(responses))


class NoticeFilter(FilterSet):
    case = CharFilter("case__reference", label="Its reference")

    class Meta:
        model = Notice
        fields = ("state", "kind")


@extend_schema_view(get=extend_schema(tags=["notices"], summary="Notices, newest first"))
class Notices(generics.ListAPIView[Notice]):
    """The notices addressed to you; for the ministry all of them."""

    scopes = READ
    serializer_class = NoticeSerializer
    queryset = Notice.objects.none()
    filterset_class = NoticeFilter

    def get_queryset(self) -> Any:
        return _seen(self.request)


@extend_schema_view(get=extend_schema(tags=["notices"], summary="One notice, with its questions"))
class OneNotice(One):
    """Its text and questions, when it runs out, and what was handed in."""

    scopes = READ
    serializer_class = WholeNoticeSerializer
    queryset = Notice.objects.none()

    def get_queryset(self) -> Any:
        return _seen(self.request)


# --- Verbs ---------------------------------------------------------------------------------------------------------------
class ReplyInput(Input):
    question = Whole(min_value=1, max_value=999)
    how = serializers.ChoiceField(choices=[AnswerDraft.ANSWER, AnswerDraft.NOT_HELD])
    text = Text(max_length=20000, required=False, allow_blank=True)
    where_held = Text(max_length=2000, required=False, allow_blank=True)
    why_not_held = Text(max_length=2000, required=False, allow_blank=True)
    evidence = serializers.ListField(child=Text(max_length=24), required=False, max_length=200)


class AnswerInput(Input):
    """A reply to every question. It is handed in at once, with its evidence as exhibits."""

    replies = ReplyInput(many=True, allow_empty=False)


class MarkReadInput(Input):
    answer = Whole(min_value=1, max_value=32767, help_text="Its number")


class WaiveInput(Input):
    reason = Text(max_length=4000)


class ServiceInput(Input):
    """Service by other means. A copy of the proof is put in on the page."""

    method = serializers.ChoiceField(choices=[c for c in Service.Method.choices if c[0] != Service.Method.PLATFORM])
    served_at = Moment(help_text="Not before the notice was issued, and not in the future")
    proof = Text(max_length=4000, help_text="What proves it: the courier’s receipt, and who signed")


class _NoticeVerb(VerbOn):
    """One thing that is done to a notice."""

    answer = WholeNoticeSerializer

    def seen(self) -> Any:
        return _seen(self.request)

    def lock(self, found: Notice) -> None:
        # In the order of the actions: the calendar before any case.
        hold_calendar()
        locked_case(found.case_id)

    def show(self, result: Any) -> Any:
        # An action about a notice answers it, or a row of it: a response (or its reading), a request, an adjustment.
        result = getattr(result, "response", result)
        return super().show(result if isinstance(result, Notice) else result.notice)


def _answer(pk: int, *, by: Any, replies: list[dict[str, Any]]) -> Any:
    given = [answers.Reply(**{**reply, "evidence": tuple(reply.get("evidence", ()))}) for reply in replies]
    return answers.answer_all(pk, by=by, replies=given, received_at=now())


def _more_time(pk: int, **data: Any) -> Any:
    return extensions.request_extension(pk, received_at=now(), **data)


def _mark_read(pk: int, *, by: Any, answer: int) -> Any:
    found = Response.objects.filter(notice_id=pk, number=answer).first()
    if found is None:
        raise Problem(400, errors={"answer": "There is no such answer to this notice."})
    return answers.read_response(found.pk, by=by)


class _MoreTime(_NoticeVerb):
    """Answers the notice, and where the request that was made can be followed."""

    status = 201

    def headers_of(self, shown: Any) -> dict[str, str]:
        made = shown["extensions"][-1]["reference"]
        return {**super().headers_of(shown), "Location": f"/api/v1/extensions/{made}/"}


def _verb(
    name: str,
    scopes: dict[str, str],
    body: type[Input],
    do: Callable[..., Any],
    summary: str,
    example: Any,
    base: type[_NoticeVerb] = _NoticeVerb,
) -> Any:
    members = {"input": body, "do": staticmethod(do), "scopes": scopes, "__doc__": f"{summary}."}
    view = type(name, (base,), members)
    return described(view, tag="notices", summary=summary, answer=WholeNoticeSerializer, example=example)


Answer = _verb(
    "Answer",
    WRITE,
    AnswerInput,
    _answer,
    "Answer every question, and hand it in",
    {"replies": [{"question": 1, "how": "answer", "text": "Three accounts; nothing was kept."}]},
)
RequestExtension = _verb(
    "RequestExtension", WRITE, MoreTimeInput, _more_time, "Ask for more time", MORE_TIME, _MoreTime
)
Extend = _verb("Extend", MANAGE, MoreTimeInput, extensions.extend, "Give more time unasked", MORE_TIME)
VERBS = {
    "answer": Answer,
    "request-extension": RequestExtension,
    "extend": Extend,
    "waive": _verb(
        "Waive",
        DECIDE,
        WaiveInput,
        notices.waive,
        "No longer require an answer",
        {"reason": "The complainant has told us since."},
    ),
    "mark-read": _verb("MarkRead", MANAGE, MarkReadInput, _mark_read, "Note that an answer was opened", {"answer": 1}),
    "serve-again": _verb(
        "ServeAgain", MANAGE, Nothing, service.serve_again, "Serve it again here, where service is in doubt", {}
    ),
    "record-service": _verb(
        "RecordService",
        MANAGE,
        ServiceInput,
        service.record_service,
        "Put service by other means on record, where it is in doubt",
        {"method": "courier", "served_at": "2026-11-04T10:00:00Z", "proof": "Receipt 4711, signed at the front desk."},
    ),
}
