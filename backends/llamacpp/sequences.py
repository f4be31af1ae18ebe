"""Which tokens each sequence of the KV cache holds, as plain numbers: no tensors, no library.

The pool has `cells`, one for a token. Sequences may share the cells of a common beginning, so a cell is counted
once however many sequences hold it. An idle sequence keeps its tokens for whoever goes on from them, until their
room is needed.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence as Tokens
from dataclasses import dataclass, field
from itertools import count

_BLOCK = 256


@dataclass(slots=True)
class Sequence:
    """One sequence: the tokens it holds, in order. `used` grows with each use of any sequence."""

    id: int
    tokens: list[int] = field(default_factory=list)
    cells: list[int] = field(default_factory=list)
    busy: bool = False
    used: int = 0


@dataclass(frozen=True, slots=True)
class Placement:
    """Where a prompt goes: into `sequence`, whose first `keep` tokens stay.

    With a `source`, the sequence is emptied and the first `keep` tokens of the source are shared with it.
    """

    sequence: int
    keep: int
    source: int | None = None


class Sequences:
    """The bookkeeping of `number` sequences, and so many `spare` ones, over `cells` cells.

    `cuttable` says whether a sequence can be shortened and shared (not so for recurrent models).
    """

    def __init__(self, number: int, cells: int, cuttable: bool = True, spare: int = 0) -> None:
        self.cells, self.cuttable = cells, cuttable
        self.all = [Sequence(index) for index in range(number)]
        self.spare = [Sequence(index) for index in range(number, number + spare)]
        """Sequences that are lent to beams and keep nothing."""
        self._shares: Counter[int] = Counter()
        self._cell_names, self._ticks = count(), count(1)

    @property
    def free(self) -> int:
        """Cells that hold nothing."""
        return self.cells - len(self._shares)

    def idle(self) -> list[Sequence]:
        """Return the sequences nobody runs in, the one used longest ago first."""
        return sorted((sequence for sequence in self.all if not sequence.busy), key=lambda sequence: sequence.used)

    def find(self, prompt: Tokens[int]) -> Placement:
        """Choose a place for a prompt. At least one idle sequence must exist; nothing is changed yet.

        The idle sequence with the longest common beginning is taken over, unless that would throw away more of it
        than it saves, or a running one begins better: then an empty or the least recently used sequence shares that
        beginning instead. The last token of the prompt is never kept: it must be read to know what comes next.
        """
        lengths = {sequence.id: self._reusable(sequence, prompt) for sequence in self.all}
        best = max(self.all, key=lambda each: (lengths[each.id], not each.busy, -len(each.tokens)))
        keep = lengths[best.id]
        target = min(self.idle(), key=lambda each: (keep > 0 and each is best, bool(each.tokens), each.used))
        if not keep:
            return Placement(target.id, 0)
        if target is best or (not best.busy and 2 * keep >= len(best.tokens)):
            return Placement(best.id, keep)
        return Placement(target.id, keep, best.id)

    def _reusable(self, sequence: Sequence, prompt: Tokens[int]) -> int:
        common = min(common_length(sequence.tokens, prompt), len(prompt) - 1)
        if self.cuttable:
            return common
        return common if common == len(sequence.tokens) and not sequence.busy else 0

    def take(self, placement: Placement) -> Sequence:
        """Do what `find` chose and mark the sequence busy."""
        sequence = self.all[placement.sequence]
        if placement.source is None:
            self.cut(sequence, placement.keep)
        else:
            self.cut(sequence, 0)
            self.share(self.all[placement.source], sequence, placement.keep)
        sequence.busy, sequence.used = True, next(self._ticks)
        return sequence

    def share(self, source: Sequence, target: Sequence, keep: int) -> None:
        """Note that an empty sequence holds the first `keep` tokens of another, in the same cells."""
        target.tokens, target.cells = source.tokens[:keep], source.cells[:keep]
        self._shares.update(target.cells)

    def lend(self) -> Sequence:
        """Return a spare sequence, empty and marked busy. Raises `LookupError` when there is none."""
        sequence = next((each for each in self.spare if not each.busy), None)
        if sequence is None:
            raise LookupError("no spare sequence is left")
        sequence.busy = True
        return sequence

    def give_back(self, sequence: Sequence) -> None:
        """Take a lent sequence back; it keeps nothing."""
        self.cut(sequence, 0)
        sequence.busy = False

    def append(self, sequence: Sequence, tokens: Tokens[int]) -> None:
        """Note that a sequence now holds `tokens` as well."""
        for token in tokens:
            cell = next(self._cell_names)
            sequence.tokens.append(token)
            sequence.cells.append(cell)
            self._shares[cell] = 1

    def cut(self, sequence: Sequence, keep: int) -> None:
        """Note that a sequence holds only its first `keep` tokens."""
        for cell in sequence.cells[keep:]:
            self._shares[cell] -= 1
            if not self._shares[cell]:
                del self._shares[cell]
        del sequence.tokens[keep:], sequence.cells[keep:]

    def release(self, sequence: Sequence) -> None:
        """Let a sequence go idle; it keeps its tokens."""
        sequence.busy, sequence.used = False, next(self._ticks)

    def evict(self, needed: int) -> list[Sequence]:
        """Empty idle sequences, the one used longest ago first, until `needed` cells are free; return them."""
        emptied = []
        for sequence in self.idle():
            if self.free >= needed:
                break
            if sequence.tokens:
                self.cut(sequence, 0)
                emptied.append(sequence)
        return emptied


def common_length(first: Tokens[int], second: Tokens[int]) -> int:
    """Return the length of the common beginning; whole blocks are compared at once."""
    shorter, at = min(len(first), len(second)), 0
    while at < shorter and first[at : at + _BLOCK] == second[at : at + _BLOCK]:
        at += _BLOCK
    end = min(at, shorter)
    while end < shorter and first[end] == second[end]:
        end += 1
    return end
