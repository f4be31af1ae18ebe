"""Cuts Markdown into blocks as it arrives, so that what is closed never has to be rendered again.

A block is a run of lines that can be rendered alone: a paragraph, a heading, a fence, a table, one item of a list.
The cut before a line depends only on the lines above it and on the line's first few characters, so it is the same
however the text was chopped on its way here. Where to cut follows CommonMark 0.31 for what a fence, a list marker
and a blank line are; reference definitions do not reach from one block to another.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

_Start = Literal["plain", "indented", "item", "fence", "math"]
_Kind = Literal["plain", "list", "fence", "math"]

_ITEM = re.compile(r"(?:[-*+]|(\d{1,9})[.)])[ \t]")
_OUTER = re.compile(r"(?:\s*(?:[-*+]|\d{1,9}[.)]|>)(?=\s))*\s*>?\s*")
"""The markers of lists and quotes that may stand before a fence."""
_FENCE = re.compile(r"`{3,}(?=[^`]*$)|~{3,}")
_INDENT = re.compile(r" {0,3}(?! )")
_QUOTED = re.compile(r"[\s>]*")
_MATH_ENDS: Mapping[str, str] = {"$$": "$$", "\\[": "\\]"}


@dataclass(frozen=True, slots=True)
class Block:
    """A piece of Markdown. `number` is its place when it is an item of an ordered list, `follows` whether the block
    before it is an item of the same list; `fenced` whether it ends inside of a code fence."""

    source: str
    number: int | None = None
    follows: bool = False
    fenced: bool = False


@dataclass
class Splitter:
    """Takes text piece by piece and gives blocks; `rest` is the block that is still open."""

    _lines: list[str] = field(default_factory=list)
    _partial: str = ""
    _kind: _Kind = "plain"
    _until: str = ""
    _blank: bool = False
    _number: int | None = None
    _marker: str = ""
    _follows: bool = False
    _decided: bool = False

    def feed(self, text: str) -> list[Block]:
        """Return the blocks that `text` closed."""
        *lines, rest = (self._partial + text).split("\n")
        closed: list[Block] = []
        for line in lines:
            closed += self._begin(line, whole=True)
            closed += self._end_line(line)
        self._partial = rest
        return closed + self._begin(rest, whole=False)

    @property
    def rest(self) -> Block:
        """What no cut has closed yet; its source may be empty."""
        return self._block([*self._lines, self._partial])

    def _block(self, lines: list[str]) -> Block:
        return Block("\n".join(lines), self._number, self._follows, self._kind == "fence" or bool(self._until))

    def _begin(self, line: str, *, whole: bool) -> list[Block]:
        """Decide once for each line, as soon as it can be said, whether a block begins with it."""
        if self._decided:
            return []
        start = _start(line, whole=whole)
        if start is None:
            return []
        self._decided = True
        if self._until or (whole and not line.strip()) or not self._cuts(start, line):
            return []
        closed = [self._block(self._lines)] if self._lines else []
        self._open(start, line)
        return closed

    def _cuts(self, start: _Start, line: str) -> bool:
        if not self._lines:
            return True
        if start in ("fence", "math"):
            return True
        if start == "item":
            return self._blank or self._kind == "list" or _interrupts(line)
        return start == "plain" and self._blank

    def _open(self, start: _Start, line: str) -> None:
        before, marker = self._marker, ""
        self._lines, self._blank, self._follows, last = [], False, False, self._number
        self._number = None
        kinds: dict[_Start, _Kind] = {"item": "list", "fence": "fence", "math": "math"}
        self._kind = kinds.get(start, "plain")
        if found := _ITEM.match(line) if start == "item" else None:
            marker = found[0].strip()[-1]
            self._follows = marker == before
            if found[1]:
                self._number = last + 1 if self._follows and last is not None else int(found[1])
        self._marker = marker

    def _end_line(self, line: str) -> list[Block]:
        """Take in a whole line; a fence or formula that it closes is a block at once."""
        self._decided = False
        if not line.strip() and not self._lines:
            return []
        self._lines.append(line)
        self._blank = not line.strip()
        if self._until:
            return self._inside(line)
        if self._kind == "math" and len(self._lines) == 1:
            self._until = "" if _math_ends(line[2:], _MATH_ENDS[line[:2]]) else _MATH_ENDS[line[:2]]
        elif fence := _FENCE.match(_OUTER.sub("", line, count=1)):
            self._until = fence[0]
        elif self._kind == "fence":
            self._kind = "plain"
        return []

    def _inside(self, line: str) -> list[Block]:
        if self._kind == "math":
            if self._blank or _math_ends(line, self._until):
                self._until = ""
            return []
        marks = (_INDENT if self._kind == "fence" else _QUOTED).sub("", line, count=1).rstrip()
        if set(marks) != {self._until[0]} or len(marks) < len(self._until):
            return []
        self._until = ""
        if self._kind != "fence":
            return []
        block = Block("\n".join(self._lines))
        self._open("plain", "")
        return [block]


def _start(line: str, *, whole: bool) -> _Start | None:
    """Say what a line begins; None while its first characters leave that open."""
    if not line:
        return "plain" if whole else None
    head = line[0]
    if head in " \t":
        return "indented"
    if head in "`~":
        return _told("fence", line, 3, whole) if set(line[:3]) == {head} else "plain"
    if head in "$\\":
        return _told("math", line, 2, whole) if line[:2] in ("$", "\\", "$$", "\\[") else "plain"
    if _ITEM.match(line):
        return "item"
    if not whole and (line in "-*+" or (len(line) <= 10 and re.fullmatch(r"\d{1,9}[.)]?", line))):
        return None
    return "plain"


def _told(kind: _Start, line: str, length: int, whole: bool) -> _Start | None:
    return kind if len(line) >= length else "plain" if whole else None


def _interrupts(line: str) -> bool:
    """A bullet may end a paragraph; of the numbers only 1 may, so that a year at a line's start stays text."""
    found = _ITEM.match(line)
    return found is not None and found[1] in (None, "1")


def _math_ends(line: str, end: str) -> bool:
    return line.rstrip().endswith(end)
