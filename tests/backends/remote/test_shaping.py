"""How other engines are told the shape of a reply, and what is refused because they would pass over it."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest

from backends.base import Backend
from backends.constraints import SHAPES, Constraint
from backends.errors import InvalidConstraint, UnsupportedFeature, UnsupportedParameter
from backends.registry import BackendOptions, open_backend
from backends.remote.client import Limits
from backends.remote.opening import open_reference
from backends.sampling import SamplingParams
from backends.values import ChatPrompt, Message, Request, TextDelta, TextPrompt
from tests.backends.remote.fake import Answer, FakeEngine, Letters, Route, as_json, fake, models, said
from tests.backends.remote.llama_server import serving
from tests.backends.remote.test_discovery import llama_routes, vllm_routes

ASK = ChatPrompt((Message("user", "Which animal?"),))
QUICK = Limits(connect=2, answer=5, first=5, between=5, load=0.2, pause=0.01)
SCHEMA = {"type": "object", "properties": {"age": {"type": "integer", "minimum": 1}}, "required": ["age"]}
GBNF = 'root ::= "cat" | "dog"'
LARK = 'start: "cat" | "dog"'
EXAMPLES: Mapping[str, Constraint] = {
    "json": Constraint("json"),
    "schema": Constraint("schema", json.dumps(SCHEMA)),
    "regex": Constraint("regex", r"[a-z]+\d"),
    "choices": Constraint("choices", choices=("cat", 'a "dog"')),
    "grammar": Constraint("grammar", GBNF),
}
STRICT = {"type": "json_schema", "json_schema": {"name": "answer", "strict": True, "schema": SCHEMA}}
OBJECT = {"type": "json_object"}
CHOICES = r'root ::= "cat" | "a \"dog\""'

Run = Callable[[], Backend]


@pytest.fixture
def engine() -> Iterator[FakeEngine]:
    with fake() as running:
        yield running


@pytest.fixture
def opened(engine: FakeEngine) -> Iterator[Run]:
    made: list[Backend] = []

    def open_() -> Backend:
        made.append(open_reference(engine.url, BackendOptions(), QUICK))
        return made[-1]

    yield open_
    for backend in made:
        backend.close()


def ask(backend: Backend, constraint: Constraint, prompt: ChatPrompt | TextPrompt = ASK) -> str:
    request = Request(prompt, SamplingParams(temperature=0, max_tokens=40), constraint=constraint)
    return "".join(each.text for each in backend.start(request) if isinstance(each, TextDelta))


def version(number: str) -> dict[str, Route]:
    return {"GET /version": as_json({"version": number})}


def fields(engine: FakeEngine, path: str) -> list[dict[str, Any]]:
    """Return of every request what tells the shape."""
    known = ("response_format", "structured_outputs", "json_schema", "grammar", "regex", "ebnf", "format", "choices")
    return [
        {name: value for name, value in body.items() if name in known or name.startswith("guided_")}
        for body in engine.bodies(path)
    ]


@pytest.mark.parametrize("number", ["0.11.0", "1.2.3", "nightly"])
def test_vllm(engine: FakeEngine, opened: Run, number: str) -> None:
    engine.routes |= vllm_routes("vllm") | version(number)
    backend = opened()
    assert backend.capabilities.constraints == set(SHAPES)
    for shape in SHAPES:
        ask(backend, EXAMPLES[shape])
    assert fields(engine, "/v1/chat/completions") == [
        {"response_format": OBJECT},
        {"structured_outputs": {"json": SCHEMA}},
        {"structured_outputs": {"regex": r"[a-z]+\d"}},
        {"structured_outputs": {"choice": ["cat", 'a "dog"']}},
        {"structured_outputs": {"grammar": GBNF}},
    ]


def test_vllm_as_it_was(engine: FakeEngine, opened: Run) -> None:
    engine.routes |= vllm_routes("vllm") | version("0.10.2")
    backend = opened()
    for shape in SHAPES[1:]:
        ask(backend, EXAMPLES[shape])
    assert fields(engine, "/v1/chat/completions") == [
        {"guided_json": SCHEMA},
        {"guided_regex": r"[a-z]+\d"},
        {"guided_choice": ["cat", 'a "dog"']},
        {"guided_grammar": GBNF},
    ]


def test_sglang(engine: FakeEngine, opened: Run) -> None:
    engine.routes |= vllm_routes("sglang")
    backend = opened()
    for shape in SHAPES:
        ask(backend, EXAMPLES[shape])
    assert fields(engine, "/v1/chat/completions") == [
        {"response_format": OBJECT}, {"response_format": STRICT}, {"regex": r"[a-z]+\d"}, {"ebnf": CHOICES},
        {"ebnf": GBNF},
    ]  # fmt: skip
    with pytest.raises(InvalidConstraint, match="does not keep to multipleOf"):
        ask(backend, Constraint("schema", '{"type": "integer", "multipleOf": 3}'))


def test_llama_server(engine: FakeEngine, opened: Run) -> None:
    engine.routes |= llama_routes()
    backend = opened()
    assert backend.capabilities.constraints == set(SHAPES) - {"regex"}
    assert backend.capabilities.reasons["constraint.regex"] == "unsupported_parameter"
    for shape in ("json", "schema", "choices", "grammar"):
        ask(backend, EXAMPLES[shape])
    assert fields(engine, "/completion") == [
        {"json_schema": {"type": "object"}}, {"json_schema": SCHEMA}, {"grammar": CHOICES}, {"grammar": GBNF},
    ]  # fmt: skip
    with pytest.raises(UnsupportedParameter) as caught:
        ask(backend, EXAMPLES["regex"])
    assert caught.value.details == {"name": "constraint.regex", "engine": "llama-server"}


@pytest.mark.parametrize(
    ("schema", "skipped"),
    [
        ({"type": "integer", "multipleOf": 2}, "multipleOf"),
        ({"type": "object", "patternProperties": {"^a": {"type": "integer"}}}, "patternProperties"),
        ({"properties": {"a": {"type": "string", "format": "email"}}}, "format email"),
        ({"type": "array", "items": {"type": "number", "minimum": 0}}, "minimum of a number"),
    ],
)
def test_what_an_engine_would_pass_over_is_refused(
    engine: FakeEngine, opened: Run, schema: object, skipped: str
) -> None:
    engine.routes |= llama_routes()
    with pytest.raises(InvalidConstraint, match=f"the engine llama-server does not keep to {skipped}"):
        ask(opened(), Constraint("schema", json.dumps(schema)))
    assert not engine.bodies("/completion")


@pytest.mark.parametrize("routes", [llama_routes(), vllm_routes("vllm")])
def test_lark_is_for_those_who_read_it(engine: FakeEngine, opened: Run, routes: dict[str, Route]) -> None:
    engine.routes |= routes
    with pytest.raises(InvalidConstraint, match="GBNF only"):
        ask(opened(), Constraint("grammar", LARK))


def test_a_shape_that_has_begun_is_not_begun_anew(engine: FakeEngine, opened: Run) -> None:
    engine.routes |= llama_routes()
    with pytest.raises(UnsupportedFeature) as caught:
        ask(opened(), EXAMPLES["schema"], ChatPrompt(ASK.messages, prefix='{"age"'))
    assert caught.value.details["name"] == "continue_shaped"


def test_ollama(engine: FakeEngine, opened: Run) -> None:
    line = b'{"message": {"content": "{}"}, "done": true, "done_reason": "stop"}\n'
    engine.routes |= {
        "GET /api/version": as_json({"version": "0.12.0"}),
        "POST /api/show": as_json({"model_info": {}, "template": "x"}),
        "POST /api/chat": lambda _: said_in_lines(line),
    }
    backend = opened()
    assert backend.capabilities.constraints == {"json", "schema"}
    ask(backend, EXAMPLES["json"])
    ask(backend, EXAMPLES["schema"])
    assert fields(engine, "/api/chat") == [{"format": "json"}, {"format": SCHEMA}]


def said_in_lines(*lines: bytes) -> Any:

    return Answer(lines, headers={"content-type": "application/x-ndjson"})


def test_lm_studio(engine: FakeEngine, opened: Run) -> None:
    engine.routes |= {
        "GET /api/v0/models": as_json({"data": [{"id": "small-model", "state": "loaded", "type": "llm"}]}),
        "POST /v1/chat/completions": said("{}"),
    }
    backend = opened()
    ask(backend, EXAMPLES["json"])
    (told,) = fields(engine, "/v1/chat/completions")
    assert told["response_format"]["json_schema"]["schema"] == {"type": "object"}


def test_an_engine_of_which_nothing_is_known_is_not_trusted(engine: FakeEngine, opened: Run) -> None:
    engine.routes |= {"POST /v1/chat/completions": said("Sure!")}
    backend = opened()
    assert not backend.capabilities.constraints
    assert {f"constraint.{shape}" for shape in SHAPES} <= backend.capabilities.reasons.keys()
    with pytest.raises(UnsupportedParameter):
        ask(backend, EXAMPLES["json"])


def samovar(engine: FakeEngine, *shapes: str) -> None:
    routes = vllm_routes("samovar")
    del routes["GET /v1/models"]
    routes["POST /v1/tokenize"] = routes["POST /tokenize"]
    routes["POST /v1/detokenize"] = routes["POST /detokenize"]
    engine.routes |= {**routes, "GET /v1/models": models({"id": "m", "constraints": list(shapes)}, owner="samovar")}


def test_another_samovar_keeps_to_what_it_lists(engine: FakeEngine, opened: Run) -> None:

    letters = Letters()
    samovar(engine, *SHAPES)
    engine.routes["POST /v1/tokenize"] = lambda asked: as_json({
        "tokens": letters.read(letters.chat(asked.body["messages"]) if "messages" in asked.body
                               else asked.body["prompt"])
    })  # fmt: skip
    backend = opened()
    assert backend.capabilities.constraints == set(SHAPES)
    for constraint in (*EXAMPLES.values(), Constraint("grammar", LARK)):
        ask(backend, constraint)
    assert fields(engine, "/v1/chat/completions") == [
        {"response_format": OBJECT}, {"response_format": STRICT}, {"regex": r"[a-z]+\d"},
        {"choices": ["cat", 'a "dog"']}, {"grammar": GBNF}, {"grammar": LARK},
    ]  # fmt: skip
    engine.routes["GET /v1/models"] = models({"id": "m", "constraints": ["json"]}, owner="samovar")
    assert opened().capabilities.constraints == {"json"}


@pytest.mark.model
def test_before_llama_cpps_own_server(starter_model: Path) -> None:
    with serving(starter_model, 512) as server:
        backend = open_backend(server.url)
        try:
            told = ask(backend, Constraint("schema", json.dumps({**SCHEMA, "additionalProperties": False})))
            assert json.loads(told)["age"] >= 1
            assert ask(backend, EXAMPLES["choices"]) in EXAMPLES["choices"].choices
            assert ask(backend, EXAMPLES["grammar"]) in ("cat", "dog")
            assert ask(backend, EXAMPLES["choices"], TextPrompt("I have a")) in EXAMPLES["choices"].choices
        finally:
            backend.close()
