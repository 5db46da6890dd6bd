"""Attackers by recipe, not tuned to any detector. What varies is drawn for each campaign.

A1  one account sweeps: a few templates, ever-new fillings, long answers, 20,000 to 150,000 calls
A2  a hydra of 20, 200 or 2,000 accounts at 26 calls an account a day (the figure of a reported campaign: 25,000 accounts
    over 45 days), fed by a scheduler that balances: the merged stream has gaps of CV 0.2-0.8
A3  an A2 of 20-200 accounts whose calls are 5, 10, 25 or 50 % of each account's traffic; the rest is what ordinary accounts
    do, at the times of real clients, each with content of its own
A4  jittered: exponential gaps (CV 1) for each account by itself, no scheduler; also kept to office hours
A5  no template at all: every prompt unlike the others

Templates: a template of T words (lognormal, median 250, log-spread 0.5: instructions and worked examples) with fillings of
about F words (15-60) is the share T / (T + F) of a prompt, so its prompts are 0.7 to 0.98 alike. No public measure of these
exists; toolformer-like corpora, where 87 % of prompts have a near-duplicate, lie inside.
Ties of a hydra: a pool of networks of accounts/40 to accounts/2, some accounts stick to two of them and others change with
every call; means of payment shared by 1 (none), 3, 10 or 25 accounts; one to four user agents, common or the maker's own.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from bench.detection import accounts as ordinary
from bench.detection import traces
from bench.detection.content import Block, Content, Lengths, identifiers, new_templates, spoken, word
from bench.detection.parts import DAY, Part, campaign, microseconds, office, regular

A_DAY = 26  # calls of a hydra's account
MODELS = ("m-large", "deepseek-r1", "m-mid")
HARVEST = ('{"max_tokens":8192,"temperature":0.7}', '{"max_tokens":4096,"temperature":1}', '{"max_tokens":8192}', "{}")
ZONES = (0, 1, 3, 5.5, 8, 9, -5, -8)
SINGLES = 4  # independent operators of a single account in one log, so that a share can be told


@dataclass(frozen=True)
class Hydra:
    """The identities of a hydra; `nets` holds what each account may come from."""

    accounts: np.ndarray
    keys: np.ndarray
    payments: np.ndarray
    agents: np.ndarray
    nets: np.ndarray
    facts: dict[str, Any]

    def rows(self, rng: np.random.Generator, which: np.ndarray, seconds: np.ndarray, content: Content) -> Block:
        """The calls at these instants by these accounts (numbers), sorted by time."""
        nets = self.nets[which, rng.integers(self.nets.shape[1], size=len(which))]
        return spoken(rng, len(which), content) | {
            "ts": microseconds(seconds),
            "account": self.accounts[which],
            "key": self.keys[which],
            "payment": self.payments[which],
            "agent": self.agents[which],
            "net": nets,
        }


def new_hydra(rng: np.random.Generator, size: int) -> Hydra:
    pool = identifiers(rng, max(2, round(size / np.exp(rng.uniform(np.log(2), np.log(40))))))
    sticky = bool(rng.random() < 0.5)
    each = min(2 if sticky else 40, len(pool))
    nets = pool[rng.integers(len(pool), size=(size, each))] if sticky else np.tile(pool, (size, 1))
    shared = int(rng.choice([1, 3, 10, 25]))
    own_agent = bool(rng.random() < 0.4)
    names = ordinary.common_agents(rng, int(rng.integers(1, 5)))
    names = (ordinary.rare_agent(rng),) if own_agent else names
    agents = np.array([word(name) for name in names], np.int32)
    return Hydra(
        accounts=identifiers(rng, size),
        keys=identifiers(rng, size),
        payments=identifiers(rng, size)[np.arange(size) // shared],
        agents=agents[rng.integers(len(agents), size=size)],
        nets=nets,
        facts={
            "networks": len(pool),
            "sticky_networks": sticky,
            "accounts_a_payment": shared,
            "user_agents": len(names),
            "own_user_agent": own_agent,
        },
    )


def harvest(rng: np.random.Generator, templates: int) -> Content:
    """What an extraction asks: `templates` of them with ever-new fillings, or (0) tasks of every kind. Long answers."""
    words, filling = rng.lognormal(np.log(250), 0.5), rng.uniform(15, 60)
    asked = 1.35 * (words + filling) if templates else rng.uniform(80, 600)
    return Content(
        lengths=Lengths(
            asked,
            rng.uniform(0.1, 0.3) if templates else rng.uniform(0.5, 1.0),
            rng.lognormal(np.log(900), 0.5),
            rng.uniform(0.3, 0.7),
        ),
        models=(str(rng.choice(MODELS)),),
        templates=new_templates(rng, templates),
        template_share=(words / (words + 1.8 * filling), words / (words + 0.55 * filling)),
        repeats=rng.uniform(0, 0.01),
        session=float(rng.choice([0.0, 1.0])),
        prefix="template" if templates and words * 1.35 > 512 else "prompt",
        refused=rng.uniform(0, 0.005),
        cut=rng.uniform(0.01, 0.08),
        errors=rng.beta(1, 40),
        params=(str(rng.choice(HARVEST)),),
    )


def single(
    rng: np.random.Generator, days: float, label: str, *, timing: str = "regular", templates: bool = True
) -> Part:
    """A1 and the single accounts of A4 and A5: SINGLES operators that know nothing of each other."""
    part = Part(facts={"operators": []})
    for _ in range(SINGLES):
        begin, end = campaign(rng, days)
        total = int(np.clip(rng.lognormal(np.log(60_000), 0.6), 20_000, 150_000) * (end - begin) / (14 * DAY)) + 2_000
        cv = rng.uniform(0.2, 0.9) if timing == "regular" else 1.0
        if timing == "office":
            seconds = office(rng, total / ((end - begin) / DAY * 5 / 7), begin, end, float(rng.choice(ZONES)))
        else:
            seconds = regular(rng, total, cv, begin, end)
        who = ordinary.holder(rng, identifiers(rng, ordinary.CLOUD_NETS))
        content = harvest(rng, int(rng.integers(1, 4)) if templates else 0)
        block = ordinary.signed(rng, spoken(rng, len(seconds), content), who)
        part.add(block | {"ts": microseconds(seconds)})
        part.labels[int(who.account)] = label
        part.facts["operators"].append(
            {"calls": len(seconds), "days": round((end - begin) / DAY, 1), "cv": round(cv, 2)}
        )
    return part


def hydra(
    rng: np.random.Generator,
    days: float,
    label: str,
    *,
    size: int,
    timing: str = "balanced",
    templates: bool = True,
) -> Part:
    """A2, and the hydras of A4 and A5."""
    begin, end = campaign(rng, days)
    them = new_hydra(rng, size)
    which, seconds, timed = schedule(rng, size, begin, end, timing)
    content = harvest(rng, int(rng.integers(1, 6)) if templates else 0)
    part = Part(facts=them.facts | timed | {"days": round((end - begin) / DAY, 1), "onset": round(begin / DAY, 1)})
    part.facts |= {
        "templates": len(content.templates),
        "alike": [round(s, 2) for s in content.template_share] if templates else [],
    }
    part.add(them.rows(rng, which, seconds, content))
    present = them.accounts[np.unique(which)]
    part.labels = {int(account): label for account in present}
    part.sets = [{"label": label, "accounts": [int(account) for account in present]}]
    return part


def schedule(
    rng: np.random.Generator, size: int, begin: float, end: float, timing: str
) -> tuple[np.ndarray, np.ndarray, dict[str, Any]]:
    """Which account calls when, at 26 calls an account a day (a working day, in office hours), sorted by time."""
    days = (end - begin) / DAY
    if timing == "balanced":
        total = round(size * A_DAY * days)
        cv = rng.uniform(0.2, 0.8)
        hand = str(rng.choice(["round robin", "shuffled rounds", "short runs"]))
        run = int(rng.integers(2, 6)) if hand == "short runs" else 1
        rounds = -(-total // (size * run))
        if hand == "round robin":
            turns = np.tile(rng.permutation(size), rounds)
        else:
            turns = np.concatenate([rng.permutation(size) for _ in range(rounds)])
        return (
            np.repeat(turns, run)[:total],
            regular(rng, total, cv, begin, end),
            {"scheduler": hand, "cv": round(cv, 2)},
        )
    zone = float(rng.choice(ZONES))
    streams = []
    for _ in range(size):
        if timing == "office":
            streams.append(office(rng, A_DAY, begin, end, zone))
        else:
            streams.append(np.sort(begin + rng.random(rng.poisson(A_DAY * days)) * (end - begin)))
    seconds = np.concatenate(streams)
    which = np.repeat(np.arange(size), [len(stream) for stream in streams])
    order = np.argsort(seconds, kind="stable")
    return which[order], seconds[order], {"scheduler": "none", "zone": zone if timing == "office" else None}


def mixed(rng: np.random.Generator, days: float, label: str, *, share: float, split: str, size: int = 0) -> Part:
    """A3. Half of the campaigns use accounts that were there before (the same ordinary traffic since the log began);
    half of them send the ordinary traffic by the same networks, as a reseller's proxy does.
    """
    size = size or int(rng.choice([20, 60, 200]))
    part = hydra(rng, days, label, size=size)
    (attack,) = part.blocks
    begin, end = float(attack["ts"][0]) / 1e6, float(attack["ts"][-1]) / 1e6
    older, same_nets = bool(rng.random() < 0.5), bool(rng.random() < 0.5)
    part.facts |= {"size": size, "share": share, "older_accounts": older, "same_networks": same_nets}
    clients = traces.clients(split)
    clouds = identifiers(rng, ordinary.CLOUD_NETS)
    order = np.argsort(attack["account"], kind="stable")
    for rows in np.split(order, np.flatnonzero(np.diff(attack["account"][order])) + 1):
        first = {name: column[rows[0]] for name, column in attack.items()}
        client = clients[int(rng.integers(len(clients)))]
        count = rng.poisson(len(rows) * (1 - share) / share)
        seconds = traces.placed(rng, client, count, begin, end)
        if older and begin > 0:
            before = rng.poisson(count * begin / (end - begin))
            seconds = np.concatenate([traces.placed(rng, client, before, 0.0, begin), seconds])
        own = ordinary.holder(rng, clouds)
        nets = np.unique(attack["net"][rows]) if same_nets else own.nets
        who = ordinary.Who(first["account"], np.array([first["key"]]), nets, own.agents, first["payment"])
        block = ordinary.signed(rng, spoken(rng, len(seconds), ordinary.behaviour(rng, client)), who)
        part.add(block | {"ts": microseconds(seconds)})
    return part
