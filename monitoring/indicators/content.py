"""Content: I2 output harvest, I3 template concentration, I4 systematic sweep, I8 statelessness, I9 probing."""

from __future__ import annotations

from typing import Any

import ibis


def harvest(rows: Any, length: int | None) -> Any:
    """I2. Output tokens for each input token, and the share of answers that ended at the length limit.

    oi = sum(tout) / sum(tin) over answered calls (status below 400). `length` is the number that stands for the finish
    reason "length", None where the log does not have it. Units: tokens per token; share. Needs: tin, tout, status.
    Only ever read against peers of the same model: of real chat clients the median is about 0.1 and 1 in 100 is above
    1, of a reasoning model the median is 1.7. Limits: a product that writes long texts does the same.
    """
    answered = rows.filter(rows.status < 400)
    cut = (answered.finish == length).cast("float64").mean() if length is not None else ibis.null("float64")
    return answered.group_by("unit").agg(
        answered=answered.count(),
        oi=(answered.tout.sum() + 1) / (answered.tin.sum() + 1),
        cut=cut,
    )


def concentration(rows: Any) -> Any:
    """I3. How few templates a unit's prompts come from: hhi = sum (n_k / n)^2, effective = 1 / hhi, top = max n_k / n.

    n_k are the rows of template cluster k (near-duplicates at a Hamming distance of at most 10 of the 64-bit simhash).
    Units: shares; number of templates. Needs: template (as `cluster`). No threshold has been published, and scripting
    by red-teamers looks the same: read only together with I4.
    """
    counted = rows.filter(rows.cluster.notnull())
    each = counted.group_by(["unit", "cluster"]).agg(c=counted.count())
    total = each.group_by("unit").agg(templated=each.c.sum(), squares=(each.c.cast("float64") ** 2).sum(), most=each.c.max())
    best = each.join(total.select("unit", "most"), "unit")
    best = best.filter(best.c == best.most)
    return total.mutate(
        hhi=total.squares / total.templated.cast("float64") ** 2, top=total.most / total.templated
    ).select("unit", "templated", "hhi", "top").join(
        best.group_by("unit").agg(top_cluster=best.cluster.min()), "unit"
    )


def sweep(rows: Any) -> Any:
    """I4. Whether the prompts of a unit's largest template cluster are ever new.

    fresh = distinct(prompt) / n in the cluster; heaps = log2(D(n) / D(n/2)), the slope of distinct prompts against
    prompts over the second half in time (1: every prompt is new; 0: no more new ones). Units: share; exponent. Needs:
    template, prompt_hash. `rows` are those of the top cluster alone. Proposed cut: fresh >= 0.95, n >= 1,000 and at
    least half of the unit's prompts. Low freshness points away from extraction: retries, benchmarks.
    """
    with_prompt = rows.filter(rows.prompt.notnull())
    half = with_prompt.group_by("unit").agg(half=(with_prompt.us.min() + with_prompt.us.max()) / 2)
    timed = with_prompt.join(half, "unit")
    first = timed.group_by(["unit", "prompt"]).agg(c=timed.count(), early=(timed.us <= timed.half).any())
    return first.group_by("unit").agg(
        swept=first.c.sum(),
        different=first.count(),
        early=first.early.cast("int64").sum(),
        fresh=first.count() / first.c.sum(),
    ).mutate(heaps=(ibis._.different / ibis.greatest(ibis._.early, 1)).log2())


def stateless(rows: Any) -> Any:
    """I8. The share of sessions with a single request, and the share of prompts whose beginning was not seen before.

    lonely = sessions with one request / sessions; unseen = distinct(prefix) / rows with a prefix. Units: shares.
    Needs: session or prefix_hash; what the log lacks is null. Of a real chat trace about a third of prefixes are
    reused. Only read against peers: many products never hold a conversation.
    """
    sessions = rows.filter(rows.session.notnull()).group_by(["unit", "session"]).agg(c=ibis._.count())
    lonely = sessions.group_by("unit").agg(lonely=(sessions.c == 1).cast("float64").mean(), sessions=sessions.count())
    prefixed = rows.filter(rows.prefix.notnull())
    unseen = prefixed.group_by("unit").agg(unseen=prefixed.prefix.nunique() / prefixed.count(), prefixes=prefixed.count())
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
    both = (asked.logprobs & asked.logit_bias).cast("int64").sum()
    return asked.group_by("unit").agg(
        with_params=asked.count(),
        probes=both,
        single=(asked.max_tokens <= 1).cast("int64").sum(),
        repeats=((asked.temperature == 0) & asked.several).cast("int64").sum(),
    )
