"""Bias, the three penalties and DRY: logits in, logits out, by what was written before.

`seen` are token ids, the latest last. The rules are those of the papers named in `backends.sampling`; their details
are llama.cpp's.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor

_LARGEST = 88.0
"""The logarithm of the largest penalty: beyond it a 32-bit float overflows."""


def biased(logits: Tensor, biases: Mapping[int, float]) -> Tensor:
    """Add to the logits of single tokens; -inf bans one."""
    if not biases:
        return logits
    index = torch.tensor(list(biases), device=logits.device)
    values = torch.tensor(list(biases.values()), device=logits.device, dtype=logits.dtype)
    return logits.index_add(-1, index, values)


def penalised(logits: Tensor, seen: Sequence[int], repeat: float, frequency: float, presence: float) -> Tensor:
    """Weaken every token of `seen`.

    Its logit is divided by `repeat` if it is positive and multiplied if not (Keskar 2019); then `frequency` for each
    time it was seen, and `presence` once, are subtracted (OpenAI's API).
    """
    if not seen:
        return logits
    tokens, counts = np.unique(np.asarray(seen), return_counts=True)
    index = torch.from_numpy(tokens).to(logits.device)
    numbers = torch.from_numpy(counts).to(logits.device, logits.dtype)
    chosen = logits[index]
    chosen = torch.where(chosen > 0, chosen / repeat, chosen * repeat) - frequency * numbers - presence
    return logits.index_copy(-1, index, chosen)


def without_repeats(
    logits: Tensor, seen: Sequence[int], multiplier: float, base: float, allowed: int,
    breakers: Sequence[bytes], spelled: Callable[[int], bytes],
) -> Tensor:  # fmt: skip
    """Weaken every token that would go on with a sequence that was there before (DRY, pull request 5677).

    Where the last n tokens stood before too, the token that followed them there loses `multiplier` · `base` to the
    power of n - `allowed`, if n is at least `allowed`. A sequence does not reach across a breaker, and a token that
    holds a breaker is never weakened.
    """
    longest = allowed + int(_LARGEST / math.log(base)) if base > 1 else allowed
    lengths = continued(seen, min(longest, unbroken(seen, breakers, spelled, longest)), allowed)
    weakened = {
        token: -multiplier * base ** min(length - allowed, longest - allowed)
        for token, length in lengths.items()
        if not any(breaker in spelled(token) for breaker in breakers)
    }
    return biased(logits, weakened)


def continued(seen: Sequence[int], longest: int, least: int = 1) -> dict[int, int]:
    """Return which tokens followed earlier what stands at the end now: token -> length of the repeated sequence.

    Only sequences from `least` to `longest` tokens are looked for; longer ones count as `longest`.
    """
    tokens: np.ndarray[Any, Any] = np.asarray(seen)
    size, found = len(tokens), {}
    if longest < least or size < 2:
        return {}
    # Where, earlier, the last token stood; then those of them where the last two stood; and so on.
    places = np.flatnonzero(tokens[:-1] == tokens[-1])
    for length in range(1, longest + 1):
        if length >= least:
            found.update(dict.fromkeys(tokens[places + 1].tolist(), length))
        places = places[places >= length]
        places = places[tokens[places - length] == tokens[size - 1 - length]]
        if not len(places):
            break
    return found


def unbroken(seen: Sequence[int], breakers: Sequence[bytes], spelled: Callable[[int], bytes], most: int) -> int:
    """Return how many tokens at the end, up to `most`, stand behind the last breaker."""
    # A breaker may begin in the tokens before: each token writes a byte at least, or nothing that matters.
    reach = most + max(map(len, breakers), default=0)
    pieces = [spelled(token) for token in seen[-reach:]]
    text = b"".join(pieces)
    end = max((at + len(breaker) for breaker in breakers if (at := text.rfind(breaker)) >= 0), default=0)
    behind, at = 0, len(text)
    for piece in reversed(pieces):
        at -= len(piece)
        if at < end:
            break
        behind += 1
    return min(behind, most)
