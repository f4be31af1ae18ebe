"""What was seen weakens what comes: each penalty beside its source, and both engines alike, on a real vocabulary."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.backends import references as of
from tests.backends.references import Logits, softmax
from tests.backends.test_distributions import ENGINES, SEEN, SIZE, distribution, made_up, make

LETTERS = "abcdefgh"


@pytest.fixture(scope="module")
def vocabulary(starter_model: Path) -> Iterator[Any]:
    """The starter model's vocabulary alone; its weights are not read."""
    native = pytest.importorskip("llama_cpp").llama_cpp
    from backends.llamacpp.vocabulary import Vocabulary

    native.llama_backend_init()
    params = native.llama_model_default_params()
    params.vocab_only = True
    model = native.llama_model_load_from_file(str(starter_model).encode(), params)
    yield Vocabulary(model)
    native.llama_model_free(model)


def tokens(vocabulary: Any, text: str) -> list[int]:
    """Return one token for each letter."""
    return [vocabulary.read(letter, special=False)[0] for letter in text]


def some(size: int, seed: int) -> Logits:
    values: Logits = np.random.default_rng(seed).normal(0, 2, size).astype(np.float32).astype(np.float64)
    return values


def after(engine: str, vocabulary: Any, seen: list[int], seed: int, **knobs: Any) -> dict[int, float]:
    """Return the probabilities with which the letters would be drawn."""
    logits = some(vocabulary.size, seed)
    letters = tokens(vocabulary, LETTERS)
    logits[letters] += 12
    drawer = make(engine, seen=seen, told=len(LETTERS) * 2, words=vocabulary, **knobs)
    drawer(logits)
    return {each.token: each.after for each in drawer.last.top if each.token in letters}


@pytest.mark.model
@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize(
    ("text", "multiplier", "base", "allowed"),
    [
        ("abcdxabcd", 0.8, 1.75, 2),
        ("abcdefgabcd", 0.8, 1.75, 2),
        ("abcabcabcab", 1.5, 1.2, 1),
        ("aaaaaaaa", 0.3, 1.3, 3),
        ("abcdefgh", 5.0, 2.0, 2),
        ("abab" * 6, 0.01, 1.5, 2),
    ],
)
def test_dry(engine: str, vocabulary: Any, text: str, multiplier: float, base: float, allowed: int) -> None:
    seen = tokens(vocabulary, text)
    knobs = {"dry_multiplier": multiplier, "dry_base": base, "dry_allowed_length": allowed}
    logits = some(vocabulary.size, 1)
    letters = tokens(vocabulary, LETTERS)
    logits[letters] += 12
    expected = softmax(of.dry(logits, seen, multiplier, base, allowed))
    found = after(engine, vocabulary, seen, 1, dry_breakers=(), **knobs)
    assert found == {token: pytest.approx(expected[token], abs=1e-5) for token in letters}


@pytest.mark.model
def test_the_engines_agree_about_dry_and_its_breakers(vocabulary: Any) -> None:
    random = np.random.default_rng(4)
    for seed in range(30):
        text = "".join(random.choice(list(LETTERS[:3] + "\n:"), 40))
        seen = tokens(vocabulary, text)
        for knobs in ({}, {"dry_breakers": ("a",)}, {"dry_last_n": 12}, {"dry_allowed_length": 1, "dry_base": 1.0}):
            one, other = (after(each, vocabulary, seen, seed, dry_multiplier=0.9, **knobs) for each in ENGINES)
            assert one == {token: pytest.approx(share, abs=1e-4) for token, share in other.items()}, (text, knobs)


@pytest.mark.parametrize("engine", ENGINES)
def test_penalties_count_what_is_drawn(engine: str) -> None:
    """Draw after draw beside the written rule, the window sliding over what was drawn."""
    knobs = {"repeat_penalty": 1.3, "frequency_penalty": 0.4, "presence_penalty": 0.2, "repeat_last_n": 6}
    drawer, seen = make(engine, seen=SEEN, told=SIZE, **knobs), list(SEEN)
    for seed in range(40):
        values = made_up(seed)
        expected = softmax(of.penalties(values, seen[-6:], 1.3, 0.4, 0.2))
        token = drawer(values)
        shares = np.zeros(SIZE)
        for each in drawer.last.top:
            shares[each.token] = each.after
        assert shares == pytest.approx(expected, abs=2e-6)
        seen.append(token)


@pytest.mark.parametrize("engine", ENGINES)
def test_an_ngram_is_banned_as_soon_as_it_was_drawn(engine: str) -> None:
    drawer = make(engine, seen=SEEN, no_repeat_ngram_size=2, temperature=0)
    written = [*SEEN, *(drawer(made_up(1)) for _ in range(60))]
    pairs = list(zip(written[len(SEEN) - 1 :], written[len(SEEN) :], strict=False))
    assert len(set(pairs)) == len(pairs)


@pytest.mark.parametrize("engine", ENGINES)
def test_the_end_is_held_back_so_long_and_no_longer(engine: str) -> None:
    from tests.backends.test_distributions import END

    drawer = make(engine, min_tokens=5, logit_bias=((END, 100.0),))
    assert [drawer(made_up(1)) == END for _ in range(8)] == [False] * 5 + [True] * 3


def test_transformers_own_repetition_penalty_is_ours_over_the_whole_text() -> None:
    """Its definition has no window: a set of all that was seen. So has ours, with -1."""
    torch = pytest.importorskip("torch")
    processors = pytest.importorskip("transformers.generation.logits_process")
    for seed in range(10):
        values = made_up(seed)
        scores = torch.tensor(values.astype(np.float32))[None]
        theirs = processors.RepetitionPenaltyLogitsProcessor(1.4)(torch.tensor([SEEN]), scores)[0]
        for engine in ENGINES:
            try:
                found = distribution(make(engine, seen=SEEN, told=SIZE, repeat_penalty=1.4, repeat_last_n=-1), values)
            except pytest.skip.Exception:
                continue
            assert found == pytest.approx(torch.softmax(theirs, -1).numpy(), abs=2e-6)
