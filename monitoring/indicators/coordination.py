"""What ties accounts (I10), as far as it is counted in the log; `monitoring.coordination` makes sets of it."""

from __future__ import annotations

from typing import Any

import ibis

HOUR = 3_600_000_000
# Rows that an account must have with a template for it to count as the account's own.
TEMPLATE_ROWS = 5
PER_KIND = 12  # things of one kind for each account


def uses(rows: Any, column: str) -> Any:
    """(account, column, n): the rows of each account with each value of a column."""
    return rows.filter(rows[column].notnull()).group_by(["account", column]).agg(n=ibis._.count())


def used_often(each: Any) -> Any:
    """(account, cluster, n) of the template clusters that accounts use themselves, TEMPLATE_ROWS times at least.

    `each` is (unit, cluster, c), counted for each account as a unit (`content.templates`).
    """
    own = each.filter(each.c >= TEMPLATE_ROWS)
    return own.select(account=own.unit, cluster=own.cluster, n=own.c)


def shared_things(used: Any, kind: str, column: str) -> Any:
    """(account, kind, thing, n): what of a column at least two accounts use; of each account the 12 it uses most.

    `used` is what is used by whom (`uses`). Needs: the column. Unit: rows.
    """
    many = used.group_by(column).agg(users=used.count())
    shared = used.join(many.filter(many.users >= 2).select(column), column)
    things = shared.select("account", kind=ibis.literal(kind), thing=shared[column], n=shared.n)
    most = ibis.window(group_by=things.account, order_by=[things.n.desc(), things.thing])
    return things.mutate(place=ibis.row_number().over(most)).filter(ibis._.place < PER_KIND).drop("place")


def templates_of_each(rows: Any, at_most: int) -> Any:
    """(template): about as many different ones of each account, `at_most` in all, chosen by their values alone.

    Of those who call little, hardly any is in a choice from all rows. Where there are more accounts than templates are
    asked for, of each only some have one. `rows` have a template each.
    """
    calls = rows.group_by("account").agg(n=rows.count())
    accounts = int(calls.count().execute())
    share, thinned = max(1, at_most // max(1, accounts)), -(-accounts // at_most)
    every = (calls.n + (share - 1)) // share * thinned
    # An odd divisor depends on all bits of a value.
    calls = calls.select("account", every=every + 1 - every % 2)
    drawn = rows.join(calls, "account")
    chosen = drawn.filter(drawn.template % drawn.every == 0).select("template").distinct()
    return chosen.order_by("template").limit(at_most)


def hourly(rows: Any) -> Any:
    """(account, hour, c): rows of each account in each hour since 1970."""
    return rows.group_by(["account", (rows.us // HOUR).name("hour")]).agg(c=rows.count())
