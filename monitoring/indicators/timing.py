"""Time: I5 regularity (of gaps, of hours, and of days), I6 round the clock, I12 release pivot."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import ibis

HOUR = 3_600_000_000  # microseconds
WINDOW = 600_000_000
DAY = 24 * HOUR
NEW_AT_MOST = 100  # models
# Of windows of ten minutes.
PER_HOUR, PER_DAY = HOUR // WINDOW, DAY // WINDOW
PAUSE = 10  # a gap of more than so many median gaps is a pause, not part of the rhythm
LONDON = ZoneInfo("Europe/London")


def gaps(rows: Any) -> Any:
    """The time between one row of a unit and its next, in microseconds."""
    ordered = rows.select("unit", "us").mutate(
        gap=rows.us - rows.us.lag().over(ibis.window(group_by=rows.unit, order_by=rows.us))
    )
    return ordered.filter(ordered.gap.notnull()).select("unit", "gap")


def regularity(rows: Any) -> Any:
    """I5. How even the time between calls is: cv = sd(gap) / mean(gap) without pauses, b = (cv - 1) / (cv + 1).

    A pause is a gap longer than ten median gaps; it is counted and left out, so that nights do not hide a metronome.
    Units: ratio (1 for a Poisson stream, 0 for a metronome). Needs: us, at least 200 gaps. Of real clients one in a
    hundred is below about 0.5. Limits: a batch program is as regular; a jittered one is not seen here, but see
    `evenness`.
    """
    between = gaps(rows)
    middle = between.group_by("unit").agg(all=between.count(), median=between.gap.median())
    joined = between.join(middle, "unit")
    kept = joined.filter(joined.gap <= PAUSE * ibis.greatest(joined["median"], 1))
    return (
        kept.group_by("unit")
        .agg(
            gaps=kept.count(),
            pauses=kept["all"].max() - kept.count(),
            cv=kept.gap.cast("float64").std(how="pop") / kept.gap.cast("float64").mean(),
        )
        .mutate(burstiness=(ibis._.cv - 1) / (ibis._.cv + 1))
    )


def evenness(ten: Any) -> Any:
    """I5, by the hour: how much busier some active hours are than others, beyond chance.

    `ten` are the unit's windows of ten minutes. Of the hours with at least one row whose neighbours have one as well (an
    hour that begins or ends a stretch of work is cut short by when the work began): uneven = sqrt(max(0, var - mean)) /
    mean of the counts. A Poisson stream held at one rate has 0, whatever its jitter; people and products have busy and
    quiet hours. Units: ratio. Needs: us; at least 24 such hours with 5 rows each on average. Source: the index of
    dispersion (Cox and Lewis 1966); the cut is from the reference clients. Limits: a batch program held at one rate is as
    even.
    """
    hours = ten.group_by(["unit", (ten.w // PER_HOUR).name("hour")]).agg(c=ten.c.sum().cast("float64"))
    ends = hours.group_by("unit").agg(first=hours.hour.min(), last=hours.hour.max())
    inner = hours.join(ends, "unit")
    # An hour that begins or ends a stretch of work is cut short by when the work began.
    beside = ibis.window(group_by=inner.unit, order_by=inner.hour)
    inner = inner.mutate(before=inner.hour.lag().over(beside), after=inner.hour.lead().over(beside))
    inner = inner.filter((inner.before == inner.hour - 1) & (inner.after == inner.hour + 1))
    return (
        inner.group_by("unit")
        .agg(hours=inner.count(), hourly=inner.c.mean(), spread=inner.c.var(how="pop"))
        .mutate(uneven=(ibis.greatest(ibis._.spread - ibis._.hourly, 0.0)).sqrt() / ibis._.hourly)
    )


def quota(ten: Any) -> Any:
    """I5, by the day: how much busier some working days are than others, beyond chance.

    `ten` are the unit's windows of ten minutes. Of the days (UTC) with at least one row, without the first and the last,
    and without those below a quarter of the median (weekends, pauses of a campaign): daily_uneven = sqrt(max(0, var -
    mean)) / mean of the counts. What is worked off by a daily budget has about 0, whatever its hours and its jitter. Units:
    ratio. Needs: us; at least 5 such days with 20 rows each on average. Source: as for `evenness`. Limits: a batch program
    with a daily budget is as even.
    """
    days = ten.group_by(["unit", (ten.w // PER_DAY).name("day")]).agg(c=ten.c.sum().cast("float64"))
    ends = days.group_by("unit").agg(first=days.day.min(), last=days.day.max())
    inner = days.join(ends, "unit")
    inner = inner.filter((inner.day > inner.first) & (inner.day < inner.last))
    usual = inner.group_by("unit").agg(usual=inner.c.median())
    worked = inner.join(usual, "unit")
    worked = worked.filter(worked.c >= worked.usual / 4)
    return (
        worked.group_by("unit")
        .agg(worked=worked.count(), daily=worked.c.mean(), daily_spread=worked.c.var(how="pop"))
        .mutate(daily_uneven=(ibis.greatest(ibis._.daily_spread - ibis._.daily, 0.0)).sqrt() / ibis._.daily)
    )


def around_the_clock(ten: Any, years: range) -> Any:
    """I6. Whether a unit never sleeps: the entropy of its hours of the day, and the share of 10-minute windows it is
    active in.

    `ten` are the unit's windows of ten minutes. hc = -sum p_h ln p_h / ln 24 in UTC and in London time; active = windows
    with a row / windows from first to last. Units: shares. Needs: us, at least 3 days. `years` are those the log touches.
    Useless alone (one real client in eight has hc >= 0.95 and active >= 0.9); together with cv < 0.7 none of 421 real
    clients did.
    """
    utc = _entropy(ten.group_by(["unit", (ten.w // PER_HOUR % 24).name("h")]).agg(c=ten.c.sum().cast("float64")))
    # Clocks are put forward and back on the hour: no window of ten minutes is part in one time and part in the other.
    local = ten.mutate(h=(ten.w * WINDOW + summer_time(ten.w * WINDOW, years)) // HOUR % 24)
    london = _entropy(local.group_by(["unit", "h"]).agg(c=local.c.sum().cast("float64")))
    active = ten.group_by("unit").agg(
        active=ten.count() / (ten.w.max() - ten.w.min() + 1),
        days=(ten.w.max() - ten.w.min() + 1) / float(PER_DAY),
    )
    return active.join(utc.rename(hc="entropy"), "unit").join(london.rename(hc_london="entropy"), "unit")


def _entropy(hours: Any) -> Any:
    total = hours.group_by("unit").agg(t=hours.c.sum())
    share = hours.join(total, "unit").mutate(p=ibis._.c / ibis._.t)
    return share.group_by("unit").agg(entropy=-(share.p * share.p.ln()).sum() / ibis.literal(24.0).ln())


def summer_time(us: Any, years: range) -> Any:
    """An hour, in microseconds, while London keeps summer time."""
    shift = ibis.literal(0, "int64")
    for year in years:
        for begin, end in summers(year):
            shift = ibis.ifelse((us >= begin) & (us < end), HOUR, shift)
    return shift


def summers(year: int) -> list[tuple[int, int]]:
    """The stretches of a year in which London's clocks are ahead of UTC, in microseconds since 1970."""
    found, begun = [], None
    at, end = datetime(year, 1, 1, tzinfo=UTC), datetime(year + 1, 1, 1, tzinfo=UTC)
    while at < end:
        ahead = bool(at.astimezone(LONDON).utcoffset())
        if ahead and begun is None:
            begun = at
        if not ahead and begun is not None:
            found.append((_us(begun), _us(at)))
            begun = None
        at += timedelta(hours=1)
    return found + ([(_us(begun), _us(end))] if begun is not None else [])


def _us(at: datetime) -> int:
    return int(at.timestamp()) * 1_000_000


def pivot(rows: Any, new: Any) -> Any:
    """I12. The share of a unit's traffic that went to a model within 24 hours of its first appearance.

    pivot = max over new models of n(model, 24 h) / n(unit, 24 h). `new` has model and released (`new_models`).
    Unit: share. Needs: model. In the one reported case nearly half moved within a day; rare from 0.4 on where at
    most 1 % of the accounts compared with have as much. Limits: every enthusiast does this, hence only with other signs.
    """
    timed = rows.select("unit", "model", "us").cross_join(new.rename(new="model"))
    day = timed.filter((timed.us >= timed.released) & (timed.us < timed.released + DAY))
    each = day.group_by(["unit", "new"]).agg(c=day.count(), moved=(day.model == day.new).cast("float64").mean())
    enough = each.filter(each.c >= 20)
    return enough.group_by("unit").agg(pivot=enough.moved.max())


def new_models(rows: Any, *, since: int) -> Any:
    """(model, released): the models that first appear at `since` or later, and when (microseconds since 1970).

    Of more than 100 those with the most calls in their first 24 hours: whoever invents a name for every call would have
    every call compared with every name.
    """
    seen = rows.group_by("model").agg(released=rows.us.min())
    late = seen.filter(seen.released >= since)
    day = rows.select("model", "us").join(late, "model").filter(ibis._.us < ibis._.released + DAY)
    used = day.group_by(["model", "released"]).agg(used=ibis._.count())
    most = used.order_by([used.used.desc(), used.released, used.model]).limit(NEW_AT_MOST)
    return most.select("model", "released")
