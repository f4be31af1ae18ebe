"""How long a history of 100,000 messages takes to answer, in a SQLite file made by our own store.

The texts are drawn from a vocabulary of 40,000 words, Latin and Cyrillic, whose frequencies follow Zipf's law as those
of a language do. A common word stands in about every third message, a rare one in about thirty. Chats are opened at
random, so that hardly one is still in memory. Nothing here is the page's: "list" is what fills the list of chats,
"open" a chat and its whole tree, "append" a message at its end, "export" every chat of the account, one after another.
"""

from __future__ import annotations

import itertools
import random
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path

from tests.bench import Bound, Measure, Setup, talks
from webui.history.store import History
from webui.ui.session import CHATS_SHOWN, HITS_SHOWN

TITLE = "100,000 messages in 2,000 chats"
UNIT = {"p50": "ms", "p95": "ms", "all": "s"}
REPETITIONS = 5
SIZES = (10, 20, 30, 50, 140)
"""Of the chats, in messages; as many of each."""
CHATS = 2_000
WORDS = 20_000
"""Of each script."""
CALLS = 40
"""Of each kind in a repetition, from which its percentiles are taken."""

_SEARCHES = ("common Latin", "rare Latin", "common Cyrillic", "rare Cyrillic", "two words", "two letters")
BOUNDS = tuple(
    Bound(f"{name}: p95", 30) for name in ("list", "open", "append", *(f"search, {kind}" for kind in _SEARCHES))
)


@contextmanager
def subjects(_setup: Setup) -> Iterator[Mapping[str, Measure]]:
    """See `tests.bench`."""
    vocabulary = Vocabulary.made()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        chats = talks.store(folder, dialogues(vocabulary))
        with closing(History(talks.url_of(folder))) as history:
            yield _measures(history, vocabulary, chats)


@dataclass(frozen=True)
class Vocabulary:
    """Words, the commonest first, with the sums of their weights up to each."""

    words: Sequence[str]
    weights: Sequence[float]

    @classmethod
    def made(cls) -> Vocabulary:
        """Make up the words: syllables, Latin and Cyrillic in turn."""
        scripts = ("ptkbdgmnlrsv", "aeiou"), ("птквдгмнлрсж", "аеиоу")
        syllables = [[a + b for a in consonants for b in vowels] for consonants, vowels in scripts]
        # Words of two and three syllables: 3,600 and 216,000 of them.
        made = [
            list(
                itertools.islice(("".join(word) for size in (2, 3) for word in itertools.product(each, repeat=size)), n)
            )
            for each, n in zip(syllables, (WORDS, WORDS), strict=True)
        ]
        chance = random.Random(0)
        for each in made:
            chance.shuffle(each)
        words = [word for pair in zip(*made, strict=True) for word in pair]
        return cls(words, list(itertools.accumulate(1 / (rank + 8) for rank in range(len(words)))))

    def text(self, chance: random.Random, number: int) -> str:
        """Return so many words."""
        return " ".join(chance.choices(self.words, cum_weights=self.weights, k=number))

    def searches(self, seed: int) -> Iterator[tuple[str, str]]:
        """Yield kind and text of one search of each kind."""
        common, rare = 2 * (seed % 8), 20_000 + 2 * (seed % 5_000)
        yield "common Latin", self.words[common]
        yield "rare Latin", self.words[rare]
        yield "common Cyrillic", self.words[common + 1]
        yield "rare Cyrillic", self.words[rare + 1]
        yield "two words", f"{self.words[common]} {self.words[rare + 1]}"
        yield "two letters", self.words[common + 1][:2]


def dialogues(vocabulary: Vocabulary) -> Iterator[list[str]]:
    """Yield the texts of each chat: a question of a few words, an answer of more."""
    chance = random.Random(1)
    for number in range(CHATS):
        size = SIZES[number % len(SIZES)]
        yield [vocabulary.text(chance, chance.randint(5, 30) if at % 2 == 0 else chance.randint(30, 120))
               for at in range(size)]  # fmt: skip


def _measures(history: History, vocabulary: Vocabulary, chats: Sequence[int]) -> dict[str, Measure]:
    def opened(chance: random.Random) -> None:
        chat = chance.choice(chats)
        history.chat(talks.OWNER, chat)
        assert len(history.dialogue(talks.OWNER, chat).path) >= SIZES[0]

    def append(chance: random.Random) -> None:
        chat, text = history.chat(talks.OWNER, chance.choice(chats)), vocabulary.text(chance, 60)
        history.add_message(talks.OWNER, chat.id, chat.tip, "user", text)

    found: dict[str, Measure] = {
        "list": _repeated(lambda _: history.chats(talks.OWNER, CHATS_SHOWN + 1)),
        "open": _repeated(opened),
        "append": _repeated(append),
        "export": lambda _seed: {"all": _seconds(lambda: _export(history))},
    }
    return found | {f"search, {kind}": _Searching(history, vocabulary, kind) for kind in _SEARCHES}


@dataclass(frozen=True)
class _Searching:
    """Searches of one kind, each for another word."""

    history: History
    vocabulary: Vocabulary
    kind: str

    def __call__(self, seed: int) -> Mapping[str, float]:
        return _repeated(self._search)(seed)

    def _search(self, chance: random.Random) -> None:
        text = dict(self.vocabulary.searches(chance.randrange(5_000)))[self.kind]
        assert self.history.search(talks.OWNER, text, HITS_SHOWN) or self.kind == "two words", text


def _export(history: History) -> None:
    before, total = None, 0
    while page := history.chats(talks.OWNER, before=before):
        total += sum(len(history.dialogue(talks.OWNER, chat.id).nodes) for chat in page)
        before = page[-1].updated
    assert total >= CHATS * sum(SIZES) // len(SIZES), total


def _repeated(work: Callable[[random.Random], object]) -> Callable[[int], Mapping[str, float]]:
    def measure(seed: int) -> Mapping[str, float]:
        chance = random.Random(seed)
        taken = sorted(1000 * _seconds(lambda: work(chance)) for _ in range(CALLS))
        return {"p50": taken[CALLS // 2], "p95": taken[CALLS * 95 // 100 - 1]}

    return measure


def _seconds(work: Callable[[], object]) -> float:
    began = time.perf_counter()
    work()
    return time.perf_counter() - began
