"""The plan of the window: exact sums, whole exchanges in blocks, and a beginning that stays."""

import random
import time
from itertools import pairwise

import pytest

from backends.errors import PromptTooLong
from webui.errors import WindowTooSmall
from webui.window import LONGEST_RESERVE, Plan, Turn, plan, reserve_for


def dialogue(*costs: int, system: int | None = None) -> list[Turn]:
    head = [] if system is None else [Turn("system", system)]
    return head + [Turn("assistant" if i % 2 else "user", cost) for i, cost in enumerate(costs)]


def lively(count: int, mean: int = 30, seed: int = 1) -> list[Turn]:
    chance = random.Random(seed)
    return dialogue(*(max(3, round(chance.gauss(mean, mean / 2))) for _ in range(count)), system=40)


def test_everything_goes_in_while_it_fits() -> None:
    assert plan(dialogue(10, 20, 30, system=5), 100, 20, 4) == Plan(1, 69, 100, 20, 0)
    assert plan(dialogue(10, 20, 30), 100, 20, 4) == Plan(0, 64, 100, 20, 0)


def test_a_window_may_be_filled_to_the_last_token() -> None:
    assert plan(dialogue(10, 20, 46), 100, 20, 4).dropped == 0
    assert plan(dialogue(10, 20, 47), 100, 20, 4).dropped == 2


@pytest.mark.parametrize("system", [None, 30])
def test_the_sum_is_of_what_goes_in(system: int | None) -> None:
    turns = lively(300)[1:]
    turns = ([] if system is None else [Turn("system", system)]) + turns
    for count in range(2, len(turns) + 1):
        planned = plan(turns[:count], 1024, 200, 7, 5)
        start = system is not None
        inside = turns[planned.first : count]
        assert planned.used == (system or 0) + sum(turn.cost for turn in inside) + 7
        assert planned.used + planned.reserve <= planned.window
        assert planned.dropped == planned.first - start
        assert len(inside) >= 1


def test_exchanges_leave_whole() -> None:
    turns = lively(400)
    for count in range(2, len(turns) + 1):
        planned = plan(turns[:count], 1024, 200, 5, 5)
        assert planned.dropped % 2 == 0
        assert turns[planned.first].role == "user"


def test_a_block_leaves_about_three_quarters() -> None:
    turns = lively(600, mean=10)
    room = 1024 - 200 - 40 - 5
    filled = []
    before = plan(turns[:2], 1024, 200, 5, 5)
    for count in range(3, len(turns) + 1):
        after = plan(turns[:count], 1024, 200, 5, 5)
        if after.first != before.first:
            filled.append((after.used - 45) / room)
        before = after
    assert len(filled) > 10
    assert all(0.6 < part <= 0.75 for part in filled)


def test_the_beginning_stays_for_many_turns() -> None:
    turns = lively(300)
    firsts = [plan(turns[:count], 2048, reserve_for(0, 2048), 5, 5).first for count in range(2, len(turns) + 1)]
    assert firsts == sorted(firsts)
    kept = sum(before == after for before, after in pairwise(firsts))
    assert firsts[-1] > 200
    assert kept / (len(firsts) - 1) > 0.9


def test_what_was_dropped_does_not_depend_on_what_comes() -> None:
    turns = lively(200)
    for count in range(2, len(turns)):
        now, next_ = (plan(turns[:n], 1024, 200, 5, 5) for n in (count, count + 1))
        if turns[count].cost + now.used + 200 <= 1024:
            assert now.first == next_.first


def test_a_draft_does_not_make_the_boundary_flap() -> None:
    said = lively(120)
    firsts = [plan([*said, Turn("user", typed)], 1024, 200, 5, 5).first for typed in range(200)]
    assert firsts == sorted(firsts)
    # Counted in sixteenths of the room, 199 tokens of 779 are five steps, and the overflow itself is one more.
    assert len(set(firsts)) <= 6
    assert max(firsts.count(first) for first in set(firsts)) >= 40


def test_the_reply_that_goes_on_keeps_the_beginning_of_the_reply_that_was_written() -> None:
    """Continue sends the last reply as a prefix: what stands before it must be what stood before it."""
    turns = lively(400)
    same = 0
    for count in range(3, len(turns) + 1, 2):
        written = plan(turns[:count], 1024, 200, 5, 5)
        going_on = plan(turns[: count - 1], 1024, 200, 5 + turns[count - 1].cost - 3, 5)
        same += written.first == going_on.first
    assert same / len(range(3, len(turns) + 1, 2)) > 0.97


def test_the_last_message_stays_with_its_prefix() -> None:
    turns = dialogue(30, 30, 30, system=10)
    planned = plan(turns, 200, 50, 100, 4)
    assert (planned.first, planned.used) == (3, 140)


def test_an_exchange_that_fits_is_not_torn() -> None:
    """The reply takes more than a quarter: to three quarters is not possible without tearing."""
    planned = plan(dialogue(20, 20, 50, 40), 100, 4, 0)
    assert (planned.first, planned.used) == (2, 90)


def test_a_reply_whose_message_does_not_fit_leaves_with_it() -> None:
    turns = dialogue(70, 60, 10, 10)
    assert plan(turns[:2], 100, 4, 0).first == 1, "alone at the end it is shown, as there is nothing else"
    assert plan(turns[:3], 100, 4, 0).first == 2
    assert plan(turns, 100, 4, 0).first == 2


def test_a_dialogue_may_begin_with_a_reply() -> None:
    turns = [Turn("assistant", 10), *dialogue(10, 10)]
    assert plan(turns, 100, 20, 5).dropped == 0


def test_one_message_too_long_is_told_with_both_numbers() -> None:
    with pytest.raises(PromptTooLong) as refused:
        plan(dialogue(10, 10, 500, system=10), 256, 64, 6)
    assert refused.value.details == {"tokens": 10 + 500 + 6 + 64, "window": 256}


def test_a_message_that_was_too_long_once_is_left_out_later() -> None:
    planned = plan(dialogue(10, 10, 500, 20, 30, 20), 256, 64, 6)
    assert (planned.first, planned.used) == (4, 56)


def test_a_prefix_too_long_is_told() -> None:
    with pytest.raises(PromptTooLong) as refused:
        plan(dialogue(10, 10, 20), 256, 64, 400, 5)
    assert refused.value.details == {"tokens": 20 + 400 + 64, "window": 256}


@pytest.mark.parametrize("system", [192, 500])
def test_a_system_message_that_leaves_no_room_is_told(system: int) -> None:
    with pytest.raises(WindowTooSmall) as refused:
        plan(dialogue(1, system=system), 256, 64, 5)
    assert refused.value.details == {"window": 256, "needed": system + 64 + 1}


def test_an_empty_dialogue_is_planned() -> None:
    assert plan([], 100, 20, 5) == Plan(0, 5, 100, 20, 0)
    assert plan(dialogue(system=10), 100, 20, 5) == Plan(1, 15, 100, 20, 0)


def test_any_dialogue_is_planned_or_refused_for_a_reason() -> None:
    chance = random.Random(7)
    for _ in range(2000):
        roles = ["user", "assistant"]
        turns = [Turn(chance.choice(roles), chance.randrange(0, 60)) for _ in range(chance.randrange(1, 20))]
        tail, opening = chance.randrange(0, 30), chance.randrange(0, 6)
        room = 100 - 25 - min(opening, tail)
        prefix = tail - min(opening, tail)
        if turns[-1].cost + prefix > room:
            with pytest.raises(PromptTooLong):
                plan(turns, 100, 25, tail, opening)
            continue
        planned = plan(turns, 100, 25, tail, opening)
        assert planned.first < len(turns)
        assert planned.used == sum(turn.cost for turn in turns[planned.first :]) + tail
        assert planned.used + 25 <= 100
        users = [i for i, turn in enumerate(turns) if turn.role == "user"]
        assert planned.first in (0, len(turns) - 1) or planned.first in users


@pytest.mark.parametrize(
    ("max_tokens", "window", "expected"),
    [(0, 2048, 512), (0, 64, 16), (0, 131_072, LONGEST_RESERVE), (100, 2048, 100), (4096, 2048, 1024), (1, 8, 1)],
)
def test_the_reserve(max_tokens: int, window: int, expected: int) -> None:
    assert reserve_for(max_tokens, window) == expected


def test_ten_thousand_turns_are_planned_at_once() -> None:
    turns = lively(10_000)
    took = []
    for _ in range(5):
        began = time.perf_counter()
        plan(turns, 8192, 1024, 5, 5)
        took.append(time.perf_counter() - began)
    assert min(took) < 0.02
