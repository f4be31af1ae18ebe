"""What beams are ranked by: log-probabilities, changed by the levers as transformers' logits processors do."""

from __future__ import annotations

import math
import random
from typing import Any

import numpy as np
import pytest

from backends.beam_scores import Scorer, Scores, log_softmax
from backends.errors import EngineFailed
from backends.ngrams import Ngrams
from backends.repeats import dry_penalties
from backends.sampling import SAMPLER_STEPS, SamplingParams

SIZE = 30
PROMPT = (3, 4, 5, 3, 4)


class Words:
    size = SIZE
    ends = frozenset([0, 29])
    spelled = {token: b"w%d" % token for token in range(SIZE)}  # noqa: RUF012


def scorer(**knobs: Any) -> Scorer:
    return Scorer(SamplingParams(num_beams=2, **knobs), Words(), 100, PROMPT)


@pytest.fixture
def logits() -> Scores:
    # Two more than there are tokens: weights are often padded.
    return np.random.default_rng(1).normal(0, 2, SIZE + 2).astype(np.float32)


def test_they_are_log_probabilities(logits: Scores) -> None:
    plain = scorer().scores(logits, [])
    assert plain.shape == (SIZE,) and np.exp(plain).sum() == pytest.approx(1)
    assert np.allclose(plain - plain[0], logits[:SIZE] - logits[0], atol=1e-5)
    assert logits[0] == np.random.default_rng(1).normal(0, 2, SIZE + 2).astype(np.float32)[0], "the row is not changed"
    assert np.allclose(log_softmax(logits + 500), log_softmax(logits), atol=1e-4)
    for broken in (math.nan, math.inf, -math.inf):
        with pytest.raises(EngineFailed, match="no numbers"):
            log_softmax(np.full(SIZE, broken, np.float32))


def test_the_best_are_in_order_and_only_what_may_come(logits: Scores) -> None:
    plain = scorer().scores(logits, [])
    best = scorer().best(logits, [], 7)
    assert [token for token, _ in best] == np.argsort(-plain)[:7].tolist()
    assert len(scorer().best(logits, [], 1000)) == SIZE
    assert len(scorer(banned_tokens=range(1, SIZE)).best(logits, [], 12)) == 1
    allowed = np.zeros(SIZE, np.bool_)
    allowed[[7, 9]] = True
    assert {token for token, _ in scorer().best(logits, [], 12, allowed)} == {7, 9}
    banned = scorer(banned_tokens=[7, 9]).best(logits, [], 12, allowed)
    assert {token for token, _ in banned} == {7, 9}, "a shape that the bans leave nothing of goes before them"
    # Equals go by the smaller id.
    assert [token for token, _ in scorer().best(np.zeros(SIZE, np.float32), [], SIZE)] == list(range(SIZE))


def test_bias_bans_and_the_held_back_end(logits: Scores) -> None:
    plain = scorer().scores(logits, [])
    shaped = scorer(logit_bias=[[6, 2.5]], banned_tokens=[7], min_tokens=3)
    for written, ends in (([], -np.inf), ([1, 1], -np.inf), ([1, 1, 1], plain[0])):
        found = shaped.scores(logits, written)
        assert found[6] == pytest.approx(plain[6] + 2.5) and found[7] == -np.inf and found[0] == ends


def test_the_penalties_change_log_probabilities(logits: Scores) -> None:
    """All of these are below 0, so the penalty for repetition multiplies."""
    plain = scorer().scores(logits, [])
    found = scorer(repeat_penalty=1.5, frequency_penalty=0.25, presence_penalty=0.125).scores(logits, [4, 9])
    expected = plain.copy()
    for token, times in ((3, 2), (4, 3), (5, 1), (9, 1)):
        expected[token] = plain[token] * 1.5 - 0.25 * times - 0.125
    assert np.allclose(found, expected, atol=1e-5)
    near = scorer(repeat_penalty=1.5, repeat_last_n=1).scores(logits, [4, 9])
    assert np.flatnonzero(near != plain).tolist() == [9]
    assert np.array_equal(scorer(repeat_penalty=1.5, repeat_last_n=0).scores(logits, [4]), plain)
    without = tuple(step for step in SAMPLER_STEPS if step != "penalties")
    assert np.array_equal(scorer(repeat_penalty=1.5, sampler_order=without).scores(logits, [4]), plain)


@pytest.mark.parametrize("size", [1, 2, 3, 4])
def test_repeated_sequences_are_banned(logits: Scores, size: int) -> None:
    dice = random.Random(size)
    for _ in range(50):
        written = [dice.randrange(3, 7) for _ in range(dice.randrange(12))]
        found = scorer(no_repeat_ngram_size=size).scores(logits, written)
        assert set(np.flatnonzero(found == -np.inf)) == set(Ngrams(size, [*PROMPT, *written]).banned)


def test_dry_looks_at_prompt_and_beam(logits: Scores) -> None:
    plain = scorer().scores(logits, [5])
    found = scorer(dry_multiplier=0.5, dry_breakers=("w9",)).scores(logits, [5])
    weaker = dry_penalties([*PROMPT, 5], 0.5, 1.75, 2, (b"w9",), Words.spelled.__getitem__)
    assert set(weaker) == {3} and np.flatnonzero(found != plain).tolist() == [3]
    assert found[3] == pytest.approx(plain[3] + weaker[3])
    assert np.array_equal(scorer(dry_multiplier=0.5, dry_last_n=0).scores(logits, [5]), plain)


def test_cuts_and_temperature_do_not_matter(logits: Scores) -> None:
    shaped = scorer(temperature=0.2, top_k=1, top_p=0.1, min_p=0.9, xtc_probability=1.0, mirostat=2)
    assert np.array_equal(shaped.scores(logits, []), scorer().scores(logits, []))
