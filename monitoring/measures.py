"""What is measured of a unit (an account, or a set of accounts), as scores that can be compared: the higher, the rarer.

The indicators give values in their own units; a score is a value on the scale on which it is read against others: a
robust z among peers, minus the logarithm of a ratio that is low when something is regular. NaN: not computable here.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from monitoring import indicators as known
from monitoring.indicators import timing
from monitoring.indicators.volume import models
from monitoring.shift import WORDS, busiest, histograms, shifts

PEERS_AT_LEAST = 20
SHORT_ANSWERS = 0.25  # output tokens for each input token: below it, answers are short beside their prompts
OFTEN_REFUSED = 0.2  # of the calls
SOME_REFUSED = 0.02


@dataclass(frozen=True)
class Measure:
    """One thing that is measured: its indicator, family, the column of the value, and the words for a reader."""

    name: str
    indicator: str
    family: str
    says: str  # the sentence, with {value}
    caveat: str
    needs: tuple[str, ...] = ()  # optional columns of the log
    minimum: str = ""  # what a unit must have for it to be computed
    # Whether the reference of real clients has it; without it only the peers in the log can say how rare a value is.
    referenced: bool = False
    # Whether it is read against the accounts of the same model, where there are enough.
    of_model: bool = False


MEASURES = (
    Measure(
        "volume",
        "I1",
        "volume",
        "made {value:,.0f} calls (at most {ten_minutes:,.0f} in ten minutes, {hour:,.0f} in an hour, {day:,.0f} in a day "
        "and {week:,.0f} in a week), {score:.1f} robust deviations above the median of {whom}",
        "Real services have single customers that make half of all calls. Volume is context and never a finding.",
        referenced=True,
        of_model=True,
        minimum="enough ordinary accounts in the log (20)",
    ),
    Measure(
        "taken",
        "I1",
        "volume",
        "received {value:,.0f} output tokens, {score:.1f} robust deviations above the median of {whom}",
        "A product that writes long texts for many readers does the same. Volume is context and never a finding.",
        referenced=True,
        of_model=True,
        minimum="enough ordinary accounts in the log (20)",
    ),
    Measure(
        "riding",
        "I7",
        "volume",
        "kept within a tenth of the rate limit in {value:.0%} of the active minutes, and was told in {limited:.1%} of the "
        "calls that it was over (status 429)",
        "A queue that is worked off at the limit does the same. No threshold has been published.",
        minimum="the rate limit, and 200 active minutes",
    ),
    Measure(
        "harvest",
        "I2",
        "content",
        "received {value:.2f} output tokens for each input token, {score:.1f} robust deviations above the median of "
        "accounts on the same model",
        "A product that writes long texts, or a reasoning model, does the same.",
        referenced=True,
        of_model=True,
        minimum="200 answered calls and enough ordinary accounts that have as many on the same model (20)",
    ),
    Measure(
        "cut",
        "I2",
        "content",
        "had {value:.0%} of the answers end at the length limit",
        "Short limits set by a product do the same.",
        needs=("finish_reason",),
        minimum="200 answered calls that say how they ended",
    ),
    Measure(
        "sweep",
        "I4",
        "content",
        "went through {templates:.0f} prompt template{s} with ever new fillings: {swept:,.0f} calls, {value:.1%} of the "
        "prompts different, {share:.0%} of the calls with a template (effective number of templates {effective:.1f})",
        "It shows scripting, not a purpose: a batch summariser does the same. How rare it is was counted in this log; "
        "there is no real reference.",
        needs=("template", "prompt_hash"),
        minimum="200 calls with a template",
    ),
    Measure(
        "novel",
        "I4, I8",
        "content",
        "made {n:,.0f} calls of which {value:.1%} repeat a prompt, {alone}",
        "An archive that is read once looks the same. How rare it is was counted in this log; there is no real reference.",
        needs=("prompt_hash",),
        minimum="200 calls with a prompt hash, and sessions or prefix hashes",
    ),
    Measure(
        "alone",
        "I8",
        "content",
        "made single requests in {value:.0%} of the sessions",
        "Most programs never hold a conversation.",
        needs=("session",),
        minimum="200 sessions",
    ),
    Measure(
        "unseen",
        "I8",
        "content",
        "began {value:.0%} of the prompts in a way not seen before",
        "A product without a fixed instruction does the same.",
        needs=("prefix_hash",),
        minimum="200 calls with a prefix hash",
    ),
    Measure(
        "probing",
        "I9",
        "content",
        "asked {value:,.0f} times for log-probabilities with a logit bias, {single:,.0f} times for a single token, and "
        "{repeats:,.0f} times for several answers at temperature 0",
        "Research and constrained decoding do the same. No false-alarm rate is known.",
        needs=("params",),
        minimum="1,000 such calls",
    ),
    Measure(
        "regularity",
        "I5",
        "time",
        "called so regularly that gaps vary by {value:.2f} of their mean (1 would be chance)",
        "A timer, a queue or a load test is as regular.",
        referenced=True,
        minimum="200 gaps",
    ),
    Measure(
        "evenness",
        "I5",
        "time",
        "held one rate: busy hours differ from one another by {value:.2f} of their mean beyond chance",
        "A batch job held at one rate is as even.",
        referenced=True,
        minimum="24 whole hours with 5 calls on average",
    ),
    Measure(
        "quota",
        "I5",
        "time",
        "kept to a daily budget: over {worked:.0f} working days the calls of a day differ by {value:.2f} of their mean "
        "beyond chance",
        "A batch job with a daily budget, or a load test, is as even.",
        referenced=True,
        minimum="5 working days, without the first and the last, with 20 calls on average",
    ),
    Measure(
        "clock",
        "I6",
        "time",
        "never slept: active in {value:.0%} of all ten-minute windows, at every hour of the day, and regularly",
        "Services run day and night. Only together with regular gaps is it rare.",
        referenced=True,
        minimum="3 days and 200 gaps",
    ),
    Measure(
        "shift",
        "I13",
        "time",
        "changed against the own past: {moved} moved by {value:.2f} (Jensen-Shannon divergence, 0 to 1)",
        "A new release of a product shifts its traffic as well.",
        minimum="500 calls in the last seven days, and in at least four days before",
    ),
    Measure(
        "pivot",
        "I12",
        "time",
        "moved {value:.0%} of the calls to a new model within 24 hours of its first appearance",
        "Enthusiasts and those whose old model was withdrawn do the same.",
        minimum="a model that first appears two days or more after the log begins",
    ),
)
TWO_DAYS = 2 * 86_400_000_000


@dataclass(frozen=True)
class Log:
    """What is known of a log before its units are measured."""

    rows: Any  # all of them: for when models first appear
    present: set[str]  # the optional columns it has
    years: range
    limits: Sequence[int] | None  # the numbers that stand for answers which ended at the limit of their length
    limit: int | None  # the rate limit, in requests a minute, if it is known
    # Works an expression out, for as long as its table is used.
    once: Callable[[Any], AbstractContextManager[Any]]
    # Is given the rows of each unit in each template cluster (unit, cluster, c), part by part; they are gone afterwards.
    templates: Callable[[Any], None]


def measured(parts: Sequence[Any], log: Log) -> pd.DataFrame:
    """The values of every unit, one line each, indexed by unit.

    `parts` are tables of rows with a column `unit`, each with all the rows of its units: part by part, the memory that is
    needed does not grow with the log.
    """
    begins = _begins(log.rows)
    with log.once(timing.new_models(log.rows, since=begins + TWO_DAYS)) as new:
        late = new if new.count().execute() else None
        found = [_measured(rows, log, late) for rows in parts]
    out = pd.concat([one for one in found if len(one)] or found[:1])
    chosen = busiest(out.n)
    daily = [
        histograms(rows, known.windows(rows), log.present) for rows in (r.filter(r.unit.isin(chosen)) for r in parts)
    ]
    counted = {kind: pd.concat([one[kind].execute() for one in daily]) for kind in daily[0]}
    return out.join(shifts(counted), how="left").sort_index()


def _measured(rows: Any, log: Log, late: Any) -> pd.DataFrame:
    with log.once(known.windows(rows)) as ten:
        out = known.volume(rows, ten).execute().set_index("unit")
        timed = [known.evenness(ten), known.quota(ten), known.around_the_clock(ten, log.years)]
        out = out.join([expression.execute().set_index("unit") for expression in timed], how="left")
    present = log.present

    def add(expression: Any) -> None:
        nonlocal out
        out = out.join(expression.execute().set_index("unit"), how="left")

    main = models(rows).execute().sort_values(["unit", "n", "model"], ascending=[True, False, True])
    out["model"] = main.drop_duplicates("unit").set_index("unit").model
    add(known.harvest(rows, log.limits))
    add(known.regularity(rows))
    if log.limit is not None:
        add(known.ceiling(rows, log.limit))
    if "template" in present:
        with log.once(known.templates(rows)) as each:
            log.templates(each)
            add(known.concentration(each))
            if "prompt_hash" in present:
                add(known.sweep(rows, each))
    if present & {"session", "prefix_hash"}:
        add(known.stateless(rows))
    if "params" in present:
        add(known.probing(rows))
    if "refused" in present:
        add(known.refusals(rows))
        # A log that says it of some rows alone, such as of those that were refused, does not tell which share was.
        out["refused"] = out.refused.where(2 * out.judged >= out.n)
    if {"refused", "template"} <= present:
        # Chains of mutations are looked for where enough is refused to have any.
        often = out.index[out.refused.fillna(0) >= SOME_REFUSED]
        if len(often):
            add(known.mutation(rows.filter(rows.unit.isin([int(unit) for unit in often]))))
    if "prompt_hash" in present:
        add(known.repeats(rows))
    if late is not None:
        add(known.pivot(rows, late))
    return out


def _begins(log: Any) -> int:
    """The first day with a thousandth of the rows, or half of what days have: a clock years wrong makes no model new."""
    daily = log.group_by((log.us // (TWO_DAYS // 2)).name("day")).agg(c=log.count()).execute()
    return int(daily.day[daily.c >= min(daily.c.sum() / 1000, daily.c.median() / 2)].min()) * (TWO_DAYS // 2)


def scores(values: pd.DataFrame, peers: pd.DataFrame) -> pd.DataFrame:
    """The scores of units, by measure; NaN where something it needs is missing.

    `peers` are the accounts against which volume and harvest are read: those of the same model, at least 20. Volume is read
    against all where they are fewer (then `same_model` is false), output for input against nobody.
    """

    def column(name: str) -> pd.Series:
        return values[name].astype(float) if name in values else pd.Series(np.nan, index=values.index)

    def where(score: pd.Series, enough: pd.Series) -> pd.Series:
        return score.where(enough.fillna(False).astype(bool))

    enough = column("gaps") >= 200
    out = pd.DataFrame({"model": values.model}, index=values.index)
    calls, taken = np.log10(1 + peers.n.astype(float)), np.log10(1 + peers.tout.astype(float))
    out["volume"] = among_peers(np.log10(1 + column("n")), values.model, calls, peers.model)
    out["taken"] = among_peers(np.log10(1 + column("tout")), values.model, taken, peers.model)
    out["same_model"] = values.model.isin(with_peers(calls, peers.model))
    out["riding"] = where(column("riding"), column("minutes") >= 200)
    answered = peers[peers.answered >= 200] if "answered" in peers else peers
    returned = np.log10(answered.oi.astype(float))
    harvest = among_peers(np.log10(column("oi")), values.model, returned, answered.model)
    # How much a model writes is its own: a reasoning model is read against nobody else.
    same = values.model.isin(with_peers(returned, answered.model))
    out["harvest"] = where(harvest, (column("answered") >= 200) & same)
    out["cut"] = where(column("cut"), column("ended") >= 200)
    # Short answers to long prompts are no harvest: a batch summariser sweeps its template as well. Nor are prompts that are
    # refused again and again: that is how red-teaming looks.
    harvested = (column("oi") >= SHORT_ANSWERS) & ~(column("refused") >= OFTEN_REFUSED)
    swept = (column("swept_share") >= 0.5) & (column("swept") >= 1000) & harvested
    out["sweep"] = where(np.log10(column("swept")).where(swept, 0.0), column("prompted") >= 200)
    out["cut"] = out["cut"].where(harvested | out["cut"].isna(), 0.0)
    out["harvest"] = out["harvest"].where(harvested | out["harvest"].isna(), np.minimum(out["harvest"], 0.0))
    single = column("unseen").fillna(1.0).ge(0.9) & column("lonely").fillna(1.0).ge(0.9)
    known = column("unseen").notna() | column("lonely").notna()
    novel = single & (column("repeated") <= 0.02) & (column("prompts") >= 1000) & harvested
    out["novel"] = where(np.log10(column("prompts")).where(novel, 0.0), (column("prompts") >= 200) & known)
    out["alone"] = where(column("lonely"), column("sessions") >= 200)
    out["unseen"] = where(column("unseen"), column("prefixes") >= 200)
    out["probing"] = where(np.log10(1 + column("probes")), column("probes") >= 1000)
    out["regularity"] = where(-np.log(column("cv").clip(lower=0.001)), enough)
    even = evenness_score(column("hourly"), column("spread"), column("hours"))
    out["evenness"] = where(even, (column("hours") >= 24) & (column("hourly") >= 5))
    daily = evenness_score(column("daily"), column("daily_spread"), column("worked"))
    out["quota"] = where(daily, (column("worked") >= 5) & (column("daily") >= 20))
    both = np.minimum(column("hc"), column("active"))
    out["clock"] = where(both.where(column("cv") < 0.7, both - 1), enough & (column("days") >= 3))
    out["pivot"] = column("pivot")
    out["shift"] = column("shift").where(column("shift_p") <= 0.01, column("shift") * 0)
    return out


def among_peers(
    score: pd.Series, model: pd.Series, peers: pd.Series, of: pd.Series, *, least: int = PEERS_AT_LEAST
) -> pd.Series:
    """(x - median) / (1.4826 MAD) of the peers on the same model, those of all models where they are fewer than `least`."""
    peers = peers.dropna()
    if len(peers) < least:
        return pd.Series(np.nan, index=score.index)
    of = of[peers.index]
    own = peers.groupby(of)
    middle = own.median()[with_peers(peers, of, least)]
    apart = (peers - of.map(middle)).abs().groupby(of).median()
    everybody = float(peers.median())
    centre = model.map(middle).fillna(everybody)
    spread = model.map(apart).where(model.isin(middle.index), float((peers - everybody).abs().median()))
    return (score - centre) / (1.4826 * spread).clip(lower=0.05)


def with_peers(peers: pd.Series, of: pd.Series, least: int = PEERS_AT_LEAST) -> pd.Index:
    """The models with so many peers that have a value."""
    users = of[peers.dropna().index].value_counts()
    return users.index[users >= least].sort_values()


def evenness_score(mean: Any, variance: Any, hours: Any) -> Any:
    """Minus the logarithm of the most that busy hours (or days) may differ beyond chance:
    sqrt((var - mean + 1.645 SE) / mean^2), an upper bound of 95 %.

    SE is the standard error of a Poisson stream's variance, mean sqrt(2 / hours): few hours or few calls show little.
    """
    beyond = np.maximum(variance - mean, 0) + 1.645 * mean * np.sqrt(2 / hours)
    return -np.log(np.maximum(np.sqrt(beyond) / mean, 0.01))


# What is no harvest where much of it is refused; of a log that does not say so, that is said instead.
UNLESS_REFUSED = ("sweep", "novel", "harvest", "cut")
NOT_KNOWN_REFUSED = (
    "The log does not say which calls were refused: red-teaming, of which many are, would look the same here."
)


def caveat_of(measure: Measure, line: pd.Series) -> str:
    """What has to be said beside the values of a unit."""
    unknown = measure.name in UNLESS_REFUSED and pd.isna(line.get("refused"))
    return f"{measure.caveat} {NOT_KNOWN_REFUSED}" if unknown else measure.caveat


# What else of the values a sentence names.
ALSO = {"riding": ("limited",), "probing": ("single", "repeats"), "quota": ("worked",)}


WHOM = {True: "accounts on the same model", False: "all accounts, for fewer than 20 are on the same model"}


def value_of(measure: Measure, line: pd.Series, scores: pd.Series) -> dict[str, Any]:
    """What the sentence of a measure names, of the values and scores of a unit."""
    source = {
        "volume": "n",
        "taken": "tout",
        "quota": "daily_uneven",
        "harvest": "oi",
        "sweep": "fresh",
        "alone": "lonely",
        "novel": "repeated",
        "probing": "probes",
        "regularity": "cv",
        "evenness": "uneven",
        "clock": "active",
    }.get(measure.name, measure.name)
    values: dict[str, Any] = {"value": float(line.get(source, np.nan)), "whom": WHOM[bool(scores.get("same_model"))]}
    if measure.name == "volume":
        windows = {"ten_minutes": "10m", "hour": "1h", "day": "24h", "week": "7d"}
        values |= {name: float(line[f"peak_{window}"]) for name, window in windows.items()}
    if measure.name in ALSO:
        values |= {name: float(line[name]) for name in ALSO[measure.name]}
    if measure.name == "novel":
        values["n"] = float(line.prompts)
        said = {"lonely": "outside conversations", "unseen": "without a common beginning"}
        values["alone"] = " and ".join(words for name, words in said.items() if pd.notna(line.get(name)))
    if measure.name == "shift":
        values["moved"] = WORDS[str(line.moved)]
    if measure.name == "sweep":
        values |= {
            "swept": float(line.swept),
            "templates": float(line.swept_templates),
            "s": "" if line.swept_templates == 1 else "s",
            "share": float(line.swept_share),
            "effective": 1 / float(line.hhi),
        }
    return values
