"""How times, sizes and states read."""

import datetime as dt
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from django.core.paginator import Paginator
from django.template import Context, Template
from django.template.loader import render_to_string
from django.test import RequestFactory
from hypothesis import given
from hypothesis import strategies as st

from web.templatetags import candour

# hypothesis wants the bounds without a zone and adds it itself.
instants = st.datetimes(dt.datetime(2000, 1, 1), dt.datetime(2100, 1, 1), timezones=st.just(dt.UTC))  # noqa: DTZ001
LONDON = ZoneInfo("Europe/London")


def local(year: int, month: int, day: int, hour: int = 0, minute: int = 0) -> dt.datetime:
    return dt.datetime(year, month, day, hour, minute, tzinfo=LONDON).astimezone(dt.UTC)


def show(source: str, **context: Any) -> str:
    return Template("{% load candour %}" + source).render(Context(context)).strip()


def test_day_reads_as_people_write_it() -> None:
    assert show("{{ d|day }}", d=dt.date(2026, 10, 16)) == "Friday 16 October 2026"
    assert show("{{ d|day }}", d=local(2026, 7, 1, 0, 30)) == "Wednesday 1 July 2026"
    assert show("{{ d|day }}", d=None) == ""


@pytest.mark.parametrize(
    ("instant", "expected"),
    [
        (local(2026, 10, 16, 16, 30), "4:30pm on Friday 16 October 2026"),
        (local(2026, 10, 16, 16, 0), "4pm on Friday 16 October 2026"),
        (local(2026, 10, 16, 12, 0), "midday on Friday 16 October 2026"),
        (local(2026, 10, 16, 0, 5), "12:05am on Friday 16 October 2026"),
        (local(2026, 10, 16, 0, 0), "the start of Friday 16 October 2026"),
        (dt.datetime(2026, 10, 25, 0, 30, tzinfo=dt.UTC), "1:30am (BST) on Sunday 25 October 2026"),
        (dt.datetime(2026, 10, 25, 1, 30, tzinfo=dt.UTC), "1:30am (GMT) on Sunday 25 October 2026"),
    ],
)
def test_when_reads_as_people_write_it(instant: dt.datetime, expected: str) -> None:
    assert show("{{ t|when }}", t=instant) == expected


def test_until_names_the_day_a_deadline_belongs_to() -> None:
    assert show("{{ t|until }}", t=local(2026, 10, 16)) == "11:59pm on Thursday 15 October 2026"
    assert show("{{ t|until }}", t=local(2026, 3, 30)) == "11:59pm on Sunday 29 March 2026"
    assert show("{{ t|until }}", t=local(2026, 10, 16, 9, 2)) == "9:02am on Friday 16 October 2026"


@pytest.mark.parametrize(
    ("now", "expected"),
    [
        (local(2026, 10, 1, 0, 0), "14 days left"),
        (local(2026, 10, 14, 23, 59), "1 day left"),
        (local(2026, 10, 15, 0, 0), "last day: today"),
        (local(2026, 10, 15, 23, 59), "last day: today"),
        (local(2026, 10, 16, 0, 0), "1 day ago"),
        (local(2026, 10, 17, 8, 0), "2 days ago"),
    ],
)
def test_days_left_counts_local_days(now: dt.datetime, expected: str) -> None:
    assert show("{% days_left t %}", t=local(2026, 10, 16), now=now) == expected


def test_days_left_is_silent_without_a_clock_and_plain_on_the_day() -> None:
    assert show("{% days_left t %}", t=local(2026, 10, 16)) == ""
    assert show("{% days_left t %}", now=local(2026, 10, 16)) == ""
    assert show("{% days_left t %}", t=local(2026, 10, 16, 9), now=local(2026, 10, 16, 10)) == "earlier today"


@given(instants, st.integers(0, 10**8))
def test_days_left_agrees_with_the_clock(deadline: dt.datetime, seconds: int) -> None:
    before = candour.days_between(deadline, deadline - dt.timedelta(seconds=seconds + 1))
    assert before.endswith("left") or before == "last day: today"
    after = candour.days_between(deadline, deadline + dt.timedelta(seconds=seconds))
    assert after.endswith("ago") or after == "earlier today"


@pytest.mark.parametrize(
    ("size", "expected"),
    [
        (0, "0 bytes"),
        (1, "1 byte"),
        (999, "999 bytes"),
        (1000, "1 KB"),
        (1536, "1.5 KB"),
        (12_345, "12 KB"),
        (999_960, "1 MB"),
        (1_500_000, "1.5 MB"),
        (20_000_000_000, "20 GB"),
        (-1, ""),
        (None, ""),
    ],
)
def test_filesize_reads_in_words(size: int | None, expected: str) -> None:
    assert candour.filesize(size) == expected


def test_tag_takes_known_colours_and_escapes() -> None:
    assert show('{% tag "Late" "red" %}') == '<strong class="govuk-tag govuk-tag--red">Late</strong>'
    assert show("{% state_tag s %}", s=("<b>", '"x')) == '<strong class="govuk-tag">&lt;b&gt;</strong>'
    assert show("{% state_tag s %}", s="Open") == '<strong class="govuk-tag">Open</strong>'


def test_counted_agrees_with_its_number() -> None:
    assert show('{{ 1|counted:"notice" }} {{ 0|counted:"party,parties" }}') == "1 notice 0 parties"


@pytest.mark.django_db  # the layout's context processor reads the scheme
def test_pagination_keeps_the_query() -> None:
    request = RequestFactory().get("/cases/", {"state": "open", "page": "2"})
    page = Paginator(range(100), 10).page(2)
    html = render_to_string("components/pagination.html", {"page": page}, request=request)
    assert 'href="?state=open&amp;page=3"' in html
    assert 'aria-current="page"' in html


def test_components_escape_what_people_typed() -> None:
    bad = "<script>x</script>"
    html = show(
        '{% include "components/tag.html" with text=bad colour=bad %}{% include "components/timeline.html" %}'
        '{% include "components/empty.html" with text=bad %}'
        '{% include "components/confirm.html" with title=bad reference=bad %}'
        '{% include "components/clock.html" with what=bad when=t why=bad %}',
        bad=bad,
        t=local(2026, 10, 16),
        now=local(2026, 10, 1),
        items=[{"title": bad, "when": local(2026, 1, 1), "who": bad, "text": bad}],
    )
    assert "<script>" not in html
    assert "11:59pm on Thursday 15 October 2026" in html
    assert "(14 days left)" in html
