"""What ties accounts (I10), as far as it is counted in the log; `monitoring.coordination` makes sets of it."""

from __future__ import annotations

from typing import Any

import ibis

HOUR = 3_600_000_000
# Rows that an account must have with a template for it to count as the account's own.
TEMPLATE_ROWS = 5
PER_KIND = 12  # things of one kind for each account


def shared_things(rows: Any, kind: str, column: str, least: int = 1) -> Any:
    """(account, kind, thing, n): what of a column at least two accounts use, each in at least `least` rows; of each account
    the 12 it uses most.

    Needs: the column. Unit: rows.
    """
    used = rows.filter(rows[column].notnull()).group_by(["account", column]).agg(n=ibis._.count())
    used = used.filter(used.n >= least)
    many = used.group_by(column).agg(users=used.count())
    shared = used.join(many.filter(many.users >= 2).select(column), column)
    things = shared.select("account", kind=ibis.literal(kind), thing=shared[column], n=shared.n)
    most = ibis.window(group_by=things.account, order_by=[things.n.desc(), things.thing])
    return things.mutate(place=ibis.row_number().over(most)).filter(ibis._.place < PER_KIND).drop("place")


def hourly(rows: Any) -> Any:
    """(account, hour, c): rows of each account in each hour since 1970."""
    return rows.group_by(["account", (rows.us // HOUR).name("hour")]).agg(c=rows.count())
