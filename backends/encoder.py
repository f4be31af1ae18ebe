"""Prompts -> tokens: the template rendered once, read once, and no message able to forge the template's own marks."""

from __future__ import annotations

import re
import threading
from bisect import bisect_left
from collections import OrderedDict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import accumulate
from typing import Protocol

from backends.templates import ChatTemplate, Rendered
from backends.values import ChatPrompt, Encoded, Prompt

_REMEMBERED = 8


class Finder(Protocol):
    """What finds control tokens in a text: a compiled pattern, or an engine that is asked."""

    def finditer(self, text: str, start: int, end: int, /) -> Iterator[re.Match[str]]:
        """Yield the places between `start` and `end`, from the first on."""


class Vocabulary(Protocol):
    """What an encoder must know of a model's tokens. May be asked from any thread."""

    @property
    def bos(self) -> int:
        """The begin-of-text token, -1 if there is none."""

    @property
    def eos(self) -> int:
        """The end-of-text token, -1 if there is none."""

    @property
    def add_bos(self) -> bool:
        """Whether a prompt begins with `bos`."""

    @property
    def control(self) -> Finder | None:
        """Finds the texts that would be read as control tokens; None if there are none."""

    @property
    def spelled(self) -> Mapping[int, bytes]:
        """Token id -> its bytes, control tokens spelled out."""

    def text(self, token: int) -> str:
        """Return a token spelled out; "" for the absent token -1."""

    def read(self, text: str, special: bool) -> tuple[int, ...]:
        """Return the tokens of `text`; `special` reads the texts of control tokens as those tokens.

        Some tokenizers put a space in front.
        """

    def read_exactly(self, text: str, special: bool) -> tuple[int, ...]:
        """Return the tokens of `text` as `read` does, with no space put in front by any tokenizer."""


@dataclass(frozen=True, slots=True)
class Prepared:
    """A prompt ready to be read: its tokens, and how the text after it is to be taken (see `TextStream`)."""

    encoded: Encoded
    think: tuple[str, str] | None = None
    thinking: bool = False
    lead: str = ""
    stops: tuple[str, ...] = ()


class Encoder:
    """Turns prompts into tokens; safe from any thread. The last few are remembered: planner and engine ask alike."""

    def __init__(self, vocabulary: Vocabulary, template: ChatTemplate) -> None:
        self._vocabulary, self._template = vocabulary, template
        self._recent: OrderedDict[Prompt, Prepared] = OrderedDict()
        self._lock = threading.Lock()

    def prepare(self, prompt: Prompt) -> Prepared:
        """Return the prompt's tokens and what is known of the text after them. Raises `TemplateFailed`."""
        with self._lock:
            if prompt in self._recent:
                self._recent.move_to_end(prompt)
                return self._recent[prompt]
        prepared = self._chat(prompt) if isinstance(prompt, ChatPrompt) else Prepared(self._text(prompt.text))
        with self._lock:
            self._recent[prompt] = prepared
            while len(self._recent) > _REMEMBERED:
                self._recent.popitem(last=False)
        return prepared

    def _text(self, text: str) -> Encoded:
        """A text prompt is its author's own: control tokens written in it are meant."""
        tokens = self._vocabulary.read(text, special=True)
        return Encoded(self._begin(text) + tokens or self._blank())

    def _chat(self, prompt: ChatPrompt) -> Prepared:
        rendered = self._template.render(prompt)
        segments = tuple(segments_of(rendered, self._forged(rendered)))
        begin = self._begin(segments[0][0]) if segments and segments[0][1] else self._begin("")
        tokens = self._read(segments)
        counts = token_counts(
            rendered.text, rendered.ends, [self._vocabulary.spelled[token] for token in tokens], len(begin)
        )
        think = self._template.think if prompt.speaker == "assistant" else None
        encoded = Encoded(begin + tokens or self._blank(), counts)
        thinking = think is not None and inside(rendered.text, prompt.prefix, think)
        return Prepared(encoded, think, thinking, rendered.lead, self._template.stops)

    def _forged(self, rendered: Rendered) -> list[tuple[int, int]]:
        control = self._vocabulary.control
        if control is None:
            return []
        text = rendered.text
        return [found.span() for start, end in rendered.contents for found in control.finditer(text, start, end)]

    def _read(self, segments: Sequence[tuple[str, bool]]) -> tuple[int, ...]:
        tokens: tuple[int, ...] = ()
        for at, (text, special) in enumerate(segments):
            # Only the very first piece may get the space that some tokenizers put before a text.
            tokens += self._vocabulary.read_exactly(text, special) if at else self._vocabulary.read(text, special)
        return tokens

    def _begin(self, text: str) -> tuple[int, ...]:
        """Return the begin-of-text token where the vocabulary wants one and the template has not written it."""
        vocabulary = self._vocabulary
        if not vocabulary.add_bos:
            return ()
        written = vocabulary.text(vocabulary.bos)
        return () if written and text.startswith(written) else (vocabulary.bos,)

    def _blank(self) -> tuple[int, ...]:
        """Return what stands for an empty prompt: a model must read something before it writes."""
        vocabulary = self._vocabulary
        return (vocabulary.bos if vocabulary.bos >= 0 else max(0, vocabulary.eos),)


def segments_of(rendered: Rendered, forged: Sequence[tuple[int, int]]) -> Iterator[tuple[str, bool]]:
    """Yield the pieces of a rendered prompt and whether control tokens may be read in them.

    `forged` are the spans inside messages that spell a control token; without any the prompt is one piece.
    """
    at = 0
    for start, end in sorted(forged):
        if at < start:
            yield rendered.text[at:start], True
        yield rendered.text[start:end], False
        at = end
    if at < len(rendered.text):
        yield rendered.text[at:], True


def token_counts(text: str, offsets: Sequence[int], pieces: Sequence[bytes], before: int = 0) -> tuple[int, ...]:
    """Return how many tokens reach to each character offset; a token across the offset belongs to what is before it.

    `pieces` are the tokens' bytes, `before` is the number of tokens in front of the text.
    """
    data = text.encode("utf-8", "replace")
    lengths = [len(piece) for piece in pieces]
    reached = list(accumulate(lengths)) if sum(lengths) == len(data) else _aligned(data, pieces)
    counts, at, size = [], 0, 0
    for offset in offsets:
        size += len(text[at:offset].encode("utf-8", "replace"))
        at = offset
        counts.append(before + (min(bisect_left(reached, size) + 1, len(reached)) if size else 0))
    return tuple(counts)


def _aligned(data: bytes, pieces: Sequence[bytes]) -> list[int]:
    """Return the byte offset after each piece where the tokenizer added or swallowed white space."""
    reached, at = [], 0
    for piece in pieces:
        skipped = at
        while not data.startswith(piece, skipped) and data[skipped : skipped + 1].isspace():
            skipped += 1
        if data.startswith(piece, skipped):
            at = skipped + len(piece)
        elif piece[:1] == b" " and data.startswith(piece[1:], at):
            at += len(piece) - 1
        else:
            at = min(at + len(piece), len(data))
        reached.append(at)
    return reached


def inside(text: str, prefix: str, think: tuple[str, str]) -> bool:
    """Whether a prompt ends between the thinking tags: the template, or the prefix, may have opened them."""
    opening = text.removesuffix(prefix).rstrip()
    opened = opening.endswith(think[0]) or prefix.lstrip().startswith(think[0])
    return opened and think[1] not in prefix
