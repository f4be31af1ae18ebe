"""The starter model by the engine's own parts, one step at a time: logits to look at, and draws from them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from llama_cpp import llama_cpp as library

from backends.llamacpp.context import Context
from backends.llamacpp.executor import Outcome, Part
from backends.llamacpp.model import Model
from backends.llamacpp.options import LlamaCppOptions
from backends.llamacpp.sampler import Sampler
from backends.llamacpp.vocabulary import Vocabulary
from backends.sampling import SamplingParams


class Bare:
    """A loaded model without engine, template and threads."""

    def __init__(self, path: Path, window: int = 512) -> None:
        options = LlamaCppOptions(ctx=window, parallel=1, gpu_layers=0)
        self.model = Model(path, options)
        self.vocabulary = Vocabulary(self.model.handle)
        self.context = Context(self.model, options)
        self.tokens: list[int] = []

    def close(self) -> None:
        self.context.close()
        self.model.close()

    def ids(self, text: str) -> tuple[int, ...]:
        return self.vocabulary.read(text, special=True)

    def text(self, tokens: Sequence[int]) -> str:
        return self.vocabulary.spell(tuple(tokens)).decode("utf-8", "replace")

    def read(self, text: str) -> np.ndarray[Any, np.dtype[np.float64]]:
        """Read a prompt from the start and return the logits of what comes next."""
        self.context.cut(0, 0)
        self.tokens = []
        return self.go_on(self.ids(text))

    def go_on(self, tokens: Sequence[int]) -> np.ndarray[Any, np.dtype[np.float64]]:
        assert self.context.decode([Part(0, len(self.tokens), tokens, logits=True)]) is Outcome.DONE
        self.tokens += tokens
        pointer = library.llama_get_logits_ith(self.context.handle, -1)
        return np.ctypeslib.as_array(pointer, (self.vocabulary.size,)).astype(np.float64)

    def sampler(self, seed: int = 1, **knobs: Any) -> Sampler:
        return Sampler(SamplingParams(**knobs), self.vocabulary, self.context.cells, seed, self.tokens)

    def draws(self, number: int, seed: int = 1, **knobs: Any) -> Counter[int]:
        """Draw again and again from the same logits; nothing is read in between."""
        sampler = self.sampler(seed, **knobs)
        drawn = Counter(sampler.sample(self.context.handle, -1) for _ in range(number))
        sampler.close()
        return drawn

    def first(self, seed: int = 1, **knobs: Any) -> int:
        (token,) = self.draws(1, seed, **knobs)
        return token

    def write(self, prompt: str, number: int, seed: int = 1, **knobs: Any) -> list[int]:
        """Go on with a prompt token by token, past any end of turn."""
        self.read(prompt)
        sampler = self.sampler(seed, **knobs)
        written: list[int] = []
        for _ in range(number):
            written.append(sampler.sample(self.context.handle, -1))
            self.go_on(written[-1:])
        sampler.close()
        return written


def softmax(logits: np.ndarray[Any, np.dtype[np.float64]]) -> np.ndarray[Any, np.dtype[np.float64]]:
    powers: np.ndarray[Any, np.dtype[np.float64]] = np.exp(logits - logits.max())
    return powers / powers.sum()
