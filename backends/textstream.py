"""Bytes of a generation → text, held back until it is certain what they are.

Held back are incomplete UTF-8, the possible beginning of a stop string and the possible beginning of a thinking tag.
What comes out does not depend on how the bytes were cut into pushes.
"""

from __future__ import annotations

import codecs
import copy
from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Piece:
    """Text that is certain; `reasoning` tells the model's thinking from its reply."""

    text: str
    reasoning: bool = False


class TextStream:
    """One generation's text.

    `stop`: strings that end the reply; the one that is complete first wins, and it is never emitted. They do not
    count inside the thinking. `think`: the opening and closing tag; an opening tag counts only before the reply's
    first visible character, so that a reply can speak of the tag. `thinking`: the prompt already opened the tag.
    `lead`: white space that the template puts before a reply and the model therefore writes itself; it is dropped.
    The tags are dropped, and the white space around them.
    """

    def __init__(
        self, stop: Sequence[str] = (), think: tuple[str, str] | None = None, thinking: bool = False, lead: str = ""
    ) -> None:
        self._stops = tuple(text for text in stop if text)
        self._think = think
        self._thinking = thinking and think is not None
        self._lead = "" if self._thinking else lead
        self._decoder = codecs.getincrementaldecoder("utf-8")("replace")
        self._held = ""
        self._fresh = True  # nothing visible of the reply yet: a thinking tag may come
        self._skipping = self._thinking  # white space after a tag
        self._pieces: list[Piece] = []
        self.stopped = False

    def fork(self) -> TextStream:
        """Return another stream that goes on from here by itself."""
        other = copy.copy(self)
        other._decoder, other._pieces = copy.copy(self._decoder), list(self._pieces)
        return other

    def push(self, data: bytes) -> list[Piece]:
        """Return the text that became certain through `data`, neighbours of one kind joined."""
        if self.stopped:
            return []
        self._held += self._decoder.decode(data)
        if not (self._skipping or self._lead or self._fresh) and not self._markers():
            self._emit(len(self._held))  # most of the text: nothing can be hidden in it
            return self._take()
        while self._step():
            pass
        return self._take()

    def flush(self) -> list[Piece]:
        """Return what is still held back, at the end of the generation.

        The beginning of a character that never came to its end is dropped: it is no text, and a later Continue
        goes on from the last whole character.
        """
        if self.stopped:
            return []
        self._drop_lead()
        self._emit(len(self._held))
        return self._take()

    def _step(self) -> bool:
        """Take one marker out of the held text; False when nothing more is certain."""
        if self._skipping:
            self._held = self._held.lstrip()
            self._skipping = not self._held
        if self._lead and not self._drop_lead():
            return False
        found = min(((at + len(text), at, text) for text in self._markers() if (at := self._find(text)) >= 0),
                    default=None)  # fmt: skip
        if found is None:
            self._emit(self._certain())
            return False
        end, start, text = found
        if self._is_opening(text):
            self._held, start, end = self._held[start:], 0, end - start
        self._emit(start)
        if text in self._stops and not self._thinking:
            self.stopped, self._held = True, ""
            return False
        self._held = self._held[end - start :]
        self._thinking = not self._thinking
        self._fresh = self._skipping = True
        return True

    def _markers(self) -> tuple[str, ...]:
        if self._think is None:
            return self._stops
        if self._thinking:
            return (self._think[1],)
        return (*self._stops, self._think[0]) if self._fresh else self._stops

    def _find(self, text: str) -> int:
        at = self._held.find(text)
        if at > 0 and self._is_opening(text) and self._held[:at].strip():
            return -1
        return at

    def _is_opening(self, text: str) -> bool:
        return not self._thinking and self._think is not None and text == self._think[0] and text not in self._stops

    def _certain(self) -> int:
        """Return how many characters of the held text can be part of no marker."""
        size = len(self._held)
        certain = size
        for text in self._markers():
            if self._is_opening(text):
                blank = size - len(self._held.lstrip())
                if text.startswith(self._held[blank:]):
                    return 0
                continue
            for at in range(max(0, size - len(text) + 1), certain):
                if text.startswith(self._held[at:]):
                    certain = at
                    break
        return certain

    def _drop_lead(self) -> bool:
        """Drop the lead once it is there; False while it may still come."""
        if self._lead.startswith(self._held) and self._held != self._lead:
            return False
        self._held = self._held.removeprefix(self._lead)
        self._lead = ""
        return True

    def _emit(self, size: int) -> None:
        text, self._held = self._held[:size], self._held[size:]
        if not text:
            return
        if not self._thinking and text.strip():
            self._fresh = False
        if self._pieces and self._pieces[-1].reasoning == self._thinking:
            text = self._pieces.pop().text + text
        self._pieces.append(Piece(text, self._thinking))

    def _take(self) -> list[Piece]:
        pieces, self._pieces = self._pieces, []
        return pieces
