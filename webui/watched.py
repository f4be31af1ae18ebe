"""A WebSocket that ends with its session: at once, even while nobody says anything. Pure ASGI."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import Awaitable, Callable
from contextlib import AbstractContextManager

from starlette.types import ASGIApp, Message, Receive, Scope, Send

log = logging.getLogger(__name__)

SIGNED_OUT = 4401
"""The close code when a session ends while its page is open."""

Telling = Callable[[Callable[[], None]], AbstractContextManager[None]]
"""Gives a context in which a function is called, from any thread, whenever sessions have ended."""


class Watched:
    """The two ends of one WebSocket, which go dead with the session."""

    def __init__(self, receive: Receive, send: Send, is_open: Callable[[], Awaitable[bool]]) -> None:
        """`is_open` says whether the session goes on; it is asked before every message, either way."""
        self._receive, self._send, self._is_open = receive, send, is_open
        self._asked, self._closed = asyncio.Event(), False

    async def run(self, app: ASGIApp, scope: Scope, telling: Telling) -> None:
        """Run the application; a send after the end raises OSError, as it does when a page has gone."""
        loop = asyncio.get_running_loop()

        def ask() -> None:
            with contextlib.suppress(RuntimeError):  # the loop is closed
                loop.call_soon_threadsafe(self._asked.set)

        with telling(ask):
            watching = asyncio.create_task(self._watch())
            try:
                await app(scope, self._hear, self._say)
            finally:
                watching.cancel()
                await asyncio.gather(watching, return_exceptions=True)

    async def _watch(self) -> None:
        while True:
            await self._asked.wait()
            self._asked.clear()
            try:
                await self._may_go_on()
            except Exception:  # a database that is locked, say; with the next message it is asked again
                log.exception("whether a session goes on could not be found out")

    async def _hear(self) -> Message:
        message = await self._receive()
        if message["type"] == "websocket.receive" and not await self._may_go_on():
            return {"type": "websocket.disconnect", "code": SIGNED_OUT}
        return message

    async def _say(self, message: Message) -> None:
        if message["type"] == "websocket.close":
            if not self._closed:
                self._closed = True
                await self._send(message)
        elif await self._may_go_on():
            await self._send(message)
        else:
            raise OSError("the session has ended")

    async def _may_go_on(self) -> bool:
        """Say whether the session goes on, and close the WebSocket if it does not."""
        if not self._closed and not await self._is_open():
            await self._say({"type": "websocket.close", "code": SIGNED_OUT})
        return not self._closed
