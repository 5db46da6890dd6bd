"""What calls say: lengths, prompts, template simhashes, sessions, answers. Ordinary and attacking traffic share this.

A simhash is modelled, not computed from text: bit i of a long prompt is the sign of a sum of many +-1, so it behaves like
the sign of a normal variable. A prompt of which the share s is its template has bits sign(sqrt(s) g_i + sqrt(1-s) e_i),
g for the template, e for the filling; two fillings differ in 64 arccos(s) / pi bits (s = 0.9: nine). Prompts without a
template have s = 0 and differ in half their bits.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

WORDS: list[str] = []
_CODES: dict[str, int] = {}
NONE = -1  # the code of a missing word
NOBODY = np.uint64(0)  # a missing identifier
Block = dict[str, np.ndarray]


def word(text: str) -> int:
    """The code of a word that many rows share (a model, a user agent)."""
    if text not in _CODES:
        _CODES[text] = len(WORDS)
        WORDS.append(text)
    return _CODES[text]


def identifiers(rng: np.random.Generator, count: int) -> np.ndarray:
    """New identifiers of accounts, networks, prompts: 63 random bits, so that two are never the same by chance."""
    return rng.integers(1, 2**63, count, dtype=np.uint64)


@dataclass(frozen=True)
class Lengths:
    """Tokens of a request and of its answer: lognormal, by mean and by the spread of the logarithm."""

    mean_in: float
    spread_in: float
    mean_out: float
    spread_out: float

    def draw(self, rng: np.random.Generator, count: int) -> tuple[np.ndarray, np.ndarray]:
        sides = []
        for mean, spread, most in (
            (self.mean_in, self.spread_in, 200_000),
            (self.mean_out, self.spread_out, 32_000),
        ):
            drawn = rng.lognormal(np.log(mean) - spread**2 / 2, spread, count)
            sides.append(np.clip(np.rint(drawn), 1, most).astype(np.int32))
        return sides[0], sides[1]


@dataclass(frozen=True)
class Content:
    """How an account's calls look. Shares are of calls, from 0 to 1."""

    lengths: Lengths
    models: tuple[str, ...]
    templates: np.ndarray = field(default_factory=lambda: np.zeros((0, 64), np.float32))  # g of each, by weight
    template_share: tuple[float, float] = (0.0, 0.0)  # s of a prompt: uniform between these
    repeats: float = 0.0  # calls that say again what was said
    pool: int = 0  # prompts are drawn from a fixed set of so many (benchmarks)
    session: float = 0.0  # mean calls of a conversation; 0: the provider knows of none
    carry: float = 0.0  # share of a prompt's own text that its conversation has in common
    prefix: str = "prompt"  # what the first 512 tokens are: the prompt's own, the session's, the template's
    refused: float = 0.005
    cut: float = 0.02  # answers that end at max_tokens
    tools: float = 0.0  # answers that end in a call of a tool
    errors: float = 0.01  # 4xx and 5xx, half of them 429
    endpoint: str = "/v1/chat/completions"
    params: tuple[str, ...] = ()

    def but(self, **changes: Any) -> Content:
        return replace(self, **changes)


def new_templates(rng: np.random.Generator, count: int) -> np.ndarray:
    return rng.standard_normal((count, 64), np.float32)


def simhashes(
    rng: np.random.Generator,
    templates: np.ndarray,
    which: np.ndarray,
    share: np.ndarray,
    talk: np.ndarray | None = None,
    carry: float = 0.0,
) -> np.ndarray:
    """64-bit simhashes of prompts, each the share `share` of its template `which`.

    Of the rest the share `carry` is common to the conversation `talk`: its later prompts say the earlier ones again.
    """
    talks = new_templates(rng, int(talk.max()) + 1) if talk is not None and carry and len(talk) else None
    found = np.empty(len(which), np.uint64)
    for start in range(0, len(which), 100_000):
        part = slice(start, start + 100_000)
        own = rng.standard_normal((len(which[part]), 64), np.float32)
        if talks is not None and talk is not None:
            own = np.sqrt(np.float32(1 - carry)) * own + np.sqrt(np.float32(carry)) * talks[talk[part]]
        s = share[part, None].astype(np.float32)
        mixed = np.sqrt(1 - s) * own
        if len(templates):
            mixed += np.sqrt(s) * templates[which[part]]
        found[part] = np.packbits(mixed > 0, axis=1).view(">u8").ravel()
    return found


def spoken(rng: np.random.Generator, count: int, content: Content) -> Block:
    """The columns of `count` consecutive calls that say what was asked and answered, in order of time."""
    said = _prompts(rng, count, content)
    fresh = int(said.max()) + 1 if count else 0
    talk, session = _sessions(rng, count, content.session)
    first = np.zeros(fresh, np.int64)
    first[said[::-1]] = np.arange(count)[::-1]  # the call in which each prompt was said first
    kinds = len(content.templates)
    which = zipf(rng, kinds, fresh) if kinds else np.zeros(fresh, np.int64)
    low, high = content.template_share
    share = rng.uniform(low, high, fresh) if kinds else np.zeros(fresh)
    prompts = identifiers(rng, fresh)
    tokens_in, tokens_out = content.lengths.draw(rng, fresh)
    block: Block = {
        "prompt": prompts[said],
        "template": simhashes(rng, content.templates, which, share, talk[first], content.carry)[said],
        "input_tokens": tokens_in[said],
        # A second answer to the same prompt is not of the same length.
        "output_tokens": tokens_out[said] if fresh == count else content.lengths.draw(rng, count)[1],
        "endpoint": np.full(count, word(content.endpoint), np.int32),
        "model": np.array([word(name) for name in content.models], np.int32)[zipf(rng, len(content.models), count)],
        "params": _any_of(rng, content.params, count),
        "session": session,
    }
    match content.prefix:
        case "template" if kinds:
            block["prefix"] = identifiers(rng, kinds)[which][said]
        case "session" if content.session:
            block["prefix"] = block["session"] ^ np.uint64(0x5DEECE66D)
        case _:
            block["prefix"] = block["prompt"] ^ np.uint64(0x9E3779B9)
    return block | _answers(rng, count, content, block["output_tokens"])


def _prompts(rng: np.random.Generator, count: int, content: Content) -> np.ndarray:
    """Which prompt each call says; they are numbered in the order in which they first come."""
    if content.pool:
        return np.arange(count) % content.pool  # the set from end to end, again and again
    again = rng.random(count) < content.repeats
    again[:1] = False
    number = np.cumsum(~again) - 1
    # Some prompts are said far more often than others: the square of a uniform draw prefers early ones.
    earlier = np.floor(rng.random(count) ** 2 * (number + 1)).astype(np.int64)
    return np.where(again, earlier, number)


def _sessions(rng: np.random.Generator, count: int, mean: float) -> tuple[np.ndarray, np.ndarray]:
    """The number of each call's conversation, and its identifier (nobody's where the provider knows of none)."""
    if not mean:
        return np.arange(count), np.zeros(count, np.uint64)
    begins = rng.random(count) < 1 / mean
    begins[:1] = True
    number = np.cumsum(begins) - 1
    return number, identifiers(rng, int(begins.sum()))[number]


def _answers(rng: np.random.Generator, count: int, content: Content, tokens_out: np.ndarray) -> Block:
    draw = rng.random(count)
    status = np.full(count, 200, np.int16)
    status[draw < content.errors] = 500
    status[draw < content.errors * 0.75] = 400
    status[draw < content.errors * 0.5] = 429
    good = status == 200
    refused = good & (rng.random(count) < content.refused)
    ending = rng.random(count)
    finish = np.full(count, word("stop"), np.int32)
    finish[ending < content.cut + content.tools] = word("tool_calls")
    finish[ending < content.cut] = word("length")
    finish[refused & (ending > 0.5)] = word("content_filter")
    finish[~good] = NONE
    short = rng.integers(8, 60, count, dtype=np.int32)  # "I cannot help with that": tens of tokens
    answered = np.where(refused, np.minimum(tokens_out, short), tokens_out)
    return {
        "status": status,
        "refused": refused,
        "finish": finish,
        "output_tokens": np.where(good, answered, 0).astype(np.int32),
    }


def _any_of(rng: np.random.Generator, words: tuple[str, ...], count: int) -> np.ndarray:
    if not words:
        return np.full(count, NONE, np.int32)
    return np.array([word(text) for text in words], np.int32)[zipf(rng, len(words), count)]


def zipf(rng: np.random.Generator, kinds: int, count: int) -> np.ndarray:
    """Which of `kinds` each of `count` draws is, the first the most frequent (1, 1/2, 1/3, ...)."""
    if kinds <= 1:
        return np.zeros(count, np.int64)
    weight = np.cumsum(1 / np.arange(1, kinds + 1))
    return np.searchsorted(weight / weight[-1], rng.random(count), side="right").clip(0, kinds - 1)
