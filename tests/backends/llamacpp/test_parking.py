from collections.abc import Callable, Iterator

import pytest

from backends.llamacpp.cache import Keeping
from backends.llamacpp.engine import Engine
from backends.llamacpp.executor import Outcome
from backends.llamacpp.parking import Lot, Memory, Parked
from tests.backends.llamacpp.fake import Asked, FakeExecutor, Words, expected

Make = Callable[..., tuple[Engine, FakeExecutor]]


@pytest.fixture
def make() -> Iterator[Make]:
    engines = []

    def build(
        parallel: int = 2, park_mb: int = 1, shift: bool = True, **of_executor: object
    ) -> tuple[Engine, FakeExecutor]:
        executor = FakeExecutor(**of_executor)  # type: ignore[arg-type]
        engines.append(Engine(executor, Words(), parallel, Keeping(executor, 1, park_mb << 20, shift)))
        return engines[-1], executor

    yield build
    for engine in engines:
        engine.close()


def prompt(seed: int, size: int) -> list[int]:
    return [1 + (seed * 7 + index * index) % 90 for index in range(size)]


def ask(engine: Engine, tokens: list[int], limit: int = 5, head: int = 0) -> Asked:
    asked = Asked(engine, tokens, limit, head=head)
    asked.finish()
    assert asked.text == expected(tokens, limit)
    return asked


class TestLot:
    def test_the_oldest_go_when_the_budget_is_exceeded(self):
        lot = Lot(100)
        for name in range(3):
            lot.add(Parked([name], 0, Memory(40)))
        assert [parked.tokens for parked in lot.all] == [[1], [2]]
        assert lot.size == 80

    def test_one_that_alone_exceeds_the_budget_is_not_kept(self):
        lot = Lot(100)
        lot.add(Parked([1], 0, Memory(101)))
        assert lot.all == []

    def test_memory_is_prepared_aside(self):
        lot = Lot(100)
        memory = lot.prepare(5000).result(timeout=10)
        memory.bytes[4990:5000] = b"0123456789"
        assert bytes(memory.pointer[4990:]) == b"0123456789"
        lot.close()
        lot.close()


def test_while_somebody_writes_the_idle_ones_are_parked_and_come_back(make: Make):
    engine, executor = make()
    first = ask(engine, prompt(1, 200))
    parked = wait_for_park(engine, executor)
    assert parked == [first_slot(executor)]
    again = [*first.run.tokens, 3, 4]
    asked = ask(engine, again)
    assert executor.restored
    assert asked.done.usage.cached_tokens == 204


def wait_for_park(engine: Engine, executor: FakeExecutor) -> list[int]:
    """Let somebody write until the idle sequences are saved."""
    writer = Asked(engine, prompt(77, 10), limit=10**6)
    for _ in writer.generation:
        if executor.saved:
            break
    return list(executor.saved)


def first_slot(executor: FakeExecutor) -> int:
    return executor.batches[0][0].sequence


def test_what_takes_time_is_not_parked_before_anybody_writes(make: Make, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("backends.llamacpp.cache._LITTLE", 100)
    engine, executor = make()
    ask(engine, prompt(1, 200))
    executor.saved.clear()
    ask(engine, prompt(2, 300), limit=1)
    assert not executor.saved


def test_what_takes_no_time_is_parked_at_once_and_leaves_the_first_cells_to_the_next(make: Make):
    engine, executor = make()
    first = ask(engine, prompt(1, 200))
    executor.saved.clear()
    ask(engine, prompt(2, 300), limit=1)
    assert executor.saved == [0]
    assert not executor.held.get(0)
    again = ask(engine, [*first.run.tokens, 5], limit=1)
    assert again.done.usage.cached_tokens == len(first.run.tokens) - 1


def test_a_sequence_that_is_taken_up_again_is_not_parked(make: Make):
    engine, executor = make()
    first = ask(engine, prompt(1, 100))
    second = ask(engine, [*first.run.tokens, 5], limit=50)
    assert second.done.usage.cached_tokens == 104
    assert not executor.saved


def test_without_a_budget_nothing_is_saved(make: Make):
    engine, executor = make(park_mb=0)
    for seed in range(4):
        ask(engine, prompt(seed * 13, 100), limit=30)
    assert not executor.saved


def test_when_the_cache_is_full_idle_ones_are_parked_and_nobody_fails(make: Make):
    engine, executor = make(cells=150, limit=64)
    dialogues = [ask(engine, prompt(seed * 13, 100)) for seed in range(4)]
    for dialogue in dialogues:
        back = ask(engine, [*dialogue.run.tokens, 9])
        assert back.done.usage.cached_tokens == 104
    assert len(executor.restored) == 4


def test_the_oldest_parked_one_is_given_up(make: Make):
    engine, _ = make(cells=200_000, limit=4096)
    big = 120_000  # half of the megabyte
    dialogues = [ask(engine, prompt(seed * 13, big), limit=2) for seed in range(5)]
    assert ask(engine, [*dialogues[0].run.tokens, 9], limit=1).done.usage.cached_tokens == 0


def test_a_broken_state_is_given_up_and_the_prompt_read(make: Make):
    engine, executor = make(cells=150)
    dialogues = [ask(engine, prompt(seed * 13, 100)) for seed in range(2)]
    executor.broken = True
    asked = ask(engine, [*dialogues[0].run.tokens, 9])
    assert asked.done.usage.cached_tokens == 0
    assert len(executor.restored) == 1


def test_a_recurrent_model_parks_and_restores_whole_states(make: Make):
    engine, executor = make(parallel=1, cuttable=False)
    dialogues = [ask(engine, prompt(seed * 13, 100)) for seed in range(4)]
    back = ask(engine, [*dialogues[0].run.tokens, 9])
    assert back.done.usage.cached_tokens == 104
    assert executor.restored
    edited = ask(engine, [*prompt(13, 90), 1, 2])
    assert edited.done.usage.cached_tokens == 0


def test_where_cells_cannot_be_shared_a_beginning_is_copied(make: Make):
    engine, executor = make(shareable=False)
    executor.gate.clear()
    one = Asked(engine, [*prompt(1, 50), 3], limit=30, user="a")
    executor.decoding.wait(5)
    two = Asked(engine, [*prompt(1, 50), 4], limit=5, user="b")
    executor.gate.set()
    two.finish(), one.finish()
    assert two.done.usage.cached_tokens == 50
    assert (two.text, one.text) == (expected(two.prompt, 5), expected(one.prompt, 30))


def test_in_exact_mode_everyone_is_computed_alone_and_in_the_same_pieces():
    executor = FakeExecutor(cells=2000, shareable=False)
    engine = Engine(executor, Words(), 3, Keeping(executor, budget=1 << 20, chunk=16))
    executor.gate.clear()
    asked = [Asked(engine, [*prompt(7, 40), *prompt(size, size)], 20, str(size)) for size in (3, 30, 50)]
    executor.gate.set()
    for each in asked:
        each.finish()
        assert each.text == expected(each.prompt, 20)
    again = ask(engine, [*prompt(7, 40), 1, 2, 3])
    engine.close()
    assert again.done.usage.cached_tokens == 32
    parts = [part for batch in executor.batches for part in batch]
    assert len(parts) == len(executor.batches)
    assert all(part.start % 16 == 0 and len(part.tokens) <= 16 for part in parts if len(part.tokens) > 1)


class TestPastTheWindow:
    HEAD = prompt(3, 20)
    TURNS = tuple(prompt(seed, 100 + seed) for seed in (11, 12, 13, 14))

    def dialogue(self, *turns: int) -> list[int]:
        return [*self.HEAD, *(token for turn in turns for token in self.TURNS[turn])]

    def test_what_left_the_front_is_taken_out_and_only_the_new_is_read(self, make: Make):
        engine, executor = make(cells=460)
        ask(engine, self.dialogue(0, 1, 2))
        executor.batches.clear()
        asked = ask(engine, self.dialogue(1, 2, 3), head=130)
        ((_, start, end),) = executor.moved
        assert end - start == 111
        assert asked.done.usage.cached_tokens >= 20 + 112 + 113
        assert sum(len(batch[0].tokens) for batch in executor.batches) <= 114 + 5

    def test_a_parked_dialogue_is_moved_as_well(self, make: Make):
        engine, executor = make(cells=460)
        ask(engine, self.dialogue(0, 1, 2))
        ask(engine, prompt(50, 400))
        asked = ask(engine, self.dialogue(1, 2, 3), head=130)
        assert executor.restored and executor.moved
        assert asked.done.usage.cached_tokens >= 20 + 112 + 113

    def test_cells_that_others_hold_too_are_copied_before_they_move(self, make: Make):
        engine, executor = make(parallel=2, cells=800)
        executor.gate.clear()
        held = self.dialogue(0, 1, 2)
        one = Asked(engine, held, limit=400, user="a")
        executor.decoding.wait(5)
        two = Asked(engine, [*held, 5, 6], limit=5, user="b")
        executor.gate.set()
        two.finish()
        asked = ask(engine, self.dialogue(1, 2, 3), head=130)
        assert executor.moved and asked.done.usage.cached_tokens >= 20 + 112 + 113
        one.generation.cancel()
        one.finish()
        assert expected(held, 400).startswith(one.text)

    def test_it_can_be_switched_off(self, make: Make):
        engine, executor = make(cells=460, shift=False)
        ask(engine, self.dialogue(0, 1, 2))
        asked = ask(engine, self.dialogue(1, 2, 3), head=130)
        assert not executor.moved and asked.done.usage.cached_tokens < 30

    def test_a_full_cache_is_survived(self, make: Make):
        engine, executor = make(cells=460)
        ask(engine, self.dialogue(0, 1, 2))
        answers = iter([Outcome.FULL])
        executor.before = lambda _: next(answers, None)
        Asked(engine, self.dialogue(1, 2, 3), 2, user="a").seen.extend(())
        ask(engine, prompt(60, 30))
