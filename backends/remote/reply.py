"""A reply as it comes in: what an engine says in its chunks, as events. Knows nothing of the network."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence

from backends.remote.prompts import Ready
from backends.remote.wires import Chunk
from backends.textstream import Piece, TextStream
from backends.values import (
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


class Reply:
    """One reply. `begun` once there is a token of it; until then the request may be sent again.

    Stop strings are looked for here, so that they mean the same with every engine. `tell` gets the events.
    """

    def __init__(self, ready: Ready, stop: Sequence[str], seed: int, tell: Callable[[Event], None]) -> None:
        self.begun = False
        self._tell, self._seed = tell, seed
        self._stops = (*stop, *ready.stops)
        self._stream = TextStream(self._stops, ready.think, ready.thinking, lead=ready.lead)
        self._apart = False
        self._prompt, self._cached, self._read = len(ready.encoded.tokens), 0, -1
        self._written = self._unreported = 0
        self._choices: list[Choice] = []
        self._began = self._sent = time.monotonic()
        self._first = 0.0

    def wait(self) -> None:
        """Tell that the engine has to be waited for."""
        self._tell(Queued(1))

    def send(self) -> None:
        """Note that the request is being sent, perhaps again."""
        self._sent = time.monotonic()
        self._progress(0)

    def take(self, chunk: Chunk) -> bool:
        """Take what the engine says next; return True if the reply ends with it by a stop string."""
        if chunk.prompt is not None:
            self._prompt = chunk.prompt
        if chunk.cached is not None:
            self._cached = chunk.cached
        if chunk.read is not None:
            self._progress(chunk.read)
        if chunk.written is not None:
            new = max(0, chunk.written - self._written)
        else:
            new = 1 if chunk.text or chunk.reasoning else 0
        self._written += new
        self._unreported += new
        self._choices += chunk.choices
        if new or chunk.text or chunk.reasoning:
            self._begin()
        if chunk.reasoning:
            self._think(chunk.reasoning)
        self._report(self._stream.push(chunk.text.encode()))
        return self._stream.stopped

    def finish(self, reason: FinishReason) -> Done:
        """Return the last event, after telling what was held back."""
        self._report(self._stream.flush())
        if self._unreported:
            self._tell(TextDelta("", *self._take_unreported()))
        now = time.monotonic()
        first = self._first or now
        usage = Usage(self._prompt, min(self._cached, self._prompt), self._written)
        return Done(reason, usage, Timings(self._sent - self._began, first - self._sent, now - first), self._seed)

    @property
    def prompt_tokens(self) -> int:
        """The tokens of the prompt, as the engine says if it does."""
        return self._prompt

    def _begin(self) -> None:
        if not self.begun:
            self.begun, self._first = True, time.monotonic()
            self._progress(self._prompt)

    def _progress(self, read: int) -> None:
        if read > self._read:
            self._read = min(read, self._prompt)
            self._tell(Progress(self._read, self._prompt))

    def _think(self, text: str) -> None:
        """Take thinking that the engine has told from the reply: then there are no tags in the text."""
        if not self._apart:
            self._apart = True
            self._report(self._stream.flush())
            self._stream = TextStream(self._stops)
        self._tell(ReasoningDelta(text, *self._take_unreported()))

    def _report(self, pieces: Sequence[Piece]) -> None:
        for piece in pieces:
            kind = ReasoningDelta if piece.reasoning else TextDelta
            self._tell(kind(piece.text, *self._take_unreported()))

    def _take_unreported(self) -> tuple[int, tuple[Choice, ...]]:
        taken = self._unreported, tuple(self._choices)
        self._unreported = 0
        self._choices.clear()
        return taken
