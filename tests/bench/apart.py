"""A subject in a process of its own, as it would run by itself.

Engines that share a process share its pool of OpenMP threads as well: with more of them than cores, they no longer
wait for each other by spinning, and every step takes longer than it would alone.
"""

from __future__ import annotations

import multiprocessing
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from multiprocessing.connection import Connection

from tests.bench import Setup

Run = Callable[[], float]
Opener = Callable[[Setup], AbstractContextManager[Run]]
"""A function of a module, which the other process can import: it opens the subject and yields what measures it."""


@contextmanager
def apart(opener: Opener, setup: Setup) -> Iterator[Run]:
    """Open a subject in another process; yield what measures it there. Raises `EOFError` where it breaks down."""
    spawning = multiprocessing.get_context("spawn")
    near, far = spawning.Pipe()
    process = spawning.Process(target=_serve, args=(far, opener, setup), daemon=True)
    process.start()
    far.close()

    def run() -> float:
        near.send(True)
        return float(near.recv())

    try:
        yield run
    finally:
        near.close()
        process.join(30)


def _serve(asked: Connection, opener: Opener, setup: Setup) -> None:
    with opener(setup) as run:
        while True:
            try:
                asked.recv()
            except EOFError:
                return
            asked.send(run())
