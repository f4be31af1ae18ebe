"""The kinds of engines that we know, and what is known of an engine once it was looked at."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from backends.constraints import SHAPES
from backends.errors import UnsupportedFeature, UnsupportedParameter
from backends.remote import shaping, wires
from backends.remote.estimate import Estimate
from backends.remote.prompts import Prompts, Route
from backends.remote.shaping import Shaping
from backends.remote.spelling import (
    LLAMA_SERVER,
    LM_STUDIO,
    OLLAMA,
    OPENAI,
    SAMOVAR,
    SGLANG,
    SGLANG_SEEDED,
    VLLM,
    Spelling,
)
from backends.remote.wires import Wire
from backends.sampling import knobs
from backends.values import MAX_ALTERNATIVES, Capabilities, ModelInfo

ALWAYS = frozenset(("max_tokens", "stop"))
"""Knobs that every engine has: the one is sent, the other we see to ourselves."""
CONTINUE, IMPERSONATE, ALTERNATIVES = "continue", "impersonate", "alternatives"
"""What may be missing beside knobs (see `Capabilities.reasons`)."""
CONTINUE_SHAPED, SHAPED_THINKING = "continue_shaped", "shaped_thinking"
"""What may be missing beside a shape: going on within it, and beginning it where the thinking ends."""


@dataclass(frozen=True, slots=True)
class Kind:
    """A kind of engine. `name` is what people call it; `chat` and `text` are its endpoints.

    `takes_tokens`: a plain prompt may be sent as tokens. `prefill`: the fields with which it goes on with a last
    message of the assistant's, None if it does not. `seeds`: it may be sent a seed unasked, and obeys it. `shaping` is
    how it is told the shape of a reply. `alternatives` is how many it tells of each token; those of which that is
    not known are not asked, as some would refuse the whole request.
    """

    name: str
    spelling: Spelling
    chat: Wire = wires.CHAT
    text: Wire = wires.TEXT
    takes_tokens: bool = False
    prefill: Mapping[str, Any] | None = None
    seeds: bool = True
    shaping: Shaping = shaping.NONE
    alternatives: int = 0

    @property
    def knobs(self) -> frozenset[str]:
        """The knobs that it obeys."""
        return ALWAYS | frozenset(self.spelling)


_OPENAI_ALTERNATIVES = 5
"""What /v1/completions allows there; of a chat there are up to 20."""
_CONTINUE: Mapping[str, Any] = {"continue_final_message": True}

VLLM_ENGINE = Kind(
    "vLLM",
    VLLM,
    wires.CHAT_COUNTED,
    wires.TEXT_COUNTED,
    True,
    {**_CONTINUE, "add_generation_prompt": False},
    shaping=shaping.VLLM,
    alternatives=MAX_ALTERNATIVES,
)
SGLANG_ENGINE = Kind(
    "SGLang",
    SGLANG,
    wires.CHAT_COUNTED,
    wires.TEXT_COUNTED,
    True,
    _CONTINUE,
    seeds=False,
    shaping=shaping.SGLANG,
    alternatives=MAX_ALTERNATIVES,
)
SGLANG_SEEDED_ENGINE = replace(SGLANG_ENGINE, spelling=SGLANG_SEEDED, seeds=True)
LLAMA_SERVER_ENGINE = Kind(
    "llama-server",
    LLAMA_SERVER,
    wires.CHAT,
    wires.LLAMA_SERVER,
    True,
    {},
    shaping=shaping.LLAMA_SERVER,
    alternatives=MAX_ALTERNATIVES,
)
VLLM_BEFORE_ENGINE = replace(VLLM_ENGINE, shaping=shaping.VLLM_BEFORE)
OLLAMA_ENGINE = Kind(
    "Ollama", OLLAMA, wires.OLLAMA_CHAT, wires.OLLAMA_TEXT, shaping=shaping.OLLAMA, alternatives=MAX_ALTERNATIVES
)
LM_STUDIO_ENGINE = Kind("LM Studio", LM_STUDIO, shaping=shaping.LM_STUDIO)
SAMOVAR_ENGINE = Kind("Samovar", SAMOVAR, prefill={}, shaping=shaping.SAMOVAR, alternatives=MAX_ALTERNATIVES)
OPENAI_ENGINE = Kind(
    "OpenAI", OPENAI, wires.CHAT_OPENAI, seeds=False, shaping=shaping.OPENAI, alternatives=_OPENAI_ALTERNATIVES
)
OTHER_ENGINE = Kind("OpenAI-compatible", OPENAI, seeds=False)


@dataclass(frozen=True, slots=True)
class Engine:
    """One engine, looked at. `model` is its own name for the model; `fields` go with every request.

    `slots` is how many replies it writes at once, `vocabulary` how many tokens it has; 0 = unknown. `exact`: its counts
    are; otherwise they come from `estimate`.
    """

    kind: Kind
    model: str
    about: ModelInfo
    prompts: Prompts
    estimate: Estimate
    tokenize: Callable[[str], tuple[int, ...]] | None = None
    detokenize: Callable[[tuple[int, ...]], str] | None = None
    exact: bool = False
    continuation: bool = False
    impersonation: bool = False
    slots: int = 0
    vocabulary: int = 0
    fields: Mapping[str, Any] = field(default_factory=dict)

    @property
    def info(self) -> ModelInfo:
        """See `Backend.info`."""
        if self.exact:
            return self.about
        # Counts that were kept must not be mixed with those of another estimate.
        return replace(self.about, tokenizer=f"estimate-{self.estimate.ratio:g}")

    def wire(self, route: Route) -> Wire:
        """Return the endpoint for a route."""
        return self.kind.chat if route == "chat" else self.kind.text


def capabilities(engines: Sequence[Engine]) -> Capabilities:
    """Return what all of them can do."""
    named = frozenset.intersection(*(engine.kind.knobs for engine in engines))
    able = {
        CONTINUE: all(engine.continuation for engine in engines),
        IMPERSONATE: all(engine.impersonation for engine in engines),
    }
    reasons = {name: UnsupportedParameter().code for name in knobs() if name not in named}
    reasons |= {name: UnsupportedFeature().code for name, can in able.items() if not can}
    shapes = frozenset.intersection(*(frozenset(engine.kind.shaping.told) for engine in engines))
    reasons |= {f"constraint.{shape}": UnsupportedParameter().code for shape in SHAPES if shape not in shapes}
    told = min(engine.kind.alternatives for engine in engines)
    reasons |= {ALTERNATIVES: UnsupportedFeature().code} if not told else {}
    exact = all(engine.exact for engine in engines)
    return Capabilities(named, able[CONTINUE], able[IMPERSONATE], exact, told, reasons, shapes)
