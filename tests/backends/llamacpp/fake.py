"""A model made of arithmetic: the next token depends on every token before it, so a mistake in the books shows."""

from __future__ import annotations

import struct
import threading
from collections.abc import Callable, Sequence
from typing import Any, ClassVar

from backends.llamacpp.engine import Engine
from backends.llamacpp.executor import Outcome, Part
from backends.llamacpp.parking import Memory
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

    def __init__(
        self, cells: int = 1000, limit: int = 64, cuttable: bool = True, spare: int = 0, shareable: bool = True,
    ) -> None:  # fmt: skip
        self.cells, self.limit, self.cuttable, self.spare = cells, limit, cuttable, spare
        self.shareable, self.shiftable = cuttable and shareable, cuttable
        self.saved: list[int] = []  # what was saved and restored, by sequence
        self.restored: list[int] = []
        self.moved: list[tuple[int, int, int]] = []
        self.held: dict[int, list[tuple[int, int]]] = {}  # sequence -> (cell, token)
        self.batches: list[list[Part]] = []
        self.before: Callable[[FakeExecutor], Outcome | None] = lambda _: None
        self.gate = threading.Event()
        self.gate.set()
        self.decoding = threading.Event()
        self.flag = threading.Event()
        self.closed = self.broken = False
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
            for back in range(part.logits):
                self._logits[index - back] = next_token([token for _, token in held[: len(held) - back]])
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
        assert self.shareable and not self.held.get(target)
        self.held[target] = self.held[source][:tokens]

    def shift(self, sequence: int, start: int, end: int) -> bool:
        assert self.shiftable
        moving = {cell for cell, _ in self.held[sequence][end:]}
        for other, cells in self.held.items():
            assert other == sequence or not moving & {cell for cell, _ in cells}, "another's cells would move"
        self.moved.append((sequence, start, end))
        del self.held[sequence][start:end]
        return True

    def measure(self, sequence: int) -> int:
        return 8 + 4 * len(self.held.get(sequence, []))

    def save(self, sequence: int, memory: Memory) -> bool:
        tokens = [token for _, token in self.held[sequence]]
        data = struct.pack(f"<Q{len(tokens)}i", len(tokens), *tokens)
        memory.bytes[: len(data)] = data
        self.saved.append(sequence)
        return True

    def restore(self, sequence: int, memory: Memory) -> bool:
        assert not self.held.get(sequence), "a state is restored into an empty sequence"
        data = bytes(memory.pointer)
        (size,) = struct.unpack_from("<Q", data)
        self.restored.append(sequence)
        if self.broken or len({cell for cells in self.held.values() for cell, _ in cells}) + size > self.cells:
            return False
        self._cell += size
        tokens = struct.unpack_from(f"<{size}i", data, 8)
        self.held[sequence] = [(self._cell - at, token) for at, token in enumerate(tokens)]
        return True

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
        length: int | None = None, error: Exception | None = None, stop: Sequence[str] = (), head: int = 0,
        draft: int = 0,
    ) -> None:  # fmt: skip
        self.prompt, self.limit = list(prompt), limit
        self.sampler = FakeSampler(length, error)
        self.run = Run(
            prompt, limit=limit, sampler=self.sampler, stream=TextStream(stop), user=user, head=head, draft=draft
        )
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
