import threading
from collections.abc import Callable

import pytest

from backends.base import Backend
from backends.errors import ModelNotFound
from backends.scripted import Script, ScriptedBackend
from webui.errors import NoModel
from webui.loader import Loader, LoaderState, Stage

Progress = Callable[[Stage, float], bool]
NEVER = threading.Event()


def opener(reference: str, progress: Progress) -> Backend:
    progress("loading", 0.5)
    if reference == "missing":
        raise ModelNotFound(model=reference)
    if reference == "broken":
        raise ZeroDivisionError("oh")
    return ScriptedBackend(Script(name=reference))


def test_waiting_gives_the_model_when_it_is_there() -> None:
    states: list[LoaderState] = []
    loader = Loader(opener, states.append)
    with pytest.raises(NoModel):
        loader.wait(NEVER)
    loader.switch("one")
    assert loader.wait(NEVER).info.name == "one"
    assert [state.stage for state in states] == ["loading", "loading", "ready"]
    loader.close()
    assert loader.backend is None


def test_switching_closes_the_model_before() -> None:
    loader = Loader(opener)
    loader.switch("one")
    first = loader.wait(NEVER)
    loader.switch("two")
    assert loader.wait(NEVER).info.name == "two"
    assert isinstance(first, ScriptedBackend) and first.closed


@pytest.mark.parametrize(("reference", "code"), [("missing", "model_not_found"), ("broken", "engine_failed")])
def test_a_model_that_cannot_be_loaded_says_why_to_all_who_wait(reference: str, code: str) -> None:
    loader = Loader(opener)
    loader.switch(reference)
    with pytest.raises(Exception) as failure:
        loader.wait(NEVER)
    assert failure.value.code == code  # type: ignore[attr-defined]
    loader.switch("one")
    assert loader.wait(NEVER).info.name == "one"


def test_a_load_that_was_overtaken_is_given_up() -> None:
    release = threading.Event()
    opened: list[ScriptedBackend] = []
    kept_on: list[bool] = []

    def slow(reference: str, progress: Progress) -> Backend:
        if reference == "slow":
            release.wait(5)
            kept_on.append(progress("loading", 0.9))
        opened.append(ScriptedBackend(Script(name=reference)))
        return opened[-1]

    loader = Loader(slow)
    loader.switch("slow")
    loader.switch("fast")
    release.set()
    assert loader.wait(NEVER).info.name == "fast"
    assert all(backend.closed for backend in opened if backend.info.name == "slow")
    assert kept_on in ([], [False])


def test_who_stops_waiting_is_let_go() -> None:
    release, stopping = threading.Event(), threading.Event()

    def slow(reference: str, progress: Progress) -> Backend:
        release.wait(5)
        return ScriptedBackend()

    loader = Loader(slow)
    loader.switch("slow")
    stopping.set()
    with pytest.raises(NoModel):
        loader.wait(stopping)
    release.set()


def test_what_is_shown_of_a_url_holds_no_secret() -> None:
    state = LoaderState("loading", "http://me:pass@host:8000/v1?key=k#model,http://other")
    assert state.shown == "http://***@host:8000/v1?key=***#model,http://other"
    assert LoaderState("ready", "/models/a=b?.gguf").shown == "/models/a=b?.gguf"
