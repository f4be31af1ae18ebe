"""What each lever does to the logits, word by word as its source defines it: slow, in numpy, and of no engine.

Every function takes the logits of one position in 64 bits and returns new ones; what is excluded has -inf.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

Logits = NDArray[np.float64]


def softmax(logits: Logits) -> Logits:
    weights: Logits = np.exp(logits - logits.max())
    return weights / weights.sum()


def ranked(values: Logits) -> NDArray[np.int_]:
    """Return the places of the values, the highest first."""
    return np.argsort(-values, kind="stable")


def only(logits: Logits, tokens: Any) -> Logits:
    kept = np.full_like(logits, -np.inf)
    kept[tokens] = logits[tokens]
    return kept


def top_k(logits: Logits, count: int) -> Logits:
    """Fan 2018, arXiv:1805.04833: the k most probable tokens."""
    return only(logits, ranked(logits)[:count]) if count else logits


def top_p(logits: Logits, mass: float) -> Logits:
    """Holtzman 2019, arXiv:1904.09751: the smallest set whose probabilities sum to at least p."""
    shares = softmax(logits)
    kept: list[int] = []
    for token in ranked(shares):
        kept.append(int(token))
        if shares[kept].sum() >= mass:
            break
    return only(logits, kept)


def min_p(logits: Logits, share: float) -> Logits:
    """Nguyen 2024, arXiv:2407.01082: those at least p times as probable as the most probable one."""
    shares = softmax(logits)
    return np.where(shares >= share * shares.max(), logits, -np.inf)


def typical_p(logits: Logits, mass: float) -> Logits:
    """Meister 2022, arXiv:2202.00666: those whose surprise is nearest to the expected one, until they sum to it."""
    shares = softmax(logits)
    there = np.flatnonzero(shares > 0)
    surprise = -np.log(shares[there])
    expected = (shares[there] * surprise).sum()
    kept: list[int] = []
    for place in np.argsort(np.abs(surprise - expected), kind="stable"):
        kept.append(int(there[place]))
        if shares[kept].sum() > mass:
            break
    return only(logits, kept)


def top_n_sigma(logits: Logits, sigmas: float) -> Logits:
    """Tang 2024, arXiv:2411.07641: those within n standard deviations of the highest logit."""
    there = logits[np.isfinite(logits)]
    return np.where(logits >= there.max() - sigmas * there.std(), logits, -np.inf)


def xtc(logits: Logits, threshold: float) -> Logits:
    """Pull request 6335 of text-generation-webui: the top choices but the least probable of them are excluded."""
    shares = softmax(logits)
    above = [token for token in ranked(shares) if shares[token] >= threshold]
    left = logits.copy()
    left[above[:-1]] = -np.inf
    return left


def temperature(logits: Logits, degree: float) -> Logits:
    """Ackley 1985: the logits divided by the temperature."""
    return (logits - logits.max()) / degree


def dynamic_temperature(logits: Logits, middle: float, spread: float, curve: float) -> Logits:
    """llama.cpp, `llama_sampler_init_temp_ext`: the temperature by the entropy, between middle ± spread."""
    shares = softmax(logits)
    shares = shares[shares > 0]
    doubt = -(shares * np.log(shares)).sum() / np.log(len(shares))
    low, high = max(0.0, middle - spread), middle + spread
    return temperature(logits, low + (high - low) * doubt**curve)


def penalties(logits: Logits, seen: Sequence[int], repeat: float, frequency: float, presence: float) -> Logits:
    """Keskar 2019, arXiv:1909.05858, and OpenAI's API: by what was seen, and how often."""
    moved = logits.copy()
    for token, count in Counter(seen).items():
        moved[token] = moved[token] / repeat if moved[token] > 0 else moved[token] * repeat
        moved[token] -= frequency * count + presence
    return moved


def dry(logits: Logits, seen: Sequence[int], multiplier: float, base: float, allowed: int) -> Logits:
    """Pull request 5677 of text-generation-webui, without breakers: the longer the repeated sequence, the more."""
    lengths: dict[int, int] = {}
    for at in range(len(seen) - 1):
        length = 0
        while length <= at and seen[at - length] == seen[-1 - length]:
            length += 1
        lengths[seen[at + 1]] = max(length, lengths.get(seen[at + 1], 0))
    moved = logits.copy()
    for token, length in lengths.items():
        if length >= allowed:
            moved[token] -= multiplier * base ** (length - allowed)
    return moved


def no_repeat_ngram(logits: Logits, seen: Sequence[int], size: int) -> Logits:
    """Paulus 2017, arXiv:1705.04304, as transformers has it: no n-gram of the whole text comes twice."""
    tail = list(seen[len(seen) - size + 1 :])
    banned = [seen[at + size - 1] for at in range(len(seen) - size + 1) if list(seen[at : at + size - 1]) == tail]
    left = logits.copy()
    left[banned] = -np.inf
    return left


def mirostat_1(logits: Logits, aim: float) -> int:
    """Basu 2020, arXiv:2007.14966, algorithm 1: how many of the most probable tokens are kept."""
    shares = np.sort(softmax(logits))[::-1][:100]
    steps = np.log(np.arange(2, len(shares) + 1) / np.arange(1, len(shares)))
    falls = np.log(shares[:-1] / shares[1:])
    exponent = (steps * falls).sum() / (steps**2).sum()
    excess = exponent - 1
    return max(1, int(((excess * 2**aim) / (1 - len(logits) ** -excess)) ** (1 / exponent)))


def mirostat_2(logits: Logits, aim: float) -> int:
    """The same, algorithm 2: how many of them surprise at most so much, in bits."""
    return max(1, int((-np.log2(softmax(logits)) <= aim).sum()))


def chi_square(counts: Counter[int], shares: Logits) -> None:
    """See that draws are of a distribution, at one in ten thousand, and that nothing excluded was drawn."""
    number = counts.total()
    assert all(shares[token] > 0 for token in counts), "something was drawn that is excluded"
    seen = np.array([counts[token] for token in range(len(shares))])
    enough = shares * number >= 5
    bins = [*zip(seen[enough], shares[enough] * number, strict=True)]
    if (rest := shares[~enough].sum() * number) >= 1:
        bins.append((seen[~enough].sum(), rest))
    freedom = len(bins) - 1
    if not freedom:
        return
    value = sum((count - expected) ** 2 / expected for count, expected in bins)
    # Wilson and Hilferty's approximation of the quantile at 3.72 standard deviations.
    part = 2 / (9 * freedom)
    assert value < freedom * (1 - part + 3.72 * part**0.5) ** 3, value


def entropy_bits(shares: Logits, token: int) -> float:
    """Return the surprise of a token, in bits."""
    return -math.log2(shares[token])
