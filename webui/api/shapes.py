"""The shape of an answer, by the fields that clients of this kind of API know.

| field | what the answer is |
|---|---|
| `response_format` | OpenAI's: `{"type": "text"}`; `{"type": "json_object"}`, any JSON object; `{"type": "json_schema", "json_schema": {"name": …, "schema": {…}}}`, JSON by a schema, always strictly |
| `json_schema` | the schema alone, as an object (llama-server) or as text (SGLang) |
| `regex` | a text that a regular expression in Rust's syntax matches as a whole (SGLang) |
| `choices` | one of a list of texts |
| `grammar` | a sentence of a grammar, in GBNF (llama-server) or Lark |
| `structured_outputs` | vLLM's: an object with one of `json`, `json_object`, `regex`, `choice`, `grammar` |

Only one of them may be sent. What the shape cannot be held to is refused before anything is written, with the place:
see `backends.constraints`. An answer that `max_tokens` cuts short ends with the finish reason "length" and is not whole.
"""  # noqa: E501

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from typing import Any

from backends.base import Backend
from backends.constraints import Constraint
from backends.errors import InvalidConstraint, UnsupportedParameter
from webui.api.errors import InvalidBody

Read = Callable[[str, Any], Constraint | None]
"""Takes a field's name and value."""


def shape_of(values: Mapping[str, Any], backend: Backend) -> Constraint | None:
    """Return the shape that a body asks for. Raises `InvalidBody`, `InvalidConstraint` and `UnsupportedParameter`."""
    found: Constraint | None = None
    field = ""
    for name in (name for name in FIELDS if name in values):
        try:
            read = FIELDS[name](name, values[name])
        except InvalidConstraint as error:
            raise InvalidConstraint(name=name, **error.details) from None
        if read is not None and found is not None:
            raise InvalidBody(name=name, problem=f"{field} asks for another shape already")
        found, field = (read, name) if read is not None else (found, field)
    if found is not None and found.kind not in backend.capabilities.constraints:
        raise UnsupportedParameter(name=field, engine=backend.info.engine or backend.info.name)
    return found


def _response_format(name: str, value: Any) -> Constraint | None:
    kind = _object(name, value).get("type")
    if kind == "text":
        return None
    if kind == "json_object":
        return _schema(f"{name}.schema", value["schema"]) if "schema" in value else Constraint("json")
    if kind == "json_schema":
        named = _object(f"{name}.json_schema", value.get("json_schema"))
        if "schema" not in named:
            raise InvalidBody(name=f"{name}.json_schema.schema", problem="is missing")
        return _schema(f"{name}.json_schema.schema", named["schema"])
    raise InvalidBody(name=f"{name}.type", problem="must be one of text, json_object, json_schema")


def _structured_outputs(name: str, value: Any) -> Constraint | None:
    asked = {key: each for key, each in _object(name, value).items() if each is not None and each is not False}
    if not asked:
        return None
    key, *others = asked
    if others or key not in _STRUCTURED:
        raise InvalidBody(name=name, problem=f"takes one of {', '.join(_STRUCTURED)}")
    return _STRUCTURED[key](f"{name}.{key}", asked[key])


def _schema(name: str, value: Any) -> Constraint:
    if isinstance(value, dict | bool):
        return Constraint("schema", json.dumps(value, ensure_ascii=False))
    if isinstance(value, str):
        return Constraint("schema", value)
    raise InvalidBody(name=name, problem="must be a JSON schema")


def _choices(name: str, value: Any) -> Constraint:
    if not isinstance(value, list) or not all(isinstance(each, str) for each in value):
        raise InvalidBody(name=name, problem="must be a list of texts")
    return Constraint("choices", choices=tuple(value))


def _regex(name: str, value: Any) -> Constraint:
    return Constraint("regex", _text(name, value))


def _grammar(name: str, value: Any) -> Constraint:
    return Constraint("grammar", _text(name, value))


def _text(name: str, value: Any) -> str:
    if not isinstance(value, str):
        raise InvalidBody(name=name, problem="must be a text")
    return value


def _object(name: str, value: Any) -> Mapping[str, Any]:
    if not isinstance(value, dict):
        raise InvalidBody(name=name, problem="must be an object")
    return value


_STRUCTURED: Mapping[str, Callable[[str, Any], Constraint]] = {
    "json": _schema,
    "json_object": lambda _, __: Constraint("json"),
    "regex": _regex,
    "choice": _choices,
    "grammar": _grammar,
}
FIELDS: Mapping[str, Read] = {
    "response_format": _response_format,
    "json_schema": _schema,
    "regex": _regex,
    "choices": _choices,
    "grammar": _grammar,
    "structured_outputs": _structured_outputs,
}
"""The fields of a body that tell a shape."""
