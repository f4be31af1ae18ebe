from collections.abc import Callable, Iterator

import pytest

from backends.errors import EngineClosed, EngineFailed
from backends.llamacpp.engine import Engine
from backends.llamacpp.executor import Outcome
from backends.values import Progress, Queued, TextDelta
from tests.backends.llamacpp.fake import Asked, FakeExecutor, Words, expected

Make = Callable[..., tuple[Engine, FakeExecutor]]


@pytest.fixture
def make() -> Iterator[Make]:
    engines = []

    def build(parallel: int = 2, **settings: object) -> tuple[Engine, FakeExecutor]:
        executor = FakeExecutor(**settings)  # type: ignore[arg-type]
        engines.append(Engine(executor, Words(), parallel))
        return engines[-1], executor

    yield build
    for engine in engines:
        engine.close()


def prompt(seed: int, size: int) -> list[int]:
    return [1 + (seed * 7 + index) % 90 for index in range(size)]


def test_a_reply_is_what_the_model_says_token_by_token(make: Make):
    engine, _ = make()
    asked = Asked(engine, prompt(1, 10), limit=12)
    events = asked.finish()
    assert asked.text == expected(asked.prompt, 12)
    assert asked.done.reason == "length"
    assert asked.done.usage.prompt_tokens == 10
    assert asked.done.usage.completion_tokens == 12
    assert sum(event.tokens for event in events if isinstance(event, TextDelta)) == 12
    assert asked.done.timings.first_token >= 0


def test_the_end_of_turn_ends_the_reply(make: Make):
    engine, _ = make()
    asked = Asked(engine, prompt(1, 10), length=3)
    asked.finish()
    assert asked.text == expected(asked.prompt, 3)
    assert asked.done.reason == "stop"
    assert asked.done.usage.completion_tokens == 3


def test_a_stop_string_ends_the_reply_and_its_tokens_count(make: Make):
    engine, _ = make()
    stop = expected(prompt(1, 10), 8)[4:7]
    asked = Asked(engine, prompt(1, 10), stop=[stop])
    asked.finish()
    assert asked.text == expected(asked.prompt, 4)
    assert asked.done.reason == "stop"
    assert asked.done.usage.completion_tokens == 7


def test_a_long_prompt_is_read_in_steps_with_progress(make: Make):
    engine, executor = make(limit=64)
    asked = Asked(engine, prompt(1, 200), limit=1)
    events = asked.finish()
    steps = [event for event in events if isinstance(event, Progress)]
    assert [step.done for step in steps] == [0, 64, 128, 192, 200]
    assert {step.total for step in steps} == {200}
    assert asked.text == expected(asked.prompt, 1)
    assert max(sum(len(part.tokens) for part in batch) for batch in executor.batches) == 64


def test_the_next_turn_reads_only_what_is_new(make: Make):
    engine, executor = make()
    first = Asked(engine, prompt(1, 30), limit=10)
    first.finish()
    longer = [*first.run.tokens, *prompt(5, 6)]
    executor.batches.clear()
    second = Asked(engine, longer, limit=5)
    second.finish()
    assert second.done.usage.cached_tokens == 39  # the last token written was never read
    assert len(executor.batches[0][0].tokens) == 7
    assert second.text == expected(longer, 5)


def test_an_edited_turn_keeps_what_is_before_the_edit(make: Make):
    engine, _ = make()
    Asked(engine, prompt(1, 40), limit=10).finish()
    edited = [*prompt(1, 30), *prompt(9, 8)]
    asked = Asked(engine, edited, limit=6)
    asked.finish()
    assert asked.done.usage.cached_tokens == 30
    assert asked.text == expected(edited, 6)


def test_a_recurrent_model_reads_anew_what_it_cannot_cut(make: Make):
    engine, _ = make(cuttable=False, parallel=1)
    first = Asked(engine, prompt(1, 30), limit=10)
    first.finish()
    extended = Asked(engine, [*first.run.tokens, 3, 4], limit=4)
    extended.finish()
    assert extended.done.usage.cached_tokens == 39
    edited = Asked(engine, [*prompt(1, 20), 5], limit=4)
    edited.finish()
    assert edited.done.usage.cached_tokens == 0
    assert edited.text == expected(edited.prompt, 4)


def test_several_requests_go_through_the_same_batch(make: Make):
    engine, executor = make(parallel=3)
    executor.gate.clear()
    asked = [Asked(engine, prompt(seed, 8), limit=15, user=str(seed)) for seed in range(3)]
    executor.gate.set()
    for each in asked:
        each.finish()
        assert each.text == expected(each.prompt, 15)
    assert max(len(batch) for batch in executor.batches) == 3


def test_a_shared_beginning_is_read_once(make: Make):
    engine, executor = make(parallel=2)
    executor.gate.clear()
    system = prompt(1, 50)
    one = Asked(engine, [*system, 3], limit=30, user="a")
    executor.decoding.wait(5)
    two = Asked(engine, [*system, 4], limit=5, user="b")
    executor.gate.set()
    two.finish(), one.finish()
    assert two.done.usage.cached_tokens == 50
    assert two.text == expected(two.prompt, 5)
    assert one.text == expected(one.prompt, 30)


def test_several_replies_to_one_prompt_read_it_once_and_hold_nobody_up(make: Make):
    engine, executor = make(parallel=5, cells=3000)
    executor.gate.clear()
    before = Asked(engine, prompt(9, 5), limit=3, user="b")
    executor.decoding.wait(5)
    versions = [Asked(engine, prompt(1, 300), limit=10, user="a") for _ in range(3)]
    other = Asked(engine, prompt(5, 8), limit=3, user="c")
    executor.gate.set()
    for each in (before, *versions, other):
        each.finish()
        assert each.text == expected(each.prompt, each.limit)
    first, *others = sorted(each.done.usage.cached_tokens for each in versions)
    assert first == 0 and min(others) > 280
    assert not any(isinstance(event, Queued) for event in other.seen)


def test_who_waits_is_told_a_place_and_users_take_turns(make: Make):
    engine, executor = make(parallel=1)
    executor.gate.clear()
    running = Asked(engine, prompt(0, 5), limit=3, user="a")
    executor.decoding.wait(5)
    waiting = [Asked(engine, prompt(index, 5), limit=3, user=user) for index, user in ((1, "a"), (2, "a"), (3, "b"))]
    executor.gate.set()
    for each in (running, *waiting):
        each.finish()
    ends = [each.done.timings.queued for each in waiting]
    assert ends[2] < ends[0] < ends[1]
    assert [event.place for event in waiting[1].seen if isinstance(event, Queued)] == [3, 2, 1]
    assert not any(isinstance(event, Queued) for event in running.seen)


def test_cancel_ends_a_reply_within_a_token(make: Make):
    engine, executor = make()
    executor.gate.clear()
    asked = Asked(engine, prompt(1, 10), limit=500)
    executor.before = lambda fake: asked.generation.cancel() if len(fake.batches) == 5 else None
    executor.gate.set()
    asked.finish()
    assert asked.done.reason == "cancelled"
    assert len(executor.batches) == 5
    assert asked.text == expected(asked.prompt, 5)
    Asked(engine, prompt(2, 10), limit=3).finish()


def test_cancel_while_the_prompt_is_read_breaks_the_decode_off(make: Make):
    engine, executor = make()
    executor.gate.clear()
    asked = Asked(engine, prompt(1, 60), limit=5)
    executor.decoding.wait(5)
    asked.generation.cancel()  # the gate stays shut: only the interrupt ends the decode
    asked.finish()
    assert asked.done.reason == "cancelled"
    assert asked.done.usage.completion_tokens == 0
    executor.gate.set()
    again = Asked(engine, prompt(1, 60), limit=5)
    again.finish()
    assert again.text == expected(again.prompt, 5)


@pytest.mark.parametrize("cuttable", [True, False])
def test_a_broken_off_decode_costs_the_others_nothing(make: Make, cuttable: bool):
    engine, executor = make(cuttable=cuttable)
    executor.gate.clear()
    writer = Asked(engine, prompt(1, 10), limit=40, user="a")
    executor.decoding.wait(5)
    reader = Asked(engine, prompt(2, 60), limit=5, user="b")
    executor.before = lambda fake: None if len(fake.batches[-1]) < 2 else reader.generation.cancel()
    executor.gate.set()
    reader.finish(), writer.finish()
    assert reader.done.reason == "cancelled"
    assert writer.text == expected(writer.prompt, 40)
    assert writer.done.usage.completion_tokens == 40


def test_cancel_of_a_waiting_request_is_immediate(make: Make):
    engine, executor = make(parallel=1)
    executor.gate.clear()
    running = Asked(engine, prompt(1, 5), limit=3)
    executor.decoding.wait(5)
    waiting = Asked(engine, prompt(2, 5), limit=3)
    waiting.generation.cancel()
    waiting.generation.cancel()
    waiting.finish()
    assert waiting.done.reason == "cancelled"
    executor.gate.set()
    running.finish()


def test_leaving_the_iteration_cancels(make: Make):
    engine, _ = make(parallel=1)
    asked = Asked(engine, prompt(1, 5), limit=10**6)
    for event in asked.generation:
        if isinstance(event, TextDelta):
            break
    after = Asked(engine, prompt(2, 5), limit=3)
    after.finish()
    assert after.text == expected(after.prompt, 3)


def test_idle_sequences_give_way_when_the_pool_is_full(make: Make):
    engine, _ = make(parallel=3, cells=100)
    for seed in range(6):
        asked = Asked(engine, prompt(seed * 13, 40), limit=20)
        asked.finish()
        assert asked.text == expected(asked.prompt, 20)


def test_when_running_ones_fill_the_pool_the_last_is_paused_and_goes_on_later(make: Make):
    engine, executor = make(parallel=3, cells=700, limit=64)
    executor.gate.clear()
    asked = [Asked(engine, prompt(seed * 13, 20), limit=600, user=str(seed)) for seed in range(3)]
    executor.gate.set()
    for each in asked:
        each.finish()
        assert each.text == expected(each.prompt, 600)
        assert each.done.reason == "length"
        assert each.done.usage.completion_tokens == 600
    assert not any(isinstance(event, Queued) for event in asked[0].seen)
    assert any(isinstance(event, Queued) for event in asked[1].seen[3:])
    assert max(len(batch) for batch in executor.batches) >= 2


def test_a_prompt_that_needs_the_whole_pool_waits_for_it(make: Make):
    engine, executor = make(parallel=2, cells=100)
    executor.gate.clear()
    small = Asked(engine, prompt(1, 10), limit=20, user="a")
    executor.decoding.wait(5)
    large = Asked(engine, prompt(2, 90), limit=5, user="b")
    executor.gate.set()
    small.finish(), large.finish()
    assert large.text == expected(large.prompt, 5)
    assert any(isinstance(event, Queued) for event in large.seen)


def test_an_exception_in_a_decode_reaches_everyone_and_the_thread_lives(make: Make):
    engine, executor = make()

    def burst(_: FakeExecutor) -> None:
        executor.before = lambda _: None
        raise RuntimeError("the wire came off")

    executor.gate.clear()
    asked = [Asked(engine, prompt(seed, 5), user=str(seed)) for seed in range(2)]
    executor.before = burst
    executor.gate.set()
    with pytest.raises(EngineFailed, match="the wire came off"):
        asked[0].finish()
    after = Asked(engine, prompt(3, 5), limit=4)
    after.finish()
    assert after.text == expected(after.prompt, 4)


def test_a_failed_decode_ends_its_requests_and_the_next_goes_well(make: Make):
    engine, executor = make()
    executor.before = lambda _: Outcome.FAILED
    with pytest.raises(EngineFailed):
        Asked(engine, prompt(1, 5)).finish()
    executor.before = lambda _: None
    after = Asked(engine, prompt(1, 5), limit=4)
    after.finish()
    assert after.text == expected(after.prompt, 4)
    assert after.done.usage.cached_tokens == 0


def test_an_error_of_one_request_is_its_own(make: Make):
    engine, executor = make()
    executor.gate.clear()
    good = Asked(engine, prompt(1, 5), limit=6, user="a")
    bad = Asked(engine, prompt(2, 5), user="b", error=ValueError("no such grammar"))
    executor.gate.set()
    with pytest.raises(EngineFailed, match="no such grammar"):
        bad.finish()
    assert bad.sampler.closed == 1
    good.finish()
    assert good.text == expected(good.prompt, 6)


def test_a_full_cache_that_the_books_did_not_foresee_is_survived(make: Make):
    engine, executor = make(parallel=2)
    Asked(engine, prompt(9, 30), limit=2).finish()
    answers = iter([Outcome.FULL, Outcome.FULL])
    executor.before = lambda _: next(answers, None)
    with pytest.raises(EngineFailed):
        Asked(engine, prompt(1, 5), limit=4).finish()
    after = Asked(engine, prompt(9, 30), limit=4)
    after.finish()
    assert after.done.usage.cached_tokens == 0
    assert after.text == expected(after.prompt, 4)


def test_close_ends_what_runs_and_what_waits(make: Make):
    engine, executor = make(parallel=1)
    executor.gate.clear()
    running = Asked(engine, prompt(1, 60))
    executor.decoding.wait(5)
    waiting = Asked(engine, prompt(2, 5))
    engine.close()
    for each in (running, waiting):
        with pytest.raises(EngineClosed):
            each.finish()
    assert executor.closed
    engine.close()
    with pytest.raises(EngineClosed):
        Asked(engine, prompt(3, 5))
