from collections.abc import Iterator

import pytest

from backends.llamacpp.draft import Draft
from backends.llamacpp.engine import Engine
from tests.backends.llamacpp.fake import Asked, FakeExecutor, Words, expected


class TestGuess:
    def test_what_followed_the_last_tokens_before_is_guessed(self):
        assert Draft([1, 2, 3, 4, 5, 6, 1, 2, 3], 8).guess(10) == [4, 5, 6, 1]
        assert Draft([1, 2, 3, 4, 5, 6, 1, 2, 3], 8).guess(2) == [4, 5]
        assert Draft([1, 2, 3, 4, 5, 6, 1, 2, 3], 2).guess(10) == [4, 5]

    def test_nothing_is_guessed_without_a_precedent_or_room(self):
        assert Draft([1, 2, 3, 4, 5, 6], 8).guess(10) == []
        assert Draft([1, 2], 8).guess(10) == []
        assert Draft([], 8).guess(10) == []
        assert Draft([1, 2, 3, 4, 1, 2, 3], 8).guess(0) == []

    def test_the_latest_precedent_counts_and_what_is_written_is_one(self):
        tokens = [1, 2, 3, 4, 1, 2, 3, 5, 1, 2, 3]
        draft = Draft(tokens, 1)
        assert draft.guess(10) == [5]
        tokens += [6, 1, 2, 3]
        assert draft.guess(10) == [6]

    def test_it_grows_bolder_and_more_cautious(self):
        draft = Draft([1, 2, 3] * 30, 12)
        assert draft.guess(50)
        for guessed, right, length in ((4, 4, 8), (8, 8, 12), (12, 12, 12), (12, 3, 4), (4, 0, 2)):
            draft.learn(guessed, right)
            draft._wait = 0
            assert draft._length == length

    def test_after_wrong_guesses_come_longer_and_longer_pauses(self):
        draft = Draft([1, 2, 3, 4, 5, 6, 7, 8] * 9, 4)
        pauses = []
        for _ in range(4):
            assert draft.guess(9)
            draft.learn(4, 0)
            pauses.append(next(at for at in range(100) if draft.guess(9)))
        assert pauses == [1, 3, 7, 15]


def start(seed: int) -> list[int]:
    return [1 + (seed * 7 + at) % 90 for at in range(10)]


@pytest.fixture
def engines() -> Iterator[list[Engine]]:
    made: list[Engine] = []
    yield made
    for engine in made:
        engine.close()


class Oracle:
    """Guesses the next tokens as the model will write them, the last of them wrongly where `wrong`."""

    def __init__(self, asked: Asked, wrong: bool) -> None:
        self._said = [ord(letter) - 32 for letter in expected(asked.prompt, 200)]
        self._run, self._wrong = asked.run, wrong
        self.learned: list[tuple[int, int]] = []
        asked.run._draft = self  # type: ignore[assignment]

    def guess(self, room: int) -> list[int]:
        at = self._run.written
        found = self._said[at : at + min(4, max(0, room))]
        return [*found[:-1], 95 - found[-1]] if self._wrong and found else found

    def learn(self, guessed: int, right: int) -> None:
        self.learned.append((guessed, right))


@pytest.mark.parametrize("wrong", [False, True])
@pytest.mark.parametrize("limit", [1, 2, 3, 7, 40])
def test_guesses_change_how_many_steps_it_takes_but_not_a_token(engines: list[Engine], wrong: bool, limit: int):
    executor = FakeExecutor()
    engines.append(Engine(executor, Words(), 2))
    executor.gate.clear()
    prompt = start(3)
    asked = [Asked(engines[0], prompt, limit, "a"), Asked(engines[0], start(5), limit, "b")]
    oracles = [Oracle(each, wrong) for each in asked]
    executor.gate.set()
    for each in asked:
        each.finish()
        assert each.text == expected(each.prompt, limit)
        assert each.done.usage.completion_tokens == limit
    if limit == 40:
        assert len(executor.batches) < (20 if wrong else 14)
        assert any(right == guessed for guessed, right in oracles[0].learned) != wrong
    again = Asked(engines[0], [*asked[0].run.tokens, 5], 4)
    again.finish()
    assert again.text == expected(again.prompt, 4)
    assert again.done.usage.cached_tokens >= len(prompt) + limit - 1


def test_a_guess_beyond_the_end_of_turn_is_forgotten(engines: list[Engine]):
    executor = FakeExecutor()
    engines.append(Engine(executor, Words(), 2))
    executor.gate.clear()
    asked = Asked(engines[0], start(3), 40, length=6)
    Oracle(asked, wrong=False)
    executor.gate.set()
    asked.finish()
    assert asked.text == expected(asked.prompt, 6)
    again = Asked(engines[0], [*asked.run.tokens, 5], 4)
    again.finish()
    assert again.text == expected(again.prompt, 4)
    assert again.done.usage.cached_tokens == 16


def test_in_a_full_cache_nothing_is_guessed(engines: list[Engine]):
    executor = FakeExecutor(cells=52)
    engines.append(Engine(executor, Words(), 1))
    executor.gate.clear()
    asked = Asked(engines[0], start(3), 42)
    Oracle(asked, wrong=True)
    executor.gate.set()
    asked.finish()
    assert asked.text == expected(asked.prompt, 42)


def test_with_drafts_on_a_reply_is_the_same(engines: list[Engine]):
    executor = FakeExecutor(cells=5000)
    engines.append(Engine(executor, Words(), 2))
    asked = Asked(engines[0], [1, 2, 3, 4] * 5, 900, draft=8)
    asked.finish()
    assert asked.text == expected(asked.prompt, 900)
