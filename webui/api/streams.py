"""Server-sent events, and work that ends when its client goes."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncGenerator, Callable, Coroutine
from contextlib import aclosing
from typing import Any, TypeVar

from starlette.responses import Response
from starlette.types import Receive, Scope, Send

DONE = "data: [DONE]\n\n"

_T = TypeVar("_T")


class ClientGone(Exception):
    """The client has closed its connection: nobody waits for the answer."""


def data(value: object) -> str:
    """Return one event; in JSON every line end is escaped, so it is one line."""
    return f"data: {json.dumps(value, ensure_ascii=False, separators=(',', ':'))}\n\n"


def comment(text: str) -> str:
    """Return a line that readers of events pass over: it keeps the connection alive and tells a person who looks."""
    return f": {text}\n\n"


async def while_connected(receive: Receive, work: Coroutine[Any, Any, _T]) -> _T:
    """Do the work and return its outcome; it is cancelled when the client goes. Raises `ClientGone`.

    To be called once the whole body of the request has been read.
    """
    working, watching = asyncio.ensure_future(work), asyncio.ensure_future(_gone(receive))
    try:
        await asyncio.wait((working, watching), return_when=asyncio.FIRST_COMPLETED)
        if not working.done():
            raise ClientGone
        return working.result()
    finally:
        watching.cancel()
        working.cancel()
        await asyncio.gather(working, watching, return_exceptions=True)


async def _gone(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass


class EventStream(Response):
    """A response of server-sent events; when the client goes, the iterator is closed where it waits.

    `close` is called in the end, whatever it is: an iterator that nobody has begun has no end of its own.
    """

    media_type = "text/event-stream"

    def __init__(self, events: AsyncGenerator[str, None], close: Callable[[], None]) -> None:
        super().__init__(None, headers={"cache-control": "no-cache", "x-accel-buffering": "no"})
        del self.headers["content-length"]
        self._events, self._close = events, close

    async def __call__(self, _: Scope, receive: Receive, send: Send) -> None:
        """Send the events as they come."""
        try:
            await while_connected(receive, self._send(send))
        except (ClientGone, OSError):
            return
        finally:
            self._close()

    async def _send(self, send: Send) -> None:
        await send({"type": "http.response.start", "status": self.status_code, "headers": self.raw_headers})
        async with aclosing(self._events) as events:
            async for event in events:
                await send({"type": "http.response.body", "body": event.encode(), "more_body": True})
        await send({"type": "http.response.body", "body": b"", "more_body": False})
