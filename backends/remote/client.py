"""HTTP to one engine: questions with an answer in JSON, and streams. Runs on the backend's loop."""

from __future__ import annotations

import asyncio
import ipaddress
import json
from collections.abc import AsyncGenerator, AsyncIterator, Iterator
from contextlib import aclosing, asynccontextmanager, contextmanager
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit
from urllib.request import getproxies, proxy_bypass

import httpx

from backends.remote.address import Address
from backends.remote.credentials import Secrets, authorization
from backends.remote.failures import UNREADABLE, Failure, Lost, Refused, in_stream, refused
from backends.remote.frames import BrokenFrame, Frames, Json, Kind
from backends.remote.loop import Loop

_IDLE = 2.0
"""Seconds after which a connection is not used again: engines close idle ones, many after five."""
_LARGEST = 256 << 20
_LARGEST_ERROR = 64 << 10


@dataclass(frozen=True, slots=True)
class Limits:
    """How long we wait, in seconds, and how often we try.

    `connect`: for a connection; `answer`: for the answer to a question; `first`: for the first token, or a sign that
    the prompt is being read; `between`: from then on, for the next one; `load`: for a model that is being loaded.
    `attempts`: how often a request is sent in all, as long as nothing of its reply came; the time between two doubles
    from `pause` up to `longest_pause`, and an engine that wants more is not waited for.
    """

    connect: float = 5.0
    answer: float = 30.0
    first: float = 600.0
    between: float = 120.0
    load: float = 300.0
    attempts: int = 4
    pause: float = 0.5
    longest_pause: float = 30.0


class Client:
    """One engine at `address`. `ask` may be called from any thread but the loop's; `stream` only on the loop.

    Both raise `Lost` and `Refused`; what an engine says in the latter holds no secrets.
    """

    def __init__(self, address: Address, key: str, loop: Loop, limits: Limits) -> None:
        self.address, self.limits = address, limits
        self._loop = loop
        signed = authorization(address, key)
        self._secrets = Secrets([key, *address.secrets, signed.partition(" ")[2]])
        self._http = httpx.AsyncClient(
            transport=_Transport(address, signed),
            timeout=httpx.Timeout(limits.answer, connect=limits.connect, read=None, pool=None),
            headers={"accept-encoding": "identity", "content-type": "application/json", "user-agent": "Samovar"},
            trust_env=False,
        )

    def ask(self, method: str, path: str, body: Json | None = None, seconds: float = 0.0) -> Any:
        """Return the JSON of an answer, waiting for it at most `seconds` (0: as the limits say)."""
        seconds = seconds or self.limits.answer
        try:
            data = self._loop.run(self._ask(method, path, body, seconds))
        except Lost as lost:
            if lost.kind != "cut":
                raise
            # The engine may have closed the connection just before; a question may be asked twice.
            data = self._loop.run(self._ask(method, path, body, seconds))
        try:
            return json.loads(data)
        except (ValueError, RecursionError):
            failure = Refused(UNREADABLE)
            failure.root = self.address.root
            raise failure from None

    @asynccontextmanager
    async def stream(self, path: str, body: Json, kind: Kind) -> AsyncIterator[AsyncIterator[Json]]:
        """Send a body and give the objects of the answer as they come; leaving the context closes the connection."""
        with _translated(self.address.root):
            async with self._http.stream("POST", self.address.root + path, content=_json(body)) as response:
                if response.status_code != httpx.codes.OK:
                    raise await self._refusal(response)
                async with aclosing(self._frames(response, kind)) as frames:
                    yield frames

    async def close(self) -> None:
        """Close all connections."""
        await self._http.aclose()

    async def _ask(self, method: str, path: str, body: Json | None, seconds: float) -> bytes:
        with _translated(self.address.root):
            try:
                async with (
                    asyncio.timeout(seconds),
                    self._http.stream(method, self.address.root + path, content=_json(body)) as response,
                ):
                    if response.status_code != httpx.codes.OK:
                        raise await self._refusal(response)
                    return await _read(response, _LARGEST)
            except TimeoutError:
                raise Lost("silent") from None

    async def _refusal(self, response: httpx.Response) -> Refused:
        body = await _read(response, _LARGEST_ERROR)
        found = refused(response.status_code, response.headers, body)
        return Refused(found.status, self._secrets.hide(found.said), found.details, found.wait)

    async def _frames(self, response: httpx.Response, kind: Kind) -> AsyncGenerator[Json, None]:
        said = response.headers.get("content-type", "")
        frames = Frames("whole" if kind == "events" and "application/json" in said else kind)
        with _translated(self.address.root):
            async for data in response.aiter_raw():
                for frame in frames.push(data):
                    yield self._checked(frame)
                if frames.ended:
                    return
            for frame in frames.end():
                yield self._checked(frame)

    def _checked(self, frame: Json) -> Json:
        if error := frame.get("error"):
            found = in_stream(error)
            raise Refused(found.status, self._secrets.hide(found.said), found.details)
        return frame


class _Transport(httpx.AsyncHTTPTransport):
    """Adds what is secret to a request after the library has logged it."""

    def __init__(self, address: Address, authorization: str) -> None:
        # Reading the certificates takes a while, and plain HTTP has none.
        secure = address.root.startswith("https:")
        super().__init__(verify=secure, proxy=_proxy(address), limits=httpx.Limits(keepalive_expiry=_IDLE))
        self._query, self._authorization = address.query, authorization

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        """See `httpx.AsyncBaseTransport`."""
        url = request.url
        for name, value in self._query:
            url = url.copy_add_param(name, value)
        headers = httpx.Headers(request.headers)
        if self._authorization:
            headers["authorization"] = self._authorization
        return await super().handle_async_request(
            httpx.Request(request.method, url, headers=headers, stream=request.stream, extensions=request.extensions)
        )


def _proxy(address: Address) -> str | None:
    """Return the proxy that the environment wants for an engine that is not on this machine."""
    host = urlsplit(address.root).hostname or ""
    if _is_loopback(host) or proxy_bypass(host):
        return None
    return getproxies().get(urlsplit(address.root).scheme)


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host.lower() == "localhost"


def _json(body: Json | None) -> bytes | None:
    return None if body is None else json.dumps(body, ensure_ascii=False).encode("utf-8", "replace")


async def _read(response: httpx.Response, most: int) -> bytes:
    """Return the body, or its first `most` bytes."""
    data = bytearray()
    async for part in response.aiter_raw():
        data += part
        if len(data) > most:
            break
    return bytes(data[:most])


@contextmanager
def _translated(root: str) -> Iterator[None]:
    """Raise `Lost` and `Refused` in the place of the library's errors, with the engine's name on them."""
    try:
        with _failing():
            yield
    except Failure as failure:
        failure.root = root
        raise


@contextmanager
def _failing() -> Iterator[None]:
    try:
        yield
    except BrokenFrame:
        raise Refused(UNREADABLE) from None
    except (httpx.ConnectError, httpx.ConnectTimeout, httpx.ProxyError, httpx.UnsupportedProtocol, httpx.InvalidURL):
        raise Lost("absent") from None
    except httpx.TimeoutException:
        raise Lost("silent") from None
    except httpx.TransportError:
        raise Lost("cut") from None
