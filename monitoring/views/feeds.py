"""Pages of feeds and alerts: the ministry's, and the provider's own."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, time, timedelta
from typing import Any

from django.conf import settings
from django.contrib.auth.decorators import login_required
from django.core.paginator import Paginator
from django.db.models import Count, Sum
from django.db.models.functions import TruncDate
from django.http import HttpResponse
from django.shortcuts import get_object_or_404, render
from django.urls import reverse
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from accounts.models import SignedInRequest
from accounts.permissions import allowed, check
from ledger.time import LOCAL_ZONE, local_date, now
from monitoring.actions import alerts as act
from monitoring.actions import feeds as act_on_feeds
from monitoring.forms import AlertReasonForm, AlertTakeForm, NothingForm
from monitoring.models import Alert, AlertStep, Batch, Comparison, Feed, WindowReading
from monitoring.report import rarity
from monitoring.rules import ALERT_RULES, FEED_RULES
from monitoring.views.comparison import shown_comparison
from web.pages import form_page, sent
from web.templatetags.candour import when

DAYS = 14
SHOWN = 50
COLOURS = {"open": "blue", "under_review": "teal", "dismissed": "grey", "taken": "green"}
# What explains such rows without any extraction; each is looked at before anything else.
INNOCENT = (
    "A product of the customer’s own with many users behind one account",
    "A reseller, a university or an office whose people share networks and payment",
    "An evaluation, a benchmark or a red team, announced or not",
    "A nightly job, a load test or a retry loop that went wrong",
    "Research or work under an authorisation that this feed does not know of",
)


# --- Words --------------------------------------------------------------------------------------------------------------
def lateness(feed: Feed, instant: datetime) -> str:
    """Whether the feed is late, and what is wrong with what came, in sentences."""
    if feed.state == Feed.State.PAUSED:
        return "Paused: nothing is expected."
    since, old = feed.late_since(instant), feed.rows_are_old(instant)
    every = _minutes(feed.expected_minutes).removeprefix("1 ")
    if feed.last_rows_at is None:
        come = "Nothing has come yet" if feed.last_batch_at is None else "No row that could be kept has come yet"
        return f"{come}; a batch is expected every {every}."
    said = [f"the last rows came {_ago(feed.last_rows_at, instant)}, a batch is expected every {every}"]
    if feed.resumed_at is not None and feed.resumed_at > feed.last_rows_at:
        said.append(f"the feed was resumed {_ago(feed.resumed_at, instant)}")
    begins = "Only old rows" if old else "On time"
    if since is not None:
        begins = f"Late by {_minutes(max(1, int((instant - since).total_seconds() // 60)))}"
    sentences = [f"{begins}: {', and '.join(said)}."]
    if feed.last_batch_at is not None and feed.last_batch_at > feed.last_rows_at:
        sentences.append("Of what came since then no row could be kept.")
    if old:
        days = _minutes(settings.FEED_WINDOW_DAYS * 1440).removeprefix("1 ")
        sentences.append(f"The newest row is of {when(feed.newest_row_at)}; only the last {days} are looked at.")
    return " ".join(sentences)


def _ago(then: datetime, instant: datetime) -> str:
    ago = int((instant - then).total_seconds() // 60)
    return f"{_minutes(ago) if ago > 0 else 'less than a minute'} ago"


def _minutes(count: int) -> str:
    for size, noun in ((1440, "day"), (60, "hour"), (1, "minute")):
        if count >= size or size == 1:
            number = count // size
            return f"{number} {noun}{'' if number == 1 else 's'}"
    raise AssertionError


# --- Figures: bars drawn on the server, each with its table -------------------------------------------------------------
def figure(batches: Any, instant: datetime) -> dict[str, Any]:
    """`trend`: rows and rejected rows by day of receipt, each with the height of its bar (out of 100); `most` of them."""
    first = local_date(instant) - timedelta(days=DAYS - 1)
    counted = (
        batches.filter(received_at__gte=instant - timedelta(days=DAYS + 1))
        .annotate(day=TruncDate("received_at"))
        .values("day")
        .annotate(total=Sum("rows"), refused=Sum("rejected"), batches=Count("pk"))
    )
    found = {line["day"]: line for line in counted}
    most = max([line["total"] for line in found.values()], default=0) or 1
    days = []
    for n in range(DAYS):
        day = first + timedelta(days=n)
        line = found.get(day, {"total": 0, "refused": 0, "batches": 0})
        height = round(100 * line["total"] / most)
        days.append({**line, "day": day, "height": height, "x": 4 + n * 20, "y": 104 - height})
    return {"trend": days, "most": max(line["total"] for line in days)}


def _facts(feeds: Any, instant: datetime) -> list[dict[str, Any]]:
    return [
        {
            "feed": feed,
            "lateness": lateness(feed, instant),
            "late": feed.late_since(instant) is not None,
            "old": feed.state == Feed.State.ACTIVE and feed.rows_are_old(instant),
        }
        for feed in feeds
    ]


# --- The ministry -------------------------------------------------------------------------------------------------------
@login_required
@require_safe
def monitoring(request: SignedInRequest) -> HttpResponse:
    """Every feed with its lateness, open alerts oldest first, what came by day."""
    check(request.user, FEED_RULES["list"])
    instant = now()
    alerts = Alert.objects.visible_to(request.user).select_related("feed__organisation")
    waiting = list(alerts.waiting()[:SHOWN])
    gaps = Comparison.objects.visible_to(request.user).with_later().waiting().select_related("closed_by")
    feeds = Feed.objects.visible_to(request.user).select_related("organisation").order_by("organisation__name", "name")
    shown = Paginator(feeds, SHOWN).get_page(request.GET.get("page"))
    page = {
        "page": shown,
        "feeds": _facts(shown, instant),
        "alerts": [{"alert": a, "state": state_of(a)} for a in waiting],
        "ended": [
            {"alert": a, "state": state_of(a)} for a in alerts.exclude(closed_at=None).order_by("-closed_at")[:10]
        ],
        "gaps": [shown_comparison(one) for one in gaps[:SHOWN]],
        **_counted(alerts, instant),
        **figure(Batch.objects.visible_to(request.user), instant),
    }
    return render(request, "monitoring/feed_overview.html", page)


def _counted(alerts: Any, instant: datetime) -> dict[str, Any]:
    """`waiting`: what waits now, by state; `counts`: what was opened and what people did since `quarter` began."""
    quarter = quarter_begins(instant)
    states = dict(alerts.waiting().order_by().values_list("state").annotate(n=Count("pk")))
    done = AlertStep.objects.filter(alert__in=alerts, at__gte=quarter).order_by()
    steps = dict(done.values_list("step").annotate(n=Count("pk")))
    return {
        "quarter": quarter,
        "waiting": [(Alert.State(state).label, states.get(state, 0)) for state in ("open", "under_review")],
        "counts": [
            ("Alerts opened", alerts.filter(opened_at__gte=quarter).count()),
            ("Reviews begun", steps.get("review", 0)),
            ("Dismissed", steps.get("dismiss", 0)),
            ("Taken into a case", steps.get("take", 0)),
        ],
    }


def quarter_begins(instant: datetime) -> datetime:
    """The first instant of the quarter of the year in which `instant` lies in London."""
    today = local_date(instant)
    first = today.replace(month=today.month - (today.month - 1) % 3, day=1)
    return datetime.combine(first, time(), LOCAL_ZONE)


def state_of(alert: Alert) -> tuple[str, str]:
    """The state as a tag: words and colour."""
    return str(alert.get_state_display()), COLOURS[alert.state]


@login_required
@require_safe
def alert(request: SignedInRequest, reference: str) -> HttpResponse:
    """What was seen, how rare it is, what else explains it, what people did."""
    found = _alert(request, reference)
    versions = list(found.versions.order_by("-number"))
    page = {
        "alert": found,
        "state": state_of(found),
        "seen": versions[0],
        "earlier": versions[1:],
        "steps": found.steps.select_related("by").order_by("pk"),
        "verbs": allowed(request.user, ALERT_RULES, found),
        "innocent": versions[0].explanations or [{"title": title} for title in INNOCENT],
        "indicators": [_said(i) for i in versions[0].indicators],
    }
    return render(request, "monitoring/alert_detail.html", page)


def _said(indicator: dict[str, Any]) -> dict[str, Any]:
    """A sign, with how rare it is in words."""
    return {**indicator, "rare": rarity(indicator)}


def _alert(request: SignedInRequest, reference: str) -> Alert:
    seen = Alert.objects.visible_to(request.user).select_related("feed__organisation")
    return get_object_or_404(seen, reference=reference)


def _step(
    request: SignedInRequest,
    reference: str,
    verb: str,
    form: type[AlertReasonForm],
    do: Callable[..., Alert],
    intro: str,
    done: str,
) -> HttpResponse:
    found = _alert(request, reference)
    check(request.user, ALERT_RULES[verb], found)
    read = request.GET.get("version") or found.versions.latest("number").number
    return form_page(
        request,
        form(initial={"version": read}, **sent(request)),
        lambda data: do(found.pk, by=request.user, **data),
        title=f"{ALERT_RULES[verb].label}: {found.reference}",
        submit=ALERT_RULES[verb].label,
        back=reverse("alert", args=[found.reference]),
        intro=intro,
        done=f"{found.reference} {done}",
    )


@login_required
@require_http_methods(["GET", "HEAD", "POST"])
def alert_review(request: SignedInRequest, reference: str) -> HttpResponse:
    return _step(
        request,
        reference,
        "review",
        AlertReasonForm,
        act.review,
        "You look into it yourself. Nobody outside the ministry is told, and no case is opened.",
        "is under review.",
    )


@login_required
@require_http_methods(["GET", "HEAD", "POST"])
def alert_dismiss(request: SignedInRequest, reference: str) -> HttpResponse:
    return _step(
        request,
        reference,
        "dismiss",
        AlertReasonForm,
        act.dismiss,
        f"It ends here. Another alert is opened if these accounts go on calling for more than {settings.ALERT_QUIET_HOURS} "
        "hours after this, or if what is seen is mostly about others: fewer than half of the accounts are in both.",
        "is dismissed.",
    )


@login_required
@require_http_methods(["GET", "HEAD", "POST"])
def alert_take(request: SignedInRequest, reference: str) -> HttpResponse:
    return _step(
        request,
        reference,
        "take",
        AlertTakeForm,
        act.take,
        "A case is opened by a person on evidence that its parties can answer. Note here which case it is.",
        "is taken into a case.",
    )


# --- Feeds --------------------------------------------------------------------------------------------------------------
@login_required
@require_safe
def own_feeds(request: SignedInRequest) -> HttpResponse:
    """The provider's own feeds, and how rows are sent."""
    check(request.user, FEED_RULES["list_own"])
    feeds = Feed.objects.visible_to(request.user).order_by("name")
    return render(request, "monitoring/feed_own.html", {"feeds": _facts(feeds, now())})


@login_required
@require_safe
def feed(request: SignedInRequest, pk: int) -> HttpResponse:
    """One feed: what came, what was rejected, whether it is late. Of alerts and declared volumes nothing to a provider."""
    found = get_object_or_404(Feed.objects.visible_to(request.user).select_related("organisation"), pk=pk)
    instant = now()
    batches = Batch.objects.visible_to(request.user).filter(feed=found)
    alerts = Alert.objects.visible_to(request.user).filter(feed=found).waiting()
    beside = Comparison.objects.visible_to(request.user).filter(feed=found).with_later().select_related("closed_by")
    gaps = list(beside.waiting()[:SHOWN])
    others = beside.exclude(state="open").order_by("-pk")[:SHOWN]
    page = {
        "feed": found,
        "state": (found.get_state_display(), "green" if found.state == "active" else "grey"),
        "lateness": lateness(found, instant),
        # As pairs: a template would take a header's own "items" for the list of them.
        "batches": [{"batch": b, "prepared": list(b.prepared.items())} for b in batches.order_by("-pk")[:SHOWN]],
        **figure(batches, instant),
        "alerts": [{"alert": a, "state": state_of(a)} for a in alerts[:SHOWN]],
        # What waits for somebody comes first.
        "comparisons": [shown_comparison(one) for one in (*gaps, *others)],
        "reading": WindowReading.objects.visible_to(request.user).filter(feed=found).order_by("-pk").first(),
        "verbs": allowed(request.user, FEED_RULES, found),
        "back": reverse("monitoring" if request.user.is_ministry else "own_feeds"),
    }
    return render(request, "monitoring/feed_detail.html", page)


@login_required
@require_POST
def feed_pause(request: SignedInRequest, pk: int) -> HttpResponse:
    return _turn(request, pk, act_on_feeds.pause, "The feed is paused. What is sent is still kept.")


@login_required
@require_POST
def feed_resume(request: SignedInRequest, pk: int) -> HttpResponse:
    return _turn(request, pk, act_on_feeds.resume, "The feed is watched again.")


def _turn(request: SignedInRequest, pk: int, do: Callable[..., Feed], done: str) -> HttpResponse:
    found = get_object_or_404(Feed.objects.visible_to(request.user), pk=pk)
    return form_page(
        request,
        NothingForm(**sent(request)),
        lambda data: do(found.pk, by=request.user),
        title=str(found),
        submit="Go on",
        back=reverse("feed", args=[found.pk]),
        done=done,
    )
