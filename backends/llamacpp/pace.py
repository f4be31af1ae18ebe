"""How many prompt tokens go into one step, so that a step stays short on a slow machine."""

from __future__ import annotations

import time

ALONE, BESIDE = 1.0, 0.1
"""Seconds of reading in one step: alone, so that a new request and a cancel are heard soon; beside others who write,
so that their text goes on flowing."""
_LEAST = 16
_WEIGHT = 0.3


class Pace:
    """Measures how fast prompts are read; `limit` is the most tokens of a batch."""

    def __init__(self, limit: int) -> None:
        self._limit, self._rate = limit, 0.0
        self._began = 0.0

    def begin(self) -> None:
        """A step begins."""
        self._began = time.perf_counter()

    def end(self, tokens: int) -> None:
        """The step read `tokens`; small ones tell nothing of the speed."""
        if tokens >= _LEAST:
            rate = tokens / max(1e-6, time.perf_counter() - self._began)
            self._rate += (rate - self._rate) * _WEIGHT if self._rate else rate

    @property
    def alone(self) -> int:
        """Prompt tokens of a step while nobody writes."""
        return self._tokens(ALONE) if self._rate else self._limit

    @property
    def beside(self) -> int:
        """Prompt tokens of a step while others write."""
        return self._tokens(BESIDE) if self._rate else _LEAST * 4

    def _tokens(self, seconds: float) -> int:
        return max(_LEAST, min(self._limit, int(self._rate * seconds) // _LEAST * _LEAST))
