"""How long it takes to choose what goes into the window as a person types, with the costs of the messages known.

"plan" is the choice alone; "prompt" is all that is done before a prompt is sent: costs looked up, the draft read with
what stands before it, the choice, and the prompt itself.
"""

from __future__ import annotations

import random
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing, contextmanager
from pathlib import Path

from backends.sampling import SamplingParams
from backends.scripted import Script, ScriptedBackend
from tests.bench import Measure, Ratio, Setup
from webui.dialogue import Node
from webui.history.store import History
from webui.prompts import Prompts
from webui.window import Turn, plan, reserve_for

TITLE = "what fits into a window of 8,192 tokens"
UNIT = "ms"
REPETITIONS = 15
LIMIT = "limit"
RATIOS = (
    Ratio("prompt, 1,000 messages", LIMIT, 1.0, at_least=False),
    Ratio("plan, 10,000 messages", LIMIT, 1.0, at_least=False),
)

LIMIT_MILLISECONDS = 20.0
SIZES = (100, 1_000, 10_000)
WINDOW = 8192
SYSTEM = "You are a kettle that knows everything about tea."


@contextmanager
def subjects(_setup: Setup) -> Iterator[Mapping[str, Measure]]:
    """See `tests.bench`."""
    found: dict[str, Measure] = {}
    with tempfile.TemporaryDirectory() as folder, closing(History(f"sqlite:///{Path(folder) / 'bench.db'}")) as history:
        backend, prompts = ScriptedBackend(Script(window=WINDOW)), Prompts(history)
        for size in SIZES:
            path = _talk(size)
            found[f"plan, {size:,} messages"] = _planning(path)
            found[f"prompt, {size:,} messages"] = _fitting(backend, prompts, path)
        found[LIMIT] = lambda _seed: LIMIT_MILLISECONDS
        yield found


def _talk(size: int) -> tuple[Node, ...]:
    """Return a dialogue; different sizes share no ids."""
    chance = random.Random(size)
    roles = ("user", "assistant")
    return tuple(
        Node(size * 10 + i, size * 10 + i - 1 if i else None, roles[i % 2], _words(chance, 10, 90))  # type: ignore[arg-type]
        for i in range(size)
    )


def _words(chance: random.Random, least: int, most: int) -> str:
    return " ".join(chance.choice(("tea", "kettle", "water", "самовар")) for _ in range(chance.randint(least, most)))


def _planning(path: tuple[Node, ...]) -> Measure:
    turns = [Turn("system", 12), *(Turn(node.role, node.content.count(" ") + 3) for node in path)]
    reserve = reserve_for(0, WINDOW)
    return lambda _seed: _milliseconds(lambda: plan(turns, WINDOW, reserve, 2, 2))


def _fitting(backend: ScriptedBackend, prompts: Prompts, path: tuple[Node, ...]) -> Measure:
    def measure(seed: int) -> float:
        draft = Node(0, path[-1].id, "user", _words(random.Random(seed), 1, 40))
        asked = (*path, draft)
        return _milliseconds(lambda: prompts.fit(backend, SYSTEM, asked, "assistant", "", SamplingParams()))

    return measure


def _milliseconds(work: Callable[[], object]) -> float:
    began = time.perf_counter()
    work()
    return (time.perf_counter() - began) * 1000
