"""What must be known of a model's vocabulary to draw, rank and write its tokens: numbers and bytes, no library."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Protocol


class Words(Protocol):
    """What drawing and ranking need."""

    @property
    def size(self) -> int:
        """The number of tokens; logits beyond it belong to none."""

    @property
    def ends(self) -> frozenset[int]:
        """The tokens by which the model ends its turn."""

    @property
    def spelled(self) -> Mapping[int, bytes]:
        """Token id -> its bytes, control tokens spelled out."""


class Writing(Words, Protocol):
    """What writing a text needs, too."""

    @property
    def pieces(self) -> Mapping[int, bytes]:
        """Token id -> the bytes it writes; control tokens write none."""
