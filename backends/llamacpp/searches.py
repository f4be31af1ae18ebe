"""The sequences of beam searches: copied where beams part, never read again, given back in the end."""

from __future__ import annotations

from collections.abc import Sequence

from backends.llamacpp.beam_run import BeamRun
from backends.llamacpp.executor import Executor, Part
from backends.llamacpp.sequences import Sequence as Slot
from backends.llamacpp.sequences import Sequences, common_length


class Searches:
    """Steps of beam searches over an executor, by the engine's books. Used by the engine's thread alone."""

    def __init__(self, executor: Executor, sequences: Sequences) -> None:
        self._executor, self._sequences = executor, sequences

    def begin(self, run: BeamRun, index: int) -> None:
        """Branch a run whose prompt is read; the logits are those of the batch's `index`-th token.

        A run that was paused goes on from the beams that it had.
        """
        if not run.begun:
            run.advance([self._executor.logits(index)])
        run.branched = True
        assert run.slot is not None, "a running request has a sequence"
        run.places = [run.slot]
        if not run.search.over:
            self._place(run, run.places, [0] * len(run.search.beams))

    def parts(self, run: BeamRun) -> list[Part]:
        """Return what a run reads next: the last token of every beam; after a pause first what stands before it."""
        tails = [run.tail(beam, len(slot.tokens)) for beam, slot in zip(run.search.beams, run.places, strict=True)]
        if all(len(tail) == 1 for tail in tails):
            return [_part(slot, tail, logits=True) for slot, tail in zip(run.places, tails, strict=True)]
        found, budget = [], self._executor.limit
        for slot, tail in zip(run.places, tails, strict=True):
            count = min(len(tail) - 1, budget)
            budget -= count
            if count:
                found.append(_part(slot, tail[:count], logits=False))
        return found

    def took(self, run: BeamRun, parts: Sequence[Part]) -> None:
        """Note that the parts were read, and take a step if they tell what comes next."""
        for part in parts:
            slot = next(slot for slot in run.places if slot.id == part.sequence)
            self._sequences.append(slot, part.tokens)
        if not parts[-1].logits:
            return
        run.advance([self._executor.logits(index) for index in range(len(parts))])
        if not run.search.over:
            self._place(run, run.places, [beam.parent for beam in run.search.beams])

    def take_back(self, run: BeamRun) -> None:
        """Bring the KV cache back to what the books say, after a pass that was broken off."""
        for slot in run.places:
            self._executor.cut(slot.id, len(slot.tokens))

    def let_go(self, run: BeamRun) -> None:
        """Give back all sequences but the first, which keeps what it can of the reply for whoever goes on."""
        if run.slot is not None and run.pool:
            wanted = [*run.tokens[: run.prompt_size], *run.reply]
            holder = max(run.pool, key=lambda slot: (common_length(slot.tokens, wanted), slot is run.slot))
            if holder is not run.slot:
                self._share(holder, run.slot)
        for slot in run.pool:
            if slot is not run.slot:
                self._empty(slot)
                self._sequences.give_back(slot)
        run.pool, run.places, run.branched = [], [], False

    def _place(self, run: BeamRun, before: Sequence[Slot], parents: Sequence[int]) -> None:
        """Give every beam a sequence that holds what its parent held, among those `before`: the first heir takes it."""
        heirs: dict[int, int] = {}
        for at, parent in enumerate(parents):
            heirs.setdefault(parent, at)
        taken = {before[parent].id for parent in heirs}
        free = [slot for slot in run.pool if slot.id not in taken]
        places = []
        for at, parent in enumerate(parents):
            if heirs[parent] == at:
                places.append(before[parent])
                continue
            if not free:
                free.append(self._sequences.lend())
                run.pool.append(free[-1])
            places.append(free.pop())
            self._share(before[parent], places[-1])
        for slot in free:
            self._empty(slot)
        run.places = places

    def _share(self, source: Slot, target: Slot) -> None:
        self._empty(target)
        self._executor.share(source.id, target.id, len(source.tokens))
        self._sequences.share(source, target, len(source.tokens))

    def _empty(self, slot: Slot) -> None:
        self._executor.cut(slot.id, 0)
        self._sequences.cut(slot, 0)


def _part(slot: Slot, tokens: Sequence[int], *, logits: bool) -> Part:
    return Part(slot.id, len(slot.tokens), tokens, logits)
