"""What the engine needs of a model: the seam at which the tests put a fake one."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import Enum, auto
from typing import Any, Protocol

from backends.beam_scores import Scores
from backends.llamacpp.parking import Memory


@dataclass(frozen=True, slots=True)
class Part:
    """Tokens of one sequence in a batch, the first of them at position `start`; `logits` for so many of the last."""

    sequence: int
    start: int
    tokens: Sequence[int]
    logits: int


class Outcome(Enum):
    """How a decode ended. Only DONE, and FULL, leave the KV cache as it is known to be."""

    DONE = auto()
    FULL = auto()
    ABORTED = auto()
    FAILED = auto()


class Executor(Protocol):
    """Decodes batches of several sequences. Only `interrupt` may be called from any thread.

    `cells` is the size of the KV pool, `limit` the most tokens of a batch, `cuttable` whether a sequence can be
    shortened and shared, `spare` how many sequences there are for beams, beyond those of the requests.
    """

    cells: int
    limit: int
    cuttable: bool
    spare: int

    def decode(self, parts: Sequence[Part]) -> Outcome:
        """Read the tokens of all parts."""

    def sample(self, sampler: Any, index: int) -> int:
        """Draw a token from the logits of the last batch's `index`-th token."""

    def logits(self, index: int) -> Scores:
        """Return the logits of the last batch's `index`-th token, until the next decode. Raises what its part met."""

    def cut(self, sequence: int, keep: int) -> bool:
        """Forget all but the first `keep` tokens of a sequence; False if it cannot be cut there. 0 always works."""

    def share(self, source: int, target: int, tokens: int) -> None:
        """Let an empty sequence hold the first `tokens` of another."""

    def interrupt(self) -> None:
        """End the running decode, or the next, with ABORTED."""

    def resume(self) -> None:
        """Let decodes run again."""

    def close(self) -> None:
        """Give the memory back."""


class Store(Protocol):
    """An executor whose sequences can be brought to host memory and back, and moved.

    `shareable`: two sequences can hold the same cells; `shiftable`: tokens can be taken out of the middle of one.
    """

    shareable: bool
    shiftable: bool

    def shift(self, sequence: int, start: int, end: int) -> bool:
        """Take the tokens from `start` up to `end` out of a sequence; what follows moves up. False if it cannot."""

    def measure(self, sequence: int) -> int:
        """Return how many bytes the state of a sequence takes, in host memory."""

    def save(self, sequence: int, memory: Memory) -> bool:
        """Copy the state of a sequence into memory that is large enough."""

    def restore(self, sequence: int, memory: Memory) -> bool:
        """Bring a saved state into an empty sequence; where it does not succeed the sequence must be emptied."""


class Words(Protocol):
    """What the engine needs of a vocabulary."""

    ends: frozenset[int]
    """The tokens by which the model ends its turn."""
    pieces: Any
    """Token id -> the bytes it writes."""
