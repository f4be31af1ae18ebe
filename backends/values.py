"""The frozen values that pass between a backend and whoever asks it for text. None of them has an id."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

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


@dataclass(frozen=True, slots=True)
class Request:
    """One generation to run. `user` is an opaque name by which a queue can be fair."""

    prompt: Prompt
    sampling: SamplingParams = field(default_factory=SamplingParams)
    user: str = ""


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
class TextDelta:
    """More text, valid Unicode, made of `tokens` further tokens. `text` may be empty while something is held back."""

    text: str
    tokens: int


@dataclass(frozen=True, slots=True)
class ReasoningDelta:
    """More of the model's thinking (between its thinking tags), kept apart from the reply."""

    text: str
    tokens: int


@dataclass(frozen=True, slots=True)
class Done:
    """The last event of a generation. `seed` is the one that was really used."""

    reason: FinishReason
    usage: Usage
    timings: Timings
    seed: int


Event = Queued | Progress | TextDelta | ReasoningDelta | Done


@dataclass(frozen=True, slots=True)
class ModelInfo:
    """What is loaded. Equal `fingerprint`s are the same weights, equal `tokenizer`s cut text in the same way."""

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


@dataclass(frozen=True, slots=True)
class Capabilities:
    """What an engine can do, said before it is asked.

    `knobs` holds the names of the `SamplingParams` fields it obeys. `reasons` maps what it cannot do (a knob,
    or "continue", "impersonate", "chat") to an error code that tells why (see `backends.errors`).
    """

    knobs: frozenset[str]
    continuation: bool = True
    impersonation: bool = True
    exact_counts: bool = True
    reasons: Mapping[str, str] = field(default_factory=dict)
