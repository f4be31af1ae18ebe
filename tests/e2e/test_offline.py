"""Once set up, nothing is fetched from anywhere: not by the page, not by the server."""

import socket
from collections.abc import Callable
from typing import Any

import pytest

from backends.scripted import Script
from tests.e2e.site import Chat, Site

Open = Callable[..., Site]
Visit = Callable[..., Chat]

PICTURE = "![a picture](https://example.com/a.png) <img src=https://example.com/b.png> [a link](https://example.com/c)"


def test_nothing_is_fetched_from_elsewhere(site: Open, visit: Visit, monkeypatch: pytest.MonkeyPatch) -> None:
    called: list[Any] = []
    real = socket.socket.connect

    def connect(self: socket.socket, address: Any) -> None:
        if self.family in (socket.AF_INET, socket.AF_INET6) and address[0] not in ("127.0.0.1", "::1", "localhost"):
            called.append(address)
        real(self, address)

    monkeypatch.setattr(socket.socket, "connect", connect)
    opened = site(Script(replies=[PICTURE]))
    chat = visit(opened.url)
    asked: list[str] = []
    chat.page.on("request", lambda request: asked.append(request.url))
    chat.page.on("websocket", lambda channel: asked.append(channel.url.replace("ws:", "http:")))
    chat.page.reload()
    chat.page.wait_for_selector("#transcript[data-ready]")
    chat.say("hello")
    chat.levers()
    chat.page.wait_for_timeout(500)
    assert len(asked) > 10
    assert [url for url in asked if not url.startswith((opened.url, "data:", "blob:"))] == []
    assert called == []
