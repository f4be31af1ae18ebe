"""What goes wrong between us and an engine, and the errors of our tree that it becomes."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from http import HTTPStatus
from typing import Any, Literal

from backends.errors import (
    EngineFailed,
    InvalidRequest,
    ModelNotFound,
    ModelUnavailable,
    ModelUnsupported,
    PromptTooLong,
    SamovarError,
)

UNREADABLE = 0
"""The status of an answer that is not what an engine says."""

_LONGEST = 300
_BUSY = frozenset((HTTPStatus.TOO_MANY_REQUESTS, HTTPStatus.SERVICE_UNAVAILABLE))
_PASSING = frozenset((HTTPStatus.BAD_GATEWAY, HTTPStatus.GATEWAY_TIMEOUT, HTTPStatus.REQUEST_TIMEOUT))
_KEYLESS = frozenset((HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN))
_INVALID = frozenset((HTTPStatus.BAD_REQUEST, HTTPStatus.UNPROCESSABLE_ENTITY, HTTPStatus.REQUEST_ENTITY_TOO_LARGE))
# How engines say that a prompt is too long; the numbers are "maximum context length is 2048 tokens … 3000 tokens".
_TOO_LONG = re.compile(r"context[ _-]?(length|size|window)|longer than the model|too (long|many tokens)", re.IGNORECASE)
_NUMBERS = re.compile(r"(?<![\w.])(\d{2,})(?=\s+(?:\w+\s+)?tokens|\s*\)|[,.]|\s|\Z)")


class Failure(Exception):
    """What went wrong with the engine at `root`, which whoever raises it to the outside fills in."""

    root = ""


class Lost(Failure):
    """No connection, or no longer. `kind`: none came about, it was cut, or nothing came for too long."""

    def __init__(self, kind: Literal["absent", "cut", "silent"]) -> None:
        super().__init__(kind)
        self.kind = kind


class Refused(Failure):
    """The engine answered with an error.

    `status` is that of HTTP, `said` the engine's own words, without secrets, `details` what else it told, `wait` the
    seconds after which it may be asked again, if it says so.
    """

    def __init__(
        self, status: int, said: str = "", details: Mapping[str, Any] | None = None, wait: float | None = None
    ) -> None:
        super().__init__(status, said)
        self.status, self.said, self.details, self.wait = status, said, details or {}, wait

    @property
    def busy(self) -> bool:
        """Whether it only has too much to do, or is still loading."""
        return self.status in _BUSY

    @property
    def passing(self) -> bool:
        """Whether the same request may succeed later."""
        return self.busy or self.status in _PASSING


def refused(status: int, headers: Mapping[str, str], body: bytes) -> Refused:
    """Return what an answer that is an error says. A page in HTML says nothing that helps."""
    try:
        found = json.loads(body)
    except (ValueError, RecursionError):
        found = None
    details = _details(found)
    said = next((text for key in ("message", "detail", "msg", "error") if (text := _text(details.get(key)))), "")
    if found is None and "html" not in headers.get("content-type", "") and len(body) <= _LONGEST:
        said = body.decode("utf-8", "replace")
    return Refused(status, tidy(said), details, _wait(headers.get("retry-after", "")))


def in_stream(error: object) -> Refused:
    """Return what an error in the middle of a stream says."""
    details = _details({"error": error})
    code = details.get("code")
    status = code if isinstance(code, int) and 400 <= code < 600 else HTTPStatus.INTERNAL_SERVER_ERROR
    return Refused(status, tidy(_text(details.get("message")) or _text(error)), details)


def tidy(said: str) -> str:
    """Return what others say as one short line."""
    line = " ".join("".join(letter if letter.isprintable() else " " for letter in said[: 4 * _LONGEST]).split())
    return line if len(line) <= _LONGEST else line[:_LONGEST] + "…"


def while_asking(failure: Failure, window: int, begun: bool = False) -> SamovarError:
    """Return the error for a request; `begun` if a part of the reply is there already."""
    if isinstance(failure, Refused):
        return _invalid(failure, window) if failure.status in _INVALID else EngineFailed(reason=_refusal(failure))
    kind = failure.kind if isinstance(failure, Lost) else "cut"
    if kind == "absent":
        return EngineFailed(reason=f"nothing answers at {failure.root}")
    if kind == "silent":
        return EngineFailed(reason=f"the engine at {failure.root} says nothing for too long")
    if begun:
        return EngineFailed(reason=f"the engine at {failure.root} broke off in the middle of the reply")
    return EngineFailed(reason=f"the engine at {failure.root} broke off")


def while_opening(failure: Failure, shown: str) -> ModelUnavailable:
    """Return the error for an engine that cannot be opened."""
    if not isinstance(failure, Refused):
        silent = isinstance(failure, Lost) and failure.kind == "silent"
        return ModelUnavailable(model=shown, reason="it answers too slowly" if silent else "nothing answers there")
    if failure.status == HTTPStatus.NOT_FOUND and failure.said:
        return ModelNotFound(model=shown)
    if failure.status in _KEYLESS or failure.passing or failure.status >= HTTPStatus.INTERNAL_SERVER_ERROR:
        return ModelUnavailable(model=shown, reason=_refusal(failure))
    return ModelUnsupported(model=shown, reason="what answers there does not speak OpenAI's API")


def _refusal(failure: Refused) -> str:
    if failure.status in _KEYLESS:
        return "it wants a key, or another one: set SAMOVAR_API_KEY"
    if failure.busy:
        return f"the engine at {failure.root} has too much to do"
    if failure.status == UNREADABLE:
        return f"the engine at {failure.root} sent what cannot be read"
    if failure.said:
        return f"the engine at {failure.root} answered with error {failure.status}: {failure.said}"
    return f"the engine at {failure.root} answered with error {failure.status}"


def _invalid(failure: Refused, window: int) -> InvalidRequest:
    tokens, limit = failure.details.get("n_prompt_tokens"), failure.details.get("n_ctx")
    if isinstance(tokens, int) and isinstance(limit, int):
        return PromptTooLong(tokens=tokens, window=limit)
    if _TOO_LONG.search(failure.said):
        numbers = sorted(map(int, _NUMBERS.findall(failure.said)))
        over = [number for number in numbers if number > window]
        return PromptTooLong(tokens=over[-1] if over else "?", window=window)
    return InvalidRequest(reason=failure.said or f"error {failure.status}")


def _details(found: object) -> Mapping[str, Any]:
    """Return the innermost description: OpenAI puts it into `error`, FastAPI into `detail`, older vLLM nowhere."""
    if not isinstance(found, dict):
        return {}
    inner = found.get("error")
    return inner if isinstance(inner, dict) else found


def _text(value: object) -> str:
    if isinstance(value, str):
        return value
    return json.dumps(value, ensure_ascii=False) if isinstance(value, dict | list) and value else ""


def _wait(header: str) -> float | None:
    """Return the seconds of a Retry-After, which is a number or a date (RFC 9110, 10.2.3)."""
    if not header:
        return None
    try:
        return max(0.0, float(header))
    except ValueError:
        pass
    try:
        return max(0.0, (parsedate_to_datetime(header) - datetime.now(UTC)).total_seconds())
    except (ValueError, TypeError):
        return None
