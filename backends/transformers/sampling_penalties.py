"""Bias, the three penalties and DRY: logits in, logits out, by what was written before.

`seen` are token ids, the latest last. The rules are those of the papers named in `backends.sampling`; their details
are llama.cpp's.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence

import numpy as np
import torch
from torch import Tensor

from backends.repeats import dry_penalties


def biased(logits: Tensor, biases: Mapping[int, float]) -> Tensor:
    """Add to the logits of single tokens."""
    if not biases:
        return logits
    index = torch.tensor(list(biases), device=logits.device)
    values = torch.tensor(list(biases.values()), device=logits.device, dtype=logits.dtype)
    return logits.index_add(-1, index, values)


def without(logits: Tensor, tokens: Collection[int]) -> Tensor:
    """Exclude tokens."""
    if not tokens:
        return logits
    return logits.index_fill(-1, torch.tensor(list(tokens), device=logits.device), -torch.inf)


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
    """Weaken every token that would go on with a sequence that was there before (see `dry_penalties`)."""
    return biased(logits, dry_penalties(seen, multiplier, base, allowed, breakers, spelled))
