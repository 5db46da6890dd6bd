"""What stands beside the findings: innocent explanations with what the log says of each, and the series of the charts."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pandas as pd

from monitoring.coordination import Found
from monitoring.indicators.volume import MINUTE
from monitoring.matching import EXPLAINED, Permitted

HOUR = 60 * MINUTE
DAY = 24 * HOUR
HOURS_AT_MOST = 24 * 62  # of the volume chart; a longer log is drawn by the day
TOP = 20


def explanations(
    values: pd.DataFrame,
    named: list[str],
    found: list[Found],
    present: set[str],
    authorised: dict[int, Permitted] | None,
    names: dict[int, str],
) -> list[dict[str, str]]:
    """The standing panel: what would explain a finding innocently, and what this log can say for or against it.

    `values` are those of all accounts; `named` the accounts that a finding names; `authorised` has every account with a
    call that an authorisation is about, None where there was none to compare with.
    """
    those = set(named)
    mine = values[[names[int(str(a))] in those for a in values.index]]
    return [
        {"title": title, "says": says}
        for title, says in (
            ("Authorised red-teaming", _red_team(mine, present, authorised)),
            ("A benchmark, or retries", _benchmark(mine, present)),
            ("A batch product: one template, many documents", _batch(mine)),
            ("A load test", _load_test(mine)),
            ("One network for many people (a university, an office)", _networks(found, present)),
            ("A reseller, or one organisation with several accounts", _payments(found, present)),
            ("One product that many customers use", _product(present)),
        )
    ]


def _red_team(mine: pd.DataFrame, present: set[str], authorised: dict[int, Permitted] | None) -> str:
    said = []
    if authorised is None:
        said.append("No authorisation was compared with this log.")
    elif not authorised:
        said.append("No call of this log is of an account or key that an authorisation names.")
    else:
        some = [share for share in authorised.values() if share.by_any >= EXPLAINED]
        late = sum(share.on_record < EXPLAINED for share in some)
        said.append(
            f"Authorisations are about {len(authorised):,} account{'' if len(authorised) == 1 else 's'} of this log; "
            f"{len(some):,} of them are within almost entirely"
            f"{f', {late:,} of these only by what was agreed afterwards' if late else ''}."
        )
    refused, mutation = _weighted(mine, "refused"), _weighted(mine, "mutation")
    if "refused" not in present:
        said.append("The log does not say which calls were refused.")
    elif refused is not None:
        said.append(
            f"Of the calls of the accounts named above, {refused:.1%} were refused; red-teaming is refused often."
        )
        if mutation is not None:
            said.append(
                f"{mutation:.1%} came within ten minutes of a refused prompt and close to its wording, as when a refused "
                "prompt is tried again in other words."
            )
    elif len(mine):
        said.append("The log does not say which calls of the accounts named above were refused.")
    return " ".join(said)


def _benchmark(mine: pd.DataFrame, present: set[str]) -> str:
    if "prompt_hash" not in present:
        return "The log has no prompt hashes, so repeated prompts cannot be seen."
    if not len(mine):
        return "No account is named by a finding."
    repeated = _weighted(mine, "repeated")
    if repeated is None:
        return "The log has no prompt hashes for the accounts named above, so repeated prompts cannot be seen."
    return (
        f"{repeated:.1%} of the calls of the accounts named above repeat one of their own prompts; "
        "benchmarks and retries repeat much."
    )


def _batch(mine: pd.DataFrame) -> str:
    if not len(mine):
        return "No account is named by a finding."
    oi = float(mine.tout.sum()) / max(float(mine.tin.sum()), 1.0)
    return (
        f"The accounts named above received {oi:.2f} output tokens for each input token; summaries are far shorter than "
        "their sources."
    )


def _load_test(mine: pd.DataFrame) -> str:
    if not len(mine):
        return "No account is named by a finding."
    days = (mine["last"].max() - mine["first"].min()) / DAY
    return (
        f"The calls of the accounts named above span {days:.1f} days; load tests seldom last more than hours, and ask the "
        "same again."
    )


def _networks(found: list[Found], present: set[str]) -> str:
    if "net" not in present:
        return "The log has no networks."
    some = sum("net" in one.ties for one in found)
    return (
        "A shared network alone ties nobody here: accounts are taken together only if they share something else as well, "
        f"more than chance would have it. {_sets(some)} found with networks in common."
    )


def _payments(found: list[Found], present: set[str]) -> str:
    if not present & {"payment", "key"}:
        return "The log has neither means of payment nor keys."
    paid = [one for one in found if "payment" in one.ties or "key" in one.ties]
    said = f"{_sets(len(paid))} found with a means of payment or a key in common"
    if paid and "template" in present:
        asked = sum("template" in one.ties for one in paid)
        said += f", {len(paid) - asked:,} of them without prompt templates in common"
    return f"{said}. Organisations and resellers share these."


def _sets(count: int) -> str:
    return "1 set was" if count == 1 else f"{count:,} sets were"


def _product(present: set[str]) -> str:
    if "template" not in present:
        return "The log has no templates."
    return (
        "A template that mostly unrelated accounts use ties nobody here, and client software and template count as one "
        "sign, for one product brings both."
    )


def _weighted(mine: pd.DataFrame, column: str) -> float | None:
    """The share of the accounts' calls; None where the log does not say it of any of them: that is not 0."""
    if column not in mine or not mine[column].notna().any():
        return None
    known = mine[mine[column].notna()]
    return float((known[column] * known.n).sum() / known.n.sum())


def charts(rows: Any, values: pd.DataFrame, names: dict[int, str], members: dict[int, list[int]]) -> dict[str, Any]:
    """The series that the report draws, as plain lists; instants in RFC 3339. An hour or a day without calls is not named:
    `monitoring.charts` draws the silence.

    volume_by_hour (by the day for long logs), hours_of_day (UTC), sets_over_time, template_concentration (the 20 highest
    and the median of all).
    """
    hours = rows.group_by((rows.us // HOUR).name("hour")).agg(n=rows.count()).execute().sort_values("hour")
    step = HOUR
    if len(hours) and hours.hour.iloc[-1] - hours.hour.iloc[0] >= HOURS_AT_MOST:
        hours, step = hours.groupby(hours.hour // 24).n.sum().rename_axis("hour").reset_index(), DAY
    day = rows.group_by((rows.us // HOUR % 24).name("h")).agg(n=rows.count()).execute().set_index("h").n
    out: dict[str, Any] = {
        "volume_by": "hour" if step == HOUR else "day",
        "volume_by_hour": [[_said(int(h) * step), int(n)] for h, n in zip(hours.hour, hours.n, strict=True)],
        "hours_of_day": [int(day.get(h, 0)) for h in range(24)],
        "sets_over_time": [],
        "template_concentration": [],
    }
    for index, accounts in sorted(members.items())[:5]:
        own = rows.filter(rows.account.isin(accounts))
        daily = own.group_by((own.us // DAY).name("day")).agg(n=own.count()).execute().sort_values("day")
        days = [[_said(int(d) * DAY), int(n)] for d, n in zip(daily.day, daily.n, strict=True)]
        out["sets_over_time"].append({"set": index, "accounts": len(accounts), "days": days})
    if "top" in values:
        enough = values[values.templated >= 200]
        ranked = sorted(((-float(t), names[int(str(a))]) for a, t in enough.top.items()))[:TOP]
        out["template_concentration"] = [{"account": a, "top_share": float(f"{-t:.6g}")} for t, a in ranked]
        out["template_median"] = float(f"{enough.top.median():.6g}") if len(enough) else None
    return out


def _said(us: int) -> str:
    return datetime.fromtimestamp(us // 1_000_000, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
