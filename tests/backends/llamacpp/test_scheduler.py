from backends.llamacpp.scheduler import (
    HEADROOM,
    Portion,
    Running,
    Waiting,
    batches,
    chunks,
    fits,
    order,
    portions,
    to_pause,
)


def wait(index: int, user: str = "", tokens: int = 10, reply: int = 10, paused: bool = False) -> Waiting:
    return Waiting(index, user, tokens, reply, paused)


def run(index: int, user: str = "", held: int = 10, unread: int = 1, reply: int = 10) -> Running:
    return Running(index, user, held, unread, reply)


class TestOrder:
    def test_one_user_is_served_in_order(self):
        assert order([wait(1), wait(2), wait(3)], [], {}) == (1, 2, 3)

    def test_users_take_turns_however_many_requests_one_has(self):
        waiting = [wait(1, "a"), wait(2, "a"), wait(3, "a"), wait(4, "b"), wait(5, "c")]
        assert order(waiting, [], {}) == (1, 4, 5, 2, 3)

    def test_who_runs_already_comes_after_who_does_not(self):
        assert order([wait(1, "a"), wait(2, "b")], [run(9, "a")], {}) == (2, 1)

    def test_who_was_served_longest_ago_comes_first(self):
        assert order([wait(1, "a"), wait(2, "b"), wait(3, "c")], [], {"a": 5, "b": 3}) == (3, 2, 1)

    def test_paused_ones_come_before_all(self):
        assert order([wait(1, "a"), wait(2, "b", paused=True)], [run(9, "b")], {}) == (2, 1)

    def test_every_request_has_exactly_one_place(self):
        waiting = [wait(index, "abc"[index % 3]) for index in range(50)]
        assert sorted(order(waiting, [run(99, "a")], {"b": 1})) == list(range(50))


class TestFits:
    def test_alone_everything_fits(self):
        assert fits(wait(1, tokens=1000, reply=1000), [], slots=4, cells=100)

    def test_no_more_than_the_slots(self):
        running = [run(1), run(2)]
        assert fits(wait(3), running, slots=3, cells=1000)
        assert not fits(wait(3), running, slots=2, cells=1000)

    def test_the_prompt_and_the_beginning_of_the_reply_must_find_room(self):
        running = [run(1, held=100, unread=50, reply=20)]
        assert fits(wait(2, tokens=20, reply=10), running, slots=4, cells=200)
        assert not fits(wait(2, tokens=21, reply=10), running, slots=4, cells=200)

    def test_a_reply_without_end_is_not_set_aside_whole(self):
        running = [run(1, held=100, reply=8000)]
        assert fits(wait(2, tokens=100, reply=8000), running, slots=4, cells=1024)
        assert not fits(wait(2, tokens=100, reply=8000), running, slots=4, cells=201 + 2 * HEADROOM - 1)


class TestPortions:
    def test_writers_go_one_token_each(self):
        assert portions([run(1), run(2)], 512, 512, 64) == (Portion(1, 1), Portion(2, 1))

    def test_a_prompt_alone_takes_the_whole_step(self):
        assert portions([run(1, unread=2000)], 512, 512, 64) == (Portion(1, 512),)
        assert portions([run(1, unread=2000)], 512, 128, 64) == (Portion(1, 128),)

    def test_a_rest_shorter_than_another_step_is_read_along(self):
        assert portions([run(1, unread=255)], 512, 128, 64) == (Portion(1, 255),)
        assert portions([run(1, unread=256)], 512, 128, 64) == (Portion(1, 128),)
        assert portions([run(1, unread=700)], 512, 512, 64) == (Portion(1, 512),)

    def test_beside_writers_a_prompt_gets_little(self):
        assert portions([run(1), run(2, unread=2000)], 512, 512, 64) == (Portion(1, 1), Portion(2, 64))

    def test_the_more_prompts_there_are_the_more_is_read_beside_writers(self):
        parts = portions([run(1), *(run(index, unread=2000) for index in (2, 3, 4))], 512, 512, 64)
        assert [part.tokens for part in parts] == [1, 64, 64, 64]

    def test_a_short_prompt_is_not_held_up_by_a_long_one(self):
        parts = portions([run(1, unread=4000), run(2, unread=30)], 512, 512, 64)
        assert parts == (Portion(2, 30), Portion(1, 482))

    def test_prompts_share_equally(self):
        parts = portions([run(1, unread=4000), run(2, unread=4000)], 512, 512, 64)
        assert {part.tokens for part in parts} == {256}

    def test_a_step_never_exceeds_the_limit(self):
        running = [run(index) for index in range(20)] + [run(50 + index, unread=9) for index in range(7)]
        parts = portions(running, 24, 24, 16)
        assert sum(part.tokens for part in parts) == 24
        assert all(part.tokens > 0 for part in parts)

    def test_nothing_runs_nothing_goes(self):
        assert portions([], 512, 512, 64) == ()

    def test_a_single_token_beside_writers_goes_to_one_prompt(self):
        running = [run(1), run(2, unread=4000), run(3, unread=300)]
        assert portions(running, 512, 512, 1) == (Portion(1, 1), Portion(3, 1))


class TestBatches:
    def test_a_single_token_of_a_prompt_is_read_by_itself(self):
        running = [run(1), run(2), run(3, unread=300)]
        taken = portions(running, 512, 512, 1)
        assert batches(taken, running) == ((Portion(3, 1),), (Portion(1, 1), Portion(2, 1)))

    def test_else_there_is_one_batch(self):
        for running, beside in (
            ([run(1), run(2)], 1), ([run(1), run(2, unread=300)], 2), ([run(2, unread=300)], 1), ([run(1)], 1),
        ):  # fmt: skip
            taken = portions(running, 512, 512, beside)
            assert batches(taken, running) == (taken,)
        assert batches((), []) == ((),)


class TestChunks:
    def test_a_prompt_is_read_in_equal_pieces_whoever_runs_beside_it(self):
        assert chunks([run(1, held=0, unread=200)], 64) == (Portion(1, 64),)
        assert chunks([run(1, held=192, unread=8)], 64) == (Portion(1, 8),)
        assert chunks([run(1), run(2, held=0, unread=200)], 64) == (Portion(1, 1), Portion(2, 64))

    def test_beside_writers_one_prompt_at_a_time_is_read_the_shortest_first(self):
        running = [run(1, unread=200), run(2), run(3, unread=100)]
        assert chunks(running, 64) == (Portion(2, 1), Portion(3, 64))

    def test_alone_all_prompts_go_on(self):
        assert chunks([run(1, unread=200), run(2, unread=100)], 64) == (Portion(2, 64), Portion(1, 64))


def test_the_last_to_begin_gives_way_and_never_the_only_one():
    assert to_pause([run(1), run(2), run(3)]) == 3
    assert to_pause([run(1)]) is None
    assert to_pause([]) is None
