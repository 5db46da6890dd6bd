"""What looks like extraction and is not: heavy, templated, regular or crowded for reasons of its own."""

from __future__ import annotations

import numpy as np

from bench.detection import accounts as ordinary
from bench.detection import traces
from bench.detection.content import Content, Lengths, identifiers, new_templates, spoken
from bench.detection.parts import DAY, Part, microseconds, regular


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
