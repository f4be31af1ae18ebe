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


@dataclass(slots=True)
class Sequence:
    """One sequence: the tokens it holds, in order. `used` grows with each use of any sequence.

    `solid` of its first tokens were read in whole aligned chunks (see `Sequences.chunk`).
    """

    id: int
    tokens: list[int] = field(default_factory=list)
    cells: list[int] = field(default_factory=list)
    busy: bool = False
    used: int = 0
    solid: int = 0


class Sequences:
    """The bookkeeping of `number` sequences, and so many `spare` ones for beams, over `cells` cells.

    With a `chunk`, tokens that are read that many at once, from a multiple of it on, count as solid.
    """

    def __init__(self, number: int, cells: int, chunk: int = 0, spare: int = 0) -> None:
        self.cells, self.chunk = cells, chunk
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

    def own(self, sequence: Sequence, start: int = 0) -> int:
        """Return how many cells of a sequence, from the token at `start` on, no other one holds."""
        return sum(self._shares[cell] == 1 for cell in sequence.cells[start:])

    def take(self, sequence: Sequence) -> None:
        """Mark a sequence busy."""
        sequence.busy, sequence.used = True, next(self._ticks)

    def release(self, sequence: Sequence) -> None:
        """Let a sequence go idle; it keeps its tokens."""
        sequence.busy, sequence.used = False, next(self._ticks)

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
        if len(tokens) == self.chunk and len(sequence.tokens) == sequence.solid:
            sequence.solid += self.chunk
        sequence.tokens += tokens
        for _ in tokens:
            cell = next(self._cell_names)
            sequence.cells.append(cell)
            self._shares[cell] = 1

    def share(self, source: Sequence, target: Sequence, keep: int) -> None:
        """Note that an empty sequence holds the first `keep` tokens of another, in the same cells."""
        target.tokens, target.cells = source.tokens[:keep], source.cells[:keep]
        target.solid = min(source.solid, keep)
        self._shares.update(target.cells)

    def cut(self, sequence: Sequence, keep: int) -> None:
        """Note that a sequence holds only its first `keep` tokens."""
        self.remove(sequence, keep, len(sequence.tokens))

    def remove(self, sequence: Sequence, start: int, end: int) -> None:
        """Note that a sequence no longer holds its tokens from `start` up to `end`; those after them move up."""
        for cell in sequence.cells[start:end]:
            self._shares[cell] -= 1
            if not self._shares[cell]:
                del self._shares[cell]
        del sequence.tokens[start:end], sequence.cells[start:end]
        sequence.solid = min(sequence.solid, start)
