"""Beam search against the search of all sequences, over small made-up languages."""

from __future__ import annotations

import math
import random
from collections.abc import Mapping, Sequence
from itertools import product

import pytest

from backends.beams import (
    FIRST,
    HEURISTIC,
    NEVER,
    Beam,
    Candidate,
    Hypothesis,
    Rules,
    Search,
    best,
    chosen,
    replies,
    step,
)

END = 0
Language = Mapping[tuple[int, ...], Sequence[float]]
"""What was written -> the log-probabilities of the tokens that may follow."""


def language(seed: int, size: int, limit: int) -> Language:
    """Return random probabilities for everything that can be written."""
    dice = random.Random(seed)
    made = {}
    for length in range(limit):
        for tokens in product(range(1, size), repeat=length):
            weights = [dice.random() ** 2 + 1e-3 for _ in range(size)]
            made[tokens] = [math.log(weight / sum(weights)) for weight in weights]
    return made


def searched(spoken: Language, rules: Rules) -> tuple[Search, int]:
    """Return a search that is over, and the number of its steps."""
    search, steps = Search(), 0
    while not search.over:
        found = [
            Candidate(at, token, beam.score + logprob, token == END)
            for at, beam in enumerate(search.beams)
            for token, logprob in enumerate(spoken[beam.tokens])
        ]
        search, steps = step(search, chosen(found, rules), rules), steps + 1
    return search, steps


def everything(spoken: Language, rules: Rules, size: int) -> list[Hypothesis]:
    """Return every reply there can be, the best first."""
    found = []

    def go_on(tokens: tuple[int, ...], score: float) -> None:
        if (tokens and tokens[-1] == END) or len(tokens) == rules.limit:
            found.append(Hypothesis(tokens, rules.rate(score, len(tokens))))
            return
        for token in range(size):
            go_on((*tokens, token), score + spoken[tokens][token])

    go_on((), 0.0)
    return sorted(found, key=lambda each: -each.rating)


@pytest.mark.parametrize("penalty", [-1.0, 0.0, 0.6, 1.0, 2.0])
@pytest.mark.parametrize("seed", range(6))
def test_enough_beams_find_the_best_there_is(seed: int, penalty: float) -> None:
    size, limit = 4, 4
    spoken = language(seed, size, limit)
    rules = Rules(size**limit, limit, penalty, NEVER)
    search, _ = searched(spoken, rules)
    true = everything(spoken, rules, size)
    assert search.finished[0].tokens == true[0].tokens
    assert [each.rating for each in search.finished[:5]] == pytest.approx([each.rating for each in true[:5]])
    assert best(search, rules) == search.finished[0] == replies(search, rules)[0]


@pytest.mark.parametrize("penalty", [-1.0, 0.0, 1.0, 2.0])
def test_never_stopping_early_loses_nothing(penalty: float) -> None:
    """Ended where nothing can beat the worst hypothesis, a search has the same result as one that goes on."""
    for seed in range(20):
        spoken = language(seed, 3, 6)
        rules = Rules(3, 6, penalty, NEVER)
        search, steps = searched(spoken, rules)
        longer = Search()
        for _ in range(rules.limit):
            found = [
                Candidate(at, token, beam.score + logprob, token == END)
                for at, beam in enumerate(longer.beams)
                for token, logprob in enumerate(spoken[beam.tokens])
            ]
            longer = step(longer, chosen(found, rules), rules)
        assert steps <= rules.limit and search.finished == longer.finished


def test_more_beams_look_further_than_the_next_word() -> None:
    """The greedy choice of the first word leads into a desert; two beams go round it."""
    spoken = {
        (): [math.log(0.02), math.log(0.5), math.log(0.48)],
        (1,): [math.log(0.3), math.log(0.35), math.log(0.35)],
        (2,): [math.log(0.9), math.log(0.05), math.log(0.05)],
    }
    assert searched(spoken, Rules(1, 2))[0].finished[0].tokens == (1, 1)
    assert searched(spoken, Rules(2, 2))[0].finished[0].tokens == (2, END)


def test_the_length_penalty_weighs_length() -> None:
    """Exponents above 0 favour long replies, as the sums are negative; below 0 short ones."""
    spoken = language(3, 3, 7)
    lengths = [len(searched(spoken, Rules(27, 7, penalty, NEVER))[0].finished[0].tokens) for penalty in (-2, 0, 1, 4)]
    assert lengths == sorted(lengths) and lengths[0] == 1 and lengths[-1] == 7


def test_when_it_stops() -> None:
    counts = {early: [searched(language(seed, 3, 8), Rules(2, 8, 1.0, early))[1] for seed in range(30)]
              for early in (FIRST, HEURISTIC, NEVER)}  # fmt: skip
    for first, heuristic, never in zip(counts[FIRST], counts[HEURISTIC], counts[NEVER], strict=True):
        assert first <= heuristic <= never
    assert sum(counts[FIRST]) < sum(counts[HEURISTIC]) < sum(counts[NEVER])


def test_an_end_counts_only_among_the_best() -> None:
    """The end at the third place of two beams is no hypothesis, and takes no beam's place either."""
    start = Search((Beam((5,), -1.0), Beam((6,), -1.2)))
    found = [
        Candidate(0, 7, -1.1), Candidate(1, 8, -1.3), Candidate(0, END, -1.4, ends=True), Candidate(1, 9, -1.5),
    ]  # fmt: skip
    after = step(start, found, Rules(2, 10))
    assert after == Search((Beam((5, 7), -1.1, 0), Beam((6, 8), -1.3, 1)))
    found[0] = Candidate(0, END, -1.1, ends=True)
    after = step(start, found, Rules(2, 10))
    assert after.finished == (Hypothesis((5, END), -0.55),)
    assert after.beams == (Beam((6, 8), -1.3, 1), Beam((6, 9), -1.5, 1)) and not after.over


def test_the_limit_ends_every_beam() -> None:
    start = Search((Beam((5,), -1.0), Beam((6,), -1.2)))
    after = step(start, [Candidate(0, 7, -1.1), Candidate(1, 8, -1.3), Candidate(1, 9, -1.5)], Rules(2, 2))
    assert after.over and not after.beams
    assert after.finished == (Hypothesis((5, 7), -0.55), Hypothesis((6, 8), -0.65))


def test_what_is_kept_of_a_search_that_is_broken_off() -> None:
    rules = Rules(2, 10)
    assert best(Search(), rules) == Hypothesis((), 0.0) and replies(Search(), rules) == ()
    search = Search((Beam((5, 7), -1.0), Beam((6, 8), -1.6)), (Hypothesis((4, END), -0.7),))
    assert best(search, rules) == Hypothesis((5, 7), -0.5)
    assert replies(search, rules) == (Hypothesis((5, 7), -0.5), Hypothesis((4, END), -0.7))
    assert best(Search((Beam((5, 7), -2.0),), search.finished), rules) == search.finished[0]


def test_no_candidate_ends_the_search() -> None:
    after = step(Search((Beam((5,), -1.0),)), [], Rules(2, 10))
    assert after.over and best(after, Rules(2, 10)) == Hypothesis((5,), -1.0)


def test_equals_go_by_beam_and_token() -> None:
    found = [Candidate(1, 3, -1.0), Candidate(0, 9, -1.0), Candidate(0, 2, -1.0), Candidate(1, 1, -0.5)]
    assert [(each.beam, each.token) for each in chosen(found, Rules(2, 9))] == [(1, 1), (0, 2), (0, 9), (1, 3)]
    assert Rules(5, 9).wanted == 10 and Rules(5, 9, ends=0).wanted == 10 and Rules(5, 9, ends=3).wanted == 20
