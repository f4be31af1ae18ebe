"""The shape that a reply must have: any JSON object, a JSON schema, a regular expression, choices, or a grammar.

One frozen value for all engines. It is checked when it is made: what is broken, or cannot be kept to, never reaches
an engine, and nothing of it is passed over in silence.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Literal, get_args

from backends.errors import InvalidConstraint
from backends.guiding import grammars
from backends.guiding.schemas import LONGEST, parse

Shape = Literal["json", "schema", "regex", "choices", "grammar"]
SHAPES: tuple[Shape, ...] = get_args(Shape)
"""All kinds, in the order of the page."""
MOST_CHOICES = 1000


@dataclass(frozen=True, slots=True)
class Constraint:
    """A shape. `text` is the schema, the regular expression or the grammar, as it was written.

    * `json`: any JSON object;
    * `schema`: JSON that is valid by a JSON schema (draft 2020-12, see `backends.guiding.schemas`);
    * `regex`: the whole reply matches a regular expression in Rust's syntax (no look-around, no back references);
    * `choices`: the reply is one of several texts;
    * `grammar`: the reply is a sentence of a grammar, in GBNF (llama.cpp's) or Lark (with llguidance's additions).

    Raises `InvalidConstraint`.
    """

    kind: Shape
    text: str = ""
    choices: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        """Check that the shape can be kept to."""
        if self.kind not in SHAPES:
            raise InvalidConstraint(kind=str(self.kind), where="1:1", reason=f"there is no such shape: {self.kind}")
        object.__setattr__(self, "choices", tuple(self.choices))
        self.grammar()

    @classmethod
    def from_mapping(cls, values: Mapping[str, Any]) -> Constraint:
        """Build from what `mapping` returned, or a page sent. Raises `InvalidConstraint`."""
        kind, text, choices = values.get("kind"), values.get("text", ""), values.get("choices", ())
        good = isinstance(text, str) and isinstance(choices, list | tuple)
        if not good or not all(isinstance(choice, str) for choice in choices):
            raise InvalidConstraint(kind=str(kind), where="1:1", reason="it is no shape of an answer")
        return cls(kind, text, tuple(choices))  # type: ignore[arg-type]

    def mapping(self) -> dict[str, Any]:
        """Return the value as plain texts and lists (for the history)."""
        made: dict[str, Any] = {"kind": self.kind}
        if self.text:
            made["text"] = self.text
        return {**made, "choices": list(self.choices)} if self.choices else made

    def grammar(self) -> str:
        """Return the shape as llguidance takes it."""
        return _grammar(self.kind, self.text, self.choices)

    @property
    def schema(self) -> Any:
        """The schema as JSON; that of any object where none is named."""
        return parse(self.text) if self.kind == "schema" else {"type": "object"}

    @property
    def name(self) -> str:
        """Its kind, as `Capabilities.reasons` and the errors name it."""
        return f"constraint.{self.kind}"

    @property
    def is_json(self) -> bool:
        """Whether the reply is JSON."""
        return self.kind in ("json", "schema")

    @property
    def is_lark(self) -> bool:
        """Whether it is a grammar in Lark, which other engines do not read."""
        return self.kind == "grammar" and not grammars.is_gbnf(self.text)


def _is_text(texts: tuple[str, ...]) -> bool:
    try:
        return all(text.encode() is not None for text in texts)
    except UnicodeEncodeError:
        return False


@lru_cache(32)
def _grammar(kind: Shape, text: str, choices: tuple[str, ...]) -> str:
    """Compile a shape; those used lately are remembered, as a shape is made anew for every request and every look."""
    if len(text) > LONGEST or len(choices) > MOST_CHOICES or sum(map(len, choices)) > LONGEST:
        raise InvalidConstraint(kind=kind, where="1:1", reason="it is too long")
    if not _is_text((text, *choices)):
        raise InvalidConstraint(kind=kind, where="1:1", reason="it holds half of a character")
    if kind in ("schema", "regex", "grammar") and not text.strip():
        raise InvalidConstraint(kind=kind, where="1:1", reason="it is empty")
    try:
        match kind:
            case "json":
                return grammars.of_object()
            case "schema":
                return grammars.of_schema(text)
            case "regex":
                return grammars.of_regex(text)
            case "choices":
                return grammars.of_choices(choices)
            case "grammar":
                return grammars.of_grammar(text)
    except grammars.Wrong as wrong:
        raise InvalidConstraint(kind=kind, where=wrong.where, reason=wrong.reason) from None
