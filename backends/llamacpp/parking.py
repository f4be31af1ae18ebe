"""Sequences that gave way to others: their state in host memory, until somebody goes on from them.

Copying a state out of the KV cache is quick (some 10 ms for 2,500 tokens of a small model); what takes time is that
the operating system must find the memory first. So the memory is taken beforehand, in a thread of its own.
"""

from __future__ import annotations

import ctypes
import mmap
from collections.abc import Sequence as Tokens
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass

MEGABYTE = 1 << 20


class Memory:
    """`size` bytes outside of Python's heap: they go back to the system as soon as nobody holds them."""

    def __init__(self, size: int, touch: bool = False) -> None:
        self.size = self.cost = size
        self.bytes = mmap.mmap(-1, max(1, size))
        if touch:  # the call lets other threads run while the system looks for the pages
            ctypes.memset(self.pointer, 0, size)

    @property
    def pointer(self) -> ctypes.Array[ctypes.c_uint8]:
        """The bytes as the library takes them; the memory lives at least as long."""
        return (ctypes.c_uint8 * self.size).from_buffer(self.bytes)

    def is_whole(self) -> bool:
        """Whether the bytes are those that were saved."""
        return True


@dataclass(frozen=True, slots=True, eq=False)
class Parked:
    """The tokens of a sequence and the state of the model after them; `solid` as in `Sequence`."""

    tokens: Tokens[int]
    solid: int
    memory: Memory


class Lot:
    """The parked sequences, at most `budget` bytes of them: the one parked longest ago is given up first."""

    def __init__(self, budget: int) -> None:
        self.budget = budget
        self.all: list[Parked] = []  # the one parked longest ago first
        self._helper: ThreadPoolExecutor | None = None

    @property
    def size(self) -> int:
        """The bytes of memory that are taken."""
        return sum(parked.memory.cost for parked in [*self.all])

    def prepare(self, size: int) -> Future[Memory]:
        """Begin to take memory, in another thread."""
        if self._helper is None:
            self._helper = ThreadPoolExecutor(1, "llamacpp-parking")
        return self._helper.submit(Memory, size, True)

    def add(self, parked: Parked) -> None:
        """Keep a state; the oldest ones go where the budget is exceeded."""
        self.all.append(parked)
        while self.size > self.budget:
            del self.all[next(at for at, each in enumerate(self.all) if each.memory.cost)]

    def remove(self, parked: Parked) -> None:
        """Give a state up; one that is gone already is no error."""
        if parked in self.all:
            self.all.remove(parked)

    def close(self) -> None:
        """Give everything up. Idempotent."""
        self.all.clear()
        if self._helper is not None:
            self._helper.shutdown()
