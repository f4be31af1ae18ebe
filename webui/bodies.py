"""What the guard does to bodies: a request's is limited, a response gets its headers. Pure ASGI."""

from __future__ import annotations

from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from webui.headers import PLAIN_PAGE_POLICY, app_policy, script_hashes, secured
from webui.hosts import Origin

_LARGEST_PAGE = 8 * 1024 * 1024


class SecuredResponse:
    """A `send` that adds the security headers on the way out."""

    def __init__(self, send: Send, own: Origin | None, *, hash_scripts: bool = False) -> None:
        """`own` is the origin the page is reached under, None for a page of plain text.

        With `hash_scripts` the inline scripts of an HTML page may run; only for pages that hold no foreign text.
        """
        self._send, self._own, self._hash_scripts = send, own, hash_scripts
        self._held: Message | None = None
        self._page = bytearray()
        self.started = False

    async def __call__(self, message: Message) -> None:
        """Send one ASGI message on; an HTML page waits until it is whole."""
        if message["type"] == "http.response.start":
            self.started = True
            if self._hash_scripts and _is_html(message):
                self._held = message
            else:
                await self._start(message, [])
        elif self._held is not None and message["type"] == "http.response.body":
            self._page += message.get("body", b"")
            if not message.get("more_body", False) or len(self._page) > _LARGEST_PAGE:
                start, self._held = self._held, None
                await self._start(start, script_hashes(bytes(self._page)))
                await self._send({**message, "body": bytes(self._page)})
        else:
            await self._send(message)

    async def _start(self, message: Message, hashes: list[str]) -> None:
        policy = app_policy(self._own, hashes) if self._own else PLAIN_PAGE_POLICY
        await self._send({**message, "headers": secured(message["headers"], policy, private=_is_html(message))})


class LimitedBody:
    """A `receive` that ends a request whose body grows beyond `limit` bytes."""

    def __init__(self, receive: Receive, response: SecuredResponse, limit: int, refusal: Response) -> None:
        self._receive, self._response, self._left, self._refusal = receive, response, limit, refusal
        self._refused = False

    async def run(self, app: ASGIApp, scope: Scope) -> None:
        """Run the application; after a refusal it may say and raise what it likes."""
        self._scope = scope
        try:
            await app(scope, self._limited, self._respond)
        except Exception:
            if not self._refused:
                raise

    async def _limited(self) -> Message:
        if self._refused:
            return {"type": "http.disconnect"}
        message = await self._receive()
        self._left -= len(message.get("body", b""))
        if self._left >= 0:
            return message
        self._refused = True
        if not self._response.started:
            await self._refusal(self._scope, self._receive, self._response)
        return {"type": "http.disconnect"}

    async def _respond(self, message: Message) -> None:
        if not self._refused:
            await self._response(message)


def _is_html(message: Message) -> bool:
    kind = next((value for name, value in message.get("headers", []) if name.lower() == b"content-type"), b"")
    return bool(kind.startswith(b"text/html"))
