"""The shape of an answer: by OpenAI's field, by llama-server's, SGLang's and vLLM's, and what is wrong with one."""

import asyncio
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from backends.constraints import SHAPES, Constraint
from backends.registry import BackendOptions, open_backend
from backends.scripted import Script
from backends.values import ChatPrompt, Message, Request
from tests.e2e.site import Site
from tests.webui.api.office import HELLO, Office

Build = Callable[..., Office]
SCHEMA = {"type": "object", "properties": {"name": {"type": "string", "maxLength": 9}}, "required": ["name"],
          "additionalProperties": False}  # fmt: skip
NAMED = {"name": "person", "strict": True, "schema": SCHEMA}


@pytest.fixture
def shaping(build: Build) -> Office:
    """The API over a model that says it keeps to every shape."""
    return build(Script(constraints=frozenset(SHAPES)))


def schema(text: str | None = None) -> Constraint:
    return Constraint("schema", text or json.dumps(SCHEMA))


@pytest.mark.parametrize(
    ("fields", "constraint"),
    [
        ({}, None),
        ({"response_format": {"type": "text"}}, None),
        ({"response_format": {"type": "json_object"}}, Constraint("json")),
        ({"response_format": {"type": "json_object", "schema": SCHEMA}}, schema()),
        ({"response_format": {"type": "json_schema", "json_schema": NAMED}}, schema()),
        ({"response_format": {"type": "json_schema", "json_schema": {"name": "x", "schema": SCHEMA}}}, schema()),
        ({"json_schema": SCHEMA}, schema()),
        ({"json_schema": '{"type": "integer"}'}, schema('{"type": "integer"}')),
        ({"regex": r"\d+"}, Constraint("regex", r"\d+")),
        ({"choices": ["да", "нет"]}, Constraint("choices", choices=("да", "нет"))),
        ({"grammar": 'root ::= "a"'}, Constraint("grammar", 'root ::= "a"')),
        ({"structured_outputs": {"json": SCHEMA, "regex": None}}, schema()),
        ({"structured_outputs": {"json_object": True}}, Constraint("json")),
        ({"structured_outputs": {"choice": ["a", "b"]}}, Constraint("choices", choices=("a", "b"))),
        ({"structured_outputs": {}}, None),
        ({"response_format": {"type": "text"}, "regex": "a+"}, Constraint("regex", "a+")),
    ],
)  # fmt: skip
def test_a_shape_reaches_the_engine(shaping: Office, fields: dict[str, Any], constraint: Constraint | None) -> None:
    shaping.chat(**fields)
    shaping.ask("/v1/completions", prompt=["x", "y"], **fields)
    assert [request.constraint for request in shaping.house.backend.requests] == [constraint] * 3


@pytest.mark.parametrize(
    ("fields", "code", "param"),
    [
        ({"response_format": "json"}, "invalid_body", "response_format"),
        ({"response_format": {"type": "xml"}}, "invalid_body", "response_format.type"),
        ({"response_format": {"type": "json_schema"}}, "invalid_body", "response_format.json_schema"),
        ({"response_format": {"type": "json_schema", "json_schema": {"name": "x"}}}, "invalid_body",
         "response_format.json_schema.schema"),
        ({"response_format": {"type": "json_schema", "json_schema": {"schema": {"not": {}}}}}, "invalid_constraint",
         "response_format"),
        ({"json_schema": 5}, "invalid_body", "json_schema"),
        ({"json_schema": "{"}, "invalid_constraint", "json_schema"),
        ({"regex": "a("}, "invalid_constraint", "regex"),
        ({"regex": ["a"]}, "invalid_body", "regex"),
        ({"choices": "yes"}, "invalid_body", "choices"),
        ({"choices": []}, "invalid_constraint", "choices"),
        ({"choices": ["a", ""]}, "invalid_constraint", "choices"),
        ({"grammar": "root ::= foo"}, "invalid_constraint", "grammar"),
        ({"structured_outputs": {"regex": "a", "choice": ["a"]}}, "invalid_body", "structured_outputs"),
        ({"structured_outputs": {"structural_tag": "x"}}, "invalid_body", "structured_outputs"),
        ({"regex": "a+", "choices": ["a"]}, "invalid_body", "choices"),
        ({"guided_json": {}}, "unknown_parameter", "guided_json"),
    ],
)  # fmt: skip
def test_what_is_wrong_is_said_before_anything_is_written(
    shaping: Office, fields: dict[str, Any], code: str, param: str
) -> None:
    status, error = shaping.refused(**fields)
    assert (status, error["type"], error["code"], error["param"]) == (400, "invalid_request_error", code, param)
    assert not shaping.house.backend.requests


def test_an_unsupported_keyword_is_named_with_its_place(shaping: Office) -> None:
    broken = {"type": "object", "properties": {"a": {"type": "array", "uniqueItems": True}}}
    _, error = shaping.refused(json_schema=broken)
    assert "$.properties.a.uniqueItems: the keyword uniqueItems is not supported" in error["message"]


@pytest.mark.parametrize("field", ["response_format", "json_schema", "regex", "choices", "grammar"])
def test_an_engine_that_keeps_to_none_says_so(office: Office, field: str) -> None:
    values = {"response_format": {"type": "json_object"}, "json_schema": {}, "regex": "a", "choices": ["a"],
              "grammar": 'root ::= "a"'}  # fmt: skip
    for path, body in (("/v1/chat/completions", {}), ("/v1/completions", {"prompt": "x"})):
        status, error = office.refused(path, **body, **{field: values[field]})
        assert (status, error["code"], error["param"]) == (400, "unsupported_parameter", field)
    assert office.client.get("/v1/models").json()["data"][0]["constraints"] == []


def test_what_is_kept_to_is_listed(shaping: Office) -> None:
    assert shaping.client.get("/v1/models").json()["data"][0]["constraints"] == sorted(SHAPES)


@pytest.mark.model
def test_with_a_model(build: Build, starter_model: Path) -> None:
    office = build(load=False)
    office.house.backend = open_backend(str(starter_model), BackendOptions(ctx=512, gpu_layers=0))  # type: ignore[assignment]
    office.house.load()
    sampling: dict[str, Any] = {"temperature": 0.8, "seed": 3, "max_tokens": 60}
    answer = office.chat(response_format={"type": "json_schema", "json_schema": NAMED}, **sampling)
    said = answer["choices"][0]
    assert said["finish_reason"] == "stop" and set(json.loads(said["message"]["content"])) == {"name"}
    short = office.chat(json_schema=SCHEMA, **{**sampling, "max_tokens": 3})["choices"][0]
    assert short["finish_reason"] == "length"
    chunks = office.stream(choices=["yes", "no"], **sampling)
    assert "".join(chunk["choices"][0]["delta"].get("content") or "" for chunk in chunks) in ("yes", "no")
    begun = [*HELLO, {"role": "assistant", "content": '{"name": "Mur'}]
    rest = office.chat(messages=begun, json_schema=SCHEMA, **sampling)["choices"][0]["message"]["content"]
    assert json.loads('{"name": "Mur' + rest)["name"].startswith("Mur")
    _, error = office.refused(messages=[*HELLO, {"role": "assistant", "content": "Sure"}], json_schema=SCHEMA)
    assert error["code"] == "invalid_constraint"


def test_one_samovar_tells_another(tmp_path: Path) -> None:
    """Every shape reaches the engine behind another house's `/v1`, and a reply that has begun goes on there."""

    async def open_site() -> Site:
        return Site(tmp_path, Script(replies=["yes"], constraints=frozenset(SHAPES)))

    site = asyncio.run(open_site())
    remote = open_backend(site.url)
    try:
        assert remote.capabilities.constraints == set(SHAPES)
        shapes = [
            Constraint("json"), schema(), Constraint("regex", r"\d+"), Constraint("choices", choices=("yes", "да")),
            Constraint("grammar", 'start: "a"'),
        ]  # fmt: skip
        for shape in shapes:
            list(remote.start(Request(ChatPrompt((Message("user", "Is it?"),), prefix="ye"), constraint=shape)))
        asked = site.backend.requests
        assert [request.constraint for request in asked] == shapes
        assert {request.prompt.prefix for request in asked if isinstance(request.prompt, ChatPrompt)} == {"ye"}
    finally:
        remote.close()
        site.close()
