"""Beam search as values: which beams go on, which are finished, and whether it is over. No tensors, no text.

The rules are those of transformers' `generate(num_beams=…, do_sample=False)`, version 5, so that the same weights give
the same reply. Where two candidates are equally probable, the earlier beam goes first, then the smaller token.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

HEURISTIC, FIRST, NEVER = 0, 1, 2
"""The values of `SamplingParams.early_stopping`: transformers' False, True and "never"."""


@dataclass(frozen=True, slots=True)
class Rules:
    """How a search goes: `width` beams of at most `limit` tokens, in a vocabulary with so many `ends`."""

    width: int
    limit: int
    length_penalty: float = 1.0
    early_stopping: int = HEURISTIC
    ends: int = 1

    @property
    def wanted(self) -> int:
        """How many candidates a step looks at: enough for `width` that go on, if all the ends are among the best."""
        return max(2, 1 + self.ends) * self.width

    def rate(self, score: float, length: int) -> float:
        """Return what hypotheses are compared by: the log-probability over the length to the power of the penalty."""
        return score / math.pow(max(1, length), self.length_penalty)


@dataclass(frozen=True, slots=True)
class Beam:
    """Tokens that may go on. `score` is the sum of their log-probabilities.

    `parent` is the place of the beam that it came from, among those of the step before.
    """

    tokens: tuple[int, ...] = ()
    score: float = 0.0
    parent: int = 0


@dataclass(frozen=True, slots=True)
class Candidate:
    """A `token` that may follow a beam, the sum of log-probabilities with it, and whether the reply ends with it."""

    beam: int
    token: int
    score: float
    ends: bool = False


@dataclass(frozen=True, slots=True)
class Hypothesis:
    """A reply that came to its end: its tokens, the last of which may be the end, and its rating (see `Rules.rate`)."""

    tokens: tuple[int, ...]
    rating: float


@dataclass(frozen=True, slots=True)
class Search:
    """Where a search is: its beams and its hypotheses, the best first."""

    beams: tuple[Beam, ...] = (Beam(),)
    finished: tuple[Hypothesis, ...] = ()
    over: bool = False


def chosen(candidates: Sequence[Candidate], rules: Rules) -> list[Candidate]:
    """Return the candidates that a step looks at, the best first."""
    return sorted(candidates, key=lambda each: (-each.score, each.beam, each.token))[: rules.wanted]


def step(search: Search, candidates: Sequence[Candidate], rules: Rules) -> Search:
    """Return the search one token further. `candidates` are the `chosen` ones; with none it is over as it stands.

    Only an end among the best `width` of them becomes a hypothesis; the others are there so that enough go on.
    """
    if not candidates:
        return Search(search.beams, search.finished, over=True)
    length = len(search.beams[0].tokens) + 1
    at_limit = length >= rules.limit
    ended = [at_limit or each.ends for each in candidates]
    grown = [(*search.beams[each.beam].tokens, each.token) for each in candidates]
    beams = [
        Beam(tokens, each.score, each.beam)
        for each, tokens, end in zip(candidates, grown, ended, strict=True)
        if not end
    ][: rules.width]
    fresh = [
        Hypothesis(tokens, rules.rate(each.score, length))
        for each, tokens, end in list(zip(candidates, grown, ended, strict=True))[: rules.width]
        if end
    ]
    finished = sorted((*search.finished, *fresh), key=lambda each: -each.rating)[: rules.width]
    over = not beams or _is_settled(beams[0], finished, rules)
    return Search(tuple(beams), tuple(finished), over)


def _is_settled(best: Beam, finished: Sequence[Hypothesis], rules: Rules) -> bool:
    """Whether there are enough hypotheses, and, unless the first are taken, no beam is likely to beat the worst."""
    if len(finished) < rules.width:
        return False
    if rules.early_stopping == FIRST:
        return True
    # The length at which a beam is rated best: unknown, so it is guessed to be the present one; or, to be sure, the
    # greatest, where length pays.
    surely = rules.early_stopping == NEVER and rules.length_penalty > 0
    return rules.rate(best.score, rules.limit if surely else len(best.tokens)) <= finished[-1].rating


def best(search: Search, rules: Rules) -> Hypothesis:
    """Return the reply as it stands: the best hypothesis, or the best beam where that is rated higher."""
    found = [*search.finished[:1]]
    if search.beams and not (search.over and found):
        beam = search.beams[0]
        found.append(Hypothesis(beam.tokens, rules.rate(beam.score, len(beam.tokens))))
    return max(found, key=lambda each: each.rating, default=Hypothesis((), 0.0))


def replies(search: Search, rules: Rules) -> tuple[Hypothesis, ...]:
    """Return what a search found, the best first; of one that was broken off, the beams under way too."""
    under_way = () if search.over and search.finished else search.beams
    rated = (Hypothesis(each.tokens, rules.rate(each.score, len(each.tokens))) for each in under_way if each.tokens)
    return tuple(sorted((*search.finished, *rated), key=lambda each: -each.rating)[: rules.width])
