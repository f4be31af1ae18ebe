"""Beam search: the replies, and their ratings, are those of the library's own generate on the same weights."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

torch = pytest.importorskip("torch")
library = pytest.importorskip("transformers")

from backends.registry import BackendOptions, open_backend  # noqa: E402
from backends.sampling import SamplingParams  # noqa: E402
from backends.values import Branch, Done, Event, Request, Searching, TextDelta, TextPrompt  # noqa: E402
from tests.backends.transformers.test_families import FIRST, saved  # noqa: E402

EARLY: dict[int, Any] = {0: False, 1: True, 2: "never"}
PROMPTS = (FIRST, "hello", "a mat on the world: ", "cat cat cat")
SETTINGS: tuple[dict[str, Any], ...] = (
    {"num_beams": 2},
    {"num_beams": 4},
    {"num_beams": 16, "max_tokens": 10},
    {"num_beams": 3, "length_penalty": 0.0},
    {"num_beams": 3, "length_penalty": 2.0, "early_stopping": 1},
    {"num_beams": 4, "length_penalty": -1.0, "early_stopping": 2},
    {"num_beams": 5, "length_penalty": 0.5, "early_stopping": 2},
    {"num_beams": 4, "no_repeat_ngram_size": 2},
    {"num_beams": 3, "no_repeat_ngram_size": 1, "early_stopping": 1},
    {"num_beams": 4, "repeat_penalty": 1.3, "repeat_last_n": -1},
    {"num_beams": 4, "min_tokens": 8, "early_stopping": 1},
    {"num_beams": 3, "banned_tokens": [20, 30, 40, 50, 60]},
)


def generated(model: Any, prompt: list[int], ends: list[int], values: dict[str, Any]) -> list[tuple[list[int], float]]:
    """Return what the library finds: every reply without its end, and its score, the best first."""
    words = {"repetition_penalty": values.get("repeat_penalty", 1.0), "num_beams": values["num_beams"]}
    if "banned_tokens" in values:
        words["suppress_tokens"] = values["banned_tokens"]
    found = model.generate(
        torch.tensor([prompt]), do_sample=False, max_new_tokens=values.get("max_tokens", 24),
        num_return_sequences=values["num_beams"], length_penalty=values.get("length_penalty", 1.0),
        early_stopping=EARLY[values.get("early_stopping", 0)], eos_token_id=ends, pad_token_id=ends[0],
        no_repeat_ngram_size=values.get("no_repeat_ngram_size", 0), min_new_tokens=values.get("min_tokens", 0),
        return_dict_in_generate=True, output_scores=True, **words,
    )  # fmt: skip
    replies = []
    for tokens, score in zip(found.sequences.tolist(), found.sequences_scores.tolist(), strict=True):
        reply = tokens[len(prompt) :]
        replies.append((reply[: min([*(reply.index(end) for end in ends if end in reply), len(reply)])], score))
    return replies


def searched(backend: Any, text: str, values: dict[str, Any]) -> tuple[list[int], Done, list[Event]]:
    generation = backend.start(Request(TextPrompt(text), SamplingParams.from_mapping({"max_tokens": 24, **values})))
    *events, done = generation
    run = generation._run
    return list(run.tokens[run.prompt_size :]), done, events


def ratings(beams: tuple[Branch, ...]) -> list[float]:
    return sorted((each.rating for each in beams if each.rating is not None), reverse=True)


@pytest.fixture(scope="module", params=["llama", "gpt2", "qwen3", "gemma2", "falcon-alibi"])
def pair(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Any, Any]]:
    """A tiny random model, of the library and as a backend."""
    folder: Path = tmp_path_factory.mktemp(request.param)
    model = saved(request.param, folder)
    backend = open_backend(str(folder), BackendOptions(gpu_layers=0, parallel=2))
    yield model, backend
    backend.close()


@pytest.mark.parametrize("values", SETTINGS, ids=str)
def test_the_replies_are_the_librarys_own(pair: tuple[Any, Any], values: dict[str, Any]) -> None:
    model, backend = pair
    ends = sorted(backend._vocabulary.ends)
    for text in PROMPTS:
        prompt = list(backend.encode(TextPrompt(text)).tokens)
        theirs = generated(model, prompt, ends, values)
        tokens, done, _ = searched(backend, text, values)
        assert tokens == theirs[0][0]
        # Equal replies that end with different ends are one for us.
        best: dict[tuple[int, ...], float] = {}
        for reply, score in theirs:
            best.setdefault(tuple(reply), score)
        best.pop((), None)
        assert ratings(done.beams) == pytest.approx(sorted(best.values(), reverse=True), rel=1e-5, abs=1e-4)


def test_the_search_is_told_and_the_reply_comes_whole(pair: tuple[Any, Any]) -> None:
    _, backend = pair
    tokens, done, events = searched(backend, FIRST, {"num_beams": 3, "max_tokens": 12})
    told = [event for event in events if isinstance(event, Searching)]
    text = "".join(event.text for event in events if isinstance(event, TextDelta))
    assert 1 <= len(told) <= 12 and told[-1].text == text and told[-1].tokens == len(tokens)
    assert done.usage.completion_tokens == len(tokens) == sum(e.tokens for e in events if isinstance(e, TextDelta))
    assert events.index(told[-1]) < next(at for at, event in enumerate(events) if isinstance(event, TextDelta))


def test_the_prompt_is_read_once_and_the_reply_is_kept(pair: tuple[Any, Any]) -> None:
    _, backend = pair
    values = {"num_beams": 4, "max_tokens": 12}
    first, _, _ = searched(backend, FIRST + "again", values)
    again, done, _ = searched(backend, FIRST + "again", values)
    assert again == first
    assert done.usage.cached_tokens == done.usage.prompt_tokens - 1
