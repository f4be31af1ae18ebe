"""The parts that know nothing of the network: frames, chunks, spellings, replies, estimates, errors."""

from __future__ import annotations

import dataclasses
import json
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from typing import Any

import pytest

from backends.errors import UnsupportedFeature
from backends.remote import spelling, wires
from backends.remote.engines import LLAMA_SERVER_ENGINE, OTHER_ENGINE, VLLM_ENGINE
from backends.remote.estimate import Estimate
from backends.remote.failures import Refused, refused
from backends.remote.frames import BrokenFrame, Frames
from backends.remote.making import name_of
from backends.remote.prompts import Ready
from backends.remote.reply import Reply
from backends.remote.spelling import spelled
from backends.remote.tokenizers import spelled as bytes_of
from backends.remote.wires import Chunk, read_llama_server, read_ollama, read_openai
from backends.sampling import BEAM_KNOBS, NEUTRAL, SamplingParams, knobs
from backends.values import Encoded, Event, Progress, ReasoningDelta, TextDelta

STREAM = (
    b'\xef\xbb\xbf: hello\n\ndata: {"a": 1}\r\n\r\nevent: x\ndata:{"b": "\xc3\xa9\xf0\x9f\xab\x96"}\n\n'
    b'id: 5\ndata: {"c":\ndata:  2}\n\nretry: 1\n\ndata: [DONE]\n\ndata: {"d": 3}\n\n'
)


def test_frames_do_not_depend_on_how_the_bytes_are_cut() -> None:
    for size in (1, 2, 3, 7, 1000):
        frames = Frames("events")
        found = [each for at in range(0, len(STREAM), size) for each in frames.push(STREAM[at : at + size])]
        assert found + frames.end() == [{"a": 1}, {"b": "é🫖"}, {"c": 2}]
        assert frames.ended


def test_lines_and_wholes() -> None:
    lines = Frames("lines")
    assert lines.push(b'{"a": 1}\n\n{"b"') == [{"a": 1}]
    assert lines.push(b": 2}") == [] and lines.end() == [{"b": 2}]
    whole = Frames("whole")
    assert whole.push(b'{"a":\n') == [] and whole.push(b"1}") == [] and whole.end() == [{"a": 1}]
    assert Frames("whole").end() == Frames("events").end() == Frames("lines").end() == []


@pytest.mark.parametrize(
    ("kind", "data"),
    [("events", b"data: {\n\n"), ("events", b"data: [1]\n\n"), ("events", b"data: {"), ("lines", b"<html>\n"),
     ("lines", b'{"a": 1'), ("whole", b"<html>"), ("events", b"x" * (17 << 20)), ("lines", b"\xff\xfe\n")],
)  # fmt: skip
def test_broken_frames(kind: Any, data: bytes) -> None:
    frames = Frames(kind)
    with pytest.raises(BrokenFrame):
        frames.push(data)
        frames.end()


@pytest.mark.parametrize("read", [read_openai, read_llama_server, read_ollama])
@pytest.mark.parametrize("value", [None, True, -1, 1.5, "text", [], [1], {}, {"a": 1}, [[]], [{}], [{"delta": 5}]])
def test_chunks_of_the_wrong_shape_say_nothing(read: Any, value: Any) -> None:
    """Whatever an engine puts anywhere, nothing breaks and nothing is made up."""
    names = (
        "choices", "usage", "content", "tokens_predicted", "tokens_evaluated", "stop", "stop_type", "prompt_progress",
        "timings", "message", "response", "thinking", "prompt_eval_count", "eval_count",
    )  # fmt: skip
    chunk = read(dict.fromkeys(names, value))
    assert chunk.text in ("", "text") and chunk.reasoning in ("", "text")
    for count in (chunk.prompt, chunk.cached, chunk.read, chunk.written):
        assert count is None or (type(count) is int and count >= 0)


def test_wires_say_how_many_tokens() -> None:
    assert wires.CHAT.body({"model": "m"}, {"top_p": 1}, 0) == {
        "model": "m", "top_p": 1, "stream": True, "stream_options": {"include_usage": True}}  # fmt: skip
    body = wires.OLLAMA_TEXT.body({"prompt": "p", "options": {"num_ctx": 5}}, {"top_p": 1}, 3)
    assert body["options"] == {"num_ctx": 5, "top_p": 1, "num_predict": 3}
    assert body["raw"] is True and body["stream"] is True and "top_p" not in body


@pytest.mark.parametrize("name", ["OPENAI", "VLLM", "SGLANG", "LLAMA_SERVER", "OLLAMA", "LM_STUDIO", "SAMOVAR"])
def test_every_knob_that_is_said_to_be_there_is_sent(name: str) -> None:
    """What differs from neutral changes the request, each knob by itself; every value can be written as JSON."""
    table = getattr(spelling, name)
    others: dict[str, Any] = {"float": 0.5, "int": 3, "choice": 2, "texts": ("zzz",), "ints": (5,), "bias": ((5, 1.0),),
                              "order": ("top_k",)}  # fmt: skip
    neutral = spelled(table, NEUTRAL, 100)
    for knob in table:
        value = 1.5 if knob == "dry_base" else others[knobs()[knob].kind]
        changed = dataclasses.replace(NEUTRAL, **{knob: value})
        assert spelled(table, changed, 100) != neutral, knob
        assert json.loads(json.dumps(spelled(table, changed, 100)))
    assert set(table) <= set(knobs()) - {"max_tokens", "stop"}


def test_neutral_values_mean_neutral_there() -> None:
    assert spelled(spelling.VLLM, NEUTRAL, 100)["top_k"] == -1
    assert spelled(spelling.VLLM, SamplingParams(top_k=7), 100)["top_k"] == 7
    there = spelled(spelling.LLAMA_SERVER, NEUTRAL, 100)
    assert (there["top_k"], there["top_n_sigma"], there["typical_p"]) == (0, -1, 1.0)
    assert (there["repeat_last_n"], there["dry_penalty_last_n"]) == (64, 100)
    long = spelled(spelling.LLAMA_SERVER, SamplingParams(repeat_last_n=-1, dry_last_n=5000), 100)
    assert (long["repeat_last_n"], long["dry_penalty_last_n"]) == (100, 100)
    assert "" not in spelled(spelling.LLAMA_SERVER, SamplingParams(dry_breakers=()), 100)["dry_sequence_breakers"]
    assert spelled(spelling.SAMOVAR, NEUTRAL, 100) == {}


def test_a_bias_and_a_ban_of_the_same_token() -> None:
    params = SamplingParams(logit_bias=((5, 2.0), (6, 1.0)), banned_tokens=(5,))
    assert spelled(spelling.OPENAI, params, 9)["logit_bias"] == {"5": -100, "6": 1.0}
    assert spelled(spelling.LLAMA_SERVER, params, 9)["logit_bias"] == [[5, 2.0], [6, 1.0], [5, False]]


def test_kinds_have_what_they_spell() -> None:
    assert VLLM_ENGINE.knobs > OTHER_ENGINE.knobs > {"max_tokens", "stop"}
    assert set(knobs()) - LLAMA_SERVER_ENGINE.knobs == {"min_tokens", "no_repeat_ngram_size", *BEAM_KNOBS}


def reply(*chunks: Chunk, stop: tuple[str, ...] = (), **ready: Any) -> tuple[list[Event], Reply]:
    told: list[Event] = []
    made = Reply(Ready("text", {}, Encoded((1,) * 9), **ready), stop, 5, told.append)
    made.send()
    for chunk in chunks:
        if made.take(chunk):
            break
    told.append(made.finish("stop"))
    return told, made


def test_counts_add_up_however_they_are_told() -> None:
    for chunks in (
        (Chunk("a"), Chunk("b"), Chunk(written=2)),
        (Chunk("a"), Chunk("b"), Chunk(written=7)),
        (Chunk("a", written=1), Chunk("", written=3), Chunk("b", written=4)),
        (Chunk("a", written=5), Chunk("b", written=2)),
        (Chunk(reasoning="a"), Chunk("b")),
        (),
    ):
        told, _ = reply(*chunks)
        tokens = sum(each.tokens for each in told if isinstance(each, TextDelta | ReasoningDelta))
        assert tokens == told[-1].usage.completion_tokens  # type: ignore[union-attr]


def test_progress_only_grows() -> None:
    told, made = reply(Chunk(read=3), Chunk(read=2), Chunk(read=99), Chunk("a"))
    assert [each.done for each in told if isinstance(each, Progress)] == [0, 3, 9]
    assert made.begun and not reply(Chunk(read=3), Chunk(prompt=9))[1].begun


def test_a_prompt_that_is_not_begun_may_be_sent_again() -> None:
    told: list[Event] = []
    made = Reply(Ready("text", {}, Encoded((1,) * 9)), (), 5, told.append)
    made.send()
    made.take(Chunk(read=4))
    made.send()
    made.take(Chunk(read=2))
    assert [each.done for each in told if isinstance(each, Progress)] == [0, 4]


def test_what_is_written_before_the_reply_is_dropped() -> None:
    told, _ = reply(Chunk(" "), Chunk("a"), lead=" ")
    assert "".join(each.text for each in told if isinstance(each, TextDelta)) == "a"


def test_an_estimate_is_rather_too_high() -> None:
    estimate = Estimate()
    assert estimate.count("") == 0
    assert estimate.count("Привет") == 4
    for _ in range(9):
        estimate.learn(4000, 1000)
    assert estimate.ratio in (3.75, 4.0)
    estimate.learn(100, 1)
    assert estimate.ratio in (3.75, 4.0), "a short text tells nothing"
    for _ in range(20):
        estimate.learn(10**6, 1)
    assert estimate.ratio <= 8
    for _ in range(20):
        estimate.learn(1000, 10**6)
    assert estimate.ratio >= 1


def test_tokens_as_vocabularies_write_them() -> None:
    assert bytes_of(["ĠÐŁ", "Ċ", "<|im_end|>", "ð", "Ł", "«", "«"]) == (
        " П".encode(), b"\n", b"<|im_end|>", b"\xf0", b"\x9f", b"\xab", b"\xab",
    )  # fmt: skip
    assert bytes_of(["▁the", "<0x0A>", "ё", None]) == (b" the", b"\n", "ё".encode(), b"")
    assert bytes_of(["茶", "\n\n"]) == ("茶".encode(), b"\n\n")


@pytest.mark.parametrize(
    ("model", "name"),
    [
        ("org/Name-7B", "org/Name-7B"),
        ("/models/Name.Q4.gguf", "Name.Q4"),
        ("models/Name.GGUF", "Name.GGUF"),
        ("C:\\m\\Name.gguf", "Name"),
        ("/srv/models/name/", "name"),
        ("llama3:8b", "llama3:8b"),
    ],
)
def test_names(model: str, name: str) -> None:
    assert name_of(model) == name


def test_retry_after() -> None:
    def wait(header: str) -> float | None:
        return refused(429, {"retry-after": header}, b"").wait

    assert (wait("3"), wait("0.5"), wait("-1"), wait(""), wait("soon")) == (3, 0.5, 0, None, None)
    later = format_datetime(datetime.now(UTC) + timedelta(seconds=100))
    assert 90 < (wait(later) or 0) <= 100
    assert wait("Wed, 21 Oct 2015 07:28:00 GMT") == 0


def test_what_passes() -> None:
    assert Refused(429).busy and Refused(503).busy and not Refused(502).busy
    assert Refused(502).passing and not Refused(500).passing and not Refused(400).passing
    assert UnsupportedFeature(name="continue", engine="x").code == "unsupported_feature"
