"""The sequences of beam searches: copied where beams part, never read again, given back in the end."""

from __future__ import annotations

from collections.abc import Sequence

from backends.llamacpp.beam_run import BeamRun
from backends.llamacpp.executor import Executor, Part
from backends.llamacpp.reuse import common_length
from backends.llamacpp.sequences import Sequence as Slot
from backends.llamacpp.sequences import Sequences


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
        assert run.slot is not None, "a running request has a sequence"
        run.branched, run.places = True, [run.slot]

    def parts(self, run: BeamRun) -> list[Part]:
        """Return what a run reads next: the last token of every beam; after a pause first what stands before it."""
        while True:
            tails = [run.tail(beam, len(slot.tokens)) for beam, slot in zip(run.search.beams, run.places, strict=False)]
            if any(len(tail) > 1 for tail in tails):
                return self._ahead(run.places, tails)
            if len(tails) == len(run.search.beams):
                return [_part(slot, tail, logits=True) for slot, tail in zip(run.places, tails, strict=True)]
            self._place_next(run)

    def _ahead(self, places: Sequence[Slot], tails: Sequence[Sequence[int]]) -> list[Part]:
        found, budget = [], self._executor.limit
        for slot, tail in zip(places, tails, strict=True):
            count = min(len(tail) - 1, budget)
            budget -= count
            if count:
                found.append(_part(slot, tail[:count], logits=False))
        return found

    def _place_next(self, run: BeamRun) -> None:
        """Give one more beam a sequence: it holds what the beam has in common with another one that is read."""
        beams, at = run.search.beams, len(run.places)
        common = [common_length(beam.tokens, beams[at].tokens) for beam in beams[:at]]
        source = run.places[common.index(max(common))]
        run.places.append(self._another(run, run.places))
        self._share(source, run.places[-1], run.prompt_size + max(common))

    def took(self, run: BeamRun, parts: Sequence[Part]) -> None:
        """Note that the parts were read, and take a step if they tell what comes next."""
        for part in parts:
            slot = next(slot for slot in run.places if slot.id == part.sequence)
            self._sequences.append(slot, part.tokens)
        if not parts[-1].logits:
            return
        run.advance([self._executor.logits(index) for index in range(len(parts))])
        if not run.search.over:
            self._place(run)

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
                self._share(holder, run.slot, len(holder.tokens))
        for slot in run.pool:
            if slot is not run.slot:
                self._empty(slot)
                self._sequences.give_back(slot)
        run.pool, run.places, run.branched = [], [], False

    def _place(self, run: BeamRun) -> None:
        """Give every beam a sequence that holds what its parent's did: the first heir takes it over."""
        before, parents = run.places, [beam.parent for beam in run.search.beams]
        parting = [before[parent] for parent in dict.fromkeys(parents)]
        for slot in run.pool:
            if slot not in parting:
                self._empty(slot)
        run.places = []
        for parent in parents:
            place = before[parent]
            if place in run.places:
                place = self._another(run, [*parting, *run.places])
                self._share(before[parent], place, len(before[parent].tokens))
            run.places.append(place)

    def _another(self, run: BeamRun, taken: Sequence[Slot]) -> Slot:
        """Return a sequence of the run's that is not taken, or one more."""
        free = [slot for slot in run.pool if slot not in taken]
        if not free:
            free = [self._sequences.lend()]
            run.pool += free
        return free[0]

    def _share(self, source: Slot, target: Slot, keep: int) -> None:
        self._empty(target)
        self._executor.share(source.id, target.id, keep)
        self._sequences.share(source, target, keep)

    def _empty(self, slot: Slot) -> None:
        self._executor.cut(slot.id, 0)
        self._sequences.cut(slot, 0)


def _part(slot: Slot, tokens: Sequence[int], *, logits: bool) -> Part:
    return Part(slot.id, len(slot.tokens), tokens, logits)
