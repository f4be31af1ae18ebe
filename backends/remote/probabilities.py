"""What an engine tells of the probabilities of its tokens, as `Choice`s. Pure functions over JSON.

Engines tell the model's own probabilities; with which ones a token was really drawn only another Samovar does. What
is not as it should be is left out: a reply without its probabilities is a reply all the same.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from typing import Any

from backends.values import Choice, TokenProbability

_BYTES = range(256)


def from_entries(entries: object) -> tuple[Choice, ...]:
    """Read a list of tokens with their alternatives: OpenAI's of a chat, llama-server's and Ollama's."""
    return tuple(_entries(entries)) if isinstance(entries, list) else ()


def from_columns(columns: object) -> tuple[Choice, ...]:
    """Read what OpenAI's /v1/completions tells: a list of the tokens, one of their logarithms, one of alternatives."""
    if not isinstance(columns, Mapping):
        return ()
    tokens, logprobs, tops = (_list(columns.get(name)) for name in ("tokens", "token_logprobs", "top_logprobs"))
    tops = tops or [None] * len(tokens)
    return tuple(
        Choice(drawn, _ranked(top))
        for token, logprob, top in zip(tokens, logprobs, tops, strict=False)
        if (drawn := _token({"token": token, "logprob": logprob})) is not None
    )


def _entries(entries: list[object]) -> Iterator[Choice]:
    for entry in entries:
        if isinstance(entry, Mapping) and (drawn := _token(entry)) is not None:
            top = [_token(each) for each in _list(entry.get("top_logprobs")) if isinstance(each, Mapping)]
            yield Choice(drawn, tuple(each for each in top if each is not None))


def _ranked(top: object) -> tuple[TokenProbability, ...]:
    if not isinstance(top, Mapping):
        return ()
    found = [_token({"token": token, "logprob": logprob}) for token, logprob in top.items()]
    return tuple(sorted((each for each in found if each is not None), key=lambda each: -each.before))


def _token(entry: Mapping[str, Any]) -> TokenProbability | None:
    text, logprob = entry.get("token"), entry.get("logprob")
    if not isinstance(text, str) or not isinstance(logprob, int | float) or math.isnan(logprob):
        return None
    number, data, after = entry.get("id"), entry.get("bytes"), entry.get("after")
    whole = isinstance(data, list) and all(isinstance(byte, int) and byte in _BYTES for byte in data)
    piece = bytes(data) if whole and data is not None else text.encode("utf-8", "replace")
    return TokenProbability(
        number if isinstance(number, int) else -1,
        piece,
        math.exp(min(0.0, logprob)),
        float(after) if isinstance(after, int | float) else None,
    )


def _list(value: object) -> list[Any]:
    return value if isinstance(value, list) else []
