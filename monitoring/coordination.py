"""Sets of accounts that act as one: I10 coordinated sets, I11 how the load is dealt out. Pure; numpy and networkx.

Reported campaigns spread millions of calls over as many as 25,000 accounts, about 26 calls a day each: no account shows
anything, the set does. Two accounts are tied when they share things of at least two families (what they ask, the network
they come from, who pays, whose key, their rhythm). What many unrelated accounts share as well ties nobody.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import combinations

import networkx as nx
import numpy as np
import numpy.typing as npt
import pandas as pd

# The family of each kind of tie. One product has one client software and one template: they are one family.
FAMILY = {
    "template": "content",
    "agent": "content",
    "net": "network",
    "payment": "payment",
    "key": "key",
    "rhythm": "rhythm",
}
OWN = 0.5  # a thing ties accounts if at least so much of its users are tied by something else as well
SMALLEST = 3  # accounts in a set
# Client software is common: it ties only if hardly anybody else uses it.
OWN_AGENT = 0.9
SHUFFLES = 999
AT_ONCE = 111
ENOUGH = 10
COMMON_AT_MOST = 50  # things of a component that it may have in common with others: those that fewest have
MERGED_AT_MOST = 20_000  # rows in a merged stream whose rhythm is tested
SEED = 20_261_124


@dataclass(frozen=True)
class Chance:
    """How likely as much in common is by chance (`monitoring.chance`), and among how many accounts of which the log says
    both kinds of tie: for the two kinds that are the least likely, and for those with what is asked (templates).
    """

    any: float = 1.0
    accounts: int = 0
    asked: float = 1.0
    asked_accounts: int = 0


@dataclass(frozen=True)
class Found:
    """A coordinated set: its accounts, by kind the things that tie them with how many of the accounts use each, how many
    use any of them, and how likely it is by chance.
    """

    accounts: tuple[int, ...]
    ties: dict[str, dict[int, int]]
    tied: dict[str, int] = field(default_factory=dict)
    chance: Chance = Chance()

    @property
    def kinds(self) -> tuple[str, ...]:
        return tuple(sorted(self.ties))


def sets(shared: pd.DataFrame) -> list[Found]:
    """I10. The connected components of accounts that share things of two families.

    `shared` has account, kind, thing and n (rows), for things that at least two accounts use. Left out, as innocent: what
    mostly unrelated accounts use (a university's network, a product's template), that is, less than half of its users are
    tied to anybody by two families. Of client software, nine in ten must be, and by that software itself.
    """
    if shared.empty:
        return []
    shared = shared.assign(family=shared.kind.map(FAMILY), things=shared.kind + ":" + shared.thing.astype(str))
    while not shared.empty:
        pairs = _pairs(shared)
        tied = pd.concat(
            [
                pairs[["x", "account"]].rename(columns={"x": "things"}),
                pairs[["y", "account"]].rename(columns={"y": "things"}),
            ]
        ).drop_duplicates()
        users = shared.groupby("things").account.nunique()
        # A pool of proxies, each used by some, ties whoever is tied by something of the pool: not each proxy ties all.
        anyhow = shared[shared.account.isin(tied.account)].groupby("things").account.nunique()
        itself = tied.groupby("things").account.nunique()
        agent = users.index.str.startswith("agent:")
        share = (
            pd.Series(np.where(agent, itself.reindex(users.index), anyhow.reindex(users.index)), users.index) / users
        )
        innocent = set(users.index[share.fillna(0) < np.where(agent, OWN_AGENT, OWN)])
        kept = shared[~shared.things.isin(innocent)]
        if len(kept) == len(shared):
            return _components(shared, pairs)
        shared = kept
    return []


def _pairs(shared: pd.DataFrame) -> pd.DataFrame:
    """(x, y, account) for things of two families that an account has in common with another account."""
    one = shared[["account", "family", "things"]]
    both = one.merge(one, on="account", suffixes=("_x", "_y"))
    both = both[both.family_x < both.family_y].rename(columns={"things_x": "x", "things_y": "y"})
    return both[both.groupby(["x", "y"]).account.transform("nunique") >= 2][["x", "y", "account"]]


def _components(shared: pd.DataFrame, pairs: pd.DataFrame) -> list[Found]:
    graph = nx.Graph()
    for (x, y), group in pairs.groupby(["x", "y"], sort=True):
        members = sorted(group.account)
        hub = f"{x}|{y}"
        graph.add_edges_from((hub, member) for member in members)
    found = []
    for component in _merged(shared, list(nx.connected_components(graph))):
        accounts = sorted(component)
        if len(accounts) < SMALLEST:
            continue
        own = shared[shared.account.isin(accounts)]
        uses = own.groupby(["kind", "thing"]).account.nunique()
        ties: dict[str, dict[int, int]] = {}
        for (kind, thing), count in uses[uses >= 2].items():
            ties.setdefault(str(kind), {})[int(thing)] = int(count)
        tied = own.merge(uses[uses >= 2].rename("users").reset_index(), on=["kind", "thing"]).groupby("kind").account
        found.append(Found(tuple(accounts), ties, {str(kind): int(n) for kind, n in tied.nunique().items()}))
    return sorted(found, key=lambda f: (-len(f.accounts), f.accounts))


def _merged(shared: pd.DataFrame, components: list[set[int | str]]) -> list[set[int]]:
    """Components that have at least two things in common are parts of one set: a pool of networks, say, from which all
    draw, while each means of payment serves only three.
    """
    members = [{node for node in component if not isinstance(node, str)} for component in components]
    of = {account: i for i, own in enumerate(members) for account in own}
    tied = shared[shared.account.isin(of)]
    uses = tied.assign(part=tied.account.map(of))[["things", "part"]].drop_duplicates()
    uses = uses.assign(parts=uses.groupby("things").part.transform("count"))
    uses = uses[uses.parts >= 2].sort_values(["part", "parts", "things"])
    graph = nx.Graph()
    graph.add_nodes_from(range(len(members)))
    # A node for each two things: whoever has both is joined to all others that have, in whatever order they are named.
    for part, things in uses.groupby("part").things:
        graph.add_edges_from((int(part), pair) for pair in combinations(sorted(things[:COMMON_AT_MOST]), 2))
    joined = ([i for i in group if isinstance(i, int)] for group in nx.connected_components(graph))
    return [set().union(*(members[i] for i in group)) for group in joined]


def rhythms(hours: pd.DataFrame, least: float = 0.9, span: int = 48) -> pd.DataFrame:
    """The tie of rhythm: accounts whose hourly counts rise and fall together, beyond the day's common rise and fall.

    `hours` has account, hour and c. Of accounts with at least 10 rows an hour on average, over at least `span` hours:
    Pearson's r >= `least` of log counts less the mean of all accounts in that hour. Returns account, kind, thing, n.
    """
    empty = pd.DataFrame({"account": [], "kind": [], "thing": [], "n": []}).astype(
        {"account": "int64", "thing": "int64"}
    )
    chosen = constant(hours)
    if _length(hours) < span or len(chosen) < 4:
        return empty
    total = hours.groupby("account").c.sum()
    table = hours[hours.account.isin(chosen)].pivot_table(index="account", columns="hour", values="c", fill_value=0)
    logs = np.log1p(table.to_numpy(dtype=float))
    rest = logs - logs.mean(axis=0)
    rest = rest - rest.mean(axis=1, keepdims=True)
    norm = np.linalg.norm(rest, axis=1, keepdims=True)
    steady = norm[:, 0] > 1e-9
    unit = rest / np.where(norm > 1e-9, norm, 1)
    alike = (unit @ unit.T >= least) & steady[:, None] & steady[None, :]
    graph = nx.Graph()
    ones, others = np.nonzero(np.triu(alike, 1))
    graph.add_edges_from(zip(ones.tolist(), others.tolist(), strict=True))
    rows = []
    for component in nx.connected_components(graph):
        members = [int(table.index[i]) for i in component]
        rows += [{"account": a, "kind": "rhythm", "thing": min(members), "n": int(total[a])} for a in members]
    return pd.DataFrame(rows) if rows else empty


def constant(hours: pd.DataFrame, at_most: int = 1500) -> pd.Index:
    """The accounts of (account, hour, c) that call ten times an hour on average, the busiest first: they have a rhythm."""
    total = hours.groupby("account").c.sum()
    total = total[total >= 10 * _length(hours)].sort_values(ascending=False, kind="stable")
    # Of those that call as often all or none: which of them would be told from their names.
    return total.index if len(total) <= at_most else total.index[total > total.iloc[at_most]]


def _length(hours: pd.DataFrame) -> int:
    return int(hours.hour.max() - hours.hour.min() + 1) if len(hours) else 0


def even_split(counts: npt.NDArray[np.float64], others: npt.NDArray[np.float64]) -> tuple[float, float | None]:
    """I11, the split: E = H(requests over accounts) / ln |A| (1: every account has the same), and how often as many of
    the other accounts, drawn at random, are split as evenly: p = (k + 1) / (999 + 1). None with too few others.
    """
    size = len(counts)
    split = _entropy(counts[None, :])[0] / np.log(size)
    if len(others) < max(20, size // 4):
        return float(split), None
    draw = np.random.default_rng(SEED)
    drawn = draw.choice(np.sort(others), size=(SHUFFLES, min(size, 500)), replace=True)
    random = _entropy(drawn) / np.log(drawn.shape[1])
    return float(split), float((np.sum(random >= split) + 1) / (SHUFFLES + 1))


def _entropy(counts: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    share = counts / counts.sum(axis=1, keepdims=True)
    with np.errstate(divide="ignore", invalid="ignore"):
        return -np.nansum(np.where(share > 0, share * np.log(share), 0), axis=1)


def one_scheduler(us: npt.NDArray[np.int64], account: npt.NDArray[np.int64]) -> tuple[float, float | None]:
    """I11, the merged stream: its gap cv, and how often it is as low when every account's times are shifted round the
    period at random (999 times, p = (k + 1) / 1000; fewer once ten of them were).

    Independent accounts merge towards a Poisson stream (cv 1, Palm-Khintchine); a common scheduler that deals calls out
    in turn leaves a metronome. Units: ratio, probability; none where most gaps are nought, as of calls by the hour in one
    second, which have no ratio. Of more than 20,000 rows the first 20,000 in time are taken.
    """
    order = np.lexsort((account, us))
    us, account = us[order], account[order]
    if len(us) > MERGED_AT_MOST:  # which of the calls of one instant come before it would be told from names
        most = int(np.searchsorted(us, us[MERGED_AT_MOST])) or MERGED_AT_MOST
        us, account = us[:most], account[:most]
    # Times in whole seconds are shifted by whole seconds: else only the log's own would have gaps of nought.
    step = int(np.gcd.reduce(np.append(np.diff(us), 1_000_000)))
    span = int(us[-1] - us[0]) + step
    observed = _cv(us)
    if len(us) < 2 or not np.median(np.diff(us)):
        return observed, None
    draw = np.random.default_rng(SEED)
    # In the order in which they called, so that their names change nothing.
    _, first, index = np.unique(account, return_index=True, return_inverse=True)
    series = np.split((us - us[0])[np.argsort(index, kind="stable")], np.cumsum(np.bincount(index))[:-1])
    place = np.empty(len(first), dtype=np.int64)
    place[sorted(range(len(first)), key=lambda n: series[n].astype(">i8").tobytes())] = np.arange(len(first))
    index = place[index]
    lower = 0
    for done in range(1, SHUFFLES + 1):
        shift = draw.integers(0, span // step, size=len(first)) * step
        lower += _cv(np.sort((us - us[0] + shift[index]) % span)) <= observed
        if lower == ENOUGH:  # so common that more would change nothing (Besag and Clifford 1991)
            return observed, lower / done
    return observed, (lower + 1) / (SHUFFLES + 1)


Shares = npt.NDArray[np.float64]  # of an account's calls (rows) in each hour (columns)


HOURS_AT_MOST = 2_000


def busy_hours(hours: pd.DataFrame) -> npt.NDArray[np.int64]:
    """The hours of (account, hour, c) in which anybody called, ascending; of more than 2,000 the busiest.

    Two rows of wrong clocks span a century, and a table of a century's hours would be all that fits in memory.
    """
    total = hours.groupby("hour").c.sum().reset_index().sort_values(["c", "hour"], ascending=[False, True])
    return np.sort(total.hour.to_numpy(dtype=np.int64)[:HOURS_AT_MOST])


def shares_of(hours: pd.DataFrame, accounts: Sequence[int], busy: npt.NDArray[np.int64]) -> Shares:
    """From (account, hour, c) the share of each account's calls in each of the busy hours, in the order of `accounts`;
    those who did not call in any are left out.
    """
    hours = hours[hours.hour.isin(busy)]
    row = pd.Series(np.arange(len(accounts)), index=list(accounts))
    table = np.zeros((len(accounts), len(busy)))
    place = row[hours.account].to_numpy(), np.searchsorted(busy, hours.hour.to_numpy())
    np.add.at(table, place, hours.c.to_numpy(dtype=float))
    table = table[table.sum(axis=1) > 0]
    return np.asarray(table / table.sum(axis=1, keepdims=True))


def together(members: Shares, others: Shares) -> tuple[float, float | None]:
    """I11, the same hours: how much more often two members of a set call in the same hour than two accounts whose calls
    are spread evenly, R = H sum_h p_ah p_bh averaged over pairs a, b (1: no more); and how often as many of the other
    accounts, drawn at random, are as much together: p = (k + 1) / (999 + 1), fewer draws once ten were. None with fewer
    than 100 others.

    Units: ratio, probability. Others share day and night, and the week, as well: it is told what goes beyond. The form of
    Ripley's pair correlation, in hours. Limits: people of one office are together as well.
    """
    observed = _together(members)
    if len(others) < 100:
        return observed, None
    draw = np.random.default_rng(SEED)
    size, as_much, done = min(len(members), len(others) // 2, 500), 0, 0
    own = (others**2).sum(axis=1)
    while done < SHUFFLES and as_much < ENOUGH:  # so common that more would change nothing (Besag and Clifford 1991)
        chosen = np.zeros((AT_ONCE, len(others)))
        for line in chosen:
            line[draw.choice(len(others), size, replace=False)] = 1
        pairs = ((chosen @ others) ** 2).sum(axis=1) - chosen @ own
        as_much += int(np.sum(others.shape[1] * pairs / (size * (size - 1)) >= observed))
        done += AT_ONCE
    return observed, (as_much + 1) / (done + 1)


def _together(shares: Shares) -> float:
    size, hours = shares.shape
    pairs = float((shares.sum(axis=0) ** 2).sum() - (shares**2).sum())
    return hours * pairs / (size * (size - 1))


def _cv(us: npt.NDArray[np.int64]) -> float:
    gaps = np.diff(us).astype(np.float64)
    gaps = gaps[gaps <= 10 * max(float(np.median(gaps)), 1.0)] if len(gaps) else gaps
    return float(gaps.std() / gaps.mean()) if len(gaps) and gaps.mean() > 0 else 0.0
