"""One request while it waits and runs: what it has read and written, and the queue to its consumer."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from queue import SimpleQueue
from typing import Protocol

from backends.errors import SamovarError
from backends.llamacpp.draft import Draft
from backends.llamacpp.executor import Part
from backends.llamacpp.scheduler import Running, Waiting
from backends.llamacpp.sequences import Sequence as Slot
from backends.textstream import Piece, TextStream
from backends.values import (
    Branch,
    Choice,
    Done,
    Event,
    FinishReason,
    Progress,
    Queued,
    ReasoningDelta,
    TextDelta,
    Timings,
    Usage,
)


class Closable(Protocol):
    """What draws the tokens of a request: a `Sampler`, or a test's own."""

    def close(self) -> None:
        """Give its memory back."""


class Run:
    """A request in the engine. Only `cancelled` and `events` are touched by other threads.

    `tokens` are the prompt and then what was written; `limit` is the most tokens it may write. `weighed` returns what
    was weighed when the last token was drawn, if that is to be told. `head` is the size of the prompt's first turn,
    after which turns may have left the window (see `reuse.match`). `draft`: the most tokens that are guessed ahead.
    """

    def __init__(
        self, prompt: Sequence[int], *, limit: int, sampler: Closable, stream: TextStream, seed: int = 0,
        user: str = "", weighed: Callable[[], Choice | None] = lambda: None, head: int = 0,
        draft: int = 0,
    ) -> None:  # fmt: skip
        self.tokens, self.prompt_size, self.limit, self.head = list(prompt), len(prompt), limit, head
        self.sampler, self.user, self.seed = sampler, user, seed
        self.events: SimpleQueue[Event | SamovarError] = SimpleQueue()
        self.cancelled = self.paused = self.ended = False
        self.slot: Slot | None = None
        self.id = 0
        self.beams: tuple[Branch, ...] = ()
        self._stream = stream
        self._draft = Draft(self.tokens, draft) if draft else None
        self._cached: int | None = None
        self._weighed = weighed
        self._choices: list[Choice] = []
        self._place = self._unreported = 0
        self._began = time.monotonic()
        self._admitted = self._first = 0.0

    @property
    def written(self) -> int:
        """The number of tokens of the reply so far."""
        return len(self.tokens) - self.prompt_size

    @property
    def slots(self) -> Sequence[Slot]:
        """The sequences that it has."""
        return [self.slot] if self.slot else []

    @property
    def width(self) -> int:
        """The number of sequences that it writes in."""
        return 1

    @property
    def size(self) -> int:
        """The number of its tokens."""
        return len(self.tokens)

    @property
    def remaining(self) -> int:
        """The most tokens that it may still write."""
        return self.limit - self.written

    @property
    def held(self) -> int:
        """The number of its tokens that the KV cache holds."""
        return len(self.slot.tokens) if self.slot else 0

    @property
    def unread(self) -> int:
        """The number of its tokens still to be read before the next can be drawn."""
        return len(self.tokens) - self.held

    @property
    def only_writes(self) -> bool:
        """Whether its next step is one token, and nothing is guessed."""
        return self.slot is not None and self.unread == 1 and self._draft is None

    def part(self, count: int) -> Part:
        """Return its next `count` unread tokens, as they go into a batch."""
        held, slot = self.held, self.slot
        assert slot is not None, "a running request has a sequence"
        return Part(slot.id, held, self.tokens[held : held + count], count == self.unread)

    def as_waiting(self) -> Waiting:
        """Return what the scheduler must know of it while it waits."""
        return Waiting(self.id, self.user, self.size, self.remaining, self.paused)

    def as_running(self) -> Running:
        """Return what the scheduler must know of it while it runs."""
        return Running(self.id, self.user, self.held, self.unread, self.remaining)

    def queue(self, place: int) -> None:
        """Tell its place among the waiting, if that changed."""
        if place != self._place:
            self._place = place
            self.events.put(Queued(place))

    def admit(self, slot: Slot) -> None:
        """Begin in a sequence, or go on there after a pause."""
        self.slot, self.paused, self._place = slot, False, 0
        if self._cached is None:
            self._cached, self._admitted = self.held, time.monotonic()
        self.read()

    def read(self) -> None:
        """Tell how much of the prompt is read."""
        self.events.put(Progress(min(self.held, self.prompt_size), self.prompt_size))

    def write(self, token: int, data: bytes) -> FinishReason | None:
        """Take a token of the reply and the bytes it stands for; return the reason if the reply ends with it."""
        self.start_writing()
        self.tokens.append(token)
        self._unreported += 1
        if (choice := self._weighed()) is not None:
            self._choices.append(choice)
        self._report(self._stream.push(data))
        if self._stream.stopped:
            return "stop"
        return "length" if self.written >= self.limit else None

    def guess(self, room: int) -> list[int]:
        """Return what it may write after its next token, at most `room` tokens."""
        return self._draft.guess(min(room, self.remaining - 1)) if self._draft is not None else []

    def guessed(self, tokens: int, right: int) -> None:
        """Learn that of so many guessed tokens the first `right` ones were written."""
        if self._draft is not None:
            self._draft.learn(tokens, right)

    def start_writing(self) -> None:
        """Note the time of the first token."""
        self._first = self._first or time.monotonic()

    def deliver(self, tokens: Sequence[int], pieces: Mapping[int, bytes]) -> None:
        """Take a whole reply; `pieces` are the bytes of its tokens. Thinking and text are told whole."""
        self.tokens.extend(tokens)
        told: list[tuple[Piece, int]] = []
        count = 0
        for token in tokens:
            count += 1
            for piece in self._stream.push(pieces[token]):
                text, before = piece.text, 0
                if told and told[-1][0].reasoning == piece.reasoning:
                    (earlier, before) = told.pop()
                    text = earlier.text + text
                told.append((Piece(text, piece.reasoning), before + count))
                count = 0
        for piece, number in told:
            self._unreported = number
            self._report([piece])
        self._unreported = count

    def finish(self, reason: FinishReason) -> None:
        """Tell the consumer that this is the end."""
        if self.ended:
            return
        self.ended = True
        self._report(self._stream.flush())
        if self._unreported:
            self._tell(TextDelta("", self._unreported, tuple(self._choices)))
        now = time.monotonic()
        admitted = self._admitted or now
        first = self._first or now
        usage = Usage(self.prompt_size, self._cached or 0, self.written)
        timings = Timings(admitted - self._began, first - admitted, now - first)
        self.events.put(Done(reason, usage, timings, self.seed, self.beams))
        self.sampler.close()

    def fail(self, error: SamovarError) -> None:
        """Raise an error at the consumer."""
        if not self.ended:
            self.ended = True
            self.events.put(error)
            self.sampler.close()

    def _report(self, pieces: Sequence[Piece]) -> None:
        for piece in pieces:
            kind = ReasoningDelta if piece.reasoning else TextDelta
            self._tell(kind(piece.text, self._unreported, tuple(self._choices)))

    def _tell(self, event: TextDelta | ReasoningDelta) -> None:
        self._unreported = 0
        self._choices.clear()
        self.events.put(event)


class LlamaGeneration:
    """The consumer's end of a run (see `backends.base.Generation`)."""

    def __init__(self, engine: Cancelling, run: Run) -> None:
        self._engine, self._run = engine, run

    def __iter__(self) -> Iterator[Event]:
        """Yield the events; leaving early cancels the run."""
        try:
            while True:
                event = self._run.events.get()
                if isinstance(event, SamovarError):
                    raise event
                yield event
                if isinstance(event, Done):
                    return
        finally:
            self.cancel()

    def cancel(self) -> None:
        """See `Generation.cancel`."""
        self._engine.cancel(self._run)


class Cancelling(Protocol):
    """Whoever can end a run: the engine."""

    def cancel(self, run: Run) -> None:
        """Ask a run to end; from any thread, any number of times."""
