"""The levers of generation: one frozen dataclass, each field with its knob.

This one table makes the validation, the sliders, the preset files, the API's fields, every backend's list of
supported names and the table in the README. A field's default is its *neutral* value: the one that changes nothing.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

from backends.errors import InvalidParameter, UnknownParameter

Kind = Literal["float", "int", "choice", "texts", "ints", "bias", "order"]
Group = Literal["basic", "truncation", "repetition", "beams", "advanced", "expert"]

SAMPLER_STEPS = (
    "penalties", "dry", "top_n_sigma", "top_k", "typical_p", "top_p", "min_p", "xtc", "temperature",
)  # fmt: skip
"""The steps in the order that llama.cpp documents as its default: temperature comes last."""

MAX_BEAMS = 16
"""The most beams of one search."""


@dataclass(frozen=True, slots=True)
class Knob:
    """How a field is set: what it may be, how finely it moves, and where the page shows it."""

    kind: Kind
    group: Group
    minimum: float = -math.inf
    maximum: float = math.inf
    step: float = 1
    choices: tuple[int, ...] = ()
    slider_maximum: float | None = None
    """Where the page's slider ends, when larger values are allowed but rarely wanted."""


def _knob(neutral: Any, kind: Kind, group: Group, *, lo: float = -math.inf, hi: float = math.inf,
          step: float = 1, choices: tuple[int, ...] = (), slider: float | None = None) -> Any:  # fmt: skip
    return dataclasses.field(default=neutral, metadata={"knob": Knob(kind, group, lo, hi, step, choices, slider)})


@dataclass(frozen=True, slots=True)
class SamplingParams:
    """How the next token is drawn and when to stop. Raises `InvalidParameter` for a value out of range.

    Sources of the rules: top-p (Holtzman 2019, arXiv:1904.09751), locally typical (Meister 2022, arXiv:2202.00666),
    min-p (Nguyen 2024, arXiv:2407.01082), top-n-sigma (Tang 2024, arXiv:2411.07641), mirostat (Basu 2020,
    arXiv:2007.14966), repetition penalty (Keskar 2019, arXiv:1909.05858), frequency and presence penalty (OpenAI's
    API), DRY and XTC (their author's pull requests to text-generation-webui, numbers 5677 and 6335), the ban of
    repeated n-grams (Paulus 2017, arXiv:1705.04304), beam search and its length penalty (transformers 5).
    """

    temperature: float = _knob(1.0, "float", "basic", lo=0, hi=5, step=0.05, slider=2)
    """0 is greedy: always the most probable token."""
    top_p: float = _knob(1.0, "float", "basic", lo=0, hi=1, step=0.01)
    """Keep the smallest set of tokens whose probabilities sum to at least this."""
    top_k: int = _knob(0, "int", "basic", lo=0, hi=1_000_000, slider=200)
    """Keep this many most probable tokens; 0 keeps all."""
    max_tokens: int = _knob(0, "int", "basic", lo=0, hi=10_000_000, slider=4096)
    """The longest reply in tokens; 0 goes on to the end of the window."""
    min_p: float = _knob(0.0, "float", "truncation", lo=0, hi=1, step=0.01)
    """Keep tokens at least this probable relative to the most probable one."""
    typical_p: float = _knob(1.0, "float", "truncation", lo=0, hi=1, step=0.01)
    """Keep the tokens closest to the expected surprise, up to this sum of probability."""
    top_n_sigma: float = _knob(0.0, "float", "truncation", lo=0, hi=10, step=0.1, slider=5)
    """Keep tokens whose logit is within this many standard deviations of the highest; 0 is off."""
    xtc_probability: float = _knob(0.0, "float", "truncation", lo=0, hi=1, step=0.01)
    """How often the most probable candidates are excluded; 0 is off."""
    xtc_threshold: float = _knob(0.1, "float", "truncation", lo=0, hi=0.5, step=0.01)
    """All tokens above this probability but the least probable of them are excluded."""
    repeat_penalty: float = _knob(1.0, "float", "repetition", lo=0.1, hi=5, step=0.01, slider=2)
    """Divide (positive) or multiply (negative) the logit of a token seen lately by this."""
    frequency_penalty: float = _knob(0.0, "float", "repetition", lo=-2, hi=2, step=0.05)
    """Subtract this from the logit for each time the token was seen lately."""
    presence_penalty: float = _knob(0.0, "float", "repetition", lo=-2, hi=2, step=0.05)
    """Subtract this once from the logit of a token that was seen lately."""
    repeat_last_n: int = _knob(64, "int", "repetition", lo=-1, hi=10_000_000, slider=4096)
    """How many last tokens the three penalties look at; 0 none, -1 the whole window."""
    dry_multiplier: float = _knob(0.0, "float", "repetition", lo=0, hi=10, step=0.05, slider=5)
    """Strength of DRY, which penalises going on with a sequence that was there before; 0 is off."""
    dry_base: float = _knob(1.75, "float", "repetition", lo=1, hi=8, step=0.05, slider=4)
    """How fast DRY's penalty grows with the length of the repeated sequence."""
    dry_allowed_length: int = _knob(2, "int", "repetition", lo=1, hi=1000, slider=20)
    """Sequences up to this length may repeat for free."""
    dry_last_n: int = _knob(-1, "int", "repetition", lo=-1, hi=10_000_000, slider=4096)
    """How many last tokens DRY looks at; 0 none, -1 the whole window."""
    dry_breakers: tuple[str, ...] = _knob(("\n", ":", '"', "*"), "texts", "expert")
    """Texts at which DRY stops matching."""
    no_repeat_ngram_size: int = _knob(0, "int", "repetition", lo=0, hi=1000, slider=10)
    """No sequence of so many tokens comes twice, in prompt and reply together; 0 is off, 1 repeats no token at all."""
    num_beams: int = _knob(1, "int", "beams", lo=1, hi=MAX_BEAMS)
    """Search the most probable reply with this many beams instead of drawing token by token; 1 draws."""
    length_penalty: float = _knob(1.0, "float", "beams", lo=-5, hi=5, step=0.1)
    """Replies are compared by their log-probability divided by their length to this power; more favours long ones."""
    early_stopping: int = _knob(0, "choice", "beams", choices=(0, 1, 2))
    """When the search ends, once there are `num_beams` whole replies: 0 when no beam is likely to beat the worst of
    them, 1 at once, 2 only when none can (transformers' False, True and "never")."""
    dynatemp_range: float = _knob(0.0, "float", "advanced", lo=0, hi=5, step=0.05, slider=2)
    """Dynamic temperature moves this far to both sides of the temperature, by the entropy of the choice; 0 is off."""
    dynatemp_exponent: float = _knob(1.0, "float", "advanced", lo=0.01, hi=10, step=0.05, slider=5)
    """The curve between entropy and dynamic temperature; 1 is straight."""
    mirostat: int = _knob(0, "choice", "advanced", choices=(0, 1, 2))
    """Version of mirostat, which steers the surprise itself and replaces all truncation; 0 is off."""
    mirostat_tau: float = _knob(5.0, "float", "advanced", lo=0, hi=20, step=0.1, slider=10)
    """The surprise, in bits, that mirostat aims at."""
    mirostat_eta: float = _knob(0.1, "float", "advanced", lo=0, hi=1, step=0.01)
    """How fast mirostat corrects itself."""
    seed: int = _knob(-1, "int", "advanced", lo=-1, hi=2**32 - 2)
    """The seed of the draws; -1 takes a new one each time."""
    min_tokens: int = _knob(0, "int", "advanced", lo=0, hi=10_000_000, slider=1024)
    """The reply may not end before this many tokens."""
    stop: tuple[str, ...] = _knob((), "texts", "advanced")
    """Texts that end the reply; they are not part of it."""
    logit_bias: tuple[tuple[int, float], ...] = _knob((), "bias", "expert", lo=-100, hi=100)
    """Pairs of token id and what is added to its logit."""
    banned_tokens: tuple[int, ...] = _knob((), "ints", "expert", lo=0, hi=2**31 - 1)
    """Ids of tokens that are never drawn."""
    sampler_order: tuple[str, ...] = _knob(SAMPLER_STEPS, "order", "expert")
    """The order of the steps; a step that is left out is not run."""

    def __post_init__(self) -> None:
        """Bring every value to its type and check it."""
        for name, knob in knobs().items():
            object.__setattr__(self, name, _checked(name, knob, getattr(self, name)))

    @property
    def greedy(self) -> bool:
        """Whether the most probable token is always taken."""
        return self.temperature == 0

    def canonical(self) -> SamplingParams:
        """Return equal behaviour with the fewest knobs.

        Greedy decoding and beam search leave no draw for the others to shape; without beams nothing ends their search.
        """
        moot = [] if self.num_beams > 1 else list(BEAM_KNOBS)
        if self.greedy or self.num_beams > 1:
            moot += [name for name, knob in knobs().items() if knob.group == "truncation"]
            moot += ["top_k", "top_p", "mirostat", "mirostat_tau", "mirostat_eta", "dynatemp_range"]
            moot += ["dynatemp_exponent", *(["temperature"] if self.num_beams > 1 else [])]
        return dataclasses.replace(self, **{name: getattr(NEUTRAL, name) for name in moot})

    def difference(self) -> dict[str, Any]:
        """Return only what differs from neutral, as plain lists and numbers (for presets and the history)."""
        return {name: _plain(getattr(self, name)) for name in knobs() if getattr(self, name) != getattr(NEUTRAL, name)}

    @classmethod
    def from_mapping(cls, values: Mapping[str, Any]) -> SamplingParams:
        """Build from what `difference` returned or a person wrote. Raises `UnknownParameter`, `InvalidParameter`."""
        for name in values:
            if name not in knobs():
                raise UnknownParameter(name=name)
        return cls(**values)


def knobs() -> dict[str, Knob]:
    """Return the table: field name -> knob, in the order of the page."""
    return {field.name: field.metadata["knob"] for field in dataclasses.fields(SamplingParams)}


def _plain(value: Any) -> Any:
    return [_plain(item) for item in value] if isinstance(value, tuple) else value


def _checked(name: str, knob: Knob, value: Any) -> Any:
    try:
        result = _READERS[knob.kind](value)
    except (TypeError, ValueError, OverflowError, AttributeError):
        raise InvalidParameter(name=name, value=_short(value), allowed=_allowed(knob)) from None
    if not _within(knob, result):
        raise InvalidParameter(name=name, value=_short(value), allowed=_allowed(knob))
    return result


def _within(knob: Knob, value: Any) -> bool:
    match knob.kind:
        case "float" | "int":
            return bool(knob.minimum <= value <= knob.maximum)
        case "choice":
            return value in knob.choices
        case "ints":
            return all(knob.minimum <= item <= knob.maximum for item in value)
        case "bias":
            return all(token >= 0 and knob.minimum <= bias <= knob.maximum for token, bias in value)
        case "order":
            return len(set(value)) == len(value) and set(value) <= set(SAMPLER_STEPS)
        case "texts":
            return all(value)


def _allowed(knob: Knob) -> str:
    match knob.kind:
        case "float" | "int":
            return f"{knob.minimum:g} … {knob.maximum:g}" if knob.maximum < 1e6 else f"{knob.minimum:g} and more"
        case "choice":
            return ", ".join(map(str, knob.choices))
        case "order":
            return ", ".join(SAMPLER_STEPS)
        case "bias":
            return f"pairs of token id and {knob.minimum:g} … {knob.maximum:g}"
        case "ints":
            return "token ids"
        case "texts":
            return "texts that are not empty"


def _short(value: object) -> str:
    text = str(value)
    return text if len(text) <= 60 else text[:60] + "…"


def _float(value: Any) -> float:
    if isinstance(value, bool) or not math.isfinite(number := float(value)):
        raise ValueError
    return number


def _int(value: Any) -> int:
    if (number := _float(value)) != int(number):
        raise ValueError
    return int(number)


def _texts(value: Any) -> tuple[str, ...]:
    items = (value,) if isinstance(value, str) else tuple(value)
    if not all(isinstance(item, str) for item in items):
        raise ValueError
    return items


def _bias(value: Any) -> tuple[tuple[int, float], ...]:
    pairs = value.items() if isinstance(value, Mapping) else value
    return tuple((_int(token), _float(bias)) for token, bias in pairs)


_READERS: Mapping[Kind, Any] = {
    "float": _float,
    "int": _int,
    "choice": _int,
    "texts": _texts,
    "ints": lambda value: tuple(_int(item) for item in value),
    "bias": _bias,
    "order": _texts,
}

NEUTRAL = SamplingParams()
"""Every knob at rest."""

BEAM_KNOBS = frozenset(name for name, knob in knobs().items() if knob.group == "beams")
"""The knobs of beam search, which not every engine and not every model has."""
