"""Prompts as they are sent to an engine, and their tokens: by our template, by the engine's own, or estimated."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import accumulate
from typing import Any, Literal, Protocol

from backends.encoder import Encoder, inside, token_counts
from backends.errors import TemplateFailed
from backends.remote.estimate import MARKS, OPENING, Estimate
from backends.remote.failures import Refused
from backends.remote.frames import Json
from backends.remote.tokenizers import Cut, OpenTokenizer
from backends.templates import ChatTemplate
from backends.templates.choice import THINK
from backends.templates.forms import Turn, forms
from backends.values import ChatPrompt, Encoded, Prompt, TextPrompt

MARK = "Samovar-0f3b-mark"
"""Stands in a dialogue where the text begins that is to be gone on with. Plain letters: no tokenizer loses them."""

_LOSS = "\ufffd"

Route = Literal["chat", "text"]
Messages = Sequence[Mapping[str, str]]


@dataclass(frozen=True, slots=True)
class Ready:
    """A prompt to send: its endpoint, its fields, its tokens, and how the text after it is taken (see `TextStream`).

    `size` is what was estimated, in bytes, and `marks` the tokens that were added for a template.
    """

    route: Route
    content: Json
    encoded: Encoded
    think: tuple[str, str] | None = None
    thinking: bool = False
    lead: str = ""
    stops: tuple[str, ...] = ()
    size: int = 0
    marks: int = 0


class Prompts(Protocol):
    """Makes prompts ready. May be called from any thread, and may ask the engine: raises `Lost`, `Refused`."""

    def prepare(self, prompt: Prompt) -> Ready:
        """Return what to send. Raises `TemplateFailed`."""


class OwnPrompts:
    """Our template, the engine's tokenizer: what is sent are tokens, and every count is exact."""

    def __init__(self, encoder: Encoder) -> None:
        self._encoder = encoder

    def prepare(self, prompt: Prompt) -> Ready:
        """See `Prompts.prepare`."""
        made = self._encoder.prepare(prompt)
        content = {"prompt": list(made.encoded.tokens)}
        return Ready("text", content, made.encoded, made.think, made.thinking, made.lead, made.stops)


class EnginePrompts:
    """The engine's template and tokenizer.

    Where a text is to be gone on with, a mark is laid out in its place, and what stands before the mark is sent as
    plain text with that text behind it: so nothing is trimmed, and every speaker can go on. `takes_tokens`: plain text
    may be sent as tokens. `trusted`: the engine goes on with a last message of the assistant's by itself, and keeps
    every character of it.
    """

    def __init__(self, tokenizer: OpenTokenizer, takes_tokens: bool, trusted: bool) -> None:
        self._tokenizer, self._takes_tokens, self._trusted = tokenizer, takes_tokens, trusted
        self._begin = tokenizer.begin()

    def prepare(self, prompt: Prompt) -> Ready:
        """See `Prompts.prepare`."""
        if isinstance(prompt, TextPrompt):
            return self._text(prompt.text)
        if prompt.speaker == "assistant" and (not prompt.prefix or self._trusted):
            return self._chat(prompt)
        return self._marked(prompt)

    def _chat(self, prompt: ChatPrompt) -> Ready:
        messages, cut, text = self._lay_out(_with(prompt, prompt.prefix) if prompt.prefix else _messages(prompt))
        encoded = Encoded(cut.tokens, _ends(prompt, text, cut))
        return Ready("chat", {"messages": messages}, encoded, THINK, thinking=inside(text, prompt.prefix, THINK))

    def _marked(self, prompt: ChatPrompt) -> Ready:
        _, laid_out, text = self._lay_out(_with(prompt, MARK))
        head, found, _ = text.rpartition(MARK)
        if not found:
            raise TemplateFailed(reason="it leaves out the last message")
        text = head + prompt.prefix
        if self._takes_tokens:
            cut = self._tokenizer.read(text, special=True)
        else:  # it reads marks of the template as plain text, so they are taken from the dialogue as it was laid out
            cut = Cut(self._reaching(laid_out.tokens, head) + self._plain(prompt.prefix))
        think = THINK if prompt.speaker == "assistant" else None
        thinking = think is not None and inside(text, prompt.prefix, think)
        return Ready("text", self._content(text, cut), Encoded(cut.tokens, _ends(prompt, text, cut)), think, thinking)

    def _text(self, text: str) -> Ready:
        cut = self._tokenizer.read(text, special=True)
        if cut.tokens[: len(self._begin)] != self._begin:
            cut = Cut(self._begin + cut.tokens)
        return Ready("text", self._content(text, cut), Encoded(cut.tokens))

    def _content(self, text: str, cut: Cut) -> Json:
        return {"prompt": list(cut.tokens) if self._takes_tokens else text}

    def _reaching(self, tokens: tuple[int, ...], head: str) -> tuple[int, ...]:
        """Return the first tokens, up to the end of `head`."""
        return tokens[
            : bisect_left(range(len(tokens)), len(head), key=lambda at: len(self._tokenizer.write(tokens[:at])))
        ]

    def _plain(self, text: str) -> tuple[int, ...]:
        return self._tokenizer.read(text, special=False).tokens if text else ()

    def _lay_out(self, messages: Messages) -> tuple[Messages, Cut, str]:
        """Return the dialogue in the first form that the engine's template takes, and its tokens and text."""
        reason = ""
        for form in _forms(messages):
            try:
                cut = self._tokenizer.chat(form)
            except Refused as refusal:
                if refusal.status not in (400, 422, 500):
                    raise
                reason = reason or refusal.said
                continue
            text = b"".join(cut.pieces).decode("utf-8", "replace")
            # Some engines tell the texts of tokens only roughly.
            return form, cut, text if text and _LOSS not in text else self._tokenizer.write(cut.tokens)
        raise TemplateFailed(reason=reason)


class EstimatedPrompts:
    """No tokenizer: counts are estimates. With a template of ours the prompt is text, else the engine lays it out.

    `prefill`: the fields that make the engine go on with a last message of the assistant's, None if it cannot.
    """

    def __init__(self, estimate: Estimate, template: ChatTemplate | None, prefill: Mapping[str, Any] | None) -> None:
        self._estimate, self._template, self._prefill = estimate, template, prefill

    def prepare(self, prompt: Prompt) -> Ready:
        """See `Prompts.prepare`."""
        if isinstance(prompt, TextPrompt):
            encoded = Encoded(self._tokens(self._estimate.count(prompt.text)))
            return Ready("text", {"prompt": prompt.text}, encoded, size=_size(prompt.text))
        if self._template is not None:
            return self._rendered(prompt, self._template)
        messages = _with(prompt, prompt.prefix) if prompt.prefix else _messages(prompt)
        more = self._prefill or {} if prompt.prefix else {}
        texts = [*(message.content for message in prompt.messages), prompt.prefix]
        marks = MARKS * len(prompt.messages) + OPENING
        content = {"messages": messages, **more}
        return Ready("chat", content, self._counted(texts), THINK, size=sum(map(_size, texts)), marks=marks)

    def _rendered(self, prompt: ChatPrompt, template: ChatTemplate) -> Ready:
        made = template.render(prompt)
        ends = tuple(self._estimate.count(made.text[:end]) for end in made.ends)
        encoded = Encoded(self._tokens(self._estimate.count(made.text)), ends)
        think = template.think if prompt.speaker == "assistant" else None
        thinking = think is not None and inside(made.text, prompt.prefix, think)
        content = {"prompt": made.text}
        return Ready("text", content, encoded, think, thinking, made.lead, template.stops, size=_size(made.text))

    def _counted(self, texts: Sequence[str]) -> Encoded:
        *messages, prefix = map(self._estimate.count, texts)
        ends = tuple(accumulate(MARKS + tokens for tokens in messages))
        return Encoded(self._tokens((ends[-1] if ends else 0) + OPENING + prefix), ends)

    @staticmethod
    def _tokens(count: int) -> tuple[int, ...]:
        """Return so many of the absent token."""
        return (-1,) * max(1, count)


def _messages(prompt: ChatPrompt) -> Messages:
    return [{"role": message.role, "content": message.content} for message in prompt.messages]


def _with(prompt: ChatPrompt, content: str) -> Messages:
    return [*_messages(prompt), {"role": prompt.speaker, "content": content}]


def _forms(messages: Messages) -> Iterator[Messages]:
    texts = [message["content"] for message in messages]
    turns: Any = tuple(Turn(message["role"], (at,)) for at, message in enumerate(messages))  # type: ignore[arg-type]
    for form in forms(turns):
        yield [{"role": turn.role, "content": turn.content(texts)} for turn in form]


def _ends(prompt: ChatPrompt, text: str, cut: Cut) -> tuple[int, ...]:
    """Return how many tokens reach to the end of each message, which are looked for in the text one after another."""
    offsets, at = [], 0
    for message in prompt.messages:
        content, found = message.content, text.find(message.content, at)
        if found < 0:
            content = content.strip()
            found = text.find(content, at)
        at = found + len(content) if found >= 0 else at
        offsets.append(at)
    if cut.pieces:
        return token_counts(text, offsets, cut.pieces)
    return tuple(len(cut.tokens) * offset // max(1, len(text)) for offset in offsets)


def _size(text: str) -> int:
    return len(text.encode("utf-8", "replace"))
