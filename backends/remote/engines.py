"""The kinds of engines that we know, and what is known of an engine once it was looked at."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from backends.errors import UnsupportedFeature, UnsupportedParameter
from backends.remote import wires
from backends.remote.estimate import Estimate
from backends.remote.prompts import Prompts, Route
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
from backends.values import Capabilities, ModelInfo

ALWAYS = frozenset(("max_tokens", "stop"))
"""Knobs that every engine has: the one is sent, the other we see to ourselves."""
CONTINUE, IMPERSONATE = "continue", "impersonate"
"""What may be missing beside knobs (see `Capabilities.reasons`)."""


@dataclass(frozen=True, slots=True)
class Kind:
    """A kind of engine. `name` is what people call it; `chat` and `text` are its endpoints.

    `takes_tokens`: a plain prompt may be sent as tokens. `prefill`: the fields with which it goes on with a last
    message of the assistant's, None if it does not. `seeds`: it may be sent a seed unasked, and obeys it.
    """

    name: str
    spelling: Spelling
    chat: Wire = wires.CHAT
    text: Wire = wires.TEXT
    takes_tokens: bool = False
    prefill: Mapping[str, Any] | None = None
    seeds: bool = True

    @property
    def knobs(self) -> frozenset[str]:
        """The knobs that it obeys."""
        return ALWAYS | frozenset(self.spelling)


_CONTINUE: Mapping[str, Any] = {"continue_final_message": True}

VLLM_ENGINE = Kind(
    "vLLM", VLLM, wires.CHAT_COUNTED, wires.TEXT_COUNTED, True, {**_CONTINUE, "add_generation_prompt": False}
)
SGLANG_ENGINE = Kind("SGLang", SGLANG, wires.CHAT_COUNTED, wires.TEXT_COUNTED, True, _CONTINUE, seeds=False)
SGLANG_SEEDED_ENGINE = Kind("SGLang", SGLANG_SEEDED, wires.CHAT_COUNTED, wires.TEXT_COUNTED, True, _CONTINUE)
LLAMA_SERVER_ENGINE = Kind("llama-server", LLAMA_SERVER, wires.CHAT, wires.LLAMA_SERVER, True, {})
OLLAMA_ENGINE = Kind("Ollama", OLLAMA, wires.OLLAMA_CHAT, wires.OLLAMA_TEXT)
LM_STUDIO_ENGINE = Kind("LM Studio", LM_STUDIO)
SAMOVAR_ENGINE = Kind("Samovar", SAMOVAR, prefill={})
OPENAI_ENGINE = Kind("OpenAI", OPENAI, wires.CHAT_OPENAI, seeds=False)
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
    return Capabilities(named, able[CONTINUE], able[IMPERSONATE], all(engine.exact for engine in engines), reasons=reasons)
