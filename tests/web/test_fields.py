"""Dates and moments typed into boxes."""

import contextlib
import datetime as dt
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from django import forms
from django.core.exceptions import ValidationError
from hypothesis import given
from hypothesis import strategies as st

from web.fields import DayField, DayWidget, MomentField, MomentWidget, month_number, time_of_day

LONDON = ZoneInfo("Europe/London")
# hypothesis wants the bounds without a zone and adds it itself.
instants = st.datetimes(dt.datetime(1990, 1, 1), dt.datetime(2150, 1, 1), timezones=st.just(dt.UTC))  # noqa: DTZ001
typed = st.text(max_size=12)


def boxes(value: dt.date | dt.datetime, widget: DayWidget | MomentWidget) -> dict[str, str]:
    return widget.split(value)


@given(st.dates(dt.date(1900, 1, 1), dt.date(2199, 12, 31)))
def test_day_survives_the_boxes(value: dt.date) -> None:
    assert DayField().clean(boxes(value, DayWidget())) == value


@given(instants)
def test_moment_survives_the_boxes_to_the_minute(value: dt.datetime) -> None:
    value = value.replace(second=0, microsecond=0)
    found = MomentField().clean(boxes(value, MomentWidget()))
    # The second of two equal hours cannot be typed: it reads as the first, one hour earlier.
    assert value - found in {dt.timedelta(0), dt.timedelta(hours=1)}
    assert found.utcoffset() is not None
    assert MomentWidget().split(found) == boxes(value, MomentWidget())


@given(typed, typed, typed)
def test_day_never_breaks_on_any_text(day: str, month: str, year: str) -> None:
    found = None
    with contextlib.suppress(ValidationError):
        found = DayField(required=False).clean({"day": day, "month": month, "year": year})
    assert found is None or 1900 <= found.year <= 2199


@given(typed, typed, typed, typed)
def test_moment_never_breaks_on_any_text(day: str, month: str, year: str, time: str) -> None:
    found = None
    with contextlib.suppress(ValidationError):
        found = MomentField(required=False).clean({"day": day, "month": month, "year": year, "time": time})
    assert found is None or found.utcoffset() is not None


@pytest.mark.parametrize(
    ("day", "month", "year", "says", "box"),
    [
        ("1", "", "2026", "must include a month", "month"),
        ("", "", "2026", "must include a day and a month", "day month"),
        ("31", "2", "2026", "that month has no such day", "day"),
        ("29", "2", "2027", "that month has no such day", "day"),
        ("32", "1", "2026", "from 1 to 31", "day"),
        ("1", "13", "2026", "the month is a number", "month"),
        ("1", "Mayy", "2026", "the month is a number", "month"),
        ("1", "1", "26", "4 digits", "year"),
        ("1", "1", "0026", "from 1900", "year"),
        ("١", "1", "2026", "from 1 to 31", "day"),
    ],
)
def test_day_says_what_to_change(day: str, month: str, year: str, says: str, box: str) -> None:
    with pytest.raises(ValidationError) as caught:
        DayField(label="The first day").clean({"day": day, "month": month, "year": year})
    assert caught.value.message.startswith("The first day ")
    assert says in caught.value.message
    assert caught.value.code == box


def test_day_takes_month_names() -> None:
    assert [month_number(text) for text in ("3", "03", "March", "mar", "MAR.", "ma", "0", "x")] == [
        3,
        3,
        3,
        3,
        3,
        None,
        None,
        None,
    ]
    assert DayField().clean({"day": "29", "month": "feb", "year": "2028"}) == dt.date(2028, 2, 29)


def test_day_named_by_a_question_speaks_of_the_date() -> None:
    with pytest.raises(ValidationError, match=r"^.'The date must include a year'"):
        DayField(label="When did it begin?").clean({"day": "1", "month": "1", "year": ""})


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("16:30", dt.time(16, 30)),
        ("16.30", dt.time(16, 30)),
        ("4:30pm", dt.time(16, 30)),
        ("4 PM", dt.time(16, 0)),
        ("12am", dt.time(0, 0)),
        ("12pm", dt.time(12, 0)),
        ("midday", dt.time(12, 0)),
        ("00:00", dt.time(0, 0)),
        ("16", None),
        ("24:00", None),
        ("13pm", None),
        ("10:60", None),
        ("１０:００", None),
    ],
)
def test_time_of_day_reads_what_people_write(text: str, expected: dt.time | None) -> None:
    assert time_of_day(text) == expected


def moment(day: str, month: str, time: str) -> dt.datetime:
    found: dt.datetime = MomentField().clean({"day": day, "month": month, "year": "2026", "time": time})
    return found


def test_moment_is_local_time() -> None:
    assert moment("1", "7", "10:00") == dt.datetime(2026, 7, 1, 9, tzinfo=dt.UTC)
    assert moment("1", "12", "10:00") == dt.datetime(2026, 12, 1, 10, tzinfo=dt.UTC)


def test_moment_refuses_the_hour_the_clocks_skip() -> None:
    with pytest.raises(ValidationError, match="clocks went forward"):
        moment("29", "3", "01:30")
    assert moment("29", "3", "02:00") == dt.datetime(2026, 3, 29, 1, tzinfo=dt.UTC)


def test_moment_takes_the_earlier_of_two_equal_hours() -> None:
    assert moment("25", "10", "01:30") == dt.datetime(2026, 10, 25, 0, 30, tzinfo=dt.UTC)


class Typed(forms.Form):
    begun = DayField(required=False)
    seen = MomentField()


def test_boxes_keep_what_was_typed() -> None:
    form = Typed({"begun_day": "99", "begun_month": "<b>", "begun_year": "", "seen_day": "1"})
    assert not form.is_valid()
    html = str(form["begun"])
    assert 'value="99"' in html
    assert "&lt;b&gt;" in html
    assert "<b>" not in html


def test_boxes_report_change_and_absence() -> None:
    sent = {"begun_day": "1", "begun_month": "3", "begun_year": "2026"}
    moment_sent: dict[str, Any] = {"seen_day": "1", "seen_month": "7", "seen_year": "2026", "seen_time": "10:00"}
    same = Typed(
        {**sent, **moment_sent},
        initial={"begun": dt.date(2026, 3, 1), "seen": dt.datetime(2026, 7, 1, 9, tzinfo=dt.UTC)},
    )
    assert same.is_valid()
    assert not same.has_changed()
    assert Typed({**sent, **moment_sent}).has_changed()
    assert Typed().fields["begun"].widget.value_omitted_from_data({}, {}, "begun")
    assert Typed({"begun_day": "  "}).errors.keys() == {"seen"}
