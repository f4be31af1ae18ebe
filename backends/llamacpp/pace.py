"""How many prompt tokens go into one step, so that a step stays short on a slow machine."""

from __future__ import annotations

import time
from collections import defaultdict, deque
from collections.abc import Callable
from statistics import median

ALONE = 1.0
"""Seconds of reading in one step while nobody writes, so that a new request and a cancel are heard soon."""
STRETCH = 2.75
"""A step that others write in may take so many times what it takes without reading: their text goes on flowing. At
least one token is read, whatever it takes: by itself (see `scheduler.batches`)."""
_SMALL = 3.0
"""How much more a token costs in a small batch than in a large one, until it is known."""
_FEW, _LEAST_UNKNOWN, _MOST_UNKNOWN = 8, 2, 4
_TILE, _PATIENCE = 64, 3.0
"""From so many tokens on the library computes attention in tiles, at half of the cost where a prompt is long already:
worth some seconds."""
_WEIGHT = 0.25
_LEAST = 1e-9
_FADING = 0.98
"""What is thought of reading beside writers fades while nobody tries it, so that a hiccup does not count for ever."""
_LATEST = 9
"""So many of the last steps that only wrote tell what one takes: their median, for a few may be held up by something
else, and while a prompt is read there may be no more of them for long."""
_NEXT = 0.5
"""What each further writer adds to a step, in steps of one alone, until it is known."""


class Pace:
    """Measures how fast prompts are read and replies written; `limit` is the most tokens of a batch."""

    def __init__(self, limit: int, clock: Callable[[], float] = time.perf_counter) -> None:
        self._limit, self._clock = limit, clock
        self._rate = 0.0  # prompt tokens a second, read by themselves
        # seconds of the last steps that only wrote, by the number of those who did
        self._writes: defaultdict[int, deque[float]] = defaultdict(lambda: deque(maxlen=_LATEST))
        self._extra = 0.0  # seconds that a prompt token adds to a step beside writing
        self._lately = 0  # prompt tokens of the last such step
        self._began = 0.0

    def begin_prompt(self) -> None:
        """Another prompt begins: what was too much at the end of a long one need not be at the beginning of this."""
        if self.beside(1) == 1:
            self._extra, self._lately = 0.0, 0

    def begin(self) -> None:
        """A step begins."""
        self._began = self._clock()

    def end(self, writing: int, reading: int) -> None:
        """The step wrote for so many requests, and read so many tokens of prompts."""
        seconds = max(1e-6, self._clock() - self._began)
        if not reading:
            self._writes[writing].append(seconds)
        elif not writing:
            if reading >= _FEW:  # fewer tell nothing of the speed
                self._rate = _mean(self._rate, reading / seconds)
            else:
                self._extra *= _FADING
        elif write := self._write(writing):
            extra = max(_LEAST, (seconds - write) / reading)
            # What costs more than was thought is heeded at once: somebody waits for it.
            self._extra = max(extra, _mean(self._extra, extra))
            self._lately = reading

    @property
    def alone(self) -> int:
        """Prompt tokens of a step while nobody writes."""
        if not self._rate:
            return self._limit
        tokens = self._rate * ALONE
        if tokens < _TILE <= self._rate * _PATIENCE:
            tokens = _TILE
        return self._whole(tokens // _TILE * _TILE if tokens >= _TILE else tokens)

    def beside(self, writing: int) -> int:
        """Prompt tokens of a step while so many write: the more they are, the longer their steps are anyway."""
        extra = self._extra or (_SMALL / self._rate if self._rate else 0.0)
        write = self._write(writing)
        if not (write and extra):
            return min(self._limit, _MOST_UNKNOWN)
        tokens = write * (STRETCH - 1) / extra
        # Not many more than before: what a few tokens added may be less than the clock's noise, and a larger batch may
        # be computed in another way.
        most = self._lately + min(self._lately, _FEW)
        return self._whole(min(tokens, most) if self._extra else max(_LEAST_UNKNOWN, tokens))

    def _write(self, writing: int) -> float:
        """Return the seconds of a step in which so many only write; 0 while nothing is known."""
        if not self._writes:
            return 0.0
        nearest = min(self._writes, key=lambda number: abs(number - writing))
        return median(self._writes[nearest]) * (1 + _NEXT * (writing - 1)) / (1 + _NEXT * (nearest - 1))

    def _whole(self, tokens: float) -> int:
        """Return a number of tokens that fits a batch; the library computes eights of them best."""
        few = max(1, int(tokens))
        return min(self._limit, few // _FEW * _FEW) if few > _FEW else few


def _mean(before: float, value: float) -> float:
    return before + (value - before) * _WEIGHT if before else value
