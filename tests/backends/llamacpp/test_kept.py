"""What is kept of chats, with the real model: past the window, beside others, over a restart."""

from __future__ import annotations

from pathlib import Path

import pytest

from backends.llamacpp.backend import LlamaCppBackend
from backends.llamacpp.options import LlamaCppOptions
from backends.sampling import SamplingParams
from backends.values import ChatPrompt, Done, Message, Request, TextDelta, Usage

pytestmark = pytest.mark.model

SYSTEM = Message("system", "You are a storyteller by the stove, and you answer in a few words.")


def opened(model: Path, **options: object) -> LlamaCppBackend:
    return LlamaCppBackend(model, LlamaCppOptions(ctx=512, parallel=2, gpu_layers=0, **options))  # type: ignore[arg-type]


def turn(number: int) -> tuple[Message, Message]:
    words = " ".join(f"{number + at} cups of tea" for at in range(8))
    return Message("user", f"{words}?"), Message("assistant", f"Tea for {number}: {words}.")


def ask(backend: LlamaCppBackend, *messages: Message) -> tuple[str, Usage]:
    params = SamplingParams(temperature=0, max_tokens=8, min_tokens=8)
    events = list(backend.start(Request(ChatPrompt(messages), params)))
    done = events[-1]
    assert isinstance(done, Done)
    return "".join(event.text for event in events if isinstance(event, TextDelta)), done.usage


def dialogue(*numbers: int) -> tuple[Message, ...]:
    turns = [message for number in numbers for message in turn(number)]
    return (SYSTEM, *turns, Message("user", f"And {numbers[-1]}?"))


def test_past_the_window_only_what_is_new_is_read(starter_model: Path) -> None:
    backend = opened(starter_model)
    _, before = ask(backend, *dialogue(1, 2, 3, 4))
    assert before.prompt_tokens > 380
    text, after = ask(backend, *dialogue(2, 3, 4))
    backend.close()
    assert after.prompt_tokens - after.cached_tokens < 30
    assert text.strip()


def test_a_chat_goes_on_beside_others_and_after_a_restart(starter_model: Path, tmp_path: Path) -> None:
    backend = opened(starter_model, warm=tmp_path, warm_mb=100)
    chats = [dialogue(10 * number, 10 * number + 1) for number in range(1, 5)]
    said = [ask(backend, *chat)[0] for chat in chats]
    for chat, text in zip(chats, said, strict=True):
        again, usage = ask(backend, *chat)
        assert (again, usage.cached_tokens) == (text, usage.prompt_tokens - 1)
    backend.close()
    backend = opened(starter_model, warm=tmp_path, warm_mb=100)
    again, usage = ask(backend, *chats[0])
    backend.close()
    assert (again, usage.cached_tokens) == (said[0], usage.prompt_tokens - 1)
