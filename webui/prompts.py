"""From the path of a dialogue to the prompt that is sent: what fits the window, in exact tokens, before it is sent."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass, replace

from backends.base import Backend
from backends.sampling import SamplingParams
from backends.values import ChatPrompt, Message, Speaker
from webui.dialogue import Node
from webui.history.store import History
from webui.window import Plan, Turn, plan, reserve_for

_REMEMBERED = 200_000
"""Token costs kept in memory: about 100 bytes each."""


@dataclass(frozen=True, slots=True)
class Fitted:
    """A prompt and how it fills the window. `first` is the id of the first message inside, None if there is none."""

    prompt: ChatPrompt
    plan: Plan
    first: int | None


class Prompts:
    """Fits dialogues into windows; remembers what each message costs. Thread-safe."""

    def __init__(self, history: History) -> None:
        self._history = history
        self._costs: OrderedDict[tuple[str, int, int], int] = OrderedDict()
        self._lock = threading.Lock()

    def fit(self, backend: Backend, account: int, system: str, path: Sequence[Node], speaker: Speaker, prefix: str,
            sampling: SamplingParams) -> Fitted:  # fmt: skip
        """Choose the messages that go in and count the prompt exactly.

        Raises `PromptTooLong` when one message alone exceeds the window, `WindowTooSmall`, `TemplateFailed`.
        """
        path = [node for node in path if node.content.strip()]
        window = backend.info.window
        reserve = reserve_for(sampling.max_tokens, window)
        costs, tail = self._measure(backend, system, path, speaker, prefix)
        turns = [Turn(message.role, cost) for message, cost in zip(_messages(system, path), costs, strict=True)]
        while True:
            planned = plan(turns, window, reserve, tail)
            kept = path[planned.first - bool(system) :] if planned.first else path
            prompt = ChatPrompt(_messages(system, kept), speaker, prefix)
            exact = len(backend.encode(prompt).tokens)
            if exact + reserve <= window or len(kept) <= 1:
                return Fitted(prompt, replace(planned, used=exact), kept[0].id if kept else None)
            # The sum of the costs was a little short, as the template says more around other messages.
            tail += exact + reserve - window

    def _measure(self, backend: Backend, system: str, path: Sequence[Node], speaker: Speaker,
                 prefix: str) -> tuple[list[int], int]:  # fmt: skip
        """Return each message's cost, the system message's first if there is one, and the tokens after the last."""
        name = f"{backend.info.tokenizer}/{backend.info.template}"
        known = self._known(name, path)
        at = next((i for i, cost in enumerate(known) if cost is None), len(path))
        # Only what is new is read, from the person's message before it, so that its neighbours are as in the whole.
        start = max((i for i in range(min(at, len(path) - 1)) if path[i].role == "user"), default=0)
        messages = _messages(system, path[start:])
        encoded = backend.encode(ChatPrompt(messages, speaker, prefix))
        ends = (0, *encoded.ends)
        fresh = [after - before for before, after in zip(ends, encoded.ends, strict=False)]
        head, fresh = fresh[: bool(system)], fresh[bool(system) :]
        costs = [
            cost if cost is not None and i > 0 else fresh[i - start] if i >= start else cost
            for i, cost in enumerate(known)
        ]
        self._remember(name, path, known, costs)
        return head + [cost or 0 for cost in costs], len(encoded.tokens) - ends[-1]

    def _known(self, name: str, path: Sequence[Node]) -> list[int | None]:
        with self._lock:
            found = [self._costs.get((name, node.id, len(node.content))) for node in path]
        missing = [node.id for node, cost in zip(path, found, strict=True) if cost is None and node.id]
        if not missing:
            return list(found)
        stored = self._history.counts(missing, name)
        return [
            cost if cost is not None else stored.get(node.id) for node, cost in zip(path, found, strict=True)
        ]

    def _remember(self, name: str, path: Sequence[Node], known: Sequence[int | None], costs: Sequence[int | None],
                  ) -> None:  # fmt: skip
        fresh = {
            node.id: cost
            for node, before, cost in zip(path, known, costs, strict=True)
            if before is None and cost is not None and node.id and node.state != "writing"
        }
        with self._lock:
            for node, cost in zip(path, costs, strict=True):
                if node.id and cost is not None:
                    self._costs[name, node.id, len(node.content)] = cost
            while len(self._costs) > _REMEMBERED:
                self._costs.popitem(last=False)
        if fresh:
            self._history.save_counts(fresh, name)


def _messages(system: str, path: Sequence[Node]) -> tuple[Message, ...]:
    head = (Message("system", system),) if system else ()
    return (*head, *(Message(node.role, node.content) for node in path))
