"""How a model file is opened by llama.cpp."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import psutil

from backends.errors import InvalidParameter

DEFAULT_WINDOW = 8192
"""The largest window taken unasked: a longer one costs memory that a home machine may not have."""
LEAST_WINDOW = 64
MOST_SEQUENCES = 240
"""What llama.cpp is built for (256, LLAMA_MAX_SEQ), less those of the beams."""


MOST_DRAFT = 32
CHUNK = 64
"""Tokens that are read at once in exact mode: few, as others who write wait so long."""


@dataclass(frozen=True, slots=True)
class LlamaCppOptions:
    """The levers of loading. Raises `InvalidParameter` for a value out of range.

    `ctx`: tokens of the window, shared by all sequences; 0 = what the model was trained for, at most 8192.
    `threads`: 0 = the physical cores this process may use. `gpu_layers`: -1 = all that there are, 0 = none.
    `parallel`: how many requests are decoded at once. `template`: name of a chat template, "" = the model's own.
    `park_mb`: megabytes of host memory for chats that gave way to others; `warm_mb`: of disk, in the folder `warm`, for
    those that the next start may go on from. `shift`: when the first turns leave a full
    window, the rest is moved up instead of read again. `draft`: how many tokens are guessed ahead from what was there
    before, 0 = none. `exact`: the same request gives the same text, whatever runs beside it: every sequence has a
    window of its own and is computed by itself, nothing is moved and nothing guessed.
    `progress` is called with 0 … 1 while the file is read; answering False stops the loading.
    """

    ctx: int = 0
    threads: int = 0
    gpu_layers: int = -1
    parallel: int = 4
    template: str = ""
    park_mb: int = 512
    warm_mb: int = 0
    warm: Path = Path("warm")
    shift: bool = True
    draft: int = 0
    exact: bool = False
    progress: Callable[[float], bool] | None = None

    def __post_init__(self) -> None:
        """Check the ranges."""
        if self.ctx and self.ctx < LEAST_WINDOW:
            raise InvalidParameter(name="ctx", value=self.ctx, allowed=f"0, or {LEAST_WINDOW} and more")
        if self.threads < 0:
            raise InvalidParameter(name="threads", value=self.threads, allowed="0 and more")
        if self.gpu_layers < -1:
            raise InvalidParameter(name="gpu_layers", value=self.gpu_layers, allowed="-1 and more")
        if not 1 <= self.parallel <= MOST_SEQUENCES:
            raise InvalidParameter(name="parallel", value=self.parallel, allowed=f"1 … {MOST_SEQUENCES}")
        for name, budget in (("park_mb", self.park_mb), ("warm_mb", self.warm_mb)):
            if budget < 0:
                raise InvalidParameter(name=name, value=budget, allowed="0 and more")
        if not 0 <= self.draft <= MOST_DRAFT:
            raise InvalidParameter(name="draft", value=self.draft, allowed=f"0 … {MOST_DRAFT}")

    @property
    def sequences(self) -> int:
        """How many sequences there are: with one more than run, a new request finds one empty and copies nothing.

        Not so in exact mode, where each takes the memory of a whole window.
        """
        return self.parallel + (not self.exact)

    def window(self, trained: int) -> int:
        """Return the window in tokens for a model trained for `trained` (0 = unknown)."""
        return self.ctx or min(trained or DEFAULT_WINDOW, DEFAULT_WINDOW)

    def cores(self) -> int:
        """Return the number of threads to compute with: more than the physical cores only gets in its own way."""
        if self.threads:
            return self.threads
        physical = psutil.cpu_count(logical=False) or os.cpu_count() or 1
        allowed = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else physical
        return max(1, min(physical, allowed))
