"""The tokens that may come next, as llama.cpp's samplers take them: an array that a chain cuts, sorts and draws from.

The memory is ours, so what a chain left can be read after it. What must not come need not be in the array at all: a
logit of minus infinity would make the entropy, which typical-p looks at, no number.
"""

from __future__ import annotations

import ctypes
import math
from collections.abc import Collection, Sequence
from typing import Any

import numpy as np
from llama_cpp import llama_cpp as native
from numpy.typing import NDArray

from backends.errors import EngineFailed

Row = NDArray[np.float32]
"""The logits of one position: a float for each token of the vocabulary."""

_LAYOUT = np.dtype([("id", np.int32), ("logit", np.float32), ("p", np.float32)])
"""The library's llama_token_data."""
_LANES = 64
"""The highest logits are looked for in so many rows at once."""
_MANY = 1000
"""How many candidates are looked through one by one."""


def row_of(context: native.llama_context_p, index: int, size: int) -> Row:
    """Return the logits of the last batch's `index`-th token, in the library's own memory: until the next decode.

    Raises `EngineFailed` where there are none.
    """
    pointer = native.llama_get_logits_ith(context, index)
    if not pointer:
        raise EngineFailed(reason="the model computed no numbers")
    array: Any = (ctypes.c_float * size).from_address(ctypes.addressof(pointer.contents))
    return np.frombuffer(array, np.float32)


class Candidates:
    """An array for the tokens of a vocabulary of `size`, filled anew for each draw; its memory comes with the first."""

    def __init__(self, size: int) -> None:
        self._size = size
        self._array: Any = native.llama_token_data_array()
        self._data: Any = None

    def fill(self, logits: Row, tokens: NDArray[np.intp] | None = None, holes: Collection[int] = ()) -> None:
        """Take the logits of one position: those of some tokens, in the order of their ids, or of all.

        What is in `holes` stays in, with minus infinity: that is faster than to leave it out.
        """
        if self._data is None:
            self._data = np.zeros(self._size, _LAYOUT)
            self._numbers = np.arange(self._size, dtype=np.int32)
            self._address = self._data.ctypes.data
        if tokens is None:
            size = self._size
            self._data["id"], self._data["logit"] = self._numbers, logits
            self._data["logit"][list(holes)] = -np.inf
        else:
            size = len(tokens)
            self._data["id"][:size], self._data["logit"][:size] = tokens, logits[tokens]
        # A chain moves the pointer, too.
        self._array.data = ctypes.cast(self._address, ctypes.POINTER(native.llama_token_data))
        self._array.size, self._array.selected, self._array.sorted = size, -1, False

    def draw(self, chain: native.llama_sampler_p) -> int:
        """Let a chain draw, and return the token. Raises `EngineFailed` where nothing can be drawn."""
        if self._array.size:
            native.llama_sampler_apply(chain, ctypes.byref(self._array))
        place = self._array.selected
        if not 0 <= place < self._array.size:
            raise EngineFailed(reason="no token is left")
        drawn = self._array.data[place]
        return sure(int(drawn.id), drawn.logit)

    def probabilities(self, tokens: Sequence[int]) -> list[float]:
        """Return the probability with which each of some tokens could have been drawn; 0 for what was cut.

        Only after a chain that drew by chance: one that takes the maximum computes no probabilities.
        """
        left = self._left()
        if max(tokens) < len(left) and left["id"][tokens].tolist() == list(tokens):
            shares: list[float] = left["p"][tokens].tolist()
            return shares
        if len(left) > _MANY:
            left = left[np.isin(left["id"], tokens)]
        found = dict(zip(left["id"].tolist(), left["p"].tolist(), strict=True))
        return [found.get(token, 0.0) for token in tokens]

    def _left(self) -> Any:
        """Return what a chain has left of the array."""
        size = self._array.size
        memory: Any = (ctypes.c_char * (size * _LAYOUT.itemsize)).from_address(
            ctypes.addressof(self._array.data.contents)
        )
        return np.frombuffer(memory, _LAYOUT)


class Odds:
    """The probabilities of the tokens of a vocabulary of `size`, by logits that nobody has touched yet."""

    def __init__(self, size: int) -> None:
        self._weights = np.empty(size, np.float32)

    def weigh(self, logits: Row, number: int, drawn: int) -> tuple[list[int], list[float]]:
        """Return a token that was drawn and then the `number` most probable ones, the best first, with probabilities.

        Of equal ones the smaller id goes first.
        """
        best = _best(logits, number)
        weights = self._weights
        np.subtract(logits, logits[best[0]], out=weights)
        np.exp(weights, out=weights)
        tokens = [drawn, *best]
        # numpy sums pairwise: six digits are sure.
        shares: list[float] = (weights[tokens] / weights.sum()).tolist()
        return tokens, shares


def _best(logits: Row, number: int) -> list[int]:
    """Return the places of the highest logits, the best first; the logits stay as they are.

    To look for a few of them one by one is faster than to sort: an array has the place of its maximum in no time.
    """
    places: list[int] = []
    heights = []
    while len(places) < number and (place := int(logits.argmax())) not in places:
        places.append(place)
        heights.append(logits[place])
        logits[place] = -np.inf
    logits[places] = heights
    return places


def highest(logits: Row, number: int) -> NDArray[np.intp]:
    """Return the places of the `number` highest logits in ascending order, and perhaps of a few that come close."""
    columns = len(logits) // _LANES
    if number > columns:
        return np.arange(len(logits))
    peaks = logits[: _LANES * columns].reshape(_LANES, columns).max(axis=0)
    peaks.sort()
    places: NDArray[np.intp] = (logits >= peaks[-number]).nonzero()[0]
    return places


def sure(token: int, logit: float) -> int:
    """Return a token that was drawn. Raises `EngineFailed` where its logit shows that nothing could be."""
    if not math.isfinite(logit):
        raise EngineFailed(reason="the model computed no numbers" if math.isnan(logit) else "no token is left")
    return token
