"""What the backends over this engine do with a request before it runs: check it, and make it a run."""

from __future__ import annotations

import secrets
from collections.abc import Callable, Iterable, Sequence
from typing import Protocol

from backends.encoder import Encoder
from backends.errors import InvalidParameter, PromptTooLong, UnsupportedParameter
from backends.guiding.guide import Guide, Guides
from backends.llamacpp.beam_run import BeamRun
from backends.llamacpp.run import Closable, Run
from backends.sampling import BEAM_KNOBS, SamplingParams, knobs
from backends.textstream import TextStream
from backends.values import Capabilities, ChatPrompt, Choice, Encoded, Prompt, Request
from backends.words import Writing

_SEEDS = 2**32 - 1  # the largest value means "random" to llama.cpp


class Drawing(Closable, Protocol):
    """Draws the tokens of one request."""

    @property
    def last(self) -> Choice | None:
        """What was weighed at the last draw, if that is to be told."""


MakeSampler = Callable[[SamplingParams, int, Sequence[int], Guide | None, int], Drawing]
"""Makes what draws: of the levers, the seed, the prompt's tokens, the guide, and how many alternatives are told."""


class Requests:
    """Makes runs for one model. `engine` is its name in errors; `searches`: it can search with beams.

    `draft`: the most tokens that are guessed ahead. Every method may be called from any thread.
    """

    def __init__(self, engine: str, encoder: Encoder, guides: Guides, words: Writing, window: int,
                 sampler: MakeSampler, *, searches: bool, draft: int = 0) -> None:  # fmt: skip
        self._engine, self._encoder, self._guides, self._words = engine, encoder, guides, words
        self._window, self._sampler, self._searches, self._draft = window, sampler, searches, draft

    @property
    def capabilities(self) -> Capabilities:
        """See `Backend.capabilities`: every knob, but those of beams where there are none."""
        lacking = frozenset() if self._searches else BEAM_KNOBS
        reasons = dict.fromkeys(lacking, UnsupportedParameter().code) | self._guides.reasons
        return Capabilities(frozenset(knobs()) - lacking, reasons=reasons, constraints=self._guides.shapes)

    def check(self, params: SamplingParams) -> None:
        """Refuse knobs that this engine does not have, and ids that are no tokens."""
        known = self.capabilities.knobs
        for name in params.difference():
            if name not in known:
                raise UnsupportedParameter(name=name, engine=self._engine)
        self.check_ids("logit_bias", (token for token, _ in params.logit_bias))
        self.check_ids("banned_tokens", params.banned_tokens)

    def check_ids(self, name: str, tokens: Iterable[int]) -> None:
        """Raise `InvalidParameter` for an id that is no token."""
        size = self._words.size
        for token in tokens:
            if not 0 <= token < size:
                raise InvalidParameter(name=name, value=token, allowed=f"0 … {size - 1}")

    def run(self, request: Request, params: SamplingParams) -> Run:
        """Return the run of a request with canonical `params`. Raises `PromptTooLong`, `InvalidConstraint`."""
        prepared = self._encoder.prepare(request.prompt)
        tokens, window = prepared.encoded.tokens, self._window
        room = window - len(tokens)
        if room < 1:
            raise PromptTooLong(tokens=len(tokens), window=window)
        seed = params.seed if params.seed >= 0 else secrets.randbelow(_SEEDS)
        guide = self._guides.begin(request, prepared)
        limit = min(params.max_tokens or room, room)
        stream = TextStream((*params.stop, *prepared.stops), prepared.think, prepared.thinking, lead=prepared.lead)
        if params.num_beams > 1:
            return BeamRun(
                tokens, params, self._words, window, limit=limit, stream=stream, seed=seed, user=request.user,
                guide=guide,
            )  # fmt: skip
        sampler = self._sampler(params, seed, tokens, guide, request.alternatives)
        return Run(
            tokens,
            limit=limit,
            sampler=sampler,
            weighed=lambda: sampler.last,
            stream=stream,
            seed=seed,
            user=request.user,
            head=_first_turn(request.prompt, prepared.encoded),
            draft=self._draft,
        )


def _first_turn(prompt: Prompt, encoded: Encoded) -> int:
    """Return the tokens up to the end of the first turn that may leave the window: not the system message."""
    if not isinstance(prompt, ChatPrompt) or not encoded.ends:
        return 0
    return encoded.ends[min(prompt.messages[0].role == "system", len(encoded.ends) - 1)]
