"""Draws of a guided reply: the model's own distribution over what fits, with every lever that shapes it."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from backends.constraints import Constraint
from backends.guiding.guide import Guides
from backends.llamacpp.sampler import Sampler
from backends.registry import BackendOptions, open_backend
from backends.sampling import SamplingParams
from backends.values import ChatPrompt, Done, Message, Request, TextDelta
from tests.backends.llamacpp.native import Bare, softmax

pytestmark = pytest.mark.model

LETTER = Constraint("regex", "[a-e]")
SCHEMA = Constraint("schema", json.dumps({
    "type": "object", "properties": {"name": {"type": "string", "maxLength": 12}, "old": {"type": "boolean"}},
    "required": ["name", "old"], "additionalProperties": False,
}))  # fmt: skip


@pytest.fixture(scope="module")
def bare(starter_model: Path) -> Iterator[Bare]:
    made = Bare(starter_model)
    yield made
    made.close()


@pytest.fixture(scope="module")
def guides(bare: Bare) -> Guides:
    return Guides(bare.vocabulary, "llama.cpp")


def drawn(bare: Bare, guides: Guides, number: int, **knobs: Any) -> Counter[str]:
    """Draw first letters again and again; nothing is read in between."""
    found: Counter[str] = Counter()
    for seed in range(number):
        sampler = Sampler(
            SamplingParams(**knobs), bare.vocabulary, bare.context.cells, seed, bare.tokens, guides.guide(LETTER)
        )
        found[bare.text((sampler.sample(bare.context.handle, -1),))] += 1
        sampler.close()
    return found


def test_what_fits_is_drawn_as_the_model_weighs_it(bare: Bare, guides: Guides) -> None:
    logits = bare.read("The best letter of all is the letter ")
    tokens = [bare.ids(letter)[0] for letter in "abcde"]
    expected = softmax(logits[tokens]) * 300
    counts = drawn(bare, guides, 300)
    assert set(counts) <= set("abcde")
    seen = np.array([counts[letter] for letter in "abcde"])
    chi_square = float(((seen - expected) ** 2 / expected).sum())
    assert chi_square < 18.5, "the limit for four degrees of freedom and one error in a thousand"


@pytest.mark.parametrize(
    "knobs",
    [{"typical_p": 0.5}, {"mirostat": 1}, {"mirostat": 2}, {"top_n_sigma": 1.0}, {"top_k": 2}, {"min_p": 0.5},
     {"xtc_probability": 1.0, "xtc_threshold": 0.01}, {"dynatemp_range": 0.5}, {"temperature": 0.0}],
)  # fmt: skip
def test_every_lever_works_on_what_fits(bare: Bare, guides: Guides, knobs: dict[str, Any]) -> None:
    bare.read("The best letter of all is the letter ")
    assert set(drawn(bare, guides, 8, **knobs)) <= set("abcde")


def test_bans_give_way_where_nothing_else_would_be_left(bare: Bare, guides: Guides) -> None:
    bare.read("The best letter of all is the letter ")
    letters = tuple(bare.ids(letter)[0] for letter in "abcde")
    assert set(drawn(bare, guides, 4, banned_tokens=letters[:4])) == {"e"}
    assert set(drawn(bare, guides, 4, banned_tokens=letters)) <= set("abcde")


@pytest.mark.parametrize("knobs", [{"no_repeat_ngram_size": 2}, {"min_tokens": 90}, {"num_beams": 3}])
def test_a_whole_reply_keeps_to_its_schema(starter_model: Path, knobs: dict[str, Any]) -> None:
    backend = open_backend(str(starter_model), BackendOptions(ctx=512, gpu_layers=0, threads=1))
    try:
        sampling = SamplingParams(**{"temperature": 0.0, "max_tokens": 100, **knobs})
        prompt = ChatPrompt((Message("user", "Tell me about a cat."),))
        events = list(backend.start(Request(prompt, sampling, constraint=SCHEMA)))
        text = "".join(event.text for event in events if isinstance(event, TextDelta))
        assert isinstance(done := events[-1], Done) and done.reason == "stop", text
        assert set(json.loads(text)) == {"name", "old"}
    finally:
        backend.close()
