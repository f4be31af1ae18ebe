"""JSON Schema as far as it is obeyed: every keyword is known and can be kept, or the schema is refused, with its path.

The rules are those of draft 2020-12 (https://json-schema.org/draft/2020-12/json-schema-validation), and the older
spellings that llguidance reads. JSON Schema lets a validator pass over what it does not know, which would turn a
slip of the pen into a reply of any shape; so here an unknown keyword is an error.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from typing import Any
from urllib.parse import quote, unquote

from backends.guiding.places import Path

Json = Mapping[str, Any]

LONGEST = 200_000
"""Characters of a schema, a regular expression or a grammar, at most."""
_DEEPEST = 60
"""Schemas within schemas, at most."""

_TYPES = frozenset(("null", "boolean", "object", "array", "number", "integer", "string"))
_ANNOTATIONS = frozenset((
    "title", "description", "default", "example", "examples", "deprecated", "readOnly", "writeOnly", "discriminator",
    "$comment", "$schema", "$id", "id", "$anchor", "$vocabulary", "contentEncoding", "contentMediaType",
    "contentSchema",
))  # fmt: skip
"""Keywords that ask for nothing."""
_REFUSED = frozenset((
    "if", "then", "else", "not", "contains", "minContains", "maxContains", "uniqueItems", "propertyNames",
    "dependencies", "dependentRequired", "dependentSchemas", "unevaluatedItems", "unevaluatedProperties", "$dynamicRef",
    "$dynamicAnchor", "$recursiveRef", "$recursiveAnchor", "nullable",
))  # fmt: skip
"""Keywords that ask for what cannot be kept to while text is written."""


class Misfit(Exception):
    """Something in a schema that cannot be. `path` leads to it, `reason` is an English clause."""

    def __init__(self, path: Path, reason: str) -> None:
        self.path, self.reason = path, reason
        super().__init__(reason)


def parse(text: str) -> Any:
    """Return the schema that a text holds. Raises `Misfit`, and `json.JSONDecodeError` for what is no JSON."""
    try:
        return json.loads(text)
    except RecursionError:
        raise Misfit((), "it is nested too deeply") from None


def check(schema: object, path: Path = ()) -> None:
    """Check a schema and all schemas within it. Raises `Misfit` for the first thing that cannot be."""
    if isinstance(schema, bool):
        return
    if not isinstance(schema, dict):
        raise Misfit(path, "a schema is an object, true or false")
    if len(path) > 2 * _DEEPEST:
        raise Misfit(path, "it is nested too deeply")
    for name, value in schema.items():
        at = (*path, name)
        if name in _ANNOTATIONS or (name.startswith("x-") and name != "x-guidance"):
            continue
        if name in _REFUSED:
            raise Misfit(at, f"the keyword {name} is not supported")
        if name not in _CHECKS:
            raise Misfit(at, f"there is no keyword {name}")
        if wrong := _CHECKS[name](value):
            raise Misfit(at, wrong)
        if name == "additionalItems" and not isinstance(schema.get("items"), list):
            raise Misfit(at, "it tells nothing unless items is a list; beside prefixItems, items tells of the rest")
    for within, inner in children(schema):
        check(inner, (*path, *within))


def check_references(root: Any, schema: Any = None, path: Path = ()) -> None:
    """Check that every reference leads to a schema within `root`. Raises `Misfit`."""
    schema = root if schema is None else schema
    if not isinstance(schema, dict):
        return
    name = schema.get("$ref")
    if isinstance(name, str) and name != "#" and (name[:1] != "#" or (name[:2] == "#/" and not _leads(root, name))):
        reason = (
            "it leads to nothing" if name[:1] == "#" else "a reference can only lead to a place in the schema (#/…)"
        )
        raise Misfit((*path, "$ref"), reason)
    for within, inner in children(schema):
        check_references(root, inner, (*path, *within))


def _leads(root: Any, pointer: str) -> bool:
    """Whether a JSON pointer (RFC 6901) leads to a schema."""
    found = root
    for part in pointer[2:].split("/"):
        key = unquote(part).replace("~1", "/").replace("~0", "~")
        if isinstance(found, list):
            found = found[int(key)] if key.isdecimal() and int(key) < len(found) else None
        else:
            found = found.get(key) if isinstance(found, dict) else None
    return isinstance(found, dict | bool)


def children(schema: Json) -> Iterator[tuple[Path, Any]]:
    """Yield the schemas directly within a schema, each with its path."""
    for name, value in schema.items():
        if name in _SINGLE and not isinstance(value, list):
            yield (name,), value
        elif name in _LISTS and isinstance(value, list):
            yield from (((name, index), inner) for index, inner in enumerate(value))
        elif name in _MAPS and isinstance(value, dict):
            yield from (((name, key), inner) for key, inner in value.items())


def keywords(schema: Any) -> Iterator[tuple[str, Any, Json]]:
    """Yield all keywords of a schema and those within it: name, value, and the schema that holds it."""
    if isinstance(schema, dict):
        yield from ((name, value, schema) for name, value in schema.items() if name in _CHECKS)
        for _, inner in children(schema):
            yield from keywords(inner)


def alone(root: Any, path: Path) -> Any:
    """Return a schema that asks only for what stands at a path of `root`; its references still lead where they led."""
    pointer = "".join("/" + quote(str(part).replace("~", "~0").replace("/", "~1"), safe="~") for part in path)
    return {"$defs": {"root": _moved(root)}, "$ref": f"#/$defs/root{pointer}"}


def _moved(schema: Any) -> Any:
    if isinstance(schema, list):
        return [_moved(item) for item in schema]
    if not isinstance(schema, dict):
        return schema
    return {
        name: f"#/$defs/root{value[1:]}" if name == "$ref" and isinstance(value, str) and value[:1] == "#"
        else _moved(value)
        for name, value in schema.items()
    }  # fmt: skip


# What the value of a keyword must be: each returns what is wrong with it, "" for nothing.


def _type(value: Any) -> str:
    names = value if isinstance(value, list) and value else [value]
    wrong = [name for name in names if not (isinstance(name, str) and name in _TYPES)]
    return f"{_short(wrong[0])} is no type; there are: {', '.join(sorted(_TYPES))}" if wrong else ""


def _must(test: Callable[[Any], bool], what: str) -> Callable[[Any], str]:
    return lambda value: "" if test(value) else f"it must be {what}"


def _short(value: object) -> str:
    text = json.dumps(value, ensure_ascii=False)
    return text if len(text) <= 40 else text[:40] + "…"


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _is_count(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and value >= 0


_number = _must(_is_number, "a number")
_bound = _must(lambda value: _is_number(value) or isinstance(value, bool), "a number")
_count = _must(_is_count, "a whole number, 0 or more")
_text = _must(lambda value: isinstance(value, str), "a text")
_anything = _must(lambda _: True, "")
_schema = _must(lambda value: isinstance(value, dict | bool), "a schema")
_schemas = _must(lambda value: isinstance(value, list) and bool(value), "a list of schemas")
_named = _must(lambda value: isinstance(value, dict), "an object of schemas")

_CHECKS: Mapping[str, Callable[[Any], str]] = {
    "type": _type,
    "enum": _must(lambda value: isinstance(value, list) and bool(value), "a list that is not empty"),
    "const": _anything,
    "$ref": _text,
    "required": _must(
        lambda value: isinstance(value, list) and all(isinstance(name, str) for name in value), "a list of names"
    ),
    **dict.fromkeys(("pattern", "format"), _text),
    **dict.fromkeys(("minLength", "maxLength", "minItems", "maxItems", "minProperties", "maxProperties"), _count),
    **dict.fromkeys(("minimum", "maximum"), _number),
    **dict.fromkeys(("exclusiveMinimum", "exclusiveMaximum"), _bound),
    "multipleOf": _must(lambda value: _is_number(value) and value > 0, "a number above 0"),
    "items": _must(lambda value: isinstance(value, dict | bool | list), "a schema"),
    **dict.fromkeys(("additionalItems", "additionalProperties"), _schema),
    **dict.fromkeys(("allOf", "anyOf", "oneOf"), _schemas),
    "prefixItems": _must(lambda value: isinstance(value, list), "a list of schemas"),
    **dict.fromkeys(("properties", "patternProperties", "$defs", "definitions"), _named),
}
_SINGLE = frozenset(("items", "additionalItems", "additionalProperties"))
_LISTS = frozenset(("allOf", "anyOf", "oneOf", "prefixItems", "items"))
_MAPS = frozenset(("properties", "patternProperties", "$defs", "definitions"))
