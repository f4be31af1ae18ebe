"""Beam searches in the engine, over a model made of arithmetic: sequences are copied, counted, and given back."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, ClassVar

import numpy as np
import pytest

from backends.beam_scores import Scores, log_softmax
from backends.beams import Candidate, Rules, Search, best, chosen, step
from backends.errors import EngineFailed
from backends.llamacpp.beam_run import BeamRun
from backends.llamacpp.engine import Engine
from backends.llamacpp.executor import Outcome, Part
from backends.llamacpp.run import LlamaGeneration
from backends.sampling import SamplingParams
from backends.textstream import TextStream
from backends.values import Done, Event, ReasoningDelta, Searching, TextDelta
from tests.backends.llamacpp.fake import END, Asked, FakeExecutor, expected
from tests.backends.llamacpp.fake import Words as FakeWords

SIZE = 95
PROMPT = (3, 5, 7, 9)


class Words(FakeWords):
    size = SIZE
    pieces: ClassVar[dict[int, bytes]] = {END: b"", **FakeWords.pieces}
    spelled: ClassVar[Mapping[int, bytes]] = pieces


def logits_after(tokens: Sequence[int]) -> Scores:
    dice = random.Random(repr(list(tokens)))
    logits = np.array([dice.gauss(0, 2) for _ in range(SIZE)], np.float32)
    logits[END] += 2
    return logits


class BeamExecutor(FakeExecutor):
    """Tells logits too, and how often every token was read."""

    def __init__(self, cells: int = 1000, limit: int = 64, spare: int = 7) -> None:
        super().__init__(cells=cells, limit=limit, spare=spare)
        self.rows: dict[int, Scores] = {}
        self.error: Exception | None = None

    def _read(self, parts: Sequence[Part]) -> Outcome:
        outcome = super()._read(parts)
        self.rows, index = {}, -1
        for part in parts if outcome is Outcome.DONE else ():
            index += len(part.tokens)
            if part.logits:
                self.rows[index] = logits_after([token for _, token in self.held[part.sequence]])
        return outcome

    def logits(self, index: int) -> Scores:
        if self.error is not None:
            raise self.error
        return self.rows[index]


def searched(prompt: Sequence[int], rules: Rules) -> tuple[Search, str]:
    """Return what a search finds, with no engine, and its text."""
    search = Search()
    while not search.over:
        found = [
            Candidate(at, token, beam.score + float(score), token == END)
            for at, beam in enumerate(search.beams)
            for token, score in enumerate(log_softmax(logits_after([*prompt, *beam.tokens])))
        ]
        search = step(search, chosen(found, rules), rules)
    tokens = best(search, rules).tokens
    return search, b"".join(Words.pieces[token] for token in tokens).decode()


class Asking:
    """A search in an engine, and what came of it."""

    def __init__(self, engine: Engine, prompt: Sequence[int] = PROMPT, limit: int = 12, *, stop: Sequence[str] = (),
                 guide: Any = None, **knobs: Any) -> None:  # fmt: skip
        params = SamplingParams(**{"num_beams": 4, **knobs})
        self.run = BeamRun(prompt, params, Words(), 1000, limit=limit, stream=TextStream(stop), guide=guide)
        engine.submit(self.run)
        self.generation = LlamaGeneration(engine, self.run)
        self.seen: list[Event] = []

    def finish(self) -> Done:
        self.seen += self.generation
        assert isinstance(self.seen[-1], Done)
        return self.seen[-1]

    @property
    def text(self) -> str:
        return "".join(event.text for event in self.seen if isinstance(event, TextDelta))

    @property
    def told(self) -> list[Searching]:
        return [event for event in self.seen if isinstance(event, Searching)]


Make = Callable[..., tuple[Engine, BeamExecutor]]


@pytest.fixture
def make() -> Iterator[Make]:
    made: list[tuple[Engine, BeamExecutor]] = []

    def build(parallel: int = 3, **values: int) -> tuple[Engine, BeamExecutor]:
        executor = BeamExecutor(**values)
        words: Any = Words()
        made.append((Engine(executor, words, parallel), executor))
        return made[-1]

    yield build
    for engine, executor in made:
        engine.close()
        # Whatever happened, the books and the sequences agree, and no beam is left in a spare one.
        assert executor.closed
        assert not any(held for sequence, held in executor.held.items() if sequence >= executor_parallel(engine))


def executor_parallel(engine: Engine) -> int:
    return len(engine._searches._sequences.all)


@pytest.mark.parametrize("width", [2, 4, 8])
@pytest.mark.parametrize("early", [0, 1, 2])
def test_the_engine_finds_what_the_search_alone_does(make: Make, width: int, early: int) -> None:
    engine, executor = make()
    for length_penalty in (-1.0, 0.0, 1.0, 2.0):
        rules = Rules(width, 12, length_penalty, early)
        search, text = searched(PROMPT, rules)
        asked = Asking(engine, num_beams=width, length_penalty=length_penalty, early_stopping=early)
        done = asked.finish()
        assert asked.text == text == asked.told[-1].text
        rated = [branch.rating for branch in done.beams if branch.rating is not None]
        assert sorted(rated, reverse=True) == pytest.approx([each.rating for each in search.finished], abs=1e-5)
        assert done.reason == ("stop" if search.finished[0].tokens[-1] == END else "length")
        assert done.usage.completion_tokens == len(text)
    reads = [len(part.tokens) for batch in executor.batches for part in batch]
    assert sum(count > 1 for count in reads) == 1, "the prompt is read once, and nothing after it again"


def test_a_stop_text_ends_a_beam(make: Make) -> None:
    engine, _ = make()
    _, text = searched(PROMPT, Rules(4, 12))
    stopped = Asking(engine, stop=[text[1:3]])
    stopped.finish()
    assert text[1:3] not in stopped.text
    assert not any(text[1:3] in told.text for told in stopped.told)


def test_a_search_beside_replies_and_another_search(make: Make) -> None:
    engine, executor = make()
    executor.gate.clear()
    reply = Asked(engine, [40, 41, 42], limit=15)
    one, two = Asking(engine), Asking(engine, (3, 5, 8), num_beams=3, limit=9)
    executor.gate.set()
    reply.finish(), one.finish(), two.finish()
    assert reply.text == expected([40, 41, 42], 15)
    assert one.text == searched(PROMPT, Rules(4, 12))[1]
    assert two.text == searched((3, 5, 8), Rules(3, 9))[1]


def test_too_many_beams_at_once_wait(make: Make) -> None:
    engine, executor = make(spare=4)
    executor.gate.clear()
    one, two = Asking(engine, num_beams=4), Asking(engine, (3, 5, 8), num_beams=4)
    executor.gate.set()
    one.finish(), two.finish()
    assert one.text == searched(PROMPT, Rules(4, 12))[1] and two.text == searched((3, 5, 8), Rules(4, 12))[1]
    assert max(len(batch) for batch in executor.batches) == 4


def test_cancelled_the_best_so_far_is_kept(make: Make) -> None:
    engine, _ = make()
    asked = Asking(engine, limit=500, early_stopping=2, length_penalty=5.0)
    for event in asked.generation:
        asked.seen.append(event)
        if isinstance(event, Searching) and event.tokens >= 5:
            asked.generation.cancel()
    done = asked.seen[-1]
    assert isinstance(done, Done) and done.reason == "cancelled"
    assert asked.text == asked.told[-1].text and len(asked.text) == done.usage.completion_tokens >= 5
    assert Asked(engine, [40], limit=3).finish()


def test_a_full_pool_ends_the_search_with_what_it_has(make: Make) -> None:
    engine, _ = make(cells=40, spare=3)
    asked = Asking(engine, limit=500, early_stopping=2, length_penalty=5.0)
    done = asked.finish()
    assert done.reason == "length" and asked.text == asked.told[-1].text
    assert 3 < len(asked.text) < 40
    assert len(Asked(engine, list(range(1, 30)), limit=5).finish()) > 2


def test_a_library_that_says_full_ends_it_too(make: Make) -> None:
    engine, executor = make()
    executor.before = lambda at: Outcome.FULL if len(at.batches) > 6 else None
    asked = Asking(engine, limit=500, early_stopping=2, length_penalty=5.0)
    assert asked.finish().reason == "length" and asked.text == asked.told[-1].text


def test_a_paused_search_goes_on_where_it_was(make: Make) -> None:
    """The search came last, so it gives way to a long reply; then prompt and beams are read once more."""
    engine, executor = make(cells=540, spare=3)
    executor.gate.clear()
    reply = Asked(engine, list(range(1, 21)), limit=515)
    asked = Asking(engine, limit=300, early_stopping=2, length_penalty=5.0)
    executor.gate.set()
    done = asked.finish()
    reply.finish()
    assert reply.text == expected(range(1, 21), 515)
    assert asked.text == searched(PROMPT, Rules(4, 300, 5.0, 2))[1]
    assert done.usage.prompt_tokens == len(PROMPT)
    read_again = [len(part.tokens) for batch in executor.batches for part in batch if len(part.tokens) > 20]
    assert sum(read_again) > 4 * 50 and max(map(len, executor.batches)) == 4


def test_an_error_ends_only_the_search(make: Make) -> None:
    engine, executor = make()
    executor.error = EngineFailed(reason="the model computed no numbers")
    with pytest.raises(EngineFailed, match="no numbers"):
        Asking(engine).finish()
    executor.error = None
    asked = Asking(engine)
    asked.finish()
    assert asked.text == searched(PROMPT, Rules(4, 12))[1]


def test_a_broken_pass_is_taken_back(make: Make) -> None:
    engine, executor = make()
    outcomes = iter([None, None, None, Outcome.ABORTED, None, Outcome.ABORTED])
    executor.before = lambda _: next(outcomes, None)
    asked = Asking(engine)
    asked.finish()
    assert asked.text == searched(PROMPT, Rules(4, 12))[1]
    executor.before = lambda _: Outcome.FAILED
    with pytest.raises(EngineFailed):
        Asking(engine).finish()


class Guide:
    """Lets only every other token come, or the end after six."""

    def __init__(self, taken: int = 0) -> None:
        self.taken = taken

    def allowed(self) -> Any:
        allowed = np.zeros(SIZE, np.bool_)
        allowed[range(1 + self.taken % 2, SIZE, 2)] = True
        return allowed if self.taken < 6 else np.arange(SIZE) == END

    def take(self, _: int) -> None:
        self.taken += 1

    def copy(self) -> Guide:
        return Guide(self.taken)


def test_every_beam_follows_its_guide(make: Make) -> None:
    engine, _ = make()
    asked = Asking(engine, guide=Guide())
    assert asked.finish().reason == "stop"
    assert len(asked.text) == 6 and all(ord(letter) % 2 != at % 2 for at, letter in enumerate(asked.text))


def test_a_later_prompt_goes_on_from_the_reply(make: Make) -> None:
    engine, _ = make()
    asked = Asking(engine)
    asked.finish()
    after = Asked(engine, [*asked.run.tokens, 40, 41], limit=3)
    after.finish()
    # The last token of a reply was not read: nothing came after it.
    assert after.done.usage.cached_tokens >= len(asked.run.tokens) - 1


def test_thinking_and_text_are_told_apart_with_their_tokens(make: Make) -> None:
    engine, _ = make()
    _, text = searched(PROMPT, Rules(4, 12))
    assert len(text) > 6
    stream = TextStream(think=(text[0], text[3]))
    run = BeamRun(PROMPT, SamplingParams(num_beams=4), Words(), 1000, limit=12, stream=stream)
    engine.submit(run)
    seen = list(LlamaGeneration(engine, run))
    deltas = [event for event in seen if isinstance(event, TextDelta | ReasoningDelta)]
    assert deltas == [ReasoningDelta(text[1:3], 3), TextDelta(text[4:], len(text) - 3)]
    assert (told := [event for event in seen if isinstance(event, Searching)][-1]).reasoning == text[1:3]
    assert told.text == text[4:]


def test_nothing_left_to_write_is_an_error(make: Make) -> None:
    engine, _ = make()
    with pytest.raises(EngineFailed, match="no token is left"):
        Asking(engine, banned_tokens=range(SIZE)).finish()
    some = Asking(engine, banned_tokens=[token for token in range(SIZE) if token not in (4, 6)], limit=5)
    assert some.finish().reason == "length" and set(some.text) <= {"$", "&"}
