"""Both engines draw from the distribution that each lever's source defines: exactly, and by chi-square.

The same logits and the same references for both, so they also agree with each other. Where both are installed they
are compared directly, too.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from importlib.util import find_spec
from typing import Any, Protocol

import numpy as np
import pytest

from backends.sampling import SAMPLER_STEPS, SamplingParams
from backends.values import Choice
from tests.backends import references as of
from tests.backends.references import Logits, chi_square, entropy_bits, only, ranked, softmax

SIZE = 50
MANY = 20_000
FEW = 4_000
END = 7
WINDOW = 256
ENGINES = ("llama.cpp", "transformers")
_NEEDS: Mapping[str, str] = {"llama.cpp": "llama_cpp", "transformers": "torch"}


@dataclass(frozen=True)
class Words:
    """A vocabulary of fifty tokens, without a model."""

    size: int = SIZE
    ends: frozenset[int] = frozenset([END])
    spelled: Mapping[int, bytes] = field(default_factory=lambda: {token: b"w%d " % token for token in range(SIZE)})
    pointer: Any = None


class Drawer(Protocol):
    """A sampler of one engine, which takes numpy's logits. `last` tells the whole distribution it drew from."""

    last: Choice | None

    def __call__(self, logits: Logits) -> int: ...


Make = Callable[..., Drawer]


class Native:
    """llama.cpp's own samplers, on logits that no model made."""

    def __init__(self, params: SamplingParams, words: Any, seed: int, seen: Sequence[int], told: int) -> None:
        from backends.llamacpp.sampler import Sampler

        self._sampler = Sampler(params, words, WINDOW, seed, seen, None, told)

    def __call__(self, logits: Logits) -> int:
        return self._sampler.draw(logits.astype(np.float32))

    def __del__(self) -> None:
        self._sampler.close()

    @property
    def last(self) -> Choice | None:
        return self._sampler.last


class Torch:
    def __init__(self, params: SamplingParams, words: Any, seed: int, seen: Sequence[int], told: int) -> None:
        import torch

        from backends.transformers.sampling import Sampler

        self._tensor = torch.tensor
        self._sampler = Sampler(params, words, WINDOW, seed, seen, None, told)

    def __call__(self, logits: Logits) -> int:
        return self._sampler.sample(self._tensor(logits.astype(np.float32)))

    @property
    def last(self) -> Choice | None:
        return self._sampler.last


_KINDS: Mapping[str, Any] = {"llama.cpp": Native, "transformers": Torch}


def make(
    engine: str, *, seed: int = 1, seen: Sequence[int] = (), told: int = 0, words: Any = None, **knobs: Any
) -> Any:
    if find_spec(_NEEDS[engine]) is None:
        pytest.skip(f"{_NEEDS[engine]} is not installed")
    return _KINDS[engine](SamplingParams(**knobs), words or Words(), seed, seen, told)


def distribution(drawer: Any, logits: Logits) -> Logits:
    """Return what the next draw is made from: the probability of every token after the levers."""
    drawer(logits)
    shares = np.zeros(len(logits))
    for each in drawer.last.top:
        shares[each.token] = each.after
    return shares


@pytest.fixture(params=ENGINES)
def engine(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture(scope="module")
def logits() -> Logits:
    return made_up(3)


def made_up(seed: int) -> Logits:
    """Return logits about as skewed as a model's."""
    values: Logits = np.random.default_rng(seed).normal(0, 1.5, SIZE).astype(np.float32).astype(np.float64)
    return values


SEEN = (4, 9, 4, 30, 2, 9, 4, 30, 2, 17, 9, 4)

CASES: Mapping[str, tuple[dict[str, Any], Callable[[Logits], Logits]]] = {
    "neutral": ({}, lambda it: it),
    "cold": ({"temperature": 0.3}, lambda it: of.temperature(it, 0.3)),
    "hot": ({"temperature": 1.7}, lambda it: of.temperature(it, 1.7)),
    "top-k": ({"top_k": 7}, lambda it: of.top_k(it, 7)),
    "top-k beyond": ({"top_k": 1000}, lambda it: it),
    "top-p": ({"top_p": 0.8}, lambda it: of.top_p(it, 0.8)),
    "narrow top-p": ({"top_p": 0.3}, lambda it: of.top_p(it, 0.3)),
    "min-p": ({"min_p": 0.08}, lambda it: of.min_p(it, 0.08)),
    "typical": ({"typical_p": 0.6}, lambda it: of.typical_p(it, 0.6)),
    "top-n-sigma": ({"top_n_sigma": 1.2}, lambda it: of.top_n_sigma(it, 1.2)),
    "xtc": ({"xtc_probability": 1.0, "xtc_threshold": 0.05}, lambda it: of.xtc(it, 0.05)),
    "xtc of one": ({"xtc_probability": 1.0, "xtc_threshold": 0.5}, lambda it: of.xtc(it, 0.5)),
    "dynamic temperature": (
        {"temperature": 1.1, "dynatemp_range": 0.8, "dynatemp_exponent": 0.7},
        lambda it: of.dynamic_temperature(it, 1.1, 0.8, 0.7),
    ),
    "repetition": ({"repeat_penalty": 1.4}, lambda it: of.penalties(it, SEEN, 1.4, 0, 0)),
    "frequency": ({"frequency_penalty": 0.7}, lambda it: of.penalties(it, SEEN, 1, 0.7, 0)),
    "presence": ({"presence_penalty": -1.5}, lambda it: of.penalties(it, SEEN, 1, 0, -1.5)),
    "penalties of the last": (
        {"repeat_penalty": 0.8, "frequency_penalty": -1, "presence_penalty": 0.5, "repeat_last_n": 5},
        lambda it: of.penalties(it, SEEN[-5:], 0.8, -1, 0.5),
    ),
    "no repeated 3-gram": ({"no_repeat_ngram_size": 3}, lambda it: of.no_repeat_ngram(it, SEEN, 3)),
    "no repeated 1-gram": ({"no_repeat_ngram_size": 1}, lambda it: of.no_repeat_ngram(it, SEEN, 1)),
    "no end yet": ({"min_tokens": 1}, lambda it: only(it, [at for at in range(SIZE) if at != END])),
    "bans": ({"banned_tokens": (1, 9)}, lambda it: only(it, [at for at in range(SIZE) if at not in (1, 9)])),
    "bans and typical": (
        {"banned_tokens": (1, 9), "typical_p": 0.6},
        lambda it: of.typical_p(only(it, [at for at in range(SIZE) if at not in (1, 9)]), 0.6),
    ),
    "top-n-sigma and typical": (
        {"top_n_sigma": 1.5, "typical_p": 0.7}, lambda it: of.typical_p(of.top_n_sigma(it, 1.5), 0.7),
    ),
    "top-n-sigma and dynamic temperature": (
        {"top_n_sigma": 1.5, "dynatemp_range": 0.8},
        lambda it: of.dynamic_temperature(of.top_n_sigma(it, 1.5), 1.0, 0.8, 1.0),
    ),
    "bias": ({"logit_bias": ((3, 2.5), (9, -4))}, lambda it: it + np.eye(SIZE)[3] * 2.5 - np.eye(SIZE)[9] * 4),
    "cuts in turn": (
        {"temperature": 1.3, "top_k": 20, "top_p": 0.9, "min_p": 0.1},
        lambda it: of.temperature(of.min_p(of.top_p(of.top_k(it, 20), 0.9), 0.1), 1.3),
    ),
    "another order": (
        {"temperature": 1.3, "top_p": 0.7, "sampler_order": ("temperature", "top_p")},
        lambda it: of.top_p(of.temperature(it, 1.3), 0.7),
    ),
    "everything": (
        {"temperature": 0.8, "top_p": 0.95, "typical_p": 0.9, "top_n_sigma": 2.5, "repeat_penalty": 1.2,
         "no_repeat_ngram_size": 2},
        lambda it: of.temperature(of.top_p(of.typical_p(of.top_n_sigma(of.penalties(
            of.no_repeat_ngram(it, SEEN, 2), SEEN, 1.2, 0, 0), 2.5), 0.9), 0.95), 0.8),
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", CASES)
def test_what_is_drawn_from_is_what_the_source_defines(engine: str, name: str) -> None:
    knobs, reference = CASES[name]
    for seed in range(8):
        values = made_up(seed)
        found = distribution(make(engine, seen=SEEN, told=SIZE, **knobs), values)
        assert found == pytest.approx(softmax(reference(values)), abs=2e-6), seed


@pytest.mark.parametrize("name", CASES)
def test_draws_are_of_that_distribution(engine: str, logits: Logits, name: str) -> None:
    """A drawn token counts from the next draw on, so levers that look back get a sampler for each draw."""
    knobs, reference = CASES[name]
    shares = softmax(reference(logits))
    if any(word in name for word in ("penalties", "repe", "quency", "presence", "no ", "everything")):
        counts = Counter(make(engine, seed=seed, seen=SEEN, **knobs)(logits) for seed in range(FEW // 2))
    else:
        drawer = make(engine, **knobs)
        counts = Counter(drawer(logits) for _ in range(MANY if engine == "llama.cpp" else FEW))
    chi_square(counts, shares)


@pytest.mark.parametrize("probability", [0.25, 0.7])
def test_xtc_happens_as_often_as_it_should(engine: str, logits: Logits, probability: float) -> None:
    drawer = make(engine, xtc_probability=probability, xtc_threshold=0.05)
    counts = Counter(drawer(logits) for _ in range(MANY if engine == "llama.cpp" else FEW))
    chi_square(counts, probability * softmax(of.xtc(logits, 0.05)) + (1 - probability) * softmax(logits))


@pytest.mark.parametrize("version", [1, 2])
@pytest.mark.parametrize("tau", [2.0, 3.5])
def test_mirostat_keeps_the_papers_candidates_and_holds_the_surprise(engine: str, version: int, tau: float) -> None:
    """Step by step beside the algorithm: the same candidates each time, and in the mean the surprise aimed at."""
    eta, steps = 0.1, 2_000
    values: Logits = -1.1 * np.log(np.arange(1, SIZE + 1))
    drawer = make(engine, told=SIZE, mirostat=version, mirostat_tau=tau, mirostat_eta=eta)
    count_of = of.mirostat_1 if version == 1 else of.mirostat_2
    aim, total, differing = 2 * tau, 0.0, 0
    for _ in range(steps):
        expected = softmax(only(values, ranked(values)[: count_of(values, aim)]))
        token = drawer(values)
        assert drawer.last is not None
        shares = np.zeros(SIZE)
        for each in drawer.last.top:
            shares[each.token] = each.after
        differing += bool(np.abs(shares - expected).max() > 1e-5)
        surprise = entropy_bits(shares, token)
        total += surprise
        aim -= eta * (surprise - tau)
    # 32 bits may decide otherwise about the one token on the boundary.
    assert differing < steps / 100
    assert total / steps == pytest.approx(tau, abs=0.1)


def test_greedy_is_greedy_everywhere(engine: str) -> None:
    moving = {"top_k": 9, "xtc_probability": 1.0, "xtc_threshold": 0.01, "mirostat": 2, "dynatemp_range": 1.0}
    for seed in range(20):
        values = made_up(seed)
        for knobs in ({}, moving, {"sampler_order": ()}, {"sampler_order": SAMPLER_STEPS[::-1]}):
            assert make(engine, temperature=0, seed=seed, **knobs)(values) == ranked(values)[0]
    assert make(engine, temperature=0, seen=SEEN, repeat_penalty=5.0, presence_penalty=2.0)(values) not in SEEN


def test_what_was_weighed_is_told(engine: str, logits: Logits) -> None:
    order = ranked(logits)
    drawer = make(engine, told=5, top_k=3, temperature=0.5)
    token = drawer(logits)
    assert drawer.last is not None
    assert [each.token for each in drawer.last.top] == order[:5].tolist()
    assert drawer.last.drawn.token == token and drawer.last.drawn.piece == b"w%d " % token
    before, after = softmax(logits), softmax(of.temperature(of.top_k(logits, 3), 0.5))
    for each in (drawer.last.drawn, *drawer.last.top):
        assert (each.before, each.after) == (
            pytest.approx(before[each.token], abs=1e-6), pytest.approx(after[each.token], abs=1e-6),
        )  # fmt: skip
    sure = make(engine, told=2, temperature=0)
    sure(logits)
    assert sure.last is not None
    assert [each.after for each in sure.last.top] == [1.0, 0.0]
    assert sure.last.top[0].before == pytest.approx(before.max(), abs=1e-6)
    silent = make(engine)
    silent(logits)
    assert silent.last is None


def test_a_ban_of_everything_is_an_error(engine: str, logits: Logits) -> None:
    from backends.errors import EngineFailed

    with pytest.raises(EngineFailed, match="no token is left"):
        make(engine, banned_tokens=tuple(range(SIZE)))(logits)
    with pytest.raises(EngineFailed, match="no numbers"):
        make(engine, temperature=0)(np.full(SIZE, math.nan))


@pytest.mark.parametrize("name", CASES)
def test_the_engines_agree(name: str) -> None:
    knobs, _ = CASES[name]
    for seed in range(100, 120):
        values = made_up(seed)
        one, other = (distribution(make(each, seen=SEEN, told=SIZE, **knobs), values) for each in ENGINES)
        assert one == pytest.approx(other, abs=2e-6), seed
