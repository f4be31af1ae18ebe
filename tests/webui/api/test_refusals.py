"""What is refused, with which status and code; and that nothing that counts is dropped in silence."""

import inspect
import threading
from collections.abc import Callable
from typing import Any

import pytest

from backends.errors import EngineClosed, ModelBroken, UnsupportedParameter
from backends.sampling import knobs
from backends.scripted import Script, ScriptedBackend
from backends.values import Capabilities
from tests.webui.api.office import HELLO, Office
from webui.api import logprobs
from webui.api.fields import HARMLESS, REFUSED
from webui.api.shapes import FIELDS
from webui.choice import ModelChoice

Build = Callable[..., Office]


@pytest.mark.parametrize(
    ("more", "code", "param"),
    [
        ({"temperature": 5.1}, "invalid_parameter", "temperature"),
        ({"temperature": "hot"}, "invalid_parameter", "temperature"),
        ({"top_p": -0.1}, "invalid_parameter", "top_p"),
        ({"seed": 2**40}, "invalid_parameter", "seed"),
        ({"stop": [""]}, "invalid_parameter", "stop"),
        ({"logit_bias": {"5": 101}}, "invalid_parameter", "logit_bias"),
        ({"logit_bias": {"x": 1}}, "invalid_parameter", "logit_bias"),
        ({"sampler_order": ["magic"]}, "invalid_parameter", "sampler_order"),
        ({"max_completion_tokens": -3}, "invalid_parameter", "max_tokens"),
        ({"max_completion_tokens": 3, "max_tokens": 4}, "invalid_body", "max_completion_tokens"),
        ({"repetition_penalty": 1.1}, "unknown_parameter", "repetition_penalty"),
        ({"continue_final_message": False}, "unknown_parameter", "continue_final_message"),
        ({"n": 0}, "invalid_body", "n"),
        ({"n": 33}, "invalid_body", "n"),
        ({"n": 1.5}, "invalid_body", "n"),
        ({"stream": "yes"}, "invalid_body", "stream"),
        ({"stream_options": {"other": True}}, "invalid_body", "stream_options.other"),
        ({"messages": []}, "invalid_body", "messages"),
        ({"messages": None}, "invalid_body", "messages"),
        ({"messages": [{"role": "user"}]}, "invalid_body", "messages[0].content"),
        ({"messages": [{"role": "wizard", "content": "x"}]}, "invalid_body", "messages[0].role"),
        ({"messages": [{"content": "x"}]}, "invalid_body", "messages[0].role"),
        ({"messages": [*HELLO, {"role": "tool", "content": "x"}]}, "unsupported_field", "messages[1].role"),
        ({"messages": [{"role": "user", "content": "x", "name": "Ann"}]}, "unsupported_field", "messages[0].name"),
        ({"messages": [{"role": "user", "content": [{"type": "image_url", "image_url": {"url": "data:"}}]}]},
         "unsupported_field", "messages[0].content[0].type"),
        ({"messages": [{"role": "user", "content": [{"type": "text"}]}]},
         "invalid_body", "messages[0].content[0].text"),
    ],
)  # fmt: skip
def test_a_bad_field_is_named(office: Office, more: dict[str, Any], code: str, param: str) -> None:
    status, error = office.refused(**more)
    assert (status, error["type"], error["code"], error["param"]) == (400, "invalid_request_error", code, param)
    assert error["message"] and not office.house.backend.requests


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("tools", [{"type": "function", "function": {"name": "f"}}]), ("tool_choice", "required"),
        ("functions", [{"name": "f"}]), ("function_call", {"name": "f"}),
        ("modalities", ["text", "audio"]), ("audio", {"voice": "x"}),
        ("reasoning_effort", "low"), ("verbosity", "low"), ("web_search_options", {}),
    ],
)  # fmt: skip
def test_what_would_change_the_answer_is_refused_with_the_reason(office: Office, name: str, value: Any) -> None:
    status, error = office.refused(**{name: value})
    assert (status, error["code"], error["param"]) == (400, "unsupported_field", name)
    assert error["message"] == f"{name} is not supported: {REFUSED[name][1]}."


@pytest.mark.parametrize(("name", "value"), [("best_of", 3), ("suffix", "the end")])
def test_so_it_is_for_a_text(office: Office, name: str, value: Any) -> None:
    status, error = office.refused("/v1/completions", prompt="x", **{name: value})
    assert (status, error["code"], error["param"]) == (400, "unsupported_field", name)


@pytest.mark.parametrize(
    ("sent", "code"), [([1, 2, 3], "unsupported_field"), ([[1], [2]], "unsupported_field"), ([], "invalid_body")]
)
def test_a_prompt_is_text(office: Office, sent: Any, code: str) -> None:
    status, error = office.refused("/v1/completions", prompt=sent)
    assert (status, error["code"], error["param"]) == (400, code, "prompt")


def test_answers_are_not_written_without_end(office: Office) -> None:
    status, error = office.refused("/v1/completions", prompt=["x"] * 65, n=2)
    assert (status, error["code"], error["param"]) == (400, "invalid_body", "prompt")
    assert len(office.ask("/v1/completions", prompt=["x"] * 64, n=2)["choices"]) == 128


def test_no_field_is_two_things() -> None:
    assert not HARMLESS & set(REFUSED)
    assert not (HARMLESS | set(REFUSED)) & set(knobs())


def test_every_field_of_openais_is_known() -> None:
    completions = pytest.importorskip("openai.resources.chat.completions").Completions
    own = {"self", "extra_headers", "extra_query", "extra_body", "timeout"}
    named = {"messages", "model", "n", "stream", "stream_options", "max_completion_tokens"}
    fields = set(inspect.signature(completions.create).parameters) - own - named
    assert not fields - HARMLESS - set(REFUSED) - set(knobs()) - set(FIELDS) - logprobs.FIELDS


@pytest.mark.parametrize(
    "sent",
    [b"", b"{", b"[]", b'"x"', b"\xff", b'{"messages": "x"}', b'{"messages": [{"role": "user", "content": "\\ud800"}]}',
     b'{"messages": ' + b"[" * 100_000],
)  # fmt: skip
def test_a_body_that_is_not_json_or_not_ours(office: Office, sent: bytes) -> None:
    answer = office.client.post("/v1/chat/completions", content=sent, headers={"content-type": "application/json"})
    assert answer.status_code == 400 and answer.json()["error"]["code"] == "invalid_body"


def test_numbers_that_are_none(office: Office) -> None:
    sent = b'{"messages": [{"role": "user", "content": "x"}], "temperature": NaN}'
    answer = office.client.post("/v1/chat/completions", content=sent)
    assert answer.status_code == 400 and answer.json()["error"]["param"] == "temperature"


def test_a_body_that_is_too_large(office: Office) -> None:
    answer = office.client.post("/v1/completions", content=b" " * (16 * 1024**2 + 1))
    assert answer.status_code == 413 and answer.json()["error"]["code"] == "body_too_large"


def test_five_megabytes_are_read_and_refused_for_the_window(office: Office) -> None:
    status, error = office.refused("/v1/completions", prompt="word " * 1_000_000)
    assert (status, error["code"]) == (400, "prompt_too_long")


def test_a_knob_that_the_engine_has_not(build: Build, monkeypatch: pytest.MonkeyPatch) -> None:
    def start(*_: object) -> None:
        raise UnsupportedParameter(name="mirostat", engine="scripted")

    office = build()
    monkeypatch.setattr(office.house.backend, "start", start)
    status, error = office.refused(mirostat=2)
    assert (status, error["code"], error["param"]) == (400, "unsupported_parameter", "mirostat")


def test_a_reply_that_the_engine_cannot_go_on_with(build: Build, monkeypatch: pytest.MonkeyPatch) -> None:
    office = build()
    monkeypatch.setattr(ScriptedBackend, "capabilities", Capabilities(frozenset(knobs()), continuation=False))
    status, error = office.refused(messages=[*HELLO, {"role": "assistant", "content": "Well, "}])
    assert (status, error["code"], error["param"]) == (400, "unsupported_field", "messages")
    assert office.chat()["choices"]


def test_without_a_model(build: Build) -> None:
    office = build(load=False)
    assert office.refused()[0] == 503 and office.refused()[1]["code"] == "no_model"
    assert office.refused("/v1/tokenize", text="x")[0] == 503
    assert office.ask_models() == []


def test_a_model_that_could_not_be_loaded(build: Build, monkeypatch: pytest.MonkeyPatch) -> None:
    office = build(load=False)

    def fail(*_: object) -> None:
        raise ModelBroken(model="x.gguf", reason="cut short")

    monkeypatch.setattr(office.house, "_open", fail)
    loader = office.house.services.loader
    monkeypatch.setattr(loader, "_open", fail)
    loader.switch(ModelChoice("x"))
    office.house.until(lambda: loader.state.stage == "failed")
    status, error = office.refused()
    assert (status, error["code"]) == (503, "model_broken") and "cut short" in error["message"]


@pytest.fixture
def gate(monkeypatch: pytest.MonkeyPatch) -> threading.Event:
    """A model that is loaded once the gate is set."""
    from tests.webui.house import House

    gate = threading.Event()

    def open_slowly(house: House, *_: object) -> ScriptedBackend:
        assert gate.wait(10)
        return house.backend

    monkeypatch.setattr(House, "_open", open_slowly)
    return gate


def test_while_a_model_loads_one_waits(build: Build, gate: threading.Event) -> None:
    office = build(load=False)
    office.house.services.loader.switch(ModelChoice("x"))
    threading.Timer(0.1, gate.set).start()
    assert office.chat()["choices"][0]["message"]["content"] == "You said: Hello there"


def test_but_not_for_ever(build: Build, gate: threading.Event) -> None:
    office = build(load=False, patience=0.0)
    office.house.services.loader.switch(ModelChoice("x"))
    answer = office.client.post("/v1/chat/completions", json={"messages": HELLO})
    assert (answer.status_code, answer.headers["retry-after"]) == (503, "5")
    assert answer.json()["error"]["code"] == "model_loading"
    gate.set()


def test_a_model_that_goes_in_the_middle(build: Build) -> None:
    office = build(Script(replies=[EngineClosed()]))
    answer = office.client.post("/v1/chat/completions", json={"messages": HELLO})
    assert (answer.status_code, answer.headers["retry-after"]) == (503, "5")


def test_a_fault_of_ours_is_logged_and_told_without_its_inside(
    office: Office, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def broken(*_: object) -> None:
        raise KeyError("inside")

    monkeypatch.setattr(ScriptedBackend, "tokenize", broken)
    status, error = office.refused("/v1/tokenize", text="x")
    assert (status, error["type"], error["code"]) == (500, "server_error", "samovar_error")
    assert "inside" not in error["message"] and "inside" in caplog.text


@pytest.mark.parametrize("path", ["/v1/embeddings", "/v1/", "/v1/chat", "/v1/models/another"])
def test_what_is_not_there(office: Office, path: str) -> None:
    answer = office.client.get(path)
    assert answer.status_code == 404 and answer.json()["error"]["code"] == "not_found"


@pytest.mark.parametrize(
    ("method", "path", "allowed"),
    [("GET", "/v1/chat/completions", "POST"), ("OPTIONS", "/v1/tokenize", "POST"),
     ("DELETE", "/v1/models/x", "GET, HEAD"), ("POST", "/metrics", "GET, HEAD")],
)  # fmt: skip
def test_what_is_there_for_another_method(office: Office, method: str, path: str, allowed: str) -> None:
    answer = office.client.request(method, path)
    error = answer.json()["error"]
    assert (answer.status_code, answer.headers["allow"]) == (405, allowed)
    assert (error["type"], error["code"]) == ("invalid_request_error", "wrong_method")
    assert error["message"] == f"This address takes {allowed} requests, and this is {method}."
    assert office.figure("samovar_requests_total", path=path.replace("/x", "/{name:path}"), status="405") == 1


@pytest.mark.parametrize("path", ["/v1/models", "/metrics"])
def test_what_can_be_read_has_a_head(office: Office, path: str) -> None:
    answer = office.client.head(path)
    assert answer.status_code == 200
    assert answer.headers["content-type"] == office.client.get(path).headers["content-type"]


def test_pages_of_other_sites_get_nothing(office: Office) -> None:
    for path in ("/v1/models", "/metrics"):
        assert office.client.get(path, headers={"origin": "http://evil.example"}).status_code == 403
        assert office.client.get(path, headers={"sec-fetch-site": "cross-site"}).status_code == 403
        assert office.client.get(path, headers={"host": "evil.example"}).status_code == 421
    preflight = office.client.options("/v1/chat/completions", headers={"origin": "http://evil.example"})
    assert preflight.status_code == 403 and "access-control-allow-origin" not in preflight.headers
