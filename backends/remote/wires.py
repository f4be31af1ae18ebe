"""The ways to ask for text: which path, what body, and how to read what comes back. Pure functions over JSON."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from backends.remote.frames import Json, Kind
from backends.remote.probabilities import from_columns, from_entries
from backends.values import Choice, FinishReason

_ENDS: Mapping[str, FinishReason] = {"length": "length", "limit": "length", "max_tokens": "length"}
_BROKEN_OFF = frozenset(("abort", "error"))


@dataclass(frozen=True, slots=True)
class Chunk:
    """What one object of a stream says. Counts are in tokens, since the beginning; None where it says nothing.

    `read` are the tokens of the prompt that are read so far. `broken`: the engine gave the reply up. `choices` are
    those of the chunk's tokens.
    """

    text: str = ""
    reasoning: str = ""
    prompt: int | None = None
    cached: int | None = None
    read: int | None = None
    written: int | None = None
    finish: FinishReason | None = None
    broken: bool = False
    choices: tuple[Choice, ...] = ()


@dataclass(frozen=True, slots=True)
class Wire:
    """One endpoint. `limit` is its name for the most tokens, `options` where the knobs go ("" = beside the rest).

    `fields` are sent with every request. `probabilities` returns the fields that ask for so many alternatives of each
    token.
    """

    path: str
    limit: str
    read: Callable[[Json], Chunk]
    kind: Kind = "events"
    options: str = ""
    fields: Mapping[str, Any] = field(default_factory=dict)
    probabilities: Callable[[int], Mapping[str, Any]] = lambda number: {"logprobs": True, "top_logprobs": number}

    def body(self, content: Json, knobs: Mapping[str, Any], most: int) -> Json:
        """Return a request for at most `most` tokens, 0 = as many as the engine likes."""
        knobs = {**knobs, self.limit: most} if most else knobs
        if self.options:
            options = {**content.get(self.options, {}), **knobs}
            return {**self.fields, **content, self.options: options, "stream": True}
        return {**self.fields, **content, **knobs, "stream": True}


def read_openai(frame: Json) -> Chunk:
    """Read an object of /v1/chat/completions or /v1/completions, whole answers too.

    The thinking is `reasoning_content` (SGLang, llama-server, DeepSeek) or `reasoning` (vLLM, OpenRouter).
    """
    choices = frame.get("choices")
    choice = choices[0] if isinstance(choices, list) and choices and isinstance(choices[0], dict) else {}
    delta = next((found for key in ("delta", "message") if isinstance(found := choice.get(key), dict)), choice)
    usage = _object(frame, "usage")
    details = _object(usage, "prompt_tokens_details")
    finish = choice.get("finish_reason")
    told = _object(choice, "logprobs")
    entries = from_entries(told.get("reasoning_content")) + from_entries(told.get("content"))
    return Chunk(
        text=_text(delta.get("content")) or _text(choice.get("text")),
        reasoning=_text(delta.get("reasoning_content")) or _text(delta.get("reasoning")),
        prompt=_count(usage.get("prompt_tokens")),
        cached=_count(details.get("cached_tokens")),
        written=_count(usage.get("completion_tokens")),
        finish=_ENDS.get(finish, "stop") if isinstance(finish, str) else None,
        broken=finish in _BROKEN_OFF,
        choices=entries or from_columns(told),
    )


def read_llama_server(frame: Json) -> Chunk:
    """Read an object of llama-server's own /completion."""
    progress, timings = _object(frame, "prompt_progress"), _object(frame, "timings")
    cached = timings.get("cache_n", progress.get("cache"))
    return Chunk(
        text=_text(frame.get("content")),
        prompt=_count(frame.get("tokens_evaluated")),
        cached=_count(cached),
        read=_count(progress.get("processed")),
        written=None if progress else _count(frame.get("tokens_predicted")),
        finish=_ENDS.get(frame.get("stop_type", ""), "stop") if frame.get("stop") is True else None,
        choices=from_entries(frame.get("completion_probabilities")),
    )


def read_ollama(frame: Json) -> Chunk:
    """Read an object of Ollama's /api/chat or /api/generate."""
    message = _object(frame, "message")
    finish = frame.get("done_reason", "stop")
    return Chunk(
        text=_text(message.get("content")) or _text(frame.get("response")),
        reasoning=_text(message.get("thinking")) or _text(frame.get("thinking")),
        prompt=_count(frame.get("prompt_eval_count")),
        written=_count(frame.get("eval_count")),
        finish=_ENDS.get(finish, "stop") if frame.get("done") is True else None,
        choices=from_entries(frame.get("logprobs")),
    )


def _object(frame: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    found = frame.get(name)
    return found if isinstance(found, dict) else {}


def _text(value: object) -> str:
    """Return a text; what is half of a character (a lone surrogate) becomes U+FFFD."""
    if not isinstance(value, str):
        return ""
    return value if value.isascii() else value.encode("utf-16", "surrogatepass").decode("utf-16", "replace")


def _count(value: object) -> int | None:
    return value if isinstance(value, int) and not isinstance(value, bool) and value >= 0 else None


def _number(number: int) -> Mapping[str, Any]:
    return {"logprobs": number}


_USAGE: Mapping[str, Any] = {"stream_options": {"include_usage": True}}
_USAGE_ALWAYS: Mapping[str, Any] = {"stream_options": {"include_usage": True, "continuous_usage_stats": True}}
_WHOLE_ONLY: Mapping[str, Any] = {"truncate": False, "shift": False}
"""Ollama would otherwise cut a prompt, or push its beginning out of the window, without a word."""

CHAT = Wire("/v1/chat/completions", "max_tokens", read_openai, fields=_USAGE)
CHAT_COUNTED = Wire("/v1/chat/completions", "max_tokens", read_openai, fields=_USAGE_ALWAYS)
CHAT_OPENAI = Wire("/v1/chat/completions", "max_completion_tokens", read_openai, fields=_USAGE)
TEXT = Wire("/v1/completions", "max_tokens", read_openai, fields=_USAGE, probabilities=_number)
TEXT_COUNTED = Wire("/v1/completions", "max_tokens", read_openai, fields=_USAGE_ALWAYS, probabilities=_number)
LLAMA_SERVER = Wire(
    "/completion",
    "n_predict",
    read_llama_server,
    fields={"return_progress": True, "cache_prompt": True},
    probabilities=lambda number: {"n_probs": number},
)
OLLAMA_CHAT = Wire("/api/chat", "num_predict", read_ollama, "lines", "options", _WHOLE_ONLY)
OLLAMA_TEXT = Wire("/api/generate", "num_predict", read_ollama, "lines", "options", {**_WHOLE_ONLY, "raw": True})
