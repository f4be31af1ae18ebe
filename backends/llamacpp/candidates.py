"""The tokens that may come next, as llama.cpp's samplers take them: an array that a chain cuts, sorts and draws from.

The memory is ours, so what a chain left can be read after it. What must not come is not in the array at all: a logit of
minus infinity would make the entropy (typical-p) and the slope (mirostat) no numbers.
"""

from __future__ import annotations

import ctypes
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
"""Logits are looked through in so many rows at once, when the highest are wanted."""


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
        self._scratch: Any = None

    def fill(self, logits: Row, allowed: NDArray[np.bool_] | None = None, banned: Collection[int] = ()) -> None:
        """Take the logits of one position: those of all tokens, or of the `allowed` ones, without the `banned` ones.

        Where all the allowed ones are banned, they may come after all: whoever allows knows that nothing else can.
        """
        if self._data is None:
            self._data = np.zeros(self._size, _LAYOUT)
            self._numbers = np.arange(self._size, dtype=np.int32)
            self._address = self._data.ctypes.data
        if banned:
            left = np.ones(self._size, np.bool_) if allowed is None else allowed.copy()
            left[list(banned)] = False
            allowed = left if allowed is None or left.any() else allowed
        if allowed is None:
            self._data["id"], self._data["logit"], size = self._numbers, logits, self._size
        else:
            tokens = np.flatnonzero(allowed)
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
        drawn = self._array.data[place] if 0 <= place < self._array.size else None
        if drawn is None or not np.isfinite(drawn.logit):
            broken = drawn is not None and np.isnan(drawn.logit)
            raise EngineFailed(reason="the model computed no numbers" if broken else "no token is left")
        return int(drawn.id)

    def probabilities(self, tokens: Sequence[int]) -> list[float]:
        """Return the probability with which each of some tokens could have been drawn; 0 for what was cut.

        Only after a chain that drew by chance: one that takes the maximum computes no probabilities.
        """
        left = self._left()
        if len(left) == self._size and (left["id"][tokens] == tokens).all():
            return [float(share) for share in left["p"][tokens]]
        places = np.flatnonzero(np.isin(left["id"], tokens))
        found = dict(zip(left["id"][places].tolist(), left["p"][places].tolist(), strict=True))
        return [found.get(token, 0.0) for token in tokens]

    def _left(self) -> Any:
        """Return what a chain has left of the array."""
        size = self._array.size
        memory: Any = (ctypes.c_char * (size * _LAYOUT.itemsize)).from_address(
            ctypes.addressof(self._array.data.contents)
        )
        return np.frombuffer(memory, _LAYOUT)

    def softmax(self, logits: Row, tokens: Sequence[int]) -> list[float]:
        """Return the probability of some tokens by the logits alone."""
        if self._scratch is None:
            self._scratch = np.empty(self._size, np.float32)
        np.subtract(logits, logits.max(), out=self._scratch)
        np.exp(self._scratch, out=self._scratch)
        # numpy sums pairwise: six digits are sure.
        shares: list[float] = (self._scratch[tokens] / self._scratch.sum()).tolist()
        return shares


def highest(logits: Row, number: int) -> list[int]:
    """Return the tokens with the highest logits, the highest first; of equal ones at the end, any."""
    columns = len(logits) // _LANES
    if number >= columns:
        return _ranked(logits, np.arange(len(logits)))[:number]
    # The highest ones stand in the columns with the highest peaks: a few hundred are left to be sorted.
    covered = columns * _LANES
    peaks = logits[:covered].reshape(_LANES, columns).max(axis=0)
    best = np.argpartition(peaks, columns - number)[columns - number :]
    places = (best[:, None] + np.arange(0, covered, columns)).ravel()
    return _ranked(logits, np.concatenate((places, np.arange(covered, len(logits)))))[:number]


def _ranked(logits: Row, tokens: NDArray[np.int_]) -> list[int]:
    ranked: list[int] = tokens[np.lexsort((tokens, -logits[tokens]))].tolist()
    return ranked
