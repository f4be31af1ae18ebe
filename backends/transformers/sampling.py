"""The sampler of one request: the steps of `SamplingParams` in their order, then the draw.

Order: what must not come is left out (by the guide, bans, repeated n-grams, and the end that is held back), then the
logit bias, then the steps of `sampler_order`, then the draw. A step at its neutral value is absent. Mirostat steers
the surprise itself: it is the draw, and the truncating steps are absent. Greedy takes the maximum. This is the order of
the llama.cpp engine, and the steps are defined alike.
"""

from __future__ import annotations

import math
import random
from collections.abc import Callable, Collection, Mapping, Sequence
from functools import partial
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from backends.errors import EngineFailed
from backends.ngrams import Ngrams
from backends.sampling import SamplingParams
from backends.transformers import sampling_cuts as cuts
from backends.transformers import sampling_draws as draws
from backends.transformers import sampling_penalties as past
from backends.values import Choice, TokenProbability
from backends.words import Words

if TYPE_CHECKING:
    from backends.guiding.guide import Guide

_SHAPING = ("penalties", "dry", "temperature")

Step = Callable[[Tensor], Tensor]


class Sampler:
    """Draws the tokens of one request and remembers what it saw.

    `window` is what -1 stands for in the `last_n` knobs. `seen` are the tokens of the prompt: penalties, DRY and the
    ban of n-grams look at them as at written ones. A `guide` tells which tokens may come; where the bans would leave
    none of them, they give way. `last` is what was weighed at the last draw, where so many `alternatives` are asked
    for.
    """

    def __init__(
        self, params: SamplingParams, words: Words, window: int, seed: int, seen: Sequence[int] = (),
        guide: Guide | None = None, alternatives: int = 0,
    ) -> None:  # fmt: skip
        self._params, self._words, self._window = params.canonical(), words, window
        self._guide, self._alternatives = guide, alternatives
        self._seen = list(seen)
        self._written = 0
        self._random = random.Random(seed)
        self._aim = 2 * params.mirostat_tau
        self._biases, self._banned = dict(params.logit_bias), frozenset(params.banned_tokens)
        self._ngrams = Ngrams(params.no_repeat_ngram_size, seen)
        self._steps = self._plan()
        self.last: Choice | None = None

    def sample(self, logits: Tensor) -> int:
        """Draw from the logits of one position, and remember the token drawn.

        Raises `EngineFailed` where the model computed no numbers, or no token is left to draw.
        """
        raw = logits = logits[: self._words.size].float()
        logits = past.biased(self._allowed(logits), self._biases)
        for step in self._steps:
            logits = step(logits)
        highest = float(logits.max())
        if not math.isfinite(highest):
            raise EngineFailed(reason="the model computed no numbers" if math.isnan(highest) else "no token is left")
        logits = self._cut(logits)
        token = int(torch.argmax(logits)) if self._params.greedy else draws.draw(logits, self._random.random())
        self._remember(token, logits)
        if self._alternatives:
            self.last = self._choice(token, raw, logits)
        return token

    def close(self) -> None:
        """Nothing is held that must be given back."""

    def _allowed(self, logits: Tensor) -> Tensor:
        """Leave out what must not come."""
        allowed = self._guide.allowed() if self._guide is not None else None
        if allowed is not None:
            logits = torch.where(torch.from_numpy(allowed).to(logits.device), logits, -torch.inf)
        left = past.without(logits, self._excluded())
        return logits if allowed is not None and bool(left.isneginf().all()) else left

    def _excluded(self) -> Collection[int]:
        ends = self._words.ends if self._written < self._params.min_tokens else frozenset[int]()
        return self._banned.union(ends, self._ngrams.banned)

    def _cut(self, logits: Tensor) -> Tensor:
        """Return the logits that are drawn from."""
        if not self._params.mirostat:
            return logits
        cut = draws.mirostat_1 if self._params.mirostat == 1 else draws.mirostat_2
        return cut(logits, self._aim)

    def _remember(self, token: int, logits: Tensor) -> None:
        if self._params.mirostat:
            surprise = draws.surprise(logits, token)
            self._aim -= self._params.mirostat_eta * (surprise - self._params.mirostat_tau)
        if self._guide is not None:
            self._guide.take(token)
        self._ngrams.accept(token)
        self._seen.append(token)
        self._written += 1

    def _choice(self, token: int, raw: Tensor, drawn_from: Tensor) -> Choice:
        """Return what was weighed, from the logits of the model and those that were drawn from."""
        count = min(self._alternatives, raw.numel())
        tokens = [token, *torch.topk(raw, count).indices.tolist()]
        before = torch.softmax(raw, -1)[tokens].tolist()
        after = torch.softmax(drawn_from, -1)[tokens].tolist()
        if self._params.greedy:
            after = [float(each == token) for each in tokens]
        pieces = map(self._words.spelled.__getitem__, tokens)
        drawn, *top = map(TokenProbability, tokens, pieces, before, after)
        return Choice(drawn, tuple(top))

    # The steps

    def _plan(self) -> tuple[Step, ...]:
        params = self._params
        made: Mapping[str, Step | None] = {
            "penalties": self._penalties(),
            "dry": self._dry(),
            "top_n_sigma": _unless(0, params.top_n_sigma, cuts.top_n_sigma),
            "top_k": partial(cuts.top_k, count=params.top_k) if params.top_k else None,
            "typical_p": _unless(1, params.typical_p, cuts.typical_p),
            "top_p": _unless(1, params.top_p, cuts.top_p),
            "min_p": _unless(0, params.min_p, cuts.min_p),
            "xtc": self._xtc if params.xtc_probability else None,
            "temperature": self._temperature(),
        }
        names = [name for name in params.sampler_order if not params.mirostat or name in _SHAPING]
        return tuple(step for name in names if (step := made[name]) is not None)

    def _last(self, number: int) -> Sequence[int]:
        number = self._window if number < 0 else number
        return self._seen[max(0, len(self._seen) - number) :] if number else ()

    def _penalties(self) -> Step | None:
        params = self._params
        values = (params.repeat_penalty, params.frequency_penalty, params.presence_penalty)
        if not params.repeat_last_n or values == (1.0, 0.0, 0.0):
            return None
        return lambda logits: past.penalised(logits, self._last(params.repeat_last_n), *values)

    def _dry(self) -> Step | None:
        params, spelled = self._params, self._words.spelled
        if not params.dry_last_n or not params.dry_multiplier:
            return None
        breakers = tuple(text.encode() for text in params.dry_breakers)
        return lambda logits: past.without_repeats(
            logits, self._last(params.dry_last_n), params.dry_multiplier, params.dry_base, params.dry_allowed_length,
            breakers, spelled.__getitem__,
        )  # fmt: skip

    def _xtc(self, logits: Tensor) -> Tensor:
        if self._random.random() >= self._params.xtc_probability:
            return logits
        return cuts.xtc(logits, self._params.xtc_threshold)

    def _temperature(self) -> Step | None:
        params = self._params
        if params.greedy or (params.temperature == 1 and not params.dynatemp_range):
            return None
        return lambda logits: cuts.temperature(
            logits, params.temperature, params.dynatemp_range, params.dynatemp_exponent
        )


def _unless(neutral: float, value: float, cut: Callable[[Tensor, float], Tensor]) -> Step | None:
    return None if value == neutral else lambda logits: cut(logits, value)
