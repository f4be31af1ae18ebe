"""What is promised for llama.cpp beyond the contract of all backends."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import pytest

from backends.base import Backend
from backends.errors import InvalidParameter
from backends.registry import BackendOptions, open_backend
from backends.sampling import SamplingParams
from backends.values import ChatPrompt, Done, Event, Message, Prompt, Request, TextDelta, TextPrompt

pytestmark = pytest.mark.model

ASK = ChatPrompt((Message("user", "Tell me a story about a kettle, a cat and a long winter evening by the stove."),))


@pytest.fixture(scope="module")
def llama(starter_model: Path) -> Iterator[Backend]:
    backend = open_backend(str(starter_model), BackendOptions(ctx=1024, gpu_layers=0, parallel=2))
    yield backend
    backend.close()


def run(backend: Backend, prompt: Prompt = ASK, **sampling: Any) -> list[Event]:
    knobs = {"temperature": 0.0, "seed": 1, "max_tokens": 24, **sampling}
    return list(backend.start(Request(prompt, SamplingParams(**knobs))))


def text_of(events: Iterable[Event]) -> str:
    return "".join(event.text for event in events if isinstance(event, TextDelta))


def done_of(events: list[Event]) -> Done:
    assert isinstance(events[-1], Done)
    return events[-1]


def test_a_growing_dialogue_is_not_read_again(llama: Backend) -> None:
    messages = (Message("user", "Here is a list of words: " + "kettle cup stove " * 60 + "What is it?"),)
    first = run(llama, ChatPrompt(messages), max_tokens=40)
    messages += (Message("assistant", text_of(first)), Message("user", "And then?"))
    second = done_of(run(llama, ChatPrompt(messages)))
    assert second.usage.cached_tokens > 0.9 * second.usage.prompt_tokens


def test_continue_goes_on_as_the_reply_would_have(llama: Backend) -> None:
    words = [e.text for e in run(llama, max_tokens=30) if isinstance(e, TextDelta)]
    cut = next(at for at in range(8, len(words)) if words[at].startswith(" "))
    rest = run(llama, ChatPrompt(ASK.messages, prefix="".join(words[:cut])), max_tokens=4)
    assert text_of(rest).startswith(words[cut])
    assert done_of(rest).usage.cached_tokens > 0.8 * done_of(rest).usage.prompt_tokens


def test_no_half_of_a_character_is_ever_shown(llama: Backend) -> None:
    """An emoji is several tokens here; wherever the reply is cut, what is shown is whole characters."""
    assert len(llama.tokenize("🦜")) > 2
    prompt = TextPrompt("🦜🪗🧭 🦜🪗🧭 🦜🪗🧭 🦜🪗🧭 🦜🪗🧭 🦜🪗🧭 🦜🪗")
    said = []
    for limit in range(1, 20):
        events = run(llama, prompt, max_tokens=limit)
        said.append(text_of(events))
        assert done_of(events).usage.completion_tokens == limit
        assert all(len(event.text) <= 1 for event in events if isinstance(event, TextDelta))
    assert all("\ufffd" not in text and said[-1].startswith(text) for text in said)
    assert said[-1].startswith("🧭") and len(said[-1]) < 12


def test_a_token_that_does_not_exist_is_refused(llama: Backend) -> None:
    for knob in ({"banned_tokens": [10_000_000]}, {"logit_bias": [[10_000_000, 1]]}):
        with pytest.raises(InvalidParameter):
            run(llama, **knob)
    with pytest.raises(InvalidParameter):
        llama.detokenize((10_000_000,))
