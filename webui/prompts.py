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
        self._trusted: OrderedDict[tuple[object, ...], None] = OrderedDict()
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
            used = self._exact(backend, measured, system, kept, prompt, reckoned)
            if used + reserve <= window or len(kept) <= 1:
                return Fitted(prompt, replace(planned, used=used), kept[0].id if kept else None)
            short += used + reserve - window

    def _exact(self, backend: Backend, measured: Measured, system: str, kept: Sequence[Node], prompt: ChatPrompt,
               reckoned: int) -> int:  # fmt: skip
        """Return the size of a prompt for which the sum of the costs is known.

        A template may say other things around a message than it did where that was measured. So a sum is trusted only
        after a prompt that begins with the same message was read whole and agreed.
        """
        if measured.whole and len(kept) == len(measured.costs):
            exact = reckoned
        elif kept and _likeness(measured, system, kept, prompt) in self._trusted:
            return reckoned
        else:
            exact = len(backend.encode(prompt).tokens)
        if exact == reckoned and kept and kept[0].id:
            with self._lock:
                self._trusted[_likeness(measured, system, kept, prompt)] = None
                while len(self._trusted) > _REMEMBERED:
                    self._trusted.popitem(last=False)
        return exact


def _likeness(measured: Measured, system: str, kept: Sequence[Node], prompt: ChatPrompt) -> tuple[object, ...]:
    return measured.tokenizer, hash(system), kept[0].id, prompt.speaker
