"""The array that llama.cpp's samplers work on: what is left in it, and the highest logits found fast."""

from __future__ import annotations

import numpy as np
import pytest

from backends.errors import EngineFailed
from backends.llamacpp.candidates import Candidates, Odds, Row, highest
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


def test_what_comes_close_is_found_as_well_but_nothing_else() -> None:
    logits = np.random.default_rng(1).normal(0, 3, 49_152).astype(np.float32)
    for number in (1, 40, 300):
        places = highest(logits, number)
        assert set(np.argsort(logits)[-number:]) <= set(places) and len(places) < 2 * number
        assert (np.diff(places) > 0).all(), "by their ids, as a chance draws by the order"


@pytest.mark.parametrize("knobs", [{}, {"banned_tokens": (4, 9)}, {"no_repeat_ngram_size": 1}, {"min_tokens": 9}])
def test_a_chain_that_begins_with_a_cut_gets_the_highest_alone_and_draws_the_same(
    monkeypatch: pytest.MonkeyPatch, knobs: dict[str, object]
) -> None:
    sizes, fill = [], Candidates.fill
    monkeypatch.setattr(Candidates, "fill", lambda *given: (sizes.append(given[2]), fill(*given)))
    size = 6_400
    words = Words(size=size, spelled={token: b"w%d " % token for token in range(size)})
    rows = np.random.default_rng(2).normal(0, 3, (20, size)).astype(np.float32)
    params = {"top_k": 5, "temperature": 2.0, **knobs}
    draws = []
    for wider in ({}, {"top_n_sigma": 10}):  # which comes first, and leaves all that count
        sampler = Sampler(SamplingParams(**params, **wider), words, 64, 3, (7, 8), None, 3)  # type: ignore[arg-type]
        draws.append([(sampler.draw(each), sampler.last) for each in rows])
        sampler.close()
    assert draws[0] == draws[1]
    assert all(tokens is not None and len(tokens) < 50 for tokens in sizes[: len(rows)])


def test_the_highest_is_taken_without_touching_the_logits() -> None:
    logits = row()
    before, best = logits.copy(), np.argsort(logits)[::-1].tolist()
    sampler = Sampler(SamplingParams(temperature=0, banned_tokens=tuple(best[:3])), Words(), 64, 1)  # type: ignore[arg-type]
    assert sampler.draw(logits) == best[3]
    assert (logits == before).all()
    sampler.close()


@pytest.mark.parametrize("knobs", [{"temperature": 0}, {"top_k": 5}, {}])
def test_no_numbers_are_an_error(knobs: dict[str, object]) -> None:
    sampler = Sampler(SamplingParams(**knobs), Words(), 64, 1)  # type: ignore[arg-type]
    with pytest.raises(EngineFailed):
        sampler.draw(np.full(SIZE, np.nan, np.float32))
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
