"""Where every error of the API gets its HTTP status and OpenAI's shape.

The shape is `{"error": {"message", "type", "param", "code"}}`; `code` is the error's own (see `backends.errors`).
"""

from __future__ import annotations

from collections.abc import Mapping

from pydantic import ValidationError
from starlette.responses import JSONResponse, Response

from backends.errors import (
    EngineClosed,
    InvalidConstraint,
    InvalidParameter,
    InvalidRequest,
    ModelUnavailable,
    SamovarError,
    UnknownParameter,
    UnsupportedParameter,
)
from webui.errors import HistoryFailed, ModelLoading, NotFound

RETRY_SECONDS = 5


class InvalidBody(InvalidRequest):
    """The JSON is not what the route takes. Details: name (where), problem."""

    message = "{name}: {problem}"


class UnsupportedField(InvalidRequest):
    """A field of OpenAI's that would change the answer, and that cannot be obeyed. Details: name, why."""

    message = "{name} is not supported: {why}."


class WrongMethod(InvalidRequest):
    """The route is there, but not for this method. Details: method, allowed."""

    message = "This address takes {allowed} requests, and this is {method}."


_STATUS: tuple[tuple[type[SamovarError], int], ...] = (
    (NotFound, 404),
    (WrongMethod, 405),
    (InvalidRequest, 400),
    (ModelUnavailable, 503),
    (EngineClosed, 503),
    (HistoryFailed, 503),
    (SamovarError, 500),
)
_TYPES: Mapping[int, str] = {400: "invalid_request_error", 404: "not_found_error", 405: "invalid_request_error"}
_NAMING = (
    InvalidBody, UnsupportedField, InvalidConstraint, InvalidParameter, UnknownParameter, UnsupportedParameter,
)  # fmt: skip


def status_of(error: SamovarError) -> int:
    """Return the HTTP status of an error."""
    return next(status for kind, status in _STATUS if isinstance(error, kind))


def told(error: SamovarError) -> dict[str, object]:
    """Return an error in OpenAI's shape."""
    kind = _TYPES.get(status_of(error), "server_error")
    param = error.details.get("name") if isinstance(error, _NAMING) else None
    return {"error": {"message": str(error), "type": kind, "param": param, "code": error.code}}


def refusal(error: SamovarError) -> Response:
    """Return the response to a request that failed before anything was sent.

    Who comes while a model is loading, or being switched, is told when to try again; who asks with the wrong method,
    which are right.
    """
    headers = {}
    if isinstance(error, ModelLoading | EngineClosed):
        headers["retry-after"] = str(RETRY_SECONDS)
    elif isinstance(error, WrongMethod):
        headers["allow"] = str(error.details["allowed"])
    return JSONResponse(told(error), status_of(error), headers)


def from_validation(error: ValidationError) -> InvalidBody:
    """Return the first complaint of pydantic's as an error of ours."""
    first = error.errors(include_url=False, include_context=False, include_input=False)[0]
    return InvalidBody(name=_place(first["loc"]), problem=first["msg"])


def _place(steps: tuple[int | str, ...]) -> str:
    """Return where in the body something is: `messages[0].content`."""
    place = "".join(f"[{step}]" if isinstance(step, int) else f".{step}" for step in steps)
    return place.lstrip(".") or "body"
