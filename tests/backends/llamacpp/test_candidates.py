"""The array that llama.cpp's samplers work on: what is left in it, and the highest logits found fast."""

from __future__ import annotations

import numpy as np
import pytest

from backends.errors import EngineFailed
from backends.llamacpp.candidates import Odds, Row
from backends.llamacpp.sampler import Sampler
from backends.sampling import SamplingParams
from tests.backends.references import softmax
from tests.backends.test_distributions import SIZE, Words, made_up


class Only:
    """A guide that allows the same tokens for ever."""

    def __init__(self, *tokens: int) -> None:
        self.mask = np.isin(np.arange(SIZE), tokens)
        self.taken: list[int] = []

    def allowed(self) -> np.ndarray:
        return self.mask

    def take(self, token: int) -> None:
        self.taken.append(token)


def row(seed: int = 1) -> Row:
    return made_up(seed).astype(np.float32)


@pytest.mark.parametrize("size", [1, 5, 63, 64, 65, 500, 6_400, 49_152, 50_003])
def test_the_highest_logits_are_found(size: int) -> None:
    random = np.random.default_rng(size)
    plain = random.normal(0, 3, size).astype(np.float32)
    for logits in (plain, np.round(plain), np.zeros(size, np.float32), np.sort(plain), np.sort(plain)[::-1].copy()):
        for number in (1, 5, 20):
            (drawn, *found), (share, *shares) = Odds(size).weigh(logits, number, 0)
            assert len(set(found)) == min(number, size) and drawn == 0
            assert np.exp(logits[found]) == pytest.approx(np.exp(np.sort(logits)[::-1][:number]))
            assert [share, *shares] == pytest.approx(softmax(logits.astype(np.float64))[[0, *found]].tolist(), rel=1e-4)


def test_a_guide_and_the_bans_leave_what_both_allow() -> None:
    guide = Only(3, 4, 5)
    sampler = Sampler(SamplingParams(banned_tokens=(4,)), Words(), 64, 1, (), guide, SIZE)  # type: ignore[arg-type]
    drawn = {sampler.draw(row()) for _ in range(200)}
    assert drawn == {3, 5} and set(guide.taken) == drawn
    assert sampler.last is not None
    assert {each.token for each in sampler.last.top if each.after} == {3, 5}
    assert sum(each.before for each in sampler.last.top) == pytest.approx(1), "before: as if there were no guide"
    sampler.close()


@pytest.mark.parametrize("knobs", [{"banned_tokens": (3,)}, {"no_repeat_ngram_size": 1}, {"min_tokens": 9}])
def test_where_only_banned_tokens_are_allowed_they_come(knobs: dict[str, object]) -> None:
    guide, words = Only(3), Words(ends=frozenset([3]))
    sampler = Sampler(SamplingParams(**knobs), words, 64, 1, (3,), guide)  # type: ignore[arg-type]
    assert [sampler.draw(row()) for _ in range(5)] == [3] * 5
    sampler.close()


@pytest.mark.parametrize("knobs", [{}, {"typical_p": 0.9}, {"top_k": 20, "temperature": 0.7}])
def test_to_be_told_changes_nothing_that_is_drawn(knobs: dict[str, object]) -> None:
    params = SamplingParams(banned_tokens=(1, 30), min_tokens=5, no_repeat_ngram_size=2, **knobs)  # type: ignore[arg-type]
    silent, told = (Sampler(params, Words(), 64, 9, (2, 3), None, number) for number in (0, 5))  # type: ignore[arg-type]
    assert [silent.draw(row(at)) for at in range(100)] == [told.draw(row(at)) for at in range(100)]
    silent.close()
    told.close()


def test_a_guide_that_allows_nothing_is_an_error() -> None:
    sampler = Sampler(SamplingParams(), Words(), 64, 1, (), Only())  # type: ignore[arg-type]
    with pytest.raises(EngineFailed, match="no token is left"):
        sampler.draw(row())
    sampler.close()


def test_probabilities_are_of_the_logits_alone() -> None:
    logits = np.array([0, 1, 2, -np.inf], np.float32)
    assert Odds(4).weigh(logits, 2, 3) == ([3, 2, 1], pytest.approx([0, 0.66524096, 0.24472847]))
