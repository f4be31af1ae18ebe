"""The thread on which everything goes over the network: one event loop, owned by the backend."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Coroutine
from concurrent.futures import CancelledError, Future
from typing import Any, TypeVar

from backends.errors import EngineClosed

_T = TypeVar("_T")


class Loop:
    """Runs coroutines for other threads; may be used from any thread but its own."""

    def __init__(self) -> None:
        self._loop = asyncio.new_event_loop()
        self._lock = threading.Lock()
        self._closing = False
        self._thread = threading.Thread(target=self._work, name="remote engine", daemon=True)
        self._thread.start()

    @property
    def closing(self) -> bool:
        """Whether `close` was called."""
        return self._closing

    def run(self, work: Coroutine[Any, Any, _T]) -> _T:
        """Return the outcome of a coroutine, waiting for it. Raises `EngineClosed` when the loop is closed first."""
        try:
            return self.spawn(work).result()
        except CancelledError:
            raise EngineClosed from None

    def spawn(self, work: Coroutine[Any, Any, _T]) -> Future[_T]:
        """Start a coroutine; cancelling the future cancels it. Raises `EngineClosed`."""
        with self._lock:
            if self._closing:
                work.close()
                raise EngineClosed
            return asyncio.run_coroutine_threadsafe(work, self._loop)

    def call(self, function: Callable[[], None]) -> None:
        """Have a function called on the loop, soon; nothing is done once the loop is closed."""
        with self._lock:
            if not self._closing:
                self._loop.call_soon_threadsafe(function)

    def close(self, last: Coroutine[Any, Any, None]) -> None:
        """Cancel everything, run `last`, and end the thread. Only the first call does anything."""
        with self._lock:
            if self._closing:
                last.close()
                return
            self._closing = True
        asyncio.run_coroutine_threadsafe(self._finish(last), self._loop)
        self._thread.join()

    def _work(self) -> None:
        try:
            self._loop.run_forever()
        finally:
            self._loop.close()

    async def _finish(self, last: Coroutine[Any, Any, None]) -> None:
        mine = asyncio.current_task()
        others = [task for task in asyncio.all_tasks() if task is not mine]
        for task in others:
            task.cancel()
        await asyncio.gather(*others, return_exceptions=True)
        try:
            await last
            await self._loop.shutdown_asyncgens()
            await self._loop.shutdown_default_executor()
        finally:
            self._loop.stop()
