"""Which messages of a dialogue go into the window, and which stay out: a plan, before anything is sent.

The system message is always in. When the window is full, whole exchanges (a message of the person's with what answers
it) leave from the front, in a block: down to about three quarters of the room. So the beginning of the prompt stays
the same for many turns, and the engine, which has read it already, reads only what is new.

A plan is a function of the turns alone, and still remembers: it walks over the dialogue from its beginning and drops
where the window was full *then*. One more turn therefore changes nothing about what was dropped before it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from backends.errors import PromptTooLong
from backends.values import Role
from webui.errors import WindowTooSmall

LONGEST_RESERVE = 1024
"""How many tokens are kept free for a reply of no set length, at most."""

_STEPS = 16
_KEPT = 12
"""A block leaves at most this many sixteenths of the room filled."""


@dataclass(frozen=True, slots=True)
class Turn:
    """A message as the window sees it: who speaks, and what it costs in tokens, its share of the template included."""

    role: Role
    cost: int


@dataclass(frozen=True, slots=True)
class Plan:
    """How a window is filled; all but `first` and `dropped` in tokens.

    `turns[first:]` go in, after the system message at `turns[0]` if there is one; `dropped` messages stay out.
    `used` is the size of the prompt, `reserve` the room that is kept for the reply: together at most `window`.
    """

    first: int
    used: int
    window: int
    reserve: int
    dropped: int


def reserve_for(max_tokens: int, window: int) -> int:
    """Return how many tokens to keep free for a reply of at most `max_tokens` (0: no limit but the window).

    Never more than half of the window, so that a dialogue has the other half.
    """
    return min(max_tokens, window // 2) if max_tokens else min(LONGEST_RESERVE, window // 4)


def plan(turns: Sequence[Turn], window: int, reserve: int, tail: int, opening: int = 0) -> Plan:
    """Choose what goes in. Takes time in proportion to the number of turns.

    `turns[0]` may be the system message. `tail` are the tokens after the last turn; `opening` of them stand at the
    end of every prompt, the others are the beginning of a reply that is there already.
    Raises `PromptTooLong` when the last message alone does not fit, `WindowTooSmall` when nothing would.
    """
    start = 1 if turns and turns[0].role == "system" else 0
    head = sum(turn.cost for turn in turns[:start]) + min(opening, tail)
    prefix = tail - min(opening, tail)
    if head + reserve >= window:
        raise WindowTooSmall(window=window, needed=head + reserve + 1)
    walk = _Walk(turns, start, window - reserve - head)
    for _ in range(start, len(turns)):
        walk.add()
    walk.end(prefix)
    used = head + walk.size + prefix
    if used + reserve > window:
        raise PromptTooLong(tokens=used + reserve, window=window)
    return Plan(walk.first, used, window, reserve, walk.first - start)


class _Walk:
    """The state of a window while a dialogue goes on: `turns[first:at]` are inside and take `size` of the `room`."""

    def __init__(self, turns: Sequence[Turn], start: int, room: int) -> None:
        self._turns, self._room = turns, room
        self._at = self._start = self.first = start
        self.size = 0
        self._asked = start
        self._exchange = 0
        """The last message of the person's, and what it takes together with what follows it."""

    def add(self) -> None:
        """Let the next turn in, and others out where it does not fit."""
        turn = self._turns[self._at]
        if turn.role == "user":
            self._asked, self._exchange = self._at, 0
        if self.size + turn.cost > self._room:
            whole = self._exchange + turn.cost <= self._room
            self._drop(turn.cost, self._asked if whole else self._at)
        self._at += 1
        self.size += turn.cost
        self._exchange += turn.cost
        orphaned = self._start < self.first == self._at - 1 and turn.role != "user"
        if self._at < len(self._turns) and (orphaned or self.size > self._room):
            self.first, self.size = self._at, 0

    def end(self, prefix: int) -> None:
        """Make room for the beginning of a reply; the last turn stays, with its exchange if that fits."""
        if self.size + prefix > self._room:
            whole = self._exchange + prefix <= self._room
            self._drop(prefix, self._asked if whole else max(self._start, self._at - 1))

    def _drop(self, coming: int, last: int) -> None:
        """Drop exchanges, but never `turns[last]`, until with what is coming the room is filled to three quarters.

        What is coming counts in sixteenths of the room, rounded up: as a person types, the block does not grow with
        every letter.
        """
        steps = -(-coming * _STEPS // self._room)
        target = self._room * (_KEPT - steps) // _STEPS
        while self.first < last and (self.size > target or self._turns[self.first].role != "user"):
            self.size -= self._turns[self.first].cost
            self.first += 1
