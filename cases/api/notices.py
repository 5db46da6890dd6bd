"""Notices for machines: read them, answer them, ask for more time; the ministry decides such requests."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, ClassVar

from django.db.models import Exists, OuterRef
from django.shortcuts import get_object_or_404
from drf_spectacular.utils import extend_schema, extend_schema_field, extend_schema_view
from rest_framework import generics, serializers
from rest_framework.request import Request

from accounts.api.endpoints import One, Verb, can, described
from cases.actions import extensions, notices, service
from cases.actions.deadlines import hold_calendar, locked_case
from cases.models import AnswerDraft, ExtensionRequest, Notice, Response, Service, ServiceDoubt
from cases.notice_text import in_paragraphs
from cases.rules import NOTICE_RULES
from cases.wording import local_day
from ledger.time import now
from web.api import Day, Input, Moment, Nothing, Text, Whole

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
    def get_allowed_actions(self, notice: Notice) -> list[str]:
        doubted = getattr(notice, "in_doubt", False)
        return can(
            self.context["request"].user,
            NOTICE_RULES,
            notice,
            issue=(),
            save_answer=(),
            answer_late=("answer",),
            decide_extension=(),
            run_again=(),
            read_response=(),
            settle_service=("serve-again", "record-service") if doubted else (),
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


class HandedInSerializer(serializers.ModelSerializer[Response]):
    """An answer as it was handed in."""

    class Meta:
        model = Response
        fields = ("number", "received_at", "late", "sha256", "content")
        read_only_fields = fields


class ExtensionSerializer(serializers.ModelSerializer[ExtensionRequest]):
    """A request for more time."""

    notice: Any = serializers.SlugRelatedField(slug_field="reference", read_only=True)

    class Meta:
        model = ExtensionRequest
        fields = (
            "id",
            "notice",
            "until_day",
            "reasons",
            "received_at",
            "timely",
            "state",
            "decided_at",
            "decision_reasons",
        )
        read_only_fields = fields


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
        return HandedInSerializer(notice.responses.order_by("number"), many=True).data

    @extend_schema_field(ExtensionSerializer(many=True))
    def get_extensions(self, notice: Notice) -> Any:
        asked = notice.extension_requests.select_related("notice").order_by("pk")
        return ExtensionSerializer(asked, many=True).data


def _seen(request: Request) -> Any:
    doubts = ServiceDoubt.objects.open().filter(notice=OuterRef("pk"))
    seen = Notice.objects.visible_to(request.user).select_related("case", "party")
    return seen.annotate(in_doubt=Exists(doubts))


@extend_schema_view(get=extend_schema(tags=["notices"], summary="Notices, newest first"))
class Notices(generics.ListAPIView[Notice]):
    """The notices addressed to you; for the ministry all of them."""

    scopes = READ
    serializer_class = NoticeSerializer
    queryset = Notice.objects.none()
    filterset_fields = ("state", "kind", "case__reference")

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


class MoreTimeInput(Input):
    until_day = Day(help_text="The new last day")
    reasons = Text(max_length=4000)


class RefusalInput(Input):
    reasons = Text(max_length=4000)


class WaiveInput(Input):
    reason = Text(max_length=4000)


class ServiceInput(Input):
    """Service by other means. A copy of the proof is put in on the page."""

    method = serializers.ChoiceField(choices=[c for c in Service.Method.choices if c[0] != Service.Method.PLATFORM])
    served_at = Moment(help_text="Not before the notice was issued, and not in the future")
    proof = Text(max_length=4000, help_text="What proves it: the courier’s receipt, and who signed")


class _NoticeVerb(Verb):
    """One thing that is done to a notice."""

    do: ClassVar[Callable[..., Any]]

    def find(self, **where: Any) -> Notice:
        found: Notice = get_object_or_404(_seen(self.request), **where)
        return found

    def lock(self, found: Notice) -> None:
        # In the order of the actions: the calendar before any case.
        hold_calendar()
        locked_case(found.case_id)

    def act(self, found: Notice, **data: Any) -> Any:
        return type(self).do(found.pk, by=self.request.user, **data)

    def show(self, result: Any) -> Any:
        # An action about a notice answers it, or a row of it: a response, a request, an adjustment.
        pk = result.pk if isinstance(result, Notice) else result.notice_id
        return WholeNoticeSerializer(_seen(self.request).get(pk=pk), context={"request": self.request}).data


def _answer(pk: int, *, by: Any, replies: list[dict[str, Any]]) -> Any:
    given = [notices.Reply(**{**reply, "evidence": tuple(reply.get("evidence", ()))}) for reply in replies]
    return notices.answer_all(pk, by=by, replies=given, received_at=now())


def _more_time(pk: int, **data: Any) -> Any:
    return extensions.request_extension(pk, received_at=now(), **data)


def _verb(
    name: str, scopes: dict[str, str], body: type[Input], do: Callable[..., Any], summary: str, example: Any
) -> Any:
    members = {"input": body, "do": staticmethod(do), "scopes": scopes, "__doc__": f"{summary}."}
    view = type(name, (_NoticeVerb,), members)
    return described(view, tag="notices", summary=summary, answer=WholeNoticeSerializer, example=example)


_TIME = {"until_day": "2030-01-31", "reasons": "The logs are with a processor abroad."}
Answer = _verb(
    "Answer",
    WRITE,
    AnswerInput,
    _answer,
    "Answer every question, and hand it in",
    {"replies": [{"question": 1, "how": "answer", "text": "Three accounts; nothing was kept."}]},
)
RequestExtension = _verb("RequestExtension", WRITE, MoreTimeInput, _more_time, "Ask for more time", _TIME)
Extend = _verb("Extend", MANAGE, MoreTimeInput, extensions.extend, "Give more time unasked", _TIME)
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


# --- Requests for more time ----------------------------------------------------------------------------------------------
def _asked(request: Request) -> Any:
    seen = Notice.objects.visible_to(request.user)
    return ExtensionRequest.objects.filter(notice__in=seen).select_related("notice")


@extend_schema_view(get=extend_schema(tags=["extensions"], summary="Requests for more time, newest first"))
class Extensions(generics.ListAPIView[ExtensionRequest]):
    """Your own requests; for the ministry all of them."""

    scopes = READ
    serializer_class = ExtensionSerializer
    queryset = ExtensionRequest.objects.none()
    filterset_fields = ("state",)

    def get_queryset(self) -> Any:
        return _asked(self.request)


@extend_schema_view(get=extend_schema(tags=["extensions"], summary="One request for more time"))
class OneExtension(One):
    """Whether it was decided, and how."""

    scopes = READ
    serializer_class = ExtensionSerializer
    queryset = ExtensionRequest.objects.none()
    lookup_field = "pk"

    def get_queryset(self) -> Any:
        return _asked(self.request)


class _ExtensionVerb(Verb):
    scopes = MANAGE
    do: ClassVar[Callable[..., ExtensionRequest]]

    def find(self, **where: Any) -> ExtensionRequest:
        found: ExtensionRequest = get_object_or_404(_asked(self.request), **where)
        return found

    def lock(self, found: ExtensionRequest) -> None:
        hold_calendar()
        locked_case(found.notice.case_id)

    def act(self, found: ExtensionRequest, **data: Any) -> ExtensionRequest:
        return type(self).do(found.pk, by=self.request.user, **data)

    def show(self, result: ExtensionRequest) -> Any:
        return ExtensionSerializer(_asked(self.request).get(pk=result.pk)).data


def _decision(name: str, body: type[Input], do: Callable[..., Any], summary: str, example: Any) -> Any:
    view = type(name, (_ExtensionVerb,), {"input": body, "do": staticmethod(do), "__doc__": do.__doc__})
    return described(view, tag="extensions", summary=summary, answer=ExtensionSerializer, example=example)


Grant = _decision("GrantExtension", MoreTimeInput, extensions.grant_extension, "Grant more time", _TIME)
Refuse = _decision(
    "RefuseExtension",
    RefusalInput,
    extensions.refuse_extension,
    "Refuse more time",
    {"reasons": "You have had it since May."},
)
