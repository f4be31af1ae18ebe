"""From a body to the requests for the engine: the knobs by name, OpenAI's other fields obeyed, ignored or refused.

Nothing that would change the answer is dropped in silence.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from typing import Any

from backends.base import Backend
from backends.errors import UnknownParameter
from backends.sampling import SamplingParams, knobs
from backends.values import ChatPrompt, Message, Prompt, Request, Role, TextPrompt
from webui.api import logprobs
from webui.api.bodies import MOST_GENERATIONS, Body, ChatBody, ChatMessage, CompletionBody, GenerationBody
from webui.api.errors import InvalidBody, UnsupportedField
from webui.api.shapes import FIELDS, shape_of

HARMLESS = frozenset((
    "metadata", "moderation", "parallel_tool_calls", "prediction", "prompt_cache_key", "prompt_cache_options",
    "prompt_cache_retention", "safety_identifier", "service_tier", "store", "user",
))  # fmt: skip
"""Fields of OpenAI's that say nothing about the answer itself: they are ignored."""

_NO_TOOLS = "the model is not offered tools"
REFUSED: Mapping[str, tuple[tuple[object, ...], str]] = {
    "audio": ((), "answers are text"),
    "best_of": ((1,), "every answer is told; n asks for several"),
    "function_call": (("none", "auto"), _NO_TOOLS),
    "functions": (([],), _NO_TOOLS),
    "modalities": ((["text"],), "answers are text"),
    "reasoning_effort": ((), "how much a model thinks cannot be set"),
    "suffix": (("",), "text is only written at the end"),
    "tool_choice": (("none", "auto"), _NO_TOOLS),
    "tools": (([],), _NO_TOOLS),
    "verbosity": ((), "how long answers are cannot be set; max_tokens ends them"),
    "web_search_options": ((), "nothing is fetched from the network"),
}
"""Fields of OpenAI's that would change the answer: the values at which they do not, and why no other will do."""

_ROLES: Mapping[str, Role] = {"system": "system", "developer": "system", "user": "user", "assistant": "assistant"}
_ECHOED = frozenset(("annotations", "reasoning", "reasoning_content"))
"""What our own answers carry beside the text, and a client may send back; past thinking is never read again."""
_SEEDS = 2**32 - 1

Groups = tuple[tuple[Request, ...], ...]
"""Requests to run for one answer; those of one group have the same prompt."""


def chat_groups(body: ChatBody, user: str, backend: Backend) -> Groups:
    """Return the requests of a chat completion. Raises `InvalidRequest`."""
    prompt = dialogue(body.messages)
    if prompt.prefix and not backend.capabilities.continuation:
        raise UnsupportedField(name="messages", why="this engine cannot go on with a reply, so the last one is yours")
    return (_group(_request(prompt, body, user, backend, logprobs.of_chat(body.more)), body.n or 1),)


def completion_groups(body: CompletionBody, user: str, backend: Backend) -> Groups:
    """Return the requests of a text completion, a group for each prompt. Raises `InvalidRequest`."""
    texts = prompts(body)
    if len(texts) * (body.n or 1) > MOST_GENERATIONS:
        raise InvalidBody(name="prompt", problem=f"at most {MOST_GENERATIONS} answers are written at once")
    number = logprobs.of_text(body.more, bool(body.echo))
    first = _request(TextPrompt(texts[0]), body, user, backend, number)
    return tuple(_group(dataclasses.replace(first, prompt=TextPrompt(text)), body.n or 1) for text in texts)


def prompts(body: CompletionBody) -> tuple[str, ...]:
    """Return the prompts, one or more. Raises `InvalidBody`, and `UnsupportedField` for token ids."""
    if isinstance(body.prompt, str):
        return (body.prompt,)
    if not body.prompt:
        raise InvalidBody(name="prompt", problem="there is none")
    if not all(isinstance(text, str) for text in body.prompt):
        raise UnsupportedField(name="prompt", why="prompts are sent as text, not as token ids")
    return tuple(body.prompt)


def dialogue(messages: Sequence[ChatMessage]) -> ChatPrompt:
    """Return the prompt of a dialogue; a last message of the assistant's is the reply's beginning, to be gone on with.

    Raises `InvalidBody`, `UnsupportedField`.
    """
    if not messages:
        raise InvalidBody(name="messages", problem="there is none")
    read = tuple(_message(message, f"messages[{at}]") for at, message in enumerate(messages))
    last = read[-1]
    return ChatPrompt(read[:-1], prefix=last.content) if last.role == "assistant" else ChatPrompt(read)


def sampling(body: GenerationBody) -> SamplingParams:
    """Return the knobs that a body sets. Raises `InvalidRequest` for what is unknown, out of range or not to be had."""
    apart = HARMLESS | FIELDS.keys() | logprobs.FIELDS
    values = {name: value for name, value in body.more.items() if name not in apart}
    for name in [name for name in values if name in REFUSED]:
        _refuse(name, values.pop(name), body)
    for name in values:
        if name not in knobs():
            raise UnknownParameter(name=name)
    limit = body.max_completion_tokens
    if limit is not None and values.setdefault("max_tokens", limit) != limit:
        raise InvalidBody(name="max_completion_tokens", problem="max_tokens says otherwise")
    return SamplingParams.from_mapping(values)


def only(body: Body) -> None:
    """Raise `UnknownParameter` for anything beside the named fields of a body."""
    for name in body.more:
        raise UnknownParameter(name=name)


def _request(prompt: Prompt, body: GenerationBody, user: str, backend: Backend, number: int | None) -> Request:
    """Return what a body asks for; `number` alternatives of each token are to be told, None for nothing of the kind."""
    params = sampling(body)
    alternatives = logprobs.check(number, backend, params)
    return Request(prompt, params, user, constraint=shape_of(body.more, backend), alternatives=alternatives)


def _group(first: Request, size: int) -> tuple[Request, ...]:
    return tuple(dataclasses.replace(first, sampling=_nth(first.sampling, at)) for at in range(size))


def _nth(params: SamplingParams, at: int) -> SamplingParams:
    """Return the knobs of the nth answer: with one seed for all they would be the same."""
    return dataclasses.replace(params, seed=(params.seed + at) % _SEEDS) if at and params.seed >= 0 else params


def _refuse(name: str, value: Any, body: GenerationBody) -> None:
    neutral, why = REFUSED[name]
    same = any(value == each and isinstance(value, bool) == isinstance(each, bool) for each in neutral)
    if not same and not (name == "best_of" and value == body.n):
        raise UnsupportedField(name=name, why=why)


def _message(message: ChatMessage, place: str) -> Message:
    if message.role in ("tool", "function"):
        raise UnsupportedField(name=f"{place}.role", why=_NO_TOOLS)
    if message.role not in _ROLES:
        raise InvalidBody(name=f"{place}.role", problem=f"must be one of {', '.join(_ROLES)}")
    for name, value in message.more.items():
        if value and name not in _ECHOED:
            raise UnsupportedField(name=f"{place}.{name}", why="of a message only role and content are read")
    return Message(_ROLES[message.role], _text(message, place))


def _text(message: ChatMessage, place: str) -> str:
    if isinstance(message.content, str):
        return message.content
    if message.content is None and message.role != "assistant":
        raise InvalidBody(name=f"{place}.content", problem="is missing")
    return "\n".join(_part(part, f"{place}.content[{at}]") for at, part in enumerate(message.content or ()))


def _part(part: Mapping[str, Any], place: str) -> str:
    if part.get("type") != "text":
        raise UnsupportedField(name=f"{place}.type", why="the model reads text only")
    if not isinstance(part.get("text"), str):
        raise InvalidBody(name=f"{place}.text", problem="must be a text")
    return str(part["text"])
