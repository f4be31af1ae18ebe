"""How much of a long dialogue is read again with each turn, and how long its first token takes.

Sixty turns of about a hundred tokens in a window of 2,048, which is full after a third of them. Each prompt goes the
way that a message from the page goes: history, costs, plan, template, engine. What is measured is what a person
notices: "first" runs from there to the first token, "read" is the part of the prompt that the engine had not read
before, "reused" the rest as a share of the whole. A turn is one that is past the overflow; the worst one counts, too.

"cold" is a dialogue that the engine has never seen, and that fills the window as far as whole words go. The engine gets
one sequence, so that a cold read takes the place of the chat: "return" comes back to it after that.
"""

from __future__ import annotations

import random
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median

from backends.base import Backend
from backends.registry import BackendOptions, open_backend
from backends.sampling import SamplingParams
from backends.values import Done, ReasoningDelta, Request, Speaker, TextDelta, Usage
from tests.bench import Bound, Measure, Ratio, Setup, talks
from webui.dialogue import Node
from webui.history.store import History
from webui.prompts import Prompts

TITLE = "60 turns of about 100 tokens in a window of 2,048"
UNIT = {
    "first": "s", "read": "tokens", "worst first": "s", "reused": "", "turns reusing 0.9": "", "prompt": "tokens",
}  # fmt: skip
REPETITIONS = 3
WARM_UP = False
WINDOW = 2048
TURNS = 60
WRITTEN = 24
ASKED = 34
"""Words of a message: about 75 tokens."""
COLD = 23
"""Messages that fill the window, of as many words as go into it."""
SYSTEM = "You are a kettle that knows everything about tea."
SAMPLING = SamplingParams(max_tokens=WRITTEN, min_tokens=WRITTEN, temperature=0.8)

RATIOS = (
    Ratio("turn: worst first", "cold: first", 0.15, at_least=False),
    Ratio("return: first", "cold: first", 0.1, at_least=False),
)
BOUNDS = (
    Bound("turn: turns reusing 0.9", 0.9, at_least=True),
    Bound("regenerate: read", 2),
    Bound("continue: read", 2),
)


@dataclass(frozen=True, slots=True)
class Asked:
    """What one prompt cost: seconds to the first token, and the engine's account of it."""

    first: float
    usage: Usage
    text: str

    @property
    def read(self) -> int:
        """The tokens that were read for it."""
        return self.usage.prompt_tokens - self.usage.cached_tokens

    @property
    def figures(self) -> Mapping[str, float]:
        """The figures of the table."""
        return {"first": self.first, "read": self.read, "prompt": self.usage.prompt_tokens}


@contextmanager
def subjects(setup: Setup) -> Iterator[Mapping[str, Measure]]:
    """See `tests.bench`."""
    options = BackendOptions(ctx=WINDOW, threads=setup.threads, gpu_layers=0, parallel=1)
    with (
        tempfile.TemporaryDirectory() as folder,
        closing(History(talks.url_of(Path(folder)))) as history,
        closing(open_backend(str(setup.model), options)) as backend,
    ):
        house = House(history, backend, Prompts(history))
        yield {
            "cold": lambda seed: house.cold(seed).figures,
            "turn": house.turns,
            "regenerate": lambda _: house.again().figures,
            "continue": lambda _: house.continued().figures,
            "impersonate": lambda _: house.impersonated().figures,
            "edit": lambda seed: house.edited(seed).figures,
            "return": lambda seed: house.returned(seed).figures,
        }


@dataclass
class House:
    """A person with an engine; `path` is the dialogue that they are in."""

    history: History
    backend: Backend
    prompts: Prompts
    path: tuple[Node, ...] = ()
    _colds: random.Random = field(default_factory=lambda: random.Random(0))

    def turns(self, seed: int) -> Mapping[str, float]:
        """Lead a new dialogue through all of its turns; return the figures of those past the overflow."""
        chance = random.Random(seed)
        chat = self.history.create_chat(talks.OWNER, "tea", SYSTEM).id
        parent: int | None = None
        found: list[Asked] = []
        for _ in range(TURNS):
            parent = self.history.add_message(talks.OWNER, chat, parent, "user", talks.words(chance, ASKED)).id
            self.path = self.history.dialogue(talks.OWNER, chat).path
            overflowed = self._dropped(self.path)
            asked = self.ask(self.path)
            if overflowed:
                found.append(asked)
            parent = self.history.add_message(talks.OWNER, chat, parent, "assistant", asked.text).id
            self.path = self.history.dialogue(talks.OWNER, chat).path
        reused = [asked.usage.cached_tokens / asked.usage.prompt_tokens for asked in found]
        return {
            "first": median(asked.first for asked in found),
            "worst first": max(asked.first for asked in found),
            "read": median(asked.read for asked in found),
            "reused": median(reused),
            "turns reusing 0.9": sum(share >= 0.9 for share in reused) / len(reused),
        }

    def cold(self, seed: int) -> Asked:
        """Read a dialogue that fills the window for the first time."""
        name = f"{seed} {self._colds.random()}"
        paths = (_talk(random.Random(name), words) for words in range(2 * ASKED, 0, -1))
        asked = self.ask(next(path for path in paths if not self._dropped(path)))
        assert asked.usage.prompt_tokens > 0.95 * WINDOW, asked.usage
        return asked

    def again(self) -> Asked:
        """Ask for another version of the last reply."""
        self._warm()
        return self.ask(self.path[:-1])

    def continued(self) -> Asked:
        """Let the last reply go on."""
        self._warm()
        return self.ask(self.path[:-1], prefix=self.path[-1].content)

    def impersonated(self) -> Asked:
        """Let the model write the person's next message."""
        self._warm()
        return self.ask(self.path, speaker="user")

    def edited(self, seed: int) -> Asked:
        """Ask once more with the last message in other words."""
        self._warm()
        message = Node(0, self.path[-2].parent, "user", talks.words(random.Random(seed), ASKED))
        return self.ask((*self.path[:-2], message))

    def returned(self, seed: int) -> Asked:
        """Come back to the dialogue after another one took its place."""
        self._warm()
        self.cold(seed)
        return self.ask(self.path[:-1])

    def ask(self, path: tuple[Node, ...], speaker: Speaker = "assistant", prefix: str = "") -> Asked:
        """Send a prompt as the page does and read the reply to its end."""
        began = time.perf_counter()
        fitted = self.prompts.fit(self.backend, SYSTEM, path, speaker, prefix, SAMPLING)
        first, text = 0.0, ""
        for event in self.backend.start(Request(fitted.prompt, SAMPLING)):
            if isinstance(event, TextDelta | ReasoningDelta):
                first = first or time.perf_counter() - began
                text += event.text
            elif isinstance(event, Done):
                assert event.usage.completion_tokens == WRITTEN, event
                assert event.usage.prompt_tokens == fitted.plan.used, "the plan counts exactly"
                return Asked(first, event.usage, text)
        raise AssertionError("the generation ended without a word")

    def _warm(self) -> None:
        """Make sure that there is a dialogue, and that the engine has it before it."""
        if not self.path:
            self.turns(0)
        last = self.ask(self.path[:-1]).text
        # What stands in the cache is what was just written: so that is the last reply.
        self.path = (*self.path[:-1], Node(0, self.path[-2].id, "assistant", last))

    def _dropped(self, path: tuple[Node, ...]) -> bool:
        return self.prompts.fit(self.backend, SYSTEM, path, "assistant", "", SAMPLING).plan.dropped > 0


def _talk(chance: random.Random, words: int) -> tuple[Node, ...]:
    """Return messages of so many words. They have no ids, so no cost of theirs is known."""
    return tuple(Node(0, None, ("user", "assistant")[at % 2], talks.words(chance, words)) for at in range(COLD))
