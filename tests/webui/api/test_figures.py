"""The models, the tokens, and the figures for Prometheus."""

import re
from collections.abc import Callable
from typing import Any

import pytest

from backends.errors import EngineFailed
from backends.scripted import Script
from backends.values import Kept
from tests.webui.api.office import HELLO, Office
from webui.api.metrics import exposition
from webui.meters import Meters

Build = Callable[..., Office]
SAMPLE = re.compile(r'([a-z_]+)(\{[a-z_]+="(?:[^"\\\n]|\\[\\"n])*"(?:,[a-z_]+="(?:[^"\\\n]|\\[\\"n])*")*\})? (\S+)')


def test_the_model_that_is_loaded(office: Office) -> None:
    (model,) = office.ask_models()
    assert (model["id"], model["object"], model["owned_by"], model["max_model_len"]) == (
        "scripted", "model", "samovar", 8192,
    )  # fmt: skip
    assert isinstance(model["created"], int)
    assert office.client.get("/v1/models/scripted").json() == model


def test_the_name_of_a_model_may_hold_slashes(build: Build) -> None:
    office = build(Script(name="org/model:Q4 x"))
    assert office.client.get("/v1/models/org/model:Q4%20x").json()["id"] == "org/model:Q4 x"


@pytest.mark.parametrize("field", ["text", "prompt", "content"])
def test_a_text_is_cut_into_tokens_and_put_together_again(office: Office, field: str) -> None:
    said = office.ask("/v1/tokenize", **{field: "one two one"})
    assert said["count"] == len(said["tokens"]) == 3 and said["max_model_len"] == 8192
    assert office.ask("/v1/detokenize", tokens=said["tokens"])["text"] == "one two one"


def test_a_dialogue_is_cut_as_the_model_reads_it(office: Office) -> None:
    tokens = office.ask("/v1/tokenize", messages=HELLO)["tokens"]
    assert office.ask("/v1/detokenize", tokens=tokens)["text"] == "<user>Hello there</user><assistant>"
    assert office.chat()["usage"]["prompt_tokens"] == len(tokens)


def test_nothing_is_nothing(office: Office) -> None:
    assert office.ask("/v1/tokenize", text="")["tokens"] == []
    assert office.ask("/v1/detokenize", tokens=[])["text"] == ""


@pytest.mark.parametrize(
    ("path", "body", "code", "param"),
    [
        ("/v1/tokenize", {}, "invalid_body", "text"),
        ("/v1/tokenize", {"text": 5}, "invalid_body", "text"),
        ("/v1/tokenize", {"text": "x", "add_special_tokens": True}, "unknown_parameter", "add_special_tokens"),
        ("/v1/detokenize", {}, "invalid_body", "tokens"),
        ("/v1/detokenize", {"tokens": [-1]}, "invalid_body", "tokens[0]"),
        ("/v1/detokenize", {"tokens": ["x"]}, "invalid_body", "tokens[0]"),
    ],
)
def test_what_cannot_be_cut(office: Office, path: str, body: dict[str, Any], code: str, param: str) -> None:
    status, error = office.refused(path, **body)
    assert (status, error["code"], error["param"]) == (400, code, param)


def figures(office: Office) -> dict[str, float]:
    answer = office.client.get("/metrics")
    assert answer.headers["content-type"] == "text/plain; version=0.0.4; charset=utf-8"
    assert answer.text.endswith("\n")
    found = {}
    for line in answer.text.splitlines():
        if not line.startswith("#"):
            sample = SAMPLE.fullmatch(line)
            assert sample, line
            found[sample[1] + (sample[2] or "")] = float(sample[3])
    return found


def test_everything_is_counted(build: Build) -> None:
    office = build(Script(replies=["one two three", EngineFailed(reason="x")]))
    office.chat()
    office.house.say("from the page")
    office.refused(temperature=9)
    found = figures(office)
    assert found['samovar_requests_total{path="/v1/chat/completions",status="200"}'] == 1
    assert found['samovar_requests_total{path="/v1/chat/completions",status="400"}'] == 1
    assert found['samovar_generations_total{end="stop"}'] == found['samovar_generations_total{end="failed"}'] == 1
    assert found['samovar_prompt_tokens_total{source="read"}'] == 5
    assert found['samovar_prompt_tokens_total{source="reused"}'] == 0
    assert found["samovar_written_tokens_total"] == 3
    assert found['samovar_generation_seconds_total{phase="write"}'] >= 0
    assert found['samovar_generations{state="running"}'] == found['samovar_generations{state="queued"}'] == 0
    assert found["samovar_model_window_tokens"] == 8192
    assert found[
        'samovar_model_info{name="scripted",fingerprint="scripted-scripted",architecture="script",quantization=""}'
    ] == 1  # fmt: skip


def test_names_are_escaped(build: Build) -> None:
    office = build(Script(name='a "quoted"\nname\\'))
    assert any('name="a \\"quoted\\"\\nname\\\\"' in name for name in figures(office))


def test_without_a_model_there_are_still_figures() -> None:
    text = exposition(Meters(), None)
    assert "# TYPE samovar_generations gauge\n" in text and "samovar_model_info{" not in text


def test_what_an_engine_keeps_is_told() -> None:
    text = exposition(Meters(), None, Kept(3, 5000, 1 << 20, exact=True))
    assert "samovar_kept_chats 3\n" in text and "samovar_kept_bytes 5000\n" in text
    assert "samovar_kept_bytes_budget 1048576\n" in text and "samovar_exact 1\n" in text
