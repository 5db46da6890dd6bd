"""Coordinated sets in a log: found by what accounts share, then measured as if each were one account."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import ibis
import pandas as pd

from monitoring import coordination
from monitoring.chance import Accounts, of_chance
from monitoring.findings import FALSE_ALARMS, Sign, Unit, signs_of
from monitoring.indicators.coordination import TEMPLATE_ROWS, hourly, shared_things, uses
from monitoring.measures import scores
from monitoring.reference import shipped

# Kinds of things that may tie accounts, by the names that rows have, and those that a log has.
THINGS = {"net": "net", "payment": "payment", "key": "key", "agent": "user_agent"}
SETS_AT_MOST = 200  # coordinated sets that are measured, the largest first
# Other accounts with which a set's hours are compared: so many rows at least, so many accounts at most.
ROWS_TO_COMPARE = 20
POOL = 2_000
TOGETHER = 1.2  # below it, calling in the same hours is ordinary
METRONOME = 0.9  # gap variation of a merged stream: above it, it is as good as chance (1), however rare when shifted
EVEN = 0.95  # of the greatest possible entropy: below it a split is not even, however rare it is among others
MIXED = 0.85  # of a set's rows in the templates that tie it: below it they are judged alone


def find(reading: Any, rows: Any, values: pd.DataFrame, often: Sequence[Any]) -> list[coordination.Found]:
    """I10 on the rows of a log: the coordinated sets, the largest first, without those that chance explains.

    `often` are tables of what accounts ask often (`used_often`), as many as the log was measured in parts.
    """
    frames: list[pd.DataFrame] = []
    having: dict[str, Any] = {}
    for kind, column in THINGS.items():
        if column in reading.present:
            with reading.once(uses(rows, kind)) as used:
                frames.append(shared_things(used, kind, kind).execute())
                having[kind] = used.select("account").distinct().execute().account
    if often:
        used = ibis.union(*often) if len(often) > 1 else often[0]
        frames.append(shared_things(used, "template", "cluster").execute())
        # Who asks anew each time could have asked often; who does not say what was asked is not known to ask otherwise.
        having["template"] = values.index[values.templated >= TEMPLATE_ROWS]
    heavy = [int(account) for account in values.index[values.n >= 480]]
    if len(heavy) >= 4:
        hours = hourly(rows.filter(rows.account.isin(heavy))).execute()
        frames.append(coordination.rhythms(hours))
        having["rhythm"] = coordination.constant(hours)
    frames = [frame for frame in frames if len(frame)]
    if not frames:
        return []
    shared = pd.concat(frames, ignore_index=True)
    found = coordination.sets(shared)
    told = of_chance(found, shared, Accounts(values.n, having))
    found = [replace(one, chance=chance) for one, chance in zip(found, told, strict=True)]
    found = [one for one in found if one.chance.any <= FALSE_ALARMS]
    return sorted(found, key=lambda one: (-len(one.accounts), one.chance.any, one.accounts))[:SETS_AT_MOST]


def measure(
    reading: Any, rows: Any, found: list[coordination.Found], values: pd.DataFrame, ordinary: pd.DataFrame, peers: Any
) -> tuple[list[Unit], pd.DataFrame, dict[int, list[int]]]:
    """Each set measured as one unit: on the rows whose template ties it, on all its rows where no template does.

    The third answer names, for the sets that are judged by their templates, which those are.
    """
    if not found:
        return [], values.iloc[:0], {}
    member = [(account, i) for i, one in enumerate(found) for account in one.accounts]
    members = reading.db.create_table("member", pd.DataFrame(member, columns=["account", "unit"]), temp=True)
    joined = rows.join(members, "account")
    tied, whole = _tying_templates(reading, joined, found)
    parts = []
    if whole:
        parts.append(joined.filter(joined.unit.isin(whole)))
    if tied:
        templates = reading.db.create_table("tied", pd.DataFrame(tied, columns=["unit", "cluster"]), temp=True)
        parts.append(joined.semi_join(templates, ["unit", "cluster"]))
    own = reading.keep("set_rows", parts[0] if len(parts) == 1 else parts[0].union(parts[1]))
    set_values = reading.measure(own)
    # That many accounts make more calls than one says nothing: the volume of a set is no sign.
    # Nor is a limit for an account one for a set.
    none = float("nan")
    set_scores = scores(set_values, ordinary).assign(volume=none, taken=none, riding=none)
    signs = signs_of(set_values, set_scores, peers, shipped(), of_sets=True)
    pool = _in_no_order(ordinary[ordinary.n >= ROWS_TO_COMPARE])[:POOL]
    compared = hourly(rows.filter(rows.account.isin(pool))).execute()
    units = []
    for i, one in enumerate(found):
        if i in set_values.index:
            split = _split(own, i, ordinary)
            theirs = hourly(own.filter(own.unit == i)).execute()
            timed = _together(one, theirs, compared, pool) + _dealt(one, split)
            units.append(Unit(i, signs.get(i, []) + timed, _coordination(one, split)))
    named: dict[int, list[int]] = {}
    for i, template in tied:
        named.setdefault(i, []).append(template)
    return units, set_values, named


def _in_no_order(values: pd.DataFrame) -> list[int]:
    """Accounts in an order that says nothing and does not depend on their names: by their first call, mixed up."""
    first, n = values["first"].astype("int64"), values.n.astype("int64")
    key = pd.DataFrame({"mixed": (first % (1 << 31) * 2_654_435_761 + n) % (1 << 32), "first": first, "n": n})
    return [int(str(account)) for account in key.sort_values(["mixed", "first", "n"], kind="stable").index]


def _together(one: coordination.Found, theirs: pd.DataFrame, compared: pd.DataFrame, pool: list[int]) -> list[Sign]:
    """I11, the same hours: a sign of time; where the rhythm made the set it is no second one."""
    busy = coordination.busy_hours(pd.concat([theirs, compared]))
    members = coordination.shares_of(theirs, sorted(set(theirs.account.tolist())), busy)
    if "rhythm" in one.ties or len(members) < coordination.SMALLEST:
        return []
    others = coordination.shares_of(compared, pool, busy)
    ratio, p = coordination.together(members, others)
    if p is None or p > FALSE_ALARMS or ratio < TOGETHER:
        return []
    says = (
        f"called in the same hours: two of them are together {ratio:.2f} times as often as if they called evenly "
        f"(p = {p:.3f} among groups of as many others)"
    )
    caveat = "The people of one office, and the customers of one product, keep the same hours too."
    return [Sign("together", "time", "I11", ratio, p, p, len(others), None, None, says, caveat, True)]


def _asks_alike(one: coordination.Found) -> bool:
    """Whether what is asked ties the set: half of it at least, and beyond chance. What two of ten ask ties not the ten."""
    most = one.tied.get("template", 0) >= coordination.OWN * len(one.accounts)
    return most and one.chance.asked <= FALSE_ALARMS


def _dealt(one: coordination.Found, split: dict[str, float | None]) -> list[Sign]:
    """I11, the merged stream: a sign of time. Without a common template it is what makes the set one, and no second one."""
    cv, p = split["cv"], split["p_cv"]
    if not _asks_alike(one) or "rhythm" in one.ties or cv is None or p is None:
        return []
    if p > FALSE_ALARMS or cv >= METRONOME:
        return []
    says = (
        f"had their calls dealt out as if by one clock: the gaps of the merged stream vary by {cv:.2f} of their mean, less "
        f"than when each account is shifted by itself (p = {p:.3f})"
    )
    caveat = "A queue that serves several accounts of one organisation in turn does the same."
    return [Sign("dealt", "time", "I11", 1 - cv, p, p, 0, None, None, says, caveat, True)]


def _tying_templates(
    reading: Any, joined: Any, found: list[coordination.Found]
) -> tuple[list[tuple[int, int]], list[int]]:
    """(set, template) for the sets that are judged by the rows of their templates, and the sets judged by all rows.

    What was mixed into other traffic is judged by itself; where the templates are most of the traffic, so is the rest.
    """
    tied = [(i, t) for i, one in enumerate(found) if _asks_alike(one) for t in sorted(one.ties["template"])]
    if not tied:
        return [], list(range(len(found)))
    named = reading.db.create_table("tying", pd.DataFrame(tied, columns=["unit", "cluster"]), temp=True)
    total = joined.group_by("unit").agg(n=joined.count()).execute().set_index("unit").n
    own = joined.semi_join(named, ["unit", "cluster"])
    share = own.group_by("unit").agg(n=own.count()).execute().set_index("unit").n / total
    mixed = {int(unit) for unit in share.index if 0 < share[unit] < MIXED}
    return [(i, t) for i, t in tied if i in mixed], [i for i in range(len(found)) if i not in mixed]


def _split(own: Any, unit: int, ordinary: pd.DataFrame) -> dict[str, float | None]:
    """I11 for one set."""
    rows = own.filter(own.unit == unit)
    counts = (
        rows.group_by("account").agg(n=rows.count()).execute().sort_values(["n", "account"]).n.to_numpy(dtype=float)
    )
    stream = rows.select("us", "account").order_by(["us", "account"]).limit(coordination.MERGED_AT_MOST + 1).execute()
    even, p_even = coordination.even_split(counts, ordinary.n.to_numpy(dtype=float)) if len(counts) > 1 else (0.0, None)
    cv, p_cv = coordination.one_scheduler(stream.us.to_numpy(), stream.account.to_numpy())
    return {"even": even, "p_even": p_even, "cv": cv, "p_cv": p_cv, "rows": float(counts.sum())}


def _coordination(one: coordination.Found, split: dict[str, float | None]) -> Sign:
    """The sign of a set: it counts if what is asked ties it too, beyond chance, or if one hand deals out its load."""
    even = split["p_even"] if (split["even"] or 0) >= EVEN else None
    content = _asks_alike(one)
    # With a common template the merged stream is told, and counted, as time (`_dealt`).
    clock = split["p_cv"] if not content and (split["cv"] or 0) < METRONOME else None
    dealt = [p for p in (even, clock) if p is not None and p <= FALSE_ALARMS / 2]
    kinds = {
        "template": "prompt templates",
        "agent": "rare client software",
        "net": "networks",
        "payment": "means of payment",
        "key": "keys",
        "rhythm": "rhythm",
    }
    size = len(one.accounts)
    some = {
        kind: "" if one.tied[kind] == size else f" ({one.tied[kind]:,} of the {size:,} accounts)" for kind in one.kinds
    }
    says = f"share {_and([f'the same {kinds[kind]}{some[kind]}' for kind in one.kinds])}"
    if split["p_even"] is not None:
        says += f"; the calls are spread over them with an evenness of {split['even']:.3f} (p = {split['p_even']:.3f})"
    if not content and split["p_cv"] is not None:
        says += f"; their merged stream has a gap variation of {split['cv']:.2f} (p = {split['p_cv']:.3f} when shifted)"
    chance = one.chance
    p, among = (chance.asked, chance.asked_accounts) if content else (chance.any, chance.accounts)
    counts = content or (p <= FALSE_ALARMS and bool(dealt))
    return Sign(
        "set", "coordination", "I10, I11" if dealt else "I10", 0.0 - math.log10(p), p, p, among, None, None,
        says, "A reseller, a university or one organisation with several accounts shares networks and payment too.", counts,
    )  # fmt: skip


def _and(words: list[str]) -> str:
    return words[0] if len(words) == 1 else ", ".join(words[:-1]) + " and " + words[-1]
