"""Several engines behind one name: the least busy one is asked, a lost one is left alone for a while."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator

import pytest

from backends.errors import EngineFailed, ModelUnavailable, ModelUnsupported
from backends.registry import BackendOptions
from backends.remote.backend import RemoteBackend
from backends.remote.client import Limits
from backends.remote.opening import open_reference
from backends.remote.pool import Member, Pool
from backends.sampling import SamplingParams
from backends.values import ChatPrompt, Done, Event, Message, Request, TextDelta
from tests.backends.remote.fake import (
    CUT,
    DONE,
    Answer,
    FakeEngine,
    as_json,
    delta,
    events,
    fake,
    models,
    said,
)

CHAT = "POST /v1/chat/completions"
ASK = ChatPrompt((Message("user", "Hi"),))
QUICK = Limits(connect=2, answer=5, first=5, between=5, pause=0.01, longest_pause=0.1)


@pytest.fixture
def both() -> Iterator[tuple[FakeEngine, FakeEngine]]:
    with fake({CHAT: said("one")}) as one, fake({CHAT: said("two")}) as two:
        yield one, two


@pytest.fixture
def backend(both: tuple[FakeEngine, FakeEngine]) -> Iterator[RemoteBackend]:
    opened = open_reference(",".join(engine.url for engine in both), BackendOptions(), QUICK)
    yield opened
    opened.close()


def run(backend: RemoteBackend) -> list[Event]:
    return list(backend.start(Request(ASK)))


def text_of(told: list[Event]) -> str:
    return "".join(each.text for each in told if isinstance(each, TextDelta))


def test_the_least_busy_one_is_asked(both: tuple[FakeEngine, FakeEngine], backend: RemoteBackend) -> None:
    one, two = both
    gate = threading.Event()
    one.routes[CHAT] = events(delta("slow"), gate, delta(finish="stop"), DONE)
    slow = iter(backend.start(Request(ASK)))
    assert any(isinstance(each, TextDelta) for each in slow)
    assert text_of(run(backend)) == text_of(run(backend)) == "two"
    gate.set()
    assert isinstance(list(slow)[-1], Done)
    one.routes[CHAT] = said("one")
    assert text_of(run(backend)) == "one"
    assert len(two.bodies()) == 2


def test_one_that_is_gone_is_passed_over(both: tuple[FakeEngine, FakeEngine], backend: RemoteBackend) -> None:
    one, _ = both
    one.close()
    began = time.monotonic()
    assert [text_of(run(backend)) for _ in range(3)] == ["two"] * 3
    assert time.monotonic() - began < 2


def test_one_that_dies_in_the_middle_of_a_reply(both: tuple[FakeEngine, FakeEngine], backend: RemoteBackend) -> None:
    one, _ = both
    one.routes[CHAT] = events(delta("Half"), CUT)
    told: list[Event] = []
    with pytest.raises(EngineFailed, match=f"{one.url} broke off in the middle of the reply"):
        told.extend(each for each in backend.start(Request(ASK)))
    assert text_of(told) == "Half"
    assert text_of(run(backend)) == "two"


@pytest.mark.parametrize("answer", [as_json({}, 503), as_json({}, 429, retry_after="9"), events(CUT)])
def test_one_that_fails_before_the_first_token(
    both: tuple[FakeEngine, FakeEngine], backend: RemoteBackend, answer: Answer
) -> None:
    one, _ = both
    one.routes[CHAT] = answer
    assert text_of(run(backend)) == "two"


def test_both_gone(both: tuple[FakeEngine, FakeEngine], backend: RemoteBackend) -> None:
    for engine in both:
        engine.close()
    with pytest.raises(EngineFailed, match="nothing answers at"):
        run(backend)


def test_one_that_comes_back_is_used_again(both: tuple[FakeEngine, FakeEngine], backend: RemoteBackend) -> None:
    one, two = both
    one.close()
    assert text_of(run(backend)) == "two"
    gate = threading.Event()
    two.routes[CHAT] = events(delta("busy"), gate, delta(finish="stop"), DONE)
    with fake({CHAT: said("back")}, port=one.port) as again:
        (member,) = [member for member in backend._pool.members if member.failures]
        member.resting_until = 0.0
        busy = iter(backend.start(Request(ASK)))  # sees that the other one has rested, and looks at it
        assert any(isinstance(each, TextDelta) for each in busy)
        assert again.arrived.wait(5)
        deadline = time.monotonic() + 5
        while member.failures and time.monotonic() < deadline:
            time.sleep(0.01)
        assert text_of(run(backend)) == "back"
        gate.set()
        assert isinstance(list(busy)[-1], Done)


def test_one_of_them_is_enough_to_open(both: tuple[FakeEngine, FakeEngine]) -> None:
    one, two = both
    two.close()
    backend = open_reference(f"{two.url}, {one.url}", BackendOptions(), QUICK)
    assert text_of(run(backend)) == "one"
    backend.close()
    one.close()
    with pytest.raises(ModelUnavailable, match="nothing answers there"):
        open_reference(f"{one.url},{two.url}", BackendOptions(), QUICK)


def test_one_that_is_no_engine_is_told_at_once(both: tuple[FakeEngine, FakeEngine]) -> None:
    one, two = both
    two.routes["GET /v1/models"] = Answer([b"<html>"], headers={"content-type": "text/html"})
    with pytest.raises(ModelUnsupported):
        open_reference(f"{one.url},{two.url}", BackendOptions(), QUICK)


def test_what_all_of_them_can_do(both: tuple[FakeEngine, FakeEngine]) -> None:
    one, two = both
    one.routes["GET /v1/models"] = models({"id": "m", "max_model_len": 4000}, owner="vllm")
    two.routes["GET /v1/models"] = models({"id": "m", "max_model_len": 2000})
    backend = open_reference(f"{one.url},{two.url}", BackendOptions(), QUICK)
    assert backend.info.window == 2000
    assert "temperature" in backend.capabilities.knobs and "top_k" not in backend.capabilities.knobs
    backend.close()


def test_one_that_was_away_and_can_do_less_is_not_asked_for_more(both: tuple[FakeEngine, FakeEngine]) -> None:
    one, two = both
    one.routes["GET /v1/models"] = models({"id": "m", "max_model_len": 4000}, owner="vllm")
    two.close()
    backend = open_reference(f"{one.url},{two.url}", BackendOptions(), QUICK)
    with fake({CHAT: said("less")}, port=two.port):
        for member in backend._pool.members:
            backend._pool.answered(member)
        one.routes[CHAT] = said("more")
        gate = threading.Event()
        one.routes[CHAT] = [events(gate, DONE), said("more")]
        waiting = backend.start(Request(ASK))
        assert text_of(list(backend.start(Request(ASK, SamplingParams(top_k=4))))) == "more"
        assert text_of(run(backend)) == "less"
        waiting.cancel()
        gate.set()
    backend.close()


class Clock:
    now = 100.0

    def __call__(self) -> float:
        return self.now


def member(**fields: object) -> Member:
    made = Member.__new__(Member)
    made.engine, made.running, made.failures, made.resting_until = None, 0, 0, 0.0
    for name, value in fields.items():
        setattr(made, name, value)
    return made


def test_rest_grows_and_ends() -> None:
    clock = Clock()
    lost, well = member(), member(running=9)
    pool = Pool([lost, well], clock)
    rests = []
    for _ in range(9):
        pool.lost(lost)
        rests.append(lost.resting_until - clock.now)
    assert rests == [1, 2, 4, 8, 16, 32, 60, 60, 60]
    assert pool.order() == [well, lost]
    assert pool.due() == []
    clock.now += 61
    assert pool.due() == [lost]
    assert pool.due() == [], "it is looked at once, not by every request"
    pool.answered(lost)
    assert pool.order() == [lost, well]


def test_one_alone_is_not_looked_at_in_the_background() -> None:
    pool = Pool([alone := member()], clock := Clock())
    pool.lost(alone)
    clock.now += 100
    assert pool.due() == []
    assert pool.order() == [alone]
