"""The remote backend: engines that are reached over HTTP, one or several behind one name."""

from __future__ import annotations

import asyncio
import dataclasses
import secrets
from collections import Counter
from collections.abc import Callable, Sequence
from typing import TypeVar

from backends.constraints import Constraint
from backends.errors import (
    EngineClosed,
    InvalidParameter,
    PromptTooLong,
    UnsupportedFeature,
    UnsupportedParameter,
)
from backends.remote.client import Limits
from backends.remote.engines import (
    CONTINUE,
    CONTINUE_SHAPED,
    IMPERSONATE,
    SHAPED_THINKING,
    Engine,
    capabilities,
)
from backends.remote.failures import Failure, while_asking
from backends.remote.generation import Asked, RemoteGeneration
from backends.remote.loop import Loop
from backends.remote.pool import Place, Pool
from backends.sampling import SamplingParams
from backends.values import Capabilities, ChatPrompt, Encoded, ModelInfo, Prompt, Request

_T = TypeVar("_T")

_SEEDS = 2**32 - 1


class RemoteBackend:
    """The `Backend` over a pool of which at least one engine is known. `info` and `capabilities` ask nobody."""

    def __init__(self, loop: Loop, pool: Pool, limits: Limits) -> None:
        self._loop, self._pool, self._limits = loop, pool, limits
        known = pool.engines()
        self._first = known[0]
        self._window = min(engine.about.window for engine in known)
        self._capabilities = capabilities(known)
        self._named = _named([engine.kind.name for engine in known])

    @property
    def info(self) -> ModelInfo:
        """See `Backend.info`: of the first engine, with the smallest window, and how all engines are."""
        about = self._first.info
        return dataclasses.replace(about, window=self._window, engine=self._named, peers=self._pool.peers())

    @property
    def capabilities(self) -> Capabilities:
        """See `Backend.capabilities`: what all engines can do that were there when the backend was opened."""
        return self._capabilities

    def start(self, request: Request) -> RemoteGeneration:
        """See `Backend.start`. Raises `UnsupportedFeature` for a prompt that the engine cannot go on with."""
        if self._loop.closing:
            raise EngineClosed
        params = request.sampling.canonical()
        self._check(params, request.prompt)
        if request.constraint is not None:
            self._check_shape(request.constraint, request.prompt)
        if params.seed < 0 and self._first.kind.seeds:
            params = dataclasses.replace(params, seed=secrets.randbelow(_SEEDS))
        needs = _Needs(params, request.prompt, request.constraint)
        self._revive()
        place = self._place(request.prompt, needs.met_by)
        size = len(place.ready.encoded.tokens)
        if size >= self._window:
            raise PromptTooLong(tokens=size, window=self._window)
        if request.constraint is not None and place.ready.route == "text" and place.ready.thinking:
            # The engine would not wait for the end of the thinking, which has no shape.
            raise UnsupportedFeature(name=SHAPED_THINKING, engine=self._first.kind.name)
        asked = Asked(request.prompt, params, needs.met_by, request.constraint, request.alternatives)
        return RemoteGeneration(self._loop, self._pool, self._limits, asked, place)

    def encode(self, prompt: Prompt) -> Encoded:
        """See `Backend.encode`: where counts are estimates, the tokens are all -1."""
        return self._place(prompt, lambda _: True).ready.encoded

    def tokenize(self, text: str) -> tuple[int, ...]:
        """See `Backend.tokenize`: where counts are estimates, the tokens are all -1."""

        def cut(engine: Engine) -> tuple[int, ...]:
            if engine.tokenize is None:
                return (-1,) * engine.estimate.count(text)
            return engine.tokenize(text) if text else ()

        return self._ask(cut)

    def detokenize(self, tokens: tuple[int, ...]) -> str:
        """See `Backend.detokenize`. Raises `InvalidParameter` for an id that is no token, and `UnsupportedFeature`."""
        self._check_ids("tokens", tokens)

        def write(engine: Engine) -> str:
            if engine.detokenize is None:
                raise UnsupportedFeature(name="detokenize", engine=engine.kind.name)
            return engine.detokenize(tokens) if tokens else ""

        return self._ask(write)

    def close(self) -> None:
        """See `Backend.close`."""
        self._loop.close(self._pool.close())

    def _revive(self) -> None:
        """See in the background whether engines that were lost are back."""
        for member in self._pool.due():
            self._loop.spawn(asyncio.to_thread(self._pool.revive, member))

    def _place(self, prompt: Prompt, fit: Callable[[Engine], bool]) -> Place:
        return self._translated(lambda: self._pool.place(prompt, fit))

    def _ask(self, question: Callable[[Engine], _T]) -> _T:
        return self._translated(lambda: self._pool.ask(question, lambda _: True))

    def _translated(self, work: Callable[[], _T]) -> _T:
        if self._loop.closing:
            raise EngineClosed
        try:
            return work()
        except Failure as failure:
            raise while_asking(failure, self._window) from None

    def _check(self, params: SamplingParams, prompt: Prompt) -> None:
        able, engine = self._capabilities, self._first.kind.name
        for name in params.difference():
            if name not in able.knobs:
                raise UnsupportedParameter(name=name, engine=engine)
        if isinstance(prompt, ChatPrompt):
            if prompt.speaker == "user" and not able.impersonation:
                raise UnsupportedFeature(name=IMPERSONATE, engine=engine)
            if prompt.prefix and prompt.speaker == "assistant" and not able.continuation:
                raise UnsupportedFeature(name=CONTINUE, engine=engine)
        self._check_ids("logit_bias", tuple(token for token, _ in params.logit_bias))
        self._check_ids("banned_tokens", params.banned_tokens)

    def _check_shape(self, constraint: Constraint, prompt: Prompt) -> None:
        kind = self._first.kind
        if constraint.kind not in self._capabilities.constraints:
            raise UnsupportedParameter(name=constraint.name, engine=kind.name)
        kind.shaping.check(constraint, kind.name)
        if isinstance(prompt, ChatPrompt) and prompt.prefix and not kind.shaping.prefixes:
            raise UnsupportedFeature(name=CONTINUE_SHAPED, engine=kind.name)

    def _check_ids(self, name: str, tokens: tuple[int, ...]) -> None:
        size = self._first.vocabulary
        for token in tokens:
            if token < 0 or (size and token >= size):
                raise InvalidParameter(name=name, value=token, allowed=f"0 … {size - 1}" if size else "token ids")


def _named(kinds: Sequence[str]) -> str:
    """Return what several engines are called together: "2 × vLLM, llama-server"."""
    counts = Counter(kinds)
    return ", ".join(f"{count} × {kind}" if count > 1 else kind for kind, count in counts.items())


@dataclasses.dataclass(frozen=True, slots=True)
class _Needs:
    """What a request needs of an engine: one that was not there at the opening may lack it."""

    params: SamplingParams
    prompt: Prompt
    constraint: Constraint | None

    def met_by(self, engine: Engine) -> bool:
        """Whether an engine has it all."""
        if not engine.kind.knobs >= self.params.difference().keys():
            return False
        if self.constraint is not None and not engine.kind.shaping.keeps(self.constraint):
            return False
        if not isinstance(self.prompt, ChatPrompt):
            return True
        if self.prompt.speaker == "user":
            return engine.impersonation
        return engine.continuation or not self.prompt.prefix
