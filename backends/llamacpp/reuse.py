"""What of a prompt need not be read again: decisions over lists of tokens, no tensors and no library.

A sequence may begin as the prompt does. And where a dialogue outgrew its window, the prompt is a head that the
sequence holds, and then what it holds after a gap: with the gap taken out, the rest can move up.
"""

from __future__ import annotations

from array import array
from collections.abc import Iterable
from collections.abc import Sequence as Tokens
from dataclasses import dataclass
from typing import Protocol

_BLOCK = 256
_ANCHOR = 24
"""So many tokens must agree after a gap for a place to be looked at: a turn's marks alone say nothing."""
_LEAST_RUN = 48
"""A shorter run after a gap is read faster than it is moved."""
_MOST_PLACES = 64
_LEAST_GAIN = 16
"""Tokens that a parked sequence must save over the best of the pool to be worth its way back."""


class Held(Protocol):
    """Tokens that are kept somewhere, `solid` of them read in whole chunks."""

    @property
    def tokens(self) -> Tokens[int]:
        """In order, from the first position on."""

    @property
    def solid(self) -> int:
        """See `Sequence.solid`."""


class Place(Held, Protocol):
    """A sequence of the pool."""

    @property
    def id(self) -> int:
        """Its number."""

    @property
    def busy(self) -> bool:
        """Whether a request runs in it."""

    @property
    def used(self) -> int:
        """When it was used last."""


class Reader(Protocol):
    """A request that runs."""

    @property
    def tokens(self) -> Tokens[int]:
        """Its prompt, and what it wrote."""

    @property
    def held(self) -> int:
        """How many of them are read."""

    @property
    def unread(self) -> int:
        """How many are not."""


@dataclass(frozen=True, slots=True)
class Rules:
    """What the model's memory allows.

    `cuttable`: sequences can be shortened and shared. `shift`: the window in tokens where they can be moved too, else
    0. `chunk`: in exact mode prompts are read in chunks of so many tokens, and only whole ones are reused; else 0.
    """

    cuttable: bool = True
    shift: int = 0
    chunk: int = 0


@dataclass(frozen=True, slots=True)
class Match:
    """What a prompt finds in a list of tokens: `head` at its beginning, and `run` more after `gap` others."""

    head: int = 0
    gap: int = 0
    run: int = 0

    @property
    def size(self) -> int:
        """The tokens of the prompt that need not be read."""
        return self.head + self.run


@dataclass(frozen=True, slots=True)
class Placement:
    """Where a prompt goes: `sequence`. What it reuses is there already, or in `source`, or `parked` away.

    `whole`: the source or the parked one stays as it is, for there is much more in it than the prompt takes over.
    """

    sequence: int
    match: Match = Match()
    source: int | None = None
    parked: Held | None = None
    whole: bool = False


def find(prompt: Tokens[int], head: int, places: Tokens[Place], parked: Tokens[Held], rules: Rules) -> Placement:
    """Choose a place for a prompt, of which at least one is idle. `head`: see `match`.

    The idle sequence that saves most is taken over, unless that would throw away more of it than it saves, or a
    running one begins better: then an empty or the least recently used sequence shares that beginning instead.
    A parked one comes back when it saves more.
    """
    matches = {place.id: match(place, prompt, head, rules, place.busy) for place in places}
    best = max(places, key=lambda each: (matches[each.id].size, not each.busy, -len(each.tokens)))
    found = matches[best.id]
    idle = [place for place in places if not place.busy]
    # Whoever holds nothing gives way first, then the one used longest ago; what is reused stays if it can.
    target = min(idle, key=lambda each: (found.size > 0 and each is best, bool(each.tokens), each.used))
    away, stored = max(((match(each, prompt, head, rules), each) for each in parked),
                       key=lambda pair: pair[0].size, default=(Match(), None))  # fmt: skip
    if stored is not None and away.size > found.size + _LEAST_GAIN:
        return Placement(target.id, away, parked=stored, whole=_is_small(away, stored) and rules.cuttable)
    if not found.size:
        return Placement(target.id)
    if not best.busy and (target is best or not rules.cuttable or found.gap or not _is_small(found, best)):
        return Placement(best.id, found, whole=_is_small(found, best))
    return Placement(target.id, found, source=best.id)


def _is_small(found: Match, held: Held) -> bool:
    return 2 * (found.size + found.gap) < len(held.tokens)


def is_being_read(prompt: Tokens[int], runs: Iterable[Reader]) -> bool:
    """Whether somebody is reading what a prompt begins with, too: soon it need not be read once more."""
    return any(
        run.unread > 1 and min(common_length(run.tokens, prompt), len(prompt) - 1) > run.held + _LEAST_GAIN
        for run in runs
    )


def match(held: Held, prompt: Tokens[int], head: int, rules: Rules, busy: bool = False) -> Match:
    """Return what a prompt can reuse. The last token of it is always read, to know what comes next.

    A gap is taken out only where a window was full, and only within the first `head` tokens, those up to the end of
    the first turn: what stays after a gap was computed with it in view, and a message that somebody removed from the
    middle of a dialogue must be gone.
    """
    most = len(prompt) - 1
    common = min(common_length(held.tokens, prompt), most)
    if rules.chunk:
        return Match(min(common, held.solid) // rules.chunk * rules.chunk if rules.cuttable else 0)
    if not rules.cuttable:
        return Match(common if common == len(held.tokens) and not busy else 0)
    if busy or common > head or 2 * len(held.tokens) + 2 * (most - common) < rules.shift or not rules.shift:
        return Match(common)
    gap, run = _after_gap(held.tokens[common:], prompt[common:most])
    full = 2 * (len(held.tokens) + most - common - run) >= rules.shift
    return Match(common, gap, run) if run >= _LEAST_RUN and full else Match(common)


def _after_gap(tokens: Tokens[int], wanted: Tokens[int]) -> tuple[int, int]:
    """Return where in `tokens` the longest beginning of `wanted` stands, and its length; a few places are looked at."""
    if len(wanted) < _ANCHOR:
        return 0, 0
    within, anchor = array("i", tokens), array("i", wanted[:_ANCHOR]).tobytes()
    data, width = within.tobytes(), within.itemsize
    best, places, at = (0, 0), 0, data.find(anchor)
    while at >= 0 and places < _MOST_PLACES and best[1] < len(wanted):
        start, rest = divmod(at, width)
        if not rest:
            places += 1
            length = common_length(tokens[start:], wanted)
            best = max(best, (start, length), key=lambda pair: pair[1])
        at = data.find(anchor, at + 1)
    return best


def common_length(first: Tokens[int], second: Tokens[int]) -> int:
    """Return the length of the common beginning; whole blocks are compared at once."""
    shorter, at = min(len(first), len(second)), 0
    while at < shorter and first[at : at + _BLOCK] == second[at : at + _BLOCK]:
        at += _BLOCK
    end = min(at, shorter)
    while end < shorter and first[end] == second[end]:
        end += 1
    return end
