from backends.llamacpp.pace import STRETCH, Pace


class Machine:
    """A clock that knows how long a step takes: so long for the step, and so much more for every prompt token."""

    def __init__(self, step: float, token: float) -> None:
        self.step, self.token, self.now = step, token, 0.0
        self.pace = Pace(512, lambda: self.now)

    def run(self, writing: int, reading: int, times: int = 1) -> float:
        for _ in range(times):
            self.pace.begin()
            taken = (self.step if writing else 0.0) + self.token * reading
            self.now += taken
            self.pace.end(writing, reading)
        return taken

    def read_beside_one(self) -> float:
        """Read beside one who writes until that goes at a steady pace; returns how long a step takes then."""
        for _ in range(30):
            taken = self.run(1, self.pace.beside(1))
        return taken


def test_before_anything_is_known_steps_are_small_beside_others_and_large_alone():
    pace = Pace(512)
    assert (pace.alone, pace.beside(1)) == (512, 4)


def test_alone_a_step_reads_for_a_second():
    machine = Machine(0.1, 0.002)
    machine.run(0, 64)
    assert machine.pace.alone == 448


def test_alone_a_slow_machine_still_reads_a_whole_tile_if_that_takes_seconds_only():
    for token, tokens in ((0.01, 64), (0.04, 64), (0.05, 16)):
        machine = Machine(0.1, token)
        machine.run(0, 64)
        assert machine.pace.alone == tokens


def test_beside_writers_a_step_takes_at_most_so_many_times_as_long():
    machine = Machine(0.007, 0.0005)
    machine.run(1, 0, 20)
    assert machine.read_beside_one() <= STRETCH * 0.007 + 1e-9
    assert machine.pace.beside(1) == 24


def test_as_the_prompt_grows_and_its_tokens_cost_more_fewer_are_read():
    machine = Machine(0.007, 0.0002)
    machine.run(1, 0, 20)
    for _ in range(100):
        machine.token *= 1.01
        taken = machine.run(1, machine.pace.beside(1))
        assert taken < 4 * 0.007


def test_what_was_read_alone_serves_as_a_guess():
    machine = Machine(0.01, 0.001)
    machine.run(0, 512)
    machine.run(1, 0)
    assert machine.pace.beside(1) == 5


def test_the_more_write_the_more_is_read_beside_them():
    machine = Machine(0.007, 0.0005)
    machine.run(0, 512)
    machine.run(1, 0, 20)
    assert machine.pace.beside(1) < machine.pace.beside(3) < machine.pace.beside(9)
    machine.step = 0.05
    machine.run(16, 0, 20)
    assert machine.pace.beside(16) > 5 * machine.pace.beside(1)


def test_one_who_writes_alone_is_not_paced_by_what_many_take():
    machine = Machine(0.05, 0.0005)
    machine.run(16, 0, 20)
    machine.step = 0.007
    machine.run(1, 0, 20)
    assert machine.read_beside_one() <= STRETCH * 0.007 + 1e-9


def test_a_slow_machine_still_reads_a_little():
    machine = Machine(0.01, 10.0)
    machine.run(0, 512), machine.run(1, 0), machine.run(1, 8)
    assert (machine.pace.alone, machine.pace.beside(1)) == (1, 1)


def test_another_prompt_begins_with_more_than_the_end_of_a_long_one_allowed():
    machine = Machine(0.01, 10.0)
    machine.run(0, 512), machine.run(1, 0), machine.run(1, 8)
    machine.pace.begin_prompt()
    assert machine.pace.beside(1) == 2
    machine.token = 0.0005
    machine.run(1, 2)
    few = machine.pace.beside(1)
    machine.pace.begin_prompt()
    assert machine.pace.beside(1) == few == 4


def test_what_costs_nothing_yet_is_tried_with_a_few_more_each_time():
    machine = Machine(0.007, 0.0)
    machine.run(1, 0)
    for tokens in (4, 8, 16, 24, 32, 40):
        assert machine.pace.beside(1) == tokens
        machine.run(1, tokens)


def test_a_few_tokens_by_themselves_tell_nothing():
    machine = Machine(0.01, 0.001)
    machine.run(1, 0), machine.run(1, 8)
    before = machine.pace.beside(1), machine.pace.alone
    machine.token = 0.5
    machine.run(0, 1)
    assert (machine.pace.beside(1), machine.pace.alone) == before


def test_after_a_hiccup_more_than_one_is_tried_again():
    machine = Machine(0.01, 0.001)
    machine.run(1, 0), machine.run(1, 8)
    machine.token = 0.5
    machine.run(1, 8)
    assert machine.pace.beside(1) == 1
    machine.run(0, 1, 50)
    assert machine.pace.beside(1) == 1
    machine.run(0, 1, 250)
    assert machine.pace.beside(1) > 1


def test_a_hiccup_while_somebody_writes_lets_no_more_be_read_beside_them():
    machine = Machine(0.007, 0.0005)
    machine.run(1, 0, 20)
    machine.step = 0.07
    machine.run(1, 0, 4)
    machine.step = 0.007
    assert machine.read_beside_one() <= STRETCH * 0.007 + 1e-9


def test_a_chat_that_has_grown_lets_more_be_read_beside_it():
    machine = Machine(0.007, 0.0005)
    machine.run(1, 0, 20)
    machine.step = 0.014
    machine.run(1, 0, 5)
    assert 2 * 0.014 < machine.read_beside_one() <= STRETCH * 0.014 + 1e-9
