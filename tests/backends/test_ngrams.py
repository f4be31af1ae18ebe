"""The ban of repeated n-grams, token by token, against its definition and against transformers' own."""

from __future__ import annotations

import numpy as np
import pytest

from backends.ngrams import Ngrams
from tests.backends import references as of

SIZE = 6


def banned(size: int, tokens: list[int]) -> set[int]:
    return set(Ngrams(size, tokens).banned)


def test_the_last_token_of_a_repeated_ngram_may_not_come() -> None:
    assert banned(3, [1, 2, 3, 9, 1, 2]) == {3}
    assert banned(3, [1, 2, 3, 1, 2, 4, 1, 2]) == {3, 4}
    assert banned(2, [1, 2, 1]) == {2}
    assert banned(1, [1, 2, 1]) == {1, 2}
    assert banned(3, [1, 2]) == banned(3, [1, 2, 1]) == banned(0, [1, 1, 1]) == set()


@pytest.mark.parametrize("size", [1, 2, 3, 5])
def test_growing_is_the_same_as_beginning_anew(size: int) -> None:
    random = np.random.default_rng(size)
    text: list[int] = []
    grown = Ngrams(size)
    for _ in range(200):
        expected = of.no_repeat_ngram(np.zeros(SIZE), text, size)
        assert set(grown.banned) == set(Ngrams(size, text).banned) == set(np.flatnonzero(np.isneginf(expected)))
        token = int(random.integers(0, SIZE))
        text.append(token)
        grown.accept(token)


@pytest.mark.parametrize("size", [1, 2, 4])
def test_transformers_bans_the_same(size: int) -> None:
    torch = pytest.importorskip("torch")
    processors = pytest.importorskip("transformers.generation.logits_process")
    processor = processors.NoRepeatNGramLogitsProcessor(size)
    random = np.random.default_rng(size)
    for length in (1, 2, 5, 40):
        text = random.integers(0, SIZE, length).tolist()
        scores = processor(torch.tensor([text]), torch.zeros(1, SIZE))[0]
        assert set(torch.nonzero(scores.isneginf()).flatten().tolist()) == banned(size, text)
