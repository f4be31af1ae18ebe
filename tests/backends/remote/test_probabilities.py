"""What an engine tells of the probabilities of its tokens: asked for in its own words, read in any of the shapes."""

from __future__ import annotations

import math
from typing import Any

import pytest

from backends.registry import BackendOptions
from backends.remote import engines, wires
from backends.remote.opening import open_reference
from backends.remote.probabilities import from_columns, from_entries
from backends.remote.prompts import Ready
from backends.remote.reply import Reply
from backends.remote.wires import Chunk, read_llama_server, read_ollama, read_openai
from backends.sampling import SamplingParams
from backends.values import (
    ChatPrompt,
    Choice,
    Encoded,
    Event,
    Message,
    ReasoningDelta,
    Request,
    TextDelta,
    TokenProbability,
)
from tests.backends.remote.fake import DONE, Letters, as_json, delta, events, fake, models, said

HALF, QUARTER = math.log(0.5), math.log(0.25)
TEA = {"token": " tea", "logprob": HALF, "bytes": [32, 116, 101, 97]}
JAM = {"token": " jam", "logprob": QUARTER}
SNOW = {"token": "\ufffd", "logprob": QUARTER, "bytes": [0xE2, 0x98], "id": 7, "after": 0.125}
ASK = ChatPrompt((Message("user", "hi"),))


def near(choice: Choice, *expected: tuple[int, bytes, float, float | None]) -> None:
    found = [(each.token, each.piece, each.before, each.after) for each in (choice.drawn, *choice.top)]
    assert len(found) == len(expected)
    for one, other in zip(found, expected, strict=True):
        assert one == (other[0], other[1], pytest.approx(other[2]), other[3])


def test_entries() -> None:
    first, second = from_entries([{**SNOW, "top_logprobs": [TEA, JAM]}, TEA])
    near(first, (7, b"\xe2\x98", 0.25, 0.125), (-1, b" tea", 0.5, None), (-1, b" jam", 0.25, None))
    near(second, (-1, b" tea", 0.5, None))


def test_columns() -> None:
    tops = [{" jam": QUARTER, " tea": HALF}, None]
    told = {"tokens": [" jam", " tea"], "token_logprobs": [QUARTER, HALF], "top_logprobs": tops}
    first, second = from_columns(told)
    near(first, (-1, b" jam", 0.25, None), (-1, b" tea", 0.5, None), (-1, b" jam", 0.25, None))
    near(second, (-1, b" tea", 0.5, None))
    near(from_columns({**told, "top_logprobs": None})[0], (-1, b" jam", 0.25, None))


@pytest.mark.parametrize(
    "broken",
    [None, 5, "x", {}, [None, 5, {}], [{"token": 5, "logprob": -1}], [{"token": "x"}],
     [{"token": "x", "logprob": math.nan}], {"tokens": ["x"], "token_logprobs": [None]}, {"tokens": 5}],
)  # fmt: skip
def test_what_is_not_as_it_should_be_is_left_out(broken: Any) -> None:
    assert from_entries(broken) == () == from_columns(broken)


def test_odd_numbers_stay_probabilities() -> None:
    (choice,) = from_entries([{"token": "x", "logprob": 0.1, "bytes": [999], "top_logprobs": [5, None]}])
    near(choice, (-1, b"x", 1.0, None))
    (choice,) = from_entries([{"token": "x", "logprob": -9999}])
    assert choice.drawn.before == 0


@pytest.mark.parametrize(
    ("read", "frame"),
    [
        (read_openai, {"choices": [{"delta": {"content": " tea"}, "logprobs": {"content": [TEA]}}]}),
        (read_openai, {"choices": [{"delta": {}, "logprobs": {"content": [], "reasoning_content": [TEA]}}]}),
        (read_openai, {"choices": [{"text": " tea", "logprobs": {"tokens": [" tea"], "token_logprobs": [HALF]}}]}),
        (read_llama_server, {"content": " tea", "completion_probabilities": [TEA]}),
        (read_ollama, {"message": {"content": " tea"}, "logprobs": [TEA]}),
    ],
)
def test_every_wire_is_read(read: Any, frame: dict[str, Any]) -> None:
    (choice,) = read(frame).choices
    near(choice, (-1, b" tea", 0.5, None))
    assert read({"choices": [{"delta": {"content": "x"}, "logprobs": None}]}).choices == ()


def test_every_wire_is_asked_in_its_own_words() -> None:
    asked = {"logprobs": True, "top_logprobs": 3}
    for wire in (wires.CHAT, wires.CHAT_COUNTED, wires.CHAT_OPENAI, wires.OLLAMA_CHAT, wires.OLLAMA_TEXT):
        assert wire.probabilities(3) == asked
    assert wires.TEXT.probabilities(3) == wires.TEXT_COUNTED.probabilities(3) == {"logprobs": 3}
    assert wires.LLAMA_SERVER.probabilities(3) == {"n_probs": 3}


def test_a_reply_tells_each_choice_once_and_in_order() -> None:
    told: list[Event] = []
    made = Reply(Ready("text", {}, Encoded((1,)), think=("<t>", "</t>")), ("END",), 5, told.append)
    choices = [Choice(TokenProbability(at, b"x", 0.5)) for at in range(4)]
    for text, choice in zip(("<t>hm", "</t>", "so", " EN"), choices, strict=True):
        made.take(Chunk(text, choices=(choice,)))
    made.finish("length")
    spoken = [each for each in told if isinstance(each, TextDelta | ReasoningDelta)]
    assert next(each.choices for each in spoken if isinstance(each, ReasoningDelta)) == tuple(choices[:1])
    assert [choice for each in spoken for choice in each.choices] == choices
    assert sum(each.tokens for each in spoken) == 4


def test_an_engine_is_asked_only_if_it_is_known_to_tell() -> None:
    chunk = delta(" tea")
    chunk["choices"][0]["logprobs"] = {"content": [{**TEA, "top_logprobs": [TEA, JAM]}]}
    for owner, told in (("vllm", 1), ("somebody", 0)):
        with fake({"GET /v1/models": models(owner=owner)}) as engine:
            engine.routes["POST /v1/chat/completions"] = events(chunk, delta(finish="stop"), DONE)
            backend = open_reference(engine.url, BackendOptions())
            request = Request(ASK, SamplingParams(max_tokens=4), alternatives=2)
            said = [each for each in backend.start(request) if isinstance(each, TextDelta)]
            assert sum(len(each.choices) for each in said) == 1
            body = engine.bodies()[-1]
            assert (body.get("logprobs"), body.get("top_logprobs")) == ((True, 2) if told else (None, None))
            able = backend.capabilities
            assert (able.alternatives, "alternatives" in able.reasons) == ((20, False) if told else (0, True))
            backend.close()


def test_another_samovar_says_how_many_it_tells_and_is_not_asked_in_a_search() -> None:
    """Its own model may be one of an engine that tells nothing."""
    for listed, told in (({"alternatives": 3}, 3), ({}, 0), ({"alternatives": 0}, 0)):
        letters = Letters()
        tokenize = as_json({"tokens": letters.read("hi"), "count": 2})
        routes = {"POST /v1/tokenize": tokenize, "POST /v1/detokenize": as_json({"text": "hi"})}
        card = models({"id": "m", "max_model_len": 99, **listed}, owner="samovar")
        with fake({"GET /v1/models": card, **routes}) as engine:
            engine.routes["POST /v1/chat/completions"] = said("yes")
            backend = open_reference(engine.url, BackendOptions())
            assert backend.capabilities.alternatives == told
            for beams, sent in ((1, told or None), (2, None)):
                list(backend.start(Request(ASK, SamplingParams(num_beams=beams), alternatives=5)))
                assert engine.bodies()[-1].get("top_logprobs") == sent
            backend.close()


def test_some_engines_tell_fewer() -> None:
    assert engines.OPENAI_ENGINE.alternatives == 5
    assert engines.LM_STUDIO_ENGINE.alternatives == engines.OTHER_ENGINE.alternatives == 0
