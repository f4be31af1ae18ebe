"""What the beams of a search are ranked by: the log-probability of every next token, after the penalties.

As in transformers' beam search the penalties, biases and bans change the log-probabilities and not the logits, and
the result is not normalised again. Each beam is judged by its own past. numpy, so that it is one for every engine.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from backends.errors import EngineFailed
from backends.repeats import continued, dry_penalties
from backends.sampling import SamplingParams
from backends.words import Words

Scores = NDArray[np.float32]
"""One number for each token of the vocabulary."""


class Scorer:
    """Ranks the next tokens of the beams of one request. Order: bias and bans, n-grams, then the steps' order.

    `window` is what -1 stands for in the `last_n` knobs; `prompt` is part of every beam's past.
    """

    def __init__(self, params: SamplingParams, words: Words, window: int, prompt: Sequence[int]) -> None:
        self._params, self._words, self._window, self._prompt = params, words, window, list(prompt)
        biases = dict(params.logit_bias) | dict.fromkeys(params.banned_tokens, -math.inf)
        self._biases = _pairs({token: bias for token, bias in biases.items() if token < words.size})
        self._ends = sorted(token for token in words.ends if token < words.size)
        steps = {"penalties": self._penalise, "dry": self._dry}
        self._steps = [steps[name] for name in params.sampler_order if name in steps]

    def best(
        self, logits: Scores, written: Sequence[int], count: int, allowed: NDArray[np.bool_] | None = None
    ) -> list[tuple[int, float]]:
        """Return the `count` best tokens after a beam that has `written` so much, with their scores, the best first.

        Tokens that are banned, or not `allowed` (None: all are), are left out. Raises `EngineFailed` where the model
        computed no numbers.
        """
        scores = self.scores(logits, written)
        if allowed is not None:
            scores[~allowed] = -np.inf
            if not np.isfinite(scores).any():
                # The bans leave nothing of the shape: they give way, as they do without beams.
                scores = log_softmax(logits[: self._words.size])
                scores[~allowed] = -np.inf
        top = np.argpartition(-scores, min(count, len(scores)) - 1)[:count]
        order = top[np.lexsort((top, -scores[top]))]
        return [(int(token), float(scores[token])) for token in order if np.isfinite(scores[token])]

    def scores(self, logits: Scores, written: Sequence[int]) -> Scores:
        """Return the log-probabilities after the penalties, -inf for what is banned."""
        scores = log_softmax(logits[: self._words.size])
        if self._biases is not None:
            scores[self._biases[0]] += self._biases[1]
        if len(written) < self._params.min_tokens:
            scores[self._ends] = -np.inf
        seen = [*self._prompt, *written]
        if size := self._params.no_repeat_ngram_size:
            scores[sorted(_repeats(seen, size))] = -np.inf
        for step in self._steps:
            step(scores, seen)
        return scores

    def close(self) -> None:
        """Nothing is held that must be given back."""

    def _last(self, seen: Sequence[int], number: int) -> Sequence[int]:
        number = self._window if number < 0 else number
        return seen[max(0, len(seen) - number) :] if number else ()

    def _penalise(self, scores: Scores, seen: Sequence[int]) -> None:
        """Weaken what was seen: see `backends.transformers.sampling_penalties.penalised`."""
        params = self._params
        values = (params.repeat_penalty, params.frequency_penalty, params.presence_penalty)
        seen = () if values == (1.0, 0.0, 0.0) else self._last(seen, params.repeat_last_n)
        if not seen:
            return
        tokens, counts = np.unique(np.asarray(seen), return_counts=True)
        chosen = scores[tokens]
        weaker = np.where(chosen > 0, chosen / np.float32(values[0]), chosen * np.float32(values[0]))
        scores[tokens] = weaker - np.float32(values[1]) * counts - np.float32(values[2])

    def _dry(self, scores: Scores, seen: Sequence[int]) -> None:
        params = self._params
        if not params.dry_multiplier or not (seen := self._last(seen, params.dry_last_n)):
            return
        breakers = tuple(text.encode() for text in params.dry_breakers)
        found = dry_penalties(
            seen, params.dry_multiplier, params.dry_base, params.dry_allowed_length, breakers,
            self._words.spelled.__getitem__,
        )  # fmt: skip
        if (pairs := _pairs(found)) is not None:
            scores[pairs[0]] += pairs[1]


def log_softmax(logits: Scores) -> Scores:
    """Return the logarithms of the probabilities. Raises `EngineFailed` where there are no numbers."""
    highest = float(np.max(logits))
    if not math.isfinite(highest):
        raise EngineFailed(reason="the model computed no numbers")
    shifted = logits.astype(np.float32) - np.float32(highest)
    # The sum in more digits than its parts: a vocabulary has a hundred thousand of them.
    total = float(np.sum(np.exp(shifted), dtype=np.float64))
    found: Scores = shifted - np.float32(math.log(total))
    return found


def _repeats(seen: Sequence[int], size: int) -> set[int]:
    """Return the tokens that would complete a sequence of `size` tokens that was there before (Paulus 2017)."""
    return set(seen) if size == 1 else set(continued(seen, size - 1, size - 1))


def _pairs(values: Mapping[int, float]) -> tuple[NDArray[np.int64], Scores] | None:
    if not values:
        return None
    return np.array(list(values), np.int64), np.array(list(values.values()), np.float32)
