"""From the path of a dialogue to the prompt that is sent: what fits the window, in exact tokens, before it is sent."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass, replace

from backends.base import Backend
from backends.sampling import SamplingParams
from backends.values import ChatPrompt, Speaker
from webui.costs import Costs, Measured, messages_of
from webui.dialogue import Node
from webui.history.store import History
from webui.window import Plan, Turn, plan, reserve_for

_REMEMBERED = 4096


@dataclass(frozen=True, slots=True)
class Fitted:
    """A prompt and how it fills the window. `first` is the id of the first message inside, None if there is none.

    `plan.dropped` counts the messages of the path that stay out; empty ones are never sent and not counted.
    """

    prompt: ChatPrompt
    plan: Plan
    first: int | None


class Prompts:
    """Fits dialogues into windows. Thread-safe."""

    def __init__(self, history: History) -> None:
        self._costs = Costs(history)
        self._corrections: OrderedDict[tuple[object, ...], int] = OrderedDict()
        self._lock = threading.Lock()

    def fit(self, backend: Backend, system: str, path: Sequence[Node], speaker: Speaker, prefix: str,
            sampling: SamplingParams) -> Fitted:  # fmt: skip
        """Choose the messages that go in and count the prompt exactly.

        Raises `PromptTooLong` when one message alone exceeds the window, `WindowTooSmall`, `TemplateFailed`.
        """
        path = [node for node in path if node.content.strip()]
        window = backend.info.window
        reserve = reserve_for(sampling.max_tokens, window)
        measured = self._costs.measure(backend, system, path, speaker, prefix)
        # What stands before the first message is always in: the system message, or what the template says without.
        turns = [Turn("system", measured.head)]
        turns += [Turn(node.role, cost) for node, cost in zip(path, measured.costs, strict=True)]
        short = 0
        while True:
            planned = plan(turns, window, reserve, measured.tail + short, measured.opening)
            kept = path[planned.dropped :]
            prompt = ChatPrompt(messages_of(system, kept), speaker, prefix)
            reckoned = planned.used - short
            used = reckoned + self._correction(backend, measured, system, kept, prompt, reckoned)
            if used + reserve <= window or len(kept) <= 1:
                return Fitted(prompt, replace(planned, used=used), kept[0].id if kept else None)
            short += used + reserve - window

    def _correction(self, backend: Backend, measured: Measured, system: str, kept: Sequence[Node], prompt: ChatPrompt,
                    reckoned: int) -> int:  # fmt: skip
        """Return by how much the sum of the costs is wrong, as a template may say other things around a message.

        Found out by reading the whole prompt, once for each message that a prompt begins with.
        """
        first = kept[0].id if kept else None
        key = (measured.tokenizer, hash(system), first, prompt.speaker)
        with self._lock:
            known = self._corrections.get(key)
        if known is not None:
            return known
        if measured.whole and len(kept) == len(measured.costs):
            correction = 0
        else:
            correction = len(backend.encode(prompt).tokens) - reckoned
        if first:
            with self._lock:
                self._corrections[key] = correction
                while len(self._corrections) > _REMEMBERED:
                    self._corrections.popitem(last=False)
        return correction
