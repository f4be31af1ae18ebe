"""Exact mode: what a request gets is the same to the byte, whatever was before it and whoever runs beside it."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from backends.llamacpp.backend import LlamaCppBackend
from backends.llamacpp.options import LlamaCppOptions
from backends.sampling import SamplingParams
from backends.values import ChatPrompt, Done, Message, Request, TextDelta

pytestmark = pytest.mark.model

STORY = "Tell a story about a kettle, a cat and a long winter evening by the stove, with these words: "


@pytest.fixture(scope="module")
def backend(starter_model: Path) -> Iterator[LlamaCppBackend]:
    backend = LlamaCppBackend(starter_model, LlamaCppOptions(ctx=512, parallel=8, exact=True, gpu_layers=0))
    yield backend
    backend.close()


def prompt(number: int) -> ChatPrompt:
    words = ["samovar", "tea", "snow", "road", "window", "lamp", "letter", "song", "bread"]
    listed = " ".join(words[at * (number + 1) % len(words)] for at in range(30 + 7 * number))
    return ChatPrompt((Message("system", STORY * 4), Message("user", listed)))


def ask(backend: LlamaCppBackend, number: int, tokens: int = 16) -> tuple[str, int]:
    """Return the text, and how many tokens of the prompt were reused."""
    params = SamplingParams(temperature=1.2, seed=7 + number, max_tokens=tokens, min_tokens=tokens)
    events = list(backend.start(Request(prompt(number), params, user=str(number))))
    done = events[-1]
    assert isinstance(done, Done)
    return "".join(event.text for event in events if isinstance(event, TextDelta)), done.usage.cached_tokens


def test_the_same_alone_and_beside_seven_others_and_from_the_cache(backend: LlamaCppBackend) -> None:
    alone, read = ask(backend, 0)
    assert read == 0
    again, kept = ask(backend, 0)
    assert again == alone and kept >= 64 and kept % 64 == 0
    with ThreadPoolExecutor(8) as pool:
        together = [text for text, _ in pool.map(lambda number: ask(backend, number), range(8))]
    assert together[0] == alone
    after = [ask(backend, number) for number in (3, 5, 0)]
    assert [text for text, _ in after] == [together[3], together[5], alone]
    assert all(kept >= 64 for _, kept in after)


def test_what_exactness_rules_out_is_said_before(backend: LlamaCppBackend) -> None:
    assert "num_beams" not in backend.capabilities.knobs
    assert "num_beams" in backend.capabilities.reasons
