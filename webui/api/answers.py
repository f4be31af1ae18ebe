"""What generations said, in OpenAI's shapes: whole, and in chunks.

Beyond OpenAI's fields an answer carries `reasoning_content`, each choice the `seed` that was really used, and the
whole `timings` in seconds, as in `backends.values.Timings`; those of the choice that took longest.
"""

from __future__ import annotations

import dataclasses
import secrets
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

from backends.values import Choice, Done, Event, ModelInfo, ReasoningDelta, TextDelta, Timings
from webui.api.logprobs import Weighed, in_chat, in_text, text_of

Json = dict[str, Any]


@dataclass
class Told:
    """What one generation has said so far. `text` may begin with an echo of the prompt."""

    text: list[str] = field(default_factory=list)
    reasoning: list[str] = field(default_factory=list)
    reasoning_tokens: int = 0
    choices: list[Choice] = field(default_factory=list)
    reasoning_choices: list[Choice] = field(default_factory=list)
    offset: int = 0
    """How many characters the tokens of `choices` have."""
    done: Done | None = None

    def hear(self, event: Event) -> None:
        """Keep what an event says."""
        match event:
            case TextDelta(text, _, choices):
                self.text.append(text)
                self.choices += choices
                self.offset += sum(len(text_of(choice.drawn)) for choice in choices)
            case ReasoningDelta(text, tokens, choices):
                self.reasoning.append(text)
                self.reasoning_tokens += tokens
                self.reasoning_choices += choices
            case Done():
                self.done = event
            case _:
                pass


class Shape(Protocol):
    """How one kind of completion is written."""

    prefix: str
    whole_object: str
    chunk_object: str

    def whole(self, text: str, reasoning: str) -> Json:
        """Return the fields of a whole choice."""

    def opening(self) -> Json | None:
        """Return the fields of a choice's first chunk, None where there is none."""

    def piece(self, text: str, reasoning: bool) -> Json:
        """Return the fields of a choice's chunk with more text."""

    def logprobs(self, weighed: Weighed, number: int) -> Json:
        """Return the probabilities of tokens, each with so many alternatives."""


class ChatShape:
    """`chat.completion`: a message, and deltas of it."""

    prefix, whole_object, chunk_object = "chatcmpl-", "chat.completion", "chat.completion.chunk"

    def whole(self, text: str, reasoning: str) -> Json:
        """See `Shape.whole`."""
        message = {"role": "assistant", "content": text, "refusal": None}
        return {"message": {**message, "reasoning_content": reasoning} if reasoning else message}

    def opening(self) -> Json | None:
        """See `Shape.opening`."""
        return {"delta": {"role": "assistant", "content": ""}}

    def piece(self, text: str, reasoning: bool) -> Json:
        """See `Shape.piece`."""
        return {"delta": {"reasoning_content" if reasoning else "content": text} if text else {}}

    def logprobs(self, weighed: Weighed, number: int) -> Json:
        """See `Shape.logprobs`."""
        return in_chat(weighed, number)


class TextShape:
    """`text_completion`: a text, whole or in pieces."""

    prefix, whole_object, chunk_object = "cmpl-", "text_completion", "text_completion"

    def whole(self, text: str, reasoning: str) -> Json:
        """See `Shape.whole`."""
        return {"text": text, **({"reasoning_content": reasoning} if reasoning else {})}

    def opening(self) -> Json | None:
        """See `Shape.opening`."""
        return None

    def piece(self, text: str, reasoning: bool) -> Json:
        """See `Shape.piece`."""
        return {"text": "", "reasoning_content": text} if reasoning else {"text": text}

    def logprobs(self, weighed: Weighed, number: int) -> Json:
        """See `Shape.logprobs`: of the text alone."""
        return in_text(weighed, number)


class Answer:
    """Writes the answer to one request."""

    def __init__(self, shape: Shape, model: ModelInfo, sizes: Sequence[int], echoes: Sequence[str] = (),
                 alternatives: int | None = None) -> None:  # fmt: skip
        """`sizes` are the numbers of choices for each prompt, `echoes` the prompts, if the choices begin with them.

        With `alternatives` the probability of every token is told, and so many of the other tokens.
        """
        self._shape, self._alternatives = shape, alternatives
        self._base: Json = {
            "id": shape.prefix + secrets.token_hex(12),
            "created": int(time.time()),
            "model": model.name,
            "system_fingerprint": model.fingerprint,
        }
        self.choices = [Told() for _ in range(sum(sizes))]
        self._leaders = [sum(sizes[:at]) for at in range(len(sizes))]
        for echo, at, size in zip(echoes, self._leaders, sizes, strict=False):
            for told in self.choices[at : at + size]:
                told.text.append(echo)

    def whole(self) -> Json:
        """Return the answer, once every choice is done."""
        choices = []
        for index, told in enumerate(self.choices):
            fields = self._shape.whole("".join(told.text), "".join(told.reasoning))
            probabilities = self._probabilities(Weighed(told.choices, told.reasoning_choices))
            choices.append(_choice(index, fields, told.done, probabilities))
        more = {"choices": choices, "usage": self.usage(), "timings": self._timings()}
        return {**self._base, "object": self._shape.whole_object, **more}

    def opening(self) -> list[Json]:
        """Return the chunks that come before everything else."""
        begun = [(index, self._shape.opening()) for index in range(len(self.choices))]
        chunks = [self._chunk(index, fields) for index, fields in begun if fields is not None]
        echoes = [(index, "".join(told.text)) for index, told in enumerate(self.choices)]
        return chunks + [self._chunk(index, self._shape.piece(text, False)) for index, text in echoes if text]

    def chunk(self, index: int, event: Event) -> Json | None:
        """Keep what a choice's event says and return it as a chunk, None for one that says nothing to the reader."""
        offset = self.choices[index].offset
        self.choices[index].hear(event)
        if isinstance(event, TextDelta | ReasoningDelta):
            thought = isinstance(event, ReasoningDelta)
            weighed = Weighed(reasoning=event.choices) if thought else Weighed(event.choices, (), offset)
            probabilities = self._probabilities(weighed) if event.choices else None
            fields = self._shape.piece(event.text, thought)
            return self._chunk(index, fields, None, probabilities) if event.text or probabilities else None
        if isinstance(event, Done):
            return {**self._chunk(index, self._shape.piece("", False), event), "timings": _seconds(event.timings)}
        return None

    def closing(self) -> Json:
        """Return the chunk with the usage, which has no choices."""
        return {**self._base, "object": self._shape.chunk_object, "choices": [], "usage": self.usage()}

    def usage(self) -> Json:
        """Return the tokens of all choices; a prompt counts once for all of its choices."""
        done = [told.done.usage for told in self.choices if told.done]
        led = [first.done.usage for at in self._leaders if (first := self.choices[at]).done]
        prompt = sum(usage.prompt_tokens for usage in led)
        completion = sum(usage.completion_tokens for usage in done)
        return {
            "prompt_tokens": prompt,
            "completion_tokens": completion,
            "total_tokens": prompt + completion,
            "prompt_tokens_details": {"cached_tokens": sum(usage.cached_tokens for usage in led)},
            "completion_tokens_details": {"reasoning_tokens": sum(told.reasoning_tokens for told in self.choices)},
        }

    def _timings(self) -> Json:
        timings = [told.done.timings for told in self.choices if told.done]
        return _seconds(max(timings, key=lambda each: each.first_token + each.decode))

    def _probabilities(self, weighed: Weighed) -> Json | None:
        return None if self._alternatives is None else self._shape.logprobs(weighed, self._alternatives)

    def _chunk(self, index: int, fields: Json, done: Done | None = None, probabilities: Json | None = None) -> Json:
        choice = _choice(index, fields, done, probabilities)
        return {**self._base, "object": self._shape.chunk_object, "choices": [choice]}


def _choice(index: int, fields: Json, done: Done | None, probabilities: Json | None) -> Json:
    choice = {"index": index, **fields, "logprobs": probabilities, "finish_reason": None}
    if done is None:
        return choice
    reason = "length" if done.reason == "length" else "stop"
    return {**choice, "finish_reason": reason, "seed": done.seed}


def _seconds(timings: Timings) -> Json:
    seconds = {**dataclasses.asdict(timings), "first_token": timings.first_token}
    return {name: round(value, 6) for name, value in seconds.items()}
