"""Content: I2 output harvest, I3 template concentration, I4 systematic sweep, I8 statelessness, I9 probing."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import ibis

SWEPT = 200  # prompts of a unit in one template cluster
FRESH = 0.95  # of them different
# What providers call it that an answer ended at the limit of its length.
AT_THE_LIMIT = ("length", "max_tokens", "MAX_TOKENS", "max_output_tokens")


def harvest(rows: Any, limits: Sequence[int] | None) -> Any:
    """I2. Output tokens for each input token, and the share of answers that ended at the length limit.

    oi = (sum(tout) + 1) / (sum(tin) + 1) over answered calls (status below 400). `limits` are the numbers that stand
    for the finish reasons AT_THE_LIMIT, None where the log has none at all. Units: tokens per token; share of the answers
    that say how they ended, of which `ended` is the number.
    Needs: tin, tout, status.
    Only ever read against peers of the same model: of real chat clients the median is about 0.1 and 1 in 100 is above
    1, of a reasoning model the median is 1.7. Limits: a product that writes long texts does the same.
    What is no harvest counts for none of four scores: output for input, answers cut at the limit, the sweep (I4), and
    prompts that are nearly all new (I4, I8). Two things are none: answers short beside their prompts (under 0.25 output
    tokens for an input token), for so a batch summariser looks, and calls that are refused often (20 % or more), for so
    red-teaming looks. Where the log has no column `refused`, the second cannot be told, and such calls count.
    """
    answered = rows.filter(rows.status < 400)
    cut = answered.finish.isin(limits).cast("float64").mean() if limits is not None else ibis.null("float64")
    return answered.group_by("unit").agg(
        answered=answered.count(),
        oi=(answered.tout.sum() + 1) / (answered.tin.sum() + 1),
        cut=cut,
        ended=answered.finish.count(),
    )


def templates(rows: Any) -> Any:
    """(unit, cluster, c): the rows of each unit in each template cluster."""
    asked = rows.filter(rows.cluster.notnull())
    return asked.group_by(["unit", "cluster"]).agg(c=asked.count())


def concentration(each: Any) -> Any:
    """I3. How few templates a unit's prompts come from: hhi = sum (n_k / n)^2, effective = 1 / hhi, top = max n_k / n.

    n_k are the rows of template cluster k (near-duplicates at a Hamming distance of at most 10 of the 64-bit simhash),
    `each` of which is given (`templates`).
    Units: shares; number of templates. Needs: template (as `cluster`). No threshold has been published, and scripting
    by red-teamers looks the same: read only together with I4.
    """
    total = each.group_by("unit").agg(
        templated=each.c.sum(), squares=(each.c.cast("float64") ** 2).sum(), most=each.c.max()
    )
    best = each.join(total.select("unit", "most"), "unit")
    best = best.filter(best.c == best.most)
    return (
        total.mutate(hhi=total.squares / total.templated.cast("float64") ** 2, top=total.most / total.templated)
        .select("unit", "templated", "hhi", "top")
        .join(best.group_by("unit").agg(top_cluster=best.cluster.min()), "unit")
    )


def sweep(rows: Any, each_template: Any) -> Any:
    """I4. How much of a unit's traffic goes through templates with ever new fillings.

    A template cluster is swept if it has at least 200 prompts of the unit, 95 % of them different. swept = rows in swept
    clusters; share = swept / rows with a template; fresh = distinct(prompt) / rows in the swept ones; heaps = log2(D /
    D_half), the slope of distinct prompts against time's second half (1: new ones keep coming). Units: rows, shares,
    exponent. Needs: template, prompt_hash. Counts from 1,000 rows and half of the traffic on, and not for what is no
    harvest (see I2): answers under 0.25 output tokens for an input token, or 20 % and more of the calls refused, which a
    log without `refused` does not tell. Low freshness points away from extraction: retries, benchmarks.
    """
    prompts = rows.filter(rows.prompt.notnull() & rows.cluster.notnull())
    total = each_template.group_by("unit").agg(prompted=each_template.c.sum())
    half = prompts.group_by("unit").agg(half=(prompts.us.min() + prompts.us.max()) / 2)
    # Only what is large enough to be swept is looked at prompt by prompt.
    large = prompts.semi_join(each_template.filter(each_template.c >= SWEPT), ["unit", "cluster"])
    each = large.group_by(["unit", "cluster", "prompt"]).agg(c=large.count(), since=large.us.min()).join(half, "unit")
    clusters = each.group_by(["unit", "cluster"]).agg(
        c=each.c.sum(), different=each.count(), early=(each.since <= each.half).cast("int64").sum()
    )
    swept = clusters.filter((clusters.c >= SWEPT) & (clusters.different >= FRESH * clusters.c))
    found = swept.group_by("unit").agg(
        swept=swept.c.sum(), different=swept.different.sum(), early=swept.early.sum(), swept_templates=swept.count()
    )
    joined = total.left_join(found, "unit").drop("unit_right")
    return joined.mutate(
        fresh=joined.different / joined.swept,
        swept_share=ibis.coalesce(joined.swept, 0) / joined.prompted,
        heaps=(joined.different / ibis.greatest(joined.early, 1)).log2(),
    ).drop("different", "early")


def stateless(rows: Any) -> Any:
    """I8. The share of sessions with a single request, and the share of prompts whose beginning was not seen before.

    lonely = sessions with one request / sessions; unseen = distinct(prefix) / rows with a prefix. Units: shares.
    Needs: session or prefix_hash; what the log lacks is null. Of a real chat trace about a third of prefixes are
    reused. Only read against peers: many products never hold a conversation.
    """
    sessions = rows.filter(rows.session.notnull()).group_by(["unit", "session"]).agg(c=ibis._.count())
    lonely = sessions.group_by("unit").agg(lonely=(sessions.c == 1).cast("float64").mean(), sessions=sessions.count())
    prefixed = rows.filter(rows.prefix.notnull())
    unseen = prefixed.group_by("unit").agg(
        unseen=prefixed.prefix.nunique() / prefixed.count(), prefixes=prefixed.count()
    )
    return _either(lonely, unseen)


def _either(left: Any, right: Any) -> Any:
    units = left.select("unit").union(right.select("unit"), distinct=True)
    return units.left_join(left, "unit").drop("unit_right").left_join(right, "unit").drop("unit_right")


def probing(rows: Any) -> Any:
    """I9. Calls that ask for what recovers a model's last layer: log-probabilities with a logit bias, single tokens.

    probes = count(logprobs and logit_bias); single = count(max_tokens <= 1); repeats = count(temperature = 0 and n > 1).
    Units: calls. Needs: params. A sustained sweep (1,000 calls or more) merits a human look (Carlini 2024,
    arXiv 2403.06634; Finlayson 2024, arXiv 2403.09539). No false-alarm rate is known.
    """
    asked = rows.filter(rows.logprobs.notnull())
    return asked.group_by("unit").agg(
        with_params=asked.count(),
        probes=_count(asked.logprobs & asked.logit_bias),
        single=_count(asked.max_tokens <= 1),
        repeats=_count((asked.temperature == 0) & asked.several),
    )


def _count(true: Any) -> Any:
    """Of how many rows it is true: where none says so, of none, and not of an unknown number."""
    return true.cast("int64").sum().fill_null(0)
