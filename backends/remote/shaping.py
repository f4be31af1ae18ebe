"""How each kind of engine is told the shape of a reply, and what of it the engine would pass over."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from backends.constraints import Constraint
from backends.errors import InvalidConstraint, UnsupportedParameter
from backends.guiding.grammars import gbnf_choices
from backends.guiding.schemas import keywords

Told = Mapping[str, Any]
"""Fields of a request."""


@dataclass(frozen=True, slots=True)
class Shaping:
    """The shapes that a kind of engine keeps a reply to: kind of shape -> the fields that tell it.

    `skips` tells the keyword of a schema that the engine would pass over without a word, "" if there is none.
    `lark`: it reads grammars in Lark, not only in GBNF. `prefixes`: the shape is that of the whole reply, where only
    the rest of it is asked for; other engines would begin the shape anew.
    """

    told: Mapping[str, Callable[[Constraint], Told]] = field(default_factory=dict)
    skips: Callable[[Constraint], str] = lambda _: ""
    lark: bool = False
    prefixes: bool = False

    def check(self, constraint: Constraint, engine: str) -> None:
        """Raise `UnsupportedParameter` or `InvalidConstraint` for what the engine would not keep to."""
        if constraint.kind not in self.told:
            raise UnsupportedParameter(name=constraint.name, engine=engine)
        if constraint.is_lark and not self.lark:
            reason = f"the engine {engine} reads grammars in GBNF only"
            raise InvalidConstraint(kind=constraint.kind, where="1:1", reason=reason)
        if skipped := self.skips(constraint):
            reason = f"the engine {engine} does not keep to {skipped}"
            raise InvalidConstraint(kind=constraint.kind, where="1:1", reason=reason)

    def keeps(self, constraint: Constraint) -> bool:
        """Whether the engine keeps a reply to a shape."""
        able = constraint.kind in self.told and (self.lark or not constraint.is_lark)
        return able and not self.skips(constraint)

    def only(self, listed: object) -> Shaping:
        """Return the same without the shapes that an engine does not list as its own."""
        names = listed if isinstance(listed, list) else ()
        return replace(self, told={shape: tell for shape, tell in self.told.items() if shape in names})

    def fields(self, constraint: Constraint) -> Told:
        """Return what tells the engine; only for what it keeps to."""
        return self.told[constraint.kind](constraint)


def _response_format(constraint: Constraint) -> Told:
    """OpenAI's: https://platform.openai.com/docs/api-reference/chat/create#chat-create-response_format."""
    if constraint.kind == "json":
        return {"response_format": {"type": "json_object"}}
    named = {"name": "answer", "strict": True, "schema": constraint.schema}
    return {"response_format": {"type": "json_schema", "json_schema": named}}


def _schema_format(constraint: Constraint) -> Told:
    """LM Studio takes no json_object, only schemas."""
    named = {"name": "answer", "strict": True, "schema": constraint.schema}
    return {"response_format": {"type": "json_schema", "json_schema": named}}


def _gbnf(constraint: Constraint) -> str:
    return gbnf_choices(constraint.choices) if constraint.kind == "choices" else constraint.text


def _passed_over(constraint: Constraint) -> str:
    """Return what llama.cpp's converter passes over (common/json-schema-to-grammar.cpp)."""
    for name, value, schema in keywords(constraint.schema) if constraint.kind == "schema" else ():
        if name in ("multipleOf", "patternProperties", "minProperties", "maxProperties", "additionalItems"):
            return name
        if name == "format" and value not in ("date", "time", "date-time", "uuid"):
            return f"{name} {value}"
        if name in ("minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum") and schema.get("type") != "integer":
            return f"{name} of a number"
    return ""


def _passed_over_by_xgrammar(constraint: Constraint) -> str:
    """Return what xgrammar passes over (vllm/v1/structured_output/backend_xgrammar.py has a list)."""
    skipped = ("multipleOf", "patternProperties", "minProperties", "maxProperties")
    names = keywords(constraint.schema) if constraint.kind == "schema" else ()
    return next((name for name, _, __ in names if name in skipped), "")


def _structured(name: str) -> Callable[[Constraint], Told]:
    return lambda constraint: {"structured_outputs": {name: _value(name, constraint)}}


def _guided(name: str) -> Callable[[Constraint], Told]:
    return lambda constraint: {f"guided_{name}": _value(name, constraint)}


def _value(name: str, constraint: Constraint) -> Any:
    if name == "json":
        return constraint.schema
    return list(constraint.choices) if name == "choice" else constraint.text


_OPENAI: Mapping[str, Callable[[Constraint], Told]] = {"json": _response_format, "schema": _response_format}
_VLLM_NAMES: Mapping[str, str] = {"schema": "json", "regex": "regex", "choices": "choice", "grammar": "grammar"}

NONE = Shaping()
"""Of such an engine nothing is known: it might answer anything, without a word."""
OPENAI = Shaping(_OPENAI)
VLLM = Shaping({"json": _response_format, **{shape: _structured(name) for shape, name in _VLLM_NAMES.items()}})
"""From 0.11 on; https://docs.vllm.ai/en/latest/features/structured_outputs. A schema that xgrammar does not keep to
goes to another library there, unless a library was chosen at its start."""
VLLM_BEFORE = Shaping({"json": _response_format, **{shape: _guided(name) for shape, name in _VLLM_NAMES.items()}})
"""Up to 0.10: https://docs.vllm.ai/en/v0.8.3/features/structured_outputs.html."""
SGLANG = Shaping(
    {
        **_OPENAI,
        "regex": lambda constraint: {"regex": constraint.text},
        "choices": lambda constraint: {"ebnf": _gbnf(constraint)},
        "grammar": lambda constraint: {"ebnf": _gbnf(constraint)},
    },
    _passed_over_by_xgrammar,
)
"""https://docs.sglang.io/docs/advanced_features/structured_outputs."""
LLAMA_SERVER = Shaping(
    {
        "json": lambda constraint: {"json_schema": constraint.schema},
        "schema": lambda constraint: {"json_schema": constraint.schema},
        "choices": lambda constraint: {"grammar": _gbnf(constraint)},
        "grammar": lambda constraint: {"grammar": _gbnf(constraint)},
    },
    _passed_over,
)
"""llama.cpp, tools/server/README.md, POST /completion."""
OLLAMA = Shaping(
    {"json": lambda _: {"format": "json"}, "schema": lambda constraint: {"format": constraint.schema}}, _passed_over
)
"""ollama, docs/api.md, "Structured outputs"; the converter is llama.cpp's."""
LM_STUDIO = Shaping({"json": _schema_format, "schema": _schema_format}, _passed_over)
"""https://lmstudio.ai/docs/app/api/structured-output; for GGUF the converter is llama.cpp's."""
SAMOVAR = Shaping(
    {
        **_OPENAI,
        "regex": lambda constraint: {"regex": constraint.text},
        "choices": lambda constraint: {"choices": list(constraint.choices)},
        "grammar": lambda constraint: {"grammar": constraint.text},
    },
    lark=True,
    prefixes=True,
)
"""See `webui.api.shapes`."""
