"""What an engine streams: bytes -> JSON objects, whole lines at a time. Knows nothing of the network.

Server-sent events: https://html.spec.whatwg.org/multipage/server-sent-events.html; Ollama writes an object per line.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any, Literal

Json = dict[str, Any]
Kind = Literal["events", "lines", "whole"]

LONGEST = 16 << 20
"""The most bytes that may wait for their line to end."""
_END = b"[DONE]"


class BrokenFrame(Exception):
    """What came is not what an engine sends."""


class Frames:
    """One stream. `ended` once the engine said that nothing more comes.

    `kind`: events with a JSON object in each; an object on each line; or one object in all, from an engine that does
    not stream. Raises `BrokenFrame`.
    """

    def __init__(self, kind: Kind) -> None:
        self.ended = False
        self._kind = kind
        self._held = b""
        self._data: list[bytes] = []
        self._event = b""

    def push(self, data: bytes) -> list[Json]:
        """Return the objects that are complete with `data`."""
        self._held += data
        if len(self._held) > LONGEST:
            raise BrokenFrame("a line without end")
        if self._kind == "whole" or b"\n" not in data:
            return []
        *lines, self._held = self._held.split(b"\n")
        return [frame for line in lines for frame in self._take(line)]

    def end(self) -> list[Json]:
        """Return what is left at the end of the stream."""
        rest, self._held = self._held, b""
        found = [_object(rest)] if self._kind == "whole" and rest.strip() else []
        if self._kind != "whole" and rest:
            found += self._take(rest)
        if self._data:
            raise BrokenFrame("the last object is cut short")
        return found

    def _take(self, line: bytes) -> Iterator[Json]:
        line = line.removesuffix(b"\r").removeprefix(b"\xef\xbb\xbf")
        if self.ended:
            return
        if self._kind == "lines":
            if line.strip():
                yield _object(line)
            return
        name, _, value = line.partition(b":")
        value = value.removeprefix(b" ")
        if name == b"data" and value.strip() == _END:
            self.ended = True
        elif name == b"data":
            yield from self._append(value)
        elif name == b"error":  # llama-server before 2025
            yield {"error": _object(value)}
        elif name == b"event":
            self._event = value
        elif not line:
            self._event = b""
            if self._data:
                raise BrokenFrame("an event that is no JSON")

    def _append(self, value: bytes) -> Iterator[Json]:
        """Take a line of data. Some engines leave out the empty line after it, so an object counts once it is whole."""
        self._data.append(value)
        try:
            found = _object(b"\n".join(self._data))
        except BrokenFrame:
            if sum(map(len, self._data)) > LONGEST:
                raise
            return
        self._data.clear()
        yield {"error": found} if self._event == b"error" and "error" not in found else found


def _object(data: bytes) -> Json:
    try:
        found = json.loads(data)
    except (ValueError, RecursionError) as error:
        raise BrokenFrame("it is no JSON") from error
    if not isinstance(found, dict):
        raise BrokenFrame("it is no object")
    return found
