"""Dates and moments the way people write them: boxes for day, month and year, and a time of day.

What was typed stays in the boxes when it is refused. Each error names the box it belongs to by its code, which is how
the error summary finds the control to focus.
"""

import datetime as dt
import re
from collections.abc import Mapping
from typing import Any

from django import forms
from django.core.exceptions import ValidationError
from django.template.loader import render_to_string
from django.utils import timezone

Parts = dict[str, str]

_MONTHS = ["january", "february", "march", "april", "may", "june", "july", "august", "september", "october", "november"]
_MONTHS.append("december")
_TIME = re.compile(r"(?P<hour>\d{1,2})(?:[:.](?P<minute>\d{2}))?\s*(?P<half>am|pm|a\.m\.|p\.m\.)?", re.IGNORECASE)
_TIME_WORDS = {"midnight": dt.time(0, 0), "midday": dt.time(12, 0), "noon": dt.time(12, 0)}
FIRST_YEAR, LAST_YEAR = 1900, 2199


def _number(text: str) -> int | None:
    # Only plain digits: int() also takes " ٣ ", "+3" and "1_0", which nobody means.
    return int(text) if text.isascii() and text.isdecimal() and len(text) <= 9 else None


def month_number(text: str) -> int | None:
    """Reads "3", "03", "March" or "mar" as 3; None when it is no month."""
    number = _number(text)
    if number is not None:
        return number if 1 <= number <= 12 else None
    word = text.strip().lower().rstrip(".")
    found = [i for i, name in enumerate(_MONTHS, start=1) if len(word) >= 3 and name.startswith(word)]
    return found[0] if len(found) == 1 else None


def time_of_day(text: str) -> dt.time | None:
    """Reads "16:30", "4.30pm", "4pm", "midday"; None when it is no time. Hours without am or pm need minutes."""
    word = " ".join(text.split()).lower()
    if word in _TIME_WORDS:
        return _TIME_WORDS[word]
    match = _TIME.fullmatch(word)
    if not match or not match[0].isascii():
        return None
    hour, minute, half = int(match["hour"]), match["minute"], (match["half"] or "").replace(".", "")
    if half:
        if not 1 <= hour <= 12:
            return None
        hour = hour % 12 + (12 if half == "pm" else 0)
    elif minute is None:
        return None
    return dt.time(hour, int(minute or 0)) if hour <= 23 and int(minute or 0) <= 59 else None


class BoxesWidget(forms.Widget):
    """Several small text boxes for one value. `parts` names them: (key, label, width in characters)."""

    use_fieldset = True
    template = "govuk/boxes.html"
    parts: tuple[tuple[str, str, int], ...] = (("day", "Day", 2), ("month", "Month", 2), ("year", "Year", 4))

    def id_for_label(self, id_: str) -> str:
        """The first box, or nothing where the form has no ids."""
        return self.id_for_part(id_, self.parts[0][0]) if id_ else ""

    def id_for_part(self, id_: str, key: str) -> str:
        """The id of one box."""
        return f"{id_}_{key}"

    def value_from_datadict(self, data: Mapping[str, Any], files: Any, name: str) -> Parts:
        """The boxes as typed, without the spaces around."""
        return {key: str(data.get(f"{name}_{key}") or "").strip() for key, _, _ in self.parts}

    def value_omitted_from_data(self, data: Mapping[str, Any], files: Any, name: str) -> bool:
        """True when no box was sent at all."""
        return all(f"{name}_{key}" not in data for key, _, _ in self.parts)

    def split(self, value: Any) -> Parts:
        """A stored value as the text of the boxes."""
        if isinstance(value, Mapping):
            return {key: str(value.get(key, "")) for key, _, _ in self.parts}
        if isinstance(value, dt.date):
            return {"day": str(value.day), "month": str(value.month), "year": str(value.year)}
        return {}

    def boxes(self, name: str, value: Any, id_: str) -> list[dict[str, Any]]:
        """What the template needs of each box."""
        typed = self.split(value)
        return [
            {
                "key": key,
                "label": label,
                "width": width,
                "name": f"{name}_{key}",
                "id": self.id_for_part(id_, key) if id_ else "",
                "value": typed.get(key, ""),
                "numeric": key in {"day", "year"},
            }
            for key, label, width in self.parts
        ]

    def render(self, name: str, value: Any, attrs: Any = None, renderer: Any = None) -> Any:
        """The boxes without their legend; the `govuk` template pack draws that around them."""
        attrs = {**self.attrs, **(attrs or {})}
        id_ = attrs.get("id", "")
        context = {
            "boxes": self.boxes(name, value, id_),
            "id": id_,
            "wrong": attrs.get("data-wrong", "").split(),
            "disabled": attrs.get("disabled", False),
        }
        return render_to_string(self.template, context)


class DayWidget(BoxesWidget):
    """Day, month and year."""


class MomentWidget(BoxesWidget):
    """Day, month, year and a time of day."""

    parts = (*BoxesWidget.parts, ("time", "Time", 5))

    def split(self, value: Any) -> Parts:
        """An aware datetime as local day and time."""
        if isinstance(value, dt.datetime):
            local = timezone.localtime(value) if timezone.is_aware(value) else value
            return {**super().split(local.date()), "time": f"{local:%H:%M}"}
        return super().split(value)


class DayField(forms.Field):
    """A date from three boxes. `subject` begins its messages: "The first day must include a month"."""

    widget: type[BoxesWidget] = DayWidget

    def __init__(self, *, subject: str = "", **kwargs: Any) -> None:
        self.subject = subject
        super().__init__(**kwargs)

    def name(self) -> str:
        """How messages call this field: a question makes a bad subject of a sentence."""
        label = str(self.label or "")
        return self.subject or (label if label and not label.endswith("?") else "The date")

    def wrong(self, rest: str, *boxes: str) -> ValidationError:
        """The error "NAME REST"; its code lists the boxes to mark."""
        return ValidationError(f"{self.name()} {rest}", code=" ".join(boxes))

    def to_python(self, value: Any) -> Any:
        """A date from boxes or from a date; None when every box is empty."""
        if isinstance(value, dt.date) or value is None:
            return value
        return self.read_day(value) if any(value.values()) else None

    def read_day(self, typed: Parts) -> dt.date:
        """The date in the boxes. Raises ValidationError that says what to change."""
        missing = [key for key in ("day", "month", "year") if not typed.get(key)]
        if len(missing) == 3:
            raise self.wrong("must include a day, a month and a year", *missing)
        if missing:
            raise self.wrong(f"must include {' and '.join(f'a {key}' for key in missing)}", *missing)
        day, month, year = _number(typed["day"]), month_number(typed["month"]), _number(typed["year"])
        if day is None or not 1 <= day <= 31:
            raise self.wrong("must be a real date: the day is a number from 1 to 31", "day")
        if month is None:
            raise self.wrong("must be a real date: the month is a number from 1 to 12, or its name", "month")
        if year is None or len(typed["year"]) != 4:
            raise self.wrong("must have a year of 4 digits, such as 2026", "year")
        if not FIRST_YEAR <= year <= LAST_YEAR:
            raise self.wrong(f"must have a year from {FIRST_YEAR} to {LAST_YEAR}", "year")
        try:
            return dt.date(year, month, day)
        except ValueError:
            raise self.wrong("must be a real date: that month has no such day", "day") from None


class MomentField(DayField):
    """An instant: day and time as the clock on the wall shows them in `settings.TIME_ZONE`. Gives an aware datetime in
    UTC.

    An hour that the clocks skip is refused; an hour they show twice means the first of the two.
    """

    widget = MomentWidget

    def name(self) -> str:
        """As DayField, for a moment."""
        label = str(self.label or "")
        return self.subject or (label if label and not label.endswith("?") else "The date and time")

    def to_python(self, value: Any) -> Any:
        """An aware datetime from boxes or from a datetime; None when every box is empty."""
        if isinstance(value, dt.datetime) or value is None:
            return value
        if not any(value.values()):
            return None
        day = self.read_day(value)
        if not value.get("time"):
            raise self.wrong("must include a time", "time")
        clock = time_of_day(value["time"])
        if clock is None:
            raise self.wrong("must have a time such as 16:30 or 4:30pm", "time")
        zone = timezone.get_default_timezone()
        wall = dt.datetime.combine(day, clock, tzinfo=zone)  # fold=0: the first of two equal hours
        # In UTC: Python calls two instants in such an hour unequal when their zones differ, even if they are the same.
        moment = wall.astimezone(dt.UTC)
        if moment.astimezone(zone).replace(tzinfo=None) != wall.replace(tzinfo=None):
            raise self.wrong("must be a real time: the clocks went forward and skipped that hour", "time")
        return moment
