"""What was written before and comes again, by plain token ids: the books of DRY, for every engine.

`seen` are token ids, the latest last.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

_LARGEST = 88.0
"""The logarithm of the largest penalty: beyond it a 32-bit float overflows."""


def dry_penalties(
    seen: Sequence[int], multiplier: float, base: float, allowed: int,
    breakers: Sequence[bytes], spelled: Callable[[int], bytes],
) -> dict[int, float]:  # fmt: skip
    """Return what DRY (pull request 5677) adds to the logits: token -> a number below 0.

    Where the last n tokens stood before too, the token that followed them there loses `multiplier` · `base` to the
    power of n - `allowed`, if n is at least `allowed`. A sequence does not reach across a breaker, and a token that
    holds a breaker is never weakened.
    """
    longest = allowed + int(_LARGEST / math.log(base)) if base > 1 else allowed
    lengths = continued(seen, min(longest, unbroken(seen, breakers, spelled, longest)), allowed)
    return {
        token: -multiplier * base ** min(length - allowed, longest - allowed)
        for token, length in lengths.items()
        if not any(breaker in spelled(token) for breaker in breakers)
    }


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
