"""Every step and every draw is what its source defines, on logits that are known: by numpy, and by chi-square."""

from __future__ import annotations

import inspect
import math
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from backends import repeats  # noqa: E402
from backends.errors import EngineFailed  # noqa: E402
from backends.sampling import BEAM_KNOBS, SAMPLER_STEPS, SamplingParams, knobs  # noqa: E402
from backends.transformers import sampling  # noqa: E402
from backends.transformers import sampling_cuts as cuts  # noqa: E402
from backends.transformers import sampling_draws as draws  # noqa: E402
from backends.transformers import sampling_penalties as past  # noqa: E402
from backends.transformers.sampling import Sampler  # noqa: E402
from tests.backends.references import chi_square as agree  # noqa: E402

Array = np.ndarray[Any, np.dtype[np.float64]]
SIZE = 50
MANY = 6_000
END = 7


@dataclass(frozen=True)
class FakeWords:
    size: int = SIZE
    ends: frozenset[int] = frozenset([END])
    spelled: Mapping[int, bytes] = field(default_factory=lambda: {token: b"w%d " % token for token in range(SIZE)})


@pytest.fixture(scope="module")
def logits() -> Array:
    """A vocabulary of fifty tokens, about as skewed as a model's."""
    return np.random.default_rng(3).normal(0, 1.5, SIZE)


def tensor(values: Any) -> Any:
    return torch.tensor(values, dtype=torch.float32)


def softmax(logits: Array) -> Array:
    weights: Array = np.exp(logits - logits.max())
    return weights / weights.sum()


def kept(logits: Any) -> set[int]:
    return set(torch.nonzero(logits > -math.inf).flatten().tolist())


def only(logits: Array, tokens: Sequence[int] | set[int]) -> Array:
    masked = np.full_like(logits, -np.inf)
    masked[list(tokens)] = logits[list(tokens)]
    return softmax(masked)


def ranked(logits: Array) -> list[int]:
    return [int(token) for token in np.argsort(-logits, kind="stable")]


def sampler(seed: int = 1, seen: Sequence[int] = (), **knobs: Any) -> Sampler:
    return Sampler(SamplingParams(**knobs), FakeWords(), 256, seed, seen)


def drawn(logits: Array, number: int = MANY, seed: int = 1, **knobs: Any) -> Counter[int]:
    """Draw many times from the same logits."""
    made, values = sampler(seed, **knobs), tensor(logits)
    return Counter(made.sample(values) for _ in range(number))


# What is drawn


def test_neutral_is_the_plain_softmax(logits: Array) -> None:
    agree(drawn(logits), softmax(logits))


@pytest.mark.parametrize("degree", [0.3, 0.7, 1.5, 5.0])
def test_temperature_divides_the_logits(logits: Array, degree: float) -> None:
    agree(drawn(logits, temperature=degree), softmax(logits / degree))


@pytest.mark.parametrize("count", [1, 4, SIZE, 1000])
def test_top_k(logits: Array, count: int) -> None:
    agree(drawn(logits, top_k=count), only(logits, ranked(logits)[:count]))


def nucleus(logits: Array, mass: float) -> list[int]:
    order, shares = ranked(logits), softmax(logits)
    return order[: int(np.searchsorted(np.cumsum(shares[order]), mass)) + 1]


@pytest.mark.parametrize("mass", [0.0, 0.3, 0.8, 0.95])
def test_top_p(logits: Array, mass: float) -> None:
    agree(drawn(logits, top_p=mass), only(logits, nucleus(logits, mass)))


@pytest.mark.parametrize("share", [0.02, 0.2, 1.0])
def test_min_p(logits: Array, share: float) -> None:
    shares = softmax(logits)
    agree(drawn(logits, min_p=share), only(logits, np.flatnonzero(shares >= share * shares.max()).tolist()))


@pytest.mark.parametrize("mass", [0.1, 0.5, 0.9])
def test_typical_p(logits: Array, mass: float) -> None:
    shares = softmax(logits)
    surprise = -np.log(shares)
    order = np.argsort(np.abs(surprise - (shares * surprise).sum()), kind="stable")
    size = int(np.searchsorted(np.cumsum(shares[order]), mass)) + 1
    agree(drawn(logits, typical_p=mass), only(logits, order[:size].tolist()))


@pytest.mark.parametrize("sigmas", [0.3, 1.0, 2.0])
def test_top_n_sigma(logits: Array, sigmas: float) -> None:
    tokens = np.flatnonzero(logits >= logits.max() - sigmas * logits.std()).tolist()
    agree(drawn(logits, top_n_sigma=sigmas), only(logits, tokens))


@pytest.mark.parametrize("probability", [0.3, 1.0])
def test_xtc(logits: Array, probability: float) -> None:
    shares = softmax(logits)
    above = [token for token in ranked(logits) if shares[token] >= 0.05]
    assert len(above) > 2
    without = only(logits, set(range(SIZE)) - set(above[:-1]))
    agree(
        drawn(logits, xtc_probability=probability, xtc_threshold=0.05),
        probability * without + (1 - probability) * shares,
    )


def test_xtc_needs_two_candidates(logits: Array) -> None:
    agree(drawn(logits, xtc_probability=1.0, xtc_threshold=0.5), softmax(logits))


def test_dynamic_temperature_follows_the_entropy(logits: Array) -> None:
    shares = softmax(logits)
    doubt = -(shares * np.log(shares)).sum() / np.log(SIZE)
    degree = 0.2 + (1.8 - 0.2) * doubt**0.5
    agree(drawn(logits, dynatemp_range=0.8, dynatemp_exponent=0.5), softmax(logits / degree))
    few = cuts.temperature(cuts.top_k(tensor(logits), 4), 1.0, 0.8, 0.5)
    inner = only(logits, ranked(logits)[:4])
    inner = inner[inner > 0]
    inner_doubt = -(inner * np.log(inner)).sum() / np.log(4)
    degree = 0.2 + 1.6 * inner_doubt**0.5
    expected = only(logits / degree, ranked(logits)[:4])
    assert torch.softmax(few, -1).numpy() == pytest.approx(expected, abs=1e-6), "of what is left, not of all"


def test_bias_and_bans(logits: Array) -> None:
    best, moved = ranked(logits), logits.copy()
    moved[best[5]] += 2
    moved[best[0]] -= 1
    agree(drawn(logits, logit_bias=((best[5], 2.0), (best[0], -1.0))), softmax(moved))
    agree(drawn(logits, banned_tokens=best[:2]), only(logits, best[2:]))
    assert best[0] not in drawn(logits, 200, logit_bias=((best[0], 100.0),), banned_tokens=best[:1])


def test_the_order_is_obeyed(logits: Array) -> None:
    order = ("temperature", "top_p")
    assert len(nucleus(logits / 2, 0.5)) > len(nucleus(logits, 0.5))
    agree(drawn(logits, temperature=2.0, top_p=0.5, sampler_order=order), only(logits / 2, nucleus(logits / 2, 0.5)))
    agree(
        drawn(logits, temperature=2.0, top_p=0.5, sampler_order=order[::-1]),
        only(logits / 2, nucleus(logits, 0.5)),
    )


def test_a_step_left_out_is_not_run(logits: Array) -> None:
    agree(drawn(logits, top_k=1, sampler_order=("temperature",)), softmax(logits))
    agree(drawn(logits, temperature=0.1, sampler_order=()), softmax(logits))


def test_all_cuts_together(logits: Array) -> None:
    """One after the other, each sees what the ones before have left."""
    order = ranked(logits)[:20]
    inner = only(logits, order)
    order = [token for token in order if np.cumsum(inner[order])[order.index(token)] - inner[token] < 0.9]
    inner = only(logits, order)
    order = [token for token in order if inner[token] >= 0.1 * inner.max()]
    agree(drawn(logits, temperature=1.3, top_k=20, top_p=0.9, min_p=0.1), only(logits / 1.3, order))


def test_greedy_by_many_ways(logits: Array) -> None:
    best = ranked(logits)[0]
    for given in ({"temperature": 0}, {"top_k": 1}, {"top_p": 0.0}, {"min_p": 1.0}, {"temperature": 1e-6},
                  {"temperature": 0, "mirostat": 2, "xtc_probability": 1.0, "top_k": 9}):  # fmt: skip
        assert set(drawn(logits, 50, **given)) == {best}, given
    assert drawn(logits, 1, temperature=0, banned_tokens=(best,)).keys() == {ranked(logits)[1]}


def test_the_seed_decides(logits: Array) -> None:
    runs = [list(map(sampler(seed).sample, [tensor(logits)] * 20)) for seed in (1, 1, 2)]
    assert runs[0] == runs[1] != runs[2]


def test_the_end_waits_for_the_least_length(logits: Array) -> None:
    made = sampler(min_tokens=5, logit_bias=((END, 100.0),))
    assert [made.sample(tensor(logits)) == END for _ in range(8)] == [False] * 5 + [True] * 3


# Penalties


@pytest.mark.parametrize(
    ("knobs", "change"),
    [
        ({"repeat_penalty": 1.4}, lambda logit, count: logit / 1.4 if logit > 0 else logit * 1.4),
        ({"frequency_penalty": 0.7}, lambda logit, count: logit - 0.7 * count),
        ({"presence_penalty": 1.5}, lambda logit, count: logit - 1.5),
        ({"repeat_penalty": 0.8, "frequency_penalty": -1.0, "presence_penalty": 0.5},
         lambda logit, count: (logit / 0.8 if logit > 0 else logit * 0.8) + count - 0.5),
    ],
)  # fmt: skip
@pytest.mark.parametrize("last_n", [3, 64, -1])
def test_penalties(logits: Array, knobs: dict[str, Any], change: Any, last_n: int) -> None:
    best = ranked(logits)
    seen = [best[0], best[1], best[0], best[40], best[2], best[0], best[3]]
    moved = logits.copy()
    for token, count in Counter(seen[-last_n:] if last_n > 0 else seen).items():
        moved[token] = change(logits[token], count)
    values = tensor(logits)
    counts = Counter(
        sampler(seed, seen, repeat_last_n=last_n, **knobs).sample(values) for seed in range(3000)
    )  # fmt: skip
    agree(counts, softmax(moved))


def test_penalties_look_at_what_is_drawn(logits: Array) -> None:
    made = sampler(temperature=0, presence_penalty=2.0, repeat_penalty=5.0)
    assert len({made.sample(tensor(logits)) for _ in range(5)}) > 1
    off = sampler(temperature=0, presence_penalty=2.0, repeat_last_n=0)
    assert len({off.sample(tensor(logits)) for _ in range(5)}) == 1


def slow_continued(seen: Sequence[int]) -> dict[int, int]:
    """The rule word by word: after which earlier place the longest repeated sequence went on, and with what."""
    found: dict[int, int] = {}
    for at in range(len(seen) - 1):
        length = 0
        while length <= at and seen[at - length] == seen[-1 - length]:
            length += 1
        if length:
            found[seen[at + 1]] = max(found.get(seen[at + 1], 0), length)
    return found


def test_what_was_said_before_is_found() -> None:
    random = np.random.default_rng(5)
    for size in (0, 1, 2, 3, 10, 60):
        for letters in (1, 2, 4):
            seen = random.integers(0, letters, size).tolist()
            assert repeats.continued(seen, 1000) == slow_continued(seen)
            capped = {token: min(length, 3) for token, length in slow_continued(seen).items() if length >= 2}
            assert repeats.continued(seen, 3, 2) == capped
    assert repeats.continued([1, 2, 3, 1, 2], 1, 2) == {}


def pieces(text: str) -> tuple[list[int], dict[int, bytes]]:
    """One token for each letter."""
    return list(text.encode()), {byte: bytes([byte]) for byte in range(256)}


@pytest.mark.parametrize(
    ("text", "breakers", "expected"),
    [
        ("abc", (), 3),
        ("ab\ncd", ("\n",), 2),
        ("ab\n", ("\n",), 0),
        ("a--b-c", ("--",), 3),
        ("a--", ("--",), 0),
        ("a:b*cde", (":", "*"), 3),
        ("день", ("ен",), 2),
    ],
)
def test_breakers_end_a_sequence(text: str, breakers: tuple[str, ...], expected: int) -> None:
    seen, spelled = pieces(text)
    assert repeats.unbroken(seen, [each.encode() for each in breakers], spelled.__getitem__, 100) == expected
    assert repeats.unbroken(seen, [each.encode() for each in breakers], spelled.__getitem__, 1) == min(1, expected)


def dry(text: str, multiplier: float = 0.8, base: float = 1.75, allowed: int = 2, breakers: str = "\n") -> Any:
    seen, spelled = pieces(text)
    return past.without_repeats(
        torch.zeros(256), seen, multiplier, base, allowed, [each.encode() for each in breakers], spelled.__getitem__
    )


def test_dry_grows_with_the_length_of_the_repetition() -> None:
    for length, text in ((1, "abcd xd"), (2, "abcd xcd"), (3, "abcd xbcd"), (4, "abcd xabcd")):
        text = text.replace("d ", "d!")
        weakened = -float(dry(text)[ord("!")])
        assert weakened == pytest.approx(0.8 * 1.75 ** (length - 2) if length >= 2 else 0), text
    assert -float(dry("abcd!xabcd", allowed=5)[ord("!")]) == 0
    assert -float(dry("abcd!xabcd", base=1.0)[ord("!")]) == pytest.approx(0.8)
    assert torch.count_nonzero(dry("abcd!xabcd")) == 1


def test_dry_stops_at_breakers_and_spares_them() -> None:
    assert -float(dry("a\ncd!a\ncd")[ord("!")]) == pytest.approx(0.8), "two tokens since the breaker"
    assert torch.count_nonzero(dry("abc\nabc")) == 0, "what would come is the breaker itself"
    assert torch.count_nonzero(dry("abc!abc\n")) == 0


def test_dry_has_a_largest_penalty() -> None:
    values = dry("ab" * 3000, multiplier=10, base=8)
    assert float(values[ord("a")]) < -1e30 and not torch.isnan(values).any()
    values = dry("a" * 3000, multiplier=1, base=1.01)
    assert float(values[ord("a")]) == pytest.approx(-(1.01**2997))


def test_dry_in_the_chain(logits: Array) -> None:
    best = ranked(logits)
    seen = [best[5], best[6], best[7], best[0], best[8], best[5], best[6], best[7]]

    def first(**knobs: Any) -> int:
        return sampler(1, seen, temperature=0, dry_multiplier=5.0, **knobs).sample(tensor(logits))

    assert first() != best[0]
    assert first(dry_allowed_length=4) == first(dry_last_n=3) == first(dry_last_n=0) == best[0]
    assert first(dry_breakers=(f"w{best[6]} ",)) == best[0]
    assert first(sampler_order=("temperature",)) == best[0]


# Mirostat


@pytest.mark.parametrize("version", [1, 2])
@pytest.mark.parametrize("tau", [2.0, 4.0])
def test_mirostat_holds_the_surprise(version: int, tau: float) -> None:
    """Beside the papers' algorithms, written out: the same candidates, and in the mean the surprise aimed at."""
    size, eta = 500, 0.1
    logits = -1.1 * np.log(np.arange(1, size + 1))
    shares = softmax(logits)
    params = SamplingParams(mirostat=version, mirostat_tau=tau, mirostat_eta=eta)
    made = Sampler(params, FakeWords(size=size, ends=frozenset(), spelled={}), 256, 5)
    steps = np.log(np.arange(2, 101) / np.arange(1, 100))
    exponent = (steps * np.log(shares[:99] / shares[1:100])).sum() / (steps**2).sum()
    aim, total = 2 * tau, 0.0
    for _ in range(3000):
        count = (((exponent - 1) * 2**aim) / (1 - size ** (1 - exponent))) ** (1 / exponent)
        allowed = max(1, int(count) if version == 1 else int((-np.log2(shares) <= aim).sum()))
        token = made.sample(tensor(logits))
        # Rounding may decide about the one candidate on the boundary.
        assert token <= allowed
        surprise = float(-np.log2(shares[token] / shares[: max(allowed, token + 1)].sum()))
        total += surprise
        aim -= eta * (surprise - tau)
    assert total / 3000 == pytest.approx(tau, abs=0.05)


def test_mirostat_1_estimates_zipfs_law() -> None:
    """The k of the paper's algorithm 1, written out."""
    ranks = np.arange(1, 1001)
    shares = ranks**-1.3 / (ranks**-1.3).sum()
    count = draws.zipf_count(shares[:100].tolist(), 1000, 5.0)
    assert count == int((0.3 * 2**5 / (1 - 1000**-0.3)) ** (1 / 1.3))
    assert draws.zipf_count([0.1] * 10, 10, 2.0) == 4
    assert draws.zipf_count([1.0], 10, 2.0) >= 1
    assert draws.zipf_count([1.0, 0.0], 10, 50.0) <= 10


def test_mirostat_2_keeps_what_surprises_at_most_so_much(logits: Array) -> None:
    surprises = -np.log2(softmax(logits))
    assert kept(draws.mirostat_2(tensor(logits), 3.0)) == set(np.flatnonzero(surprises <= 3.0).tolist())
    assert kept(draws.mirostat_2(tensor(logits), 0.01)) == {ranked(logits)[0]}


@pytest.mark.parametrize("version", [1, 2])
def test_mirostat_replaces_truncation(logits: Array, version: int) -> None:
    plain = drawn(logits, 50, mirostat=version)
    assert plain == drawn(logits, 50, mirostat=version, top_k=1, top_p=0.1, min_p=0.9, xtc_probability=1.0)


# Edges


def test_equal_logits_and_excluded_ones() -> None:
    flat = torch.zeros(SIZE)
    assert len(kept(cuts.top_k(flat, 3))) == 3
    assert len(kept(cuts.top_p(flat, 0.51))) == SIZE // 2 + 1
    assert len(kept(cuts.min_p(flat, 1.0))) == len(kept(cuts.top_n_sigma(flat, 1.0))) == SIZE
    assert len(kept(cuts.xtc(flat, 0.01))) == 1
    lone = torch.full((SIZE,), -math.inf)
    lone[4] = 2.0
    for cut in (
        lambda values: cuts.top_k(values, 3),
        lambda values: cuts.top_p(values, 0.5),
        lambda values: cuts.typical_p(values, 0.5),
        lambda values: cuts.min_p(values, 0.5),
        lambda values: cuts.top_n_sigma(values, 1.0),
        lambda values: cuts.xtc(values, 0.0),
        lambda values: cuts.temperature(values, 0.5, 0.4, 2.0),
        lambda values: draws.mirostat_1(values, 3.0),
        lambda values: draws.mirostat_2(values, 3.0),
    ):
        assert kept(cut(lone)) == {4}
        assert draws.draw(cut(lone), 0.999999) == draws.draw(cut(lone), 0.0) == 4


def test_a_draw_never_leaves_the_vocabulary() -> None:
    values = tensor([0.0, 1.0, -math.inf])
    assert draws.draw(values, 0.0) == 0 and draws.draw(values, 1.0) == 1
    assert Sampler(SamplingParams(temperature=0), FakeWords(2), 9, 1).sample(tensor([1.0, 2.0, 9.0])) == 1


def test_extremes_together_still_draw_a_token(logits: Array) -> None:
    for given in (
        {"top_k": 1_000_000, "top_p": 0.0, "min_p": 1.0, "typical_p": 0.0, "top_n_sigma": 0.001, "temperature": 5.0},
        {"repeat_penalty": 5.0, "frequency_penalty": -2.0, "presence_penalty": 2.0, "repeat_last_n": 10_000_000},
        {"dry_multiplier": 10.0, "dry_base": 8.0, "dry_allowed_length": 1, "dry_breakers": ()},
        {"dry_multiplier": 1.0, "dry_breakers": ("день", "😀", "\n" * 50)},
        {"mirostat": 1, "mirostat_tau": 0.0, "mirostat_eta": 1.0},
        {"mirostat": 2, "mirostat_tau": 0.0, "mirostat_eta": 1.0},
        {"mirostat": 1, "mirostat_tau": 20.0, "mirostat_eta": 1.0},
        {"dynatemp_range": 5.0, "temperature": 0.01},
        {"xtc_probability": 1.0, "xtc_threshold": 0.0},
        {"banned_tokens": tuple(range(SIZE - 1))},
        {"temperature": 0.000001},
        {"sampler_order": SAMPLER_STEPS[::-1], **dict.fromkeys(("top_p", "min_p", "typical_p"), 0.3)},
    ):
        assert all(0 <= token < SIZE for token in drawn(logits, 40, seed=2, **given)), given


def test_no_numbers_is_an_error(logits: Array) -> None:
    with pytest.raises(EngineFailed, match="no numbers"):
        sampler().sample(torch.full((SIZE,), math.nan))
    with pytest.raises(EngineFailed, match="no token is left"):
        sampler(banned_tokens=tuple(range(SIZE))).sample(tensor(logits))


def test_every_knob_is_known() -> None:
    """A knob added to the table must be taught to this engine, or named as missing in its capabilities."""
    elsewhere = {"max_tokens", "stop", "seed", *BEAM_KNOBS}
    source = inspect.getsource(sampling)
    assert not {name for name in knobs() if name not in elsewhere and name not in source}
