"""Replies over HTTP: streamed, cut, refused, waited for, cancelled. Before an engine that only follows OpenAI."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from backends.base import Backend
from backends.errors import (
    EngineClosed,
    EngineFailed,
    InvalidRequest,
    PromptTooLong,
    SamovarError,
    UnsupportedFeature,
    UnsupportedParameter,
)
from backends.registry import BackendOptions
from backends.remote.backend import RemoteBackend
from backends.remote.client import Limits
from backends.remote.opening import open_reference
from backends.sampling import SamplingParams
from backends.values import (
    ChatPrompt,
    Done,
    Event,
    Message,
    Progress,
    Prompt,
    Queued,
    ReasoningDelta,
    Request,
    TextDelta,
    TextPrompt,
)
from tests.backends.remote.fake import (
    CUT,
    DONE,
    Answer,
    FakeEngine,
    as_json,
    delta,
    event,
    events,
    fake,
    models,
    said,
    usage,
)

CHAT, TEXT = "POST /v1/chat/completions", "POST /v1/completions"
ASK = ChatPrompt((Message("system", "Be brief."), Message("user", "Привет!")))
QUICK = Limits(connect=2, answer=5, first=5, between=5, pause=0.01, longest_pause=0.2)


@pytest.fixture
def engine() -> Iterator[FakeEngine]:
    with fake({CHAT: said("Hel", "lo")}) as running:
        yield running


Open = Callable[..., RemoteBackend]


@pytest.fixture
def opened() -> Iterator[Open]:
    made: list[RemoteBackend] = []

    def open_(reference: str, limits: Limits = QUICK, **options: Any) -> RemoteBackend:
        made.append(open_reference(reference, BackendOptions(**options), limits))
        return made[-1]

    yield open_
    for backend in made:
        backend.close()


@pytest.fixture
def backend(engine: FakeEngine, opened: Open) -> RemoteBackend:
    return opened(engine.url)


def run(backend: Backend, prompt: Prompt = ASK, **sampling: Any) -> list[Event]:
    return list(backend.start(Request(prompt, SamplingParams(**sampling))))


def text_of(events: list[Event]) -> str:
    return "".join(each.text for each in events if isinstance(each, TextDelta))


def done_of(events: list[Event]) -> Done:
    assert isinstance(events[-1], Done)
    return events[-1]


def test_a_reply(engine: FakeEngine, backend: RemoteBackend) -> None:
    events = run(backend)
    assert [type(each) for each in events] == [Progress, Progress, TextDelta, TextDelta, Done]
    assert text_of(events) == "Hello"
    done = done_of(events)
    assert (done.reason, done.usage.prompt_tokens, done.usage.completion_tokens) == ("stop", 7, 2)
    (body,) = engine.bodies()
    assert body == {
        "model": "small-model",
        "messages": [{"role": "system", "content": "Be brief."}, {"role": "user", "content": "Привет!"}],
        "temperature": 1.0, "top_p": 1.0, "stream": True, "stream_options": {"include_usage": True},
    }  # fmt: skip


def test_only_what_was_set_is_sent_to_an_engine_that_is_not_known(engine: FakeEngine, backend: RemoteBackend) -> None:
    run(backend, temperature=0, max_tokens=9, seed=5, presence_penalty=0.5, logit_bias=[[3, 1.5]], banned_tokens=[4])
    (body,) = engine.bodies()
    assert body["temperature"] == 0 and body["max_tokens"] == 9 and body["seed"] == 5
    assert body["presence_penalty"] == 0.5 and "frequency_penalty" not in body
    assert body["logit_bias"] == {"3": 1.5, "4": -100}


def test_what_it_has_not_is_refused_before_it_is_asked(engine: FakeEngine, backend: RemoteBackend) -> None:
    assert not backend.capabilities.exact_counts
    assert not backend.capabilities.continuation and not backend.capabilities.impersonation
    for name, value in (("top_k", 40), ("dry_multiplier", 0.8), ("min_tokens", 3)):
        assert backend.capabilities.reasons[name] == "unsupported_parameter"
        with pytest.raises(UnsupportedParameter, match=name):
            run(backend, **{name: value})
    for prompt in (ChatPrompt(ASK.messages, prefix="So"), ChatPrompt(ASK.messages, "user")):
        with pytest.raises(UnsupportedFeature) as caught:
            run(backend, prompt)
        assert backend.capabilities.reasons[str(caught.value.details["name"])] == "unsupported_feature"
    with pytest.raises(UnsupportedFeature):
        backend.detokenize((1, 2))
    assert not engine.bodies()


def test_stop_strings_are_ours(engine: FakeEngine, backend: RemoteBackend) -> None:
    held = threading.Event()
    engine.routes[CHAT] = events(delta("One, two"), delta(", thr"), delta("ee"), held)
    events_ = run(backend, stop=[", three"])
    assert text_of(events_) == "One, two"
    assert done_of(events_).reason == "stop"
    assert done_of(events_).usage.completion_tokens == 3
    assert engine.gone.wait(5), "the rest is not waited for"


def test_length(engine: FakeEngine, backend: RemoteBackend) -> None:
    engine.routes[CHAT] = events(delta("a"), delta(finish="length"), usage(3, 9, cached=2), DONE)
    done = done_of(told := run(backend))
    assert done.reason == "length"
    assert (done.usage.prompt_tokens, done.usage.cached_tokens, done.usage.completion_tokens) == (3, 2, 9)
    assert sum(each.tokens for each in told if isinstance(each, TextDelta)) == 9


@pytest.mark.parametrize("field", ["reasoning_content", "reasoning"])
def test_thinking_that_the_engine_tells_apart(engine: FakeEngine, backend: RemoteBackend, field: str) -> None:
    thinking = [delta(**{field: piece}) for piece in ("Hm", "m")]
    engine.routes[CHAT] = events(*thinking, delta("<think>"), delta(" is a tag"), delta(finish="stop"), DONE)
    told = run(backend)
    assert "".join(each.text for each in told if isinstance(each, ReasoningDelta)) == "Hmm"
    assert text_of(told) == "<think> is a tag"


def test_thinking_between_tags(engine: FakeEngine, backend: RemoteBackend) -> None:
    engine.routes[CHAT] = said("<thi", "nk>\nHm", "m\n</think>\n\n", "Yes")
    told = run(backend)
    assert "".join(each.text for each in told if isinstance(each, ReasoningDelta)).strip() == "Hmm"
    assert text_of(told) == "Yes"


def test_odd_chunks(engine: FakeEngine, backend: RemoteBackend) -> None:
    """Comments, line ends of all kinds, objects in pieces, halves of characters, nulls where texts should be."""
    whole = event(delta("ü😀"))
    engine.routes[CHAT] = Answer(
        [b": ping\r\n\r\n", b"event: message\r\n", event(delta("a")).replace(b"\n", b"\r\n"), whole[:17], whole[17:],
         b"data: " + b'{"choices": [{"delta": {"content": "\\ud83d"}}]}' + b"\n",  # and no empty line
         event(delta(None)), event({"choices": []}), event({"choices": [{"delta": {"content": ["x"]}}]}),
         b'data: {"choices":\ndata: [{"text": "b"}]}\n\n',
         event(delta("", finish="stop")), b"data:[DONE]\n\n", event(delta("after the end"))],
        headers={"content-type": "text/event-stream"},
    )  # fmt: skip
    assert text_of(run(backend)) == "aü😀\ufffdb"


def test_an_engine_that_does_not_stream(engine: FakeEngine, backend: RemoteBackend) -> None:
    message = {"role": "assistant", "content": "All at once"}
    engine.routes[CHAT] = as_json({"choices": [{"message": message, "finish_reason": "stop"}], **usage(3, 4)} | {
        "choices": [{"message": message, "finish_reason": "stop"}]})  # fmt: skip
    told = run(backend)
    assert text_of(told) == "All at once"
    assert done_of(told).usage.completion_tokens == 4


@pytest.mark.parametrize(
    ("parts", "reason"),
    [
        ([delta("Half a"), CUT], "broke off in the middle of the reply"),
        ([delta("Half a")], "broke off in the middle of the reply"),
        ([delta("Half a"), DONE], "broke off in the middle of the reply"),
        ([delta("Half a"), delta(finish="abort")], "broke off in the middle of the reply"),
        ([delta("Half a"), b"data: {broken\n\n"], "sent what cannot be read"),
        ([delta("Half a"), b'data: "text"\n\n'], "sent what cannot be read"),
        ([delta("Half a"), b"data: " + b"[" * 100_000 + b"\n\n"], "sent what cannot be read"),
        ([delta("Half a"), *[b"x" * (1 << 20)] * 18], "sent what cannot be read"),
        ([delta("Half a"), {"error": {"message": "CUDA out of memory", "code": 500}}], "CUDA out of memory"),
        ([delta("Half a"), b'error: {"code": 500, "message": "slot gone"}\n\n'], "slot gone"),
        ([delta("Half a"), b'event: error\ndata: {"message": "no"}\n\n'], "error 500: no"),
        ([delta("Half a"), {"error": "plain words"}], "plain words"),
    ],
)
def test_broken_off(engine: FakeEngine, backend: RemoteBackend, parts: list[Any], reason: str) -> None:
    engine.routes[CHAT] = events(*parts)
    told: list[Event] = []
    with pytest.raises(EngineFailed, match=reason):
        told.extend(each for each in backend.start(Request(ASK)))
    assert text_of(told) == "Half a"
    assert len(engine.bodies()) == 1, "what has begun is not begun again"


def test_a_cut_after_the_end_costs_nothing(engine: FakeEngine, backend: RemoteBackend) -> None:
    engine.routes[CHAT] = events(delta("Whole"), delta(finish="stop"), CUT)
    assert text_of(run(backend)) == "Whole"


@pytest.mark.parametrize("status", [429, 503, 502])
def test_a_busy_engine_is_asked_again(engine: FakeEngine, backend: RemoteBackend, status: int) -> None:
    busy = as_json({"error": {"message": "busy"}}, status)
    engine.routes[CHAT] = [busy, busy, said("At last")]
    told = run(backend)
    assert text_of(told) == "At last"
    assert sum(isinstance(each, Queued) for each in told) == 2
    assert done_of(told).timings.queued > 0.01
    assert [each.done for each in told if isinstance(each, Progress)] == [0, len(backend.encode(ASK).tokens)]


def test_retry_after_is_obeyed(engine: FakeEngine, backend: RemoteBackend) -> None:
    engine.routes[CHAT] = [as_json({}, 429, retry_after="0.15"), said("Then")]
    began = time.monotonic()
    assert text_of(run(backend)) == "Then"
    assert time.monotonic() - began >= 0.15


def test_but_not_for_ever(engine: FakeEngine, backend: RemoteBackend) -> None:
    engine.routes[CHAT] = as_json({}, 429, retry_after="3600")
    with pytest.raises(EngineFailed, match="too much to do"):
        run(backend)
    engine.routes[CHAT] = as_json({}, 503)
    engine.asked.clear()
    with pytest.raises(EngineFailed, match="too much to do"):
        run(backend)
    assert len(engine.bodies()) == QUICK.attempts


def test_a_connection_lost_before_the_first_token(engine: FakeEngine, backend: RemoteBackend) -> None:
    engine.routes[CHAT] = [events(CUT), events({"choices": []}, CUT), said("Third time")]
    assert text_of(run(backend)) == "Third time"


def test_an_engine_that_is_gone(engine: FakeEngine, backend: RemoteBackend) -> None:
    engine.close()
    with pytest.raises(EngineFailed, match=f"nothing answers at {engine.url}"):
        run(backend)
    with fake({CHAT: said("Back")}, port=engine.port):
        assert text_of(run(backend)) == "Back"


@pytest.mark.parametrize(
    ("answer", "error", "said_"),
    [
        (as_json({"error": {"message": "Incorrect key"}}, 401), EngineFailed, "it wants a key, or another one"),
        (as_json({"detail": "model gone"}, 404), EngineFailed, "error 404: model gone"),
        (Answer([b"<html>Oops " + b"x" * 99999], 500, {"content-type": "text/html"}), EngineFailed, "error 500$"),
        (Answer([b"Internal\x00 Server\nError"], 500), EngineFailed, "error 500: Internal Server Error"),
        (Answer([b"\xff\xfe" * 9], 500), EngineFailed, "error 500"),
        (as_json({"message": "top_p must be sane"}, 400), InvalidRequest, "top_p must be sane"),
        (as_json({"detail": [{"loc": ["body"], "msg": "bad"}]}, 422), InvalidRequest, "bad"),
        (as_json({"error": {"message": "m" * 5000}}, 400), InvalidRequest, "m…$"),
        (Answer(status=307, headers={"location": "http://elsewhere.invalid/"}), EngineFailed, "error 307"),
    ],
)
def test_refusals(
    engine: FakeEngine, backend: RemoteBackend, answer: Answer, error: type[SamovarError], said_: str
) -> None:
    engine.routes[CHAT] = answer
    with pytest.raises(error, match=said_) as caught:
        run(backend)
    assert len(str(caught.value)) < 600
    assert len(engine.bodies()) == 1


@pytest.mark.parametrize(
    ("told", "numbers"),
    [
        ({"error": {"message": "This model's maximum context length is 2048 tokens. However, you requested 9100 tokens "
                               "in the messages."}}, (9100, 8192)),
        ({"error": {"message": "request (9001 tokens) exceeds the available context size", "n_prompt_tokens": 9001,
                    "n_ctx": 4096}}, (9001, 4096)),
        ({"error": {"message": "the input length exceeds the context length"}}, ("?", 8192)),
    ],
)  # fmt: skip
def test_a_prompt_that_is_too_long_after_all(
    engine: FakeEngine, backend: RemoteBackend, told: Any, numbers: tuple[object, int]
) -> None:
    engine.routes[CHAT] = as_json(told, 400)
    with pytest.raises(PromptTooLong) as caught:
        run(backend)
    assert (caught.value.details["tokens"], caught.value.details["window"]) == numbers


def test_a_prompt_that_is_too_long_at_once(backend: RemoteBackend) -> None:
    with pytest.raises(PromptTooLong):
        run(backend, ChatPrompt((Message("user", "word " * 9000),)))


def test_time_limits(engine: FakeEngine, opened: Open) -> None:
    held = threading.Event()
    slow = opened(engine.url, Limits(first=0.05, between=0.05, pause=0.01))
    engine.routes[CHAT] = events(held)
    with pytest.raises(EngineFailed, match="says nothing for too long"):
        run(slow)
    engine.routes[CHAT] = events(delta("a"), held)
    with pytest.raises(EngineFailed, match="says nothing for too long"):
        run(slow)
    assert len(engine.bodies()) == 2, "its time is over; it is not asked again"


def test_cancelled_at_once_wherever_it_is(engine: FakeEngine, backend: RemoteBackend) -> None:
    held = threading.Event()
    for parts, text in (([held], ""), ([delta("a"), delta("b"), held], "ab")):
        engine.gone.clear()
        engine.arrived.clear()
        engine.routes[CHAT] = events(*parts)
        generation = backend.start(Request(ASK))
        told: list[Event] = []
        for each in generation:
            told.append(each)
            if text_of(told) == text and isinstance(each, Progress | TextDelta):
                assert engine.arrived.wait(5)
                generation.cancel()
                generation.cancel()
        assert done_of(told).reason == "cancelled" and text_of(told) == text
        assert engine.gone.wait(5), "the connection is closed, so that the engine stops"
    assert not held.is_set()


def test_cancelled_while_it_waits_for_a_busy_engine(engine: FakeEngine, opened: Open) -> None:
    engine.routes[CHAT] = as_json({}, 429, retry_after="20")
    patient = opened(engine.url, Limits(longest_pause=60))
    generation = patient.start(Request(ASK))
    told: list[Event] = []
    for each in generation:
        told.append(each)
        if isinstance(each, Queued):
            generation.cancel()
    assert done_of(told).reason == "cancelled"


def test_cancelled_before_anything(engine: FakeEngine, backend: RemoteBackend) -> None:
    engine.routes[CHAT] = events(threading.Event())
    generation = backend.start(Request(ASK))
    generation.cancel()
    assert done_of(list(generation)).reason == "cancelled"


def test_closing_ends_everything(engine: FakeEngine, backend: RemoteBackend) -> None:
    engine.routes[CHAT] = events(delta("a"), threading.Event())
    generations = [backend.start(Request(ASK)) for _ in range(3)]
    first = iter(generations[0])
    assert any(isinstance(each, TextDelta) for each in first)
    backend.close()
    backend.close()
    for generation in (first, *generations[1:]):
        with pytest.raises(EngineClosed):
            list(generation)
    for call in (lambda: backend.start(Request(ASK)), lambda: backend.encode(ASK), lambda: backend.detokenize((1,))):
        with pytest.raises(EngineClosed):
            call()
    assert backend.info.name == "small-model" and backend.capabilities.knobs


def test_nothing_secret_is_ever_shown(
    engine: FakeEngine, opened: Open, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    monkeypatch.setenv("SAMOVAR_API_KEY", "sk-very-secret")
    encoded = "bWU6cGE1NXdvcmQ="
    for url, secrets in (
        (engine.url, ["sk-very-secret"]),
        (
            engine.url.replace("//", "//me:pa55word@") + "/v1?key=qu3ry",
            ["sk-very-secret", "pa55word", "qu3ry", encoded],
        ),
    ):
        engine.routes[CHAT] = as_json({"error": {"message": f"Wrong: {' '.join(secrets)}"}}, 500)
        backend = opened(url)
        with pytest.raises(EngineFailed) as caught:
            run(backend)
        shown = f"{caught.value} {caught.value.details} {backend.info} {backend.capabilities} {caplog.text}"
        assert not [secret for secret in secrets if secret in shown], shown
        assert "Wrong: " in str(caught.value)
    plain, signed = engine.asked[0], engine.asked[-1]
    assert plain.headers["authorization"] == "Bearer sk-very-secret"
    assert signed.headers["authorization"] == f"Basic {encoded}"
    assert signed.query == "key=qu3ry"


def test_odd_text_is_sent(engine: FakeEngine, backend: RemoteBackend) -> None:
    odd = "half \ud83d a letter, \0 and <|im_end|>"
    run(backend, ChatPrompt((Message("user", odd),)))
    assert engine.bodies()[0]["messages"][0]["content"] == odd.replace("\ud83d", "?")


def test_plain_text(engine: FakeEngine, backend: RemoteBackend) -> None:
    engine.routes[TEXT] = events({"choices": [{"text": " time", "finish_reason": "length"}]}, DONE)
    assert text_of(run(backend, TextPrompt("Once upon a"))) == " time"
    (body,) = engine.bodies("/v1/completions")
    assert body["prompt"] == "Once upon a"
    assert body["max_tokens"] == 8192 - len(backend.encode(TextPrompt("Once upon a")).tokens)


def test_a_named_template_makes_continue_and_impersonate_possible(engine: FakeEngine, opened: Open) -> None:
    engine.routes[TEXT] = events({"choices": [{"text": "fine", "finish_reason": "stop"}]}, DONE)
    backend = opened(engine.url, template="chatml")
    assert backend.capabilities.continuation and backend.capabilities.impersonation
    assert backend.info.template == "chatml"
    assert text_of(run(backend, ChatPrompt((Message("user", "a"),), prefix="I am "))) == "fine"
    run(backend, ChatPrompt((Message("user", "a"), Message("assistant", "b")), "user"))
    sent = [body["prompt"] for body in engine.bodies("/v1/completions")]
    assert sent[0] == "<|im_start|>user\na<|im_end|>\n<|im_start|>assistant\nI am "
    assert sent[1].endswith("b<|im_end|>\n<|im_start|>user\n")


def test_estimates_learn_from_replies(engine: FakeEngine, backend: RemoteBackend) -> None:
    long = ChatPrompt((Message("user", "word " * 400),))
    before, name = len(backend.encode(long).tokens), backend.info.tokenizer
    engine.routes[CHAT] = said("ok", prompt=407)
    for _ in range(4):
        run(backend, long)
    after = len(backend.encode(long).tokens)
    assert abs(after - 407) < 40 < before - after
    assert backend.info.tokenizer != name, "counts of the one are not mixed with counts of the other"


def test_the_window(engine: FakeEngine, opened: Open) -> None:
    assert opened(engine.url).info.window == 8192
    assert opened(engine.url, ctx=3000).info.window == 3000
    engine.routes["GET /v1/models"] = models({"id": "m", "max_model_len": 4096})
    assert opened(engine.url).info.window == 4096
    assert opened(engine.url, ctx=1000).info.window == 1000
    assert opened(engine.url, ctx=100_000).info.window == 4096


def test_many_at_once(engine: FakeEngine, backend: RemoteBackend) -> None:
    gate = threading.Event()
    engine.routes[CHAT] = events(delta("a"), gate, delta(finish="stop"), DONE)
    generations = [backend.start(Request(ASK)) for _ in range(40)]
    running = [iter(each) for each in generations]
    for each in running:
        assert any(isinstance(told, TextDelta) for told in each)
    gate.set()
    assert all(done_of(list(each)).reason == "stop" for each in running)
