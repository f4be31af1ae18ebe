"""What every token weighed, in OpenAI's shapes: asked for, refused, whole and streamed."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from backends.scripted import Script, ScriptedBackend
from backends.values import (
    Capabilities,
    Choice,
    Done,
    ReasoningDelta,
    TextDelta,
    Timings,
    TokenProbability,
    Usage,
)
from tests.webui.api.office import Office
from webui.api.answers import Answer, ChatShape, TextShape

Build = Callable[..., Office]

SNOW = "☃".encode()
TEA = TokenProbability(3, b" tea", 0.5, 0.8)
JAM = TokenProbability(4, b" jam", 0.25, 0.2)
HALF = TokenProbability(5, SNOW[:2], 0.0, None)
CHOICES = (Choice(JAM, (TEA, JAM)), Choice(HALF, (TEA,)))
DONE = Done("stop", Usage(1, 0, 2), Timings(0, 0, 0), 1)


def answer(shape: Any, number: int | None = 2, **more: Any) -> Answer:
    return Answer(shape, ScriptedBackend().info, [1], alternatives=number, **more)


def test_nothing_is_told_unasked(office: Office) -> None:
    assert office.chat()["choices"][0]["logprobs"] is None
    assert office.house.backend.requests[-1].alternatives == 0


def test_a_chat_tells_every_token(office: Office) -> None:
    (choice,) = office.chat(logprobs=True, top_logprobs=3)["choices"]
    assert office.house.backend.requests[-1].alternatives == 3
    entries = choice["logprobs"]["content"]
    assert [entry["token"] for entry in entries] == ["You", " said:", " Hello", " there"]
    (number,) = office.house.backend.tokenize(" said:")
    said = {"token": " said:", "logprob": 0.0, "bytes": list(b" said:"), "id": number, "after": 1.0}
    assert entries[1] == {**said, "top_logprobs": [said]}
    assert choice["logprobs"]["refusal"] is None and "reasoning_content" not in choice["logprobs"]


def test_a_chat_may_ask_for_the_tokens_alone(office: Office) -> None:
    (choice,) = office.chat(logprobs=True)["choices"]
    assert office.house.backend.requests[-1].alternatives == 1
    assert [entry["top_logprobs"] for entry in choice["logprobs"]["content"]] == [[]] * 4


def test_a_text_tells_every_token(office: Office) -> None:
    (choice,) = office.ask("/v1/completions", prompt="tea", logprobs=2)["choices"]
    assert choice["logprobs"] == {
        "tokens": ["You", " said:", " tea"],
        "token_logprobs": [0.0] * 3,
        "top_logprobs": [{"You": 0.0}, {" said:": 0.0}, {" tea": 0.0}],
        "text_offset": [0, 3, 9],
    }
    (choice,) = office.ask("/v1/completions", prompt="tea", logprobs=0)["choices"]
    assert choice["logprobs"]["tokens"] == ["You", " said:", " tea"]


def test_a_stream_tells_the_same(office: Office) -> None:
    first, *pieces, last = office.stream(logprobs=True, top_logprobs=1)
    told = [chunk["choices"][0]["logprobs"]["content"] for chunk in pieces]
    assert [[entry["token"] for entry in entries] for entries in told] == [["You"], [" said:"], [" Hello"], [" there"]]
    assert first["choices"][0]["logprobs"] is last["choices"][0]["logprobs"] is None
    *pieces, last = office.stream("/v1/completions", prompt="tea", logprobs=1)
    assert [chunk["choices"][0]["logprobs"]["text_offset"] for chunk in pieces] == [[0], [3], [9]]


def test_probabilities_are_logarithms_and_the_thinking_is_apart() -> None:
    told = answer(ChatShape())
    told.choices[0].hear(ReasoningDelta("hm", 1, CHOICES[:1]))
    told.choices[0].hear(TextDelta("tea", 2, CHOICES))
    told.choices[0].hear(DONE)
    said = told.whole()["choices"][0]["logprobs"]
    assert [entry["token"] for entry in said["reasoning_content"]] == [" jam"]
    jam, half = said["content"]
    assert (jam["logprob"], jam["after"]) == (pytest.approx(math.log(0.25)), 0.2)
    assert [(each["token"], each["after"]) for each in jam["top_logprobs"]] == [(" tea", 0.8), (" jam", 0.2)]
    assert half["logprob"] == -9999 and half["after"] is None
    assert (half["token"], half["bytes"]) == ("\N{REPLACEMENT CHARACTER}", list(SNOW[:2]))


def test_what_is_held_back_is_told_when_it_is_drawn() -> None:
    """Tokens come in order and once, whatever the text does."""
    told = answer(TextShape(), 1)
    held, more = told.chunk(0, TextDelta("", 1, CHOICES[:1])), told.chunk(0, TextDelta("tea", 1, CHOICES[1:]))
    assert held is not None and held["choices"][0]["text"] == ""
    assert held["choices"][0]["logprobs"]["tokens"] == [" jam"]
    assert held["choices"][0]["logprobs"]["top_logprobs"] == [{" jam": math.log(0.25), " tea": math.log(0.5)}]
    assert more is not None and more["choices"][0]["logprobs"]["text_offset"] == [4]
    assert told.chunk(0, TextDelta("", 1)) is None
    unasked = answer(TextShape(), None)
    assert unasked.chunk(0, TextDelta("", 1, CHOICES)) is None


@pytest.mark.parametrize(
    ("path", "more", "param"),
    [
        ("/v1/chat/completions", {"logprobs": 2}, "logprobs"),
        ("/v1/chat/completions", {"logprobs": "yes"}, "logprobs"),
        ("/v1/chat/completions", {"top_logprobs": 2}, "top_logprobs"),
        ("/v1/chat/completions", {"logprobs": True, "top_logprobs": 21}, "top_logprobs"),
        ("/v1/chat/completions", {"logprobs": True, "top_logprobs": True}, "top_logprobs"),
        ("/v1/completions", {"prompt": "x", "logprobs": True}, "logprobs"),
        ("/v1/completions", {"prompt": "x", "logprobs": -1}, "logprobs"),
        ("/v1/completions", {"prompt": "x", "logprobs": 21}, "logprobs"),
        ("/v1/completions", {"prompt": "x", "top_logprobs": 2}, "top_logprobs"),
    ],
)
def test_what_makes_no_sense_is_refused(office: Office, path: str, more: dict[str, Any], param: str) -> None:
    status, error = office.refused(path, **more)
    assert (status, error["code"], error["param"]) == (400, "invalid_body", param)
    assert not office.house.backend.requests


def test_the_prompt_is_not_told(office: Office) -> None:
    status, error = office.refused("/v1/completions", prompt="x", echo=True, logprobs=1)
    assert (status, error["code"], error["param"]) == (400, "unsupported_field", "logprobs")


@pytest.mark.parametrize(("most", "code"), [(0, "unsupported_field"), (5, "invalid_body")])
def test_what_an_engine_does_not_tell_is_refused(
    build: Build, monkeypatch: pytest.MonkeyPatch, most: int, code: str
) -> None:
    office = build(Script())
    able: Capabilities = replace(office.house.backend.capabilities, alternatives=most)
    monkeypatch.setattr(ScriptedBackend, "capabilities", able)
    assert office.refused(logprobs=True, top_logprobs=6)[1]["code"] == code
    assert not office.house.backend.requests
