"""The frozen values that pass between a backend and whoever asks it for text. None of them has an id."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

from backends.constraints import Constraint
from backends.sampling import SamplingParams

Role = Literal["system", "user", "assistant"]
Speaker = Literal["user", "assistant"]
FinishReason = Literal["stop", "length", "cancelled"]


@dataclass(frozen=True, slots=True)
class Message:
    """One turn of a dialogue, as text."""

    role: Role
    content: str


@dataclass(frozen=True, slots=True)
class ChatPrompt:
    """A dialogue that the model goes on with, through its chat template.

    The prompt ends with an open turn of `speaker` that already holds `prefix`; so the same value serves

    * a reply: speaker "assistant", prefix "" (or the words of "Start reply with");
    * Continue: the dialogue without its last reply, and that reply as the prefix;
    * Impersonate: speaker "user", prefix = what stands in the input box.
    """

    messages: tuple[Message, ...]
    speaker: Speaker = "assistant"
    prefix: str = ""


@dataclass(frozen=True, slots=True)
class TextPrompt:
    """Plain text that the model completes, without any template."""

    text: str


Prompt = ChatPrompt | TextPrompt


@dataclass(frozen=True, slots=True)
class Encoded:
    """A prompt as the model reads it.

    `ends[i]` is the number of tokens from the start up to the end of message i's content; the tokens after
    `ends[-1]` open the speaker's turn. A text prompt has no ends.
    """

    tokens: tuple[int, ...]
    ends: tuple[int, ...] = ()


MAX_ALTERNATIVES = 20
"""The most alternatives that are told of one token."""


@dataclass(frozen=True, slots=True)
class Request:
    """One generation to run. `user` is an opaque name by which a queue can be fair.

    With `alternatives`, up to `MAX_ALTERNATIVES`, every token tells what was weighed: see `Choice`. An engine tells
    fewer where it has no more (`Capabilities.alternatives`), and a search with beams tells nothing.
    """

    prompt: Prompt
    sampling: SamplingParams = field(default_factory=SamplingParams)
    user: str = ""
    alternatives: int = 0
    constraint: Constraint | None = None
    """The shape that the reply must have, its prefix included; None leaves it free."""


@dataclass(frozen=True, slots=True)
class Usage:
    """Tokens of one generation; `cached_tokens` of the prompt were reused and not read again."""

    prompt_tokens: int
    cached_tokens: int
    completion_tokens: int


@dataclass(frozen=True, slots=True)
class Timings:
    """Seconds of one generation: waiting for a place, reading the prompt, writing."""

    queued: float
    prefill: float
    decode: float

    @property
    def first_token(self) -> float:
        """Seconds from the request to the first token."""
        return self.queued + self.prefill


@dataclass(frozen=True, slots=True)
class Queued:
    """The request waits; `place` 1 is next."""

    place: int


@dataclass(frozen=True, slots=True)
class Progress:
    """The prompt is being read: `done` of `total` tokens (reused ones count as done)."""

    done: int
    total: int


@dataclass(frozen=True, slots=True)
class TokenProbability:
    """A token that might come next, the bytes it writes, and its probability.

    `before` is the model's own; `after` is the one it was really drawn with, when every lever had moved: 0 for what
    was cut off, None where the engine does not tell. `token` is -1 where the engine tells no id.
    """

    token: int
    piece: bytes
    before: float
    after: float | None = None


@dataclass(frozen=True, slots=True)
class Choice:
    """One token of a reply: the one that was drawn, and the `top` most probable ones to the model, the best first.

    The drawn one is among those if it is that probable.
    """

    drawn: TokenProbability
    top: tuple[TokenProbability, ...] = ()


@dataclass(frozen=True, slots=True)
class TextDelta:
    """More text, valid Unicode, made of `tokens` further tokens. `text` may be empty while something is held back.

    `choices` are those of the tokens, in order, if the request asks for alternatives. Text is held back, tokens are
    not cut: so the pieces of the choices need not be the text of the same event, and those of a stop string come too.
    """

    text: str
    tokens: int
    choices: tuple[Choice, ...] = ()


@dataclass(frozen=True, slots=True)
class ReasoningDelta:
    """More of the model's thinking (between its thinking tags), kept apart from the reply."""

    text: str
    tokens: int
    choices: tuple[Choice, ...] = ()


@dataclass(frozen=True, slots=True)
class Searching:
    """A beam search goes on; this is the best reply so far, whole, of `tokens` tokens.

    Each replaces the one before. Nothing of it is certain: in the end the reply comes in deltas, like any other.
    """

    text: str
    reasoning: str
    tokens: int


@dataclass(frozen=True, slots=True)
class Branch:
    """One piece of the tree of replies that a beam search found: the text that follows the branch `parent`.

    `parent` is a place in the same tuple, before this one, or -1 where replies begin. `rating` is a number where a
    reply ends: its log-probability divided by its length to the power of the length penalty, 0 the highest.
    """

    parent: int
    text: str
    rating: float | None = None


@dataclass(frozen=True, slots=True)
class Done:
    """The last event of a generation. `seed` is the one that was really used.

    `beams` is the tree of what a beam search found, the best reply first.
    """

    reason: FinishReason
    usage: Usage
    timings: Timings
    seed: int
    beams: tuple[Branch, ...] = ()


Event = Queued | Progress | Searching | TextDelta | ReasoningDelta | Done


@dataclass(frozen=True, slots=True)
class Peer:
    """An engine elsewhere that answers for a model: its address without secrets, what it is called ("" = unknown).

    `running` counts the requests that it works on for us; `well` is False while it does not answer.
    """

    address: str
    engine: str
    running: int
    well: bool


@dataclass(frozen=True, slots=True)
class ModelInfo:
    """What is loaded. Equal `fingerprint`s are the same weights, equal `tokenizer`s cut text in the same way.

    `engine` is what people call the engine that runs it, `peers` are the engines elsewhere behind it.
    """

    name: str
    fingerprint: str
    tokenizer: str
    window: int
    trained_window: int
    template: str
    architecture: str = ""
    quantization: str = ""
    parameters: int = 0
    size_bytes: int = 0
    engine: str = ""
    peers: tuple[Peer, ...] = ()


@dataclass(frozen=True, slots=True)
class Kept:
    """Chats that an engine keeps beside those in its cache: how many, and the bytes they take of a `budget`.

    `exact`: whether it computes so that the same request gives the same text, whatever runs beside it.
    """

    chats: int
    size: int
    budget: int
    exact: bool = False


@dataclass(frozen=True, slots=True)
class Capabilities:
    """What an engine can do, said before it is asked.

    `knobs` holds the names of the `SamplingParams` fields it obeys. `reasons` maps what it cannot do (a knob,
    or "continue", "impersonate", "chat", "alternatives", "constraint.regex" and the like) to an error code that tells
    why (see `backends.errors`). `alternatives` is how many it tells of each token, at most; `constraints` are the
    shapes that it keeps a reply to (see `backends.constraints.SHAPES`).
    """

    knobs: frozenset[str]
    continuation: bool = True
    impersonation: bool = True
    exact_counts: bool = True
    alternatives: int = MAX_ALTERNATIVES
    reasons: Mapping[str, str] = field(default_factory=dict)
    constraints: frozenset[str] = frozenset()
