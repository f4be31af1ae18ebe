"""A model made of arithmetic: the next token depends on every token before it, so a mistake in the books shows."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from typing import Any, ClassVar

from backends.llamacpp.engine import Engine
from backends.llamacpp.executor import Outcome, Part
from backends.llamacpp.run import LlamaGeneration, Run
from backends.textstream import TextStream
from backends.values import Done, Event, TextDelta

END = 0


def next_token(tokens: Sequence[int]) -> int:
    value = 7
    for token in tokens:
        value = (value * 31 + token) % 1009
    return 1 + value % 90


def expected(prompt: Sequence[int], count: int) -> str:
    tokens = list(prompt)
    for _ in range(count):
        tokens.append(next_token(tokens))
    return "".join(chr(32 + token) for token in tokens[len(prompt) :])


class Words:
    ends = frozenset([END])
    pieces: ClassVar[dict[int, bytes]] = {token: chr(32 + token).encode() for token in range(1, 95)}


class FakeSampler:
    """Draws what the arithmetic says, or the end after `length` tokens."""

    def __init__(self, length: int | None = None, error: Exception | None = None) -> None:
        self.length, self.error, self.closed, self.drawn = length, error, 0, 0

    def close(self) -> None:
        self.closed += 1


class FakeExecutor:
    """Keeps a real list of tokens for each sequence and complains when the engine loses track of it."""

    def __init__(self, cells: int = 1000, limit: int = 64, cuttable: bool = True, spare: int = 0) -> None:
        self.cells, self.limit, self.cuttable, self.spare = cells, limit, cuttable, spare
        self.held: dict[int, list[tuple[int, int]]] = {}  # sequence -> (cell, token)
        self.batches: list[list[Part]] = []
        self.before: Callable[[FakeExecutor], Outcome | None] = lambda _: None
        self.gate = threading.Event()
        self.gate.set()
        self.decoding = threading.Event()
        self.flag = threading.Event()
        self.closed = False
        self._cell = 0
        self._logits: dict[int, int] = {}

    def decode(self, parts: Sequence[Part]) -> Outcome:
        assert not self.closed
        assert 0 < sum(len(part.tokens) for part in parts) <= self.limit
        assert len({part.sequence for part in parts}) == len(parts)
        self.batches.append(list(parts))
        self.decoding.set()
        while not self.gate.wait(0.005):
            if self.flag.is_set():
                break
        if (forced := self.before(self)) is not None:
            return forced
        if self.flag.is_set():
            return Outcome.ABORTED
        return self._read(parts)

    def _read(self, parts: Sequence[Part]) -> Outcome:
        used = {cell for cells in self.held.values() for cell, _ in cells}
        if len(used) + sum(len(part.tokens) for part in parts) > self.cells:
            return Outcome.FULL
        index, self._logits = -1, {}
        for part in parts:
            held = self.held.setdefault(part.sequence, [])
            assert part.start == len(held), "the engine is wrong about what a sequence holds"
            for token in part.tokens:
                self._cell += 1
                held.append((self._cell, token))
            index += len(part.tokens)
            if part.logits:
                self._logits[index] = next_token([token for _, token in held])
        return Outcome.DONE

    def sample(self, sampler: Any, index: int) -> int:
        assert not sampler.closed
        if sampler.error:
            raise sampler.error
        token = self._logits[index]
        if sampler.drawn == sampler.length:
            return END
        sampler.drawn += 1
        return token

    def cut(self, sequence: int, keep: int) -> bool:
        held = self.held.setdefault(sequence, [])
        if not self.cuttable and 0 < keep < len(held):
            return False
        del held[keep:]
        return True

    def share(self, source: int, target: int, tokens: int) -> None:
        assert self.cuttable and not self.held.get(target)
        self.held[target] = self.held[source][:tokens]

    def interrupt(self) -> None:
        self.flag.set()

    def resume(self) -> None:
        self.flag.clear()

    def close(self) -> None:
        self.closed = True


class Asked:
    """A request to an engine over a fake executor, and what came of it."""

    def __init__(
        self, engine: Engine, prompt: Sequence[int], limit: int = 20, user: str = "", *,
        length: int | None = None, error: Exception | None = None, stop: Sequence[str] = (),
    ) -> None:  # fmt: skip
        self.prompt, self.limit = list(prompt), limit
        self.sampler = FakeSampler(length, error)
        self.run = Run(prompt, limit=limit, sampler=self.sampler, stream=TextStream(stop), user=user)
        engine.submit(self.run)
        self.generation = LlamaGeneration(engine, self.run)
        self.seen: list[Event] = []

    def finish(self) -> list[Event]:
        self.seen += self.generation
        assert self.sampler.closed == 1
        return self.seen

    @property
    def text(self) -> str:
        return "".join(event.text for event in self.seen if isinstance(event, TextDelta))

    @property
    def done(self) -> Done:
        assert isinstance(self.seen[-1], Done)
        return self.seen[-1]
