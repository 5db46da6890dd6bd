"""Ordinary accounts: a real client's arrivals and lengths, with a behaviour that is drawn.

ServeGen says when a client calls and how long its calls are. There is no public data for the rest (templates, repeats,
sessions, networks, user agents, payment, refusals), so it is drawn for each account, and widely:

kind       share  templates (their share of a prompt)  repeats      conversations     refused
app        45 %   1-3 (0.1-0.98)                       Beta(.6, 4)  none              0-1 %
chat       25 %   none, or 1 system prompt (0.05-0.4)  0-10 %       2-8 calls         0-4 %
agent      15 %   2-8 (0.3-0.9)                        0-5 %        5-40 calls        0-1 %
developer  15 %   none                                 5-40 %       none              0-2 %

Each client is one account at its own weight and four light ones on other phases of its trace. Weights: a client of r calls
a day becomes one of 20 (r/20)^0.4 a day when r > 20: the busiest of 80 million a day then makes 9,000, thirty times the
median client and three hundred times the median light account (lognormal, median 30 a day, log-spread 1.3). Names:
15 % of accounts belong to organisations of 2-8 with one means of payment and one network; a quarter of the others is
hosted in one of 40 shared cloud networks; chat fronts have 5-40 networks. User agents: 30 common ones by Zipf's law, one
to three an account; 12 % of accounts have one that nobody else has. A tenth of accounts appears only during the log.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from bench.detection import traces
from bench.detection.content import Block, Content, identifiers, new_templates, spoken, word, zipf

LIGHT_ACCOUNTS = 4  # a client
CLOUD_NETS = 40
AGENTS = (
    "python-requests/2.32.3", "python-httpx/0.27.2", "node-fetch/1.0", "axios/1.7.7", "aiohttp/3.10.5", "okhttp/4.12.0",
    "Go-http-client/2.0", "undici", "python-requests/2.31.0", "Java-http-client/21.0.4", "axios/1.6.8",
    "GuzzleHttp/7", "curl/8.5.0", "Apache-HttpClient/5.3 (Java/17.0.10)", "python-urllib3/2.2.2", "reqwest/0.12",
    "PostmanRuntime/7.42.0", "Faraday v2.12.0", "Dart/3.5 (dart:io)", "aiohttp/3.9.5", "curl/7.88.1", "Ruby", "got",
    "python-httpx/0.28.1",
    "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/130.0.0.0 Safari/537.36",
    "Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/18.0 Safari/605.1.15",
    "Mozilla/5.0 (X11; Linux x86_64; rv:131.0) Gecko/20100101 Firefox/131.0", "Deno/2.0.0", "Bun/1.1.30", "PHP/8.3",
)  # fmt: skip
PARAMS = (
    "{}",
    '{"temperature":0.7}',
    '{"temperature":0}',
    '{"max_tokens":1024}',
    '{"max_tokens":4096,"temperature":0.2}',
    '{"temperature":1,"n":2}',
    '{"max_tokens":512,"temperature":0}',
    '{"logprobs":true,"max_tokens":16}',
    '{"reasoning":true}',
    '{"max_tokens":8192}',
    '{"max_tokens":4096,"temperature":1}',
    '{"max_tokens":8192,"temperature":0.7}',
    '{"max_tokens":256,"temperature":1}',
    '{"max_tokens":1024,"temperature":0}',
)  # attackers and negatives have none that ordinary accounts do not have
ENDPOINTS = ("/v1/chat/completions", "/v1/responses", "/v1/completions")


@dataclass(frozen=True)
class Who:
    """An account, and what its calls carry of its holder: one network and agent a call, the first of each the commonest."""

    account: np.uint64
    keys: np.ndarray
    nets: np.ndarray
    agents: tuple[str, ...]
    payment: np.uint64


def signed(rng: np.random.Generator, block: Block, who: Who) -> Block:
    """The block with the columns that say who called."""
    count = len(block["prompt"])
    agents = np.array([word(agent) for agent in who.agents], np.int32)
    return block | {
        "account": np.full(count, who.account),
        "key": who.keys[zipf(rng, len(who.keys), count)],
        "net": who.nets[zipf(rng, len(who.nets), count)],
        "agent": agents[zipf(rng, len(agents), count)],
        "payment": np.full(count, who.payment),
    }


def common_agents(rng: np.random.Generator, count: int) -> tuple[str, ...]:
    """Different user agents among the common ones, by Zipf's law."""
    found: dict[str, None] = {}
    while len(found) < count:
        found[AGENTS[int(zipf(rng, len(AGENTS), 1)[0])]] = None
    return tuple(found)


def rare_agent(rng: np.random.Generator) -> str:
    """What only one maker's software calls itself."""
    return f"client-{rng.integers(16**6):06x}/{rng.integers(1, 9)}.{rng.integers(0, 30)}"


def some_params(rng: np.random.Generator) -> tuple[str, ...]:
    return tuple(PARAMS[i] for i in dict.fromkeys(zipf(rng, len(PARAMS), 3).tolist()))


def behaviour(rng: np.random.Generator, client: traces.Client, kind: str = "") -> Content:
    """An ordinary account's content, of the kind named or of one drawn; see the table above."""
    kind = kind or str(rng.choice(["app", "chat", "agent", "developer"], p=[0.45, 0.25, 0.15, 0.15]))
    content = Content(
        lengths=client.lengths,
        models=(client.model,),
        refused=rng.uniform(0, 0.01),
        cut=rng.beta(1, 20),
        errors=rng.beta(1, 60),
        endpoint=ENDPOINTS[int(zipf(rng, 3, 1)[0])],
        params=some_params(rng),
    )
    if kind == "app":
        middle = rng.uniform(0.15, 0.93)
        return content.but(
            templates=new_templates(rng, int(rng.integers(1, 4))),
            template_share=(middle - 0.05, middle + 0.05),
            repeats=rng.beta(0.6, 4),
            prefix="template" if middle > 0.6 else "prompt",
        )
    if kind == "chat":
        low = rng.uniform(0.05, 0.3)
        return content.but(
            templates=new_templates(rng, int(rng.integers(0, 2))),
            template_share=(low, low + 0.1),
            repeats=rng.uniform(0, 0.1),
            session=rng.uniform(2, 8),
            carry=rng.uniform(0.2, 0.8),
            prefix="session",
            refused=rng.uniform(0, 0.04),
        )
    if kind == "agent":
        low = rng.uniform(0.3, 0.8)
        return content.but(
            templates=new_templates(rng, int(rng.integers(2, 9))),
            template_share=(low, low + 0.1),
            repeats=rng.uniform(0, 0.05),
            session=rng.uniform(5, 40),
            carry=rng.uniform(0.4, 0.9),
            prefix="template",
            tools=rng.uniform(0.3, 0.8),
        )
    return content.but(repeats=rng.uniform(0.05, 0.4), refused=rng.uniform(0, 0.02))


def holder(
    rng: np.random.Generator, clouds: np.ndarray, nets: np.ndarray | None = None, payment: np.uint64 | None = None
) -> Who:
    """An ordinary account's identity: its own networks and payment unless they are given."""
    if nets is None:
        own = identifiers(rng, int(rng.choice([1, 2, 3, int(rng.integers(5, 41))], p=[0.5, 0.25, 0.15, 0.1])))
        nets = rng.choice(clouds, min(2, len(own)), replace=False) if rng.random() < 0.25 else own
    agents = common_agents(rng, int(rng.choice([1, 2, 3], p=[0.7, 0.2, 0.1])))
    return Who(
        account=identifiers(rng, 1)[0],
        keys=identifiers(rng, int(rng.choice([1, 2, 4], p=[0.7, 0.2, 0.1]))),
        nets=nets,
        agents=(rare_agent(rng), *agents[:1]) if rng.random() < 0.12 else agents,
        payment=identifiers(rng, 1)[0] if payment is None else payment,
    )


def weight(a_day: float) -> float:
    """Calls a day of the account that stands for a client of `a_day`: the stated thinning."""
    return a_day if a_day <= 20 else 20 * (a_day / 20) ** 0.4


def population(
    rng: np.random.Generator, split: str, days: float, scale: float = 1.0
) -> list[tuple[Block, np.uint64, str]]:
    """Every client of a split as accounts: their rows, identifier, and "largest" (the busiest 1 % of clients, at
    least two), "client" or "light". `scale` below 1 takes only that share of the clients and is for quick tries.
    """
    clients = traces.clients(split)
    step = max(1, round(1 / scale))
    clouds = identifiers(rng, CLOUD_NETS)
    firm: tuple[int, np.ndarray, np.uint64] = (0, clouds[:1], np.uint64(1))
    found = []
    for rank, client in enumerate(clients):
        if rank % step:
            continue
        for number in range(1 + LIGHT_ACCOUNTS):
            if firm[0] == 0 and rng.random() < 0.035:  # an organisation begins; it has five accounts on average
                firm = (int(rng.integers(2, 9)), identifiers(rng, 1), identifiers(rng, 1)[0])
            inside = firm[0] > 0
            firm = (max(0, firm[0] - 1), firm[1], firm[2])
            who = holder(rng, clouds, firm[1], firm[2]) if inside else holder(rng, clouds)
            busy = max(2, round(len(clients) / 100))
            label = "light" if number else "largest" if rank < busy else "client"
            a_day = min(rng.lognormal(np.log(30), 1.3), 2000.0) if number else weight(client.a_day)
            first = rng.uniform(0, 0.9 * days * 86400) if rng.random() < 0.1 else 0.0
            shift = int(rng.integers(len(client.rates))) if number else 0
            block = lived(rng, client, who, days=days, a_day=a_day, shift=shift, first=first)
            if len(block["ts"]):
                found.append((block, who.account, label))
    return found


def lived(
    rng: np.random.Generator,
    client: traces.Client,
    who: Who,
    *,
    days: float,
    a_day: float,
    shift: int = 0,
    first: float = 0.0,
    content: Content | None = None,
) -> Block:
    """An ordinary account's rows: a real client's arrivals, with `content` or a behaviour of its own."""
    seconds = traces.arrivals(rng, client, days, a_day, shift, first)
    block = spoken(rng, len(seconds), content or behaviour(rng, client))
    return signed(rng, block, who) | {"ts": (seconds * 1e6).astype(np.int64)}
