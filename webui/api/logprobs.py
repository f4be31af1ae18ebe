"""The probabilities of tokens, asked for and written as OpenAI does it; the model's own, before any lever moved.

Beside OpenAI's fields each token of a chat has its `id`, as llama-server's have, -1 where the engine does not tell, and
`after`: the probability with which it was really drawn, null where the engine does not tell. The thinking has a list of
its own, `reasoning_content`, as in DeepSeek's API.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import accumulate
from typing import Any

from backends.base import Backend
from backends.sampling import SamplingParams
from backends.values import MAX_ALTERNATIVES, Choice, TokenProbability
from webui.api.errors import InvalidBody, UnsupportedField

FIELDS = frozenset(("logprobs", "top_logprobs"))

_LEAST = -9999.0
"""What OpenAI writes for a probability of nothing."""


@dataclass(frozen=True, slots=True)
class Weighed:
    """Tokens of a reply and of the thinking; the first of the reply's stands at the `offset`-th character."""

    choices: Sequence[Choice] = ()
    reasoning: Sequence[Choice] = ()
    offset: int = 0


def of_chat(fields: Mapping[str, Any]) -> int | None:
    """Return how many alternatives a chat completion asks for, None where it asks for no probabilities at all.

    Raises `InvalidBody`.
    """
    wanted, number = fields.get("logprobs", False), fields.get("top_logprobs", 0)
    if not isinstance(wanted, bool):
        raise InvalidBody(name="logprobs", problem="must be true or false")
    number = _number("top_logprobs", number)
    if number and not wanted:
        raise InvalidBody(name="top_logprobs", problem="logprobs must be true")
    return number if wanted else None


def of_text(fields: Mapping[str, Any], echo: bool) -> int | None:
    """Return how many alternatives a text completion asks for, None for none. Raises `InvalidBody`, `UnsupportedField`.

    The probabilities of the prompt itself are not told, so they cannot be asked for together with its `echo`.
    """
    if fields.get("top_logprobs", 0):
        raise InvalidBody(name="top_logprobs", problem="logprobs is the number here")
    if fields.get("logprobs", False) is False:
        return None
    number = _number("logprobs", fields["logprobs"])
    if echo:
        raise UnsupportedField(name="logprobs", why="the probabilities of the prompt are not told")
    return number


def check(number: int | None, backend: Backend, sampling: SamplingParams) -> int:
    """Return how many alternatives to ask the engine for, 0 for none. Raises `UnsupportedField`, `InvalidBody`."""
    if number is None:
        return 0
    most = backend.capabilities.alternatives
    if not most:
        raise UnsupportedField(name="logprobs", why="the engine does not tell its probabilities")
    if sampling.num_beams > 1:
        raise UnsupportedField(name="logprobs", why="a search with beams weighs whole replies")
    if number > most:
        raise InvalidBody(name="top_logprobs", problem=f"the engine tells {most} at most")
    return max(1, number)


def in_chat(weighed: Weighed, number: int) -> dict[str, Any]:
    """Return the probabilities of a message's tokens, and of those of the thinking before it."""
    written = {"content": [_entry(choice, number) for choice in weighed.choices], "refusal": None}
    thought = [_entry(choice, number) for choice in weighed.reasoning]
    return {**written, "reasoning_content": thought} if thought else written


def in_text(weighed: Weighed, number: int) -> dict[str, Any]:
    """Return the probabilities of a text's tokens, without the thinking."""
    texts = [text_of(choice.drawn) for choice in weighed.choices]
    return {
        "tokens": texts,
        "token_logprobs": [_logprob(choice.drawn) for choice in weighed.choices],
        # OpenAI puts the drawn one among them, too.
        "top_logprobs": [
            {text_of(each): _logprob(each) for each in (choice.drawn, *choice.top[:number])}
            for choice in weighed.choices
        ],
        "text_offset": list(accumulate(map(len, texts), initial=weighed.offset))[:-1],
    }


def text_of(token: TokenProbability) -> str:
    """Return the text of a token; a part of a character is U+FFFD."""
    return token.piece.decode("utf-8", "replace")


def _entry(choice: Choice, number: int) -> dict[str, Any]:
    return {**_written(choice.drawn), "top_logprobs": [_written(each) for each in choice.top[:number]]}


def _written(token: TokenProbability) -> dict[str, Any]:
    logprob = _logprob(token)
    return {
        "token": text_of(token), "logprob": logprob, "bytes": list(token.piece), "id": token.token,
        "after": token.after,
    }  # fmt: skip


def _logprob(token: TokenProbability) -> float:
    return max(_LEAST, math.log(token.before)) if token.before > 0 else _LEAST


def _number(name: str, value: object) -> int:
    if isinstance(value, bool) or not isinstance(value, int) or not 0 <= value <= MAX_ALTERNATIVES:
        raise InvalidBody(name=name, problem=f"must be a number from 0 to {MAX_ALTERNATIVES}")
    return value
