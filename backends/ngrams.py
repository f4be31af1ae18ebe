"""The ban of repeated n-grams: which tokens would complete one that was there before. Plain token ids, no engine."""

from __future__ import annotations

from collections.abc import Collection, Iterable


class Ngrams:
    """The n-grams of one text, which grows token by token.

    The rule is that of Paulus 2017 (arXiv:1705.04304) as transformers' `NoRepeatNGramLogitsProcessor` has it: the
    text is the whole prompt, marks of the template included, and the reply. `size` 0 bans nothing.
    """

    def __init__(self, size: int, tokens: Iterable[int] = ()) -> None:
        self._size = size
        self._after: dict[tuple[int, ...], set[int]] = {}
        self._end: tuple[int, ...] = ()
        if size:
            for token in tokens:
                self.accept(token)

    def accept(self, token: int) -> None:
        """Take the next token of the text."""
        if not self._size:
            return
        if len(self._end) == self._size - 1:
            self._after.setdefault(self._end, set()).add(token)
        self._end = (*self._end, token)[1 - self._size :] if self._size > 1 else ()

    @property
    def banned(self) -> Collection[int]:
        """The tokens that may not come next."""
        return self._after.get(self._end, ())
