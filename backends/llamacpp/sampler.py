"""The sampler chain of one request, built from `SamplingParams` out of llama.cpp's samplers.

Order: what must not come is left out (by the guide, bans, repeated n-grams, and the end that is held back), then the
logit bias, then the steps of `sampler_order`, then the draw. A step at its neutral value is absent. Mirostat steers
the surprise itself: it is the draw, and the truncating steps are absent. Greedy takes the maximum.
"""

from __future__ import annotations

import ctypes
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from llama_cpp import llama_cpp as native
from numpy.typing import NDArray

from backends.llamacpp.candidates import Candidates, Odds, Row, highest, row_of, sure
from backends.llamacpp.vocabulary import Vocabulary
from backends.ngrams import Ngrams
from backends.sampling import SamplingParams
from backends.values import Choice, TokenProbability

if TYPE_CHECKING:
    from backends.guiding.guide import Guide

_MIROSTAT_CANDIDATES = 100
"""The m of the mirostat 1 paper, as in llama.cpp."""
_FEW = 64
"""So many excluded tokens are sure to leave others."""
_SHAPING = ("penalties", "dry", "temperature")
_WINDOWED = ("penalties", "dry")


@dataclass(frozen=True, slots=True)
class Step:
    """One sampler of a chain: its name in `sampler_order` (or bias, greedy, draw, mirostat…) and its arguments."""

    name: str
    values: tuple[Any, ...] = ()


_TIDY = Step("min_p", (1e-37,))
"""Takes out what has a logit of minus infinity. Top-n-sigma leaves such tokens in, and with them the entropy that
typical-p and the dynamic temperature look at is no number, or one of too many tokens."""


def plan(params: SamplingParams, window: int) -> tuple[Step, ...]:
    """Return the steps of a chain for `params`; `window` is what -1 stands for in the `last_n` knobs."""
    params = params.canonical()
    first = [Step("bias", tuple(dict(params.logit_bias).items()))] if params.logit_bias else []
    names = [name for name in params.sampler_order if not params.mirostat or name in _SHAPING]
    steps = [Step(name, values) for name in names if (values := _READERS[name](params, window))]
    tidied = [each for step in steps for each in ((step, _TIDY) if step.name == "top_n_sigma" else (step,))]
    return (*first, *tidied, _draw(params))


def _draw(params: SamplingParams) -> Step:
    if params.greedy:
        return Step("greedy")
    if params.mirostat:
        return Step(f"mirostat_{params.mirostat}", (params.mirostat_tau, params.mirostat_eta))
    return Step("draw")


def _penalties(params: SamplingParams, window: int) -> tuple[Any, ...]:
    last = window if params.repeat_last_n < 0 else params.repeat_last_n
    values = (params.repeat_penalty, params.frequency_penalty, params.presence_penalty)
    return (last, *values) if last and values != (1.0, 0.0, 0.0) else ()


def _dry(params: SamplingParams, window: int) -> tuple[Any, ...]:
    last = window if params.dry_last_n < 0 else params.dry_last_n
    if not last or not params.dry_multiplier:
        return ()
    return params.dry_multiplier, params.dry_base, params.dry_allowed_length, last, params.dry_breakers


def _xtc(params: SamplingParams, _window: int) -> tuple[Any, ...]:
    return (params.xtc_probability, params.xtc_threshold) if params.xtc_probability else ()


def _temperature(params: SamplingParams, _window: int) -> tuple[Any, ...]:
    if params.greedy or (params.temperature == 1 and not params.dynatemp_range):
        return ()
    return params.temperature, params.dynatemp_range, params.dynatemp_exponent


def _is_dynamic(step: Step) -> bool:
    return step.name == "temperature" and step.values[1] > 0


def _unless(name: str, neutral: float) -> Callable[[SamplingParams, int], tuple[Any, ...]]:
    def read(params: SamplingParams, _window: int) -> tuple[Any, ...]:
        value = getattr(params, name)
        return () if value == neutral else (value,)

    return read


_READERS: Mapping[str, Callable[[SamplingParams, int], tuple[Any, ...]]] = {
    "penalties": _penalties,
    "dry": _dry,
    "top_n_sigma": _unless("top_n_sigma", 0),
    "top_k": _unless("top_k", 0),
    "typical_p": _unless("typical_p", 1),
    "top_p": _unless("top_p", 1),
    "min_p": _unless("min_p", 0),
    "xtc": _xtc,
    "temperature": _temperature,
}


class Sampler:
    """A chain that draws the tokens of one request and remembers what it saw.

    `tokens` are those of the prompt: penalties, DRY and the ban of n-grams look at them as at written ones, whether
    they were read now or kept from before. A `guide` tells which tokens may come; where the bans would leave none of
    them, they give way. `last` is what was weighed at the last draw, where so many `alternatives` are asked for.
    `close` gives the memory back.
    """

    def __init__(
        self, params: SamplingParams, vocabulary: Vocabulary, window: int, seed: int, tokens: Sequence[int] = (),
        guide: Guide | None = None, alternatives: int = 0,
    ) -> None:  # fmt: skip
        self._vocabulary, self._seed, self._guide, self._alternatives = vocabulary, seed, guide, alternatives
        self._banned, self._held_back = frozenset(params.banned_tokens), params.min_tokens
        self._banned_early = self._banned | vocabulary.ends
        self._greedy = params.canonical().greedy
        self._ngrams = Ngrams(params.no_repeat_ngram_size, tokens)
        self._candidates = Candidates(vocabulary.size)
        self._odds: Odds | None = None
        self.last: Choice | None = None
        settings = native.llama_sampler_chain_default_params()
        settings.no_perf = True
        self.chain = native.llama_sampler_chain_init(settings)
        steps = plan(params, window)
        self._is_maximum = [step.name for step in steps] == ["greedy"]
        self._top_k = steps[0].values[0] if steps[0].name == "top_k" else 0
        self._inspected = guide is not None or alternatives > 0 or self._is_maximum
        self._entropic = any(step.name == "typical_p" or _is_dynamic(step) for step in steps)
        for step in steps:
            self._add(step)
        last = max((step.values[0 if step.name == "penalties" else 3] for step in steps if step.name in _WINDOWED),
                   default=0)  # fmt: skip
        for token in tokens[max(0, len(tokens) - last) :] if last else ():
            native.llama_sampler_accept(self.chain, token)

    def sample(self, context: native.llama_context_p, index: int) -> int:
        """Draw from the logits of the batch's `index`-th token, and remember the token drawn. Raises `EngineFailed`."""
        excluded = self._excluded()
        if self._inspected or not self._is_plain(excluded):
            return self.draw(row_of(context, index, self._vocabulary.size))
        # The same draw, a tenth of a millisecond sooner: nobody looks into the array, so it need not be ours.
        if excluded:
            row_of(context, index, self._vocabulary.size)[list(excluded)] = -np.inf
        token: int = native.llama_sampler_sample(self.chain, context, index)
        self._remember(token)
        return token

    def _is_plain(self, excluded: Collection[int]) -> bool:
        """Whether a logit of minus infinity does what leaving a token out does: where nothing looks at the entropy."""
        return not excluded or (not self._entropic and len(excluded) <= _FEW)

    def draw(self, logits: Row) -> int:
        """Draw from the logits of one position, and remember the token drawn. Raises `EngineFailed`."""
        excluded = self._excluded()
        if self._is_maximum and self._guide is None:
            token = _maximum(logits, excluded)
        else:
            tokens = self._eligible(logits, excluded)
            self._candidates.fill(logits, tokens, excluded if tokens is None else ())
            token = self._candidates.draw(self.chain)
            native.llama_sampler_accept(self.chain, token)
        self._remember(token)
        if self._alternatives:
            self.last = self._choice(logits, token)
        return token

    def _eligible(self, logits: Row, excluded: Collection[int]) -> NDArray[np.intp] | None:
        """Return the tokens that the chain chooses from, None where it is all of them but the excluded.

        Where all that a guide allows are excluded, they may come after all: it knows that nothing else can. Where the
        chain begins with a cut to the `top_k` highest logits, only those go into it.
        """
        if self._guide is None and self._top_k:
            tokens = highest(logits, self._top_k + len(excluded))
            return tokens[~np.isin(tokens, list(excluded))] if excluded else tokens
        if self._guide is None and self._is_plain(excluded):
            return None
        allowed = np.ones(len(logits), np.bool_) if self._guide is None else self._guide.allowed()
        left = allowed.copy()
        left[list(excluded)] = False
        return np.flatnonzero(left if self._guide is None or left.any() else allowed)

    def _remember(self, token: int) -> None:
        self._ngrams.accept(token)
        if self._guide is not None:
            self._guide.take(token)
        self._held_back -= 1

    def _excluded(self) -> Collection[int]:
        banned = self._banned_early if self._held_back > 0 else self._banned
        repeated = self._ngrams.banned
        return banned.union(repeated) if repeated else banned

    def _choice(self, logits: Row, token: int) -> Choice:
        if self._odds is None:
            self._odds = Odds(self._vocabulary.size)
        tokens, before = self._odds.weigh(logits, self._alternatives, token)
        by_chance = self._candidates.probabilities
        after = [float(each == token) for each in tokens] if self._greedy else by_chance(tokens)
        pieces = map(self._vocabulary.spelled.__getitem__, tokens)
        drawn, *top = map(TokenProbability, tokens, pieces, before, after)
        return Choice(drawn, tuple(top))

    def close(self) -> None:
        """Free the chain. Idempotent."""
        if self.chain is not None:
            native.llama_sampler_free(self.chain)
            self.chain = None

    def _add(self, step: Step) -> None:
        native.llama_sampler_chain_add(self.chain, _BUILDERS[step.name](self._vocabulary, self._seed, *step.values))


def _maximum(logits: Row, excluded: Collection[int]) -> int:
    """Return the token of the highest logit that is not excluded; the logits stay as they are."""
    kept = [(token, logits[token]) for token in excluded]
    for token in excluded:
        logits[token] = -np.inf
    best = int(logits.argmax())
    height = float(logits[best])
    for token, logit in kept:
        logits[token] = logit
    return sure(best, height)


def _made(sampler: native.llama_sampler_p) -> native.llama_sampler_p:
    """Say what the untyped library returned."""
    return sampler


def _bias_sampler(vocabulary: Vocabulary, _seed: int, *pairs: tuple[int, float]) -> native.llama_sampler_p:
    array = (native.llama_logit_bias * len(pairs))(*(native.llama_logit_bias(*pair) for pair in pairs))
    return _made(native.llama_sampler_init_logit_bias(vocabulary.size, len(pairs), array))


def _dry_sampler(
    vocabulary: Vocabulary, _seed: int, multiplier: float, base: float, allowed: int, last: int,
    breakers: tuple[str, ...],
) -> native.llama_sampler_p:  # fmt: skip
    texts = (ctypes.c_char_p * len(breakers))(*(text.encode() for text in breakers))
    made = native.llama_sampler_init_dry(vocabulary.pointer, multiplier, base, allowed, last, texts, len(breakers))
    return _made(made)


_BUILDERS: Mapping[str, Callable[..., native.llama_sampler_p]] = {
    "bias": _bias_sampler,
    "penalties": lambda vocabulary, _, last, repeat, frequency, presence: native.llama_sampler_init_penalties(
        vocabulary.size, last, repeat, frequency, presence
    ),
    "dry": _dry_sampler,
    "top_n_sigma": lambda _, __, sigmas: native.llama_sampler_init_top_n_sigma(sigmas),
    "top_k": lambda _, __, number: native.llama_sampler_init_top_k(number),
    "typical_p": lambda _, __, mass: native.llama_sampler_init_typical(mass, 1),
    "top_p": lambda _, __, mass: native.llama_sampler_init_top_p(mass, 1),
    "min_p": lambda _, __, share: native.llama_sampler_init_min_p(share, 1),
    "xtc": lambda _, seed, probability, threshold: native.llama_sampler_init_xtc(probability, threshold, 1, seed),
    "temperature": lambda _, __, middle, spread, curve: native.llama_sampler_init_temp_ext(middle, spread, curve),
    "greedy": lambda _, __: native.llama_sampler_init_greedy(),
    "draw": lambda _, seed: native.llama_sampler_init_dist(seed),
    "mirostat_1": lambda vocabulary, seed, tau, eta: native.llama_sampler_init_mirostat(
        vocabulary.size, seed, tau, eta, _MIROSTAT_CANDIDATES
    ),
    "mirostat_2": lambda _, seed, tau, eta: native.llama_sampler_init_mirostat_v2(seed, tau, eta),
}
