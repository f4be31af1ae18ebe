"""The brake on guessing: how long one waits, by name and by address."""

import pytest

from webui.attempts import BY_ADDRESS, BY_NAME, Attempts, Brake
from webui.errors import TooManyAttempts


class Clock:
    """Seconds that pass when they are told to."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def attempts(clock: Clock) -> Attempts:
    return Attempts(clock)


def wait(attempts: Attempts, name: str, address: str) -> int:
    """Fail once; returns how long to wait instead, 0 if the attempt was let through."""
    try:
        attempts.begin(name, address)
    except TooManyAttempts as error:
        return int(str(error.details["seconds"]))
    return 0


def test_the_wait_doubles_up_to_its_longest() -> None:
    brake = Brake(free=3, longest=60)
    assert [brake.wait(each) for each in range(11)] == [0, 0, 0, 1, 2, 4, 8, 16, 32, 60, 60]
    assert brake.wait(10**9) == 60
    assert BY_NAME.longest <= 60, "who guesses at a name must not lock its owner out for long"


def test_a_name_is_slowed_from_wherever_it_is_guessed(attempts: Attempts, clock: Clock) -> None:
    assert [wait(attempts, "anna", f"192.0.2.{each}") for each in range(5)] == [0] * 5
    assert wait(attempts, "anna", "198.51.100.1") == 1 and wait(attempts, "boris", "198.51.100.1") == 0
    for expected in (2, 4, 8, 16, 32, 60, 60):
        clock.now += expected / 2
        assert wait(attempts, "anna", "198.51.100.2") == 0
        assert wait(attempts, "anna", "198.51.100.3") == expected
        clock.now += expected / 2


def test_a_refused_attempt_costs_nothing_more(attempts: Attempts, clock: Clock) -> None:
    for _ in range(5):
        wait(attempts, "anna", "192.0.2.1")
    assert [wait(attempts, "anna", "192.0.2.1") for _ in range(50)] == [1] * 50
    clock.now += 1
    assert wait(attempts, "anna", "192.0.2.1") == 0


@pytest.mark.parametrize(
    ("first", "second", "same"),
    [("192.0.2.1", "192.0.2.1", True), ("192.0.2.1", "192.0.2.2", False), ("192.0.2.1", "::ffff:192.0.2.1", True),
     ("2001:db8::1", "2001:db8::ffff:2", True), ("2001:db8::1", "2001:db8:0:1::1", False),
     ("fe80::1%eth0", "fe80::2", True),
     ("", "", True), ("odd", "odd", True)],
)  # fmt: skip
def test_which_addresses_count_as_one(attempts: Attempts, first: str, second: str, same: bool) -> None:
    for each in range(BY_ADDRESS.free):
        assert wait(attempts, f"name {each}", first) == 0
    assert (wait(attempts, "another", second) > 0) is same


def test_success_clears_the_name_and_takes_one_attempt_back(attempts: Attempts) -> None:
    for each in range(BY_ADDRESS.free - 1):
        wait(attempts, f"name {each}", "192.0.2.1")
    for _ in range(3):
        attempts.begin("anna", "192.0.2.1")
        attempts.succeeded("anna", "192.0.2.1")
    assert wait(attempts, "last free", "192.0.2.1") == 0 and wait(attempts, "one more", "192.0.2.1") == 1


def test_an_hour_without_a_failure_forgets(attempts: Attempts, clock: Clock) -> None:
    for _ in range(5):
        wait(attempts, "anna", "192.0.2.1")
    clock.now += 3601
    assert [wait(attempts, "anna", "192.0.2.1") for _ in range(5)] == [0] * 5


def test_memory_stays_small(attempts: Attempts, clock: Clock) -> None:
    for each in range(11_000):
        clock.now += 0.01
        attempts.begin(f"name {each}", f"10.{each >> 16}.{each >> 8 & 255}.{each & 255}")
    assert len(attempts._records) <= 10_000
    clock.now += 3601
    attempts.begin("anna", "192.0.2.1")
    assert len(attempts._records) == 2
