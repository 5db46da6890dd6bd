"""How times, sizes and states read on pages. Dates and times are the clock on the wall in `settings.TIME_ZONE`."""

import datetime as dt
from typing import Any

from django import template
from django.core.paginator import Page
from django.template.context import Context
from django.utils import timezone

register = template.Library()

COLOURS = {"grey", "green", "teal", "blue", "purple", "magenta", "red", "orange", "yellow"}
_MIDNIGHT = dt.time(0, 0)


def _local(instant: dt.datetime) -> dt.datetime:
    return instant.astimezone(timezone.get_default_timezone())


@register.filter(expects_localtime=False)
def day(value: Any) -> str:
    """A date, or the local date of an instant: "Friday 16 October 2026"."""
    if isinstance(value, dt.datetime):
        value = _local(value).date()
    return f"{value:%A} {value.day} {value:%B %Y}" if isinstance(value, dt.date) else ""


def _clock(local: dt.datetime) -> str:
    if local.time() == dt.time(12, 0):
        text = "midday"
    else:
        minutes = f":{local.minute:02}" if local.minute else ""
        text = f"{local.hour % 12 or 12}{minutes}{'am' if local.hour < 12 else 'pm'}"
    # In the hour that the clocks show twice only the name of the time tells which one is meant.
    twice = local.replace(fold=0).utcoffset() != local.replace(fold=1).utcoffset()
    return f"{text} ({local.tzname()})" if twice else text


@register.filter(expects_localtime=False)
def when(value: Any) -> str:
    """An instant: "4:30pm on Friday 16 October 2026"."""
    if not isinstance(value, dt.datetime):
        return day(value)
    local = _local(value)
    if (local.hour, local.minute) == (0, 0):
        return f"the start of {day(local.date())}"
    return f"{_clock(local.replace(second=0, microsecond=0))} on {day(local.date())}"


@register.filter(expects_localtime=False)
def until(value: Any) -> str:
    """A deadline. The end of a day is stored as the start of the next, and reads "11:59pm on" the day it belongs to."""
    if isinstance(value, dt.datetime) and _local(value).time() == _MIDNIGHT:
        return f"11:59pm on {day(_last_day(value))}"
    return when(value)


def _last_day(deadline: dt.datetime) -> dt.date:
    """The last local day with any time before the deadline."""
    local = _local(deadline)
    return local.date() - dt.timedelta(days=1) if local.time() == _MIDNIGHT else local.date()


@register.filter(expects_localtime=False)
def last_day(value: Any) -> str:
    """The last local day before an instant at which something ends: "Friday 16 October 2026"."""
    return day(_last_day(value)) if isinstance(value, dt.datetime) else day(value)


def days_between(deadline: dt.datetime, now: dt.datetime) -> str:
    """Local days from now to a deadline, in words: "14 days left", "last day: today", "2 days ago"."""
    days = (_last_day(deadline) - _local(now).date()).days
    if now >= deadline:
        if days >= 0:
            return "earlier today"
        return "1 day ago" if days == -1 else f"{-days} days ago"
    if days == 0:
        return "last day: today"
    return "1 day left" if days == 1 else f"{days} days left"


@register.simple_tag(takes_context=True)
def days_left(context: Context, deadline: Any) -> str:
    """`{% days_left instant %}`, by the context's `now`; nothing where either is missing."""
    now = context.get("now")
    if not isinstance(deadline, dt.datetime) or not isinstance(now, dt.datetime):
        return ""
    return days_between(deadline, now)


@register.simple_tag(takes_context=True)
def is_past(context: Context, deadline: Any) -> bool:
    """`{% is_past instant as late %}`, by the context's `now`."""
    now = context.get("now")
    return isinstance(deadline, dt.datetime) and isinstance(now, dt.datetime) and now >= deadline


@register.inclusion_tag("components/tag.html")
def tag(text: Any, colour: str = "") -> dict[str, Any]:
    """`{% tag text colour %}`: the design system's tag."""
    return {"text": text, "colour": colour if colour in COLOURS else ""}


@register.inclusion_tag("components/tag.html")
def state_tag(state: Any) -> dict[str, Any]:
    """`{% state_tag state %}` for a (label, colour) pair, or a label alone."""
    label, colour = state if isinstance(state, list | tuple) else (state, "")
    return tag(label, colour)


@register.filter
def filesize(size: Any) -> str:
    """Bytes as people say them: "1 byte", "12 KB", "1.5 MB" (thousands, as file managers count)."""
    if not isinstance(size, int) or isinstance(size, bool) or size < 0:
        return ""
    if size < 1000:
        return "1 byte" if size == 1 else f"{size} bytes"
    amount = float(size)
    units = iter(("KB", "MB", "GB", "TB"))
    unit = ""
    while round(amount, 1) >= 1000 and unit != "TB":
        amount, unit = amount / 1000, next(units)
    text = f"{amount:.1f}".removesuffix(".0") if amount < 10 else f"{amount:.0f}"
    return f"{text} {unit}"


@register.filter
def share(value: float) -> str:
    """A share of one as people say it: "0.4 %", "98 %", "less than 0.01 %"."""
    percent = 100 * float(value)
    if 0 < percent < 0.01:
        return "less than 0.01 %"
    return f"{percent:.2f}".rstrip("0").rstrip(".") + " %"


@register.filter
def minutes(seconds: float) -> str:
    """A duration in whole minutes: "1 minute", "12 minutes"."""
    whole = max(1, round(seconds / 60))
    return f"{whole} minute" if whole == 1 else f"{whole} minutes"


@register.filter
def counted(number: int, noun: str) -> str:
    """`{{ 3|counted:"notice" }}`: "3 notices"; an irregular plural after a comma: `"party,parties"`."""
    one, _, many = noun.partition(",")
    return f"{number:,} {one if number == 1 else many or one + 's'}"


@register.filter
def page_numbers(page: Page[Any]) -> list[Any]:
    """The numbers to show under a list, with gaps."""
    return list(page.paginator.get_elided_page_range(page.number, on_each_side=1, on_ends=1))
