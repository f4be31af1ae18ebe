"""What the messages of a dialogue cost in tokens, measured once and remembered, in memory and in the history.

A cost is measured among neighbours: from the end of the message before to the end of this one. So costs add up, and
do not depend on where in a prompt a message stands; what the template says before the first one is counted apart.
"""

from __future__ import annotations

import hashlib
import threading
from collections import OrderedDict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise

from backends.base import Backend
from backends.errors import TemplateFailed
from backends.values import ChatPrompt, Encoded, Message, Speaker
from webui.dialogue import Node
from webui.history.store import History

_REMEMBERED = 200_000
"""Costs kept in memory: about 100 bytes each."""
_REMEMBERED_HEADS = 256

_SAMPLE = (Message("user", "a"), Message("assistant", "a"), Message("user", "a"))


@dataclass(frozen=True, slots=True)
class Measured:
    """A dialogue in tokens: `head` before the first message, a cost for each, `tail` after the last.

    `opening` is the tail of a prompt without a prefix. `whole`: it was read in one piece just so, and the sum is exact.
    `tokenizer` names the tokenizer and the template that were measured with.
    """

    tokenizer: str
    head: int
    costs: Sequence[int]
    tail: int
    opening: int
    whole: bool


@dataclass(frozen=True, slots=True)
class _Frame:
    tokenizer: str
    head: int
    opening: int


class Costs:
    """Measures dialogues. Thread-safe."""

    def __init__(self, history: History) -> None:
        self._history = history
        self._costs: OrderedDict[tuple[str, int, int], int] = OrderedDict()
        self._frames: OrderedDict[tuple[str, ...], _Frame] = OrderedDict()
        self._lock = threading.Lock()

    def measure(self, backend: Backend, system: str, path: Sequence[Node], speaker: Speaker, prefix: str) -> Measured:
        """Measure a path; only what is new is read. Raises `TemplateFailed`."""
        frame = self._frame(backend, system)
        known = self._known(frame.tokenizer, path)
        new = next((i for i, cost in enumerate(known) if cost is None), len(path))
        # Reading begins with a message of the person's, so that the new ones have their neighbours and the template
        # its first turn. That message itself stands in a wrong place there; its cost is known.
        start = max((i for i in range(min(new, len(path) - 1)) if path[i].role == "user"), default=0)
        encoded = backend.encode(ChatPrompt(messages_of(system if start == 0 else "", path[start:]), speaker, prefix))
        read = _costs_of(encoded, frame.head if start == 0 else 0, len(path) - start)
        fresh = {path[i].id: read[i - start] for i in range(new, len(path))}
        costs = [read[i - start] if cost is None else cost for i, cost in enumerate(known)]
        # Two turns of one speaker in a row are nothing that the template was made for: what is counted at such an end
        # is not what the message will cost once it is answered.
        lasting = path[new:-1] if path and path[-1].role == speaker else path[new:]
        self._remember(frame.tokenizer, lasting, fresh)
        tail = len(encoded.tokens) - (encoded.ends[-1] if encoded.ends else 0)
        whole = start == 0 and bool(path) and costs == read
        return Measured(frame.tokenizer, frame.head, costs, tail, frame.opening, whole)

    def _frame(self, backend: Backend, system: str) -> _Frame:
        """Return what a template adds around a dialogue with a system message, found out with a small sample."""
        info = backend.info
        key = (info.fingerprint, info.tokenizer, info.template, system)
        with self._lock:
            found = self._frames.get(key)
        if found is None:
            found = _read_frame(backend, system)
            with self._lock:
                self._frames[key] = found
                while len(self._frames) > _REMEMBERED_HEADS:
                    self._frames.popitem(last=False)
        return found

    def _known(self, tokenizer: str, path: Sequence[Node]) -> list[int | None]:
        with self._lock:
            found = [self._costs.get((tokenizer, node.id, len(node.content))) for node in path]
        missing = [
            node.id for node, cost in zip(path, found, strict=True) if cost is None and node.id and _settled(node)
        ]
        if not missing:
            return list(found)
        stored = self._history.counts(missing, tokenizer)
        known = [cost if cost is not None else stored.get(node.id) for node, cost in zip(path, found, strict=True)]
        self._keep(tokenizer, path, stored)
        return known

    def _remember(self, tokenizer: str, path: Sequence[Node], fresh: Mapping[int, int]) -> None:
        self._keep(tokenizer, path, fresh)
        lasting = {node.id: fresh[node.id] for node in path if node.id and _settled(node)}
        if lasting:
            self._history.save_counts(lasting, tokenizer)

    def _keep(self, tokenizer: str, path: Sequence[Node], costs: Mapping[int, int]) -> None:
        """A reply that goes on has the same id and another length."""
        with self._lock:
            for node in path:
                if node.id and node.id in costs:
                    self._costs[tokenizer, node.id, len(node.content)] = costs[node.id]
            while len(self._costs) > _REMEMBERED:
                self._costs.popitem(last=False)


def messages_of(system: str, path: Sequence[Node]) -> tuple[Message, ...]:
    """Return the messages of a prompt."""
    head = (Message("system", system),) if system else ()
    return (*head, *(Message(node.role, node.content) for node in path))


def _settled(node: Node) -> bool:
    return node.state != "writing"


def _read_frame(backend: Backend, system: str) -> _Frame:
    name = f"{backend.info.tokenizer}/{backend.info.template}"
    try:
        plain = backend.encode(ChatPrompt(_SAMPLE))
        full = backend.encode(ChatPrompt(messages_of(system, ()) + _SAMPLE)) if system else plain
    except TemplateFailed:
        return _Frame(name, 0, 0)
    first, _, last = full.ends[-3:]
    between = last - full.ends[-2]
    # Models that cut text alike may have templates of the same name that say different things.
    digest = hashlib.sha256(repr(plain).encode()).hexdigest()[:16]
    return _Frame(f"{name}/{digest}", first - between, len(plain.tokens) - plain.ends[-1])


def _costs_of(encoded: Encoded, head: int, count: int) -> list[int]:
    """Return the costs of the last `count` messages of a prompt; `head` tokens before the first are not its own."""
    if not count:
        return []
    ends = encoded.ends[-count:]
    return [ends[0] - head, *(after - before for before, after in pairwise(ends))]
