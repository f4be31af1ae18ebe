"""Before llama.cpp's own server with a real model: exactness, keys, and engines that are killed."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from backends.base import Backend
from backends.errors import EngineFailed, ModelUnavailable
from backends.registry import BackendOptions, open_backend
from backends.sampling import SamplingParams
from backends.values import ChatPrompt, Done, Event, Message, Request, TextDelta
from tests.backends.remote.llama_server import LlamaServer, serving

pytestmark = pytest.mark.model

WINDOW = 512
ASK = ChatPrompt((Message("user", "Tell me a long story about a kettle and a cat."),))
LONG = {"temperature": 0.0, "max_tokens": 400, "seed": 1}


@pytest.fixture(scope="module")
def server(starter_model: Path) -> Iterator[LlamaServer]:
    with serving(starter_model, WINDOW, parallel=2) as running:
        yield running


@pytest.fixture
def opened() -> Iterator[Callable[[str], Backend]]:
    made: list[Backend] = []

    def open_(reference: str) -> Backend:
        made.append(open_backend(reference))
        return made[-1]

    yield open_
    for backend in made:
        backend.close()


def run(backend: Backend, prompt: ChatPrompt = ASK, **sampling: Any) -> list[Event]:
    return list(backend.start(Request(prompt, SamplingParams(**{"temperature": 0.0, "max_tokens": 12, **sampling}))))


def text_of(told: list[Event]) -> str:
    return "".join(each.text for each in told if isinstance(each, TextDelta))


def test_it_reads_what_the_engine_at_home_reads(
    server: LlamaServer, starter_model: Path, opened: Callable[[str], Backend]
) -> None:
    there = opened(server.url)
    here = open_backend(str(starter_model), BackendOptions(ctx=WINDOW, gpu_layers=0, threads=1))
    dialogue = (*ASK.messages, Message("assistant", "Once <|im_end|> \n"), Message("user", "И? 🫖"))
    for prompt in (ASK, ChatPrompt(dialogue), ChatPrompt(dialogue, prefix="So "), ChatPrompt(dialogue[:2], "user")):
        assert there.encode(prompt) == here.encode(prompt)
    assert text_of(run(there)) == text_of(run(here))
    assert there.info.template == here.info.template
    here.close()


def test_it_weighs_its_tokens_as_the_engine_at_home_does(
    server: LlamaServer, starter_model: Path, opened: Callable[[str], Backend]
) -> None:
    """The model's own probabilities, as near as two builds compute them; what the levers made of them is not told."""
    here = open_backend(str(starter_model), BackendOptions(ctx=WINDOW, gpu_layers=0, threads=1))
    asked = Request(ASK, SamplingParams(temperature=0.7, top_k=2, seed=3, max_tokens=2), alternatives=4)
    there, home = (
        [choice for each in backend.start(asked) if isinstance(each, TextDelta) for choice in each.choices]
        for backend in (opened(server.url), here)
    )
    here.close()
    assert len(there) == len(home) == 2
    assert [(each.token, each.piece) for each in there[0].top] == [(each.token, each.piece) for each in home[0].top]
    assert [each.before for each in there[0].top] == pytest.approx([each.before for each in home[0].top], rel=0.25)
    assert {each.after for choice in there for each in choice.top} == {None}
    assert [each.after == 0 for each in home[0].top] == [False, False, True, True]


def test_continue_goes_on_as_the_reply_would_have(server: LlamaServer, opened: Callable[[str], Backend]) -> None:
    backend = opened(server.url)
    words = [each.text for each in run(backend, max_tokens=30) if isinstance(each, TextDelta)]
    cut = next(at for at in range(8, len(words)) if words[at].startswith(" "))
    rest = run(backend, ChatPrompt(ASK.messages, prefix="".join(words[:cut])), max_tokens=4)
    assert text_of(rest).startswith(words[cut])
    assert isinstance(done := rest[-1], Done)
    assert done.usage.cached_tokens > 0.8 * done.usage.prompt_tokens


def test_no_breakers_at_all(server: LlamaServer, opened: Callable[[str], Backend]) -> None:
    assert text_of(run(opened(server.url), dry_multiplier=1.0, dry_breakers=(), repeat_last_n=-1, repeat_penalty=1.1))


def test_a_key(starter_model: Path, opened: Callable[[str], Backend], monkeypatch: pytest.MonkeyPatch) -> None:
    with serving(starter_model, WINDOW, key="k3y-of-the-house") as locked:
        with pytest.raises(ModelUnavailable, match="SAMOVAR_API_KEY"):
            opened(locked.url)
        monkeypatch.setenv(f"SAMOVAR_API_KEY_127_0_0_1_{locked.port}", "k3y-of-the-house")
        assert text_of(run(opened(locked.url)))


def test_one_is_killed_in_the_middle_of_a_reply(starter_model: Path, opened: Callable[[str], Backend]) -> None:
    with serving(starter_model, WINDOW) as one, serving(starter_model, WINDOW) as two:
        backend = opened(f"{one.url},{two.url}")
        told: list[Event] = []
        with pytest.raises(EngineFailed, match=f"{one.url} broke off in the middle of the reply"):
            for each in backend.start(Request(ASK, SamplingParams(**LONG))):
                told.append(each)
                if len(told) == 8:
                    one.kill()
        assert text_of(told)
        assert text_of(run(backend)), "the other one writes on"
        assert len(backend.encode(ChatPrompt((Message("user", "new"),))).tokens)


def test_one_alone_is_killed_and_started_again(starter_model: Path, opened: Callable[[str], Backend]) -> None:
    with serving(starter_model, WINDOW) as server:
        backend = opened(server.url)
        assert text_of(run(backend))
        server.kill()
        with pytest.raises(EngineFailed, match="nothing answers at"):
            run(backend, ChatPrompt((Message("user", "Are you there?"),)))
        with serving(starter_model, WINDOW, port=server.port):
            assert text_of(run(backend))
