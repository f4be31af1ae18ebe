"""A real server with a scripted model, and visitors who may send it any request that a socket can carry."""

from __future__ import annotations

import contextlib
import http.client
import json
import re
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

from websockets.exceptions import ConnectionClosed
from websockets.sync.client import ClientConnection, connect
from websockets.typing import Origin

from backends.scripted import Script
from tests.e2e.site import Site
from webui.accounts import OWNER, SESSION_COOKIE, Account
from webui.chats import Actor
from webui.credentials import Passwords
from webui.levers import Levers
from webui.security import Guard

PASSWORD = "a samovar on the table"
UPGRADE = {
    "connection": "Upgrade",
    "upgrade": "websocket",
    "sec-websocket-version": "13",
    "sec-websocket-key": "dGhlIHNhbXBsZSBub25jZQ==",
}
"""What makes a request the beginning of a WebSocket."""
NAVIGATION = {"accept": "text/html", "sec-fetch-mode": "navigate", "sec-fetch-dest": "document"}
LEVERS = {"sampling": {}, "start_with": "", "preset": ""}

Headers = Mapping[str, str | Sequence[str]]


@dataclass(frozen=True)
class Answer:
    """What came back."""

    status: int
    headers: http.client.HTTPMessage
    body: bytes

    @property
    def text(self) -> str:
        return self.body.decode()

    @property
    def code(self) -> str:
        """The code of a refusal, "" for everything else."""
        try:
            said = json.loads(self.body)
        except ValueError:
            return ""
        return str(said["error"]["code"]) if isinstance(said, dict) and "error" in said else ""


class Town:
    """A server; `ask` comes without a cookie, an origin, or anything else that a browser adds."""

    def __init__(self, folder: Path, script: Script | None = None, **settings: Any) -> None:
        self.site = Site(folder, script, **settings)
        self.services, self.port = self.site.services, self.site.port
        # Hashing is slow on purpose; here it may be quick.
        accounts = self.services.accounts
        accounts._passwords = Passwords(time_cost=1, memory_kib=64)
        if self.services.settings.sign_in:
            accounts._store.set_password_hash(1, accounts._passwords.hash(PASSWORD))
        # Gradio's part of the page comes later than the rest.
        cookie = self.owner().cookie if self.services.settings.sign_in else {}
        assert self.ask("/config", headers=cookie, timeout=60).status == 200

    @property
    def guard(self) -> Guard:
        """What stands before the application."""
        app: object = self.site._server.config.app
        assert isinstance(app, Guard)
        return app

    def ask(
        self, path: str, method: str = "GET", headers: Headers | None = None, body: bytes = b"", *,
        at: str = "127.0.0.1", timeout: float = 10,
    ) -> Answer:  # fmt: skip
        """Send exactly these headers; only `host` is added, unless it is among them (an empty list for none)."""
        headers = {"host": f"{at}:{self.port}", **(headers or {})}
        if method == "POST" and "transfer-encoding" not in headers:
            headers = {"content-length": str(len(body)), **headers}
        connection = http.client.HTTPConnection(at, self.port, timeout=timeout)
        try:
            connection.putrequest(method, path, skip_host=True, skip_accept_encoding=True)
            for name, value in headers.items():
                for each in (value,) if isinstance(value, str) else value:
                    connection.putheader(name, each)
            connection.endheaders(body or None)
            answer = connection.getresponse()
            return Answer(answer.status, answer.headers, b"" if answer.status == 101 else answer.read())
        finally:
            connection.close()

    def post(self, path: str, form: Mapping[str, str], headers: Headers | None = None) -> Answer:
        """Send a form."""
        kind = {"content-type": "application/x-www-form-urlencoded"}
        return self.ask(path, "POST", {**kind, **(headers or {})}, urlencode(form).encode())

    def owner(self) -> Visitor:
        """Sign the owner in."""
        return Visitor(self, signed_in(self.post("/sign-in", {"name": "Anna", "password": PASSWORD})))

    def invitation(self) -> str:
        """Make an invitation; returns the path of its page."""
        page = self.owner().post("/people/invite", {}).text
        found = re.search(r"/join/[\w.-]+", page)
        assert found is not None, page
        return found[0]

    def guest(self, name: str) -> Visitor:
        """Invite somebody, who comes."""
        answer = self.post(self.invitation(), {"name": name, "password": PASSWORD})
        return Visitor(self, signed_in(answer))

    def quiet(self) -> None:
        """Wait until nothing is written any more."""
        deadline = time.monotonic() + 5
        while self.services.jobs.busy_chats():
            assert time.monotonic() < deadline, "a reply does not end"
            time.sleep(0.002)

    def close(self) -> None:
        self.site.close()


@dataclass(frozen=True)
class Visitor:
    """Somebody with a session's token."""

    town: Town
    token: str

    @property
    def cookie(self) -> Mapping[str, str]:
        return {"cookie": f"{SESSION_COOKIE}={self.token}"}

    @property
    def account(self) -> Account:
        account = self.town.services.accounts.account_of(self.token) if self.token else OWNER
        assert account is not None
        return account

    def ask(self, path: str, method: str = "GET", headers: Headers | None = None, body: bytes = b"") -> Answer:
        return self.town.ask(path, method, {**self.cookie, **(headers or {})}, body)

    def post(self, path: str, form: Mapping[str, str]) -> Answer:
        return self.town.post(path, form, self.cookie)

    def act(self, page: str, act: str, **data: Any) -> Answer:
        """Do what a page's button does, by Gradio's own route."""
        return self.run({"act": act, "page": page, "call": 1, "levers": LEVERS, **data})

    def run(self, sent: object) -> Answer:
        """Send any data to the page's one event."""
        config = json.loads(self.ask("/config").text)
        body = {"data": [], "event_data": sent, "fn_index": config["dependencies"][0]["id"], "session_hash": "x"}
        kind = {"content-type": "application/json"}
        return self.ask("/gradio_api/run/predict", "POST", kind, json.dumps(body).encode())

    @contextlib.contextmanager
    def live(self, page: str = "page", language: str = "en") -> Iterator[Live]:
        """Open the channel of a page."""
        own = f"127.0.0.1:{self.town.port}"
        with connect(
            f"ws://{own}/live?page={page}&lang={language}", origin=Origin(f"http://{own}"),
            additional_headers=self.cookie, max_size=None, proxy=None,
        ) as socket:  # fmt: skip
            yield Live(socket)

    def say(self, text: str) -> int:
        """Send a message in a new chat and wait for the whole reply; returns the chat's id."""
        chat = self.town.services.replies.send(Actor(self.account.id, "elsewhere"), None, text, Levers())
        self.town.quiet()
        return chat


class Live:
    """An open channel."""

    def __init__(self, socket: ClientConnection) -> None:
        self.socket = socket
        self.heard: list[dict[str, Any]] = []

    def send(self, **said: Any) -> None:
        self.socket.send(json.dumps(said))

    def until(self, kind: str, **values: Any) -> dict[str, Any]:
        """Return the next patch of a kind with these values; everything on the way is in `heard`."""
        while True:
            for patch in json.loads(self.socket.recv(timeout=5))["patches"]:
                self.heard.append(patch)
                if patch["kind"] == kind and values.items() <= patch.items():
                    return dict(patch)

    def end(self) -> int:
        """Wait for the end; returns its code."""
        try:
            while True:
                self.socket.recv(timeout=5)
        except ConnectionClosed as closed:
            assert closed.rcvd is not None, "the connection broke"
            return closed.rcvd.code


def signed_in(answer: Answer) -> str:
    """Return the token that came with an answer."""
    assert answer.status == 303, (answer.status, answer.text)
    for cookie in answer.headers.get_all("set-cookie") or []:
        name, _, value = cookie.partition(";")[0].partition("=")
        if name == SESSION_COOKIE and value:
            return str(value)
    raise AssertionError("no session came")
