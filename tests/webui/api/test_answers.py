"""What is asked for, and the shape of what is answered."""

from collections.abc import Callable
from typing import Any

import pytest

from backends.errors import EngineFailed
from backends.sampling import SamplingParams
from backends.scripted import Script, ScriptedBackend
from backends.values import (
    ChatPrompt,
    Done,
    Message,
    ReasoningDelta,
    Request,
    Searching,
    TextDelta,
    TextPrompt,
    Timings,
    Usage,
)
from tests.webui.api.office import HELLO, Office
from webui.api.answers import Answer, ChatShape

Build = Callable[..., Office]
KNOBS: dict[str, Any] = {
    "temperature": 0.5, "top_p": 0.9, "top_k": 40, "max_tokens": 7, "min_p": 0.05, "typical_p": 0.9, "top_n_sigma": 1,
    "xtc_probability": 0.5, "xtc_threshold": 0.2, "repeat_penalty": 1.1, "frequency_penalty": -1,
    "presence_penalty": 1.5, "repeat_last_n": 32, "dry_multiplier": 0.8, "dry_base": 2, "dry_allowed_length": 3,
    "dry_last_n": 100, "dry_breakers": ["\n"], "dynatemp_range": 0.2, "dynatemp_exponent": 2, "mirostat": 2,
    "mirostat_tau": 4, "mirostat_eta": 0.2, "seed": 11, "min_tokens": 2, "stop": ["END"], "logit_bias": {"5": -100},
    "banned_tokens": [3], "sampler_order": ["top_k", "temperature"],
}  # fmt: skip


def prompt(office: Office) -> ChatPrompt:
    asked = office.house.backend.requests[-1].prompt
    assert isinstance(asked, ChatPrompt)
    return asked


def test_a_chat_is_answered(office: Office) -> None:
    said = office.chat(model="scripted", seed=3)
    assert said.pop("id").startswith("chatcmpl-") and said.pop("created") > 1_700_000_000
    assert set(said.pop("timings")) == {"queued", "prefill", "decode", "first_token"}
    assert said == {
        "object": "chat.completion",
        "model": "scripted",
        "system_fingerprint": "scripted-scripted",
        "choices": [{
            "index": 0,
            "message": {"role": "assistant", "content": "You said: Hello there", "refusal": None},
            "logprobs": None,
            "finish_reason": "stop",
            "seed": 3,
        }],
        "usage": {
            "prompt_tokens": 5,
            "completion_tokens": 4,
            "total_tokens": 9,
            "prompt_tokens_details": {"cached_tokens": 0},
            "completion_tokens_details": {"reasoning_tokens": 0},
        },
    }  # fmt: skip


def test_the_loaded_model_answers_under_any_name_and_says_its_own(office: Office) -> None:
    assert office.chat(model="gpt-4o")["model"] == "scripted"


def test_every_knob_has_its_own_name(office: Office) -> None:
    office.chat(**KNOBS)
    assert office.house.backend.requests[-1].sampling == SamplingParams.from_mapping(KNOBS)
    assert set(office.house.backend.requests[-1].sampling.difference()) == set(KNOBS)


def test_null_is_the_same_as_nothing(office: Office) -> None:
    office.chat(**dict.fromkeys(KNOBS), n=None, stream=None, tools=None, user=None, unheard_of=None)
    assert office.house.backend.requests[-1].sampling == SamplingParams()


def test_the_newer_name_of_the_limit(office: Office) -> None:
    said = office.chat(max_completion_tokens=2)
    assert said["choices"][0]["message"]["content"] == "You said:"
    assert said["choices"][0]["finish_reason"] == "length"
    assert said["usage"]["completion_tokens"] == 2


def test_stop_may_be_one_text(office: Office) -> None:
    said = office.chat(stop="there")["choices"][0]
    assert said["message"]["content"] == "You said: Hello " and said["finish_reason"] == "stop"


def test_roles_and_parts_become_messages(office: Office) -> None:
    office.chat(messages=[
        {"role": "developer", "content": "Be brief."},
        {"role": "user", "content": [{"type": "text", "text": "one"}, {"type": "text", "text": "two"}]},
        {"role": "assistant", "content": "three", "refusal": None, "tool_calls": [], "reasoning_content": "hm"},
        {"role": "user", "content": "four"},
    ])  # fmt: skip
    assert prompt(office).messages == (
        Message("system", "Be brief."), Message("user", "one\ntwo"), Message("assistant", "three"),
        Message("user", "four"),
    )  # fmt: skip
    assert prompt(office).prefix == ""


def test_a_last_message_of_the_assistants_is_gone_on_with(office: Office) -> None:
    office.chat(messages=[*HELLO, {"role": "assistant", "content": "Well, "}])
    assert prompt(office) == ChatPrompt((Message("user", "Hello there"),), "assistant", "Well, ")


def test_several_answers_to_one_question(build: Build) -> None:
    office = build(Script(replies=[lambda request: f"seed {request.sampling.seed}"]))
    said = office.chat(n=3, seed=2**32 - 3)
    assert [choice["index"] for choice in said["choices"]] == [0, 1, 2]
    assert [choice["message"]["content"] for choice in said["choices"]] == [
        f"seed {2**32 - 3}", f"seed {2**32 - 2}", "seed 0",
    ]  # fmt: skip
    assert said["usage"]["prompt_tokens"] == 5 and said["usage"]["completion_tokens"] == 6


def test_a_text_is_completed(office: Office) -> None:
    said = office.ask("/v1/completions", prompt="Once upon a time", max_tokens=3)
    assert said["id"].startswith("cmpl-") and said["object"] == "text_completion"
    (choice,) = said["choices"]
    assert choice["text"] == "You said: Once" and choice["finish_reason"] == "length"
    assert office.house.backend.requests[-1].prompt == TextPrompt("Once upon a time")


def test_texts_are_completed_side_by_side(build: Build) -> None:
    def reply(request: Request) -> str:
        assert isinstance(request.prompt, TextPrompt)
        return f"{request.prompt.text}!"

    office = build(Script(replies=[reply]))
    said = office.ask("/v1/completions", prompt=["one", "two words"], n=2, echo=True)
    assert [choice["text"] for choice in said["choices"]] == ["oneone!", "oneone!"] + ["two wordstwo words!"] * 2
    assert said["usage"]["prompt_tokens"] == 3


@pytest.mark.parametrize(
    "more",
    [{"best_of": 1}, {"best_of": 2, "n": 2}, {"suffix": ""}, {"user": "me"}],
)
def test_what_changes_nothing_is_taken(office: Office, more: dict[str, Any]) -> None:
    assert office.ask("/v1/completions", prompt="x", **more)["choices"]


@pytest.mark.parametrize(
    "more",
    [
        {"user": "x", "store": True, "metadata": {"a": "b"}, "service_tier": "auto", "parallel_tool_calls": False},
        {"tools": [], "tool_choice": "auto", "functions": [], "function_call": "none"},
        {"response_format": {"type": "text"}, "modalities": ["text"], "logprobs": False, "top_logprobs": 0},
        {"stream_options": {"include_usage": True}},
    ],
)
def test_what_says_nothing_about_the_answer_is_ignored(office: Office, more: dict[str, Any]) -> None:
    assert office.chat(**more)["choices"][0]["message"]["content"] == "You said: Hello there"


def test_the_kind_of_content_need_not_be_said(office: Office) -> None:
    answer = office.client.post("/v1/completions", content=b'{"prompt": "x"}', headers={"content-type": "text/plain"})
    assert answer.json()["choices"][0]["text"] == "You said: x"


def test_a_stream_is_the_answer_in_pieces(office: Office) -> None:
    first, *pieces, last = office.stream(seed=5)
    assert {chunk["id"] for chunk in (first, *pieces, last)} == {first["id"]}
    assert {chunk["object"] for chunk in pieces} == {"chat.completion.chunk"}
    assert first["choices"][0]["delta"] == {"role": "assistant", "content": ""}
    assert [chunk["choices"][0]["delta"] for chunk in pieces] == [
        {"content": "You"}, {"content": " said:"}, {"content": " Hello"}, {"content": " there"},
    ]  # fmt: skip
    assert last["choices"] == [{"index": 0, "delta": {}, "logprobs": None, "finish_reason": "stop", "seed": 5}]
    assert last["timings"]["decode"] >= 0
    assert all("usage" not in chunk for chunk in (first, *pieces, last))


def test_a_stream_ends_with_the_usage_if_that_is_asked_for(office: Office) -> None:
    *chunks, last = office.stream(stream_options={"include_usage": True})
    assert [chunk["usage"] for chunk in chunks] == [None] * 6
    assert last["choices"] == [] and last["usage"]["total_tokens"] == 9


def test_a_stream_of_several_answers(office: Office) -> None:
    texts = {0: "", 1: ""}
    chunks = office.stream(n=2)
    for chunk in chunks:
        (choice,) = chunk["choices"]
        texts[choice["index"]] += choice["delta"].get("content", "")
    assert texts == {0: "You said: Hello there", 1: "You said: Hello there"}
    assert sum(chunk["choices"][0]["finish_reason"] == "stop" for chunk in chunks) == 2


def test_a_stream_of_a_text(office: Office) -> None:
    chunks = office.stream("/v1/completions", prompt="Once\n", echo=True)
    assert [chunk["choices"][0]["text"] for chunk in chunks] == ["Once\n", "You", " said:", " Once", "\n", ""]


def test_thinking_is_kept_apart() -> None:
    info = ScriptedBackend().info
    events = (
        ReasoningDelta("Hm", 2), ReasoningDelta("", 1), TextDelta("Yes.", 2),
        Done("stop", Usage(5, 3, 5), Timings(0.5, 1.0, 2.0), 9),
    )  # fmt: skip
    streamed, whole = Answer(ChatShape(), info, [1]), Answer(ChatShape(), info, [1])
    for event in events:
        whole.choices[0].hear(event)
    chunks = [chunk for event in events if (chunk := streamed.chunk(0, event))]
    assert [chunk["choices"][0]["delta"] for chunk in chunks] == [{"reasoning_content": "Hm"}, {"content": "Yes."}, {}]
    assert chunks[-1]["timings"] == {"queued": 0.5, "prefill": 1.0, "decode": 2.0, "first_token": 1.5}
    assert whole.whole()["choices"][0]["message"] == {
        "role": "assistant", "content": "Yes.", "refusal": None, "reasoning_content": "Hm",
    }  # fmt: skip
    assert whole.whole()["usage"] == streamed.usage() == {
        "prompt_tokens": 5, "completion_tokens": 5, "total_tokens": 10, "prompt_tokens_details": {"cached_tokens": 3},
        "completion_tokens_details": {"reasoning_tokens": 3},
    }  # fmt: skip


def test_a_stream_tells_an_error_in_its_middle(build: Build) -> None:
    office = build(Script(replies=[EngineFailed(reason="the KV cache is full")]))
    *chunks, last = office.stream()
    assert "".join(chunk["choices"][0]["delta"]["content"] for chunk in chunks) == "Half a reply"
    assert last["error"]["code"] == "engine_failed" and last["error"]["type"] == "server_error"
    assert "the KV cache is full" in last["error"]["message"]
    assert office.figure("samovar_generations_total", end="failed") == 1


def test_an_answer_that_fails_is_no_answer(build: Build) -> None:
    office = build(Script(replies=[EngineFailed(reason="x")]))
    status, error = office.refused()
    assert (status, error["code"]) == (500, "engine_failed")


def test_an_error_of_the_request_comes_before_a_stream_begins(build: Build) -> None:
    office = build(Script(window=4))
    assert office.refused(stream=True) == (400, {
        "message": "The message takes 5 tokens, but the model's window holds 4.",
        "type": "invalid_request_error", "param": None, "code": "prompt_too_long",
    })  # fmt: skip


def test_a_silent_stream_is_kept_alive(build: Build) -> None:
    office = build(Script(replies=["a b"], delay=0.05), silence=0.01)
    answer = office.client.post("/v1/chat/completions", json={"messages": HELLO, "stream": True})
    assert ": waiting\n\n" in answer.text and ": reading 5/5\n\n" in answer.text


def test_what_a_search_has_so_far_is_not_sent() -> None:
    answer = Answer(ChatShape(), ScriptedBackend().info, [1])
    assert answer.chunk(0, Searching("Perhaps", "", 1)) is None
    assert answer.choices[0].text == []
