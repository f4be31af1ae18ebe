"""How each kind of engine spells the knobs: its names for them, and its values where they mean something else."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from backends.sampling import NEUTRAL, SamplingParams

Spell = Callable[[SamplingParams, int], Mapping[str, Any]]
"""Takes the values and the window in tokens, returns fields."""
Spelling = Mapping[str, Spell]
"""Knob -> what is sent for it. All are sent, neutral ones too: an engine's own defaults are often not neutral."""

BAN = -100
"""The bias by which OpenAI's API bans a token."""
_NEVER = "\ue0f2\ue0f3\ue0f2"
"""Stands for "no breakers", as llama-server takes no empty list: nothing that a model writes."""
_STEPS: Mapping[str, str] = {"typical_p": "typ_p"}


def _as(name: str, knob: str = "") -> Spell:
    return lambda params, _: {name: getattr(params, knob or name)}


def _same(*names: str) -> Spelling:
    return {name: _as(name) for name in names}


def _set(*names: str) -> Spelling:
    """Sent only when away from neutral: to engines of which no more is known than that they follow OpenAI."""

    def spelled(name: str) -> Spell:
        return lambda params, _: {name: value} if (value := getattr(params, name)) != getattr(NEUTRAL, name) else {}

    return {name: spelled(name) for name in names}


def _bias(params: SamplingParams, _: int) -> Mapping[str, Any]:
    """OpenAI's form: an object with token ids as texts."""
    bias = {str(token): bias for token, bias in params.logit_bias} | {str(token): BAN for token in params.banned_tokens}
    return {"logit_bias": bias} if bias else {}


def _pairs(params: SamplingParams, _: int) -> Mapping[str, Any]:
    """llama-server's form: a list of pairs, false for never."""
    return {"logit_bias": [[token, bias] for token, bias in params.logit_bias]
                          + [[token, False] for token in params.banned_tokens]}  # fmt: skip


def _last(name: str, knob: str) -> Spell:
    """How far back is looked: -1, the whole window, is a number there, and none may be larger."""

    def spelled(params: SamplingParams, window: int) -> Mapping[str, Any]:
        count = getattr(params, knob)
        return {name: min(count, window) if count >= 0 else window}

    return spelled


def _seed(params: SamplingParams, _: int) -> Mapping[str, Any]:
    return {"seed": params.seed} if params.seed >= 0 else {}


_BIAS: Mapping[str, Spell] = {"logit_bias": _bias, "banned_tokens": _bias}
_OPENAI = ("frequency_penalty", "presence_penalty")

OPENAI: Mapping[str, Spell] = {**_same("temperature", "top_p"), **_set(*_OPENAI), **_BIAS, "seed": _seed}
"""https://platform.openai.com/docs/api-reference/chat/create"""

VLLM: Mapping[str, Spell] = {
    **_same("temperature", "top_p", "min_p", "min_tokens", *_OPENAI),
    "top_k": lambda params, _: {"top_k": params.top_k or -1},
    "repeat_penalty": _as("repetition_penalty", "repeat_penalty"),
    **_BIAS,
    "seed": _seed,
}
"""vllm/sampling_params.py; the penalty for repetition looks at the whole text there."""

SGLANG: Mapping[str, Spell] = {name: spell for name, spell in VLLM.items() if name != "seed"}
"""sglang/srt/sampling/sampling_params.py; a seed counts only where the engine was started for it."""

SGLANG_SEEDED: Spelling = VLLM

LLAMA_SERVER: Mapping[str, Spell] = {
    **_same(
        "temperature", "top_p", "top_k", "min_p", "typical_p", "xtc_probability", "xtc_threshold", "repeat_penalty",
        *_OPENAI, "dry_multiplier", "dry_base", "dry_allowed_length", "dynatemp_range",
        "dynatemp_exponent", "mirostat", "mirostat_tau", "mirostat_eta",
    ),
    "top_n_sigma": lambda params, _: {"top_n_sigma": params.top_n_sigma or -1},
    "repeat_last_n": _last("repeat_last_n", "repeat_last_n"),
    "dry_last_n": _last("dry_penalty_last_n", "dry_last_n"),
    "dry_breakers": lambda params, _: {"dry_sequence_breakers": list(params.dry_breakers) or [_NEVER]},
    "sampler_order": lambda params, _: {"samplers": [_STEPS.get(step, step) for step in params.sampler_order]},
    "logit_bias": _pairs,
    "banned_tokens": _pairs,
    "seed": _seed,
}  # fmt: skip
"""llama.cpp, tools/server/README.md, POST /completion."""

OLLAMA: Mapping[str, Spell] = {
    **_same("temperature", "top_p", "top_k", "min_p", "typical_p", "repeat_penalty", "repeat_last_n", *_OPENAI),
    "seed": _seed,
}
"""ollama, docs/modelfile, PARAMETER; typical_p is in api/types.go."""

LM_STUDIO: Mapping[str, Spell] = {
    **_same("temperature", "top_p", "repeat_penalty", *_OPENAI),
    "top_k": lambda params, _: {"top_k": params.top_k or -1},
    **_BIAS,
    "seed": _seed,
}
"""https://lmstudio.ai/docs/app/api/endpoints/openai"""

SAMOVAR: Spelling = _set(*(name for name in SamplingParams.__dataclass_fields__ if name not in ("max_tokens", "stop")))
"""Another Samovar takes every knob by its name, and has our neutral values."""


def spelled(spelling: Spelling, params: SamplingParams, window: int) -> dict[str, Any]:
    """Return the fields of a request for all knobs that an engine with such a window has."""
    fields: dict[str, Any] = {}
    for spell in spelling.values():
        fields.update(spell(params, window))
    return fields
