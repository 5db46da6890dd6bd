"""I14: what speaks for authorised or ordinary use; shown beside everything else."""

from __future__ import annotations

from typing import Any

import ibis

TEN_MINUTES = 600_000_000


def refusals(rows: Any) -> Any:
    """I14b. The share of a unit's calls that were refused, as the log's column says; no status is taken for a refusal.

    Unit: share of the rows that say whether. Needs: refused. Red-teaming is refused often; extraction avoids it: where a
    fifth or more is refused, nothing counts as harvest (see I2).
    """
    said = rows.filter(rows.refused.notnull())
    return said.group_by("unit").agg(judged=said.count(), refused=said.refused.cast("float64").mean())


def repeats(rows: Any) -> Any:
    """I14e, as far as a log shows it: the share of a unit's calls that repeat a prompt of its own.

    Unit: share, 1 - distinct(prompt) / n. Needs: prompt_hash. Benchmarks and retries repeat; paying twice for the same
    answer is no way to collect training data.
    """
    prompts = rows.filter(rows.prompt.notnull())
    return prompts.group_by("unit").agg(
        prompts=prompts.count(), repeated=1 - prompts.prompt.nunique() / prompts.count()
    )


@ibis.udf.scalar.builtin(name="bit_count", signature=(("int64",), "int64"))
def _ones_duckdb(value):  # type: ignore[no-untyped-def]
    """How many bits are set."""


@ibis.udf.scalar.builtin(name="bitCount", signature=(("int64",), "int64"))
def _ones_clickhouse(value):  # type: ignore[no-untyped-def]
    """How many bits are set."""


def mutation(rows: Any, dialect: str = "") -> Any:
    """I14c. Mutation chains: the share of calls within a Hamming distance of 10 of the template that the same account
    was last refused, up to 10 minutes before.

    Unit: share of the rows with a template. Needs: template, refused. Trying a refused prompt again in another wording
    is what red-teamers do, and what their tools do. `dialect` is the engine's, that of the rows where none is named.
    """
    ones = {"duckdb": _ones_duckdb, "clickhouse": _ones_clickhouse}[dialect or rows.get_backend().name]
    kept = rows.filter(rows.template.notnull() & rows.refused.notnull()).select(
        "unit", "account", "us", "template", "refused"
    )
    before = ibis.window(group_by=kept.account, order_by=[kept.us, kept.template, kept.refused], preceding=(None, 1))
    marked = kept.mutate(at=ibis.ifelse(kept.refused, kept.us, ibis.null("int64")).max().over(before))
    tried = marked.filter(marked["at"].notnull() & (marked.us - marked["at"] <= TEN_MINUTES))
    refused = kept.filter(kept.refused).group_by(["account", "us"]).agg(anchor=ibis._.template.max())
    pairs = tried.join(refused, [tried.account == refused.account, tried["at"] == refused.us])
    near = pairs.mutate(near=(ones(pairs.template ^ pairs.anchor) <= 10).cast("int64"))
    chains = near.group_by("unit").agg(mutated=near.near.sum())
    total = kept.group_by("unit").agg(templated=kept.count())
    return (
        total.left_join(chains, "unit")
        .drop("unit_right")
        .mutate(mutation=ibis.coalesce(ibis._.mutated, 0) / ibis._.templated)
        .select("unit", "mutation")
    )
