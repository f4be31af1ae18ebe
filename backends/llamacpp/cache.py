"""The KV cache as the engine sees it: sequences that requests run in, and what is kept of the others.

Decisions are made in `reuse`, `sequences` keeps the books, `parking` what left the pool; here they are carried out.
"""

from __future__ import annotations

from collections.abc import Iterator
from collections.abc import Sequence as Tokens
from concurrent.futures import Future
from dataclasses import dataclass

from backends.llamacpp import reuse
from backends.llamacpp.executor import Executor, Store
from backends.llamacpp.parking import Lot, Memory, Parked
from backends.llamacpp.sequences import Sequence, Sequences
from backends.llamacpp.shelf import Shelf
from backends.values import Kept

_LITTLE = 16 << 20
"""Bytes of idle sequences that are parked before a request begins: some milliseconds."""
_LEAST_KEPT = 64
"""A shorter sequence is read as fast as it is fetched from disk."""


@dataclass(frozen=True, slots=True)
class Keeping:
    """How sequences are kept beyond the pool: `store` is the executor itself, where it can do it.

    `extra` sequences there are beyond those that run: a new request then finds an empty one, and nothing need be
    copied first. `budget`: bytes of host memory for what is parked. `shift`: dialogues that outgrew the window move.
    `shelf`: where they are kept from one start to the next. `chunk`: exact mode; prompts are read in chunks of so many
    tokens, and nothing else is reused.
    """

    store: Store | None = None
    extra: int = 0
    budget: int = 0
    shift: bool = False
    shelf: Shelf | None = None
    chunk: int = 0


class Cache:
    """The pool of one executor, for up to `running` requests, and the parked ones beside it. One thread owns it."""

    def __init__(self, executor: Executor, running: int, keeping: Keeping) -> None:
        self._executor, self._store, self._lot = executor, keeping.store, Lot(keeping.budget)
        shift = keeping.store is not None and keeping.shift and keeping.store.shiftable
        self._rules = rules = reuse.Rules(executor.cuttable, executor.cells if shift else 0, keeping.chunk)
        number = running + keeping.extra
        self._shelf = keeping.shelf
        if self._shelf is not None:
            self._lot.all += self._shelf.load()
        self._sequences = Sequences(number, executor.cells, rules.chunk, executor.spare)
        self._coming: tuple[Sequence, int, Future[Memory]] | None = None
        self._settled = False  # nothing is left to park, until a sequence changes hands

    @property
    def sequences(self) -> Sequences:
        """The books."""
        return self._sequences

    @property
    def cells(self) -> int:
        """The size of the pool in tokens."""
        return self._sequences.cells

    @property
    def free(self) -> int:
        """Cells that hold nothing."""
        return self._sequences.free

    @property
    def kept(self) -> Kept:
        """What is parked; from any thread."""
        return Kept(len(self._lot.all), self._lot.size, self._lot.budget, self._rules.chunk > 0)

    def open(self, prompt: Tokens[int], head: int) -> Sequence:
        """Return a sequence for a prompt, busy now, with all that could be reused of it in it (see `reuse.find`)."""
        found = reuse.find(prompt, head, self._sequences.all, self._lot.all, self._rules)
        slot = self._sequences.all[found.sequence]
        if found.source is None and found.parked is None:
            if found.whole or not found.match.size:
                self._park(slot)
        else:
            self._vacate(slot)
        if isinstance(found.parked, Parked):
            self._restore(found.parked, slot, found.whole)
        elif found.source is not None:
            self._share(self._sequences.all[found.source], slot, found.match.head)
        if found.match.gap:
            self._close_gap(slot, found.match)
        self.cut(slot, found.match.size)
        self._sequences.take(slot)
        self._settled = False
        self._park_little()
        return slot

    def append(self, slot: Sequence, tokens: Tokens[int]) -> None:
        """Note that a sequence has read `tokens` as well."""
        self._sequences.append(slot, tokens)

    def release(self, slot: Sequence) -> None:
        """Let a sequence go idle; it keeps its tokens."""
        self._sequences.release(slot)
        self._settled = False

    def cut(self, slot: Sequence, keep: int) -> None:
        """Keep the first `keep` tokens of a sequence; one that cannot be cut is emptied."""
        if not self._executor.cut(slot.id, keep):
            self._executor.cut(slot.id, 0)
            keep = 0
        self._sequences.cut(slot, keep)

    def make_room(self, needed: int) -> bool:
        """Let idle sequences leave the pool until `needed` cells are free; False where that was not enough."""
        if self.free < needed:
            for slot in self._sequences.idle():
                if self.free < needed:
                    self._vacate(slot)
        return self.free >= needed

    def empty_idle(self) -> bool:
        """Let all idle sequences leave the pool; False where they hold nothing."""
        held = [slot for slot in self._sequences.idle() if slot.tokens]
        for slot in held:
            self._vacate(slot)
        return bool(held)

    def _park_little(self) -> None:
        """Park what is parked in no time, so that what is written now gets the first cells: the library computes
        attention over all cells up to the last one in use, and they are never moved."""
        if self._store is None or not self._store.shareable:
            return
        room = min(_LITTLE, self._lot.budget)
        for slot, size in self._parkable(self._store):
            if size <= room:
                room -= size
                self._vacate(slot)

    def _parkable(self, store: Store) -> Iterator[tuple[Sequence, int]]:
        """Yield the idle sequences that have cells of their own, with the bytes they would take."""
        return ((slot, store.measure(slot.id)) for slot in self._sequences.idle() if self._sequences.own(slot))

    def park_next(self) -> None:
        """Bring one idle sequence nearer to being parked: everybody who writes looks at its cells, and is slowed.

        First its memory is prepared; when that is there, it is copied, unless somebody took the sequence meanwhile.
        """
        if self._store is None or self._settled:
            return
        if self._coming is None:
            for slot, size in self._parkable(self._store):
                if size <= self._lot.budget:
                    self._coming = (slot, slot.used, self._lot.prepare(size))
                    return
            self._settled = True
        elif self._coming[2].done():
            slot, used, memory = self._coming
            self._coming = None
            if slot.used == used and slot.tokens:
                self._park(slot, memory.result())
                self._empty(slot)

    def clear(self) -> None:
        """Give the pool up: after a fault nothing is known of it any more."""
        for slot in (*self._sequences.all, *self._sequences.spare):
            slot.busy = False
            self._empty(slot)

    def close(self) -> None:
        """Give the parked ones back, after putting what there is on the shelf; the executor is closed by its owner."""
        if self._shelf is not None:
            self._shelf.save(self._keepable())
        self._lot.close()

    def _keepable(self) -> Iterator[Parked]:
        """Yield what another start may go on from, the sequence used last first."""
        for slot in sorted(self._sequences.all, key=lambda each: -each.used):
            if self._store is not None and len(slot.tokens) >= _LEAST_KEPT and not self._is_elsewhere(slot):
                memory = Memory(self._store.measure(slot.id))
                if self._store.save(slot.id, memory):
                    yield Parked([*slot.tokens], slot.solid, memory)
        yield from (each for each in reversed(self._lot.all) if len(each.tokens) >= _LEAST_KEPT)

    def _vacate(self, slot: Sequence) -> None:
        self._park(slot)
        self._empty(slot)

    def _empty(self, slot: Sequence) -> None:
        self._executor.cut(slot.id, 0)
        self._sequences.cut(slot, 0)

    def _park(self, slot: Sequence, memory: Memory | None = None) -> None:
        """Keep a copy of a sequence, if the budget allows and there is none that holds as much."""
        if self._store is None or not self._lot.budget or not slot.tokens or self._is_elsewhere(slot):
            return
        size = self._store.measure(slot.id)
        if size > self._lot.budget:
            return
        if memory is None or memory.size < size:
            memory = Memory(size)
        if self._store.save(slot.id, memory):
            self._lot.add(Parked([*slot.tokens], slot.solid, memory))

    def _is_elsewhere(self, slot: Sequence) -> bool:
        """Whether another sequence, or a parked one, begins with all that this one holds."""
        if not self._rules.cuttable or self._rules.chunk:
            return False
        size = len(slot.tokens)
        others: list[reuse.Held] = [*self._lot.all, *(each for each in self._sequences.all if each is not slot)]
        return any(reuse.common_length(each.tokens, slot.tokens) == size for each in others)

    def _restore(self, parked: Parked, slot: Sequence, keep: bool) -> None:
        """Bring a parked sequence into an empty one; where that does not succeed it is given up, and read anew."""
        if self._store is None or not self.make_room(len(parked.tokens)):
            return
        if parked.memory.is_whole() and self._store.restore(slot.id, parked.memory):
            self._sequences.append(slot, parked.tokens)
            slot.solid = parked.solid
        else:
            self._executor.cut(slot.id, 0)
            keep = False
        if not keep:
            self._lot.remove(parked)

    def _share(self, source: Sequence, target: Sequence, keep: int) -> None:
        if self._store is None or self._store.shareable:
            self._executor.share(source.id, target.id, keep)
            self._sequences.share(source, target, keep)
        else:
            self._copy(self._store, source, target)

    def _copy(self, store: Store, source: Sequence, target: Sequence) -> None:
        """Give a sequence cells of its own with what another one holds, which may be itself."""
        tokens, solid = [*source.tokens], source.solid
        memory = Memory(store.measure(source.id))
        saved = store.save(source.id, memory)
        self._empty(target)
        if saved and self.make_room(len(tokens)) and store.restore(target.id, memory):
            self._sequences.append(target, tokens)
            target.solid = solid
        else:
            self._executor.cut(target.id, 0)

    def _close_gap(self, slot: Sequence, match: reuse.Match) -> None:
        """Take a gap out of a sequence. What moves must be its own: a shared cell would move for the others too."""
        start, end = match.head, match.head + match.gap
        if self._store is None or len(slot.tokens) < end:
            self.cut(slot, start)
            return
        if self._sequences.own(slot, end) < len(slot.tokens) - end:
            self._copy(self._store, slot, slot)
        if slot.tokens and self._store.shift(slot.id, start, end):
            self._sequences.remove(slot, start, end)
        else:
            self.cut(slot, start)
