"""A small hub on this machine: the routes that the real client calls, with ranges, cuts and refusals."""

from __future__ import annotations

import hashlib
import json
import threading
from collections.abc import Mapping
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import unquote, urlsplit

SHA = "0123456789abcdef0123456789abcdef01234567"


class FakeHub:
    """Serves repositories, name -> files. `log` keeps every request as (path, range)."""

    def __init__(self, repositories: Mapping[str, Mapping[str, bytes]]) -> None:
        self.repositories = repositories
        self.log: list[tuple[str, str]] = []
        self.tokens: list[str] = []
        self.cuts: list[int] = []
        """After how many bytes the next answers with a file are cut off."""
        self.refusals: dict[str, tuple[int, str]] = {}
        """Repository -> (status, X-Error-Code) for its description; "files" for every file."""
        self.ranges = True
        self.wrong = False
        hub = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_GET(self) -> None:
                hub.answer(self)

            def log_message(self, *_: object) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.01,), daemon=True)
        self._thread.start()
        self.url = f"http://127.0.0.1:{self._server.server_port}"

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    @property
    def files_asked(self) -> list[tuple[str, str]]:
        return [(path.rpartition("/")[2], span) for path, span in self.log if "/resolve/" in path]

    def answer(self, request: BaseHTTPRequestHandler) -> None:
        path = unquote(urlsplit(request.path).path)
        self.log.append((path, request.headers.get("Range", "")))
        self.tokens.append(request.headers.get("Authorization", ""))
        if path.startswith("/api/models/"):
            self._describe(request, path.removeprefix("/api/models/"))
        else:
            repository, _, file = path.strip("/").partition(f"/resolve/{SHA}/")
            self._send_file(request, self.repositories[repository][file])

    def _describe(self, request: BaseHTTPRequestHandler, repository: str) -> None:
        if repository in self.refusals or repository not in self.repositories:
            status, code = self.refusals.get(repository, (404, "RepoNotFound"))
            self._send(request, status, b"", {"X-Error-Code": code} if code else {})
            return
        files = [
            {
                "rfilename": name,
                "size": len(data),
                "blobId": "b",
                "lfs": {"sha256": hashlib.sha256(data).hexdigest(), "size": len(data), "pointerSize": 130},
            }
            for name, data in self.repositories[repository].items()
        ]
        body = json.dumps({"id": repository, "sha": SHA, "siblings": files}).encode()
        self._send(request, 200, body, {"Content-Type": "application/json"})

    def _send_file(self, request: BaseHTTPRequestHandler, data: bytes) -> None:
        if "files" in self.refusals:
            status, code = self.refusals["files"]
            self._send(request, status, b"", {"X-Error-Code": code} if code else {})
            return
        if self.wrong:
            data = data[::-1]
        span = request.headers.get("Range", "")
        start = int(span.removeprefix("bytes=").rstrip("-")) if span and self.ranges else 0
        extra = {"Content-Range": f"bytes {start}-{len(data) - 1}/{len(data)}"} if start else {}
        cut = self.cuts.pop(0) if self.cuts else None
        self._send(request, 206 if start else 200, data[start:], extra, cut)

    def _send(
        self, request: BaseHTTPRequestHandler, status: int, body: bytes, headers: Mapping[str, str],
        cut: int | None = None,
    ) -> None:  # fmt: skip
        request.send_response(status)
        for name, value in {**headers, "Content-Length": str(len(body))}.items():
            request.send_header(name, value)
        request.end_headers()
        request.wfile.write(body[:cut])
        if cut is not None:
            request.wfile.flush()
            request.close_connection = True
