"""The HTML around the page: Gradio's own, with our head in it from the first byte.

Gradio hands a `head` to its scripts, which put it in after a second: too late for colours, language and style sheet.
"""

from __future__ import annotations

from starlette.types import ASGIApp, Message, Receive, Scope, Send

_HEAD = b"<head>"


class Framed:
    """Wraps the application and writes `head` into the HTML of "/"."""

    def __init__(self, app: ASGIApp, head: str) -> None:
        self._app, self._head = app, head.encode()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass everything on; only the page itself is held until it is whole."""
        if scope["type"] == "http" and scope["path"] == "/":
            # Compressed, it could not be written into.
            kept = [(name, value) for name, value in scope["headers"] if name != b"accept-encoding"]
            await self._app({**scope, "headers": kept}, receive, _Page(send, self._head))
        else:
            await self._app(scope, receive, send)


class _Page:
    def __init__(self, send: Send, head: bytes) -> None:
        self._send, self._head = send, head
        self._start: Message = {}
        self._body = b""

    async def __call__(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            self._start = message
            return
        self._body += message.get("body", b"")
        if message.get("more_body", False):
            return
        body = self._body.replace(_HEAD, _HEAD + self._head, 1)
        headers = [(name, value) for name, value in self._start["headers"] if name != b"content-length"]
        if len(headers) < len(self._start["headers"]):
            headers.append((b"content-length", str(len(body)).encode()))
        await self._send({**self._start, "headers": headers})
        await self._send({"type": "http.response.body", "body": body})
