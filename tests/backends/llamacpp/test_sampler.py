"""Every knob has the effect that its source describes, with the real model: seen in what is drawn from known logits."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from backends.llamacpp.sampler import Sampler
from backends.sampling import SamplingParams
from tests.backends.llamacpp.native import Bare, softmax

pytestmark = pytest.mark.model

OPEN = "My favourite animal is the"
"""A prompt after which many words are likely."""
COUNTING = "one two three four five six. one two three four five"
MANY = 500

Logits = np.ndarray[Any, np.dtype[np.float64]]


@pytest.fixture(scope="module")
def bare(starter_model: Path) -> Iterator[Bare]:
    bare = Bare(starter_model)
    yield bare
    bare.close()


@pytest.fixture
def logits(bare: Bare) -> Logits:
    return bare.read(OPEN)


def ranked(logits: Logits) -> list[int]:
    return [int(token) for token in np.argsort(-logits, kind="stable")]


def agree(drawn: Counter[int], shares: Logits) -> None:
    """See that the frequencies are those of a distribution, within five standard deviations."""
    number = drawn.total()
    assert all(shares[token] > 0 for token in drawn), "something was drawn that is excluded"
    for token in np.argsort(-shares)[:20]:
        share = float(shares[token])
        tolerance = 5 * (share * (1 - share) / number) ** 0.5 + 1e-9
        assert abs(drawn[int(token)] / number - share) < tolerance, f"token {token}: {share}"


def only(logits: Logits, kept: set[int] | list[int]) -> Logits:
    """Return the distribution over the kept tokens alone."""
    masked = np.full_like(logits, -np.inf)
    masked[list(kept)] = logits[list(kept)]
    return softmax(masked)


def test_neutral_is_the_plain_softmax(bare: Bare, logits: Logits) -> None:
    agree(bare.draws(MANY), softmax(logits))


@pytest.mark.parametrize("temperature", [0.5, 1.5])
def test_temperature_divides_the_logits(bare: Bare, logits: Logits, temperature: float) -> None:
    agree(bare.draws(MANY, temperature=temperature), softmax(logits / temperature))


@pytest.mark.parametrize("knobs", [{"temperature": 0}, {"top_k": 1}, {"top_p": 0.0}, {"min_p": 1.0}])
def test_greedy_by_many_ways(bare: Bare, logits: Logits, knobs: dict[str, Any]) -> None:
    assert set(bare.draws(50, **knobs)) == {ranked(logits)[0]}


def test_greedy_ignores_what_only_shapes_the_draw(bare: Bare, logits: Logits) -> None:
    knobs = {"top_k": 5, "xtc_probability": 1.0, "xtc_threshold": 0.01, "mirostat": 2, "dynatemp_range": 1.0}
    assert set(bare.draws(20, temperature=0, **knobs)) == {ranked(logits)[0]}


def test_top_k(bare: Bare, logits: Logits) -> None:
    agree(bare.draws(MANY, top_k=4), only(logits, ranked(logits)[:4]))


def nucleus(logits: Logits, mass: float) -> list[int]:
    order, shares = ranked(logits), softmax(logits)
    size = int(np.searchsorted(np.cumsum(shares[order]), mass)) + 1
    return order[:size]


def test_top_p(bare: Bare, logits: Logits) -> None:
    kept = nucleus(logits, 0.5)
    assert len(kept) > 3
    agree(bare.draws(MANY, top_p=0.5), only(logits, kept))


def test_min_p(bare: Bare, logits: Logits) -> None:
    shares = softmax(logits)
    kept = np.flatnonzero(shares >= 0.3 * shares.max()).tolist()
    assert len(kept) > 1
    agree(bare.draws(MANY, min_p=0.3), only(logits, kept))


def test_typical_p(bare: Bare, logits: Logits) -> None:
    shares = softmax(logits)
    surprise = -np.log(shares)
    order = np.argsort(np.abs(surprise - (shares * surprise).sum()))
    size = int(np.searchsorted(np.cumsum(shares[order]), 0.3)) + 1
    agree(bare.draws(MANY, typical_p=0.3), only(logits, order[:size].tolist()))


def test_top_n_sigma(bare: Bare, logits: Logits) -> None:
    kept = np.flatnonzero(logits >= logits.max() - 0.5 * logits.std()).tolist()
    assert 1 < len(kept) < 100
    agree(bare.draws(MANY, top_n_sigma=0.5), only(logits, kept))


def test_xtc_excludes_the_top_choices_but_the_least_of_them(bare: Bare, logits: Logits) -> None:
    order, shares = ranked(logits), softmax(logits)
    above = [token for token in order if shares[token] >= 0.02]
    assert len(above) > 2
    agree(
        bare.draws(MANY, xtc_probability=1.0, xtc_threshold=0.02),
        only(logits, [token for token in order if token not in above[:-1]]),
    )
    sometimes = bare.draws(400, xtc_probability=0.5, xtc_threshold=0.02)
    assert set(above[:-1]) & set(sometimes)


def test_dynamic_temperature_follows_the_entropy(bare: Bare, logits: Logits) -> None:
    shares = softmax(logits)
    entropy = -(shares * np.log(shares)).sum() / np.log(len(shares))
    temperature = 0.2 + (1.8 - 0.2) * entropy**0.5
    agree(bare.draws(MANY, temperature=1.0, dynatemp_range=0.8, dynatemp_exponent=0.5), softmax(logits / temperature))


def test_a_banned_token_never_comes(bare: Bare, logits: Logits) -> None:
    best = ranked(logits)
    drawn = bare.draws(MANY, banned_tokens=best[:2])
    agree(drawn, only(logits, best[2:]))
    assert bare.first(temperature=0, banned_tokens=best[:3]) == best[3]


def test_a_bias_is_added_to_the_logit(bare: Bare, logits: Logits) -> None:
    best = ranked(logits)
    moved = logits.copy()
    moved[best[5]] += 2
    moved[best[0]] -= 1
    agree(bare.draws(MANY, logit_bias=((best[5], 2.0), (best[0], -1.0))), softmax(moved))
    assert set(bare.draws(50, logit_bias=((best[900], 100.0),))) == {best[900]}
    assert bare.first(temperature=0, logit_bias=((best[0], -100.0),)) == best[1]


def test_a_ban_is_stronger_than_a_bias(bare: Bare, logits: Logits) -> None:
    best = ranked(logits)[0]
    assert best not in bare.draws(50, logit_bias=((best, 100.0),), banned_tokens=(best,))


@pytest.mark.parametrize(
    ("knobs", "change"),
    [
        ({"repeat_penalty": 1.4}, lambda logit, count: logit / 1.4 if logit > 0 else logit * 1.4),
        ({"frequency_penalty": 0.7}, lambda logit, count: logit - 0.7 * count),
        ({"presence_penalty": 1.5}, lambda logit, count: logit - 1.5),
    ],
)
def test_penalties(bare: Bare, knobs: dict[str, Any], change: Any) -> None:
    """Against the written rule, for one draw: a drawn token counts from the next draw on."""
    logits = bare.read(COUNTING)
    for last_n in (5, 64, -1):
        seen = Counter(bare.tokens if last_n < 0 else bare.tokens[-last_n:])
        moved = logits.copy()
        for token, count in seen.items():
            moved[token] = change(logits[token], count)
        drawn = Counter(bare.first(seed, repeat_last_n=last_n, top_k=40, **knobs) for seed in range(100))
        agree(drawn, only(moved, ranked(moved)[:40]))
    assert bare.first(temperature=0, repeat_last_n=0, **knobs) == ranked(logits)[0]


def test_penalties_look_at_what_was_written(bare: Bare) -> None:
    plain = bare.write(OPEN, 40, temperature=0)
    spread = bare.write(OPEN, 40, temperature=0, presence_penalty=2.0, repeat_penalty=3.0)
    assert len(set(spread)) == 40 > len(set(plain))


def test_dry_breaks_a_repeated_sequence(bare: Bare) -> None:
    logits = bare.read(COUNTING)
    expected = bare.ids(" six")[0]
    assert bare.first(temperature=0) == expected == ranked(logits)[0]
    assert bare.first(temperature=0, dry_multiplier=5.0) != expected
    assert bare.first(temperature=0, dry_multiplier=5.0, dry_allowed_length=20) == expected
    assert bare.first(temperature=0, dry_multiplier=5.0, dry_last_n=3) == expected
    assert bare.first(temperature=0, dry_multiplier=5.0, dry_last_n=0) == expected
    assert bare.first(temperature=0, dry_multiplier=5.0, dry_breakers=(" four", " five")) == expected


def test_dry_never_repeats_a_long_sequence(bare: Bare) -> None:
    prompt, turn = "1 2 3 4 5 6, 1 2 3 4 5 6, 1 2 3 4 5 6,", "1 2 3 4 5 6"
    looping = bare.text(bare.write(prompt, 30, temperature=0))
    freed = bare.text(bare.write(prompt, 30, temperature=0, dry_multiplier=5.0, dry_breakers=()))
    assert looping.count(turn) == 2 and turn not in freed


@pytest.mark.parametrize("version", [1, 2])
def test_mirostat_steers_the_surprise(bare: Bare, version: int) -> None:
    def surprise(tau: float) -> float:
        total = 0.0
        logits = bare.read(OPEN)
        sampler = bare.sampler(7, mirostat=version, mirostat_tau=tau)
        for _ in range(60):
            token = sampler.sample(bare.context.handle, -1)
            total -= float(np.log2(softmax(logits)[token]))
            logits = bare.go_on([token])
        sampler.close()
        return total / 60

    low, high = surprise(1.0), surprise(6.0)
    assert low < 2.5
    assert low + 1 < high


@pytest.mark.parametrize("version", [1, 2])
def test_mirostat_replaces_truncation_and_keeps_the_seed(bare: Bare, version: int) -> None:
    plain = bare.write(OPEN, 20, 5, mirostat=version)
    assert plain == bare.write(OPEN, 20, 5, mirostat=version, top_k=1, top_p=0.1, min_p=0.9)
    assert plain == bare.write(OPEN, 20, 5, mirostat=version)


def test_the_seed_decides(bare: Bare) -> None:
    texts = [bare.write(OPEN, 20, seed) for seed in (1, 1, 2)]
    assert texts[0] == texts[1] != texts[2]


@pytest.mark.parametrize("knobs", [{}, {"top_k": 40, "top_p": 0.9, "temperature": 0.7}, {"banned_tokens": (2, 30)},
                                   {"mirostat": 2}, {"typical_p": 0.9, "min_tokens": 20}])  # fmt: skip
def test_who_asks_what_was_weighed_gets_the_same_tokens(bare: Bare, logits: Logits, knobs: dict[str, Any]) -> None:
    """The library fills the array by itself, unless somebody wants to look into it."""
    drawn = []
    for alternatives in (0, 3):
        sampler = Sampler(SamplingParams(**knobs), bare.vocabulary, 512, 5, bare.tokens, None, alternatives)
        drawn.append([sampler.sample(bare.context.handle, -1) for _ in range(100)])
        assert (sampler.last is None) == (alternatives == 0)
        sampler.close()
    assert drawn[0] == drawn[1]


def test_the_order_is_obeyed(bare: Bare, logits: Logits) -> None:
    order = ("temperature", "top_p")
    kept = nucleus(logits / 2, 0.3)
    assert len(kept) > len(nucleus(logits, 0.3))
    agree(bare.draws(MANY, temperature=2.0, top_p=0.3, sampler_order=order), only(logits / 2, kept))
    agree(
        bare.draws(MANY, temperature=2.0, top_p=0.3, sampler_order=order[::-1]),
        only(logits / 2, nucleus(logits, 0.3)),
    )


def test_a_step_left_out_is_not_run(bare: Bare, logits: Logits) -> None:
    agree(bare.draws(MANY, top_k=1, sampler_order=("temperature",)), softmax(logits))
    agree(bare.draws(MANY, temperature=0.1, sampler_order=()), softmax(logits))


def test_the_end_waits_for_the_least_length(bare: Bare) -> None:
    ends = bare.vocabulary.ends
    bias = tuple((token, 100.0) for token in ends)
    written = bare.write(OPEN, 8, min_tokens=5, logit_bias=bias)
    assert [token in ends for token in written] == [False] * 5 + [True] * 3
    assert bare.write(OPEN, 1, logit_bias=bias)[0] in ends


def test_extremes_together_still_draw_a_token(bare: Bare, logits: Logits) -> None:
    size = bare.vocabulary.size
    for knobs in (
        {"top_k": 1_000_000, "top_p": 0.0, "min_p": 1.0, "typical_p": 0.0, "top_n_sigma": 0.001, "temperature": 5.0},
        {"repeat_penalty": 5.0, "frequency_penalty": -2.0, "presence_penalty": 2.0, "repeat_last_n": 10_000_000},
        {"dry_multiplier": 10.0, "dry_base": 8.0, "dry_allowed_length": 1, "dry_breakers": ()},
        {"dry_multiplier": 1.0, "dry_breakers": ("день", "😀", "\n" * 50)},
        {"mirostat": 1, "mirostat_tau": 0.0, "mirostat_eta": 1.0},
        {"mirostat": 2, "mirostat_tau": 0.0, "mirostat_eta": 1.0},
        {"dynatemp_range": 5.0, "temperature": 0.01},
        {"xtc_probability": 1.0, "xtc_threshold": 0.0},
        {"banned_tokens": tuple(range(size - 1))},
        {"temperature": 0.000001},
    ):
        assert all(0 <= token < size for token in bare.draws(20, **knobs)), knobs
