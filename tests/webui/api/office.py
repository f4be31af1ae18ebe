"""The API of a house with a scripted model, behind the guard; and a client that can hang up."""

import asyncio
import json
from collections.abc import Awaitable, Callable
from typing import Any

from fastapi import FastAPI
from starlette.testclient import TestClient
from starlette.types import ASGIApp, Message

from tests.webui.house import House
from webui.api.completions import Completions
from webui.api.router import api_router
from webui.hosts import AllowedHosts
from webui.security import Guard

HELLO = [{"role": "user", "content": "Hello there"}]


class Office:
    """`client` asks as somebody at home would; `sign_in` is what `--listen` does."""

    def __init__(self, house: House, sign_in: bool = False, patience: float = 30.0, silence: float = 15.0) -> None:
        self.house, services = house, house.services
        app = FastAPI()
        app.include_router(
            api_router(services.loader, services.meters, Completions(services.loader, patience, silence))
        )
        self.app: ASGIApp = Guard(
            app,
            hosts=AllowedHosts(),
            accounts=services.accounts,
            require_sign_in=sign_in,
            bearer=services.keys.account_of,
        )
        self.client = TestClient(self.app, base_url="http://localhost")

    def chat(self, **body: Any) -> Any:
        """Ask for a chat completion; returns the JSON of a good answer."""
        return self.ask("/v1/chat/completions", **{"messages": HELLO, **body})

    def ask(self, path: str, **body: Any) -> Any:
        answer = self.client.post(path, json=body)
        assert answer.status_code == 200, answer.text
        return answer.json()

    def refused(self, path: str = "/v1/chat/completions", **body: Any) -> tuple[int, dict[str, Any]]:
        """Ask for what is refused; returns the status and the error."""
        answer = self.client.post(path, json=body if path != "/v1/chat/completions" else {"messages": HELLO, **body})
        said = answer.json()
        assert set(said) == {"error"} and set(said["error"]) == {"message", "type", "param", "code"}
        return answer.status_code, said["error"]

    def stream(self, path: str = "/v1/chat/completions", **body: Any) -> list[dict[str, Any]]:
        """Ask for a stream; returns its chunks, after a look at the framing."""
        body = {"messages": HELLO, **body} if path == "/v1/chat/completions" else body
        answer = self.client.post(path, json={**body, "stream": True})
        assert answer.status_code == 200, answer.text
        assert answer.headers["content-type"] == "text/event-stream; charset=utf-8"
        assert answer.headers["cache-control"] == "no-cache"
        return chunks(answer.text)

    def ask_models(self) -> list[dict[str, Any]]:
        answer = self.client.get("/v1/models")
        assert answer.status_code == 200 and answer.json()["object"] == "list"
        models: list[dict[str, Any]] = answer.json()["data"]
        return models

    def figure(self, name: str, **labels: str) -> float:
        """Return one of the figures, 0 if it is not there yet."""
        return self.house.services.meters.counts().get((name, tuple(labels.items())), 0)


def chunks(text: str) -> list[dict[str, Any]]:
    """Read server-sent events that end with `[DONE]`."""
    events = text.split("\n\n")
    assert events.pop() == "" and events.pop() == "data: [DONE]"
    said = [event for event in events if not event.startswith(": ")]
    assert all(event.startswith("data: {") and "\n" not in event for event in said)
    return [json.loads(event.removeprefix("data: ")) for event in said]


async def hang_up(
    app: ASGIApp, path: str, body: dict[str, Any], ready: Callable[[list[Message]], Awaitable[None]], whole: bool = True
) -> list[Message]:
    """Ask, hang up once `ready` returns, and return what was sent until the application let go.

    With `whole` false, hang up in the middle of the body.
    """
    sent: list[Message] = []
    asked = False

    async def receive() -> Message:
        nonlocal asked
        if not asked:
            asked = True
            text = json.dumps(body).encode()
            return {"type": "http.request", "body": text if whole else text[: len(text) // 2], "more_body": not whole}
        await ready(sent)
        return {"type": "http.disconnect"}

    async def send(message: Message) -> None:
        sent.append(message)

    headers = [(b"host", b"localhost"), (b"content-type", b"application/json")]
    scope = {
        "type": "http", "asgi": {"version": "3.0", "spec_version": "2.3"}, "http_version": "1.1", "method": "POST",
        "scheme": "http", "path": path, "raw_path": path.encode(), "query_string": b"", "headers": headers,
        "client": ("127.0.0.1", 50000), "server": ("127.0.0.1", 80), "root_path": "",
    }  # fmt: skip
    await asyncio.wait_for(app(scope, receive, send), 10)
    return sent
