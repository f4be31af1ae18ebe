"""One file from the network: resumed where an earlier attempt ended, checked, and whole under its name or not there."""

from __future__ import annotations

import hashlib
import os
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO, Protocol

from backends.errors import DownloadFailed, SamovarError

WAITS = (0.5, 1.0, 2.0, 4.0, 8.0)
"""Seconds before each further attempt; one that brings data begins the row anew."""
_PIECE = 1 << 20
_TICK = 0.1
_PASSING = frozenset({408, 425, 429, 500, 502, 503, 504})


@dataclass(frozen=True, slots=True)
class Item:
    """A file to fetch. `size` in bytes; `sha256` is "" where it is not known."""

    name: str
    url: str
    path: Path
    size: int
    sha256: str = ""

    @property
    def part(self) -> Path:
        """Where the bytes gather until they are whole; another version of the file has another place."""
        return self.path.with_name(f"{self.path.name}.{self.sha256[:12] or self.size}.part")

    @property
    def held(self) -> int:
        """The bytes that are here already."""
        for path in (self.path, self.part):
            if path.is_file():
                return path.stat().st_size
        return 0


class Response(Protocol):
    """What is needed of an HTTP response."""

    status_code: int

    def iter_bytes(self) -> Iterator[bytes]:
        """Yield the body as it arrives."""


Get = Callable[[str, Mapping[str, str]], AbstractContextManager[Any]]
"""Opens a URL with headers; raises for a status that is an error, with the response at the exception."""


def transfer(item: Item, get: Get, took: Callable[[int], None]) -> None:
    """Fetch a file, going on where an earlier attempt ended.

    `took` is told how many bytes of it are here; what it raises ends the transfer, and the part stays for the next
    one. Passing faults of the network are waited out. Raises what `get` raised last, or `DownloadFailed`.
    """
    item.path.parent.mkdir(parents=True, exist_ok=True)
    with item.part.open("a+b") as file:
        gathered = _Gathered(item, file)
        failures = 0
        while gathered.size < item.size:
            before = gathered.size
            try:
                _stream(item, get, gathered, took)
                fault: Exception | None = None
            except Exception as error:
                if not _is_passing(error):
                    raise
                fault = error
            failures = 0 if gathered.size > before else failures + 1
            if gathered.size < item.size:
                if failures > len(WAITS):
                    raise fault or DownloadFailed(model=item.name, reason="the connection was cut again and again")
                _pause(WAITS[max(0, failures - 1)], gathered.size, took)
        file.flush()
        os.fsync(file.fileno())
    if gathered.size != item.size or (item.sha256 and gathered.digest.hexdigest() != item.sha256):
        item.part.unlink()
        raise DownloadFailed(model=item.name, reason="its checksum is not the expected one")
    item.part.replace(item.path)


class _Gathered:
    """The bytes of a part, and their hash."""

    def __init__(self, item: Item, file: BinaryIO) -> None:
        self._file = file
        self.size, self.digest = 0, hashlib.sha256()
        file.seek(0)
        while piece := file.read(_PIECE):
            self.size += len(piece)
            self.digest.update(piece)
        if self.size > item.size:
            self.clear()

    def clear(self) -> None:
        self._file.truncate(0)
        self.size, self.digest = 0, hashlib.sha256()

    def add(self, data: bytes) -> None:
        self._file.write(data)
        self.digest.update(data)
        self.size += len(data)


def _stream(item: Item, get: Get, gathered: _Gathered, took: Callable[[int], None]) -> None:
    headers = {"Accept-Encoding": "identity"}
    if gathered.size:
        headers["Range"] = f"bytes={gathered.size}-"
    with get(item.url, headers) as response:
        if gathered.size and response.status_code != 206:
            gathered.clear()  # the server sends all of it
        for data in response.iter_bytes():
            gathered.add(data)
            took(gathered.size)
            if gathered.size > item.size:
                return


def _is_passing(error: Exception) -> bool:
    """Whether a further attempt may do better: a cut connection or a busy server, but no full disk."""
    if isinstance(error, SamovarError):
        return False
    status = getattr(getattr(error, "response", None), "status_code", None)
    if status is not None:
        return status in _PASSING
    return not isinstance(error, OSError | ValueError | TypeError)


def _pause(seconds: float, size: int, took: Callable[[int], None]) -> None:
    """Wait, and listen whether to give up."""
    end = time.monotonic() + seconds
    took(size)
    while (left := end - time.monotonic()) > 0:
        time.sleep(min(_TICK, left))
        took(size)
