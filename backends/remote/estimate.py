"""How many tokens a text takes, where the engine does not tell: reckoned from its bytes, and set right by replies."""

from __future__ import annotations

import math

MARKS = 4
"""Tokens that a template puts around a message; so does OpenAI's cookbook, "How to count tokens with tiktoken"."""
OPENING = 3
"""Tokens that open the reply."""

_FIRST = 3.0
_LEAST, _MOST = 1.0, 8.0
_STEP = 0.25
_ENOUGH = 400


class Estimate:
    """The bytes of UTF-8 that a token stands for, as far as known. May be used from any thread.

    It moves in steps, so that counts of one text stay the same for long; and down rather than up, so that what is
    reckoned to fit does fit.
    """

    def __init__(self) -> None:
        self._ratio = _FIRST

    @property
    def ratio(self) -> float:
        """Bytes for each token."""
        return math.floor(self._ratio / _STEP) * _STEP

    def count(self, text: str) -> int:
        """Return the likely number of tokens."""
        return math.ceil(len(text.encode("utf-8", "replace")) / self.ratio)

    def learn(self, size: int, tokens: int) -> None:
        """Take note that `size` bytes took so many tokens; a short text tells too little."""
        if size >= _ENOUGH and tokens > 0:
            seen = min(max(size / tokens, _LEAST), _MOST)
            self._ratio = (self._ratio + seen) / 2
