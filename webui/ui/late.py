"""Gradio's part of the application: imported and built in a thread while all the rest is served already."""

from __future__ import annotations

import asyncio
import contextlib
import gc
import logging
import sys
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from typing import TypeVar

from fastapi import FastAPI, HTTPException
from starlette.types import ASGIApp, Receive, Scope, Send

Found = TypeVar("Found")

_SHORT_TURN = 0.0005
"""Seconds for which the importing thread holds the interpreter while others want it; normally ten times as much."""

log = logging.getLogger(__name__)


class Late:
    """An application that comes later. What is asked of it meanwhile waits."""

    def __init__(self, make: Callable[[], FastAPI], ready: Callable[[ASGIApp], Awaitable[None]],
                 failed: Callable[[], None] = lambda: None) -> None:  # fmt: skip
        """`make` builds it, in a thread; `ready` is then told, before the first request is let through.

        `failed` is told when it cannot be made.
        """
        self._make, self._ready, self._failed = make, ready, failed
        self._app: asyncio.Future[FastAPI] | None = None

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass on a request once the application is there. Raises `HTTPException`, and what its making raised."""
        assert self._app is not None, "asked before it was opened"
        app = await unless_ended(asyncio.shield(self._app))
        await app(scope, receive, send)

    @contextlib.asynccontextmanager
    async def opened(self) -> AsyncIterator[None]:
        """Make the application while the block runs, and end it with the block."""
        self._app = asyncio.get_running_loop().create_future()
        over = asyncio.Event()
        task = asyncio.create_task(self._run(self._app, over))
        try:
            yield
        finally:
            over.set()
            if not self._app.done():
                task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await task

    async def _run(self, made: asyncio.Future[FastAPI], over: asyncio.Event) -> None:
        try:
            app = await asyncio.to_thread(_undisturbed, self._make)
            async with app.router.lifespan_context(app):
                await self._ready(app)
                made.set_result(app)
                await over.wait()
        except Exception as error:
            log.exception("Gradio's part of the page cannot be served")
            if not made.done():
                made.set_exception(error)
                self._failed()


async def unless_ended(wanted: Awaitable[Found]) -> Found:
    """Wait for what a request needs. Raises `HTTPException` if the server ends first."""
    try:
        return await wanted
    except asyncio.CancelledError:
        raise HTTPException(503) from None


def _undisturbed(make: Callable[[], FastAPI]) -> FastAPI:
    with _without_garbage(), _short_turns():
        return make()


@contextlib.contextmanager
def _without_garbage() -> Iterator[None]:
    """What Gradio brings is there to stay: looking for garbage in it only makes the import, and all after, slower."""
    gc.disable()
    try:
        yield
    finally:
        gc.freeze()
        gc.enable()


@contextlib.contextmanager
def _short_turns() -> Iterator[None]:
    before = sys.getswitchinterval()
    sys.setswitchinterval(_SHORT_TURN)
    try:
        yield
    finally:
        sys.setswitchinterval(before)
