"""What is asked for, as a grammar of llguidance: compiled once without a model, so that what is wrong shows at once.

llguidance (https://github.com/guidance-ai/llguidance) does the masking on both engines, and not xgrammar: it has no
start-up cost that grows with the vocabulary, about a tenth of a millisecond per token for a mask; it refuses by itself
what it cannot keep to where xgrammar passes over it; it knows regular expressions, JSON Schema and Lark in one
wheel of 3 MB that needs nothing else (xgrammar's brings torch); and it is what llama.cpp, vLLM and SGLang offer too.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from functools import lru_cache
from itertools import pairwise
from typing import Any

import llguidance
from llguidance.gbnf_to_lark import GbnfToLarkError, gbnf_to_lark

from backends.guiding import schemas
from backends.guiding.places import Path, place, place_in_json

_SPACES = r" |\r?\n[ \t]{0,24}"
"""White space between the marks of JSON: a space, or a new line with its indent. Small models would otherwise go on
with it for ever."""
_OPTIONS: Mapping[str, object] = {"lenient": False, "coerce_one_of": False, "whitespace_pattern": _SPACES}
_OBJECT = '{"type": "object"}'

_DEAD_ENDS = frozenset(("NoExtension", "NoExtensionBias"))
_UNSATISFIABLE = "unsatisfiable schema"
_IMPOSSIBLE = "nothing can be written like this"

_RULE = re.compile(r"^[ \t]*([\w-]+)[ \t]*::=", re.MULTILINE)
_ESCAPE = re.compile(r"\\(?:u([0-9A-Fa-f]{4})|U([0-9A-Fa-f]{8})|.)", re.DOTALL)
_EMBEDDED = re.compile(r"%json\s*")
_HEATED = re.compile(r"^[ \t]*\w+\[[^\]\n]*\btemperature\b", re.MULTILINE)
_AT = re.compile(r"(?:at )?(\d+)\((\d+)\): ")
_MISSING = re.compile(r"Rule '(.+)' not found")


class Wrong(Exception):
    """What was asked for cannot be kept to. `where` is a place in its text or its beginning; `reason` is a clause."""

    def __init__(self, reason: str, where: str = "1:1") -> None:
        self.where, self.reason = where, reason
        super().__init__(reason)


def of_object() -> str:
    """Return the grammar of any JSON object."""
    return _from_schema(_OBJECT)


def of_schema(text: str) -> str:
    """Return the grammar of a JSON schema. Raises `Wrong`."""
    try:
        schema = schemas.parse(text)
        schemas.check(schema)
        schemas.check_references(schema)
    except json.JSONDecodeError as error:
        raise Wrong(f"it is no JSON: {error.msg}", place(text, error.pos)) from None
    except schemas.Misfit as misfit:
        raise Wrong(misfit.reason, place_in_json(text, misfit.path)) from None
    if isinstance(schema, bool):
        text, schema = ('{"enum": []}', {"enum": []}) if not schema else ("{}", {})
    grammar = _from_schema(text)
    if fault := _fault(grammar):
        path, said = _blamed(schema, (), _said(fault))
        raise Wrong(said, place_in_json(text, path))
    return grammar


def of_regex(pattern: str) -> str:
    """Return the grammar of a regular expression that the whole reply matches (Rust's syntax). Raises `Wrong`."""
    if (len(pattern) - len(pattern.rstrip("\\"))) % 2:
        raise Wrong("a backslash stands at its end", place(pattern, len(pattern) - 1))
    grammar = str(llguidance.LLMatcher.grammar_from_regex(pattern))
    if fault := _fault(grammar):
        raise Wrong(_said(fault), _place_in_regex(pattern, fault))
    return grammar


def of_choices(choices: Sequence[str]) -> str:
    """Return the grammar of a list of texts, one of which is the reply. Raises `Wrong`."""
    if not choices:
        raise Wrong("there is nothing to choose from")
    for index, choice in enumerate(choices):
        if not choice.strip():
            raise Wrong("a choice is empty", f"{index + 1}:1")
    return _checked("start: " + " | ".join(json.dumps(choice, ensure_ascii=False) for choice in choices))


def of_grammar(text: str) -> str:
    """Return the grammar of one that is written in GBNF or in Lark. Raises `Wrong`."""
    if is_gbnf(text):
        return _checked(_from_gbnf(text))
    if found := _HEATED.search(text):
        raise Wrong("a rule cannot set the temperature", place(text, found.start()))
    _check_embedded(text)
    return _checked(text, text)


def is_gbnf(text: str) -> bool:
    """Whether a grammar is written as llama.cpp writes them (GBNF) and not in Lark."""
    return _RULE.search(text) is not None


def gbnf_choices(choices: Sequence[str]) -> str:
    """Return a grammar in GBNF for a list of texts."""
    return "root ::= " + " | ".join(json.dumps(choice, ensure_ascii=False) for choice in choices)


def _from_schema(text: str) -> str:
    options: Any = dict(_OPTIONS)
    try:
        return str(llguidance.LLMatcher.grammar_from_json_schema(text, overrides=options))
    except ValueError as error:
        # Python reads more as JSON than there is: NaN, half a surrogate pair, nesting without end.
        raise Wrong(f"it cannot be read as JSON: {str(error).partition(chr(10))[0][:200]}") from None


def _from_gbnf(text: str) -> str:
    seen: set[str] = set()
    for found in _RULE.finditer(text):
        if found[1] in seen:
            raise Wrong(f"there are two rules called {found[1]}", place(text, found.start(1)))
        seen.add(found[1])
    plain = _ESCAPE.sub(_unescaped, text)
    try:
        return gbnf_to_lark(plain)
    except GbnfToLarkError as error:
        said = str(error).partition(" at line ")[0]
        raise Wrong(said[:1].lower() + said[1:], place(plain, error.pos.pos)) from None
    except RecursionError:
        raise Wrong("it is nested too deeply") from None
    except Exception as error:
        if missing := _MISSING.fullmatch(str(error)):
            at = re.search(rf"(?<![\w-]){re.escape(missing[1])}(?![\w-])", text)
            raise Wrong(f"there is no rule called {missing[1]}", place(text, at.start() if at else 0)) from None
        if "'root'" in str(error):
            raise Wrong("there is no rule called root") from None
        raise Wrong(str(error)) from None


def _unescaped(found: re.Match[str]) -> str:
    """Return the letter of a numeric escape, as the library's converter does not take them all."""
    number = found[1] or found[2]
    if number is None or int(number, 16) in range(0xD800, 0xE000) or int(number, 16) > 0x10FFFF:
        return found[0]
    letter = chr(int(number, 16))
    if letter in '"\\[]^-/':
        return f"\\x{ord(letter):02x}"
    return letter if letter.isprintable() else found[0]


def _check_embedded(text: str) -> None:
    """Check the schemas that stand in a Lark grammar."""
    for found in _EMBEDDED.finditer(text):
        try:
            schema, _ = json.JSONDecoder().raw_decode(text, found.end())
            schemas.check(schema)
        except json.JSONDecodeError as error:
            raise Wrong(f"it is no JSON: {error.msg}", place(text, error.pos)) from None
        except (schemas.Misfit, RecursionError) as error:
            raise Wrong(getattr(error, "reason", "it is nested too deeply"), place(text, found.end())) from None


def _checked(grammar: str, source: str = "") -> str:
    if fault := _fault(grammar):
        at = _AT.search(fault)
        raise Wrong(_said(fault), f"{at[1]}:{at[2]}" if at and source else "1:1")
    return grammar


def _fault(grammar: str) -> str:
    """Return what llguidance finds wrong with a grammar, "" for nothing."""
    try:
        failed, said = llguidance.LLMatcher.validate_grammar_with_warnings(grammar, _bytes())
    except ValueError as error:
        return str(error)
    if failed:
        return str(said[0])
    matcher = llguidance.LLMatcher(_bytes(), grammar, log_level=0)
    if not matcher.is_error():
        matcher.compute_bitmask()
    if matcher.is_stopped() and matcher.stop_reason() in _DEAD_ENDS and not matcher.is_accepting():
        return _IMPOSSIBLE
    return str(matcher.get_error())


def _blamed(root: object, path: Path, said: str) -> tuple[Path, str]:
    """Return the path of the innermost schema that has the fault by itself, and what is said of it there."""
    schema = root
    for part in path:
        schema = schema[part]  # type: ignore[index]
    for within, _ in schemas.children(schema) if isinstance(schema, dict) else ():
        inner = _said(_fault(_from_schema(json.dumps(schemas.alone(root, (*path, *within))))))
        if inner == said or (inner.startswith(_UNSATISFIABLE) and said.startswith(_UNSATISFIABLE)):
            return _blamed(root, (*path, *within), inner)
    return path, said


def _said(fault: str) -> str:
    """Return llguidance's words for a fault as one clause: no place, no dump of its state."""
    text = _AT.sub("", fault.partition("<state>")[0], count=1).strip()
    if text in _DEAD_ENDS:
        return _IMPOSSIBLE
    if "error: " in text:
        text = text.rpartition("error: ")[2]
    text = text.partition("\n")[0].strip().rstrip(".")
    return text[:1].lower() + text[1:200]


def _place_in_regex(pattern: str, fault: str) -> str:
    """Return the place that Rust's parser points to: a line of the pattern, and carets below it."""
    lines = fault.splitlines()
    for above, below in pairwise(lines):
        if above.startswith("    ") and below.strip() and not below.strip().strip("^"):
            at = len(below) - len(below.lstrip()) - 4
            return place(pattern, at if above[4:] == pattern else 0)
    return "1:1"


@lru_cache(1)
def _bytes() -> llguidance.LLTokenizer:
    """Return a vocabulary of single bytes, in which any text can be written."""
    return llguidance.LLTokenizer(llguidance.TokenizerWrapper(_Bytes()))


class _Bytes:
    eos_token_id, bos_token_id = 256, None
    special_token_ids = (256,)

    def __init__(self) -> None:
        self.tokens = [bytes([value]) for value in range(256)] + [b"<end>"]

    def __call__(self, data: bytes | str) -> list[int]:
        return list(data if isinstance(data, bytes) else data.encode())
