"""The steps that cut improbable tokens off, and temperature: logits in, logits out.

Every function takes the logits of one position, one float for each token of the vocabulary, and returns new ones; a
token that is excluded has the logit -inf. At least one token always stays. Where a paper leaves something open, such
as which side a token on the boundary is on, llama.cpp's rule holds, so that both engines draw alike.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor


def top_k(logits: Tensor, count: int) -> Tensor:
    """Keep the `count` most probable tokens, exactly so many where some are equal; 0 keeps all."""
    if not 0 < count < logits.numel():
        return logits
    return _only(logits, torch.topk(logits, count).indices)


def top_p(logits: Tensor, mass: float) -> Tensor:
    """Keep the smallest set of tokens whose probabilities sum to at least `mass` (Holtzman 2019)."""
    shares, order = torch.sort(torch.softmax(logits, -1), descending=True, stable=True)
    before = torch.cumsum(shares, -1) - shares
    return _only(logits, order[: max(1, int((before < mass).sum()))])


def min_p(logits: Tensor, share: float) -> Tensor:
    """Keep tokens at least `share` times as probable as the most probable one (Nguyen 2024)."""
    if share <= 0:
        return logits
    return _where(logits, logits >= logits.max() + math.log(share))


def typical_p(logits: Tensor, mass: float) -> Tensor:
    """Keep the tokens whose surprise is nearest to the entropy, until they sum to more than `mass` (Meister 2022)."""
    logs = torch.log_softmax(logits, -1)
    shares = logs.exp()
    distance = (-logs - entropy(logs)).abs()
    order = torch.argsort(distance.nan_to_num(nan=torch.inf), stable=True)
    before = torch.cumsum(shares[order], -1) - shares[order]
    return _only(logits, order[: max(1, int((before <= mass).sum()))])


def top_n_sigma(logits: Tensor, sigmas: float) -> Tensor:
    """Keep tokens whose logit is within `sigmas` standard deviations of the highest (Tang 2024).

    The deviation is that of all logits that are not excluded yet.
    """
    there = logits[logits > -torch.inf]
    if sigmas <= 0 or there.numel() < 2:
        return logits
    return _where(logits, logits >= there.max() - sigmas * there.std(correction=0))


def xtc(logits: Tensor, threshold: float) -> Tensor:
    """Exclude all tokens at least as probable as `threshold` but the least probable of them (pull request 6335).

    How often this happens is the caller's affair. Two tokens cannot both have more than a half, so above that
    nothing is excluded.
    """
    shares = torch.softmax(logits, -1)
    above = ((shares >= threshold) & (logits > -torch.inf)).nonzero().flatten()
    if threshold > 0.5 or above.numel() < 2:
        return logits
    # Of equal ones the last in the order of the vocabulary stays, as after a stable sort.
    order = above[torch.argsort(shares[above], descending=True, stable=True)]
    return logits.index_fill(-1, order[:-1], -torch.inf)


def temperature(logits: Tensor, middle: float, spread: float = 0.0, curve: float = 1.0) -> Tensor:
    """Divide by a temperature; with a `spread`, by one that follows the entropy (llama.cpp's dynamic temperature).

    It then lies between `middle` - `spread`, where the model is sure, and `middle` + `spread`, where every token that
    is left is equally probable; `curve` is the exponent between the two. 0 leaves only the most probable token.
    """
    degree = middle
    if spread > 0:
        logs = torch.log_softmax(logits, -1)
        left = int((logs > -torch.inf).sum())
        if left < 2:
            return logits
        doubt = min(1.0, float(entropy(logs)) / math.log(left))
        lowest, highest = max(0.0, middle - spread), middle + spread
        degree = lowest + (highest - lowest) * doubt**curve
    if degree <= 0:
        return _only(logits, logits.argmax().reshape(1))
    # The highest first: divided by something tiny the others would overflow, and their differences with them.
    return (logits - logits.max()) / degree


def entropy(logs: Tensor) -> Tensor:
    """Return the entropy, in nats, of a distribution of log probabilities; excluded tokens count nothing."""
    return -(logs.exp() * logs).nan_to_num(nan=0.0).sum()


def _only(logits: Tensor, kept: Tensor) -> Tensor:
    return torch.full_like(logits, -torch.inf).index_copy(-1, kept, logits[kept])


def _where(logits: Tensor, kept: Tensor) -> Tensor:
    return torch.where(kept, logits, -torch.inf)
