"""An engine's pieces put together, by what it offers: its tokenizer, its template, or neither."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from backends.encoder import Encoder
from backends.remote.engines import Engine, Kind
from backends.remote.estimate import Estimate
from backends.remote.failures import Refused, tidy
from backends.remote.frames import Json
from backends.remote.prompts import EnginePrompts, EstimatedPrompts, OwnPrompts
from backends.remote.tokenizers import OpenTokenizer, Tokenizer, fingerprint
from backends.remote.vocabulary import Vocabulary
from backends.templates import ChatTemplate, choose_template
from backends.values import ModelInfo

DEFAULT_WINDOW = 8192
"""What is assumed of an engine that does not tell; --ctx says it better."""
ENGINES_OWN = "engine"
"""The name of a template that only the engine knows."""


@dataclass(frozen=True, slots=True)
class Wanted:
    """What the person asked for: at most `window` tokens (0 = all there are), a named template ("" = the model's)."""

    window: int = 0
    template: str = ""


@dataclass(frozen=True, slots=True)
class Found:
    """What an engine tells of itself; 0 and "" where it does not. `weights` tells one model from another."""

    kind: Kind
    model: str
    window: int = 0
    trained_window: int = 0
    source: str = ""
    bos: str = ""
    eos: str = ""
    architecture: str = ""
    quantization: str = ""
    parameters: int = 0
    size_bytes: int = 0
    weights: str = ""
    slots: int = 0
    vocabulary: int = 0


def with_own_template(found: Found, wanted: Wanted, tokenizer: Tokenizer) -> Engine:
    """Return an engine that gets tokens: our template lays the dialogue out. Raises `Lost`, `Refused`."""
    vocabulary = Vocabulary(tokenizer, found.bos, found.eos)
    template = _template(found, wanted, vocabulary.text(vocabulary.bos))
    return Engine(
        found.kind,
        found.model,
        about=_info(found, wanted, template.name, fingerprint(tokenizer)),
        prompts=OwnPrompts(Encoder(vocabulary, template)),
        estimate=Estimate(),
        tokenize=lambda text: vocabulary.read_exactly(text, special=False),
        detokenize=tokenizer.write,
        exact=True,
        continuation=True,
        impersonation=True,
        slots=found.slots,
        vocabulary=found.vocabulary,
    )


def with_engine_template(found: Found, wanted: Wanted, tokenizer: OpenTokenizer, trusted: bool) -> Engine:
    """Return an engine that lays the dialogue out and counts it. Raises `Lost`, `Refused`."""
    tokenizer.write(tokenizer.chat([{"role": "user", "content": "a"}]).tokens)
    return Engine(
        found.kind,
        found.model,
        about=_info(found, wanted, ENGINES_OWN, fingerprint(tokenizer)),
        prompts=EnginePrompts(tokenizer, found.kind.takes_tokens, trusted),
        estimate=Estimate(),
        tokenize=lambda text: tokenizer.read(text, special=False).tokens,
        detokenize=tokenizer.write,
        exact=True,
        continuation=True,
        impersonation=True,
        slots=found.slots,
    )


def with_estimates(found: Found, wanted: Wanted, fields: Mapping[str, Any] | None = None) -> Engine:
    """Return an engine of which the counts are estimates; our template lays the dialogue out only if one is named."""
    template = _template(found, wanted, "") if wanted.template else None
    estimate = Estimate()
    return Engine(
        found.kind,
        found.model,
        about=_info(found, wanted, template.name if template else ENGINES_OWN, ""),
        prompts=EstimatedPrompts(estimate, template, found.kind.prefill),
        estimate=estimate,
        continuation=template is not None or found.kind.prefill is not None,
        impersonation=template is not None,
        slots=found.slots,
        fields=fields or {},
    )


def window_of(found: Found, wanted: Wanted) -> int:
    """Return the tokens that fit: what the engine has, or the person says, whichever is less."""
    told = found.window or found.trained_window
    return min(told or wanted.window or DEFAULT_WINDOW, wanted.window or told or DEFAULT_WINDOW)


def name_of(model: str) -> str:
    """Return what people call a model: the name of its file, or its id."""
    plain = tidy(model)
    is_path = plain.startswith(("/", ".", "~")) or "\\" in plain or plain.lower().endswith(".gguf")
    return plain.replace("\\", "/").rstrip("/").rpartition("/")[2].removesuffix(".gguf") if is_path else plain


def _template(found: Found, wanted: Wanted, bos: str) -> ChatTemplate:
    return choose_template(wanted.template, found.source or None, found.bos or bos, found.eos, model=found.model)


def _info(found: Found, wanted: Wanted, template: str, tokenizer: str) -> ModelInfo:
    window = window_of(found, wanted)
    told = f"{found.model} {found.quantization} {found.parameters} {found.size_bytes}"
    return ModelInfo(
        name=name_of(found.model) or found.kind.name,
        fingerprint=found.weights or hashlib.sha256(told.encode("utf-8", "replace")).hexdigest()[:32],
        tokenizer=tokenizer,
        window=window,
        trained_window=max(found.trained_window, found.window, window),
        template=template,
        architecture=found.architecture,
        quantization=found.quantization,
        parameters=found.parameters,
        size_bytes=found.size_bytes,
        engine=found.kind.name,
    )


def whole(value: object) -> int:
    """Return a count that an engine tells, 0 for what is none."""
    return value if isinstance(value, int) and not isinstance(value, bool) and 0 < value < 2**53 else 0


def text(value: object) -> str:
    """Return a short text that an engine tells, "" for what is none."""
    return tidy(value) if isinstance(value, str) else ""


def part(found: Json, name: str) -> Json:
    """Return an object within an object, empty if there is none."""
    inner = found.get(name)
    return inner if isinstance(inner, dict) else {}


def attempt(ask: Any, *args: Any) -> Json:
    """Return the object that a question is answered with, empty where the engine has no such route."""
    try:
        found = ask(*args)
    except Refused as refusal:
        if refusal.passing:
            raise
        return {}
    return found if isinstance(found, dict) else {}
