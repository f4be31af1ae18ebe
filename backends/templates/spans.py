"""Where the messages stand in a rendered prompt.

The template is run a second time with marks in the place of the messages. What it writes around the marks are the
literals between the messages, so the messages can be found in the real text even if the template trims them.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

# Characters of a private use area, which no template has a reason to write.
_MARK = re.compile("\ue0f0(\\d+)\ue0f1")
_NEAR = 4096
"""How much further than expected a message is looked for, in characters."""


@dataclass(frozen=True, slots=True)
class Span:
    """Message `index` is the characters from `start` to `end`."""

    index: int
    start: int
    end: int


def mark(index: int) -> str:
    """Return what stands for text `index`."""
    return f"\ue0f0{index}\ue0f1"


def marked(skeleton: str) -> frozenset[int]:
    """Return the numbers of the marks in a text."""
    return frozenset(int(number) for number in _MARK.findall(skeleton))


def unused_mark(texts: Sequence[str]) -> str:
    """Return a mark that none of `texts` holds and that stands for none of them."""
    index = len(texts)
    while any(mark(index) in text for text in texts):
        index += 1
    return mark(index)


def locate(text: str, skeleton: str, texts: Sequence[str], think: tuple[str, str] | None) -> list[Span]:
    """Return where `texts` stand in `text`, in the order of the text; one that is written twice is found twice.

    Exact wherever the template writes the same around a message as around its mark. Otherwise the nearest likely
    place; the spans are in order and apart in any case, so that sums over them stay right.
    """
    pieces = _MARK.split(skeleton)
    literals, order = pieces[::2], [int(number) for number in pieces[1::2]]
    spans, at = [], 0
    for index, before, after in zip(order, literals, literals[1:], strict=False):
        start, at = _place(text, at, before, after, _candidates(texts[index], think))
        spans.append(Span(index, start, at))
    return spans


def _candidates(text: str, think: tuple[str, str] | None) -> list[str]:
    """Return what a template may make of a message: trimmed, or without the thinking in front. The likeliest first."""
    found = [text, text.rstrip(), text.lstrip(), text.strip()]
    if think is not None and think[1] in text:
        reply = text.rpartition(think[1])[2]
        found += [reply, reply.lstrip("\n"), reply.lstrip(), reply.strip()]
    return list(dict.fromkeys(found))


def _place(text: str, at: int, before: str, after: str, candidates: Sequence[str]) -> tuple[int, int]:
    """Return the start and end of a message between the literals `before` and `after`, looking from `at` on."""
    if text.startswith(before, at):
        start = at + len(before)
        for candidate in candidates:
            if text.startswith(candidate, start) and text.startswith(after, start + len(candidate)):
                return start, start + len(candidate)
    limit = at + _NEAR + 2 * (len(before) + len(candidates[0]) + len(after))
    for needle, length in _needles(candidates, after):
        if (found := text.find(needle, at, limit)) >= 0:
            return found, found + length
    # Not to be found: all that there is up to the next literal.
    found = text.find(before, at, limit)
    start = found + len(before) if found >= 0 else at
    end = text.find(after, start, limit) if after else -1
    return start, max(start, end)


def _needles(candidates: Sequence[str], after: str) -> Iterator[tuple[str, int]]:
    longest = [candidate for candidate in candidates if candidate]
    yield from ((candidate + after, len(candidate)) for candidate in longest)
    yield from ((candidate, len(candidate)) for candidate in longest)
