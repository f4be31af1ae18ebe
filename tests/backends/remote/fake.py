"""A small HTTP server that says what a test tells it to: whole answers, streams, cuts, silence."""

from __future__ import annotations

import json
import socket
import threading
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

CUT = object()
"""Among the parts of an answer: the connection breaks here."""
DONE = b"data: [DONE]\n\n"


@dataclass(frozen=True)
class Answer:
    """What is answered; a part may be bytes, an event to wait for, or `CUT`."""

    parts: Sequence[Any] = ()
    status: int = 200
    headers: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Asked:
    """What was asked."""

    method: str
    path: str
    query: str
    headers: Mapping[str, str]
    body: Any


Route = Answer | list[Answer] | Callable[[Asked], Answer]


def as_json(value: object, status: int = 200, **headers: str) -> Answer:
    named = {name.replace("_", "-"): said for name, said in headers.items()}
    return Answer([json.dumps(value).encode()], status, {"content-type": "application/json", **named})


def event(value: object) -> bytes:
    return b"data: " + json.dumps(value).encode() + b"\n\n"


def events(*parts: Any) -> Answer:
    """Return a stream of server-sent events; objects become one each."""
    made = [event(part) if isinstance(part, dict) else part for part in parts]
    return Answer(made, headers={"content-type": "text/event-stream"})


def delta(text: str | None = None, finish: str | None = None, **more: Any) -> dict[str, Any]:
    """Return a chunk of a chat completion."""
    return {"choices": [{"index": 0, "delta": {"content": text, **more}, "finish_reason": finish}]}


def usage(prompt: int, completion: int, cached: int = 0) -> dict[str, Any]:
    details = {"cached_tokens": cached}
    numbers = {"prompt_tokens": prompt, "completion_tokens": completion, "prompt_tokens_details": details}
    return {"choices": [], "usage": numbers}


def said(*texts: str, prompt: int = 7) -> Answer:
    """Return a whole streamed reply."""
    return events(*map(delta, texts), delta(finish="stop"), usage(prompt, len(texts)), DONE)


def models(*cards: dict[str, Any], owner: str = "somebody") -> Answer:
    listed = [{"object": "model", "owned_by": owner, **card} for card in cards or ({"id": "small-model"},)]
    return as_json({"object": "list", "data": listed})


class _Server(ThreadingHTTPServer):
    def handle_error(self, request: object, client_address: object) -> None:
        """Clients that leave are no news."""


class FakeEngine:
    """The server. `routes` may be changed at any time; `asked` is what came in, the questions of discovery too."""

    def __init__(self, routes: Mapping[str, Route], port: int = 0) -> None:
        self.routes: dict[str, Route] = {"GET /v1/models": models(), **routes}
        self.asked: list[Asked] = []
        self.arrived, self.gone = threading.Event(), threading.Event()
        self._connections: set[socket.socket] = set()
        self._server = _Server(("127.0.0.1", port), self._handler())
        self._server.daemon_threads = True
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.01,))
        self._thread.start()

    @property
    def port(self) -> int:
        return int(self._server.server_address[1])

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def bodies(self, path: str = "/v1/chat/completions") -> list[Any]:
        """Return what was sent to a path."""
        return [asked.body for asked in self.asked if asked.path == path]

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()
        for connection in list(self._connections):
            with suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)
        self._thread.join()

    def _answer(self, asked: Asked) -> Answer:
        self.asked.append(asked)
        self.arrived.set()
        route = self.routes.get(f"{asked.method} {asked.path}")
        if isinstance(route, list):
            return route.pop(0) if len(route) > 1 else route[0]
        if callable(route):
            return route(asked)
        return route or as_json({"error": {"message": "Not Found", "code": 404}}, 404)

    def _handler(self) -> type[BaseHTTPRequestHandler]:
        engine = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"
            disable_nagle_algorithm = True

            def setup(self) -> None:
                engine._connections.add(self.request)
                super().setup()

            def finish(self) -> None:
                engine._connections.discard(self.request)
                super().finish()

            def log_message(self, *args: object) -> None:
                pass

            def _serve(self) -> None:
                sent = self.rfile.read(int(self.headers.get("content-length") or 0))
                path, _, query = self.path.partition("?")
                headers = {name.lower(): value for name, value in self.headers.items()}
                asked = Asked(self.command, path, query, headers, json.loads(sent) if sent else None)
                try:
                    self._say(engine._answer(asked))
                except OSError:
                    self.close_connection = True
                    engine.gone.set()

            do_GET = do_POST = _serve  # noqa: N815

            def _say(self, answer: Answer) -> None:
                self.send_response(answer.status)
                for name, value in answer.headers.items():
                    self.send_header(name, value)
                self.send_header("transfer-encoding", "chunked")
                self.end_headers()
                for part in answer.parts:
                    if part is CUT:
                        self.connection.shutdown(socket.SHUT_RDWR)
                        self.close_connection = True
                        return
                    if isinstance(part, threading.Event):
                        self._wait(part)
                    elif part:
                        self.wfile.write(b"%x\r\n%s\r\n" % (len(part), part))
                self.wfile.write(b"0\r\n\r\n")

            def _wait(self, event: threading.Event) -> None:
                """Wait for a test's event, or for the client to leave."""
                self.connection.settimeout(0.01)
                while not event.is_set():
                    try:
                        if self.connection.recv(1) == b"":
                            raise ConnectionResetError
                    except TimeoutError:
                        continue
                self.connection.settimeout(None)

        return Handler


@contextmanager
def fake(routes: Mapping[str, Route] | None = None, port: int = 0) -> Iterator[FakeEngine]:
    engine = FakeEngine(routes or {}, port)
    try:
        yield engine
    finally:
        engine.close()


class Letters:
    """A tokenizer for fakes: a token for each byte, one for each mark of ChatML."""

    MARKS = ("<|im_start|>", "<|im_end|>")

    def read(self, text: str) -> list[int]:
        tokens: list[int] = []
        while text:
            mark = next((mark for mark in self.MARKS if text.startswith(mark)), None)
            if mark:
                tokens.append(256 + self.MARKS.index(mark))
                text = text[len(mark) :]
            else:
                tokens += text[0].encode()
                text = text[1:]
        return tokens

    def write(self, tokens: Iterable[int]) -> str:
        return b"".join(self.MARKS[token - 256].encode() if token > 255 else bytes([token]) for token in tokens).decode(
            "utf-8", "replace"
        )

    def chat(self, messages: Sequence[Mapping[str, str]], opened: bool = True) -> str:
        told = "".join(f"<|im_start|>{each['role']}\n{each['content'].strip()}<|im_end|>\n" for each in messages)
        return told + ("<|im_start|>assistant\n" if opened else "")
