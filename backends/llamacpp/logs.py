"""What llama.cpp says while it works: kept for the reason of a failure, and off the terminal."""

from __future__ import annotations

import ctypes
import re
from collections import deque
from functools import cache

from llama_cpp import llama_cpp as native

_WARNING, _ERROR, _CONTINUED = 3, 4, 5
_EMPTY = frozenset({"", "failed to load model"})
_WRAPPING = re.compile(r"(?:\w+: |error loading model(?: \w+)?: )+")


class Logs:
    """The last lines that llama.cpp logged as warnings or errors."""

    def __init__(self, lines: int = 40) -> None:
        self._lines: deque[str] = deque(maxlen=lines)
        self._kept = False
        # Held for as long as the library may call it, which is for ever.
        self._callback = native.llama_log_callback(self._take)
        native.llama_log_set(self._callback, ctypes.c_void_p(0))

    def _take(self, level: int, text: bytes, _data: int | None) -> None:
        if level != _CONTINUED:
            self._kept = level in (_WARNING, _ERROR)
        if self._kept and (line := text.decode("utf-8", "replace").strip()):
            self._lines.append(line)

    def clear(self) -> None:
        """Forget what was said."""
        self._lines.clear()

    @property
    def lines(self) -> tuple[str, ...]:
        """The kept lines, the oldest first."""
        return tuple(self._lines)

    @property
    def reason(self) -> str:
        """The line that tells most about a failure: the last, without the names of the functions it came through."""
        told = (_WRAPPING.sub("", line, count=1) for line in reversed(self._lines))
        return next((line for line in told if line not in _EMPTY), "llama.cpp gave no reason")


@cache
def logs() -> Logs:
    """Return the one log of this process: llama.cpp has a single log callback for all models."""
    return Logs()
