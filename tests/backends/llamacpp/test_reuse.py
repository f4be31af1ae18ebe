from dataclasses import dataclass, field

import pytest

from backends.llamacpp.reuse import Match, Placement, Rules, common_length, find, match


@dataclass
class Some:
    """Tokens that are held somewhere."""

    tokens: list[int]
    id: int = 0
    busy: bool = False
    used: int = 0
    solid: int = field(default=0)


def places(*contents: list[int], busy: tuple[int, ...] = ()) -> list[Some]:
    return [Some(tokens, index, index in busy, index) for index, tokens in enumerate(contents)]


def at(prompt: list[int], pool: list[Some], parked: tuple[Some, ...] = (), rules: Rules = Rules()) -> Placement:  # noqa: B008
    return find(prompt, 0, pool, parked, rules)


def test_the_common_length_is_exact_around_block_edges():
    long = list(range(1000))
    for edge in (0, 1, 255, 256, 257, 511, 512, 999):
        other = [*long]
        other[edge] = -1
        assert common_length(long, other) == edge
    assert common_length(long, long[:300]) == 300
    assert common_length(long, long) == 1000
    assert common_length([], long) == 0


class TestThePool:
    def test_an_empty_pool_gives_an_empty_sequence(self):
        assert at([1, 2, 3], places([], [])) == Placement(0)

    def test_the_longest_common_beginning_is_taken_over(self):
        pool = places([1, 2, 3, 4], [1, 2, 9, 9], [7, 7])
        assert at([1, 2, 3, 4, 5], pool) == Placement(0, Match(4))
        assert at([1, 2, 9, 5], pool) == Placement(1, Match(3))

    def test_the_last_token_of_the_prompt_is_always_read_again(self):
        assert at([1, 2, 3, 4], places([1, 2, 3, 4])) == Placement(0, Match(3))
        assert at([1], places([1], [])) == Placement(1)

    def test_a_short_beginning_is_shared_rather_than_taken_from_a_long_sequence(self):
        pool = places([1, 2, *range(10, 40)], [])
        assert at([1, 2, 3], pool) == Placement(1, Match(2), source=0)

    def test_without_an_empty_sequence_the_one_used_longest_ago_gives_way(self):
        pool = places([5, 5], [6, 6], [1, 2, *range(10, 40)])
        assert at([9, 9], pool) == Placement(0)
        assert at([1, 2, 3], pool) == Placement(0, Match(2), source=2)

    def test_the_only_idle_sequence_is_taken_but_remembered_whole(self):
        assert at([1, 2, 3], places([1, 2, *range(50)])) == Placement(0, Match(2), whole=True)

    def test_a_running_sequence_shares_its_beginning_but_is_never_taken(self):
        assert at([1, 2, 3, 9], places([1, 2, 3, 4], [], busy=(0,))) == Placement(1, Match(3), source=0)

    def test_a_recurrent_model_reuses_only_what_a_prompt_extends(self):
        rules = Rules(cuttable=False)
        assert at([1, 2, 3, 4], places([1, 2, 3], []), rules=rules) == Placement(0, Match(3))
        assert at([1, 2, 9], places([1, 2, 3], []), rules=rules) == Placement(1)
        assert at([1, 2, 3], places([1, 2, 3], []), rules=rules) == Placement(1)
        assert at([1, 2, 3, 4], places([1, 2, 3], [], busy=(0,)), rules=rules) == Placement(1)


LONG = list(range(100, 200))


class TestTheParked:
    def test_one_that_saves_more_comes_back(self):
        stored = Some(LONG)
        assert at([*LONG, 5], places([100, 101], []), (Some([1]), stored)) == Placement(1, Match(100), parked=stored)

    def test_what_the_pool_holds_nearly_as_well_is_taken_there(self):
        assert at([*LONG, 5], places(LONG[:90], []), (Some(LONG),)).parked is None

    def test_one_with_much_more_in_it_stays_parked_too(self):
        stored = Some([*LONG[:40], *range(300)])
        found = at(LONG, places([], []), (stored,))
        assert (found.match, found.whole) == (Match(40), True)

    def test_a_recurrent_one_comes_back_whole_or_not_at_all(self):
        rules = Rules(cuttable=False)
        stored = Some(LONG)
        assert at([*LONG, 5], places([]), (stored,), rules) == Placement(0, Match(100), parked=stored)
        assert at([*LONG[:-1], 5, 6], places([]), (stored,), rules) == Placement(0)


# A window of 400: a head of 20, exchanges of 100 tokens each, the first of them left out of the prompt.
HEAD = list(range(20))
TURNS = [[5, 6, 7, *range(1000 * turn, 1000 * turn + 97)] for turn in range(1, 5)]
HELD = [*HEAD, *TURNS[0], *TURNS[1], *TURNS[2]]
PROMPT = [*HEAD, *TURNS[1], *TURNS[2], *TURNS[3]]
RULES = Rules(shift=400)


class TestThePast:
    def test_the_gap_is_found_and_what_follows_it(self):
        # The first three tokens of a turn are marks: those that stand already are not moved.
        assert match(Some(HELD), PROMPT, 120, RULES) == Match(23, 100, 197)

    def test_it_is_taken_over_in_place_or_from_the_parked_ones(self):
        assert find(PROMPT, 120, places(HELD, []), (), RULES) == Placement(0, Match(23, 100, 197))
        stored = Some(HELD)
        found = find(PROMPT, 120, places([]), (stored,), RULES)
        assert (found.parked, found.match.size) == (stored, 220)

    def test_a_reply_that_was_written_otherwise_ends_the_run(self):
        held = [*HELD]
        held[-10] = -1
        assert match(Some(held), PROMPT, 120, RULES) == Match(23, 100, 187)

    @pytest.mark.parametrize("rules", [Rules(), Rules(cuttable=False), Rules(chunk=4, shift=400)])
    def test_where_the_memory_cannot_move_the_rest_is_read(self, rules: Rules):
        assert match(Some(HELD), PROMPT, 120, rules).gap == 0

    def test_a_running_sequence_is_left_as_it_is(self):
        assert match(Some(HELD), PROMPT, 120, RULES, busy=True) == Match(23)

    def test_a_message_removed_from_the_middle_is_gone(self):
        prompt = [*HEAD, *TURNS[0], *TURNS[2], *TURNS[3]]
        assert match(Some(HELD), prompt, 120, RULES) == Match(123)

    def test_a_message_removed_while_there_was_room_is_gone(self):
        assert match(Some(HELD), PROMPT, 120, Rules(shift=1000)) == Match(23)

    def test_a_short_run_is_read(self):
        held = [*HEAD, *TURNS[0], *TURNS[1][:43]]
        assert match(Some(held), PROMPT, 120, RULES) == Match(23)

    def test_of_several_places_the_longest_run_is_taken(self):
        again = [*TURNS[1][:60], *TURNS[1], *TURNS[2]]
        assert match(Some([*HEAD, *TURNS[0], *again]), PROMPT, 120, RULES) == Match(23, 160, 197)


def test_in_exact_mode_only_whole_chunks_that_were_read_as_a_prompt_count():
    prompt = list(range(30))
    rules = Rules(chunk=8)
    assert match(Some(prompt, solid=24), [*prompt, 1], 0, rules) == Match(24)
    assert match(Some(prompt, solid=16), [*prompt, 1], 0, rules) == Match(16)
    assert match(Some(prompt, solid=24), [*prompt[:20], 99], 0, rules) == Match(16)
    assert match(Some(prompt, solid=24), prompt[:24], 0, rules) == Match(16)
