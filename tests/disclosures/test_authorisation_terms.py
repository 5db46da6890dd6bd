"""The pure part: which days and hours a version allows, which version counts when; and that the query agrees with it."""

from __future__ import annotations

from datetime import UTC, date, datetime, time, timedelta
from typing import Any

import pytest
from django.db import transaction
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from disclosures.authorisation import Confirmed, History, Hours, clashes, start_of, terms_of
from disclosures.models import Authorisation, AuthorisationAnswer, AuthorisationVersion
from tests.disclosures.permissions import Sides, content, sides

NOON = datetime(2026, 6, 1, 12, tzinfo=UTC)


def at(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


# --- Terms ---------------------------------------------------------------------------------------------------------------
@pytest.mark.parametrize(
    ("first", "last", "starts", "ends"),
    [
        # Winter, summer, over the change in spring and over the one in autumn.
        ("2026-01-10", "2026-01-10", "2026-01-10T00:00", "2026-01-11T00:00"),
        ("2026-07-10", "2026-07-11", "2026-07-09T23:00", "2026-07-11T23:00"),
        ("2026-03-29", "2026-03-29", "2026-03-29T00:00", "2026-03-29T23:00"),
        ("2026-10-25", "2026-10-25", "2026-10-24T23:00", "2026-10-26T00:00"),
    ],
)
def test_days_are_those_of_the_clock_on_the_wall(first: str, last: str, starts: str, ends: str) -> None:
    terms = terms_of(content(starts_on=first, ends_on=last))
    assert (terms.starts, terms.ends) == (at(starts), at(ends))
    assert terms.in_window(terms.starts)
    assert not terms.in_window(terms.ends)


def test_terms_hold_what_the_content_says() -> None:
    terms = terms_of(content())
    assert terms.models == {"heron-2", "heron-2-mini"}
    assert terms.excluded == {"output_scraping", "training_on_outputs"}
    assert (terms.max_requests, terms.max_requests_a_day, terms.max_tokens) == (200_000, 20_000, 150_000_000)
    assert (terms.max_concurrency, terms.outputs, terms.kept_days) == (8, "kept", 30)
    assert terms.hours == Hours(time(20), time(6))
    few = terms_of(content(endpoints=None, networks=None, user_agents=None, hours_from=None, hours_until=None))
    assert (few.endpoints, few.networks, few.user_agents, few.hours) == (frozenset(), frozenset(), frozenset(), None)
    assert few.in_hours(NOON)


@pytest.mark.parametrize(
    ("hours", "instant", "inside"),
    [
        ((time(9), time(17)), "2026-07-01T08:00", True),  # 9:00 in summer time
        ((time(9), time(17)), "2026-07-01T07:59", False),
        ((time(9), time(17)), "2026-01-01T09:00", True),
        ((time(9), time(17)), "2026-01-01T17:00", False),
        ((time(22), time(6)), "2026-01-01T23:30", True),
        ((time(22), time(6)), "2026-01-01T05:59", True),
        ((time(22), time(6)), "2026-01-01T06:00", False),
        ((time(0), time(0)), "2026-01-01T13:00", True),
        ((time(1), time(2)), "2026-10-25T00:30", True),  # the hour that the clocks show twice: the first time
        ((time(1), time(2)), "2026-10-25T01:30", True),  # and the second
    ],
)
def test_hours_are_those_of_the_clock_on_the_wall(hours: tuple[time, time], instant: str, inside: bool) -> None:
    assert Hours(*hours).cover(at(instant)) is inside


@pytest.mark.parametrize(
    ("over", "field"),
    [
        ({"ends_on": "2027-01-31"}, "ends_on"),
        ({"hours_until": None}, "hours_until"),
        ({"hours_from": None}, "hours_from"),
        ({"techniques_excluded": ["prompt_mutation"]}, "techniques_excluded"),
        ({"outputs": "training"}, "outputs"),
        ({"kept_days": 0}, "kept_days"),
        ({"max_requests_a_day": 200_001}, "max_requests_a_day"),
        ({"document_sha256": "12"}, "document_sha256"),
        ({"starts_on": "1999-12-31"}, "starts_on"),
        ({"ends_on": "2200-01-01"}, "ends_on"),
    ],
)
def test_answers_that_do_not_fit_together_are_told(over: dict[str, Any], field: str) -> None:
    assert clashes(content()) == {}
    assert set(clashes(content(**over))) == {field}


# --- Which version counts ------------------------------------------------------------------------------------------------
def history(*hours: int, revoked: int | None = None) -> History:
    """Versions confirmed so many hours after noon of 1 June."""
    terms = terms_of(content(starts_on="2026-05-01", ends_on="2026-06-30"))
    versions = [Confirmed(n, terms, NOON + timedelta(hours=h)) for n, h in enumerate(hours, start=1)]
    return History(tuple(versions), None if revoked is None else NOON + timedelta(hours=revoked))


def test_nothing_counts_that_nobody_confirmed() -> None:
    assert history().governing(NOON) is None


def test_a_version_counts_from_its_confirmation_until_the_next() -> None:
    told = history(0, 10)

    def number(hour: float) -> tuple[int, bool]:
        counting = told.governing(NOON + timedelta(hours=hour))
        assert counting is not None
        return counting.number, counting.afterwards

    assert number(-0.001) == (1, True)
    assert number(0) == (1, False)
    assert number(9.999) == (1, False)
    assert number(10) == (2, False)


def test_nothing_counts_from_the_revocation_on() -> None:
    told = history(0, revoked=5)
    before, after = told.governing(NOON + timedelta(hours=4.999)), told.governing(NOON + timedelta(hours=5))
    assert before is not None
    assert after is None


days = st.integers(0, 40)


@st.composite
def histories(draw: Any) -> tuple[list[tuple[int, int, int]], int | None]:
    """Versions as (first day, length in days, hours after the last confirmation), and the hour of a revocation."""
    versions = draw(st.lists(st.tuples(days, st.integers(0, 10), st.integers(1, 400)), min_size=1, max_size=4))
    confirmed = sum(gap for _, _, gap in versions)
    return versions, draw(st.none() | st.integers(confirmed, confirmed + 500))


START = date(2026, 3, 10)  # the clocks change on the 29th


def _build(told: tuple[list[tuple[int, int, int]], int | None]) -> tuple[list[dict[str, Any]], History]:
    rows, instant = [], start_of(START)
    for number, (day, length, gap) in enumerate(told[0], start=1):
        first, last = START + timedelta(days=day), START + timedelta(days=day + length)
        instant += timedelta(hours=gap)
        said = content(starts_on=first.isoformat(), ends_on=last.isoformat(), hours_from=None, hours_until=None)
        rows.append({"number": number, "content": said, "at": instant})
    revoked = None if told[1] is None else start_of(START) + timedelta(hours=told[1])
    versions = tuple(Confirmed(row["number"], terms_of(row["content"]), row["at"]) for row in rows)
    return rows, History(versions, revoked)


@given(histories(), st.integers(-50, 1500), st.integers(0, 300))
def test_touching_a_period_is_counting_in_the_window_at_some_hour_of_it(told: Any, first: int, length: int) -> None:
    """Everything here changes on the hour, so to look at each hour is to look at every instant."""
    _, found = _build(told)
    hours = [start_of(START) + timedelta(hours=hour) for hour in range(first, first + length + 1)]

    def holds(instant: datetime) -> bool:
        counting = found.governing(instant)
        return counting is not None and counting.terms.in_window(instant)

    assert found.touches(hours[0], hours[-1]) is any(holds(instant) for instant in hours)


@given(histories(), st.lists(st.integers(-50, 1500), min_size=2, max_size=40))
def test_later_versions_never_count_earlier(told: Any, hours: list[int]) -> None:
    _, found = _build(told)
    seen = [found.governing(start_of(START) + timedelta(hours=hour)) for hour in sorted(hours)]
    numbers = [c.number for c in seen if c is not None]
    assert numbers == sorted(numbers)
    assert all(c.number == 1 for c in seen if c is not None and c.afterwards), "only the first one reaches back"
    ended = next((n for n, c in enumerate(seen) if c is None), len(seen))
    assert all(c is None for c in seen[ended:])


# Where two of the three intervals meet and all three do not, which chance seldom finds.
CONFIRMED_TOO_LATE: Any = ([(30, 1, 1), (0, 5, 300)], None)  # the second, when its window was over; the first, replaced
REVOKED_TOO_EARLY: Any = ([(30, 5, 1)], 48)
AT_ONE_INSTANT: Any = ([(30, 1, 1), (0, 30, 10), (35, 1, 0)], None)


@pytest.fixture
def two(db: None) -> Sides:
    return sides()


@settings(max_examples=200, suppress_health_check=[HealthCheck.function_scoped_fixture])
@example(told=CONFIRMED_TOO_LATE, first=0, length=1000)
@example(told=REVOKED_TOO_EARLY, first=0, length=1000)
@example(told=AT_ONE_INSTANT, first=0, length=700)
@given(told=histories(), first=st.integers(-50, 1500), length=st.integers(0, 1000))
def test_query_agrees_with_the_calculation(two: Sides, told: Any, first: int, length: int) -> None:
    rows, found = _build(told)
    since = start_of(START) + timedelta(hours=first)
    until = since + timedelta(hours=length)
    with transaction.atomic():
        made = _store(two, rows, found)
        assert Authorisation.objects.covering(since, until).exists() is found.touches(since, until)
        assert Authorisation.objects.with_history().get(pk=made.pk).history == found
        transaction.set_rollback(True)


@pytest.mark.parametrize("told", [CONFIRMED_TOO_LATE, REVOKED_TOO_EARLY, AT_ONE_INSTANT])
def test_window_that_was_over_or_not_begun_touches_nothing(told: Any) -> None:
    _, found = _build(told)
    assert not found.touches(start_of(START), start_of(START) + timedelta(hours=700))


def _store(s: Sides, rows: list[dict[str, Any]], found: History) -> Authorisation:
    made = Authorisation.objects.create(
        reference="P-2026-999999",
        grantor=s.grantor.organisation,
        grantee=s.grantee.organisation,
        state="revoked" if found.revoked_at else "confirmed",
        confirmed_at=rows[0]["at"],
        revoked_at=found.revoked_at,
        registered_by=s.grantor,
    )
    for row, version in zip(rows, found.confirmed, strict=True):
        kept = AuthorisationVersion.objects.create(
            authorisation=made,
            number=row["number"],
            content=row["content"],
            starts_at=version.terms.starts,
            ends_at=version.terms.ends,
            retroactive=False,
            registered_by=s.grantor,
            registered_at=row["at"],
        )
        AuthorisationAnswer.objects.create(
            version=kept, outcome="confirmed", by=s.grantee, at=row["at"], effective_at=row["at"]
        )
    return made
