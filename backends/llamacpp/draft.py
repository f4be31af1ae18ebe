"""Guessing what comes next from what was there before: prompt lookup, after Saxena's "prompt lookup decoding" (2023).

A reply often repeats its prompt or itself: names, code, quotations. Where the last tokens stood before, what followed
them there is guessed. Reading a guess along with the last token costs less than reading its tokens one by one, and a
wrong guess costs only that: what is written is drawn as ever.
"""

from __future__ import annotations

_KEY = 3
"""So many last tokens must have stood before."""
_FIRST = 4
_LONGEST_PAUSE = 64


class Draft:
    """Guesses at most `most` tokens ahead, by a list of `tokens` that grows.

    As guesses come true they get longer; as they do not, there are pauses that double.
    """

    def __init__(self, tokens: list[int], most: int) -> None:
        self._tokens, self._most = tokens, most
        self._places: dict[tuple[int, ...], int] = {}  # the tokens before a place -> the last such place
        self._indexed = 0
        self._length, self._pause, self._wait = min(_FIRST, most), 0, 0

    def guess(self, room: int) -> list[int]:
        """Return what may follow the tokens, at most `room` of them; often nothing."""
        tokens, size = self._tokens, len(self._tokens)
        for place in range(max(self._indexed, _KEY), size):
            self._places[tuple(tokens[place - _KEY : place])] = place
        self._indexed = size
        if self._wait:
            self._wait -= 1
            return []
        at = self._places.get(tuple(tokens[-_KEY:]))
        return [] if at is None or room < 1 else tokens[at : at + min(self._length, room)]

    def learn(self, guessed: int, right: int) -> None:
        """Note how many of the guessed tokens were right."""
        if right == guessed:
            self._length = min(self._most, self._length * 2)
        else:
            self._length = max(2, min(self._most, right + 1))
        self._pause = 0 if right else min(_LONGEST_PAUSE, 2 * self._pause + 1)
        self._wait = self._pause
