"""Shapes of an answer are checked when they are made: what is wrong is said with its place."""

from __future__ import annotations

import json
from typing import Any

import pytest

from backends.constraints import MOST_CHOICES, SHAPES, Constraint
from backends.errors import InvalidConstraint
from backends.guiding.places import path_text, place, place_in_json
from backends.guiding.schemas import LONGEST

PERSON: dict[str, Any] = {
    "$schema": "https://json-schema.org/draft/2020-12/schema",
    "title": "A person",
    "type": "object",
    "properties": {
        "name": {"type": "string", "minLength": 1, "maxLength": 40, "description": "the whole name"},
        "born": {"type": "string", "format": "date"},
        "mail": {"type": "string", "pattern": "^[a-z]+@[a-z.]+$"},
        "kind": {"enum": ["cat", "dog", None, 5]},
        "friends": {"type": "array", "items": {"$ref": "#/$defs/friend"}, "minItems": 1, "maxItems": 3},
        "weight": {"anyOf": [{"type": "number", "exclusiveMinimum": 0}, {"type": "null"}]},
        "x": {"const": {"a": [1]}, "x-note": "an extension that asks for nothing"},
    },
    "required": ["name"],
    "additionalProperties": False,
    "$defs": {"friend": {"type": "object", "properties": {"of": {"$ref": "#/$defs/friend"}, "a b": {}}}},
}
GBNF = r"""
# A list of words, the letter \u0451 among them.
root ::= ("- " word "\n"){1,3} | [\u0430-\u044f\u0451]+
word ::= [a-z]+ | "\x41" | "\u0451" word?
"""
LARK = 'start: "a" list\nlist: item ("," item)*\nitem: /[0-9]+/ | %json {"type": "boolean"}\n'


def wrong(kind: Any, text: str = "", choices: tuple[str, ...] = ()) -> tuple[str, str]:
    """Return where it is wrong, and why."""
    with pytest.raises(InvalidConstraint) as caught:
        Constraint(kind, text, choices)
    assert caught.value.details["kind"] == kind
    return str(caught.value.details["where"]), str(caught.value.details["reason"])


@pytest.mark.parametrize(
    "constraint",
    [
        Constraint("json"), Constraint("schema", json.dumps(PERSON)), Constraint("schema", "{}"),
        Constraint("schema", "true"), Constraint("regex", r"(?i)yes|no|\d{1,3}(\.\d+)?"),
        Constraint("choices", choices=("yes", 'an "odd"\none \\', "ё 😀")), Constraint("grammar", GBNF),
        Constraint("grammar", LARK),
    ],
)  # fmt: skip
def test_what_can_be_kept_to_is_a_value(constraint: Constraint) -> None:
    assert Constraint.from_mapping(json.loads(json.dumps(constraint.mapping()))) == constraint
    assert constraint.grammar() and constraint.name == f"constraint.{constraint.kind}"
    assert {constraint: 1}[constraint] == 1 and constraint.kind in SHAPES


def schema(**property: Any) -> str:
    return json.dumps({"type": "object", "properties": {"age": property}, "required": ["age"]}, indent=1)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("not", {}), ("if", {}), ("contains", {}), ("uniqueItems", True), ("propertyNames", {}), ("nullable", True),
        ("dependentRequired", {}), ("unevaluatedProperties", False), ("$dynamicRef", "#a"),
    ],
)  # fmt: skip
def test_an_unsupported_keyword_is_an_error(name: str, value: Any) -> None:
    where, reason = wrong("schema", schema(**{name: value}))
    assert where.endswith(f" $.properties.age.{name}") and where.startswith("5:")
    assert reason == f"the keyword {name} is not supported"


@pytest.mark.parametrize("name", ["minLenght", "Type", "x-guidance"])
def test_so_is_one_that_does_not_exist(name: str) -> None:
    where, reason = wrong("schema", schema(type="string", **{name: {"lenient": True}}))
    assert where == f"6:4 $.properties.age.{name}" and reason == f"there is no keyword {name}"


@pytest.mark.parametrize(
    ("property", "path", "reason"),
    [
        ({"type": "strin"}, ".type", '"strin" is no type'),
        ({"type": ["string", 5]}, ".type", "5 is no type"),
        ({"enum": []}, ".enum", "a list that is not empty"),
        ({"minLength": -1}, ".minLength", "a whole number, 0 or more"),
        ({"maximum": "5"}, ".maximum", "must be a number"),
        ({"multipleOf": 0}, ".multipleOf", "a number above 0"),
        ({"items": 5}, ".items", "a schema"),
        ({"anyOf": []}, ".anyOf", "a list of schemas"),
        ({"properties": []}, ".properties", "an object of schemas"),
        ({"required": "age"}, ".required", "a list of names"),
        ({"items": {"anyOf": [{}, {"foo": 1}]}}, ".items.anyOf[1].foo", "no keyword foo"),
        ({"properties": {"a b": {"foo": 1}}}, '.properties["a b"].foo', "no keyword foo"),
        ({"$ref": "#/$defs/nobody"}, ".$ref", "leads to nothing"),
        ({"$ref": "https://example.org/schema"}, ".$ref", "only lead to a place in the schema"),
        ({"type": "string", "format": "colour"}, "", "unknown format: colour"),
        ({"type": "string", "pattern": "a("}, "", "unclosed group"),
        ({"type": "string", "pattern": "(?=a)b"}, "", "look-around"),
        ({"type": "integer", "minimum": 5, "maximum": 3}, "", "unsatisfiable schema: minimum"),
        ({"allOf": [{"type": "integer"}, {"type": "string"}]}, "", "unsatisfiable"),
        ({"oneOf": [{"type": "integer"}, {"type": "number"}]}, "", "oneOf"),
        ({"properties": {"b": {"type": "array", "items": {"format": "x y"}}}}, ".properties.b.items", "unknown format"),
        ({"properties": {"a": {}, "b": {}}, "minProperties": 1, "type": "object"}, "", "min/maxProperties"),
    ],
)  # fmt: skip
def test_what_is_wrong_is_found_where_it_is(property: dict[str, Any], path: str, reason: str) -> None:
    where, said = wrong("schema", schema(**property))
    assert where.partition(" ")[2] == f"$.properties.age{path}"
    assert reason in said


@pytest.mark.parametrize(
    ("text", "where", "reason"),
    [
        ("", "1:1", "it is empty"),
        ('{\n "type": "object",\n "a" }', "3:6", "it is no JSON: Expecting ':' delimiter"),
        ("{} {}", "1:4", "it is no JSON: Extra data"),
        ("[]", "1:1 $", "a schema is an object, true or false"),
        ("false", "1:1 $", "unsatisfiable"),
        ("[" * 3000, "1:1 $", "nested too deeply"),
        ('{"items": ' * 200 + "{}" + "}" * 200, "1:", "nested too deeply"),
        ('{"$ref": "#"}', "1:1 $", "nothing can be written like this"),
        (json.dumps({"title": "x" * LONGEST}), "1:1", "too long"),
        ('{"title": "\ud800"}', "1:1", "half of a character"),
    ],
)
def test_what_is_no_schema_at_all(text: str, where: str, reason: str) -> None:
    at, said = wrong("schema", text)
    assert at.startswith(where) and reason in said


@pytest.mark.parametrize(
    ("pattern", "where", "reason"),
    [
        ("a(b", "1:2", "unclosed group"),
        ("(?=a)b", "1:1", "look-around"),
        (r"(a)\1", "1:4", "backreferences are not supported"),
        ("abc\\", "1:4", "a backslash stands at its end"),
        (r"[^\d\D]", "1:1", "nothing can be written like this"),
        (" ", "1:1", "it is empty"),
    ],
)
def test_a_broken_regular_expression(pattern: str, where: str, reason: str) -> None:
    at, said = wrong("regex", pattern)
    assert at == where and reason in said


@pytest.mark.parametrize(
    ("grammar", "where", "reason"),
    [
        ('root ::= "a" (b', "1:16", "expected ')'"),
        ('root ::= "a\n', "2:1", "unexpected end of input"),
        ('root ::= "a"\n     foo', "2:9", "expected ::="),
        ('root ::= foo\nbar ::= "a"', "1:10", "there is no rule called foo"),
        ('x ::= "a"', "1:1", "there is no rule called root"),
        ('root ::= "a"\nroot ::= "b"', "2:1", "there are two rules called root"),
        ('start: "a" c', "1:8", 'unknown name: "c"'),
        ('start: "a" )', "1:12", "expecting"),
        ('foo: "a"', "1:1", "no start rule found"),
        ("start: <|im_end|>", "1:8", "unknown special token"),
        ('start[temperature=0.5]: "a"', "1:1", "cannot set the temperature"),
        ('start: "a" %json {"type": "integer", "foo": 1}', "1:18", "there is no keyword foo"),
        ('start: "a" %json {"not": {}}', "1:18", "the keyword not is not supported"),
        ('start: "a" %json {"x}', "1:19", "it is no JSON"),
    ],
)
def test_a_broken_grammar(grammar: str, where: str, reason: str) -> None:
    at, said = wrong("grammar", grammar)
    assert (at, reason in said) == (where, True), said


def test_choices_must_be_there() -> None:
    assert wrong("choices") == ("1:1", "there is nothing to choose from")
    assert wrong("choices", choices=("a", " ")) == ("2:1", "a choice is empty")
    assert "too long" in wrong("choices", choices=("a",) * (MOST_CHOICES + 1))[1]


@pytest.mark.parametrize(
    "values", [{}, {"kind": "xml"}, {"kind": "schema", "text": 5}, {"kind": "choices", "choices": "ab"},
               {"kind": "choices", "choices": [5]}, {"kind": ["json"]}],
)  # fmt: skip
def test_what_is_no_shape(values: dict[str, Any]) -> None:
    with pytest.raises(InvalidConstraint):
        Constraint.from_mapping(values)


def test_what_other_engines_must_know_of_a_shape() -> None:
    person = Constraint("schema", json.dumps(PERSON))
    assert person.is_json and Constraint("json").is_json and not Constraint("regex", "a").is_json
    assert person.schema == PERSON and Constraint("json").schema == {"type": "object"}
    assert Constraint("grammar", LARK).is_lark and not Constraint("grammar", GBNF).is_lark


def test_places() -> None:
    text = '{ "a": [1, {"b c": "}\\"", "d": {}}],\n  "e": null }'
    assert place("ab\ncd", 4) == "2:2"
    assert place_in_json(text, ()) == "1:1 $"
    assert place_in_json(text, ("a",)) == "1:3 $.a"
    assert place_in_json(text, ("a", 0)) == "1:9 $.a[0]"
    assert place_in_json(text, ("a", 1, "b c")) == '1:13 $.a[1]["b c"]'
    assert place_in_json(text, ("e",)) == "2:3 $.e"
    assert path_text(("a-b", "имя", "1", 'q"')) == '$.a-b.имя["1"]["q\\""]'


@pytest.mark.parametrize(
    "text",
    [
        '{"const": NaN}', '{"minimum": -Infinity}', '{"const": "\\ud83d"}', '{"maximum": 1e999}',
        '{"items": ' * 500 + "{}" + "}" * 500,
        '{"type": "array", "prefixItems": [{"type": "integer"}], "additionalItems": false}',
    ],
)  # fmt: skip
def test_what_only_python_reads_as_json_is_refused_too(text: str) -> None:
    with pytest.raises(InvalidConstraint):
        Constraint("schema", text)
