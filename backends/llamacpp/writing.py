"""Drawing the tokens of a reply after a batch was read, guessed ones among them."""

from __future__ import annotations

from backends.llamacpp.cache import Cache
from backends.llamacpp.executor import Executor, Part, Words
from backends.llamacpp.run import Run
from backends.values import FinishReason


class Writer:
    """Draws from an executor's logits what a run writes next, by the engine's thread."""

    def __init__(self, executor: Executor, words: Words, cache: Cache) -> None:
        self._executor, self._words, self._cache = executor, words, cache

    def write(self, run: Run, part: Part, first: int) -> FinishReason | None:
        """Draw what follows the last token of a part that begins at the batch's `first`; return why the reply ends.

        While what is drawn is what was guessed, what follows the guess is drawn too: every token from the same chances
        as without a guess. What was guessed wrongly is forgotten.
        """
        size = len(part.tokens)
        for at in range(size - part.logits, size):
            token = self._executor.sample(run.sampler, first + at)
            ends = token in self._words.ends
            reason: FinishReason | None = "stop" if ends else run.write(token, self._words.pieces[token])
            if at + 1 < size and (reason or token != part.tokens[at + 1]):
                run.guessed(size - 1, at)
                if run.slot is not None:
                    self._cache.cut(run.slot, part.start + at + 1)
                return reason
        if part.logits > 1:
            run.guessed(size - 1, size - 1)
        return reason
