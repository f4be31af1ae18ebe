import threading
from collections.abc import Callable

import pytest

from backends.base import Backend
from backends.errors import ModelNotFound, OutOfMemory, SamovarError
from backends.scripted import Script, ScriptedBackend
from webui.choice import ModelChoice
from webui.errors import NoModel
from webui.loader import Loader, LoaderState, Stage

Progress = Callable[[Stage, float], bool]
NEVER = threading.Event()
ONE, TWO = ModelChoice("one"), ModelChoice("two")
SECONDS = 5


class House:
    """A loader whose models are scripted. `missing` is not found, `broken` fails while it is looked for, `heavy` while
    it is loaded; `gate` holds up the opening of `slow`."""

    def __init__(self) -> None:
        self.states: list[LoaderState] = []
        self.ready: list[ModelChoice] = []
        self.opened: list[ScriptedBackend] = []
        self.told: list[bool] = []
        self.gate, self.inside = threading.Event(), threading.Event()
        self.loader = Loader(self._open, self.states.append, self.ready.append)

    def _open(self, choice: ModelChoice, progress: Progress) -> Backend:
        name = choice.reference
        progress("resolving", 0.0)
        if name == "missing":
            raise ModelNotFound(model=name)
        if name == "broken":
            raise ZeroDivisionError("oh")
        if name == "far":
            self._hold("downloading", progress)
        self.told.append(progress("loading", 0.0))
        if name == "heavy":
            raise OutOfMemory(model=name, reason="it is heavy")
        if name == "slow":
            self._hold("loading", progress)
        self.opened.append(ScriptedBackend(Script(name=name)))
        return self.opened[-1]

    def _hold(self, stage: Stage, progress: Progress) -> None:
        progress(stage, 0.5)
        self.inside.set()
        assert self.gate.wait(SECONDS)
        self.told.append(progress(stage, 0.9))

    def load(self, choice: ModelChoice) -> Backend:
        self.loader.switch(choice)
        self.settle()
        return self.loader.wait(NEVER)

    def settle(self) -> None:
        """Wait until nothing is on its way."""
        with self.loader._condition:
            assert self.loader._condition.wait_for(lambda: not self.loader.state.under_way, SECONDS)

    def stages(self) -> list[str]:
        return [state.stage for state in self.states]


@pytest.fixture
def house() -> House:
    return House()


def test_waiting_gives_the_model_when_it_is_there(house: House) -> None:
    with pytest.raises(NoModel):
        house.loader.wait(NEVER)
    house.loader.switch(ONE)
    assert house.loader.wait(NEVER).info.name == "one"
    house.settle()
    assert house.stages() == ["resolving", "loading", "ready"]
    assert house.ready == [ONE]
    house.loader.close()
    assert house.loader.backend is None and house.stages()[-1] == "ready"


def test_switching_closes_the_model_before_when_memory_is_needed(house: House) -> None:
    first = house.load(ONE)
    house.loader.switch(ModelChoice("far"))
    assert house.inside.wait(SECONDS)
    assert isinstance(first, ScriptedBackend) and not first.closed
    assert house.loader.wait(NEVER) is first, "while the other is fetched, this one answers"
    house.gate.set()
    house.settle()
    assert house.loader.wait(NEVER).info.name == "far"
    assert first.closed
    assert house.ready == [ONE, ModelChoice("far")]


@pytest.mark.parametrize(("reference", "code"), [("missing", "model_not_found"), ("broken", "engine_failed")])
def test_a_model_that_is_not_there_leaves_the_one_before(house: House, reference: str, code: str) -> None:
    first = house.load(ONE)
    assert house.load(ModelChoice(reference)) is first
    state = house.loader.state
    assert isinstance(first, ScriptedBackend) and not first.closed
    assert (state.stage, state.choice, state.loaded) == ("ready", ONE, ONE)
    assert state.error is not None and state.error.code == code
    assert state.failed == ModelChoice(reference)
    assert house.ready == [ONE], "what did not load is not kept"
    assert house.load(TWO).info.name == "two"
    assert (house.loader.state.error, house.loader.state.failed) == (None, None)


def test_a_model_that_does_not_load_gives_way_to_the_one_before(house: House) -> None:
    first = house.load(ONE)
    again = house.load(ModelChoice("heavy"))
    state = house.loader.state
    assert isinstance(first, ScriptedBackend) and first.closed
    assert again is not first and again.info.name == "one"
    assert (state.stage, state.loaded, state.failed) == ("ready", ONE, ModelChoice("heavy"))
    assert isinstance(state.error, OutOfMemory)
    assert not first.closed or not house.opened[-1].closed


@pytest.mark.parametrize(("reference", "code"), [("missing", "model_not_found"), ("heavy", "out_of_memory")])
def test_without_a_model_before_all_who_wait_are_told_why(house: House, reference: str, code: str) -> None:
    house.loader.switch(ModelChoice(reference))
    with pytest.raises(SamovarError) as failure:
        house.loader.wait(NEVER)
    assert failure.value.code == code
    assert house.loader.state.stage == "failed" and house.ready == []
    assert house.load(ONE).info.name == "one"


def test_when_the_one_before_does_not_come_back_either(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    house.load(ONE)

    def fail(choice: ModelChoice, progress: Progress) -> Backend:
        progress("loading", 0.0)
        raise OutOfMemory(model=choice.reference, reason="full")

    monkeypatch.setattr(house.loader, "_open", fail)
    house.loader.switch(TWO)
    house.settle()
    state = house.loader.state
    assert (state.stage, state.choice, state.backend) == ("failed", ONE, None)
    with pytest.raises(OutOfMemory):
        house.loader.wait(NEVER)


def test_a_load_that_was_overtaken_is_given_up(house: House) -> None:
    house.loader.switch(ModelChoice("slow"))
    assert house.inside.wait(SECONDS)
    house.loader.switch(TWO)
    house.gate.set()
    assert house.loader.wait(NEVER).info.name == "two"
    assert house.told[:2] == [True, False]
    assert [backend.closed for backend in house.opened] == [True, False]
    assert house.ready == [TWO]


def test_a_download_that_is_cancelled_leaves_the_model_as_it_is(house: House) -> None:
    first = house.load(ONE)
    house.loader.switch(ModelChoice("far"))
    assert house.inside.wait(SECONDS)
    house.loader.cancel()
    house.gate.set()
    assert house.loader.wait(NEVER) is first
    assert house.loader.state == LoaderState("ready", ONE, 1.0, first, ONE)


def test_a_load_that_is_cancelled_brings_the_model_before_back(house: House) -> None:
    house.load(ONE)
    house.loader.switch(ModelChoice("slow"))
    assert house.inside.wait(SECONDS)
    house.loader.cancel()
    house.gate.set()
    assert house.loader.wait(NEVER).info.name == "one"
    house.settle()
    assert house.loader.state.error is None


def test_a_first_load_that_is_cancelled_leaves_nothing(house: House) -> None:
    house.loader.switch(ModelChoice("slow"))
    assert house.inside.wait(SECONDS)
    house.loader.cancel()
    house.gate.set()
    assert house.loader.state == LoaderState()
    with house.loader._busy:  # the thread that was loading is through
        assert all(backend.closed for backend in house.opened)
    house.loader.cancel()  # nothing is on its way
    assert house.loader.state == LoaderState()


def test_unloading_closes_the_model_and_says_so(house: House) -> None:
    first = house.load(ONE)
    house.loader.unload()
    assert isinstance(first, ScriptedBackend) and first.closed
    assert house.stages()[-1] == "none"
    with pytest.raises(NoModel):
        house.loader.wait(NEVER)


def test_who_stops_waiting_is_let_go(house: House) -> None:
    stopping = threading.Event()
    house.loader.switch(ModelChoice("slow"))
    assert house.inside.wait(SECONDS)
    stopping.set()
    with pytest.raises(NoModel):
        house.loader.wait(stopping)
    house.gate.set()
    house.settle()
