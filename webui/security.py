"""The guard before every handler: by which name, from which page, who, how much. Pure ASGI, HTTP and WebSocket.

Against DNS rebinding the `Host` must be ours; against the pages of other sites the `Origin` must be the same as the
`Host`, and `Sec-Fetch-Site` must not say otherwise; against neighbours on the network everybody signs in. The guard
says who asks, by an `Account` in the scope; what that account may see is decided by the owner of the row.
"""

from __future__ import annotations

import asyncio
import html
from collections.abc import Callable
from typing import Protocol
from urllib.parse import quote

from starlette.datastructures import Headers
from starlette.requests import HTTPConnection, cookie_parser
from starlette.responses import HTMLResponse, Response
from starlette.types import ASGIApp, Receive, Scope, Send

from webui.accounts import OWNER, SESSION_COOKIE, Account, Accounts
from webui.bodies import LimitedBody, SecuredResponse
from webui.hosts import AllowedHosts
from webui.refusals import Asked, Refusal, cross_site, is_public, local_path, to_sign_in
from webui.watched import SIGNED_OUT, Watched

MAX_BODY = 16 * 1024 * 1024
_FOR_PROGRAMS = ("/v1/", "/metrics/")
"""Where API keys are taken: on the pages people sign in."""
_PROXY_HEADERS = (b"x-forwarded-", b"forwarded", b"x-real-ip", b"x-gradio-server")
"""Gradio builds addresses from these; who sends them chooses where the page's requests go. The server that speaks to
a trusted proxy has read them before us and put what counts into the scope."""


class Wrapped(Protocol):
    """What Gradio hands to its handlers (`gr.Request`): a request inside one of its own."""

    @property
    def request(self) -> HTTPConnection | None:
        """The request itself."""


def account_of(connection: HTTPConnection | Wrapped) -> Account:
    """Return who asks. Raises RuntimeError on a public page where nobody has signed in, or without the guard."""
    inner = connection if isinstance(connection, HTTPConnection) else connection.request
    account = inner.scope.get("state", {}).get("account") if inner else None
    if not isinstance(account, Account):
        raise RuntimeError("nobody has signed in, and this route asked who")
    return account


class Guard:
    """Wraps the whole application, so that nothing is reached but through it."""

    def __init__(
        self,
        app: ASGIApp,
        *,
        hosts: AllowedHosts,
        accounts: Accounts,
        require_sign_in: bool,
        bearer: Callable[[str], Account | None] = lambda _: None,
        max_body: int = MAX_BODY,
    ) -> None:
        """`bearer` finds the account of an API key, on a worker thread; `max_body` is in bytes.

        Without `require_sign_in` everybody who gets here is the owner, and no request touches the database.
        """
        self._app, self._hosts, self._accounts = app, hosts, accounts
        self._require_sign_in, self._bearer, self._max_body = require_sign_in, bearer, max_body

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Let a request through to the application, or answer it here."""
        if scope["type"] == "lifespan":
            await self._app(scope, receive, send)
            return
        asked = self._read(scope)
        if asked is None:
            await _answer(Refusal(421, "foreign_host"), scope, receive, send)
        elif refusal := cross_site(asked) or self._too_large(asked):
            await _answer(refusal, scope, receive, send)
        else:
            await self._admit(asked, scope, receive, send)

    def _read(self, scope: Scope) -> Asked | None:
        """Return what is asked for; None when the host is not ours, or not said exactly once."""
        headers = Headers(scope=scope)
        named, server = headers.getlist("host"), scope.get("server") or (None, None)
        own = self._hosts.own(named[0], scope.get("scheme", "http"), server[0]) if len(named) == 1 else None
        if own is None:
            return None
        return Asked(scope["type"] == "websocket", scope.get("method", "GET"), scope["path"], headers, own)

    def _too_large(self, asked: Asked) -> Refusal | None:
        length = asked.headers.get("content-length", "0")
        return self._refuse_size() if length.isdecimal() and int(length) > self._max_body else None

    def _refuse_size(self) -> Refusal:
        return Refusal(413, "body_too_large", {"limit": self._max_body // 1024**2})

    async def _admit(self, asked: Asked, scope: Scope, receive: Receive, send: Send) -> None:
        token = cookie_parser(asked.headers.get("cookie", "")).get(SESSION_COOKIE, "")
        found = await self._who(asked, token)
        if isinstance(found, Refusal):
            away = _away(asked, scope, token) if found.code == "sign_in_required" else None
            await _answer(away or found, scope, receive, send)
            return
        inside = self._inside(asked, scope, found)
        if asked.websocket:
            watched = self._require_sign_in
            await (self._watch(token, inside, receive, send) if watched else self._app(inside, receive, send))
            return
        response = SecuredResponse(send, asked.own, hash_scripts=asked.path == "/")
        body = LimitedBody(receive, response, self._max_body, self._refuse_size().response(asked.headers))
        await body.run(self._app, inside)

    async def _who(self, asked: Asked, token: str) -> Account | Refusal | None:
        """Return who asks; None for nobody, on a page that is open to everybody."""
        kind, _, key = asked.headers.get("authorization", "").partition(" ")
        if f"{asked.path}/".startswith(_FOR_PROGRAMS) and kind.lower() == "bearer":
            account = await asyncio.to_thread(self._bearer, key.strip())
            # At home programs send any key, because they insist on having one.
            return account or (Refusal(401, "invalid_api_key") if self._require_sign_in else OWNER)
        if not self._require_sign_in:
            return OWNER
        account = await self._session(token)
        if account is None and not is_public(asked):
            return Refusal(401, "sign_in_required")
        return account

    async def _session(self, token: str) -> Account | None:
        if not token:
            return None
        return self._accounts.remembered(token) or await asyncio.to_thread(self._accounts.account_of, token)

    def _inside(self, asked: Asked, scope: Scope, account: Account | None) -> Scope:
        """Return the scope as the application sees it."""
        headers = [(name, value) for name, value in scope["headers"] if not name.startswith(_PROXY_HEADERS)]
        if asked.navigation:
            # The scripts of a page are hashed on its way out, which needs them readable.
            headers = [(name, value) for name, value in headers if name != b"accept-encoding"]
        secure = asked.own.scheme == "https"
        scheme = ("wss" if secure else "ws") if asked.websocket else asked.own.scheme
        state = {**scope.get("state", {}), "account": account}
        return {**scope, "headers": headers, "scheme": scheme, "state": state}

    async def _watch(self, token: str, scope: Scope, receive: Receive, send: Send) -> None:
        """Run a WebSocket that ends when its session does."""

        async def is_open() -> bool:
            return await self._session(token) is not None

        await Watched(receive, send, is_open).run(self._app, scope, self._accounts.telling)


def _away(asked: Asked, scope: Scope, token: str) -> Response | None:
    """Return where to send a browser that wants a page and has not signed in; None for everything but a page."""
    if not asked.navigation:
        return None
    query = scope.get("query_string", b"").decode("latin-1")
    path = local_path(quote(scope["path"]) + (f"?{query}" if query else ""))
    if asked.headers.get("sec-fetch-site") == "cross-site" and not token:
        # A link on another site: the cookie is SameSite=Strict, so it stayed away. It comes once our own page asks.
        return HTMLResponse(f'<!doctype html><meta http-equiv="refresh" content="0;url={html.escape(path)}">')
    return to_sign_in(path)


async def _answer(answer: Refusal | Response, scope: Scope, receive: Receive, send: Send) -> None:
    if scope["type"] == "websocket":
        signed_out = isinstance(answer, Refusal) and answer.code == "sign_in_required"
        if signed_out:
            # A page is told the code only of a connection that was accepted; nothing else goes over it.
            await send({"type": "websocket.accept"})
        await send({"type": "websocket.close", "code": SIGNED_OUT if signed_out else 1008})
        return
    response = answer.response(Headers(scope=scope)) if isinstance(answer, Refusal) else answer
    await response(scope, receive, SecuredResponse(send, None))
