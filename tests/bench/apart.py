"""A subject in a process of its own, as it would run by itself.

Engines that share a process share its pool of OpenMP threads as well: with more of them than cores, they no longer
wait for each other by spinning, and every step takes longer than it would alone.
"""

from __future__ import annotations

import multiprocessing
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from multiprocessing.connection import Connection
from typing import Any

from tests.bench import Measure, Setup

Opener = Callable[..., AbstractContextManager[Measure]]
"""A function of a module, which the other process can import: it opens the subject and yields what measures it.

It takes the setup and plain values.
"""


@contextmanager
def apart(opener: Opener, setup: Setup, *values: Any) -> Iterator[Measure]:
    """Open a subject in another process; yield what measures it there. Raises `EOFError` where it breaks down."""
    spawning = multiprocessing.get_context("spawn")
    near, far = spawning.Pipe()
    process = spawning.Process(target=_serve, args=(far, opener, setup, *values), daemon=True)
    process.start()
    far.close()

    def measure(seed: int) -> Any:
        near.send(seed)
        return near.recv()

    try:
        yield measure
    finally:
        near.close()
        process.join(30)


def _serve(asked: Connection, opener: Opener, setup: Setup, *values: Any) -> None:
    with opener(setup, *values) as measure:
        while True:
            try:
                seed = asked.recv()
            except EOFError:
                return
            asked.send(measure(seed))
