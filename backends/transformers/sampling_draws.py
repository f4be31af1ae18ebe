"""How one token is taken of the logits: the draw, and mirostat, which is a draw that steers itself.

The number between 0 and 1 that decides comes from the caller, so equal seeds give equal tokens on every device.
"""

from __future__ import annotations

import math
from itertools import pairwise

import torch
from torch import Tensor

from backends.transformers.sampling_cuts import top_k

_CANDIDATES = 100
"""The m of the mirostat 1 paper, as in llama.cpp."""


def draw(logits: Tensor, chance: float) -> int:
    """Return the token at which the sum of the probabilities, in the order of the ids, passes `chance` (0 to 1)."""
    weights = torch.softmax(logits, -1)
    # Sums of a hundred thousand small numbers need more digits; not every GPU has them.
    sums = torch.cumsum(weights.double() if weights.device.type != "mps" else weights, -1)
    place = int((sums <= chance * sums[-1]).sum())
    return min(place, int(weights.nonzero()[-1]))


def surprise(logits: Tensor, token: int) -> float:
    """Return the surprise of a token, in bits."""
    return -float(torch.log_softmax(logits, -1)[token]) / math.log(2)


def mirostat_1(logits: Tensor, aim: float) -> Tensor:
    """Keep so many tokens that their mean surprise should be `aim` bits (Basu 2020, algorithm 1).

    The exponent of Zipf's law is estimated from the hundred most probable tokens.
    """
    shares = torch.sort(torch.softmax(logits, -1), descending=True).values[:_CANDIDATES]
    return top_k(logits, zipf_count(shares.tolist(), logits.numel(), aim))


def mirostat_2(logits: Tensor, aim: float) -> Tensor:
    """Keep the tokens whose surprise is at most `aim` bits, the most probable one in any case (algorithm 2)."""
    kept = -torch.log_softmax(logits, -1) / math.log(2) <= aim
    return torch.where(kept, logits, -torch.inf) if bool(kept.any()) else top_k(logits, 1)


def zipf_count(shares: list[float], vocabulary: int, aim: float) -> int:
    """Return the k of mirostat 1, from the highest probabilities in falling order."""
    steps = [
        (math.log((rank + 2) / (rank + 1)), math.log(share / after))
        for rank, (share, after) in enumerate(pairwise(shares))
        if after > 0
    ]
    squares = sum(step * step for step, _ in steps)
    exponent = sum(step * fall for step, fall in steps) / squares if squares else 1.0
    if exponent <= 0:  # all equally probable
        return max(1, min(vocabulary, round(2**aim)))
    excess = exponent - 1 or 1e-9
    scale = 1 - vocabulary**-excess
    try:
        count = (excess * 2**aim / scale) ** (1 / exponent)
    except OverflowError:
        return vocabulary
    return max(1, min(vocabulary, int(count)))
