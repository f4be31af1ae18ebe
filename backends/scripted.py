"""A backend that answers from a script: for tests, and for looking at the page without a model.

Its tokens are words with the space before them, so counts are easy to reckon by hand; its template is
`<role>content</role>` with one token for each tag.
"""

from __future__ import annotations

import re
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from backends.constraints import SHAPES
from backends.errors import (
    EngineClosed,
    EngineFailed,
    ModelNotFound,
    PromptTooLong,
    SamovarError,
    UnsupportedParameter,
)
from backends.registry import BackendOptions
from backends.sampling import BEAM_KNOBS, knobs
from backends.values import (
    Capabilities,
    ChatPrompt,
    Choice,
    Done,
    Encoded,
    Event,
    FinishReason,
    ModelInfo,
    Progress,
    Prompt,
    Request,
    TextDelta,
    Timings,
    TokenProbability,
    Usage,
)

_PIECE = re.compile(r"<\w+>|</\w+>|\s*[^\s<]+|\s+|<")
ECHO = "You said: "
_DELAYS: Mapping[str, float] = {"scripted:": 0.0, "scripted:slow": 1 / 20}


@dataclass(frozen=True, slots=True)
class Script:
    """What to answer: `replies` in turn (the last one repeats), each piece after `delay` seconds.

    A `SamovarError` among the replies is raised after half of the previous reply's words, as a dying engine would;
    a callable gets the request and returns the reply. `constraints` are the shapes that the replies are said to keep
    to: they are written as they stand, so that is for the script to see to.
    """

    replies: Sequence[str | SamovarError | Callable[[Request], str]] = ()
    delay: float = 0.0
    window: int = 8192
    prefill_delay: float = 0.0
    name: str = "scripted"
    constraints: frozenset[str] = frozenset()


class ScriptedBackend:
    """The `Backend` over a `Script`. `requests` keeps what was asked, for tests to look at."""

    def __init__(self, script: Script | None = None) -> None:
        self.script = script or Script()
        self.requests: list[Request] = []
        self._vocabulary: dict[str, int] = {}
        self._pieces: list[str] = []
        self._lock = threading.Lock()
        self._closed = threading.Event()

    @property
    def info(self) -> ModelInfo:
        """A model that is nothing but its script."""
        name, window = self.script.name, self.script.window
        return ModelInfo(name, f"scripted-{name}", "scripted-words", window, window, "tags", architecture="script")

    @property
    def capabilities(self) -> Capabilities:
        """`max_tokens`, `stop` and `seed` are obeyed, the other knobs shape nothing here; there are no beams."""
        shapes = self.script.constraints
        lacking = (*BEAM_KNOBS, *(f"constraint.{shape}" for shape in SHAPES if shape not in shapes))
        reasons = dict.fromkeys(lacking, UnsupportedParameter().code)
        return Capabilities(knobs=frozenset(knobs()) - BEAM_KNOBS, reasons=reasons, constraints=shapes)

    def encode(self, prompt: Prompt) -> Encoded:
        """See `Backend.encode`."""
        if not isinstance(prompt, ChatPrompt):
            return Encoded(self.tokenize(prompt.text))
        tokens: list[int] = []
        ends: list[int] = []
        for message in prompt.messages:
            tokens += [self._id(f"<{message.role}>"), *self.tokenize(message.content)]
            ends.append(len(tokens))
            tokens.append(self._id(f"</{message.role}>"))
        tokens += [self._id(f"<{prompt.speaker}>"), *self.tokenize(prompt.prefix)]
        return Encoded(tuple(tokens), tuple(ends))

    def tokenize(self, text: str) -> tuple[int, ...]:
        """See `Backend.tokenize`."""
        return tuple(self._id(piece) for piece in _PIECE.findall(text))

    def detokenize(self, tokens: tuple[int, ...]) -> str:
        """See `Backend.detokenize`."""
        return "".join(self._pieces[token] for token in tokens)

    def start(self, request: Request) -> ScriptedGeneration:
        """See `Backend.start`."""
        if self._closed.is_set():
            raise EngineClosed
        if lacking := request.sampling.canonical().difference().keys() & BEAM_KNOBS:
            raise UnsupportedParameter(name=min(lacking, key=list(knobs()).index), engine="scripted")
        if request.constraint is not None and request.constraint.kind not in self.script.constraints:
            raise UnsupportedParameter(name=request.constraint.name, engine="scripted")
        size = len(self.encode(request.prompt).tokens)
        if size >= self.script.window:
            raise PromptTooLong(tokens=size, window=self.script.window)
        with self._lock:
            turn = len(self.requests)
            self.requests.append(request)
        return ScriptedGeneration(self, request, turn, size)

    def close(self) -> None:
        """See `Backend.close`."""
        self._closed.set()

    @property
    def closed(self) -> bool:
        """Whether `close` was called."""
        return self._closed.is_set()

    def _id(self, piece: str) -> int:
        if (known := self._vocabulary.get(piece)) is not None:
            return known
        with self._lock:
            if piece not in self._vocabulary:
                self._pieces.append(piece)
                self._vocabulary[piece] = len(self._pieces) - 1
            return self._vocabulary[piece]


def open_reference(reference: str, options: BackendOptions) -> ScriptedBackend:
    """Open `scripted:`, which echoes, or `scripted:slow`, 20 words a second. Raises `ModelNotFound`."""
    if reference not in _DELAYS:
        raise ModelNotFound(model=reference)
    return ScriptedBackend(Script(delay=_DELAYS[reference], window=options.ctx or Script().window))


class ScriptedGeneration:
    """See `Generation`."""

    def __init__(self, backend: ScriptedBackend, request: Request, turn: int, prompt_tokens: int) -> None:
        self._backend, self._request, self._turn = backend, request, turn
        self._prompt_tokens = prompt_tokens
        self._cancelled = threading.Event()

    def cancel(self) -> None:
        """See `Generation.cancel`."""
        self._cancelled.set()

    def __iter__(self) -> Iterator[Event]:
        """See `Generation.__iter__`."""
        script, began = self._backend.script, time.monotonic()
        total = self._prompt_tokens
        for done in (*range(0, total, max(1, total // 4)), total):
            yield Progress(done, total)
            if self._wait(script.prefill_delay / 4):
                break
        reading = time.monotonic() - began
        written = 0
        reason: FinishReason = "stop"
        for piece in self._pieces():
            if self._wait(script.delay):
                reason = "cancelled"
                break
            if written == (self._request.sampling.max_tokens or self._room()):
                reason = "length"
                break
            written += 1
            yield TextDelta(piece, 1, self._weighed(piece))
        usage = Usage(self._prompt_tokens, 0, written)
        timings = Timings(0.0, reading, time.monotonic() - began - reading)
        if self._cancelled.is_set():
            reason = "cancelled"
        yield Done(reason, usage, timings, max(0, self._request.sampling.seed))

    def _weighed(self, piece: str) -> tuple[Choice, ...]:
        """Return what is told of a word if it is asked for: nothing else could have come."""
        if not self._request.alternatives:
            return ()
        (token,) = self._backend.tokenize(piece)
        certain = TokenProbability(token, piece.encode(), 1.0, 1.0)
        return (Choice(certain, (certain,)),)

    def _room(self) -> int:
        return self._backend.script.window - self._prompt_tokens

    def _wait(self, seconds: float) -> bool:
        if seconds:
            self._cancelled.wait(seconds)
        if self._backend.closed:
            raise EngineClosed
        return self._cancelled.is_set()

    def _pieces(self) -> Iterator[str]:
        reply = self._reply()
        if isinstance(reply, SamovarError):
            yield from ("Half", " a", " reply")
            raise reply
        for text in self._request.sampling.stop:
            reply = reply.partition(text)[0]
        yield from _PIECE.findall(reply)

    def _reply(self) -> str | SamovarError:
        replies = self._backend.script.replies
        if not replies:
            return ECHO + self._last_words()
        reply = replies[min(self._turn, len(replies) - 1)]
        if isinstance(reply, SamovarError | str):
            return reply
        try:
            return reply(self._request)
        except Exception as error:
            raise EngineFailed(reason=str(error)) from error

    def _last_words(self) -> str:
        prompt = self._request.prompt
        if not isinstance(prompt, ChatPrompt):
            return prompt.text
        return next((m.content for m in reversed(prompt.messages) if m.role == "user"), "")
