"""What looks like extraction and is not: heavy, templated, regular or crowded for reasons of its own."""

from __future__ import annotations

import numpy as np

from bench.detection import accounts as ordinary
from bench.detection import traces
from bench.detection.content import Content, Lengths, identifiers, new_templates, spoken, word
from bench.detection.parts import DAY, Part, campaign, microseconds, office, regular


def batch(rng: np.random.Generator, days: float, split: str) -> Part:
    """Four independent batch customers: one template, always fresh inputs, short answers, regular, heavy, day and night.

    Every other one summarises long documents (the template is a small share of the prompt); the others label short
    records under a long instruction (most of the prompt is the template). 3,000 to 12,000 calls a day, CV 0.2-0.6.
    """
    part = Part(facts={"customers": []})
    clouds = identifiers(rng, ordinary.CLOUD_NETS)
    for number in range(4):
        summary = number % 2 == 0
        share = rng.uniform(0.05, 0.4) if summary else rng.uniform(0.85, 0.96)
        a_day, cv = rng.uniform(3_000, 12_000), rng.uniform(0.2, 0.6)
        mean_in = rng.uniform(1_500, 6_000) if summary else rng.uniform(300, 900)
        content = Content(
            lengths=Lengths(
                mean_in, rng.uniform(0.3, 0.6), rng.uniform(80, 250) if summary else rng.uniform(3, 40), 0.4
            ),
            models=(str(rng.choice(["m-mid", "m-small", "m-large"])),),
            templates=new_templates(rng, 1),
            template_share=(share - 0.03, share + 0.03),
            repeats=rng.uniform(0, 0.01),
            prefix="template" if share > 0.6 else "prompt",
            refused=rng.uniform(0, 0.003),
            errors=rng.beta(1, 80),
            params=('{"max_tokens":512,"temperature":0}',),
        )
        seconds = regular(rng, int(a_day * days), cv, 0, days * DAY)
        who = ordinary.holder(rng, clouds)
        part.add(ordinary.signed(rng, spoken(rng, len(seconds), content), who) | {"ts": microseconds(seconds)})
        part.labels[int(who.account)] = "batch"
        part.facts["customers"].append({"a_day": round(a_day), "cv": round(cv, 2), "alike": round(share, 2)})
    return part


def nat(rng: np.random.Generator, days: float, split: str) -> Part:
    """A university: 150 to 400 people with accounts of their own behind one or two networks, common browsers and
    libraries, diverse content, each paying for themselves (or, every third time, the university for all).
    """
    nets = identifiers(rng, int(rng.integers(1, 3)))
    payment = identifiers(rng, 1)[0] if rng.random() < 1 / 3 else None
    return crowd(
        rng, days, split, "nat", int(rng.integers(150, 401)), nets=nets, payment=payment, kinds=("chat", "developer")
    )


def crowd(
    rng: np.random.Generator,
    days: float,
    split: str,
    label: str,
    size: int,
    *,
    nets: np.ndarray | None = None,
    payment: np.uint64 | None = None,
    kinds: tuple[str, ...] = ("",),
    content: Content | None = None,
    agents: tuple[str, ...] = (),
    median: float = 15.0,
) -> Part:
    """Many independent light accounts (lognormal, `median` calls a day, log-spread 1) on real clients' times."""
    part = Part(facts={"accounts": size, "networks": 0 if nets is None else len(nets)})
    clients = traces.clients(split)
    clouds = identifiers(rng, ordinary.CLOUD_NETS)
    for _ in range(size):
        client = clients[int(rng.integers(len(clients)))]
        given = None if nets is None else rng.permutation(nets)[: int(rng.integers(1, 4))]
        who = ordinary.holder(rng, clouds, given, payment)
        if agents:
            who = ordinary.Who(who.account, who.keys, who.nets, agents, who.payment)
        count = rng.poisson(rng.lognormal(np.log(median), 1.0) * days)
        seconds = traces.placed(rng, client, count, 0, days * DAY)
        said = content or ordinary.behaviour(rng, client, str(rng.choice(kinds)))
        part.add(ordinary.signed(rng, spoken(rng, len(seconds), said), who) | {"ts": microseconds(seconds)})
        if count:
            part.labels[int(who.account)] = label
    return part


def reseller(rng: np.random.Generator, days: float, split: str) -> Part:
    """100 to 300 customers of one reseller: all pay by its means and come from its pool of 3 to 12 networks, and what
    they do is as various as what anybody does.
    """
    nets, payment = identifiers(rng, int(rng.integers(3, 13))), identifiers(rng, 1)[0]
    return crowd(rng, days, split, "reseller", int(rng.integers(100, 301)), nets=nets, payment=payment, median=20.0)


def fleet(rng: np.random.Generator, days: float, split: str) -> Part:
    """One agent product at 100 to 400 independent customers: one user agent, one template (or a few steps of one), and
    accounts, networks and payments of their own. Long conversations, tools.
    """
    low = rng.uniform(0.6, 0.9)
    content = Content(
        lengths=Lengths(rng.uniform(2_000, 8_000), 0.5, rng.uniform(150, 700), 0.7),
        models=(str(rng.choice(["m-large", "m-mid"])),),
        templates=new_templates(rng, int(rng.integers(1, 4))),
        template_share=(low, low + 0.07),
        repeats=rng.uniform(0, 0.05),
        session=rng.uniform(5, 30),
        carry=rng.uniform(0.3, 0.8),
        prefix="template",
        tools=rng.uniform(0.3, 0.8),
        params=ordinary.some_params(rng),
    )
    agents = (ordinary.rare_agent(rng),)
    return crowd(rng, days, split, "fleet", int(rng.integers(100, 401)), content=content, agents=agents, median=25.0)


def benchmark(rng: np.random.Generator, days: float, split: str) -> Part:
    """Three independent runners of benchmarks: a fixed public set of 500 to 5,000 prompts in a few templates, from end to
    end for each of 3 to 6 models or versions of them, each run taking 2 to 12 hours.
    """
    part = Part(facts={"runners": []})
    clouds = identifiers(rng, ordinary.CLOUD_NETS)
    for _ in range(3):
        pool, runs = int(rng.integers(500, 5_001)), int(rng.integers(3, 7))
        low = rng.uniform(0.3, 0.85)
        content = Content(
            lengths=Lengths(rng.uniform(150, 1_500), 0.6, rng.uniform(5, 400), 0.7),
            models=("m-large",),
            templates=new_templates(rng, int(rng.integers(1, 6))),
            template_share=(low, low + 0.1),
            pool=pool,
            params=('{"max_tokens":1024,"temperature":0}',),
        )
        starts = np.sort(rng.uniform(0, days * DAY - 13 * 3600, runs))
        ends = starts + rng.uniform(2, 12, runs) * 3600
        cv = rng.uniform(0.3, 0.9)
        seconds = np.concatenate([regular(rng, pool, cv, s, e) for s, e in zip(starts, ends, strict=True)])
        block = spoken(rng, pool * runs, content)
        versions = [word(str(rng.choice(["m-large", "m-mid", "m-small"]))) for _ in range(runs)]
        block["model"] = np.repeat(np.array(versions, np.int32), pool)
        who = ordinary.holder(rng, clouds)
        part.add(ordinary.signed(rng, block, who) | {"ts": microseconds(seconds)})
        part.labels[int(who.account)] = "benchmark"
        part.facts["runners"].append({"prompts": pool, "runs": runs, "cv": round(cv, 2)})
    return part


def redteam(rng: np.random.Generator, days: float, split: str, *, authorised: bool = False) -> Part:
    """Three independent red-team campaigns of 2-5 named accounts on one or two networks, for 2 to 10 days.

    3 to 20 attacks, each in many mutated variants (0.9 to 0.99 alike: within about ten bits), 30-70 % refused, 10-40 %
    said again, answers short, 2,000 to 30,000 calls, in office hours or by a program. With `authorised` each has a
    record that covers all of it: accounts, networks, endpoint, model, window and caps.
    """
    label = "redteam-authorised" if authorised else "redteam"
    part = Part(facts={"campaigns": []})
    for _ in range(3):
        begin, end = campaign(rng, days, 2.0, 10.0)
        total = int(np.clip(rng.lognormal(np.log(8_000), 0.7), 2_000, 30_000))
        if by_hand := bool(rng.random() < 0.5):
            seconds = office(rng, total / ((end - begin) / DAY), begin, end, float(rng.choice([0, 1])))
        else:
            seconds = regular(rng, total, rng.uniform(0.8, 2.0), begin, end)
        content = Content(
            lengths=Lengths(rng.uniform(80, 900), rng.uniform(0.2, 0.5), rng.uniform(40, 250), 0.7),
            models=(str(rng.choice(["m-large", "deepseek-r1", "m-mid"])),),
            templates=new_templates(rng, int(rng.integers(3, 21))),
            template_share=(0.9, 0.99),
            repeats=rng.uniform(0.1, 0.4),
            refused=rng.uniform(0.3, 0.7),
            cut=rng.uniform(0.05, 0.3),
            errors=rng.beta(1, 40),
            params=('{"max_tokens":256,"temperature":1}',),
        )
        nets, payment = identifiers(rng, int(rng.integers(1, 3))), identifiers(rng, 1)[0]
        agents = (ordinary.rare_agent(rng),) if rng.random() < 0.5 else ordinary.common_agents(rng, 1)
        block = spoken(rng, len(seconds), content)
        accounts = identifiers(rng, int(rng.integers(2, 6)))
        which = rng.integers(len(accounts), size=len(seconds))
        who = ordinary.Who(accounts[0], accounts[:1], nets, agents, payment)
        block = ordinary.signed(rng, block, who) | {"account": accounts[which], "key": accounts[which]}
        part.add(block | {"ts": microseconds(seconds)})
        present = [int(account) for account in accounts[np.unique(which)]]
        part.labels |= dict.fromkeys(present, label)
        part.sets.append({"label": label, "accounts": present})
        part.facts["campaigns"].append(
            {"calls": len(seconds), "by_hand": by_hand, "refused": round(content.refused, 2)}
        )
        if authorised:
            tokens = int(block["input_tokens"].sum() + block["output_tokens"].sum())
            part.authorisations.append(
                {
                    "accounts": accounts,
                    "nets": nets,
                    "endpoints": [content.endpoint],
                    "models": list(content.models),
                    "starts": begin // 3600 * 3600,
                    "ends": (end // 3600 + 1) * 3600,
                    "caps": {"requests": round(len(seconds) * 1.25), "tokens": round(tokens * 1.25)},
                }
            )
    return part
