"""Volume: I1 volume against peers, I7 riding the rate limit."""

from __future__ import annotations

from typing import Any

MINUTE = 60_000_000  # microseconds
# The windows in which a peak is looked for: 10 minutes, an hour, a day, a week; in microseconds.
WINDOWS = {"10m": 10 * MINUTE, "1h": 60 * MINUTE, "24h": 1440 * MINUTE, "7d": 10080 * MINUTE}


def windows(rows: Any) -> Any:
    """(unit, w, c): the rows of each unit in each ten minutes since 1970 in which it has some."""
    return rows.group_by(["unit", (rows.us // WINDOWS["10m"]).name("w")]).agg(c=rows.count())


def volume(rows: Any, ten: Any) -> Any:
    """I1. Rows of each unit, their tokens, first and last instant, and the most rows in any window of each length.

    `ten` are the rows' windows of ten minutes. n = count(rows); peak_w = max over windows [k*w, (k+1)*w) of count. Units:
    rows, tokens, microseconds since 1970. Needs: us, tin, tout. Compared as z = (log10(1+n) - median) / (1.4826 * MAD)
    among the accounts of the same model; rare where at most 1 % have as much, of the reference's clients and of the
    accounts compared with. Limits: real logs have clients that hold half of a model's traffic, so volume alone is context
    and never a finding.
    """
    base = rows.group_by("unit").agg(
        n=rows.count(), tin=rows.tin.sum(), tout=rows.tout.sum(), first=rows.us.min(), last=rows.us.max()
    )
    peaks = ten.group_by("unit").agg(peak_10m=ten.c.max(), windows=ten.count())
    for name in ("1h", "24h", "7d"):
        per = WINDOWS[name] // WINDOWS["10m"]
        wide = ten.group_by(["unit", (ten.w // per).name("w")]).agg(c=ten.c.sum())
        peaks = peaks.join(wide.group_by("unit").agg(**{f"peak_{name}": wide.c.max()}), "unit")
    return base.join(peaks, "unit")


def ceiling(rows: Any, per_minute: int) -> Any:
    """I7. The share of a unit's active minutes with at least 0.9 of the rate limit, and the share of answers 429.

    riding = minutes with n >= 0.9 * limit / minutes with n > 0. Units: shares. Needs: us, status, and the limit in
    requests a minute, which the log does not say: without it the indicator is not computable. No threshold has been
    published.
    """
    minutes = rows.group_by(["unit", (rows.us // MINUTE).name("minute")]).agg(
        c=rows.count(), limited=(rows.status == 429).cast("int64").sum()
    )
    return minutes.group_by("unit").agg(
        minutes=minutes.count(),
        riding=(minutes.c >= 0.9 * per_minute).cast("float64").mean(),
        limited=minutes.limited.sum() / minutes.c.sum(),
    )


def models(rows: Any) -> Any:
    """Rows of each unit for each model: which accounts are peers is told by the model they use most."""
    return rows.group_by(["unit", "model"]).agg(n=rows.count(), tin=rows.tin.sum(), tout=rows.tout.sum())


__all__ = ["MINUTE", "WINDOWS", "ceiling", "models", "volume", "windows"]
